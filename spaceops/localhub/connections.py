"""Connections: bounded in number and in what they may leave open, and cut when that is asked for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import resource
import socket
import struct
import sys
from typing import TYPE_CHECKING, Any, cast

import h11
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

HEAD_SECONDS = 60.0  # for the head of a request to arrive
SPARE_FILES = 256  # descriptors that are not for connections: git, databases, logs, apps
READ_AT_ONCE = 64 << 10  # bytes; asyncio's 256 KiB are new memory each time: uploads cost three times as much
LEAST = 64  # connections that are served however few descriptors there are
HIGHEST = 65_536


class Protocol(H11Protocol):
    """uvicorn's connection, which tells routes its transport, and does not wait for ever for a head."""

    def __init__(self, *args: Any, head_seconds: float = HEAD_SECONDS, most: int | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_seconds, self._most = head_seconds, most or most_connections()
        self.logger = logging.getLogger(__name__)
        self.logger.setLevel(logging.ERROR)  # what clients send is no event of ours
        self._timer: asyncio.TimerHandle | None = None
        self._since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """A client came."""
        super().connection_made(transport)
        cast("Any", transport).max_size = READ_AT_ONCE
        inner = self.app

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope["transport"] = transport
            await cast("Any", inner)(scope, receive, send)

        self.app = cast("Any", app)
        self._since = self.loop.time()
        self._watch()
        self._make_room()

    def data_received(self, data: bytes) -> None:
        """Something came."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client went."""
        self._stop_watching()
        super().connection_lost(exc)

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP; called while the error is handled."""
        error = sys.exc_info()[1]
        status = getattr(error, "error_status_hint", 400)
        body = json.dumps({"error": msg}).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Connection", "close")]
        with contextlib.suppress(h11.LocalProtocolError):  # an answer to an earlier request is under way
            for event in (
                h11.Response(status_code=status, headers=headers, reason=STATUS_PHRASES[status]),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
        if self.cycle:
            self.cycle.disconnected = True  # nobody reads what a route may still answer
            self.cycle.message_event.set()

    def _watch(self) -> None:
        """Wait for a head, but not for ever."""
        if not self.is_idle:
            self._stop_watching()
            self._since = self.loop.time()
        elif self._timer is None and not self.transport.is_closing():
            self._timer = self.loop.call_later(self._head_seconds, self.transport.abort)

    def _stop_watching(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _make_room(self) -> None:
        """Close the connection that was idle for longest when there are too many."""
        if len(self.connections) > self._most:
            idle = [one for one in self.connections if isinstance(one, Protocol) and one.is_idle]
            min(idle, key=lambda one: one._since).transport.abort()


def most_connections() -> int:
    """How many connections may be open at once."""
    return max(resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES, LEAST)


def allow_many() -> None:
    """Let this process open as many files as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = HIGHEST if hard == resource.RLIM_INFINITY else min(hard, HIGHEST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def hang_up(scope: Scope, receive: Receive, *, reset: bool = False) -> None:
    """End the connection without a word, with `reset` by a reset; returns when it is ended."""
    transport: asyncio.Transport = scope["transport"]
    if reset:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
