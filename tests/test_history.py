"""Releases as people see them: a table, one in full, and what turned one into another."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from spaceops.history import Difference, Release, Releases, secret_rows, settings_rows
from spaceops.plans import FileChanges
from spaceops.records import Origin, Record, Settings
from spaceops.tables import age, table

SHA = "3f2a91c" + "0" * 33
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def record(number: int = 7, **fields) -> Record:
    return Record(**{"number": number, "outcome": "running", "by": "ada", "started": NOW.isoformat(), **fields})


def release(found: Record) -> Release:
    return Release(
        "acme/demo", "http://hub/spaces/acme/demo", found.outcome, found.sha, seconds=found.seconds, record=found
    )


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0s"),
        (0, "0s"),
        (59.9, "59s"),
        (60, "1m"),
        (3599, "59m"),
        (3600, "1h"),
        (86399, "23h"),
        (12 * 86400, "12d"),
    ],
)
def test_an_age_is_said_in_its_largest_unit(seconds, said):
    assert said == age((NOW - timedelta(seconds=seconds)).isoformat(), NOW)


def test_columns_are_as_wide_as_their_widest_cell():
    assert "A     BB\nlong  x" == table(("A", "BB"), [("long", "x")])


def test_releases_print_as_a_table():
    started = (datetime.now(UTC) - timedelta(days=2, minutes=1)).isoformat()
    origin = Origin(commit="1a2b3c4" + "0" * 33, dirty=True)
    found = Releases(
        [
            release(record(9, started=started, sha=SHA, restores=7, changes=("~ files",))),
            release(record(8, started=started, outcome="failed", codes=("build-error",), changes=("~ files",))),
            release(record(7, started=started, sha=SHA, origin=origin, changes=("~ variable LOG_LEVEL", "~ files"))),
        ]
    )

    assert [
        "NUMBER  OUTCOME  AGE  BY   SHA      SOURCE    CHANGES",
        "9       running  2d   ada  3f2a91c  -         back to 7: ~ files",
        "8       failed   2d   ada  -        -         build-error; ~ files",
        "7       running  2d   ada  3f2a91c  1a2b3c4+  ~ variable LOG_LEVEL, ~ files",
    ] == str(found).splitlines()
    assert found._repr_html_().count("<tr>") == 4
    assert [9, 8, 7] == [item["number"] for item in json.loads(json.dumps(found.as_dict()))["releases"]]


def test_no_releases_are_said():
    assert ("No releases yet.", "<p>No releases yet.</p>") == (str(Releases()), Releases()._repr_html_())


def test_a_long_list_of_changes_is_cut_in_the_table():
    many = tuple(f"~ variable NAME_{number}" for number in range(20))

    (row,) = Releases([release(record(changes=many))]).rows

    assert (60, "…") == (len(row[-1]), row[-1][-1])


def test_a_release_of_the_ledger_prints_in_full():
    settings = Settings(
        visibility="private",
        hardware="t4-small",
        sleep_time=7200,
        variables={"LEVEL": "info", "ALL": "x\ny"},
        secrets={"API_KEY": 3, "OLD": 0},
        volumes=({"type": "bucket", "source": "acme/state", "mountPath": "/data"},),
    )
    found = record(
        started=datetime.now(UTC).isoformat(),
        sha=SHA,
        outcome="failed",
        origin=Origin(commit="1a2b3c4" + "0" * 33),
        settings=settings,
        health={"path": "/ready"},
        changes=("~ files",),
        seconds={"push": 1.25, "own": 1.0, "verify": 30.0, "plan": 0.5},
        codes=("runtime-error",),
        evidence=("Traceback: \x1b[31mno model",),
    )

    lines = [line.split("(")[0].rstrip() for line in str(release(found)).splitlines()]

    assert [
        "acme/demo: release 7, failed",
        f"  started    {found.started}",
        "  by         ada",
        f"  sha        {SHA}",
        "  source     1a2b3c4",
        "  took       plan 0.5 s, push 1.2 s, verify 30.0 s, own 1.0 s",
        "  failed     runtime-error",
        "  visibility private",
        "  hardware   t4-small",
        "  sleeps     2h",
        "  health     /ready",
        "  on failure rollback",
        "  changes",
        "    ~ files",
        "  variables",
        r"    ALL = x\ny",
        "    LEVEL = info",
        "  secrets",
        "    API_KEY  sent by release 3",
        "    OLD  sent by no release",
        "  volumes",
        "    acme/state at /data",
        "  evidence",
        r"    Traceback: \x1b[31mno model",
    ] == lines
    assert "<pre>acme/demo: release 7, failed" in release(found)._repr_html_()
    assert "runtime-error" == release(found).as_dict()["record"]["codes"][0]


def test_a_rollback_says_what_it_restored():
    assert "  restores   release 3" in str(release(record(restores=3))).splitlines()


def test_settings_that_differ_are_rows():
    before = Settings(hardware="cpu-basic", sleep_time=-1, variables={"A": "1", "B": "2"})
    after = Settings(
        hardware="t4-small",
        sleep_time=3600,
        variables={"B": "3", "C": "4"},
        volumes=({"source": "acme/m", "mountPath": "/m", "readOnly": True},),
    )

    assert [
        "  ~ hardware   cpu-basic -> t4-small",
        "  ~ sleep_time never -> 1h",
        "  - variable   A = 1",
        "  ~ variable   B = 2 -> 3",
        "  + variable   C = 4",
        "  ~ volumes    none -> acme/m at /m (read-only)",
    ] == [str(row) for row in settings_rows(before, after)]


def test_equal_settings_have_no_rows_whatever_the_order_of_volumes():
    volumes = ({"source": "a", "mountPath": "/a"}, {"source": "b", "mountPath": "/b", "readOnly": False})
    settings = Settings(hardware="cpu-basic", variables={"A": "1"}, volumes=volumes)
    turned = Settings(hardware="cpu-basic", variables={"A": "1"}, volumes=volumes[::-1])

    assert [] == list(settings_rows(settings, turned))


def test_what_one_side_does_not_say_is_no_difference():
    assert [] == list(settings_rows(Settings(hardware="t4-small", sleep_time=60), Settings(visibility="public")))


def test_secrets_differ_by_the_release_that_sent_them():
    rows = secret_rows({"SAME": 1, "ROLLED": 1, "GONE": 1}, {"SAME": 1, "ROLLED": 4, "NEW": 4})

    assert [("-", "GONE", ""), ("+", "NEW", "sent by release 4"), ("~", "ROLLED", "sent by release 4")] == [
        (row.sign, row.key, row.note) for row in rows
    ]


def test_a_difference_shows_rows_and_files_and_hides_what_a_terminal_would_obey():
    rows = tuple(settings_rows(Settings(variables={"A": "1"}), Settings(variables={"A": "<b>\x1b[2J"})))
    found = Difference("acme/demo", record(3), record(7), rows, FileChanges(removed=("a\x1b.txt",)))

    assert [
        "acme/demo: release 3 -> 7",
        r"  ~ variable   A = 1 -> <b>\x1b[2J",
        r"      - a\x1b.txt",
    ] == str(found).splitlines()
    assert "&lt;b&gt;" in found._repr_html_()
    assert {"before": 3, "after": 7}.items() <= json.loads(json.dumps(found.as_dict())).items()
