"""Routes about running Spaces: runtime, pause, restart, and the streams. What happens is up to `localhub/spaces.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import StreamingResponse

from spaceops.localhub.accounts import reads
from spaceops.localhub.refusals import Refused, bad_request
from spaceops.localhub.store import Settings
from spaceops.localhub.wire import Json, flag, member, number, param, parts, repo_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from spaceops.localhub.logbook import Line
    from spaceops.localhub.spaces import Spaces
    from spaceops.localhub.store import Repo

ENCODER = msgspec.json.Encoder()
KEEP_ALIVE = b"data:\n\n"
EVENTS, NO_CACHE = "text/event-stream", {"Cache-Control": "no-cache"}
LONGEST_TAIL = 1_000_000  # lines
LINE_BREAKS = {sign.encode(): b"\\u%04x" % ord(sign) for sign in "\x85\u2028\u2029"}


async def runtime(request: Request) -> Json:
    """`GET …/runtime`."""
    return shown_runtime(request, repo_of(request, kind="space"))


def shown_runtime(request: Request, repo: Repo) -> Json:
    """The answer of every call that changes a Space."""
    return Json(parts(request).spaces.runtime(repo))


def owned(request: Request) -> tuple[Repo, Settings, Spaces]:
    """The Space that the path names, for somebody who may change it."""
    repo = repo_of(request, write=True, kind="space")
    return repo, parts(request).store.settings(repo), parts(request).spaces


async def pause(request: Request) -> Json:
    """`POST …/pause`."""
    repo, _, spaces = owned(request)
    refuse_static(repo, "nothing to pause")
    spaces.pause(repo)
    return shown_runtime(request, repo)


async def restart(request: Request) -> Json:
    """`POST …/restart`, with `?factory=true` built anew."""
    repo, _, spaces = owned(request)
    refuse_static(repo, "nothing to restart")
    spaces.restart(repo, factory=flag(request, "factory"))
    return shown_runtime(request, repo)


def refuse_static(repo: Repo, what: str) -> None:
    """A static Space has no process: it always runs, and nothing of it can be changed."""
    if repo.sdk == "static":
        raise bad_request(f"A static Space has {what}")


async def logs(request: Request) -> Response:
    """`GET …/logs/build` and `…/logs/run`: from the start on, or from the last `?tail=N` lines on; for its owners."""
    repo = _read_by_owner(request)
    which = param(request, "which")
    if which not in ("build", "run"):
        raise bad_request("There are two logs: build and run")
    tail = number(request, "tail", 0, most=LONGEST_TAIL) if "tail" in request.query_params else None
    log = parts(request).spaces.log(repo, which, tail)
    if cut := parts(request).faults.strike("log-cut", repo_id=repo.repo_id, path=request.url.path):
        return _BrokenOff(_log_events(_first(log, cut.events)), 200, NO_CACHE, EVENTS)
    return _stream(_log_events(log))


async def events(request: Request) -> Response:
    """`GET …/events`: the runtime at once, and after each change."""
    repo = repo_of(request, kind="space")
    return _stream(_runtime_events(parts(request).spaces.runtimes(repo)))


async def metrics(request: Request) -> Response:
    """`GET …/metrics`: what the app uses, once a second while it runs; for its owners."""
    repo = _read_by_owner(request)
    if not parts(request).spaces.is_serving(repo):
        raise Refused(406, "The Space is not running: there is nothing to measure")
    return _stream(_metric_events(parts(request).spaces.metrics(repo)))


def _read_by_owner(request: Request) -> Repo:
    """The Space that the path names, for somebody to whom it belongs, with any token that reads it."""
    repo = repo_of(request, kind="space")
    if not reads(member(request), repo):
        raise Refused(403, "Only those to whom a Space belongs may read its logs and metrics")
    return repo


def _stream(events: AsyncIterator[bytes]) -> Response:
    return StreamingResponse(events, 200, NO_CACHE, EVENTS)


class _BrokenOff(StreamingResponse):
    """A stream that does not come to its end: after the last event the connection is closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what there is, and hang up."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for event in self.body_iterator:
            await send({"type": "http.response.body", "body": event, "more_body": True})
        scope["transport"].close()  # after what is still to be written
        while (await receive())["type"] != "http.disconnect":
            pass


async def _runtime_events(runtimes: AsyncIterator[dict[str, Any] | None]) -> AsyncIterator[bytes]:
    async for runtime in runtimes:
        yield b"data: " + ENCODER.encode(runtime) + b"\n\n" if runtime else KEEP_ALIVE


async def _metric_events(metrics: AsyncIterator[dict[str, Any]]) -> AsyncIterator[bytes]:
    async for metric in metrics:
        yield b"event: metric\ndata: " + ENCODER.encode(metric) + b"\n\n"


async def _log_events(log: AsyncIterator[list[Line]]) -> AsyncIterator[bytes]:
    """Many lines in one write where there are many; an event without data where there is none, so that readers know."""
    async for lines in log:
        yield _one_row_each(b"".join(map(_event, lines))) or KEEP_ALIVE


async def _first(log: AsyncIterator[list[Line]], count: int) -> AsyncIterator[list[Line]]:
    """The first lines of a log."""
    left = count
    async for lines in log:
        yield lines[:left]
        left -= len(lines)
        if left <= 0:
            return


def _event(line: Line) -> bytes:
    return b"data: " + ENCODER.encode({"data": line.text, "timestamp": line.timestamp}) + b"\n\n"


def _one_row_each(events: bytes) -> bytes:
    """Escape what JSON may leave as it is, and Python's and other clients take for the end of a row."""
    for sign, escaped in LINE_BREAKS.items():
        events = events.replace(sign, escaped)
    return events
