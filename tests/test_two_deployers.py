"""Two who deploy to one Space at the same time: each is done or told to look again, and nothing of either is lost.

`SPACEOPS_ROUNDS` sets how often they race. Answers come late at random, so that the requests of both are mixed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier

import msgspec
import pytest

from spaceops import Hub, LocalHub, Space, apply, deploy, errors, ledger, plan
from spaceops.ledger import record_of
from spaceops.releases import plan_rollback

ROUNDS = int(os.environ.get("SPACEOPS_ROUNDS", "4"))
LATE = 0.03  # seconds
REFUSALS = (errors.Locked, errors.PlanStale)


@pytest.fixture(autouse=True)
def _nothing_is_built(localhub: LocalHub) -> Iterator[None]:
    with localhub.faults.add("stuck-building"):
        yield


@pytest.fixture
def late(localhub: LocalHub) -> Iterator[None]:
    """Half of all answers come late."""
    with localhub.faults.add("slow", seconds=LATE, probability=0.5):
        yield


def wanted(space: Space, name: str, text: str, **variables: str) -> Space:
    """What one of them wants: a file that says whose it is, and variables."""
    folder = space.folder / name
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text('FROM busybox\nCMD ["sh", "-c", "true"]\n')
    (folder / "README.md").write_text("---\ntitle: Two\nsdk: docker\n---\n")
    (folder / "whose.txt").write_text(text)
    return msgspec.structs.replace(space, source=str(folder), variables={"WHOSE": text, **variables})


def attempt(space: Space, localhub: LocalHub) -> str:
    """One try: `applied`, `unchanged`, or the code of the refusal; any other error is none of those allowed."""
    hub = Hub(localhub.url, token=localhub.token)
    try:
        return apply(plan(space, hub, overwrite=True), hub).outcome
    except REFUSALS as error:
        return error.code


def insist(space: Space, localhub: LocalHub) -> int:
    """Try until it is applied, as people do; how often that took."""
    for tries in range(1, 30):
        if attempt(space, localhub) in ("applied", "unchanged"):
            return tries
    raise AssertionError("never applied")


def race(*turns) -> list:
    """Let functions start at the same moment; what they return."""
    barrier = Barrier(len(turns))

    def start(turn):
        barrier.wait()
        return turn()

    with ThreadPoolExecutor(len(turns)) as pool:
        return [future.result() for future in [pool.submit(start, turn) for turn in turns]]


def assert_is_what_the_ledger_says(space: Space, hub: Hub) -> None:
    observed, known = hub.observe(space.repo_id), ledger.read(space.repo_id, hub)
    record = record_of(space.repo_id, hub, known.index.last)
    assert ("applied", None) == (known.index.outcome, known.index.lock)
    assert observed.sha == record.sha == known.index.sha
    assert dict(record.settings.variables).items() <= observed.variables.items()
    assert hub.read(space.repo_id, "whose.txt").decode() == observed.variables["WHOSE"]


def test_of_two_who_deploy_at_once_the_space_is_what_the_last_release_says(space, hub, localhub, late):
    apply(plan(wanted(space, "first", "nobody"), hub), hub)
    applied = 1

    for number in range(ROUNDS):
        spaces = [wanted(space, name, f"{name} {number}") for name in ("first", "second")]
        ends = race(*(partial(attempt, one, localhub) for one in spaces))
        applied += ends.count("applied")

        assert set(ends) <= {"applied", "locked", "plan-stale"}
        assert "applied" in ends
        assert_is_what_the_ledger_says(space, hub)

    assert list(range(1, applied + 1)) == numbers(space, hub)


def numbers(space: Space, hub: Hub) -> list[int]:
    newest = ledger.read(space.repo_id, hub).index.last
    found = ledger.records(space.repo_id, hub, newest=newest + 3, count=1000)
    assert {"applied"} == {record.outcome for record in found}
    return sorted(record.number for record in found)


def test_what_both_insist_on_is_all_there_in_the_end(space, hub, localhub, late):
    """Each sets variables of its own: no update is lost, and no release made twice."""
    for number in range(ROUNDS):
        spaces = [wanted(space, name, f"{number}", **{f"{name}_{number}": "1"}) for name in ("FIRST", "SECOND")]
        race(*(partial(insist, one, localhub) for one in spaces))

    variables = hub.observe(space.repo_id).variables
    assert {f"{name}_{number}" for name in ("FIRST", "SECOND") for number in range(ROUNDS)} <= variables.keys()
    assert_is_what_the_ledger_says(space, hub)
    found = numbers(space, hub)
    assert list(range(1, len(found) + 1)) == found


def test_of_two_who_create_the_same_space_both_end_and_one_is_last(space, hub, localhub, late):
    for number in range(ROUNDS):
        new = msgspec.structs.replace(space, repo_id=f"{space.repo_id}-{number}")
        spaces = [wanted(new, name, name) for name in ("first", "second")]
        ends = race(*(partial(attempt, one, localhub) for one in spaces))

        assert set(ends) <= {"applied", "locked", "plan-stale"}
        insist(wanted(new, "first", "in the end"), localhub)
        assert "in the end" == hub.observe(new.repo_id).variables["WHOSE"]
        assert_is_what_the_ledger_says(new, hub)


def test_a_rollback_and_a_deploy_at_once_are_one_after_the_other(space, hub, localhub, late):
    apply(plan(wanted(space, "first", "one"), hub), hub)
    apply(plan(wanted(space, "first", "two"), hub), hub)

    def back() -> str:
        mine = Hub(localhub.url, token=localhub.token)
        try:
            return apply(plan_rollback(space, mine, 1), mine).outcome
        except REFUSALS as error:
            return error.code

    for number in range(ROUNDS):
        ends = race(back, partial(attempt, wanted(space, "first", f"three {number}"), localhub))

        assert set(ends) <= {"applied", "unchanged", "locked", "plan-stale"}
        assert_is_what_the_ledger_says(space, hub)


def test_a_plan_is_applied_once(space, hub, localhub):
    proposal = plan(wanted(space, "first", "once"), hub)
    apply(proposal, hub)
    changed = plan(wanted(space, "first", "twice"), hub)
    apply(changed, hub)
    before = ledger.read(space.repo_id, hub)

    for again in (proposal, changed):
        with pytest.raises(errors.PlanStale):
            apply(again, hub)

    assert before.head == ledger.read(space.repo_id, hub).head


def test_a_plan_for_a_space_that_was_deleted_and_made_anew_reaches_nobody(space, hub, localhub, monkeypatch):
    """Its name may be another's by now: no secret goes there."""
    monkeypatch.setenv("API_KEY", "not for strangers")
    apply(plan(wanted(space, "first", "mine"), hub), hub)
    with_secret = msgspec.structs.replace(wanted(space, "first", "mine"), secrets={"API_KEY": "env:API_KEY"})
    proposal = plan(with_secret, hub)
    hub.delete(space.repo_id)
    hub.create(space.repo_id, visibility=None, settings={})

    with pytest.raises((errors.PlanStale, errors.NotFound, errors.Conflict)):
        apply(proposal, hub)

    assert {} == hub.secrets.ls(space.repo_id)


@pytest.mark.parametrize("when", ["before the plan", "before it is applied"])
def test_a_space_that_has_another_name_by_now_gets_no_secret_under_its_old_one(space, hub, localhub, monkeypatch, when):
    from huggingface_hub import HfApi

    monkeypatch.setenv("API_KEY", "not for strangers")
    mine = msgspec.structs.replace(wanted(space, "first", "mine"), secrets={"API_KEY": "env:API_KEY"})
    apply(plan(wanted(space, "first", "mine"), hub), hub)
    proposal = plan(mine, hub)
    moved = f"{space.repo_id}-moved"
    HfApi(endpoint=localhub.url, token=localhub.token).move_repo(space.repo_id, moved, repo_type="space")

    with pytest.raises(errors.NotFound, match="another name now"):
        apply(plan(mine, hub) if when == "before the plan" else proposal, hub)

    assert {} == hub.secrets.ls(moved)


def test_another_process_that_lives_is_waited_for_and_told_by_name(space, hub, localhub, tmp_path: Path):
    """The second deploy of a notebook, while the first one is at work in the same folder."""
    first = wanted(space, "first", "first")
    apply(plan(first, hub), hub)
    seen: list[str] = []

    def meanwhile(event: object) -> None:
        if "set variable" in str(event):
            seen.append(attempt(wanted(space, "second", "second"), localhub))

    deploy(wanted(space, "first", "first again"), hub, watch=meanwhile, detach=True)

    assert ["locked"] == seen
    assert_is_what_the_ledger_says(space, hub)
