"""The lines of a Space's log: cut from the bytes of a connection, and told apart from those of a replay before.

Nothing is asked here: what is read, and how often, is the business of `logstream`.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

RECENT = 4096  # lines that are remembered, at least
MARGIN = 100  # lines asked for beyond those that are missing
_NO_TIME = "~"  # sorts after all times


class Line(msgspec.Struct, frozen=True):
    """An entry of a log as the server writes it; `data` ends with its newline."""

    data: str
    timestamp: str = ""


@dataclass(frozen=True)
class Gap:
    """Nothing shows that the lines between these two times are all here: the server does not have them any more."""

    after: str
    before: str


def when(line: Line) -> str:
    """The line's time, comparable whatever the number of digits: the Z would sort after them."""
    return line.timestamp.rstrip("Z")


def comparable(moment: datetime) -> str:
    """`moment` (UTC if it names no zone) in the form of `when`, not after any spelling of the same time."""
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".")


class Frames:
    """Cuts bytes, as they come, into the entries of a log."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []

    def feed(self, chunk: bytes) -> tuple[list[Line], bool]:
        """The entries that `chunk` completes, and whether a keep-alive was among them."""
        head, newline, rest = chunk.rpartition(b"\n")
        if not newline:
            self._rest.append(chunk)
            return [], False
        block = b"".join((*self._rest, head))
        self._rest = [rest] if rest else []
        return _parse(block)

    def end(self) -> tuple[list[Line], bool]:
        """At the end of the stream: a last entry that is whole but for its newline, and whether one was torn."""
        rest, self._rest = b"".join(self._rest).strip(), []
        lines, alive = _parse(rest)
        return lines, bool(rest) and not lines and not alive


_DECODER = msgspec.json.Decoder(Line)


def _parse(block: bytes) -> tuple[list[Line], bool]:
    # newlines inside of entries are escaped, so this finds prefixes only; the decoder skips blank lines
    entries = (b"\n" + block).replace(b"\ndata: {", b"\n{")
    try:
        return _DECODER.decode_lines(entries), False
    except ValueError:  # a keep-alive, a comment, or bytes that are not UTF-8
        rows = [row.strip() for row in block.split(b"\n")]
        found = [line for row in rows if row.startswith(b"data:") and (line := _parse_one(row[5:]))]
        return found, any(row == b"data:" or row.startswith(b":") for row in rows)


def _parse_one(payload: bytes) -> Line | None:
    try:
        entry = json.loads(payload.decode(errors="replace"))
    except ValueError:
        return None
    if not isinstance(entry, dict) or "data" not in entry:
        return None
    text = str(entry["data"]).encode(errors="replace").decode()  # JSON can hold half of a surrogate pair
    return Line(text, str(entry.get("timestamp") or ""))


class Memory:
    """The last lines that were seen of a log."""

    def __init__(self) -> None:
        self._recent: deque[list[Line]] = deque()
        self._count = 0
        self.oldest = ""  # what is older was before the first line
        self.forgotten: str | None = None  # all up to here was seen, and is not remembered line by line
        self.newest = ""
        self.last: Line | None = None  # the newest line
        self.whole = False  # the connection that brought it came to the end of the log

    def keep(self, lines: list[Line]) -> None:
        """Remember `lines`, and forget old ones; all that share the newest time stay."""
        if self.last is None:
            self.oldest = when(lines[0])
        last = max(reversed(lines), key=when)
        if self.last is None or when(last) >= self.newest:
            self.newest, self.last = when(last), last
        self._recent.append(lines)
        self._count += len(lines)
        while self._count - len(self._recent[0]) > RECENT and self._forget_first():
            pass

    def _forget_first(self) -> bool:
        until = max(map(when, self._recent[0]))
        if until >= self.newest:
            return False
        self._count -= len(self._recent.popleft())
        self.forgotten = max(until, self.forgotten or "")
        return True

    def lines(self) -> Iterator[Line]:
        """All that is remembered."""
        for batch in self._recent:
            yield from batch


class Replay:
    """Tells what is new on one connection from what the server repeats."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._seen = Counter(memory.lines())
        self._first: Line | None = None
        self._joined = False  # the last line that was seen came again
        self._over = memory.last is None
        self.gap: Gap | None = None

    @property
    def begin(self) -> str:
        """The time at which the replay began."""
        return when(self._first) if self._first else ""

    def fresh(self, lines: list[Line]) -> list[Line]:
        """Those of `lines` that were not seen before."""
        if self._over or not lines:
            return lines
        found: list[Line] = []
        newest = self._memory.newest
        for index, line in enumerate(lines):
            begins, self._first = self._first is None, self._first or line
            if when(line) > newest:
                self._over = True
                self._look_for_gap(line)
                return found + lines[index:]
            if self._is_new(line):
                found.append(line)
                if begins:
                    self._look_for_gap(line)
        return found

    def _is_new(self, line: Line) -> bool:
        memory = self._memory
        if when(line) < memory.oldest or (memory.forgotten is not None and when(line) <= memory.forgotten):
            return False
        if not self._seen[line]:
            return True  # it was written late, between others
        self._seen[line] -= 1
        self._joined = self._joined or line == memory.last
        return False

    def _look_for_gap(self, line: Line) -> None:
        last = self._memory.last
        another_log = self._memory.whole and line is self._first and line.data.startswith("===== ")
        if last is not None and not self._joined and not another_log:
            self.gap = Gap(last.timestamp, line.timestamp)


class Probe:
    """How many of the last lines to ask for: all, or few after the end of a log, where little can be new.

    Where a replay from the start is cut before it comes to what is new, the number is searched. Asked for too few, the
    server begins after what we know; for too many, it is cut before. So it is doubled until it is enough, then halved
    in between. Only a replay of everything that begins after what we know shows that lines are gone.
    """

    def __init__(self, ask: int | None = None) -> None:
        self.ask = ask  # None: everything
        self._supported = True
        self._searching = False
        self._low = 0  # known to be too few
        self._high: int | None = None  # known to be too many
        self._begin = _NO_TIME  # of the last replay that had too few
        self._next: int | None = None  # what to ask for after a look at everything

    def too_few(self, begin: str) -> bool:
        """The replay began at `begin`, after what we know. Whether asking for more may close the gap."""
        if self.ask is None:
            return False
        if not self._searching:
            self._restart(None)
            return True
        self._low = self.ask
        enough = self._high is not None and self._high > self._low + 1  # unless the log has grown
        more = (self._low + (self._high or 0)) // 2 if enough else 2 * self._low
        self._high = self._high if enough else None
        stuck = begin >= self._begin  # it grows faster than we ask, or there is no more: look at everything
        self.ask, self._next, self._begin = (None, more, _NO_TIME) if stuck else (more, None, begin)
        return True

    def cut(self, received: int, new: int) -> bool:
        """The connection broke. Whether there is hope: it brought something, or the next one asks in another way."""
        if new:
            searched = self._searching and self.ask is not None
            self._restart(max((self.ask or 0) - received, 0) + min(MARGIN, received // 4 + 1) if searched else None)
            return True
        if not received or not self._supported:
            return False
        if self.ask is not None:
            return self._ask_for_fewer(received)
        if self._next is not None:
            self.ask, self._next = self._next, None
        else:
            self._restart(max(received // 2, 1))
        self._searching = True
        return True

    def _ask_for_fewer(self, received: int) -> bool:
        asked = self.ask or 0
        if received > asked:  # it was not heeded
            self.refused()
            return False
        self._high, self.ask = asked, (self._low + asked) // 2
        if self.ask <= self._low:
            self._restart(None)
        return self.ask is not None

    def ended(self) -> None:
        """The connection came to the end of the log, so that little can be new on the next one."""
        self._restart(MARGIN)

    def refused(self) -> bool:
        """The server does not know `?tail=`. Whether that was asked."""
        asked, self._supported = self.ask is not None, False
        self._restart(None)
        return asked

    def _restart(self, ask: int | None) -> None:
        self.ask = ask if self._supported else None
        self._low, self._high, self._begin, self._next = 0, None, _NO_TIME, None
