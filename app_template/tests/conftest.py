"""What the tests share: the app's own folder on the import path, the app with its model loaded, and a real server."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient

sys.path.append(str(Path(__file__).parents[1]))

from main import create_app


@pytest.fixture
def client() -> Iterator[TestClient]:
    """The app as it is without any setting."""
    app = create_app({})
    with TestClient(app) as client:
        assert app.state.loader.finished.wait(30)
        yield client


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Serve an app on a free port, in a thread of this process."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, timeout_graceful_shutdown=10))
    with server.config.bind_socket() as socket:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{socket.getsockname()[1]}"  # what comes before the start waits for it
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def serve() -> Iterator[Callable[[FastAPI], str]]:
    """Serve apps until the end of the test."""
    with ExitStack() as stack:
        yield lambda app: stack.enter_context(served(app))
