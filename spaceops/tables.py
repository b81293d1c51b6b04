"""Text for people: rows in columns, and how long ago something was."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def table(headers: tuple[str, ...], rows: Iterable[Iterable[object]]) -> str:
    """Rows under headers, in columns."""
    lines = [headers, *(tuple(map(str, row)) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def age(time: str, now: datetime | None = None) -> str:
    """How long ago an ISO 8601 time was, in its largest unit: `12d`, `3h`; a clock that is ahead makes it `0s`."""
    passed = ((now or datetime.now(UTC)) - datetime.fromisoformat(time)).total_seconds()
    unit, size = next((unit, size) for unit, size in _UNITS if passed >= size or size == 1)
    return f"{max(int(passed), 0) // size}{unit}"
