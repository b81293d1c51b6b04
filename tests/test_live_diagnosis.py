"""Diagnosed on a Hub that builds and runs: what a failed deploy says is what `diagnose` says of the same Space."""

from __future__ import annotations

from pathlib import Path

import pytest

from spaceops import DeployFailed, deploy, get_release, pause
from spaceops.diagnosis import diagnose
from spaceops.errors import NotFound, RolledBack
from spaceops.events import Event
from spaceops.panels import Board
from tests.test_releases import edit
from tests.test_verified_releases import SECRET, changed, kept

UNKNOWN = "__import__('nonexistent' + '_module')"  # which `check` cannot see


def failed(space, hub, watch=lambda _: None) -> DeployFailed:
    with pytest.raises(DeployFailed) as caught:
        deploy(kept(space), hub, watch=watch)
    return caught.value


def test_a_failed_build_is_explained_by_the_deploy_and_by_diagnose_alike(space, hub):
    edit(space, "COPY app.py .", 'COPY app.py .\nRUN python -c "import nonexistent_module"', "Dockerfile")

    error = failed(space, hub)
    report = diagnose(space.repo_id, hub)

    assert ["module-not-found"] == [finding.code for finding in report] == [one.code for one in error.findings]
    assert report.findings[0].where == error.findings[0].where == "Dockerfile:4"
    assert ("build-error", "module-not-found") == error.codes == get_release(space, hub, 1).record.codes
    assert error.findings[0].message in error.message
    assert error.findings[0].hint == error.hint


def test_a_failed_start_is_explained_by_the_deploy_by_the_view_and_by_diagnose_alike(space, hub):
    edit(space, "VERSION = 1", UNKNOWN)
    board = Board()

    error = failed(space, hub, watch=board.feed)
    report = diagnose(space.repo_id, hub)

    assert ["module-not-found"] == [finding.code for finding in report] == [one.code for one in error.findings]
    assert ("runtime-error", "module-not-found") == error.codes
    assert error.findings[0].where.startswith("app.py:")
    assert "error[module-not-found]" in str(board)
    assert "module-not-found" in board.html()
    assert "module-not-found" == error.as_dict()["findings"][0]["code"]


def test_what_is_rolled_back_is_explained_too(space, hub):
    deploy(space, hub)
    edit(space, "VERSION = 1", UNKNOWN)

    with pytest.raises(RolledBack, match="The app imports nonexistent_module") as caught:
        deploy(space, hub)

    assert "module-not-found" == caught.value.findings[0].code
    assert str(caught.value).endswith("more: spaceops explain module-not-found")


def test_a_cause_that_only_the_structure_shows_is_no_reason_of_its_own(space, hub):
    edit(space, "VERSION = 1", "raise SystemExit('no such thing')")

    error = failed(space, hub)

    assert (("runtime-error",), "app-exited") == (error.codes, error.findings[0].code)


def test_secrets_are_in_no_diagnosis(space, hub, monkeypatch):
    monkeypatch.setenv("API_KEY", SECRET)
    space = changed(space, secrets={"API_KEY": "env:API_KEY"})
    edit(space, "VERSION = 1", "import os\nraise ValueError('refused: ' + os.environ['API_KEY'])")

    error = failed(space, hub)
    report = diagnose(space.repo_id, hub)

    assert "[REDACTED:API_KEY]" in str(report)
    for shown in (str(report), report.as_markdown(), str(error), str(error.as_dict()), str(report.as_dict())):
        assert SECRET not in shown


def test_a_space_that_runs_has_nothing_to_explain_and_a_paused_one_says_so(space, hub):
    deploy(space, hub)
    well = diagnose(space.repo_id, hub)
    pause(space, hub)

    assert ([], "RUNNING") == (list(well), well.case.stage)
    assert "nothing that is known to be wrong shows" in well.notes[0]
    assert ["paused"] == [finding.code for finding in diagnose(space.repo_id, hub)]


def test_the_folder_of_a_space_leads_to_it(space, hub, tmp_path: Path):
    edit(space, "VERSION = 1", UNKNOWN)
    failed(space, hub)
    (space.root / "space.toml").write_text(f'repo_id = "{space.repo_id}"\n')

    assert ["module-not-found"] == [finding.code for finding in diagnose(space.root, hub)]


def test_a_space_that_does_not_exist_is_not_found(hub):
    with pytest.raises(NotFound, match="demo/nothing-here does not exist"):
        diagnose("demo/nothing-here", hub)


def test_a_board_that_follows_a_healthy_space_shows_no_cause(space, hub):
    board = Board()
    deploy(space, hub, watch=board.feed)

    board.feed(Event("run", "ModuleNotFoundError: No module named 'x'", "2026-01-01T00:00:00Z"))

    assert board.report is None
