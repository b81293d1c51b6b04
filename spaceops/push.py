"""One commit on a Space's main branch: of a folder's files, by either of two transports, or of an older commit's."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from spaceops import errors
from spaceops.files import LocalFile
from spaceops.hub import Hub
from spaceops.hub.clone import cloned
from spaceops.hub.commits import Content, Large
from spaceops.spec import short

MOST_PLAIN = 100_000_000  # bytes of files without LFS in one commit by the API; the Hub takes bodies of some 140 MB

Land = Callable[[str], str]  # makes the commit with a message (a summary, an empty line, more); its sha


class Transport(Protocol):
    """A way to get files into a Space. By either the same files on the same parent become the same tree.

    Files are written as they are: line ends, filters and links (followed) change nothing. Mode bits stay: a file that
    is a program on the Hub remains one, and a new one is none; the Hub's API cannot say otherwise.
    """

    def __call__(
        self, hub: Hub, repo_id: str, *, write: Mapping[str, LocalFile], remove: Sequence[str], parent: str | None
    ) -> AbstractContextManager[Land]:
        """One commit of files written and removed, on top of `parent` if there is one, ready to land.

        What can go up before is up when the context is entered. Landing raises `Conflict` when main has moved.
        """


@contextmanager
def by_api(
    hub: Hub, repo_id: str, *, write: Mapping[str, LocalFile], remove: Sequence[str], parent: str | None
) -> Iterator[Land]:
    """Through the Hub's commit API: no git needed."""
    commits = hub.commits(repo_id)
    upload = commits.upload(write, parent=parent, at_most=MOST_PLAIN)
    yield lambda message: commits.make(upload.content, remove, message, upload.head)


@contextmanager
def by_git(
    hub: Hub, repo_id: str, *, write: Mapping[str, LocalFile], remove: Sequence[str], parent: str | None
) -> Iterator[Land]:
    """Through a clone without content, and a push; large files go up as they do with the API."""
    upload = hub.commits(repo_id).upload(write, parent=parent)
    with cloned(hub, repo_id) as clone:
        _refuse_moved(repo_id, upload.head, clone.head)
        tree = clone.tree_with(upload.content, remove)

        def land(message: str) -> str:
            if tree == clone.tree_of(clone.head):
                return clone.head
            commit = clone.commit(tree, [clone.head], message)
            clone.push(commit)
            return commit

        yield land


TRANSPORTS: Mapping[str, Transport] = {"api": by_api, "git": by_git}


def restoring(hub: Hub, repo_id: str, *, commit: str, parent: str) -> AbstractContextManager[Land]:
    """A commit on top of `parent` with the files of the older `commit`, ready to land.

    With git it has exactly the old tree, and `commit` as its second parent: one object is sent, and no content. Without
    git it is made by the API, which knows neither mode bits nor links: those of `parent` stay. Raises `NotFound` when
    the history no longer holds the commit, `Conflict` when main has moved.
    """
    restore = _restoring_by_git if shutil.which("git") else _restoring_by_api
    return restore(hub, repo_id, commit=commit, parent=parent)


@contextmanager
def _restoring_by_git(hub: Hub, repo_id: str, *, commit: str, parent: str) -> Iterator[Land]:
    with cloned(hub, repo_id, history=True) as clone:
        _refuse_moved(repo_id, parent, clone.head)
        if commit not in clone.history():
            raise _gone(repo_id, commit)
        tree = clone.tree_of(commit)

        def land(message: str) -> str:
            made = clone.commit(tree, [clone.head, commit], message)
            clone.push(made)
            return made

        yield land


@contextmanager
def _restoring_by_api(hub: Hub, repo_id: str, *, commit: str, parent: str) -> Iterator[Land]:
    """Of large files only the names are sent; the others come down and go up again."""
    try:
        then = hub.files(repo_id, commit)
    except errors.NotFound as error:
        raise _gone(repo_id, commit) from error
    now = hub.files(repo_id, parent)
    changed = {path: file for path, file in then.items() if now.get(path) != file}
    commits = hub.commits(repo_id)
    with TemporaryDirectory(prefix="spaceops-restore-") as folder:
        content: dict[str, Content] = {path: Large(file.sha256) for path, file in changed.items() if file.sha256}
        content |= commits.fetch(changed.keys() - content.keys(), commit, Path(folder))
        remove = sorted(now.keys() - then.keys())
        yield lambda message: commits.make(content, remove, message, parent)


def _refuse_moved(repo_id: str, seen: str | None, head: str) -> None:
    if seen and seen != head:
        raise errors.Conflict(f"{repo_id}: main moved from {short(seen)} to {short(head)}", hint="spaceops plan")


def _gone(repo_id: str, commit: str) -> errors.NotFound:
    said = f"{repo_id}: commit {short(commit)} is not in the history of main any more: its files are gone with it"
    return errors.NotFound(said, hint="Deploy from the source instead: spaceops deploy.")
