"""What the app answers, over HTTP."""

import logging
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from main import STATIC, app
from models import Loader, Vader


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("I love this place!", "POSITIVE"),
        ("It broke after two days.", "NEGATIVE"),
        ("The train leaves at nine.", "NEUTRAL"),
        ("Not bad at all 🙂", "POSITIVE"),
    ],
)
def test_a_text_gets_a_label_and_a_score(client, text, label):
    response = client.post("/analyze", json={"text": text})

    assert 200 == response.status_code
    assert label == response.json()["label"]
    assert 0.5 <= response.json()["score"] <= 1
    assert "vaderSentiment" == response.json()["backend"]


def test_white_space_around_a_text_does_not_count(client):
    assert 200 == client.post("/analyze", json={"text": " " * 100 + "x" * 5000}).status_code


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"text": ""}', "at least 1 character"),
        ('{"text": " \\n\\t "}', "at least 1 character"),
        ('{"text": "%s"}' % ("secret" * 1000), "at most 5000 characters"),
        ('{"text": 7}', "valid string"),
        ('{"text": NaN}', "valid string"),
        (r'{"text": "secret \ud800"}', "valid string"),
        ('{"txet": "secret"}', "Field required"),
        ('["secret"]', "valid dictionary"),
        ('{"text": "secret', "JSON decode error"),
        ("", "Field required"),
    ],
)
def test_what_cannot_be_analyzed_is_refused_without_repeating_it(client, body, message):
    response = client.post("/analyze", content=body, headers={"Content-Type": "application/json"})

    assert 422 == response.status_code
    assert message in response.json()["detail"][0]["msg"]
    assert "secret" not in response.text


def test_a_loaded_model_is_alive_and_ready(client):
    assert {"status": "alive", "backend": "vaderSentiment"} == client.get("/health").json()
    assert (200, {"status": "ready", "backend": "vaderSentiment"}) == answer(client.get("/ready"))


def test_while_the_model_loads_the_app_is_alive_but_asks_to_come_back():
    client = TestClient(app)  # outside `with`, so that nothing starts the loader
    app.state.loader = Loader(Vader())

    assert 200 == client.get("/health").status_code
    assert (503, {"status": "loading", "backend": "vaderSentiment"}) == answer(client.get("/ready"))
    response = client.post("/analyze", json={"text": "Good"})
    assert (503, {"detail": "The model is still loading. Try again in a moment."}) == answer(response)
    assert "2" == response.headers["Retry-After"]


def test_a_model_that_cannot_be_loaded_is_told_with_the_reason(monkeypatch, tmp_path):
    monkeypatch.setenv("MODEL_ID", str(tmp_path / "nothing"))
    with TestClient(app) as client:
        assert app.state.loader.finished.wait(60)
        ready, analyzed = client.get("/ready"), client.post("/analyze", json={"text": "Good"})

        assert 200 == client.get("/health").status_code
    assert (503, "failed") == (ready.status_code, ready.json()["status"])
    assert ready.json()["reason"]
    assert (503, f"The model could not be loaded. {ready.json()['reason']}") == (
        analyzed.status_code,
        analyzed.json()["detail"],
    )


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_answer_get_and_head(client, path):
    for response in (client.get(path), client.head(path)):
        assert 200 == response.status_code
        assert "text/html; charset=utf-8" == response.headers["Content-Type"]


@pytest.mark.parametrize("file", sorted(STATIC.iterdir()), ids=lambda file: file.name)
def test_pages_fetch_nothing_from_elsewhere(file: Path):
    fetched = re.findall(r"""(?:src|href)=["']([^"']*)|url\(([^)]*)|@import\s+(.*)""", file.read_text("utf-8"))

    assert [] == [address for found in fetched for address in found if re.match(r"\w+://|//", address)]


def test_what_the_pages_fetch_is_there(client):
    for page in ("index.html", "docs.html"):
        for address in re.findall(r"""(?:href=|fetch\()"(?!data:)([^"]+)""", (STATIC / page).read_text("utf-8")):
            assert client.get(f"/{address}").status_code in {200, 405}, address  # analyze takes only POST


def test_the_api_describes_itself(client):
    paths = client.get("/openapi.json").json()["paths"]

    assert {"/analyze", "/health", "/ready"} == set(paths)
    assert {"200", "422", "503"} == set(paths["/analyze"]["post"]["responses"])


@pytest.mark.parametrize("name", ["uvicorn", "uvicorn.error", "uvicorn.access"])
def test_the_log_level_holds_for_the_server_too(monkeypatch, name):
    monkeypatch.setenv("LOG_LEVEL", "warning")
    with TestClient(app):
        assert logging.WARNING == logging.getLogger(name).level


def answer(response):
    return response.status_code, response.json()
