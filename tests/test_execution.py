"""A plan on its way to the Hub: in which order, what the ledger says of it, and what an interrupted one has left."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import msgspec
import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from spaceops import Hub, LocalHub, Space, apply, errors, ledger, plan
from spaceops.ledger import Hold, files_written, held, record_of
from spaceops.records import BRANCH, INDEX, Record
from tests.middleman import Middleman

WRITES = ("POST", "PUT", "DELETE")


class Gone(Exception):
    """We were interrupted."""


@pytest.fixture(autouse=True)
def _nothing_is_built(localhub: LocalHub) -> Iterator[None]:
    with localhub.faults.add("stuck-building"):
        yield


@pytest.fixture
def api(localhub: LocalHub) -> HfApi:
    return HfApi(endpoint=localhub.url, token=localhub.token)


@pytest.fixture
def keyed(space: Space, monkeypatch: pytest.MonkeyPatch) -> Space:
    """A Space with a variable and a secret."""
    monkeypatch.setenv("API_KEY", "correct horse battery")
    return changed(space, variables={"LEVEL": "info"}, secrets={"API_KEY": "env:API_KEY"})


def changed(space: Space, **fields) -> Space:
    return msgspec.structs.replace(space, **fields)


def done(space: Space, hub: Hub, **options) -> Record:
    return apply(plan(space, hub, **options), hub).record


def interrupted(space: Space, hub: Hub, step: str) -> None:
    """Apply, and be gone right after the step that is told so."""
    told: list[str] = []

    def watch(event: object) -> None:
        told.append(str(event))
        if step in str(event):
            raise Gone

    with pytest.raises(Gone):
        apply(plan(space, hub), hub, watch=watch)


def writes(localhub: LocalHub, repo_id: str) -> list[str]:
    """What was written: the last part of each path."""
    return [path.removeprefix(f"/api/spaces/{repo_id}/") for method, path in localhub.requests if method in WRITES]


# order


def test_a_new_space_is_created_with_its_settings_then_claimed_then_filled(keyed, hub, localhub):
    localhub.requests.clear()

    record = done(keyed, hub)

    made = [path for path in writes(localhub, keyed.repo_id) if not path.startswith(("preupload", "/api/validate"))]
    assert ["/api/repos/create", f"branch/{BRANCH}", f"commit/{BRANCH}", "commit/main", f"commit/{BRANCH}"] == made
    assert (1, "applied") == (record.number, record.outcome)


def test_settings_are_changed_under_the_lock_deletions_first_and_the_commit_comes_at_once_after_them(
    keyed, hub, localhub, monkeypatch
):
    done(keyed, hub)
    (keyed.root / "new.txt").write_text("new")
    monkeypatch.setenv("LEVEL", "from a secret")
    now = changed(keyed, variables={"MORE": "1"}, secrets={"LEVEL": "env:LEVEL"}, prune=True, hardware="t4-small")
    localhub.requests.clear()

    done(now, hub)

    made = [path for path in writes(localhub, keyed.repo_id) if not path.startswith("preupload")]
    assert f"commit/{BRANCH}" == made[0] == made[-1]
    assert "commit/main" == made[-2]
    assert sorted(made[1:-2]) == sorted(["variables", "secrets", "hardware", "variables", "secrets"])
    methods = [method for method, path in localhub.requests if path.endswith(("/variables", "/secrets"))]
    changes = [method for method in methods if method in WRITES]
    assert sorted(changes) == changes  # DELETE before POST


def test_who_finds_the_lock_taken_has_uploaded_and_created_nothing(keyed, hub, localhub):
    done(keyed, hub)
    (keyed.root / "new.txt").write_text("new")
    with held(Hold(keyed.repo_id, hub, ledger.read(keyed.repo_id, hub), "somebody")) as other:
        other.claim(Record(number=other.number, outcome="deploying", by="somebody", started=""))
        proposal = plan(changed(keyed, variables={"LEVEL": "debug"}), hub)
        localhub.requests.clear()

        with pytest.raises(errors.Locked, match="somebody has been deploying"):
            apply(proposal, hub)

        assert [] == writes(localhub, keyed.repo_id)


def test_releases_of_a_newer_spaceops_are_refused_before_anything_is_changed(keyed, hub, localhub, api):
    done(keyed, hub)
    api.upload_file(
        path_or_fileobj=b'{"format": 2}', path_in_repo=INDEX, repo_id=keyed.repo_id, repo_type="space", revision=BRANCH
    )
    localhub.requests.clear()

    with pytest.raises(errors.LedgerTooNew):
        plan(changed(keyed, variables={"LEVEL": "debug"}), hub)

    assert [] == writes(localhub, keyed.repo_id)


# what the ledger says


def test_secrets_have_the_number_of_the_release_that_sent_them(keyed, hub, monkeypatch):
    monkeypatch.setenv("OTHER", "another value")
    both = changed(keyed, secrets={**keyed.secrets, "OTHER": "env:OTHER"})

    found = [done(keyed, hub).settings.secrets, done(changed(keyed, variables={"LEVEL": "x"}), hub).settings.secrets]
    found.append(done(both, hub).settings.secrets)
    found.append(done(both, hub, rotate={"API_KEY"}).settings.secrets)
    found.append(done(changed(keyed, prune=True), hub).settings.secrets)

    assert [
        {"API_KEY": 1},
        {"API_KEY": 1},
        {"API_KEY": 1, "OTHER": 3},
        {"API_KEY": 4, "OTHER": 3},
        {"API_KEY": 4},
    ] == found
    assert {"API_KEY": 4} == ledger.read(keyed.repo_id, hub).index.secrets


def test_the_ledger_of_a_public_space_holds_no_value_and_no_fingerprint_of_a_secret(keyed, hub, localhub):
    done(changed(keyed, visibility="public"), hub)
    known = ledger.read(keyed.repo_id, hub)

    kept = [
        hub.branch(keyed.repo_id, BRANCH).read(path).content for path in (INDEX, "releases/0001.json", "files.json")
    ]

    text = b"".join(filter(None, kept)).decode()
    assert "API_KEY" in text
    assert "correct horse" not in text
    assert "[spaceops:" not in text
    assert "[spaceops:1:" in hub.secrets.ls(keyed.repo_id)["API_KEY"].description
    assert known.index.lock is None


def test_the_commit_says_of_which_release_it_is(keyed, hub, api):
    done(keyed, hub)

    newest = api.list_repo_commits(keyed.repo_id, repo_type="space")[0]

    assert "Spaceops-Release: 1" in newest.message.splitlines()


def test_only_files_that_releases_wrote_are_listed_as_theirs(keyed, hub, api):
    done(keyed, hub)
    api.create_commit(
        keyed.repo_id, [CommitOperationAdd("theirs.txt", b"theirs")], repo_type="space", commit_message="theirs"
    )
    (keyed.root / "more.txt").write_text("more")
    (keyed.root / "README.md").write_text("---\ntitle: Other\nsdk: docker\n---\n")
    done(keyed, hub)

    assert {"Dockerfile", "README.md", "app.py", "more.txt"} == mine(keyed, hub)


def mine(space: Space, hub: Hub) -> frozenset[str]:
    return files_written(space.repo_id, hub, ledger.read(space.repo_id, hub))


# what an interrupted one has left


def finishes(space: Space, hub: Hub, number: int) -> Record:
    """The same again: it ends with the same number, and leaves no lock."""
    proposal = plan(space, hub)
    record = apply(proposal, hub).record
    index = ledger.read(space.repo_id, hub).index
    assert (number, "applied", None) == (index.last, index.outcome, index.lock)
    assert record == record_of(space.repo_id, hub, number)
    return record


def test_a_secret_that_an_interrupted_release_has_sent_is_known_as_its(keyed, hub, monkeypatch):
    """Else a rollback would take the new value for the old one."""
    done(keyed, hub)
    monkeypatch.setenv("API_KEY", "another horse battery")
    interrupted(keyed, hub, "set secret API_KEY")

    assert not plan(keyed, hub)
    assert {"API_KEY": 2} == finishes(keyed, hub, 2).settings.secrets


def test_a_secret_sent_by_a_create_that_was_interrupted_is_of_the_first_release(keyed, hub):
    interrupted(keyed, hub, "created ")

    assert {"API_KEY": 1} == finishes(keyed, hub, 1).settings.secrets


def test_files_that_an_interrupted_release_has_pushed_are_known_as_its(keyed, hub):
    interrupted(keyed, hub, "pushed ")

    record = finishes(keyed, hub, 1)

    assert {"Dockerfile", "README.md", "app.py"} == mine(keyed, hub)
    assert ("+ space", "+ files") == (record.changes[0], record.changes[-1])
    assert record.sha == hub.observe(keyed.repo_id).sha


def test_files_that_an_interrupted_release_only_meant_to_push_are_not(keyed, hub, localhub):
    done(keyed, hub)
    extra = keyed.root / "extra.txt"
    extra.write_text("soon gone")
    interrupted(changed(keyed, variables={"LEVEL": "debug"}), hub, "set variable LEVEL")
    extra.unlink()

    finishes(changed(keyed, variables={"LEVEL": "debug"}), hub, 2)

    assert {"Dockerfile", "README.md", "app.py"} == mine(keyed, hub)


def test_what_an_interrupted_release_pushed_is_nobody_elses_change(keyed, hub, api):
    """The source goes on meanwhile: the next plan overwrites our own commit, not somebody's."""
    done(keyed, hub)
    app = keyed.root / "app.py"
    app.write_text(app.read_text().replace("VERSION = 1", "VERSION = 2"))
    interrupted(keyed, hub, "pushed ")
    app.write_text(app.read_text().replace("VERSION = 2", "VERSION = 3"))

    assert () == plan(keyed, hub).overwrites
    assert ("~ files",) == finishes(keyed, hub, 2).changes

    app.write_text(app.read_text().replace("VERSION = 3", "VERSION = 4"))
    interrupted(keyed, hub, "pushed ")
    theirs = [CommitOperationAdd("app.py", b"theirs = True")]
    api.create_commit(keyed.repo_id, theirs, repo_type="space", commit_message="theirs")
    assert ("app.py",) == plan(keyed, hub).overwrites


def test_what_both_tries_have_changed_is_told_once(keyed, hub):
    done(keyed, hub)
    now = changed(keyed, variables={"LEVEL": "debug", "MORE": "1"})
    interrupted(now, hub, "set variable LEVEL")

    assert ("~ variable LEVEL", "+ variable MORE") == finishes(now, hub, 2).changes


def test_a_variable_that_a_rollback_had_no_time_to_remove_is_removed_by_the_next(keyed, hub):
    from spaceops.planning import plan_rollback

    done(keyed, hub)
    done(changed(keyed, variables={"LEVEL": "debug", "LATER": "1"}), hub)

    def gone(event: object) -> None:
        raise Gone

    with pytest.raises(Gone):
        apply(plan_rollback(keyed, hub, 1), hub, watch=gone)
    apply(plan_rollback(keyed, hub, 1), hub)

    assert {"LEVEL": "info"} == hub.variables.ls(keyed.repo_id)
    assert (3, "applied") == (ledger.read(keyed.repo_id, hub).index.last, ledger.read(keyed.repo_id, hub).index.outcome)


def test_another_plan_than_the_interrupted_one_takes_its_number(keyed, hub):
    done(keyed, hub)
    interrupted(changed(keyed, variables={"LEVEL": "debug"}), hub, "set variable LEVEL")

    record = finishes(keyed, hub, 2)

    assert {"LEVEL": "info"} == dict(record.settings.variables)
    assert ("~ variable LEVEL",) == record.changes


def test_whose_lock_it_was_is_said_when_it_is_taken_over(keyed, hub, localhub):
    done(keyed, hub)
    hold = Hold(keyed.repo_id, hub, ledger.read(keyed.repo_id, hub), "somebody slow")
    hold.claim(Record(number=2, outcome="deploying", by="somebody slow", started=""))
    localhub.clock.advance(301)
    told: list[str] = []

    apply(plan(keyed, hub), hub, watch=lambda event: told.append(str(event)))

    assert any("took over the lock that somebody slow has left" in line for line in told)
    assert (2, "applied") == (ledger.read(keyed.repo_id, hub).index.last, ledger.read(keyed.repo_id, hub).index.outcome)


class Full(Middleman):
    """A Hub that has none of the hardware that it is asked for first."""

    is_full_no_more = False

    def pass_on(self, asked: BaseHTTPRequestHandler) -> None:
        if not asked.path.endswith("/hardware") or asked.command != "POST" or self.is_full_no_more:
            super().pass_on(asked)
            return
        self.is_full_no_more = True
        asked.rfile.read(int(asked.headers["Content-Length"]))
        said = b'{"error": "Scheduling failure: not enough hardware capacity"}'
        asked.send_response(503)
        asked.send_header("Content-Type", "application/json")
        asked.send_header("Content-Length", str(len(said)))
        asked.end_headers()
        asked.wfile.write(said)


def test_of_a_list_of_hardware_the_one_that_the_hub_had_is_named(space, hub, localhub):
    done(space, hub)
    told: list[str] = []
    with Full(localhub.url) as full:
        there = Hub(full.address, token=localhub.token)
        proposal = plan(changed(space, hardware=["t4-small", "cpu-upgrade"]), there, only={"hardware"})
        applied = apply(proposal, there, watch=lambda event: told.append(str(event)))

    assert "cpu-upgrade" == applied.record.settings.hardware
    assert 1 == len([line for line in told if "set hardware cpu-upgrade" in line])
    assert not [line for line in told if "-> t4-small" in line]
