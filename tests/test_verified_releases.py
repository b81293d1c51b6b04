"""Releases that come up, or do not, on a Hub that builds and runs them: what is said, and what the ledger keeps."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import msgspec
import pytest
from huggingface_hub import HfApi

from spaceops import DeployFailed, Hub, Space, delete, deploy, get_release, list_releases, pause, wait
from spaceops.errors import NotFound, TimedOut
from spaceops.events import Event
from tests.test_releases import ask, changed, edit

SECRET = "correct-horse-battery-staple"


def kept(space: Space, **fields) -> Space:
    """The Space, left as it is when it does not come up."""
    return changed(space, on_failure="keep", **fields)


def healthy(space: Space, **fields) -> Space:
    return changed(space, health=msgspec.structs.replace(space.health, **fields))


def dies(space: Space) -> None:
    """Let the app say its secret and die when it starts."""
    words = "import os\nprint('no such model', os.environ.get('API_KEY'), flush=True)\nraise SystemExit(3)"
    edit(space, "VERSION = 1", words)


def once(said: str, act: Callable[[], object]) -> Callable[[Event], None]:
    """Whoever watches with this acts at the first event that says so."""
    left = [act]

    def watch(event: Event) -> None:
        if event.text.startswith(said) and left:
            left.pop()()

    return watch


def outcomes(space: Space, hub: Hub) -> list[tuple[str, tuple[str, ...]]]:
    """Of each release, the newest first: how it came out, and why."""
    return [(release.outcome, release.record.codes) for release in list_releases(space, hub)]


# what somebody else does meanwhile


def test_a_commit_that_follows_ours_while_it_is_built_is_told_at_once_and_not_rolled_back(space, hub, localhub):
    deploy(space, hub)
    edit(space, "VERSION = 1", "VERSION = 2")

    def push() -> None:
        other = space.root.parent / "theirs.py"
        other.write_text((space.root / "app.py").read_text().replace("VERSION = 2", "VERSION = 3"))
        hub.commit(space.repo_id, add={"app.py": str(other)}, remove=[], message="theirs", parent=None)

    with localhub.faults.add("build-hangs", repo_id=space.repo_id), pytest.raises(DeployFailed) as caught:
        deploy(space, hub, watch=once("RUNNING_BUILDING", push))

    assert ("overtaken",) == caught.value.codes
    assert [("failed", ("overtaken",)), ("running", ())] == outcomes(space, hub)
    assert b"VERSION = 3" in hub.read(space.repo_id, "app.py")


def test_a_space_that_is_paused_while_it_is_built_is_told_at_once(space, hub, localhub):
    with localhub.faults.add("build-hangs", repo_id=space.repo_id), pytest.raises(DeployFailed) as caught:
        deploy(space, hub, watch=once("BUILDING", lambda: pause(space, hub)))

    assert (("stopped",), f"spaceops restart {space.repo_id}") == (caught.value.codes, caught.value.hint)


def test_a_space_that_is_deleted_while_it_is_built_is_told_at_once(space, hub, localhub):
    with localhub.faults.add("build-hangs", repo_id=space.repo_id), pytest.raises(NotFound, match="is gone"):
        deploy(space, hub, watch=once("BUILDING", lambda: delete(space, hub)))


# what the Hub does not do


def test_an_old_version_that_serves_on_is_told_and_a_restart_cures_it(space, hub, localhub):
    deploy(space, hub)
    edit(space, "VERSION = 1", "VERSION = 2")

    with localhub.faults.add("old-sha", repo_id=space.repo_id), pytest.raises(DeployFailed) as caught:
        deploy(space, hub)
    hub.restart(space.repo_id)
    again = deploy(space, hub)

    assert (("old-version",), f"spaceops restart {space.repo_id}") == (caught.value.codes, caught.value.hint)
    assert ("running", 2, {"version": 2}) == (again.outcome, again.number, ask(again))


@pytest.mark.parametrize(
    ("fault", "last"), [("stuck-building", "===== Build Queued"), ("build-hangs", "--> Restoring cache")]
)
def test_a_build_that_does_not_end_is_told_with_what_it_said_last(space, hub, localhub, fault, last):
    space = healthy(space, timeout="3s")

    with localhub.faults.add(fault, repo_id=space.repo_id), pytest.raises(TimedOut, match="still BUILDING") as caught:
        deploy(space, hub)

    assert caught.value.log_tail[-1].startswith(last)
    assert [("failed", ("timed-out",))] == outcomes(space, hub)


def test_where_the_hub_has_no_machine_that_is_the_cause_and_nothing_is_rolled_back(space, hub, localhub):
    deploy(space, hub)
    edit(space, "VERSION = 1", "VERSION = 2")

    with localhub.faults.add("no-capacity", repo_id=space.repo_id), pytest.raises(DeployFailed, match="capacity"):
        deploy(space, hub)

    assert [("failed", ("no-capacity",)), ("running", ())] == outcomes(space, hub)


# what the app does


def test_a_protected_app_is_asked_as_everybody_may(space, hub):
    assert "running" == deploy(healthy(changed(space, visibility="protected"), body='"version": 1'), hub).outcome


def test_a_body_that_is_not_what_space_toml_says_fails_after_the_grace(space, hub):
    with pytest.raises(DeployFailed, match="answers 200 without 'version 2'") as caught:
        deploy(healthy(space, body="version 2", grace="0s"), hub)

    assert ("unhealthy",) == caught.value.codes
    assert any("asked for /" in line for line in caught.value.log_tail)


# detached


def test_waiting_for_a_detached_release_records_that_it_runs(space, hub):
    deploy(space, hub, detach=True)
    before = outcomes(space, hub)

    wait(space, hub)

    assert [("applied", ())] == before
    assert [("running", ())] == outcomes(space, hub)


@pytest.mark.parametrize(("visibility", "kept_lines"), [("public", False), ("protected", True)])
def test_why_it_failed_is_kept_with_redacted_lines_where_the_source_is_not_public(
    space, hub, monkeypatch, visibility, kept_lines
):
    monkeypatch.setenv("API_KEY", SECRET)
    space = kept(space, visibility=visibility, secrets={"API_KEY": "env:API_KEY"})
    dies(space)
    deploy(space, hub, detach=True)

    with pytest.raises(DeployFailed) as caught:
        wait(space, hub)

    record = get_release(space, hub, 1).record
    assert ("failed", ("runtime-error",), kept_lines) == (record.outcome, record.codes, bool(record.evidence))
    assert any("no such model [REDACTED:API_KEY]" in line for line in caught.value.log_tail)
    assert SECRET not in f"{caught.value}{record}"


def test_a_process_that_does_not_know_the_secrets_keeps_no_lines_that_may_hold_them(space, hub, localhub, monkeypatch):
    monkeypatch.setenv("ANOTHER_KEY", SECRET)
    space = kept(space, visibility="private", secrets={"ANOTHER_KEY": "env:ANOTHER_KEY"})
    dies(space)
    deploy(space, hub, detach=True)

    words = [sys.executable, "-m", "spaceops", "wait", space.repo_id, "--endpoint", localhub.url]
    done = subprocess.run(words, env={**os.environ, "HF_TOKEN": localhub.token}, capture_output=True, check=False)

    record = get_release(space, hub, 1).record
    assert (8, "failed", ("runtime-error",), ()) == (done.returncode, record.outcome, record.codes, record.evidence)


def test_no_lines_are_kept_while_there_is_a_secret_that_space_toml_does_not_name(space, hub, localhub):
    space = kept(space, visibility="private")
    deploy(space, hub)
    api = HfApi(endpoint=localhub.url, token=localhub.token)
    api.add_space_secret(space.repo_id, "API_KEY", "set-by-hand-and-unknown")
    dies(space)

    with pytest.raises(DeployFailed) as caught:
        deploy(space, hub)

    record = get_release(space, hub, 2).record
    assert any("set-by-hand-and-unknown" in line for line in caught.value.log_tail)  # else nothing was at stake
    assert ("failed", ("runtime-error",), ()) == (record.outcome, record.codes, record.evidence)


def test_no_lines_are_kept_of_a_space_that_became_public_meanwhile(space, hub):
    space = kept(space, visibility="private")
    dies(space)

    with pytest.raises(DeployFailed):
        deploy(space, hub, watch=once("RUNTIME_ERROR", lambda: hub.set_visibility(space.repo_id, "public")))

    record = get_release(space, hub, 1).record
    assert ("failed", ("runtime-error",), ()) == (record.outcome, record.codes, record.evidence)


def test_whoever_waits_no_longer_decides_nothing(space, hub, localhub):
    with localhub.faults.add("stuck-building", repo_id=space.repo_id):
        deploy(space, hub, detach=True)
        with pytest.raises(TimedOut, match="still BUILDING"):
            wait(space, hub, timeout=1)
    found = outcomes(space, hub)
    hub.restart(space.repo_id, factory=True)

    wait(space, hub)

    assert [("applied", ())] == found
    assert [("running", ())] == outcomes(space, hub)


def test_waiting_for_a_release_after_which_somebody_pushed_says_so(space, hub):
    deploy(space, hub, detach=True)
    hub.commit(space.repo_id, add={"x.py": str(space.root / "app.py")}, remove=[], message="theirs", parent=None)

    with pytest.raises(DeployFailed, match="somebody pushed after it"):
        wait(space, hub)

    assert [("failed", ("overtaken",))] == outcomes(space, hub)


def test_a_failure_that_cannot_be_recorded_is_told_all_the_same(space, hub, localhub):
    space = kept(space)
    dies(space)
    seen: list[Event] = []
    writing = {"method": "POST", "path": "*/commit/spaceops*", "repo_id": space.repo_id}

    def watch(event: Event) -> None:
        seen.append(event)
        if event.text.startswith("RUNTIME_ERROR"):
            localhub.faults.add("status", status=500, **writing)

    with pytest.raises(DeployFailed, match="RUNTIME_ERROR"):
        deploy(space, hub, watch=watch)

    assert any(event.text.startswith("the failure could not be recorded") for event in seen)
    localhub.faults.clear()
