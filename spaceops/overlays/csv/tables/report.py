"""A report as a page of its own, which needs nothing beside it, and as a table of the columns."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

from tables import plots
from tables.analysis import Report
from tables.columns import Bin, Column, Dates, Numbers
from tables.relations import Correlations, Groups, Relations, Series
from tables.wording import date, listed, many, number, share

STATIC = Path(__file__).parents[1] / "static"
STYLES = ("style.css", "report.css")
FORMULA = re.compile(r"(^|;)(?=\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n])")  # where one begins; four are wide
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}

Row = Sequence[object]


def page(report: Report) -> str:
    """The whole HTML document; all that comes from the file is escaped."""
    style = "\n".join((STATIC / name).read_text(encoding="utf-8") for name in STYLES)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(report.file.name)}</title>\n<style>\n{style}</style>\n</head>\n"
        f'<body>\n<main class="wide report">\n{"".join(_parts(report))}</main>\n</body>\n</html>\n'
    )


def table(report: Report) -> str:
    """One line for each column, as CSV that a spreadsheet may open: no cell of it is a formula."""
    out = io.StringIO()
    out.write("\ufeff")  # or Excel would not take it for UTF-8
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    writer.writerows([safe(cell) for cell in _summary(column)] for column in report.columns)
    return out.getvalue()


COLUMNS = (
    *("column", "kind", "filled", "missing", "distinct", "minimum", "lower quartile", "median", "upper quartile"),
    *("maximum", "mean", "standard deviation", "most frequent", "earliest", "latest"),
)


def _summary(column: Column) -> Row:
    numbers, dates = column.numbers, column.dates
    spread = ("minimum", "lower_quartile", "median", "upper_quartile", "maximum", "mean", "deviation")
    return (
        *(column.name, column.kind, column.filled, column.missing, column.distinct),
        *(getattr(numbers, name) if numbers else "" for name in spread),
        column.top[0].value if column.top else "",
        *((dates.earliest.isoformat(), dates.latest.isoformat()) if dates else ("", "")),
    )


def safe(cell: object) -> object:
    """A text that a spreadsheet would calculate gets an apostrophe before it; numbers are left alone.

    After a semicolon, too: where commas are for decimals, Excel takes it for the end of the cell.
    """
    return FORMULA.sub(r"\1'", cell) if isinstance(cell, str) else cell


def _parts(report: Report) -> Iterator[str]:
    file = report.file
    kind = SEPARATORS.get(file.separator, "")
    facts = (
        f"{many(file.rows, 'row')}, {many(file.columns, 'column')}, {file.encoding}{kind and f', separated by {kind}'}"
    )
    yield f"<header><div><h1>{escape(file.name)}</h1><p class='faint'>{facts}</p></div></header>\n"
    yield _list("What stands out", [insight.text for insight in report.insights] or ["Nothing does."], "insights")
    if file.notes:
        yield _list("About the file", file.notes, "notes")
    yield _overview(report)
    yield from _cards("Columns", (_column(column, file.rows) for column in report.columns))
    yield from _cards("What goes together", _related(report.relations))


def _cards(title: str, cards: Iterable[str]) -> Iterator[str]:
    if together := "".join(cards):
        yield f'<h2 class="part">{title}</h2>\n<div class="cards">\n{together}</div>\n'


def _related(relations: Relations) -> Iterator[str]:
    yield from (_series(series) for series in relations.series)
    if relations.correlations:
        yield _correlations(relations.correlations)
    yield from (_groups(groups) for groups in relations.groups)


def _list(title: str, sentences: Iterable[str], name: str) -> str:
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f'<section class="card {name}"><h2>{title}</h2><ul>{items}</ul></section>\n'


def _overview(report: Report) -> str:
    total = report.file.rows
    body = [
        [column.name, column.kind, share(column.missing, total), f"{column.distinct:,}", _in_short(column)]
        for column in report.columns
    ]
    header = ("Column", "Kind", "Missing", "Different", "In short")
    return f'<section class="card overview"><h2>Overview</h2>{_table(header, body)}</section>\n'


def _in_short(column: Column) -> str:
    if numbers := column.numbers:
        if numbers.minimum == numbers.maximum:
            return f"always {number(numbers.minimum)}"
        return f"{number(numbers.minimum)} to {number(numbers.maximum)}, median {number(numbers.median)}"
    if dates := column.dates:
        return f"{date(dates.earliest)} to {date(dates.latest)}"
    if texts := column.texts:
        return f"{number(texts.words)} words at the median"
    if column.kind == "category" and not column.top:
        return "all different"
    return listed([f"{value.value} ({value.count:,})" for value in column.top[:3]])


def _column(column: Column, total: int) -> str:
    """A card, unless there is no more to say than in the overview."""
    parts = []
    if column.numbers and column.numbers.minimum < column.numbers.maximum:
        parts.append(_numbers(column.name, column.numbers))
    if column.dates:
        parts.append(_dates(column.name, column.dates))
    if column.texts:
        texts = column.texts
        parts.append(
            f"<p>{texts.shortest:,} to {texts.longest:,} characters, median {number(texts.median)}. "
            f"The longest is in row {texts.longest_row}.</p>"
        )
    if mood := column.sentiment:
        labels = [(label.value.capitalize(), label.count) for label in mood.labels]
        parts.append(_bars(f"Sentiment of {many(mood.texts, 'text')}, says {mood.backend}", labels))
    if column.top:
        parts.append(
            _bars(f"The most frequent values of {column.name}", [(top.value, top.count) for top in column.top])
        )
    if not parts:
        return ""
    head = (
        f"<h3>{escape(column.name)} <span class='faint'>{column.kind}</span></h3>"
        f"<p class='faint'>{column.filled:,} filled, {share(column.missing, total)} missing, "
        f"{column.distinct:,} different. {escape(column.note or '')}</p>"
    )
    return f'<section class="card">{head}{"".join(parts)}</section>\n'


def _numbers(name: str, numbers: Numbers) -> str:
    title = f"How the numbers of {name} are distributed"
    beyond = f"; {many(numbers.outliers.count, 'value')} far out left off" if numbers.outliers else ""
    ends = (number(numbers.bins[0].low), number(numbers.bins[-1].high))
    half = f"half of them are between {number(numbers.lower_quartile)} and {number(numbers.upper_quartile)}"
    description = f"From {ends[0]} to {ends[1]}{beyond}; {half}, the median is {number(numbers.median)}."
    svg = plots.upright([one.count for one in numbers.bins], ends, title=title, description=description)
    body = [[_range(one), f"{one.count:,}"] for one in numbers.bins]
    facts = (
        f"{number(numbers.minimum)} to {number(numbers.maximum)}; {half}. Median {number(numbers.median)}, "
        f"mean {number(numbers.mean)}, standard deviation {number(numbers.deviation)}."
    )
    return f"<p>{facts}</p>{_figure(svg, f'{title}{beyond}', ('Numbers', 'Rows'), body)}"


def _range(one: Bin) -> str:
    return number(one.low) if one.low == one.high else f"{number(one.low)} to {number(one.high)}"


def _dates(name: str, dates: Dates) -> str:
    title = f"Rows for each {dates.unit} of {name}"
    ends = (date(dates.periods[0].start, dates.unit), date(dates.periods[-1].start, dates.unit))
    most = max(dates.periods, key=lambda period: period.count)
    description = f"From {ends[0]} to {ends[1]}; most, {many(most.count, 'row')}, at {date(most.start, dates.unit)}."
    svg = plots.upright([period.count for period in dates.periods], ends, title=title, description=description)
    body = [[date(period.start, dates.unit), f"{period.count:,}"] for period in dates.periods]
    return _figure(svg, title, (dates.unit.capitalize(), "Rows"), body)


def _bars(title: str, values: Sequence[tuple[str, int]]) -> str:
    description = listed([f"{label}: {count:,}" for label, count in values]) + "."
    return _figure(plots.sideways(values, title=title, description=description), title)


def _series(series: Series) -> str:
    title = f"{series.number} over time: its mean for each {series.unit} of {series.date}"
    means = [point.mean for point in series.points]
    known = [mean for mean in means if mean is not None]
    ends = (date(series.points[0].start, series.unit), date(series.points[-1].start, series.unit))
    limits = (number(max(known)), number(min(known)))
    description = f"From {ends[0]} to {ends[1]}, between {limits[1]} and {limits[0]}."
    body = [
        [date(point.start, series.unit), "" if point.mean is None else number(point.mean)] for point in series.points
    ]
    svg = plots.line(means, ends, limits, title=title, description=description)
    figure = _figure(svg, title, (series.unit.capitalize(), "Mean"), body)
    return f'<section class="card"><h3>{escape(series.number)} over time</h3>{figure}</section>\n'


def _correlations(found: Correlations) -> str:
    title = "Which numbers go together: rank correlation of each two columns"
    description = "Strong colour means that two columns go together, the other colour that one falls where one rises."
    svg = plots.heat(found.columns, found.matrix, title=title, description=description)
    cells = [["" if value is None else f"{value:.2f}" for value in row] for row in found.matrix]
    body = [[name, *row] for name, row in zip(found.columns, cells, strict=True)]
    return f'<section class="card"><h3>Correlations</h3>{_figure(svg, title, ("", *found.columns), body)}</section>\n'


def _groups(groups: Groups) -> str:
    title = f"{groups.number} by {groups.category}"
    header = (groups.category, groups.by.capitalize(), "Rows")
    body = [[one.value, number(getattr(one, groups.by)), f"{one.rows:,}"] for one in groups.groups]
    return f'<section class="card"><h3>{escape(title)}</h3>{_table(header, body)}</section>\n'


def _figure(svg: str, caption: str, header: Row = (), body: Sequence[Row] = ()) -> str:
    behind = f"<details><summary>As a table</summary>{_table(header, body)}</details>" if body else ""
    return f"<figure>{svg}<figcaption class='faint'>{escape(caption)}</figcaption></figure>{behind}"


def _table(header: Row, body: Sequence[Row]) -> str:
    head = "".join(f'<th scope="col">{escape(str(cell))}</th>' for cell in header)
    lines = "".join(
        f'<tr><th scope="row">{escape(str(name))}</th>{"".join(f"<td>{escape(str(cell))}</td>" for cell in cells)}</tr>'
        for name, *cells in body
    )
    return f'<div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>'
