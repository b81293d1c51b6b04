"""What `check` can mend by itself: the safe edits are made, the others proposed; both are shown as diffs."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path, PurePosixPath
from typing import Any

from spaceops.diffs import FileDiff, FileDiffs, unified
from spaceops.errors import BadInput
from spaceops.files import LocalFile, Source
from spaceops.findings import Finding, Fix, Report
from spaceops.hashcache import Stamp
from spaceops.preflight import check, context
from spaceops.spec import FILE_NAME, Space

MOST_PASSES = 50  # one edit of each file in each; more than any file needs
MODE = 0o644  # of a new file
Contents = Mapping[str, bytes | None]  # by path; None: no such file


@dataclass(frozen=True)
class Proposal:
    """An edit that somebody may want otherwise, and the finding that it would mend."""

    finding: Finding
    diffs: FileDiffs

    def __str__(self) -> str:
        return f"{self.finding.code} {self.finding.where}: {self.finding.message}\n{self.diffs}"


@dataclass(frozen=True)
class Fixed:
    """What `fix` changed or, where it was not to write, would change; the report is about the files after it."""

    diffs: FileDiffs
    report: Report
    proposals: tuple[Proposal, ...] = ()
    written: bool = True

    def __bool__(self) -> bool:
        """Whether there was anything to change."""
        return bool(self.diffs)

    def __str__(self) -> str:
        done = "Fixed" if self.written else "Would fix"
        parts = [f"{done}:\n{self.diffs}" if self.diffs else "Nothing to fix."]
        parts += [f"Proposed, not made: {proposal}" for proposal in self.proposals]
        return "\n\n".join(parts)

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """The same text in a notebook without a front end."""
        printer.text(str(self))

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def fix(
    space: Space | str | Path,
    *,
    env: str | None = None,
    select: Collection[str] = (),
    ignore: Collection[str] = (),
    write: bool = True,
) -> Fixed:
    """Make the edits that nobody can want otherwise, and propose the others. A second run changes nothing.

    `select` and `ignore` are codes. Without `write` nothing is changed. Each file is replaced at once: whatever happens
    meanwhile, it is the old one or the new one. Raises `BadInput` for a file that was changed meanwhile.
    """
    ctx = context(space, env=env)
    with tempfile.TemporaryDirectory(prefix="spaceops-fix-") as folder:
        draft = _Draft(ctx.source, ctx.space, Path(folder))
        report = check(space, source=ctx.source, env=env, select=select, ignore=ignore)
        for _ in range(MOST_PASSES):
            if not draft.take(report):
                break
            report = check(space, source=draft.source, env=env, select=select, ignore=ignore)
        proposals = tuple(draft.proposals(report))
        diffs = FileDiffs(draft.diffs(draft.contents))
        if write:
            draft.write()
    report = check(space, env=env, select=select, ignore=ignore) if write and diffs else draft.left(report)
    return Fixed(diffs, report, proposals, write)


@dataclass
class _Draft:
    """New contents of files, kept in a folder of their own until all are known."""

    original: Source
    space: Space
    folder: Path
    contents: dict[str, bytes | None] = field(default_factory=dict)
    mended: set[Finding] = field(default_factory=set)
    source: Source = field(init=False)
    seen: list[dict[str, bytes | None]] = field(default_factory=lambda: [{}])

    def __post_init__(self) -> None:
        self.source = self.original

    def take(self, report: Report) -> bool:
        """Take in the safe edits of a report, the first of each file; whether that leads to anything new."""
        touched: set[str] = set()
        before = dict(self.contents)
        for finding in self.left(report):
            edit = finding.fix
            if edit and edit.safe and not touched & edit.files.keys() and self._may_change(edit):
                touched |= edit.files.keys()
                self.contents |= edit.files
                self.mended |= set() if finding.line else {finding}
        if self.contents in self.seen:  # rules that undo each other's edits
            self.contents = before
            return False
        self.seen.append(dict(self.contents))
        self.source = self._with(self.contents)
        return True

    def left(self, report: Report) -> Report:
        """A report without what is about a whole file and was mended: a walk through the folder still finds it."""
        return replace(report, findings=tuple(finding for finding in report if finding not in self.mended))

    def proposals(self, report: Report) -> Iterator[Proposal]:
        """The edits that were not made."""
        for finding in self.left(report):
            if finding.fix:
                yield Proposal(finding, FileDiffs(self.diffs(finding.fix.files, since=self.contents)))

    def diffs(self, contents: Contents, *, since: Contents | None = None) -> Iterator[FileDiff]:
        """How the files would change, by path."""
        for path, new in sorted(contents.items()):
            old = since[path] if since and path in since else self._before(path)
            if old != new:
                yield _diff(path, old, new)

    def write(self) -> None:
        """Change the files."""
        changed = {path: new for path, new in self.contents.items() if new != self._before(path)}
        try:
            for path in changed:
                self._refuse_changed(path)
            for old, new in _renamed(changed, {path: self._before(path) for path in changed}):
                (self.original.root / new).parent.mkdir(parents=True, exist_ok=True)
                (self.original.root / old).rename(self.original.root / new)
                del changed[old], changed[new]
            for path, content in changed.items():
                _write(self._place(path), content)
        except OSError as error:
            said = f"{error.filename} cannot be changed: {error.strerror}"
            raise BadInput(said, hint="Allow it to be written (chmod), or make the edit by hand.") from error

    def _before(self, path: str) -> bytes | None:
        file = self.original.files.get(path)
        return file.path.read_bytes() if file else None

    def _refuse_changed(self, path: str) -> None:
        """Raise `BadInput` for a file that is not what the rules saw."""
        file = self.original.files.get(path)
        place = self._place(path)
        is_same = Stamp.of(place.stat()) == file.stamp if file else self._is_ours(path)
        if not is_same:
            raise BadInput(f"{path} was changed meanwhile; nothing of it was fixed", hint="Run it again.")

    def _place(self, path: str) -> Path:
        """Where a file lies; what a link leads to, not the link, is changed."""
        return Path(os.path.realpath(self.original.root / path))

    def _may_change(self, edit: Fix) -> bool:
        return all(self._is_ours(path) for path in edit.files)

    def _is_ours(self, path: str) -> bool:
        """Whether a file is part of the source, or could be: never one with secrets, and never one outside."""
        pure = PurePosixPath(path)
        if path in self.original.files:
            return True
        place, root = self._place(path), Path(os.path.realpath(self.original.root))
        is_free = not os.path.lexists(self.original.root / path) or _is_same(self.original, path)
        is_inside = not pure.is_absolute() and ".." not in pure.parts and place.is_relative_to(root)
        return is_inside and is_free and not _is_private(pure) and place not in self.space.private_files

    def _with(self, contents: Contents) -> Source:
        """The source with other contents."""
        files = dict(self.original.files)
        for number, (path, content) in enumerate(contents.items()):
            if content is None:
                files.pop(path, None)
                continue
            place = self.folder / f"{number}-{len(self.seen)}"
            place.write_bytes(content)
            files[path] = LocalFile(str(place), len(content))
        return replace(self.original, files=dict(sorted(files.items())))


def _is_private(path: PurePosixPath) -> bool:
    """Whether it is git's, a file of secrets, or space.toml: none of these is part of the source."""
    return ".git" in path.parts or path.name == FILE_NAME or path.name.startswith(".env")


def _is_same(source: Source, path: str) -> bool:
    """Whether a name is that of a file of the source in other letters, on a disk that does not tell them apart."""
    other = next((known for known in source.files if known.lower() == path.lower()), None)
    return other is not None and (source.root / other).samefile(source.root / path)


def _renamed(after: Contents, before: Contents) -> list[tuple[str, str]]:
    """The pairs of a file that goes and one that comes with the same content: that is one step, not two."""
    gone = {content: path for path, content in before.items() if after[path] is None and content is not None}
    new = {content: path for path, content in after.items() if before[path] is None and content is not None}
    return [(gone[content], new[content]) for content in gone.keys() & new.keys()]


def _diff(path: str, old: bytes | None, new: bytes | None) -> FileDiff:
    kind = "added" if old is None else "removed" if new is None else "changed"
    try:
        before, after = ((content or b"").decode() for content in (old, new))
    except UnicodeDecodeError:
        return FileDiff(path, kind, note="stored as UTF-8")
    return FileDiff(path, kind, tuple(unified(path, before, after)))


def _write(place: Path, content: bytes | None) -> None:
    """Replace a file at once, with its mode, or remove it."""
    if content is None:
        place.unlink()
        return
    mode = stat.S_IMODE(place.stat().st_mode) if place.exists() else MODE
    place.parent.mkdir(parents=True, exist_ok=True)
    handle, draft_name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
    draft = Path(draft_name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), mode)
        draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)  # once it has replaced the file, it is not there any more
