"""What the app answers, over HTTP."""

from __future__ import annotations

import csv
import io

import pytest
from fastapi.testclient import TestClient

from main import MAX_BODY, MAX_CHARACTERS, MAX_TEXTS, create_app

pytestmark = pytest.mark.filterwarnings("ignore:.*invalid escape sequence")  # in AFINN's own source


def submit(client, texts):
    return client.post("/jobs", json={"texts": texts})


def ended(client, response):
    """The state of a submitted job at its end."""
    while (state := client.get(f"{response.headers['Location']}?wait=10").json())["status"] in ("queued", "running"):
        pass
    return state


def test_a_text_gets_every_models_opinion_and_one_answer(client):
    answer = client.post("/analyze", json={"text": "Not bad at all 🙂"}).json()

    assert "vaderSentiment + AFINN + TextBlob" == answer["backend"] == client.get("/health").json()["backend"]
    assert ["POSITIVE", "NEGATIVE", "POSITIVE"] == [opinion["label"] for opinion in answer["opinions"]]
    assert ("POSITIVE", 0.6667) == (answer["label"], answer["agreement"])
    assert answer["score"] == max(answer["probabilities"].values())
    assert all(opinion["milliseconds"] >= 0 for opinion in answer["opinions"])


def test_one_model_that_cannot_be_loaded_is_told_and_the_others_answer(tmp_path):
    app = create_app({"MODEL_ID": f"vaderSentiment,{tmp_path}/nothing"})
    with TestClient(app) as client:
        assert app.state.loader.finished.wait(60)
        assert 200 == client.get("/ready").status_code
        answer = client.post("/analyze", json={"text": "I love it"}).json()
        members = client.get("/models").json()

    assert ("POSITIVE", 1) == (answer["label"], answer["agreement"])
    assert answer["opinions"][1]["label"] is None
    assert answer["opinions"][1]["error"].startswith("It could not be loaded. ")
    assert [None, False] == [members[0]["error"], members[1]["error"] is None]


def test_the_models_and_what_they_count_can_be_asked_for():
    with TestClient(create_app({"MODEL_ID": "AFINN,TextBlob", "MODEL_WEIGHTS": "2,1"})) as client:
        assert [
            {"model": "AFINN", "weight": 2, "device": "cpu", "error": None},
            {"model": "TextBlob", "weight": 1, "device": "cpu", "error": None},
        ] == client.get("/models").json()


@pytest.mark.parametrize("text", ["", " \n\t ", "x" * (MAX_CHARACTERS + 1), 7, None])
def test_what_cannot_be_analyzed_is_refused(client, text):
    assert 422 == client.post("/analyze", json={"text": text}).status_code
    assert 422 == submit(client, ["fine", text]).status_code


def test_many_texts_are_a_job_with_results_as_json_and_csv(client):
    accepted = submit(client, ["I love it", " =1+1 ", "Awful"])

    assert 202 == accepted.status_code
    assert ("done", 1) == (ended(client, accepted)["status"], ended(client, accepted)["progress"])
    result = client.get(f"{accepted.headers['Location']}/result").json()
    assert ["POSITIVE", "NEUTRAL", "NEGATIVE"] == [row["verdict"]["label"] for row in result["rows"]]
    assert {"NEGATIVE": 1, "NEUTRAL": 1, "POSITIVE": 1} == result["summary"]["labels"]
    table = client.get(f"{accepted.headers['Location']}/result.csv")
    assert "text/csv; charset=utf-8" == table.headers["Content-Type"]
    assert ["text", "I love it", "'=1+1", "Awful"] == [
        row[0] for row in csv.reader(io.StringIO(table.text.removeprefix("\ufeff")))
    ]


def test_a_thousand_texts_fit_and_one_more_does_not(client):
    accepted = submit(client, ["good"] * MAX_TEXTS)

    assert MAX_TEXTS == sum(labels_of(client, accepted).values())
    assert 422 == submit(client, ["good"] * (MAX_TEXTS + 1)).status_code
    assert 422 == submit(client, []).status_code
    assert 413 == client.post("/jobs", content=b" " * (MAX_BODY + 1)).status_code


def labels_of(client, accepted):
    assert "done" == ended(client, accepted)["status"]
    return client.get(f"{accepted.headers['Location']}/result").json()["summary"]["labels"]


def test_a_result_that_there_is_not_is_told(client):
    accepted = submit(client, ["good"] * MAX_TEXTS)
    client.delete(accepted.headers["Location"])
    state = ended(client, accepted)

    assert state["status"] in {"cancelled", "done"}  # it may have been faster
    if state["status"] == "cancelled":
        assert 409 == client.get(f"{accepted.headers['Location']}/result").status_code
    assert 404 == client.get("/jobs/nothing/result").status_code
    assert 404 == client.get("/jobs/nothing/result.csv").status_code


def test_while_the_models_load_nothing_is_taken():
    client = TestClient(create_app({}))  # outside `with`, so that nothing starts the loader

    for response in (client.post("/analyze", json={"text": "Good"}), submit(client, ["Good"])):
        assert (503, "2") == (response.status_code, response.headers["Retry-After"])


def test_the_api_describes_itself(client):
    paths = client.get("/openapi.json").json()["paths"]

    assert {
        "/analyze",
        "/models",
        "/jobs",
        "/jobs/{job_id}",
        "/jobs/{job_id}/result",
        "/jobs/{job_id}/result.csv",
        "/health",
        "/ready",
        "/version",
        "/metrics",
    } == set(paths)
