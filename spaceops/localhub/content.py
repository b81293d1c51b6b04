"""The content of a file as HTTP gives it out: all of it or a range, or word that nothing has changed."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from spaceops.localhub.refusals import Refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

PIECE = 1 << 20  # bytes that are in memory at once
RANGE = re.compile(r"bytes=(\d{1,18})-(\d{0,18})|bytes=-(\d{1,18})")


class Stored(NamedTuple):
    """Content that lies somewhere, and how it is opened; opening it may raise `FileNotFoundError`."""

    size: int  # bytes
    open: Callable[[], BinaryIO]


def deliver(request: Request, content: bytes | Path | Stored, headers: Mapping[str, str], kind: str) -> Response:
    """Answer a `GET` or `HEAD` with a file's content, of which `headers` has the `ETag`.

    Conditions (`If-None-Match`, `If-Range`) and one range are honoured; who asks for several gets everything.
    Raises `Refused` (416) where there are no such bytes.
    """
    if isinstance(content, Path):
        path = content
        content = Stored(path.stat().st_size, lambda: path.open("rb"))
    headers = {"Accept-Ranges": "bytes", **headers}
    if _knows(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(None, 304, headers)
    size = len(content) if isinstance(content, bytes) else content.size
    asked = _range(request, headers["ETag"], size)
    start, end = asked or (0, size)
    if start >= end and asked:
        refused = Refused(416, f"There are {size} bytes", Content_Range=f"bytes */{size}")
        refused.headers |= headers
        raise refused
    headers |= {"Content-Length": str(end - start)}
    if asked:
        headers |= {"Content-Range": f"bytes {start}-{end - 1}/{size}"}
    status = 206 if asked else 200
    if request.method == "HEAD":
        return Response(None, status, headers, kind)
    if isinstance(content, bytes):
        return Response(content[start:end], status, headers, kind)
    return _Pieces(content, start, end, status, headers, kind)


def disposition(path: str, *, attached: bool) -> dict[str, str]:
    """The header that tells a browser the file's name, and whether to show or to save it."""
    name = path.rpartition("/")[2]
    plain = re.sub(r'[^ -~]|["\\]', "_", name)
    how = "attachment" if attached else "inline"
    return {"Content-Disposition": f"{how}; filename*=UTF-8''{quote(name, safe='')}; filename=\"{plain}\";"}


def _knows(asked: str, etag: str) -> bool:
    known = [tag.strip().removeprefix("W/") for tag in asked.split(",")]
    return "*" in known or etag in known


def _range(request: Request, etag: str, size: int) -> tuple[int, int] | None:
    """First byte and end of what is asked for, None for all; beyond the end there is nothing (start >= end)."""
    found = RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if not found or request.headers.get("if-range", etag) != etag:
        return None
    if found[3]:
        return max(0, size - int(found[3])) if int(found[3]) else size, size
    return int(found[1]), min(int(found[2]) + 1, size) if found[2] else size


class _Pieces(StreamingResponse):
    """Content that is read while it is sent; it is open before the answer begins."""

    def __init__(
        self, content: Stored, start: int, end: int, status: int, headers: Mapping[str, str], kind: str
    ) -> None:
        super().__init__((), status, headers, kind)
        self._content, self._start, self._end = content, start, end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            stream = await asyncio.to_thread(self._content.open)
        except FileNotFoundError as error:
            raise Refused(404, "Entry not found", "EntryNotFound") from error  # it was deleted just now
        with stream:
            self.body_iterator = _read(stream, self._start, self._end)
            await super().__call__(scope, receive, send)


async def _read(stream: BinaryIO, start: int, end: int) -> AsyncIterator[bytes]:
    stream.seek(start)
    while start < end and (piece := await asyncio.to_thread(stream.read, min(PIECE, end - start))):
        start += len(piece)
        yield piece
