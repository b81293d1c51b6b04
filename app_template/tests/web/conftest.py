"""A small app behind the guard, its clients, and the lines of its log."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable

import httpx2
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, StreamingResponse
from fastapi.testclient import TestClient
from pydantic import BaseModel

from serving.settings import Settings
from serving.web import protect


class Body(BaseModel):
    text: str


def small_app(*, max_body: int = 100_000, all_bodies: int = 1_000_000, **settings) -> FastAPI:
    """An app behind the guard."""
    app = FastAPI(docs_url=None)
    app.state.stuck, app.state.cancelled = threading.Event(), threading.Event()

    @app.get("/health")
    async def health() -> str:
        return "alive"

    @app.get("/things/{number}")
    async def thing(number: int) -> int:
        return number

    @app.get("/page")
    async def page() -> FileResponse:
        return FileResponse(__file__)

    @app.post("/length")
    async def length(request: Request) -> int:
        return len(await request.body())

    @app.post("/echo")
    async def echo(body: Body) -> Body:
        return body

    @app.post("/broken")
    async def broken(body: Body) -> None:
        raise ValueError(body.text)

    app.add_api_route("/never", never, methods=["GET", "POST"])

    @app.get("/stream")
    async def stream(fail: bool = False) -> StreamingResponse:
        return StreamingResponse(pieces(fail=fail))

    protect(app, Settings(**settings), max_body=max_body, all_bodies=all_bodies)
    return app


async def never(request: Request) -> None:
    if request.method == "POST":
        await request.body()
    request.app.state.stuck.set()
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        request.app.state.cancelled.set()
        raise


async def pieces(*, fail: bool):
    for number in range(5):
        await asyncio.sleep(0.1)
        if fail and number == 2:
            raise ValueError("secret")
        yield f"{number} "


@pytest.fixture
def guarded() -> Callable[..., FastAPI]:
    """Makes the app with these settings."""
    return small_app


@pytest.fixture
def client() -> TestClient:
    """A client of the app without settings."""
    return TestClient(small_app())


@pytest.fixture
def asked(serve):
    """Ask a served app with these settings as a client over the network does."""
    clients = []

    def start(**settings) -> httpx2.Client:
        app = small_app(**settings)
        clients.append(httpx2.Client(base_url=serve(app), trust_env=False, timeout=30))
        clients[-1].app = app
        return clients[-1]

    yield start
    for client in clients:
        client.close()


@pytest.fixture
def lines(capsys) -> Callable[[], list[dict]]:
    """What the log has told since it was read last."""
    return lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
