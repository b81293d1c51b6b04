"""What is noted of a request."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from serving.metrics import REGISTRY

TOKEN = "correct-horse"


def test_a_request_is_a_line_of_json_without_query_and_text(client, lines):
    client.post("/echo?text=secret", json={"text": "secret"}, headers={"X-Request-ID": "abc"})
    [line] = lines()

    assert ("abc", "POST", "/echo", 200) == (line["request_id"], line["method"], line["path"], line["status"])
    assert (17, 17) == (line["received"], line["sent"])
    assert 0 <= line["seconds"] < 30
    assert "secret" not in str(line)


def test_a_path_cannot_begin_a_line_of_its_own(client, lines):
    client.get('/%0A{"status":200}' + "x" * 1000)
    [line] = lines()

    assert line["path"].startswith('/\n{"status":200}x')
    assert 200 == len(line["path"])


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/things/7", "/things/{number}"),
        ("/things/secret", "/things/{number}"),  # 422
        ("/things/7/", "/things/…"),  # a redirect
        ("/things/7/secret", "/things/…"),
        ("/static/nothing.css", "/static/nothing.css"),
        ("/nothing", "/nothing"),
    ],
)
def test_what_a_path_names_is_not_logged(client, lines, path, logged):
    """The ids of jobs are keys to their results."""
    client.get(path, follow_redirects=False)
    [line] = lines()

    assert logged == line["path"]


def test_nor_is_it_logged_of_a_request_that_is_refused(guarded, lines):
    TestClient(guarded(api_token=TOKEN)).get("/things/7")
    [line] = lines()

    assert (401, "/things/…") == (line["status"], line["path"])


def test_with_a_higher_level_only_failures_are_logged(guarded, lines):
    client = TestClient(guarded(log_level="warning"))
    client.get("/things/1")
    client.post("/broken", json={"text": "x"})

    assert [500] == [line["status"] for line in lines()]


def test_requests_are_counted_by_route_so_that_nobody_can_make_up_labels(client):
    def counted(**labels) -> float:
        return REGISTRY.get_sample_value("http_requests_total", labels) or 0

    things = {"method": "GET", "route": "/things/{number}", "status": "200"}
    unknown = {"method": "other", "route": "other", "status": "404"}
    before = counted(**things), counted(**unknown)
    for number in range(3):
        client.get(f"/things/{number}")
        client.request(f"MAKE{number}", f"/made/up/{number}")

    assert (before[0] + 3, before[1] + 3) == (counted(**things), counted(**unknown))
