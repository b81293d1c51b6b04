"""A log on disk, with a time for each line, that several readers can replay and follow.

The file holds `TIMESTAMP TEXT` lines, so that people can read it too. Memory stays bounded whatever is written: readers
read the file, in pieces.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from typing import BinaryIO

    from spaceops.localhub.clock import Clock

STAMP = len("2026-01-31T21:54:36.123456Z")
PIECE = 256 * 1024  # bytes read and handed on at once
LONGEST_LINE = 64 * 1024  # a line without end is cut here
LARGEST = 256 * 1024 * 1024  # bytes of one log: a program that prints without end must not fill the disk
FULL = b"===== The log is full: what comes now is not kept ====="
KEEP_ALIVE = 15.0  # seconds of silence until readers hear that the log is still there
TICK = timedelta(microseconds=1)


class Line(NamedTuple):
    """A line of a log: the text with its newline, and when it was written."""

    text: str
    timestamp: str


class Logbook:
    """One log on disk: each `open` begins it anew; what an earlier process of the server wrote can be replayed."""

    def __init__(self, file: Path, clock: Clock, *, keep_alive: float = KEEP_ALIVE, largest: int = LARGEST) -> None:
        self.file, self._clock = file, clock
        self._keep_alive, self._largest = keep_alive, largest
        self._writer: Writer | None = None
        self._coming: asyncio.Event | None = None

    def open(self) -> Writer:
        """Begin anew. Readers of the former log keep what they read and come to its end."""
        self.close()
        self.file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.file.with_suffix(".new")
        self._writer = Writer(fresh, self._clock, self._largest)
        fresh.replace(self.file)
        return self._writer

    def expect(self) -> None:
        """A new log is about to begin: until `open` or `close`, readers who come wait for it."""
        self._coming = self._coming or asyncio.Event()

    def close(self, last: str | None = None) -> None:
        """No more lines come, but for a `last` one; readers come to the end."""
        if self._coming is not None:
            self._coming.set()
            self._coming = None
        if self._writer is not None:
            if last is not None:
                self._writer.write(last)
            self._writer.close()

    def tail(self, count: int) -> list[str]:
        """The last lines, without times and newlines, and what is still waiting for its newline. Any thread may ask."""
        if not self.file.exists():
            return []
        with self.file.open("rb") as stream:
            size = stream.seek(0, 2)
            start = max(0, size - PIECE)
            stream.seek(start)
            lines = stream.read().removesuffix(b"\n").split(b"\n") if size else []
        whole = [line[STAMP + 1 :] for line in (lines[1:] if start else lines)]
        if self._writer is not None and (pending := self._writer.pending):
            whole.append(pending)
        return [line.decode(errors="replace") for line in whole[-count:]]

    async def lines(self, tail: int | None = None) -> AsyncIterator[list[Line]]:
        """Replay from the first line, then follow until the log is closed; many lines at once where they are there.

        An empty list comes once after what was there already, and after each quarter of a minute without a line.
        `tail`: replay only so many of the last lines.
        """
        former, waited = self._writer, False
        while (coming := self._coming) is not None:
            waited = True
            yield []
            await _within(self._keep_alive, coming)
        if waited and self._writer is former:
            return  # it did not begin, and the former log is not what was waited for
        if not self.file.exists():
            yield []
            return
        with self.file.open("rb") as stream:
            if tail is not None and not waited:
                stream.seek(_start_of_last(stream, tail))
            async for found in _follow(stream, self._writer, self._keep_alive):
                yield found


class Writer:
    """The writing end of one file, and those who wait for it."""

    def __init__(self, file: Path, clock: Clock, largest: int) -> None:
        self._clock, self._largest = clock, largest
        self._stream = file.open("wb", buffering=0)
        self._rest = b""
        self._last = datetime.min.replace(tzinfo=UTC)
        self._changed = asyncio.Event()
        self.size = 0
        self._full = False
        self.closed = False

    def write(self, text: str) -> None:
        """Append a line of our own."""
        self.feed((text.removesuffix("\n") + "\n").encode())

    def feed(self, data: bytes) -> None:
        """Append what a program printed, as it comes; a line is entered when it is complete. Nothing after the end."""
        if self.closed:
            return
        *complete, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            complete, self._rest = [*complete, self._rest], b""
        if complete:
            self._append(complete)

    @property
    def pending(self) -> bytes:
        """What waits for its newline."""
        return b"" if self.closed else self._rest

    def close(self) -> None:
        """Write what is left; readers come to the end."""
        if self.closed:
            return
        if self._rest:
            self._append([self._rest])
        self._stream.close()
        self.closed = True
        self._wake()

    async def more(self, beyond: int, seconds: float) -> bool:
        """Wait until the file is longer, or closed; False when nothing came in that time."""
        changed = self._changed
        if self.closed or self.size > beyond:
            return True
        return await _within(seconds, changed)

    def _append(self, lines: list[bytes]) -> None:
        if self._full:
            return
        self._full = self.size + sum(map(len, lines)) > self._largest
        out = b"".join(b"%s %s\n" % (self._stamp(), line) for line in ([FULL] if self._full else lines))
        self.size += self._stream.write(out)
        self._wake()

    def _stamp(self) -> bytes:
        self._last = max(self._clock.now(), self._last + TICK)
        return (self._last.isoformat(timespec="microseconds")[: STAMP - 1] + "Z").encode()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


async def _follow(stream: BinaryIO, writer: Writer | None, keep_alive: float) -> AsyncIterator[list[Line]]:
    """What is there, an empty list, and what the writer adds until it closes."""
    told = False
    while True:
        if found := _read(stream):
            yield found
            await asyncio.sleep(0)  # a long replay must not hold up the others
            continue
        if not told:
            told = True
            yield []
        if writer is None:
            return
        if writer.closed:
            writer = None  # one more look: lines may have come with the end
        elif not await writer.more(stream.tell(), keep_alive):
            yield []


async def _within(seconds: float, event: asyncio.Event) -> bool:
    """Whether it happens in that time."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


def _read(stream: BinaryIO) -> list[Line]:
    data = stream.read(PIECE)
    data += b"" if data.endswith(b"\n") else stream.readline()
    rows = data.decode(errors="replace").removesuffix("\n").split("\n") if data else []
    return [Line(row[STAMP + 1 :] + "\n", row[:STAMP]) for row in rows]


def _start_of_last(stream: BinaryIO, count: int) -> int:
    """Where the last `count` lines begin."""
    end, left = stream.seek(0, 2), count + 1  # the newline before them is wanted, and each line ends with one
    while end > 0:
        start = max(0, end - PIECE)
        stream.seek(start)
        data = stream.read(end - start)
        if data.count(b"\n") >= left:
            at = len(data)
            for _ in range(left):
                at = data.rindex(b"\n", 0, at)
            return start + at + 1
        left -= data.count(b"\n")
        end = start
    return 0
