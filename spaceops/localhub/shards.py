"""Shards, the recipes of Xet: which chunks of which blocks make a file. One is read from disk, a record at a time.

Source of the format: the Xet protocol specification of 2025, and what hf_xet 1.8 sends.
"""

from __future__ import annotations

import struct
from typing import IO, TYPE_CHECKING, NamedTuple

from spaceops.localhub.xorbs import Malformed

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST = 64 << 20  # bytes
MOST_FILES = 100_000
RECORD = 48  # bytes of every record of a shard
MAGIC = b"HFRepoMetaData\0"
BOOKEND = b"\xff" * 32
HAS_VERIFICATION, HAS_SHA256 = 1 << 31, 1 << 30


class Term(NamedTuple):
    """A piece of a file: the chunks from `start` up to `end` of a block, and how many bytes they have."""

    xorb: str
    size: int
    start: int
    end: int


class Recipe(NamedTuple):
    """How a file is made: its hash, its sha256 unless it is for a bucket, and where in the shard its terms are."""

    hash: str
    sha256: str | None
    at: int
    terms: int


def recipes(shard: IO[bytes]) -> Iterator[Recipe]:
    """The files of a shard; raises `Malformed`."""
    if not _record(shard, 0).startswith(MAGIC):
        raise Malformed("It is no shard")
    at, found = RECORD, 0
    while not (header := _record(shard, at)).startswith(BOOKEND):
        if (found := found + 1) > MOST_FILES:
            raise Malformed(f"A shard has at most {MOST_FILES} files")
        flags, count = struct.unpack_from("<II", header, 32)
        terms, at = at + RECORD, at + RECORD * (1 + count * (2 if flags & HAS_VERIFICATION else 1))
        sha256 = _hash(_record(shard, at)) if flags & HAS_SHA256 else None
        at += RECORD if sha256 else 0
        yield Recipe(_hash(header), sha256, terms, count)


def terms(shard: IO[bytes], recipe: Recipe) -> Iterator[Term]:
    """What a file is made of, in order; raises `Malformed`."""
    for at in range(recipe.at, recipe.at + recipe.terms * RECORD, RECORD):
        record = _record(shard, at)
        size, start, end = struct.unpack_from("<III", record, 36)
        if start >= end:
            raise Malformed("A file wants no chunks of a block")
        yield Term(_hash(record), size, start, end)


def _record(shard: IO[bytes], at: int) -> bytes:
    shard.seek(at)
    record = shard.read(RECORD)
    if len(record) < RECORD:
        raise Malformed("The shard is cut off")
    return record


def _hash(record: bytes) -> str:
    """A hash is written as four little-endian numbers."""
    return "".join(f"{number:016x}" for number in struct.unpack_from("<4Q", record))
