"""Going back: by a command, and by itself when a new version does not come up."""

from __future__ import annotations

import pytest
from huggingface_hub import HfApi

from spaceops import (
    Hub,
    LocalHub,
    RolledBack,
    Space,
    apply,
    deploy,
    get_release,
    list_releases,
    plan,
    rollback,
    status,
    wait,
)
from spaceops.errors import DeployFailed, NotFound
from spaceops.planning import plan_rollback
from spaceops.spec import Health
from tests.test_releases import ask, changed, edit, starts


@pytest.fixture
def api(localhub: LocalHub) -> HfApi:
    return HfApi(endpoint=localhub.url, token=localhub.token)


def broken(space: Space) -> None:
    """Let the app die when it starts."""
    edit(space, "VERSION = ", "raise SystemExit('no such model')\nVERSION = ")


def test_rolling_back_brings_back_files_and_settings_as_a_new_release(space, hub, api):
    first = deploy(changed(space, variables={"LEVEL": "info"}), hub)
    edit(space, "VERSION = 1", "VERSION = 2")
    (space.root / "new.txt").write_text("came later")
    second = deploy(changed(space, variables={"LEVEL": "debug", "EXTRA": "1"}), hub)

    back = rollback(space, hub)

    seen = ask(back, "/env")["env"]
    assert ("running", 3, 1) == (back.outcome, back.number, back.record.restores)
    assert ({"version": 1}, "info", None) == (ask(back), seen["LEVEL"], seen.get("EXTRA"))
    assert first.sha != back.sha != second.sha
    assert "new.txt" not in hub.observe(space.repo_id).files


def test_the_commit_of_a_rollback_has_the_old_tree_and_the_old_commit_as_second_parent(space, hub, localhub, tmp_path):
    first = deploy(space, hub, detach=True)
    edit(space, "VERSION = 1", "VERSION = 2")
    second = deploy(space, hub, detach=True)

    back = rollback(space, hub, 1, detach=True)

    from git import Repo

    url = f"{localhub.url}/spaces/{space.repo_id}".replace("://", f"://demo:{localhub.token}@")
    with Repo.clone_from(url, tmp_path / "clone") as repo:
        made = repo.commit(back.sha)
        assert [second.sha, first.sha] == [parent.hexsha for parent in made.parents]
        assert repo.commit(first.sha).tree.hexsha == made.tree.hexsha
        assert "Spaceops-Release: 3" in made.message


def test_rolling_back_to_what_runs_changes_nothing(space, hub, localhub):
    deploy(space, hub)
    counted = starts(localhub, space)

    back = rollback(space, hub, 1)

    assert ("unchanged", counted) == (back.outcome, starts(localhub, space))
    assert 1 == len(list_releases(space, hub))


def test_rolling_back_twice_goes_further_back(space, hub):
    for version in (1, 2, 3):
        edit(space, f"VERSION = {version - 1}", f"VERSION = {version}")
        deploy(space, hub)

    assert [2, 1] == [rollback(space, hub).record.restores for _ in range(2)]


def test_without_a_release_there_is_nothing_to_go_back_to(space, hub):
    hub.create(space.repo_id, visibility=None, settings={})

    with pytest.raises(NotFound, match="no releases"):
        rollback(space, hub)


def test_a_release_that_is_not_there_is_said(space, hub):
    deploy(space, hub, detach=True)

    with pytest.raises(NotFound, match="no release 7"):
        rollback(space, hub, 7)


def test_the_plan_says_which_secret_cannot_be_restored(space, hub, monkeypatch):
    space = changed(space, secrets={"API_KEY": "env:API_KEY"})
    monkeypatch.setenv("API_KEY", "correct horse battery")
    deploy(space, hub)
    monkeypatch.setenv("API_KEY", "staple and more")
    deploy(space, hub)

    proposal = plan_rollback(space, hub, 1)

    assert ["API_KEY"] == [change.key for change in proposal.changes if change.subject == "secret"]
    assert "gone" in str(proposal)


def test_the_plan_names_the_files_of_others_that_go(space, hub, api):
    deploy(space, hub, detach=True)
    (space.root / "ours.txt").write_text("came later")
    deploy(space, hub, detach=True)
    api.upload_file(
        path_or_fileobj=b"1", path_in_repo="theirs.txt", repo_id=space.repo_id, repo_type="space", commit_message="x"
    )

    proposal = plan_rollback(space, hub, 1)

    assert ("ours.txt", "theirs.txt") == proposal.files.removed
    assert ["theirs.txt"] == [change.text for change in proposal.changes if "of no release, goes" in change.note]


def test_a_version_that_does_not_come_up_is_rolled_back_by_itself(space, hub, localhub):
    good = deploy(space, hub)
    broken(space)

    with pytest.raises(RolledBack, match="release 1 was restored") as caught:
        deploy(space, hub)

    assert 9 == caught.value.exit_code
    assert caught.value.hint.startswith(f"spaceops releases {space.repo_id} diff 1 2 ")
    assert [("running", 3), ("failed", 2), ("running", 1)] == [(r.outcome, r.number) for r in list_releases(space, hub)]
    assert ("runtime-error",) == get_release(space, hub, 2).record.codes
    assert ask(good) == {"version": 1}
    assert localhub.counters(space.repo_id)["rebuilds"] == 3


def test_the_first_version_that_does_not_come_up_is_kept_as_it_is(space, hub):
    broken(space)

    with pytest.raises(DeployFailed, match="RUNTIME_ERROR") as caught:
        deploy(space, hub)

    assert 8 == caught.value.exit_code
    assert ["failed"] == [release.outcome for release in list_releases(space, hub)]


@pytest.mark.parametrize(("on_failure", "stage"), [("keep", "RUNTIME_ERROR"), ("pause", "PAUSED")])
def test_what_happens_to_a_failure_is_the_users_choice(space, hub, on_failure, stage):
    deploy(space, hub)
    broken(space)

    with pytest.raises(DeployFailed) as caught:
        deploy(changed(space, on_failure=on_failure), hub)

    assert not isinstance(caught.value, RolledBack)
    assert stage == status(space, hub).stage


def test_that_it_was_paused_for_its_failure_does_not_replace_the_cause(space, hub):
    deploy(space, hub)
    broken(space)
    for _ in range(2):
        with pytest.raises(DeployFailed):
            deploy(changed(space, on_failure="pause"), hub)

    release = get_release(space, hub, 2)

    assert ("failed", ("runtime-error",)) == (release.outcome, release.record.codes)


def test_a_release_that_runs_in_the_end_has_no_cause_of_failure(space, hub):
    deploy(space, hub)
    wrong = changed(space, variables={"LEVEL": "1"}, on_failure="keep", health=Health(status=404, grace="0s"))
    with pytest.raises(DeployFailed):
        deploy(wrong, hub)
    assert ("unhealthy",) == get_release(space, hub, 2).record.codes

    deploy(changed(wrong, health=space.health), hub)

    release = get_release(space, hub, 2)
    assert ("running", (), ()) == (release.outcome, release.record.codes, release.record.evidence)


def test_waiting_for_a_detached_release_rolls_it_back_too(space, hub):
    deploy(space, hub)
    broken(space)
    deploy(space, hub, detach=True)

    with pytest.raises(RolledBack):
        wait(space, hub)

    assert "RUNNING" == wait(space, hub).stage


def test_waiting_goes_on_where_a_failure_was_recorded_and_nothing_more(space, hub):
    deploy(space, hub)
    broken(space)

    def stop(event):
        if "rolling back" in event.text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        deploy(space, hub, watch=stop)
    with pytest.raises(RolledBack):
        wait(space, hub)

    assert [("running", 3), ("failed", 2)] == [(r.outcome, r.number) for r in list_releases(space, hub)[:2]]


def test_a_rollback_by_itself_names_the_files_of_others_that_it_takes_away(space, hub):
    deploy(space, hub)
    theirs = space.root / "app.py"
    hub.commit(space.repo_id, add={"theirs.txt": str(theirs)}, remove=[], message="theirs", parent=None)
    broken(space)
    told = []

    with pytest.raises(RolledBack):
        deploy(space, hub, watch=lambda event: told.append(event.text))

    assert [text for text in told if text.startswith("theirs.txt: of no release, goes")]


def test_deploying_again_takes_over_where_a_detached_deploy_stopped(space, hub):
    deploy(space, hub, detach=True)

    release = deploy(space, hub)

    assert ("running", 1) == (release.outcome, release.number)
    assert ["running"] == [release.outcome for release in list_releases(space, hub)]


def test_a_plan_that_was_made_before_another_release_is_refused(space, hub, localhub):
    from spaceops import apply, plan
    from spaceops.errors import PlanStale

    deploy(space, hub, detach=True)
    stale = plan(changed(space, variables={"A": "1"}), hub)
    deploy(changed(space, variables={"A": "2"}), Hub(localhub.url, token=localhub.token), detach=True)

    with pytest.raises(PlanStale, match="another release"):
        apply(stale, hub)

    assert {"A": "2"} == hub.variables.ls(space.repo_id)


@pytest.mark.parametrize("on_failure", ["rollback", "pause"])
def test_a_failure_leaves_the_release_alone_that_somebody_else_made_meanwhile(space, hub, on_failure):
    deploy(space, hub)
    broken(space)
    theirs = changed(space, variables={"THEIRS": "1"})
    seen = []

    def watch(event) -> None:
        seen.append(event.text)
        if event.text.startswith("RUNTIME_ERROR") and len(list_releases(space, hub)) == 2:
            apply(plan(theirs, hub, only={"variables"}), hub)

    with pytest.raises(DeployFailed) as caught:
        deploy(changed(space, on_failure=on_failure), hub, watch=watch)

    assert not isinstance(caught.value, RolledBack)
    assert "release 3 was made meanwhile, and stays" in seen
    assert ["applied", "failed", "running"] == [release.outcome for release in list_releases(space, hub)]
    assert ("1", False) == (hub.variables.ls(space.repo_id)["THEIRS"], status(space, hub).stage == "PAUSED")


@pytest.mark.parametrize(
    ("on_failure", "fails", "said"),
    [("rollback", "*/resolve/spaceops/*", "rolled back"), ("pause", "*/pause", "paused")],
)
def test_a_failure_is_told_also_where_nothing_can_be_done_about_it(space, hub, localhub, on_failure, fails, said):
    deploy(space, hub)
    broken(space)
    seen = []

    def watch(event) -> None:
        seen.append(event.text)
        if event.text.startswith("RUNTIME_ERROR"):
            localhub.faults.add("status", status=500, path=fails)

    with pytest.raises(DeployFailed, match="RUNTIME_ERROR"):
        deploy(changed(space, on_failure=on_failure), hub, watch=watch)

    localhub.faults.clear()
    assert any(text.startswith(f"it could not be {said}") for text in seen)
