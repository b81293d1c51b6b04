"""Ignore files are read as git reads them: git itself is asked about thousands of paths."""

from __future__ import annotations

import itertools
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spaceops.ignorerules import Rules

EXAMPLES = int(os.environ.get("SPACEOPS_EXAMPLES", "100"))
NAMES = ["a", "b", "ab", "foo", "foo.py", ".x", "a b", "[a]", "b]", "-", "é", "x.log", "A", "1", "!a", "#a", "a\\b"]
FOLDERS = [
    "/".join(parts)
    for parts in (
        *((name,) for name in NAMES),
        *itertools.product(["a", "foo", "b"], NAMES),
        *itertools.product(["a", "foo"], ["a", "foo"], NAMES),
    )
]
FILE = "foo.log"  # no folder in the tree has this name: git asks the disk which of the paths are folders
PIECES = [*"abxfo.-!]#A1é ", "[", "[!", "[^", "*", "**", "**/", "/**", "/**/", "?", "/", "\\", "foo", ".log"]
PIECES += ["[:alpha:]", "[[:digit:]]", "[a-c]", "[^a]", "[c-a]", "[]a]", "[a-", "\\]"]
LINES = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join)


def said_by_git(top: Path, content: bytes, paths: list[str]) -> dict[str, bool | None]:
    """Git's verdict about each path: True for ignored, False for brought back, None for neither."""
    (top / ".gitignore").write_bytes(content)
    command = ["git", "-C", top, "-c", "core.excludesFile=", "check-ignore", "--no-index", "-v", "-n", "-z", "--stdin"]
    asked = b"".join(os.fsencode(path) + b"\0" for path in paths)
    said = subprocess.run(command, input=asked, capture_output=True, check=False).stdout.split(b"\0")
    return {
        os.fsdecode(path): None if not pattern else not pattern.startswith(b"!")
        for pattern, path in zip(said[2::4], said[3::4], strict=True)
    }


def said_by_us(rules: Rules, path: str, *, is_folder: bool) -> bool | None:
    """As a walk finds it: what lies in an ignored folder is ignored."""
    names = os.fsencode(path).split(b"/")
    said = None
    for number, name in enumerate(names, 1):
        last = number == len(names)
        said = rules.verdict(b"/".join(names[:number]), 0, name, is_folder=is_folder or not last)
        if said and not last:
            return True
    return said


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    top = tmp_path_factory.mktemp("tree")
    subprocess.run(["git", "init", "--quiet", top], check=True)
    for folder in FOLDERS:
        (top / folder).mkdir(parents=True, exist_ok=True)
    return top


@pytest.fixture(scope="module")
def flat_tree(tmp_path_factory) -> Path:
    top = tmp_path_factory.mktemp("files")
    subprocess.run(["git", "init", "--quiet", top], check=True)
    for name in NAMES:
        (top / name).write_text("")
    return top


def differences(top: Path, content: bytes, paths: list[str], *, is_folder: bool) -> dict[str, tuple[object, object]]:
    by_git, rules = said_by_git(top, content, paths), Rules.read(content)
    by_us = {path: said_by_us(rules, path, is_folder=is_folder) for path in paths}
    return {path: (by_git[path], by_us[path]) for path in paths if by_git[path] != by_us[path]}


@settings(max_examples=EXAMPLES, deadline=None)
@given(line=LINES)
def test_git_agrees_about_a_pattern(tree, line):
    assert not differences(tree, line.encode(), FOLDERS, is_folder=True)


@settings(max_examples=EXAMPLES, deadline=None)
@given(lines=st.lists(LINES, min_size=2, max_size=6), end=st.sampled_from(["\n", "\r\n"]))
def test_git_agrees_about_several_patterns_of_which_the_last_one_decides(flat_tree, lines, end):
    assert not differences(flat_tree, end.join(lines).encode(), NAMES, is_folder=False)


@pytest.mark.parametrize(
    "content",
    [
        b"*.log\n!foo/\n",
        b"/*\n!/foo\n",
        b"**/foo/**\n",
        b"a/**/b\n",
        b"foo/**/\n",
        b"a**/a\n",
        b"x**/\n",
        b"a/**\n!a/foo/\n",
        b"[[:alpha:]\n",
        b"[a-[:alpha:]\n",
        b"[!]a\n",
        b"[]-a]\n",
        b"[z-a]\n",
        b"[^[:digit:]a-b]\n",
        b"[[:nonsense:]]\n",
        b"foo\\\n",
        b"a\\ b\n",
        b"a b   \n",
        b"a\\\\b \n",
        b"\\#a\n\\!a\n",
        b"#a\n",
        b"/\n//\n!\n!/\n",
        b"\xef\xbb\xbffoo\n",
        b"foo\r\nx.log\r",
        b"?\n",
        b"\xc3\xa9\n",
        b"*\n!*/\n!*.py\n",
    ],
)
def test_git_agrees_about_odd_patterns(tree, content):
    assert not differences(tree, content, FOLDERS, is_folder=True)


def test_a_pattern_for_folders_says_nothing_about_files():
    rules = Rules.of("build/")

    assert rules.verdict(b"x/build", 0, b"build", is_folder=True)
    assert rules.verdict(b"x/build", 0, b"build", is_folder=False) is None


def test_paths_are_seen_from_the_folder_of_the_ignore_file():
    rules = Rules.of("/data")

    assert rules.verdict(b"sub/data", len(b"sub/"), b"data", is_folder=False)
    assert rules.verdict(b"sub/data", 0, b"data", is_folder=False) is None


def test_names_that_are_no_text_are_matched_too():
    assert Rules.of("*.l\udce9g").verdict(b"x.l\xe9g", 0, b"x.l\xe9g", is_folder=False)


@settings(max_examples=EXAMPLES // 4, deadline=None)
@given(lines=st.lists(LINES, min_size=1, max_size=3))
@example(lines=["x**/"])
def test_a_file_is_covered_where_git_ignores_it_or_a_folder_that_it_lies_in(tree, lines):
    rules, files = Rules.of(*lines), [f"{folder}/{FILE}" for folder in FOLDERS]

    said = said_by_git(tree, "\n".join(lines).encode(), files)

    assert {path: bool(said[path]) for path in files} == {path: rules.covers(path) for path in files}
