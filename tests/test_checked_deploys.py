"""A deploy checks the files first: what is certain to fail is not even created."""

from __future__ import annotations

import msgspec
import pytest

from spaceops import CheckFailed, deploy, plan

BROKEN = "# No front matter\n"


def test_what_is_certain_to_fail_is_not_created(space, hub, localhub):
    (space.root / "README.md").write_text(BROKEN)
    localhub.requests.clear()

    with pytest.raises(CheckFailed) as failed:
        deploy(space, hub)

    assert 6 == failed.value.exit_code
    assert ["front-matter-missing"] == [finding.code for finding in failed.value.report.errors]
    assert "front-matter-missing" in str(failed.value)
    assert "[ignore]" in str(failed.value)
    assert not list(localhub.requests)


def test_a_dry_run_is_checked_too(space, hub):
    (space.root / "README.md").write_text(BROKEN)

    with pytest.raises(CheckFailed):
        deploy(space, hub, dry_run=True)


def test_an_exception_with_a_reason_lets_it_pass(space, hub):
    (space.root / "README.md").write_text(BROKEN)
    space = msgspec.structs.replace(space, ignore={"front-matter-missing": "this test wants to see it fail there"})

    assert "planned" == deploy(space, hub, dry_run=True).outcome


def test_settings_alone_are_not_checked(space, hub):
    deploy(space, hub, detach=True)
    (space.root / "README.md").write_text(BROKEN)
    space = msgspec.structs.replace(space, variables={"A": "1"})

    assert "applied" == deploy(space, hub, only={"variables"}, detach=True).outcome


def test_what_may_fail_is_told_and_deployed(space, hub):
    (space.root / "README.md").write_text("---\ntitle: x\nsdk: docker\nlicense: no-such-licence\n---\n")
    told: list[str] = []

    assert "planned" == deploy(space, hub, dry_run=True, watch=lambda event: told.append(event.text)).outcome
    assert [text for text in told if "check: " in text and "1 warning" in text]


def test_a_plan_takes_the_files_that_were_looked_up(space, hub):
    from spaceops.files import look

    source = look(space)
    (space.root / "later.txt").write_text("came after the look")

    assert "later.txt" not in plan(space, hub, source=source).files.added
