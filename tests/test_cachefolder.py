"""The cache folder: files that are there whole or not at all, and whose absence is never an error."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from spaceops.cachefolder import KEPT, cache_folder, load, save, sweep


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("SPACEOPS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_what_was_saved_is_loaded_and_readable_by_us_alone(folder):
    save("some/name", b"content")

    assert b"content" == load("some/name")
    assert 0o600 == (folder / "some" / "name").stat().st_mode & 0o777
    assert ["name"] == [path.name for path in (folder / "some").iterdir()]


def test_what_is_not_there_is_none(folder):
    assert load("some/name") is None


def test_a_folder_that_takes_nothing_is_no_error(folder):
    folder.write_text("a file stands in the way")

    save("some/name", b"content")

    assert load("some/name") is None


def test_a_file_that_cannot_be_put_in_its_place_leaves_nothing_behind(folder):
    (folder / "some" / "name").mkdir(parents=True)
    (folder / "some" / "name" / "inside").touch()

    save("some/name", b"content")

    assert ["name"] == [path.name for path in (folder / "some").iterdir()]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_a_file_that_somebody_else_wrote_is_not_believed(folder):
    save("name", b"content")
    os.chown(folder / "name", 12345, 12345)

    assert load("name") is None


def test_many_at_once_leave_a_whole_file():
    contents = [bytes([number]) * 100_000 for number in range(4)]
    save("name", contents[0])
    writers = [threading.Thread(target=lambda it=it: [save("name", it) for _ in range(20)]) for it in contents]
    for writer in writers:
        writer.start()
    seen = [load("name")]
    while any(writer.is_alive() for writer in writers):
        seen.append(load("name"))

    assert set(seen) <= set(contents)


def test_only_what_nobody_has_written_for_long_is_swept(folder):
    for name in ("hashes/old", "hashes/new", "other/old"):
        save(name, b"content")
    long_ago = time.time() - KEPT - 60
    for name in ("hashes/old", "other/old"):
        os.utime(folder / name, (long_ago, long_ago))
    sweep("hashes")
    sweep("nowhere")

    assert {"new", "other"} == {path.name for path in [*(folder / "hashes").iterdir(), (folder / "other")]}
    assert load("other/old")


def test_without_a_setting_it_is_the_users_cache_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("SPACEOPS_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    assert cache_folder() in (tmp_path / ".cache" / "spaceops", tmp_path / "Library" / "Caches" / "spaceops")
