"""What the app answers, over HTTP."""

from __future__ import annotations

import csv
import gzip
import io
import resource
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from main import MAX_FILE, create_app

EXAMPLE = (Path(__file__).parents[1] / "static" / "example.csv").read_bytes()


def submit(client, content=EXAMPLE, name="shop.csv"):
    return client.post("/jobs", files={"file": (name, content)})


def finished(client, content=EXAMPLE, name="shop.csv") -> dict:
    """The state of a job when it has ended."""
    submitted = submit(client, content, name)
    assert 202 == submitted.status_code
    return ended(client, submitted.json()["id"])


def ended(client, job_id) -> dict:
    while (state := client.get(f"/jobs/{job_id}?wait=10").json())["status"] in ("queued", "running"):
        pass
    return state


def test_a_file_becomes_a_report(client):
    state = finished(client)

    report = client.get(f"/jobs/{state['id']}/result").json()
    assert ("done", 1) == (state["status"], state["progress"])
    assert ("shop.csv", 103, 9, len(EXAMPLE)) == tuple(
        report["file"][key] for key in ("name", "rows", "columns", "size")
    )
    assert "“units” has 1 value 7.9 times the median: row 42." in [insight["text"] for insight in report["insights"]]
    assert "vaderSentiment" == report["columns"][8]["sentiment"]["backend"]


def test_a_gz_is_as_good(client):
    state = finished(client, gzip.compress(EXAMPLE), "shop.csv.gz")

    assert 103 == client.get(f"/jobs/{state['id']}/result").json()["file"]["rows"]


def test_the_report_can_be_kept_as_a_page(client):
    page = client.get(f"/jobs/{finished(client)['id']}/report.html")

    assert 'attachment; filename="report.html"' == page.headers["Content-Disposition"]
    assert page.text.startswith("<!doctype html>")
    assert "What stands out" in page.text


def test_the_columns_can_be_kept_as_a_table(client):
    table = client.get(f"/jobs/{finished(client)['id']}/columns.csv")

    assert 'attachment; filename="columns.csv"' == table.headers["Content-Disposition"]
    assert 10 == len(list(csv.reader(io.StringIO(table.text))))


def test_a_name_that_is_no_unicode_is_made_one(client):
    part = b'Content-Disposition: form-data; name="file"; filename="\\ud800.csv"'
    content = b"--b\r\n" + part + b"\r\n\r\na,b\n1,2\n\r\n--b--\r\n"
    kind = "multipart/form-data; boundary=b; charset=unicode_escape"
    job = client.post("/jobs", content=content, headers={"Content-Type": kind}).json()

    assert "done" == ended(client, job["id"])["status"]
    assert "?.csv" == client.get(f"/jobs/{job['id']}/result").json()["file"]["name"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "The file is empty."),
        (b"PK\x03\x04", "Save the sheet as CSV"),
        (b"\x89PNG\r\n\x1a\n\0", "This is no text file."),
    ],
)
def test_what_is_plainly_no_table_is_refused_at_once(client, content, reason):
    response = submit(client, content)

    assert 422 == response.status_code
    assert reason in response.json()["detail"]


def test_what_turns_out_to_be_no_table_is_told_by_the_job(client):
    state = finished(client, b"a,b\n")

    assert ("failed", "The file has a header, but no rows below it.") == (state["status"], state["error"])
    assert 409 == client.get(f"/jobs/{state['id']}/result").status_code
    assert 409 == client.get(f"/jobs/{state['id']}/report.html").status_code


def test_a_file_that_is_too_large_is_refused(client):
    response = client.post("/jobs", files={"file": ("a.csv", b"1,2\n" * (MAX_FILE // 4 + 10_000))})

    assert 413 == response.status_code


@pytest.mark.parametrize(
    "request_", [{}, {"data": {"file": "a,b"}}, {"json": {"file": "a,b"}}, {"files": {"other": b"a,b"}}]
)
def test_without_a_file_there_is_no_job(client, request_):
    response = client.post("/jobs", **request_)

    assert 422 == response.status_code
    assert "file" in response.json()["detail"]


@pytest.mark.parametrize("path", ["", "/result", "/report.html", "/columns.csv"])
def test_nobody_guesses_a_job(client, path):
    response = client.get(f"/jobs/nothing{path}")

    assert 404 == response.status_code
    assert "There is no such job" in response.json()["detail"]


def test_while_the_model_loads_files_are_told_to_come_back():
    client = TestClient(create_app({}))  # outside `with`, so that nothing starts the loader

    response = submit(client)

    assert (503, "2") == (response.status_code, response.headers["Retry-After"])


def test_when_too_many_files_wait_the_next_is_told_to_come_back():
    app = create_app({})
    with TestClient(app) as client:
        assert app.state.loader.finished.wait(30)
        app.state.jobs.close(0)

        response = submit(client)

    assert (503, "10") == (response.status_code, response.headers["Retry-After"])


def test_the_name_of_a_file_is_no_path_and_may_be_anything(client):
    state = finished(client, name="../../etc/<b>=1\u20ac.csv")

    assert "<b>=1\u20ac.csv" == client.get(f"/jobs/{state['id']}/result").json()["file"]["name"]
    assert "<b>" not in client.get(f"/jobs/{state['id']}/report.html").text


def test_with_a_token_the_page_and_its_example_are_open_and_the_reports_are_not():
    with TestClient(create_app({"API_TOKEN": "long-enough"})) as client:
        assert {200} == {client.get(path).status_code for path in ("/", "/static/example.csv", "/static/report.css")}
        assert {401} == {client.get(f"/jobs/x{path}").status_code for path in ("", "/result", "/columns.csv")}


def test_the_api_describes_itself(client):
    paths = client.get("/openapi.json").json()["paths"]

    operations = {"/health", "/ready", "/version", "/metrics"}
    job = {"/jobs/{job_id}" + path for path in ("", "/result", "/report.html", "/columns.csv")}
    assert operations | job | {"/jobs"} == set(paths)
    refusals = {"400", "401", "403", "413", "422", "429", "503", "504", "507"}
    assert refusals | {"202"} == set(paths["/jobs"]["post"]["responses"])


@pytest.mark.parametrize("size", [100_000, 2_000_000])
def test_a_file_for_which_there_is_no_room_is_not_called_wrong(client, size):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))  # bytes of a file, in place of a small disk
    try:
        response = submit(client, b"a,b\n" + b"1,2\n" * (size // 4))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert (507, "Insufficient Storage") == (response.status_code, response.json()["title"])
