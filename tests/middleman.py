"""A proxy between a program and a Hub, which can end the program at any request: before it takes effect, or after."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Literal
from urllib.parse import urlsplit

When = Literal["before", "after"]
WAITING = ("/runtime", "/events", "/logs/build", "/logs/run")  # asked as often as it takes: these are not counted

_FORKS = """
import json, os, sys
import spaceops.cli, spaceops.releases, huggingface_hub.hf_api, huggingface_hub.utils
for line in sys.stdin:
    asked = json.loads(line)
    if child := os.fork():
        print(json.dumps({"pid": child}), flush=True)
        print(json.dumps({"status": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}), flush=True)
        continue
    sys.stdin.readline()  # not before it is known who we are
    out = os.open(asked["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1), os.dup2(out, 2)
    os.environ.update(asked["env"])
    sys.argv = ["spaceops", *asked["arguments"]]
    try:
        spaceops.cli.main()
    except SystemExit as end:
        sys.stdout.flush()
        os._exit(end.code if isinstance(end.code, int) else 1 if end.code else 0)
    sys.stdout.flush()
    os._exit(0)
"""


@dataclass
class Middleman:
    """Passes requests on to `url`; as a context manager it has an address of its own while the block lasts."""

    url: str
    requests: list[str] = field(default_factory=list)  # "POST /api/…", those counted
    times: list[tuple[str, float, float]] = field(default_factory=list)  # of each, seconds when asked and when answered
    meet: Callable[[int, When], bool] | None = None  # told of each; True: whoever asked has been ended
    lock: Lock = field(default_factory=Lock)

    def __enter__(self) -> Middleman:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except OSError:  # whoever asked is gone
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        for method in ("GET", "HEAD", "POST", "PUT", "DELETE"):
            setattr(Handler, f"do_{method}", lambda asked: self.pass_on(asked))

        class Server(ThreadingHTTPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def pass_on(self, asked: BaseHTTPRequestHandler) -> None:
        begun = time.monotonic()
        body = asked.rfile.read(int(asked.headers.get("Content-Length") or 0))
        number = self._count(asked)
        if self._meets(number, "before"):
            asked.close_connection = True
            return
        connection = HTTPConnection(str(urlsplit(self.url).netloc))
        try:
            connection.request(asked.command, asked.path, body or None, dict(asked.headers))
            answer = connection.getresponse()
            if number and self.meet:
                content = answer.read()
                self.times.append((f"{asked.command} {asked.path}", begun, time.monotonic()))
                if self._meets(number, "after"):
                    asked.close_connection = True
                    return
                _send(asked, answer, content)
            else:
                _stream(asked, answer)
        finally:
            connection.close()

    def _count(self, asked: BaseHTTPRequestHandler) -> int:
        """Which request it is, from 1; 0 for one that is not counted."""
        path = urlsplit(asked.path).path
        if path.endswith(WAITING):
            return 0
        with self.lock:
            self.requests.append(f"{asked.command} {path}")
            return len(self.requests)

    def _meets(self, number: int, when: When) -> bool:
        return bool(number and self.meet and self.meet(number, when))


def _head(asked: BaseHTTPRequestHandler, answer: HTTPResponse) -> None:
    asked.send_response_only(answer.status, answer.reason)
    for name, value in answer.getheaders():
        if name.lower() not in ("transfer-encoding", "connection", "content-length"):
            asked.send_header(name, value)


def _send(asked: BaseHTTPRequestHandler, answer: HTTPResponse, content: bytes) -> None:
    _head(asked, answer)
    asked.send_header("Content-Length", str(len(content)))
    asked.end_headers()
    asked.wfile.write(content)


def _stream(asked: BaseHTTPRequestHandler, answer: HTTPResponse) -> None:
    _head(asked, answer)
    asked.send_header("Connection", "close")
    asked.end_headers()
    asked.close_connection = True
    while piece := answer.read1(1 << 16):
        asked.wfile.write(piece)


class Commands:
    """Starts `spaceops` commands, each in a process of its own, forked from one that has loaded everything."""

    def __init__(self, folder: Path) -> None:
        self.output = folder / "output.txt"
        self._parent = subprocess.Popen(
            [sys.executable, "-c", _FORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, *arguments: str, env: Mapping[str, str]) -> int:
        """Start one; its pid. `end` must follow before the next."""
        self._tell({"arguments": arguments, "env": dict(env), "output": str(self.output)})
        return int(self._told()["pid"])

    def go(self) -> None:
        self._tell({})

    def end(self) -> int:
        """Wait for its end: the exit code, negative for a signal."""
        return int(self._told()["status"])

    def __enter__(self) -> Commands:
        return self

    def __exit__(self, *_: object) -> None:
        self._parent.communicate()

    def _tell(self, what: object) -> None:
        assert self._parent.stdin
        self._parent.stdin.write(json.dumps(what) + "\n")
        self._parent.stdin.flush()

    def _told(self) -> dict[str, int]:
        assert self._parent.stdout
        told: dict[str, int] = json.loads(self._parent.stdout.readline())
        return told


def kill(pid: int) -> None:
    """End a process at once; returns when nothing of it runs any more."""
    os.kill(pid, signal.SIGKILL)
