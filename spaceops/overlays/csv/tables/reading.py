"""From an uploaded file to a table: unpack, find out encoding, separator and header, and store the cells by column.

Nothing here holds the whole file in memory: the cells go to disk in parts, from where one column at a time is read.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, count, islice, takewhile
from pathlib import Path
from typing import BinaryIO, NamedTuple

import polars as pl

from serving.jobs import Unusable

UNPACKED = 200_000_000  # bytes that a .gz may unfold to
ROWS, COLUMNS, CELLS = 2_000_000, 500, 100_000_000
CELL, LINE, NAME = 100_000, 1_000_000, 100  # characters
TALL = 50  # lines; a cell that takes more began with a stray quotation mark, as a rule
PART = 500_000  # cells held in memory before they go to disk
HEAD = 65_536  # bytes, or characters, from which the kind of file, the separator and the header are told
TOLD = 5  # line numbers named in a note

OTHER_FILES = {
    b"PK\x03\x04": "This is a workbook or a zip archive. Save the sheet as CSV and upload that.",
    b"\xd0\xcf\x11\xe0": "This is an old Excel workbook. Save the sheet as CSV and upload that.",
    b"PAR1": "This is a Parquet file. Only CSV and TSV files, plain or as .gz, can be read.",
    b"%PDF": "This is a PDF. Only CSV and TSV files, plain or as .gz, can be read.",
}
OTHER_TEXTS = {
    rb"<!doctype html|<html": "This is a web page. Only CSV and TSV files, plain or as .gz, can be read.",
    rb"<\?xml": "This is XML. Only CSV and TSV files, plain or as .gz, can be read.",
    rb'\{\s*"|\[\s*\{': "This is JSON. Only CSV and TSV files, plain or as .gz, can be read.",
}
BINARY = "This is no text file. Only CSV and TSV files, plain or as .gz, can be read."
GZIP = b"\x1f\x8b"
BYTE_ORDER_MARKS = {  # UTF-32 first: its mark begins like that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
ONE_COLUMN = "\x1f"  # a separator that no text has
SEPARATORS = ("\t", ";", "|", ",")  # on a tie the first one: a comma may be a decimal comma

csv.field_size_limit(CELL)

YEAR = re.compile(r"(18|19|20|21)\d\d")
NUMBER_OR_DATE = re.compile(r"[-+$€£]?\s?\d[\d.,:/ -]*([eE][-+]?\d+)?\s?[%€]?|\d{4}-\d\d-\d\d[T ].*")
SPAN = re.compile(r"\d+[-/:]|\d{1,2}\.\d{1,2}\.\d\d")  # how a date begins, a time, or a range such as 15-19


@dataclass(frozen=True)
class Table:
    """Cells on disk, all of them text: the columns are called "0", "1", ... there, and `names` is what people see."""

    folder: Path
    names: list[str]
    rows: int
    encoding: str
    separator: str
    notes: list[str] = field(default_factory=list)  # what was odd about the file

    def column(self, index: int) -> pl.DataFrame:
        """One column as `text`, with `row`: the number that a spreadsheet shows, so the header is row 1."""
        return self._scan().select("row", text=pl.col(str(index))).collect()

    def row_numbers(self) -> pl.Series:
        """Those of all rows: blank lines count, but are not among them."""
        return self._scan().select("row").collect().to_series()

    def hashes(self) -> pl.DataFrame:
        """Each `row` with a `hash` of all its cells, part by part."""
        parts = (pl.read_parquet(part) for part in sorted(self.folder.glob("*.parquet")))
        return pl.concat(part.select("row", hash=pl.struct(pl.exclude("row")).hash()) for part in parts)

    def _scan(self) -> pl.LazyFrame:
        return pl.scan_parquet(self.folder / "*.parquet")


def refuse_other_files(head: bytes) -> None:
    """Raise Unusable if a file that begins with `head` cannot be a table, so that an upload is refused at once."""
    for magic, reason in OTHER_FILES.items():
        if head.startswith(magic):
            raise Unusable(reason)
    if head.startswith(GZIP):
        return
    if not head.strip():
        raise Unusable("The file is empty.")
    if not head.startswith(tuple(BYTE_ORDER_MARKS)) and not _utf16_without_mark(head):
        controls = sum(byte < 32 and byte not in b"\t\n\v\f\r\x1a\x1b" for byte in head)
        if b"\0" in head or controls > len(head) // 100:
            raise Unusable(BINARY)
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()
    for look, reason in OTHER_TEXTS.items():
        if re.match(look, start, re.IGNORECASE):
            raise Unusable(reason)


def read_table(file: Path, folder: Path, progress: Callable[[float], None], most_cells: int = CELLS) -> Table:
    """Store the table in `folder`. `progress` gets the share that is done, 0 to 1, and may raise to stop."""
    plain = unpack(file, folder / "unpacked")
    with plain.open("rb") as stream:
        refuse_other_files(stream.read(HEAD))
    encoding = encoding_of(plain)
    with plain.open("rb") as raw, io.TextIOWrapper(raw, encoding, "replace", newline="") as text:
        start = text.read(HEAD)
        separator = separator_of(start)
        layout = layout_of(start, separator)
        text.seek(0)
        parts = _Parts(folder, len(layout.names), most_cells)
        size = plain.stat().st_size
        for record in _records(_lines(text, lambda: progress(raw.tell() / size)), separator):
            if record.row > layout.above:
                parts.add(record)
    parts.flush()
    if not parts.rows:
        raise Unusable("The file has a header, but no rows below it.")
    notes = [*_on_encoding(encoding), *layout.notes, *parts.notes()]
    return Table(folder, layout.names, parts.rows, encoding, separator, notes)


def unpack(file: Path, target: Path, most: int = UNPACKED) -> Path:
    """The file itself, or what a .gz holds, up to `most` bytes: a few kilobytes of .gz can unfold to terabytes."""
    if not _is_gzip(file):
        return file
    try:
        with gzip.open(file) as packed, target.open("wb") as out:
            for piece in _pieces(packed):
                if out.tell() + len(piece) > most:
                    raise Unusable(f"The .gz holds more than {most // 1_000_000} MB.")
                out.write(piece)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Unusable("The .gz is damaged or cut off.") from error
    if _is_gzip(target):
        raise Unusable("The .gz holds another .gz. Unpack it once and upload that.")
    return target


def _is_gzip(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(2) == GZIP


def _pieces(stream: BinaryIO | gzip.GzipFile) -> Iterator[bytes]:
    while piece := stream.read(1 << 20):
        yield piece


def encoding_of(file: Path) -> str:
    """A byte order mark decides, then zeros in every other byte; UTF-8 is what decodes as UTF-8, to the last byte."""
    with file.open("rb") as stream:
        head = stream.read(HEAD)
        for mark, name in BYTE_ORDER_MARKS.items():
            if head.startswith(mark):
                return name
        if wide := _utf16_without_mark(head):
            return wide
        stream.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            for piece in _pieces(stream):
                if b"\0" in piece:
                    raise Unusable(BINARY)
                decoder.decode(piece)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1252"  # what Western Windows writes; but for quotes and dashes it is Latin-1
    return "utf-8"


def _utf16_without_mark(head: bytes) -> str | None:
    half = len(head) // 2
    high_first, low_first = head[0::2].count(0), head[1::2].count(0)
    if low_first > 0.7 * half and high_first < 0.1 * half:
        return "utf-16-le"
    if high_first > 0.7 * half and low_first < 0.1 * half:
        return "utf-16-be"
    return None


def _on_encoding(encoding: str) -> list[str]:
    if encoding != "cp1252":
        return []
    return ["The file is not UTF-8; it was read as Windows-1252 (Latin-1). If letters look wrong, save it as UTF-8."]


def separator_of(start: str) -> str:
    """The separator that cuts most of the first lines into the same number of cells, two at least."""
    if declared := re.match(r"sep=([,;|\t])\r?\n", start):  # Excel's own way to say so
        return declared[1]
    best = max(SEPARATORS, key=lambda separator: _evenness(start, separator))
    return best if _evenness(start, best) > 0.6 else ONE_COLUMN


def _evenness(start: str, separator: str) -> float:
    widths = Counter(len(record.cells) for record in _first_records(start, separator))
    most = max((lines for width, lines in widths.items() if width > 1), default=0)
    return round(most / max(1, widths.total()), 1)


class Record(NamedTuple):
    """One row: its number in a spreadsheet, its first and last line in the file, and its cells."""

    row: int
    line: int
    last_line: int
    cells: list[str]


def _records(lines: Iterator[str], separator: str) -> Iterator[Record]:
    """All rows; blank ones count, but are left out."""
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)  # else a quote behind a space is none
    for row in count(1):
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise Unusable(
                f"A cell in the row that begins in line {line:,} has more than {CELL:,} characters. "
                "Perhaps a quotation mark is never closed."
            ) from error
        if cells:
            yield Record(row, line, reader.line_num, cells)


def _lines(text: io.TextIOWrapper, go_on: Callable[[], None]) -> Iterator[str]:
    """The lines of a file, none of which may fill the memory. Asks whether to go on; blank lines, too, take time."""
    for number in count(1):
        line = text.readline(LINE)
        if not line:
            return
        if len(line) == LINE:
            raise Unusable(f"A line has more than {LINE:,} characters. Is this a table?")
        if not number % 1000:
            go_on()
        yield line


def _first_records(start: str, separator: str) -> list[Record]:
    """The records in the first characters of a file, without the last one if it may be cut off."""
    lines = list(io.StringIO(start, newline=""))
    if len(start) == HEAD and len(lines) > 1:
        lines.pop()
    return list(islice(_records(iter(lines), separator), 200))


class Layout(NamedTuple):
    """The names of the columns, the last row above the values, and what to tell about both."""

    names: list[str]
    above: int
    notes: list[str]


def layout_of(start: str, separator: str) -> Layout:
    """Find the header: below titles, and only where it does not look like values itself."""
    records = _first_records(start, separator)
    if not records:
        raise Unusable("The file is empty.")
    width = Counter(len(record.cells) for record in records).most_common(1)[0][0]
    titles = list(takewhile(lambda record: _is_title(record.cells, width), records))
    titles = titles if len(titles) < len(records) else []
    header, *below = records[len(titles) :]
    body = [record.cells for record in below]
    told = titles and not start.startswith("sep=")
    notes = [f"What stands above the header was left out: {_named(titles)}."] if told else []
    if _is_header(header.cells, body):
        names, above = _fitted(header.cells, body), header.row
    else:
        names, above = [""] * max(width, len(header.cells)), header.row - 1
        notes.append("The first row holds values, not names, so the columns are numbered.")
    if len(names) > COLUMNS:
        raise Unusable(f"The table has {len(names):,} columns; {COLUMNS} are the most that can be read.")
    unique = _unique(names)
    renamed = [f"“{new}”" for old, new in zip(names, unique, strict=True) if old and old != new]
    if renamed:
        notes.append(f"Several columns have the same name; they are now called {', '.join(renamed[:TOLD])}.")
    return Layout(unique, above, notes)


def _is_title(cells: list[str], width: int) -> bool:
    """One cell is filled at most, or the line ends before half of the columns."""
    return width > 1 and (sum(map(bool, cells)) < 2 or 2 * len(cells) < width)


def _is_header(cells: list[str], body: list[list[str]]) -> bool:
    """No cell is a number or a date, but for years, and for dates and ranges above other things."""
    looks = [cell.strip() for cell in cells]
    values = [place for place, look in enumerate(looks) if NUMBER_OR_DATE.fullmatch(look)]
    names = [place for place in values if YEAR.fullmatch(looks[place]) or _is_span(looks[place], place, body)]
    return len(values) == len(names) < sum(map(bool, looks))


def _is_span(look: str, place: int, body: list[list[str]]) -> bool:
    """Whether a cell is a date, a time or a range, and none is below it."""
    below = [row[place].strip() for row in body if place < len(row)]
    return bool(SPAN.match(look) and below) and not any(map(SPAN.match, below))


def _fitted(header: list[str], body: list[list[str]]) -> list[str]:
    """A name for each column in use: some tools leave out that of the row names, or end each line with a separator."""
    names = [" ".join(name.split())[:NAME] for name in header]
    [(usual, rows)] = Counter(map(len, body)).most_common(1) or [(len(names), 0)]
    used = max(
        (index for cells in body if len(cells) <= usual for index, cell in enumerate(cells, 1) if cell), default=1
    )
    while len(names) > used and not names[-1]:
        names.pop()
    if used == len(names) + 1 and 1 < rows == len(body):
        return ["", *names]
    return names + [""] * (used - len(names))


def _unique(names: list[str]) -> list[str]:
    """A name for the nameless, and no name twice."""
    unique: dict[str, None] = {}
    for position, name in enumerate(names, 1):
        candidates = chain([name or f"column {position}"], (f"{name or 'column'} ({n})" for n in count(2)))
        unique[next(candidate for candidate in candidates if candidate not in unique)] = None
    return list(unique)


def _named(records: list[Record]) -> str:
    lines = ", ".join(f"{record.line:,}" for record in records[:TOLD])
    return f"line{'s' * (len(records) > 1)} {lines}{' and more' if len(records) > TOLD else ''}"


class _Parts:
    """Rows on their way to disk, all with as many cells as there are names."""

    def __init__(self, folder: Path, width: int, most_cells: int) -> None:
        self.rows = 0
        self._folder, self._width, self._most_rows = folder, width, min(ROWS, most_cells // width)
        self._waiting: list[list[str]] = []
        self._numbers: list[int] = []
        self._short, self._long, self._tall = (
            _Told("too few cells"),
            _Told("more cells than there are columns"),
            _Told(f"a cell of more than {TALL} lines"),
        )

    def add(self, record: Record) -> None:
        """Take one row; what does not fit is noted."""
        cells = record.cells
        if len(cells) != self._width:
            cells = self._fit(record)
        if record.last_line - record.line > TALL:
            self._tall.add(record)
        self._waiting.append(cells)
        self._numbers.append(record.row)
        if len(self._waiting) * self._width >= PART:
            self.flush()

    def _fit(self, record: Record) -> list[str]:
        cells, width = record.cells, self._width
        if len(cells) < width:
            self._short.add(record)
            return cells + [""] * (width - len(cells))
        if any(cells[width:]):
            self._long.add(record)
        return cells[:width]

    def flush(self) -> None:
        """Write what waits."""
        if not self._waiting:
            return
        self.rows += len(self._waiting)
        if self.rows > self._most_rows:
            raise Unusable(f"More than {self._most_rows:,} rows of {self._width} columns are too many.")
        columns = {str(index): cells for index, cells in enumerate(zip(*self._waiting, strict=True))}
        schema = {"row": pl.UInt32} | dict.fromkeys(columns, pl.String)
        part = pl.DataFrame({"row": self._numbers} | columns, schema=schema)
        part.write_parquet(self._folder / f"{self.rows:09}.parquet", compression="lz4", statistics=False)
        self._waiting, self._numbers = [], []

    def notes(self) -> Iterator[str]:
        """What did not fit."""
        if self._short.count:
            yield f"{self._short}; the missing ones count as empty."
        if self._long.count:
            yield f"{self._long}; what stands beyond was left out."
        if self._tall.count:
            yield f"{self._tall}: perhaps a quotation mark is never closed."


class _Told:
    """How many rows have something, and the lines of the first ones."""

    def __init__(self, what: str) -> None:
        self.count, self._what = 0, what
        self._first: list[Record] = []

    def add(self, record: Record) -> None:
        self.count += 1
        if len(self._first) <= TOLD:
            self._first.append(record)

    def __str__(self) -> str:
        return f"{self.count:,} row{'s have' if self.count > 1 else ' has'} {self._what} ({_named(self._first)})"
