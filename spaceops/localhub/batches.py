"""A batch of changes to a bucket: files get their paths, files go; each for itself, so that some may fail."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from spaceops.localhub.buckets import BucketFile, open_file
from spaceops.localhub.folders import Folder, WrongPath

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from spaceops.localhub.folders import Found


class Kept(NamedTuple):
    """A file of a bucket, for as long as it is what is known of it."""

    folder: Folder
    file: BucketFile


@dataclass(frozen=True, kw_only=True)
class Placing:
    """A file that gets a path, and where its content may be.

    What was uploaded is moved when it is used for the last time, and copied before that.
    """

    path: str
    xet_hash: str
    mtime_ns: int
    content_type: str | None = None
    uploaded: Path | None = None
    awaited: bool = False  # by others, who uploaded the same
    others: Sequence[Kept | Path] = ()


@dataclass(frozen=True)
class Removal:
    """A file that goes."""

    path: str


@dataclass(frozen=True)
class Impossible:
    """What is known to fail before anything is done."""

    path: str
    why: str


@dataclass
class Outcome:
    """What came of a batch."""

    placed: list[tuple[Placing, Found]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)  # path and reason


class _Missing(Exception):
    """There is nothing of what was asked for."""


class Batch:
    """One batch of one bucket. While it is done, nobody else changes the bucket but the apps that have it."""

    def __init__(self, folder: Folder, temporary: Path, keep: Collection[str]) -> None:
        self._folder, self._temporary, self._keep = folder, temporary, keep
        self._changed: set[str] = set()

    def apply(self, changes: Sequence[Placing | Removal | Impossible]) -> Outcome:
        """Do it all, in order; blocks."""
        outcome = Outcome()
        to_come = Counter(change.uploaded for change in changes if isinstance(change, Placing))
        for change in changes:
            try:
                if isinstance(change, Placing):
                    to_come[change.uploaded] -= 1
                    found = self._place(change, last=not (to_come[change.uploaded] or change.awaited))
                    outcome.placed.append((change, found))
                else:
                    self._remove(change)
                self._changed.add(change.path)
            except (WrongPath, _Missing) as error:
                outcome.failed.append((change.path, str(error)))
        removed = [change.path for change in changes if isinstance(change, Removal)]
        self._folder.clear(self._changed.intersection(removed), self._keep)
        return outcome

    def _remove(self, change: Removal | Impossible) -> None:
        if isinstance(change, Impossible):
            raise _Missing(change.why)
        if not self._folder.remove(change.path):
            raise _Missing("There is no such file")

    def _place(self, change: Placing, *, last: bool) -> Found:
        if change.uploaded and last:
            with suppress(FileNotFoundError):
                return self._folder.put(change.path, change.uploaded, change.mtime_ns)
        with self._content(change) as content, tempfile.NamedTemporaryFile(dir=self._temporary, delete=False) as copy:
            try:
                shutil.copyfileobj(content, copy, 1 << 20)
                copy.flush()
                return self._folder.put(change.path, Path(copy.name), change.mtime_ns)
            finally:
                Path(copy.name).unlink(missing_ok=True)

    def _content(self, change: Placing) -> BinaryIO:
        for source in [change.uploaded, *change.others]:
            if isinstance(source, Path):
                with suppress(FileNotFoundError):
                    return source.open("rb")
            elif source and not (source.folder is self._folder and source.file.path in self._changed):
                with suppress(FileNotFoundError):
                    return open_file(source.folder, source.file)
        raise _Missing(f"There is no content {change.xet_hash}")
