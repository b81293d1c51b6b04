"""Shell text, read and not run: which commands a RUN line or a start script holds, with which words.

What only running would tell (`$(…)`, a variable that nobody set here) is `UNKNOWN` in the word that holds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

UNKNOWN = "\0"  # in a word: a part that cannot be known

_SPLIT = "\1"  # while a word is read: where an unquoted variable splits it
_BLANKS = re.compile(r"[ \t\n]+")
_DEEPEST = 20  # defaults within defaults: `${A:-${B:-…}}`
_LONGEST_SUM = 500  # characters of `(( … ))`
_LONGEST = 200_000  # characters that are read of a text
_MOST = 5_000  # commands that are read of a text
_OPERATORS = (";;&", "&&", "||", ";;", ";&", "|&", ";", "|", "&", "(", ")", "\n")
_CONTINUES = frozenset({"&&", "||", "|", "|&"})  # the command goes on in the next line
_ENDS_CASE = frozenset({";;", ";&", ";;&"})
_OPENING = frozenset({"if", "while", "until", "for", "select", "{", "case"})
_CLOSING = frozenset({"fi", "done", "esac", "}"})
_KEYWORDS = _OPENING | _CLOSING | {"then", "do", "else", "elif", "!", "time", "function", "coproc"}
_DECLARING = frozenset({"export", "declare", "readonly", "local", "typeset"})
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\[[^]\s]*\])?\+?=")
_REDIRECT = re.compile(r"\d{0,3}(?:<<<|<<-?|>>|>\||>&|<&|<>|>|<)|&>>?")
_HEREDOC_NAME = re.compile(r"[ \t]*(\\?)(?:'([^'\n]*)'|\"([^\"\n]*)\"|([^\s'\";|&()<>]+))")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-]")
_BRACED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*|[0-9]+)(?:(:?[-=+?])(.*))?", re.DOTALL)
_PLAIN = re.compile(r"[^\s'\"\\$`;|&()<>]+")
_IN_QUOTES = re.compile(r'[^"\\$`]+')
_ALL_ARGUMENTS = frozenset({"$@", '"$@"', "$*", '"${@}"', "${@}"})


@dataclass(frozen=True)
class Command:
    """One simple command."""

    words: tuple[str, ...]  # quotes gone, variables filled in; `UNKNOWN` where one is not known
    line: int  # of the text, from 1
    before: str = ""  # the operator before it: "", "&&", "||", ";", "|", "&"
    after: str = ""  # the operator after it; "&": it runs in the background
    nested: bool = False  # in an if, a loop, a function or a subshell, or after `||`: it may never run
    assumed: frozenset[str] = frozenset()  # variables that were taken for not set
    assigned: tuple[str, ...] = ()  # `NAME=value` before the command
    redirects: tuple[str, ...] = ()  # files that output goes to
    at: int = 0  # where it begins in the text
    decides: bool = False  # where it runs and fails, the whole text surely fails

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


def commands(
    text: str,
    env: Mapping[str, str] | None = None,
    arguments: Sequence[str] | None = None,
    *,
    errexit: bool = False,
    pipefail: bool = False,
) -> tuple[Command, ...]:
    """The commands of a script, in order. Never raises: what is no shell text gives what can be read of it.

    `arguments` are `$1`, `$2` and so on, where they are known; `errexit` and `pipefail` are how the shell was started.
    """
    reader = _Reader(_Lexer(text, _Variables(dict(env or {}), arguments)), errexit=errexit, pipefail=pipefail)
    return reader.read()


@dataclass
class _Token:
    text: str
    line: int
    at: int
    operator: bool = False
    raw: str = ""  # as written: quotes tell `"if"` from `if`
    assumed: set[str] = field(default_factory=set)
    is_assignment: bool = False


@dataclass
class _Variables:
    """What is known of the variables at a place of the text."""

    values: dict[str, str]
    arguments: Sequence[str] | None = None
    assumed: dict[str, frozenset[str]] = field(default_factory=dict)  # what a value was made from
    pending: dict[str, str] = field(default_factory=dict)  # `A=1 B=$A`: seen by the next assignment, not by a command

    def look_up(self, name: str, token: _Token) -> str | None:
        if token.is_assignment and name in self.pending:
            return self.pending[name]
        if name.isdecimal() and name != "0" and self.arguments is not None:
            return self.arguments[int(name) - 1] if int(name) <= len(self.arguments) else None
        token.assumed |= self.assumed.get(name, frozenset())
        return self.values.get(name)

    def assign(self, word: _Token, *, is_certain: bool) -> None:
        name, _, value = word.text.partition("=")
        is_whole = is_certain and not name.endswith(("+", "]"))
        name = name.removesuffix("+").partition("[")[0]
        self.values[name] = value if is_whole else UNKNOWN
        self.assumed[name] = frozenset(word.assumed)

    def forget_all(self) -> None:
        """Something that is not read here may have set any of them."""
        self.values = dict.fromkeys(self.values, UNKNOWN)


class _Lexer:
    """The text as words and operators, with the variables filled in as they are when a word's turn comes."""

    def __init__(self, text: str, variables: _Variables, depth: int = 0) -> None:
        self.text, self.variables, self.depth = text[:_LONGEST].replace("\r\n", "\n"), variables, depth
        self.at, self.line = 0, 1
        self.heredocs: list[tuple[str, bool]] = []
        self.at_command = True  # the next word may be a keyword, an assignment or a program
        self.in_test = False  # within `[[ … ]]`, where `&&` and `<` are words

    def tokens(self) -> Iterator[_Token]:
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

    def _arithmetic(self) -> Iterator[_Token]:
        """`(( … ))` as one word; what begins like it and is none is two subshells."""
        start, line, end = self.at, self.line, self.text.find("))", self.at, self.at + _LONGEST_SUM)
        if end < 0 or "\n" in self.text[start:end]:
            self.at += 1
            yield _Token("(", line, start, operator=True)
            return
        self.at = end + 2
        yield _Token(UNKNOWN, line, start, raw="((")

    def _operator(self) -> _Token | None:
        start, line = self.at, self.line
        found = next((one for one in _OPERATORS if self.text.startswith(one, start)), None)
        if found is None or (found == "&" and self.text.startswith("&>", start)):
            return None
        if self.in_test and found != "\n":
            self.at += len(found)
            return _Token(found, line, start, raw=found)
        self.at += len(found)
        self.at_command = True
        if found == "\n":
            self.line += 1
            self._skip_heredocs()
        return _Token(found, line, start, operator=True)

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

    def _words(self) -> Iterator[_Token]:
        """The next word; an unquoted variable may make several of it, or none."""
        token = self.word()
        if token.raw in _ALL_ARGUMENTS and self.variables.arguments is not None:
            yield from (replace(token, text=one, raw=f"'{one}'") for one in self.variables.arguments)
        elif token.is_assignment:
            token.text = token.text.replace(_SPLIT, " ")
            name, _, value = token.text.partition("=")
            self.variables.pending[name] = value
            yield token
        elif _SPLIT in token.text:
            yield from (replace(token, text=one) for one in token.text.split(_SPLIT) if one)
        elif token.text or "'" in token.raw or '"' in token.raw:
            yield token

    def word(self) -> _Token:
        """The next word, with the marks where it splits."""
        start = self.at
        token = _Token("", self.line, start)
        if not self.in_test and (redirect := _REDIRECT.match(self.text, start)):
            return self._redirect(redirect[0], token)
        token.is_assignment = self.at_command and bool(_ASSIGNMENT.match(self.text, start))
        parts = list[str]()
        while self.at < len(self.text) and (piece := self._piece(self.text[self.at], token, parts)) is not None:
            parts.append(piece)
        if self.at == start:  # nothing that a word may begin with
            parts.append(self.text[start])
            self.at += 1
        token.text, token.raw = "".join(parts), self.text[start : self.at]
        return token

    def _redirect(self, operator: str, token: _Token) -> _Token:
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

    def _piece(self, char: str, token: _Token, before: Sequence[str]) -> str | None:
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

    def _double(self, token: _Token) -> str:
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

    def _variable(self, token: _Token) -> str:
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
        name = _NAME.match(self.text, self.at + 1)
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

    def _braced(self, inside: str, token: _Token) -> str:
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

    def _filled_in(self, default: str, token: _Token) -> str:
        """The text of a default, which may hold variables and quotes of its own."""
        inner = _Lexer(default, self.variables, self.depth + 1)
        parts = list[str]()
        while inner.at < len(default):
            piece = inner._piece(default[inner.at], token, ())
            if piece is None:
                piece = default[inner.at]
                inner.at += 1
            parts.append(piece)
        return "".join(parts)

    def _value(self, name: str, token: _Token) -> str:
        value = self.variables.look_up(name, token)
        if value is None:
            token.assumed |= {name} if name[0].isalpha() or name[0] == "_" else set()
            return UNKNOWN
        return value


class _Reader:
    """The commands, in the blocks that they stand in."""

    def __init__(self, lexer: _Lexer, *, errexit: bool, pipefail: bool) -> None:
        self.lexer, self.variables = lexer, lexer.variables
        self.blocks: list[str] = []  # the keywords that are open
        self.words: list[_Token] = []
        self.before = ""
        self.in_pattern = False  # of a `case`
        self.skips = False  # the words after `for` and `case`
        self.negated = False
        self.found: list[Command] = []
        self.outcome = _Outcome(errexit, pipefail)

    def read(self) -> tuple[Command, ...]:
        for token in self.lexer.tokens():
            if len(self.found) > _MOST:
                break
            if token.operator:
                self._operator(token.text)
            elif self.in_pattern:
                self._pattern_word(token)
            else:
                self._word(token)
        self._finish("")
        deciding = self.outcome.end()
        return tuple(replace(one, decides=True) if n in deciding else one for n, one in enumerate(self.found))

    # what comes

    def _word(self, token: _Token) -> None:
        lexer = self.lexer
        if self.skips:
            self._skipped_word(token.raw)
        elif lexer.at_command and not self.words and token.raw in _KEYWORDS:
            self._keyword(token.raw)
        else:
            lexer.at_command = lexer.at_command and token.is_assignment
            lexer.in_test = (lexer.in_test or (not self.words and token.raw == "[[")) and token.raw != "]]"
            self.words.append(token)

    def _skipped_word(self, word: str) -> None:
        """A word after `for`, `case` or `function`."""
        block = self.blocks[-1] if self.blocks else ""
        if block == "case" and word == "in":
            self.in_pattern, self.skips = True, False
        elif block == "for" and _NAME.fullmatch(word):
            self.variables.values[word] = UNKNOWN
            self.blocks[-1] = "loop"

    def _keyword(self, word: str) -> None:
        if word in _CLOSING:
            self._close(except_for="(")
            self.lexer.at_command = False
        elif word in _OPENING:
            self._open("for" if word == "select" else word)
            self.skips = word in ("for", "select", "case")
        elif word == "function":
            self.skips = True
        self.negated = self.negated or word == "!"

    def _open(self, block: str) -> None:
        if not self.blocks:
            self.outcome.command(None)
        self.blocks.append(block)

    def _close(self, *, except_for: str = "", only: str = "") -> None:
        if self.blocks and self.blocks[-1] != except_for and only in ("", self.blocks[-1]):
            self.blocks.pop()

    def _pattern_word(self, token: _Token) -> None:
        if token.raw == "esac":
            self.in_pattern, self.lexer.at_command = False, False
            self._close()

    def _operator(self, operator: str) -> None:
        if self.in_pattern:
            self.in_pattern = operator != ")"
            return
        if operator == "(" and len(self.words) == 1:  # a function: `name() {`
            self.words = []
        is_after_command = self._finish(operator)
        if operator == "(":
            self._open("(")
        elif operator == ")":
            self._close(only="(")
        elif operator in _ENDS_CASE:
            self.in_pattern = bool(self.blocks)
        if operator == "\n" and self.before in _CONTINUES and not is_after_command:
            return
        if not self.blocks:
            self.outcome.operator(operator)
        self.before = ";" if operator in ("\n", *_ENDS_CASE) else operator

    def _finish(self, after: str) -> bool:
        """Take the words so far for a command, and say whether there are any."""
        words, self.words = self.words, []
        negated, self.negated = self.negated, False
        self.variables.pending.clear()
        if self.skips or not words:
            self.skips = self.skips and after == ")"  # of `function name()`
            return False
        assigned, kept = _leading_assignments(words)
        kept, redirects = _without_redirects(kept)
        nested = bool(self.blocks) or self.before == "||"
        if not self.blocks:
            self.outcome.command(None if negated or nested or not kept else len(self.found))
        if kept:
            self._add(assigned, kept, redirects, nested, after)
        else:
            self._assign(assigned)
        return True

    def _add(
        self, assigned: list[_Token], kept: list[_Token], redirects: tuple[str, ...], nested: bool, after: str
    ) -> None:
        declared = [one for one in kept[1:] if _ASSIGNMENT.match(one.raw)] if kept[0].text in _DECLARING else []
        command = Command(
            tuple(token.text for token in kept),
            kept[0].line,
            self.before,
            "" if after == "\n" else after,
            nested,
            frozenset[str]().union(*(token.assumed for token in (*assigned, *kept))),
            tuple(token.text for token in (*assigned, *declared)),
            redirects,
            kept[0].at,
        )
        self.found.append(command)
        self._assign(declared)
        self._take_in(command)

    def _assign(self, assigned: list[_Token]) -> None:
        for word in assigned:
            self.variables.assign(word, is_certain=not self.blocks and self.before not in ("||", "|"))

    def _take_in(self, command: Command) -> None:
        """What a command changes for those that follow."""
        words, variables = command.words, self.variables
        if words[0] in ("source", "."):
            if words[-1].endswith("/activate"):
                variables.values["PATH"] = UNKNOWN
            else:
                variables.forget_all()
        elif words[0] == "eval" or (words[0] in _DECLARING and any(UNKNOWN in one.split("=")[0] for one in words[1:])):
            variables.forget_all()
        elif words[0] == "unset" and not command.nested:
            for name in words[1:]:
                variables.values.pop(name, None)
        elif words[0] in ("read", "mapfile", "readarray", "getopts", "printf", "unset"):
            variables.values.update({name: UNKNOWN for name in words[1:] if _NAME.fullmatch(name)})
        elif words[0] == "shift":
            known = variables.arguments if not command.nested and len(words) == 1 else None
            variables.arguments = None if known is None else known[1:]
        elif words[0] == "set":
            self._set(command)

    def _set(self, command: Command) -> None:
        words = command.words[1:]
        if "--" in words:
            known = words[words.index("--") + 1 :]
            self.variables.arguments = None if command.nested or any(UNKNOWN in one for one in known) else known
        if not command.nested:
            self.outcome.take_in(words)


class _Outcome:
    """Which commands decide how the whole ends. Without `set -e` that is the last list of `&&` and `||`."""

    def __init__(self, errexit: bool, pipefail: bool) -> None:
        self.errexit, self.pipefail = errexit, pipefail
        self.deciding: set[int] = set()
        self.open: list[int] = []  # commands of the list whose failure nothing has caught so far
        self.last: int | None = None  # the last of the list, if its failure counts
        self.is_over = False

    def take_in(self, words: Sequence[str]) -> None:
        for number, word in enumerate(words):
            option = words[number + 1] if number + 1 < len(words) and word.endswith("o") else ""
            if word[:1] in "-+" and word[:2] not in ("", "--"):
                is_on = word[0] == "-"
                self.errexit = is_on if "e" in word[1:] or option == "errexit" else self.errexit
                self.pipefail = is_on if option == "pipefail" else self.pipefail

    def command(self, number: int | None) -> None:
        """A command begins; None for one whose failure means nothing."""
        if self.is_over:
            if self.errexit and self.last is not None:
                self.deciding.add(self.last)
            self.open, self.is_over = [], False
        self.last = number
        if number is not None:
            self.open.append(number)

    def operator(self, operator: str) -> None:
        if operator in ("||", "&"):
            self.open, self.last = [], None
            self.is_over = self.is_over or operator == "&"
        elif operator in ("|", "|&") and not self.pipefail:
            self.open, self.last = self.open[:-1], None
        elif operator in (";", "\n"):
            self.is_over = True

    def end(self) -> set[int]:
        return self.deciding | set(self.open)


def _leading_assignments(words: list[_Token]) -> tuple[list[_Token], list[_Token]]:
    count = next((number for number, word in enumerate(words) if not word.is_assignment), len(words))
    return words[:count], words[count:]


def _without_redirects(words: list[_Token]) -> tuple[list[_Token], tuple[str, ...]]:
    """The words without redirections, and the files that output goes to."""
    kept, targets = list[_Token](), list[str]()
    rest = iter(words)
    for token in rest:
        if not _REDIRECT.fullmatch(token.raw):
            kept.append(token)
            continue
        operator = token.raw.lstrip("0123456789")
        if operator in ("<<", "<<-"):
            continue
        target = next(rest, None)
        if target is not None and ">" in operator and not target.text.isdecimal():
            targets.append(target.text)
    return kept, tuple(targets)
