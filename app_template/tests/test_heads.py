"""Limits on connections: on heads, trailers, requests that wait in line, and silence."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from contextlib import contextmanager, suppress

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from serving.heads import LimitedProtocol

LIMIT = LimitedProtocol.longest
CHUNKED = b"POST /length HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"


LEFT = threading.Event()  # set when the app is told that nobody reads its endless answer


class Impatient(LimitedProtocol):
    patience = 0.3


class Leaving(LimitedProtocol):
    """Can be told by a test that the server stops."""

    farewell = 1.0
    latest: Leaving

    def connection_made(self, transport) -> None:
        super().connection_made(transport)
        Leaving.latest = self

    @classmethod
    def leave(cls) -> None:
        told = threading.Event()
        cls.latest.loop.call_soon_threadsafe(lambda: (cls.latest.shutdown(), told.set()))
        assert told.wait(10)


@pytest.fixture
def connect(serve):
    """Connect to an app that tells how long a body is, and that has an answer which takes its time."""
    app = FastAPI()

    @app.post("/length")
    async def length(request: Request) -> int:
        return len(await request.body())

    @app.get("/slow")
    async def slow() -> StreamingResponse:
        return StreamingResponse(words())

    @app.get("/endless")
    async def endless() -> StreamingResponse:
        return StreamingResponse(noise())

    @contextmanager
    def connected(protocol=LimitedProtocol):
        host, _, port = serve(app, http=protocol).removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            yield connection

    return connected


async def words():
    """They go on for longer than an impatient protocol waits."""
    for _ in range(4):
        yield "word "
        await asyncio.sleep(Impatient.patience / 2)


async def noise():
    """It goes on until the client is known to be gone."""
    try:
        while True:
            yield b"x" * 65536
            await asyncio.sleep(0)
    finally:
        LEFT.set()


def posted(size: int, *headers: str) -> bytes:
    """A request with a body of so many bytes."""
    lines = ["POST /length HTTP/1.1", "Host: app", f"Content-Length: {size}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + b"a" * size


def filled(start: bytes, end: bytes = b"", size: int = LIMIT + 1) -> bytes:
    return start + b"a" * (size - len(start) - len(end)) + end


def rest(connection: socket.socket) -> bytes:
    """What comes until the server closes."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


def until(connection: socket.socket, end: bytes) -> bytes:
    """What comes up to these bytes."""
    received = b""
    while not received.endswith(end):
        received += connection.recv(65536) or pytest.fail(f"closed after {received!r}")
    return received


@pytest.mark.parametrize(
    "head",
    [
        filled(b"GET /"),
        filled(b"GET / HTTP/1.1\r\nX-One: "),
        filled(b"GET / HTTP/1.1\r\n" + b"X-Many: 1\r\n" * 5000),
        b"\r\n" * (LIMIT // 2) + b"\r",
    ],
    ids=["address", "header", "headers", "nothing"],
)
def test_a_head_without_end_is_refused(connect, head):
    with connect() as connection:
        connection.sendall(head)
        refused = rest(connection)

    assert refused.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert (431, "A request line with all headers may have 65536 bytes.") == problem_in(refused)


def problem_in(answer: bytes) -> tuple[int, str]:
    """The status and the detail of an answer in the form of all errors."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert {b"content-type: application/problem+json", b"content-length: %d" % len(body)} <= set(head.split(b"\r\n"))
    problem = json.loads(body)
    return problem["status"], problem["detail"]


def test_a_head_that_comes_in_pieces_is_refused_for_all_of_them(connect):
    head = filled(b"GET /")
    with connect() as connection:
        connection.settimeout(0.001)
        for start in range(0, LIMIT, 4096):
            connection.sendall(head[start : min(start + 4096, LIMIT)])
            with pytest.raises(TimeoutError):
                connection.recv(1)
        connection.settimeout(10)
        connection.sendall(head[LIMIT:])

        assert rest(connection).startswith(b"HTTP/1.1 431 ")


def test_a_head_of_just_the_limit_is_read(connect):
    end = b"\r\nHost: app\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with connect() as connection:
        connection.sendall(filled(b"POST /length HTTP/1.1\r\nX-One: ", end, LIMIT))

        assert rest(connection).startswith(b"HTTP/1.1 200 OK\r\n")


def test_bodies_do_not_count(connect):
    with connect() as connection:
        connection.sendall(posted(10 * LIMIT) * 3 + posted(LIMIT, "Connection: close"))
        answers = rest(connection)

    assert 4 == answers.count(b"HTTP/1.1 200 OK\r\n")
    assert answers.endswith(b"\r\n\r\n65536")


def test_trailers_without_end_are_not_read_on(connect):
    with connect() as connection:
        connection.sendall(CHUNKED + b"X-One: ")
        with pytest.raises(ConnectionError):
            for _ in range(1000):
                connection.sendall(b"a" * LIMIT)


def test_trailers_are_read(connect):
    with connect(Impatient) as connection:
        connection.sendall(CHUNKED)
        connection.sendall(b"X-One: 1\r\n\r\n")

        assert until(connection, b"\r\n\r\n5").startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("protocol", ["h2c", "websocket", "TLS/1.0, h2c"])
def test_an_offer_of_another_protocol_is_ignored_and_the_body_is_read(connect, protocol):
    offer = "Connection: Upgrade, HTTP2-Settings", f"UPGRADE: {protocol}", "HTTP2-Settings: AAMAAABk"
    offer_in_body = b"\r\nUpgrade: h2c"
    with connect() as connection:
        connection.sendall(posted(4, *offer))
        until(connection, b"\r\n\r\n4")
        connection.sendall(posted(100, *offer)[:-100] + offer_in_body.rjust(100))

        assert until(connection, b"\r\n\r\n100").startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nno header\r\n\r\n",
        b"GET http://app HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01",
        CHUNKED[:-12] + b"no number\r\n",
    ],
    ids=["head", "address", "TLS", "body"],
)
def test_what_is_no_http_is_told_as_every_error(connect, request_):
    with connect() as connection:
        connection.sendall(request_)
        refused = rest(connection)

    assert refused.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert (400, "Invalid HTTP request received.") == problem_in(refused)


def test_a_connection_does_not_send_requests_without_end_before_they_are_answered(connect):
    requests = b"GET /slow HTTP/1.1\r\n\r\n" + b"GET /nothing HTTP/1.1\r\n\r\n" * 2 * LimitedProtocol.most_in_line
    with connect() as connection:
        connection.sendall(requests)

        assert 1 + LimitedProtocol.most_in_line == rest(connection).count(b"HTTP/1.1 ")


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost:", b"\r\n"], ids=["nothing", "head", "blank"])
def test_a_connection_whose_head_does_not_come_is_closed(connect, begun):
    with connect(Impatient) as connection:
        connection.sendall(begun)

        assert b"" == rest(connection)


def test_a_head_that_trickles_is_given_up(connect):
    with connect(Impatient) as connection:
        connection.settimeout(Impatient.patience / 10)
        with pytest.raises(ConnectionError):
            for byte in b"GET /" + b"a" * 200:
                connection.sendall(bytes([byte]))
                with suppress(TimeoutError):
                    connection.recv(1)


def test_the_second_head_of_a_connection_is_waited_for_as_long_as_the_first(connect):
    with connect(Impatient) as connection:
        connection.sendall(posted(1))
        until(connection, b"\r\n\r\n1")
        connection.sendall(b"POST")

        assert b"" == rest(connection)


def test_a_slow_answer_is_not_cut_by_the_beginning_of_the_next_request(connect):
    with connect(Impatient) as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nHost: app\r\n\r\n")
        until(connection, b"word \r\n")
        connection.sendall(b"GET /slow")
        answer = rest(connection)

    assert 3 == answer.count(b"word ")
    assert answer.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("refused", [filled(b"GET /"), b"no HTTP\r\n"], ids=["431", "400"])
def test_what_is_refused_does_not_spoil_the_answer_before(connect, refused):
    with connect() as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nHost: app\r\n\r\n")
        until(connection, b"word \r\n")
        connection.sendall(refused)
        connection.sendall(b"whatever comes after that")
        answer = rest(connection)

    assert 3 == answer.count(b"word ")
    assert answer.endswith(b"0\r\n\r\n")


def test_a_broken_body_ends_an_answer_that_has_begun(connect):
    with connect() as connection:
        connection.sendall(CHUNKED.replace(b"POST /length", b"GET /slow")[:-3])
        until(connection, b"word \r\n")
        connection.sendall(b"no number\r\n")

        assert b"HTTP/1.1" not in rest(connection)


@pytest.mark.parametrize("size", [3, 10], ids=["part", "whole"])
def test_the_rest_of_a_body_that_is_answered_already_keeps_no_connection_open(connect, size):
    with connect(Impatient) as connection:
        connection.sendall(posted(10).replace(b"/length", b"/nothing")[:-10])
        until(connection, b'{"detail":"Not Found"}')
        connection.sendall(b"a" * size)

        assert b"" == rest(connection)


def test_but_who_sends_it_to_its_end_may_send_another_request(connect):
    with connect(Impatient) as connection:
        connection.sendall(posted(10).replace(b"/length", b"/nothing")[:-10])
        until(connection, b'{"detail":"Not Found"}')
        connection.settimeout(Impatient.patience / 6)
        for _ in range(10):
            with pytest.raises(TimeoutError):
                connection.recv(1)
            connection.sendall(b"a")
        connection.settimeout(10)
        connection.sendall(posted(1))

        assert until(connection, b"\r\n\r\n1").startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="an option of Linux")
def test_who_takes_nothing_of_an_answer_is_given_up(connect):
    class Brief(LimitedProtocol):
        silence = 0.5

    with connect(Brief) as connection:
        connection.sendall(b"GET /endless HTTP/1.1\r\n\r\n")
        connection.recv(1)

        assert LEFT.wait(30)


def test_a_request_that_is_on_its_way_when_the_server_stops_is_answered(connect):
    with connect(Leaving) as connection:
        connection.sendall(posted(1))
        until(connection, b"\r\n\r\n1")
        Leaving.leave()
        connection.sendall(posted(2))
        answer = rest(connection)

    assert b"connection: close" in answer.split(b"\r\n")
    assert answer.endswith(b"\r\n\r\n2")


def test_when_the_server_stops_a_connection_without_a_request_is_closed(connect):
    with connect(Leaving) as connection:
        connection.sendall(posted(1))
        until(connection, b"\r\n\r\n1")
        Leaving.leave()

        assert b"" == rest(connection)


def test_a_connection_that_is_used_stays_open(connect):
    with connect(Impatient) as connection:
        for _ in range(4):
            connection.settimeout(10)
            connection.sendall(posted(1))
            until(connection, b"\r\n\r\n1")
            connection.settimeout(Impatient.patience / 2)
            with pytest.raises(TimeoutError):
                connection.recv(1)


def test_a_slow_body_is_not_a_slow_head(connect):
    request = posted(6)
    with connect(Impatient) as connection:
        connection.settimeout(Impatient.patience / 2)
        connection.sendall(request[:-6])
        for _ in range(5):
            with pytest.raises(TimeoutError):
                connection.recv(1)
            connection.sendall(b"a")
        connection.sendall(b"a")

        assert until(connection, b"\r\n\r\n6").startswith(b"HTTP/1.1 200 OK\r\n")
