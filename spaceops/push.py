"""One commit on a Space's main branch, by either of two transports with one signature."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol

from spaceops import errors
from spaceops.files import LocalFile
from spaceops.hub import Hub
from spaceops.secret import redact

if TYPE_CHECKING:
    from git import Repo

LARGEST_PLAIN_FILE = 10 << 20  # bytes; the Hub refuses larger ones outside of LFS


Land = Callable[[str], str]  # makes the commit with a message (a summary, an empty line, more); its sha


class Transport(Protocol):
    """A way to get files into a Space."""

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
    """Through the Hub's commit API: no git needed, large files go where the Hub wants them."""
    add = {path: str(file.path) for path, file in write.items()}
    yield lambda message: hub.commit(repo_id, add=add, remove=remove, message=message, parent=parent)


@contextmanager
def by_git(
    hub: Hub, repo_id: str, *, write: Mapping[str, LocalFile], remove: Sequence[str], parent: str | None
) -> Iterator[Land]:
    """Through a shallow clone without a checkout, and a push. The token is in git's environment only."""
    with TemporaryDirectory(prefix="spaceops-push-") as folder:
        with _git_errors(repo_id):
            repo = _clone(hub, repo_id, Path(folder))
            head = str(repo.head.commit.hexsha)
            if parent and head != parent:
                raise errors.Conflict(f"{repo_id}: main moved from {parent[:7]} to {head[:7]}", hint="spaceops plan")
            _stage(repo, write, remove)

        def land(message: str) -> str:
            with _git_errors(repo_id):
                if not repo.git.diff("--cached", "--name-only"):
                    return head
                repo.git.commit("--no-verify", "--quiet", "--message", message)
                repo.git.push("--quiet", "origin", "HEAD:refs/heads/main")
                return str(repo.head.commit.hexsha)

        yield land


TRANSPORTS: Mapping[str, Transport] = {"api": by_api, "git": by_git}


@contextmanager
def restoring(hub: Hub, repo_id: str, *, commit: str, parent: str) -> Iterator[Land]:
    """A commit on top of `parent` with the tree of the older `commit`, which is its second parent, ready to land."""
    raise NotImplementedError
    yield


def _clone(hub: Hub, repo_id: str, folder: Path) -> Repo:
    try:
        from git import Repo
    except ImportError as error:
        hint = 'Install git (apt-get install git), or set transport = "api".'
        raise errors.BadInput("The git transport needs the program git", hint=hint) from error
    env = _environment(hub)
    repo = Repo.clone_from(
        hub.url(repo_id), folder, env=env, depth=1, single_branch=True, branch="main", no_checkout=True
    )
    repo.git.update_environment(**env)
    return repo


def _environment(hub: Hub) -> dict[str, str]:
    """What git is to see: the token as a header for this endpoint only, nobody to prompt, an author for the commit."""
    config = {"credential.helper": "", "core.askPass": "", "commit.gpgSign": "false", "core.autocrlf": "false"}
    if hub.token:
        config[f"http.{hub.endpoint}/.extraHeader"] = f"Authorization: Bearer {hub.token.reveal()}"
    counted = {"GIT_CONFIG_COUNT": str(len(config))}
    for number, (key, value) in enumerate(config.items()):
        counted |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    email = f"{hub.account}@users.noreply.huggingface.co"
    author = {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", hub.account), ("EMAIL", email))
    }
    silent = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "SSH_ASKPASS": ""}
    return {**author, **counted, **silent, "GIT_LFS_SKIP_SMUDGE": "1", "LC_ALL": "C"}


def _stage(repo: Repo, write: Mapping[str, LocalFile], remove: Sequence[str]) -> None:
    """Put the changes into the index; files that stay as they are are never written to disk."""
    folder = Path(repo.working_dir)
    repo.git.read_tree("HEAD")
    if (attributes := ".gitattributes") not in write and attributes in repo.git.ls_files(attributes):
        repo.git.checkout_index("--force", "--", attributes)
    for path, file in write.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file.path, target)
    _prepare_lfs(repo, write)
    if write:
        _feed(repo, "add", "--force", "--pathspec-from-file=-", "--pathspec-file-nul", paths=write)
    if remove:
        _feed(repo, "update-index", "--force-remove", "-z", "--stdin", paths=remove)


def _feed(repo: Repo, *command: str, paths: Iterable[str]) -> str:
    """What a git command says that reads NUL-separated paths from its standard input, as many as there are."""
    with TemporaryDirectory(prefix="spaceops-paths-") as folder:
        listing = Path(folder, "paths")
        listing.write_bytes(b"\0".join(os.fsencode(path) for path in paths) + b"\0")
        with listing.open("rb") as stdin:
            return str(repo.git.execute(["git", "--literal-pathspecs", *command], istream=stdin))


def _prepare_lfs(repo: Repo, write: Mapping[str, LocalFile]) -> None:
    tracked = _lfs_paths(repo, write)
    for path, file in write.items():
        if path not in tracked and file.size > LARGEST_PLAIN_FILE:
            hint = f'Add "{path} filter=lfs diff=lfs merge=lfs -text" to .gitattributes, or set transport = "api".'
            raise errors.BadInput(f"{path} has {file.size >> 20} MiB and git does not track it with LFS", hint=hint)
    if tracked:
        if shutil.which("git-lfs") is None:
            hint = 'Install git-lfs (apt-get install git-lfs), or set transport = "api".'
            raise errors.BadInput(f"{min(tracked)} is tracked with LFS, and git-lfs is not installed", hint=hint)
        repo.git.execute(["git", "lfs", "install", "--local"])


def _lfs_paths(repo: Repo, write: Mapping[str, LocalFile]) -> set[str]:
    said = _feed(repo, "check-attr", "-z", "--stdin", "filter", paths=write).split("\0")
    return {path for path, value in zip(said[::3], said[2::3], strict=False) if value == "lfs"}


@contextmanager
def _git_errors(repo_id: str) -> Iterator[None]:
    """Turn what git prints into our errors; the command line stays out, and so does anything secret."""
    from git.exc import GitCommandError, GitCommandNotFound

    try:
        yield
    except GitCommandNotFound as error:
        raise errors.BadInput("The git transport needs the program git", hint="apt-get install git") from error
    except GitCommandError as error:
        raise _git_error(repo_id, redact(str(error.stderr))) from error


def _git_error(repo_id: str, said: str) -> errors.SpaceopsError:
    lines = [line.strip() for line in said.strip().removeprefix("stderr: '").removesuffix("'").splitlines()]
    remote = [line.removeprefix("remote:").strip() for line in lines if line.startswith("remote:")]
    reason = " ".join(filter(None, remote)) or next((line for line in lines if line.startswith("fatal:")), said.strip())
    if "pre-receive hook declined" in said:
        return errors.BadInput(
            f"{repo_id}: the Hub refused the push: {reason}",
            hint='transport = "api" sends such files as the Hub wants them.',
        )
    if "[rejected]" in said or "non-fast-forward" in said:
        return errors.Conflict(f"{repo_id}: main moved while we pushed", hint="spaceops plan shows what is there now.")
    if "not found" in said:
        return errors.NotFound(
            f"{repo_id}: no such Space, or this token may not see it", hint=f"spaceops status {repo_id}"
        )
    if any(word in said for word in ("Authentication failed", "could not read Username", "error: 401", "error: 403")):
        return errors.Forbidden(f"{repo_id}: git was refused: {reason}", hint="Use a token that may write here.")
    if any(word in said for word in ("unable to access", "Could not resolve", "hung up", "Connection")):
        return errors.Unreachable(f"{repo_id}: {reason}", hint="Look at the network, then run the same command again.")
    return errors.HubError(f"{repo_id}: git: {reason}", hint="Run the same command again.")
