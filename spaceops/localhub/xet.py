"""Xet, the Hub's way for large files: blocks of chunks come in (xorbs), then recipes that make files of them (shards).

A file is put together when its recipe arrives and becomes a large file like any other, so that plain downloads, git-lfs
and builds all see its bytes. Blocks are kept: a client sends no block again that it remembers to have sent here.
Source of the formats: the Xet protocol specification of 2025, and what hf_xet 1.8 sends.
"""

from __future__ import annotations

import re
import struct
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from lz4.frame import LZ4FrameDecompressor  # type: ignore[import-untyped]

from spaceops.localhub.lfs import WrongContent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spaceops.localhub.lfs import LargeFiles
    from spaceops.localhub.store import Repo

HASH = re.compile(r"[0-9a-f]{64}")
LARGEST = 72 << 20  # bytes of a xorb or shard: 64 MiB of content, and what is written around it
LARGEST_CHUNK = 1 << 20
RECORD = 48  # bytes of every record of a shard
BOOKEND = b"\xff" * 32
FOOTER = b"XETBLOB"
HAS_VERIFICATION, HAS_METADATA = 1 << 31, 1 << 30


class Term(NamedTuple):
    """A piece of a file: the chunks from `start` up to `end` of a block."""

    xorb: str
    start: int
    end: int


class Recipe(NamedTuple):
    """How a file is made, and what its sha256 must be."""

    sha256: str
    terms: list[Term]


class Chunk(NamedTuple):
    """Where a chunk lies in its block, how many bytes it has packed and unpacked, and how it is packed."""

    at: int
    packed: int
    unpacked: int
    scheme: int


class Malformed(WrongContent):
    """It is no xorb, or no shard, or it leads to a block that is not here."""


class Xet:
    """The blocks of one data folder."""

    def __init__(self, folder: Path, large_files: LargeFiles) -> None:
        self._blocks = folder / "xet" / "xorbs"
        self._arriving = folder / "tmp"
        self._large_files = large_files
        self._chunks = lru_cache(maxsize=16)(_chunks)

    def incoming(self) -> IO[bytes]:
        """A file for a block while it arrives; `keep` moves it into place."""
        return tempfile.NamedTemporaryFile(dir=self._arriving, delete=False)

    def keep(self, name: str, arrived: IO[bytes]) -> bool:
        """Store a block that arrived; False if it was here already. Raises `Malformed`."""
        arrived.flush()
        _chunks(Path(arrived.name))
        target = self._block(name)
        new = not target.exists()
        target.parent.mkdir(parents=True, exist_ok=True)
        Path(arrived.name).replace(target)
        return new

    def assemble(self, shard: bytes, repo: Repo) -> None:
        """Put together all files of a shard, for one repository; blocks. Raises `WrongContent`, `Malformed`."""
        for recipe in recipes(shard):
            if self._large_files.size(repo, recipe.sha256) is None:
                with self._large_files.incoming() as file:
                    for term in recipe.terms:
                        for chunk in self._read(term):
                            file.write(chunk)
                    file.keep(self._large_files.path(repo, recipe.sha256), recipe.sha256)

    def _block(self, name: str) -> Path:
        return self._blocks / name[:2] / name

    def _read(self, term: Term) -> Iterator[bytes]:
        block = self._block(term.xorb)
        try:
            chunks = self._chunks(block)
        except FileNotFoundError as error:
            raise Malformed(f"There is no block {term.xorb}") from error
        if term.end > len(chunks):
            raise Malformed(f"The block {term.xorb} has no chunk {term.end - 1}")
        with block.open("rb") as file:
            for chunk in chunks[term.start : term.end]:
                file.seek(chunk.at)
                yield _unpack(chunk, file.read(chunk.packed))


def _chunks(block: Path) -> list[Chunk]:
    """Where the chunks of a block are; its content is not read."""
    found = []
    with block.open("rb") as file:
        size = block.stat().st_size
        while (header := file.read(8)) and not header.startswith(FOOTER):
            packed, unpacked = int.from_bytes(header[1:4], "little"), int.from_bytes(header[5:8], "little")
            chunk = Chunk(file.tell(), packed, unpacked, header[4] if len(header) == 8 else 0)
            if len(header) < 8 or header[0] != 0 or chunk.at + packed > size or unpacked > LARGEST_CHUNK:
                raise Malformed("The block is cut off, or no block")
            found.append(chunk)
            file.seek(packed, 1)
    return found


def _unpack(chunk: Chunk, packed: bytes) -> bytes:
    if chunk.scheme not in (0, 1, 2):
        raise Malformed(f"A chunk is packed in the unknown way {chunk.scheme}")
    try:
        content = packed if chunk.scheme == 0 else LZ4FrameDecompressor().decompress(packed, chunk.unpacked + 1)
    except RuntimeError as error:
        raise Malformed("A chunk cannot be unpacked") from error
    if len(content) != chunk.unpacked:
        raise Malformed("A chunk has another size than it says")
    return _ungroup(content) if chunk.scheme == 2 else bytes(content)


def _ungroup(grouped: bytes) -> bytes:
    """Undo the grouping by four: first every byte 0 of four, then every byte 1, and so on."""
    chunk = bytearray(len(grouped))
    at = 0
    for offset in range(4):
        count = len(range(offset, len(grouped), 4))
        chunk[offset::4] = grouped[at : at + count]
        at += count
    return bytes(chunk)


def recipes(shard: bytes) -> list[Recipe]:
    """The files of a shard; raises `Malformed`."""
    try:
        return list(_recipes(shard))
    except struct.error as error:
        raise Malformed("The shard is cut off") from error


def _recipes(shard: bytes) -> Iterator[Recipe]:
    at = RECORD
    while not shard.startswith(BOOKEND, at):
        flags, count = struct.unpack_from("<II", shard, at + 32)
        terms = [_term(shard, at + RECORD * (1 + number)) for number in range(count)]
        at += RECORD * (1 + count * (2 if flags & HAS_VERIFICATION else 1))
        if not flags & HAS_METADATA:
            raise Malformed("A file without its sha256")
        yield Recipe(_hash(shard, at), terms)
        at += RECORD


def _term(shard: bytes, at: int) -> Term:
    start, end = struct.unpack_from("<II", shard, at + 40)
    if start >= end:
        raise Malformed("A file wants no chunks of a block")
    return Term(_hash(shard, at), start, end)


def _hash(shard: bytes, at: int) -> str:
    """A hash is written as four little-endian numbers."""
    return "".join(f"{number:016x}" for number in struct.unpack_from("<4Q", shard, at))
