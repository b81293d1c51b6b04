"""Plots as SVG, without a library: title and description tell what they show, and report.css has their colours."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import count

WIDTH, HEIGHT = 320, 150  # units of the drawing; the page scales it
TOP, BASE = 16, 130  # where the tallest bar ends and all bars stand
CHARACTERS = 34  # of a label that fits the width

_ids = count()


def upright(counts: Sequence[int], ends: tuple[str, str], *, title: str, description: str) -> str:
    """Bars side by side: a histogram, or counts over time. `ends` are written below the first and the last bar."""
    step, most = WIDTH / len(counts), max(counts, default=0) or 1
    gap = min(1.0, step / 5)
    bars = (
        f'<rect class="mark" x="{index * step:.2f}" y="{BASE - height:.2f}" '
        f'width="{step - gap:.2f}" height="{height:.2f}"/>'
        for index, count in enumerate(counts)
        if (height := (BASE - TOP) * count / most)
    )
    return _svg(HEIGHT, title, description, *bars, _axis(ends), _text(0, 10, f"{most:,}", "faint"))


def sideways(values: Sequence[tuple[str, int]], *, title: str, description: str) -> str:
    """Bars below one another, each under its label."""
    most, step = max((count for _, count in values), default=0) or 1, 32
    rows = (
        _text(0, y + 13, _cut(label, CHARACTERS))
        + _text(WIDTH, y + 13, f"{count:,}", "faint end")
        + f'<rect class="mark" x="0" y="{y + 18}" width="{max(1, WIDTH * count / most):.2f}" height="7"/>'
        for y, (label, count) in zip(range(0, step * len(values), step), values, strict=True)
    )
    return _svg(step * len(values), title, description, *rows)


def line(
    values: Sequence[float | None], ends: tuple[str, str], limits: tuple[str, str], *, title: str, description: str
) -> str:
    """A line over time that breaks where there is no value. `limits` are the highest and the lowest value in words."""
    known = [value for value in values if value is not None]
    low, high = min(known), max(known)
    scale = (BASE - TOP - 6) / (high - low) if high > low else 0
    step = WIDTH / max(1, len(values) - 1)
    moves, pen = [], "M"
    for index, value in enumerate(values):
        if value is not None:
            moves.append(
                f"{pen}{index * step:.2f} {BASE - 3 - (value - low) * scale:.2f}h0"
            )  # h0: a dot where it is alone
        pen = "M" if value is None else "L"
    path = f'<path class="line" d="{"".join(moves)}"/>'
    return _svg(HEIGHT, title, description, path, _axis(ends), _text(0, 10, f"{limits[1]} to {limits[0]}", "faint"))


def heat(names: Sequence[str], matrix: Sequence[Sequence[float | None]], *, title: str, description: str) -> str:
    """A square for each two columns, the stronger the more the two go together; the other colour if against."""
    left, top = 110, 14
    step = (WIDTH - left) / len(names)
    tall = min(step, 24.0)
    cells = (
        f'<rect class="{"with" if value > 0 else "against"}" fill-opacity="{abs(value):.2f}" x="{left + x * step:.2f}" '
        f'y="{top + y * tall:.2f}" width="{step - 1:.2f}" height="{tall - 1:.2f}">'
        f"<title>{escape(names[y])}, {escape(names[x])}: {value:.2f}</title></rect>"
        for y, row in enumerate(matrix)
        for x, value in enumerate(row)
        if value is not None
    )
    labels = (
        _text(0, top + (index + 0.5) * tall + 4, f"{index + 1} {_cut(name, 13)}") for index, name in enumerate(names)
    )
    heads = (_text(left + (index + 0.5) * step, 10, str(index + 1), "faint middle") for index in range(len(names)))
    return _svg(top + tall * len(names), title, description, *cells, *labels, *heads)


def _svg(height: float, title: str, description: str, *parts: str) -> str:
    title_id, description_id = f"plot-{next(_ids)}", f"plot-{next(_ids)}"
    labels = f'aria-labelledby="{title_id}" aria-describedby="{description_id}"'
    return (
        f'<svg class="plot" role="img" viewBox="0 0 {WIDTH} {height:.0f}" {labels}>'
        f'<title id="{title_id}">{escape(title)}</title><desc id="{description_id}">{escape(description)}</desc>'
        f"{''.join(parts)}</svg>"
    )


def _axis(ends: tuple[str, str]) -> str:
    return (
        f'<path class="axis" d="M0 {BASE + 0.5}H{WIDTH}"/>'
        + _text(0, HEIGHT - 5, ends[0], "faint")
        + _text(WIDTH, HEIGHT - 5, ends[1], "faint end")
    )


def _text(x: float, y: float, words: str, look: str = "") -> str:
    return f'<text class="{look}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'


def _cut(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"
