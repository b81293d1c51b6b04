"""Views for notebooks. What must be readable everywhere is one display, updated with text and HTML; widgets only steer.

Nothing is decided here: events come from `events`, and the buttons call the verbs of `lifecycle` and `releases`.
"""

# mypy: allow-untyped-calls, allow-untyped-defs
# (IPython and ipywidgets have no types, or half of them)

from __future__ import annotations

import re
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from spaceops.errors import ExtraMissing, SpaceopsError
from spaceops.events import BUILD, RUN, STAGE, Event, follow, logs, stage_event
from spaceops.hub import Hub
from spaceops.lifecycle import pause, restart, status
from spaceops.releases import rollback

if TYPE_CHECKING:
    from spaceops.findings import Report
    from spaceops.observed import Observed, Runtime
    from spaceops.spec import Space

LINES = 200  # of the logs, kept and shown
WIDTH = 400  # characters of a line
WAY = 8  # stages
LOOK_SECONDS = 2.0  # between two looks at the stage of a Space in which nothing goes on
DRAW_SECONDS = 0.25  # between two updates of a display

_ALL = "all"
_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_GREEN, _AMBER, _RED, _GREY, _BLUE = "#1a7f37", "#9a6700", "#cf222e", "#57606a", "#0969da"  # white is readable on each
_COLOURS = {
    "BUILDING": _AMBER,
    "APP_STARTING": _AMBER,
    "RUNNING_BUILDING": _AMBER,
    "RUNNING_APP_STARTING": _AMBER,
    "RUNNING": _GREEN,
    "BUILD_ERROR": _RED,
    "RUNTIME_ERROR": _RED,
    "CONFIG_ERROR": _RED,
    BUILD: _AMBER,
    RUN: _GREEN,
    "gap": _RED,
    "step": _BLUE,
}


@dataclass(frozen=True)
class Seen:
    """What `monitor` saw: how the Space is in the end, and how many lines and stages came."""

    repo_id: str
    stage: str
    error_message: str | None
    sha: str | None
    host: str | None
    events: Mapping[str, int]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """What was seen, for `--json`."""
        return {"schema": 1, **{name: getattr(self, name) for name in self.__dataclass_fields__}}


def monitor(space: Space | str, hub: Hub, *, seconds: float | None = None) -> Seen:
    """Show stage, build log and run log live, in one display.

    Ends when nothing is built or started any more and what the logs hold is shown, or, with `seconds`, after these.
    """
    start = time.monotonic()
    observed = status(space, hub)
    screen = Screen(Board(f"{observed.repo_id} on {hub.endpoint}"))
    screen.open()
    screen(_stage(observed))
    sources = (_to_the_end,) if seconds is None else (_stages, _run_lines)
    failures: list[SpaceopsError] = []
    followers = [Follower(source, observed, hub, screen, failures.append) for source in sources]
    try:
        for follower in followers:
            follower.start()
        for follower in followers:
            follower.join(None if seconds is None else max(0.0, start + seconds - time.monotonic()))
    finally:
        for follower in followers:
            follower.stop()
        screen.draw()
    if failures:
        raise failures[0]
    return _seen(observed, screen.board, time.monotonic() - start)


def live() -> Screen:
    """For `deploy(…, watch=live())`: what happens, as one display."""
    return Screen(Board())


def controls(space: Space | str, hub: Hub, *, dry_run: bool = False) -> Controls:
    """The same live view, with a filter and buttons for follow, pause and restart; on a `dry_run` these two are off."""
    observed = status(space, hub)
    return Controls(observed, hub, dry_run=dry_run)


@dataclass
class Board:
    """What is known of a Space: its way through the stages, and the last lines of its logs."""

    title: str = ""
    note: str = ""
    kind: str = _ALL  # which events are shown: all, or those of a kind
    search: str = ""  # and of these, those with this text
    runtime: Runtime | None = None
    counts: Counter[str] = field(default_factory=Counter)
    _way: deque[Event] = field(default_factory=lambda: deque(maxlen=WAY))
    _lines: dict[tuple[str, str, str], Event] = field(default_factory=dict)  # a replayed line is the same line
    _known: tuple[Any, Report] | None = None  # the last diagnosis, and of what

    def feed(self, event: Event) -> None:
        """Take note of an event; one that is known already is not noted again."""
        if event.kind == STAGE:
            self.runtime = event.runtime or self.runtime
            if not self._way or self._way[-1].text != event.text:
                self._way.append(event)
                self.counts[STAGE] += 1
            return
        key = event.kind, event.timestamp, event.text
        if key not in self._lines:
            self._lines[key] = msgspec.structs.replace(event, text=_plain(event.text))
            self.counts[event.kind] += 1
            if len(self._lines) > LINES:
                del self._lines[next(iter(self._lines))]

    @property
    def report(self) -> Report | None:
        """Of a Space that has failed, the cause, as far as what was shown tells it; nothing more is asked."""
        if self.runtime is None or not self.runtime.stage.endswith(("_ERROR", "NO_APP_FILE")):
            return None
        of = self.runtime, self.counts.total()
        if self._known is None or self._known[0] != of:
            from spaceops.diagnosis import conclude
            from spaceops.diagnosis.cases import Case, with_events

            case = Case(self.title.partition(" on ")[0] or "the Space", runtime=self.runtime)
            self._known = of, conclude(with_events(case, list(self._lines.values())))
        return self._known[1]

    @property
    def shown(self) -> list[Event]:
        """The lines that the filter lets through, in the order of their times."""
        wanted = self.search.lower()
        lines = (line for line in list(self._lines.values()) if self.kind in (_ALL, line.kind))
        return sorted((line for line in lines if wanted in line.text.lower()), key=lambda line: line.timestamp[:19])

    def __str__(self) -> str:
        way = " > ".join(f"{stage.timestamp[11:19]} {stage.text}" for stage in self._way)
        head = [line for line in (self.title, way, self.note) if line]
        causes = map(str, self.report.findings if self.report else ())
        return "\n".join([*head, *([] if self.kind == STAGE else map(str, self.shown)), *causes])

    def _repr_mimebundle_(self, **_kwargs: Any) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self.html()}

    def html(self) -> str:
        """The board for a browser, light or dark: it takes the page's colours."""
        title = f"<div><b>{escape(self.title)}</b></div>" if self.title else ""
        note = f"<div role='status' style='color:{_RED}'>{escape(self.note)}</div>" if self.note else ""
        way = " &rsaquo; ".join(_pill(stage, now=stage is self._way[-1]) for stage in list(self._way))
        way = f"<div>{way}</div>" if way else ""
        rows = "" if self.kind == STAGE else "".join(map(_row, self.shown))
        log = f"<div style='{_LOG}'><div>{rows}</div></div>" if rows else ""
        causes = self.report._repr_html_() if self.report and len(self.report) else ""
        return f"<div style='line-height:1.7'>{title}{way}{note}{log}{causes}</div>"


# the outer box is laid out from its end, so that it opens, and stays, at the last line
_LOG = (
    "display:flex;flex-direction:column-reverse;max-height:24em;overflow:auto;margin-top:.4em;padding:.4em;"
    "border:1px solid rgba(128,128,128,.4);border-radius:4px;font:12px/1.5 monospace;white-space:pre-wrap"
)


def _pill(stage: Event, *, now: bool) -> str:
    name, _, reason = stage.text.partition(": ")
    colour = _COLOURS.get(name, _GREY)
    style = f"border:2px solid {colour};border-radius:1em;padding:0 .7em;white-space:nowrap"
    filled = f";background:{colour};color:#fff" if now else ""
    more = f" {escape(reason)}" if reason else ""
    return f"<span style='{style}{filled}'>{stage.timestamp[11:19]} {escape(name)}</span>{more}"


def _row(line: Event) -> str:
    colour = _COLOURS.get(line.kind, _GREY)
    return f"<div style='border-left:3px solid {colour};padding-left:.6em'>{escape(str(line))}</div>"


def _plain(text: str) -> str:
    text = _TERMINAL_CODES.sub("", text)
    return text if len(text) <= WIDTH else f"{text[:WIDTH]}…"


class Screen:
    """Shows a board in one display, updated a few times a second, from any thread; outside of a notebook it prints."""

    def __init__(self, board: Board, *, opens: bool = True) -> None:
        self.board = board
        self._opens = opens  # by itself, when there is something to show
        self._handle: Any = None
        self._lock = threading.RLock()
        self._timer: threading.Timer | None = None
        self._drawn = 0.0

    def __call__(self, event: Event) -> None:
        """Take an event and show it: a stage or step at once, lines of logs together."""
        with self._lock:
            self.board.feed(event)
            if not _in_notebook():
                print(event, file=sys.stderr)  # noqa: T201  # a script has called it
            elif event.kind in (BUILD, RUN):
                self._draw_soon()
            else:
                self.draw()

    def open(self) -> None:
        """Put the display here: below the cell that runs."""
        with self._lock:
            if _in_notebook():
                from IPython.display import display

                self._handle = display(self.board, display_id=self._handle.display_id if self._handle else True)

    def draw(self) -> None:
        """Show the board as it is now."""
        with self._lock:
            if self._timer:
                self._timer.cancel()
            self._timer, self._drawn = None, time.monotonic()
            if self._handle:
                self._handle.update(self.board)
            elif self._opens:
                self.open()

    def _draw_soon(self) -> None:
        wait = self._drawn + DRAW_SECONDS - time.monotonic()
        if wait <= 0:
            self.draw()
        elif self._timer is None:
            self._timer = threading.Timer(wait, self.draw)
            self._timer.daemon = True
            self._timer.start()


Source = Callable[["Observed", Hub, threading.Event], Iterator[Event]]


class Follower(threading.Thread):
    """Tells every event of a source, in a thread, until stopped, and what went wrong if that ends it before."""

    def __init__(
        self,
        source: Source,
        observed: Observed,
        hub: Hub,
        tell: Callable[[Event], None],
        fail: Callable[[SpaceopsError], None],
    ) -> None:
        super().__init__(name=f"follow {observed.repo_id}", daemon=True)
        self._stopped = threading.Event()
        self._events = source(observed, hub, self._stopped)
        self._tell, self._fail = tell, fail

    def run(self) -> None:
        """Tell until the source ends."""
        try:
            for event in self._events:
                if self._stopped.is_set():
                    return
                self._tell(event)
        except SpaceopsError as error:
            if not self._stopped.is_set():
                self._fail(error)

    def stop(self) -> None:
        """Tell nothing any more; the thread ends soon after."""
        self._stopped.set()


def _to_the_end(observed: Observed, hub: Hub, stopped: threading.Event) -> Iterator[Event]:
    """What the logs hold, and what comes until the Space is settled."""
    yield from logs(observed.repo_id, hub, build=True, tail=LINES, stop=stopped)
    if observed.runtime.is_busy:
        yield from follow(observed.repo_id, hub, observed.sha, stop=stopped)
    yield from logs(observed.repo_id, hub, tail=LINES, stop=stopped)


def _stages(observed: Observed, hub: Hub, stopped: threading.Event) -> Iterator[Event]:
    """The stages, and with them the build lines, for ever."""
    yield from logs(observed.repo_id, hub, build=True, tail=LINES, stop=stopped)
    while not stopped.is_set():
        runtime = hub.runtime(observed.repo_id)
        yield stage_event(runtime)
        if runtime.is_busy:
            yield from follow(observed.repo_id, hub, stop=stopped)
        stopped.wait(LOOK_SECONDS)


def _run_lines(observed: Observed, hub: Hub, stopped: threading.Event) -> Iterator[Event]:
    """The lines of the app, for ever, however often it starts anew."""
    while not stopped.is_set():
        yield from logs(observed.repo_id, hub, follow=True, tail=LINES, stop=stopped)
        stopped.wait(LOOK_SECONDS)


def _stage(observed: Observed) -> Event:
    return stage_event(observed.runtime)


def _seen(observed: Observed, board: Board, seconds: float) -> Seen:
    runtime = board.runtime or observed.runtime
    return Seen(
        observed.repo_id,
        runtime.stage,
        runtime.error_message,
        runtime.sha,
        runtime.host or observed.host,
        dict(board.counts),
        round(seconds, 2),
    )


class Controls:
    """Widgets that steer: follow, pause, restart, roll back, and what is shown. The lines are in the display below."""

    _active: ClassVar[dict[str, Controls]] = {}  # by Space: a cell that runs again replaces its former self

    def __init__(self, observed: Observed, hub: Hub, *, dry_run: bool) -> None:
        widgets = _widgets()
        self._observed, self._hub = observed, hub
        self._followers: list[Follower] = []
        self.screen = Screen(Board(f"{observed.repo_id} on {hub.endpoint}"), opens=False)
        self.screen.board.feed(_stage(observed))
        self.follow = widgets.ToggleButton(description="Follow", icon="eye", tooltip="Show what happens")
        self.pause = self._button("Pause", "pause", "Stop the app and its costs", pause, dry_run)
        self.restart = self._button("Restart", "refresh", "Start the app again", restart, dry_run)
        self.back = self._button("Roll back", "undo", "Go back to the release that ran before", _back, dry_run)
        self.kind = widgets.Dropdown(description="Show", options=[_ALL, STAGE, BUILD, RUN])
        self.search = widgets.Text(description="Filter", placeholder="text in a line")
        self.box = widgets.HBox([self.follow, self.pause, self.restart, self.back, self.kind, self.search])
        self.box.layout.flex_flow = "row wrap"
        self.kind.layout.width, self.search.layout.width = "11em", "16em"
        self.kind.style.description_width = self.search.style.description_width = "4em"
        for control, act in ((self.follow, self._toggle), (self.kind, self._filter), (self.search, self._filter)):
            control.observe(act, names="value")
        self._take_over()
        self.follow.value = True

    def close(self) -> None:
        """Stop following."""
        self.follow.value = False

    def __str__(self) -> str:
        state = "following" if self.follow.value else "not following"
        return f"[Follow] [Pause] [Restart] [Roll back] Show: {self.kind.value} Filter: {self.search.value!r} ({state})"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        return {**self.box._repr_mimebundle_(**kwargs), "text/plain": str(self)}

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self._repr_mimebundle_(), raw=True)
        self.screen.open()

    def _button(self, text: str, icon: str, tooltip: str, verb: Callable[[str, Hub], Observed], dry_run: bool) -> Any:
        tooltip = f"{tooltip} (off: dry_run is True)" if dry_run else tooltip
        button = _widgets().Button(description=text, icon=icon, tooltip=tooltip, disabled=dry_run)
        button.on_click(lambda _: self._do(button, verb))
        return button

    def _do(self, button: Any, verb: Callable[[str, Hub], Observed]) -> None:
        button.disabled = True
        try:
            self.screen(_stage(verb(self._observed.repo_id, self._hub)))
            self._say("")
        except SpaceopsError as error:
            self._say(str(error))
        finally:
            button.disabled = False

    def _failed(self, error: SpaceopsError) -> None:
        self._say(f"Following ended. {error}")

    def _say(self, note: str) -> None:
        self.screen.board.note = note
        self.screen.draw()

    def _filter(self, _change: Any) -> None:
        self.screen.board.kind, self.screen.board.search = self.kind.value, self.search.value
        self.screen.draw()

    def _toggle(self, change: Any) -> None:
        for follower in self._followers:
            follower.stop()
        self._followers = []
        if change["new"]:
            for source in (_stages, _run_lines):
                follower = Follower(source, self._observed, self._hub, self.screen, self._failed)
                self._followers.append(follower)
                follower.start()

    def _take_over(self) -> None:
        former = self._active.get(f"{self._hub.endpoint} {self._observed.repo_id}")
        if former:
            former.close()
        self._active[f"{self._hub.endpoint} {self._observed.repo_id}"] = self


def _back(repo_id: str, hub: Hub) -> Observed:
    rollback(repo_id, hub, detach=True)
    return status(repo_id, hub)


def _in_notebook() -> bool:
    """Whether a kernel runs this."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and getattr(ipython.get_ipython(), "kernel", None) is not None


def _widgets() -> Any:
    try:
        import ipywidgets
    except ModuleNotFoundError as error:
        raise ExtraMissing("notebook", for_what="Buttons in notebooks") from error
    return ipywidgets
