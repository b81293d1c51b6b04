"""Comparing what is wanted with what is: secrets, money, what is pruned or rolled back, and what stands in the way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from spaceops.comparison import compare_files, compare_trees, volumes_wanted
from spaceops.errors import BadInput
from spaceops.files import Source
from spaceops.observed import Observed, RemoteFile, RemoteSecret, Runtime
from spaceops.plans import PARTS, FileChanges
from spaceops.records import Index, Ledger, Lock, Record, Settings
from spaceops.secret import Secret, fingerprint
from tests.test_plans import KEY, NO_FILES, SHA, observed, planned, pushed, release, source_of, space

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ONE_SECRET = space(secrets={"API_KEY": "env:API_KEY"})


def rows_of(proposal) -> list[str]:
    """The rows without heading and totals, each with single blanks."""
    return [" ".join(line.split()) for line in str(proposal).splitlines()[1:-1]]


def at(now: datetime = NOW, **index) -> Ledger:
    return Ledger(Index(**index), "head", now)


def remote(secret: Secret = KEY, updated: str | None = None) -> RemoteSecret:
    return RemoteSecret(fingerprint(secret), updated)


# secrets


@pytest.mark.parametrize(
    ("description", "fingerprints", "row", "sent"),
    [
        (fingerprint(KEY), True, "= secret API_KEY unchanged", False),
        (f"mine {fingerprint(KEY)}", True, "= secret API_KEY unchanged", False),
        (fingerprint(Secret("a-second-key", "K")), True, "~ secret API_KEY restarts", True),
        ("by hand", True, "~ secret API_KEY set by hand, restarts", True),
        (None, True, "~ secret API_KEY set by hand, restarts", True),
        ("by hand", False, "= secret API_KEY unchanged", False),
    ],
    ids=["same", "same-with-words", "changed", "by-hand", "no-description", "without-fingerprints"],
)
def test_secrets_are_told_apart_by_their_fingerprints(description, fingerprints, row, sent):
    wanted = msgspec.structs.replace(ONE_SECRET, fingerprints=fingerprints)

    proposal = planned(wanted, observed(secrets={"API_KEY": RemoteSecret(description)}), secrets={"API_KEY": KEY})

    assert [row] == rows_of(proposal)
    assert sent == ("API_KEY" in proposal.secrets)


def test_a_secret_of_ours_whose_description_is_not_shown_is_not_said_to_be_set_by_hand():
    ledger = at(secrets={"API_KEY": 2})
    proposal = planned(
        ONE_SECRET, observed(secrets={"API_KEY": RemoteSecret()}), secrets={"API_KEY": KEY}, ledger=ledger
    )

    row = "~ secret API_KEY the fingerprint of release 2 is not there, sent again, restarts"
    assert [row] == rows_of(proposal)


@pytest.mark.parametrize(
    ("there", "row"),
    [
        ({"API_KEY": RemoteSecret()}, "! secret API_KEY unknown: cannot be resolved here"),
        ({}, "! secret API_KEY missing: cannot be resolved here"),
    ],
)
def test_a_secret_that_cannot_be_resolved_is_said_and_not_sent(there, row):
    proposal = planned(ONE_SECRET, observed(secrets=there), secrets={"API_KEY": None})

    assert [row] == rows_of(proposal)
    assert ("API_KEY",) == proposal.unresolved
    assert not proposal.secrets


@pytest.mark.parametrize(
    ("updated", "note"),
    [
        (None, "unchanged"),
        ("2026-11-20T11:00:00+00:00", "unchanged"),
        ("2026-11-19T12:00:00+00:00", "unchanged, 1d old"),
        ("2026-11-08T09:00:00.123000+00:00", "unchanged, 12d old"),
        ("2026-11-21T12:00:00+00:00", "unchanged"),
    ],
    ids=["unknown", "an-hour", "a-day", "days", "in-the-future"],
)
def test_the_age_of_a_secret_is_shown_in_days_by_the_servers_clock(updated, note):
    found = observed(secrets={"API_KEY": remote(updated=updated)})

    assert [f"= secret API_KEY {note}"] == rows_of(planned(ONE_SECRET, found, secrets={"API_KEY": KEY}, ledger=at()))


def test_a_secret_to_rotate_is_sent_although_it_is_unchanged():
    other = Secret("another value", "OTHER")
    wanted = space(secrets={"API_KEY": "env:API_KEY", "OTHER": "env:OTHER"})
    found = observed(secrets={"API_KEY": remote(), "OTHER": remote(other)})

    proposal = planned(wanted, found, secrets={"API_KEY": KEY, "OTHER": other}, rotate={"API_KEY"})

    assert ["~ secret API_KEY sent again, restarts", "= secret OTHER unchanged"] == rows_of(proposal)
    assert {"API_KEY": KEY} == proposal.secrets


@pytest.mark.parametrize(
    ("names", "hint"),
    [({"API_KYE"}, "Did you mean API_KEY"), ({"zzz"}, "Did you mean API_KEY or DB"), ({"DB", "a"}, "DB")],
)
def test_only_secrets_of_the_space_can_be_rotated(names, hint):
    wanted = space(secrets={"API_KEY": "env:API_KEY", "DB": "env:DB"})

    with pytest.raises(BadInput, match="has no secret") as refused:
        planned(wanted, observed(), rotate=names)

    assert hint in refused.value.hint


def test_without_secrets_nothing_can_be_rotated():
    with pytest.raises(BadInput, match="has no secret A") as refused:
        planned(space(), observed(), rotate={"A"})

    assert "[secrets]" in refused.value.hint


def test_a_name_that_changes_its_kind_is_deleted_as_the_other():
    wanted = space(variables={"A": "1\n2"}, secrets={"B": "env:B"})
    found = observed(variables={"B": "x"}, secrets={"A": RemoteSecret()})

    proposal = planned(wanted, found, secrets={"B": KEY})

    assert [
        "+ variable A = 1\\n2 restarts",
        "- secret A becomes a variable, restarts, destroys its value",
        "+ secret B restarts",
        "- variable B becomes a secret, restarts",
    ] == rows_of(proposal)
    assert ("secret A",) == proposal.destroys


# what is on the Hub only


def test_what_is_on_the_hub_only_is_shown_and_left_unless_pruned():
    found = observed(variables={"OLD": "1"}, secrets={"HANDMADE": RemoteSecret()})

    kept, pruned = planned(space(), found), planned(space(), found, prune=True)

    assert not kept
    assert [
        "! variable OLD not in space.toml, left alone",
        "! secret HANDMADE not in space.toml, left alone",
    ] == rows_of(kept)
    assert [
        "- variable OLD not in space.toml, restarts, destroys its value",
        "- secret HANDMADE not in space.toml, restarts, destroys its value",
    ] == rows_of(pruned)
    assert "2 changes: 1 restart, destroys 1 secret and 1 variable." == pruned.totals


def test_files_of_others_are_shown_and_left_unless_pruned(tmp_path):
    source = source_of(tmp_path, Dockerfile="FROM x")
    found = observed(files={"Dockerfile": RemoteFile(1), "a": RemoteFile(1), "b": RemoteFile(1), "c": RemoteFile(1)})

    kept, pruned = compare_files(source, found, written=lambda: {"a"}), compare_files(source, found, prune=True)

    assert (("a",), ("b", "c")) == (kept.removed, kept.foreign)
    assert (("a", "b", "c"), ()) == (pruned.removed, pruned.foreign)
    assert "! files b, c not in the source, left there (--prune removes)" in rows_of(planned(space(), found, kept))
    assert () == planned(space(), found, pruned, prune=True).destroys  # git keeps them


def test_files_are_counted_where_there_are_many_of_others():
    found = FileChanges(foreign=("a", "b", "c", "d", "e"))

    assert rows_of(planned(space(), observed(), found))[0].startswith("! files a, b, c and 2 more not in the source")


@pytest.mark.parametrize(("prune", "removed", "foreign"), [(False, (), ("notes.md",)), (True, ("notes.md",), ())])
def test_files_that_are_to_be_kept_are_neither_removed_nor_told(tmp_path, prune, removed, foreign):
    names = ["state.db", "data/a.csv", "inner/data/b.csv", "keep.txt", "notes.md", ".gitattributes"]
    keep = ["*.db", "data/", "*.txt", "# a comment", ""]

    changes = compare_files(
        Source(tmp_path),
        observed(files={name: RemoteFile(1) for name in names}),
        keep=keep,
        prune=prune,
        written=lambda: {"keep.txt", "state.db"},
    )

    assert (removed, foreign) == (changes.removed, changes.foreign)


def test_nobody_is_asked_for_the_files_of_releases_when_none_is_left_over(tmp_path):
    found = observed(files={"Dockerfile": RemoteFile(1), ".gitattributes": RemoteFile(1)})

    def written():
        raise AssertionError("asked")

    assert not compare_files(source_of(tmp_path, Dockerfile="F"), found, written=written).removed


def test_links_that_are_not_pushed_are_shown():
    (row,) = rows_of(planned(space(), observed(), skipped=["elsewhere"]))

    assert "! files elsewhere a link that leads nowhere or elsewhere, not pushed" == row


def test_files_that_somebody_else_changed_are_named_before_the_totals(tmp_path):
    proposal = planned(space(), observed(), pushed(tmp_path), overwrites=("app.py", "x", "y", "z"))

    assert [
        "~ files 1 changed rebuilds",
        "! files app.py, x, y and 1 more changed on the Hub by somebody else: take that over, or use --overwrite",
    ] == rows_of(proposal)
    assert ["app.py", "x", "y", "z"] == proposal.as_dict()["files"]["overwrites"]


def test_only_the_parts_asked_for_are_compared(tmp_path):
    wanted = space(hardware="t4-small", variables={"A": "1"}, secrets={"API_KEY": "env:API_KEY"})

    for part in PARTS:
        files = pushed(tmp_path) if part == "files" else NO_FILES
        proposal = planned(wanted, observed(), files, {"API_KEY": KEY}, parts={part})
        assert {change.subject for change in proposal.changes} <= {part, part.removesuffix("s")}
        assert bool(proposal.secrets) == (part == "secrets")


# hardware and money


@pytest.mark.parametrize(
    ("now", "rows"),
    [
        ("t4-medium", []),
        ("t4-small", ["= hardware t4-small t4-medium is the first choice"]),
        ("cpu-basic", ["~ hardware cpu-basic -> t4-medium +$0.60/h, restarts"]),
    ],
)
def test_of_a_list_the_first_is_asked_for_and_whatever_it_has_of_it_is_kept(now, rows):
    proposal = planned(space(hardware=["t4-medium", "t4-small"]), observed(now))

    assert rows == rows_of(proposal)
    assert bool(proposal) == (now == "cpu-basic")


def test_a_new_space_asks_for_the_first_choice_even_if_the_free_hardware_is_another():
    proposal = planned(space(hardware=["t4-small", "cpu-basic"]), Observed("acme/demo"))

    assert "+ hardware t4-small +$0.40/h" in rows_of(proposal)


@pytest.mark.parametrize(
    ("hardware", "now", "said"),
    [
        ("t4-small", "cpu-basic", None),
        ("l4x1", "cpu-basic", "l4x1 costs $0.80/h, more than $0.50/h"),
        ("l4x1", "l4x1", "l4x1 costs $0.80/h, more than $0.50/h"),
        (None, "l4x1", "l4x1 costs $0.80/h, more than $0.50/h"),
        (["t4-small", "l4x1"], "cpu-basic", "l4x1 costs $0.80/h, more than $0.50/h"),
        (["t4-small", "l4x1"], "t4-small", None),
        (["t4-small", "l4x1"], "l4x1", "l4x1 costs $0.80/h, more than $0.50/h"),
    ],
)
def test_hardware_that_costs_more_than_the_limit_is_said(hardware, now, said):
    fields = {"hardware": hardware} if hardware else {}

    proposal = planned(space(limits={"max_hourly_cost": 0.5}, **fields), observed(now))

    assert said == proposal.over_limit == proposal.as_dict()["over_limit"]
    assert (f"! limits max_hourly_cost {said}: apply refuses" in rows_of(proposal)) == (said is not None)


def test_without_the_part_hardware_no_limit_holds():
    wanted = space(limits={"max_hourly_cost": 0.5}, hardware="l4x1")

    assert planned(wanted, observed(), parts={"files"}).over_limit is None


@pytest.mark.parametrize(
    ("fields", "found", "rows"),
    [
        (
            {"hardware": "t4-small", "sleep_time": "2d"},
            observed("cpu-basic"),
            ["~ hardware cpu-basic -> t4-small +$0.40/h, restarts", "~ sleep_time 2d kept on the new hardware"],
        ),
        ({"hardware": "t4-small", "sleep_time": "2d"}, observed("t4-small"), []),
        (
            {"hardware": ["t4-small", "cpu-basic"], "sleep_time": "1h"},
            observed("cpu-basic"),
            [
                "= hardware cpu-basic t4-small is the first choice",
                "! sleep_time 1h cpu-basic sleeps after 2d, whatever is asked",
            ],
        ),
        ({"hardware": "cpu-basic", "sleep_time": "1h"}, Observed("acme/demo"), None),
    ],
    ids=["set-again", "unchanged", "on-the-free-choice", "new-and-free"],
)
def test_the_sleep_time_is_that_of_the_hardware_it_will_have(fields, found, rows):
    found_rows = rows_of(planned(space(**fields), found))

    if rows is None:
        assert "! sleep_time 1h cpu-basic sleeps after 2d, whatever is asked" in found_rows
    else:
        assert rows == found_rows


# volumes


@pytest.mark.parametrize(
    ("source", "kind", "name"),
    [
        ("hf://gpt2", "model", "gpt2"),
        ("hf://acme/m", "model", "acme/m"),
        ("hf://datasets/acme/d", "dataset", "acme/d"),
        ("hf://buckets/acme/b", "bucket", "acme/b"),
    ],
)
def test_volumes_are_named_as_hf_names_them(source, kind, name):
    (volume,) = volumes_wanted(space(volumes=[{"source": source, "mount": "/x"}]).volumes)

    assert (kind, name) == (volume["type"], volume["source"])


def with_volumes(*places: tuple[str, str]) -> Observed:
    volumes = tuple({"type": "bucket", "source": source, "mountPath": mount} for source, mount in places)
    return observed(runtime=Runtime("RUNNING", sha=SHA, hardware="cpu-basic", volumes=volumes))


def test_a_volume_that_goes_away_is_named_and_keeps_its_content():
    wanted = space(volumes=[{"source": "hf://buckets/acme/b", "mount": "/data"}])

    proposal = planned(wanted, with_volumes(("acme/a", "/data"), ("acme/c", "/cache")))

    assert ["~ volumes acme/b at /data detaches acme/c at /cache, restarts"] == rows_of(proposal)
    assert () == proposal.destroys


def test_volumes_that_space_toml_does_not_name_are_left():
    assert not planned(space(), with_volumes(("acme/a", "/data")))


# going back


def before(**settings) -> Record:
    return release(number=3, settings=Settings(**settings))


def test_a_rollback_says_so_in_its_first_line():
    proposal = planned(space(variables={"A": "1"}), observed(), restores=before())

    assert "acme/demo at 3f2a91c, roll back to release 3" == str(proposal).splitlines()[0]
    assert 3 == proposal.as_dict()["restores"]


def test_variables_that_came_later_go_and_those_of_nobody_stay():
    found = observed(variables={"A": "2", "LATER": "x", "HANDMADE": "y"})

    proposal = planned(space(variables={"A": "1"}), found, restores=before(), added_since={"LATER", "GONE"})

    assert [
        "~ variable A = 2 -> 1 restarts",
        "! variable HANDMADE not of release 3, left alone",
        "- variable LATER came after release 3, restarts",
    ] == rows_of(proposal)
    assert () == proposal.destroys  # the newest release has its value


@pytest.mark.parametrize(
    ("version", "newest", "there", "row"),
    [
        (2, {"K": 2}, remote(updated="2026-10-20T00:00:00+00:00"), "= secret K unchanged"),
        (3, {"K": 3}, remote(updated="2026-11-01T00:05:00+00:00"), "= secret K unchanged"),
        (0, {}, remote(), "= secret K unchanged"),
        (
            2,
            {"K": 5},
            remote(),
            "! secret K its value of release 3 is gone; it stays as release 5 set it",
        ),
        (2, {}, remote(), "! secret K its value of release 3 is gone; it stays as it is"),
        (2, {"K": 2}, None, "! secret K cannot be restored: spaceops secrets set"),
        (
            2,
            {"K": 2},
            remote(updated="2026-11-09T00:00:00+00:00"),
            "! secret K set by hand since release 3: that value is gone; it stays as it is",
        ),
        (
            3,
            {"K": 3},
            RemoteSecret("by hand"),
            "! secret K stays as it is: without a fingerprint nothing tells whether it was changed",
        ),
    ],
    ids=["same", "sent-by-it", "never-sent", "newer", "forgotten", "deleted", "by-hand", "no-fingerprint"],
)
def test_a_rollback_says_of_each_secret_what_becomes_of_it(version, newest, there, row):
    found = observed(secrets={"K": there} if there else {})

    proposal = planned(space(), found, restores=before(secrets={"K": version}), ledger=at(last=6, secrets=newest))

    assert [row] == rows_of(proposal)
    assert not proposal.secrets


def test_secrets_that_came_later_stay_and_are_named():
    found = observed(secrets={"LATER": remote(), "HANDMADE": RemoteSecret()})

    proposal = planned(space(), found, restores=before(), ledger=at(last=6, secrets={"LATER": 4}))

    assert [
        "! secret HANDMADE not of release 3, left alone",
        "! secret LATER came after release 3, stays",
    ] == rows_of(proposal)


def test_visibility_is_not_rolled_back():
    now = observed(visibility="private")

    assert ["! visibility private was public at release 3, stays"] == rows_of(
        planned(space(), now, restores=before(visibility="public"))
    )
    assert [] == rows_of(planned(space(), now, restores=before(visibility="private")))


def test_volumes_that_came_later_are_detached_by_a_rollback():
    proposal = planned(space(), with_volumes(("acme/a", "/data")), restores=before())

    assert ["- volumes acme/a at /data came after release 3, detached, keeps its content, restarts"] == rows_of(
        proposal
    )


def test_the_tree_of_a_release_is_brought_back_exactly():
    then = {"same": RemoteFile(1, "a"), "other": RemoteFile(1, "b"), "gone": RemoteFile(1, "c")}
    now = {"same": RemoteFile(1, "a"), "other": RemoteFile(1, "x"), "new": RemoteFile(1, "d")}

    changes = compare_trees(then, now)

    assert (["gone"], ["other"], ("new",)) == (list(changes.added), list(changes.changed), changes.removed)
    assert {} == changes.written
    assert "1 added, 1 changed, 1 removed" == str(changes)


# what stands in the way


def lock(minutes: int) -> Lock:
    return Lock(id="x", by="bob", since=NOW.isoformat(), until=(NOW + timedelta(minutes=minutes)).isoformat())


@pytest.mark.parametrize(
    ("ledger", "rows"),
    [
        (at(last=7, outcome="deploying"), ["! release 7 was not finished: apply completes it"]),
        (
            at(last=7, outcome="deploying", lock=lock(4)),
            ["! lock bob is deploying, until 12:04 UTC or the end of the process"],
        ),
        (at(last=7, lock=lock(-3)), ["! lock bob has left a lock at 11:57 UTC: apply takes it over"]),
        (at(last=7, outcome="applied"), []),
    ],
    ids=["unfinished", "locked", "left", "applied"],
)
def test_a_release_that_is_not_finished_is_told_and_nothing_that_would_change(ledger, rows):
    proposal = planned(space(), observed(), ledger=ledger)

    assert rows == rows_of(proposal)
    assert not proposal
