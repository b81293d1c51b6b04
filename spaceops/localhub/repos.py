"""The content of repositories: bare git repositories, and beside them the large files that git only points at."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from spaceops.localhub.store import Repo


class Repos:
    """All repositories of one data folder. Every call blocks on git: from the server's loop, call it in a thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def head(self, repo: Repo, ref: str = "main") -> str | None:
        """The commit (40 hex digits) that a branch or tag names, None if there is none."""
        raise NotImplementedError

    def read(self, repo: Repo, sha: str, path: str) -> bytes | None:
        """A file of a commit as git has it, None if there is none."""
        raise NotImplementedError

    def export(self, repo: Repo, sha: str, folder: Path) -> None:
        """Write the whole tree of a commit to `folder`: large files with their content, no `.git`.

        Exec bits are kept; so are symlinks that stay inside the folder.
        """
        raise NotImplementedError
