"""SIGTERM under load: whoever's request the app has begun to read gets the answer, and then the app is gone."""

from __future__ import annotations

import io
import json
import re
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from spaceops.tasks import TASKS
from spaceops.template import new
from tests.template.serving import App

pytestmark = pytest.mark.apps

HALF_SENT = 12  # requests of which the app has all but the last byte when the signal comes
CLIENTS = 8  # that send whole requests, one after another, until nobody answers


@dataclass(frozen=True)
class Request:
    """A request of a task, and the status of its answer."""

    path: str
    body: bytes = b""
    content_type: str = "application/json"
    status: int = 200
    method: str = "POST"

    def bytes_of(self, request_id: str) -> bytes:
        client = f"198.51.100.{sum(request_id.encode()) % 256}"  # one alone may not fill a queue
        head = (
            f"{self.method} {self.path} HTTP/1.1\r\nHost: app\r\nX-Request-ID: {request_id}\r\nConnection: close\r\n"
            f"X-Forwarded-For: {client}\r\n"
            f"Content-Type: {self.content_type}\r\nContent-Length: {len(self.body)}\r\n\r\n"
        )
        return head.encode() + self.body


def png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(file, "PNG")
    return file.getvalue()


def form(name: str, filename: str, content: str) -> tuple[bytes, str]:
    """A form with one file, and its content type."""
    disposition = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"'
    body = f"--edge\r\n{disposition}\r\n\r\n{content}\r\n--edge--\r\n"
    return body.encode(), "multipart/form-data; boundary=edge"


TEXT = json.dumps({"text": "I love this place. " * 20}).encode()
REQUESTS = {
    "sentiment": Request("/analyze", TEXT),
    "ensemble": Request("/analyze", TEXT),
    "image": Request("/classify", png(), "image/png"),
    "chat": Request("/chat", json.dumps({"messages": [{"role": "user", "content": "Who are you?"}]}).encode()),
    "summarize": Request("/jobs", TEXT, status=202),
    "csv": Request("/jobs", *form("file", "t.csv", "a,b\n" + "1,2\n" * 50), status=202),
}

VERSION = Request("/version", method="GET")  # the load where many of the others would fill the queue of jobs


@pytest.mark.parametrize("task", REQUESTS)
def test_no_accepted_request_is_lost(task: str, tmp_path: Path):
    request = REQUESTS[task]
    app = App(new(tmp_path / "app", task=task))
    app.start()
    half_sent = [connected(app, request.bytes_of(f"half-{n}")[:-1]) for n in range(HALF_SENT)]
    wait_until(lambda: in_progress(app) > HALF_SENT)  # /metrics itself is one
    with ThreadPoolExecutor(CLIENTS + 1) as pool:
        whole = VERSION if request.status == 202 else request
        load = [pool.submit(send_until_refused, app, whole, f"client-{n}") for n in range(CLIENTS)]
        wait_until(lambda: answered(app) > 2 * CLIENTS)
        stopping = pool.submit(app.stop)
        wait_until(lambda: not accepts(app))
        for connection in half_sent:
            connection.sendall(request.bytes_of("")[-1:])
        answers = {f"half-{n}": status_of(connection) for n, connection in enumerate(half_sent)}
        for future in load:
            answers |= future.result()
        stopping.result()

    assert {request.status} == {answers[f"half-{n}"] for n in range(HALF_SENT)}
    assert {} == {name: status for name, status in logged(app).items() if name in answers and answers[name] != status}
    assert "Application shutdown complete." in app.log()


def test_every_task_is_tried():
    assert set(TASKS) == set(REQUESTS)


def connected(app: App, data: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", app.port), timeout=30)
    connection.sendall(data)
    return connection


def status_of(connection: socket.socket) -> int | None:
    """The status of an answer that arrives whole; None if the connection ends before."""
    with connection, connection.makefile("rb") as stream:
        try:
            head, _, body = stream.read().partition(b"\r\n\r\n")
        except ConnectionError:
            return None
    length = re.search(rb"content-length: (\d+)", head)
    complete = int(length[1]) == len(body) if length else body.endswith(b"\r\n0\r\n\r\n")  # the end of a stream
    return int(head.split()[1]) if complete else None


def send_until_refused(app: App, request: Request, name: str) -> dict[str, int | None]:
    """The statuses of one client's answers by the ids of its requests."""
    answers: dict[str, int | None] = {}
    while True:
        request_id = f"{name}.{len(answers)}"
        try:
            connection = connected(app, request.bytes_of(request_id))
        except ConnectionError:
            return answers
        answers[request_id] = status_of(connection)


def logged(app: App) -> dict[str, int]:
    """What the app says that it answered."""
    lines = [json.loads(line) for line in app.log().splitlines() if line.startswith("{")]
    return {line["request_id"]: line["status"] for line in lines}


def answered(app: App) -> int:
    return sum(name.startswith("client") for name in logged(app))


def in_progress(app: App) -> float:
    metrics = httpx2.get(f"{app.url}/metrics", trust_env=False).text
    return float(re.search(r"^http_requests_in_progress (\S+)", metrics, re.MULTILINE)[1])


def accepts(app: App) -> bool:
    try:
        socket.create_connection(("127.0.0.1", app.port), timeout=5).close()
    except ConnectionError:
        return False
    return True


def wait_until(condition: Callable[[], bool]) -> None:
    patience = threading.Event()
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        patience.wait(0.02)
