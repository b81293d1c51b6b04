"""A Space that exists: status, pausing, restarting; and deploys that fail, which say why and leave the old version."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request

import msgspec
import pytest

from spaceops import DeployFailed, deploy, pause, restart, status, wait
from spaceops.errors import NotFound


def version_at(host: str) -> int:
    with urllib.request.urlopen(host, timeout=10) as answer:
        return json.load(answer)["version"]


def edit(space, old: str, new: str, file: str = "app.py") -> None:
    path = space.root / file
    path.write_text(path.read_text().replace(old, new))


def kept(space):
    """The Space, left as it is when it does not come up."""
    return msgspec.structs.replace(space, on_failure="keep")


def test_a_failed_build_shows_its_last_step_and_the_old_version_still_answers(space, hub):
    space = kept(space)
    good = deploy(space, hub)
    edit(space, "COPY app.py .", "COPY app.py .\nRUN python -c \"raise SystemExit('no such thing')\"", "Dockerfile")

    with pytest.raises(DeployFailed) as caught:
        deploy(space, hub)

    error = caught.value
    assert 7 == error.exit_code
    assert "BUILD_ERROR" in error.message
    assert any("no such thing" in line for line in error.log_tail)
    assert any(line.startswith("-->") for line in error.log_tail)
    assert 1 == version_at(good.host)


def test_an_app_that_dies_shows_its_last_words_and_the_old_version_still_answers(space, hub):
    space = kept(space)
    good = deploy(space, hub)
    edit(space, "VERSION = 1", "__import__('nonexistent' + '_module')")

    with pytest.raises(DeployFailed) as caught:
        deploy(space, hub)

    error = caught.value
    assert 8 == error.exit_code
    assert "RUNTIME_ERROR" in error.message
    assert any("nonexistent_module" in line for line in error.log_tail)
    assert 1 == version_at(good.host)


def test_the_same_deploy_of_a_broken_version_fails_again_at_once(space, hub):
    edit(space, "VERSION = 1", "raise SystemExit(3)")
    for _ in range(2):
        with pytest.raises(DeployFailed, match="RUNTIME_ERROR"):
            deploy(space, hub)


def test_a_paused_space_answers_no_more_until_it_is_restarted(space, hub):
    release = deploy(space, hub)

    paused = pause(space, hub)
    with pytest.raises(urllib.error.HTTPError) as refused:
        version_at(release.host)
    restart(space, hub)
    observed = wait(space, hub, timeout=60)

    assert ("PAUSED", 503, "RUNNING") == (paused.stage, refused.value.code, observed.stage)
    assert 1 == version_at(release.host)
    refused.value.close()


def test_a_space_that_its_owner_has_paused_stays_so_when_nothing_is_changed(space, hub):
    deploy(space, hub)
    pause(space, hub)
    seen = []

    again = deploy(space, hub, watch=seen.append)

    assert ("unchanged", None, "PAUSED") == (again.outcome, again.host, status(space, hub).stage)
    assert [f"PAUSED, and left so: spaceops restart {space.repo_id} starts it"] == [event.text for event in seen]


def test_what_is_changed_of_a_paused_space_was_not_seen_to_run_and_says_how_to_start_it(space, hub):
    deploy(space, hub)
    pause(space, hub)
    edit(space, "VERSION = 1", "VERSION = 2")

    for _ in range(2):  # nobody has seen it run the second time either
        with pytest.raises(DeployFailed, match="PAUSED") as told:
            deploy(space, hub)
        assert ("stopped",) == told.value.codes
        assert f"spaceops restart {space.repo_id}" == told.value.hint


def test_waiting_for_a_space_in_an_error_says_so_at_once(space, hub):
    edit(space, "VERSION = 1", "raise SystemExit(3)")
    with pytest.raises(DeployFailed):
        deploy(space, hub)

    started = time.monotonic()
    with pytest.raises(DeployFailed, match="RUNTIME_ERROR"):
        wait(space, hub, timeout=60)

    assert time.monotonic() - started < 30


def test_a_space_that_is_not_there_is_not_found(hub):
    with pytest.raises(NotFound, match="demo/nothing does not exist"):
        status("demo/nothing", hub)


def test_status_shows_the_newest_release_where_it_is_asked_for(space, hub, localhub):
    deploy(space, hub)
    localhub.requests.clear()

    plain = status(space, hub)
    asked = len(localhub.requests)
    shown = status(space, hub, releases=True)

    assert (1, 2) == (asked, len(localhub.requests) - asked)
    assert {"number": 1, "outcome": "running"} == shown.as_dict()["release"]
    assert "  release    1 running" in str(shown).splitlines()
    assert "release" not in plain.as_dict()


def test_a_space_without_releases_or_with_a_broken_ledger_has_a_status_all_the_same(space, hub):
    hub.create(space.repo_id, visibility=None, settings={})
    before = status(space, hub, releases=True)
    branch = hub.branch(space.repo_id, "spaceops")
    branch.make(before.sha)
    branch.write({"ledger.json": b"not ours"}, "broken", before.sha)

    assert [None, None] == [before.releases, status(space, hub, releases=True).releases]
