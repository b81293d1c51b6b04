"""What people think of answers: kept, counted, and refused when it makes no sense."""

from __future__ import annotations

import shutil

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from serving import feedback
from serving.loading import Loader
from serving.problems import answer_with_problems
from serving.storage import open_storage


class NoModel:
    name = "acme/tone@v2"
    device = "cpu"

    def load(self):
        pass


@pytest.fixture
def client():
    """An app of nothing but the feedback."""
    app = FastAPI()
    app.include_router(feedback.router)
    answer_with_problems(app)
    app.state.storage, app.state.loader = open_storage({}), Loader(NoModel())
    app.state.opinions = feedback.Opinions(app.state.storage)
    yield TestClient(app)
    app.state.storage.close()


def give(client, **changes):
    return client.post("/feedback", json={"input": "Fine, I guess", "answer": "POSITIVE", "right": True} | changes)


def test_opinions_are_counted(client):
    for right in (True, True, False):
        assert 201 == give(client, right=right).status_code
    count = client.get("/feedback").json()

    assert (2, 1) == (count["right"], count["wrong"])


def test_nobody_fills_the_disk_with_them(client):
    client.app.state.opinions = feedback.Opinions(client.app.state.storage, most=400)

    assert [201, 201, 507] == [give(client, input="x" * 90).status_code for _ in range(3)]
    assert "This cannot be kept: More was sent already than can be kept." == give(client).json()["detail"]
    assert 2 == client.get("/feedback").json()["right"]


def test_those_of_earlier_runs_count_and_are_read_only_once(client):
    storage = client.app.state.storage
    for right in (True, False, False):
        storage.append("feedback", {"right": right})
    assert (1, 2) == tuple(client.get("/feedback").json()[key] for key in ("right", "wrong"))
    storage.append("feedback", {"right": True})  # by somebody else: it is not seen
    give(client)

    assert (2, 2) == tuple(client.get("/feedback").json()[key] for key in ("right", "wrong"))


def test_without_any_there_are_none_and_it_says_how_long_they_last(client):
    assert {"right": 0, "wrong": 0, "kept": client.app.state.storage.message} == client.get("/feedback").json()


def test_an_opinion_is_kept_with_the_model_that_answered(client):
    give(client, input="naïve 🙂", right=False)
    [record] = client.app.state.storage.records("feedback")

    assert record.pop("at").endswith("+00:00")
    assert {"backend": "acme/tone@v2", "input": "naïve 🙂", "answer": "POSITIVE", "right": False} == record


@pytest.mark.parametrize("changes", [{"right": "yes"}, {"right": None}, {"input": ""}, {"answer": "x" * 10_001}])
def test_what_makes_no_sense_is_not_kept(client, changes):
    assert 422 == give(client, **changes).status_code
    assert [] == list(client.app.state.storage.records("feedback"))


def test_it_says_so_when_the_opinion_cannot_be_kept(client):
    client.app.state.opinions = feedback.Opinions(client.app.state.storage, most=200)  # enough for one
    folder = client.app.state.storage.folder
    shutil.rmtree(folder)
    folder.write_text("in the way")
    response = give(client)
    folder.unlink()
    folder.mkdir()

    assert 507 == response.status_code
    assert "cannot be kept" in response.json()["detail"]
    assert 201 == give(client).status_code  # what was not kept has taken no place
