"""What a deploy would change, as data that shows itself: a `Plan` of `Change`s and `FileChanges`."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from html import escape
from typing import Any

from spaceops.files import LocalFile
from spaceops.observed import Observed, RemoteFile
from spaceops.records import Ledger, Record
from spaceops.secret import Secret, redact
from spaceops.spec import Space, short

SCHEMA = 1
SETTINGS = frozenset({"visibility", "hardware", "sleep_time", "variables", "secrets", "volumes"})
PARTS = SETTINGS | {"files"}

NOTHING: frozenset[Effect] = frozenset()

_WIDTH, _WIDEST = 24, 64  # characters of a row's text: at least, and before it is cut
_UNBUILT = frozenset({"NONE", "NO_APP_FILE"})  # stages of a Space that was never built
_PASSING = frozenset({"note", "effect", "effects", "restarts", "rebuilds"})  # what is lost, and the cost, stay
_ACTIONS = {"+": "create", "~": "update", "-": "delete", "=": "none", "!": "keep"}


class Effect(StrEnum):
    """What a change does, from the weakest on: a change may have several effects."""

    NONE = "none"
    MONEY = "money"  # it costs more, or less
    RESTART = "restart"  # the version before serves until the new one answers
    REBUILD = "rebuild"  # likewise
    DOWNTIME = "downtime"  # some or all visitors are turned away from then on
    DESTROYS = "destroys"  # what is lost is nowhere else


@dataclass(frozen=True)
class Change:
    """One row of a plan. `sign`: + new, ~ changed, - removed, = unchanged, ! to be seen and left alone."""

    sign: str
    subject: str  # space, visibility, hardware, sleep_time, variable, secret, volumes, files; limits, lock, release
    text: str
    effects: frozenset[Effect] = NOTHING
    note: str = ""
    key: str | None = None  # of a variable or secret
    hourly_cost: float = 0.0  # dollars an hour more (or less)

    @property
    def counts(self) -> bool:
        """Whether something happens."""
        return self.sign in "+~-"

    @property
    def effect(self) -> Effect:
        """The strongest effect."""
        return strongest(self.effects)

    @property
    def brief(self) -> str:
        """The row without any value: `~ variable LOG_LEVEL`."""
        return f"{self.sign} {self.subject} {self.key or ''}".rstrip()

    @property
    def line(self) -> str:
        """The text as people see it: on one line, and without its middle where it is long."""
        text = harmless(self.text)
        head = _WIDEST * 2 // 3
        return text if len(text) <= _WIDEST else f"{text[:head]}…{text[head + 1 - _WIDEST :]}"

    def as_dict(self) -> dict[str, Any]:
        """The row for `--json`; `effect` is the strongest of its `effects`."""
        return {
            "action": _ACTIONS[self.sign],
            "subject": self.subject,
            "key": self.key,
            "text": harmless(self.text),
            "note": harmless(self.note),
            "effect": str(self.effect),
            "effects": _names(self.effects),
            "hourly_cost": self.hourly_cost,
        }

    def shown(self, width: int = _WIDTH) -> str:
        """The row, with `width` characters for its text."""
        return f"  {self.sign} {self.subject:<10} {self.line:<{width}} {harmless(self.note)}".rstrip()

    def __str__(self) -> str:
        return self.shown()

    def as_html(self) -> str:
        """The row of a table, its effects as labels."""
        labels = " ".join(f"<small>[{name}]</small>" for name in _names(self.effects))
        cells = (escape(self.line), escape(harmless(self.note)), labels)
        texts = "".join(f"<td style='text-align:left'>{cell}</td>" for cell in cells)
        return f"<tr><td title='{_ACTIONS[self.sign]}'>{self.sign}</td><td>{self.subject}</td>{texts}</tr>"


@dataclass(frozen=True)
class FileChanges:
    """The files that a push would write and remove, by their paths in the Space."""

    added: Mapping[str, LocalFile | RemoteFile] = field(default_factory=dict)
    changed: Mapping[str, LocalFile | RemoteFile] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()  # on the Hub, of no release: left there; those that a rollback removes

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
    def effects(self) -> frozenset[Effect]:
        """All effects of what it changes; a restart beside a rebuild is none."""
        found = NOTHING.union(*(change.effects for change in self.changes if change.counts))
        return found - {Effect.RESTART} if Effect.REBUILD in found else found

    @property
    def effect(self) -> Effect:
        """The strongest effect of all changes."""
        return strongest(self.effects)

    @property
    def restarts(self) -> int:
        """How often the app is started anew without a build: settings go back to back, and a build takes them along."""
        return int(Effect.RESTART in self.effects)

    @property
    def rebuilds(self) -> int:
        """How often it is built."""
        return int(Effect.REBUILD in self.effects)

    @property
    def destroys(self) -> tuple[str, ...]:
        """What is lost for good: `secret API_KEY`."""
        lost = (change for change in self.changes if change.counts and Effect.DESTROYS in change.effects)
        return tuple(f"{change.subject} {change.key or ''}".rstrip() for change in lost)

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
        """Who would do this where: `as demo on http://127.0.0.1:7777: acme/demo`, with the environment in brackets."""
        environment = f" ({self.space.env_name})" if self.space.env_name else ""
        return f"as {self.account} on {self.endpoint}: {self.space.repo_id}{environment}"

    @property
    def heading(self) -> str:
        """The first line: which Space, and at which commit it is now."""
        where = "is new" if self.creates else f"at {short(self.observed.sha)}"
        back = f", roll back to release {self.restores.number}" if self.restores else ""
        return f"{self.space.repo_id} {where}{back}"

    @property
    def totals(self) -> str:
        """The last line: how many changes, and what they do to the app, to what is kept, and to the bill."""
        count = sum(change.counts for change in self.changes)
        if not count:
            unseen = _counted(tuple(f"secret {key}" for key in self.unresolved))
            return f"No changes that can be seen here: {unseen} cannot be resolved." if unseen else "No changes."
        parts = [self._work]
        if Effect.DOWNTIME in self.effects:
            parts.append("closed to the public")
        if self.destroys:
            parts.append(f"destroys {_counted(self.destroys)}")
        if self.hourly_cost:
            parts.append(money(self.hourly_cost))
        return f"{count} change{'s' * (count > 1)}: {', '.join(parts)}."

    @property
    def _work(self) -> str:
        if self.rebuilds:
            return "1 build" if self.observed.stage in _UNBUILT else "1 rebuild, 0 extra restarts"
        return "1 restart" if self.restarts else "no restart"

    def as_dict(self) -> dict[str, Any]:
        """The plan for `--json`; no secret is in it."""
        return {
            "schema": SCHEMA,
            "account": self.account,
            "endpoint": self.endpoint,
            "repo_id": self.space.repo_id,
            "sha": self.observed.sha,
            "creates": self.creates,
            "restores": self.restores.number if self.restores else None,
            "effect": str(self.effect),
            "effects": _names(self.effects),
            "restarts": self.restarts,
            "rebuilds": self.rebuilds,
            "destroys": list(self.destroys),
            "hourly_cost": self.hourly_cost,
            "over_limit": self.over_limit,
            "changes": [change.as_dict() for change in self.changes],
            "files": {
                "added": sorted(self.files.added),
                "changed": sorted(self.files.changed),
                "removed": sorted(self.files.removed),
                "foreign": sorted(self.files.foreign),
                "overwrites": sorted(self.overwrites),
            },
        }

    @property
    def digest(self) -> str:
        """A sha256 that stays the same as long as the plan would do the same to the same Space.

        It covers what would be done, the content that would be pushed (which it reads), the newest release, and what
        was seen of the settings, also of those that stay. Notes are left out, since ages are in them, and so are locks
        and the outcome of the newest release: that it was verified meanwhile changes nothing. No more does a Space that
        was built, has started or sleeps meanwhile, though it decides whether a change restarts it. No secret's value is
        in it.
        """
        rows = [_lasting(change.as_dict()) for change in self.changes if change.subject != "lock"]
        index, observed, runtime = self.ledger.index, self.observed, self.observed.runtime
        facts = {
            "plan": {**_lasting(self.as_dict()), "changes": rows},
            "sends": sorted(self.secrets),
            "writes": {path: _content(file) for path, file in {**self.files.added, **self.files.changed}.items()},
            "release": [index.next, index.sha],
            "variables": dict(observed.variables),
            "secrets": {key: asdict(secret) for key, secret in observed.secrets.items()},
            "hardware": observed.hardware,
            "sleep_time": runtime.sleep_time,
            "visibility": observed.visibility,
            "volumes": [dict(volume) for volume in runtime.volumes],
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def __str__(self) -> str:
        width = max((len(change.line) for change in self.changes), default=0)
        rows = [change.shown(max(width, _WIDTH)) for change in self.changes]
        return "\n".join([self.heading, *rows, self.totals])

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """The same text in a notebook without a front end."""
        printer.text(str(self))

    def _repr_html_(self) -> str:
        rows = "".join(change.as_html() for change in self.changes)
        head = f"<p>{escape(self.title)}<br>{escape(self.heading)}</p>"
        return f"{head}<table>{rows}</table><p><b>{escape(self.totals)}</b></p>"


def money(cost: float) -> str:
    """Dollars an hour, with their sign."""
    return f"{'+' if cost >= 0 else '-'}${abs(cost):.2f}/h"


def strongest(effects: frozenset[Effect]) -> Effect:
    """The effect that says the most."""
    return max(effects, key=list(Effect).index, default=Effect.NONE)


def harmless(text: str) -> str:
    """A text of somebody else on one line: without secrets, and without what a terminal would obey."""
    return "".join(char if char.isprintable() else _escaped(char) for char in redact(text))


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()


def _lasting(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Without what the stage of the Space and the time of day make of a plan or of a row."""
    return {name: value for name, value in facts.items() if name not in _PASSING}


def _names(effects: frozenset[Effect]) -> list[str]:
    return [str(effect) for effect in Effect if effect in effects]


def _counted(things: tuple[str, ...]) -> str:
    """`2 secrets and 1 variable`, of things that begin with what they are."""
    counts = Counter(thing.partition(" ")[0] for thing in things)
    return " and ".join(f"{count} {kind}{'s' * (count > 1)}" for kind, count in sorted(counts.items()))


def _content(file: LocalFile | RemoteFile) -> str | None:
    """What tells one content from another."""
    if isinstance(file, RemoteFile):
        return file.sha256 or file.oid
    with file.path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
