"""Words of a Dockerfile: split, and with their variables expanded, as BuildKit does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from spaceops.errors import BadInput
from spaceops.shellwords import UNKNOWN

DEEPEST = 50  # `${A:-${B:-…}}`
_NAME = re.compile(r"[0-9]+|[@*#?$!-]|[^\W\d]\w*")
_PLAIN = re.compile(r"""[^'"$\\`}/]+""")
_REFERENCE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")
_WHITE = re.compile(r"[\t\v\f\r ]+")


class Anything(Mapping[str, str]):
    """Variables that are all set: with them only the form of a word is looked at."""

    def __getitem__(self, name: str) -> str:
        return "x"

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def names_in(text: str) -> frozenset[str]:
    """The variables that a text names."""
    return frozenset(_REFERENCE.findall(text))


def expand(text: str, known: Mapping[str, str], escape: str = "\\", *, quotes: bool = True) -> str:
    """Expand `$X`, `${X}`, `${X:-default}`, `${X:+other}`, `${X#prefix}`, `${X/old/new}` and take quotes away.

    A name that is not known is empty. Nothing is expanded within single quotes or after the escape character; without
    `quotes` they are characters like others. Raises `BadInput` for what BuildKit does not take: an open quote or
    brace, or a value that `${X:?}` wants and that is not there.
    """
    if not any(char in text for char in ("$", escape, "'", '"')):
        return text
    return _Expander(text, known, escape, quotes).until("", is_raw=False, depth=0)


def split_white(text: str, most: int = 0) -> list[str]:
    """The words between white space, quotes or not."""
    return _WHITE.split(text, most) if text else []


def split_words(text: str, escape: str = "\\") -> list[str]:
    """Words separated by white space; quotes and escapes keep white space together and stay in the word."""
    words, parts = list[str](), list[str]()
    quote, position = "", 0
    while position < len(text):
        char = text[position]
        position += 1
        if not quote and char.isspace():
            words += ["".join(parts)] if parts else []
            parts = []
            continue
        if char == quote:
            quote = ""
        elif char in "'\"" and not quote:
            quote = char
        elif char == escape and quote != "'":
            parts.append(char if position < len(text) else "")
            char = text[position : position + 1]
            position += 1
        parts.append(char)
    return [*words, "".join(parts)] if parts else words


class _Expander:
    def __init__(self, text: str, known: Mapping[str, str], escape: str, quotes: bool) -> None:
        self.text, self.known, self.escape, self.quotes = text, known, escape, quotes
        self.at = 0

    def until(self, stop: str, *, is_raw: bool, depth: int) -> str:
        """The text up to a character, or to the end; `is_raw` keeps escape characters, for a pattern."""
        parts = list[str]()
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == stop:
                self.at += 1
                return "".join(parts)
            parts.append(self._piece(char, is_raw, depth))
        if stop:
            raise BadInput(f"unexpected end of statement while looking for matching {stop}")
        return "".join(parts)

    def _piece(self, char: str, is_raw: bool, depth: int) -> str:
        if found := _PLAIN.match(self.text, self.at):
            self.at = found.end()
            return found[0]
        if char == "$":
            return self._dollar(depth)
        if self.quotes and char == "'":
            return self._single()
        if self.quotes and char == '"':
            return self._double(depth)
        if char != self.escape:
            self.at += 1
            return char
        following = self.text[self.at + 1 : self.at + 2]
        self.at += 2
        return char + following if is_raw else following

    def _single(self) -> str:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            raise BadInput("unexpected end of statement while looking for matching single-quote")
        piece, self.at = self.text[self.at + 1 : end], end + 1
        return piece

    def _double(self, depth: int) -> str:
        self.at += 1
        parts = list[str]()
        while self.at < len(self.text):
            char = self.text[self.at]
            following = self.text[self.at + 1 : self.at + 2]
            if char == '"':
                self.at += 1
                return "".join(parts)
            if char == "$":
                parts.append(self._dollar(depth))
            elif char == self.escape and following in ('"', "$", self.escape):
                parts.append(following)
                self.at += 2
            else:
                parts.append(char if char != self.escape or following else "")
                self.at += 1
        raise BadInput("unexpected end of statement while looking for matching double-quote")

    def _dollar(self, depth: int) -> str:
        self.at += 1
        if not self.text.startswith("{", self.at):
            name = self._name()
            return self.known.get(name) or "" if name else "$"
        self.at += 1
        if self.at >= len(self.text):
            raise BadInput("syntax error: missing '}'")
        if self.text[self.at] in "{}:" or depth > DEEPEST:
            raise BadInput("syntax error: bad substitution")
        name = self._name()
        operator = self.text[self.at : self.at + 1]
        self.at += 1
        if not operator:
            raise BadInput("syntax error: missing '}'")
        if operator == "}":
            return self.known.get(name) or ""
        if operator == "/":
            return self._replaced(name, depth)
        if operator == ":":
            operator += self.text[self.at : self.at + 1]
            self.at += 1
        if operator[-1:] not in tuple("+-?#%"):
            raise BadInput(f"unsupported modifier ({operator}) in substitution")
        word = self._argument("}", is_raw=operator[-1] in "#%", depth=depth)
        return _modified(name, self.known.get(name), operator, word)

    def _name(self) -> str:
        found = _NAME.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return found[0] if found else ""

    def _argument(self, stop: str, *, is_raw: bool, depth: int) -> str:
        try:
            return self.until(stop, is_raw=is_raw, depth=depth + 1)
        except BadInput as error:
            if self.at >= len(self.text):
                raise BadInput(f"syntax error: missing '{stop}'") from error
            raise

    def _replaced(self, name: str, depth: int) -> str:
        replaces_all = self.text.startswith("/", self.at)
        self.at += replaces_all
        pattern = self._argument("/", is_raw=True, depth=depth)
        replacement = self._argument("}", is_raw=True, depth=depth)
        value = self.known.get(name) or ""
        if UNKNOWN in value:
            return value
        return _glob(pattern, ".*").sub(lambda _: replacement, value, count=0 if replaces_all else 1)


def _modified(name: str, value: str | None, operator: str, word: str) -> str:
    is_there = bool(value) if operator.startswith(":") else value is not None
    match operator[-1]:
        case "-":
            return value or "" if is_there else word
        case "+":
            return word if is_there else ""
        case "?":
            if not is_there:
                raise BadInput(
                    f"The Dockerfile wants a value for {name}: {word or 'it is not set'}", hint=f"Set {name}."
                )
            return value or ""
        case _:
            return _trimmed(value or "", operator[-1], word)


def _trimmed(value: str, operator: str, pattern: str) -> str:
    """`#` takes what matches from the front, `%` from the back; doubled, as much as possible."""
    is_greedy = pattern.startswith(operator)
    if UNKNOWN in value:
        return value
    matching = _glob(pattern[is_greedy:], ".*")
    lengths = range(len(value) + 1)
    for length in reversed(lengths) if is_greedy else lengths:
        piece = value[:length] if operator == "#" else value[len(value) - length :]
        if matching.fullmatch(piece):
            return value[length:] if operator == "#" else value[: len(value) - length]
    return value


def _glob(pattern: str, star: str) -> re.Pattern[str]:
    """`*` is any text, `?` any character, a backslash takes their meaning away."""
    pieces = re.findall(r"\\.|.", re.sub(r"\*+", "*", pattern), re.DOTALL)
    kinds = {"*": star, "?": "."}
    return re.compile("".join(kinds.get(piece) or re.escape(piece[-1]) for piece in pieces), re.DOTALL)
