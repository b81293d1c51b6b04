"""What happens to every request and answer: a failure of the server itself says nothing that is secret."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx2 as httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from spaceops.localhub.accounts import Accounts
from spaceops.localhub.app import make_app
from spaceops.localhub.clock import Clock
from spaceops.localhub.faults import Faults
from spaceops.localhub.front import Front
from spaceops.localhub.gate import Gate
from spaceops.localhub.limits import Limits
from tests.localhub.asgi import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

SECRET = "sw0rdfish"
HEADERS = {"Authorization": "Bearer hf_local", "X-Amzn-Trace-Id": "trace-7"}


async def fine(request: Request) -> Response:
    return PlainTextResponse("fine")


async def broken(request: Request) -> Response:
    body = await request.body()
    raise LookupError(f"nothing is known of {body!r}")


async def half(request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"half "
        raise LookupError(SECRET)

    return StreamingResponse(pieces())


async def wrong(request: Request) -> Response:
    return PlainTextResponse("", headers={"X-Two-Lines": "one\ntwo"})


ROUTES = [
    Route("/wrong", wrong, methods=["POST"]),
    Route("/fine", fine, methods=["POST"]),
    Route("/broken", broken, methods=["POST"]),
    Route("/half", half, methods=["POST"]),
]


@contextmanager
def client(faults: Faults | None = None) -> Iterator[httpx.Client]:
    """A client of a Hub whose own routes fail, with the errors' handlers of the real one."""
    clock, accounts = Clock(), Accounts()
    app = Starlette(routes=ROUTES, exception_handlers=make_app().exception_handlers)
    limits = Limits(accounts, clock)
    front = Front(app, accounts=accounts, clock=clock, faults=faults or Faults(), limits=limits, gate=Gate())
    with (
        serving(front) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=HEADERS, trust_env=False) as found,
    ):
        yield found


def test_a_failure_is_a_500_with_an_id_that_the_log_repeats_and_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "spaceops"), client() as ask:
        answer = ask.post(f"/broken?q={SECRET}", content=SECRET)

        assert 500 == answer.status_code
        assert "Internal Error" in answer.json()["error"]
        assert answer.headers["X-Request-Id"].endswith(";trace-7")
        assert "fine" == ask.post("/fine").text
    (told,) = [record.getMessage() for record in caplog.records if record.name.startswith("spaceops")]
    assert told.startswith(f"POST /broken failed, request {answer.headers['X-Request-Id']}: LookupError\n")
    assert "in broken\n" in told
    assert SECRET not in told
    assert "hf_local" not in told


def test_a_header_that_cannot_be_sent_is_not_sent_in_part(caplog: pytest.LogCaptureFixture) -> None:
    with client() as ask:
        with pytest.raises(httpx.TransportError):
            ask.post("/wrong")
        assert "fine" == ask.post("/fine").text
    assert "POST /wrong failed" in caplog.text


def test_a_failure_whose_answer_was_to_be_lost_is_told_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    faults = Faults()
    faults.add("status", status=503, lose_answer=True, path="/broken")
    with client(faults) as ask:
        assert 500 == ask.post("/broken").status_code
    assert "POST /broken failed" in caplog.text


def test_an_answer_that_fails_half_way_does_not_look_whole(caplog: pytest.LogCaptureFixture) -> None:
    with client() as ask:
        with pytest.raises(httpx.RemoteProtocolError):
            ask.post("/half")
        assert "fine" == ask.post("/fine").text
    assert "POST /half failed" in caplog.text
