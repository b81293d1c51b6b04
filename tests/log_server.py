"""A Hub that serves the stage and the logs of any Space, and breaks connections in every way that we know of.

Whatever is not below `/api` goes to the Space's app.
"""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import accumulate
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEEP_ALIVE = b"data:\n\n"
PIECE = 256 * 1024  # bytes in one chunk of a replay
START = datetime(2026, 1, 31, 21, 54, 36, tzinfo=UTC)


@dataclass(frozen=True)
class Answer:
    """How one connection to a log goes; `end` is what comes after the replay: end, cut, or hold (it goes on live)."""

    status: int = 200
    lines: int | None = None  # of the log, counted from its start
    keep: int | None = None  # the server has forgotten all but the last lines
    cut: int | None = None  # after so many bytes
    cleanly: bool = False  # the cut looks like the end of the stream
    end: str = "end"
    keep_alive: bool = False  # an empty frame after the replay
    heeds_tail: bool = True


@dataclass(frozen=True)
class Said:
    """What the app answers; without a body it hangs up."""

    status: int = 200
    body: bytes | None = b"fine"
    location: str | None = None


class LogServer:
    """`answers[kind]`, `runtimes`, `heads` and `app` are used up from the left, one for each request; the last stays.

    `heads` are the commits of main, None when there is no such Space any more.
    """

    def __init__(self) -> None:
        self.logs: dict[str, list[bytes]] = {"build": [], "run": []}
        self.answers: dict[str, deque[Answer]] = {"build": deque([Answer()]), "run": deque([Answer()])}
        self.runtimes: deque[dict[str, Any] | int] = deque([{"stage": "RUNNING"}])
        self.heads: deque[str | None] = deque(["1" * 40])
        self.app: deque[Said] = deque([Said()])
        self.private = False  # whether it is, as the Hub says it; the app answers everybody
        self.tokens: list[str | None] = []  # what the app was sent as Authorization
        self.requests: list[tuple[float, str]] = []
        self.sent = 0  # bytes of logs
        self.open = 0  # connections to logs
        self.changed = threading.Condition()
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> LogServer:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.closing = True
        with self.changed:
            self.changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def write(self, kind: str, frames: Iterable[bytes]) -> None:
        """Append to a log; those who read it live get it at once."""
        with self.changed:
            self.logs[kind].extend(frames)
            self.changed.notify_all()

    def paths(self, part: str) -> list[str]:
        """The requests so far whose path holds `part`."""
        return [path for _, path in self.requests if part in path]

    def wait(self, condition: Any, seconds: float = 10) -> bool:
        """Until `condition()` holds; it is looked at whenever something changes here."""
        with self.changed:
            return bool(self.changed.wait_for(condition, seconds))


def frames(count: int, *, start: int = 0, text: str = "line {} of the log", per_time: int = 3) -> list[bytes]:
    """Entries as the Hub writes them, some to each microsecond; `start` is the number of the first."""
    made = []
    for number in range(start, start + count):
        stamp = (START + timedelta(microseconds=number // per_time)).isoformat(timespec="microseconds")[:26]
        made.append(frame(text.format(number), f"{stamp}Z"))
    return made


def frame(text: str, timestamp: str) -> bytes:
    """One entry of a log."""
    return b"data: %s\n\n" % json.dumps({"data": text + "\n", "timestamp": timestamp}).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, owner: LogServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.owner = owner
        self.closing = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        owner, address = self.server.owner, urlsplit(self.path)
        kind = address.path.rpartition("/")[2] if address.path.startswith("/api/") else "page"
        stocks: dict[str, deque[Any]] = {"runtime": owner.runtimes, "page": owner.app, **owner.answers}
        with owner.changed:
            owner.requests.append((time.monotonic(), self.path))
            stock = stocks.get(kind, owner.heads)
            answer = stock.popleft() if len(stock) > 1 else stock[0]
            owner.changed.notify_all()
        if kind in owner.answers:
            self._send_log(kind, answer, parse_qs(address.query))
        elif kind == "runtime":
            self._send_runtime(answer)
        elif kind == "page":
            self._send_page(answer)
        elif kind in ("variables", "secrets"):
            self._send_json(403, {"error": "the settings are not for you"})
        else:
            self._send_info("/".join(address.path.split("/")[3:5]), answer)

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def send_response(self, code: int, message: str | None = None) -> None:
        """One Date header, not a cached one."""
        self.send_response_only(code, message)
        self.send_header("Date", format_datetime(datetime.now(UTC), usegmt=True))

    def _send_runtime(self, runtime: dict[str, Any] | int) -> None:
        status = runtime if isinstance(runtime, int) else 200
        self._send_json(status, {"error": "as told"} if isinstance(runtime, int) else runtime)

    def _send_info(self, repo_id: str, head: str | None) -> None:
        if head is None:
            self._send_json(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
        else:
            self._send_json(200, {"id": repo_id, "sha": head, "private": self.server.owner.private, "siblings": []})

    def _send_page(self, said: Said) -> None:
        self.server.owner.tokens.append(self.headers["Authorization"])
        if said.body is None:
            self._break()
            return
        self.send_response(said.status)
        self.send_header("Content-Length", str(len(said.body)))
        if said.location:
            self.send_header("Location", said.location)
        self.end_headers()
        self.wfile.write(said.body)

    def _send_json(self, status: int, content: dict[str, Any], headers: Mapping[str, str] = {}) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_log(self, kind: str, answer: Answer, query: dict[str, list[str]]) -> None:
        owner = self.server.owner
        if answer.status != 200:
            self._send_json(answer.status, {"error": "as told"})
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._count(1)
        try:
            whole = self._replay(owner.logs[kind], answer, query)
            if whole and answer.end == "hold":
                self._go_on(kind)
            elif answer.cleanly if not whole else answer.end == "end":
                self.wfile.write(b"0\r\n\r\n")
            else:
                self._break()
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        with self.server.owner.changed:
            self.server.owner.open += change
            self.server.owner.changed.notify_all()

    def _replay(self, log: Sequence[bytes], answer: Answer, query: dict[str, list[str]]) -> bool:
        """Whether it was sent whole."""
        lines = log[: answer.lines]
        if answer.keep is not None:
            lines = lines[-answer.keep :]
        if answer.heeds_tail and "tail" in query:
            lines = lines[-int(query["tail"][0]) :]
        left = answer.cut
        for piece in _pieces(lines):
            if left is not None and len(piece) > left:
                self._chunk(piece[:left])
                return False
            self._chunk(piece)
            left = None if left is None else left - len(piece)
        if answer.keep_alive:
            self._chunk(KEEP_ALIVE)
        return True

    def _go_on(self, kind: str) -> None:
        owner = self.server.owner
        sent = len(owner.logs[kind])
        while not self.server.closing and not self._is_left():
            with owner.changed:
                if len(owner.logs[kind]) == sent:
                    owner.changed.wait(timeout=0.05)
                more = owner.logs[kind][sent:]
            sent += len(more)
            for piece in _pieces(more):
                self._chunk(piece)

    def _is_left(self) -> bool:
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)

    def _break(self) -> None:
        self.wfile.flush()
        # no last chunk: what was sent arrives, and then the connection ends in the middle of the answer
        self.connection.shutdown(socket.SHUT_WR)
        self.close_connection = True

    def _chunk(self, data: bytes) -> None:
        if data:
            self.server.owner.sent += len(data)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))


def _pieces(lines: Sequence[bytes]) -> Iterator[bytes]:
    batch: list[bytes] = []
    for line, size in zip(lines, accumulate(map(len, lines)), strict=True):
        batch.append(line)
        if size // PIECE != (size - len(line)) // PIECE:
            yield b"".join(batch)
            batch = []
    if batch:
        yield b"".join(batch)
