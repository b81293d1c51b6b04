"""A server that answers what it is told to: for what no Hub can be brought to say."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Answer(NamedTuple):
    """What the server says."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = {}


class ScriptedServer(ThreadingHTTPServer):
    """`answers` are found by the beginning of the path; `asked` keeps method, path and headers (in lower case)."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, str, Mapping[str, str]]] = []

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, path: str) -> Answer:
        """What is said to a request for `path`."""
        fitting = [beginning for beginning in self.answers if path.startswith(beginning)]
        return self.answers[max(fitting, key=len)] if fitting else Answer(404)


class _Handler(BaseHTTPRequestHandler):
    server: ScriptedServer

    def _say(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((self.command, self.path, headers))
        status, body, more = self.server.answer(self.path)
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **more}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = _say  # noqa: N815

    def date_time_string(self, timestamp: float | None = None) -> str:
        return "Tue, 01 Dec 2026 10:00:00 GMT"  # a clock of its own

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def scripted() -> Iterator[ScriptedServer]:
    """Such a server, on a port of its own."""
    with ScriptedServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))  # seconds until it sees that it is to stop
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
