"""The outermost layer: what happens to every request and every answer, whatever the route."""

from __future__ import annotations

import asyncio
import email.utils
import logging
import re
import secrets
import traceback
from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders
from starlette.requests import Request

from spaceops.localhub.connections import hang_up
from spaceops.localhub.exposure import names_this_machine
from spaceops.localhub.faults import OF_REQUESTS
from spaceops.localhub.limits import WINDOW, is_counted, too_many
from spaceops.localhub.refusals import Refused, bad_request
from spaceops.localhub.wire import refusal, token_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from spaceops.localhub.accounts import Accounts
    from spaceops.localhub.clock import Clock
    from spaceops.localhub.faults import Fault, Faults
    from spaceops.localhub.gate import Gate
    from spaceops.localhub.limits import Limits, Spent

logger = logging.getLogger(__name__)

REQUESTS_KEPT = 100_000
LONGEST_PATH = 1000  # characters of a request that are kept: 64 KiB may come
CONTROL = "/_hub/"  # below it the server itself is asked, not the Hub that it plays
ABSOLUTE = re.compile(r"https?://[^/?#]+(/.*)?", re.IGNORECASE)
FAILED = "Internal Error - We're working hard to fix this as soon as possible!"


class Front:
    """Routes see the path as it came, every request is counted, every answer has its headers, and nothing brings the
    server down.
    """

    def __init__(
        self, app: ASGIApp, *, accounts: Accounts, clock: Clock, faults: Faults, limits: Limits, gate: Gate
    ) -> None:
        self._app, self._accounts, self._clock = app, accounts, clock
        self._faults, self._limits, self._gate = faults, limits, gate
        self.requests: deque[tuple[str, str]] = deque(maxlen=REQUESTS_KEPT)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        answer = _Answer(scope, send, self._clock)
        try:
            await self._answer(scope, receive, answer)
        except Refused as refused:
            await refusal(refused)(scope, receive, answer)
        except asyncio.CancelledError:  # the server ends, or what it serves is replaced
            await hang_up(scope, receive)
        except Exception as error:
            _log(error, scope, answer.id)
            if not answer.begun:
                await refusal(Refused(500, FAILED))(scope, receive, answer)
            elif not answer.complete:
                await hang_up(scope, receive)

    async def _answer(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        scope["path"] = _path(scope)
        if self._accounts.built_in and not names_this_machine(Request(scope).headers.get("host", "")):
            raise Refused(403, "Everybody knows the token of this server: it answers to 127.0.0.1 and localhost only")
        if scope["path"].startswith(CONTROL):
            await self._app(scope, receive, answer)
            return
        await self._gate.enter(scope["method"])
        try:
            self.requests.append((scope["method"], scope["path"][:LONGEST_PATH]))
            self._count(scope, answer)
            fault = self._faults.strike(*OF_REQUESTS, method=scope["method"], path=scope["path"])
            if fault:
                await self._fail(fault, scope, receive, answer)
            else:
                await self._app(scope, receive, answer)
        finally:
            self._gate.leave()

    def _count(self, scope: Scope, answer: _Answer) -> None:
        """Count the request; refuse it if there were too many."""
        if is_counted(scope["path"]):
            user = self._accounts.user(token_of(Request(scope)))
            answer.spent = self._limits.count(user, (scope["client"] or [""])[0], scope["path"])
            self._limits.check(answer.spent)

    async def _fail(self, fault: Fault, scope: Scope, receive: Receive, answer: _Answer) -> None:
        """Do what a fault asks for, in place of the request's effect, or of its answer if that is to be lost."""
        request = _whole(receive)
        if fault.lose_answer and fault.kind != "slow":
            await self._app(scope, request, _nowhere)
        if fault.kind == "reset":
            while (await request())["type"] != "http.disconnect":
                pass  # who is still sending may not notice that it was a reset
            await hang_up(scope, receive, reset=True)
        elif fault.kind == "status":
            raise _status(fault, answer)
        else:
            await asyncio.sleep(0 if fault.lose_answer else fault.seconds)
            answer.delay = fault.seconds if fault.lose_answer else 0.0
            await self._app(scope, receive, answer)


class _Answer:
    """What sends the answer to one request, with the headers that every answer has."""

    def __init__(self, scope: Scope, send: Send, clock: Clock) -> None:
        self._send, self._clock = send, clock
        trace = next((value for name, value in scope["headers"] if name == b"x-amzn-trace-id"), b"")[:200]
        unique = f"Root=1-{int(clock.now().timestamp()):08x}-{secrets.token_hex(12)}"
        self.id = f"{unique};{trace.decode('latin-1') or secrets.token_hex(16)}"
        self.spent: Spent | None = None
        self.delay = 0.0
        self.begun = self.complete = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if self.delay:
                await asyncio.sleep(self.delay)
            self._add_headers(MutableHeaders(raw=message.setdefault("headers", [])))
            self.begun = True
        else:
            self.complete = not message.get("more_body", False)
        await self._send(message)

    def _add_headers(self, headers: MutableHeaders) -> None:
        headers["Date"] = email.utils.format_datetime(self._clock.now(), usegmt=True)
        headers["X-Request-Id"] = self.id
        for name, value in (self.spent.headers() if self.spent else {}).items():
            headers[name] = value


def _path(scope: Scope) -> str:
    """The path as it came, still percent-encoded. Refuses what no route may see."""
    names = [name for name, _ in scope["headers"]]
    if b"content-length" in names and b"transfer-encoding" in names:  # where one ends and the next begins is in doubt
        raise Refused(400, "A request has a Content-Length or a Transfer-Encoding, not both", Connection="close")
    path: str = scope["raw_path"].decode("latin-1")
    if absolute := ABSOLUTE.fullmatch(path):
        path = absolute[1] or "/"
    if not path.startswith("/"):
        raise bad_request("The target of a request begins with '/'")
    return path


def _status(fault: Fault, answer: _Answer) -> Refused:
    """The status that a fault asks for, as the Hub says it."""
    retry = {} if fault.retry_after is None else {"Retry_After": str(fault.retry_after)}
    if fault.status == HTTPStatus.TOO_MANY_REQUESTS and answer.spent:
        seconds = answer.spent.seconds if fault.retry_after is None else fault.retry_after
        answer.spent = answer.spent._replace(used=answer.spent.quota, seconds=min(seconds, WINDOW))
        refused = too_many(answer.spent)
        refused.headers.update(Refused(0, "", **retry).headers)
        return refused
    phrases = {status.value: status.phrase for status in HTTPStatus} | {500: FAILED}
    return Refused(fault.status, phrases.get(fault.status, "Error"), **retry)


def _whole(receive: Receive) -> Receive:
    """A request, and then its client goes: nobody waits for the answer."""
    whole = False

    async def received() -> Message:
        nonlocal whole
        if whole:
            return {"type": "http.disconnect"}
        message = await receive()
        whole = not message.get("more_body", False)
        return message

    return received


async def _nowhere(message: Message) -> None:
    """Send nothing."""


def _log(error: Exception, scope: Scope, request_id: str) -> None:
    """Say where it failed; not the error's message nor the query, which may repeat what is secret."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    what = f"{scope['method']} {scope.get('path')}"
    logger.error("%s failed, request %s: %s\n%s", what, request_id, type(error).__name__, frames)
