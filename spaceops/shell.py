"""Shell text, read and not run: which commands a RUN line or a start script holds, with which words.

What only running would tell (`$(…)`, a variable that nobody set here) is `UNKNOWN` in the word that holds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

UNKNOWN = "\0"  # in a word: a part that cannot be known

_OPERATORS = ("&&", "||", ";;", "|&", ";", "|", "&", "(", ")", "\n")
_OPENING = frozenset({"if", "while", "until", "for", "case", "select", "{", "("})
_CLOSING = frozenset({"fi", "done", "esac", "}", ")"})
_KEYWORDS = frozenset({"then", "do", "else", "elif", "!", "time", "if", "while", "until", "{", "in"})
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")
_REDIRECT = re.compile(r"\d*(?:>>|>\||<<<|<<-?|>&|<&|<>|&>>|&>|>|<)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-]")
_BRACED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-=+?])(.*))?", re.DOTALL)


@dataclass(frozen=True)
class Command:
    """One simple command."""

    words: tuple[str, ...]  # quotes gone, variables filled in; `UNKNOWN` where one is not known
    line: int  # of the text, from 1
    before: str = ""  # the operator before it: "", "&&", "||", ";", "|", "&"
    after: str = ""  # the operator after it; "&": it runs in the background
    nested: bool = False  # in an if, a loop, a function or a subshell: it may run never or often
    assumed: frozenset[str] = frozenset()  # variables that were taken for not set, or set by nobody but the image
    assigned: tuple[str, ...] = ()  # `NAME=value` before the command
    redirects: tuple[str, ...] = ()  # files that output goes to

    @property
    def name(self) -> str:
        """The program, without its folder."""
        return self.words[0].rpartition("/")[2] if self.words else ""

    def has(self, *options: str) -> bool:
        """Whether one of the options stands among the words, also as `--option=value`."""
        return any(word == option or word.startswith(f"{option}=") for word in self.words for option in options)

    def value_of(self, *options: str) -> str | None:
        """The value of the last of these options that is given, as `--option value` or `--option=value`."""
        found = None
        for number, word in enumerate(self.words[1:], start=1):
            for option in options:
                if word == option and number + 1 < len(self.words):
                    found = self.words[number + 1]
                elif word.startswith(f"{option}="):
                    found = word[len(option) + 1 :]
        return found


def commands(text: str, env: Mapping[str, str] | None = None) -> tuple[Command, ...]:
    """The commands of a script, in order. Never raises: what is no shell text gives what can be read of it."""
    return tuple(_Reader(text, dict(env or {})).commands())


@dataclass
class _Token:
    text: str
    line: int
    operator: bool = False
    raw: str = ""  # as written: quotes tell `"if"` from `if`
    assumed: set[str] = field(default_factory=set)


class _Reader:
    """A walk through the text, with the variables that it sets on the way."""

    def __init__(self, text: str, env: dict[str, str]) -> None:
        self.text, self.env = text.replace("\r\n", "\n").replace("\\\n", "  "), env
        self.at, self.line = 0, 1
        self.depth = 0
        self.heredocs: list[tuple[str, bool]] = []

    def commands(self) -> Iterator[Command]:
        before, words = "", list[_Token]()
        for token in self._tokens():
            if not token.operator:
                words.append(token)
                continue
            yield from self._command(words, before, token.text)
            self.depth = max(self.depth + (token.text == "(") - (token.text == ")"), 0)
            before, words = token.text if token.text != "\n" else ";", []
        yield from self._command(words, before, "")

    def _command(self, words: list[_Token], before: str, after: str) -> Iterator[Command]:
        words = self._without_keywords(words)
        if not words:
            return
        if after == "(" and len(words) == 1:  # a function
            return
        nested = self.depth > 0 or before == "||"
        assigned = list[_Token]()
        while words and _ASSIGNMENT.match(words[0].raw):
            assigned.append(words.pop(0))
        kept, redirects = _without_redirects(words)
        assumed = frozenset[str]().union(*(token.assumed for token in (*assigned, *kept)))
        if kept and kept[0].text in ("export", "declare", "readonly", "local"):
            assigned = [token for token in kept[1:] if _ASSIGNMENT.match(token.raw)]
        if not kept or kept[0].text in ("export", "declare", "readonly", "local"):
            self._assign(assigned, nested)
        if kept:
            yield Command(
                tuple(token.text for token in kept),
                kept[0].line,
                before,
                "" if after == "\n" else after,
                nested,
                assumed,
                tuple(token.text for token in assigned),
                redirects,
            )

    def _assign(self, assigned: list[_Token], nested: bool) -> None:
        for token in assigned:
            name, _, value = token.text.partition("=")
            self.env[name.removesuffix("+")] = UNKNOWN if nested or name.endswith("+") else value

    def _without_keywords(self, words: list[_Token]) -> list[_Token]:
        while words and words[0].raw in (_KEYWORDS | _CLOSING | _OPENING):
            keyword = words.pop(0).raw
            self.depth = max(self.depth + (keyword in _OPENING) - (keyword in _CLOSING), 0)
            if keyword in ("for", "case", "select"):
                if keyword != "case" and words:
                    self.env[words[0].text] = UNKNOWN
                return []
        return words

    def _tokens(self) -> Iterator[_Token]:
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in " \t\r":
                self.at += 1
            elif char == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif operator := next((one for one in _OPERATORS if self.text.startswith(one, self.at)), None):
                if not (operator == "&" and _REDIRECT.match(self.text, self.at)):
                    yield _Token(operator, self.line, operator=True)
                    self.at += len(operator)
                    if operator == "\n":
                        self.line += 1
                        self._skip_heredocs()
                else:
                    yield self._word()
            else:
                yield self._word()

    def _skip_heredocs(self) -> None:
        while self.heredocs:
            name, dash = self.heredocs.pop(0)
            while self.at < len(self.text):
                end = self.text.find("\n", self.at)
                end = len(self.text) if end < 0 else end
                row = self.text[self.at : end]
                self.at, self.line = min(end + 1, len(self.text)), self.line + 1
                if (row.lstrip("\t") if dash else row) == name:
                    break

    def _word(self) -> _Token:
        start, line = self.at, self.line
        token = _Token("", line)
        if redirect := _REDIRECT.match(self.text, self.at):
            self.at = redirect.end()
            token.raw = token.text = redirect[0]
            if redirect[0].lstrip("0123456789") in ("<<", "<<-"):
                self._begin_heredoc(dash=redirect[0].endswith("-"))
            return token
        parts = list[str]()
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in " \t\r\n;|&()<>":
                break
            parts.append(self._piece(char, token))
        if self.at == start:  # a lone `<` or the like that is nothing else
            parts.append(self.text[self.at])
            self.at += 1
        token.text, token.raw = "".join(parts), self.text[start : self.at]
        return token

    def _begin_heredoc(self, *, dash: bool) -> None:
        found = re.compile(r"[ \t]*(['\"]?)([^\s'\";|&()<>]+)\1").match(self.text, self.at)
        if found:
            self.at = found.end()
            self.heredocs.append((found[2], dash))

    def _piece(self, char: str, token: _Token) -> str:
        """The next part of a word, with quotes taken away."""
        if char == "\\":
            piece = self.text[self.at + 1 : self.at + 2]
            self.at += 2
            return piece
        if char == "'":
            end = self.text.find("'", self.at + 1)
            end = len(self.text) if end < 0 else end
            piece = self.text[self.at + 1 : end]
            self.line += piece.count("\n")
            self.at = end + 1
            return piece
        if char == '"':
            return self._quoted(token)
        if char == "$":
            return self._variable(token)
        if char == "`":
            end = self.text.find("`", self.at + 1)
            self.at = len(self.text) if end < 0 else end + 1
            return UNKNOWN
        self.at += 1
        return char

    def _quoted(self, token: _Token) -> str:
        self.at += 1
        parts = list[str]()
        while self.at < len(self.text) and self.text[self.at] != '"':
            char = self.text[self.at]
            if char == "\\" and self.text[self.at + 1 : self.at + 2] in ('"', "\\", "$", "`"):
                parts.append(self.text[self.at + 1])
                self.at += 2
            elif char in "$`":
                parts.append(self._variable(token) if char == "$" else self._piece(char, token))
            else:
                self.line += char == "\n"
                parts.append(char)
                self.at += 1
        self.at += 1
        return "".join(parts)

    def _variable(self, token: _Token) -> str:
        following = self.text[self.at + 1 : self.at + 2]
        if following == "(":
            self.at = self._end_of(self.at + 1, "(", ")")
            return UNKNOWN
        if following == "{":
            end = self._end_of(self.at + 1, "{", "}")
            inside, self.at = self.text[self.at + 2 : end - 1], end
            return self._braced(inside, token)
        name = _NAME.match(self.text, self.at + 1)
        if name is None:
            self.at += 1
            return "$"
        self.at = name.end()
        return self._value(name[0], token)

    def _end_of(self, start: int, opening: str, closing: str) -> int:
        depth, at = 0, start
        while at < len(self.text):
            depth += (self.text[at] == opening) - (self.text[at] == closing)
            at += 1
            if depth == 0:
                break
        return at

    def _braced(self, inside: str, token: _Token) -> str:
        found = _BRACED.fullmatch(inside)
        if not found:
            return UNKNOWN
        name, operator, word = found[1], found[2] or "", found[3] or ""
        value = self.env.get(name)
        present = value is not None and (value != "" or not operator.startswith(":"))
        if operator.endswith("+"):
            return word if present else ""
        if operator and not present and not operator.endswith("?"):
            token.assumed.add(name)
            inner = _Reader(word, self.env)
            inner_token = inner._word() if word and not word[0].isspace() else _Token("", 1)
            token.assumed |= inner_token.assumed
            return inner_token.text
        return self._value(name, token)

    def _value(self, name: str, token: _Token) -> str:
        value = self.env.get(name)
        if value is None:
            token.assumed.add(name)
            return UNKNOWN
        return value


def _without_redirects(words: list[_Token]) -> tuple[list[_Token], tuple[str, ...]]:
    """The words without redirections, and the files that output goes to."""
    kept, targets = list[_Token](), list[str]()
    rest = iter(words)
    for token in rest:
        if not _REDIRECT.fullmatch(token.raw):
            kept.append(token)
            continue
        operator = token.raw.lstrip("0123456789")
        if operator.startswith("<<") and operator != "<<<":
            continue
        target = next(rest, None)
        if target is not None and ">" in operator and not operator.endswith("&"):
            targets.append(target.text)
    return kept, tuple(targets)
