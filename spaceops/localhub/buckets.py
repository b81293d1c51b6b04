"""Buckets: files without history. They lie as plain files in a folder, so that an app can have it as a volume.

The database only remembers what cannot be seen of a file, together with the size and time of which that was true: a
file that an app has written since is another file, whatever was known of the one before.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import msgspec

from spaceops.localhub.clock import wire_time
from spaceops.localhub.folders import Folder, Found, facts_of
from spaceops.localhub.runners.paths import remove

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Container, Iterable

    from spaceops.localhub.store import Repo

SCHEMA = """
CREATE TABLE IF NOT EXISTS bucket_files (
    bucket TEXT NOT NULL REFERENCES repos (id) ON DELETE CASCADE, path TEXT NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    xet_hash TEXT NOT NULL, uploaded_at TEXT NOT NULL, content_type TEXT,
    PRIMARY KEY (bucket, path)
);
CREATE INDEX IF NOT EXISTS bucket_files_by_hash ON bucket_files (bucket, xet_hash);
"""
SELECT = "SELECT path, size, mtime_ns, xet_hash, uploaded_at, content_type FROM bucket_files"
LATEST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


class BucketFile(NamedTuple):
    """A file, and what is known of it."""

    path: str
    size: int  # bytes
    mtime_ns: int
    xet_hash: str
    uploaded_at: str  # "…Z"
    content_type: str | None = None

    @property
    def mtime(self) -> str:
        """When it was changed last, here or before it came here."""
        return time_of(self.mtime_ns)


class Buckets:
    """The buckets of one data folder. What is known of files belongs to the loop; their folders block."""

    def __init__(self, db: sqlite3.Connection, folder: Path) -> None:
        self._db, self._folder = db, folder / "buckets"
        self.temporary = folder / "tmp"
        self._folders: dict[str, Folder] = {}
        self._awaited: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._kept: defaultdict[str, set[str]] = defaultdict(set)
        self._changing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._db.executescript(SCHEMA)

    def tidy(self, known: Container[str]) -> None:
        """After a crash: remove the folders of buckets that are no longer known. Blocks."""
        for folder in self._folder.glob("*"):
            if folder.name not in known:
                remove(folder)

    def folder(self, repo: Repo) -> Folder:
        """The files of a bucket."""
        if repo.id not in self._folders:
            self._folders[repo.id] = Folder(self._folder / repo.id / "files")
        return self._folders[repo.id]

    def changing(self, repo: Repo) -> asyncio.Lock:
        """Held by whoever changes a bucket."""
        return self._changing[repo.id]

    def bury(self, repo: Repo) -> Path | None:
        """Take a bucket's files away, and return the folder where they wait to be removed. Quick."""
        self._folders.pop(repo.id, None)
        self._kept.pop(repo.id, None)
        self._awaited.pop(repo.id, None)
        self._changing.pop(repo.id, None)
        remains = self._folder / repo.id
        return remains.rename(Path(tempfile.mkdtemp(dir=self.temporary)) / repo.id) if remains.exists() else None

    def uploaded(self, repo: Repo, hashes: Iterable[str]) -> None:
        """Somebody uploaded content, and a batch of theirs is to say what for."""
        self._awaited[repo.id].update(list(hashes))  # of a mapping it would add up the values

    def claim(self, repo: Repo, hashes: Iterable[str]) -> set[str]:
        """Note that a batch uses content that was uploaded; returns what others uploaded too, and have not used yet."""
        awaited = self._awaited[repo.id]
        awaited.subtract(set(hashes))
        self._awaited[repo.id] = +awaited
        return set(self._awaited[repo.id])

    def keep(self, repo: Repo, path: str) -> None:
        """Let a folder stay when it is empty: an app has it."""
        self._kept[repo.id].add(path)

    def kept(self, repo: Repo) -> Collection[str]:
        """The folders of a bucket that stay when they are empty."""
        return frozenset(self._kept[repo.id])

    def describe(self, repo: Repo, found: Iterable[Found]) -> list[BucketFile]:
        """What is known of files; a hash is made up for those that an app wrote, whose content nobody has read."""
        now = {file.path: file for file in found}
        query = f"{SELECT} WHERE bucket = ? AND path IN (SELECT value FROM json_each(?))"  # noqa: S608
        rows = self._db.execute(query, (repo.id, msgspec.json.encode(list(now)).decode()))
        known = {row[0]: BucketFile(*row) for row in rows}
        new = {
            path: _written_by_an_app(repo, file)
            for path, file in now.items()
            if path not in known or known[path][:3] != file
        }
        self.remember(repo, new.values())
        return [new.get(path) or known[path] for path in now]

    def remember(self, repo: Repo, files: Iterable[BucketFile]) -> None:
        """Keep what is known of files."""
        rows = [(repo.id, *file) for file in files]
        there = self._db.execute("SELECT 1 FROM repos WHERE id = ?", (repo.id,)).fetchone()
        if rows and there:  # it may just have been deleted
            with self._db:
                self._db.execute("BEGIN")
                self._db.executemany("INSERT OR REPLACE INTO bucket_files VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def with_hash(self, repo: Repo, xet_hash: str) -> list[BucketFile]:
        """The files that had this content when they were last looked at."""
        rows = self._db.execute(f"{SELECT} WHERE bucket = ? AND xet_hash = ?", (repo.id, xet_hash))
        return [BucketFile(*row) for row in rows]

    def last_upload(self, repo: Repo, folder: str) -> str | None:
        """When the last file came into a folder, if that is known."""
        query = "SELECT max(uploaded_at) FROM bucket_files WHERE bucket = ? AND path > ? AND path < ?"
        row = self._db.execute(query, (repo.id, f"{folder}/", f"{folder}0")).fetchone()  # "0" comes after "/"
        return row[0] if row else None


def open_file(folder: Folder, file: BucketFile) -> BinaryIO:
    """The content of a file; raises `FileNotFoundError` if it is no longer what was known of it. Blocks."""
    opened = folder.open(file.path)
    if facts_of(file.path, opened) == file[:3]:
        return opened
    opened.close()
    raise FileNotFoundError(file.path)


def _written_by_an_app(repo: Repo, file: Found) -> BucketFile:
    """A hash that changes with the file. The real one would take reading everything that an app writes."""
    made_up = hashlib.sha256("\0".join(map(str, (repo.id, *file))).encode()).hexdigest()
    return BucketFile(*file, made_up, time_of(file.mtime_ns))


def time_of(nanoseconds: int) -> str:
    """A time of the disk; an app may have set one that no calendar has."""
    return wire_time(datetime.fromtimestamp(min(max(nanoseconds / 1e9, 0), LATEST), UTC))
