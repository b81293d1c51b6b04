"""What every answer has in common: headers, errors, addresses; and that no request is too strange to be answered."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from huggingface_hub import HfApi

from spaceops.localhub import LocalHub
from spaceops.localhub.app import routes
from spaceops.localhub.clock import Clock
from spaceops.localhub.metadata import problems
from spaceops.localhub.refusals import Refused
from spaceops.localhub.tickets import LIFETIME, Tickets
from tests.localhub.conftest import Asker

STRANGE_BODIES = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"\\ud800"',
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"name": 1, "key": 1, "files": 1, "objects": 1, "volumes": 1, "content": 1, "flavor": 1, "seconds": 1.5}',
    b'{"name": "\\u0000", "key": "\\u0000", "tag": "..", "flavor": "\\u0000", "content": "---\\na: &a [*a]\\n---"}',
    b'{"key": "header", "value": {"summary": "\\u0000"}}\n{"key": "file", "value": {"path": "../x", "content": "!"}}',
    b'{"operation": "upload", "objects": [{"oid": "../..", "size": -1}], "seconds": 99999999999999999999999999}',
    b"paths=%00&paths=..&expand=maybe",
    b"0000",
]
STRANGE_PARTS = ["nope", "..%2F..%2Fetc", "%00", "%ff", "a" * 300, "-x", "main~1", "@%7B1%7D", "%F0%9F%98%80", "0" * 40]
STRANGE_QUERIES = [
    "expand=nope",
    "limit=abc",
    "limit=0",
    "cursor=-1",
    "cursor=99999999",
    "service=x",
    "ticket=1-2&size=x",
]
STRANGE_HEADERS = [
    {"Authorization": "Basic !!"},
    {"Authorization": "Basic /////w=="},
    {"Authorization": "Negotiate x"},
    {"Authorization": "Bearer " + "x" * 5000},
    {"Range": "bytes=5-2"},
    {"Range": "bytes=-"},
    {"Range": "lines=1-2"},
    {"Host": "evil.example"},
]
USUAL = {"kinds": "models", "revision": "main", "path": "README.md", "branch": "dev", "which": "nope"}
EVERY_ROUTE = sorted({(min((route.methods or set()) - {"HEAD"}), route.path) for route in routes()})


def filled(path: str, values: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: values.get(found[1], "x"), path)


@pytest.mark.parametrize(("method", "path"), EVERY_ROUTE)
def test_no_request_is_too_strange_to_be_answered(ask: Asker, model: str, method: str, path: str) -> None:
    namespace, _, name = model.partition("/")
    usual = {**USUAL, "namespace": namespace, "name": name}
    asked: list[dict[str, Any]] = [{"path": filled(path, usual), "content": body} for body in STRANGE_BODIES]
    asked += [
        {"path": filled(path, {**usual, part: strange}), "content": b"{}"}
        for part in re.findall(r"\{(\w+)", path)
        for strange in STRANGE_PARTS
    ]
    asked += [{"path": f"{filled(path, usual)}?{query}", "content": b"{}"} for query in STRANGE_QUERIES]
    asked += [{"path": filled(path, usual), "headers": headers} for headers in STRANGE_HEADERS]

    for one in asked if method != "GET" else asked[1:]:
        answer = ask(method, one.pop("path"), **one)
        assert answer.status_code < 500 or answer.status_code == 501, (method, answer.url, one)


def test_what_is_not_there_is_said_with_its_path(ask: Asker) -> None:
    for method, path in [("GET", "/api/jobs/ada"), ("PATCH", "/api/whoami-v2"), ("GET", "/"), ("GET", "/ada")]:
        answer = ask(method, path)
        assert (501, f"The local Hub has no {method} {path}") == (answer.status_code, answer.json()["error"])


def test_a_name_without_its_namespace_is_no_repository(ask: Asker) -> None:
    assert "RepoNotFound" == ask("GET", "/api/models/gpt2").headers["X-Error-Code"]


@pytest.mark.parametrize(
    ("token", "status", "code", "said"),
    [
        (None, 401, "RepoNotFound", "Invalid username or password."),
        ("hf_ada", 404, "RepoNotFound", "Repository not found"),
        ("hf_wrong", 401, None, "Invalid credentials in Authorization header"),
    ],
)
def test_a_repository_that_is_not_there(
    ask: Asker, token: str | None, status: int, code: str | None, said: str
) -> None:
    answer = ask("GET", "/api/spaces/ada/nope", token=token)

    assert (status, code) == (answer.status_code, answer.headers.get("X-Error-Code"))
    assert said == answer.json()["error"] == answer.headers["X-Error-Message"]


def test_every_answer_has_its_headers_once(ask: Asker) -> None:
    trace = {"X-Amzn-Trace-Id": "my-trace-1234"}
    for path, status in (("/api/whoami-v2", 200), ("/api/spaces/ada/nope", 404), ("/nothing", 501)):
        answer = ask("GET", path, headers=trace)
        assert status == answer.status_code
        assert 1 == len(answer.headers.get_list("date"))
        assert answer.headers["X-Request-Id"].endswith(";my-trace-1234")
        assert answer.headers["X-Request-Id"].startswith("Root=1-")
        assert "server" not in answer.headers


def test_the_date_is_of_this_second(ask: Asker) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    said = parsedate_to_datetime(ask("GET", "/api/whoami-v2").headers["Date"])

    assert before <= said <= datetime.now(UTC) + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("path", "token", "limit"),
    [
        ("/api/whoami-v2", "hf_ada", '"api";q=3000;w=300'),
        ("/api/whoami-v2", "hf_bob", '"api";q=1000;w=300'),
        ("/api/agent-harnesses", None, '"api";q=500;w=300'),
    ],
)
def test_the_limits_are_those_of_the_plan(ask: Asker, path: str, token: str | None, limit: str) -> None:
    headers = ask("GET", path, token=token).headers

    assert f'"fixed window";{limit}' == headers["RateLimit-Policy"]
    assert headers["RateLimit"].startswith('"api";r=')


def test_addresses_are_those_that_the_client_knows(api: HfApi, localhub: LocalHub, ask: Asker) -> None:
    port = localhub.url.rpartition(":")[2]
    body = {"name": "by-another-name", "organization": "ada"}

    created = ask("POST", "/api/repos/create", json=body, headers={"Host": f"localhost:{port}"}).json()

    assert f"http://localhost:{port}/ada/by-another-name" == created["url"]
    localhost = HfApi(endpoint=f"http://localhost:{port}", token="hf_ada")
    assert "ada/by-another-name" == localhost.create_repo("ada/by-another-name", exist_ok=True).repo_id


def test_a_request_too_large_for_its_purpose_is_refused(ask: Asker) -> None:
    answer = ask("POST", "/api/repos/create", content=b" " * (33 << 20))

    assert 413 == answer.status_code


def test_requests_are_counted_and_can_be_counted_anew(ask: Asker, localhub: LocalHub) -> None:
    localhub.requests.clear()
    ask("GET", "/api/whoami-v2?x=1")
    ask("HEAD", "/ada/x/resolve/main/a%20b")

    assert [("GET", "/api/whoami-v2"), ("HEAD", "/ada/x/resolve/main/a%20b")] == list(localhub.requests)


def test_the_question_of_the_client_for_agents_is_answered(ask: Asker) -> None:
    assert {"standardEnvVars": [], "harnesses": {}} == ask("GET", "/api/agent-harnesses", token=None).json()


@pytest.mark.parametrize(
    ("front_matter", "said"),
    [
        ("colorFrom: orange", '"colorFrom" must be one of [red, yellow, green, blue, indigo, purple, pink, gray]'),
        ("colorTo: '#FF6200'", '"colorTo" must be one of [red, yellow, green, blue, indigo, purple, pink, gray]'),
        ("sdk: streamlit", '"sdk" must be one of [gradio, docker, static]'),
        (
            f"short_description: {'x' * 61}",
            '"short_description" length must be less than or equal to 60 characters long',
        ),
        ("app_port: 99999", '"app_port" must be a number from 1 to 65535'),
        ("title: [a, b]", '"title" must be a string'),
    ],
)
def test_front_matter_is_refused_in_the_words_of_the_hub(ask: Asker, front_matter: str, said: str) -> None:
    body = {"content": f"---\n{front_matter}\n---\n", "repoType": "space"}
    answer = ask("POST", "/api/validate-yaml", token=None, json=body)

    assert 400 == answer.status_code
    assert [{"message": said}] == answer.json()["errors"]
    assert [] == problems(body["content"], "model")


@pytest.mark.parametrize("text", ["---\ntitle: a: b\n---\n", "---\n- a\n---\n", "---\n" + "[" * 1200 + "\n---\n"])
def test_front_matter_that_is_no_mapping_is_refused_for_every_kind(text: str) -> None:
    assert 1 == len(problems(text, "model")) == len(problems(text, "space"))


def test_a_readme_without_front_matter_is_only_a_warning(ask: Asker) -> None:
    answer = ask("POST", "/api/validate-yaml", json={"content": "# Title", "repoType": "space"})

    assert 200 == answer.status_code
    assert ["empty or missing yaml metadata in repo card"] == [said["message"] for said in answer.json()["warnings"]]


def test_a_good_card_is_good(ask: Asker) -> None:
    text = f"---\ntitle: Ok\nemoji: 🚀\ncolorFrom: red\nsdk: docker\nshort_description: {'é' * 60}\napp_port: 80\n---\n"

    answer = ask("POST", "/api/validate-yaml", json={"content": text, "repoType": "space"})

    assert (200, {"errors": [], "warnings": []}) == (answer.status_code, answer.json())


def test_a_ticket_is_for_exactly_what_it_says() -> None:
    tickets = Tickets("key", Clock())
    ticket = tickets.issue("upload", "repo", 7)

    tickets.check(ticket, "upload", "repo", "7")
    for facts in (("upload", "repo", 8), ("download", "repo", 7), ("upload", "repo"), ("upload", "repo", 7, "")):
        with pytest.raises(Refused):
            tickets.check(ticket, *facts)
    with pytest.raises(Refused):
        Tickets("another key", Clock()).check(ticket, "upload", "repo", 7)


@pytest.mark.parametrize("ticket", ["", "-", "x-y", "99999999999-0", "1-" + "0" * 64, "é-é"])
def test_a_made_up_ticket_opens_nothing(ticket: str) -> None:
    with pytest.raises(Refused):
        Tickets("key", Clock()).check(ticket, "upload")


def test_a_ticket_ends() -> None:
    clock = Clock()
    tickets = Tickets("key", clock)
    ticket = tickets.issue("upload")
    clock.advance(LIFETIME - 1)
    tickets.check(ticket, "upload")
    clock.advance(2)

    with pytest.raises(Refused, match="too old"):
        tickets.check(ticket, "upload")
