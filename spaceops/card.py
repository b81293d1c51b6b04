"""README.md's front matter, where the Hub reads a Space's title, SDK and port."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from spaceops.errors import BadInput

if TYPE_CHECKING:
    from ruamel.yaml import YAML

FENCE = "---"
DEFAULT_APP_PORT = 7860
LARGEST_BLOCK = 100_000  # characters; a second's work
MOST_MERGED = 20  # aliases beside `<<`: each may multiply what there is
MOST_BRACKETS = 500  # the time to read them grows with their square
MOST_FENCES = 20  # lines of dashes that are looked at for a front matter that is not at the top

_FENCE_LINE = re.compile(r"^\ufeff?(---)[ \t]*\r?$", re.MULTILINE)
_COLON = re.compile(r"[ \t]*:")
_SDK_LINE = re.compile(r"^sdk[ \t]*:", re.MULTILINE)
# what reading YAML may end in besides
_NOT_READ = (ValueError, LookupError, TypeError, ArithmeticError, RecursionError)


@dataclass(frozen=True)
class Problem:
    """Why a block cannot be read: in the parser's words, and the line in the block, from 1.

    `certain` where the Hub's own parser (js-yaml) is known to stop at it too.
    """

    text: str
    line: int | None = None
    certain: bool = True

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Card:
    """What the front matter says; every field is empty or a default where it says nothing.

    Source: the Hub's Spaces configuration reference (August 2026).
    """

    fields: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> Card:
        """Read the block between the first two `---` lines; text without one gives an empty card.

        Raises `BadInput` when the block is not a YAML mapping.
        """
        found = FrontMatter.at_the_top(text)
        if found is None:
            return cls()
        if found.problem is None:
            return cls(found.fields)
        at = f" (line {found.first_line + found.problem.line})" if found.problem.line else ""
        raise BadInput(
            f"README.md: the front matter {found.problem}{at}", hint="Quote the value, or mend the line named."
        )

    @property
    def title(self) -> str | None:
        """The title that the Hub shows."""
        return _text(self.fields.get("title"))

    @property
    def sdk(self) -> str | None:
        """`docker` for every Space that spaceops deploys."""
        return _text(self.fields.get("sdk"))

    @property
    def app_port(self) -> int:
        """The port that the Hub sends traffic to, 7860 unless set.

        Raises `BadInput` for anything but a number from 1 to 65535.
        """
        port = self.fields.get("app_port", DEFAULT_APP_PORT)
        if isinstance(port, str) and port.isascii() and port.isdecimal() and len(port) <= len("65535"):
            port = int(port)
        if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65535:
            raise BadInput(
                f"README.md: app_port: got {port!r}, wants a number from 1 to 65535",
                hint=f"The port your server listens on, usually {DEFAULT_APP_PORT}.",
            )
        return port


@dataclass(frozen=True)
class Entry:
    """One `key: value` as it is written: `raw` is the value's text, `start` and `end` where it stands in README.md."""

    key: str
    line: int  # of README.md, from 1
    raw: str
    start: int
    end: int
    style: str  # "" plain, ' or " quoted, | or > a block; [] for what is no single value

    @property
    def is_plain(self) -> bool:
        """Whether the value is written without quotes."""
        return self.style == ""


@dataclass(frozen=True)
class FrontMatter:
    """The block of YAML in a README.md, with where it stands: offsets into `text`."""

    text: str = field(repr=False)
    start: int  # of the opening fence
    body: int  # of the YAML
    end: int  # of the closing fence
    after: int  # of what follows

    @classmethod
    def at_the_top(cls, text: str) -> FrontMatter | None:
        """The block, if the opening fence is the very first line, as the Hub wants it."""
        fences = _fences(text)
        first = next(fences, None)
        return _between(text, first, next(fences, None)) if first and first.start(1) == 0 else None

    @classmethod
    def anywhere(cls, text: str) -> FrontMatter | None:
        """The block at the top, after nothing but white space, or else the first that says `sdk`."""
        fences = list(_fences(text))
        for opening, closing in pairwise(fences):
            found = _between(text, opening, closing)
            if found and (not found.before.strip("\ufeff \t\r\n") or _SDK_LINE.search(found.block)):
                return found
        return None

    @property
    def before(self) -> str:
        """What stands above it, where nothing should."""
        return self.text[: self.start]

    @property
    def block(self) -> str:
        """The YAML."""
        return self.text[self.body : self.end]

    @property
    def first_line(self) -> int:
        """The line of README.md with the opening fence, from 1."""
        return self.text.count("\n", 0, self.start) + 1

    @property
    def newline(self) -> str:
        """How its lines end."""
        return "\r\n" if self.text[: self.body].endswith("\r\n") else "\n"

    @property
    def problem(self) -> Problem | None:
        """Why it is no `key: value` lines, if so."""
        last = self._read_with_spaces
        return last if isinstance(last, Problem) else self._read if isinstance(self._read, Problem) else None

    @property
    def fields(self) -> dict[str, Any]:
        """What it says; where only tabs are wrong with it, what it would say with spaces; else empty."""
        return {} if isinstance(self._read_with_spaces, Problem) else self._read_with_spaces

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """What it says as it is written, by key; of a key that is written twice the first."""
        if isinstance(self._read_with_spaces, Problem) or not self.fields:
            return {}
        with _yaml() as yaml:
            node = yaml.compose(_spaced(self.block))
        entries: dict[str, Entry] = {}
        for key, value in node.value:
            if entry := self._entry(key, value):
                entries.setdefault(entry.key, entry)
        return entries

    def line(self, key: str) -> int:
        """The line of README.md that sets a key; that of the opening fence where none does."""
        return self.entries[key].line if key in self.entries else self.first_line

    def with_value(self, key: str, scalar: str) -> str:
        """The README.md with another value, written as given; all else stays as it is."""
        entry = self.entries[key]
        space = "" if self.text[entry.start - 1 : entry.start] in (" ", "\t") else " "
        return self.text[: entry.start] + space + scalar + self.text[entry.end :]

    def without(self, key: str) -> str | None:
        """The README.md without a key, its value and its line; None where that is more than one line."""
        entry = self.entries[key]
        start = self.text.rfind("\n", 0, entry.start) + 1
        end = self.text.find("\n", entry.end) + 1
        line = self.text[start : end - 1]
        begins = line.lstrip("\"'").startswith(key)  # else it stands within braces, with others
        is_alone = entry.style in ("", "'", '"') and "\n" not in line and begins
        return self.text[:start] + self.text[end:] if is_alone and end else None

    def with_block(self, block: str) -> str:
        """The README.md with another block."""
        return self.text[: self.body] + block + self.text[self.end :]

    @cached_property
    def _read(self) -> dict[str, Any] | Problem:
        return _load(self.block)

    @cached_property
    def _read_with_spaces(self) -> dict[str, Any] | Problem:
        has_tabs = isinstance(self._read, Problem) and "\t" in self.block
        return _load(_spaced(self.block)) if has_tabs else self._read

    def _entry(self, key: Any, value: Any) -> Entry | None:
        """The entry of two nodes; None for a key that is not written as `key:`."""
        colon = _COLON.match(self.text, self.body + key.end_mark.index)
        if key.id != "scalar" or not colon:
            return None
        start, end = self.body + value.start_mark.index, self.body + value.end_mark.index
        if start == end:  # nothing: then the parser is already at what follows
            start = end = colon.end()
        style = (value.style or "") if value.id == "scalar" else "[]"
        raw = self.text[start:end]
        line = self.first_line + 1 + key.start_mark.line
        return Entry(str(key.value), line, raw, start, start + len(raw.rstrip()) if style == "" else end, style)


def _fences(text: str) -> Iterator[re.Match[str]]:
    for number, fence in enumerate(_FENCE_LINE.finditer(text)):
        if number == MOST_FENCES:
            return
        yield fence


def _between(text: str, opening: re.Match[str], closing: re.Match[str] | None) -> FrontMatter | None:
    """What two fences hold."""
    if closing is None:
        return None
    body, after = text.find("\n", opening.start(1)) + 1, text.find("\n", closing.start(1)) + 1
    return FrontMatter(text, opening.start(1), body, closing.start(1), after or len(text))


def _spaced(block: str) -> str:
    return block.replace("\t", " ")


@contextmanager
def _yaml() -> Iterator[YAML]:
    """The reader of YAML, which else warns of an anchor that is set twice, as YAML allows."""
    from ruamel.yaml import YAML  # 40 ms that only a reader of cards should pay

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield YAML(typ="safe", pure=True)


def _load(block: str) -> dict[str, Any] | Problem:
    """The mapping in a block of YAML, or why it is none."""
    if len(block) > LARGEST_BLOCK:
        return Problem(f"is longer than {LARGEST_BLOCK} characters", certain=False)
    if "<<" in block and block.count("*") > MOST_MERGED:
        return Problem("merges too many aliases", certain=False)
    if block.count("[") + block.count("{") > MOST_BRACKETS:
        return Problem("is not valid YAML: too many brackets", certain=False)
    from ruamel.yaml.error import YAMLError

    try:
        with _yaml() as yaml:
            fields = yaml.load(block)
    except YAMLError as error:
        return _problem(error, certain="\t" not in block)
    except _NOT_READ as error:
        return Problem(f"is not valid YAML: {type(error).__name__}", certain=False)
    if not isinstance(fields, dict | None):
        return Problem("must be `key: value` lines")
    return fields or {}


def _problem(error: Exception, *, certain: bool) -> Problem:
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or str(error).splitlines()[0]
    return Problem(f"is not valid YAML: {said}", mark.line + 1 if mark else None, certain)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
