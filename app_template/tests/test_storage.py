"""The storage of an app that keeps nothing for longer than it runs."""

from __future__ import annotations

import resource
from concurrent.futures import ThreadPoolExecutor

import pytest

from serving.storage import open_storage


@pytest.fixture
def storage():
    storage = open_storage({})
    yield storage
    storage.close()


def test_records_come_back_as_they_were_and_in_their_order(storage):
    records = [{"n": 1}, {"text": "two\nlines\u2028and \ud800 more"}, {"list": [1.5, None, True]}]
    for record in records:
        storage.append("feedback", record)

    assert records == list(storage.records("feedback"))
    assert [] == list(storage.records("others"))


def test_where_the_disk_is_full_no_half_line_is_left(storage):
    storage.append("notes", {"n": 1})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, before[1]))  # bytes of a file, in place of a small disk
    try:
        with pytest.raises(OSError, match="No space left"):
            storage.append("notes", {"n": "x" * 100})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    storage.append("notes", {"n": 2})

    assert [{"n": 1}, {"n": 2}] == list(storage.records("notes"))


def test_a_name_may_have_folders(storage):
    storage.append("jobs/1/events", {"n": 1})

    assert [{"n": 1}] == list(storage.records("jobs/1/events"))
    assert (storage.folder / "jobs" / "1").is_dir()


def test_many_threads_lose_no_record_and_mix_none(storage):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: storage.append("feedback", {"n": n, "text": "x" * 20_000}), range(200)))

    assert list(range(200)) == sorted(record["n"] for record in storage.records("feedback"))


def test_it_says_that_nothing_lasts(storage):
    assert not storage.persistent
    assert "lost when the app restarts" in storage.message


def test_the_folder_goes_with_the_app(storage):
    storage.append("feedback", {})
    storage.close()

    assert not storage.folder.exists()
