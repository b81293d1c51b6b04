"""One visitor's connection to a Space: each request goes to whatever serves the Space at that moment.

So a connection outlives the version that answered its last request. h11 knows where a request and an answer end; an
upgraded connection (a websocket) is passed on byte by byte.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Protocol

import h11

from spaceops.localhub.pages import BAD_REQUEST, HEAD_TOO_LARGE, NO_ANSWER, NOT_FOUND, UNREACHABLE, Page

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "127.0.0.1"
LONGEST_HEAD = 64 * 1024
IDLE = 75.0  # seconds for a client to send a request; longer than clients keep connections for the next one
LINGER = 2.0  # seconds to take in what a refused client still sends, so that it reads the answer
PIECE = 64 * 1024
OF_THIS_HOP = (b"connection", b"keep-alive", b"proxy-connection")
Headers = list[tuple[bytes, bytes]]
Answer = h11.InformationalResponse | h11.Response | h11.Data


class Door(Protocol):
    """What is asked of a Space."""

    def is_private(self) -> bool:
        """Whether each request needs a right to read."""

    def lets_in(self, token: str | None) -> bool:
        """Whether somebody with this token may use the app."""

    async def upstream(self) -> int | Page:
        """The port of the process that serves now (woken if it sleeps), or the page to show instead."""

    def visited(self) -> None:
        """Somebody uses the app."""


class Traffic:
    """What goes through one Space's port: requests that are being answered, and bytes so far."""

    def __init__(self) -> None:
        self.underway = 0
        self.received = self.sent = 0  # by the app

    @contextlib.contextmanager
    def request(self) -> Iterator[None]:
        """One request is being answered."""
        self.underway += 1
        try:
            yield
        finally:
            self.underway -= 1


class Side:
    """One end of a visit: a connection, and what h11 knows of it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, role: type[Any]) -> None:
        self.reader, self.writer = reader, writer
        self.http = h11.Connection(role, max_incomplete_event_size=LONGEST_HEAD)

    async def event(self) -> h11.Event | type[Any]:
        """The next thing that came. Raises `h11.RemoteProtocolError` for what is no HTTP."""
        while (event := self.http.next_event()) is h11.NEED_DATA:
            self.http.receive_data(await self.reader.read(PIECE))
        return event

    async def send(self, event: h11.Event) -> int:
        """Pass something on; returns how many bytes that were."""
        data = self.http.send(event) or b""
        await self.send_bytes(data)
        return len(data)

    async def send_bytes(self, data: bytes) -> None:
        """Pass on bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()


class Visit:
    """One connection of one client."""

    def __init__(self, client: Side, door: Door, traffic: Traffic) -> None:
        self._client, self._door, self._traffic = client, door, traffic

    async def serve(self) -> None:
        """Answer requests until one side is done. Raises `OSError` when the client is gone."""
        while request := await self._next_request():
            page = request if isinstance(request, Page) else await self._answer(request)
            if page is not None:
                await self._refuse(page, with_body=isinstance(request, Page) or request.method != b"HEAD")
                return
            http = self._client.http
            if http.our_state is not h11.DONE or http.their_state is not h11.DONE:
                await self._linger()  # the client still sends what nobody wanted, or is to close
                return
            http.start_next_cycle()

    async def _next_request(self) -> h11.Request | Page | None:
        """A request; a page to refuse it with; None when the client went away or says nothing."""
        try:
            async with asyncio.timeout(IDLE):
                event = await self._client.event()
        except TimeoutError:
            return None
        except h11.RemoteProtocolError as error:
            return HEAD_TOO_LARGE if error.error_status_hint == HEAD_TOO_LARGE.status else BAD_REQUEST
        if not isinstance(event, h11.Request):
            return None
        return BAD_REQUEST if event.http_version[:1] != b"1" or event.method == b"CONNECT" else event

    async def _answer(self, request: h11.Request) -> Page | None:
        """Have the app answer; a page if it cannot."""
        private = self._door.is_private()
        if private and not self._door.lets_in(_token(request)):
            return NOT_FOUND
        with self._traffic.request():
            try:
                return await self._answer_from(await self._upstream(), request, private=private)
            finally:
                self._door.visited()

    async def _upstream(self) -> int | Page:
        self._door.visited()
        return await self._door.upstream()

    async def _answer_from(self, upstream: int | Page, request: h11.Request, *, private: bool) -> Page | None:
        if isinstance(upstream, Page):
            return upstream
        page = await self._pass_on(request, upstream, private=private)
        if page is None or not self._may_repeat(request):
            return page
        again = await self._door.upstream()
        if again == upstream or isinstance(again, Page):
            return page
        return await self._pass_on(request, again, private=private)  # the version that was asked was just replaced

    def _may_repeat(self, request: h11.Request) -> bool:
        """Whether a request that was not answered changes nothing, and can be sent again as it is."""
        has_body = any(name in (b"content-length", b"transfer-encoding") for name, _ in request.headers)
        return request.method in (b"GET", b"HEAD") and not has_body and self._client.http.our_state is h11.SEND_RESPONSE

    async def _pass_on(self, request: h11.Request, port: int, *, private: bool) -> Page | None:
        try:
            app = Side(*await asyncio.open_connection(HOST, port), h11.CLIENT)
        except OSError:
            return UNREACHABLE
        try:
            page = await self._converse(app, request, private=private)
            if self._client.http.our_state is h11.SWITCHED_PROTOCOL:
                await self._splice(app)
            return page
        finally:
            app.writer.transport.abort()  # it has said all it had to say, or nobody listens any more

    async def _converse(self, app: Side, request: h11.Request, *, private: bool) -> Page | None:
        there = asyncio.create_task(self._send_request(app, request, private=private))
        back = asyncio.create_task(self._send_answer(app))
        try:
            await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
            if not back.done() and there.result():
                raise ConnectionResetError("the client is gone")
            return await back
        finally:
            await _cancel(there, back)

    async def _send_request(self, app: Side, request: h11.Request, *, private: bool) -> bool:
        """Pass on the request with its body. Returns True when the client is gone, False when nobody reads on."""
        try:
            self._traffic.received += await app.send(_for_app(request, private=private))
            await self._send_body(app)
        except OSError:
            return False
        except h11.RemoteProtocolError:
            return True
        while data := await self._client.reader.read(PIECE):
            self._client.http.receive_data(data)  # the next request, which waits
            if len(self._client.http.trailing_data[0]) > LONGEST_HEAD:
                return False
        return True

    async def _send_body(self, app: Side) -> None:
        while isinstance(event := await self._client.event(), h11.Data | h11.EndOfMessage):
            self._traffic.received += await app.send(event)
            self._door.visited()
            if isinstance(event, h11.EndOfMessage):
                return

    async def _send_answer(self, app: Side) -> Page | None:
        """Pass the answer on; a page when there is none. Raises `OSError` when it breaks off."""
        client = self._client
        try:
            while isinstance(event := await app.event(), h11.InformationalResponse | h11.Response | h11.Data):
                if isinstance(event, h11.InformationalResponse) and client.http.their_http_version == b"1.0":
                    continue
                self._traffic.sent += await client.send(_for_client(event))
                self._door.visited()
                if client.http.our_state is h11.SWITCHED_PROTOCOL:
                    return None
            if isinstance(event, h11.EndOfMessage):
                self._traffic.sent += await client.send(event)
                return None
        except (h11.ProtocolError, OSError) as error:
            if client.http.our_state is not h11.SEND_RESPONSE:
                raise ConnectionAbortedError("the app's answer broke off") from error
        return NO_ANSWER

    async def _splice(self, app: Side) -> None:
        """Pass bytes both ways until the app has said all."""
        client = self._client
        await app.send_bytes(client.http.trailing_data[0])
        await client.send_bytes(app.http.trailing_data[0])
        there = asyncio.create_task(self._pump(client.reader, app.writer))
        back = asyncio.create_task(self._pump(app.reader, client.writer))
        try:
            await back
        finally:
            await _cancel(there, back)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(PIECE):
            writer.write(data)
            await writer.drain()
            if reader is self._client.reader:
                self._traffic.received += len(data)
            else:
                self._traffic.sent += len(data)
            self._door.visited()
        if writer.can_write_eof():
            writer.write_eof()

    async def _refuse(self, page: Page, *, with_body: bool) -> None:
        await self._client.send_bytes(page.encode(with_body=with_body))
        await self._linger()

    async def _linger(self) -> None:
        """Take in what still comes: a client whose bytes are refused does not read the answer."""
        if self._client.writer.can_write_eof():
            self._client.writer.write_eof()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                while await self._client.reader.read(PIECE):
                    pass


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    """End them, whatever they come to."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _token(request: h11.Request) -> str | None:
    """The Hub's credential."""
    value = next((value for name, value in request.headers if name == b"authorization"), b"").decode("latin-1")
    scheme, _, token = value.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _for_app(request: h11.Request, *, private: bool) -> h11.Request:
    """The request on a connection of its own. A private Space's credential is for the Hub, and not for the app."""
    names = {name for name, _ in request.headers}
    dropped = set() if b"upgrade" in names else set(OF_THIS_HOP)
    dropped |= {b"authorization"} if private else set()
    dropped |= {b"content-length"} if b"transfer-encoding" in names else set()
    headers = _without(request, dropped)
    headers += [] if b"host" in names else [(b"Host", HOST.encode())]
    headers += [] if b"upgrade" in names else [(b"Connection", b"close")]
    return h11.Request(method=request.method, target=request.target, headers=headers)


def _for_client(event: Answer) -> Answer:
    """The same without what concerns the connection to the app only."""
    if not isinstance(event, h11.Response):
        return event
    headers = _without(event, set(OF_THIS_HOP))
    return h11.Response(status_code=event.status_code, reason=event.reason, headers=headers)


def _without(head: h11.Request | h11.Response, dropped: set[bytes]) -> Headers:
    """The headers as they came, but for some."""
    return [(name, value) for name, value in head.headers.raw_items() if name.lower() not in dropped]
