"""Files of every kind, and files that were made to do harm."""

from __future__ import annotations

import codecs
import os
import signal
import sys
import time
from pathlib import Path

import pytest

import formats
from document import take_apart
from formats import lines_of, paragraphs, text_of
from reading import read
from serving.jobs import Cancelled, Unusable

MOST = 100_000


def ignore(_fraction: float, _step: str) -> None:
    """Progress that nobody follows."""


@pytest.fixture
def write(tmp_path):
    def write(name: str, content: bytes | str):
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    return write


def pdf(file, *pages: str, trailer: str = ""):
    """Write a PDF whose pages have these lines of text. PDFium finds the objects without a table of them."""
    kids = " ".join(f"{10 + 2 * number} 0 R" for number in range(len(pages)))
    objects = {
        1: "<</Type/Catalog/Pages 2 0 R>>",
        2: f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}/MediaBox[0 0 600 800]/Resources<</Font<</F1 3 0 R>>>>>>",
        3: "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    }
    for number, text in enumerate(pages, 5):
        drawn = " ".join(f"({line}) Tj T*" for line in text.split("\n"))
        stream = f"BT /F1 12 Tf 15 TL 50 700 Td {drawn} ET"
        objects[2 * number] = f"<</Type/Page/Parent 2 0 R/Contents {2 * number + 1} 0 R>>"
        objects[2 * number + 1] = f"<</Length {len(stream)}>>stream\n{stream}\nendstream"
    body = "".join(f"{number} 0 obj\n{content}\nendobj\n" for number, content in objects.items())
    file.write_text(f"%PDF-1.4\n{body}trailer\n<</Root 1 0 R{trailer}>>\nstartxref\n0\n%%EOF\n", "latin-1")
    return file


@pytest.mark.parametrize(
    "content",
    [
        "Schöne Grüße.\n",
        codecs.BOM_UTF8 + "Schöne Grüße.\n".encode(),
        "Schöne Grüße.\n".encode("utf-16"),
        "Schöne Grüße.\r\n".encode("cp1252"),
        "Schöne Grüße.\r".encode("cp1252"),
    ],
)
def test_text_in_the_usual_encodings_is_read(write, content):
    assert "Schöne Grüße.\n" == text_of(write("a.txt", content), MOST)


def test_the_longest_text_is_read(write):
    assert MOST == len(text_of(write("a.txt", "x" * MOST), MOST))


def test_html_is_read_without_what_surrounds_the_text(write):
    page = """<!doctype html><title>News</title><style>p { color: red }</style><script>alert("x")</script>
        <nav><a href=x>Home</a></nav><h1>The <em>ferry</em></h1><p>It left &amp; came
        back.<br>Then: <b>n</b>othing.</p><pre>sail()</pre>
        <ul><li>one<li>two</ul><table><tr><td>7</table><footer>me</footer>"""
    lines = [line.strip() for line in text_of(write("a.html", page), MOST).split("\n") if line.strip()]

    assert ["News", "# The ferry", "It left & came back.", "Then: nothing.", "- one", "- two"] == lines


@pytest.mark.parametrize(
    "page",
    [
        "<form><label>Name</label><select><option>x</select>{}</form>",
        "<nav><button>Menu</nav>{}",
        "<table><tr><td><button></td></tr></table></button>{}",
        "<table><td><table></table>x</td></table>{}",
        "</nav>{}<nav>",
    ],
)
def test_what_surrounds_the_text_ends_where_it_does_even_if_its_parts_do_not(write, page):
    text = text_of(write("a.html", page.format("<p>It left.</p>")), MOST)

    assert "It left." == text.removeprefix("Name").strip()


def test_the_paragraphs_of_a_pdf_go_on_over_its_pages(tmp_path):
    first = (
        "Tides\nThe tide comes in twice a day, and as often it goes\nout. Who lives here knows it.\nThe moon pulls at"
    )
    second = "the water, and the water\nfollows it around the earth, a little late, every day.\nThe end."
    text = read(pdf(tmp_path / "a.pdf", first, second), MOST, ignore)

    assert [
        "Tides",
        "The tide comes in twice a day, and as often it goes\nout. Who lives here knows it.",
        "The moon pulls at\nthe water, and the water\nfollows it around the earth, a little late, every day.\nThe end.",
    ] == text.strip().split("\n\n")


def test_titles_and_numbers_that_each_of_three_pages_has_are_left_out(tmp_path):
    pages = [f"Tides, {n} of 3\nPart {n}.\n- {n} -" for n in range(1, 4)]

    assert ["Part 1.", "Part 2.", "Part 3."] == text_of(pdf(tmp_path / "a.pdf", *pages), MOST).strip().split("\n")
    assert 2 == text_of(pdf(tmp_path / "a.pdf", *pages[:2]), MOST).count("of 3")


def test_half_a_character_of_a_pdf_does_no_harm():
    assert ["It is a? b."] == lines_of("It is a\ud800 b.")


def test_a_word_that_a_pdf_divides_is_one_again():
    lines = lines_of("Die Tafel der Ge\ufffezeiten ist für den Nord\ufffeOst-Kai.\r\n \r\n")
    [sentence] = take_apart(paragraphs(lines)).sentences

    assert ["Die Tafel der Ge-", "zeiten ist für den Nord-", "Ost-Kai."] == lines
    assert "Die Tafel der Gezeiten ist für den Nord-Ost-Kai." == sentence.text


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.txt", b"\x7fELF\0\0\0", "The file is not text."),
        ("a.txt", "x" * (MOST + 1), "The text has more than 100,000 characters."),
        ("a.pdf", b"", "The file cannot be read: it may be damaged."),
        ("a.pdf", b"%PDF-1.7 and then nothing of the kind", "The file cannot be read: it may be damaged."),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(write, name, content, reason):
    with pytest.raises(Unusable, match=reason):
        read(write(name, content), MOST, ignore)


def test_a_pdf_without_text_or_with_a_password_is_refused(tmp_path):
    with pytest.raises(Unusable, match="it may be a scan"):
        read(pdf(tmp_path / "scan.pdf", ""), MOST, ignore)
    key = f"/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<{'00' * 32}>/U<{'00' * 32}>>>/ID[<00><00>]"
    with pytest.raises(Unusable, match="encrypted"):
        read(pdf(tmp_path / "locked.pdf", "secret", trailer=key), MOST, ignore)


def test_reading_is_ended_when_the_job_is(tmp_path, write):
    """A pipe that nobody writes to: reading it takes for ever."""
    os.mkfifo(tmp_path / "a.txt")
    began = time.monotonic()

    def cancel(_fraction: float, _step: str) -> None:
        if time.monotonic() > began + 0.2:
            raise Cancelled

    with pytest.raises(Cancelled):
        read(tmp_path / "a.txt", MOST, cancel)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit the address space")
def test_a_file_that_takes_too_much_memory_does_not_take_the_apps(tmp_path):
    with (tmp_path / "a.txt").open("wb") as file:
        file.truncate(2 * formats.MEMORY)  # zeros that take no disk

    with pytest.raises(Unusable, match="cannot be read"):
        read(tmp_path / "a.txt", MOST, ignore)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not show a process's environment")
def test_the_reader_knows_no_secrets_and_its_death_is_told(monkeypatch, tmp_path):
    for name in ("HF_TOKEN", "API_TOKEN", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "secret")
    os.mkfifo(tmp_path / "a.txt")
    known = []

    def kill(_fraction: float, _step: str) -> None:
        for child in Path("/proc/thread-self/children").read_text().split():
            if b"formats.py" in Path(f"/proc/{child}/cmdline").read_bytes():
                known.append(Path(f"/proc/{child}/environ").read_bytes())
                os.kill(int(child), signal.SIGKILL)

    with pytest.raises(Unusable, match="it may be damaged, or take more time or memory than there is"):
        read(tmp_path / "a.txt", MOST, kill)
    assert b"PATH=" in known[0]
    assert b"secret" not in known[0]
