"""Sentences that say what stands out in a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Literal

from pydantic import BaseModel, Field

from tables.columns import Column
from tables.kinds import Kind
from tables.relations import Groups, Relations, Series
from tables.wording import date, listed, many, number, rows, share

MOST = 15
STRONG = 0.7  # correlation
TREND = 0.8
CROWD = 0.5  # of weight, that each insight about the same loses against the one before it


class Insight(BaseModel):
    """Something that stands out."""

    about: Literal["quality", "value", "relation", "time", "text"]
    text: str
    columns: list[str]
    rows: list[int] = Field(default=[], description="Numbered as a spreadsheet does: the header is row 1")
    weight: float = Field(default=0, exclude=True)  # what is told first


def insights(
    columns: Sequence[Column], relations: Relations, *, total: int, duplicates: int, first: Sequence[int]
) -> list[Insight]:
    """What stands out most, the most important first."""
    kinds = {column.name: column.kind for column in columns}
    found = [
        *_duplicates(duplicates, first, total),
        *(insight for column in columns for insight in _of_column(column, total)),
        *_correlated(relations),
        *(_differing(groups, kinds[groups.number]) for groups in relations.groups if groups.explained >= 0.25),
        *(_trending(series) for series in relations.series if series.trend and abs(series.trend) >= TREND),
    ]
    return _mixed(found)[:MOST]


def _mixed(found: Sequence[Insight]) -> list[Insight]:
    """The most important first, but much about the same does not crowd out all else."""
    told: Counter[str] = Counter()
    order = []
    for insight in sorted(found, key=lambda insight: -insight.weight):
        order.append((CROWD * told[insight.about] - insight.weight, insight))
        told[insight.about] += 1
    return [insight for _, insight in sorted(order, key=lambda one: one[0])]


def _duplicates(count: int, first: Sequence[int], total: int) -> Iterator[Insight]:
    if 0 < count < total / 2:  # a table of few categories repeats itself by nature
        verb = "repeats an earlier row" if count == 1 else "repeat earlier rows"
        text = f"{many(count, 'row')} ({share(count, total)}) {verb}: {rows(first, count)}."
        yield Insight(about="quality", text=text, columns=[], rows=list(first), weight=9)


def _of_column(column: Column, total: int) -> Iterator[Insight]:
    yield from _quality(column, total)
    if column.numbers:
        yield from _far_out(column)
        yield from _skewed(column)
    if column.dates:
        yield from _timing(column)
    if column.sentiment:
        yield from _mood(column)
    yield from _lopsided(column)


def _quality(column: Column, total: int) -> Iterator[Insight]:
    name = f"“{column.name}”"

    def quality(text: str, weight: float, found_in: Sequence[int] = ()) -> Insight:
        return Insight(about="quality", text=text, columns=[column.name], rows=list(found_in), weight=weight)

    if column.kind == "empty":
        yield quality(f"{name} is empty.", 6)
    elif column.distinct == 1 and column.filled > 1 and not column.missing and not column.odd:
        yield quality(f"{name} is the same in every row.", 6)
    elif column.missing >= total / 20:
        yield quality(
            f"{name} is missing in {share(column.missing, total)} of the rows.", 4 + 3 * column.missing / total
        )
    if column.kind == "identifier" and (again := column.filled - column.distinct):
        yield quality(
            f"{name} looks like a key, but {many(again, 'row')} {'repeats one' if again == 1 else 'repeat some'}.", 7
        )
    if column.note:
        yield quality(f"{name}: {column.note}", 7)
    if odd := column.odd:
        what = {"number": "no number", "date": "no date"}.get(column.kind, "neither yes nor no")
        values = listed([f"“{value}”" for value in odd.values[:3]])
        text = (
            f"{name} has {many(odd.count, 'value')} that {'is' if odd.count == 1 else 'are'} {what}, such as {values}"
        )
        yield quality(f"{text}: {rows(odd.rows, odd.count)}.", 8, odd.rows)
    if column.variants:
        spellings = listed([f"“{value}”" for value in column.variants[0]])
        yield quality(f"{name} spells one thing in several ways: {spellings}.", 7)


def _far_out(column: Column) -> Iterator[Insight]:
    numbers = column.numbers
    if numbers is None or numbers.outliers is None:
        return
    far = numbers.outliers
    least = min(far.values, key=abs)
    if far.count <= len(far.values) and min(far.values) >= 2 * numbers.median > 0:
        how = f"{'at least ' if far.count > 1 else ''}{number(round(least / numbers.median, 1))} times the median"
    else:
        how = f"far from the rest, which is between {number(numbers.bins[0].low)} and {number(numbers.bins[-1].high)}"
    text = f"“{column.name}” has {many(far.count, 'value')} {how}: {rows(far.rows, far.count)}."
    yield Insight(about="value", text=text, columns=[column.name], rows=far.rows, weight=8)


def _skewed(column: Column) -> Iterator[Insight]:
    numbers = column.numbers
    if numbers and numbers.minimum >= 0 and numbers.mean > 2 * numbers.median > 0 and numbers.outliers is None:
        text = (
            f"A few high values of “{column.name}” pull its mean ({number(numbers.mean)}) "
            f"far above its median ({number(numbers.median)})."
        )
        yield Insight(about="value", text=text, columns=[column.name], weight=4)


def _timing(column: Column) -> Iterator[Insight]:
    dates = column.dates
    if dates is None:
        return
    if gap := dates.gap:
        text = f"“{column.name}” has a gap of {gap.days:.0f} days, between {date(gap.after)} and {date(gap.before)}."
        yield Insight(about="time", text=text, columns=[column.name], weight=6)
    weekend, week = sum(dates.weekdays[5:]), sum(dates.weekdays)
    if week >= 50 and (dates.latest - dates.earliest).days > 21 and weekend < 0.02 * week:
        text = f"“{column.name}” is hardly ever on a weekend." if weekend else f"“{column.name}” is never on a weekend."
        yield Insight(about="time", text=text, columns=[column.name], weight=3)


def _mood(column: Column) -> Iterator[Insight]:
    mood = column.sentiment
    if mood is None or not mood.labels:
        return
    top = mood.labels[0]
    if top.value.lower() == "neutral":  # as are all texts in a language that the model does not know
        return
    text = (
        f"{share(top.count, mood.texts)} of the texts in “{column.name}” are {top.value.lower()}, says {mood.backend}."
    )
    yield Insight(about="text", text=text, columns=[column.name], weight=5)


def _lopsided(column: Column) -> Iterator[Insight]:
    if column.top and column.distinct > 1 and column.top[0].count >= 0.9 * column.filled >= 18:
        top = column.top[0]
        text = f"“{column.name}” is “{top.value}” in {share(top.count, column.filled)} of the rows that have it."
        yield Insight(about="value", text=text, columns=[column.name], weight=4)


def _correlated(relations: Relations) -> Iterator[Insight]:
    if relations.correlations is None:
        return
    names, matrix = relations.correlations.columns, relations.correlations.matrix
    for (i, a), (j, b) in combinations(enumerate(names), 2):
        found = matrix[i][j]
        if found is not None and abs(found) >= STRONG:
            verb = "falls" if found < 0 else "rises"
            text = f"Where “{a}” is higher, “{b}” {verb} (rank correlation {found:.2f})."
            yield Insight(about="relation", text=text, columns=[a, b], weight=4 + abs(found))


def _differing(groups: Groups, kind: Kind) -> Insight:
    high, low = groups.groups[0], groups.groups[-1]
    text = f"“{groups.number}” differs by “{groups.category}”: "
    if kind == "yes or no":
        text += f"{share(high.mean, 1)} are yes for “{high.value}” and {share(low.mean, 1)} for “{low.value}”."
    else:
        ends = [number(getattr(group, groups.by)) for group in (high, low)]
        text += f"its {groups.by} is {ends[0]} for “{high.value}” and {ends[1]} for “{low.value}”."
    return Insight(about="relation", text=text, columns=[groups.category, groups.number], weight=5 + groups.explained)


def _trending(series: Series) -> Insight:
    known = [point for point in series.points if point.mean is not None]
    quarter = max(1, len(known) // 4)
    begin, end = (sum(point.mean or 0 for point in some) / len(some) for some in (known[:quarter], known[-quarter:]))
    text = (
        f"“{series.number}” {'rises' if end > begin else 'falls'} over time: its mean was {number(begin)} "
        f"in the first quarter of the time and is {number(end)} in the last."
    )
    return Insight(about="time", text=text, columns=[series.date, series.number], weight=5.5)
