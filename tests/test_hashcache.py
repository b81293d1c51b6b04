"""Hashes kept between runs: believed only of files that cannot have changed since."""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec
import pytest

from spaceops import cachefolder
from spaceops.hashcache import FOLDER, SETTLED, HashCache, Stamp

OID, SHA256 = "ab" * 20, "cd" * 32
LATER = 60 * 1_000_000_000  # nanoseconds after the files of a test were made: time enough


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("SPACEOPS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "source" / "part" / "main.py"
    path.parent.mkdir(parents=True)
    path.write_text("x = 1\n")
    return path


def root_of(file: Path) -> Path:
    return file.parent.parent


def stamp_of(file: Path) -> Stamp:
    return Stamp.of(file.stat())


def remember(file: Path, **hashes: str) -> None:
    hashes_known = HashCache(root_of(file))
    hashes_known.note(file, stamp_of(file), hashes, began=time.time_ns() + LATER)
    hashes_known.keep()


def written(cache: Path) -> Path:
    return next((cache / FOLDER).iterdir())


def test_the_next_run_knows_what_this_one_has_noted(file):
    remember(file, oid=OID)
    remember(file, sha256=SHA256)
    known = HashCache(root_of(file))

    assert (OID, SHA256) == (known.find(file, stamp_of(file), "oid"), known.find(file, stamp_of(file), "sha256"))
    assert known.find(file.with_name("other.py"), stamp_of(file), "oid") is None


@pytest.mark.parametrize("field", Stamp.__struct_fields__)
def test_a_file_of_which_anything_differs_is_not_known(file, field):
    remember(file, oid=OID)
    stamp = stamp_of(file)
    other = msgspec.structs.replace(stamp, **{field: getattr(stamp, field) + 1})

    assert HashCache(root_of(file)).find(file, other, "oid") is None


def test_a_new_hash_takes_the_place_of_all_hashes_of_the_older_content(file):
    remember(file, oid=OID, sha256=SHA256)
    file.write_text("x = 22\n")
    remember(file, oid="ef" * 20)
    known = HashCache(root_of(file))

    assert "ef" * 20 == known.find(file, stamp_of(file), "oid")
    assert known.find(file, stamp_of(file), "sha256") is None


@pytest.mark.parametrize(("age", "is_known"), [(0, False), (SETTLED // 2, False), (-LATER, False), (2 * SETTLED, True)])
def test_a_file_that_changed_just_before_or_after_it_was_read_is_not_kept(file, age, is_known):
    """It may change once more within the same tick of the file system's clock, and nothing would show it."""
    known, stamp = HashCache(root_of(file)), stamp_of(file)
    known.note(file, stamp, {"oid": OID}, began=max(stamp.modified, stamp.changed) + age)

    assert is_known == (known.find(file, stamp, "oid") is not None)


def test_a_time_set_back_by_hand_does_not_make_a_file_older(file):
    os.utime(file, (1, 1))
    known, stamp = HashCache(root_of(file)), stamp_of(file)
    known.note(file, stamp, {"oid": OID}, began=time.time_ns())

    assert known.find(file, stamp, "oid") is None


BROKEN = {
    "empty": lambda _content: b"",
    "cut off": lambda content: content[:-3],
    "no cache": lambda _content: b"\x00\xffhello",
    "of another version": lambda content: content.replace(b"format\x01", b"format\x02"),
    "of another folder": lambda content: content.replace(b"/source", b"/sourcf"),
    "of another shape": lambda _content: msgspec.msgpack.encode({"format": 1, "root": b"", "files": []}),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_cache_that_is_broken_is_ignored_and_written_anew(file, cache, how):
    remember(file, oid=OID)
    before = written(cache).read_bytes()
    broken = BROKEN[how](before)
    written(cache).write_bytes(broken)

    assert broken != before
    assert HashCache(root_of(file)).find(file, stamp_of(file), "oid") is None

    remember(file, oid=OID)

    assert OID == HashCache(root_of(file)).find(file, stamp_of(file), "oid")


def test_each_folder_has_hashes_of_its_own(file, tmp_path):
    other = tmp_path / "other" / "part" / "main.py"
    other.parent.mkdir(parents=True)
    other.write_text("x = 1\n")
    remember(file, oid=OID)
    remember(other, oid="ef" * 20)

    assert HashCache(root_of(file)).find(file, stamp_of(file), "oid") == OID
    assert HashCache(root_of(other)).find(other, stamp_of(other), "oid") == "ef" * 20


def test_files_that_are_gone_are_forgotten(file):
    remember(file, oid=OID)
    stamp, other = stamp_of(file), file.with_name("other.py")
    other.write_text("y = 1\n")
    file.unlink()
    remember(other, oid=OID)

    assert HashCache(root_of(file)).find(file, stamp, "oid") is None
    assert OID == HashCache(root_of(file)).find(other, stamp_of(other), "oid")


def test_nothing_is_written_when_nothing_is_new(file, cache):
    remember(file, oid=OID)
    written(cache).unlink()
    HashCache(root_of(file)).keep()

    assert not list((cache / FOLDER).iterdir())


def test_a_folder_that_takes_nothing_is_no_error(file, cache):
    cache.write_text("a file stands in the way")
    remember(file, oid=OID)

    assert HashCache(root_of(file)).find(file, stamp_of(file), "oid") is None


def test_two_runs_at_once_leave_what_one_of_them_knew(file):
    first, second = HashCache(root_of(file)), HashCache(root_of(file))
    for known, hashes in ((first, {"oid": OID}), (second, {"sha256": SHA256})):
        known.note(file, stamp_of(file), hashes, began=time.time_ns() + LATER)
    first.keep()
    second.keep()
    known = HashCache(root_of(file))

    assert SHA256 == known.find(file, stamp_of(file), "sha256")
    assert known.find(file, stamp_of(file), "oid") is None


def test_names_that_are_no_text_do_no_harm(tmp_path):
    root = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    root.mkdir()
    (root / "part").mkdir()
    (root / "part" / "main.py").write_text("x = 1\n")
    remember(root / "part" / "main.py", oid=OID)

    assert OID == HashCache(root).find(root / "part" / "main.py", stamp_of(root / "part" / "main.py"), "oid")


def test_the_cache_holds_names_and_hashes_and_no_content(file, cache):
    file.write_text("SECRET = 'a canary'\n")
    remember(file, oid=OID, sha256=SHA256)

    assert b"canary" not in written(cache).read_bytes()
    assert cachefolder.load(f"{FOLDER}/{written(cache).name}")
