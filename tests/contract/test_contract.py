"""The contract: made on the local Hub, compared between two Hubs, and with `-m live` on the real one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from spaceops.localhub import LocalHub
from tests.contract.compare import differences, table
from tests.contract.expected import Expected, expected
from tests.contract.recording import Answer, Outcome, Recorder, merged, shape

ROOT = Path(__file__).parent.parent.parent
REAL = os.environ.get("HF_CONTRACT_ENDPOINT", "https://huggingface.co")
TOKEN = os.environ.get("HF_TOKEN")  # read before the tests hide it
FREE = '[[users]]\nname = "fred"\ntoken = "hf_fred"\nplan = "free"\n'


def start(url: str, token: str, words: str = "", python: str = sys.executable) -> subprocess.Popen[str]:
    """Begin to make the calls whose names match, with the client that is beside a Python."""
    env = {**os.environ, "HF_TOKEN": token, "HF_HUB_DISABLE_PROGRESS_BARS": "1", "PYTHONWARNINGS": "ignore"}
    command = [python, "-m", "tests.contract", url, words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=pipe, stderr=pipe, text=True)


def outcomes(url: str, token: str, words: str = "", python: str = sys.executable) -> dict[str, Outcome]:
    """Make the calls, and return what came of them."""
    with start(url, token, words, python) as run:
        stdout, stderr = run.communicate()
    assert 0 == run.returncode, stderr
    return {call: Outcome.read(outcome) for call, outcome in json.loads(stdout)["calls"].items()}


def repositories(server: LocalHub) -> list[str]:
    """What the first user of a server has."""
    from huggingface_hub import HfApi

    api = HfApi(endpoint=server.url, token=server.token)
    return [repo.id for repo in api.list_user_repos()]


def test_the_local_hub_keeps_the_contract_and_nothing_is_left(localhub: LocalHub) -> None:
    made = outcomes(localhub.url, localhub.token)

    assert not [line for row in expected() for line in row.misses(made.get(row.call))]
    failed = {(call, a.status) for call, outcome in made.items() for a in outcome.answers.values() if a.status >= 500}
    assert {("a call that there is not", 501)} == failed
    assert [] == repositories(localhub)


def test_two_hubs_that_are_alike_do_not_differ(localhub: LocalHub) -> None:
    words = "whoami|create a model|create it again|model info|list the tree|git clone"
    with LocalHub() as other:
        one = outcomes(localhub.url, localhub.token, words)
        two = outcomes(other.url, other.token, words)

    assert len(one) > 10
    assert "No difference." == table(differences(one, two))


def test_where_two_hubs_differ_is_printed(localhub: LocalHub, tmp_path: Path) -> None:
    words = "^whoami$|create a docker space|push an app|create a bucket"
    (tmp_path / "accounts.toml").write_text(FREE)
    with LocalHub(accounts=tmp_path / "accounts.toml") as other:
        other.faults.add("status", status=418, method="POST", path="/api/buckets/*")
        ours, theirs = outcomes(localhub.url, localhub.token, words), outcomes(other.url, other.token, words)

    lines = [" ".join(line.split()) for line in table(differences(ours, theirs)).splitlines()]
    assert "CALL WHAT LOCAL REAL" == lines[0]
    assert "create a docker space status of POST /api/repos/create 200 402" in lines
    assert "create a docker space ends ok HfHubHTTPError" in lines
    assert "push an app asked yes no" in lines
    assert "create a bucket status of POST /api/buckets/{bucket} 200 418" in lines
    assert not [line for line in lines if line.startswith("whoami status")]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing_behind(localhub: LocalHub, how: signal.Signals) -> None:
    with start(localhub.url, localhub.token) as run:
        assert run.stderr
        for line in run.stderr:
            if "create a dataset: ok" in line:
                assert repositories(localhub)
                run.send_signal(how)
        assert run.wait() != 0

    assert [] == repositories(localhub)


def test_a_shape_is_the_keys_and_the_forms_of_what_is_in_them() -> None:
    commit = {"id": "0" * 40, "date": "2026-01-31T12:00:00.000Z", "n": 1, "yes": True, "none": None, "to": "http://x/y"}

    assert {"date": "date", "id": "sha1", "n": "int", "none": "null", "to": "url", "yes": "bool"} == shape(commit)
    assert [{"a": "int|text", "b?": "int"}] == shape([{"a": 1, "b": 2}, {"a": "x"}, {"a": 3}])
    assert [] == shape([])
    assert "list|null" == merged(shape([1]), shape(None))
    assert {"a?": {"b": "int", "c?": "int"}} == merged({"a?": {"b": "int"}}, {"a": {"b": "int", "c": "int"}})


def test_what_differs_from_run_to_run_has_a_name() -> None:
    recorder = Recorder({"ada": "{me}", "ada/x-model": "{model}", "http://127.0.0.1:1": "{hub}"})

    text = f"http://127.0.0.1:1/Ada/x-model-copy is at {'0' * 40}; ada has metadata; Root=1-6b03-ab;12-f"
    assert "{hub}/{model}-copy is at {sha1}; {me} has metadata; {request}" == recorder.plain(text)


def outcome(**answer: object) -> Outcome:
    return Outcome(answers={"GET /x": Answer(**{"status": 200, **answer})})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("local", "real", "what"),
    [
        (outcome(), outcome(status=500), "status of GET /x  200  500"),
        (outcome(), outcome(code="RepoNotFound"), "code of GET /x  -  RepoNotFound"),
        (outcome(), outcome(headers={"etag": "x"}), "header etag of GET /x  -  x"),
        (outcome(shape={"a": "int"}), outcome(shape={"a": "text"}), "body.a of GET /x  int  text"),
        (outcome(shape=[{"a": {}}]), outcome(shape=[{}]), "body[].a of GET /x  {}  -"),
        (outcome(shape=[{"a": ["int"]}]), outcome(shape={"b": "int"}), "body of GET /x  [{a}]  {b}"),
        (outcome(), Outcome(), "GET /x  200  -"),
        (Outcome(ended="exit 1", said="a"), Outcome(ended="exit 1", said="b"), "says  a  b"),
    ],
)
def test_every_kind_of_difference_is_found(local: Outcome, real: Outcome, what: str) -> None:
    (found,) = differences({"call": local}, {"call": real})

    assert what == "  ".join(found[1:])


def test_what_the_real_hub_merely_says_more_stands_last() -> None:
    more, other = outcome(shape={"more": "int"}), outcome(status=404)

    found = differences({"a": outcome(shape={}), "b": outcome()}, {"a": more, "b": other})

    assert [True, False] == [one.only_more for one in found]
    assert table(found).splitlines()[-1].startswith("a")


@pytest.mark.parametrize(
    ("row", "lacks"),
    [
        (Expected("c", "ok", "GET /x", "200", "", "a.b=int h:etag"), "h:etag is None"),
        (Expected("c", "ok", "GET /x", "200", "", "a.b=text"), "a.b is int, not text"),
        (Expected("c", "ok", "GET /x", "200", "", "a.c"), "a.c is None"),
        (Expected("c", "ok", "GET /x", "200", "", "{}"), "not {}"),
        (Expected("c", "ok", "GET /x", "404", "RepoNotFound"), "not 404 RepoNotFound"),
        (Expected("c", "ok", "GET /y"), "no GET /y"),
        (Expected("c", "exit 1"), "ends with ok"),
    ],
)
def test_what_an_answer_lacks_of_a_row_is_told(row: Expected, lacks: str) -> None:
    (line,) = row.misses(outcome(shape={"a": {"b": "int"}}))

    assert lacks in line


@pytest.mark.live
@pytest.mark.timeout(3600)
def test_the_real_hub_answers_as_the_local_one(localhub: LocalHub, capsys: pytest.CaptureFixture[str]) -> None:
    assert TOKEN, "HF_TOKEN must be a token of the real Hub with write access"

    found = differences(outcomes(localhub.url, localhub.token), outcomes(REAL, TOKEN))

    with capsys.disabled():
        print(f"\nThe local Hub beside {REAL}:\n{table(found)}")
    assert not [one for one in found if not one.only_more]
