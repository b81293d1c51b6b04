"""What a push would change inside of files: line by line for text, by size and hash for the rest."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from spaceops import errors
from spaceops.files import LARGEST_PLAIN_FILE, LocalFile
from spaceops.observed import RemoteFile
from spaceops.plans import harmless
from spaceops.secret import redact

if TYPE_CHECKING:
    from spaceops.hub import Hub
    from spaceops.plans import Plan

LARGEST = 256 << 10  # bytes of a file that is compared line by line
LONGEST = 64 << 10  # characters of all diffs of a plan
AT_ONCE = 8  # files that are read side by side
_SIGNS = {"added": "+", "changed": "~", "removed": "-"}
_NO_NEWLINE = "\\ No newline at end of file"


@dataclass(frozen=True)
class FileDiff:
    """How one file changes: `lines` of a unified diff, or a `note` why there are none."""

    path: str
    kind: str  # added, changed, removed
    lines: tuple[str, ...] = ()
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The diff for `--json`."""
        text = "".join(f"{line}\n" for line in self.lines)
        return {"path": self.path, "kind": self.kind, "diff": text or None, "note": self.note or None}

    def __str__(self) -> str:
        note = f"  {self.note}" if self.note else ""
        return "\n".join([f"{_SIGNS[self.kind]} {harmless(self.path)}{note}", *self.lines])


class FileDiffs(tuple[FileDiff, ...]):
    """The diffs of all files of a plan, by path."""

    def as_list(self) -> list[dict[str, Any]]:
        """The diffs for `--json`."""
        return [diff.as_dict() for diff in self]

    def __str__(self) -> str:
        return "\n".join(map(str, self)) or "No file changes."

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """The same text in a notebook without a front end."""
        printer.text(str(self))

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


@dataclass(frozen=True)
class _Side:
    """A file before or after: where it is read, how large it is, and what tells its content."""

    file: LocalFile | RemoteFile | None
    revision: str | None = None

    @property
    def size(self) -> int:
        return self.file.size if self.file else 0

    @property
    def is_large(self) -> bool:
        """Whether it is too much to show, or kept as a large file."""
        return self.size > LARGEST or (isinstance(self.file, RemoteFile) and self.file.sha256 is not None)

    def __str__(self) -> str:
        return f"{self.size} bytes ({_hash(self.file)[:10]})" if self.file else ""


def file_diffs(plan: Plan, hub: Hub) -> FileDiffs:
    """The diff of every file that a plan writes or removes; at most one request for each side that is on the Hub.

    Files that hold secrets are named, not shown, and what is known as a secret is blacked out everywhere.
    """
    work = sorted(_sides(plan), key=lambda item: item[0])
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda item: _diff(plan, hub, *item), work))
    return FileDiffs(_bounded(found))


def _sides(plan: Plan) -> Iterator[tuple[str, str, _Side, _Side]]:
    """Path, kind, before and after of each file."""
    there, now = plan.observed.files, plan.observed.sha
    then = plan.restores.sha if plan.restores else None
    for path, file in plan.files.added.items():
        yield path, "added", _Side(None), _Side(file, then)
    for path, file in plan.files.changed.items():
        yield path, "changed", _Side(there[path], now), _Side(file, then)
    for path in plan.files.removed:
        yield path, "removed", _Side(there[path], now), _Side(None)


def _diff(plan: Plan, hub: Hub, path: str, kind: str, before: _Side, after: _Side) -> FileDiff:
    if _is_private(plan, path):
        return FileDiff(path, kind, note="may hold secrets, not shown")
    if before.is_large or after.is_large:
        return FileDiff(path, kind, note=f"{_sizes(before, after)}, not compared line by line")
    try:
        old, new = (_content(hub, plan.space.repo_id, path, side) for side in (before, after))
    except (errors.NotFound, OSError):
        return FileDiff(path, kind, note="cannot be read any more: it was changed meanwhile")
    if _is_binary(old) or _is_binary(new):
        return FileDiff(path, kind, note=f"{_sizes(before, after)}, binary")
    lines = tuple(unified(path, old.decode(), new.decode()))
    return FileDiff(path, kind, lines, "" if lines else _silence(old, new))


def unified(path: str, old: str, new: str) -> Iterator[str]:
    """The lines of a unified diff, with secrets blacked out and harmless to a terminal."""
    before, after = _lines(redact(old)), _lines(redact(new))
    names = (f"a/{path}" if old else "/dev/null", f"b/{path}" if new else "/dev/null")
    for line in difflib.unified_diff(before, after, *names, lineterm=""):
        text, newline, rest = line.partition("\n")
        yield harmless(text) if "\t" not in text else "\t".join(map(harmless, text.split("\t")))
        if newline and rest:
            yield rest


def _lines(text: str) -> list[str]:
    """The lines; the last one says so where no newline ends it, so that this is a difference too."""
    lines = text.split("\n")
    return lines[:-1] if not lines[-1] else [*lines[:-1], f"{lines[-1]}\n{_NO_NEWLINE}"]


def _bounded(diffs: Sequence[FileDiff]) -> Iterator[FileDiff]:
    """The diffs until they are `LONGEST` together; of the rest what they are."""
    left = LONGEST
    for diff in diffs:
        size = sum(len(line) + 1 for line in diff.lines)
        if size > left:
            yield FileDiff(diff.path, diff.kind, note=f"a diff of {len(diff.lines)} lines, left out")
        else:
            left -= size
            yield diff


def _is_private(plan: Plan, path: str) -> bool:
    """Whether secrets are read from that file here, or usually are: somebody else may have pushed it."""
    name = path.rpartition("/")[2]
    usual = name == ".env" or (name.startswith(".env.") and name != ".env.example")
    return usual or (plan.space.root / path).resolve() in plan.space.private_files


def _content(hub: Hub, repo_id: str, path: str, side: _Side) -> bytes:
    if side.file is None:
        return b""
    if isinstance(side.file, LocalFile):
        return side.file.path.read_bytes()
    return hub.read(repo_id, path, side.revision or "main")


def _is_binary(content: bytes) -> bool:
    if b"\0" in content:
        return True
    try:
        content.decode()
    except UnicodeDecodeError:
        return True
    return False


def _sizes(before: _Side, after: _Side) -> str:
    """`12 bytes (3f2a91c8aa) -> 34 bytes (9b1c…)`."""
    return " -> ".join(filter(None, map(str, (before, after))))


def _hash(file: LocalFile | RemoteFile) -> str:
    """What tells the content: the hash by which git or LFS knows it."""
    if isinstance(file, RemoteFile):
        return file.sha256 or file.oid or "unknown"
    return file.oid() if file.size <= LARGEST_PLAIN_FILE else file.sha256()


def _silence(old: bytes, new: bytes) -> str:
    return "the difference is a secret, not shown" if old != new else "empty"
