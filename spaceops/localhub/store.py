"""What the local Hub knows about its repositories, in SQLite; their content is git's (`repos.py`)."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import msgspec

from spaceops.structs import decoder

if TYPE_CHECKING:
    from pathlib import Path

    from spaceops.localhub.vault import Vault

Stage = str
TWO_DAYS = 48 * 60 * 60

SCHEMA = """
CREATE TABLE IF NOT EXISTS hub (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS repos (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, namespace TEXT NOT NULL COLLATE NOCASE, name TEXT NOT NULL COLLATE NOCASE,
    visibility TEXT NOT NULL, gated TEXT, sdk TEXT, created_at TEXT NOT NULL, creator TEXT NOT NULL,
    settings TEXT NOT NULL DEFAULT '{}', state TEXT NOT NULL DEFAULT '{}',
    UNIQUE (kind, namespace, name)
);
CREATE TABLE IF NOT EXISTS former_names (
    kind TEXT NOT NULL, namespace TEXT NOT NULL COLLATE NOCASE, name TEXT NOT NULL COLLATE NOCASE,
    id TEXT NOT NULL REFERENCES repos (id) ON DELETE CASCADE,
    PRIMARY KEY (kind, namespace, name)
);
"""
COLUMNS = "id, kind, namespace, name, visibility, gated, sdk, created_at, creator"


def connect(file: Path) -> sqlite3.Connection:
    """The database of a data folder, which the server's loop alone uses; a write is durable when it returns.

    (Durable against the death of the process. A power cut may cost the last writes, and corrupts nothing.)
    """
    file.touch(mode=0o600)
    db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA foreign_keys = ON")
    return db


@dataclass(frozen=True, kw_only=True)
class Repo:
    """One repository; `id` (24 hex digits) stays when everything else changes."""

    id: str
    kind: str  # model, dataset, space or bucket
    namespace: str
    name: str
    visibility: str  # public, private, or protected: the source private, the app public
    gated: str | None = None  # auto or manual: everybody sees it, and only those let in read its files
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
    replicas: int = 1
    dev_mode: bool = False
    storage: str | None = None  # a tier of the former persistent storage: small, medium or large


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


def new_id() -> str:
    """24 hex digits, as the Hub gives to everything."""
    return secrets.token_hex(12)


class Store:
    """The repositories, and what is asked of Spaces and known of them. Every call is quick and is the loop's."""

    def __init__(self, db: sqlite3.Connection, vault: Vault) -> None:
        self._db, self._vault = db, vault
        self._settings: dict[str, Settings] = {}  # by the repository's id: unlocking secrets takes its time
        self._db.executescript(SCHEMA)

    def constant(self, name: str) -> str:
        """A random value made once for this data folder, for instance the key that signs addresses."""
        self._db.execute("INSERT OR IGNORE INTO hub VALUES (?, ?)", (name, secrets.token_hex(32)))
        row = self._db.execute("SELECT value FROM hub WHERE name = ?", (name,)).fetchone()
        return str(row[0])

    def add(self, repo: Repo, settings: Settings | None = None) -> None:
        """Enter a new repository; one that had its name before is no longer found by that."""
        values = [getattr(repo, column) for column in COLUMNS.split(", ")]
        marks = ", ".join("?" * len(values))
        with self._db:
            self._db.execute("BEGIN")
            self._forget(repo.kind, repo.namespace, repo.name)
            self._db.execute(
                f"INSERT INTO repos ({COLUMNS}, settings) VALUES ({marks}, ?)",  # noqa: S608
                (*values, self._locked(settings or Settings())),
            )

    def remove(self, repo: Repo) -> None:
        """Forget a repository, its settings and its former names."""
        self._db.execute("DELETE FROM repos WHERE id = ?", (repo.id,))
        self._settings.pop(repo.id, None)

    def update(self, repo: Repo) -> None:
        """Save what of a repository may change, but for its name."""
        self._db.execute(
            "UPDATE repos SET visibility = ?, gated = ?, sdk = ? WHERE id = ?",
            (repo.visibility, repo.gated, repo.sdk, repo.id),
        )

    def rename(self, repo: Repo, namespace: str, name: str) -> None:
        """Give a repository another name; the one it had leads to it until a new repository takes that."""
        with self._db:
            self._db.execute("BEGIN")
            self._db.execute(
                "INSERT OR REPLACE INTO former_names VALUES (?, ?, ?, ?)",
                (repo.kind, repo.namespace, repo.name, repo.id),
            )
            self._forget(repo.kind, namespace, name)
            self._db.execute("UPDATE repos SET namespace = ?, name = ? WHERE id = ?", (namespace, name, repo.id))

    def _forget(self, kind: str, namespace: str, name: str) -> None:
        query = "DELETE FROM former_names WHERE kind = ? AND namespace = ? AND name = ?"
        self._db.execute(query, (kind, namespace, name))

    def moved(self, kind: str, repo_id: str) -> Repo | None:
        """The repository that had this name once; to be asked when none has it now."""
        namespace, _, name = repo_id.partition("/")
        query = "SELECT id FROM former_names WHERE kind = ? AND namespace = ? AND name = ?"
        row = self._db.execute(query, (kind, namespace, name)).fetchone()
        return self.by_id(str(row[0])) if row else None

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

    def ids(self) -> set[str]:
        """The ids of all repositories."""
        return {str(row[0]) for row in self._db.execute("SELECT id FROM repos")}

    def spaces(self) -> list[Repo]:
        """All Spaces, oldest first."""
        return self.all("space")

    def settings(self, repo: Repo) -> Settings:
        """What the owner of a Space asked for."""
        if repo.id not in self._settings:
            written = decoder(Settings).decode(self._cell("settings", repo))
            self._settings[repo.id] = _with_secrets(written, self._vault.unlock)
        return self._settings[repo.id]

    def save_settings(self, repo: Repo, settings: Settings) -> None:
        """Replace a Space's settings."""
        self._db.execute("UPDATE repos SET settings = ? WHERE id = ?", (self._locked(settings), repo.id))
        self._settings[repo.id] = settings

    def _locked(self, settings: Settings) -> str:
        return msgspec.json.encode(_with_secrets(settings, self._vault.lock)).decode()

    def state(self, repo: Repo) -> State:
        """How a Space is."""
        return decoder(State).decode(self._cell("state", repo))

    def save_state(self, repo: Repo, state: State) -> None:
        """Replace a Space's state."""
        self._db.execute("UPDATE repos SET state = ? WHERE id = ?", (msgspec.json.encode(state).decode(), repo.id))

    def _cell(self, column: str, repo: Repo) -> str:
        row = self._db.execute(f"SELECT {column} FROM repos WHERE id = ?", (repo.id,)).fetchone()  # noqa: S608
        return str(row[0]) if row else "{}"  # a repository that was just deleted

    def _repos(self, condition: str, *values: str) -> list[Repo]:
        rows = self._db.execute(f"SELECT {COLUMNS} FROM repos WHERE {condition} ORDER BY rowid", values)  # noqa: S608
        return [Repo(**dict(zip(COLUMNS.split(", "), row, strict=True))) for row in rows]


def _with_secrets(settings: Settings, change: Callable[[str], str]) -> Settings:
    """The settings, the value of each secret locked or unlocked."""
    changed = {key: replace(entry, value=change(entry.value)) for key, entry in settings.secrets.items()}
    return replace(settings, secrets=changed)
