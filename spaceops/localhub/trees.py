"""What a repository may hold: which paths, how many files, and how many of them in one folder."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from spaceops.localhub.refusals import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_FILES = 100_000  # in a commit, with its folders; source: the Hub's documentation advises to stay below
MOST_ENTRIES = 10_000  # in a folder; source: the Hub's documentation
LONGEST_PATH, LONGEST_NAME = 900, 255  # bytes; more cannot be written to a disk, of Macs at least
CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")
IGNORABLE = re.compile(r"[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")  # in names on HFS+; source: git's utf8.c
DOT_GIT = re.compile(r"(\.git|git~1)[. ]*(:.*)?", re.IGNORECASE)  # on NTFS; source: git's path.c


def checked_path(path: str) -> str:
    """The path without a slash at its end; raises `Refused` for one that must not be in a repository."""
    path = path.removesuffix("/")
    if problem := path_problem(path):
        raise Refused(
            422, f"Invalid path in repository: {path[:LONGEST_NAME]!r} {problem}".encode(errors="replace").decode()
        )
    return path


def path_problem(path: str) -> str | None:
    """Why a path must not be in a repository, None if it may."""
    names = path.split("/")
    if any(name in ("", ".", "..") for name in names) or CONTROL.search(path):
        return "leads elsewhere, or holds what no name may hold"
    if any(is_dot_git(name) for name in names):
        return "is git's own"
    try:
        too_long = len(path.encode()) > LONGEST_PATH or any(len(name.encode()) > LONGEST_NAME for name in names)
    except UnicodeEncodeError:
        return "is not Unicode"
    return "is too long" if too_long else None


def is_dot_git(name: str) -> bool:
    """Whether some machine would take the name for `.git`, where git keeps what it runs."""
    return DOT_GIT.fullmatch(IGNORABLE.sub("", name)) is not None


def folders_of(path: str) -> Iterator[str]:
    """The folders that a path is in, the innermost first; the root is ''."""
    while path:
        path = path.rpartition("/")[0]
        yield path


def crowded(paths: Iterable[str]) -> list[str]:
    """The folders with too many files and folders in them, of a tree that consists of these."""
    counts = Counter(path.rpartition("/")[0] for path in paths)
    return sorted(folder for folder, count in counts.items() if count > MOST_ENTRIES)


def crowd_complaint(ref: str, folders: Iterable[str]) -> str:
    """What the Hub says of such folders."""
    named = "\n".join(f"  - /{folder}/" if folder else "  - /" for folder in folders)
    return (
        "Your push was rejected because it contains too many files per directory. Each directory in your git repo can "
        f"only contain up to {MOST_ENTRIES} files.\nOffending reference: {ref}\nOffending directories:\n{named}"
    )
