"""What the app answers, over HTTP."""

from __future__ import annotations

import asyncio

import pytest
from fastapi.testclient import TestClient

from main import MAX_BODY, create_app
from serving.batching import Full
from serving.metrics import REGISTRY


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
    assert "vaderSentiment" == response.json()["backend"] == client.get("/health").json()["backend"]


def test_white_space_around_a_text_does_not_count(client):
    assert 200 == client.post("/analyze", json={"text": " " * 100 + "x" * 5000}).status_code


def test_the_longest_text_fits_however_it_is_written(client):
    """As JSON, a character beyond the first 65,536 may be written in twelve bytes."""
    body = '{"text": "%s"}' % (r"\ud83d\ude42" * 5000)

    assert len(body) < MAX_BODY
    assert 200 == client.post("/analyze", content=body, headers={"Content-Type": "application/json"}).status_code
    assert 413 == client.post("/analyze", content=b" " * (MAX_BODY + 1)).status_code


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
    assert message in response.json()["errors"][0]["msg"]
    assert "secret" not in response.text


def test_brackets_without_end_are_refused(client):
    response = client.post("/analyze", content="[" * 60_000, headers={"Content-Type": "application/json"})

    assert 400 <= response.status_code <= 422
    assert response.json()["status"] == response.status_code


def test_while_the_model_loads_texts_are_told_to_come_back():
    app = create_app({})
    client = TestClient(app)  # outside `with`, so that nothing starts the loader
    response = client.post("/analyze", json={"text": "Good"})

    assert (503, "2") == (response.status_code, response.headers["Retry-After"])
    assert "The model is still loading. Try again in a moment." == response.json()["detail"]


def test_when_the_line_takes_nobody_the_next_is_told_when_to_come_back():
    app = create_app({})
    app.state.loader.status = "ready"
    client = TestClient(app)  # outside `with`, so that nothing opens the line

    response = client.post("/analyze", json={"text": "Good"})

    assert 503 == response.status_code
    assert int(response.headers["Retry-After"]) >= 1
    assert "Try again in" in response.json()["detail"]


def test_as_many_texts_may_wait_and_be_read_in_one_go_as_the_owner_says():
    app = create_app({"MAX_WAITING": "5", "MAX_BATCH": "2"})
    app.state.loader.model.load()
    passes = REGISTRY.get_sample_value("model_batch_items_count")

    async def scenario():
        batcher = app.state.batcher
        await batcher.start()
        outcomes = await asyncio.gather(*(batcher.submit("Good") for _ in range(7)), return_exceptions=True)
        await batcher.close()
        return [isinstance(outcome, Full) for outcome in outcomes]

    assert [False] * 5 + [True] * 2 == asyncio.run(scenario())
    assert 3 == REGISTRY.get_sample_value("model_batch_items_count") - passes


def test_the_api_describes_itself(client):
    paths = client.get("/openapi.json").json()["paths"]

    assert {"/analyze", "/feedback", "/health", "/ready", "/version", "/metrics"} == set(paths)
    responses = paths["/analyze"]["post"]["responses"]
    assert {"200", "400", "401", "403", "413", "422", "429", "503", "504"} == set(responses)


def test_many_at_once_get_each_its_own_answer(client):
    texts = ["I love it.", "I hate it."] * 20

    async def ask(text):
        return (await asyncio.to_thread(client.post, "/analyze", json={"text": text})).json()["label"]

    async def ask_all():
        return await asyncio.gather(*map(ask, texts))

    assert ["POSITIVE", "NEGATIVE"] * 20 == asyncio.run(ask_all())
