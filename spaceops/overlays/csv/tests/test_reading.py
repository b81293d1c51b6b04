"""From bytes to a table: what is recognized, what is told, and what is refused."""

from __future__ import annotations

import gzip
import random
import tempfile
from pathlib import Path

import pytest

from serving.jobs import Unusable
from tables.reading import ONE_COLUMN, Table, read_table, refuse_other_files, unpack


@pytest.fixture
def read(tmp_path):
    def read(content: bytes | str, encoding: str = "utf-8") -> Table:
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        (folder / "upload").write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return read_table(folder / "upload", folder, lambda _share: None)

    return read


def cells(table: Table) -> list[tuple]:
    return list(zip(*(table.column(index)["text"] for index in range(len(table.names))), strict=True))


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found(read, separator):
    table = read("name,size\nAnna,3\nBen,4\n".replace(",", separator))

    assert (separator, ["name", "size"]) == (table.separator, table.names)
    assert [("Anna", "3"), ("Ben", "4")] == cells(table)


def test_a_comma_in_numbers_or_sentences_does_not_part_cells(read):
    assert [("1,5", "2,25")] == cells(read("a;b\n1,5;2,25\n"))
    assert [("Well, yes", "1"), ("No, no, no", "2")] == cells(read("said\tn\nWell, yes\t1\nNo, no, no\t2\n"))


def test_one_column_needs_no_separator(read):
    table = read("said\nWell, yes\nNo\nOh, no, never\n")

    assert (ONE_COLUMN, ["said"]) == (table.separator, table.names)
    assert [("Well, yes",), ("No",), ("Oh, no, never",)] == cells(table)


def test_excels_own_line_names_the_separator_and_is_no_row(read):
    table = read("sep=;\na;b\n1;2\n")

    assert [("1", "2")] == cells(table)
    assert [] == table.notes


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_is_read_in_every_form(read, encoding):
    table = read("name;größe\nJürgen;3\nŁukasz;4\n", encoding)

    assert ["name", "größe"] == table.names
    assert [("Jürgen", "3"), ("Łukasz", "4")] == cells(table)
    assert [] == table.notes


def test_what_is_no_letter_in_utf16_is_told_as_such(read):
    assert [("1", "\ufffdx")] == cells(read("a;b\n1;".encode("utf-16") + b"\x00\xdcx\0\n\0"))


def test_what_is_no_utf8_is_read_as_latin1_which_is_told(read):
    table = read("name;größe\nJürgen „Jü“;3\n", "cp1252")

    assert [("Jürgen „Jü“", "3")] == cells(table)
    assert "Latin-1" in table.notes[0]


def test_one_wrong_byte_at_the_end_of_a_large_file_counts(read):
    assert "cp1252" == read(b"a,b\n" + b"1,2\n" * 30_000 + "1,ä\n".encode("latin-1")).encoding


def test_quotes_hold_separators_lines_and_quotes(read):
    table = read('a,b\n"x, ""y""","two\nlines"\n3,4\n')

    assert [('x, "y"', "two\nlines"), ("3", "4")] == cells(table)


def test_spaces_behind_a_separator_do_not_hide_a_quote(read):
    table = read('"city", "state"\n   "Paris",    "Île-de-France"\n"Washington, DC", "x"\n')

    assert ["city", "state"] == table.names
    assert [("Paris", "Île-de-France"), ("Washington, DC", "x")] == cells(table)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_end_of_line_ends_a_line(read, end):
    assert [("1", "2"), ("3", "4")] == cells(read(f"a,b{end}1,2{end}3,4"))


def test_rows_are_numbered_as_a_spreadsheet_does(read):
    table = read('a,b\n"two\nlines",1\n\n3,4\n')

    assert [2, 4] == table.row_numbers().to_list()


def test_ragged_rows_are_made_to_fit_and_told_with_their_lines(read):
    table = read('a,b,c\n1,2,3\n4,5\n"6\n",7,8\n9,10,11,12\n' + "13,14,15\n" * 5)

    assert [("1", "2", "3"), ("4", "5", ""), ("6\n", "7", "8"), ("9", "10", "11")] == cells(table)[:4]
    assert "1 row has too few cells (line 3); the missing ones count as empty." == table.notes[0]
    assert "1 row has more cells than there are columns (line 6); what stands beyond was left out." == table.notes[1]


def test_of_many_ragged_rows_the_first_lines_are_told(read):
    notes = read("a,b,c\n" + "1,2,3\n" * 100 + "1,2\n" * 30).notes

    assert [
        "30 rows have too few cells (lines 102, 103, 104, 105, 106 and more); the missing ones count as empty."
    ] == notes


def test_a_separator_at_the_end_of_each_line_is_no_column(read):
    assert ["a", "b"] == read("a,b,\n1,2,\n3,4,\n").names
    assert ["a", "b"] == read("a,b\n1,2,\n3,4,\n").names
    assert [] == read("a,b\n1,2,\n3,4,\n").notes


def test_row_names_have_no_name(read):
    table = read("a,b\nx,1,2\ny,3,4\n")

    assert ["column 1", "a", "b"] == table.names
    assert [("x", "1", "2"), ("y", "3", "4")] == cells(table)


def test_names_that_are_missing_or_doubled_are_made_up(read):
    table = read("a,a,,a (2),a\n1,2,3,4,5\n")

    assert ["a", "a (2)", "column 3", "a (2) (2)", "a (3)"] == table.names
    assert "Several columns have the same name" in table.notes[0]


def test_without_a_header_columns_are_numbered(read):
    table = read("1,2024-05-01\n3,2024-05-02\n")

    assert ["column 1", "column 2"] == table.names
    assert [1, 2] == table.row_numbers().to_list()
    assert "The first row holds values" in table.notes[0]


def test_years_above_columns_are_names(read):
    assert ["country", "2019", "2020"] == read("country,2019,2020\nde,1,2\n").names


@pytest.mark.parametrize("names", [("1/22/20", "1/23/20"), ("2024-01", "2024-02"), ("0-4", "5-9"), ("8:00", "9:00")])
def test_dates_and_ranges_above_numbers_are_names(read, names):
    assert ["country", *names] == read(f"country,{','.join(names)}\nde,1,2\nfr,3,4\n").names


def test_dates_above_dates_are_none(read):
    assert ["column 1", "column 2"] == read("x,1/22/20\ny,\nz,1/23/20\n").names


def test_facts_above_the_header_are_titles_too(read):
    """As banks and the World Bank write them."""
    facts = "Source,Indicators,\n\nUpdated,2024-06-28,\n"
    table = read(f"{facts}Country,Code,Name,2019,2020,2021,\n" + "de,x,y,1,2,3,\n" * 9)

    assert ["Country", "Code", "Name", "2019", "2020", "2021"] == table.names
    assert ["What stands above the header was left out: lines 1, 3."] == table.notes


def test_titles_above_the_header_are_left_out_and_told(read):
    table = read("Sales of May\n\nfor the board,,\nshop,sold,left\nA,1,2\nB,3,4\nC,5,6\n")

    assert ["shop", "sold", "left"] == table.names
    assert [5, 6, 7] == table.row_numbers().to_list()
    assert ["What stands above the header was left out: lines 1, 3."] == table.notes


def test_a_stray_quotation_mark_is_told(read):
    table = read('a,b\n1,"x\n' + "2,3\n" * 60)

    assert "1 row has a cell of more than 50 lines (line 2): perhaps a quotation mark is never closed." in table.notes


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "The file is empty."),
        (b" \n\n ", "The file is empty."),
        (b"a,b\n", "The file has a header, but no rows below it."),
        (b"PK\x03\x04....", "Save the sheet as CSV"),
        (b"\xd0\xcf\x11\xe0....", "old Excel workbook"),
        (b"PAR1....", "Parquet"),
        (b"%PDF-1.7", "PDF"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html>\n<p>Log in, please</p>", "web page"),
        (b"<html lang='en'>", "web page"),
        (b"<?xml version='1.0'?>\n<a/>", "XML"),
        (b'[\n  {"a": 1, "b": 2},\n', "JSON"),
        (b'{"a": 1, "b": 2}\n{"a": 3, "b": 4}\n', "JSON"),
        (bytes(range(256)), "no text file"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "no text file"),
        (b"a,b\n" + b"1,2\n" * 20_000 + b"\0", "no text file"),
        (b"a,b\n" + b"x" * 1_100_000, "more than 1,000,000 characters"),
        (b'a,b\n1,"x\n' + b"2,3\n" * 60_000, "begins in line 2 has more than 100,000 characters"),
        (
            ",".join(f"c{n}" for n in range(501)).encode() + b"\n" + b"," * 499 + b"1,2\n",
            "501 columns; 500 are the most",
        ),
        (gzip.compress(b"a,b\n1,2\n" * 1000)[:-20], "damaged"),
        (b"\x1f\x8bnothing", "damaged"),
        (gzip.compress(gzip.compress(b"a,b\n1,2\n")), "holds another .gz"),
        (gzip.compress(b"PK\x03\x04...."), "zip archive"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # a .gz holds the time at which it was made
)
def test_what_is_no_table_is_refused_in_a_sentence(read, content, reason):
    with pytest.raises(Unusable) as refused:
        read(content)

    assert reason in str(refused.value)


def test_gz_is_unpacked(read):
    assert [("1", "2")] == cells(read(gzip.compress(b"a,b\n1,2\n")))


def test_a_gz_that_unfolds_to_too_much_is_refused_before_it_fills_the_disk(tmp_path):
    packed, unpacked = tmp_path / "packed", tmp_path / "unpacked"
    packed.write_bytes(gzip.compress(b"1,2\n" * 1_000_000, compresslevel=1) * 3)  # 12 MB

    with pytest.raises(Unusable, match=r"The \.gz holds more than 5 MB"):
        unpack(packed, unpacked, most=5_000_000)
    assert packed.stat().st_size < 100_000
    assert unpacked.stat().st_size <= 5_000_000


def test_an_upload_is_refused_by_its_first_bytes():
    refuse_other_files(b"a,b\n")
    refuse_other_files(gzip.compress(b"a"))
    refuse_other_files("a;b\n".encode("utf-16-le"))
    with pytest.raises(Unusable):
        refuse_other_files(b"\x7fELF\0\0")


def test_more_rows_than_fit_are_refused(tmp_path):
    """Cells count, for short rows below many names are filled up."""
    (tmp_path / "upload").write_text("a,b\n" + "1,2\n" * 501 + "3\n" * 501)

    with pytest.raises(Unusable, match="More than 1,000 rows of 2 columns"):
        read_table(tmp_path / "upload", tmp_path, lambda _share: None, most_cells=2000)


@pytest.mark.parametrize("line", [b"1,2\n", b"\n"])
def test_reading_tells_how_far_it_is_and_can_be_stopped(tmp_path, line):
    file = tmp_path / "upload"
    file.write_bytes(b"a,b\n" + line * 40_000 + b"1,2\n")
    shares: list[float] = []

    def stop(share: float) -> None:
        shares.append(share)
        if share > 0.5:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        read_table(file, tmp_path, stop)
    assert shares == sorted(shares)
    assert 0.5 < shares[-1] < 0.9


def test_equal_rows_have_equal_hashes_in_every_part(read):
    table = read(
        ",".join("abcdefghijklmnopqrst") + "\n" + "".join(",".join([str(n % 7)] * 20) + "\n" for n in range(30_000))
    )

    assert len(list(table.folder.glob("*.parquet"))) > 1
    assert 7 == table.hashes()["hash"].n_unique()


def test_any_text_is_read_or_refused_in_words(read):
    """Whatever stands in it: no other exception comes out, and all rows come back with as many cells as names."""
    chance = random.Random(6)
    read_ones = 0
    for _ in range(60):
        letters = chance.choice(["a1,\n", 'a"\n\r,; ', "\u20ac\ud7ff\x85\u2028\n|\t1", '-.5,\n"'])
        try:
            table = read("".join(chance.choices(letters, k=chance.randrange(80))))
        except Unusable as reason:
            assert str(reason).endswith((".", "?"))
        else:
            assert {len(table.names)} == {len(row) for row in cells(table)}
            assert table.rows == len(table.row_numbers()) == len(cells(table))
            read_ones += 1
    assert read_ones > 20
