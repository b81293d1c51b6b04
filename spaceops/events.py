"""What happens to a Space as one stream of events: its stages, the lines of its build log, the lines of its run log."""

from __future__ import annotations

import math
import queue
import re
import threading
import time
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from spaceops import errors
from spaceops.loglines import Gap, Line, Memory, comparable
from spaceops.logstream import BATCHES, Inbox, Item, Mark, Pace, Reader, Timing, is_passing
from spaceops.secret import redact
from spaceops.spec import seconds

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from spaceops.hub import Hub
    from spaceops.observed import Runtime

STAGE, BUILD, RUN, GAP = "stage", "build", "run", "gap"
TRIES = 5  # looks at the stage in a row that fail, until we give up

_BUILDING = frozenset({"BUILDING", "RUNNING_BUILDING"})
_STARTING = frozenset({"APP_STARTING", "RUNNING_APP_STARTING"})
_WRITING = {BUILD: _BUILDING, RUN: _BUILDING | _STARTING | {"RUNNING"}}
_EXPLAINED_BY = {"BUILD_ERROR": BUILD, "RUNTIME_ERROR": RUN}
# control characters but for the tab, and those that turn the direction of writing
_HIDDEN = (*range(9), *range(10, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_VISIBLE = {code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" for code in _HIDDEN}
_TIMING = Timing()
STOP_SECONDS = 0.5  # how long after `stop` was set a generator may still wait


class Event(msgspec.Struct, frozen=True):
    """Something that happened: a `stage`, a line of the `build` or the `run` log, a `gap` where lines may be missing.

    (Also a `step` of a deploy and a `cell` of a notebook, which those who do them tell.)

    `text` is a line without its newline; of a stage its name and, on one line, its errorMessage. `timestamp` is the
    server's, of a stage ours, in UTC. `runtime` comes with a stage. (A Struct, because hundreds of thousands of lines
    may come: a dataclass takes five times as long to make.)
    """

    kind: str
    text: str
    timestamp: str
    runtime: Runtime | None = None

    def as_dict(self) -> dict[str, str]:
        """The event for a JSON line."""
        return {"ts": self.timestamp, "event": self.kind, "text": self.text}

    @property
    def line(self) -> str:
        """The text for a terminal: nothing that an app prints moves the cursor or changes the title."""
        return visible(self.text)

    def __str__(self) -> str:
        return f"{self.timestamp[11:19]} {self.kind:<5} {self.line}"


def logs(
    repo_id: str,
    hub: Hub,
    *,
    build: bool = False,
    follow: bool = False,
    tail: int | None = None,
    since: str | datetime | timedelta | None = None,
    grep: str | None = None,
    stop: threading.Event | None = None,
    timing: Timing = _TIMING,
) -> Iterator[Event]:
    """The lines of the run log, or of the build log: those that are there, and with `follow` those that will come.

    `tail` limits the lines from before now, `since` (a time, or how long ago: `10m`) and `grep` (a regular expression)
    choose among all. Following ends when the Space is in a stage in which nothing more is written, or soon after
    another thread has set `stop`. Raises `Unreachable` when connections bring nothing any more.
    """
    window = _Window(tail, since, grep)
    return _lines(repo_id, hub, BUILD if build else RUN, window, follow, stop or threading.Event(), timing)


def follow(
    repo_id: str,
    hub: Hub,
    sha: str | None = None,
    *,
    timeout: float | None = None,
    stop: threading.Event | None = None,
    timing: Timing = _TIMING,
) -> Generator[Event]:
    """Stages, build lines and run lines as they come, until `sha` serves or the Space has come to another end.

    Without `sha`, until whatever was begun has ended. A failed build or start ends with the log that explains it. The
    `runtime` of the last stage says how it ended. Another thread ends it by setting `stop`. It looks once at least;
    raises `TimedOut` after `timeout` seconds, `Unreachable` when the Hub did not answer then, or without one any more.
    """
    return _Follower(repo_id, hub, sha, timeout, stop or threading.Event(), timing).events()


class _Window:
    """Which events are wanted."""

    def __init__(self, tail: int | None, since: str | datetime | timedelta | None, grep: str | None) -> None:
        if tail is not None and tail < 0:
            raise errors.BadInput(f"tail is {tail}", hint="A number of lines: 0 or more.")
        self._since = comparable(_moment(since)) if since is not None else ""
        self._grep = _pattern(grep) if grep else None
        self._held = deque[Event](maxlen=tail) if tail is not None else None
        self.ask = max(tail, 1) if tail is not None and not self._since and not self._grep else None

    @property
    def is_open(self) -> bool:
        """Whether events go out as they come."""
        return self._held is None

    def take(self, events: list[Event]) -> Iterable[Event]:
        """What of `events` goes out now."""
        if self._since or self._grep:
            events = [event for event in events if self._wants(event)]
        if self._held is None:
            return events
        self._held.extend(events)
        return ()

    def open(self) -> Iterable[Event]:
        """The lines from before now that were held back to count them; from here on all go out at once."""
        held, self._held = self._held, None
        return held or ()

    def _wants(self, event: Event) -> bool:
        if event.kind == GAP:
            return True
        return event.timestamp.rstrip("Z") >= self._since and (not self._grep or bool(self._grep.search(event.text)))


def _moment(since: str | datetime | timedelta) -> datetime:
    if isinstance(since, str):
        since = _read_time(since)
    return since if isinstance(since, datetime) else datetime.now(UTC) - since


def _read_time(text: str) -> datetime | timedelta:
    with suppress(ValueError):
        return datetime.fromisoformat(text)
    try:
        return timedelta(seconds=seconds("since", text))
    except errors.SpecError as error:
        hint = "How long ago, such as 90s, 15m, 2h or 1d, or a time such as 2026-01-31T21:54:36Z."
        raise errors.BadInput(f"since is {text!r}, which is no time", hint=hint) from error


def _pattern(grep: str) -> re.Pattern[str]:
    try:
        return re.compile(grep)
    except re.error as error:
        hint = "Characters such as ( [ * + need a backslash before them."
        raise errors.BadInput(f"grep is {grep!r}, which is no regular expression: {error}", hint=hint) from error


def _next(inbox: Inbox, wait: float) -> tuple[str, Item]:
    try:
        return inbox.get(timeout=max(wait, 0.001))
    except queue.Empty:
        return "", Mark.SILENT


def _events(kind: str, item: list[Line] | Gap | Exception) -> list[Event]:
    if isinstance(item, Exception):
        raise item
    if isinstance(item, Gap):
        text = f"lines of the {kind} log between {item.after} and {item.before} may be gone: the Hub has them no more"
        return [Event(GAP, text, item.before)]
    texts = [line.data.rstrip("\r\n") for line in item]
    together = "\n".join(texts)
    if redact(together) != together:  # rare, and so a batch without secrets is searched once
        texts = [redact(text) for text in texts]
    return [Event(kind, text, line.timestamp) for text, line in zip(texts, item, strict=True)]


def visible(text: str) -> str:
    """The text with every control character spelled out."""
    return text.translate(_VISIBLE)


def happened(kind: str, text: str, runtime: Runtime | None = None) -> Event:
    """An event by our own clock."""
    return Event(kind, redact(text), _now(), runtime)


def stage_event(runtime: Runtime) -> Event:
    """The event of a stage: its name and, on one line, its errorMessage."""
    why = " ".join((runtime.error_message or "").split())  # it may hold the tail of a log
    text = f"{runtime.stage}: {why}" if why else runtime.stage
    return happened(STAGE, text, runtime)


def _lines(
    repo_id: str, hub: Hub, kind: str, window: _Window, onward: bool, stop: threading.Event, timing: Timing
) -> Iterator[Event]:
    pace, inbox = Pace(timing.request), Inbox(BATCHES)
    reader = Reader(hub, repo_id, kind, timing=timing, pace=pace, inbox=inbox, ask=window.ask, onward=onward)
    patience = timing.first_line
    try:
        while not stop.is_set():
            _, item = _next(inbox, min(patience, STOP_SECONDS))
            if not isinstance(item, Mark):
                yield from window.take(_events(kind, item))
            elif item is not Mark.HEARD:
                silent = reader.silence >= patience
                if silent or item is not Mark.SILENT:
                    yield from window.open()
                if item is Mark.ENDED or (silent and not reader.onward):
                    return
                if reader.onward and (silent or not reader.connected) and _nothing_comes(repo_id, hub, kind, pace):
                    reader.finish()
            if item is not Mark.SILENT:
                patience = timing.quiet if reader.onward and window.is_open else timing.silence
    finally:
        reader.close()


def _nothing_comes(repo_id: str, hub: Hub, kind: str, pace: Pace) -> bool:
    """Whether the Space's stage is one in which this log does not grow."""
    time.sleep(max(0, pace.turn() - time.monotonic()))
    try:
        return hub.runtime(repo_id).stage not in _WRITING[kind]
    except errors.HubError as error:
        if is_passing(error):
            return False
        raise


class _Follower:
    """Looks at the stage, reads the logs that belong to it, and sees when it is over."""

    def __init__(
        self, repo_id: str, hub: Hub, sha: str | None, timeout: float | None, stop: threading.Event, timing: Timing
    ) -> None:
        self._repo_id, self._hub, self._sha, self._timeout, self._timing = repo_id, hub, sha, timeout, timing
        self._stop = stop
        self._pace, self._inbox = Pace(timing.request), Inbox(BATCHES)
        self._readers: dict[str, Reader] = {}
        self._memories: dict[str, Memory] = {}
        self._read_up: set[str] = set()  # the logs of which there is no more to be had in this stage
        self._runtime: Runtime | None = None
        self._since = 0.0  # when the runtime became what it is
        self._was_busy = False
        self._failures = 0
        self._trouble: errors.HubError | None = None  # why the last look failed
        self._look_at: float = 0.0  # when the next look at the stage is due
        self._turn: float | None = None  # when it is let through

    def events(self) -> Generator[Event]:
        """All that happens, to the end."""
        began = time.monotonic()
        try:
            while not self._is_settled():
                if self._stop.is_set():
                    return
                left = self._time_left(began)
                if left <= 0 and (self._runtime or self._trouble):
                    raise self._out_of_time() from self._trouble
                if (wait := self._until_look()) <= 0:
                    yield from self._look(began)
                else:
                    yield from self._take(min(wait, max(left, 0), STOP_SECONDS))
            yield from self._finish(began)
        finally:
            for reader in self._readers.values():
                reader.close()

    def _time_left(self, began: float) -> float:
        return math.inf if self._timeout is None else began + self._timeout - time.monotonic()

    def _out_of_time(self) -> errors.SpaceopsError:
        if self._trouble:
            return self._lost(self._trouble)
        stage = self._runtime.stage if self._runtime else "of unknown stage"
        hint = f"spaceops wait {self._repo_id} waits on; the Space goes on by itself."
        return errors.TimedOut(f"{self._repo_id} is still {stage} after {self._timeout:g} s", hint=hint)

    def _lost(self, error: errors.HubError) -> errors.Unreachable:
        hint = f"spaceops wait {self._repo_id} waits on; the Space goes on by itself."
        times = f"; {self._failures} times in a row" if self._failures > 1 else ""
        return errors.Unreachable(f"{error.message}{times}", hint=hint)

    def _until_look(self) -> float:
        now = time.monotonic()
        if self._turn is None and now >= self._look_at:
            self._turn = self._pace.turn()
        return (self._look_at if self._turn is None else self._turn) - now

    def _look(self, began: float) -> Iterator[Event]:
        now, self._turn = time.monotonic(), None
        slow = now - began > self._timing.slow_after
        self._look_at = now + (self._timing.slow_request if slow else self._timing.request)
        try:
            runtime = self._hub.runtime(self._repo_id)
        except errors.HubError as error:
            self._bear(error)
            return
        self._failures, self._trouble = 0, None
        before, self._runtime = self._runtime, runtime
        if before is None or _state(before) != _state(runtime):
            self._since = now
            self._read_up.clear()
            yield stage_event(runtime)
        self._attend(runtime)

    def _bear(self, error: errors.HubError) -> None:
        """Take a failed look: the next one comes later, if there is hope."""
        self._failures, self._trouble = self._failures + 1, error
        if not is_passing(error) or (self._runtime is None and isinstance(error, errors.Unreachable)):
            raise error
        if self._failures >= TRIES and self._timeout is None:
            raise self._lost(error) from error
        self._look_at = time.monotonic() + min(self._timing.pause, self._timing.request * 2 ** (self._failures - 1))

    def _attend(self, runtime: Runtime) -> None:
        """Read the logs that are written now."""
        self._was_busy = self._was_busy or runtime.is_busy
        if runtime.stage in _BUILDING:
            self._read(BUILD)
        elif BUILD in self._readers:
            self._readers[BUILD].finish()
        if runtime.stage in _STARTING:
            self._read(RUN)

    def _read(self, kind: str) -> None:
        if kind in self._readers or kind in self._read_up:
            return
        memory = self._memories.setdefault(kind, Memory())
        self._readers[kind] = Reader(
            self._hub,
            self._repo_id,
            kind,
            timing=self._timing,
            pace=self._pace,
            inbox=self._inbox,
            memory=memory,
            endless=self._timeout is not None,
        )

    def _take(self, wait: float) -> list[Event]:
        """What the logs bring within `wait` seconds. One that cannot be read does not end the following."""
        kind, item = _next(self._inbox, wait)
        if item is Mark.ENDED or isinstance(item, errors.HubError):
            self._readers.pop(kind, None)
            self._read_up.add(kind)
        if isinstance(item, errors.HubError):
            return [Event(GAP, f"the {kind} log cannot be read: {item.message}", _now())]
        return [] if isinstance(item, Mark) else _events(kind, item)

    def _is_settled(self) -> bool:
        runtime = self._runtime
        if runtime is None or runtime.is_busy:
            return False
        if runtime.stage == "RUNNING" and self._sha is not None and runtime.sha is not None:
            wanted = runtime.sha == self._sha
        else:
            wanted = self._was_busy
        return wanted or time.monotonic() - self._since >= self._timing.grace

    def _finish(self, began: float) -> Iterator[Event]:
        """The rest of the build log, and of the run log if the app failed.

        Where nothing failed, a log that has come to its end is not asked once more whether that was the end.
        """
        explained_by = _EXPLAINED_BY.get(self._runtime.stage) if self._runtime else None
        if explained_by:
            self._read(explained_by)
        if explained_by != RUN and RUN in self._readers:
            self._readers[RUN].close()  # it would go on as long as the app
            del self._readers[RUN]
        for kind, reader in list(self._readers.items()):
            if explained_by is None and reader.at_end:
                reader.close()
                del self._readers[kind]
            else:
                reader.finish()
        while self._readers and self._time_left(began) > 0:
            yield from self._take(self._timing.request / 10)
            if min((reader.silence for reader in self._readers.values()), default=0) >= self._timing.quiet:
                break
        for _ in range(self._inbox.qsize()):
            yield from self._take(0)


def _state(runtime: Runtime) -> tuple[str, str | None, str | None]:
    return runtime.stage, runtime.sha, runtime.error_message


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
