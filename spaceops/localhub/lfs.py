"""Large files: git holds a pointer of three lines, and the content lies beside the repository."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self, cast

if TYPE_CHECKING:
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


class WrongContent(Exception):
    """The bytes that came are not those that were announced."""


class Incoming:
    """A large file while it arrives: written to disk as it comes, moved into place only when it is right."""

    def __init__(self, folder: Path) -> None:
        self._file = cast("BinaryIO", tempfile.NamedTemporaryFile(dir=folder, delete=False))  # noqa: SIM115
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._file.write(chunk)
        self._hash.update(chunk)
        self.size += len(chunk)

    def keep(self, target: Path, oid: str, size: int | None = None) -> None:
        """Move the file into place; raises `WrongContent` if it is another one."""
        if self._hash.hexdigest() != oid or size not in (None, self.size):
            raise WrongContent(f"Got {self.size} bytes with sha256 {self._hash.hexdigest()}, not {oid}")
        self._file.close()
        target.parent.mkdir(parents=True, exist_ok=True)
        Path(self._file.name).replace(target)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._file.close()
        Path(self._file.name).unlink(missing_ok=True)


class LargeFiles:
    """The large files of all repositories. A file belongs to the repository that it was uploaded to, and to no other:
    knowing its sha256 gives nobody the content of somebody else's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "lfs"
        self._arriving = folder / "tmp"
        self._arriving.mkdir(parents=True, exist_ok=True)

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

    def incoming(self) -> Incoming:
        """Begin to receive a large file; use it in a `with` block."""
        return Incoming(self._arriving)

    def parts(self, repo: Repo, oid: str) -> Path:
        """The folder for a large file that arrives in parts."""
        return self._arriving / f"{repo.id}-{oid}"

    def join(self, repo: Repo, pointer: Pointer) -> None:
        """Make one file of its parts, which are named 1, 2, 3…; raises `WrongContent` if it is not the right one."""
        folder = self.parts(repo, pointer.oid)
        try:
            with self.incoming() as file:
                for part in sorted(folder.iterdir(), key=lambda part: int(part.name)):
                    with part.open("rb") as source:
                        while chunk := source.read(1 << 20):
                            file.write(chunk)
                file.keep(self.path(repo, pointer.oid), pointer.oid, pointer.size)
        except FileNotFoundError as error:
            raise WrongContent("No part of it has arrived") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)
