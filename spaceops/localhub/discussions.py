"""Pull requests: who asked for what, and what became of it. Their commits are git's, under `refs/pr/N`."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from spaceops.localhub.store import new_id

if TYPE_CHECKING:
    from pathlib import Path
    from sqlite3 import Connection

    from spaceops.localhub.store import Repo

Status = Literal["draft", "open", "closed", "merged"]
LIVE = ("draft", "open")  # those that take commits
REF = re.compile(r"refs/pr/([1-9]\d{0,8})")

SCHEMA = """
CREATE TABLE IF NOT EXISTS pulls (
    repo TEXT NOT NULL REFERENCES repos (id) ON DELETE CASCADE, num INTEGER NOT NULL, title TEXT NOT NULL,
    author TEXT NOT NULL, created_at TEXT NOT NULL, status TEXT NOT NULL, base TEXT NOT NULL,
    merged_onto TEXT, merge_commit TEXT,
    PRIMARY KEY (repo, num)
);
CREATE TABLE IF NOT EXISTS pull_events (
    id TEXT PRIMARY KEY, repo TEXT NOT NULL, num INTEGER NOT NULL, type TEXT NOT NULL, author TEXT NOT NULL,
    created_at TEXT NOT NULL, data TEXT NOT NULL,
    FOREIGN KEY (repo, num) REFERENCES pulls (repo, num) ON DELETE CASCADE
);
"""
COLUMNS = "repo, num, title, author, created_at, status, base, merged_onto, merge_commit"


@dataclass(frozen=True)
class Pull:
    """A pull request."""

    repo: str  # the repository's id
    num: int  # from 1 on, in each repository
    title: str
    author: str
    created_at: str
    status: Status
    base: str  # the branch it is to go into, by its full name
    merged_onto: str | None = None  # what the base was when it was merged
    merge_commit: str | None = None

    @property
    def ref(self) -> str:
        """Where its commits are."""
        return f"refs/pr/{self.num}"

    @property
    def is_live(self) -> bool:
        """Whether it takes commits."""
        return self.status in LIVE


@dataclass(frozen=True)
class Event:
    """Something that somebody did with a pull request; its commits are none of these."""

    id: str
    type: Literal["comment", "status-change", "title-change"]
    author: str
    created_at: str
    data: dict[str, str]


class Discussions:
    """The pull requests of all repositories. Every call is quick and is the loop's."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._db.executescript(SCHEMA)

    def tidy(self, folder: Path) -> None:
        """After a crash: remove from a data folder the refs of pull requests that were just being opened."""
        known = {(str(repo), int(num)) for repo, num in self._db.execute("SELECT repo, num FROM pulls")}
        for ref in folder.glob("git/*.git/refs/pr/*"):
            if (ref.parents[2].stem, int(ref.name) if ref.name.isdecimal() else 0) not in known:
                ref.unlink()

    def lock(self, repo: Repo) -> asyncio.Lock:
        """Held while a pull request is opened or merged: its commits are made first, and then it is entered here."""
        return self._locks[repo.id]

    def next_number(self, repo: Repo) -> int:
        """The number of the pull request that is opened next."""
        row = self._db.execute("SELECT coalesce(max(num), 0) + 1 FROM pulls WHERE repo = ?", (repo.id,)).fetchone()
        return int(row[0])

    def add(self, pull: Pull, description: str) -> None:
        """Enter a new pull request, with its description as its first comment."""
        values = [getattr(pull, column) for column in COLUMNS.split(", ")]
        with self._db:
            self._db.execute("BEGIN")
            self._db.execute(f"INSERT INTO pulls ({COLUMNS}) VALUES ({', '.join('?' * len(values))})", values)  # noqa: S608
            self._insert(pull, "comment", pull.author, pull.created_at, {"text": description})

    def find(self, repo: Repo, num: int) -> Pull | None:
        """The pull request of that number."""
        return next(iter(self._pulls("repo = ? AND num = ?", repo.id, num)), None)

    def of_ref(self, repo: Repo, ref: str) -> Pull | None:
        """The pull request whose commits are at that ref."""
        match = REF.fullmatch(ref)
        return self.find(repo, int(match[1])) if match else None

    def all(self, repo: Repo, *, closed: bool | None = None, author: str | None = None) -> list[Pull]:
        """The pull requests of a repository, newest first: only those that are over or not, only somebody's."""
        pulls = self._pulls("repo = ? ORDER BY num DESC", repo.id)
        pulls = [pull for pull in pulls if closed is None or pull.is_live != closed]
        return [pull for pull in pulls if author is None or pull.author.lower() == author.lower()]

    def events(self, pull: Pull) -> list[Event]:
        """What was done with it, oldest first."""
        query = "SELECT id, type, author, created_at, data FROM pull_events WHERE repo = ? AND num = ? ORDER BY rowid"
        rows = self._db.execute(query, (pull.repo, pull.num)).fetchall()
        return [Event(key, kind, author, at, msgspec.json.decode(data)) for key, kind, author, at, data in rows]

    def comment(self, pull: Pull, author: str, at: str, text: str) -> Event:
        """Somebody says something."""
        return self._insert(pull, "comment", author, at, {"text": text})

    def rename(self, pull: Pull, author: str, at: str, title: str) -> Event:
        """It gets another title."""
        return self._change(pull, {"title": title}, "title-change", author, at, {"from": pull.title, "to": title})

    def set_status(self, pull: Pull, author: str, at: str, status: Status) -> Event:
        """It is opened or closed."""
        return self._change(pull, {"status": status}, "status-change", author, at, {"status": status})

    def merged(self, pull: Pull, author: str, at: str, onto: str, commit: str) -> Event:
        """Its base has what it asked for."""
        values = {"status": "merged", "merged_onto": onto, "merge_commit": commit}
        return self._change(pull, values, "status-change", author, at, {"status": "merged"})

    def _change(
        self, pull: Pull, values: dict[str, str], type_: str, author: str, at: str, data: dict[str, str]
    ) -> Event:
        assignments = ", ".join(f"{column} = ?" for column in values)
        with self._db:
            self._db.execute("BEGIN")
            query = f"UPDATE pulls SET {assignments} WHERE repo = ? AND num = ?"  # noqa: S608
            self._db.execute(query, (*values.values(), pull.repo, pull.num))
            return self._insert(pull, type_, author, at, data)

    def _insert(self, pull: Pull, type_: Any, author: str, at: str, data: dict[str, str]) -> Event:
        event = Event(new_id(), type_, author, at, data)
        row = (event.id, pull.repo, pull.num, event.type, author, at, msgspec.json.encode(data).decode())
        self._db.execute("INSERT INTO pull_events VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        return event

    def _pulls(self, condition: str, *values: str | int) -> list[Pull]:
        rows = self._db.execute(f"SELECT {COLUMNS} FROM pulls WHERE {condition}", values)  # noqa: S608
        return [Pull(*row) for row in rows]
