"""What a plan says that it does to the app, and what the local Hub counts of it."""

from __future__ import annotations

import time

import msgspec
import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from spaceops import Hub, LocalHub, Space, plan
from spaceops.planning import plan_rollback
from spaceops.plans import SETTINGS, Effect
from spaceops.releases import apply
from spaceops.spec import BUSY_STAGES, Volume
from tests.test_comparison import rows_of
from tests.test_plans import KEY, observed, planned, space


def test_only_making_it_private_takes_the_app_away_from_anybody():
    kinds = ("public", "protected", "private")
    moves = [(now, wanted) for now in kinds for wanted in kinds]

    effects = {
        (now, wanted): planned(space(visibility=wanted), observed(visibility=now)).effects for now, wanted in moves
    }

    closing = {("public", "private"), ("protected", "private")}
    assert {move: {Effect.DOWNTIME} if move in closing else set() for move in moves} == effects


@pytest.fixture
def api(localhub: LocalHub) -> HfApi:
    return HfApi(endpoint=localhub.url, token=localhub.token)


README = "---\ntitle: Small\nsdk: docker\n---\n"


def push(api: HfApi, space: Space, **texts: str) -> None:
    """Commit the app, some of its files replaced."""
    files = {path.name: path.read_bytes() for path in space.root.iterdir()}
    files |= {name.replace("_", "."): text.encode() for name, text in texts.items()}
    operations = [CommitOperationAdd(name, content) for name, content in files.items()]
    api.create_commit(space.repo_id, operations, repo_type="space", commit_message="by hand")


def quiet(api: HfApi, repo_id: str) -> str:
    """The stage in which the Space stays."""
    deadline = time.monotonic() + 30
    while (stage := api.get_space_runtime(repo_id).stage) in BUSY_STAGES and time.monotonic() < deadline:
        time.sleep(0.02)
    assert stage not in BUSY_STAGES
    return str(stage)


def nothing_yet(api, space, localhub):
    pass


def running(api, space, localhub):
    push(api, space)


def paused(api, space, localhub):
    push(api, space)
    quiet(api, space.repo_id)
    api.pause_space(space.repo_id)


def sleeping(api, space, localhub):
    push(api, space)
    quiet(api, space.repo_id)
    api.request_space_hardware(space.repo_id, "t4-small", sleep_time=300)
    quiet(api, space.repo_id)
    localhub.clock.advance(1000)
    deadline = time.monotonic() + 30
    while api.get_space_runtime(space.repo_id).stage != "SLEEPING" and time.monotonic() < deadline:
        time.sleep(0.02)


def never_built(api, space, localhub):
    push(api, space, Dockerfile="FROM python:3.11-slim\nRUN false\n")


def not_built_any_more(api, space, localhub):
    push(api, space)
    quiet(api, space.repo_id)
    push(api, space, Dockerfile="FROM python:3.11-slim\nRUN false\n")


def crashing(api, space, localhub):
    push(api, space, app_py="raise SystemExit(3)")


def without_sdk(api, space, localhub):
    push(api, space, README_md="---\ntitle: Small\n---\n")


def colliding(api, space, localhub):
    api.add_space_variable(space.repo_id, "LEVEL", "info")
    api.add_space_secret(space.repo_id, "LEVEL", "value of a secret")
    push(api, space)


def under_way(api, space, localhub):
    localhub.faults.add("build-hangs", repo_id=space.repo_id, times=1)
    push(api, space)


def counted(localhub: LocalHub, space: Space) -> tuple[int, int]:
    counters = localhub.counters(space.repo_id)
    return counters["restarts"], counters["rebuilds"]


STATES = {
    nothing_yet: ("NO_APP_FILE", (0, 0), (0, 1)),
    running: ("RUNNING", (1, 0), (0, 1)),
    paused: ("PAUSED", (0, 0), (0, 0)),
    sleeping: ("SLEEPING", (0, 0), (0, 1)),
    never_built: ("BUILD_ERROR", (0, 0), (0, 1)),
    not_built_any_more: ("BUILD_ERROR", (0, 1), (0, 1)),
    crashing: ("RUNTIME_ERROR", (1, 0), (0, 1)),
    without_sdk: ("CONFIG_ERROR", (0, 0), (0, 1)),
    colliding: ("CONFIG_ERROR", (0, 1), (0, 1)),
    under_way: ("BUILDING", (0, 0), (0, 1)),
}


@pytest.mark.parametrize("bring", STATES, ids=lambda bring: bring.__name__)
def test_the_effects_of_a_plan_are_what_the_local_hub_counts(bring, space: Space, hub: Hub, api, localhub):
    stage, of_settings, of_files = STATES[bring]
    api.create_repo(space.repo_id, repo_type="space", space_sdk="docker")
    bring(api, space, localhub)
    assert stage == (quiet(api, space.repo_id) if stage != "BUILDING" else hub.observe(space.repo_id).stage)
    wanted = msgspec.structs.replace(space, variables={"LEVEL": "debug"})

    for part, expected in (("variables", of_settings), ("files", of_files)):
        (space.root / "new.txt").write_text("something new")
        proposal, was = plan(wanted, hub, only={part}), counted(localhub, space)
        apply(proposal, hub)
        if stage != "BUILDING" or part == "files":
            quiet(api, space.repo_id)
        now = counted(localhub, space)
        assert expected == (proposal.restarts, proposal.rebuilds) == (now[0] - was[0], now[1] - was[1]), part


def done_once(make_plan, hub: Hub) -> list[str]:
    """Apply a plan, after which the same plan made again is empty; the rows that said that something happens."""
    proposal = make_plan()
    apply(proposal, hub)
    assert not make_plan()
    return [row for row in rows_of(proposal) if row[0] in "+~-"]


def test_what_is_pruned_is_gone_and_the_next_plan_is_empty(space: Space, hub: Hub, api):
    api.create_repo(space.repo_id, repo_type="space", space_sdk="docker")
    api.add_space_variable(space.repo_id, "OLD", "1")
    api.add_space_secret(space.repo_id, "HANDMADE", "value of a secret")

    rows = done_once(lambda: plan(space, hub, only=SETTINGS, prune=True), hub)

    assert [
        "- variable OLD not in space.toml, destroys its value",
        "- secret HANDMADE not in space.toml, destroys its value",
    ] == rows
    found = hub.observe(space.repo_id)
    assert ({}, {}) == (found.variables, found.secrets)


def test_a_rollback_of_settings_ends_where_the_release_was(space: Space, hub: Hub, api, monkeypatch):
    monkeypatch.setenv("API_KEY", KEY.reveal())
    api.create_bucket("demo/state", exist_ok=True)
    old = msgspec.structs.replace(space, variables={"A": "1"}, secrets={"API_KEY": "env:API_KEY"})
    apply(plan(old, hub, only=SETTINGS), hub)
    monkeypatch.setenv("API_KEY", "another value of it")
    volume = Volume(source="hf://buckets/demo/state", mount="/data")
    new = msgspec.structs.replace(old, variables={"A": "2", "B": "1"}, hardware="t4-small", volumes=(volume,))
    apply(plan(new, hub, only=SETTINGS), hub)

    proposal = plan_rollback(space, hub, 1)
    rows = done_once(lambda: plan_rollback(space, hub, 1), hub)

    assert [
        "~ hardware t4-small -> cpu-basic -$0.40/h",
        "~ variable A = 2 -> 1",
        "- variable B came after release 1",
        "- volumes demo/state at /data came after release 1, detached, keeps its content",
    ] == rows
    assert "! secret API_KEY its value of release 1 is gone; it stays as release 2 set it" in rows_of(proposal)
    found = hub.observe(space.repo_id)
    assert ({"A": "1"}, "cpu-basic", ()) == (found.variables, found.hardware, found.runtime.volumes)
