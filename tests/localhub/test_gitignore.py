"""Which paths `.gitignore` files leave out: as git itself decides."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaceops.localhub.gitignore import GitIgnore

ROOT = """\
# a comment
*.log
!keep.log
/top
build/
docs/*.html
**/cache/**
deep/**/x
trailing   \t
\\#hash
\\!bang
[ab].c
no[!a-c].q
!build/inside
literal\\*
any?thing
"""
ROOT += "spaces\\ \\  \n"
SUB = """\
!*.log
*.tmp
/here
a/b
"""
PATHS = [
    "x.log",
    "keep.log",
    "1/x.log",
    "1/keep.log",
    "sub/x.log",
    "sub/1/x.log",
    "top",
    "sub/top",
    "top/file",
    "build/x",
    "sub/build/x",
    "build/inside",
    "sub/build",
    "docs/a.html",
    "docs/1/a.html",
    "sub/docs/a.html",
    "cache/x",
    "1/cache/2/x",
    "deep/x",
    "deep/1/2/x",
    "deep/y",
    "#hash",
    "!bang",
    "a.c",
    "c.c",
    "noa.q",
    "nod.q",
    "literal*",
    "literally",
    "anything",
    "any/thing",
    "sub/x.tmp",
    "x.tmp",
    "sub/here",
    "sub/1/here",
    "sub/a/b",
    "sub/1/a/b",
    "trailing",
]
PATHS += ["spaces  ", "spaces ", "trailing   \t"]


def git_says(folder: Path, files: dict[str, str], paths: list[str]) -> set[str]:
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    for place, content in files.items():
        (folder / place).mkdir(exist_ok=True)
        (folder / place / ".gitignore").write_text(content)
    command = ["git", "-C", folder, "check-ignore", "--no-index", "-z", "--stdin"]
    done = subprocess.run(command, input="\0".join(paths) + "\0", capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return set(done.stdout.split("\0")) - {""}


def test_every_line_means_what_it_means_to_git(tmp_path: Path) -> None:
    files = {"": ROOT, "sub": SUB}
    rules = GitIgnore(files)

    assert git_says(tmp_path, files, PATHS) == {path for path in PATHS if rules.ignores(path)}


# What is between slashes. What git makes of two stars beside other characters depends on what stands before them.
SEGMENT = st.lists(st.sampled_from(["a", "b", "*", "?", "\\b", "[ab]", "a*", " ", "#", "!"]), max_size=3).map("".join)
SEGMENT = SEGMENT.map(lambda text: text.replace("**", "*")) | st.just("**")
LINE = st.tuples(st.sampled_from(["", "!", "/", "!/"]), st.lists(SEGMENT, max_size=4).map("/".join)).map("".join)
TEXTS = st.lists(LINE, max_size=4).map("\n".join)


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS)
def test_lines_of_any_kind_mean_what_they_mean_to_git(
    tmp_path_factory: pytest.TempPathFactory, root: str, sub: str
) -> None:
    paths = ["a", "b", "aa", "a/b", "a/a/b", "b/a", "sub/a", "sub/b", "sub/a/b", "sub/a/a/ba", "sub/b/a"]
    rules = GitIgnore({"": root, "sub": sub})

    assert git_says(tmp_path_factory.mktemp("tree"), {"": root, "sub": sub}, paths) == set(filter(rules.ignores, paths))


@pytest.mark.parametrize("pattern", ["a*" * 60 + "b", "**/a/" * 40 + "b", "?*" * 60 + "b", "**/*a*/" * 30 + "b"])
def test_no_pattern_takes_long(pattern: str) -> None:
    assert not GitIgnore({"": pattern}).ignores("a" * 200 + "/a" * 900)
