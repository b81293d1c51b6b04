"""How much may be sent, and how often."""

from __future__ import annotations

import socket

import pytest
from fastapi.testclient import TestClient

from serving.web import RateLimit

MAX_BODY = 100_000  # of the small app
TOKEN = "correct-horse"


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_may_be_as_long_as_the_limit_and_no_longer(client, announced):
    def send(length: int):
        return client.post(
            "/length", content=b"x" * length if announced else (b"x" * 1000 for _ in range(length // 1000))
        )

    assert (200, MAX_BODY) == (send(MAX_BODY).status_code, send(MAX_BODY).json())
    refused = send(MAX_BODY + 1000)
    assert (413, "The request's body is larger than 100,000 bytes.") == (refused.status_code, refused.json()["detail"])


def test_a_body_that_is_too_long_is_not_kept_in_memory(asked, lines):
    """A million bytes are sent; what came before the limit was reached is all that the app took."""
    client = asked()

    assert 413 == client.post("/length", content=(b"x" * 10_000 for _ in range(100))).status_code
    assert 200 == client.get("/health").status_code
    assert lines()[0]["received"] < 5 * MAX_BODY  # one read of the server may bring 256 kB beyond the limit


def test_the_bodies_of_all_requests_together_have_a_limit_too(asked):
    """Bodies that are begun and never finished do not fill the memory; those who send them lose their places."""
    client = asked(all_bodies=MAX_BODY)
    half = f"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: {MAX_BODY}\r\n\r\n".encode() + b"x" * (MAX_BODY // 2)
    with socket.create_connection((client.base_url.host, client.base_url.port)) as waiting:
        waiting.sendall(half)
        while (refused := client.post("/length", content=b"x" * (MAX_BODY // 2 + 1))).status_code == 200:
            pass  # the half has not arrived yet
        assert (503, "5") == (refused.status_code, refused.headers["Retry-After"])
        assert 200 == client.post("/length", content=b"x" * 1000).status_code
        waiting.sendall(b"x" * (MAX_BODY // 2))
        assert waiting.recv(100).startswith(b"HTTP/1.1 200 ")
    assert MAX_BODY == client.post("/length", content=b"x" * MAX_BODY).json()


def test_who_asks_too_often_is_told_when_to_come_back(guarded):
    client = TestClient(guarded(rate_limit=3))
    answers = [client.get("/things/1") for _ in range(4)]

    assert [200, 200, 200, 429] == [answer.status_code for answer in answers]
    assert "20" == answers[-1].headers["Retry-After"]
    assert "Too many requests. Try again in 20 s." == answers[-1].json()["detail"]
    assert 200 == client.get("/health").status_code


def test_others_may_still_ask(guarded):
    app = guarded(rate_limit=1)
    here, there = (TestClient(app, client=(address, 1)) for address in ("192.0.2.1", "192.0.2.2"))

    assert [200, 429, 200] == [client.get("/things/1").status_code for client in (here, here, there)]


def test_a_network_of_ipv6_counts_as_one_client(guarded):
    app = guarded(rate_limit=1)
    one, same, other = (TestClient(app, client=(f"2001:db8:0:{host}", 1)) for host in ("1::1", "1:2:3:4:5", "2::1"))

    assert [200, 429, 200] == [client.get("/things/1").status_code for client in (one, same, other)]


def test_guesses_of_the_token_are_counted_too(guarded):
    client = TestClient(guarded(api_token=TOKEN, rate_limit=2))

    assert [401, 401, 429] == [client.get("/things/1").status_code for _ in range(3)]
    assert 429 == client.get("/things/1", headers={"Authorization": f"Bearer {TOKEN}"}).status_code


@pytest.mark.parametrize("per_minute", [1, 7, 60, 1000])
def test_who_waits_as_long_as_told_is_let_in(per_minute):
    limit, now = RateLimit(per_minute), 1000.0
    for _ in range(per_minute):
        assert 0 == limit.wait("a", now)
    wait = limit.wait("a", now)

    assert 0 < wait <= 60 / per_minute + 0.001
    assert 0 < limit.wait("a", now + wait * 0.9)
    assert 0 == limit.wait("a", now + wait)


def test_an_hour_has_no_more_requests_than_its_minutes_allow():
    limit = RateLimit(10)
    let_in = sum(limit.wait("a", second / 10) == 0 for second in range(36_000))

    assert 600 <= let_in <= 610


def test_not_more_than_so_many_clients_are_remembered():
    limit = RateLimit(60, most_clients=10)
    for number in range(100):
        assert 0 == limit.wait(str(number), 1000.0)
    before = len(limit._moments)
    limit.wait("late", 2000.0)

    assert (10, 1) == (before, len(limit._moments))
