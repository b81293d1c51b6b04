"""Xorbs, the blocks of chunks that large files travel in by Xet: read as a client packs them, and made for downloads.

Source of the format: the Xet protocol specification of 2025, and what hf_xet 1.8 sends and takes.
"""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass
from typing import IO, BinaryIO, NamedTuple

from lz4.frame import LZ4FrameDecompressor  # type: ignore[import-untyped]

from spaceops.localhub.lfs import WrongContent

LARGEST = 72 << 20  # bytes of a xorb: 64 MiB of content, and what is written around it
LARGEST_CONTENT = 64 << 20
LARGEST_CHUNK = 1 << 20
MOST_CHUNKS = 8 << 10
HEADER = 8  # bytes before every chunk
FOOTER = b"XETBLOB"
PLAIN, LZ4, GROUPED = 0, 1, 2  # how a chunk is packed
MADE_CHUNK = 128 << 10  # bytes; a client takes no larger ones
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


class Made(io.BufferedIOBase):
    """The xorb `number` of a file of `size` bytes, to be read like a file; closing it closes that one."""

    def __init__(self, file: BinaryIO, size: int, number: int) -> None:
        self._file, self._size, self._first = file, size, number * MADE_CHUNKS
        self._at, self._end = 0, made_size(size, number)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go on reading there; counted from the beginning alone."""
        if whence != os.SEEK_SET:
            raise io.UnsupportedOperation
        self._at = offset
        return offset

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes."""
        step = HEADER + MADE_CHUNK
        start, end = self._at, self._end if size is None or size < 0 else min(self._end, self._at + size)
        chunk = start // step
        found = b"".join(self._chunk(number) for number in range(chunk, -(-end // step)))
        self._at = max(start, end)
        return found[start - chunk * step : end - chunk * step]

    def _chunk(self, number: int) -> bytes:
        at = (self._first + number) * MADE_CHUNK
        length = min(MADE_CHUNK, self._size - at).to_bytes(3, "little")
        return b"\0" + length + bytes([PLAIN]) + length + os.pread(self._file.fileno(), MADE_CHUNK, at)

    def close(self) -> None:
        """Be done with it."""
        self._file.close()
        super().close()
