"""The text of a file: plain text, Markdown, HTML or PDF. reading.py runs this as a program of its own."""

from __future__ import annotations

import codecs
import re
import resource
import sys
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

KINDS = (".txt", ".md", ".html", ".htm", ".pdf")
MEMORY = 2**30  # bytes that reading may take
SECONDS = 120  # of the processor
UNREADABLE = 3  # exit code; the reason is then on stdout in place of the text

CONTROLS = {"button", "select", "textarea"}  # but not what holds them: many pages are one form
UNREAD = {"script", "style", "noscript", "template", "svg", "nav", "footer", "aside", "table", "pre"} | CONTROLS
INLINE = {"a", "abbr", "b", "cite", "code", "em", "i", "mark", "q", "s", "small", "span", "strong", "sub", "sup", "u"}
HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}


class Unreadable(Exception):
    """There is no text in the file; the message says why."""


def text_of(file: Path, most: int) -> str:
    """The text of a file, whose kind its ending tells, of at most so many characters."""
    text = text_of_pdf(file) if file.suffix == ".pdf" else decoded(file.read_bytes())
    if file.suffix in (".html", ".htm"):
        text = text_of_html(text)
    if len(text) > most:
        raise Unreadable(f"The text has more than {most:,} characters.")
    return text


def decoded(content: bytes) -> str:
    """Text in UTF-8 or UTF-16, or else in the code page that old files of Windows have."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = content.decode("utf-16", "replace")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("cp1252", "replace")
    if "\0" in text:
        raise Unreadable("The file is not text.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def text_of_html(page: str) -> str:
    """The text of a page in Markdown: headings, items and paragraphs, without what surrounds them."""
    reader = Page()
    reader.feed(page)
    reader.close()
    return "".join(reader.parts).strip()


class Page(HTMLParser):
    """Collects the parts of a page's text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._unread: list[str] = []  # elements that are open, and whose text is left out

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """What begins on a line of its own, and how."""
        del attrs
        if tag in UNREAD:
            self._unread.append(tag)
        elif tag in HEADINGS:
            self.parts.append("\n\n# ")
        elif tag == "li":
            self.parts.append("\n- ")
        elif tag not in INLINE:
            self.parts.append("\n" if tag == "br" else "\n\n")

    def handle_endtag(self, tag: str) -> None:
        """What ends with its line."""
        if tag in self._unread:
            while self._unread.pop() != tag:  # those within it that were never closed
                pass
        elif tag not in INLINE:
            self.parts.append("\n\n")

    def handle_data(self, data: str) -> None:
        """Text; the line breaks in it mean nothing."""
        if not self._unread:
            before, after = data[:1].isspace(), data[-1:].isspace()
            self.parts.append(" " * before + " ".join(data.split()) + " " * after)


def text_of_pdf(file: Path) -> str:
    """The paragraphs of all pages. A scan has none: it consists of pictures."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(file)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pypdfium2.raw.FPDF_ERR_PASSWORD:
            raise Unreadable("The PDF is encrypted.") from error
        raise
    pages = [lines_of(page.get_textpage().get_text_range()) for page in document]
    lines = without_running_titles(pages)
    if not lines:
        raise Unreadable("The PDF has no text: it may be a scan.")
    return paragraphs(lines)


def lines_of(page: str) -> list[str]:
    """The lines of a page that hold something. PDFium has U+FFFE for a hyphen and the end of its line."""
    page = page.replace("\ufffe", "-\n").encode("utf-8", "replace").decode()  # no halves of characters
    return [line.strip() for line in page.splitlines() if line.strip()]


def without_running_titles(pages: list[list[str]]) -> list[str]:
    """All lines but those at the top or the bottom of three pages or more, whose numbers may differ."""
    ends = Counter(form(line) for lines in pages for line in {*lines[:1], *lines[-1:]})
    often = {title for title, count in ends.items() if count > 2}
    return [
        line
        for lines in pages
        for place, line in enumerate(lines)
        if place not in (0, len(lines) - 1) or form(line) not in often
    ]


def form(line: str) -> str:
    """A line with all numbers alike, Roman ones too."""
    return re.sub(r"\b(\d+|[ivxlc]+)\b", "0", line.lower())


def paragraphs(lines: list[str]) -> str:
    """Lines with an empty one where a paragraph seems to end: after a short one, unless the next goes on with it."""
    usual = sorted(map(len, lines))[len(lines) * 9 // 10]
    text = ""
    for line, following in pairwise([*lines, ""]):
        ends = len(line) < 0.75 * usual and line[-1] != "-" and (line[-1] in ".!?:" or not following[:1].islower())
        text += line + ("\n\n" if ends else "\n")
    return text


def main(file: Path, most: int) -> int:
    """Write the text to stdout, or why there is none; returns the exit code."""
    if sys.platform == "linux":  # others refuse it
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    try:
        text, code = text_of(file, most), 0
    except Unreadable as reason:
        text, code = str(reason), UNREADABLE
    except Exception:  # a library's, about a file that may have been made to break it
        text, code = "The file cannot be read: it may be damaged.", UNREADABLE
    sys.stdout.buffer.write(text.encode())
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
