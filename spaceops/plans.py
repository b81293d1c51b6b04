"""What a deploy would change, as data that shows itself: a `Plan` of `Change`s and `FileChanges`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from html import escape
from typing import Any

from spaceops.files import LocalFile
from spaceops.observed import Observed, RemoteFile
from spaceops.records import Ledger, Record
from spaceops.secret import Secret
from spaceops.spec import Space, short

SCHEMA = 1
SETTINGS = frozenset({"visibility", "hardware", "sleep_time", "variables", "secrets", "volumes"})
PARTS = SETTINGS | {"files"}

_WIDTH = 25


class Effect(StrEnum):
    """What a change does to the running app."""

    NONE = "none"
    RESTART = "restart"
    REBUILD = "rebuild"


@dataclass(frozen=True)
class Change:
    """One row of a plan. `sign`: + new, ~ changed, - removed, = unchanged, ! to be seen and left alone."""

    sign: str
    subject: str  # space, visibility, hardware, sleep_time, variable, secret, volumes, files
    text: str
    effect: Effect = Effect.NONE
    note: str = ""
    key: str | None = None  # of a variable or secret
    hourly_cost: float = 0.0  # dollars an hour more (or less)

    @property
    def counts(self) -> bool:
        """Whether something happens."""
        return self.sign in "+~-"

    @property
    def brief(self) -> str:
        """The row without any value: `~ variable LOG_LEVEL`."""
        return f"{self.sign} {self.subject} {self.key or ''}".rstrip()

    def as_dict(self) -> dict[str, Any]:
        """The row for `--json`."""
        return {
            "action": {"+": "create", "~": "update", "-": "delete", "=": "none", "!": "keep"}[self.sign],
            "subject": self.subject,
            "key": self.key,
            "text": self.text,
            "note": self.note,
            "effect": str(self.effect),
            "hourly_cost": self.hourly_cost,
        }

    def __str__(self) -> str:
        return f"  {self.sign} {self.subject:<10} {self.text:<{_WIDTH - 1}} {self.note}".rstrip()


@dataclass(frozen=True)
class FileChanges:
    """The files that a push would write and remove, by their paths in the Space."""

    added: Mapping[str, LocalFile | RemoteFile] = field(default_factory=dict)
    changed: Mapping[str, LocalFile | RemoteFile] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()  # on the Hub, not in the source, left there

    @property
    def written(self) -> dict[str, LocalFile]:
        """All files of a folder here that a push writes; none for a rollback."""
        return {path: file for path, file in {**self.added, **self.changed}.items() if isinstance(file, LocalFile)}

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    def __str__(self) -> str:
        counts = {"added": self.added, "changed": self.changed, "removed": self.removed}
        return ", ".join(f"{len(paths)} {word}" for word, paths in counts.items() if paths)


@dataclass(frozen=True)
class Plan:
    """What `apply` would do to a Space, and to which."""

    space: Space
    observed: Observed
    account: str
    endpoint: str
    changes: tuple[Change, ...]
    files: FileChanges
    secrets: Mapping[str, Secret] = field(default_factory=dict, repr=False)  # the ones to send
    unresolved: tuple[str, ...] = ()  # secrets whose references lead nowhere here
    ledger: Ledger = field(default_factory=Ledger, repr=False)  # as it was before anything was observed
    restores: Record | None = None  # the release that a rollback brings back: its files are not of a folder here
    overwrites: tuple[str, ...] = ()  # files that somebody else changed on the Hub, and that would be lost
    over_limit: str | None = None  # why it would cost more than [limits] allows

    @property
    def creates(self) -> bool:
        """Whether the Space is new."""
        return not self.observed.exists

    @property
    def flavor(self) -> str | None:
        """The hardware that is asked for first."""
        return next(iter(self.space.flavors), None)

    @property
    def effect(self) -> Effect:
        """The strongest effect of all changes."""
        effects = {change.effect for change in self.changes if change.counts}
        return next((effect for effect in (Effect.REBUILD, Effect.RESTART) if effect in effects), Effect.NONE)

    @property
    def hourly_cost(self) -> float:
        """Dollars an hour more than now."""
        return round(sum(change.hourly_cost for change in self.changes), 2)

    def __bool__(self) -> bool:
        return any(change.counts for change in self.changes)

    @property
    def verbs(self) -> frozenset[str]:
        """What the token must be allowed to do: create, push, settings, hardware."""
        verbs = {"create"} if self.creates else set()
        verbs |= {"hardware"} if self.has("hardware") or self.has("sleep_time") else set()
        verbs |= {"push"} if self.files else set()
        others = {"visibility", "variable", "secret", "volumes"}
        return frozenset(verbs | ({"settings"} if any(map(self.has, others)) else set()))

    def has(self, subject: str) -> bool:
        """Whether something of this subject changes."""
        return any(change.counts and change.subject == subject for change in self.changes)

    @property
    def title(self) -> str:
        """Who would do this where: `as demo on http://127.0.0.1:7777: acme/demo`."""
        return f"as {self.account} on {self.endpoint}: {self.space.repo_id}"

    @property
    def totals(self) -> str:
        """The last line: how many changes, what they cost in restarts and in money."""
        count = sum(change.counts for change in self.changes)
        if not count:
            return "No changes."
        effects = {
            Effect.NONE: "no restart",
            Effect.RESTART: "1 restart",
            Effect.REBUILD: "1 build" if self.creates else "1 rebuild, 0 extra restarts",
        }
        cost = f", {money(self.hourly_cost)}" if self.hourly_cost else ""
        return f"{count} change{'s' * (count > 1)}: {effects[self.effect]}{cost}."

    def as_dict(self) -> dict[str, Any]:
        """The plan for `--json`; no secret is in it."""
        return {
            "schema": SCHEMA,
            "account": self.account,
            "endpoint": self.endpoint,
            "repo_id": self.space.repo_id,
            "sha": self.observed.sha,
            "creates": self.creates,
            "effect": str(self.effect),
            "hourly_cost": self.hourly_cost,
            "changes": [change.as_dict() for change in self.changes],
            "files": {
                "added": sorted(self.files.added),
                "changed": sorted(self.files.changed),
                "removed": sorted(self.files.removed),
                "foreign": sorted(self.files.foreign),
            },
        }

    def __str__(self) -> str:
        where = "is new" if self.creates else f"at {short(self.observed.sha)}"
        return "\n".join([f"{self.space.repo_id} {where}", *map(str, self.changes), self.totals])

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """The same text in a notebook without a front end."""
        printer.text(str(self))

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{change.sign}</td><td>{change.subject}</td><td style='text-align:left'>{escape(change.text)}</td>"
            f"<td style='text-align:left'>{escape(change.note)}</td></tr>"
            for change in self.changes
        )
        return f"<p>{escape(self.title)}</p><table>{rows}</table><p><b>{self.totals}</b></p>"


def money(cost: float) -> str:
    """Dollars an hour, with their sign."""
    return f"{'+' if cost >= 0 else '-'}${abs(cost):.2f}/h"
