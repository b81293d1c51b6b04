"""A bare clone of a Space without what is in its files: enough to make commits with git, and to push them.

Files are written as they are, by git's plumbing: no checkout, no filter, no hook, nothing of the Space's runs here.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import TYPE_CHECKING

from spaceops import errors
from spaceops.hub.attributes import line_for
from spaceops.hub.commits import AGAIN, COMMIT_SECONDS, Content, Large, folders_of, in_the_way
from spaceops.secret import redact

if TYPE_CHECKING:
    from git import Git

    from spaceops.hub import Hub

ATTRIBUTES = ".gitattributes"
FILE, PROGRAM = "100644", "100755"  # modes
OFF = {  # of the user's configuration, what would get in the way
    "core.attributesFile": os.devnull,
    "core.hooksPath": os.devnull,
    "credential.helper": "",
    "core.askPass": "",
    "gc.auto": "0",  # nothing may run on in a folder that is removed
    "maintenance.auto": "false",
    "i18n.commitEncoding": "utf-8",
    "push.followTags": "false",
    "push.gpgSign": "false",
    "push.recurseSubmodules": "no",
}
ELSEWHERE = (  # what a hook of another repository has in its environment when it runs us
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_AUTHOR_DATE",
    "GIT_COMMITTER_DATE",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
)
LAG = 6  # seconds until silence shows in what curl judges by, the speed of the last five
NEEDS_GIT = "The git transport needs the program git"


@contextmanager
def cloned(hub: Hub, repo_id: str, *, history: bool = False, seconds: float = COMMIT_SECONDS) -> Iterator[Clone]:
    """main's last commit, or with `history` all of them, in a folder that is gone afterwards.

    A server that cannot leave out what is in the files sends them all, which does no harm. `seconds`, seven or more,
    are what it may be silent once it is connected. The token is in git's environment only.
    """
    try:
        from git import Git
    except ImportError as error:
        hint = 'Install git (apt-get install git), or set transport = "api".'
        raise errors.BadInput(NEEDS_GIT, hint=hint) from error
    with TemporaryDirectory(prefix="spaceops-git-") as folder:
        git = Git(folder)
        git.update_environment(**_environment(hub, seconds))
        clone = Clone(git, Path(folder), repo_id)
        depth = () if history else ("--depth=1",)
        options = ("--quiet", "--bare", "--filter=blob:none", "--single-branch", "--branch=main", "--origin=origin")
        clone.run("clone", *options, *depth, "--", hub.url(repo_id), str(clone.place))
        clone.head = clone.run("rev-parse", "refs/heads/main").strip()
        yield clone


class Clone:
    """The clone, with the commit that main is at: `head`."""

    head = ""

    def __init__(self, git: Git, folder: Path, repo_id: str) -> None:
        self._git, self._folder, self.repo_id = git, folder, repo_id
        self.place = folder / "clone"

    def tree_of(self, commit: str) -> str:
        """The tree of a commit that is here."""
        return self.run("show", "--no-patch", "--format=%T", commit).strip()

    def history(self) -> set[str]:
        """All commits that main has grown from."""
        return set(self.run("rev-list", self.head).split())

    def tree_with(self, content: Mapping[str, Content], remove: Sequence[str]) -> str:
        """The tree of main with files written and removed: the same as the Hub makes of it by its API."""
        files = {path: self._stored(number, one) for number, (path, one) in enumerate(content.items())}
        self.run("read-tree", self.head)
        before = self._entries()
        self._refuse_clashes(content.keys(), before.keys() - set(remove))
        if added := self._lines_for([path for path, one in content.items() if isinstance(one, Large)], files, before):
            files[ATTRIBUTES] = added
        lines = [f"0 {'0' * 40}\t{path}" for path in remove]
        for path, oid in zip(files, self._blobs(list(files.values())), strict=True):
            mode = PROGRAM if before.get(path, ("",))[0] == PROGRAM else FILE  # a program stays one
            lines.append(f"{mode} {oid}\t{path}")
        self.run("update-index", "-z", "--index-info", stdin=_joined(lines))
        return self.run("write-tree", "--missing-ok").strip()

    def commit(self, tree: str, parents: Sequence[str], message: str) -> str:
        """A new commit; its sha."""
        options = [word for parent in parents for word in ("-p", parent)]
        return self.run("commit-tree", tree, *options, "-F", "-", stdin=message.encode()).strip()

    def push(self, commit: str) -> None:
        """Let main be at `commit`. Raises `Conflict` when it has moved."""
        try:
            self.run("push", "--quiet", "--no-verify", "origin", f"{commit}:refs/heads/main")
        except errors.Conflict:  # it was us, where the answer was lost on its way and git has asked again
            if not self.run("ls-remote", "origin", "refs/heads/main").startswith(commit):
                raise

    def run(self, *words: str, stdin: bytes = b"") -> str:
        """What a git command prints. Whatever interrupts it, git is over afterwards."""
        with TemporaryFile() as feed:
            feed.write(stdin)
            feed.seek(0)
            process = self._git.execute(
                self._command(*words), as_process=True, istream=feed, start_new_session=True, with_exceptions=False
            )
            try:
                said, complaint = process.communicate()
            except BaseException:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # the programs that git has started, too
                process.communicate()
                raise
        if process.returncode:
            raise _error(self.repo_id, redact(complaint.decode(errors="replace")))
        return os.fsdecode(said)

    def _command(self, *words: str) -> list[str]:
        away = [word for name in ELSEWHERE if name in os.environ for word in ("-u", name)]
        place = () if words[0] == "clone" else (f"--git-dir={self.place}",)
        return [*(["env", *away] if away else []), "git", *place, *words]

    def _refuse_clashes(self, written: Iterable[str], stays: Iterable[str]) -> None:
        """git would drop what is in the way."""
        files = set(stays)
        folders = {folder: path for path in files for folder in folders_of(path)}
        for path in written:
            if other := folders.get(path) or next((folder for folder in folders_of(path) if folder in files), None):
                raise in_the_way(self.repo_id, path, other)

    def _entries(self) -> dict[str, tuple[str, str]]:
        """Mode and blob of each file in the index."""
        listed = (line.partition("\t") for line in self.run("ls-files", "--stage", "-z").split("\0") if line)
        return {path: (facts.split()[0], facts.split()[1]) for facts, _, path in listed}

    def _stored(self, number: int, one: Content) -> Path:
        """The file that git is to hold: the content itself, or a pointer to it."""
        if not isinstance(one, Large):
            return one.path
        pointer = self._folder / f"pointer{number}"
        text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{one.sha256}\nsize {one.size}\n"
        pointer.write_bytes(text.encode())
        return pointer

    def _blobs(self, paths: Sequence[Path]) -> list[str]:
        """Make objects of files, as they are; their names."""
        listing = b"".join(_quoted(path) + b"\n" for path in paths)
        return self.run("hash-object", "-w", "--no-filters", "--stdin-paths", stdin=listing).split()

    def _lines_for(
        self, large: Sequence[str], files: Mapping[str, Path], before: Mapping[str, tuple[str, str]]
    ) -> Path | None:
        """`.gitattributes` with a line for each large file that it does not name; None if it names them all.

        The Hub adds these lines to a commit by its API: without them, who clones the Space gets pointers.
        """
        if not large:
            return None
        oid = before.get(ATTRIBUTES, ("", ""))[1]
        if ATTRIBUTES in files:
            [oid] = self._blobs([files[ATTRIBUTES]])
        text = self.run("cat-file", "blob", oid) if oid else ""
        self.run("read-tree", "--empty")
        if oid:
            self.run("update-index", "--add", "--cacheinfo", f"{FILE},{oid},{ATTRIBUTES}")
        said = self.run("check-attr", "--cached", "-z", "--stdin", "filter", stdin=_joined(large)).split("\0")
        self.run("read-tree", self.head)
        lines = [line_for(path) for path, value in zip(said[::3], said[2::3], strict=False) if value != "lfs"]
        if not lines:
            return None
        added = self._folder / "attributes"
        separator = "" if text.endswith("\n") or not text else "\n"
        added.write_bytes(os.fsencode(text + separator + "".join(lines)))
        return added


def _environment(hub: Hub, seconds: float) -> dict[str, str]:
    """What git is to see: the token as a header for this endpoint only, nobody to prompt, an author for the commit."""
    config = {**OFF, "http.lowSpeedLimit": "1", "http.lowSpeedTime": str(max(1, round(seconds) - LAG))}
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
    silent = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "SSH_ASKPASS": "", "GIT_TRACE_REDACT": "1"}
    return {**author, **counted, **silent, "GIT_ATTR_NOSYSTEM": "1", "LC_ALL": "C"}


def _joined(lines: Sequence[str]) -> bytes:
    return b"".join(os.fsencode(line) + b"\0" for line in lines)


def _quoted(path: Path) -> bytes:
    """A path as git reads it in a list of lines, whatever is in the names of its folders."""
    raw = os.fsencode(path.absolute())
    return b'"' + raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'


def _error(repo_id: str, said: str) -> errors.SpaceopsError:
    """What git prints, as one of our errors; its command line stays out."""
    lines = [line.strip() for line in said.splitlines()]
    remote = [line.removeprefix("remote:").strip() for line in lines if line.startswith("remote:")]
    fatal = (line for line in lines if line.startswith(("fatal:", "error:")))
    reason = " ".join(filter(None, remote)) or next(fatal, said.strip())

    def has(*words: str) -> bool:
        return any(word in said for word in words)

    if has("pre-receive hook declined"):
        hint = 'Mend what it names; transport = "api" sends files as the Hub wants them.'
        return errors.BadInput(f"{repo_id}: the Hub refused the push: {reason}", hint=hint)
    if has("[rejected]", "non-fast-forward", "failed to update ref", "cannot lock ref"):
        return errors.Conflict(f"{repo_id}: main moved while we pushed", hint="spaceops plan shows what is there now.")
    if has("Operation too slow", "RPC failed", "unable to access", "Could not resolve", "hung up", "Connection"):
        return errors.Unreachable(f"{repo_id}: git: {reason}", hint=AGAIN)
    if has("Authentication failed", "could not read Username", "error: 401", "error: 403"):
        return errors.Forbidden(f"{repo_id}: git was refused: {reason}", hint="Use a token that may write here.")
    if has("not found"):
        hint = f"spaceops status {repo_id}"
        return errors.NotFound(f"{repo_id}: no such Space, or this token may not see it", hint=hint)
    return errors.HubError(f"{repo_id}: git: {reason}", hint="Run the same command again.")
