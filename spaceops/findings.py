"""What `check` and `diagnose` say: findings, and the report that holds them. Frozen data that shows itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from html import escape
from typing import Any

from spaceops.errors import CheckFailed


class Severity(StrEnum):
    """How bad it is; the worst first.

    Of `check`: `error` only where the push, the configuration, the build or the start is certain to fail, or a
    credential becomes public; `warning` where it may; `info` for advice.
    """

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Fault(StrEnum):
    """Whose fault a failure is."""

    YOURS = "yours"
    PLATFORM = "the platform's"
    DEPENDENCY = "a dependency's"
    POLICY = "a policy"


@dataclass(frozen=True)
class Fix:
    """New contents of files, by their paths in the Space; None removes one. `safe`: nobody can want it otherwise."""

    files: Mapping[str, bytes | None]
    safe: bool = True

    @classmethod
    def text(cls, path: str, content: str, *, safe: bool = True) -> Fix:
        """The fix that gives one file a new text."""
        return cls({path: content.encode()}, safe)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong or could be better: a sentence, the edit or command that mends it, and where.

    `where` is `FILE` or `FILE:LINE`. The rule or symptom that made it adds `code` and, unless the finding has its own,
    `severity`. `fault`, `evidence` (lines of logs) and `explains` (codes of vaguer symptoms that this one is the cause
    of) are of `diagnose`.
    """

    message: str
    hint: str = ""
    where: str = ""
    fix: Fix | None = field(default=None, compare=False, repr=False)
    severity: Severity | None = None
    code: str = ""
    fault: Fault | None = None
    evidence: tuple[str, ...] = ()
    explains: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The file, without the line; empty where it is about none."""
        path, colon, line = self.where.rpartition(":")
        return path if colon and line.isdecimal() else self.where

    @property
    def line(self) -> int | None:
        """The line, from 1."""
        _, colon, line = self.where.rpartition(":")
        return int(line) if colon and line.isdecimal() else None

    def as_dict(self) -> dict[str, Any]:
        """The finding for `--json`; what it does not have is left out."""
        facts = {
            "code": self.code,
            "severity": str(self.severity),
            "message": self.message,
            "hint": self.hint,
            "path": self.path,
            "line": self.line,
            "fixable": bool(self.fix and self.fix.safe),
            "fault": self.fault and str(self.fault),
            "evidence": list(self.evidence),
            "explains": list(self.explains),
        }
        return {name: fact for name, fact in facts.items() if fact not in (None, "", [])}

    def __str__(self) -> str:
        lines = [f"{self.severity}[{self.code}]" + (f" {self.where}" if self.where else ""), f"  {self.message}"]
        lines += [f"  | {line}" for line in self.evidence]
        lines += [f"  whose fault: {self.fault}"] if self.fault else []
        lines += [f"  explains: {', '.join(self.explains)}"] if self.explains else []
        return "\n".join([*lines, *(f"  fix: {self.hint}" for _ in range(bool(self.hint)))])


_RANK = {severity: rank for rank, severity in enumerate(Severity)}


@dataclass(frozen=True)
class Report:
    """The findings about a folder or a Space. `ignored` are those that space.toml takes for right, with its reasons."""

    subject: str
    findings: tuple[Finding, ...] = ()
    ignored: tuple[tuple[Finding, str], ...] = ()
    notes: tuple[str, ...] = ()  # what could not be looked at

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __bool__(self) -> bool:
        """A report without findings is one too."""
        return True

    def of(self, *severities: Severity) -> tuple[Finding, ...]:
        """The findings of these severities."""
        return tuple(finding for finding in self.findings if finding.severity in severities)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that are certain to fail."""
        return self.of(Severity.ERROR)

    def raise_for_errors(self) -> Report:
        """The report itself. Raises `CheckFailed` where it has errors."""
        if self.errors:
            raise CheckFailed(self)
        return self

    def as_dict(self) -> dict[str, Any]:
        """The report for `--json`."""
        return {
            "subject": self.subject,
            "findings": [finding.as_dict() for finding in self.findings],
            "ignored": [finding.as_dict() | {"reason": reason} for finding, reason in self.ignored],
            "notes": list(self.notes),
            **{f"{severity}s" if severity != "info" else "infos": len(self.of(severity)) for severity in Severity},
        }

    def __str__(self) -> str:
        parts = [str(finding) for finding in self.findings]
        parts += [f"ignored[{finding.code}] {finding.where}\n  because: {reason}" for finding, reason in self.ignored]
        parts += [f"note: {note}" for note in self.notes]
        return "\n".join([*parts, self.summary])

    @property
    def summary(self) -> str:
        """How many findings of each severity, on one line."""
        names = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "advice"}
        counts = [(len(self.of(severity)), names[severity]) for severity in Severity]
        said = [f"{n} {name}{'s' if n > 1 and name != 'advice' else ''}" for n, name in counts if n]
        return f"{self.subject}: {', '.join(said) or 'no findings'}."

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """The same text in a notebook without a front end."""
        printer.text(str(self))

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td><b>{finding.severity}</b></td><td><code>{escape(finding.code)}</code></td>"
            f"<td>{escape(finding.where)}</td><td style='text-align:left'>{escape(finding.message)}"
            + "".join(f"<br><code>{escape(line)}</code>" for line in finding.evidence)
            + (f"<br><i>whose fault: {escape(finding.fault)}</i>" if finding.fault else "")
            + (f"<br>fix: {escape(finding.hint)}" if finding.hint else "")
            + "</td></tr>"
            for finding in self.findings
        )
        return f"<p>{escape(self.summary)}</p>" + (f"<table>{rows}</table>" if rows else "")


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings, the worst first, then by file and line."""
    return tuple(
        sorted(findings, key=lambda one: (_RANK[one.severity or Severity.INFO], one.path, one.line or 0, one.code))
    )
