"""A saved log as plain lines, in whatever form it was kept: a stream of the Hub, JSON lines, a terminal's text.

Bytes go in and out in pieces, so that a log of any size passes through: in UTF-8, each line with its newline, without
colours and without what a tool writes in front of each.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from spaceops.errors import BadInput

PIECE = 1 << 20  # bytes read at once
LONGEST = 1 << 18  # bytes of a line; what is longer goes on as several
_JUDGED = 20  # lines from which the form of a log is told

_COLOURS = re.compile(rb"\x1b(?:\[[0-9;?]{0,32}[ -/]{0,4}[@-~]|\][^\x07\x1b\n]{0,256}(?:\x07|\x1b\\)|[@-Z\\^_])")
_TIME = rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
_IN_FRONT = (
    re.compile(rb"(?m)^[^\t\n]{1,100}\t[^\t\n]{1,100}\t\xef?\xbb?\xbf?" + _TIME + rb" ?"),  # gh run view --log
    re.compile(rb"(?m)^\[?" + _TIME + rb"\]?[ \t]"),  # docker logs -t, GitHub Actions
    re.compile(rb"(?m)^\d\d:\d\d:\d\d (?:build|run  |stage|step |gap  ) "),  # spaceops logs
    re.compile(rb"(?m)^[\w.-]{1,60} {1,20}\| "),  # docker compose
)
_PACKED = {b"\x1f\x8b": "gunzip -c", b"PK\x03\x04": "unzip -p", b"\x28\xb5\x2f\xfd": "zstd -dc", b"\xfd7zXZ": "xz -dc"}
_FOLDED = re.compile(rb'^\s{0,20}\{|Traceback \(most recent call last\):\\n|\\n    at |\\n  File \\"')
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class _Entry(msgspec.Struct):
    """A line of JSON: of the Hub (`data`), of `spaceops logs --json` (`text`), of Docker's own files (`log`)."""

    data: str = ""
    text: str = ""
    log: str = ""


_ENTRY = msgspec.json.Decoder(_Entry)


def read(path: Path) -> Iterator[bytes]:
    """The bytes of a file in pieces. Raises `BadInput` for one that cannot be read, and for a packed one."""
    try:
        with path.open("rb") as stream:
            piece = stream.read(PIECE)
            if unpack := next((tool for begins, tool in _PACKED.items() if piece.startswith(begins)), None):
                hint = f"Unpack it first: {unpack} {path.name} > log.txt"
                raise BadInput(f"{path} is packed, and not the text of a log", hint=hint)
            while piece:
                yield piece
                piece = stream.read(PIECE)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}", hint="The path of a saved log.") from error


def plain(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a log as they were printed, many at once; each piece ends with a newline."""
    whole = _whole_lines(_utf8(pieces))
    first = next(whole, b"")
    is_json = _is_json(first)
    in_front = None
    for number, block in enumerate(_chained(first, whole)):
        block = b"".join(map(_said, block.splitlines(keepends=True))) if is_json else block
        if b"\x1b" in block:
            block = _COLOURS.sub(b"", block)
        if b"\\n" in block:
            block = _unfolded(block)
        if number == 0:
            in_front = _in_front(block)
        yield in_front.sub(b"", block) if in_front else block


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _utf8(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes in UTF-8, whatever the byte order mark says (PowerShell writes UTF-16)."""
    decoder: codecs.IncrementalDecoder | None = None
    for number, piece in enumerate(pieces):
        if number == 0:
            encoding = next((name for mark, name in _MARKS if piece.startswith(mark)), None)
            decoder = codecs.getincrementaldecoder(encoding)("replace") if encoding else None
        yield decoder.decode(piece).encode(errors="replace") if decoder else piece


def _whole_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same cut at ends of lines. A carriage return ends one too: each step of a progress bar is a line."""
    rest = b""
    for piece in pieces:
        head, newline, tail = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n").rpartition(b"\n")
        if newline:
            yield rest + head + newline
            rest = tail
        else:
            rest += tail
        while len(rest) > LONGEST:
            yield rest[:LONGEST] + b"\n"
            rest = rest[LONGEST:]
    if rest:
        yield rest + b"\n"


def _is_json(block: bytes) -> bool:
    lines = [line for line in block[: _JUDGED * 1000].splitlines()[:_JUDGED] if line.strip()]
    return bool(lines) and sum(_said(line) is not line for line in lines) * 2 > len(lines)


def _said(row: bytes) -> bytes:
    """What a line of JSON says, with a newline; a line that is none stays as it is, a keep-alive is nothing."""
    payload = row.strip()
    if payload.startswith(b"data:"):
        payload = payload[5:].lstrip()
        if not payload:
            return b""
    if not payload.startswith(b"{"):
        return row
    try:
        entry = _ENTRY.decode(payload)
    except (ValueError, RecursionError):
        return row
    said = entry.data or entry.text or entry.log
    return said.rstrip("\r\n").replace("\r", "\n").encode(errors="replace") + b"\n" if said else row


def _unfolded(block: bytes) -> bytes:
    """The lines of an app that logs JSON: an exception that stands in one of them, on lines of its own."""
    return b"".join(map(_unfold, block.splitlines(keepends=True)))


def _unfold(row: bytes) -> bytes:
    if b"\\n" not in row or not _FOLDED.search(row):
        return row
    return row.replace(b"\\n", b"\n").replace(b'\\"', b'"').replace(b"\\t", b"\t").replace(b"\\\\", b"\\")


def _in_front(block: bytes) -> re.Pattern[bytes] | None:
    """What stands in front of most of the first lines."""
    lines = [line for line in block[: _JUDGED * 1000].splitlines() if line.strip()][:_JUDGED]
    for pattern in _IN_FRONT:
        if lines and sum(bool(pattern.match(line)) for line in lines) * 10 >= len(lines) * 8:
            return pattern
    return None
