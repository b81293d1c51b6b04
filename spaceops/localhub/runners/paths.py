"""Where the paths of an image lie on this machine, and how files get there."""

from __future__ import annotations

import os
import posixpath
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

TEMPORARY = "/tmp"  # noqa: S108 - of the image
PYTHON_PREFIX = "/usr/local"  # where the official images have their Python: here it is the environment
BEFORE = r"(?<![\w./~$})*+?%@-])"
AFTER = r"(?![\w.-])"
UNSAFE = re.compile(r"([^\w@%+=:,./-])")
SMALL = 1_000_000  # bytes; scripts that name their interpreter are smaller


@dataclass
class ImagePaths:
    """The image paths that lie below one folder: in `root`, or in `env` for those of Python."""

    folder: Path
    prefixes: set[str] = field(default_factory=set)

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
            return self.folder / "env" / path[len(PYTHON_PREFIX) + 1 :]
        return self.folder / "root" / path.lstrip("/")

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


def clone(source: Path, target: Path) -> None:
    """Copy a stage: the files of `root` as copies, those of `env` as hard links, which is quick and takes no space."""
    target.mkdir(parents=True)
    for name in ("root", "shims"):
        if (source / name).exists():
            shutil.copytree(source / name, target / name, symlinks=True)
    shutil.copytree(source / "env", target / "env", symlinks=True, copy_function=_link)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)


def relocate(folder: Path, old: str, new: str) -> None:
    """After a move: rewrite what names its own place (scripts, `.pth` files, `pyvenv.cfg`) from `old` to `new`."""
    for file in _naming_places(folder):
        if file.is_symlink():
            if str(file.readlink()).startswith(old):
                target = new + str(file.readlink())[len(old) :]
                file.unlink()
                file.symlink_to(target)
        elif file.stat().st_size < SMALL and old.encode() in (content := file.read_bytes()):
            rewrite(file, content.replace(old.encode(), new.encode()))


def rewrite(file: Path, content: bytes) -> None:
    """Give a file another content: as a new file, since the old one may be a link into the cache, or read-only."""
    fresh = file.with_name(f".{file.name}.new")
    fresh.write_bytes(content)
    shutil.copymode(file, fresh)
    fresh.replace(file)


def _naming_places(folder: Path) -> Iterator[Path]:
    for place, _, files in os.walk(folder):
        everything = Path(place).name in ("bin", "shims")
        for name in files:
            if everything or name == "pyvenv.cfg" or name.endswith(".pth") or name.startswith("__editable__"):
                yield Path(place, name)


def remove(*folders: Path) -> None:
    """Delete folders, if they are there; what was made unwritable is made writable first."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            for place, _, _ in os.walk(folder):
                Path(place).chmod(0o700)
            shutil.rmtree(folder, ignore_errors=True)  # others may be at it too


def is_within(path: Path, folders: Iterable[Path]) -> bool:
    """Whether a path, its symlinks followed, lies in one of the folders."""
    resolved = path.resolve()
    return any(resolved.is_relative_to(folder.resolve()) for folder in folders)
