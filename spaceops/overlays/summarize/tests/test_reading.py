"""Files of every kind, and files that were made to do harm."""

from __future__ import annotations

import codecs
import os
import sys
import time

import pytest
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

import formats
from formats import text_of
from reading import environment, read
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


def pdf(file, *pages: str, password: str = ""):
    """Write a PDF with a line of text on each page."""
    writer = PdfWriter()
    kind = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
    font = writer._add_object(DictionaryObject({NameObject(key): NameObject(value) for key, value in kind.items()}))
    for text in pages:
        page = writer.add_blank_page(600, 800)
        fonts = DictionaryObject({NameObject("/F1"): font})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 50 700 Td ({text}) Tj ET".encode())
        page[NameObject("/Contents")] = writer._add_object(stream)
    if password:
        writer.encrypt(password)
    writer.write(file)
    return file


@pytest.mark.parametrize(
    "content",
    [
        "Schöne Grüße.\n",
        codecs.BOM_UTF8 + "Schöne Grüße.\n".encode(),
        "Schöne Grüße.\n".encode("utf-16"),
        "Schöne Grüße.\r\n".encode("cp1252"),
    ],
)
def test_text_in_the_usual_encodings_is_read(write, content):
    assert "Schöne Grüße.\n" == text_of(write("a.txt", content), MOST)


def test_html_is_read_without_what_surrounds_the_text(write):
    page = """<!doctype html><title>News</title><style>p { color: red }</style><script>alert("x")</script>
        <nav><a href=x>Home</a></nav><h1>The <em>ferry</em></h1><p>It left &amp; came
        back.<br>Then: <b>n</b>othing.</p><ul><li>one<li>two</ul><table><tr><td>7</table><footer>me</footer>"""
    lines = [line.strip() for line in text_of(write("a.html", page), MOST).split("\n") if line.strip()]

    assert ["News", "# The ferry", "It left & came back.", "Then: nothing.", "- one", "- two"] == lines


def test_a_pdf_is_read_page_by_page(tmp_path):
    text = read(pdf(tmp_path / "a.pdf", "The first page.", "The second page."), MOST, ignore)

    assert ["The first page.", "The second page."] == text.split("\n\n")[:2]


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
    with pytest.raises(Unusable, match="encrypted"):
        read(pdf(tmp_path / "locked.pdf", "secret", password="secret"), MOST, ignore)


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

    with pytest.raises(Unusable, match=r"cannot be read|more time or memory"):
        read(tmp_path / "a.txt", MOST, ignore)


def test_the_reader_knows_no_secrets(monkeypatch):
    for name in ("HF_TOKEN", "API_TOKEN", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "secret")

    assert "PATH" in environment()
    assert "secret" not in environment().values()
