"""Killed at any request of a create, an update and a rollback, the same command completes it, and nothing is doubled.

A process is ended with SIGKILL before a request takes effect, or after it took effect and before it was answered. Then
the command runs again, and what there is afterwards is compared with what an undisturbed run makes.
`SPACEOPS_POINTS=all` tries every request, else some of those that write.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from huggingface_hub import HfApi

from spaceops import Hub, LocalHub, Secret, Space, apply, errors, ledger, plan
from spaceops.ledger import files_written, record_of
from spaceops.secret import matches
from tests.middleman import Commands, Middleman, When, kill
from tests.small_app import write_app

EVERY = os.environ.get("SPACEOPS_POINTS") == "all"
SOME = 3  # every third request that writes, beside one that matters most
KILLED, STALE = -9, 5
WRITES_MAIN, CREATES = "/commit/main", "/api/repos/create"
SETTINGS, PUSHES = ("/variables", "/secrets", "/hardware", "/sleeptime"), (WRITES_MAIN, "/git-receive-pack")
QUIET = 0.2  # seconds; the local Hub waits a little longer for further changes of settings before it restarts the app

A, B = "a", "b"
SECRETS = {A: {"API_KEY": "the first value"}, B: {"API_KEY": "the second value", "ONLY_B": "a secret of b"}}
VARIABLES = {A: {"LEVEL": "info", "ONLY_A": "1"}, B: {"LEVEL": "debug", "ONLY_B_TOO": "2"}}
HARDWARE = {A: "cpu-basic", B: "t4-small"}


def source(folder: Path, repo_id: str, version: str) -> None:
    """The source of one of the two versions between which an update goes."""
    shutil.rmtree(folder, ignore_errors=True)
    write_app(folder, version=1 if version == A else 2)
    (folder / f"only_{version}.txt").write_text(f"a file of {version}")
    variables = "".join(f'{key} = "{value}"\n' for key, value in VARIABLES[version].items())
    secrets = "".join(f'{key} = "env:{key}"\n' for key in SECRETS[version])
    (folder / "space.toml").write_text(
        f'repo_id = "{repo_id}"\nprune = true\nhardware = "{HARDWARE[version]}"\n'
        f"[health]\ntimes = 1\n[variables]\n{variables}[secrets]\n{secrets}"
    )


@dataclass
class Stage:
    """A local Hub, a middleman before it, and commands that are started on it."""

    localhub: LocalHub
    middleman: Middleman
    commands: Commands
    folder: Path
    said: str = ""  # all that was printed
    pauses: int = 0  # how often a change of settings had to wait for the next change until it restarted the app
    env: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, at: tuple[int, When] | None = None, at_write: str = "") -> int:
        """Run a command to its end, or to its being killed at a request, or interrupted at one; the exit code."""
        env = {"HF_ENDPOINT": self.middleman.address, "HF_TOKEN": self.localhub.token, **self.env}
        pid = self.commands.start(*arguments, env=env)

        def meet(number: int, when: When) -> bool:
            if (
                at_write
                and when == "before"
                and re.match(rf"(POST|DELETE) .*{at_write}$", self.middleman.requests[number - 1])
            ):
                os.kill(pid, signal.SIGINT)
            if (number, when) != at:
                return False
            kill(pid)
            return True

        self.middleman.requests.clear()
        self.middleman.times.clear()
        self.middleman.meet = meet
        self.commands.go()
        code = self.commands.end()
        self.middleman.meet = None
        self.pauses += pauses(self.middleman)
        self.said += self.commands.output.read_text()
        return code

    def deploy(self, repo_id: str, version: str, at: tuple[int, When] | None = None) -> int:
        folder = self.folder / repo_id.partition("/")[2]
        source(folder, repo_id, version)
        self.env = SECRETS[version]
        return self.run("deploy", str(folder), "--yes", at=at)


def pauses(middleman: Middleman) -> int:
    """How often a machine that is slow has let more time pass after a change of settings than the Hub waits."""
    watched = (*SETTINGS, *PUSHES)
    changes = [one for one in sorted(middleman.times, key=itemgetter(1)) if one[0].endswith(watched)]
    return sum(
        line.endswith(SETTINGS) and not line.startswith("GET") and ended - begun > QUIET
        for (line, begun, _), (_, _, ended) in pairwise(changes)
    )


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("stage")
    with LocalHub() as localhub, Middleman(localhub.url) as middleman, Commands(folder) as commands:
        stage = Stage(localhub, middleman, commands, folder)
        assert 0 == stage.deploy("demo/warm", A), stage.said  # who we are is known from now on
        yield stage


def state(stage: Stage, repo_id: str, version: str) -> dict[str, Any]:
    """What there is of a Space: all that should be the same however often it took."""
    hub = Hub(stage.localhub.url, token=stage.localhub.token)
    observed, known = hub.observe(repo_id), ledger.read(repo_id, hub)
    record, index = record_of(repo_id, hub, known.index.last), known.index
    with urllib.request.urlopen(f"{observed.host}/env", timeout=10) as answer:
        seen = json.load(answer)["env"]
    values = {key: Secret(value, key) for key, value in SECRETS[version].items()}
    settings = msgspec.to_builtins(record.settings)
    settings["secrets"] = {key: number == index.last for key, number in record.settings.secrets.items()}
    return {
        "stage": observed.stage,
        "serves main": observed.runtime.sha == observed.sha == index.sha == record.sha,
        "files": {path: file.oid for path, file in observed.files.items()},
        "variables": observed.variables,
        "secrets": {key: matches(values[key], found.description) for key, found in observed.secrets.items()},
        "hardware": observed.hardware,
        "app": {key: seen.get(key) for each in (A, B) for key in (*VARIABLES[each], *SECRETS[each])},
        "ledger": (index.outcome, index.good == index.last, index.lock),
        "sent by it": {key: number == index.last for key, number in index.secrets.items()},
        "record": (record.outcome, record.changes, settings, dict(record.health), record.restores),
        "written": files_written(repo_id, hub, known),
    }


def counts(stage: Stage, repo_id: str) -> dict[str, int]:
    """What must happen as often as in an undisturbed run, but for one restart or rebuild more."""
    hub = Hub(stage.localhub.url, token=stage.localhub.token)
    if not hub.observe(repo_id, settings=False).exists:
        return {"commits": 0, "releases": 0, "starts": 0}
    counted = stage.localhub.counters(repo_id)
    api = HfApi(endpoint=stage.localhub.url, token=stage.localhub.token)
    return {
        "commits": len(api.list_repo_commits(repo_id, repo_type="space")),
        "releases": ledger.read(repo_id, hub).index.last,
        "starts": counted["restarts"] + counted["rebuilds"],
    }


def difference(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {key: after[key] - before[key] for key in before}


def points(requests: list[str], *, first: int = 0, step: int = SOME) -> list[tuple[int, When]]:
    """The requests to be killed at, from 1; without `EVERY` a few of those that write, after they took effect."""
    if EVERY:
        return [(number, when) for number in range(1, len(requests) + 1) for when in ("before", "after")]
    writes = [number for number, line in enumerate(requests, 1) if not line.startswith("GET")]
    matter = [number for number in writes if requests[number - 1].endswith((*PUSHES, CREATES))]
    return [(number, "after") for number in sorted({*writes[first::step], matter[-1] if first else writes[-2]})]


def compare(
    stage: Stage,
    at: tuple[int, When],
    expected: tuple[dict[str, Any], dict[str, int]],
    found: tuple[dict[str, Any], dict[str, int]],
    requests: list[str],
) -> list[str]:
    """What differs from an undisturbed run, as lines for people."""
    where = f"{at[1]} {at[0]}. {requests[at[0] - 1]}"
    wrong = [
        f"{where}: {key}: {found[0][key]} not {value}" for key, value in expected[0].items() if found[0][key] != value
    ]
    for key, value in expected[1].items():
        least, most = (1, 2 + stage.pauses) if key == "starts" else (value, value)
        if not least <= found[1][key] <= most:
            wrong.append(f"{where}: {found[1][key]} {key}, not {value}")
    return wrong


@pytest.mark.timeout(1800 if EVERY else 180)
def test_a_create_that_was_killed_is_completed_by_the_same_command(stage):
    assert 0 == stage.deploy("demo/undisturbed", A)
    requests = list(stage.middleman.requests)
    nothing = {"commits": 0, "releases": 0, "starts": 0}
    expected = state(stage, "demo/undisturbed", A), counts(stage, "demo/undisturbed")
    del expected[0]["record"]  # nothing tells later that the same release created the Space
    wrong: list[str] = []

    for number, at in enumerate(points(requests)):
        repo_id, stage.pauses = f"demo/create-{number}", 0
        assert KILLED == stage.deploy(repo_id, A, at), (at, requests, stage.said)
        assert 0 == stage.deploy(repo_id, A), (at, requests, stage.commands.output.read_text())
        found = state(stage, repo_id, A), difference(nothing, counts(stage, repo_id))
        wrong += compare(stage, at, expected, found, requests)

    assert any(line.endswith(CREATES) for line in requests)
    assert not wrong, "\n".join(wrong)


def go(stage: Stage, repo_id: str, to: str, at: tuple[int, When] | None = None) -> int:
    """Update to a version, or roll back to a release: the two directions of a test, in turn."""
    if to in SECRETS:
        return stage.deploy(repo_id, to, at)
    return stage.run("rollback", repo_id, to, "--yes", at=at)


@pytest.mark.timeout(1800 if EVERY else 180)
@pytest.mark.parametrize(("kind", "ways"), [("update", (A, B)), ("rollback", ("1", "2"))])
def test_an_update_and_a_rollback_that_were_killed_are_completed_by_the_same_command(stage, kind, ways):
    repo_id, values = f"demo/{kind}", dict(zip(ways, ways if kind == "update" else (B, B), strict=True))
    assert 0 == stage.deploy(repo_id, A) == stage.deploy(repo_id, B), stage.said
    expected, todo, requests = {}, {}, {}
    for first, way in enumerate(ways):
        before = counts(stage, repo_id)
        assert 0 == go(stage, repo_id, way), stage.said
        expected[way] = state(stage, repo_id, values[way]), difference(before, counts(stage, repo_id))
        requests[way] = list(stage.middleman.requests)
        todo[way] = points(requests[way], first=first * SOME // 2, step=SOME * 2)
    wrong: list[str] = []

    for way in ways * max(map(len, todo.values())):
        at, stage.pauses = todo[way].pop(0) if todo[way] else None, 0
        before = counts(stage, repo_id)
        assert (KILLED if at else 0) == go(stage, repo_id, way, at), (way, at, stage.commands.output.read_text())
        if at:
            code = go(stage, repo_id, way)
            if code == STALE and kind == "rollback":  # git outlives who started it, and has pushed meanwhile
                code = go(stage, repo_id, way)
            assert 0 == code, (at, requests[way], stage.commands.output.read_text())
            found = state(stage, repo_id, values[way]), difference(before, counts(stage, repo_id))
            wrong += compare(stage, at, expected[way], found, requests[way])

    assert not wrong, "\n".join(wrong)


def applied(stage: Stage, repo_id: str, to: str, url: str) -> None:
    """What `spaceops apply` does, in this process."""
    folder = stage.folder / repo_id.partition("/")[2]
    source(folder, repo_id, to)
    space = Space.load(folder / "space.toml")
    secrets = {key: f"file:../{to}-{key}" for key in SECRETS[to]}
    for key, value in SECRETS[to].items():
        (folder.parent / f"{to}-{key}").write_text(value)
    hub = Hub(url, token=stage.localhub.token)
    apply(plan(msgspec.structs.replace(space, secrets=secrets), hub), hub)


TROUBLES: dict[str, dict[str, Any]] = {
    "the connection is reset before": {"when": "before"},
    "the connection is reset after": {"when": "after"},
    "too many requests": {"status": 429, "retry_after": 1},
    "the Hub fails": {"status": 500},
    "the Hub is busy": {"status": 503},
    "the network is gone": {"when": "before", "lasting": True},
}


@pytest.mark.timeout(1800 if EVERY else 180)
@pytest.mark.parametrize("trouble", TROUBLES)
def test_whatever_goes_wrong_at_a_request_applying_again_completes_it(stage, trouble):
    """In this process: an error of ours, nobody locked out, one commit and one release in the end."""
    repo_id = f"demo/trouble-{list(TROUBLES).index(trouble)}"
    hub, requests = Hub(stage.localhub.url, token=stage.localhub.token), {}
    with stage.localhub.faults.add("stuck-building"):
        for way in (A, B, A):
            stage.middleman.requests.clear()
            applied(stage, repo_id, way, stage.middleman.address)
            requests[way] = list(stage.middleman.requests)
        first = list(TROUBLES).index(trouble) % SOME
        slow = 2 if TROUBLES[trouble].get("lasting") else 1  # the client tries long
        begin, step = (1, 1) if EVERY else (first + 3, SOME * slow)

        for number, at in enumerate(range(begin, len(requests[B]) + 1, step)):
            way = (B, A)[number % 2]
            before = counts(stage, repo_id)
            stage.middleman.requests.clear()
            stage.middleman.meet = _trouble(stage, requests[way], at, **TROUBLES[trouble])
            with suppress(errors.SpaceopsError):  # some are tried again by the client: then there is none
                applied(stage, repo_id, way, stage.middleman.address)
            stage.middleman.meet = None

            applied(stage, repo_id, way, stage.localhub.url)

            index = ledger.read(repo_id, hub).index
            assert ("applied", None) == (index.outcome, index.lock), (at, requests[way])
            assert {"commits": 1, "releases": 1} == _without_starts(difference(before, counts(stage, repo_id)))
            assert VARIABLES[way] == hub.variables.ls(repo_id), (at, requests[way])
            assert SECRETS[way].keys() == hub.secrets.ls(repo_id).keys()


def _trouble(
    stage: Stage,
    requests: list[str],
    at: int,
    *,
    when: When = "before",
    status: int = 0,
    retry_after: int | None = None,
    lasting: bool = False,
) -> Callable[[int, When], bool]:
    def meet(number: int, now: When) -> bool:
        here = now == when and (number == at or (lasting and number > at))
        if here and status:
            method, path = stage.middleman.requests[number - 1].split(" ", 1)
            stage.localhub.faults.add(
                "status", method=method, path=path, status=status, retry_after=retry_after, times=1
            )
        return here and not status

    return meet


def _without_starts(counted: dict[str, int]) -> dict[str, int]:
    return {key: number for key, number in counted.items() if key != "starts"}


def test_whoever_presses_control_c_leaves_no_lock_and_the_same_command_goes_on(stage):
    repo_id = "demo/control-c"
    folder = stage.folder / "control-c"
    with stage.localhub.faults.add("stuck-building"):
        for way, ending in ((A, "/branch/spaceops"), (B, "/variables"), (A, "/commit/main")):
            source(folder, repo_id, way)
            stage.env = SECRETS[way]

            assert 130 == stage.run("apply", str(folder), "--yes", at_write=ending), stage.commands.output.read_text()
            hub = Hub(stage.localhub.url, token=stage.localhub.token)
            assert ledger.read(repo_id, hub).index.lock is None
            assert 0 == stage.run("apply", str(folder), "--yes"), stage.commands.output.read_text()

            index = ledger.read(repo_id, hub).index
            assert ("applied", None) == (index.outcome, index.lock)
            assert VARIABLES[way] == hub.variables.ls(repo_id)
