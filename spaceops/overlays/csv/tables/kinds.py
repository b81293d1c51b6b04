"""What the texts of a column stand for: numbers, dates, yes or no, identifiers, categories, or just text."""

from __future__ import annotations

from typing import Literal, NamedTuple

import polars as pl

Kind = Literal["number", "date", "yes or no", "category", "text", "identifier", "empty"]

MOST = 0.95  # of the values have to be numbers for a column of numbers; the others are told
START, LIKELY = 200, 0.8  # of so many first values so many have to look like it, before all are tried
MISSING = (
    *("", "na", "n/a", "n.a.", "#n/a", "<na>", "nan", "nat", "null", "(null)", "none", "nil", "\\n", "(blank)"),
    *("-", "--", "\N{EN DASH}", "\N{EM DASH}", "?", "."),
)
YES_OR_NO = (
    "true false",
    "yes no",
    "y n",
    "t f",
    "on off",
    "ja nein",
    "j n",
    "wahr falsch",
    "oui non",
    "vrai faux",
    "sí no",
)

POINT = r"^[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d*)?(?:[eE][-+]?\d+)?$"
COMMA = r"^[-+]?(?:\d{1,3}(?:[. '\u00a0\u202f]\d{3})+|\d+)?(?:,\d*)?$"
UNIQUE = 0.95  # of the values of an identifier stand there once, or it is none
CODE = r"^0\d+$|^\d{16,}$"  # a postcode or an account: a number would lose its zeros or its last digits
BARE = (  # without a sign for money or percent
    pl.col("text")
    .str.replace("\N{MINUS SIGN}", "-", literal=True)
    .str.replace(r"^(\p{Sc}?) ?\((.+)\)$", "-$1$2")  # as accountants write what is owed
    .str.replace(r"^([-+]?) ?\p{Sc} ?", "$1")
    .str.replace(r"\s?[%\p{Sc}]$", "")
    .alias("bare")
)
CLOCK = r"^\d{1,2}:\d\d"
HUGE = 1e150  # a square of what is smaller is still a number

YEARS = (1500, 2500)  # others are slips, or stand for "never"
DATES = {  # what a date looks like, and how it is read; words are cut to "2 Jan 2024" before
    r"^\d{4}-\d{1,2}-\d{1,2}$": ("%Y-%m-%d",),
    r"^\d{4}/\d{1,2}/\d{1,2}$": ("%Y/%m/%d",),
    r"^(?:19|20)\d\d(?:0[1-9]|1[0-2])[0-3]\d$": ("%Y%m%d",),
    r"^\d{1,2}\.\d{1,2}\.\d{4}$": ("%d.%m.%Y",),
    r"^\d{1,2}\.\d{1,2}\.\d{2}$": ("%d.%m.%y",),
    r"^\d{1,2}/\d{1,2}/\d{4}$": ("%d/%m/%Y", "%m/%d/%Y"),
    r"^\d{1,2}/\d{1,2}/\d{2}$": ("%d/%m/%y", "%m/%d/%y"),
    r"^\d{1,2}-\d{1,2}-\d{4}$": ("%d-%m-%Y", "%m-%d-%Y"),
    r"^\d{1,2} [A-Za-z]{3} \d{4}$": ("%d %b %Y",),
    r"^\d{1,2} [A-Za-z]{3} \d{2}$": ("%d %b %y",),
    r"^[A-Za-z]{3} \d{1,2} \d{4}$": ("%b %d %Y",),
}
TIME = r"[T ]([01]?\d|2[0-4]):([0-5]\d)(?::\d{2})?(?:[.,]\d+)? ?([AaPp][Mm])?(?:Z| ?UTC| ?[-+]\d\d:?\d\d)?$"
DAY = (  # without the time
    pl.col("text")
    .str.replace(TIME, "")
    .str.replace(r"^(\d{4}-\d\d)$", "$1-01")
    .str.replace(r"([A-Za-z]{3})[a-z]*\.?", "$1")
    .str.replace_all(r"[, ]+", " ")
    .str.replace(r"^(\d{1,2})-([A-Za-z]{3})-", "$1 $2 ")
    .str.replace(r"^([A-Za-z]{3})(?: (\d{4})|-((?:\d\d){1,2}))$", "1 $1 $2$3")  # a month
    .alias("day")
)


class Typed(NamedTuple):
    """The values of a column: `row`, `text` as it was read, and `value`, null where the text does not fit the kind."""

    kind: Kind
    frame: pl.DataFrame
    note: str | None = None

    @property
    def values(self) -> pl.DataFrame:
        """What fits the kind."""
        return self.frame.filter(pl.col("value").is_not_null())

    @property
    def odd(self) -> pl.DataFrame:
        """What does not, though it is not missing either."""
        return self.frame.filter(pl.col("value").is_null())


def typed(cells: pl.DataFrame, *, separator: str) -> Typed:
    """Find out the kind and convert. `cells` has `row` and `text`; missing values are left out of what comes back."""
    filled = cells.with_columns(pl.col("text").str.strip_chars()).filter(
        ~pl.col("text").str.to_lowercase().is_in(MISSING)
    )
    if filled.is_empty():
        return Typed("empty", filled.with_columns(value=pl.lit(None, pl.String)))
    return _yes_or_no(filled) or _dates(filled) or _numbers(filled, separator) or _words(filled)


def _enough(frame: pl.DataFrame) -> bool:
    return frame["value"].count() >= MOST * frame.height


def _yes_or_no(filled: pl.DataFrame) -> Typed | None:
    lower = pl.col("text").str.to_lowercase()
    start = set(filled.head(START).select(lower).to_series())
    for yes, no in map(str.split, YES_OR_NO):
        if start <= {yes, no}:
            frame = filled.with_columns(value=pl.when(lower == yes).then(1.0).when(lower == no).then(0.0))
            return Typed("yes or no", frame) if _enough(frame) else None
    return None


def _numbers(filled: pl.DataFrame, separator: str) -> Typed | None:
    start = filled.head(START).select(BARE)
    if max(_share(start, POINT), _share(start, COMMA)) < LIKELY:
        return None
    filled = filled.with_columns(BARE)
    if filled["bare"].str.contains(CODE).any():
        return None
    point, comma = _share(filled, POINT), _share(filled, COMMA)
    # "1,234" is either; where semicolons part the cells, commas were needed for something else
    with_comma = comma > point or (comma == point and separator == ";" and filled["bare"].str.contains(",").any())
    style, group = (COMMA, r"[. '\u00a0\u202f]") if with_comma else (POINT, ",")
    plain = pl.col("bare").str.replace_all(group, "").str.replace(",", ".", literal=True)
    value = pl.when(pl.col("bare").str.contains(style)).then(plain.cast(pl.Float64, strict=False))
    frame = filled.with_columns(value=value).with_columns(
        pl.when(pl.col("value").abs() < HUGE).then("value").alias("value")
    )
    return Typed(_kind_of_numbers(frame), frame.drop("bare")) if _enough(frame) else None


def _share(frame: pl.DataFrame, look: str) -> float:
    """How many of the bare numbers, 0 to 1, look as the pattern says."""
    share: float = frame.select(pl.col("bare").str.contains(look).mean()).item()
    return share


def _kind_of_numbers(frame: pl.DataFrame) -> Kind:
    """Numbers that count the rows, but for a few slips, are identifiers; years are not."""
    value = pl.col("value").drop_nulls()
    count, distinct, low, high, whole = frame.select(
        count=value.len(), distinct=value.n_unique(), low=value.min(), high=value.max(), whole=(value % 1 == 0).all()
    ).row(0)
    counting = whole and count > 9 and distinct > UNIQUE * count and high - low + 1 < 1.2 * count
    return "identifier" if counting and not (low > 1800 and high < 2200) else "number"


def _dates(filled: pl.DataFrame) -> Typed | None:
    """Dates may be written in several ways, as in a table that was put together from others."""
    start = filled.head(START).select(DAY)
    looks = [look for look in DATES if start["day"].str.contains(look).any()]
    if not looks or start["day"].str.contains("|".join(looks)).mean() < LIKELY:
        return None
    days = filled.with_columns(DAY)
    forms = {
        look: max(DATES[look], key=lambda form: days["day"].str.to_date(form, strict=False).count()) for look in looks
    }
    frame = days.with_columns(value=pl.coalesce(_moment(look, form) for look, form in forms.items()))
    if not _enough(frame):
        return None
    notes = [_in_several_ways(frame, looks), *(_either_way(days["day"], DATES[look]) for look in looks)]
    return Typed("date", frame.drop("day"), " ".join(filter(None, notes)) or None)


def _moment(look: str, form: str) -> pl.Expr:
    """The day, and the time of day where there is one, to the minute, as it was written: without a time zone."""
    hour, minute, half = (pl.col("text").str.extract(TIME, group) for group in (1, 2, 3))
    hours = hour.cast(pl.Int64).fill_null(0)
    hours = (
        pl.when(half.is_null()).then(hours).otherwise(hours % 12 + 12 * half.str.to_lowercase().eq("pm").cast(pl.Int64))
    )
    day = pl.col("day").str.to_date(form, strict=False)
    day = pl.when(pl.col("day").str.contains(look) & day.dt.year().is_between(*YEARS)).then(day)
    return day.cast(pl.Datetime("us")) + pl.duration(hours=hours, minutes=minute.cast(pl.Int64).fill_null(0))


def _in_several_ways(days: pl.DataFrame, looks: list[str]) -> str | None:
    """What to tell where more than one look is there."""
    if len(looks) == 1:
        return None
    firsts = (days.filter(pl.col("day").str.contains(look))["text"][0] for look in looks)
    return f"Dates are written in several ways: {', '.join(f'“{text}”' for text in firsts)}."


def _either_way(days: pl.Series, formats: tuple[str, ...]) -> str | None:
    """What to tell where no day is above 12."""
    if len(formats) == 2 and len({days.str.to_date(form, strict=False).count() for form in formats}) == 1:
        return "The days are read as day, month, year; month, day, year would fit as well."
    return None


def _words(filled: pl.DataFrame) -> Typed:
    text = pl.col("text")
    count, distinct, spaces, length, with_digit, clock = filled.select(
        count=text.len(),
        distinct=text.n_unique(),
        spaces=text.str.count_matches(r"\s").mean(),
        length=text.str.len_chars().mean(),
        with_digit=text.str.contains(r"\d").mean(),
        clock=text.str.contains(CLOCK).mean(),
    ).row(0)
    kind: Kind = "category"
    if (spaces > 3 or length > 40) and distinct > 0.2 * count:
        kind = "text"
    elif count > 9 and distinct > UNIQUE * count and spaces < 0.1 and with_digit > 0.9 and clock < 0.5:
        kind = "identifier"
    return Typed(kind, filled.with_columns(value=text))
