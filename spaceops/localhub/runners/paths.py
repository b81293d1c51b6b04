"""Where the paths of an image lie on this machine, and how files get there."""

from __future__ import annotations

import errno
import os
import posixpath
import re
import shutil
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from spaceops.localhub.runners import BuildFailed
from spaceops.localhub.runners.shell import Script, adapt

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

TEMPORARY = "/tmp"  # noqa: S108 - of the image
PYTHON_PREFIX = "/usr/local"  # where the official images have their Python: here it is the environment
BEFORE = r"(?<![\w./~$})*+?%@-])"
AFTER = r"(?![\w.-])"
UNSAFE = re.compile(r"([^\w@%+=:,./-])")
SMALL = 1_000_000  # bytes; scripts that name their interpreter are smaller
RESERVE = 250_000_000  # bytes of the disk that neither commands nor copies may use up
LOOK_EVERY = 0.5  # seconds between two looks at the disk
LINKS = 40  # symlinks on the way to a file, as the kernel has it


@dataclass
class ImagePaths:
    """The image paths that lie below one folder: in `root`, or in `env` for those of Python.

    Commands find them there, under other names: `seen` and `translate` say which.
    """

    folder: Path
    prefixes: set[str] = field(default_factory=set)
    python: str = ""  # the interpreter of this machine that the environment was made from
    fixed: tuple[str, ...] = ()  # folders that are read and not changed: a run need not have its own
    literal: ClassVar[bool] = False  # whether commands find them under their own names

    def know(self, *paths: str) -> None:
        """From now on these image paths, and all below them, are found in the folder."""
        self.prefixes.update(path for path in map(posixpath.normpath, paths) if path not in ("/", "."))

    def is_own(self, path: str) -> bool:
        """Whether an image path lies in the folder."""
        path = posixpath.normpath(path)
        return any(path == known or path.startswith(f"{known}/") for known in self._all())

    def real(self, path: str) -> Path:
        """The place of an absolute image path."""
        path = posixpath.normpath(path)
        if path == PYTHON_PREFIX or path.startswith(f"{PYTHON_PREFIX}/"):
            return self.environment / path[len(PYTHON_PREFIX) + 1 :]
        return self.folder / "root" / path.lstrip("/")

    @property
    def environment(self) -> Path:
        """The Python environment."""
        return self.folder / "env"

    @property
    def shims(self) -> str:
        """Where commands find those that mean something else here."""
        return str(self.folder / "shims")

    @property
    def last_on_path(self) -> list[str]:
        """Where commands find what else this machine has."""
        return ["/opt/homebrew/bin", "/usr/local/bin"] if sys.platform == "darwin" else []

    def seen(self, path: str) -> str:
        """Where commands find an absolute image path."""
        return str(self.real(path))

    def read(self, text: str) -> Script:
        """What of a shell text can be done; raises `shell.Refused`."""
        return adapt(text, self.is_own)

    def inside(self, path: str) -> Path:
        """The place of an image path, its symlinks followed as within a container: they lead nowhere else.

        Whatever the server itself reads or writes among the files of an image, it reaches in this way.
        """
        waiting = posixpath.normpath(path).strip("/").split("/")[::-1]
        here, followed = "/", 0
        while waiting:
            name = waiting.pop()
            place = self.real(posixpath.join(here, name))
            if place.is_symlink() and name not in ("", ".", ".."):
                followed += 1
                target = self._image_path(str(place.readlink()))
                here = "/" if target.startswith("/") else here
                waiting += target.split("/")[::-1]
            else:
                here = posixpath.normpath(posixpath.join(here, name))
            if followed > LINKS:
                raise BuildFailed(f"{path}: too many levels of symbolic links")
        return self.real(here)

    def _image_path(self, target: str) -> str:
        """What a symlink means that names the folder, as one does that was made under other names."""
        for place, path in ((self.folder / "root", "/"), (self.environment, PYTHON_PREFIX)):
            if target == str(place) or target.startswith(f"{place}/"):
                return posixpath.join(path, target[len(str(place)) + 1 :])
        return target

    def translate(self, text: str, *, in_shell: bool = False, mounted: Mapping[str, Path] | None = None) -> str:
        """Replace the image's own paths within a text; `in_shell` quotes where the place needs it.

        `mounted` are files that lie elsewhere. What names the folder itself is in its place already.
        """
        files = {**(mounted or {}), str(self.folder): self.folder}
        names = "|".join(re.escape(path) for path in sorted(self._all().union(files), key=len, reverse=True))

        def place(found: re.Match[str]) -> str:
            real = str(files.get(found[0]) or self.real(found[0]))
            needs_quotes = in_shell and real != found[0] and UNSAFE.search(real)
            return _quoted(real, text[: found.start()]) if needs_quotes else real

        return re.sub(f"{BEFORE}(?:{names}){AFTER}", place, text)

    def _all(self) -> set[str]:
        return self.prefixes | {PYTHON_PREFIX}


def _quoted(path: str, before: str) -> str:
    """The path as it must be written after that piece of a shell text."""
    quote = ""
    position = 0
    while position < len(before):
        char = before[position]
        if char == "\\" and quote != "'":
            position += 1
        elif char == quote:
            quote = ""
        elif char in "'\"" and not quote:
            quote = char
        position += 1
    if quote == "'":
        return path.replace("'", "'\\''")
    return re.sub(r'(["$`\\])' if quote else UNSAFE, r"\\\1", path)


def clone(source: Path, target: Path, *, share: bool) -> None:
    """Copy a stage. To `share` its Python environments (hard links, which is quick and takes no space) is for those who
    only read: `env`, and any that the image has itself.
    """
    shared = list(environments(source / "root")) if share else []
    copy_around(source / "root", target / "root", shared)
    copy_tree(source / "shims", target)
    for environment in (*shared, source / "env"):
        copy_tree(environment, target / environment.relative_to(source).parent, share=share)


def environments(root: Path) -> Iterator[Path]:
    """The Python environments in the folder of an image."""
    for place, folders, files in os.walk(root):
        if "pyvenv.cfg" in files and place != str(root):
            folders.clear()
            yield Path(place)


def copy_around(source: Path, target: Path, left_out: Collection[Path]) -> None:
    """Copy what is in a folder, but for some of the folders in it, of which only the place is made."""
    target.mkdir(parents=True, exist_ok=True)
    for entry in source.iterdir():
        if entry in left_out:
            (target / entry.name).mkdir()
        elif any(folder.is_relative_to(entry) for folder in left_out):
            copy_around(entry, target / entry.name, left_out)
        else:
            copy_tree(entry, target)


def copy_as(source: Path, target: Path, *, share: bool) -> None:
    """Copy a folder to where nothing is yet, under whatever name; an environment may be shared."""
    scratch = target.with_name(f".{uuid.uuid4().hex}")
    scratch.mkdir(parents=True)
    copy_tree(source, scratch, share=share and (source / "pyvenv.cfg").is_file())
    (scratch / source.name).rename(target)
    scratch.rmdir()


def copy_tree(source: Path, folder: Path, *, share: bool = False) -> None:
    """Copy a folder into a folder, or a file; `cp` takes whatever an image may hold: pipes, holes, any depth.

    What an image made unreadable is made readable. Raises `OSError`, also before the disk is full.
    """
    reason = _copy(source, folder, "-al" if share else "-a")
    if reason and share:  # another file system, or one without hard links
        remove(folder / source.name)
        reason = _copy(source, folder, "-a")
    if reason == os.strerror(errno.EACCES):
        remove(folder / source.name)
        subprocess.run(["chmod", "-R", "u+rwX", "--", str(source)], capture_output=True, check=False)
        reason = _copy(source, folder, "-a")
    if reason:
        raise OSError(reason)


def _copy(source: Path, folder: Path, how: str) -> str:
    """Copy, and return why that failed, without the names, which are of this machine."""
    env = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    with subprocess.Popen(
        ["cp", how, "--", str(source), str(folder)],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as copying:
        return _watch(copying, folder)


def _watch(copying: subprocess.Popen[str], folder: Path) -> str:
    """Wait for the end of a copy, or end it before the disk is full."""
    while True:
        try:
            _, said = copying.communicate(timeout=LOOK_EVERY)
        except subprocess.TimeoutExpired:
            if shutil.disk_usage(folder.parent).free < RESERVE:
                copying.kill()
        else:
            return said.strip().rpartition(": ")[2] or (os.strerror(errno.ENOSPC) if copying.returncode else "")


def relocate(folder: Path, old: str, new: str) -> None:
    """After a move: rewrite what names its own place (scripts, `.pth` files, `pyvenv.cfg`) from `old` to `new`."""
    for file in _naming_places(folder):
        if file.is_symlink():
            if str(file.readlink()).startswith(old):
                target = new + str(file.readlink())[len(old) :]
                file.unlink()
                file.symlink_to(target)
        elif file.is_file() and file.stat().st_size < SMALL and old.encode() in (content := file.read_bytes()):
            rewrite(file, content.replace(old.encode(), new.encode()))


def rewrite(file: Path, content: bytes) -> None:
    """Give a file another content: as a new file, since the old one may be a link into the cache, or read-only."""
    mode = file.stat().st_mode
    file.unlink()
    with file.open("xb") as stream:  # nothing that an image brings is written through
        stream.write(content)
    file.chmod(mode)


def _naming_places(folder: Path) -> Iterator[Path]:
    for place, _, files in os.walk(folder):
        everything = Path(place).name in ("bin", "shims")
        for name in files:
            if everything or name == "pyvenv.cfg" or name.endswith(".pth") or name.startswith("__editable__"):
                yield Path(place, name)


def remove(*folders: Path) -> None:
    """Delete folders, if they are there; what was made unwritable is made writable first."""
    for folder in filter(os.path.lexists, folders):
        for command in (["rm", "-rf"], ["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
            if os.path.lexists(folder):  # others may be at it too
                subprocess.run([*command, "--", str(folder)], capture_output=True, check=False)


def is_within(path: Path, folders: Iterable[Path]) -> bool:
    """Whether a path, its symlinks followed, lies in one of the folders."""
    resolved = path.resolve()
    return any(resolved.is_relative_to(folder.resolve()) for folder in folders)
