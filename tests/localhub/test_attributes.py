"""Which files `.gitattributes` gives to LFS: as git itself decides."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaceops.localhub.attributes import INITIAL, Attributes, track

TEXT = """\
# *.comment filter=lfs
*.bin filter=lfs diff=lfs merge=lfs -text
*.txt text
/top.dat filter=lfs
docs/*.png filter=lfs
**/deep/*.x filter=lfs
any/**/z.y filter=lfs
all/** filter=lfs
*.[Jj]pg filter=lfs
a?c filter=lfs
keep.bin -filter
!negative.bin filter=lfs
no[!a-c].q filter=lfs
we[[:space:]]ird.r filter=lfs
literal\\*.s filter=lfs
"""
PATHS = [
    "x.bin",
    "a/b/x.bin",
    "x.txt",
    "top.dat",
    "sub/top.dat",
    "docs/a.png",
    "docs/sub/a.png",
    "other/docs/a.png",
    "deep/a.x",
    "1/2/deep/a.x",
    "any/z.y",
    "any/1/2/z.y",
    "all/1",
    "all/1/2",
    "all",
    "p.jpg",
    "p.Jpg",
    "p.JPG",
    "abc",
    "abbc",
    "keep.bin",
    "sub/keep.bin",
    "x.comment",
    "nod.q",
    "noa.q",
    "we ird.r",
    "weird.r",
    "literal*.s",
    "literally.s",
]


def git_says(folder: Path, text: str, paths: list[str], **below: str) -> set[str]:
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    for place, content in {"": text, **below}.items():
        (folder / place).mkdir(exist_ok=True)
        (folder / place / ".gitattributes").write_text(content)
    asked = "\0".join(paths) + "\0"
    command = ["git", "-C", folder, "check-attr", "-z", "--stdin", "filter"]
    words = subprocess.run(command, input=asked, capture_output=True, text=True, check=True).stdout.split("\0")
    return {path for path, value in zip(words[::3], words[2::3], strict=False) if value == "lfs"}


def test_every_pattern_means_what_it_means_to_git(tmp_path: Path) -> None:
    attributes = Attributes(TEXT)

    assert git_says(tmp_path, TEXT, PATHS) == {path for path in PATHS if attributes.is_lfs(path)}


def test_the_file_nearest_to_a_path_decides(tmp_path: Path) -> None:
    text, below = "*.bin filter=lfs\n/top/x filter=lfs\n", {"sub": "*.bin -filter\n/here filter=lfs\na/b filter=lfs\n"}
    paths = [
        "x.bin",
        "sub/x.bin",
        "sub/1/x.bin",
        "other/x.bin",
        "top/x",
        "sub/top/x",
        "sub/here",
        "sub/1/here",
        "sub/a/b",
    ]
    attributes = Attributes(text, below)

    assert git_says(tmp_path, text, paths, **below) == {path for path in paths if attributes.is_lfs(path)}


@pytest.mark.parametrize("path", ["model.safetensors", "a/b.parquet", "saved_model/1/x", "run/x.tfevents.1", "w.tar.7"])
def test_a_new_repository_tracks_the_usual_formats(path: str) -> None:
    assert Attributes(INITIAL).is_lfs(path)


@pytest.mark.parametrize("path", ["README.md", "app.py", "Dockerfile", "binary", "saved_model"])
def test_a_new_repository_does_not_track_text(path: str) -> None:
    assert not Attributes(INITIAL).is_lfs(path)


@pytest.mark.parametrize("path", ["a b.q", "#x", "!x", "we*ird[1].bin", 'quote".q', "back/sl.q"])
def test_the_line_for_one_path_covers_it_for_us_and_for_git(tmp_path: Path, path: str) -> None:
    line = track(path)

    assert Attributes(line).is_lfs(path)
    assert not Attributes(line).is_lfs(f"{path}x")
    assert {path} == git_says(tmp_path, line, [path, f"{path}x"])


@given(st.text(max_size=60), st.text(max_size=30))
def test_no_text_is_too_strange_to_be_read(text: str, path: str) -> None:
    Attributes(f"{text} filter=lfs").is_lfs(path)


@pytest.mark.parametrize("pattern", ["a*" * 60 + "b", "**/a/" * 40 + "b", "?*" * 60 + "b", "**/*a*/" * 30 + "b"])
def test_no_pattern_takes_long(pattern: str) -> None:
    assert not Attributes(f"{pattern} filter=lfs").is_lfs("a" * 200 + "/a" * 900)
