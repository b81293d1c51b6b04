"""The report as a page and as a table: all is there, and nothing that the file holds does anything."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from models import Vader
from tables import plots, report
from tables.analysis import Report, analyze

EXAMPLE = Path(__file__).parents[1] / "static" / "example.csv"
NASTY = "<script>alert(1)</script>\"'&"


def nothing(_share: float, _step: str) -> None:
    pass


@pytest.fixture(scope="module")
def example() -> Report:
    model = Vader()
    model.load()
    return analyze(EXAMPLE, EXAMPLE.name, model, nothing)


@pytest.fixture
def nasty(tmp_path) -> Report:
    """Names and values that a page or a spreadsheet could take for more than text."""
    names = [NASTY, "=cmd|' /C calc'!A0", "@when", "+a;=1+1", '\t-b"']
    rows = [[NASTY + str(n % 3), f"=1+{n % 4}", f"2026-03-{1 + n % 28:02}", n / 7, -n * 3] for n in range(60)]
    with (tmp_path / "upload").open("w", newline="") as file:
        csv.writer(file).writerows([names, *rows])
    return analyze(tmp_path / "upload", f"{NASTY}.csv", Vader(), nothing)


class Page(HTMLParser):
    """Tags with their attributes, and the text between."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_the_page_says_all_that_the_report_does(example):
    page = Page(report.page(example))

    for insight in example.insights:
        assert insight.text in page.text
    for column in example.columns:
        assert column.name in page.text
    assert "103 rows, 9 columns, utf-8, separated by comma" in page.text


def test_a_column_of_which_the_overview_says_all_has_no_card(tmp_path):
    rows = [f"A-{n},7,{chr(97 + n)}x,{n % 3},\n" for n in range(20)]
    (tmp_path / "upload").write_text("key,same,name,n,none\n" + "".join(rows))
    html = report.page(analyze(tmp_path / "upload", "a.csv", Vader(), nothing))

    assert ["n"] == re.findall("<h3>(.*?) <", html)
    assert "<td>always 7</td>" in html
    assert "<td>all different</td>" in html


def test_the_page_needs_nothing_beside_it(example):
    page = Page(report.page(example))

    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert not [attributes for _, attributes in page.tags if {"src", "href", "style", "onclick"} & set(attributes)]
    assert "url(" not in report.page(example)


def test_each_plot_is_told_in_words_and_has_its_numbers_behind_it(example):
    page = report.page(example)
    drawings = [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]

    assert len(drawings) > 10
    for svg in drawings:
        named = {part.get("id"): part.text for part in svg if part.tag in ("title", "desc")}
        assert named[svg.get("aria-labelledby")]
        assert named[svg.get("aria-describedby")].endswith(".")
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert page.count("<details>") >= 5


def test_what_the_file_holds_is_text_on_the_page(nasty):
    html = report.page(nasty)

    assert "<script" not in html
    assert f"{NASTY}.csv" in Page(html).text
    assert f"“{NASTY}”" in Page(html).text or NASTY in Page(html).text


def test_the_table_has_a_line_for_each_column(example):
    table = report.table(example)
    lines = list(csv.DictReader(io.StringIO(table.removeprefix("\ufeff"))))

    assert table.startswith("\ufeff")
    assert [column.name for column in example.columns] == [line["column"] for line in lines]
    assert "2026-03-02T00:00:00" == lines[1]["earliest"]
    assert 190 == float(lines[5]["maximum"])


def test_no_cell_of_the_table_is_a_formula(nasty):
    table = report.table(nasty)

    cells = [cell for mark in ",;" for line in csv.reader(io.StringIO(table), delimiter=mark) for cell in line]
    assert "'=cmd|' /C calc'!A0" in cells
    assert "'=1+0" in cells
    for cell in cells:
        assert not cell.startswith(("=", "+", "@", "\t", "\r")) and not re.match(r"-\D", cell)


@pytest.mark.parametrize(
    "cell", ["=1", "+1", "-1", "@a", "\t=1", "\r=1", "\n=1", " =1", "-", "-x", "\uff1d1", "\uff20a"]
)
def test_what_could_be_a_formula_gets_an_apostrophe(cell):
    assert f"'{cell}" == report.safe(cell)


@pytest.mark.parametrize(
    ("cell", "as_written"), [("a;=1;b", "a;'=1;b"), ("=1; @a", "'=1;' @a"), (";-1", ";'-1"), (";;+1", ";;'+1")]
)
def test_nor_does_one_begin_where_a_semicolon_ends_the_cell(cell, as_written):
    """As it does for Excel where commas are for decimals."""
    assert as_written == report.safe(cell)


@pytest.mark.parametrize("cell", ["a=1", "1-2", "a; b", "", "'", -5, -0.5, 7])
def test_other_cells_stay_as_they_are(cell):
    assert cell == report.safe(cell)


def test_bars_are_as_high_as_their_counts():
    svg = ElementTree.fromstring(plots.upright([1, 0, 4], ("a", "b"), title="t", description="d."))

    heights = [float(rect.get("height")) for rect in svg.iter("rect")]
    assert 4 == pytest.approx(heights[1] / heights[0])
    assert 2 == len(heights)


def test_bars_lie_below_their_labels():
    svg = ElementTree.fromstring(plots.sideways([("a" * 60, 8), ("b", 2)], title="t", description="d."))

    widths = [float(rect.get("width")) for rect in svg.iter("rect")]
    assert [plots.WIDTH, plots.WIDTH / 4] == widths
    assert "a" * 33 + "…" in [text.text for text in svg.iter("text")]


def test_a_line_breaks_where_there_is_nothing():
    svg = ElementTree.fromstring(plots.line([1, 2, None, 3], ("a", "b"), ("3", "1"), title="t", description="d."))

    assert ["M", "L", "M"] == re.findall("[ML]", next(svg.iter("path")).get("d"))


@pytest.mark.parametrize("values", [[5.0, 5.0], [1e140, -1e140, None]])
def test_a_line_stays_in_its_frame(values):
    svg = ElementTree.fromstring(plots.line(values, ("a", "b"), ("c", "d"), title="t", description="d."))

    heights = [float(y) for y in re.findall(r"[ML]\S+ (\S+?)h0", next(svg.iter("path")).get("d"))]
    assert all(plots.TOP <= y <= plots.BASE for y in heights)


def test_squares_are_as_strong_as_the_correlation():
    svg = ElementTree.fromstring(plots.heat(["a", "b"], [[1.0, -0.5], [-0.5, None]], title="t", description="d."))

    squares = [(rect.get("class"), rect.get("fill-opacity")) for rect in svg.iter("rect")]
    assert [("with", "1.00"), ("against", "0.50"), ("against", "0.50")] == squares
