"""Why a Space failed: what the evidence of a case shows, the most specific cause first, and whose fault it is.

Nothing is invented: where no symptom is known and the log itself names no step or exception, the report is empty and
shows the lines that tell most.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from spaceops.diagnosis.cases import SHOWS_BUILD, UP, Case, gather
from spaceops.diagnosis.refinements import LISTENING, REFINEMENTS, explaining, is_up, place_of
from spaceops.diagnosis.reporting import as_markdown
from spaceops.diagnosis.scanning import Failure, Hit, Section, scan
from spaceops.diagnosis.telling import SHOWN, proof, shown, step_line, telling
from spaceops.diagnosis.tracebacks import Raised
from spaceops.findings import Fault, Finding, Report, Severity
from spaceops.symptoms import Place

if TYPE_CHECKING:
    from spaceops.hub import Hub

LATE = 40  # lines: what stands there at the end of a run log belongs to how it ended

_AT_REST = ("BUILDING", "APP_STARTING", "PAUSED", "STOPPED", *UP)
_BUILT = ("RUNTIME_ERROR", "APP_STARTING")
# What is said of many failures, and so stands behind whatever else was found.
_VAGUE = frozenset(
    {"launch-timeout", "cache-miss-not-a-cause", "space-in-error-503", "sse-not-enabled", "dead-on-signal"}
)
GENERIC = ("build-step-failed", "app-crashed", "app-exited")  # what a log shows by its structure alone
_RANKS = {severity: rank for rank, severity in enumerate(Severity)}
_THROWN = re.compile(
    r"(?:[\w$]{1,80}[.:]{1,2}){0,8}\w{0,80}(?:Error|Exception|Failure|Limit|InvalidToken|Conflict|Timeout)\b"
)


@dataclass(frozen=True)
class Clue:
    """A hit that counts, and how much.

    `weight`: 0 what the Hub says itself, 1 where it was decided, 2 vague, 3 elsewhere, 4 before the server listened.
    """

    hit: Hit
    place: Place
    weight: int

    @property
    def code(self) -> str:
        """The symptom's code."""
        return self.hit.symptom.code


@dataclass(frozen=True)
class Diagnosis(Report):
    """A report with the evidence that it was made of."""

    case: Case = field(default_factory=lambda: Case("nothing"), repr=False, compare=False)

    def as_markdown(self) -> str:
        """The report with the facts that a helper asks for, to paste into a forum or an issue: redacted."""
        return as_markdown(self, self.case)


def diagnose(
    subject: str | Path | None = None,
    hub: Hub | None = None,
    *,
    build_log: str | Path | None = None,
    run_log: str | Path | None = None,
    runtime: str | Path | None = None,
    env: str | None = None,
) -> Diagnosis:
    """Why a Space failed, whose fault that is and what mends it; changes nothing.

    `subject` is `owner/name` or a folder, and is asked of `hub`; or saved files take its place: a log of the build, one
    of the app, the Hub's JSON of the runtime. Raises `NotFound`, and `BadInput` where there is nothing to look at.
    """
    return conclude(gather(subject, hub, build_log=build_log, run_log=run_log, runtime=runtime, env=env))


def conclude(case: Case) -> Diagnosis:
    """What the evidence shows; where nothing of it is known, no finding, and the lines that tell most."""
    case = _with_words(case)
    clues = _clues(case)
    found = [*_findings(clues, case), *_by_structure(clues, case), *_by_facts(case)]
    folded = _folded(found)
    if case.files is not None:
        folded = explaining(folded, case)
    findings = tuple(_lowered(finding, folded, case) for finding in folded)
    notes = (*case.notes, *(() if findings else telling(case)))
    return Diagnosis(case.subject, tuple(one for one, _ in sorted(findings, key=_order)), notes=notes, case=case)


def _with_words(case: Case) -> Case:
    """The case with what the Hub says as a section, too, and the tail of a log in that as one, if there is none."""
    sections = dict(case.sections)
    if case.runtime is None:
        return case
    said = scan([_words(case).encode(errors="replace")], Place.SAID)[Place.SAID]
    if above := sections.get(Place.SAID):
        for hit in above.all_hits():
            said.add(hit)
    sections[Place.SAID] = said
    message = case.runtime.error_message or ""
    _, reason, tail = message.partition("Reason: ")
    if Place.RUN not in sections and reason and message.startswith("Exit code"):
        sections.update(scan([tail.encode(errors="replace")], Place.RUN))
        sections[Place.SAID] = said
    return replace(case, sections=sections)


def _words(case: Case) -> str:
    """What the Hub says, a line each."""
    runtime = case.runtime
    if runtime is None:
        return ""
    abuse = runtime.raw.get("abuse")
    reason = f"abuse {abuse.get('reason') or abuse}" if isinstance(abuse, dict) else ""
    return "\n".join((f"stage {runtime.stage}", reason, runtime.error_message or "", ""))


# which hits count


def _clues(case: Case) -> list[Clue]:
    """Of each code the hit that tells most, in the order of the evidence."""
    best: dict[str, Clue] = {}
    for clue in _all_clues(case):
        known = best.get(clue.code)
        if known is None or _tells(clue) > _tells(known):
            best[clue.code] = clue
    return list(best.values())


def _tells(clue: Clue) -> tuple[int, int, int]:
    at = -clue.hit.number if clue.place is Place.BUILD else clue.hit.number
    return len(clue.hit.groups), -clue.weight, at


def _all_clues(case: Case) -> Iterator[Clue]:
    for place, section in case.sections.items():
        if not _is_of_now(place, case):
            continue
        for hit in section.all_hits():
            weight = _weight(hit, section, case)
            if weight is not None:
                yield Clue(hit, place, weight)


def _is_of_now(place: Place, case: Case) -> bool:
    """Whether a log belongs to the failure: the app's log of a version before says nothing of a build that failed."""
    build = case.sections.get(Place.BUILD)
    if place is not Place.RUN:
        return True
    if case.stage is not None:
        return case.stage not in SHOWS_BUILD
    return build is None or build.failure is None


def _weight(hit: Hit, section: Section, case: Case) -> int | None:
    """How much a hit counts; None: not at all."""
    if section.place is Place.SAID:
        return 2 if hit.symptom.code in _VAGUE else 0
    if section.place is Place.BUILD:
        return _weight_in_build(hit, section, case)
    if hit.symptom.code in _VAGUE:
        return 2
    if hit.number < _listened(section):
        return 4
    return 1 if _is_late(hit.number, section) else 3


def _weight_in_build(hit: Hit, section: Section, case: Case) -> int | None:
    is_error = hit.symptom.severity is Severity.ERROR
    failure = section.failure
    is_over = failure is None and case.stage not in SHOWS_BUILD and hit.number < (section.made or 0)
    if is_error and (is_over or case.stage in _BUILT):
        return None
    if failure is not None:
        is_decisive = hit.step == failure.step or hit.number >= failure.number
        return 1 if is_decisive else (None if is_error else 3)
    return 1 if is_error else 3


def _listened(section: Section) -> int:
    """The line of a run log in which a server says last that it listens; what went wrong before did not stop it."""
    return max((hit.number for code in LISTENING for hit in section.hits.get(code, ())), default=0)


def _is_late(number: int, section: Section) -> bool:
    """Whether a line of a run log belongs to its end."""
    last = _ending(section)
    begins = last.root.number if last else section.last
    return number >= min(begins, section.last - LATE)


def _ending(section: Section) -> Raised | None:
    """The exception that a log ends with."""
    last = section.raised[-1] if section.raised else None
    return last if last and section.last - last.last <= LATE else None


# what they mean


def _findings(clues: Iterable[Clue], case: Case) -> Iterator[tuple[Finding, int]]:
    for clue in clues:
        finding = _finding(clue, case)
        refine = REFINEMENTS.get(clue.code)
        refined = refine(finding, clue.hit, case) if refine else finding
        if refined is not None:
            is_end = _ends(clue, case) and refined.severity is Severity.WARNING
            yield (replace(refined, severity=Severity.ERROR) if is_end else refined), clue.weight


def _ends(clue: Clue, case: Case) -> bool:
    """Whether the app died of it: it is the exception with which the log of one that does not run ends."""
    run, number = case.sections.get(Place.RUN), clue.hit.number
    if run is None or clue.place is not Place.RUN or clue.weight > 1 or not _THROWN.match(clue.hit.line):
        return False
    raised = _ending(run)
    is_last = raised is not None and raised.number <= number <= raised.last + 4
    if case.stage is None:
        return is_last and not is_up(case)
    return case.stage == "RUNTIME_ERROR" and (is_last or number >= run.last - 4)


def _finding(clue: Clue, case: Case) -> Finding:
    symptom, section = clue.hit.symptom, case.sections[clue.place]
    values = {"repo_id": case.repo_id or "OWNER/NAME"}
    values |= {name: shown(value) for name, value in clue.hit.groups.items()}
    return Finding(
        symptom.message.format_map(values),
        hint=symptom.hint.format_map(values),
        where=_where(clue, section, case),
        severity=symptom.severity,
        code=symptom.code,
        fault=symptom.fault,
        evidence=_evidence(clue, section),
        explains=symptom.explains,
    )


def _where(clue: Clue, section: Section, case: Case) -> str:
    if clue.place is Place.BUILD and section.failure and clue.weight == 1:
        return place_of(section, case)
    raised = _raised_with(clue.hit, section)
    return _own_place(raised, case) if raised else ""


def _own_place(raised: Raised, case: Case) -> str:
    """The last place in the app's own code, by the file's path in the Space where that is known."""
    frame = raised.own
    if frame is None:
        return ""
    paths = sorted(case.paths or (), key=len, reverse=True)
    path = next((path for path in paths if frame.file.endswith(f"/{path}") or frame.file == path), frame.file)
    return f"{path}:{frame.line}"


def _raised_with(hit: Hit, section: Section) -> Raised | None:
    chain = [one for raised in section.raised for one in _chain(raised)]
    return next((one for one in chain if one.number <= hit.number <= one.last + 4), None)


def _chain(raised: Raised) -> Iterator[Raised]:
    yield raised
    if raised.before:
        yield from _chain(raised.before)


def _evidence(clue: Clue, section: Section) -> tuple[str, ...]:
    """The lines that prove it: of a build the step and its error, of an exception where it came from."""
    line = clue.hit.line
    if clue.place is Place.BUILD and clue.weight == 1 and section.failure:
        return proof([*step_line(section), line, section.failure.line])
    raised = _raised_with(clue.hit, section) if clue.place is Place.RUN else None
    return proof([*raised.lines[:3], line] if raised else [line])


# what the log says by its structure, where no symptom is known


def _by_structure(clues: Iterable[Clue], case: Case) -> Iterator[tuple[Finding, int]]:
    known = {
        clue.place
        for clue in clues
        if clue.weight < 2 and (clue.hit.symptom.severity is Severity.ERROR or _ends(clue, case))
    }
    build, run = case.sections.get(Place.BUILD), case.sections.get(Place.RUN)
    if build and build.failure and Place.BUILD not in known and (case.stage is None or case.stage in SHOWS_BUILD):
        yield _step_failed(build, build.failure, case), 1
    if run and not known and _is_of_now(Place.RUN, case) and case.stage not in _AT_REST and not is_up(case):
        raised = _ending(run)
        if raised is not None:
            yield _crashed(raised, case), 1
            return
    if not known and (ended := _ENDED.search(case.runtime.error_message or "" if case.runtime else "")):
        yield _exited(int(ended[1]), run), 2


_ERROR_LINE = re.compile(r"^(?:--> )?(?:ERROR|[Ee]rror): (?:failed to solve: )?|\.$")
_ENDED = re.compile(r"^Exit code: (\d{1,3})\b")
_STATUSES: Mapping[int, str] = {
    0: "it ended as if its work were done; a server must go on running",
    1: "its last lines say why",
    126: "what it should run is no program, or may not be run",
    127: "there is no such command in the image",
    137: "it was killed, most often for want of memory",
    139: "a program crashed in its own machine code",
    143: "it was told to stop",
}


def _step_failed(build: Section, failure: Failure, case: Case) -> Finding:
    meaning = _STATUSES.get(failure.exit, "") if failure.exit not in (None, 1) else ""
    status = f" with exit status {failure.exit}" if failure.exit is not None else ""
    what = f"The command `{shown(failure.command)}`" if failure.command else "A step of the Dockerfile"
    said = "" if failure.command else _ERROR_LINE.sub("", failure.line)
    ending = f": {meaning or shown(said)}" if meaning or said else "; what it printed last says why"
    return Finding(
        f"The build stopped: {what} failed{status}{ending}",
        hint="Mend what the last lines name, or run that command alone on your machine to see it fail.",
        where=place_of(build, case),
        severity=Severity.ERROR,
        code="build-step-failed",
        fault=Fault.YOURS,
        evidence=proof(
            [*step_line(build), *[line for line in failure.printed if "--> " not in line][-4:], failure.line]
        ),
    )


def _crashed(raised: Raised, case: Case) -> Finding:
    said = f": {shown(raised.said)}" if raised.said else ""
    frame = raised.own
    place = f", in {_own_place(raised, case)}" if frame else ""
    root = raised.root
    because = f"; it came of {root.kind}{f': {shown(root.said)}' if root.said else ''}" if root is not raised else ""
    return Finding(
        f"The app ended with {raised.kind}{said}{place}{because}",
        hint="Mend that line, or what it needs; the app ends where nobody catches an exception."
        if frame
        else "Look at the first lines of the app's own code in the log above it.",
        where=_own_place(raised, case),
        severity=Severity.ERROR,
        code="app-crashed",
        fault=Fault.YOURS,
        evidence=proof(line for one in reversed([*_chain(raised)][:2]) for line in one.lines[:3]),
    )


def _exited(status: int, run: Section | None) -> Finding:
    meaning = _STATUSES.get(status, "its log may say why")
    return Finding(
        f"The app ended by itself, with exit status {status}: {meaning}",
        hint="Look at its last lines; if there are none, start the same command on your machine.",
        severity=Severity.ERROR,
        code="app-exited",
        fault=Fault.YOURS,
        evidence=proof([line for line in run.tail if not line.startswith("=====")][-SHOWN:]) if run else (),
    )


# what the facts say by themselves


def _by_facts(case: Case) -> Iterator[tuple[Finding, int]]:
    runtime, build = case.runtime, case.sections.get(Place.BUILD)
    if runtime is None:
        return
    if case.stage == "RUNNING" and case.head and runtime.sha and not case.head.startswith(runtime.sha[:7]):
        yield (
            _fact(
                "stale-build",
                f"Commit {runtime.sha[:7]} runs, but the newest one of the Space is {case.head[:7]}: "
                "the old version still serves",
                f"spaceops restart {case.repo_id or 'OWNER/NAME'} --factory builds the newest one.",
            ),
            0,
        )
    if case.stage == "BUILDING" and build and len(build.tail) == 1 and "Build Queued" in build.tail[0]:
        yield (
            _fact(
                "stuck-build-queued",
                "The build waits in the Hub's queue: nothing of it has begun yet",
                "Wait some minutes; if it stays so, look at status.huggingface.co, and ask for a factory rebuild.",
                fault=Fault.PLATFORM,
                evidence=build.tail,
            ),
            0,
        )
    if case.app_answers is not None and case.app_answers < 500:
        yield (
            _fact(
                "stuck-starting",
                f"The app answers already ({case.app_answers} for /), but the Hub says {case.stage}: it waits for "
                "a good answer to GET and HEAD of /",
                'Answer / with 200, also for HEAD: @app.api_route("/", methods=["GET", "HEAD"]).',
            ),
            0,
        )


def _fact(code: str, message: str, hint: str, *, fault: Fault = Fault.YOURS, evidence: Iterable[str] = ()) -> Finding:
    return Finding(message, hint=hint, code=code, severity=Severity.WARNING, fault=fault, evidence=proof(evidence))


# how they hang together


def _folded(found: Iterable[tuple[Finding, int]]) -> list[tuple[Finding, int]]:
    """The findings that no other explains, each with the codes of those that it does."""
    first: dict[str, tuple[Finding, int]] = {}
    for finding, weight in sorted(found, key=_rank):
        first.setdefault(finding.code, (finding, weight))
    ranked = list(first.values())
    by_code = {finding.code: finding for finding, _ in ranked}
    causes: dict[str, set[str]] = {code: set() for code in by_code}
    taken: set[str] = set()
    for code, finding in by_code.items():
        for other in finding.explains:
            if other in by_code and other not in taken and other != code and code not in _below(other, causes):
                causes[code].add(other)
                taken.add(other)
    return [
        (replace(finding, explains=tuple(sorted(_below(finding.code, causes)))), weight)
        for finding, weight in ranked
        if finding.code not in taken
    ]


def _below(code: str, causes: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(causes[code])
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += causes[one]
    return found


def _rank(ranked: tuple[Finding, int]) -> tuple[int, int]:
    finding, weight = ranked
    return _RANKS[finding.severity or Severity.INFO], weight


def _order(ranked: tuple[Finding, int]) -> tuple[int, int, int]:
    """The worst first; of those the ones that were decided; of those the ones that explain most."""
    return *_rank(ranked), -len(ranked[0].explains)


def _lowered(ranked: tuple[Finding, int], found: Iterable[tuple[Finding, int]], case: Case) -> tuple[Finding, int]:
    """An error that is none: of a build that goes on, of an app that is up, or one that was got over before the end."""
    finding, weight = ranked
    is_decided = any(one.severity is Severity.ERROR and w < 2 for one, w in found)
    goes_on = case.stage == "BUILDING" or is_up(case)
    is_over = (weight >= 3 and is_decided) or (weight == 4 and case.stage is None)
    if finding.severity is Severity.ERROR and (goes_on or is_over):
        return replace(finding, severity=Severity.WARNING), weight
    return ranked
