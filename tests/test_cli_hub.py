"""The commands about the local Hub, on a server that runs and on a folder without one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2 as httpx
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

from spaceops import LocalHub
from spaceops.cli import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def server(data: Path) -> Iterator[LocalHub]:
    with LocalHub(data) as server:
        yield server


@pytest.fixture
def run(data: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `spaceops hub … --data DATA`: exit code, output, talk."""

    def run(*words: str) -> tuple[int, str, str]:
        code = 0
        try:
            main(["hub", *words, "--data", str(data)])
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capsys.readouterr()

    return run


def api_of(server: LocalHub) -> HfApi:
    return HfApi(endpoint=server.url, token=server.token)


def test_a_fault_is_added_met_listed_and_cleared(run: Run, server: LocalHub) -> None:
    code, out, talk = run("fault", "add", "status", "--status", "418", "--path", "/api/whoami*", "--method", "GET")
    assert (0, "fault 1 is added\n", "hint: spaceops hub fault clear 1\n") == (code, out, talk)
    with pytest.raises(HfHubHTTPError, match="418"):
        api_of(server).whoami()

    assert "1   status  always  GET /api/whoami*" in run("fault", "list")[1]
    assert (0, "1 cleared\n") == run("fault", "clear", "1")[:2]
    assert "demo" == api_of(server).whoami()["name"]
    assert [] == json.loads(run("fault", "list", "--json")[1])


def test_every_fact_of_a_fault_arrives(run: Run, server: LocalHub) -> None:
    words = "--repo-id demo/x --times 3 --probability 0.5 --retry-after 2 --lose-answer --seconds 0.5 --events 4"
    given = json.loads(run("fault", "add", "reset", *words.split(), "--json")[1])

    assert given == server.faults.list()[0].as_dict()
    expected = {"repo_id": "demo/x", "times": 3, "probability": 0.5, "retry_after": 2, "lose_answer": True}
    assert expected.items() <= given.items()
    assert (0.5, 4) == (given["seconds"], given["events"])


def test_all_faults_are_cleared_at_once(run: Run, server: LocalHub) -> None:
    for kind in ("log-cut", "stuck-building", "build-hangs", "old-sha", "no-capacity", "slow"):
        assert 0 == run("fault", "add", kind, "--path", "/never")[0]

    assert "6 cleared\n" == run("fault", "clear")[1]
    assert () == server.faults.list()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("fault", "add", "magic"), 2, "'magic' is not one of"),
        (("fault", "add", "status", "--status", "200"), 2, "200 is not in the range"),
        (("fault", "clear", "7"), 3, "There is no fault 7"),
        (("counters", "demo/none"), 3, "There is no Space demo/none"),
        (("advance", "soon"), 2, "DURATION"),
        (("snapshot", "/no/such/folder/file"), 2, "cannot be written"),
        (("restore", "/no/such/file", "--yes"), 2, "No such file"),
    ],
)
def test_what_cannot_be_is_said_with_its_exit_code(
    run: Run, server: LocalHub, words: tuple[str, ...], code: int, said: str
) -> None:
    found, out, talk = run(*words)

    assert (code, "") == (found, out)
    assert said in talk


@pytest.mark.parametrize("words", [("fault", "list"), ("advance", "2d"), ("counters", "demo/x")])
def test_without_a_server_it_is_said_which_folder_has_none(run: Run, data: Path, words: tuple[str, ...]) -> None:
    for _ in range(2):
        code, out, talk = run(*words)

        assert (75, "") == (code, out)
        assert f"No local Hub works in {data}" in talk
        assert "hint: spaceops hub serve" in talk
        with LocalHub(data):
            pass  # and now there is a folder


def test_the_clock_is_put_forward(run: Run, server: LocalHub) -> None:
    before = server.clock.now()
    code, out, _ = run("advance", "2d", "--json")

    assert 0 == code
    assert json.loads(out)["now"].endswith("Z")
    assert 2 == (server.clock.now() - before).days


def test_a_space_is_counted(run: Run, server: LocalHub) -> None:
    api_of(server).create_repo("demo/app", repo_type="space", space_sdk="docker")
    api_of(server).get_space_runtime("demo/app")

    assert {"restarts": 0, "rebuilds": 0, "requests": 1} == json.loads(run("counters", "demo/app", "--json")[1])


def test_a_snapshot_is_written_and_restored(run: Run, server: LocalHub, tmp_path: Path) -> None:
    file = tmp_path / "one.tar"
    api_of(server).create_repo("demo/x")
    code, out, talk = run("snapshot", str(file))
    assert (0, f"{file}\n") == (code, out)
    assert "holds the secrets" in talk
    assert 2 == run("snapshot", str(file))[0]
    assert "" == run("snapshot", str(tmp_path / "two.tar"), "--without-secrets")[2]

    assert 0 == run("reset", "--yes")[0]
    assert not api_of(server).repo_exists("demo/x")
    assert 0 == run("restore", str(file), "--yes")[0]
    assert api_of(server).repo_exists("demo/x")


def test_nothing_is_removed_without_being_asked_for(run: Run, server: LocalHub, tmp_path: Path) -> None:
    api_of(server).create_repo("demo/x")
    run("snapshot", str(tmp_path / "one.tar"))
    for words in (("reset",), ("restore", str(tmp_path / "one.tar"))):
        code, out, talk = run(*words)
        assert (2, "") == (code, out)
        assert "Use --yes" in talk
    assert api_of(server).repo_exists("demo/x")


def test_the_coverage_is_printed_as_text_and_as_data(capsys: pytest.CaptureFixture[str]) -> None:
    main(["hub", "coverage"])
    assert capsys.readouterr().out.startswith("# What the local Hub answers")
    main(["hub", "coverage", "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert {"group", "method", "path", "state", "missing", "guess"} == set(rows[0])


def test_serve_says_its_token_once_and_refuses_who_asks_too_often(data: Path) -> None:
    command = [sys.executable, "-m", "spaceops", "hub", "serve", "--port", "0", "--host", "0.0.0.0", "--rate-limit"]
    pipe = subprocess.PIPE
    with subprocess.Popen([*command, "--data", str(data)], stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout
        url = process.stdout.readline().removeprefix("ready ").strip()
        second = subprocess.run([*command, "--data", str(data)], capture_output=True, text=True, check=False)
        with httpx.Client(base_url=url, trust_env=False) as anonymous:
            found = [anonymous.get("/a/page").status_code for _ in range(101)]
        process.terminate()
        _, talk = process.communicate(timeout=20)

    assert [501] * 100 + [429] == found
    token = talk.removeprefix("user demo, token ").strip()
    assert f"user demo, token {token}\n" == talk
    assert token.startswith("hf_")
    assert token != "hf_local"
    assert (5, "") == (second.returncode, second.stdout)
    assert "Another local Hub works in" in second.stderr
