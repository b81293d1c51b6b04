"""Large files: git holds a pointer of three lines, and the content lies beside the repository."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Self, cast

from spaceops.localhub.tickets import LIFETIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

    from spaceops.localhub.store import Repo

OID = re.compile(r"[0-9a-f]{64}")
POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\noid sha256:([0-9a-f]{64})\nsize (\d{1,18})\n")
POINTER_SIZES = range(120, 150)  # bytes; all that POINTER can match


@dataclass(frozen=True)
class Pointer:
    """What git holds in place of a large file."""

    oid: str  # sha256 of the content
    size: int  # bytes of the content

    @classmethod
    def read(cls, content: bytes) -> Pointer | None:
        """The pointer that a file is, if it is one."""
        found = POINTER.fullmatch(content)
        return cls(found[1].decode(), int(found[2])) if found else None

    def text(self) -> bytes:
        """The pointer as git holds it."""
        return f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.oid}\nsize {self.size}\n".encode()


class Part(NamedTuple):
    """A part of a large file: its number, from 1 on, and the sha256 of its content."""

    number: int
    oid: str


class WrongContent(Exception):
    """The bytes that came are not those that were announced."""


class Arriving:
    """A file while it arrives: written to disk as it comes, and gone after the `with` block unless it was moved."""

    def __init__(self, folder: Path) -> None:
        self.file = cast("BinaryIO", tempfile.NamedTemporaryFile(dir=folder, delete=False))  # noqa: SIM115
        self.size = 0

    def write(self, chunk: bytes | bytearray) -> None:
        """Take the next bytes."""
        self.file.write(chunk)
        self.size += len(chunk)

    def finish(self, chunk: bytes | bytearray) -> None:
        """Take the last bytes; who opens the file sees them all."""
        self.write(chunk)
        self.file.flush()

    def move(self, target: Path) -> None:
        """Move the file into place."""
        self.file.close()
        target.parent.mkdir(parents=True, exist_ok=True)
        Path(self.file.name).replace(target)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.file.close()
        Path(self.file.name).unlink(missing_ok=True)


class Incoming(Arriving):
    """A large file while it arrives: moved into place only when it is right."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._hash = hashlib.sha256()

    @property
    def oid(self) -> str:
        """The sha256 of what came so far."""
        return self._hash.hexdigest()

    def write(self, chunk: bytes | bytearray) -> None:
        """Take the next bytes."""
        super().write(chunk)
        self._hash.update(chunk)

    def keep(self, target: Path, oid: str, size: int | None = None) -> None:
        """Move the file into place; raises `WrongContent` if it is another one."""
        if self.oid != oid or size not in (None, self.size):
            raise WrongContent(f"Got {self.size} bytes with sha256 {self.oid}, not {oid}")
        self.move(target)


class LargeFiles:
    """The large files of all repositories. A file belongs to the repository that it was uploaded to, and to no other:
    knowing its sha256 gives nobody the content of somebody else's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._parts_folder = folder / "lfs", folder / "parts"
        self.arriving = folder / "tmp"
        self.arriving.mkdir(parents=True, exist_ok=True)
        self.tidy()

    def folder(self, repo: Repo) -> Path:
        """Where all large files of a repository lie."""
        return self._folder / repo.id

    def path(self, repo: Repo, oid: str) -> Path:
        """Where a large file lies, or will."""
        return self.folder(repo) / oid[:2] / oid

    def size(self, repo: Repo, oid: str) -> int | None:
        """How many bytes a large file has, None if it is not there."""
        try:
            return self.path(repo, oid).stat().st_size
        except FileNotFoundError:
            return None

    def share(self, source: Repo, target: Repo, oids: Iterable[str]) -> list[str]:
        """Give large files of one repository to another, and return those that there are; blocks.

        They never change, so that a second name is a copy.
        """
        return [oid for oid in oids if self._link(self.path(source, oid), self.path(target, oid))]

    def _link(self, source: Path, target: Path) -> bool:
        if not source.exists():
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            target.hardlink_to(source)
        return True

    def incoming(self) -> Incoming:
        """Begin to receive a large file; use it in a `with` block."""
        return Incoming(self.arriving)

    def keep_part(self, repo: Repo, oid: str, part: Part, arrived: Incoming) -> None:
        """Store a part of a large file that arrived."""
        arrived.move(self._part(repo, oid, part))

    def join(self, repo: Repo, pointer: Pointer, parts: Sequence[Part]) -> None:
        """Make one file of its parts, in order; blocks. Raises `WrongContent` if it is not the right one.

        A part is known by its content too: two clients that send the same file at once are not in each other's way.
        """
        try:
            with self.incoming() as file:
                for part in parts:
                    self._append(self._part(repo, pointer.oid, part), file)
                file.keep(self.path(repo, pointer.oid), pointer.oid, pointer.size)
        except WrongContent:
            if self.size(repo, pointer.oid) != pointer.size:  # else another client was faster, or this one asks again
                raise
        shutil.rmtree(self._parts_of(repo, pointer.oid), ignore_errors=True)

    def _append(self, part: Path, file: Incoming) -> None:
        try:
            with part.open("rb") as source:
                while chunk := source.read(1 << 20):
                    file.write(chunk)
        except FileNotFoundError as error:
            raise WrongContent(f"Part {part.name.partition('-')[0]} has not arrived") from error

    def _parts_of(self, repo: Repo, oid: str) -> Path:
        return self._parts_folder / f"{repo.id}-{oid}"

    def _part(self, repo: Repo, oid: str, part: Part) -> Path:
        return self._parts_of(repo, oid) / f"{part.number}-{part.oid}"

    def tidy(self) -> None:
        """Remove the parts of uploads that nobody can go on with: their addresses are too old."""
        for folder in self._parts_folder.glob("*"):
            if folder.stat().st_mtime < time.time() - LIFETIME:  # by the disk's clock
                shutil.rmtree(folder)
