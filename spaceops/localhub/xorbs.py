"""Xorbs, the blocks of chunks that large files travel in by Xet: read as a client packs them, and made for downloads.

Source of the format: the Xet protocol specification of 2025, and what hf_xet 1.8 sends and takes.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, NamedTuple

from lz4.frame import LZ4FrameDecompressor  # type: ignore[import-untyped]

from spaceops.localhub.lfs import WrongContent

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST = 72 << 20  # bytes of a xorb: 64 MiB of content, and what is written around it
LARGEST_CONTENT = 64 << 20
LARGEST_CHUNK = 1 << 20
MOST_CHUNKS = 8 << 10
HEADER = 8  # bytes before every chunk
FOOTER = b"XETBLOB"
PLAIN, LZ4, GROUPED = 0, 1, 2  # how a chunk is packed
MADE_CHUNK = 128 << 10  # bytes; a client takes no larger ones
AT_ONCE = 8  # chunks
MADE_CHUNKS = LARGEST_CONTENT // (HEADER + MADE_CHUNK)  # of a xorb that is made here


class Malformed(WrongContent):
    """It is no xorb, or no shard, or it leads to a block that is not here."""


class Chunk(NamedTuple):
    """Where a chunk lies in its block, how many bytes it has packed and unpacked, and how it is packed."""

    at: int
    packed: int
    unpacked: int
    scheme: int


def index(block: IO[bytes]) -> list[Chunk]:
    """Where the chunks of a block are; its content is not read. Raises `Malformed`."""
    found: list[Chunk] = []
    size, at, content = os.fstat(block.fileno()).st_size, 0, 0
    while (header := os.pread(block.fileno(), HEADER, at)) and not header.startswith(FOOTER):
        chunk = _chunk(header, at + HEADER)
        at, content = chunk.at + chunk.packed, content + chunk.unpacked
        if at > size or content > LARGEST_CONTENT or len(found) == MOST_CHUNKS:
            raise Malformed("The block is cut off, or larger than a block may be")
        found.append(chunk)
    return found


def _chunk(header: bytes, at: int) -> Chunk:
    if len(header) < HEADER or header[0] != 0:
        raise Malformed("The block is cut off, or no block")
    chunk = Chunk(at, int.from_bytes(header[1:4], "little"), int.from_bytes(header[5:8], "little"), header[4])
    if not 0 < chunk.unpacked <= LARGEST_CHUNK or not 0 < chunk.packed <= LARGEST_CHUNK + (LARGEST_CHUNK >> 4):
        raise Malformed("A chunk is empty or too large")
    if chunk.scheme not in (PLAIN, LZ4, GROUPED):
        raise Malformed(f"A chunk is packed in the unknown way {chunk.scheme}")
    return chunk


def content(block: IO[bytes], chunk: Chunk) -> bytes:
    """What is in a chunk of a block. Raises `Malformed`."""
    packed = os.pread(block.fileno(), chunk.packed, chunk.at)
    try:
        found = packed if chunk.scheme == PLAIN else LZ4FrameDecompressor().decompress(packed, chunk.unpacked + 1)
    except RuntimeError as error:
        raise Malformed("A chunk cannot be unpacked") from error
    if len(found) != chunk.unpacked:
        raise Malformed("A chunk has another size than it says")
    return _ungroup(found) if chunk.scheme == GROUPED else bytes(found)


def _ungroup(grouped: bytes) -> bytes:
    """Undo the grouping by four: first every byte 0 of four, then every byte 1, and so on."""
    chunk = bytearray(len(grouped))
    at = 0
    for offset in range(4):
        count = len(range(offset, len(grouped), 4))
        chunk[offset::4] = grouped[at : at + count]
        at += count
    return bytes(chunk)


@dataclass(frozen=True)
class Piece:
    """The chunks from `start` up to `end` of the xorb `number` that a file is made into."""

    number: int
    start: int
    end: int
    length: int  # bytes of the file

    @property
    def span(self) -> tuple[int, int]:
        """The first and the last byte of the xorb that hold these chunks."""
        first = self.start * (HEADER + MADE_CHUNK)
        return first, first + (self.end - self.start) * HEADER + self.length - 1


def pieces(size: int, start: int, end: int) -> tuple[int, list[Piece]]:
    """The pieces of a file of `size` bytes that hold its bytes from `start` up to `end`, after what of the first."""
    chunk, last = start // MADE_CHUNK, -(-end // MADE_CHUNK)
    found = []
    while chunk < last:
        number, first = divmod(chunk, MADE_CHUNKS)
        until = min(last, (number + 1) * MADE_CHUNKS)
        length = min(size, until * MADE_CHUNK) - chunk * MADE_CHUNK
        found.append(Piece(number, first, first + until - chunk, length))
        chunk = until
    return start % MADE_CHUNK, found


def made_name(name: str, number: int) -> str:
    """The name of a xorb that a file of that name is made into: a client may remember what it got under it."""
    return hashlib.sha256(f"{name} {number} {MADE_CHUNK} {MADE_CHUNKS}".encode()).hexdigest()


def made_size(size: int, number: int) -> int:
    """The bytes of the xorb `number` of a file of `size` bytes, 0 or less if there is none."""
    length = min(MADE_CHUNKS * MADE_CHUNK, size - number * MADE_CHUNKS * MADE_CHUNK)
    return length + -(-length // MADE_CHUNK) * HEADER


def made(file: IO[bytes], size: int, number: int, start: int, end: int) -> Iterator[bytes]:
    """The bytes from `start` up to `end` of the xorb `number` of a file of `size` bytes, about a MiB at a time."""
    step = HEADER + MADE_CHUNK
    for first in range(start // step, -(-end // step), AT_ONCE):
        whole = b"".join(_made_chunks(file, size, number * MADE_CHUNKS + first))
        yield whole[max(0, start - first * step) : end - first * step]


def _made_chunks(file: IO[bytes], size: int, first: int) -> Iterator[bytes]:
    for at in range(first * MADE_CHUNK, min(size, (first + AT_ONCE) * MADE_CHUNK), MADE_CHUNK):
        length = min(MADE_CHUNK, size - at).to_bytes(3, "little")
        yield b"\0" + length + bytes([PLAIN]) + length
        yield os.pread(file.fileno(), MADE_CHUNK, at)
