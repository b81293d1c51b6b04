"""A diagnosis as Markdown to paste into a forum or an issue: without secrets, names of people and addresses."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator

from spaceops import __version__
from spaceops.diagnosis.cases import Case
from spaceops.evidence import harmless
from spaceops.findings import Finding, Report
from spaceops.privacy import without_credentials, without_persons
from spaceops.spec import short
from spaceops.symptoms import Place


def as_markdown(report: Report, case: Case) -> str:
    """The report, the evidence and the facts that somebody who wants to help asks for first."""
    parts = [f"# Diagnosis of {_inline(report.subject)}", *_causes(report), *_facts(case), *_logs(case)]
    return "\n\n".join(parts) + "\n"


def _causes(report: Report) -> Iterator[str]:
    for number, finding in enumerate(report.findings):
        yield _cause(finding, "Cause" if number == 0 else "Also")
    if not report.findings:
        yield "No known cause was found."
    for note in report.notes:
        head, *lines = note.split("\n")
        yield _inline(head) + (f"\n\n{_block(line.strip(' |') for line in lines)}" if lines else "")


def _cause(finding: Finding, title: str) -> str:
    where = f" at {_inline(finding.where)}" if finding.where else ""
    lines = [f"## {title}: {finding.code} ({finding.severity}){where}", _inline(finding.message)]
    lines += [f"Whose fault: {finding.fault}."] if finding.fault else []
    lines += [f"Explains: {', '.join(finding.explains)}."] if finding.explains else []
    lines += [f"To mend it: {_inline(finding.hint)}"] if finding.hint else []
    lines += [_block(finding.evidence)] if finding.evidence else []
    return "\n\n".join(lines)


def _facts(case: Case) -> Iterator[str]:
    """The Space as the Hub sees it; of settings the names."""
    runtime = case.runtime
    rows = {
        "stage": case.stage,
        "the Hub says": runtime.error_message.partition("\n")[0] if runtime and runtime.error_message else None,
        "hardware": runtime and (runtime.hardware or runtime.requested_hardware),
        "running commit": short(runtime.sha) if runtime and runtime.sha else None,
        "newest commit": short(case.head) if case.head else None,
        "variables": _names(case.variables),
        "secrets": _names(case.secrets),
        "app_port": case.files.app_port if case.files else None,
        "image": _base(case),
        "spaceops": f"{__version__}, Python {platform.python_version()}, {platform.system()}",
    }
    yield "## Facts\n\n" + "\n".join(f"- {name}: {_inline(str(value))}" for name, value in rows.items() if value)


def _names(names: Iterable[str] | None) -> str | None:
    return None if names is None else ", ".join(sorted(names)) or "none"


def _base(case: Case) -> str | None:
    """What the last stage of the Dockerfile is built from."""
    dockerfile = case.files.dockerfile if case.files else None
    return dockerfile.stages[-1].base if dockerfile and dockerfile.stages else None


def _logs(case: Case) -> Iterator[str]:
    """The ends of the logs."""
    for place in (Place.BUILD, Place.RUN):
        section = case.sections.get(place)
        if section and section.tail:
            yield f"## The end of the {place} log\n\n{_block(section.tail[-30:])}"


def _inline(text: str) -> str:
    """Text that is no markup, on one line."""
    text = " ".join(without_persons(without_credentials("".join(harmless([text])))).split())
    return text.translate({ord(char): f"\\{char}" for char in "<>[]*|#@"})


def _block(lines: Iterable[str]) -> str:
    """Lines as they stand in the log; the fence is longer than any in them."""
    found = [without_persons(without_credentials(line)) for line in harmless(list(lines))]
    fence = "```"
    while any(fence in line for line in found):
        fence += "`"
    return "\n".join((f"{fence}text", *found, fence))
