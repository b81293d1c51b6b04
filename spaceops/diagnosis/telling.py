"""What of a log is shown: the lines that prove a finding, or, where nothing is known, those that tell most."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from spaceops.diagnosis.cases import Case
from spaceops.diagnosis.refinements import is_up
from spaceops.diagnosis.scanning import Section
from spaceops.evidence import harmless
from spaceops.privacy import without_credentials
from spaceops.symptoms import Place

SHOWN = 6  # lines of evidence
_LAST_WORDS = ("error", "fatal", "exception", "failed", "cannot", "denied", "not found", "killed", "panic")


def shown(text: str) -> str:
    """A piece of a log as a sentence may hold it."""
    text = harmless([without_credentials(text)])[0]
    return text if len(text) <= 200 else f"{text[:199]}…"


def step_line(section: Section) -> list[str]:
    """The step of a build that failed."""
    failure = section.failure
    return [f"--> {text}" for step, text in section.steps if failure and step == failure.step][-1:]


def proof(lines: Iterable[str]) -> tuple[str, ...]:
    """Lines of a log as a finding may hold them."""
    distinct = list(dict.fromkeys(line for line in lines if line.strip()))
    return tuple(harmless([without_credentials(line) for line in distinct[:SHOWN]]))


def telling(case: Case) -> Iterator[str]:
    """That no cause is known, and the lines that say most."""
    if is_up(case) and (case.stage is None or not any(section.raised for section in case.sections.values())):
        so = f"The stage is {case.stage}" if case.stage else "The log ends with requests that were answered"
        yield f"{so}, and nothing that is known to be wrong shows."
        return
    yield "No cause that is known shows: none is named, so that none is made up."
    for place in (Place.BUILD, Place.RUN, Place.SAID):
        section = case.sections.get(place)
        if section is not None and place is not Place.SAID and not _is_text(section):
            yield f"the {place} log {'holds no readable text' if section.tail else 'is empty'}"
            continue
        lines = _telling_lines(section) if section else ()
        if lines:
            yield f"the lines of the {place} log that tell most:" + "".join(f"\n  | {line}" for line in lines)
            return
    if case.runtime is not None and case.runtime.error_message:
        yield f"the Hub says: {proof(case.runtime.error_message.splitlines())[0]}"


def _is_text(section: Section) -> bool:
    """Whether its last lines are words and not the bytes of something else."""
    text = "".join(section.tail)
    odd = sum((not character.isprintable() and character != "\t") or character == "\ufffd" for character in text)
    return bool(text) and odd * 10 < len(text)


def _telling_lines(section: Section) -> tuple[str, ...]:
    """The last step, the last exception, the last lines that speak of an error, or simply the last."""
    if section.failure:
        return proof([*step_line(section), *section.failure.printed[-4:], section.failure.line])
    if section.raised:
        return proof(section.raised[-1].lines)
    spoken = [line for line in section.tail if any(word in line.lower() for word in _LAST_WORDS)]
    return proof((spoken or list(section.tail))[-SHOWN:])
