"""A Space's own port, which is its for its life, whatever process serves it."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import h11

from spaceops.localhub.visits import HOST, Side, Traffic, Visit

if TYPE_CHECKING:
    from spaceops.localhub.visits import Door


def bind(port: int) -> socket.socket:
    """Take a port of 127.0.0.1, or another when that one is taken; connections wait until `serve`."""
    for wanted in (port, 0):
        taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # else asyncio leaves delays on
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind((HOST, wanted))
            taken.listen(128)
        except OSError:
            taken.close()
            if wanted == 0:
                raise
        else:
            return taken
    raise AssertionError


class Proxy:
    """One Space's port: passes on what visitors ask, or says why nobody answers."""

    def __init__(self, taken: socket.socket, door: Door) -> None:
        self._socket, self._door = taken, door
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.traffic = Traffic()
        self.port: int = taken.getsockname()[1]

    async def serve(self) -> None:
        """Begin to answer."""
        self._server = await asyncio.start_server(self._connected, sock=self._socket)

    async def close(self) -> None:
        """End all connections and give the port back."""
        if self._server is not None:
            self._server.close()
        else:
            self._socket.close()
        for task in self._connections:
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio made one for this call
        self._connections.add(task)
        try:
            await Visit(Side(reader, writer, h11.SERVER), self._door, self.traffic).serve()
            writer.close()
            await writer.wait_closed()
        except (OSError, h11.ProtocolError, asyncio.CancelledError):
            writer.transport.abort()  # the other side is gone, or we are to go and wait for nobody
        finally:
            self._connections.discard(task)
