"""What is written to the branch `spaceops`: read back as it was, refused when it is newer, and nothing of a secret."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaceops.errors import LedgerTooNew, SpaceopsError
from spaceops.records import FORMAT, Index, Lock, Origin, Record, Settings, decoded, encoded, index_of, path_of

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TEXTS = st.text(max_size=20)
OUTCOMES = st.sampled_from(["deploying", "applied", "running", "failed"])
RECORDS = st.builds(
    Record,
    number=st.integers(1, 10**6),
    outcome=OUTCOMES,
    by=TEXTS,
    started=TEXTS,
    sha=st.none() | TEXTS,
    restores=st.none() | st.integers(1),
    origin=st.none() | st.builds(Origin, commit=TEXTS, dirty=st.booleans()),
    settings=st.builds(
        Settings,
        hardware=st.none() | TEXTS,
        sleep_time=st.none() | st.integers(-1, 10**6),
        variables=st.dictionaries(TEXTS, TEXTS, max_size=3),
        secrets=st.dictionaries(TEXTS, st.integers(0, 99), max_size=3),
    ),
    changes=st.lists(TEXTS, max_size=3).map(tuple),
    codes=st.lists(TEXTS, max_size=2).map(tuple),
)
INDEXES = st.builds(
    Index,
    last=st.integers(0, 10**6),
    outcome=OUTCOMES,
    good=st.none() | st.integers(1),
    sha=st.none() | TEXTS,
    secrets=st.dictionaries(TEXTS, st.integers(0, 99), max_size=3),
    lock=st.none() | st.builds(Lock, id=TEXTS, by=TEXTS, since=TEXTS, until=st.just(NOW.isoformat())),
)


@given(RECORDS)
def test_a_record_is_read_as_it_was_written(record):
    assert record == decoded(Record, encoded(record), "a file")


@given(INDEXES)
def test_an_index_is_read_as_it_was_written(index):
    assert index == index_of(encoded(index), "a file")


@given(RECORDS | INDEXES)
def test_every_file_says_its_format_and_ends_with_a_line(file):
    written = encoded(file)

    assert FORMAT == json.loads(written)["format"]
    assert written.endswith(b"\n")


def test_a_file_is_sorted_so_that_a_commit_shows_what_changed():
    lines = encoded(Index(last=2, sha="abc", good=1)).decode().splitlines()

    assert ['  "format": 1,', '  "good": 1,', '  "last": 2,', '  "sha": "abc"'] == lines[1:-1]


@pytest.mark.parametrize("kind", [Index, Record])
def test_a_newer_format_is_refused_whatever_else_has_changed_in_it(kind):
    with pytest.raises(LedgerTooNew, match="has format 7") as caught:
        decoded(kind, b'{"format": 7, "number": {"of": "another kind"}, "last": []}', "demo/a: a file")

    assert (7, FORMAT) == (caught.value.found, caught.value.known)
    assert "upgrade" in caught.value.hint


def test_fields_that_a_later_spaceops_of_the_same_format_adds_are_passed_over():
    assert 3 == index_of(b'{"format": 1, "last": 3, "weather": "fine"}', "a file").last


@pytest.mark.parametrize("content", [b"{}", b'{"last": 3}', b"[]", b'"text"', b'["a.txt"]'])
def test_json_without_a_format_is_not_our_ledger(content):
    assert Index() == index_of(content, "a file")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"format": null}', b'{"format": 1, "outcome": "well"}'])
def test_what_is_broken_is_an_error_that_names_the_file(content):
    with pytest.raises(SpaceopsError, match=r"demo/a: ledger\.json was not written by spaceops"):
        index_of(content, "demo/a: ledger.json")


def test_the_next_number_follows_the_last_unless_that_release_was_never_finished():
    assert [1, 4, 4, 4, 3] == [
        index.next
        for index in (
            Index(),
            Index(last=3, outcome="applied"),
            Index(last=3, outcome="running"),
            Index(last=3, outcome="failed"),
            Index(last=3, outcome="deploying"),
        )
    ]


def test_a_lease_is_over_when_its_time_has_come():
    lock = Lock(id="x", by="demo", since=NOW.isoformat(), until=(NOW + timedelta(minutes=5)).isoformat())

    assert not lock.is_over(NOW + timedelta(minutes=4, seconds=59))
    assert lock.is_over(NOW + timedelta(minutes=5))


@pytest.mark.parametrize("until", ["soon", "", "2026-11-23T12:00:00"])
def test_a_lock_without_a_time_to_end_is_none(until):
    with pytest.raises(ValueError, match=r"isoformat|zone"):
        Lock(id="x", by="demo", since="", until=until)


def test_files_of_releases_are_listed_in_their_order():
    assert ["releases/0009.json", "releases/0010.json", "releases/12345.json"] == list(map(path_of, (9, 10, 12345)))


def test_there_is_no_place_for_a_secret_or_its_fingerprint():
    """A field that could hold one would have to be added here too."""
    kept = {field.name: field.type for field in msgspec.structs.fields(Settings)}

    assert "Mapping[str, int]" in str(kept["secrets"])  # names and numbers
    assert {"visibility", "hardware", "sleep_time", "variables", "secrets", "volumes"} == kept.keys()
