"""The table of calls: it names every call of the client, and says what it does."""

from __future__ import annotations

import re
from pathlib import Path

import huggingface_hub.hf_api
import pytest
from starlette.routing import Match

from spaceops.localhub import calls, calls_as_text
from spaceops.localhub.app import CALLS, routes
from spaceops.localhub.coverage import GROUPS, OURS
from tests.localhub.conftest import Asker

NAMED = {  # how the client's words for parts of a path look on the wire
    "repo_type": "model",
    "api_prefix": "models",
    "src_repo_type": "model",
    "repo_id": "ada/x",
    "src_repo_id": "ada/x",
    "from_id": "ada/x",
    "bucket_id": "ada/x",
    "encoded_prefix": "/x",
    "encoded_path_in_repo": "/x",
    "log_type": "build",
    "route": "logs",
    "resource": "merge",
    "collection_slug": "ada/x-1",
    "quote(remote_path, safe='')": "x",
}
PAGES_OF_PEOPLE = {"{self.endpoint}/{repo_id}", "{self.endpoint}/buckets/{bucket_id}"}  # addresses that are only shown


def calls_of_the_client() -> set[str]:
    """Every path that is written in the client."""
    source = Path(huggingface_hub.hf_api.__file__).read_text("utf-8")
    found = set(re.findall(r'f"(\{self\.endpoint\}/[^"]*)"', source)) - PAGES_OF_PEOPLE
    return {path for path in found if "REPO_TYPES_URL_PREFIXES" not in path}


def on_the_wire(path: str) -> str:
    path = path.removeprefix("{self.endpoint}").replace("/api/{repo_id}/", "/api/models/ada/x/")
    return re.sub(r"\{([^{}]*)\}", lambda found: NAMED.get(found[1], "x"), path)


def is_known(path: str) -> bool:
    scope = {"type": "http", "path": path, "method": "GET", "root_path": ""}
    return any(route.matches(scope)[0] != Match.NONE for route in routes())


def test_the_client_has_many_calls() -> None:
    assert len(calls_of_the_client()) > 90
    assert not is_known("/api/nothing/like/that/at/all")


@pytest.mark.parametrize("path", sorted(calls_of_the_client()))
def test_every_call_of_the_client_is_in_the_table(path: str) -> None:
    assert is_known(on_the_wire(path)), on_the_wire(path)


def test_no_call_is_there_twice() -> None:
    found = [(call.method, call.path) for call in calls()]

    assert len(found) == len(set(found))


def test_every_call_says_how_it_is() -> None:
    rows = calls()

    assert {"works", "partial", "not there"} == {row.state for row in rows}
    assert all((row.state == "partial") == bool(row.missing) for row in rows if row.state != "not there")
    assert {*GROUPS, OURS} == {row.group for row in rows}
    assert not [row.path for row in rows if ":" in row.path or "{namespace}" in row.path]


def test_the_text_counts_what_it_lists() -> None:
    text = calls_as_text()
    rows = [line for line in text.partition(f"## {OURS}")[0].splitlines() if line.startswith("| `")]

    assert f"Of {len(rows)} calls" in text
    assert f"and {sum('| not there |' in row for row in rows)} are not there" in text


@pytest.mark.parametrize(
    ("method", "path"),
    sorted({(row.method, row.path) for row in calls() if row.state == "not there"}),
)
def test_what_is_not_there_says_so_with_its_path(ask: Asker, method: str, path: str) -> None:
    asked = re.sub(r"\{[^}]*\}", "x", path.replace("{models|datasets|spaces}", "models"))
    answer = ask(method, asked)

    assert 501 == answer.status_code
    assert "NotImplemented" == answer.headers["X-Error-Code"]
    assert {"error": f"The local Hub has no {method} {asked}"} == answer.json()


def test_every_function_that_answers_says_which_call_it_answers() -> None:
    silent = [call.path for call in CALLS if call.answer and not (call.answer.__doc__ or "").strip()]

    assert not silent
