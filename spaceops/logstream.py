"""A log of a Space, read in a thread across as many connections as it takes.

A server answers each new connection with a replay, from the start or of what it still has. What was seen before is
recognised by time and content, never counted: nothing is doubled, nothing lost that can still be had, and what is gone
is reported as a gap.
"""

from __future__ import annotations

import json
import math
import queue
import socket
import struct
import threading
import time
from collections import Counter, deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

import msgspec

from spaceops import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spaceops.hub import Hub

TRIES = 5  # connections in a row that bring nothing, until we give up
RECENT = 4096  # lines that are remembered, at least
MARGIN = 100  # lines asked for beyond those that are missing
BATCHES = 64  # read ahead of whoever takes them; each is what one read of the network brought
_NO_TIME = "~"  # sorts after all times


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long following waits for what, in seconds."""

    request: float = 1.0  # between two requests to the Hub
    slow_request: float = 2.0  # between two looks at the stage, after `slow_after`
    slow_after: float = 60.0
    pause: float = 10.0  # at most, between connections that bring nothing
    steady: float = 30.0  # a connection that stood so long did not fail, whatever ended it
    first_line: float = 5.0  # until a silent log counts as empty
    silence: float = 1.0  # until what came counts as all there is
    quiet: float = 3.0  # the same where more may be written
    grace: float = 5.0  # for a stage of an older version to give way to the new one's
    app: float = 0.2  # between two questions to the app


class Pace:
    """Turns for requests, in the order of asking: the first at once, each other `interval` seconds after the last."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._next = 0.0
        self._lock = threading.Lock()

    def turn(self) -> float:
        """The time, by the monotonic clock, at which the caller may send its request."""
        with self._lock:
            mine = max(time.monotonic(), self._next)
            self._next = mine + self._interval
            return mine


class Line(msgspec.Struct, frozen=True):
    """An entry of a log as the server writes it; `data` ends with its newline."""

    data: str
    timestamp: str = ""


@dataclass(frozen=True)
class Gap:
    """Nothing shows that the lines between these two times are all here: the server does not have them any more."""

    after: str
    before: str


class Mark(Enum):
    """What a reader says between lines."""

    HEARD = auto()  # the server is there and has said nothing
    CAUGHT_UP = auto()  # all that was written before the connection, or before its end, has been read
    SILENT = auto()  # nothing came for as long as was waited
    ENDED = auto()  # no more will come


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


@dataclass
class Connection:
    """What one connection brings."""

    replay: Replay
    over: bool  # nothing more was written when it began
    live: str | None = None  # lines after this time were written since it began
    received: int = 0
    new: int = 0
    torn: bool = False
    too_few: bool = False
    at_edge: bool = False  # all that is written has been read, at some time
    caught_up: bool = False  # and that is enough
    error: errors.HubError | None = None

    @property
    def broke(self) -> bool:
        """Whether the stream was cut, or never came about."""
        return self.torn or self.error is not None


Item = list[Line] | Gap | Mark | Exception
Inbox = queue.Queue[tuple[str, Item]]


class Reader:
    """Reads the log of one `kind` and puts (kind, item) into `inbox`; the last item is `Mark.ENDED`, or the error.

    Without `onward` the first end of the log is the end. Else it is read on until `finish()` was called and one more
    connection brought nothing. `endless` readers never give up, because whoever follows has a time limit. `ask` is the
    number of lines wanted from before now.
    """

    def __init__(
        self,
        hub: Hub,
        repo_id: str,
        kind: str,
        *,
        timing: Timing,
        pace: Pace,
        inbox: Inbox,
        memory: Memory | None = None,
        ask: int | None = None,
        onward: bool = True,
        endless: bool = False,
    ) -> None:
        self._kind = kind
        self._memory = memory or Memory()
        self._heard_at = math.inf  # when the open connection last brought something
        self._hub, self._repo_id, self._timing, self._pace, self._inbox = hub, repo_id, timing, pace, inbox
        self._onward, self._endless = onward, endless
        self._probe = Probe(ask)
        self._over, self._stop, self._wake = threading.Event(), threading.Event(), threading.Event()
        self._failures = 0
        self._idle = 0  # connections in a row that worked and brought nothing
        self._was_there = False
        self._at_end = False
        self._response: Any = None
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"{kind} log of {repo_id}", daemon=True)
        self._thread.start()

    @property
    def connected(self) -> bool:
        """Whether a connection is open."""
        return self._response is not None

    @property
    def silence(self) -> float:
        """The seconds for which an open connection has brought nothing; 0 without one."""
        return max(0.0, time.monotonic() - self._heard_at)

    @property
    def at_end(self) -> bool:
        """Whether the last connection came to the end of the log, and no other is open."""
        return self._at_end and not self.connected

    @property
    def onward(self) -> bool:
        """Whether it waits for lines that are not written yet."""
        return self._onward and not self._over.is_set()

    def finish(self) -> None:
        """Nothing more will be written: read what is there, then end."""
        self._over.set()
        self._wake.set()

    def close(self) -> None:
        """End now, even in the middle of waiting for the network."""
        self._stop.set()
        self._wake.set()
        with self._guard:
            if self._response is not None:
                _interrupt(self._response)
        self._thread.join(timeout=1)

    def _run(self) -> None:
        end: Item = Mark.ENDED
        try:
            while self._wait_for_turn():
                got = self._connect()
                if self._is_end(got):
                    break
                self._learn(got)
        except Exception as error:  # it is raised where the items are taken
            end = error
        self._put(end)

    def _wait_for_turn(self) -> bool:
        """Wait as long as pace and failures demand; False when it is time to stop."""
        barren = self._failures or (self._idle if self.onward else 0)
        if barren:
            self._wake.wait(min(self._timing.pause, self._timing.request * 2 ** (barren - 1)))
        self._wake.clear()
        return not self._stop.is_set() and not self._stop.wait(self._pace.turn() - time.monotonic())

    def _connect(self) -> Connection:
        got = Connection(Replay(self._memory), over=self._over.is_set())
        self._at_end = False
        path = f"/api/spaces/{self._repo_id}/logs/{self._kind}"
        tail = f"?tail={self._probe.ask}" if self._probe.ask is not None else ""
        began = time.monotonic()
        try:
            with self._hub.stream(path + tail) as response, self._interruptible(response):
                self._listen(response, got)
        except errors.HubError as error:
            if not is_passing(error) and not (error.status in (400, 422) and self._probe.refused()):
                raise
            got.error = error
        if time.monotonic() - began > self._timing.steady:
            got.at_edge = True
        return got

    @contextmanager
    def _interruptible(self, response: Any) -> Iterator[None]:
        with self._guard:
            self._response, self._was_there = response, True
            self._heard_at = time.monotonic()
        try:
            yield
        finally:
            with self._guard:
                self._response, self._heard_at = None, math.inf

    def _listen(self, response: Any, got: Connection) -> None:
        frames = Frames()
        got.live = _just_after(response.headers.get("date"))
        for chunk in response.iter_bytes():
            lines, alive = frames.feed(chunk)
            if self._take(lines, got) or (alive and self._hear(got)) or self._stop.is_set():
                return
        lines, got.torn = frames.end()
        self._take(lines, got)

    def _take(self, lines: list[Line], got: Connection) -> bool:
        """Hand on what is new of `lines`; whether that is enough of this connection."""
        got.received += len(lines)
        fresh = got.replay.fresh(lines)
        if not fresh:
            return False
        if got.replay.gap is not None:
            if self._probe.too_few(got.replay.begin):
                got.too_few = True
                return True
            self._put(got.replay.gap)
            got.replay.gap = None
        got.new += len(fresh)
        self._memory.keep(fresh)
        if got.live is not None and when(fresh[-1]) > got.live:
            return self._pass_now(fresh, got.live, got)
        self._put(fresh)
        return False

    def _pass_now(self, lines: list[Line], now: str, got: Connection) -> bool:
        """Hand on `lines`, some of which were written since the connection began."""
        first = next(index for index, line in enumerate(lines) if when(line) > now)
        self._put(lines[:first])
        self._put(Mark.CAUGHT_UP)
        got.live, got.at_edge, got.caught_up = None, True, not self._onward
        if not got.caught_up:
            self._put(lines[first:])
        return got.caught_up

    def _hear(self, got: Connection) -> bool:
        """A keep-alive came; whether that is enough of this connection."""
        self._put(Mark.CAUGHT_UP if got.received else Mark.HEARD)
        got.at_edge = bool(got.received)
        got.caught_up = got.at_edge and (got.over or not self._onward)
        return got.caught_up

    def _is_end(self, got: Connection) -> bool:
        if got.broke or got.too_few:
            return False
        return got.caught_up or not self._onward or (got.over and not got.new)

    def _learn(self, got: Connection) -> None:
        """Draw conclusions for the next connection from one that was not the last."""
        if got.too_few:
            return
        if got.new:
            self._memory.whole = not got.broke
        if got.at_edge or not got.broke:
            self._wait_for_more(got)
        elif self._probe.cut(got.received, got.new):
            self._failures = 0 if got.new else self._failures
        else:
            self._failures += 1
            self._give_up(got)

    def _wait_for_more(self, got: Connection) -> None:
        """The connection worked: it showed all there is."""
        if not got.broke:
            self._put(Mark.CAUGHT_UP)
            self._at_end = True
        if self._memory.last is not None:
            self._probe.ended()
        self._failures = 0
        self._idle = 1 if got.new or not got.received else self._idle + 1

    def _give_up(self, got: Connection) -> None:
        """Raise if there is no point in another try."""
        if isinstance(got.error, errors.Unreachable) and not self._was_there:
            raise got.error
        if self._failures >= TRIES and not self._endless:
            raise self._lost(got)

    def _lost(self, got: Connection) -> errors.HubError:
        if isinstance(got.error, errors.RateLimited):
            return got.error
        since = f" --since {self._memory.last.timestamp}" if self._memory.last else ""
        build = " --build" if self._kind == "build" else ""
        why = got.error.message if got.error else "the last line was cut"
        lost = errors.Unreachable(
            f"{self._repo_id}: {TRIES} connections in a row to the {self._kind} log brought nothing new: {why}",
            hint=f"spaceops logs {self._repo_id}{build} --follow{since} goes on from here.",
        )
        lost.__cause__ = got.error
        return lost

    def _put(self, item: Item) -> None:
        connected, self._heard_at = self._response is not None, math.inf  # waiting for room is no silence
        while not self._stop.is_set():
            with suppress(queue.Full):
                self._inbox.put((self._kind, item), timeout=0.2)
                break
        self._heard_at = time.monotonic() if connected else math.inf


def is_passing(error: errors.HubError) -> bool:
    """Whether the same request may well succeed a little later."""
    return isinstance(error, errors.Unreachable | errors.RateLimited) or (error.status or 0) >= 500


def _interrupt(response: Any) -> None:
    """Wake whoever reads `response`. What they then close is reset, for a server in the middle of sending to notice."""
    connection = response.extensions["network_stream"].get_extra_info("socket")
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        socket.socket.shutdown(connection, socket.SHUT_RD)  # not SSLSocket's own, which forgets its state


def _just_after(date: str | None) -> str | None:
    """A second after the server's Date, whose resolution is one second; None if it has none that can be read."""
    try:
        return comparable(parsedate_to_datetime(date or "") + timedelta(seconds=1))
    except (ValueError, TypeError):
        return None
