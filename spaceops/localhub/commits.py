"""A commit that comes through the API: lines of JSON in, one commit by `git fast-import` out."""

from __future__ import annotations

import base64
import binascii
import re
import subprocess
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import IO, TYPE_CHECKING, Literal

import msgspec

from spaceops.localhub.attributes import Attributes, track
from spaceops.localhub.discussions import REF
from spaceops.localhub.git import blob_sha, environment, is_ancestor
from spaceops.localhub.lfs import OID, Pointer
from spaceops.localhub.metadata import problems
from spaceops.localhub.refusals import Refused, bad_request, no_entry, no_revision, stale_parent
from spaceops.localhub.trees import MOST_ENTRIES, MOST_FILES, checked_path, crowd_complaint, crowded, folders_of
from spaceops.structs import decoder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from spaceops.localhub.accounts import User
    from spaceops.localhub.clock import Clock
    from spaceops.localhub.repos import Repos, Snapshot
    from spaceops.localhub.store import Repo

ATTRIBUTES = ".gitattributes"
LONGEST_LINE = 64 << 20  # bytes; one is in memory at a time
LONGEST_POINTER_LINE = 2048  # bytes; a line with what git holds in place of a large file is shorter
SHORT_SHA = re.compile(r"[0-9a-fA-F]{5,40}")  # what the client takes for one


class Header(msgspec.Struct, rename="camel"):
    """What the commit says."""

    summary: str
    description: str = ""
    parent_commit: str | None = None


class File(msgspec.Struct):
    """A file whose content is in the line itself; where to find it again is in `at`."""

    path: str
    at: int = 0
    length: int = 0  # bytes of the line


class Content(msgspec.Struct):
    """The other half of a `File`."""

    content: str
    encoding: Literal["base64", "utf-8"] = "utf-8"


class LargeFile(msgspec.Struct):
    """A file whose content was uploaded before; of a copy the size is not given."""

    path: str
    oid: str
    size: int | None = None
    algo: Literal["sha256"] = "sha256"


class Deleted(msgspec.Struct):
    """A file or folder that goes."""

    path: str


VALUES = {
    "header": Header,
    "file": File,
    "lfsFile": LargeFile,
    "deletedFile": Deleted,
    "deletedFolder": Deleted,
}


class Line(msgspec.Struct):
    """One line of the request; the type of its value depends on the key."""

    key: str
    value: msgspec.Raw


@dataclass
class Proposal:
    """A commit as it was asked for; the content of its files is still in the request's body."""

    body: IO[bytes]
    header: Header
    changes: list[File | LargeFile | Deleted] = field(default_factory=list)

    @cached_property
    def added(self) -> set[str]:
        """The paths of all files that this commit gives a content."""
        return {change.path for change in self.changes if not isinstance(change, Deleted)}

    @cached_property
    def _deleted(self) -> set[str]:
        return {change.path for change in self.changes if isinstance(change, Deleted)}

    def drops(self, path: str) -> bool:
        """Whether this commit deletes what is at a path."""
        return path in self._deleted or any(folder in self._deleted for folder in folders_of(path))

    def content(self, file: File) -> bytes:
        """The content of a file of this commit."""
        self.body.seek(file.at)
        value = decoder(Content).decode(decoder(Line).decode(self.body.readline()).value)
        if value.encoding == "utf-8":
            return value.content.encode()
        try:
            return base64.b64decode(value.content, validate=True)
        except (binascii.Error, ValueError) as error:
            raise bad_request(f"{file.path}: the content is not base64") from error

    def file(self, path: str) -> bytes | None:
        """The content that this commit gives to a path, None if it does not say."""
        found = [change for change in self.changes if isinstance(change, File) and change.path == path]
        return self.content(found[-1]) if found else None


def read_proposal(body: IO[bytes]) -> Proposal:
    """Read a request's body, leaving the files' content where it is; raises `msgspec.ValidationError`, `Refused`."""
    proposal = None
    for at, text in _lines(body):
        line = decoder(Line).decode(text)
        if line.key not in VALUES:
            raise bad_request(f"Unknown operation {line.key!r}")
        value = decoder(VALUES[line.key]).decode(line.value)
        if isinstance(value, Header):
            proposal = Proposal(body, value)
            continue
        if proposal is None:
            raise bad_request("The first line must be the header")
        if isinstance(value, File):
            value.at, value.length = at, len(text)
        value.path = checked_path(value.path)
        proposal.changes.append(value)
        if len(proposal.changes) > MOST_FILES:
            raise Refused(413, f"A commit changes at most {MOST_FILES} files")
    if proposal is None or not proposal.header.summary.strip():
        raise bad_request("A commit needs a header with a summary")
    return proposal


def _lines(body: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    body.seek(0)
    at = 0
    while text := body.readline(LONGEST_LINE + 1):
        if len(text) > LONGEST_LINE:
            raise Refused(413, f"A line has at most {LONGEST_LINE} bytes; larger files come as large files")
        if text.strip():
            yield at, text
        at += len(text)


def make_commit(
    repos: Repos, repo: Repo, revision: str, proposal: Proposal, author: User, *, into: str | None = None
) -> str:
    """Add the commit to a branch or a pull request and return its sha; blocks.

    `into` is the ref of a new pull request that begins there. Raises `Refused` and changes nothing when it may not be.
    Between API commits the repository's lock decides, between them and a git push git itself does. What changes nothing
    is no commit: the sha is that of the last one.
    """
    ref = revision if REF.fullmatch(revision) else f"refs/heads/{revision.removeprefix('refs/heads/')}"
    with repos.lock(repo):
        head = _head(repos, repo, revision, ref)
        start = _parent(repos, repo, proposal.header.parent_commit, head, may_be_old=into is not None)
        snapshot = repos.snapshot(repo, start)
        _check(repos, repo, start, snapshot, proposal)
        _check_places(snapshot, proposal)
        _check_crowds(ref, snapshot, proposal)
        if into is None and not any(_is_change(snapshot, proposal, change) for change in proposal.changes):
            return head
        attributes = _attributes(repos, repo, start, proposal)
        message = "\n\n".join(filter(None, [proposal.header.summary, proposal.header.description]))
        begin = [begin_commit(into or ref, message, author, repos.clock), f"from {start}\n".encode()]
        return fast_import(repos.path(repo), chain(begin, _changes(snapshot, proposal), attributes))


def _head(repos: Repos, repo: Repo, revision: str, ref: str) -> str:
    branch = ref.removeprefix("refs/heads/")
    head = repos.branch(repo, branch) if branch != ref else repos.resolve(repo, ref)
    if head is None:
        raise no_revision(revision)
    return head


def first_commit(repos: Repos, repo: Repo, files: dict[str, bytes], author: User) -> str:
    """Give a new repository its first commit."""
    changes = (piece for path, content in files.items() for piece in _put(path, content))
    start = begin_commit("refs/heads/main", "initial commit", author, repos.clock)
    return fast_import(repos.path(repo), [start, *changes])


def fast_import(folder: Path, stream: Iterable[bytes]) -> str:
    """Feed one commit, marked 1, to git and return its sha.

    Nothing is added when the stream breaks off, and no ref moves unless it can move forward.
    """
    command = ["git", f"--git-dir={folder}", "fast-import", "--quiet", "--done"]
    pipes = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipes, stdout=pipes, stderr=pipes, env=environment()) as process:
        assert process.stdin  # noqa: S101  for the type checker: it is a pipe
        try:
            for piece in stream:
                process.stdin.write(piece)
            process.stdin.write(b"get-mark :1\ndone\n")
        except BrokenPipeError:
            pass  # git ended early; it says why below
        except BaseException:
            process.kill()
            raise
        finally:
            out, complaint = process.communicate()
            if process.returncode:
                _clean(folder)
    if process.returncode:
        overtaken = b"Not updating" in complaint or b"cannot lock ref" in complaint  # by a git push
        raise stale_parent() if overtaken else bad_request(_reason(complaint))
    return out.decode().strip()


def _clean(folder: Path) -> None:
    """Remove what fast-import leaves behind when it fails; nothing else writes such files there."""
    for left in (*folder.glob("objects/pack/tmp_pack_*"), *folder.glob("fast_import_crash_*")):
        left.unlink(missing_ok=True)


def _reason(complaint: bytes) -> str:
    return next(iter(complaint.decode(errors="replace").splitlines()), "git refused the commit")


def _parent(repos: Repos, repo: Repo, parent: str | None, head: str, *, may_be_old: bool) -> str:
    """The commit to begin at: the head, or for a new pull request any commit before it."""
    if parent is None or (SHORT_SHA.fullmatch(parent) and head.startswith(parent.lower())):
        return head
    if not SHORT_SHA.fullmatch(parent):
        raise bad_request("parentCommit must be a commit sha")
    old = repos.resolve(repo, parent.lower()) if may_be_old else None
    if old is None or not is_ancestor(repos.path(repo), old, head):
        raise stale_parent()
    return old


def _check(repos: Repos, repo: Repo, head: str, snapshot: Snapshot, proposal: Proposal) -> None:
    for change in proposal.changes:
        if isinstance(change, Deleted) and change.path not in snapshot.nodes:
            raise no_entry(f"A file with this name doesn't exist: {change.path}", head)
        if isinstance(change, LargeFile):
            _check_large(repos, repo, change)
        if isinstance(change, File) and change.length < LONGEST_POINTER_LINE:
            _check_pointer(repos, repo, change, proposal)
    card = proposal.file("README.md")
    if card is not None and (found := problems(card.decode(errors="replace"), repo.kind)):
        raise bad_request("Invalid metadata in README.md: " + "; ".join(found))


def _check_places(snapshot: Snapshot, proposal: Proposal) -> None:
    """Refuse a path that would be a file and a folder; git would silently drop one of them."""
    for path in proposal.added:
        for folder in folders_of(path):
            node = snapshot.nodes.get(folder)
            is_file = node is not None and not node.is_folder and not proposal.drops(folder)
            if is_file or folder in proposal.added:
                raise Refused(422, f"{folder} is a file: {path} cannot be in it")
        if path in snapshot.nodes and snapshot.nodes[path].is_folder and not proposal.drops(path):
            raise Refused(422, f"{path} is a folder: delete it first")


def _check_crowds(ref: str, snapshot: Snapshot, proposal: Proposal) -> None:
    if len(snapshot.nodes) + len(proposal.added) <= MOST_ENTRIES:
        return
    folders = {folder for path in proposal.added for folder in folders_of(path)} - {""}
    kept = {path for path in snapshot.nodes if not proposal.drops(path)}
    touched = {path.rpartition("/")[0] for path in (*proposal.added, *folders)}
    if over := [folder for folder in crowded(kept | proposal.added | folders) if folder in touched]:
        raise bad_request(crowd_complaint(ref, over))
    if len(kept | proposal.added) > MOST_FILES:
        raise bad_request(f"A commit holds at most {MOST_FILES} files and folders")


def _check_large(repos: Repos, repo: Repo, change: LargeFile) -> None:
    size = repos.large_files.size(repo, change.oid) if OID.fullmatch(change.oid) else None
    if size is None or change.size not in (None, size):
        raise _lost(change.path)
    change.size = size


def _check_pointer(repos: Repos, repo: Repo, change: File, proposal: Proposal) -> None:
    pointer = Pointer.read(proposal.content(change))
    if pointer and repos.large_files.size(repo, pointer.oid) != pointer.size:
        raise _lost(change.path)


def _lost(path: str) -> Refused:
    return bad_request(
        "Your push was rejected because an LFS pointer pointed to a file that does not exist. For instance, this can "
        f"happen if you used git push --no-verify to push your changes. Offending file: - {path}"
    )


def _attributes(repos: Repos, repo: Repo, head: str, proposal: Proposal) -> Iterator[bytes]:
    """`.gitattributes` with a line for every large file that it does not cover, nothing if it need not change.

    Without it, who clones the repository with git gets the pointer and not the file.
    """
    stated = proposal.file(ATTRIBUTES)
    text = (stated if stated is not None else repos.read(repo, head, ATTRIBUTES) or b"").decode(errors="replace")
    known = Attributes(text)
    paths = [change.path for change in proposal.changes if isinstance(change, LargeFile)]
    lines = [track(path) for path in paths if not known.is_lfs(path)]
    if lines:
        separator = "" if text.endswith("\n") or not text else "\n"
        yield from _put(ATTRIBUTES, (text + separator + "".join(lines)).encode())


def _changes(snapshot: Snapshot, proposal: Proposal) -> Iterator[bytes]:
    for change in proposal.changes:
        mode = snapshot.nodes[change.path].mode if change.path in snapshot.nodes else "100644"
        mode = mode if mode == "100755" else "100644"  # an executable file stays one
        match change:
            case Deleted():
                yield b"D " + _quoted(change.path) + b"\n"
            case LargeFile():
                yield from _put(change.path, Pointer(change.oid, change.size or 0).text(), mode)
            case File():
                yield from _put(change.path, proposal.content(change), mode)


def _is_change(snapshot: Snapshot, proposal: Proposal, change: File | LargeFile | Deleted) -> bool:
    node = snapshot.nodes.get(change.path)
    match change:
        case Deleted():
            return True
        case LargeFile():
            content = Pointer(change.oid, change.size or 0).text()
        case File():
            content = proposal.content(change)
    return node is None or node.oid != blob_sha(content) or not node.mode.startswith("100")


def begin_commit(ref: str, message: str, author: User, clock: Clock) -> bytes:
    """How a commit to a ref begins in the language of `git fast-import`."""
    name = re.sub(r"[<>\n\0]", "", author.fullname or author.name)
    who = f"{name} <{author.mail}> {int(clock.now().timestamp())} +0000"
    text = message.encode()
    begin = f"commit {ref}\nmark :1\nauthor {who}\ncommitter {who}\ndata {len(text)}\n"
    return begin.encode() + text + b"\n"


def _put(path: str, content: bytes, mode: str = "100644") -> Iterator[bytes]:
    yield f"M {mode} inline ".encode() + _quoted(path) + f"\ndata {len(content)}\n".encode()
    yield content
    yield b"\n"


def _quoted(path: str) -> bytes:
    return b'"' + path.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'
