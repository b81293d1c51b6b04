"""What the operator's page is told, about the app itself on a socket."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

import main
import ops

TOKEN = "a token of the tests"


@contextmanager
def app_on(path: str, **environ: str) -> Iterator[None]:
    """The app, loaded, on a socket."""
    app = main.create_app(environ)
    server = uvicorn.Server(uvicorn.Config(app, uds=path, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started and app.state.loader.finished.is_set())
        yield
    finally:
        server.should_exit = True
        thread.join()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def status(path: str, processes: Path = Path("nothing"), token: str = "", **environ: str) -> dict:
    with TestClient(ops.create_app(environ, socket=path, processes=processes)) as client:
        answer = client.get("/ops/status", headers={"Authorization": f"Bearer {token}"} if token else {})
        return answer.json() | {"status": answer.status_code}


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "app.sock")


def test_it_tells_what_the_app_says_of_itself(path):
    with app_on(path):
        found = status(path)

    assert (200, "ready", None, []) == tuple(found[name] for name in ("status", "app", "reason", "processes"))
    assert found["backend"]
    assert found["traffic"]


def test_an_app_that_does_not_listen_is_silent(path):
    assert {"app": "silent", "backend": None, "reason": None, "traffic": None, "processes": [], "status": 200} == (
        status(path)
    )


def test_an_app_that_hangs_is_silent(path):
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(path)
        deaf.listen()
        began = time.monotonic()
        found = status(path)

    assert "silent" == found["app"]
    assert ops.PATIENCE <= time.monotonic() - began < 3 * ops.PATIENCE


def test_with_a_token_only_who_has_it_is_told(path):
    with app_on(path, API_TOKEN=TOKEN.replace(" ", "-")):
        token = TOKEN.replace(" ", "-")
        assert 401 == status(path, API_TOKEN=token)["status"]
        found = status(path, token=token, API_TOKEN=token)

    assert (200, "ready") == (found["status"], found["app"])
    assert found["traffic"]


def test_an_app_that_is_asked_too_often_is_not_silent(path):
    with app_on(path, RATE_LIMIT="1"):
        first, second = status(path), status(path)

    assert ("ready", "ready", None) == (first["app"], second["app"], second["traffic"])
    assert first["traffic"]


def test_processes_are_shown_with_their_memory_and_age(tmp_path, path):
    file = tmp_path / "processes.json"
    up = {"name": "app", "pid": os.getpid(), "starts": 3, "started": time.time() - 60}
    down = {"name": "nginx", "pid": 0, "starts": 1, "started": time.time()}
    gone = up | {"name": "ops", "pid": 1 << 30}
    file.write_text(json.dumps([up, down, gone]))

    app, nginx, other = status(path, file)["processes"]

    assert ("app", True, 3) == (app["name"], app["running"], app["starts"])
    assert 60 <= app["seconds"] < 120
    assert app["memory"] is None or app["memory"] > 10e6
    assert (False, None, None) == (nginx["running"], nginx["memory"], other["memory"])


def test_metrics_are_summed_up_over_the_routes():
    registry = CollectorRegistry()
    requests = Counter("http_requests", "…", ["method", "route", "status"], registry=registry)
    seconds = Histogram("http_request_seconds", "…", ["route"], buckets=(0.1, 1, 10), registry=registry)
    Gauge("http_requests_in_progress", "…", registry=registry).set(3)  # one of them is the question itself
    Gauge("jobs_waiting", "…", registry=registry).set(3)
    Gauge("model_waiting_items", "…", registry=registry).set(4)
    for number in range(100):
        requests.labels("POST", f"/{number // 70}", 500 if number < 7 else 200).inc()
        seconds.labels(f"/{number // 70}").observe(0.05 if number < 50 else 5)
        requests.labels("GET", "/ready", 503).inc()  # as here and below, it was asked by the page
        seconds.labels("/metrics").observe(5)

    assert ops.Traffic(
        requests=100, failed=7, in_progress=2, waiting=7, usual_seconds=0.1, slow_seconds=10
    ) == ops.read_metrics(generate_latest(registry).decode())
