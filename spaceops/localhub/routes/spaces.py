"""Routes about running Spaces: runtime, pause, restart, logs. What happens then is up to `localhub/spaces.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from starlette.responses import StreamingResponse

from spaceops.localhub.accounts import belongs
from spaceops.localhub.refusals import Refused, bad_request
from spaceops.localhub.store import Settings
from spaceops.localhub.wire import Json, flag, member, param, parts, repo_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

    from spaceops.localhub.logbook import Line
    from spaceops.localhub.spaces import Spaces
    from spaceops.localhub.store import Repo

ENCODER = msgspec.json.Encoder()
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
    _refuse_static(repo)
    spaces.pause(repo)
    return shown_runtime(request, repo)


async def restart(request: Request) -> Json:
    """`POST …/restart`, with `?factory=true` built anew."""
    repo, _, spaces = owned(request)
    _refuse_static(repo)
    spaces.restart(repo, factory=flag(request, "factory"))
    return shown_runtime(request, repo)


def _refuse_static(repo: Repo) -> None:
    if repo.sdk == "static":
        raise bad_request("A static Space has nothing to pause or restart")


async def logs(request: Request) -> Response:
    """`GET …/logs/build` and `…/logs/run`: server-sent events, from the start of the log on, for its owners."""
    repo = repo_of(request, kind="space")
    which = param(request, "which")
    if which not in ("build", "run"):
        raise bad_request("There are two logs: build and run")
    if not belongs(member(request), repo.namespace):
        raise Refused(403, "Only who may write to a Space may read its logs")
    headers = {"Cache-Control": "no-cache"}
    return StreamingResponse(_events(parts(request).spaces, repo, which), 200, headers, "text/event-stream")


async def _events(spaces: Spaces, repo: Repo, which: str) -> AsyncIterator[bytes]:
    """Many lines in one write where there are many; an event without data where there is none, so that readers know."""
    async for lines in spaces.log(repo, which):
        yield _one_row_each(b"".join(map(_event, lines))) or b"data:\n\n"


def _event(line: Line) -> bytes:
    return b"data: " + ENCODER.encode({"data": line.text, "timestamp": line.timestamp}) + b"\n\n"


def _one_row_each(events: bytes) -> bytes:
    """Escape what JSON may leave as it is, and Python's and other clients take for the end of a row."""
    for sign, escaped in LINE_BREAKS.items():
        events = events.replace(sign, escaped)
    return events
