"""Drift: what somebody changed on the Hub since the newest release, and nothing else; and how two releases differ."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from huggingface_hub import HfApi
from msgspec.structs import replace

from spaceops import LocalHub, Secret, Space, deploy, plan
from spaceops.deviations import Drift, difference, drift
from spaceops.errors import NotFound
from spaceops.records import BRANCH, INDEX, Index, Record, decoded, encoded
from spaceops.spec import short
from tests.test_releases import changed, edit


@pytest.fixture
def api(localhub: LocalHub) -> HfApi:
    """Somebody who changes the Space without spaceops."""
    return HfApi(endpoint=localhub.url, token=localhub.token)


@pytest.fixture
def released(space, hub, localhub, monkeypatch) -> Space:
    """A Space with a variable, two secrets and an hour of age."""
    monkeypatch.setenv("API_KEY", "correct horse battery")
    monkeypatch.setenv("OTHER_KEY", "another horse")
    secrets = {key: f"env:{key}" for key in ("API_KEY", "OTHER_KEY")}
    space = changed(space, visibility="public", variables={"LEVEL": "info"}, secrets=secrets)
    deploy(space, hub, detach=True)
    localhub.clock.advance(3700)
    return space


def rows(found) -> set[tuple[str, str, str | None]]:
    """What counts, without its words."""
    return {(change.sign, change.subject, change.key) for change in found.changes if change.counts}


def test_right_after_a_release_nothing_has_drifted(released, hub):
    found = drift(released, hub)

    assert not found
    assert f"{released.repo_id} against release 1 (by demo, 1h ago)" == str(found).splitlines()[0]
    assert "Nothing was changed since then." == str(found).splitlines()[-1]


@pytest.mark.parametrize(
    "fields", [{}, {"hardware": "t4-small"}, {"hardware": "t4-small", "sleep_time": "1h"}, {"visibility": "private"}]
)
def test_what_releases_leave_behind_is_no_drift(space, hub, fields):
    """Also a sleep time that nobody asked for, which the Hub changes with the hardware."""
    deploy(space, hub, detach=True)
    after_creating = drift(space, hub)
    deploy(changed(space, **fields), hub, detach=True)

    assert (False, False) == (bool(after_creating), bool(drift(space, hub))), str(drift(space, hub))


def test_variables_that_were_changed_added_or_removed(released, hub, api):
    api.add_space_variable(released.repo_id, "LEVEL", "debug\nx\x1b[31m")
    api.add_space_variable(released.repo_id, "EXTRA", "1")

    found = drift(released.repo_id, hub)

    assert {("~", "variable", "LEVEL"), ("+", "variable", "EXTRA")} == rows(found)
    assert r"LEVEL = info -> debug\nx\x1b[31m" in str(found)
    api.delete_space_variable(released.repo_id, "LEVEL")
    assert ("-", "variable", "LEVEL") in rows(drift(released, hub))


def test_a_variable_that_was_there_before_the_release_is_no_drift(space, hub, api, localhub):
    hub.create(space.repo_id, visibility=None, settings={"space_variables": [{"key": "OLD", "value": "1"}]})
    localhub.clock.advance(60)
    deploy(changed(space, variables={"LEVEL": "info"}), hub, detach=True)

    assert not drift(space, hub)


def test_secrets_that_were_set_added_or_deleted(released, hub, api):
    api.add_space_secret(released.repo_id, "API_KEY", "somebody's own")
    api.delete_space_secret(released.repo_id, "OTHER_KEY")
    api.add_space_secret(released.repo_id, "NEW_KEY", "somebody's own")

    found = drift(released, hub)

    assert {("~", "secret", "API_KEY"), ("-", "secret", "OTHER_KEY"), ("+", "secret", "NEW_KEY")} == rows(found)
    assert "by hand" in next(change.note for change in found.changes if change.key == "API_KEY")


def test_a_secret_whose_fingerprint_stayed_is_found_by_its_age(released, hub):
    """The plan calls it unchanged: the description still tells of the old value."""
    description = hub.secrets.ls(released.repo_id)["API_KEY"].description
    hub.secrets.set(released.repo_id, "API_KEY", Secret("somebody's own", "API_KEY"), description=description)

    assert not plan(released, hub)
    assert {("~", "secret", "API_KEY")} == rows(drift(released, hub))


def test_a_secret_of_an_older_release_is_compared_with_the_newest(released, hub, api, localhub):
    deploy(changed(released, variables={"LEVEL": "debug"}), hub, detach=True)
    untouched = drift(released, hub)
    localhub.clock.advance(5)
    api.add_space_secret(released.repo_id, "API_KEY", "somebody's own")

    assert not untouched
    assert {("~", "secret", "API_KEY")} == rows(drift(released, hub))


def test_hardware_sleep_time_visibility_and_volumes(released, hub, api):
    api.request_space_hardware(released.repo_id, "t4-small", sleep_time=3600)
    api.update_repo_settings(released.repo_id, repo_type="space", visibility="private")
    volume = {"type": "space", "source": released.repo_id, "mountPath": "/data", "readOnly": True}
    hub.volumes.set(released.repo_id, [volume])

    found = str(drift(released, hub))

    assert "cpu-basic -> t4-small" in found
    assert "public -> private" in found
    assert "none -> demo/hardware-sleep-time" in found
    assert "3 changes since then." in found  # the sleep time came with the machine


def test_files_by_whom_and_in_which_commits(released, hub, api):
    before = hub.observe(released.repo_id).sha
    upload = {"repo_id": released.repo_id, "repo_type": "space"}
    api.upload_file(path_or_fileobj=b"theirs", path_in_repo="new.txt", commit_message="Add mine", **upload)
    api.delete_file("app.py", commit_message="Drop yours\x1b[2J", **upload)

    found = drift(released, hub)

    moved = f"main moved from {short(before)} to {short(hub.observe(released.repo_id).sha)}"
    assert [("1 added, 1 removed", moved)] == [(change.text, change.note) for change in found.changes]
    assert ["Drop yours\x1b[2J", "Add mine"] == [commit.title for commit in found.commits]
    assert ("      - app.py", "      + new.txt") == tuple(str(found).splitlines()[-3:-1])
    assert "(demo, " in str(found)
    assert "\x1b" not in str(found)
    data = json.loads(json.dumps(found.as_dict()))
    assert (True, 1, ["new.txt"], "Add mine") == (
        data["drifted"],
        data["release"],
        data["files"]["added"],
        data["commits"][1]["title"],
    )


def test_a_rewritten_history_is_said(released, hub, api):
    edit(released, "VERSION = 1", "VERSION = 2")
    deploy(released, hub, detach=True)
    api.super_squash_history(released.repo_id, repo_type="space")

    (change,) = drift(released, hub).changes

    assert "the same content" == change.text
    assert change.note.startswith("main moved from ")


def test_a_commit_that_is_nowhere_any_more_is_said(released, hub, api):
    """The real Hub may forget commits that no branch leads to; here a ledger stands for it that knows another."""
    branch = hub.branch(released.repo_id, BRANCH)
    found = branch.read(INDEX)
    index = replace(decoded(Index, found.content, INDEX), sha="0123456" + "0" * 33)
    branch.write({INDEX: encoded(index)}, "somebody's own", found.head)

    (change,) = drift(released, hub).changes

    assert "the history was rewritten" == change.text
    assert change.note.startswith("main moved from 0123456 to ")


def test_a_release_that_was_not_finished_is_said():
    record = Record(number=4, outcome="deploying", by="ada\x1b", started="2026-11-23T10:00:00+00:00")
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)

    found = Drift("acme/demo", record, now=now)

    assert r"acme/demo against release 4 (by ada\x1b, 2h ago, which was not finished)" == str(found).splitlines()[0]
    assert "<pre>acme/demo against release 4" in found._repr_html_()


def test_without_a_release_there_is_nothing_to_differ_from(space, hub):
    hub.create(space.repo_id, visibility=None, settings={})

    found = drift(space, hub)

    assert (False, None) == (bool(found), found.as_dict()["release"])
    assert f"{space.repo_id} has no releases yet" in str(found)


def test_a_space_that_does_not_exist_is_not_found(space, hub):
    with pytest.raises(NotFound, match="does not exist"):
        drift(space, hub)


def test_looking_for_drift_changes_nothing_and_asks_little(released, hub, localhub):
    localhub.requests.clear()

    drift(released, hub)

    asked = list(localhub.requests)
    assert {"GET"} == {method for method, _ in asked}
    assert len(asked) <= 6, asked


def test_two_releases_differ_in_settings_secrets_and_files(released, hub, monkeypatch):
    monkeypatch.setenv("API_KEY", "a better horse")
    (released.root / "new.txt").write_text("new")
    later = changed(released, variables={"LEVEL": "debug"}, secrets={"API_KEY": "env:API_KEY"}, hardware="t4-small")
    deploy(later, hub, detach=True)

    found = difference(released, hub, 1, 2)
    back = difference(released.repo_id, hub, 2, 1)

    assert f"{released.repo_id}: release 1 -> 2" == str(found).splitlines()[0]
    assert {"hardware", "variable", "secret", "files"} == {change.subject for change in found.changes}
    assert "LEVEL = info -> debug" in str(found)
    assert "sent by release 2" in str(found)
    assert "      + new.txt" == str(found).splitlines()[-1]
    assert "      - new.txt" == str(back).splitlines()[-1]
    assert ["new.txt"] == found.as_dict()["files"]["added"]


def test_a_release_does_not_differ_from_itself(released, hub):
    found = difference(released, hub, 1, 1)

    assert (False, "No differences.") == (bool(found), str(found).splitlines()[-1])


def test_a_release_that_is_not_there_cannot_be_compared(released, hub):
    with pytest.raises(NotFound, match="no release 9"):
        difference(released, hub, 1, 9)
