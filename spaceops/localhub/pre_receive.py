"""What the Hub refuses when it is pushed with git; git runs this as its pre-receive hook.

Source of the words: public reports of refused pushes (2025 and 2026).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from spaceops.localhub.discussions import REF
from spaceops.localhub.git import LONGEST_LINE, NOTHING, GitError, contents, git, nodes
from spaceops.localhub.lfs import POINTER_SIZES, Pointer
from spaceops.localhub.refusals import Refused
from spaceops.localhub.trees import crowd_complaint, crowded, path_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST = 10 << 20  # bytes
LOOKED_AT = 8000  # bytes; git itself calls a file binary by a NUL among these
REPO = Path()  # git starts its hooks in the repository, and tells them in the environment where the new objects are
FACTS = "HUB_PUSH"  # the variable with a `Push`
RULE = "-" * 73
LARGE_ADVICE = """Please use https://git-lfs.github.com/ to store large files.
See also: https://hf.co/docs/hub/repositories-getting-started#terminal"""
BINARY_ADVICE = """Please use https://huggingface.co/docs/hub/xet to store binary files, or upload with `hf upload`.
See also: https://huggingface.co/docs/hub/xet/using-xet-storage#git"""
POINTER_ADVICE = "For instance, this can happen if you used git push --no-verify to push your changes."


class Push(msgspec.Struct, frozen=True):
    """What the server knows of a push."""

    kind: str  # of the repository
    writer: bool  # whether branches and tags may change
    pulls: tuple[int, ...]  # the pull requests that may
    large_files: str  # the folder of the repository's large files


class Update(NamedTuple):
    """A ref that is to change."""

    old: str
    new: str
    ref: str


class File(NamedTuple):
    """A file that is being pushed."""

    path: str
    oid: str
    size: int  # bytes


def main() -> int:
    """Read what is pushed from standard input, as git hands it to the hook; 1 refuses it."""
    push = msgspec.json.decode(os.environ[FACTS], type=Push)
    updates = [Update(*line.split()) for line in sys.stdin]
    try:
        said = list(_complaints(push, updates))
    except (GitError, Refused) as error:
        said = [f"Your push was rejected: {error}"]
    sys.stderr.write("\n".join([RULE, *said, RULE]) + "\n" if said else "")
    return 1 if said else 0


def _complaints(push: Push, updates: list[Update]) -> Iterator[str]:
    if refused := [update.ref for update in updates if not _is_allowed(push, update)]:
        yield "Your push was rejected: only branches, tags and open pull requests of yours can be pushed."
        yield from (f"  - {ref}" for ref in refused)
        return
    tips = [update for update in updates if update.new != NOTHING]
    for update in tips:
        yield from _tree_complaints(update)
    files = list(_new_files([update.new for update in tips]))
    refs = ", ".join(update.ref for update in tips)
    yield from _file_complaints(push, files, refs)
    if any(file.path == "README.md" for file in files):
        for update in tips:
            yield from _card_complaints(push.kind, update)


def _is_allowed(push: Push, update: Update) -> bool:
    if match := REF.fullmatch(update.ref):
        return int(match[1]) in push.pulls and update.new != NOTHING
    return push.writer and update.ref.startswith(("refs/heads/", "refs/tags/"))


def _tree_complaints(update: Update) -> Iterator[str]:
    """What is wrong with a commit's paths, whatever the files hold."""
    paths = []
    for node in nodes(REPO, f"{update.new}^{{commit}}", os.environ):
        if problem := path_problem(node.path):
            yield f"Your push was rejected because it contains an invalid path.\n  - {node.path!r} {problem}"
            return
        paths.append(node.path)
    if folders := crowded(paths):
        yield crowd_complaint(update.ref, folders)


def _file_complaints(push: Push, files: list[File], refs: str) -> Iterator[str]:
    large = {file.path for file in files if file.size > LARGEST}
    because = "Your push was rejected because"
    yield from _listing(f"{because} it contains files larger than 10 MiB.", LARGE_ADVICE, large, refs)
    binary = _binary([file for file in files if file.path not in large])
    yield from _listing(f"{because} it contains binary files.", BINARY_ADVICE, binary, refs)
    lost = _lost_pointers([file for file in files if file.size in POINTER_SIZES], Path(push.large_files))
    yield from _listing(f"{because} an LFS pointer pointed to a file that does not exist.", POINTER_ADVICE, lost, refs)


def _listing(what: str, advice: str, paths: set[str], refs: str) -> Iterator[str]:
    if paths:
        yield f"{what}\n{advice}\n\nOffending files:"
        yield from (f"  - {path} (ref: {refs})" for path in sorted(paths))


def _new_files(commits: list[str]) -> Iterator[File]:
    """Every file of every pushed commit that is not here yet."""
    if not commits:
        return
    git_here = ["git", f"--git-dir={REPO}"]
    form = "--batch-check=%(objecttype) %(objectname) %(objectsize) %(rest)"
    pipe = subprocess.PIPE
    with (
        subprocess.Popen([*git_here, "rev-list", "--objects", *commits, "--not", "--all"], stdout=pipe) as listing,
        subprocess.Popen([*git_here, "cat-file", form], stdin=listing.stdout, stdout=pipe) as checking,
    ):
        assert listing.stdout and checking.stdout  # noqa: S101  for the type checker: both are pipes
        listing.stdout.close()
        while line := checking.stdout.readline(LONGEST_LINE):
            if not line.endswith(b"\n"):
                listing.kill()
                checking.kill()
                raise GitError("there are too many folders in each other")
            kind, oid, size, path = line.rstrip(b"\n").decode(errors="replace").split(" ", 3)
            if kind == "blob":
                yield File(path, oid, int(size))
    if listing.returncode or checking.returncode:
        raise GitError("git cannot read it")


def _binary(files: list[File]) -> set[str]:
    texts = contents(REPO, [file.oid for file in files], os.environ)
    return {file.path for file, text in zip(files, texts, strict=True) if b"\0" in text[:LOOKED_AT]}


def _lost_pointers(files: list[File], large_files: Path) -> set[str]:
    texts = contents(REPO, [file.oid for file in files], os.environ)
    read = [(file.path, Pointer.read(text)) for file, text in zip(files, texts, strict=True)]
    return {path for path, pointer in read if pointer and not _holds(large_files, pointer)}


def _holds(large_files: Path, pointer: Pointer) -> bool:
    try:
        return (large_files / pointer.oid[:2] / pointer.oid).stat().st_size == pointer.size
    except OSError:
        return False


def _card_complaints(kind: str, update: Update) -> Iterator[str]:
    from spaceops.localhub.metadata import problems  # reading YAML takes longer to load than all else

    words = git(REPO, "ls-tree", f"{update.new}^{{commit}}", "README.md", env=os.environ).decode().split()
    card = next(contents(REPO, [words[2]], os.environ)) if words and words[1] == "blob" else b""
    if found := problems(card.decode("utf-8", "replace"), kind):
        yield "Sorry, your push was rejected during YAML metadata verification:"
        yield from (f"  - {problem}" for problem in found)


if __name__ == "__main__":
    sys.exit(main())
