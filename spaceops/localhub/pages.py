"""What a Space's address shows in place of the app's answer."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

TEMPLATE = """<!doctype html><html lang="en"><meta charset="utf-8">{refresh}<title>{title}</title>
<body style="font-family: system-ui, sans-serif; margin: 4rem auto; max-width: 40rem; text-align: center">
<h1>{title}</h1><p>{text}</p></body></html>
"""


@dataclass(frozen=True)
class Page:
    """An answer in place of the app's; the connection ends with it."""

    status: HTTPStatus
    title: str
    text: str = ""
    refresh: int | None = None  # seconds

    def encode(self, *, with_body: bool) -> bytes:
        """The whole response."""
        refresh = f'<meta http-equiv="refresh" content="{self.refresh}">' if self.refresh else ""
        body = TEMPLATE.format(title=self.title, text=self.text, refresh=refresh).encode()
        retry = f"Retry-After: {self.refresh}\r\n" if self.refresh else ""
        head = (
            f"HTTP/1.1 {self.status.value} {self.status.phrase}\r\nContent-Type: text/html; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\n{retry}Cache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + (body if with_body else b"")


UNAVAILABLE = HTTPStatus.SERVICE_UNAVAILABLE
RELOADS = "This page reloads by itself."
BAD_REQUEST = Page(HTTPStatus.BAD_REQUEST, "Bad request")
HEAD_TOO_LARGE = Page(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The request's head is too large")
NOT_FOUND = Page(HTTPStatus.NOT_FOUND, "404", "Sorry, we can't find the page you are looking for.")
UNREACHABLE = Page(HTTPStatus.BAD_GATEWAY, "The app does not take connections", refresh=2)
NO_ANSWER = Page(HTTPStatus.BAD_GATEWAY, "The app did not answer")
STARTING = Page(UNAVAILABLE, "Your space is starting", RELOADS, refresh=2)
IN_ERROR = Page(UNAVAILABLE, "Your space is in error, check its status on hf.co")
AT_STAGE = {
    "BUILDING": Page(UNAVAILABLE, "Your space is building", RELOADS, refresh=2),
    "APP_STARTING": STARTING,
    "PAUSED": Page(UNAVAILABLE, "The space is paused, ask a maintainer to restart it"),
    "NO_APP_FILE": Page(UNAVAILABLE, "This space has no app file yet"),
}
