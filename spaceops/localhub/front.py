"""The outermost layer: what happens to every request and every answer, whatever the route."""

from __future__ import annotations

import email.utils
import secrets
from collections import deque
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from spaceops.localhub.wire import Parts

REQUESTS_KEPT = 100_000


class Front:
    """The outermost layer: routes see the path as it came, every request is counted, every answer has its headers."""

    def __init__(self, app: ASGIApp, parts: Parts) -> None:
        self._app, self._accounts, self._clock = app, parts.accounts, parts.clock
        self.requests: deque[tuple[str, str]] = deque(maxlen=REQUESTS_KEPT)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["path"] = scope["raw_path"].decode("latin-1")
        self.requests.append((scope["method"], scope["path"]))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add_headers(scope, MutableHeaders(raw=message.setdefault("headers", [])))
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _add_headers(self, scope: Scope, headers: MutableHeaders) -> None:
        sent = {name: value.decode("latin-1") for name, value in scope["headers"]}
        moment = self._clock.now()
        headers["Date"] = email.utils.format_datetime(moment, usegmt=True)
        trace = sent.get(b"x-amzn-trace-id", secrets.token_hex(16))[:200]
        headers["X-Request-Id"] = f"Root=1-{int(moment.timestamp()):08x}-{secrets.token_hex(12)};{trace}"
        limits = self._limits(sent.get(b"authorization", ""))
        resource, quota = ("api", limits[0]) if scope["path"].startswith("/api/") else ("resolvers", limits[1])
        headers["RateLimit"] = f'"{resource}";r={quota};t=300'
        headers["RateLimit-Policy"] = f'"fixed window";"{resource}";q={quota};w=300'

    def _limits(self, authorization: str) -> tuple[int, int]:
        """The Hub's limits of this caller for five minutes; here nothing is ever used up."""
        user = self._accounts.user(authorization.removeprefix("Bearer "))
        plan = user.plan if user else None
        return {None: (500, 3000), "free": (1000, 5000), "pro": (2500, 12000)}[plan]
