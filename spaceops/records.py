"""What the branch `spaceops` of a Space holds: a `Record` of each release, and the `Index` with the lock.

The files are `ledger.json` (the index) and `releases/NNNN.json`. A public Space shows them to everybody: of
secrets they hold names and the releases that sent them, of failures codes; log lines only while a Space is private.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from spaceops.errors import LedgerTooNew, SpaceopsError
from spaceops.structs import convert

BRANCH = "spaceops"
FORMAT = 1  # of the files; an older spaceops refuses a higher one
INDEX, WRITTEN = "ledger.json", "files.json"
LEASE = timedelta(minutes=5)

# deploying: claimed, and not all of it is on the Hub; applied: all is there, and nobody has seen it run yet;
# running: verified; failed: it did not come up
Outcome = Literal["deploying", "applied", "running", "failed"]

T = TypeVar("T", bound=Struct)


class Lock(Struct, frozen=True, kw_only=True):
    """Who is changing the Space now; times in UTC by the server's clock."""

    id: str  # random, known to the holder alone
    by: str
    since: str
    until: str

    def __post_init__(self) -> None:
        if datetime.fromisoformat(self.until).tzinfo is None:  # a ValueError is told as a broken file
            raise ValueError("until: a time without a zone")

    def is_over(self, now: datetime) -> bool:
        """Whether its lease has ended."""
        return datetime.fromisoformat(self.until) <= now


class Index(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`ledger.json`: what a plan must know of all releases, in one request."""

    format: int = msgspec.field(default_factory=lambda: FORMAT)  # by a factory: else it would not be written
    last: int = 0  # number of the newest release
    outcome: Outcome = "running"  # of the newest release
    good: int | None = None  # number of the newest one that was seen running
    sha: str | None = None  # main's head when the newest release was applied
    secrets: Mapping[str, int] = {}  # the release that last sent each
    lock: Lock | None = None

    @property
    def next(self) -> int:
        """The number of the next release: that of one that was never finished is used again."""
        return self.last if self.outcome == "deploying" else self.last + 1


class Settings(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The settings a release left the Space with; of secrets the release that sent each."""

    visibility: str | None = None
    hardware: str | None = None
    sleep_time: int | None = None  # seconds, -1 for never, None for whatever the hardware does
    variables: Mapping[str, str] = {}
    secrets: Mapping[str, int] = {}
    volumes: tuple[Mapping[str, Any], ...] = ()  # as the Hub writes them


class Origin(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The commit of the user's own repository that the source was at, and whether files differed from it."""

    commit: str
    dirty: bool = False


class Record(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`releases/NNNN.json`: one release, from its claim on."""

    format: int = msgspec.field(default_factory=lambda: FORMAT)
    number: int
    outcome: Outcome
    by: str
    started: str  # ISO 8601, UTC, by the server's clock
    sha: str | None = None  # main's commit that it runs with
    restores: int | None = None  # the release that a rollback brought back
    origin: Origin | None = None
    settings: Settings = Settings()
    health: Mapping[str, Any] = {}  # [health] of space.toml, so that it can be verified again
    on_failure: str = "rollback"
    changes: tuple[str, ...] = ()  # "~ variable LOG_LEVEL": names, no values
    seconds: Mapping[str, float] = {}  # by step
    codes: tuple[str, ...] = ()  # why it failed
    evidence: tuple[str, ...] = ()  # redacted lines that prove it; of private Spaces only

    @property
    def path(self) -> str:
        """Its file on the branch."""
        return path_of(self.number)


@dataclass(frozen=True)
class Ledger:
    """The index as it was read: at which commit of the branch, and when by the server's clock."""

    index: Index = field(default_factory=Index)
    head: str | None = None  # None: there is no such branch yet
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    read_at: float | None = field(default=None, compare=False)  # by `ledger.passed()` of this process, if it did


def path_of(number: int) -> str:
    """The file of a release."""
    return f"releases/{number:04}.json"


def decoded(kind: type[T], content: bytes, where: str) -> T:
    """A file of the branch. Raises `LedgerTooNew` for a format that a newer spaceops wrote."""
    try:
        written = msgspec.json.decode(content)
        if isinstance(written, dict) and written.get("format", FORMAT) > FORMAT:
            raise LedgerTooNew(where, written["format"], FORMAT)
        return convert(written, kind)
    except (msgspec.DecodeError, msgspec.ValidationError, TypeError) as error:
        hint = f"Mend the file on the branch {BRANCH}, or delete the branch: the releases before are then forgotten."
        raise SpaceopsError(f"{where} was not written by spaceops: {error}", hint=hint) from error


def index_of(content: bytes, where: str) -> Index:
    """The index that a file holds.

    A branch begins with the files of main, of which one may have the same name: without a format it is not ours, and
    there are no releases yet.
    """
    with suppress(msgspec.DecodeError):
        written = msgspec.json.decode(content)
        if not isinstance(written, dict) or "format" not in written:
            return Index()
    return decoded(Index, content, where)


def encoded(file: Struct) -> bytes:
    """A file of the branch, as it is written: sorted and indented, so that a commit shows what changed."""
    return msgspec.json.format(msgspec.json.encode(file, order="sorted"), indent=2) + b"\n"
