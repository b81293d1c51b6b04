"""How long a body and an answer may take, and what is made of requests whose answer nobody awaits."""

from __future__ import annotations

import socket
import threading

import pytest
from fastapi.testclient import TestClient


def test_an_answer_that_takes_too_long_is_given_up(asked):
    client = asked(request_timeout=0.2)
    answer = client.post("/never", json={"text": "x"})

    assert (504, "No answer within 0.2 s. Try again later, or ask for less.") == (
        answer.status_code,
        answer.json()["detail"],
    )
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
    assert client.app.state.cancelled.wait(10)


def test_who_sends_no_body_is_not_told_that_it_came_too_slowly(guarded):
    assert 504 == TestClient(guarded(request_timeout=0.05)).get("/never").status_code


def test_a_body_that_trickles_is_given_up_and_its_sender_can_read_why(asked, lines):
    client = asked(request_timeout=0.2)
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=10) as connection:
        connection.sendall(b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        while not lines():
            connection.sendall(b"x")
            threading.Event().wait(0.02)
        for byte in b"xx":  # clients read when they have sent; a closed connection would fail them
            connection.sendall(bytes([byte]))
        refused = connection.recv(10_000)

    assert refused.startswith(b"HTTP/1.1 408 ")
    assert b"The request's body came too slowly." in refused


def test_a_long_body_has_the_time_it_needs(asked):
    """It takes longer than the time limit, but every part of it buys time for the next."""
    client = asked(request_timeout=0.3)

    def parts():
        for _ in range(8):
            threading.Event().wait(0.1)
            yield b"x" * 10_000

    assert 80_000 == client.post("/length", content=parts()).json()


def test_a_stream_that_has_begun_is_not_cut(asked):
    client = asked(request_timeout=0.3)

    assert "0 1 2 3 4 " == client.get("/stream").text


@pytest.mark.parametrize(("method", "body"), [("POST", b'{"text": "x"}'), ("GET", b"")])
def test_what_nobody_waits_for_is_cancelled(asked, lines, method, body):
    client = asked()
    length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
    with socket.create_connection((client.base_url.host, client.base_url.port)) as connection:
        connection.sendall(f"{method} /never HTTP/1.1\r\nHost: x\r\n{length}\r\n".encode() + body)
        assert client.app.state.stuck.wait(10)

    assert client.app.state.cancelled.wait(10)
    while not (lines := lines()):
        threading.Event().wait(0.01)
    assert ("/never", 499) == (lines[0]["path"], lines[0]["status"])
