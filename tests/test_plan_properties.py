"""For any wish and any Space: applied, there is nothing left to plan; and it restarts what the plan said.

`SPACEOPS_EXAMPLES` sets how many pairs are tried. The live state is made by the client itself, not by us.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import count

import msgspec
import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from spaceops import Hub, LocalHub, Space, apply, deploy, plan, wait
from spaceops.secret import Secret, described
from tests.small_app import write_app

EXAMPLES = int(os.environ.get("SPACEOPS_EXAMPLES", "6"))
few = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
NUMBERS = count(1)

NAMES = st.sampled_from(["LOG_LEVEL", "MODEL_ID", "API_KEY", "A", "Zz_9"])
VALUES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30).map(str.strip)
MAPS = st.dictionaries(NAMES, VALUES.filter(bool), max_size=4)
PATHS = st.sampled_from(["app.py", "data/words.txt", "näme with space.txt", "Dockerfile", "a/b/c", ".hidden"])
FILES = st.dictionaries(PATHS, st.binary(max_size=40).map(lambda data: b"x" + data), max_size=4)
HARDWARE = st.sampled_from([None, "cpu-basic", "cpu-upgrade", "t4-small"])
SLEEP = st.sampled_from([None, "1h", "never"])
VISIBILITY = st.sampled_from([None, "public", "private", "protected"])


@dataclass(frozen=True)
class Live:
    """A Space as somebody has made it by hand."""

    variables: Mapping[str, str]
    secrets: Mapping[str, tuple[str, bool]]  # value, and whether it has our fingerprint
    files: Mapping[str, bytes]
    hardware: str | None
    visibility: str | None
    paused: bool


LIVES = st.none() | st.builds(
    Live,
    variables=MAPS,
    secrets=st.dictionaries(NAMES, st.tuples(VALUES.filter(bool), st.booleans()), max_size=3),
    files=FILES,
    hardware=HARDWARE,
    visibility=VISIBILITY,
    paused=st.booleans(),
)


@st.composite
def wishes(draw: st.DrawFn) -> dict:
    """What a space.toml may say; a name is a variable or a secret."""
    variables, secrets = draw(MAPS), draw(MAPS)
    facts = {
        "variables": variables,
        "secrets": {key: value for key, value in secrets.items() if key not in variables},
        "hardware": draw(HARDWARE),
        "visibility": draw(VISIBILITY),
        "prune": draw(st.booleans()),
        "fingerprints": True,
        "files": draw(FILES),
    }
    facts["sleep_time"] = draw(SLEEP) if facts["hardware"] not in (None, "cpu-basic") else None
    return facts


@cache
def api(url: str, token: str) -> HfApi:
    return HfApi(endpoint=url, token=token)


def make(live: Live, repo_id: str, api: HfApi) -> None:
    api.create_repo(repo_id, repo_type="space", space_sdk="docker", visibility=live.visibility)
    secrets = {key: value for key, value in live.secrets.items() if key not in live.variables}
    for key, value in live.variables.items():
        api.add_space_variable(repo_id, key, value, description="by hand")
    for key, (value, ours) in secrets.items():
        words = described("by hand", Secret(value, key)) if ours else "by hand"
        api.add_space_secret(repo_id, key, value, description=words)
    if live.files:
        operations = [CommitOperationAdd(path, content) for path, content in live.files.items()]
        api.create_commit(repo_id, operations, repo_type="space", commit_message="by hand")
    if live.hardware:
        api.request_space_hardware(repo_id, live.hardware)
    if live.paused:
        api.pause_space(repo_id)


def space_of(wish: Mapping, repo_id: str, folder, monkeypatch: pytest.MonkeyPatch) -> Space:
    app = write_app(folder / repo_id.partition("/")[2])
    for path, content in wish["files"].items():
        (app / path).parent.mkdir(parents=True, exist_ok=True)
        (app / path).write_bytes(content)
    for key, value in wish["secrets"].items():
        monkeypatch.setenv(f"OF_{key}", value)
    facts = {key: value for key, value in wish.items() if key != "files" and value is not None}
    references = {key: f"env:OF_{key}" for key in wish["secrets"]}
    return Space.parse(facts | {"repo_id": repo_id, "source": str(app), "secrets": references}, folder=folder)


@few
@given(live=LIVES, wish=wishes())
def test_what_was_applied_leaves_nothing_to_plan(localhub, hub, tmp_path, monkeypatch, live, wish):
    repo_id = f"demo/property-{next(NUMBERS)}"
    with localhub.faults.add("stuck-building"):
        if live:
            make(live, repo_id, api(localhub.url, localhub.token))
        space = space_of(wish, repo_id, tmp_path, monkeypatch)
        proposal = plan(space, hub)

        apply(proposal, hub)
        left = plan(space, hub)

        assert not left, f"{proposal}\nand then\n{left}"
        assert "unchanged" == apply(left, hub).outcome
        assert dict(space.variables).items() <= hub.variables.ls(repo_id).items()
        assert space.secrets.keys() <= hub.secrets.ls(repo_id).keys()
        if space.prune:
            assert space.variables.keys() == hub.variables.ls(repo_id).keys()
            assert space.secrets.keys() == hub.secrets.ls(repo_id).keys()


@pytest.fixture(scope="module")
def running(localhub: LocalHub, tmp_path_factory: pytest.TempPathFactory) -> Space:
    """A Space that runs, and is changed again and again."""
    folder = tmp_path_factory.mktemp("running")
    facts = {"repo_id": "demo/running", "source": str(write_app(folder / "app")), "health": {"times": 1}}
    space = Space.parse(facts, folder=folder)
    deploy(space, Hub(localhub.url, token=localhub.token))
    return space


def starts(localhub: LocalHub) -> tuple[int, int]:
    counted = localhub.counters("demo/running")
    return counted["restarts"], counted["rebuilds"]


@settings(few, max_examples=max(EXAMPLES // 2, 2))
@given(
    variables=MAPS,
    hardware=st.sampled_from(["cpu-basic", "t4-small"]),
    visibility=st.sampled_from(["public", "private"]),
    text=st.integers(1, 3),
    prune=st.booleans(),
)
def test_it_restarts_and_rebuilds_as_often_as_the_plan_says(
    localhub, hub, running, variables, hardware, visibility, text, prune
):
    (running.root / "text.txt").write_text(str(text))
    space = msgspec.structs.replace(running, variables=variables, hardware=hardware, visibility=visibility, prune=prune)
    before = starts(localhub)
    proposal = plan(space, hub)

    apply(proposal, hub)
    wait(space, hub, timeout=60)

    after = starts(localhub)
    event(f"{proposal.restarts} restarts, {proposal.rebuilds} rebuilds")
    assert (proposal.restarts, proposal.rebuilds) == (after[0] - before[0], after[1] - before[1]), proposal
