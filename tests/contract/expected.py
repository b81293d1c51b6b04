"""The rows of `expected.txt`, and what of a row an outcome lacks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.contract.recording import Answer, Outcome, Shape

RUNTIME = "stage hardware.current hardware.requested storage replicas.current replicas.requested devMode domains"


class Expected(NamedTuple):
    """One row."""

    call: str
    ended: str
    request: str = ""
    status: str = ""
    code: str = ""
    holds: str = ""

    def misses(self, outcome: Outcome | None) -> Iterator[str]:
        """What an outcome lacks."""
        if outcome is None:
            yield f"{self.call}: was not asked"
            return
        if outcome.ended != self.ended:
            yield f"{self.call}: ends with {outcome.ended} ({outcome.said}), not {self.ended}"
        if self.request and self.request not in outcome.answers:
            yield f"{self.call}: no {self.request}, but {', '.join(outcome.answers)}"
        elif self.request:
            yield from (f"{self.call}: {line}" for line in self._lacks(outcome.answers[self.request]))

    def _lacks(self, answer: Answer) -> Iterator[str]:
        if (str(answer.status), answer.code or "") != (self.status, self.code):
            yield f"{answer.status} {answer.code}, not {self.status} {self.code}: {answer.message}"
            return
        words = self.holds.split()
        if "{}" in words and answer.shape != {}:
            yield f"{answer.shape}, not {{}}"
        shape = answer.shape[0] if "[]" in words and isinstance(answer.shape, list) else answer.shape
        for word in [word for word in words if word not in ("[]", "{}")]:
            name, _, form = word.partition("=")
            found = answer.headers.get(name[2:]) if name.startswith("h:") else _within(shape, name.split("."))
            if found is None or (form and found != form):
                yield f"{name} is {found}, not {form or 'there'}"


def _within(shape: Shape, keys: list[str]) -> Shape:
    for key in keys:
        if not isinstance(shape, dict):
            return None
        shape = shape.get(key, shape.get(f"{key}?"))
    return shape


def expected() -> list[Expected]:
    """The rows."""
    text = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8")
    rows = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    rows = rows.replace("\n ", " ").replace("@runtime", RUNTIME)
    return [Expected(*(cell.strip() for cell in row[2:].split("|"))) for row in rows.splitlines()]
