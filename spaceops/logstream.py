"""A log of a Space, read in a thread across as many connections as it takes.

A server answers each new connection with a replay, from the start or of what it still has. What was seen before is
recognised by time and content, never counted: nothing is doubled, nothing lost that can still be had, and what is gone
is reported as a gap.
"""

from __future__ import annotations

import math
import queue
import socket
import struct
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from spaceops import errors
from spaceops.loglines import Frames, Gap, Line, Memory, Probe, Replay, comparable, when

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spaceops.hub import Hub

TRIES = 5  # connections in a row that bring nothing, until we give up
BATCHES = 64  # read ahead of whoever takes them; each is what one read of the network brought


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


class Mark(Enum):
    """What a reader says between lines."""

    HEARD = auto()  # the server is there and has said nothing
    CAUGHT_UP = auto()  # all that was written before the connection, or before its end, has been read
    SILENT = auto()  # nothing came for as long as was waited
    ENDED = auto()  # no more will come


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
