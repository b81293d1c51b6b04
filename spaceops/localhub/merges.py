"""What git knows of a pull request: its commits, what it changes, and whether that can go into its base."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from spaceops.localhub.commits import begin_commit, fast_import
from spaceops.localhub.git import environment, git, is_ancestor
from spaceops.localhub.refusals import Refused

if TYPE_CHECKING:
    from spaceops.localhub.accounts import User
    from spaceops.localhub.discussions import Pull
    from spaceops.localhub.repos import Commit, Repos
    from spaceops.localhub.store import Repo

LONGEST_DIFF = 1 << 20  # bytes
MOST_COMMITS = 1000  # shown of one pull request


class Conflict(Exception):
    """Both sides changed the same; `files` are their paths, empty if there is not even a common beginning."""

    def __init__(self, files: list[str]) -> None:
        super().__init__(", ".join(files))
        self.files = files


def commits(repos: Repos, repo: Repo, pull: Pull) -> list[Commit]:
    """The commits of a pull request, oldest first; blocks, as all of these do."""
    base, head = _ends(repos, repo, pull)
    return repos.history(repo, f"{base}..{head}", limit=MOST_COMMITS)[::-1] if base and head else []


def diff(repos: Repos, repo: Repo, pull: Pull) -> str:
    """What a pull request changes, as git shows it; cut off where it gets too long."""
    base, head = _ends(repos, repo, pull)
    if not base or not head:
        return ""
    command = ["git", f"--git-dir={repos.path(repo)}", "diff", "--no-color", "--no-ext-diff", "--no-textconv"]
    with subprocess.Popen(
        [*command, f"{base}...{head}", "--"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
    ) as process:
        assert process.stdout  # noqa: S101  for the type checker: it is a pipe
        text = process.stdout.read(LONGEST_DIFF + 1)
        process.kill()
    return text[:LONGEST_DIFF].decode(errors="replace") + ("\n[…]\n" if len(text) > LONGEST_DIFF else "")


def conflicts(repos: Repos, repo: Repo, pull: Pull) -> list[str] | bool:
    """The files that both sides changed; True if it cannot be said which."""
    base, head = _ends(repos, repo, pull)
    try:
        if pull.is_live and base and head:
            _merged_tree(repos, repo, base, head)
    except Conflict as conflict:
        return conflict.files or True
    return []


def merge(repos: Repos, repo: Repo, pull: Pull, user: User) -> tuple[str, str]:
    """Put what a pull request changes into its base, as one commit; returns what the base was and what it is now.

    Raises `Conflict`, and `Refused` if there is nothing to merge it into.
    """
    with repos.lock(repo):
        base, head = _ends(repos, repo, pull)
        if not base or not head:
            raise Refused(404, f"{pull.ref} or {pull.base} does not exist any more", "RevisionNotFound")
        tree = _merged_tree(repos, repo, base, head)
        if tree == _tree(repos, repo, base):
            return base, base
        begin = begin_commit(pull.base, _message(repos, repo, pull), user, repos.clock)
        return base, fast_import(repos.path(repo), [begin, f'from {base}\nM 040000 {tree} ""\n'.encode()])


def _ends(repos: Repos, repo: Repo, pull: Pull) -> tuple[str | None, str | None]:
    """The commits that a pull request goes into and that it consists of."""
    return pull.merged_onto or repos.resolve(repo, pull.base), repos.resolve(repo, pull.ref)


def _message(repos: Repos, repo: Repo, pull: Pull) -> str:
    """The Hub's words: the title with the number, then the commits."""
    told = "\n".join(f"- {commit.title} ({commit.oid})" for commit in commits(repos, repo, pull))
    author = f"{pull.author} <{pull.author}@users.noreply.localhost>"
    return f"{pull.title} (#{pull.num})\n\n{told}\n\nCo-authored-by: {author}\n"


def _merged_tree(repos: Repos, repo: Repo, base: str, head: str) -> str:
    """The tree of both sides together; needs git 2.38 where both have changed."""
    folder = repos.path(repo)
    if is_ancestor(folder, base, head):
        return _tree(repos, repo, head)
    if is_ancestor(folder, head, base):
        return _tree(repos, repo, base)
    words = ["merge-tree", "--write-tree", "--name-only", "--no-messages", "-z", base, head]
    done = subprocess.run(["git", f"--git-dir={folder}", *words], capture_output=True, env=environment(), check=False)
    tree, *files = done.stdout.decode(errors="replace").split("\0")
    if done.returncode == 0:
        return tree
    raise Conflict(sorted({file for file in files if file}) if done.returncode == 1 else [])


def _tree(repos: Repos, repo: Repo, sha: str) -> str:
    return git(repos.path(repo), "rev-parse", "--verify", f"{sha}^{{tree}}").decode().strip()
