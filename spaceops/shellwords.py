"""Shell text as words and operators, with the variables filled in that are known when a word's turn comes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

UNKNOWN = "\0"  # in a word: a part that cannot be known
_SPLIT = "\1"  # while a word is read: where an unquoted variable splits it
_BLANKS = re.compile(r"[ \t\n]+")
_DEEPEST = 20  # defaults within defaults: `${A:-${B:-…}}`
_LONGEST_SUM = 500  # characters of `(( … ))`
_LONGEST = 200_000  # characters that are read of a text
_OPERATORS = (";;&", "&&", "||", ";;", ";&", "|&", ";", "|", "&", "(", ")", "\n")
ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\[[^]\s]*\])?\+?=")
REDIRECT = re.compile(r"\d{0,3}(?:<<<|<<-?|>>|>\||>&|<&|<>|>|<)|&>>?")
_HEREDOC_NAME = re.compile(r"[ \t]*(\\?)(?:'([^'\n]*)'|\"([^\"\n]*)\"|([^\s'\";|&()<>]+))")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-]")
_BRACED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*|[0-9]+)(?:(:?[-=+?])(.*))?", re.DOTALL)
_PLAIN = re.compile(r"[^\s'\"\\$`;|&()<>]+")
_IN_QUOTES = re.compile(r'[^"\\$`]+')
_ALL_ARGUMENTS = frozenset({"$@", '"$@"', "$*", '"${@}"', "${@}"})


@dataclass
class Token:
    """A word or an operator."""

    text: str
    line: int
    at: int
    operator: bool = False
    raw: str = ""  # as written: quotes tell `"if"` from `if`
    assumed: set[str] = field(default_factory=set)
    is_assignment: bool = False


@dataclass
class Variables:
    """What is known of the variables at a place of the text."""

    values: dict[str, str]
    arguments: Sequence[str] | None = None
    assumed: dict[str, frozenset[str]] = field(default_factory=dict)  # what a value was made from
    pending: dict[str, Token] = field(default_factory=dict)  # `A=1 B=$A`: seen by the next assignment, not by a command

    def look_up(self, name: str, token: Token) -> str | None:
        """The value of a variable, or None; the token keeps what the value was made from."""
        if token.is_assignment and name in self.pending:
            token.assumed |= self.pending[name].assumed
            return self.pending[name].text.partition("=")[2]
        if name.isdecimal() and name != "0" and self.arguments is not None:
            return self.arguments[int(name) - 1] if int(name) <= len(self.arguments) else None
        token.assumed |= self.assumed.get(name, frozenset())
        return self.values.get(name)

    def assign(self, word: Token, *, is_certain: bool) -> None:
        """Take in `NAME=value`; one that may not happen leaves the value unknown."""
        name, _, value = word.text.partition("=")
        is_whole = is_certain and not name.endswith(("+", "]"))
        name = name.removesuffix("+").partition("[")[0]
        self.values[name] = value if is_whole else UNKNOWN
        self.assumed[name] = frozenset(word.assumed)

    def forget_all(self) -> None:
        """Something that is not read here may have set any of them."""
        self.values = dict.fromkeys(self.values, UNKNOWN)


class Lexer:
    """The text as words and operators, with the variables filled in as they are when a word's turn comes."""

    def __init__(self, text: str, variables: Variables, depth: int = 0) -> None:
        self.text, self.variables, self.depth = text[:_LONGEST].replace("\r\n", "\n"), variables, depth
        self.at, self.line = 0, 1
        self.heredocs: list[tuple[str, bool]] = []
        self.at_command = True  # the next word may be a keyword, an assignment or a program
        self.in_test = False  # within `[[ … ]]`, where `&&` and `<` are words

    def tokens(self) -> Iterator[Token]:
        """The words and operators in order."""
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in " \t\r":
                self.at += 1
            elif self.text.startswith("\\\n", self.at):
                self.at, self.line = self.at + 2, self.line + 1
            elif char == "#":
                self._to("\n")
            elif char == "(" and self.at_command and self.text.startswith("((", self.at):
                yield from self._arithmetic()
            elif (operator := self._operator()) is not None:
                yield operator
            else:
                yield from self._words()

    def _to(self, end: str) -> None:
        found = self.text.find(end, self.at)
        self.at = len(self.text) if found < 0 else found

    def _arithmetic(self) -> Iterator[Token]:
        """`(( … ))` as one word; what begins like it and is none is two subshells."""
        start, line, end = self.at, self.line, self.text.find("))", self.at, self.at + _LONGEST_SUM)
        if end < 0 or "\n" in self.text[start:end]:
            self.at += 1
            yield Token("(", line, start, operator=True)
            return
        self.at = end + 2
        yield Token(UNKNOWN, line, start, raw="((")

    def _operator(self) -> Token | None:
        start, line = self.at, self.line
        found = next((one for one in _OPERATORS if self.text.startswith(one, start)), None)
        if found is None or (found == "&" and self.text.startswith("&>", start)):
            return None
        if self.in_test and found != "\n":
            self.at += len(found)
            return Token(found, line, start, raw=f"'{found}'")
        self.at += len(found)
        self.at_command = True
        if found == "\n":
            self.line += 1
            self._skip_heredocs()
        return Token(found, line, start, operator=True)

    def _skip_heredocs(self) -> None:
        for name, dash in self.heredocs:
            while self.at < len(self.text):
                start = self.at
                self._to("\n")
                row = self.text[start : self.at]
                self.at, self.line = self.at + 1, self.line + 1
                if (row.lstrip("\t") if dash else row) == name:
                    break
        self.heredocs.clear()

    def _words(self) -> Iterator[Token]:
        """The next word; an unquoted variable may make several of it, or none."""
        token = self.word()
        if token.raw in _ALL_ARGUMENTS and self.variables.arguments is not None:
            yield from (replace(token, text=one, raw=f"'{one}'") for one in self.variables.arguments)
        elif token.is_assignment:
            token.text = token.text.replace(_SPLIT, " ")
            self.variables.pending[token.text.partition("=")[0]] = token
            yield token
        elif _SPLIT in token.text:
            yield from (replace(token, text=one) for one in token.text.split(_SPLIT) if one)
        elif token.text or "'" in token.raw or '"' in token.raw:
            yield token

    def word(self) -> Token:
        """The next word, with the marks where it splits."""
        start = self.at
        token = Token("", self.line, start)
        if not self.in_test and (redirect := REDIRECT.match(self.text, start)):
            return self._redirect(redirect[0], token)
        token.is_assignment = self.at_command and bool(ASSIGNMENT.match(self.text, start))
        parts = list[str]()
        while self.at < len(self.text) and (piece := self._piece(self.text[self.at], token, parts)) is not None:
            parts.append(piece)
        if self.at == start:  # nothing that a word may begin with
            self.at += 1
            token.text, token.raw = self.text[start], f"'{self.text[start]}'"
            return token
        token.text, token.raw = "".join(parts), self.text[start : self.at]
        return token

    def _redirect(self, operator: str, token: Token) -> Token:
        self.at += len(operator)
        token.text = token.raw = operator
        kind = operator.lstrip("0123456789")
        if self.text.startswith("(", self.at) and kind in ("<", ">"):  # `<(…)`
            self._skip_nested(self.at)
            token.text, token.raw = UNKNOWN, "<("
        elif kind in ("<<", "<<-") and (found := _HEREDOC_NAME.match(self.text, self.at)):
            self.at = found.end()
            self.heredocs.append((found[2] or found[3] or found[4] or "", kind == "<<-"))
        return token

    def _piece(self, char: str, token: Token, before: Sequence[str]) -> str | None:
        """The next part of a word, with quotes taken away; None where the word ends."""
        if plain := _PLAIN.match(self.text, self.at):
            self.at = plain.end()
            return plain[0]
        if char == "(" and token.is_assignment and before and before[-1].endswith("="):  # an array
            self._skip_nested(self.at)
            return UNKNOWN
        if char == "\\":
            piece = self.text[self.at + 1 : self.at + 2]
            self.at += 2
            self.line += piece == "\n"
            return "" if piece == "\n" else piece
        if char == "'":
            return self._single()
        if char == '"':
            return self._double(token)
        if char == "$":
            value = self._variable(token)
            return _BLANKS.sub(_SPLIT, value)
        if char == "`":
            return self._backticks()
        return None

    def _single(self) -> str:
        start = self.at + 1
        self.at = start
        self._to("'")
        piece = self.text[start : self.at]
        self.at += 1
        self.line += piece.count("\n")
        return piece

    def _backticks(self) -> str:
        self.at += 1
        start = self.at
        self._to("`")
        self.line += self.text.count("\n", start, self.at)
        self.at += 1
        return UNKNOWN

    def _double(self, token: Token) -> str:
        self.at += 1
        parts = list[str]()
        while self.at < len(self.text) and self.text[self.at] != '"':
            char = self.text[self.at]
            if found := _IN_QUOTES.match(self.text, self.at):
                self.at = found.end()
                self.line += found[0].count("\n")
                parts.append(found[0])
            elif char == "\\":
                parts.append(self._escaped())
            else:
                parts.append(self._variable(token) if char == "$" else self._backticks())
        self.at += 1
        return "".join(parts)

    def _escaped(self) -> str:
        """A backslash within double quotes."""
        following = self.text[self.at + 1 : self.at + 2]
        self.at += 2
        self.line += following == "\n"
        if following == "\n":
            return ""
        return following if following and following in '"\\$`' else "\\" + following

    def _variable(self, token: Token) -> str:
        following = self.text[self.at + 1 : self.at + 2]
        if following == "(":
            self._skip_nested(self.at + 1)
            return UNKNOWN
        if following == "{":
            start = self.at + 2
            self._skip_nested(self.at + 1)
            return self._braced(self.text[start : self.at - 1], token)
        if following == "'":  # $'…': only what it ends with matters here
            self.at += 1
            return self._single()
        name = NAME.match(self.text, self.at + 1)
        self.at = name.end() if name else self.at + 1
        return self._value(name[0], token) if name else "$"

    def _skip_nested(self, start: int) -> None:
        """Go behind the bracket that closes the one at `start`, past quotes and brackets in between."""
        closing = [{"(": ")", "{": "}"}[self.text[start]]]
        at = start + 1
        while at < len(self.text) and closing:
            char = self.text[at]
            if char == "\\":
                at += 1
            elif char == closing[-1]:
                closing.pop()
            elif char == "'" and closing[-1] != '"':
                end = self.text.find("'", at + 1)
                at = len(self.text) if end < 0 else end
            elif char == '"':
                closing.append('"')
            elif char in "({" and (closing[-1] != '"' or self.text[at - 1] == "$"):
                closing.append(")" if char == "(" else "}")
            at += 1
        self.line += self.text.count("\n", start, at)
        self.at = min(at, len(self.text))

    def _braced(self, inside: str, token: Token) -> str:
        found = _BRACED.fullmatch(inside)
        if not found or self.depth > _DEEPEST:
            return UNKNOWN
        name, operator, default = found[1], found[2] or "", found[3] or ""
        value = self.variables.look_up(name, token)
        is_present = value is not None and (value != "" or not operator.startswith(":"))
        if operator.endswith("+") and not is_present:
            token.assumed.add(name)
            return ""
        if not operator or operator.endswith("?") or (is_present and not operator.endswith("+")):
            return self._value(name, token)
        token.assumed |= set() if is_present else {name}
        text = self._filled_in(default, token)
        if operator.endswith("="):
            self.variables.values[name], self.variables.assumed[name] = text, frozenset(token.assumed)
        return text

    def _filled_in(self, default: str, token: Token) -> str:
        """The text of a default, which may hold variables and quotes of its own."""
        inner = Lexer(default, self.variables, self.depth + 1)
        parts = list[str]()
        while inner.at < len(default):
            piece = inner._piece(default[inner.at], token, ())
            if piece is None:
                piece = default[inner.at]
                inner.at += 1
            parts.append(piece)
        return "".join(parts)

    def _value(self, name: str, token: Token) -> str:
        value = self.variables.look_up(name, token)
        if value is None:
            token.assumed |= {name} if name[0].isalpha() or name[0] == "_" else set()
            return UNKNOWN
        return value
