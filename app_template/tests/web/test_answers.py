"""What every answer has, and what is told of a failure."""

from __future__ import annotations

import re

import httpx2
import pytest


@pytest.mark.parametrize("given", ["abc-123", "A" * 64])
def test_a_sane_id_is_kept(client, given):
    assert given == client.get("/health", headers={"X-Request-ID": given}).headers["X-Request-ID"]


@pytest.mark.parametrize("given", ["", "A" * 65, "a b", 'a"b', "ü".encode()])
def test_an_absurd_id_is_replaced(client, given):
    assert re.fullmatch("[0-9a-f]{16}", client.get("/health", headers={"X-Request-ID": given}).headers["X-Request-ID"])


def test_an_error_names_the_id_of_its_answer(client):
    response = client.get("/things/x")

    assert response.headers["X-Request-ID"] == response.json()["request_id"]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/health"), ("GET", "/nothing"), ("POST", "/echo"), ("GET", "/page")]
)
def test_every_answer_tells_browsers_what_is_allowed(client, method, path):
    headers = client.request(method, path).headers

    assert "frame-ancestors 'self' https://huggingface.co https://*.hf.space" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert ("nosniff", "no-referrer") == (headers["X-Content-Type-Options"], headers["Referrer-Policy"])
    assert "X-Frame-Options" not in headers


def test_answers_are_not_kept_and_files_are_asked_for_again(client):
    assert "no-store" == client.get("/things/1").headers["Cache-Control"]
    assert "no-cache" == client.get("/page").headers["Cache-Control"]


def test_what_answers_get_answers_head_without_a_body(asked):
    client = asked()
    get, head = client.get("/things/1"), client.head("/things/1")

    assert (200, b"") == (head.status_code, head.content)
    assert get.headers["Content-Length"] == head.headers["Content-Length"]


def test_absurd_headers_do_no_harm(asked):
    client = asked(rate_limit=100)
    headers = {f"X-{number}": "x" * 100 for number in range(300)} | {"Forwarded": "for=_x", "X-Forwarded-For": ",,;,"}

    assert 1 == client.get("/things/1", headers=headers).json()


def test_a_failure_is_told_without_anything_about_it(client, caplog):
    response = client.post("/broken", json={"text": "secret"})

    assert 500 == response.status_code
    assert "secret" not in response.text
    assert "ValueError" not in response.text
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]


def test_the_log_says_where_it_failed_but_not_what_was_sent(client, caplog):
    response = client.post("/broken", json={"text": "secret"})

    assert f"Request {response.headers['X-Request-ID']} failed: ValueError" in caplog.text
    assert "in broken" in caplog.text
    assert "secret" not in caplog.text


def test_an_answer_that_fails_on_the_way_breaks_off(asked):
    client = asked()

    with pytest.raises(httpx2.RemoteProtocolError):
        client.get("/stream", params={"fail": True})
    assert 200 == client.get("/health").status_code
