"""What the app answers, over HTTP."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from main import MOST_CHARACTERS, create_app
from serving.jobs import Jobs

STATIC = Path(__file__).parents[1] / "static"
TEXT = (STATIC / "example-en.txt").read_text("utf-8")


def ended(client, response):
    """The state of a job that was just submitted, at its end."""
    assert 202 == response.status_code, response.text
    place = f"/{response.headers['Location']}"
    while (state := client.get(place, params={"wait": 10}).json())["status"] in ("queued", "running"):
        pass
    return state


def summary(client, **request):
    job = ended(client, client.post("/jobs", **request))
    assert "done" == job["status"], job
    response = client.get(f"/jobs/{job['id']}/result")
    assert 200 == response.status_code
    return response.json() | {"id": job["id"]}


def test_a_text_is_summarized_by_its_best_sentences(client):
    made = summary(client, json={"text": TEXT, "sentences": 3})

    assert made["summary"] == " ".join(one["text"] for one in made["sentences"])
    assert 3 == len(made["sentences"])
    assert all(TEXT[one["start"] : one["end"]] == one["text"] for one in made["sentences"])
    assert "LexRank" == made["backend"]
    assert pytest.approx(made["words"] / made["words_before"], abs=0.001) == made["compression"]
    assert "main street" in made["phrases"]


def test_a_summary_has_five_sentences_unless_something_is_said(client):
    assert 5 == len(summary(client, json={"text": TEXT})["sentences"])
    assert summary(client, json={"text": TEXT, "words": 60})["words"] <= 60


@pytest.mark.parametrize(
    ("name", "content"),
    [("A.TXT", TEXT), ("a.md", f"# News\n\n{TEXT}"), ("a.html", f"<p>{TEXT}</p>".replace("\n\n", "</p><p>"))],
)
def test_a_file_is_summarized_and_its_text_can_be_read(client, name, content):
    made = summary(client, files={"file": (name, content)}, data={"sentences": "2"})
    text = client.get(f"/jobs/{made['id']}/text")

    assert "text/plain; charset=utf-8" == text.headers["Content-Type"]
    assert [one["text"] for one in made["sentences"]] == [
        text.text[one["start"] : one["end"]] for one in made["sentences"]
    ]
    assert "428 million" in text.text


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"text": ""}, "there are no words in it"),
        ({"text": "... \n ?"}, "there are no words in it"),
        ({"text": 7}, "valid string"),
        ({"text": "secret", "sentences": 0}, "greater than or equal to 1"),
        ({"text": "secret", "words": 3000}, "less than or equal to 2000"),
        ({"text": "secret", "words": 30, "sentences": 3}, "not both"),
        ({"text": "secret", "length": 3}, "not permitted"),
        ({"txet": "secret"}, "Field required"),
        ({"text": "secret" * MOST_CHARACTERS}, "at most 2000000 characters"),
    ],
)
def test_what_cannot_be_summarized_is_refused_without_repeating_it(client, body, message):
    response = client.post("/jobs", json=body)

    assert 422 == response.status_code
    assert "application/problem+json" == response.headers["Content-Type"]
    assert message in response.json()["detail"]
    assert "secret" not in response.text


@pytest.mark.parametrize("content", ['{"text": "secret', "", "null", r'{"text": "secret \ud800"}'])
def test_what_is_no_json_is_refused(client, content):
    response = client.post("/jobs", content=content)

    assert 422 == response.status_code
    assert "secret" not in response.text


@pytest.mark.parametrize(
    ("files", "data", "status"),
    [
        ({"file": ("a.exe", "text")}, {}, 415),
        ({"file": ("", "text")}, {}, 422),
        ({"other": ("a.txt", "text")}, {}, 422),
        ({"file": ("a.txt", TEXT)}, {"sentences": "many"}, 422),
        ({"file": ("a.txt", TEXT)}, {"sentences": "3", "words": "30"}, 422),
        ([("file", ("a.txt", TEXT)), ("file", ("b.txt", TEXT))], {}, 400),
    ],
)
def test_a_form_that_is_wrong_is_refused(client, files, data, status):
    assert status == client.post("/jobs", files=files, data=data).status_code


def test_a_form_in_no_charset_is_refused(client):
    content = b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nsecret\r\n--b--\r\n'
    answer = client.post(
        "/jobs", content=content, headers={"Content-Type": "multipart/form-data; boundary=b; charset=undefined"}
    )

    assert (400, "The form is not in the charset that it names.") == (answer.status_code, answer.json()["detail"])


def test_a_file_without_sentences_ends_its_job_with_the_reason(client):
    job = ended(client, client.post("/jobs", files={"file": ("a.html", "<script>alert(1)</script>")}))

    assert ("failed", "There are no sentences in it.") == (job["status"], job["error"])
    answer = client.get(f"/jobs/{job['id']}/result")
    assert (409, "There are no sentences in it.") == (answer.status_code, answer.json()["detail"])


@pytest.mark.parametrize("what", ["result", "text"])
def test_of_a_job_that_there_is_not_nothing_is_known(client, what):
    assert client.app.state.jobs.restored.wait(10)

    assert 404 == client.get(f"/jobs/nothing/{what}").status_code


def test_when_too_much_waits_the_client_is_asked_to_come_back(client):
    client.app.state.jobs.close(0)
    response = client.post("/jobs", json={"text": TEXT})

    assert (503, "10") == (response.status_code, response.headers["Retry-After"])


@pytest.mark.parametrize("request_of_one", [{"json": {"text": TEXT}}, {"files": {"file": ("a.txt", TEXT)}}])
def test_of_four_places_one_client_may_take_one(client, request_of_one):
    state = client.app.state
    jobs, state.jobs = state.jobs, Jobs(lambda *_: {}, state.storage, max_waiting=4)  # of whom nobody works
    try:
        assert [202, 503] == [client.post("/jobs", **request_of_one).status_code for _ in range(2)]
    finally:
        state.jobs = jobs


def test_a_model_that_cannot_be_loaded_takes_no_jobs_and_says_why(tmp_path):
    app = create_app({"MODEL_ID": str(tmp_path / "nothing")})
    with TestClient(app) as client:
        assert app.state.loader.finished.wait(60)
        response = client.post("/jobs", json={"text": TEXT})

        assert 503 == client.get("/ready").status_code
    assert 503 == response.status_code
    assert "The model could not be loaded." in response.json()["detail"]


@pytest.mark.parametrize("file", sorted(STATIC.iterdir()), ids=lambda file: file.name)
def test_pages_fetch_nothing_from_elsewhere(file):
    fetched = re.findall(r"""(?:src|href)=["']([^"']*)|url\(([^)]*)|@import\s+(.*)""", file.read_text("utf-8"))

    assert [] == [address for found in fetched for address in found if re.match(r"\w+://|//", address)]


def test_the_page_is_there_with_all_that_it_fetches(client):
    page = client.get("/").text

    for address in re.findall(r'(?:href|src)="(static/[^"]+)"', page):
        assert 200 == client.get(f"/{address}").status_code, address
    for language in re.findall(r'value="(en|de)"', page):
        assert 200 == client.get(f"/static/example-{language}.txt").status_code


def test_the_api_describes_itself(client):
    paths = client.get("/openapi.json").json()["paths"]

    assert {"/jobs", "/jobs/{job_id}", "/jobs/{job_id}/result", "/jobs/{job_id}/text"} < set(paths)
    assert {"application/json", "multipart/form-data"} == set(paths["/jobs"]["post"]["requestBody"]["content"])
