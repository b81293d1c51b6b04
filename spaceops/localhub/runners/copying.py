"""COPY and ADD: which files an instruction means, what they hash to, and where they go."""

from __future__ import annotations

import hashlib
import os
import posixpath
import shutil
import stat
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from spaceops.dockerfile import Ignore, glob_pattern
from spaceops.localhub.runners.flags import changed_mode
from spaceops.localhub.runners.paths import is_within

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WILDCARDS = frozenset("*?[")
PIECE = 1 << 20


class SourceMissing(Exception):
    """A source that the build context, or the other stage, does not have."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self.source = "/" + source.lstrip("/")


@dataclass(frozen=True)
class Item:
    """A file, a symlink or an empty folder to copy."""

    path: Path
    target: str  # relative to the destination folder
    is_root: bool  # named by the instruction itself, not found within a folder


@dataclass(frozen=True)
class Tree:
    """The files that may be copied: the build context without what `.dockerignore` excludes, or another stage."""

    base: Path
    ignore: Ignore = field(default_factory=Ignore)
    may_lead_out: bool = False  # symlinks; in a stage they lead to this machine's Python

    @classmethod
    def context(cls, base: Path) -> Tree:
        """The build context of a Space."""
        for name in ("Dockerfile.dockerignore", ".dockerignore"):
            file = base / name
            if file.is_file():
                return cls(base, Ignore.parse(file.read_text(errors="replace")))
        return cls(base)

    def gather(self, source: str) -> list[Item]:
        """What one source argument means, sorted; raises `SourceMissing` when that is nothing."""
        wanted = posixpath.normpath(posixpath.join("/", source)).lstrip("/")
        items = [item for path in self._matching(wanted) for item in self._below(path)]
        if not items:
            raise SourceMissing(wanted)
        return items

    def _matching(self, wanted: str) -> list[str]:
        if not WILDCARDS & set(wanted):
            return [wanted] if self._is_there(wanted) else []
        pattern = glob_pattern(wanted)
        found = {path for path in self._everything() if pattern.fullmatch(path)}
        return sorted(found)

    def _is_there(self, path: str) -> bool:
        place = self.base / path
        return os.path.lexists(place) and self._stays(place)

    def _stays(self, path: Path) -> bool:
        return self.may_lead_out or is_within(path, [self.base])

    def _everything(self) -> Iterator[str]:
        for place, folders, files in os.walk(self.base):
            for name in [*folders, *files]:
                yield (Path(place, name)).relative_to(self.base).as_posix()

    def _below(self, source: str) -> Iterator[Item]:
        start = (self.base / source).resolve()  # a source that is a symlink is followed, those within a folder are kept
        if not start.is_dir():
            if not self.ignore.excludes(source):
                yield Item(start, posixpath.basename(source), is_root=True)
            return
        for place, folders, files in os.walk(start):
            folders.sort()
            links = [name for name in folders if Path(place, name).is_symlink()]
            for name in sorted([*files, *links]):
                path = Path(place, name)
                target = path.relative_to(start).as_posix()
                leads_out = path.is_symlink() and not self._stays(path)
                if not leads_out and not self.ignore.excludes(posixpath.join(source, target)):
                    yield Item(path, target, is_root=False)
            if not folders and not files:
                yield Item(Path(place), Path(place).relative_to(start).as_posix(), is_root=False)


def digest(items: Sequence[Item]) -> str:
    """A hash over names, modes and contents."""
    total = hashlib.sha256()
    for item in items:
        executable = not item.path.is_symlink() and os.access(item.path, os.X_OK)
        total.update(f"{item.target}\0{item.is_root}\0{executable}\0".encode())
        if item.path.is_symlink():
            total.update(str(item.path.readlink()).encode())
        elif item.path.is_file():
            with item.path.open("rb") as stream:
                total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()


def copy(items: Sequence[Item], target: Path, *, into: bool, mode: str | None, unpack: bool = False) -> None:
    """Copy to `target`: as that file, or `into` it as a folder. ADD unpacks archives that it names itself.

    `mode` is as `--chmod` has it.
    """
    if into:
        target.mkdir(parents=True, exist_ok=True)
    for item in items:
        if unpack and item.is_root and item.path.is_file() and tarfile.is_tarfile(item.path):
            target.mkdir(parents=True, exist_ok=True)
            subprocess.run(["tar", "-xf", str(item.path), "-C", str(target)], check=True, capture_output=True)
            continue
        _copy_one(item, target / item.target if into else target, mode)


def _copy_one(item: Item, place: Path, mode: str | None) -> None:
    if item.path.is_dir() and not item.path.is_symlink():
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_symlink() or place.is_file():
        place.unlink()  # never through a link, never into a hard link
    shutil.copy2(item.path, place, follow_symlinks=False)
    set_mode(place, mode)


def set_mode(place: Path, mode: str | None) -> None:
    """Do what `--chmod` says, if it says something."""
    if mode is not None and not place.is_symlink():
        place.chmod(changed_mode(stat.S_IMODE(place.stat().st_mode), mode))
