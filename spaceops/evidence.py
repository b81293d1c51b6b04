"""The lines of a log that prove a failure: which of them, and how they may be shown and kept."""

from __future__ import annotations

import re
from collections.abc import Sequence

from spaceops.events import visible
from spaceops.secret import redact

MOST, WIDEST = 20, 500  # lines that an error shows, and characters of each
SEARCHED = 3 * MOST  # lines in which a secret is looked for that the log has cut in pieces

_RAISED = re.compile(r"(?:[a-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt)\b")  # the end of a traceback


def cause(said: str) -> str:
    """The words of the Hub on one line: the first, or of a traceback in them the exception, not some frame of it."""
    first, *rest = said.strip().splitlines() or [""]
    raised = [line for line in rest if _RAISED.match(line)]
    head, reason, _ = first.partition(" Reason:")
    return "".join(harmless([f"{head}{reason} {raised[-1]}" if reason and raised else first]))


def last_step(lines: Sequence[str]) -> list[str]:
    """The end of a build log: from the last step on that printed something, 20 lines at most."""
    return _from_last(lines, [line.startswith("-->") and "ERROR" not in line for line in lines])


def last_start(lines: Sequence[str]) -> list[str]:
    """The end of a run log: of the last start only, 20 lines at most."""
    return _from_last(lines, [line.startswith("===== Application Startup") for line in lines])


def _from_last(lines: Sequence[str], begins: Sequence[bool]) -> list[str]:
    starts = [number for number, begin in enumerate(begins) if begin]
    return list(lines[starts[-1] :] if starts else lines)[-MOST:]


def harmless(lines: Sequence[str]) -> list[str]:
    """The last lines as an error and a release may hold them: short, nothing that a terminal obeys, no known secret.

    Not even one that the log has cut in pieces: such lines are put together. The start of one that was cut before the
    last 20 lines is found too, because 60 are looked at; all that are left of these come back.
    """
    found = [redact(line) for line in lines[-SEARCHED:]]
    while piece := _cut_secret(found):
        found[piece] = [redact("".join(found[piece]))]
    return [line if len(line) <= WIDEST else f"{line[: WIDEST - 1]}…" for line in map(visible, found)]


def _cut_secret(lines: Sequence[str]) -> slice | None:
    """The fewest lines across which a secret goes."""
    if not _hide_one_together(lines):
        return None
    windows = (slice(at, at + size) for size in range(2, len(lines) + 1) for at in range(len(lines) - size + 1))
    return next((window for window in windows if _hide_one_together(lines[window])), None)


def _hide_one_together(lines: Sequence[str]) -> bool:
    return redact("".join(lines)) != "".join(map(redact, lines))
