"""How requests come in: uvicorn, on one socket."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

import uvicorn

from spaceops.errors import BadInput, InUse
from spaceops.localhub.connections import Protocol

if TYPE_CHECKING:
    import threading

    from spaceops.localhub.front import Front
    from spaceops.localhub.life import Life

KEEP_ALIVE = 75  # seconds: a client that pauses must not meet a connection that is just being closed
GRACE = 2  # seconds for requests to end when the server stops


class Server(uvicorn.Server):
    """uvicorn, which tells when it answers, and stops the Spaces before it waits for the readers of their logs."""

    def __init__(self, front: Front, life: Life, ready: threading.Event) -> None:
        super().__init__(
            uvicorn.Config(
                front,
                loop="asyncio",
                http=Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,  # uvicorn's is a second old, and logs are read by the clock in it
                timeout_keep_alive=KEEP_ALIVE,
                timeout_graceful_shutdown=GRACE,
            )
        )
        self._life, self._ready = life, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self._ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more requests, stop the Spaces, let the other requests end."""
        for server in self.servers:
            server.close()
        await self._life.parts.spaces.stop()
        await super().shutdown(sockets)


def listen(host: str, port: int) -> socket.socket:
    """A socket on that port, 0 for a free one; nobody is answered yet. Raises `InUse`, `BadInput`."""
    listening = socket.socket(
        socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP
    )  # asyncio avoids delays for TCP only
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise InUse(f"Port {port} is in use", hint="--port 0 takes a free one.") from error
        raise BadInput(f"Cannot listen on {host}:{port}: {error.strerror}", hint="--host 127.0.0.1") from error
    return listening
