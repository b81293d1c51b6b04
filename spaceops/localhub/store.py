"""What the local Hub knows about its repositories, in one SQLite file; their content is git's (`repos.py`)."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

Stage = str
TWO_DAYS = 48 * 60 * 60

SCHEMA = """
CREATE TABLE IF NOT EXISTS hub (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS repos (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, namespace TEXT NOT NULL COLLATE NOCASE, name TEXT NOT NULL COLLATE NOCASE,
    visibility TEXT NOT NULL, sdk TEXT, created_at TEXT NOT NULL, creator TEXT NOT NULL,
    settings TEXT NOT NULL DEFAULT '{}', state TEXT NOT NULL DEFAULT '{}',
    UNIQUE (kind, namespace, name)
);
"""
COLUMNS = "id, kind, namespace, name, visibility, sdk, created_at, creator"


@dataclass(frozen=True, kw_only=True)
class Repo:
    """One repository; `id` (24 hex digits) stays when everything else changes."""

    id: str
    kind: str  # model, dataset or space
    namespace: str
    name: str
    visibility: str  # public, private, or protected: the source private, the app public
    sdk: str | None
    created_at: str
    creator: str

    @property
    def repo_id(self) -> str:
        """The name that users write: `namespace/name`."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A variable or a secret."""

    value: str = field(repr=False)
    description: str | None = None
    updated_at: str


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a Space's owner asked for."""

    hardware: str = "cpu-basic"
    sleep_time: int | None = TWO_DAYS  # seconds; None: never
    variables: Mapping[str, Entry] = field(default_factory=dict)
    secrets: Mapping[str, Entry] = field(default_factory=dict)
    volumes: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class State:
    """What is."""

    stage: Stage = "NO_APP_FILE"
    error_message: str | None = None
    sha: str | None = None  # the commit that serves now
    hardware: str | None = None  # None until the first RUNNING
    port: int = 0  # the Space's own port, fixed for its life; 0: not yet assigned
    restarts: int = 0
    rebuilds: int = 0
    wanted_sha: str | None = None  # the commit last asked to be built


def now() -> str:
    """The time as the wire wants it: UTC, milliseconds, a `Z` at the end."""
    return wire_time(datetime.now(UTC))


def wire_time(moment: datetime) -> str:
    """A moment as the wire wants it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def new_id() -> str:
    """24 hex digits, as the Hub gives to everything."""
    return secrets.token_hex(12)


class Store:
    """The tables. Every call is quick and belongs to the server's loop; a write is durable when it returns.

    (Durable against the death of the process. A power cut may cost the last writes, and corrupts nothing.)
    """

    def __init__(self, file: Path) -> None:
        file.touch(mode=0o600)  # the values of secrets are in it
        self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        """Write everything into the one file and let go of it."""
        self._db.close()

    def constant(self, name: str) -> str:
        """A random value made once for this data folder, for instance the key that signs addresses."""
        self._db.execute("INSERT OR IGNORE INTO hub VALUES (?, ?)", (name, secrets.token_hex(32)))
        row = self._db.execute("SELECT value FROM hub WHERE name = ?", (name,)).fetchone()
        return str(row[0])

    def add(self, repo: Repo, settings: Settings | None = None) -> None:
        """Enter a new repository."""
        values = (repo.id, repo.kind, repo.namespace, repo.name, repo.visibility, repo.sdk, repo.created_at)
        self._db.execute(
            f"INSERT INTO repos ({COLUMNS}, settings) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            (*values, repo.creator, _to_json(settings or Settings())),
        )

    def remove(self, repo: Repo) -> None:
        """Forget a repository and its settings."""
        self._db.execute("DELETE FROM repos WHERE id = ?", (repo.id,))

    def update(self, repo: Repo) -> None:
        """Save the two things of a repository that may change."""
        self._db.execute("UPDATE repos SET visibility = ?, sdk = ? WHERE id = ?", (repo.visibility, repo.sdk, repo.id))

    def find(self, kind: str, repo_id: str) -> Repo | None:
        """The repository of that name; the case of letters does not matter."""
        namespace, _, name = repo_id.partition("/")
        return next(iter(self._repos("kind = ? AND namespace = ? AND name = ?", kind, namespace, name)), None)

    def by_id(self, identity: str) -> Repo | None:
        """The repository with that `id`."""
        return next(iter(self._repos("id = ?", identity)), None)

    def all(self, kind: str) -> list[Repo]:
        """All repositories of a kind, oldest first."""
        return self._repos("kind = ?", kind)

    def spaces(self) -> list[Repo]:
        """All Spaces, oldest first."""
        return self.all("space")

    def settings(self, repo: Repo) -> Settings:
        """What the owner of a Space asked for."""
        return msgspec.json.decode(self._cell("settings", repo), type=Settings)

    def save_settings(self, repo: Repo, settings: Settings) -> None:
        """Replace a Space's settings."""
        self._db.execute("UPDATE repos SET settings = ? WHERE id = ?", (_to_json(settings), repo.id))

    def state(self, repo: Repo) -> State:
        """How a Space is."""
        return msgspec.json.decode(self._cell("state", repo), type=State)

    def save_state(self, repo: Repo, state: State) -> None:
        """Replace a Space's state."""
        self._db.execute("UPDATE repos SET state = ? WHERE id = ?", (_to_json(state), repo.id))

    def _cell(self, column: str, repo: Repo) -> str:
        row = self._db.execute(f"SELECT {column} FROM repos WHERE id = ?", (repo.id,)).fetchone()  # noqa: S608
        return str(row[0]) if row else "{}"  # a repository that was just deleted

    def _repos(self, condition: str, *values: str) -> list[Repo]:
        rows = self._db.execute(f"SELECT {COLUMNS} FROM repos WHERE {condition} ORDER BY rowid", values)  # noqa: S608
        return [Repo(**dict(zip(COLUMNS.split(", "), row, strict=True))) for row in rows]


def _to_json(value: Settings | State) -> str:
    return msgspec.json.encode(value).decode()
