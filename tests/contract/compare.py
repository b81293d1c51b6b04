"""Where two runs of the contract differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tests.contract.recording import Answer, Outcome, Shape

NOTHING = "-"


class Difference(NamedTuple):
    """One difference; `only_more` where the real Hub merely says more than the local one."""

    call: str
    what: str
    local: str
    real: str

    @property
    def only_more(self) -> bool:
        """Whether a client that knows the local Hub would miss nothing on the real one."""
        return self.local == NOTHING and self.what.startswith(("header ", "body"))


def differences(local: dict[str, Outcome], real: dict[str, Outcome]) -> list[Difference]:
    """All differences, in the order of the calls."""
    return [
        Difference(call, *difference)
        for call in dict.fromkeys([*local, *real])
        for difference in _of_call(local.get(call), real.get(call))
    ]


def _of_call(local: Outcome | None, real: Outcome | None) -> Iterator[tuple[str, str, str]]:
    if local is None or real is None:
        yield "asked", _yes(local), _yes(real)
        return
    yield from _of_values("ends", local.ended, real.ended)
    yield from _of_values("says", local.said, real.said)
    if local.ended == real.ended:
        yield from _of_shapes("body", local.shape, real.shape)
    for request in dict.fromkeys([*local.answers, *real.answers]):
        one, other = local.answers.get(request), real.answers.get(request)
        if one is None or other is None:
            yield request, _status(one), _status(other)
        else:
            yield from ((f"{what} of {request}", *values) for what, *values in _of_answers(one, other))


def _of_answers(local: Answer, real: Answer) -> Iterator[tuple[str, str, str]]:
    yield from _of_values("status", local.status, real.status)
    yield from _of_values("code", local.code, real.code)
    yield from _of_values("message", local.message, real.message)
    for name in sorted({*local.headers, *real.headers}):
        yield from _of_values(f"header {name}", local.headers.get(name), real.headers.get(name))
    if local.status == real.status:
        yield from _of_shapes("body", local.shape, real.shape)


def _of_values(what: str, local: object, real: object) -> Iterator[tuple[str, str, str]]:
    if local != real:
        yield what, NOTHING if local is None else str(local), NOTHING if real is None else str(real)


def _of_shapes(path: str, local: Shape, real: Shape) -> Iterator[tuple[str, str, str]]:
    if isinstance(local, dict) and isinstance(real, dict):
        for key in sorted({*local, *real}):
            yield from _of_shapes(f"{path}.{key}", local.get(key), real.get(key))
    elif isinstance(local, list) and isinstance(real, list) and local and real:
        yield from _of_shapes(f"{path}[]", local[0], real[0])
    else:
        yield from _of_values(path, _name(local), _name(real))


def _name(shape: Shape) -> str | None:
    if isinstance(shape, dict):
        return "{" + " ".join(shape) + "}"
    return ("[]" if not shape else f"[{_name(shape[0])}]") if isinstance(shape, list) else shape


def _yes(outcome: Outcome | None) -> str:
    return "no" if outcome is None else "yes"


def _status(answer: Answer | None) -> str:
    return NOTHING if answer is None else str(answer.status)


def table(found: list[Difference]) -> str:
    """The differences as lines of a table; what the real Hub merely says more stands last."""
    if not found:
        return "No difference."
    rows = [("CALL", "WHAT", "LOCAL", "REAL"), *sorted(found, key=lambda one: one.only_more)]
    widths = [min(max(len(row[at]) for row in rows), 72) for at in range(4)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines)
