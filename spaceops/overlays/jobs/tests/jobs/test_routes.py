"""Jobs over HTTP: asked after, waited for and cancelled."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from work import Gate, add

from serving.jobs import Jobs, router


@pytest.fixture
def ask(start):
    app = FastAPI()
    app.include_router(router)
    gate = Gate()
    app.state.jobs, app.state.gate = start(gate), gate
    with TestClient(app) as client:
        yield client


def test_the_state_of_a_job_is_asked_for_and_a_job_is_cancelled(ask):
    jobs, gate = ask.app.state.jobs, ask.app.state.gate
    job = jobs.submit({})
    gate.wait()

    assert "running" == ask.get(f"/jobs/{job.id}").json()["status"]
    assert 200 == ask.delete(f"/jobs/{job.id}").status_code
    assert "cancelled" == ask.get(f"/jobs/{job.id}", params={"wait": 10}).json()["status"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_job_that_there_is_not_is_404(ask, method):
    assert ask.app.state.jobs.restored.wait(10)
    response = ask.request(method, "/jobs/nothing")

    assert 404 == response.status_code
    assert "There is no such job." in response.text


@pytest.mark.parametrize("wait", ["-1", "11", "long", "inf", "nan"])
def test_nobody_may_wait_longer_than_a_request_may_take(ask, wait):
    assert 422 == ask.get("/jobs/any", params={"wait": wait}).status_code


def test_while_the_jobs_of_before_are_read_an_unknown_one_may_still_turn_up(ask, storage):
    ask.app.state.jobs = Jobs(add, storage)  # not started
    response = ask.get("/jobs/any")

    assert (503, "2") == (response.status_code, response.headers["Retry-After"])
