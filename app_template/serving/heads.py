"""Limits on what comes before and after a body: uvicorn itself reads URLs, headers and trailers without end."""

from __future__ import annotations

import re
from asyncio import TimerHandle, Transport

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serving.problems import problem

# An offer to go on in HTTP/2, as Java's client makes it. uvicorn would lose the body behind it; servers may ignore it.
OFFER = re.compile(rb"\r\nupgrade:[ \t]*h2c[^\r\n]*", re.IGNORECASE)


class LimitedProtocol(HttpToolsProtocol):
    """Closes connections on which the next request does not get on; `uvicorn --http` takes it."""

    longest = 64 * 1024  # bytes of a request line with its headers, or of trailers; one read may bring more at once
    patience = 10.0  # seconds until a head is complete, since it began or the connection was made

    in_head = True  # whether what is read next belongs to a head
    got_on = False  # whether the last read completed a head, or brought a body on or to its end
    unfinished = 0  # bytes that were read since one did
    deadline: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Wait for the first request."""
        super().connection_made(transport)
        self.deadline = self.loop.call_later(self.patience, self.give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self.forget()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and count what leads to nothing."""
        self.got_on = False
        if self.in_head and b"h2c" in data:
            head, end, body = data.partition(b"\r\n\r\n")
            data = OFFER.sub(b"", head) + end + body
        super().data_received(data)
        if self.got_on:
            self.forget()
        elif not self.transport.is_closing():
            self.unfinished += len(data)
            self.deadline = self.deadline or self.loop.call_later(self.patience, self.give_up)
            if self.unfinished > self.longest:
                self.refuse()

    def on_headers_complete(self) -> None:
        """The parser has a whole head."""
        self.got_on, self.in_head = True, False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """The parser has a part of a body."""
        self.got_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The parser has a whole request, with its trailers, which may have come after all else."""
        self.got_on = self.in_head = True
        super().on_message_complete()

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

    def refuse(self) -> None:
        """Close, and say why, unless that would get into the middle of another response."""
        if not self.answering():
            response = problem({}, 431, f"A request line with all headers may have {self.longest} bytes.")
            headers = b"".join(b"%b: %b\r\n" % header for header in response.raw_headers)
            self.transport.write(STATUS_LINE[431] + headers + b"connection: close\r\n\r\n" + bytes(response.body))
        self.transport.close()

    def answering(self) -> bool:
        """Whether a request of this connection has no whole response yet."""
        return self.cycle is not None and not self.cycle.response_complete
