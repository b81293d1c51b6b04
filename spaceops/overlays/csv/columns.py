"""What can be said about one column."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, Field

from kinds import Kind, Typed

TOP = 10  # most frequent values told
EXAMPLES = 5  # rows told
SHOWN = 80  # characters of a value
BINS = 20
FENCE = 3.0  # times the middle half: beyond it a number is far out (Tukey); more where there are over 10,000 of them
MOST_PERIODS = 60  # in a chart
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
    top: list[Value] = Field([], description="The most frequent values")
    variants: list[list[str]] = Field([], description="Values that differ only by case and spaces")


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
            column.dates = _dates(values["value"])
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
    value = values["value"]
    low, middle, high = (value.quantile(q, interpolation="linear") for q in (0.25, 0.5, 0.75))
    outliers = _outliers(values, low, high)
    return Numbers(
        minimum=value.min(),
        lower_quartile=low,
        median=middle,
        upper_quartile=high,
        maximum=value.max(),
        mean=value.mean(),
        deviation=value.std() or 0.0,
        zeros=(value == 0).sum(),
        negative=(value < 0).sum(),
        bins=_bins(value if outliers is None else value.filter(value.is_between(outliers.low, outliers.high))),
        outliers=outliers,
    )


def _outliers(values: pl.DataFrame, low: float, high: float) -> Outliers | None:
    """Where a quarter of the numbers are equal to the median, nothing is told: the fences would stand too close."""
    fence = FENCE * max(1, math.log10(values.height) / 4) * (high - low)
    least, most = low - fence, high + fence
    value = pl.col("value")
    far = values.filter((value < least) | (value > most))
    if high == low or far.is_empty() or far.height > _few(values.height):
        return None
    farthest = far.sort(pl.max_horizontal(least - value, value - most), descending=True).head(EXAMPLES)
    return Outliers(
        count=far.height,
        low=least,
        high=most,
        rows=farthest["row"].to_list(),
        values=farthest["value"].to_list(),
    )


def _few(count: int) -> float:
    """If more of the values are far out, then it is their distribution that is wide."""
    return max(1, min(count / 100, 20 + count / 1000))


def _bins(value: pl.Series) -> list[Bin]:
    """Bins whose borders are round numbers; where there are few whole numbers, one for each. The last has its end."""
    low, high = value.min(), value.max()
    whole = (value % 1 == 0).all()
    single = whole and high - low < BINS
    width = 1.0 if single else _round_step((high - low) / BINS, least=1.0 if whole else 0.0)
    first = math.floor(low / width)
    last = first if high == low else math.floor(high) if single else math.ceil(high / width) - 1
    index = (value / width).floor().clip(first, last).cast(pl.Int64)
    counts = dict(index.value_counts().iter_rows())
    return [
        Bin(low=_tidy(i * width), high=_tidy((i + (not single)) * width), count=counts.get(i, 0))
        for i in range(first, last + 1)
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


def _dates(value: pl.Series) -> Dates:
    earliest, latest = value.min(), value.max()
    unit = _unit(latest - earliest, value)
    weekdays = dict(value.dt.weekday().value_counts().iter_rows())
    return Dates(
        earliest=earliest,
        latest=latest,
        unit=unit,
        periods=_periods(value, unit),
        weekdays=[weekdays.get(day, 0) for day in range(1, 8)],
        gap=_gap(value),
    )


def _unit(span: timedelta, value: pl.Series) -> Unit:
    """The shortest that makes no more periods than a chart shows."""
    days = span / timedelta(days=1)
    with_time = (value.dt.truncate("1d") != value).any()
    lengths: dict[Unit, float] = {"hour": 1 / 24, "day": 1, "week": 7, "month": 30.4, "quarter": 91.3, "year": 365.2}
    fitting = (unit for unit, length in lengths.items() if days / length <= MOST_PERIODS and (with_time or length >= 1))
    return next(fitting, "decade")


def _periods(value: pl.Series, unit: Unit) -> list[Period]:
    every = UNITS[unit]
    starts = value.dt.truncate(every)
    counts: dict[datetime, int] = dict(starts.value_counts().iter_rows())
    between = pl.datetime_range(starts.min(), starts.max(), every, eager=True)
    return [Period(start=start, count=counts.get(start, 0)) for start in between]


def _gap(value: pl.Series) -> Gap | None:
    """The longest time between two dates, if it is five times as long as usual and more than a long weekend."""
    moments = value.unique().sort()
    steps = moments.diff().drop_nulls()
    if steps.len() < 10 or steps.max() < max(5 * steps.median(), timedelta(days=5)):
        return None
    at = steps.arg_max()
    return Gap(after=moments[at], before=moments[at + 1], days=steps[at] / timedelta(days=1))


def _texts(values: pl.DataFrame) -> Texts:
    lengths = values["text"].str.len_chars()
    at: Any = lengths.arg_max()
    return Texts(
        shortest=lengths.min(),
        median=lengths.median(),
        longest=lengths[at],
        longest_row=values["row"][at],
        words=(values["text"].str.count_matches(r"\S+")).median(),
    )


def _top(text: pl.Series) -> list[Value]:
    counts = text.value_counts(name="count").sort("count", text.name, descending=[True, False]).head(TOP)
    return [Value(value=_short(value), count=count) for value, count in counts.iter_rows()]


def _variants(text: pl.Series) -> list[list[str]]:
    """Up to five groups, what is frequent first."""
    counts = text.value_counts(name="count").head(100_000)
    same = pl.col(text.name).str.to_lowercase().str.replace_all(r"[\s_-]+", "").alias("same")
    groups = (
        counts.sort("count", text.name, descending=[True, False])
        .group_by(same, maintain_order=True)
        .agg(pl.col(text.name))
        .filter(pl.col(text.name).list.len() > 1)
        .head(EXAMPLES)
    )
    return [[_short(value) for value in group[:EXAMPLES]] for group in groups[text.name].to_list()]
