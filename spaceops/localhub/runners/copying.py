"""COPY and ADD: which files an instruction means, what they hash to, and where they go."""

from __future__ import annotations

import bz2
import hashlib
import lzma
import os
import posixpath
import shutil
import stat
import tarfile
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from spaceops.dockerfile import Ignore, glob_pattern
from spaceops.localhub.runners.flags import changed_mode
from spaceops.localhub.runners.paths import copy_tree, is_within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

WILDCARDS = frozenset("*?[")
PACKED = 1 << 20  # bytes of an archive that surely hold its first block
LARGE = 1 << 26  # bytes of a file that may have holes
MEMORY = 1 << 28  # bytes for unpacking that block


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
    may_lead_out: bool = False  # symlinks, which are kept then: those of an image lead to places in a container

    @classmethod
    def context(cls, base: Path) -> Tree:
        """The build context of a Space."""
        tree = cls(base)
        for name in ("Dockerfile.dockerignore", ".dockerignore"):
            if (text := tree.text(name)) is not None:
                return cls(base, Ignore.parse(text))
        return tree

    def text(self, name: str) -> str | None:
        """The text of a file, unless there is none, or it is a symlink to something outside."""
        file = self.base / name
        return file.read_text(errors="replace") if file.is_file() and is_within(file, [self.base]) else None

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
        return os.path.lexists(place) and (self.may_lead_out or self._stays(place))

    def _stays(self, path: Path) -> bool:
        return is_within(path, [self.base])

    def _everything(self) -> Iterator[str]:
        for place, folders, files in os.walk(self.base):
            for name in [*folders, *files]:
                yield (Path(place, name)).relative_to(self.base).as_posix()

    def _below(self, source: str) -> Iterator[Item]:
        start = self.base / source  # a source that is a symlink is followed, those within a folder are kept
        if self._stays(start):
            start = start.resolve()
        elif not self.may_lead_out:
            return
        if start.is_symlink() or not start.is_dir():
            if _can_be_copied(start) and not self.ignore.excludes(source):
                yield Item(start, posixpath.basename(source), is_root=True)
            return
        for place, folders, files in os.walk(start):
            folders.sort()
            links = [name for name in folders if Path(place, name).is_symlink()]
            regular = [name for name in files if _can_be_copied(Path(place, name))]
            for name in sorted([*regular, *links]):
                path = Path(place, name)
                target = path.relative_to(start).as_posix()
                leads_out = path.is_symlink() and not self.may_lead_out and not self._stays(path)
                if not leads_out and not self.ignore.excludes(posixpath.join(source, target)):
                    yield Item(path, target, is_root=False)
            if not folders and not regular:
                yield Item(Path(place), Path(place).relative_to(start).as_posix(), is_root=False)


def _can_be_copied(path: Path) -> bool:
    """Not so pipes, sockets and devices."""
    return path.is_symlink() or path.is_file()


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


def copy(items: Sequence[Item], target: str, place: Callable[[str], Path], *, into: bool, mode: str | None) -> None:
    """Copy to the image path `target`: as that file, or `into` it as a folder.

    `place` gives the place of an image path, and follows its symlinks; `mode` is as `--chmod` has it.
    """
    find = cache(place)
    if into:
        find(target).mkdir(parents=True, exist_ok=True)
    for item in items:
        path = posixpath.normpath(posixpath.join(target, item.target) if into else target)
        if item.path.is_dir() and not item.path.is_symlink():
            place(path).mkdir(parents=True, exist_ok=True)
        else:
            _copy_one(item, find(posixpath.dirname(path)) / posixpath.basename(path), mode)


def _copy_one(item: Item, place: Path, mode: str | None) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_symlink() or place.is_file():
        place.unlink()  # never through a link, never into a hard link
    if item.path.is_symlink() or item.path.stat().st_size < LARGE:
        shutil.copy2(item.path, place, follow_symlinks=False)
    else:
        copy_tree(item.path, place)
    set_mode(place, mode)


def write(content: str, target: str, place: Callable[[str], Path], *, mode: str | None) -> None:
    """Make a file of that content at an image path."""
    file = place(posixpath.dirname(target)) / posixpath.basename(target)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)  # never through a link
    file.write_text(content)
    set_mode(file, mode)


def is_archive(file: Path) -> bool:
    """Whether ADD unpacks it: a tar archive, compressed or not. Reads no more than its first block."""
    with file.open("rb") as stream:
        start = stream.read(PACKED)
    return any(_is_tar(block) for block in _first_blocks(start))


def _first_blocks(start: bytes) -> Iterator[bytes]:
    yield start[: tarfile.BLOCKSIZE]
    with suppress(zlib.error):
        yield zlib.decompressobj(wbits=31).decompress(start, tarfile.BLOCKSIZE)
    with suppress(OSError):
        yield bz2.BZ2Decompressor().decompress(start, tarfile.BLOCKSIZE)
    with suppress(lzma.LZMAError):
        yield lzma.LZMADecompressor(memlimit=MEMORY).decompress(start, tarfile.BLOCKSIZE)


def _is_tar(block: bytes) -> bool:
    try:
        return bool(tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape"))
    except tarfile.HeaderError:
        return False


def set_mode(place: Path, mode: str | None) -> None:
    """Do what `--chmod` says, if it says something."""
    if mode is not None and not place.is_symlink():
        place.chmod(changed_mode(stat.S_IMODE(place.stat().st_mode), mode))
