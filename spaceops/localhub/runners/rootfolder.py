"""The folder that becomes `/` in a sandbox: the image's files, with places for what is mounted.

Its content was made by whoever pushed the image, symlinks too. The server follows none of them here: they could lead to
any file of this machine. What stands in the way of a mount is removed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from spaceops.localhub.runners import Mount
from spaceops.localhub.runners.isolation import ETC_FILES, ETC_FOLDERS, STORES, SYSTEM
from spaceops.localhub.runners.paths import remove

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HUB = "/.hub"  # what the sandbox needs itself
LOCAL = f"{HUB}/local"  # this machine's /usr/local; the image's is its Python
OWN_IN_USR = ("local", "src")  # of an image
NEEDED = (HUB, "/proc", "/dev", "/tmp", "/etc")  # noqa: S108 - of the image
ALWAYS_NEW = ("hosts", "resolv.conf")  # as container engines have it
USERS = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
GROUPS = "root:x:0:\nnogroup:x:65534:\n"


@dataclass(frozen=True)
class RootFolder:
    """The folder, as the server prepares it before each start. Everything blocks."""

    folder: Path

    def prepare(self, uid: int, home: str, mounts: Sequence[Mount]) -> list[Mount]:
        """Make what a command of that user expects, and places for mounts; returns the mounts of the system."""
        for path in NEEDED:
            self._folder(path)
        self._provide_etc()
        self._provide_user(uid, home)
        for mount in mounts:
            if mount.source.is_dir():
                self._folder(mount.target)
            else:
                self._file(mount.target)
        return list(dict.fromkeys(self._system()))

    def _folder(self, path: str) -> Path:
        here = self.folder
        for name in Path(path).parts[1:]:
            here /= name
            if here.is_symlink() or not here.is_dir():
                remove(here)
                here.mkdir()
        return here

    def _file(self, path: str) -> None:
        above, _, name = path.rpartition("/")
        file = self._folder(above or "/") / name
        if file.is_symlink() or not file.is_file():
            self._write(file, b"")

    def _write(self, file: Path, content: bytes) -> None:
        remove(file)
        with file.open("xb") as stream:
            stream.write(content)

    def _provide_etc(self) -> None:
        """Copies of what nearly every program reads; an image may have its own."""
        for name in ETC_FILES:
            source = Path("/etc", name)
            if source.is_file():
                place = self._folder(str(source.parent)) / source.name
                if name in ALWAYS_NEW or not os.path.lexists(place):
                    self._write(place, source.read_bytes())

    def _provide_user(self, uid: int, home: str) -> None:
        """Entries of a user database, unless the image has them."""
        name = home.rpartition("/")[2] or "user"
        self._add("passwd", uid, USERS, f"{name}:x:{uid}:{uid}::{home}:/bin/sh\n")
        self._add("group", uid, GROUPS, f"{name}:x:{uid}:\n")

    def _add(self, name: str, uid: int, start: str, line: str) -> None:
        file = self._folder("/etc") / name
        text = file.read_text(errors="replace") if file.is_file() and not file.is_symlink() else start
        numbers = [entry.split(":")[2] for entry in text.splitlines() if entry.count(":") > 1]
        self._write(file, (text if str(uid) in numbers else text + line).encode())

    def _system(self) -> Iterator[Mount]:
        """This machine's system, read only."""
        for path, target in system():
            if target is not None:
                self._link(path, target)
            elif any((here := self._folder(str(path))).iterdir()):
                top = Path("/usr") if path.is_relative_to("/usr") else path
                merge(here, path)
                yield Mount(top, f"{HUB}{top}", read_only=True)
            else:
                yield Mount(path, str(path), read_only=True)

    def _link(self, path: Path, target: Path) -> None:
        link = self._folder(str(path.parent)) / path.name
        if not link.is_symlink() or link.readlink() != target:
            remove(link)
            link.symlink_to(target)


def merge(here: Path, machine: Path) -> None:
    """Where an image has something of its own in a folder of the system: symlinks to all the rest, below `HUB`."""
    for theirs in machine.iterdir():
        mine = here / theirs.name
        if not os.path.lexists(mine):
            mine.symlink_to(f"{HUB}{theirs}")
        elif mine.is_dir() and not mine.is_symlink() and theirs.is_dir():
            merge(mine, theirs)


@cache
def system() -> tuple[tuple[Path, Path | None], ...]:
    """The folders of this machine's system, and where those lead that are symlinks."""
    top = [Path("/", name) for name in SYSTEM]
    usr = [path for path in sorted(Path("/usr").iterdir()) if path.name not in OWN_IN_USR]
    etc = [Path("/etc", name) for name in ETC_FOLDERS]
    places = [path for path in (*top, *usr, *etc, *map(Path, STORES)) if path.is_dir()]
    return tuple((path, path.readlink() if path.is_symlink() else None) for path in places)
