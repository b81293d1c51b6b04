"""Where the source comes from: the commit of the user's own git repository, if it lies in one."""

from __future__ import annotations

from pathlib import Path

from spaceops.records import Origin


def origin_of(root: Path) -> Origin | None:
    """The commit that the folder is at, and whether its files differ from it; None outside of a repository."""
    try:
        from git import Repo
        from git.exc import GitError
    except ImportError:  # there is no git
        return None
    try:
        with Repo(root, search_parent_directories=True) as repo:
            return Origin(commit=repo.head.commit.hexsha, dirty=bool(repo.git.status("--porcelain", "--", str(root))))
    except (GitError, ValueError):  # no repository, or one without a commit
        return None
