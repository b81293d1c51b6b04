"""Numbers, dates and lists in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tables.columns import Unit

FORMATS: dict[Unit, str] = {
    "hour": "%Y-%m-%d %H:00",
    "day": "%Y-%m-%d",
    "week": "%Y-%m-%d",
    "month": "%Y-%m",
    "quarter": "%Y-%m",
    "year": "%Y",
    "decade": "%Y",
}


def number(value: float) -> str:
    """Four digits, at least all of a whole number below a million million: 1,234,567, 0.01235, 1.2e+15."""
    if value == int(value) and abs(value) < 1e12:
        return f"{int(value):,}"
    if 1e-4 <= abs(value) < 1e12:
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{value:.3g}"


def share(part: float, whole: float) -> str:
    """Percent: "12%", and "0.2%" where it is little."""
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return "less than 0.1%"
    if 0 < percent < 0.95 or 99 < percent < 100:
        return f"{min(percent, 99.9):.1f}%"
    return f"{percent:.0f}%"


def many(count: int, thing: str) -> str:
    """1 row, 2 rows."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def rows(numbers: Sequence[int], count: int) -> str:
    """Rows 5, 77 and 90; where there are more than are named: rows 5, 77, 90 and others."""
    named = [str(one) for one in sorted(numbers)]
    if count == 1:
        return f"row {named[0]}"
    return f"rows {', '.join(named)} and others" if count > len(named) else f"rows {listed(named)}"


def listed(words: Sequence[str]) -> str:
    """A, b and c."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def date(moment: datetime, unit: Unit = "day") -> str:
    """As exactly as the unit needs."""
    return moment.strftime(FORMATS[unit])
