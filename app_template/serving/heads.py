"""Limits on connections, of which uvicorn has none: on heads, trailers, requests that wait in line, and silence."""

from __future__ import annotations

import socket
from asyncio import TimerHandle, Transport
from contextlib import suppress

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serving.problems import problem


class LimitedProtocol(HttpToolsProtocol):
    """Closes connections on which nothing gets on; `uvicorn --http` takes it."""

    longest = 64 * 1024  # bytes of a request line with its headers, or of trailers; one read may bring more at once
    most_in_line = 100  # requests that may wait for the answers to earlier ones of their connection
    patience = 10.0  # seconds until a head is complete, since it began, or the connection was made or a body went on
    silence = 30.0  # seconds in which a client takes nothing of an answer
    farewell = 0.2  # seconds in which a server that stops takes the requests that were on their way

    in_head = True  # whether what is read next belongs to a head
    got_on = False  # whether the last read completed a head, or brought a body on or to its end
    unfinished = 0  # bytes that were read since one did
    refused = False  # whether nothing more is read
    stopping = False  # whether an answer is the last
    deadline: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Wait for the first request."""
        super().connection_made(transport)
        self.deadline = self.loop.call_later(self.patience, self.give_up)
        with suppress(AttributeError, OSError):  # not on macOS, nor where the socket is a file
            connection = transport.get_extra_info("socket")
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(self.silence * 1000))

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self.forget()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and count what leads to nothing."""
        if self.refused:
            return
        self.got_on = False
        if self.in_head and b"upgrade:" in data.lower():
            data = without_offers(data)
        super().data_received(data)
        if self.got_on:
            self.forget()
        else:
            self.unfinished += len(data)
        # what gets on while nothing is answered is the rest of a body whose answer did not wait for it
        if not (self.got_on and self.answering()) and not self.transport.is_closing():
            self.deadline = self.deadline or self.loop.call_later(self.patience, self.give_up)
            if self.unfinished > self.longest:
                self.refuse(431, f"A request line with all headers may have {self.longest} bytes.")

    def on_headers_complete(self) -> None:
        """The parser has a whole head."""
        if len(self.pipeline) >= self.most_in_line:
            raise ValueError("Too many requests at once")  # which the parser takes for a fault of the client
        super().on_headers_complete()
        self.got_on, self.in_head = True, False
        if self.stopping:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """The parser has a part of a body."""
        self.got_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The parser has a whole request, with its trailers, which may have come after all else."""
        self.got_on = self.in_head = True
        super().on_message_complete()

    def shutdown(self) -> None:
        """Close behind the answer; or, where nothing seems to be asked, after a moment: a request may be on its way."""
        self.stopping = True
        if self.answering():
            super().shutdown()
        else:
            self.loop.call_later(self.farewell, super().shutdown)

    def forget(self) -> None:
        """Begin to count anew."""
        self.unfinished = 0
        if self.deadline:
            self.deadline.cancel()
            self.deadline = None

    def give_up(self) -> None:
        """Close, but not while an earlier request is being answered."""
        if self.answering():
            self.deadline = self.loop.call_later(self.patience, self.give_up)
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn does with what is no HTTP."""
        self.refuse(400, msg)

    def refuse(self, status: int, detail: str) -> None:
        """Read no more, and close: with the reason, or behind the answers to whole requests that came before."""
        self.refused = True
        if self.in_head and self.answering():
            self.cycle.keep_alive = False
            return
        if self.in_head or not (self.pipeline or self.cycle.response_started):  # else it would get into an answer
            response = problem({}, status, detail)
            headers = b"".join(b"%b: %b\r\n" % header for header in response.raw_headers)
            self.transport.write(STATUS_LINE[status] + headers + b"connection: close\r\n\r\n" + bytes(response.body))
        self.transport.close()

    def answering(self) -> bool:
        """Whether a request of this connection has no whole response yet."""
        return self.cycle is not None and not self.cycle.response_complete


def without_offers(data: bytes) -> bytes:
    """A head without an offer to go on in another protocol, as Java's client makes it for HTTP/2.

    uvicorn would lose the body behind it; servers may ignore it.
    """
    head, end, body = data.partition(b"\r\n\r\n")
    return b"\r\n".join(line for line in head.split(b"\r\n") if not line.lower().startswith(b"upgrade:")) + end + body
