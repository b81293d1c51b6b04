"""What can be said about one column."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Literal

import polars as pl
from pydantic import BaseModel, Field

from tables.kinds import Kind, Typed

TOP = 10  # most frequent values told
EXAMPLES = 5  # rows told
SHOWN = 80  # characters of a value
BINS = 20
FENCE = 3.0  # times the middle half: beyond it a number is far out (Tukey); more where there are over 10,000 of them
MOST_PERIODS = 60  # in a chart
BETWEEN_WORDS = r"([\pL\d])[\s_-]+(\pL)|(\pL)[\s_-]+(\d)"
DAY = timedelta(days=1)
UNITS = {"hour": "1h", "day": "1d", "week": "1w", "month": "1mo", "quarter": "1q", "year": "1y", "decade": "10y"}
Unit = Literal["hour", "day", "week", "month", "quarter", "year", "decade"]


class Value(BaseModel):
    """A value and how often it stands there."""

    value: str
    count: int


class Bin(BaseModel):
    """How many numbers are at least `low` and less than `high`, or exactly that where both are the same."""

    low: float
    high: float
    count: int


class Outliers(BaseModel):
    """Numbers far from all others, the farthest first."""

    count: int
    low: float = Field(description="What is less is far out")
    high: float = Field(description="What is more is far out")
    rows: list[int] = Field(description="Numbered as a spreadsheet does: the header is row 1")
    values: list[float]


class Numbers(BaseModel):
    """How the numbers of a column are distributed."""

    minimum: float
    lower_quartile: float
    median: float
    upper_quartile: float
    maximum: float
    mean: float
    deviation: float = Field(description="Standard deviation")
    zeros: int
    negative: int
    bins: list[Bin] = Field(description="Without what is far out")
    outliers: Outliers | None


class Period(BaseModel):
    """How many rows fall into an hour, a day, a week …"""

    start: datetime
    count: int


class Gap(BaseModel):
    """Two dates that follow one another with nothing between."""

    after: datetime
    before: datetime
    days: float


class Dates(BaseModel):
    """When the dates of a column are."""

    earliest: datetime
    latest: datetime
    unit: Unit
    periods: list[Period] = Field(description="Those without rows, too")
    weekdays: list[int] = Field(description="Rows on Monday, Tuesday, ..., Sunday")
    gap: Gap | None = Field(description="The longest, if it is unusually long")


class Texts(BaseModel):
    """How long the texts of a column are."""

    shortest: int = Field(description="Characters")
    median: float
    longest: int
    longest_row: int
    words: float = Field(description="Median")


class Sentiment(BaseModel):
    """What the model says about the texts of a column."""

    backend: str
    texts: int = Field(description="So many were read, evenly spread over the file")
    labels: list[Value]


class Odd(BaseModel):
    """Values that do not fit the kind of the column: words among numbers."""

    count: int
    values: list[str]
    rows: list[int]


class Column(BaseModel):
    """One column: what every column has, and what its kind has."""

    name: str
    kind: Kind
    filled: int
    missing: int
    distinct: int
    note: str | None = None
    odd: Odd | None = None
    numbers: Numbers | None = None
    dates: Dates | None = None
    texts: Texts | None = None
    sentiment: Sentiment | None = None
    top: list[Value] = Field(default=[], description="The most frequent values")
    variants: list[list[str]] = Field(default=[], description="Values that differ only by case, spaces and hyphens")


def measure(name: str, typed: Typed, rows: int) -> Column:
    """All about a column, but for what a model says about its texts."""
    values = typed.values
    column = Column(
        name=name,
        kind=typed.kind,
        filled=typed.frame.height,
        missing=rows - typed.frame.height,
        distinct=values["value"].n_unique(),
        note=typed.note,
        odd=_odd(typed.odd),
    )
    match typed.kind:
        case "number":
            column.numbers = _numbers(values)
        case "date":
            column.dates = _dates(values)
        case "text":
            column.texts = _texts(values)
        case "category" | "yes or no":
            column.top = _top(values["text"])
            column.variants = _variants(values["text"])
    return column


def _odd(odd: pl.DataFrame) -> Odd | None:
    if odd.is_empty():
        return None
    first = odd.head(EXAMPLES)
    return Odd(count=odd.height, values=[_short(text) for text in first["text"]], rows=first["row"].to_list())


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"


def _numbers(values: pl.DataFrame) -> Numbers:
    value = pl.col("value")
    facts = values.select(
        minimum=value.min(),
        lower_quartile=value.quantile(0.25, "linear"),
        median=value.median(),
        upper_quartile=value.quantile(0.75, "linear"),
        maximum=value.max(),
        mean=value.mean(),
        deviation=value.std().fill_null(0),
        zeros=(value == 0).sum(),
        negative=(value < 0).sum(),
    ).row(0, named=True)
    outliers = _outliers(values, facts["lower_quartile"], facts["upper_quartile"])
    near = values if outliers is None else values.filter(value.is_between(outliers.low, outliers.high))
    return Numbers(**facts, bins=_bins(near["value"]), outliers=outliers)


def _outliers(values: pl.DataFrame, low: float, high: float) -> Outliers | None:
    """Where half of the numbers are the same, nothing is told: the fences would stand too close."""
    fence = FENCE * max(1, math.log10(values.height) / 4) * (high - low)
    least, most = low - fence, high + fence
    value = pl.col("value")
    far = values.filter((value < least) | (value > most))
    if high == low or far.is_empty() or far.height > _few(values.height):
        return None
    farthest = far.sort(pl.max_horizontal(least - value, value - most), descending=True).head(EXAMPLES)
    return Outliers(
        count=far.height, low=least, high=most, rows=farthest["row"].to_list(), values=farthest["value"].to_list()
    )


def _few(count: int) -> float:
    """If more of the values are far out, then it is their distribution that is wide."""
    return max(1, min(count / 100, 20 + count / 1000))


def _bins(value: pl.Series) -> list[Bin]:
    """Bins whose borders are round numbers; where there are few whole numbers, one for each."""
    number = pl.col(value.name)
    low, high, whole = (
        value.to_frame().select(low=number.min(), high=number.max(), whole=(number % 1 == 0).all()).row(0)
    )
    single = whole and high - low < BINS
    width = 1.0 if single else _round_step((high - low) / BINS, least=1.0 if whole else 0.0)
    start = math.floor(low / width) * width
    last = int(high - start) if single else max(math.ceil((high - start) / width) - 1, 0)
    index = ((value - start) / width).floor().clip(0, last).cast(pl.Int32)
    counts = dict(index.value_counts().iter_rows())
    return [
        Bin(low=_tidy(start + i * width), high=_tidy(start + (i + (not single)) * width), count=counts.get(i, 0))
        for i in range(last + 1)
    ]


def _round_step(width: float, least: float) -> float:
    """The smallest of ..., 0.1, 0.2, 0.5, 1, 2, 5, 10, ... that is not less."""
    if width < 1e-290:  # all the same
        return 1.0
    power = 10.0 ** math.floor(math.log10(width))
    return max(least, next(power * factor for factor in (1, 2, 5, 10) if power * factor >= 0.999999 * width))


def _tidy(number: float) -> float:
    """0.3 for 0.30000000000000004."""
    return float(f"{number:.12g}")


def _dates(values: pl.DataFrame) -> Dates:
    value = pl.col("value")
    earliest, latest, with_time = values.select(
        earliest=value.min(), latest=value.max(), with_time=(value.dt.truncate("1d") != value).any()
    ).row(0)
    unit = _unit((latest - earliest) / DAY, with_time=with_time)
    weekdays = dict(values["value"].dt.weekday().value_counts().iter_rows())
    return Dates(
        earliest=earliest,
        latest=latest,
        unit=unit,
        periods=_periods(values, unit),
        weekdays=[weekdays.get(day, 0) for day in range(1, 8)],
        gap=_gap(values["value"]),
    )


def _unit(days: float, *, with_time: bool) -> Unit:
    """The shortest that makes no more periods than a chart shows."""
    lengths: dict[Unit, float] = {"hour": 1 / 24, "day": 1, "week": 7, "month": 30.4, "quarter": 91.3, "year": 365.2}
    fitting = (unit for unit, length in lengths.items() if days / length <= MOST_PERIODS and (with_time or length >= 1))
    return next(fitting, "decade")


def _periods(values: pl.DataFrame, unit: Unit) -> list[Period]:
    counts = (
        values.group_by(start=pl.col("value").dt.truncate(UNITS[unit]))
        .agg(count=pl.len())
        .sort("start")
        .upsample("start", every=UNITS[unit])
        .with_columns(pl.col("count").fill_null(0))
    )
    return [Period.model_validate(row) for row in counts.iter_rows(named=True)]


def _gap(value: pl.Series) -> Gap | None:
    """The longest time between two dates, if it is much longer than usual and than a long weekend."""
    steps = (
        value.unique()
        .sort()
        .to_frame("before")
        .with_columns(after=pl.col("before").shift())
        .with_columns(days=(pl.col("before") - pl.col("after")) / DAY)
        .drop_nulls()
    )
    if steps.height < 10:
        return None
    usual, long = steps.select(usual=pl.col("days").median(), long=pl.col("days").quantile(0.95)).row(0)
    longest = Gap.model_validate(steps.sort("days", descending=True).row(0, named=True))
    return longest if longest.days >= max(5 * usual, 3 * long, 5) else None  # by chance, some are twice as long


def _texts(values: pl.DataFrame) -> Texts:
    length = pl.col("text").str.len_chars()
    facts = values.select(
        shortest=length.min(),
        median=length.median(),
        longest=length.max(),
        longest_row=pl.col("row").get(length.arg_max()),
        words=pl.col("text").str.count_matches(r"\S+").median(),
    )
    return Texts(**facts.row(0, named=True))


def _top(text: pl.Series) -> list[Value]:
    """Of many values that all stand there once, none."""
    counts = text.value_counts(name="count").sort("count", text.name, descending=[True, False])
    if counts.height > TOP and counts["count"][0] == 1:
        return []
    return [Value(value=_short(value), count=count) for value, count in counts.head(TOP).iter_rows()]


def _variants(text: pl.Series) -> list[list[str]]:
    """Up to five groups, what is frequent first. A- and A are two things, and so are 1-2 and 12."""
    counts = text.value_counts(name="count").head(100_000)
    same = pl.col(text.name).str.to_lowercase().str.replace_all(BETWEEN_WORDS, "$1$2$3$4").alias("same")
    groups = (
        counts.sort("count", text.name, descending=[True, False])
        .group_by(same, maintain_order=True)
        .agg(pl.col(text.name))
        .filter(pl.col(text.name).list.len() > 1)
        .head(EXAMPLES)
    )
    return [[_short(value) for value in group[:EXAMPLES]] for group in groups[text.name].to_list()]
