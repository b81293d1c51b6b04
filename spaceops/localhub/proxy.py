"""A Space's own port: passes connections on to whatever process serves the Space now, or says why none does.

The first request's head is read, to decide; then bytes are passed both ways, so that chunked bodies, websockets and
server-sent events need no knowledge of ours. A private Space checks every request: each gets
its own connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = "127.0.0.1"
LONGEST_HEAD = 64 * 1024
HEAD_TIMEOUT = 30.0  # seconds for a client to send its request's head
LINGER = 2.0  # seconds to take in what a refused client still sends, so that it reads the answer
PIECE = 64 * 1024
REQUEST = re.compile(rb"([A-Z]+) \S+ HTTP/1\.[01]\r?\n")
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">{refresh}<title>{title}</title>
<body style="font-family: system-ui, sans-serif; margin: 4rem auto; max-width: 40rem; text-align: center">
<h1>{title}</h1><p>{text}</p></body></html>
"""


@dataclass(frozen=True)
class Page:
    """An answer in place of the app's."""

    status: HTTPStatus
    title: str
    text: str = ""
    refresh: int | None = None  # seconds

    def encode(self, *, with_body: bool) -> bytes:
        """The whole response."""
        refresh = f'<meta http-equiv="refresh" content="{self.refresh}">' if self.refresh else ""
        body = PAGE.format(title=self.title, text=self.text, refresh=refresh).encode()
        retry = f"Retry-After: {self.refresh}\r\n" if self.refresh else ""
        head = (
            f"HTTP/1.1 {self.status.value} {self.status.phrase}\r\nContent-Type: text/html; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\n{retry}Cache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + (body if with_body else b"")


BAD_REQUEST = Page(HTTPStatus.BAD_REQUEST, "Bad request")
HEAD_TOO_LARGE = Page(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The request's head is too large")
NOT_FOUND = Page(HTTPStatus.NOT_FOUND, "404", "Sorry, we can't find the page you are looking for.")
UNREACHABLE = Page(HTTPStatus.BAD_GATEWAY, "The app does not take connections", refresh=2)


@dataclass(frozen=True)
class Head:
    """The head of a request: the bytes as they came, and what the proxy must know of them."""

    raw: bytes
    method: str

    @classmethod
    def parse(cls, raw: bytes) -> Head | None:
        """None for anything but an HTTP/1 request."""
        found = REQUEST.match(raw)
        return cls(raw, found[1].decode()) if found else None

    def get(self, name: str) -> str | None:
        """A header's value."""
        found = re.search(rb"^%s[ \t]*:[ \t]*(.*?)[ \t]*\r?$" % name.encode(), self.raw, re.IGNORECASE | re.MULTILINE)
        return found[1].decode("latin-1") if found else None

    @property
    def token(self) -> str | None:
        """The Hub's credential."""
        scheme, _, token = (self.get("Authorization") or "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else None

    @property
    def body_length(self) -> int | None:
        """How many bytes follow; None where only the app knows."""
        if self.get("Transfer-Encoding") or self.get("Upgrade") or self.method == "CONNECT":
            return None
        length = self.get("Content-Length") or "0"
        return int(length) if length.isdecimal() else 0

    def for_one_request(self) -> bytes:
        """The head of the only request of a connection, without the Hub's credential, which is not the app's."""
        lines = [
            line for line in self.raw.split(b"\r\n") if not re.match(rb"authorization[ \t]*:", line, re.IGNORECASE)
        ]
        if not self.get("Upgrade"):
            lines = [line for line in lines if not re.match(rb"(keep-alive|connection)[ \t]*:", line, re.IGNORECASE)]
            lines.insert(1, b"Connection: close")
        return b"\r\n".join(lines)


class Door(Protocol):
    """What the proxy asks a Space."""

    def is_private(self) -> bool:
        """Whether each request needs a right to read."""

    def lets_in(self, token: str | None) -> bool:
        """Whether somebody with this token may use the app."""

    async def upstream(self) -> int | Page:
        """The port of the process that serves now (woken if it sleeps), or the page to show instead."""

    def visited(self) -> None:
        """Somebody uses the app."""


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
    """One Space's port."""

    def __init__(self, taken: socket.socket, door: Door) -> None:
        self._socket, self._door = taken, door
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.port: int = taken.getsockname()[1]

    @property
    def is_busy(self) -> bool:
        """Whether a connection is open."""
        return bool(self._connections)

    async def serve(self) -> None:
        """Begin to answer."""
        self._server = await asyncio.start_server(self._connected, sock=self._socket, limit=LONGEST_HEAD)

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
            await self._handle(reader, writer)
            writer.close()
            await writer.wait_closed()
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()  # the other side is gone, or we are to go and wait for nobody
        finally:
            self._connections.discard(task)

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await _read_head(reader)
        if head is None:
            return
        if isinstance(head, Page):
            await _refuse(reader, writer, head, with_body=True)
            return
        private = self._door.is_private()
        if private and not self._door.lets_in(head.token):
            await _refuse(reader, writer, NOT_FOUND, with_body=head.method != "HEAD")
            return
        self._door.visited()
        upstream = await self._door.upstream()
        page: int | Page | None = upstream
        if isinstance(upstream, int):
            page = await self._pass_on(reader, writer, head, upstream, private=private)
        if isinstance(page, Page):
            await _refuse(reader, writer, page, with_body=head.method != "HEAD")

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: Head, port: int, *, private: bool
    ) -> Page | None:
        try:
            app_reader, app_writer = await asyncio.open_connection(HOST, port)
        except OSError:
            return UNREACHABLE
        try:
            app_writer.write(head.for_one_request() if private else head.raw)
            there = asyncio.create_task(
                _pump(reader, app_writer, self._door.visited, limit=head.body_length if private else None)
            )
            try:
                await _pump(app_reader, writer, self._door.visited)
            finally:
                there.cancel()
                await asyncio.wait([there])
        finally:
            app_writer.transport.abort()  # it has said all it had to say, or nobody listens any more
        return None


async def _read_head(reader: asyncio.StreamReader) -> Head | Page | None:
    """The head with its empty line; a page to refuse it with; None when the client went away or says nothing."""
    try:
        async with asyncio.timeout(HEAD_TIMEOUT):
            raw = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, TimeoutError) as error:
        return BAD_REQUEST if getattr(error, "partial", b"") else None
    except asyncio.LimitOverrunError:
        return HEAD_TOO_LARGE
    return Head.parse(raw) or BAD_REQUEST


async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, page: Page, *, with_body: bool) -> None:
    writer.write(page.encode(with_body=with_body))
    await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER):
            while await reader.read(PIECE):
                pass


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, visited: Callable[[], None], *, limit: int | None = None
) -> None:
    """Pass bytes on until the end; after `limit` bytes they are dropped, and only the end is waited for."""
    left = limit
    while data := await reader.read(PIECE):
        data = data if left is None else data[:left]
        left = None if left is None else left - len(data)
        if data:
            writer.write(data)
            await writer.drain()
            visited()
    if writer.can_write_eof():
        writer.write_eof()
