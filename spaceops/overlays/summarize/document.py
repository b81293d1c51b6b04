# ruff: noqa: RUF001 - quotes and marks of several scripts are what this is about
"""A text taken apart: which of it are headings, which are sentences, and where each sentence stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from words import ABBREVIATIONS, MONTHS, OPENERS

LONGEST = 800  # characters; what goes on for longer without an end is no sentence, and is cut
HEADING = 90  # characters at most, in a text without marks for headings

FENCE = re.compile(r"\s*(```|~~~)")
RULE = re.compile(r"\s*+([-*_=])(\s*+\1){2,}\s*+$")
MARKED_HEADING = re.compile(r"\s{0,3}#{1,6}\s")
ITEM = re.compile(r"\s*(?:[-*+•–]|\d{1,3}[.)]|[a-z]\)|\[\^[^\s\[\]]+\]:)\s+")  # of a list, or a footnote
UNSEEN = re.compile(r"\s*+(?:\[[^\[\]]+\]:\s+\S*://|(?:<[^<>]*+>\s*+)++$)")  # the address of a link, or tags alone

# An end of a sentence: its last mark with the quotes and brackets that belong to it, and then white space.
END = re.compile(r"""(?<![.!?…])[.!?…]++["'»”“’)\]*_]*+(?=\s)|[。！？]++[」』”）]*""")
NEXT = re.compile(r"""\s*["'«„“‘(\[*_¿¡]*(\w+)""")
LAST_WORD = re.compile(r"""[^\s("'«„“]+$""")
SHORT = re.compile(r"[^\W\d_]|(\w{1,2}\.)+\w{1,2}")  # an initial, or as "e.g" and "z.B"
DAY = re.compile(r"\b[0-3]?\d\.$")
ORDINAL = re.compile(r"\b(am|im|ab|bis|seit|vom|zum|zur|der|die|das|dem|den|des) (\d{1,2}|[IVX]+)\.$", re.IGNORECASE)
DIVIDED = re.compile(r"(?<=[^\W\d_])[-\u00ad]\n\s*(?=([^\W\d_]))")  # a word at the end of a line, and its rest


class Sentence(NamedTuple):
    """A sentence as it is read, and where it stands in the text, in characters (code points)."""

    text: str
    start: int
    end: int
    opens_paragraph: bool
    is_item: bool  # of a list


@dataclass
class Document:
    """What a text consists of."""

    text: str
    sentences: list[Sentence] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)


class Line(NamedTuple):
    """A line and where it begins."""

    start: int
    text: str

    @property
    def end(self) -> int:
        """Where it ends, without its line break."""
        return self.start + len(self.text)


def take_apart(text: str) -> Document:
    """Find the headings and the sentences of a plain text, or of Markdown, whose code and tables are left out."""
    document = Document(text)
    for block in blocks(text):
        first, last = block[0], block[-1]
        if is_heading(block):
            document.headings.append(readable(first.text.strip(" \t#")))
        else:
            item = ITEM.match(first.text)
            start = first.start + (item.end() if item else 0)
            document.sentences += sentences(text, start, last.end, is_item=bool(item))
    if not document.sentences:  # then what looked like headings is all there is
        document.sentences += sentences(text, 0, len(text))
    return document


def blocks(text: str) -> Iterator[list[Line]]:
    """The lines of each paragraph, item or heading."""
    block: list[Line] = []
    in_code = in_comment = False
    for line in lines(text):
        fence = FENCE.match(line.text)
        in_code ^= bool(fence)
        in_comment |= line.text.lstrip().startswith("<!--") and not in_code
        left_out = in_code or fence or in_comment or not line.text.strip() or is_no_text(line.text)
        in_comment &= "-->" not in line.text
        opens = MARKED_HEADING.match(line.text) or ITEM.match(line.text)
        if block and (left_out or opens or MARKED_HEADING.match(block[-1].text)):
            yield block
            block = []
        if not left_out:
            block.append(line)
    if block:
        yield block


def lines(text: str) -> Iterator[Line]:
    """The lines of a text."""
    start = 0
    for line in text.split("\n"):
        yield Line(start, line)
        start += len(line) + 1


def is_no_text(line: str) -> bool:
    """Whether a line is a row of a table, a rule, or what a reader of Markdown does not see."""
    return line.count("|") >= 2 or line.count("\t") >= 2 or bool(RULE.match(line) or UNSEEN.match(line))


def is_heading(block: list[Line]) -> bool:
    """Whether a paragraph is marked as a heading, or looks like one: a short line that does not end as a sentence."""
    line = block[0].text.strip()
    if MARKED_HEADING.match(line):
        return len(line) <= LONGEST
    return len(block) == 1 and len(line) <= HEADING and not ITEM.match(line) and line[-1] not in ".!?…:;,\"'»”“’。！？"


def sentences(text: str, start: int, end: int, *, is_item: bool = False) -> Iterator[Sentence]:
    """The sentences of one paragraph, which is a part of the text."""
    opens = True
    for begin, stop in spans(text, start, end):
        words = readable(text[begin:stop])
        if re.search(r"\w", words):
            yield Sentence(words, begin, stop, opens, is_item)
            opens = False


def spans(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Where sentences begin and end, without the white space around them."""
    for mark in END.finditer(text, start, end):
        if ends_sentence(text[max(start, mark.start() - 40) : mark.end()], text[mark.end() : mark.end() + 60]):
            yield from cut(text, start, mark.end())
            start = mark.end()
    yield from cut(text, start, end)


def cut(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """One span, or several if it is too long for a sentence."""
    while end - start > LONGEST:
        middle = max(text.rfind(mark, start + 1, start + LONGEST) for mark in (" ", "\n", "；", "，"))
        middle = middle if middle > start else start + LONGEST
        yield from cut(text, start, middle)
        start = middle
    piece = text[start:end]
    left, right = len(piece) - len(piece.lstrip()), len(piece.rstrip())
    if left < right:
        yield start + left, start + right


def ends_sentence(before: str, after: str) -> bool:
    """Whether a mark at the end of `before` ends a sentence: not after an abbreviation, an initial or an ordinal."""
    following = NEXT.match(after)
    if following is None:  # nothing follows, or nothing that is read
        return True
    word = following[1]
    if not before.endswith("."):
        return not word[0].islower()
    if word[0].islower():
        return False
    if word.lower() in OPENERS or before.endswith(".."):
        return True
    if word.lower() in MONTHS and DAY.search(before):
        return False
    return not (ORDINAL.search(before) or is_shortened(before[:-1]))


def is_shortened(before: str) -> bool:
    """Whether what a full stop follows is an abbreviation or an initial."""
    last = LAST_WORD.search(before)
    return last is not None and (last[0].lower() in ABBREVIATIONS or SHORT.fullmatch(last[0]) is not None)


def readable(text: str) -> str:
    """A piece of text as it is read: on one line, and without the marks of Markdown."""
    text = re.sub(r"!\[[^\[\]\n]*\]\([^)\n]*\)", "", text)  # a picture
    text = re.sub(r"\[([^\[\]\n]+)\]\([^)\n]*\)", r"\1", text)  # a link
    text = re.sub(r"(?<!\w)\[(?!\d+\]|\^)([^\[\]\n]+)\]\[[^\[\]\n]*\]|\[\^[^\s\[\]]+\]", r"\1", text)  # one by name
    text = re.sub(r"\*\*(?=\S)(.+?)\*\*|`([^`\n]+)`", r"\1\2", text)
    text = re.sub(r"(?<![\w*])([*_])(?=[^\s*_])(.+?)(?<=[^\s*_])\1(?![\w*])", r"\2", text)
    text = DIVIDED.sub(lambda word: "" if word[1].islower() else "-", text)
    text = re.sub(r"\n\s*>\s?", " ", text)
    return " ".join(text.split()).removeprefix("> ")
