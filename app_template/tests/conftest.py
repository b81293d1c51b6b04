"""What the tests share: the app's own folder on the import path, the app with its model loaded, and a real server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient

sys.path.append(str(Path(__file__).parents[1]))

from main import create_app

FOLDER = Path(__file__).parents[1]
PROTOCOL = "serving.heads:LimitedProtocol"
COMMAND = [sys.executable, "-m", "uvicorn", "main:app", "--host", "127.0.0.1", "--port", "0", "--http", PROTOCOL]


@pytest.fixture
def client() -> Iterator[TestClient]:
    """The app as it is without any setting."""
    app = create_app({})
    with TestClient(app) as client:
        assert app.state.loader.finished.wait(30)
        yield client


@contextmanager
def served(app: FastAPI, **options: Any) -> Iterator[str]:
    """Serve an app on a free port, in a thread of this process; uvicorn takes the options."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, timeout_graceful_shutdown=10, **options))
    with server.config.bind_socket() as socket:
        socket.listen()  # so that what comes before the server runs waits for it
        thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{socket.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Serve apps until the end of the test."""
    with ExitStack() as stack:
        yield lambda app, **options: stack.enter_context(served(app, **options))


@contextmanager
def started(*flags: str, **settings: str) -> Iterator[tuple[httpx2.Client, subprocess.Popen]]:
    """Start the app as the container does, on a free port; yield a client of it and the process."""
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen([*COMMAND, *flags], cwd=FOLDER, env=os.environ | settings, **pipe) as process:
        try:
            with httpx2.Client(base_url=address(process), trust_env=False, timeout=30) as client:
                yield client, process
        finally:
            process.kill()


def address(process: subprocess.Popen) -> str:
    """Read the log up to the line that names the address."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            return found[0]
    raise AssertionError("".join(lines))


@pytest.fixture
def server() -> Callable[..., AbstractContextManager[tuple[httpx2.Client, subprocess.Popen]]]:
    """Start the app in a process of its own."""
    return started
