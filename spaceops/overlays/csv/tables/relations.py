"""What columns have to do with one another, told from a sample of the rows that is spread evenly over the file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import combinations, islice
from typing import Literal

import polars as pl
from pydantic import BaseModel, Field

from tables.columns import UNITS, Column, Unit

ROWS = 50_000
MOST = 30  # columns of numbers
FEW_GROUPS = 12
SHOWN = 6  # pairs of category and number, and lines over time
NOTABLE = 0.1  # of the differences in rank
ENOUGH = 10  # rows that have both values, or are in a group

Correlation = float | None  # none where too few rows have both values, or one never changes


class Correlations(BaseModel):
    """Spearman's rank correlation of each two columns of numbers, -1 to 1; no straight line is assumed."""

    columns: list[str]
    matrix: list[list[Correlation]]


class Group(BaseModel):
    """The numbers of those rows that have one value of the category."""

    value: str
    rows: int
    median: float
    mean: float


class Groups(BaseModel):
    """A number that differs between the values of a category."""

    category: str
    number: str
    explained: float = Field(description="How much of the differences in rank the category accounts for, 0 to 1")
    by: Literal["median", "mean"] = Field(
        description="Which tells more: of two values, or equal medians, it is the mean"
    )
    groups: list[Group] = Field(description="The highest first")


class Point(BaseModel):
    """The mean of a number in an hour, a day, a week …; none where there are no rows."""

    start: datetime
    mean: float | None


class Series(BaseModel):
    """A number over time."""

    date: str
    number: str
    unit: Unit
    points: list[Point]
    trend: Correlation = Field(description="Rank correlation of the mean with the time")


class Relations(BaseModel):
    """All of it."""

    rows: int = Field(description="In the sample")
    correlations: Correlations | None
    groups: list[Groups]
    series: list[Series]


class Sample:
    """Some rows of those columns that can be related, gathered while the columns are measured."""

    def __init__(self, rows: pl.Series) -> None:
        self._frame = rows.gather_every(max(1, -(-rows.len() // ROWS))).to_frame("row")
        # By keys, for polars takes a column called "*" or "^a$" for several.
        self._numbers: dict[str, str] = {}
        self._categories: dict[str, str] = {}
        self._dates: dict[str, tuple[str, Unit]] = {}

    def add(self, column: Column, values: pl.DataFrame) -> None:
        """Take the column if it is of use."""
        key = str(self._frame.width)
        if column.kind in ("number", "yes or no") and column.distinct > 1 and len(self._numbers) < MOST:
            self._numbers[key] = column.name
        elif column.kind == "category" and 1 < column.distinct <= FEW_GROUPS and len(self._categories) < MOST:
            self._categories[key] = column.name
        elif column.dates and not self._dates:
            self._dates[key] = column.name, column.dates.unit
        else:
            return
        values = values.select("row", pl.col("value").alias(key))
        self._frame = self._frame.join(values, on="row", how="left", maintain_order="left")

    def relations(self) -> Relations:
        """Relate everything to everything."""
        ranks = self._frame.select(pl.col(key).rank() for key in self._numbers)
        return Relations(
            rows=self._frame.height,
            correlations=_correlations(ranks, list(self._numbers.values())),
            groups=self._groups(ranks),
            series=list(self._series()),
        )

    def _groups(self, ranks: pl.DataFrame) -> list[Groups]:
        explained = {
            (category, number): _explained(self._frame[category], ranks[number])
            for category in self._categories
            for number in self._numbers
        }
        most = sorted(explained, key=lambda pair: explained[pair], reverse=True)[:SHOWN]
        return [self._groups_of(*pair, explained[pair]) for pair in most if explained[pair] >= NOTABLE]

    def _groups_of(self, category: str, number: str, explained: float) -> Groups:
        groups = _groups_of(self._frame, category, number)
        by_mean = self._frame[number].drop_nulls().n_unique() == 2 or groups[0].median == groups[-1].median
        return Groups(
            category=self._categories[category],
            number=self._numbers[number],
            explained=explained,
            by="mean" if by_mean else "median",
            groups=groups,
        )

    def _series(self) -> Iterator[Series]:
        for key, (date, unit) in self._dates.items():
            for number, name in islice(self._numbers.items(), SHOWN):
                points = _points(self._frame, key, number, unit)
                means = pl.Series([point.mean for point in points], dtype=pl.Float64)
                if means.count() > 2:
                    yield Series(date=date, number=name, unit=unit, points=points, trend=_trend(means))


def _correlations(ranks: pl.DataFrame, names: list[str]) -> Correlations | None:
    if len(names) < 2:
        return None
    known = {(a, b): _correlation(ranks.select(a, b)) for a, b in combinations(ranks.columns, 2)}
    matrix = [[1.0 if a == b else known.get((a, b), known.get((b, a))) for b in ranks.columns] for a in ranks.columns]
    return Correlations(columns=names, matrix=matrix)


def _correlation(ranks: pl.DataFrame) -> Correlation:
    """Pearson's of the rows that have both; they are ranked again, for their ranks among all rows may lie far apart."""
    both = ranks.drop_nulls()
    if both.height < ENOUGH:
        return None
    both = both.select(pl.all().rank()) if both.height < ranks.height else both
    return _finite(both.select(pl.corr(*both.columns)).item())


def _finite(value: float | None) -> Correlation:
    """NaN, where one of the two never changes, is none."""
    return None if value is None or value != value else round(value, 3)


def _explained(category: pl.Series, rank: pl.Series) -> float:
    """Eta squared of the ranks; groups of few rows do not count."""
    frame = pl.DataFrame({"group": category, "rank": rank}).drop_nulls().filter(pl.len().over("group") >= ENOUGH)
    groups, total, within = frame.select(
        groups=pl.col("group").n_unique(),
        total=pl.col("rank").var(),
        within=(pl.col("rank") - pl.col("rank").mean().over("group")).var(),
    ).row(0)
    return round(1 - within / total, 3) if groups > 1 and total else 0.0


def _groups_of(frame: pl.DataFrame, category: str, number: str) -> list[Group]:
    medians = (
        frame.select(value=category, number=number)
        .drop_nulls()
        .group_by("value")
        .agg(rows=pl.len(), median=pl.col("number").median(), mean=pl.col("number").mean())
        .filter(pl.col("rows") >= ENOUGH)
        .sort("median", "mean", "value", descending=[True, True, False])
    )
    return [Group.model_validate(row) for row in medians.iter_rows(named=True)]


def _points(frame: pl.DataFrame, date: str, number: str, unit: Unit) -> list[Point]:
    means = (
        frame.select(start=pl.col(date).dt.truncate(UNITS[unit]), number=number)
        .drop_nulls("start")
        .group_by("start")
        .agg(mean=pl.col("number").mean())
        .sort("start")
        .upsample("start", every=UNITS[unit])
    )
    return [Point.model_validate(row) for row in means.iter_rows(named=True)]


def _trend(means: pl.Series) -> Correlation:
    frame = pl.DataFrame({"time": range(means.len()), "mean": means}).drop_nulls()
    return _finite(frame.select(pl.corr("time", "mean", method="spearman")).item()) if frame.height >= ENOUGH else None
