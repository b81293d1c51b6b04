"""Releases as people see them: one, a list of them, and how two differ. Data that shows itself, no effects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

import msgspec

from spaceops.plans import Change, FileChanges, Plan, harmless
from spaceops.records import Record, Settings
from spaceops.spec import NEVER, idle, short
from spaceops.tables import age, table

HEADERS = ("NUMBER", "OUTCOME", "AGE", "BY", "SHA", "SOURCE", "CHANGES")
STEPS = ("plan", "upload", "settings", "push", "verify")  # of a deploy, in the order in which they are told
LONGEST_CHANGES = 60  # characters of the last column


@dataclass(frozen=True)
class Release:
    """What a deploy did, or what the ledger says that one did.

    `outcome`: planned (a dry run), unchanged, deploying (claimed, not finished), applied (not followed), running
    (verified), failed. `plan` and `host` only of one that was made just now.
    """

    repo_id: str
    url: str  # the Space's page
    outcome: str
    sha: str | None = None  # main's commit that it runs with
    host: str | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)  # by step
    plan: Plan | None = field(default=None, repr=False)
    record: Record | None = field(default=None, repr=False)

    @property
    def number(self) -> int | None:
        """Its number in the ledger; None where nothing was released."""
        return self.record.number if self.record else None

    def as_dict(self) -> dict[str, Any]:
        """The release for `--json`."""
        return {
            "schema": 1,
            "repo_id": self.repo_id,
            "number": self.number,
            "outcome": self.outcome,
            "sha": self.sha,
            "url": self.url,
            "host": self.host,
            "seconds": dict(self.seconds),
            "record": msgspec.to_builtins(self.record) if self.record else None,
            "plan": None if self.plan is None else self.plan.as_dict(),
        }

    def __str__(self) -> str:
        if self.outcome == "planned":
            return f"{self.plan}\nDry run: nothing was changed."
        if self.record and self.plan is None:
            return "\n".join(_in_full(self.repo_id, self.record))
        number = f", release {self.number}" if self.number else ""
        at = f" at {short(self.sha)}" if self.sha else ""
        lines = [f"{self.repo_id} {self.outcome}{at}{number}", f"  app   {self.host}", f"  page  {self.url}"]
        took = f"\n  took  {_took(self.seconds)}" if self.seconds else ""
        return "\n".join(lines if self.host else [lines[0], lines[2]]) + took

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """The same text in a notebook without a front end."""
        printer.text(str(self))

    def _repr_html_(self) -> str:
        if self.plan is not None and self.outcome == "planned":
            return self.plan._repr_html_() + "<p>Dry run: nothing was changed.</p>"
        if self.record and self.plan is None:
            return f"<pre>{escape(str(self))}</pre>"
        app = f' <a href="{escape(self.host)}">{escape(self.host)}</a>' if self.host else ""
        number = f", release {self.number}" if self.number else ""
        at = f" at <code>{short(self.sha)}</code>" if self.sha else ""
        return f"<p><b>{escape(self.repo_id)}</b> {self.outcome}{at}{number}{app}</p>"


class Releases(list[Release]):
    """Releases of one Space, the newest first; prints as a table."""

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """A row for each that the ledger knows, under `HEADERS`."""
        return [_row(release.record) for release in self if release.record]

    def as_dict(self) -> dict[str, Any]:
        """The releases for `--json`."""
        return {"schema": 1, "releases": [release.as_dict() for release in self]}

    def __str__(self) -> str:
        return table(HEADERS, self.rows) if self else "No releases yet."

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """The same text in a notebook without a front end."""
        printer.text(str(self))

    def _repr_html_(self) -> str:
        if not self:
            return "<p>No releases yet.</p>"
        head = "".join(f"<th style='text-align:left'>{name}</th>" for name in HEADERS)
        cells = ("".join(f"<td style='text-align:left'>{escape(cell)}</td>" for cell in row) for row in self.rows)
        return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"


@dataclass(frozen=True)
class Difference:
    """What turned one release of a Space into another: settings, versions of secrets, files."""

    repo_id: str
    before: Record
    after: Record
    changes: tuple[Change, ...]
    files: FileChanges

    def __bool__(self) -> bool:
        return bool(self.changes)

    def as_dict(self) -> dict[str, Any]:
        """The difference for `--json`."""
        return {
            "schema": 1,
            "repo_id": self.repo_id,
            "before": self.before.number,
            "after": self.after.number,
            "changes": [change.as_dict() for change in self.changes],
            "files": names_of(self.files),
        }

    def __str__(self) -> str:
        title = f"{self.repo_id}: release {self.before.number} -> {self.after.number}"
        rows = [*map(str, self.changes), *listed(self.files)] or ["No differences."]
        return "\n".join([title, *rows])

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """The same text in a notebook without a front end."""
        printer.text(str(self))

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def settings_rows(before: Settings, after: Settings) -> Iterator[Change]:
    """A row for each setting in which two differ, but for secrets; where one of them says nothing, nothing is said."""
    for subject, was, now in (
        ("visibility", before.visibility, after.visibility),
        ("hardware", before.hardware, after.hardware),
        ("sleep_time", before.sleep_time, after.sleep_time),
    ):
        if was is not None and now is not None and was != now:
            yield Change("~", subject, f"{_word(was)} -> {_word(now)}")
    for key in sorted(before.variables.keys() | after.variables.keys()):
        yield from _variable_rows(key, before.variables.get(key), after.variables.get(key))
    mounted, mounts = _volumes(before), _volumes(after)
    if mounted != mounts:
        yield Change("~", "volumes", f"{', '.join(mounted) or 'none'} -> {', '.join(mounts) or 'none'}")


def secret_rows(before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[Change]:
    """A row for each secret that was sent anew, came or went between two releases."""
    for key in sorted(before.keys() | after.keys()):
        if key not in after:
            yield Change("-", "secret", key, key=key)
        elif key not in before:
            yield Change("+", "secret", key, note=_version(after[key]), key=key)
        elif before[key] != after[key]:
            yield Change("~", "secret", key, note=_version(after[key]), key=key)


def names_of(files: FileChanges) -> dict[str, list[str]]:
    """The paths of added, changed and removed files."""
    return {"added": sorted(files.added), "changed": sorted(files.changed), "removed": sorted(files.removed)}


def listed(files: FileChanges) -> list[str]:
    """A line for each file that differs."""
    signs = {"added": "+", "changed": "~", "removed": "-"}
    found = sorted((path, signs[kind]) for kind, paths in names_of(files).items() for path in paths)
    return [f"      {sign} {harmless(path)}" for path, sign in found]


def _in_full(repo_id: str, record: Record) -> Iterator[str]:
    """All that the ledger knows of a release."""
    yield f"{repo_id}: release {record.number}, {record.outcome}"
    for name, value in _facts(record):
        if value:
            yield f"  {name:<11}{value}"
    for title, rows in (
        ("changes", record.changes),
        ("variables", [f"{key} = {value}" for key, value in sorted(record.settings.variables.items())]),
        ("secrets", [f"{key}  {_version(n)}".rstrip() for key, n in sorted(record.settings.secrets.items())]),
        ("volumes", _volumes(record.settings)),
        ("evidence", record.evidence),
    ):
        if rows:
            yield f"  {title}"
            yield from (f"    {harmless(row)}" for row in rows)


def _facts(record: Record) -> Iterator[tuple[str, str | None]]:
    settings, health = record.settings, record.health
    yield "started", f"{record.started} ({age(record.started)} ago)"
    yield "by", harmless(record.by)
    yield "sha", record.sha
    yield "restores", f"release {record.restores}" if record.restores else None
    yield "source", _source(record)
    yield "took", _took(record.seconds)
    yield "failed", ", ".join(record.codes)
    yield "visibility", settings.visibility
    yield "hardware", settings.hardware
    yield "sleeps", None if settings.sleep_time is None else _word(settings.sleep_time)
    yield "health", harmless(str(health["path"])) if "path" in health else None
    yield "on failure", record.on_failure


def _row(record: Record) -> tuple[str, ...]:
    changes = ", ".join(record.changes) or "nothing"
    if record.restores:
        changes = f"back to {record.restores}: {changes}"
    if record.codes:
        changes = f"{', '.join(record.codes)}; {changes}"
    cut = changes if len(changes) <= LONGEST_CHANGES else changes[: LONGEST_CHANGES - 1] + "…"
    sha = short(record.sha) if record.sha else "-"
    row = (str(record.number), record.outcome, age(record.started), record.by, sha, _source(record) or "-", cut)
    return tuple(map(harmless, row))


def _source(record: Record) -> str | None:
    """The commit that the source was at; a `+` says that files differed from it."""
    return f"{short(record.origin.commit)}{'+' * record.origin.dirty}" if record.origin else None


def _took(seconds: Mapping[str, float]) -> str:
    in_order = sorted(seconds, key=lambda step: STEPS.index(step) if step in STEPS else len(STEPS))
    return ", ".join(f"{step} {seconds[step]:.1f} s" for step in in_order)


def _version(number: int) -> str:
    return f"sent by release {number}" if number else "sent by no release"


def _word(value: str | int) -> str:
    """A setting as people write it."""
    if isinstance(value, str):
        return value
    return "never" if value == NEVER else idle(value)


def _variable_rows(key: str, was: str | None, now: str | None) -> Iterator[Change]:
    if was is None and now is not None:
        yield Change("+", "variable", harmless(f"{key} = {now}"), key=key)
    elif now is None and was is not None:
        yield Change("-", "variable", harmless(f"{key} = {was}"), key=key)
    elif was != now:
        yield Change("~", "variable", harmless(f"{key} = {was} -> {now}"), key=key)


def _volumes(settings: Settings) -> list[str]:
    """The volumes as text, in no order."""
    return sorted(
        f"{volume.get('source')} at {volume.get('mountPath')}{' (read-only)' * bool(volume.get('readOnly'))}"
        for volume in settings.volumes
    )
