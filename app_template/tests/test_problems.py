"""The one shape of all errors."""

from __future__ import annotations

import errno
import json
from typing import Annotated

import pytest
from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient
from pydantic import AfterValidator, BaseModel, Field

from serving.problems import MEDIA_TYPE, SCHEMA, answer_with_problems, problems


def even(number: int) -> int:
    if number % 2:
        raise ValueError("must be even")
    return number


class Thing(BaseModel):
    name: Annotated[str, Field(max_length=3)]
    size: Annotated[int, AfterValidator(even)]


@pytest.fixture
def client():
    app = FastAPI()
    answer_with_problems(app)

    @app.post("/things", responses=problems(503))
    async def make(thing: Thing) -> Thing:
        return thing

    @app.get("/busy", responses=problems(503))
    async def busy() -> None:
        raise HTTPException(503, "Not now.", {"Retry-After": "7"})

    @app.get("/full")
    async def full(number: int) -> None:
        raise OSError(number, "The disk says no")

    return TestClient(app)


@pytest.mark.parametrize(
    ("method", "path", "status", "title", "detail"),
    [
        ("GET", "/nothing", 404, "Not Found", "Not Found"),
        ("GET", "/things", 405, "Method Not Allowed", "Method Not Allowed"),
        ("GET", "/busy", 503, "Service Unavailable", "Not now."),
    ],
)
def test_an_error_has_type_title_status_and_detail(client, method, path, status, title, detail):
    response = client.request(method, path)

    assert (status, MEDIA_TYPE) == (response.status_code, response.headers["Content-Type"])
    assert response.json() == {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": None,
    }


def test_headers_of_an_error_stay(client):
    assert "7" == client.get("/busy").headers["Retry-After"]
    assert "POST" == client.get("/things").headers["Allow"]


def test_what_is_wrong_is_told_field_by_field(client):
    answer = client.post("/things", json={"name": "secret", "size": "secret"}).json()

    assert [["body", "name"], ["body", "size"]] == [error["loc"] for error in answer["errors"]]
    assert "name: String should have at most 3 characters; size: Input should be a valid integer" in answer["detail"]


def test_what_a_check_of_ours_says_is_told_in_its_words(client):
    assert "size: must be even" == client.post("/things", json={"name": "one", "size": 3}).json()["detail"]


@pytest.mark.parametrize(
    "body",
    ['"secret"', '{"name": "secret"}', '{"name": ["secret"], "size": "secret"}', '{"secret', r'"secret \ud800"', ""],
)
def test_what_was_sent_is_not_repeated(client, body):
    response = client.post("/things", content=body, headers={"Content-Type": "application/json"})

    assert 422 == response.status_code
    assert "secret" not in response.text


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_who_does_not_say_that_a_body_is_json_is_told_to(client, content_type):
    """As curl does without -H."""
    headers = {"Content-Type": content_type} if content_type else {}
    response = client.post("/things", content='{"name": "one", "size": 2}', headers=headers)

    assert 422 == response.status_code
    assert "The body must be JSON, and the header Content-Type application/json." == response.json()["detail"]


def test_the_description_of_the_api_says_so(client):
    api = client.get("/openapi.json").json()
    responses = api["paths"]["/things"]["post"]["responses"]

    assert {"200", "400", "401", "403", "413", "422", "429", "503", "504"} == set(responses)
    assert {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}} == responses["422"]["content"]
    assert responses["422"]["content"] == responses["503"]["content"]
    assert SCHEMA == api["components"]["schemas"]["Problem"]


def test_every_problem_has_the_fields_that_the_description_requires(client):
    answer = client.post("/things", json={}).json()

    assert set(SCHEMA["required"]) <= set(answer) <= set(SCHEMA["properties"])
    assert set(SCHEMA["properties"]["errors"]["items"]["required"]) == set(answer["errors"][0])
    assert json.dumps(answer).isascii()


def test_where_the_disk_is_full_that_is_said(client):
    response = client.get("/full", params={"number": errno.ENOSPC})

    assert (507, "This cannot be kept: The disk says no.") == (response.status_code, response.json()["detail"])
    with pytest.raises(OSError, match="says no"):  # whatever else is wrong is no matter of room
        client.get("/full", params={"number": errno.EIO})
