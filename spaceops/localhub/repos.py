"""The content of repositories: bare git repositories, and beside them the large files that git only points at."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from spaceops.localhub.accounts import MAIL
from spaceops.localhub.clock import wire_time
from spaceops.localhub.git import NOTHING, SHA, GitError, Node, contents, environment, git, is_ref_name, nodes
from spaceops.localhub.lfs import POINTER_SIZES, LargeFiles, Pointer
from spaceops.localhub.metadata import shown_card
from spaceops.localhub.recent import Recent
from spaceops.localhub.refusals import bad_request, no_revision, stale_parent
from spaceops.localhub.trees import LONGEST_PATH, path_problem

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

    from spaceops.localhub.accounts import User
    from spaceops.localhub.clock import Clock
    from spaceops.localhub.store import Repo

REFS = ("refs/heads", "refs/tags", "refs/pr")
PIECE = 1 << 16  # bytes
NODES_KEPT = 50_000  # files and folders of the commits that were read last; some 15 MB
COMMITS_KEPT = 2048
FEW = 1000  # files and folders


@dataclass(frozen=True)
class Snapshot:
    """Everything in one commit: files and folders by path, and which files are large ones."""

    nodes: Mapping[str, Node]
    pointers: Mapping[str, Pointer]

    def size(self, path: str) -> int:
        """The bytes that a reader of the file gets."""
        return self.pointers[path].size if path in self.pointers else self.nodes[path].size


@dataclass(frozen=True)
class Commit:
    """One commit."""

    oid: str
    date: str  # "…Z"
    author: str  # the name of the account; of who has none here, what git says
    title: str
    message: str  # what follows the title


class Repos:
    """All repositories of one data folder. Every call blocks on git: from the server's loop, call it in a thread."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder, self.clock = folder, clock
        self.large_files = LargeFiles(folder)
        self.temporary = folder / "tmp"
        self._locks: defaultdict[str, Lock] = defaultdict(Lock)
        self._snapshots = Recent(_read_snapshot, NODES_KEPT, weight=lambda snapshot: len(snapshot.nodes))
        self._commits = Recent(_read_commit, COMMITS_KEPT)
        self._cards = Recent(self._read_card, COMMITS_KEPT)
        self._kept: tuple[Container[tuple[Path, str]], ...] = (self._snapshots, self._commits, self._cards)

    def tidy(self, known: Container[str]) -> None:
        """After a crash: remove repositories whose id is not known (they were just made, or just deleted), and what git
        leaves when the whole machine dies, whose locks would hold up every later commit.
        """
        for folder in (*self.folder.glob("git/*.git"), *self.folder.glob("lfs/*")):
            if folder.stem not in known:
                shutil.rmtree(folder)
        self.sweep("*")
        for pattern in ("refs/**/*.lock", "packed-refs.lock", "objects/pack/tmp_pack_*", "fast_import_crash_*"):
            for left in self.folder.glob(f"git/*.git/{pattern}"):
                left.unlink(missing_ok=True)

    def sweep(self, identity: str) -> None:
        """Remove what broken pushes have left in the repository with that id, or in all: `*`. Quick."""
        for left in self.folder.glob(f"git/{identity}.git/objects/*incoming-*"):
            shutil.rmtree(left, ignore_errors=True)  # git itself may be at it

    def path(self, repo: Repo) -> Path:
        """The bare repository's folder."""
        return self.folder / "git" / f"{repo.id}.git"

    def lock(self, repo: Repo) -> Lock:
        """Held by whoever adds a commit."""
        return self._locks[repo.id]

    def create(self, repo: Repo) -> None:
        """Make an empty repository."""
        with tempfile.TemporaryDirectory(dir=self.temporary) as scratch:
            fresh = Path(scratch) / "git"
            git(fresh, "init", "--quiet", "--bare", "--initial-branch=main", "--template=")
            self.path(repo).parent.mkdir(parents=True, exist_ok=True)
            fresh.rename(self.path(repo))

    def copy(self, source: Repo, target: Repo) -> None:
        """Make a repository with the branches, tags and large files that another one has."""
        with tempfile.TemporaryDirectory(dir=self.temporary) as scratch, self.lock(source):
            fresh, path = Path(scratch) / "git", str(self.path(source))
            git(fresh, "clone", "--quiet", "--bare", "--template=", path, str(fresh))
            git(fresh, "config", "--remove-section", "remote.origin")
            main = git(fresh, "rev-parse", "--verify", "refs/heads/main").decode()
            (fresh / "refs" / "heads" / "main").write_text(main, "ascii")  # git packed it; a file is read without git
            if self.large_files.folder(source).exists():  # they never change, so that a second name is a copy
                self.large_files.folder(target).parent.mkdir(parents=True, exist_ok=True)
                shutil.copytree(self.large_files.folder(source), self.large_files.folder(target), copy_function=os.link)
            fresh.rename(self.path(target))

    def bury(self, repo: Repo) -> Path:
        """Take a repository and its large files away, and return the folder where they wait to be removed. Quick."""
        grave = Path(tempfile.mkdtemp(dir=self.temporary))
        for remains in (self.path(repo), self.large_files.folder(repo)):
            if remains.exists():
                remains.rename(grave / remains.name)
        return grave

    def head(self, repo: Repo, ref: str = "main") -> str | None:
        """The commit (40 hex digits) that a branch or tag names, None if there is none."""
        if not is_ref_name(ref):
            return None
        return self.branch(repo, ref) or self._parse(repo, f"refs/tags/{ref}")

    def branch(self, repo: Repo, name: str) -> str | None:
        """The commit that a branch names, None if there is no such branch."""
        if not is_ref_name(name):
            return None
        return self._loose_branch(repo, name) or self._parse(repo, f"refs/heads/{name}")

    def _loose_branch(self, repo: Repo, name: str) -> str | None:
        """What a branch names, unless git packed it away: two hundred Spaces are listed without two hundred gits."""
        try:
            found = (self.path(repo) / "refs" / "heads" / name).read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            return None
        return found if SHA.fullmatch(found) else None

    def remembers(self, repo: Repo, branch: str) -> bool:
        """Whether all about the commit that a branch names is in memory, and little, so that it is read at once."""
        sha = self._loose_branch(repo, branch) if is_ref_name(branch) else None
        if sha is None or not all((self.path(repo), sha) in kept for kept in self._kept):
            return False
        return len(self.snapshot(repo, sha).nodes) <= FEW

    def resolve(self, repo: Repo, revision: str) -> str | None:
        """The commit that a branch, a tag, a full ref or a sha (7 digits or more) names, None if there is none."""
        if SHA.fullmatch(revision):
            return revision if self.commit(repo, revision) else None
        if revision == "HEAD":
            return self.head(repo)
        if not is_ref_name(revision):
            return None
        is_sha = len(revision) >= 7 and all(digit in "0123456789abcdef" for digit in revision)
        exact = revision.startswith("refs/") or is_sha
        return self.head(repo, revision) or (self._parse(repo, revision) if exact else None)

    def _parse(self, repo: Repo, name: str) -> str | None:
        try:
            return git(self.path(repo), "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").decode().strip()
        except GitError:
            return None

    def commit(self, repo: Repo, sha: str) -> Commit | None:
        """The facts about a commit, None if there is none."""
        try:
            return self._commits.get(self.path(repo), sha)
        except GitError:
            return None

    def history(self, repo: Repo, sha: str, *, skip: int = 0, limit: int, path: str | None = None) -> list[Commit]:
        """Commits from `sha` back, newest first; with `path` those that touched it."""
        return _log(self.path(repo), f"--skip={skip}", f"--max-count={limit}", sha, "--", *([path] if path else []))

    def last_touched(self, repo: Repo, sha: str, paths: Iterable[str]) -> dict[str, Commit]:
        """For each of these files and folders of a commit the newest commit that touched it."""
        wanted, found = set(paths), dict[str, str]()
        for commit, path in _touches(self.path(repo), sha) if wanted else ():
            parts = path.split("/")
            here = {"/".join(parts[:end]) for end in range(1, len(parts) + 1)} & wanted
            found |= dict.fromkeys(here, commit)
            wanted -= here
            if not wanted:
                break
        for path in wanted:  # only a merge touched it
            found[path] = next((commit.oid for commit in self.history(repo, sha, limit=1, path=path)), sha)
        return {path: self._commits.get(self.path(repo), commit) for path, commit in found.items()}

    def count(self, repo: Repo, sha: str) -> int:
        """How many commits lead to `sha`, itself included."""
        return int(git(self.path(repo), "rev-list", "--count", sha))

    def snapshot(self, repo: Repo, sha: str) -> Snapshot:
        """Everything in a commit."""
        return self._snapshots.get(self.path(repo), sha)

    def read(self, repo: Repo, sha: str, path: str) -> bytes | None:
        """A file of a commit as git has it (of a large file the pointer), None if there is none."""
        return self._read(self.path(repo), sha, path)

    def _read(self, folder: Path, sha: str, path: str) -> bytes | None:
        node = self._snapshots.get(folder, sha).nodes.get(path)
        if node is None or not node.mode.startswith("1") or node.mode == "160000":
            return None
        return next(contents(folder, [node.oid]))

    def card(self, repo: Repo, sha: str) -> Mapping[str, Any]:
        """README.md's front matter as it can be shown, empty if there is none."""
        return self._cards.get(self.path(repo), sha)

    def _read_card(self, folder: Path, sha: str) -> Mapping[str, Any]:
        return shown_card((self._read(folder, sha, "README.md") or b"").decode(errors="replace"))

    def refs(self, repo: Repo) -> dict[str, str]:
        """Branches, tags and pull requests by their full names, with the commits that they name."""
        form = "--format=%(refname) %(objectname) %(*objectname)"
        listing = git(self.path(repo), "for-each-ref", form, *REFS)
        words = [line.split(" ") for line in listing.decode().splitlines()]
        return {name: peeled or oid for name, oid, peeled in words}

    def create_ref(self, repo: Repo, name: str, sha: str) -> bool:
        """Create a branch or tag by its full name; False if it is there already, or stands in another's way."""
        try:
            git(self.path(repo), "update-ref", name, sha, NOTHING)
        except GitError:
            return False
        return True

    def annotate(self, repo: Repo, name: str, sha: str, message: str, author: User) -> bool:
        """Create a tag that says something; False if there is one already, or another stands in its way."""
        words = ("tag", "--annotate", "--no-sign", "--cleanup=verbatim", "--file=-", name, sha)
        try:
            git(self.path(repo), *words, stdin=message.encode(), env=self._signed(author))
        except GitError:
            return False
        return True

    def squash(self, repo: Repo, ref: str, message: str, author: User) -> str:
        """Replace all that led to a branch or pull request by one commit with its files, and return that.

        `ref` is the full name. Raises `Refused` if there is none, or if it moved meanwhile.
        """
        with self.lock(repo):
            head = self._parse(repo, ref)
            if head is None:
                raise no_revision(ref)
            try:
                words = ("commit-tree", f"{head}^{{tree}}", "-F", "-")
                made = git(self.path(repo), *words, stdin=message.encode(), env=self._signed(author)).decode().strip()
            except GitError as error:
                raise bad_request(str(error)) from error
            try:
                git(self.path(repo), "update-ref", ref, made, head)
            except GitError as error:  # by a git push
                raise stale_parent() from error
        return made

    def _signed(self, author: User) -> dict[str, str]:
        """The environment in which git writes down who did something, and when."""
        name = re.sub(r"[<>\n\0]", "", author.fullname).strip() or author.name
        facts = {"NAME": name, "EMAIL": author.mail}
        facts["DATE"] = f"{int(self.clock.now().timestamp())} +0000"
        who = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in facts.items()}
        return {**environment(), **who}

    def delete_ref(self, repo: Repo, name: str) -> None:
        """Delete a branch or tag by its full name."""
        git(self.path(repo), "update-ref", "-d", name)

    def export(self, repo: Repo, sha: str, folder: Path) -> None:
        """Write the whole tree of a commit to `folder`: large files with their content, no `.git`.

        Exec bits are kept; so are symlinks that stay inside the folder. (`git archive` would leave out what
        `.gitattributes` marks as export-ignore.)
        """
        snapshot = self.snapshot(repo, sha)
        files = [node for node in snapshot.nodes.values() if node.mode in ("100644", "100755", "120000")]
        files = [node for node in files if path_problem(node.path) is None]
        links = []
        for node, content in zip(files, contents(self.path(repo), [node.oid for node in files]), strict=True):
            target = folder / node.path
            target.parent.mkdir(parents=True, exist_ok=True)
            if node.mode == "120000":
                links.append((target, content))
            else:
                self._write(repo, snapshot.pointers.get(node.path), content, target)
                target.chmod(0o755 if node.mode == "100755" else 0o644)
        _link(folder, links)

    def _write(self, repo: Repo, pointer: Pointer | None, content: bytes, target: Path) -> None:
        if pointer and self.large_files.size(repo, pointer.oid) is not None:
            shutil.copyfile(self.large_files.path(repo, pointer.oid), target)
        else:
            target.write_bytes(content)


def _read_snapshot(folder: Path, sha: str) -> Snapshot:
    found = {node.path: node for node in nodes(folder, sha)}
    small = [node for node in found.values() if node.size in POINTER_SIZES and node.mode.startswith("100")]
    texts = contents(folder, [node.oid for node in small]) if small else ()
    read = {node.path: Pointer.read(text) for node, text in zip(small, texts, strict=True)}
    return Snapshot(found, {path: pointer for path, pointer in read.items() if pointer})


def _read_commit(folder: Path, sha: str) -> Commit:
    return _log(folder, "--max-count=1", sha, "--")[0]


def _touches(folder: Path, sha: str) -> Iterator[tuple[str, str]]:
    """From a commit back: commits, and the files that each changed."""
    command = ["git", f"--git-dir={folder}", "log", "-z", "--format=%x01%H", "--name-only", "--no-renames", sha, "--"]
    out, silent = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command, stdout=out, stderr=silent, env=environment()) as process:
        assert process.stdout  # noqa: S101  for the type checker: it is a pipe
        try:
            commit = ""
            for word in _words(process.stdout.fileno()):
                if word.startswith("\x01") and SHA.fullmatch(word[1:]):
                    commit = word[1:]
                elif word:
                    yield commit, word.removeprefix("\n")
        finally:
            process.kill()


def _words(pipe: int) -> Iterator[str]:
    """What stands between NULs, as it comes."""
    rest = b""
    while piece := os.read(pipe, PIECE):
        *whole, rest = (rest + piece).split(b"\0")
        yield from (word.decode(errors="replace") for word in whole)


def _log(folder: Path, *words: str) -> list[Commit]:
    form = "--format=%H%x00%ct%x00%an%x00%ae%x00%s%x00%b"
    command = ["git", f"--git-dir={folder}", "--literal-pathspecs"]
    text = git(folder, *command[2:], "log", "-z", form, *words).decode(errors="replace")
    fields = text.split("\0")[:-1]
    return [_commit(*fields[start : start + 6]) for start in range(0, len(fields), 6)]


def _commit(oid: str, seconds: str, name: str, mail: str, title: str, body: str) -> Commit:
    author = mail.removesuffix(MAIL) if mail.endswith(MAIL) else name
    return Commit(oid, wire_time(datetime.fromtimestamp(int(seconds), UTC)), author, title, body.strip())


def _link(folder: Path, links: list[tuple[Path, bytes]]) -> None:
    """Make symlinks once everything else is there (nothing is written through one), and drop those that lead out."""
    for link, target in links:
        link.symlink_to(os.fsdecode(target[:LONGEST_PATH]))
    inside = os.path.realpath(folder)
    for link, _ in links:
        if not Path(os.path.realpath(link)).is_relative_to(inside):  # Path.resolve fails for a link to itself
            link.unlink()
