"""Findings for machines that show them beside the code: SARIF 2.1.0 (OASIS), and annotations of GitHub Actions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spaceops.findings import Finding, Report, Severity
from spaceops.rules import all_rules

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def as_sarif(report: Report, version: str) -> dict[str, Any]:
    """The report as a SARIF log with one run; exceptions of space.toml are suppressed results."""
    found = [(finding, None) for finding in report.findings] + list(report.ignored)
    codes = sorted({finding.code for finding, _ in found})
    driver = {"name": "spaceops", "version": version, "rules": [_rule(code) for code in codes]}
    results = [_result(finding, reason, codes.index(finding.code), report) for finding, reason in found]
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def workflow_commands(report: Report) -> Iterator[str]:
    """A line for each finding that GitHub Actions shows beside the line of the file."""
    for finding in report.findings:
        place = {"file": _uri(finding, report), "line": finding.line, "title": finding.code}
        facts = ",".join(f"{name}={_escaped(str(value), ',:')}" for name, value in place.items() if value)
        said = f"{finding.message} {finding.hint}".strip()
        yield f"::{_COMMANDS[finding.severity or Severity.INFO]} {facts}::{_escaped(said)}"


def _rule(code: str) -> dict[str, Any]:
    rule = all_rules().get(code)
    if rule is None:
        return {"id": code}
    first, _, rest = rule.meaning.partition("\n")
    return {
        "id": code,
        "shortDescription": {"text": first},
        "fullDescription": {"text": f"{first}\n{rest}".strip()},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _result(finding: Finding, reason: str | None, index: int, report: Report) -> dict[str, Any]:
    said = f"{finding.message}\n{finding.hint}".strip()
    region = {"region": {"startLine": finding.line}} if finding.line else {}
    place = {"physicalLocation": {"artifactLocation": {"uri": _uri(finding, report)}, **region}}
    return {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": _LEVELS[finding.severity or Severity.INFO],
        "message": {"text": said},
        "locations": [place],
        **({"suppressions": [{"kind": "external", "justification": reason}]} if reason else {}),
    }


def _uri(finding: Finding, report: Report) -> str:
    """The file as seen from the working directory, where a CI job has its checkout; what is about none, is about the
    folder's README.md: annotations need a file."""
    root = Path(report.subject)
    path = root / (finding.path or "README.md")
    path = path if path.exists() or not (root.parent / finding.path).is_file() else root.parent / finding.path
    here = Path.cwd()
    return (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()


def _escaped(text: str, more: str = "") -> str:
    """Text as a workflow command takes it."""
    for char in "%\r\n" + more:
        text = text.replace(char, f"%{ord(char):02X}")
    return text
