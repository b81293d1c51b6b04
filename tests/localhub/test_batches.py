"""Batches without a server: what is moved, what is copied, and what is left when something fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from spaceops.localhub.batches import Batch, Impossible, Kept, Placing, Removal
from spaceops.localhub.buckets import BucketFile, Buckets
from spaceops.localhub.folders import Folder
from spaceops.localhub.store import Repo, Store, connect
from spaceops.localhub.vault import Vault


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "tmp").mkdir()
    return Folder(tmp_path / "files")


@pytest.fixture
def uploaded(tmp_path: Path) -> Path:
    file = tmp_path / "uploaded"
    file.write_text("content")
    return file


def apply(folder: Folder, *changes: Placing | Removal | Impossible) -> list[tuple[str, str]]:
    """What failed."""
    return Batch(folder, folder.root.parent / "tmp", ()).apply(changes).failed


def placing(path: str, uploaded: Path | None = None, *others: Kept | Path, awaited: bool = False) -> Placing:
    return Placing(path=path, xet_hash="f" * 64, mtime_ns=1, uploaded=uploaded, awaited=awaited, others=others)


def texts(folder: Folder) -> dict[str, str]:
    return {file.path: (folder.root / file.path).read_text() for file in folder.files()}


def test_an_upload_is_moved_the_last_time_and_copied_before(folder: Folder, uploaded: Path) -> None:
    inode = uploaded.stat().st_ino
    assert [] == apply(folder, placing("a", uploaded), placing("b", uploaded), placing("c", uploaded))
    assert {"a": "content", "b": "content", "c": "content"} == texts(folder)
    assert [False, False, True] == [inode == (folder.root / path).stat().st_ino for path in "abc"]
    assert not uploaded.exists()


def test_an_upload_that_others_wait_for_stays(folder: Folder, uploaded: Path) -> None:
    assert [] == apply(folder, placing("a", uploaded, awaited=True))
    assert {"a": "content"} == texts(folder)
    assert "content" == uploaded.read_text()


def test_an_upload_stays_when_its_path_cannot_be(folder: Folder, uploaded: Path) -> None:
    folder.make("a")
    (folder.root / "a/b").write_text("")
    assert [("a", "There is a folder of that name")] == apply(folder, placing("a", uploaded))
    assert uploaded.exists()
    assert [] == list((folder.root.parent / "tmp").iterdir())


def test_a_source_that_has_changed_is_no_source(folder: Folder, uploaded: Path, tmp_path: Path) -> None:
    other = Folder(tmp_path / "other")
    known = BucketFile(*other.put("x", uploaded, 1), "f" * 64, "")
    assert [] == apply(folder, placing("a", None, Kept(other, known)))
    (other.root / "x").write_text("changed since")
    assert [("b", f"There is no content {'f' * 64}")] == apply(folder, placing("b", None, Kept(other, known)))
    assert {"a": "content"} == texts(folder)


def test_a_file_that_the_same_batch_has_replaced_is_no_source(folder: Folder, uploaded: Path, tmp_path: Path) -> None:
    known = BucketFile(*folder.put("x", uploaded, 1), "f" * 64, "")
    another = tmp_path / "another"
    another.write_text("another")
    failed = apply(folder, placing("x", another), placing("copy", None, Kept(folder, known)))
    assert ["copy"] == [path for path, _ in failed]
    assert {"x": "another"} == texts(folder)


def test_nothing_is_left_of_what_was_known_to_fail(folder: Folder) -> None:
    assert [("a", "why"), ("b", "There is no such file")] == apply(folder, Impossible("a", "why"), Removal("b"))
    assert {} == texts(folder)


def test_content_is_awaited_until_everybody_who_uploaded_it_has_used_it(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    db = connect(tmp_path / "hub.sqlite3")
    store, buckets = Store(db, Vault(tmp_path)), Buckets(db, tmp_path)
    repo = Repo(
        id="a" * 24,
        kind="bucket",
        namespace="demo",
        name="state",
        visibility="public",
        sdk=None,
        created_at="2026-01-31T12:00:00.000Z",
        creator="demo",
    )
    store.add(repo)
    buckets.uploaded(repo, ["one", "two"])
    buckets.uploaded(repo, ["one"])
    assert {"one"} == buckets.claim(repo, ["one", "one", "two"])
    assert set() == buckets.claim(repo, ["one"])
    assert set() == buckets.claim(repo, ["one"])
    buckets.uploaded(repo, ["one"])
    assert set() == buckets.claim(repo, ["one"])
    db.close()
