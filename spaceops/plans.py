"""What a deploy would change, as data that shows itself. `compare()` is pure: nothing is asked, nothing happens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from html import escape
from typing import Any

from spaceops.files import LocalFile, Source
from spaceops.secret import Secret, matches
from spaceops.spec import FREE_HARDWARE, NEVER, Observed, Space, Volume, idle, short

SCHEMA = 1
SETTINGS = frozenset({"visibility", "hardware", "sleep_time", "variables", "secrets", "volumes"})
PARTS = SETTINGS | {"files"}
KEPT = frozenset({".gitattributes"})  # the Hub writes it, and large files depend on it

_WIDTH = 25
_URI_KINDS = {"buckets": "bucket", "models": "model", "datasets": "dataset", "spaces": "space"}


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

    added: Mapping[str, LocalFile] = field(default_factory=dict)
    changed: Mapping[str, LocalFile] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()  # on the Hub, not in the source, left there

    @property
    def written(self) -> dict[str, LocalFile]:
        """All files that a push writes."""
        return {**self.added, **self.changed}

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

    @property
    def creates(self) -> bool:
        """Whether the Space is new."""
        return not self.observed.exists

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
        cost = f", {_money(self.hourly_cost)}" if self.hourly_cost else ""
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


def compare(
    space: Space,
    source: Source | None,
    observed: Observed,
    *,
    account: str,
    endpoint: str,
    secrets: Mapping[str, Secret | None],
    prices: Mapping[str, float],
    parts: frozenset[str] = PARTS,
    prune: bool = False,
) -> Plan:
    """The plan that takes `observed` to `space`, with the files of `source` (None: files are not looked at).

    `secrets` are the resolved ones, None where a reference leads nowhere; `prices` are dollars an hour by flavor;
    `parts` limits the plan; `prune` removes files that are on the Hub only.
    """
    files = _compare_files(source, observed, prune) if source and "files" in parts else FileChanges()
    resolved = {key: secret for key, secret in secrets.items() if secret is not None and "secrets" in parts}
    same = _fingerprints(resolved, observed, enabled=space.fingerprints)
    changes: list[Change] = []
    if not observed.exists:
        changes.append(Change("+", "space", f"docker, {space.visibility or 'default visibility'}"))
    for part, rows in (
        ("visibility", _visibility(space, observed)),
        ("hardware", _hardware(space, observed, prices)),
        ("sleep_time", _sleep_time(space, observed)),
        ("variables", _variables(space, observed)),
        ("secrets", _secrets(space, secrets, observed, same)),
        ("volumes", _volumes(space, observed)),
        ("files", _file_rows(files, observed, source)),
    ):
        if part in parts:
            changes.extend(rows)
    to_send = {key: secret for key, secret in resolved.items() if key not in observed.secrets or not same[key]}
    unresolved = tuple(key for key, secret in secrets.items() if secret is None and "secrets" in parts)
    return Plan(space, observed, account, endpoint, tuple(changes), files, to_send, unresolved)


def volumes_wanted(volumes: tuple[Volume, ...]) -> list[dict[str, Any]]:
    """The volumes of space.toml in the Hub's form: type, source, mountPath, readOnly."""
    return [_volume(volume) for volume in volumes]


def _volume(volume: Volume) -> dict[str, Any]:
    path = volume.source.removeprefix("hf://")
    kind, _, source = path.partition("/")
    if kind not in _URI_KINDS:  # hf://owner/name is a model
        kind, source = "models", path
    read_only = volume.read_only or kind != "buckets"
    return {"type": _URI_KINDS[kind], "source": source, "mountPath": volume.mount, "readOnly": read_only}


def _note(effect: Effect, observed: Observed) -> str:
    """A new Space starts once, with all its settings: they restart nothing."""
    if effect is Effect.REBUILD:
        return "rebuilds" if observed.exists else "builds"
    return "restarts" if effect is Effect.RESTART and observed.exists else ""


def _row(sign: str, subject: str, text: str, effect: Effect, observed: Observed, key: str | None = None) -> Change:
    effect = effect if observed.exists or effect is Effect.REBUILD else Effect.NONE
    return Change(sign, subject, text, effect, _note(effect, observed), key)


def _visibility(space: Space, observed: Observed) -> Iterator[Change]:
    if observed.exists and space.visibility and space.visibility != observed.visibility:
        yield Change("~", "visibility", f"{observed.visibility} -> {space.visibility}")


def _hardware(space: Space, observed: Observed, prices: Mapping[str, float]) -> Iterator[Change]:
    now = observed.hardware
    if not space.hardware or (observed.exists and space.hardware == now):
        return
    if not observed.exists and space.hardware == FREE_HARDWARE:
        return
    cost = prices.get(space.hardware, 0.0) - (prices.get(now, 0.0) if observed.exists else 0.0)
    effect = Effect.RESTART if observed.exists else Effect.NONE
    note = ", ".join(filter(None, [_money(cost) if cost else "", _note(effect, observed)]))
    text = f"{now} -> {space.hardware}" if observed.exists else space.hardware
    yield Change("~" if observed.exists else "+", "hardware", text, effect, note, hourly_cost=cost)


def _sleep_time(space: Space, observed: Observed) -> Iterator[Change]:
    if space.sleep_seconds is None:
        return
    wanted = None if space.sleep_seconds == NEVER else space.sleep_seconds
    if (space.hardware or observed.hardware) == FREE_HARDWARE:
        yield Change("!", "sleep_time", idle(wanted), note=f"{FREE_HARDWARE} sleeps after 2d, whatever is asked")
    elif not observed.exists:
        yield Change("+", "sleep_time", idle(wanted))
    elif wanted != observed.runtime.sleep_time:
        yield Change("~", "sleep_time", f"{idle(observed.runtime.sleep_time)} -> {idle(wanted)}")


def _variables(space: Space, observed: Observed) -> Iterator[Change]:
    for key, value in space.environment.items():
        before = observed.variables.get(key)
        if before is None:
            yield _row("+", "variable", f"{key} = {_one_line(value)}", Effect.RESTART, observed, key)
        elif before != value:
            yield _row(
                "~", "variable", f"{key} = {_one_line(before)} -> {_one_line(value)}", Effect.RESTART, observed, key
            )
    for key in sorted(observed.variables.keys() - space.variables.keys() - space.secrets.keys()):
        yield Change("!", "variable", key, note="not in space.toml, left alone", key=key)
    for key in sorted(observed.secrets.keys() & space.variables.keys()):  # the Hub refuses a name that is both
        yield Change("-", "secret", key, Effect.RESTART, "becomes a variable", key)


def _one_line(value: str) -> str:
    return value.replace("\n", "\\n")


def _secrets(
    space: Space, secrets: Mapping[str, Secret | None], observed: Observed, same: Mapping[str, bool | None]
) -> Iterator[Change]:
    for key, secret in secrets.items():
        if secret is None:
            yield Change("!", "secret", key, note="cannot be resolved here", key=key)
        elif key not in observed.secrets:
            yield _row("+", "secret", key, Effect.RESTART, observed, key)
        elif same[key]:
            yield Change("=", "secret", key, note="unchanged", key=key)
        else:
            change = _row("~", "secret", key, Effect.RESTART, observed, key)
            was = "set by hand, " if same[key] is None else ""
            yield Change("~", "secret", key, change.effect, was + change.note, key)
    for key in sorted(observed.secrets.keys() - secrets.keys() - space.variables.keys()):
        yield Change("!", "secret", key, note="not in space.toml, left alone", key=key)
    for key in sorted(observed.variables.keys() & secrets.keys()):  # the Hub refuses a name that is both
        yield Change("-", "variable", key, Effect.RESTART, "becomes a secret", key)


def _volumes(space: Space, observed: Observed) -> Iterator[Change]:
    wanted = volumes_wanted(space.volumes)
    if wanted and _comparable(wanted) != _comparable(list(observed.runtime.volumes)):
        text = ", ".join(f"{volume['source']} at {volume['mountPath']}" for volume in wanted)
        yield _row("~" if observed.runtime.volumes else "+", "volumes", text, Effect.RESTART, observed)


def _file_rows(files: FileChanges, observed: Observed, source: Source | None) -> Iterator[Change]:
    for path in source.skipped if source else ():
        yield Change("!", "files", path, note="a link that leads nowhere or elsewhere, not pushed")
    if files:
        yield _row("~" if observed.exists else "+", "files", str(files), Effect.REBUILD, observed)
    if files.foreign and observed.exists:
        names = ", ".join(files.foreign[:3]) + (f" and {len(files.foreign) - 3} more" if len(files.foreign) > 3 else "")
        yield Change("!", "files", names, note="not in the source, left there (--prune removes)")


def _compare_files(source: Source, observed: Observed, prune: bool) -> FileChanges:
    added, changed = {}, {}
    for path, file in source.files.items():
        remote = observed.files.get(path)
        if remote is None:
            added[path] = file
        elif not file.is_same_as(remote):
            changed[path] = file
    foreign = tuple(sorted(observed.files.keys() - source.files.keys() - KEPT))
    return FileChanges(added, changed, foreign if prune else (), () if prune else foreign)


def _fingerprints(secrets: Mapping[str, Secret], observed: Observed, *, enabled: bool) -> dict[str, bool | None]:
    """Whether each secret is the one on the Hub, None where nothing tells; without fingerprints what is there is."""
    if not enabled:
        return dict.fromkeys(secrets, True)
    with ThreadPoolExecutor() as pool:  # scrypt is slow by design, and leaves the interpreter free
        return dict(
            zip(secrets, pool.map(lambda key: matches(secrets[key], observed.secrets.get(key)), secrets), strict=True)
        )


def _comparable(volumes: list[Mapping[str, Any]] | list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return sorted(
        (volume.get("type"), volume.get("source"), volume.get("mountPath"), bool(volume.get("readOnly")))
        for volume in volumes
    )


def _money(cost: float) -> str:
    return f"{'+' if cost >= 0 else '-'}${abs(cost):.2f}/h"
