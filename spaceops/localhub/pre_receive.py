"""What the Hub refuses when it is pushed with git; git runs this as its pre-receive hook.

Source of the words: public reports of refused pushes (August 2026).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from spaceops.localhub.git import NOTHING, contents, git
from spaceops.localhub.metadata import problems

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST = 10 << 20  # bytes
LOOKED_AT = 8000  # bytes; git itself calls a file binary by a NUL among these
REPO = Path()  # git starts its hooks in the repository, and tells them in the environment where the new objects are
ADVICE = "Please use https://git-lfs.com to store such files, or upload them with `hf upload`."


class File(NamedTuple):
    """A file that is being pushed."""

    path: str
    oid: str
    size: int  # bytes


def main() -> int:
    """Read what is pushed from standard input, as git hands it to the hook; 1 refuses it."""
    kind = sys.argv[1] if len(sys.argv) > 1 else "model"
    updates = [line.split() for line in sys.stdin]
    said = list(_complaints(kind, [(new, ref) for _, new, ref in updates if new != NOTHING]))
    sys.stderr.write("\n".join(said) + "\n" if said else "")
    return 1 if said else 0


def _complaints(kind: str, updates: list[tuple[str, str]]) -> Iterator[str]:
    files = list(_new_files([new for new, _ in updates]))
    large = {file.path for file in files if file.size > LARGEST}
    yield from _listing("files larger than 10 MiB", large)
    yield from _listing("binary files", _binary([file for file in files if file.path not in large]))
    for new, ref in updates:
        if ref == "refs/heads/main":
            yield from _card_complaints(kind, git(REPO, "ls-tree", new, "README.md", env=os.environ).decode())


def _listing(what: str, paths: set[str]) -> Iterator[str]:
    if paths:
        yield f"Your push was rejected because it contains {what}.\n{ADVICE}\nOffending files:"
        yield from (f"  - {path}" for path in sorted(paths))


def _new_files(commits: list[str]) -> Iterator[File]:
    """Every file of every pushed commit that is not here yet."""
    if not commits:
        return
    objects = git(REPO, "rev-list", "--objects", *commits, "--not", "--all", env=os.environ)
    form = "--batch-check=%(objecttype) %(objectname) %(objectsize) %(rest)"
    for line in git(REPO, "cat-file", form, stdin=objects, env=os.environ).decode("utf-8", "replace").splitlines():
        kind, oid, size, path = line.split(" ", 3)
        if kind == "blob":
            yield File(path, oid, int(size))


def _binary(files: list[File]) -> set[str]:
    texts = contents(REPO, [file.oid for file in files], os.environ)
    return {file.path for file, text in zip(files, texts, strict=True) if b"\0" in text[:LOOKED_AT]}


def _card_complaints(kind: str, entry: str) -> Iterator[str]:
    words = entry.split()
    card = next(contents(REPO, [words[2]], os.environ)) if words and words[1] == "blob" else b""
    if found := problems(card.decode("utf-8", "replace"), kind):
        yield "Sorry, your push was rejected during YAML metadata verification:"
        yield from (f"  - {problem}" for problem in found)


if __name__ == "__main__":
    sys.exit(main())
