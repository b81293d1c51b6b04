"""The storage in a mounted bucket; here, what can be told without one, and the files that it would write."""

from __future__ import annotations

import logging
import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serving.storage import Storage, is_mounted, open_storage, unfit


@pytest.fixture
def storage(tmp_path):
    """As in a volume at this path."""
    return Storage(tmp_path, None)


def files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


def test_records_come_back_as_they_were_and_in_their_order(storage):
    records = [{"n": n, "text": "two\nlines \ud800"} for n in range(50)]
    for record in records:
        storage.append("feedback", record)

    assert records == list(storage.records("feedback"))
    assert [] == list(storage.records("others"))


def test_no_file_is_ever_written_twice(storage, tmp_path):
    storage.append("jobs/1/events", {"n": 1})
    [first] = files(tmp_path)
    before = first.stat()
    storage.append("jobs/1/events", {"n": 2})

    assert (before.st_mtime_ns, before.st_ino) == (first.stat().st_mtime_ns, first.stat().st_ino)
    assert 2 == len(files(tmp_path))


def test_two_instances_write_beside_each_other(storage, tmp_path):
    other = Storage(tmp_path, None)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: (storage, other)[n % 2].append("feedback", {"n": n}), range(100)))

    assert list(range(100)) == sorted(record["n"] for record in other.records("feedback"))


def test_what_is_kept_is_there_after_a_restart(storage, tmp_path):
    storage.append("feedback", {"n": 1})
    storage.close()

    assert [{"n": 1}] == list(Storage(tmp_path, None).records("feedback"))


def test_a_file_that_was_cut_off_is_left_out(storage, tmp_path, caplog):
    storage.append("feedback", {"text": "my secret"})
    storage.append("feedback", {"n": 2})
    first = files(tmp_path)[0]
    first.write_bytes(first.read_bytes()[:15])

    assert [{"n": 2}] == list(storage.records("feedback"))
    assert "is cut off" in caplog.text
    assert "secret" not in caplog.text


def test_where_there_is_no_more_room_no_half_record_is_left(storage, tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, before[1]))  # bytes of a file, in place of a small volume
    try:
        with pytest.raises(OSError, match="File too large"):
            storage.append("feedback", {"n": "x" * 100})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    storage.append("feedback", {"n": 2})

    assert [{"n": 2}] == list(storage.records("feedback"))
    assert 1 == len(files(tmp_path))


def test_a_folder_that_is_only_there_keeps_nothing(tmp_path, caplog):
    """As an image may have it: what is written into it is lost."""
    caplog.set_level(logging.INFO)
    storage = open_storage({"DATA_DIR": str(tmp_path)})
    storage.append("feedback", {"n": 1})

    assert not storage.persistent
    assert [] == files(tmp_path)
    assert f"Temporary, because no volume is mounted at {tmp_path}" in storage.message
    assert storage.message in caplog.text
    storage.close()
    assert not storage.folder.exists()


def test_a_mount_is_told_from_a_folder(tmp_path):
    assert is_mounted(Path("/"))
    assert not is_mounted(tmp_path)
    assert not is_mounted(tmp_path / "nothing")


def test_a_volume_without_room_is_named_and_nothing_is_left_in_it(tmp_path, monkeypatch):
    """`mountinfo` has the place of a mount as its fifth word."""
    mounts, volume = tmp_path / "mountinfo", tmp_path / "volume"
    volume.mkdir()
    mounts.write_text(f"36 35 98:0 / {volume} rw - tmpfs none rw\n")
    monkeypatch.setattr("serving.storage.MOUNTS", mounts)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))  # bytes of a file, in place of a full volume
    try:
        reason = unfit(volume)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert f"the volume at {volume} cannot be written (File too large)" == reason
    assert [] == files(volume)
    assert unfit(volume) is None
    assert [] == files(volume)


@pytest.mark.skipif(not Path("/proc/self").is_mount() and not Path("/proc").is_mount(), reason="there is no /proc")
def test_a_volume_that_cannot_be_written_is_named_with_the_reason():
    assert unfit(Path("/proc")).startswith("the volume at /proc cannot be written (")
