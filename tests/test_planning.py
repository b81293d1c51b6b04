"""Plans made against a Hub whose history or ledger is not as the last release left it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from spaceops import Hub, Space, deploy, plan
from spaceops.errors import Conflict, NotFound
from spaceops.planning import plan_rollback
from spaceops.records import BRANCH, INDEX, Index, Record, decoded, encoded, path_of
from spaceops.releases import apply
from tests.test_releases import edit


def rewrite(space: Space, hub: Hub, record: Record | None = None, **fields) -> None:
    """Let the ledger say something else."""
    branch = hub.branch(space.repo_id, BRANCH)
    found = branch.read(INDEX)
    index = replace(decoded(Index, found.content, INDEX), **fields)
    more = {path_of(record.number): encoded(record)} if record else {}
    branch.write({INDEX: encoded(index), **more}, "somebody's own", found.head)


def test_where_the_last_releases_commit_is_gone_no_file_is_overwritten_unasked(space, hub):
    deploy(space, hub, detach=True)
    rewrite(space, hub, sha="0123456" + "0" * 33)
    edit(space, "VERSION = 1", "VERSION = 2")

    proposal = plan(space, hub)

    assert ("app.py",) == proposal.overwrites
    with pytest.raises(Conflict, match=r"app\.py"):
        apply(proposal, hub)
    assert "applied" == deploy(space, hub, overwrite=True, detach=True).outcome


def test_where_nothing_would_be_lost_a_rewritten_history_is_no_matter(space, hub):
    deploy(space, hub, detach=True)
    rewrite(space, hub, sha="0123456" + "0" * 33)
    (space.root / "new.txt").write_text("new")

    assert "applied" == deploy(space, hub, detach=True).outcome


def test_nobody_goes_back_to_a_release_that_was_not_finished(space, hub):
    release = deploy(space, hub, detach=True)
    begun = replace(release.record, number=2, outcome="deploying")
    rewrite(space, hub, begun, last=2, outcome="deploying")

    with pytest.raises(NotFound, match="release 2 was not finished") as caught:
        plan_rollback(space, hub, 2)

    assert caught.value.hint.startswith("The command that began it")
    assert not plan_rollback(space, hub, 1)
