"""Folders that nobody vouches for: only plain files are seen, and nothing leads out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spaceops.localhub.folders import Folder, Found, WrongPath, names_of

SECOND = 1_000_000_000  # nanoseconds


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "files")


def put(folder: Folder, path: str, content: bytes = b"content") -> Found:
    arrived = folder.root.parent / "arrived"
    arrived.write_bytes(content)
    return folder.put(path, arrived, SECOND)


def read(folder: Folder, path: str) -> bytes:
    with folder.open(path) as file:
        return file.read()


def test_a_file_that_was_put_is_found_with_the_time_it_was_given(folder: Folder) -> None:
    put(folder, "a/b.txt")
    assert [Found("a/b.txt", 7, SECOND)] == list(folder.files())
    assert Found("a/b.txt", 7, SECOND) == folder.find("a/b.txt")
    assert b"content" == read(folder, "a/b.txt")
    assert 0o644 == (folder.root / "a/b.txt").stat().st_mode & 0o777


def test_files_are_sorted_by_their_paths_not_folder_by_folder(folder: Folder) -> None:
    for path in ("b", "a/z", "a.txt", "a-1/x", "é", "a/b/c"):
        put(folder, path)
    assert ["a-1/x", "a.txt", "a/b/c", "a/z", "b", "é"] == [file.path for file in folder.files()]
    assert ["a/b/c", "a/z"] == [file.path for file in folder.files("a/")]
    assert ["a-1/x", "a.txt", "a/b/c", "a/z"] == [file.path for file in folder.files("a")]
    assert [] == list(folder.files("nowhere"))


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../../x", "a/./b", "a//b", "a/", "..\\x", "a\0b"])
def test_a_path_that_leads_elsewhere_or_nowhere_is_no_path(folder: Folder, path: str) -> None:
    with pytest.raises(WrongPath):
        put(folder, path)
    with pytest.raises(WrongPath):
        folder.remove(path)
    assert folder.find(path) is None
    assert [] == list(folder.files())


@pytest.mark.parametrize("path", ["x" * 256, "é" * 128, "/".join(["x" * 100] * 11), "\ud800"])
def test_a_path_that_no_disk_can_hold_is_no_path(path: str) -> None:
    with pytest.raises(WrongPath):
        names_of(path)


def test_dots_and_backslashes_in_names_are_allowed(folder: Folder) -> None:
    for path in ("a..b", "...", ".hidden", "back\\slash", "line\nbreak"):
        put(folder, path)
        assert b"content" == read(folder, path)


@pytest.mark.parametrize("below", ["..", "a/../..", "\0", "."])
def test_no_list_begins_outside(folder: Folder, below: str) -> None:
    put(folder, "a/b")
    (folder.root.parent / "outside").write_text("x")
    assert [] == list(folder.files(below)) + list(folder.level(below))


def test_a_list_goes_on_after_any_path(folder: Folder) -> None:
    names = ["a", "a-1/x", "a.d/x", "a.d/y/1", "a.d/y/2", "a.d0", "b/c/d", "b/c/e", "é"]
    for path in names:
        put(folder, path)
    for number, name in enumerate(names):
        assert names[number + 1 :] == [file.path for file in folder.files(after=name)]
        assert [path for path in names[number + 1 :] if path.startswith("a.d")] == (
            [file.path for file in folder.files("a.d", name)]
        )
    assert names[2:] == [file.path for file in folder.files(after="a.")]


def test_a_level_shows_folders_by_their_paths_unless_nothing_is_in_them(folder: Folder) -> None:
    for path in ("a", "d/1", "d/e/2", "d/e/f/3", "d.x", "dd/4"):
        put(folder, path)
    (folder.root / "empty/inside").mkdir(parents=True)

    def level(prefix: str = "", after: str = "") -> list[str]:
        return [entry if isinstance(entry, str) else entry.path for entry in folder.level(prefix, after)]

    assert ["a", "d.x", "d", "dd"] == level()
    assert ["d.x", "d/1", "d/e", "dd"] == level("d")
    assert ["d/1", "d/e"] == level("d/")
    assert ["d/e/2", "d/e/f"] == level("d/e")
    assert [] == level("empty")
    assert ["d", "dd"] == level(after="d.x")
    assert ["dd"] == level(after="d/")
    assert ["d/e", "dd"] == level("d", "d/1")


def test_links_and_pipes_are_neither_seen_nor_followed(folder: Folder, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("x")
    (folder.root / "file").symlink_to(outside / "secret")
    (folder.root / "folder").symlink_to(outside)
    os.mkfifo(folder.root / "pipe")
    assert [] == list(folder.files())
    for path in ("file", "folder/secret", "pipe"):
        assert folder.find(path) is None
        assert not folder.remove(path)
    with pytest.raises(WrongPath):
        put(folder, "folder/new")
    assert ["secret"] == [file.name for file in outside.iterdir()]


def test_a_file_takes_the_place_of_a_link_and_not_of_what_it_leads_to(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "target").write_text("untouched")
    (folder.root / "link").symlink_to(tmp_path / "target")
    put(folder, "link")
    assert b"content" == read(folder, "link")
    assert "untouched" == (tmp_path / "target").read_text()


def test_names_that_are_no_text_are_not_shown(folder: Folder) -> None:
    try:
        (folder.root / os.fsdecode(b"\xff")).write_text("x")
    except OSError:
        pytest.skip("this disk takes only names that are text")
    put(folder, "b")
    assert ["b"] == [file.path for file in folder.files()]


def test_a_path_is_a_file_or_a_folder(folder: Folder) -> None:
    put(folder, "a/b")
    with pytest.raises(WrongPath, match="folder of that name"):
        put(folder, "a")
    with pytest.raises(WrongPath, match="in the way"):
        put(folder, "a/b/c")
    assert ["a/b"] == [file.path for file in folder.files()]


def test_a_file_may_be_put_where_an_empty_folder_is(folder: Folder) -> None:
    folder.make("a")
    put(folder, "a")
    assert b"content" == read(folder, "a")


def test_folders_go_with_their_last_file_but_for_those_to_keep(folder: Folder) -> None:
    for path in ("a/b/c/1", "a/b/2", "kept/sub/3"):
        put(folder, path)
    assert folder.remove("a/b/c/1")
    folder.clear(["a/b/c/1"])
    assert ["2"] == [file.name for file in (folder.root / "a/b").iterdir()]
    assert folder.remove("a/b/2")
    assert folder.remove("kept/sub/3")
    assert not folder.remove("kept/sub/3")
    folder.clear(["a/b/2", "kept/sub/3", "top", "no/where"], {"kept"})
    assert ["kept"] == [file.name for file in folder.root.iterdir()]


def test_a_hostile_depth_of_folders_does_not_stop_the_list(folder: Folder) -> None:
    place = os.open(folder.root, os.O_RDONLY)
    for _ in range(600):
        os.mkdir("deep", dir_fd=place)
        inner = os.open("deep", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inner
    os.close(place)
    put(folder, "a")
    assert ["a"] == [file.path for file in folder.files()]
