"""Shell text, read and not run: which commands a RUN line or a start script holds, with which words.

What only running would tell (`$(…)`, a variable that nobody set here) is `UNKNOWN` in the word that holds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from spaceops.shellwords import ASSIGNMENT, NAME, REDIRECT, UNKNOWN, Lexer, Token, Variables

__all__ = ["SHELLS", "UNKNOWN", "Command", "commands"]

SHELLS = frozenset({"sh", "bash", "ash", "dash", "ksh", "zsh"})

_MOST = 5_000  # commands that are read of a text
_CONTINUES = frozenset({"&&", "||", "|", "|&"})  # the command goes on in the next line
_ENDS_CASE = frozenset({";;", ";&", ";;&"})
_OPENING = frozenset({"if", "while", "until", "for", "select", "{", "case"})
_CLOSING = frozenset({"fi", "done", "esac", "}"})
_KEYWORDS = _OPENING | _CLOSING | {"then", "do", "else", "elif", "!", "time", "function", "coproc"}
_DECLARING = frozenset({"export", "declare", "readonly", "local", "typeset"})


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
    reader = _Reader(Lexer(text, Variables(dict(env or {}), arguments)), errexit=errexit, pipefail=pipefail)
    return reader.read()


class _Reader:
    """The commands, in the blocks that they stand in."""

    def __init__(self, lexer: Lexer, *, errexit: bool, pipefail: bool) -> None:
        self.lexer, self.variables = lexer, lexer.variables
        self.blocks: list[str] = []  # the keywords that are open
        self.words: list[Token] = []
        self.before = ""
        self.in_pattern = False  # of a `case`
        self.skips = False  # the words after `for`, `case` and `function`
        self.names_function = False
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

    def _word(self, token: Token) -> None:
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
        if self.names_function:
            self.names_function = self.skips = False
        elif block == "case" and word == "in":
            self.in_pattern, self.skips = True, False
        elif block == "for" and NAME.fullmatch(word):
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
            self.names_function = self.skips = True
        self.negated = self.negated or word == "!"

    def _open(self, block: str) -> None:
        if not self.blocks:
            self.outcome.command(None)
        self.blocks.append(block)

    def _close(self, *, except_for: str = "", only: str = "") -> None:
        if self.blocks and self.blocks[-1] != except_for and only in ("", self.blocks[-1]):
            self.blocks.pop()

    def _pattern_word(self, token: Token) -> None:
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
            self.skips = False
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
        self, assigned: list[Token], kept: list[Token], redirects: tuple[str, ...], nested: bool, after: str
    ) -> None:
        declared = [one for one in kept[1:] if ASSIGNMENT.match(one.raw)] if kept[0].text in _DECLARING else []
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

    def _assign(self, assigned: list[Token]) -> None:
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
            variables.values.update({name: UNKNOWN for name in words[1:] if NAME.fullmatch(name)})
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
        self.last: list[int] = []  # the last pipeline of the list, those of it whose failure counts
        self.is_piped = False
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
            self.deciding |= set(self.last) if self.errexit else set()
            self.open, self.last, self.is_over = [], [], False
        counted = [] if number is None else [number]
        self.open += counted
        self.last = [*(self.last if self.is_piped else []), *counted]
        self.is_piped = False

    def operator(self, operator: str) -> None:
        if operator in ("||", "&"):
            self.open, self.last = [], []
            self.is_over = self.is_over or operator == "&"
        elif operator in ("|", "|&") and self.pipefail:
            self.is_piped = True
        elif operator in ("|", "|&"):
            self.open, self.last = self.open[: len(self.open) - len(self.last)], []
        elif operator in (";", "\n"):
            self.is_over = True

    def end(self) -> set[int]:
        return self.deciding | set(self.open)


def _leading_assignments(words: list[Token]) -> tuple[list[Token], list[Token]]:
    count = next((number for number, word in enumerate(words) if not word.is_assignment), len(words))
    return words[:count], words[count:]


def _without_redirects(words: list[Token]) -> tuple[list[Token], tuple[str, ...]]:
    """The words without redirections, and the files that output goes to."""
    kept, targets = list[Token](), list[str]()
    rest = iter(words)
    for token in rest:
        if not REDIRECT.fullmatch(token.raw):
            kept.append(token)
            continue
        operator = token.raw.lstrip("0123456789")
        if operator in ("<<", "<<-"):
            continue
        target = next(rest, None)
        if target is not None and ">" in operator and not target.text.isdecimal():
            targets.append(target.text)
    return kept, tuple(targets)
