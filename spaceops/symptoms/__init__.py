"""How failures show: in what the Hub says, in the log of a build, in the log of an app. Data, a module per subject.

A symptom matches the meaning of a line (an exit status, the type of an exception, a missing name), never one sample's
wording. Where several match, the most specific is the cause: one that `explains` another's code stands for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from importlib import import_module

from spaceops.findings import Fault, Severity

SUBJECTS = (
    "platform",
    "pushing",
    "building",
    "copying",
    "system",
    "packages",
    "compiling",
    "python",
    "settings",
    "files",
    "models",
    "node",
    "languages",
    "permissions",
    "starting",
    "listening",
    "serving",
    "pages",
    "services",
    "resources",
)


class Place(StrEnum):
    """Where a symptom shows."""

    SAID = "said"  # `errorMessage` of the runtime, the stage, an answer of the Hub or of git
    BUILD = "build"
    RUN = "run"


@dataclass(frozen=True)
class Symptom:
    """One way in which a failure shows.

    `needles` are texts of which every match holds one, as they stand in the log: only lines with one are looked at with
    the pattern. A needle begins and ends where a word does (words are of the letters A to Z and a to z), so that a log
    of megabytes is passed over word by word. `re.search` runs the pattern over the line without colours, times in
    front and space at its ends. Its named groups fill `{name}` in message and hint.
    """

    code: str
    severity: Severity
    fault: Fault
    places: tuple[Place, ...]
    needles: tuple[str, ...]
    pattern: str
    message: str  # one sentence for somebody who has never used Docker: what is wrong, and why
    hint: str  # the edit or command that mends it
    examples: tuple[str, ...]  # lines that it matches; one with newlines shows those that are `near`, too
    unlike: tuple[str, ...] = ()  # lines that it must not match
    explains: tuple[str, ...] = ()  # codes of vaguer symptoms that come of this one
    near: str = ""  # a pattern that one of the twelve lines before or after must match too; no needle is needed for it
    unless: str = ""  # a pattern that none of those lines may match

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """The pattern, compiled."""
        return re.compile(self.pattern)

    @cached_property
    def near_regex(self) -> re.Pattern[str]:
        """What must stand near it, compiled."""
        return re.compile(self.near)

    @cached_property
    def unless_regex(self) -> re.Pattern[str]:
        """What must not stand near it, compiled."""
        return re.compile(self.unless)


# What `diagnose` sees in the structure of a log or in facts side by side, and what it means.
BY_STRUCTURE: Mapping[str, str] = {
    "build-step-failed": "A command of the Dockerfile failed, and nothing that is known shows in what it printed; the "
    "command, its exit status and its last lines are shown.",
    "app-crashed": "The app ended with an exception that nobody caught; its type, its words and the last place in the "
    "app's own code are shown.",
    "app-exited": "The app ended by itself, and its log shows no reason that is known; its exit status and its last "
    "lines are shown.",
    "stale-build": "An older commit runs than the newest one of the Space: its build has not begun, or failed.",
    "stuck-build-queued": "The build waits in the Hub's queue, and its log holds nothing yet.",
    "stuck-starting": "The app answers already, but the Hub still waits for a good answer to GET or HEAD of /.",
}


def all_symptoms() -> Mapping[str, tuple[Symptom, ...]]:
    """Every symptom by its code; several may have the same one."""
    found: dict[str, tuple[Symptom, ...]] = {}
    for subject in SUBJECTS:
        for symptom in import_module(f"spaceops.symptoms.{subject}").SYMPTOMS:
            found[symptom.code] = (*found.get(symptom.code, ()), symptom)
    return found
