"""The Dockerfile, parsed as BuildKit does (docs.docker.com/reference/dockerfile): frozen data, pure functions.

`Dockerfile.parse(text)` gives instructions and stages as they are written; `steps()` walks a stage with its variables
expanded; `Ignore.parse(text)` reads a `.dockerignore`.
"""

from __future__ import annotations

import json
import posixpath
import re
import sys
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from spaceops.errors import BadInput, DockerfileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

WITHOUT_EXTRAS = frozenset({"ARG", "ENV", "EXPOSE", "LABEL", "MAINTAINER", "ONBUILD", "STOPSIGNAL", "USER", "WORKDIR"})
FLAGS = {
    "ADD": {"checksum", "chmod", "chown", "exclude", "keep-git-dir", "link", "unpack"},
    "COPY": {"chmod", "chown", "exclude", "from", "link", "parents"},
    "FROM": {"platform"},
    "HEALTHCHECK": {"interval", "retries", "start-interval", "start-period", "timeout"},
    "RUN": {"device", "mount", "network", "security"},
}
WITH_JSON = frozenset({"ADD", "CMD", "COPY", "ENTRYPOINT", "RUN", "SHELL", "VOLUME"})
WITH_HEREDOCS = frozenset({"ADD", "COPY", "RUN"})
KEYWORDS = WITHOUT_EXTRAS | frozenset(FLAGS) | WITH_JSON
WITH_WORDS = frozenset({"ADD", "COPY", "EXPOSE", "VOLUME"})  # arguments separated by white space, variables expanded
WITH_PAIRS = frozenset({"ENV", "LABEL"})
LONGEST_NUMBER = 6  # digits
LEAST_ARGUMENTS = {"ADD": 2, "COPY": 2}

HEREDOC = re.compile(r"""(?<!<)<<(-?)(['"]?)([A-Za-z_][A-Za-z0-9_]*)\2""")
DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*$")
FLAG = re.compile(r"--([^\s=]+)(?:=(\"[^\"]*\"|\S*))?(?:\s+|$)")
VARIABLE = re.compile(
    r"\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+?])([^{}]*(?:\{[^{}]*\}[^{}]*)*))?\})"
)


@dataclass(frozen=True)
class Heredoc:
    """A here-document: `RUN <<EOF` … `EOF`. `expand` is False when the name was quoted."""

    name: str
    content: str
    expand: bool
    line: int = field(default=0, compare=False)  # of the content's first line


@dataclass(frozen=True)
class Instruction:
    """One instruction as written: continuations joined, comments in between dropped, nothing expanded."""

    keyword: str  # in capitals
    args: str  # everything after keyword and flags
    line: int  # where it begins, from 1
    flags: tuple[tuple[str, str], ...] = ()  # ("chown", "user"), ("mount", "type=cache,target=/x"), ("link", "")
    exec: tuple[str, ...] | None = None  # the JSON form; None: shell form
    heredocs: tuple[Heredoc, ...] = ()
    breaks: tuple[tuple[int, int], ...] = field(default=(), compare=False)  # where in `args` which line begins

    def flag(self, name: str) -> str | None:
        """The value of a flag, "" when it has none, None when the flag is absent."""
        return dict(self.flags).get(name)

    def line_at(self, position: int) -> int:
        """The line of the Dockerfile that a position of `args` comes from."""
        before = bisect_right(self.breaks, (position, sys.maxsize))
        return self.breaks[before - 1][1] if before else self.line

    def __str__(self) -> str:
        """The instruction on one line, as the build log names it."""
        flags = "".join(f"--{name}={value} " if value else f"--{name} " for name, value in self.flags)
        return " ".join(f"{self.keyword} {flags}{self.args}".split())


@dataclass(frozen=True)
class Stage:
    """From one FROM to the next. `base` is written with variables, see `Dockerfile.base`."""

    index: int
    name: str | None
    base: str
    line: int
    instructions: tuple[Instruction, ...]
    flags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Dockerfile:
    """A parsed Dockerfile."""

    instructions: tuple[Instruction, ...]
    escape: str = "\\"
    directives: tuple[tuple[str, str], ...] = ()
    stages: tuple[Stage, ...] = field(default=())

    @classmethod
    def parse(cls, text: str) -> Dockerfile:
        """Parse the text; raises `DockerfileError` with the line where BuildKit would."""
        lines = text.removeprefix("\ufeff").splitlines()
        directives = _directives(lines)
        escape = dict(directives).get("escape", "\\")
        if escape not in ("\\", "`"):
            raise DockerfileError(1, f"invalid ESCAPE '{escape}'. Must be ` or \\")
        instructions = tuple(_instructions(lines, escape))
        if not instructions:
            raise DockerfileError(1, "file with no instructions")
        return cls(instructions, escape, directives, tuple(_stages(instructions)))

    def stage(self, reference: str, *, before: Stage | None = None) -> Stage | None:
        """The stage that `FROM x` or `--from=x` means: by name (case ignored), or by number.

        With `before`, only among those above that stage.
        """
        stages = self.stages[: before.index] if before else self.stages
        named = [stage for stage in stages if stage.name is not None and stage.name == reference.lower()]
        if named:
            return named[-1]
        is_number = reference.isascii() and reference.isdecimal() and len(reference) < LONGEST_NUMBER
        number = int(reference) if is_number else len(stages)
        return stages[number] if number < len(stages) else None

    def global_args(self, build_args: Mapping[str, str]) -> dict[str, str]:
        """The ARGs above the first FROM: visible to FROM lines, and to an `ARG NAME` that repeats the name."""
        known: dict[str, str] = {}
        for instruction in self.instructions:
            if instruction.keyword == "FROM":
                break
            for name, default in _arguments(instruction.args, known, self.escape):
                value = build_args.get(name, default)
                if value is not None:
                    known[name] = value
        return known

    def base(self, stage: Stage, build_args: Mapping[str, str]) -> str:
        """What a stage is made from, expanded: an image, or the name of an earlier stage."""
        return expand(stage.base, self.global_args(build_args), self.escape)

    def steps(self, stage: Stage, env: Mapping[str, str], build_args: Mapping[str, str]) -> Iterator[Step]:
        """Walk a stage, whose base has the environment `env`, with variables expanded."""
        scope = Scope(dict(env), {}, self.global_args(build_args), build_args, self.escape)
        for instruction in stage.instructions:
            yield scope.step(instruction)


@dataclass(frozen=True)
class Step:
    """An instruction with its variables expanded, and the variables that hold after it."""

    instruction: Instruction
    args: tuple[str, ...]  # words; for ENV, LABEL and ARG `NAME=value`; one raw string for RUN, CMD and the like
    flags: tuple[tuple[str, str], ...]
    heredocs: tuple[Heredoc, ...]  # of RUN they stay as they are: its shell expands them
    env: Mapping[str, str]  # what ENV set: part of the image
    build_env: Mapping[str, str]  # and with the ARGs: what RUN sees

    def flag(self, name: str) -> str | None:
        """The value of a flag, "" when it has none, None when the flag is absent."""
        return dict(self.flags).get(name)


@dataclass
class Scope:
    """The variables while a stage is walked. An ENV always wins over an ARG of the same name."""

    env: dict[str, str]
    args: dict[str, str]
    global_args: Mapping[str, str]
    build_args: Mapping[str, str]
    escape: str = "\\"

    def step(self, instruction: Instruction) -> Step:
        """Take one instruction in."""
        known = self.args | self.env
        flags = tuple((name, expand(value, known, self.escape)) for name, value in instruction.flags)
        heredocs = instruction.heredocs
        if instruction.keyword != "RUN":
            heredocs = tuple(self._filled_in(heredoc, known) for heredoc in heredocs)
        args = self._args(instruction, known)
        return Step(instruction, args, flags, heredocs, dict(self.env), self.args | self.env)

    def _filled_in(self, heredoc: Heredoc, known: Mapping[str, str]) -> Heredoc:
        """Variables in the content of a file are expanded, quotes stay."""
        if not heredoc.expand:
            return heredoc
        content = VARIABLE.sub(lambda found: _value(found, known, self.escape), heredoc.content)
        return replace(heredoc, content=content)

    def _args(self, instruction: Instruction, known: Mapping[str, str]) -> tuple[str, ...]:
        keyword = instruction.keyword
        if keyword == "ARG":
            return self._declare(instruction, known)
        if keyword in WITH_PAIRS:
            pairs = {expand(k, known, self.escape): expand(v, known, self.escape) for k, v in pairs_of(instruction)}
            self.env |= pairs if keyword == "ENV" else {}
            return tuple(f"{name}={value}" for name, value in pairs.items())
        if keyword in WITH_WORDS:
            words = instruction.exec if instruction.exec is not None else tuple(instruction.args.split())
            return tuple(expand(word, known, self.escape) for word in words)
        if keyword in ("WORKDIR", "USER", "STOPSIGNAL"):
            return (expand(instruction.args, known, self.escape),)
        return instruction.exec if instruction.exec is not None else (instruction.args,)

    def _declare(self, instruction: Instruction, known: Mapping[str, str]) -> tuple[str, ...]:
        declared = []
        for name, default in _arguments(instruction.args, known, self.escape):
            value = self.build_args.get(name, self.global_args.get(name) if default is None else default)
            if value is not None:
                self.args[name] = value
                declared.append(f"{name}={value}")
        return tuple(declared)


def pairs_of(instruction: Instruction) -> list[tuple[str, str]]:
    """The names and unexpanded values of an ENV or LABEL; `ENV NAME all the rest` is the old form."""
    tokens = _split(instruction.args)
    if tokens and "=" not in tokens[0]:
        name, _, value = instruction.args.partition(" ")
        if not value.strip():
            raise DockerfileError(instruction.line, f"{instruction.keyword} must have two arguments")
        return [(name, value.strip())]
    for token in tokens:
        if "=" not in token:
            raise DockerfileError(
                instruction.line, f'Syntax error - can\'t find = in "{token}". Must be of the form: name=value'
            )
    return [(name, value) for name, _, value in (token.partition("=") for token in tokens)]


def expand(text: str, known: Mapping[str, str], escape: str = "\\") -> str:
    """Expand `$X`, `${X}`, `${X:-default}`, `${X:+other}` and take quotes away, as BuildKit does for one word.

    A name that is not known is empty. Nothing is expanded within single quotes or after the escape character.
    """
    out: list[str] = []
    quote = ""
    position = 0
    while position < len(text):
        char = text[position]
        if char == quote:
            quote = ""
        elif char in "'\"" and not quote:
            quote = char
        elif char == escape and quote != "'" and position + 1 < len(text):
            position += 1
            out.append(text[position] if not quote or text[position] in '"$' + escape else char + text[position])
        elif char == "$" and quote != "'" and (found := VARIABLE.match(text, position)):
            out.append(_value(found, known, escape))
            position = found.end() - 1
        else:
            out.append(char)
        position += 1
    return "".join(out)


def _value(found: re.Match[str], known: Mapping[str, str], escape: str) -> str:
    name, operator, word = found[1] or found[2], found[3] or "", found[4] or ""
    value = known.get(name)
    present = bool(value) if operator.startswith(":") else value is not None
    if operator.endswith("-"):
        return value or "" if present else expand(word, known, escape)
    if operator.endswith("+"):
        return expand(word, known, escape) if present else ""
    if operator.endswith("?") and not present:
        raise BadInput(f"The Dockerfile wants a value for {name}: {word or 'it is not set'}", hint=f"Set {name}.")
    return value or ""


def _arguments(text: str, known: Mapping[str, str], escape: str) -> Iterator[tuple[str, str | None]]:
    seen = dict(known)
    for token in _split(text):
        name, equals, default = token.partition("=")
        value = expand(default, seen, escape) if equals else None
        if value is not None:
            seen[name] = value
        yield name, value


def _split(text: str) -> list[str]:
    """Words separated by white space; quotes and backslashes keep white space together and stay in the word."""
    return re.findall(r"""(?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\]|["'\\])+""", text)


def _directives(lines: Sequence[str]) -> tuple[tuple[str, str], ...]:
    found = []
    for line in lines:
        match = DIRECTIVE.match(line.strip())
        if match is None or match[1].lower() not in ("syntax", "escape", "check"):
            break
        found.append((match[1].lower(), match[2]))
    return tuple(found)


def _instructions(lines: Sequence[str], escape: str) -> Iterator[Instruction]:
    continued = re.compile(rf"(?<!{re.escape(escape)}){re.escape(escape)}[ \t]*$")
    position = 0
    while position < len(lines):
        if _is_empty(lines[position]):
            position += 1
            continue
        first = position + 1
        text, position = _logical_line(lines, position, continued)
        has_heredocs = text.split(None, 1)[0].upper() in WITH_HEREDOCS if text else False
        heredocs, position = _heredocs(text if has_heredocs else "", lines, position, first)
        if text:
            yield _instruction(text, first, heredocs)


def _is_empty(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _logical_line(lines: Sequence[str], position: int, continued: re.Pattern[str]) -> tuple[str, int]:
    """An instruction with its continuations, without the comments and empty lines between them; and what follows."""
    parts: list[str] = []
    while position < len(lines):
        line = lines[position]
        position += 1
        if parts and _is_empty(line):
            continue
        parts.append(continued.sub("", line))
        if not continued.search(line):
            break
    return "".join(parts).strip(), position


def _heredocs(text: str, lines: Sequence[str], position: int, line: int) -> tuple[tuple[Heredoc, ...], int]:
    found = []
    for dash, quote, name in HEREDOC.findall(text):
        content = []
        while True:
            if position >= len(lines):
                raise DockerfileError(line, f"unterminated heredoc {name}")
            row = lines[position].lstrip("\t") if dash else lines[position]
            position += 1
            if row == name:
                break
            content.append(row + "\n")
        found.append(Heredoc(name, "".join(content), expand=not quote))
    return tuple(found), position


def _instruction(text: str, line: int, heredocs: tuple[Heredoc, ...]) -> Instruction:
    word, _, rest = text.partition(" ") if " " in text.split("\t", 1)[0] else text.partition("\t")
    keyword, rest = word.upper(), rest.strip()
    if keyword not in KEYWORDS:
        raise DockerfileError(line, f"unknown instruction: {word}")
    flags, rest = _flags(keyword, rest, line)
    if not rest and not (keyword == "HEALTHCHECK" and flags):
        raise DockerfileError(line, f"{keyword} requires at least one argument")
    instruction = Instruction(keyword, rest, line, flags, _json(rest) if keyword in WITH_JSON else None, heredocs)
    if keyword in WITH_PAIRS:
        pairs_of(instruction)
    words = instruction.exec if instruction.exec is not None else rest.split()
    if len(words) < LEAST_ARGUMENTS.get(keyword, 0):
        raise DockerfileError(line, f"{keyword} requires at least two arguments, but only one was provided")
    return instruction


def _flags(keyword: str, text: str, line: int) -> tuple[tuple[tuple[str, str], ...], str]:
    """The flags that an instruction begins with, and what follows them."""
    flags = []
    while flag := FLAG.match(text):
        if flag[1] not in FLAGS.get(keyword, ()):
            raise DockerfileError(line, f"unknown flag: --{flag[1]}")
        flags.append((flag[1], (flag[2] or "").strip('"')))
        text = text[flag.end() :]
    return tuple(flags), text


def _json(text: str) -> tuple[str, ...] | None:
    if not text.startswith("["):
        return None
    try:
        words = json.loads(text)
    except json.JSONDecodeError:
        return None  # BuildKit takes it for the shell form
    return tuple(words) if all(isinstance(word, str) for word in words) else None


def _stages(instructions: Sequence[Instruction]) -> Iterator[Stage]:
    starts = [number for number, instruction in enumerate(instructions) if instruction.keyword == "FROM"]
    first = starts[0] if starts else len(instructions)
    for instruction in instructions[:first]:
        if instruction.keyword != "ARG":
            raise DockerfileError(instruction.line, "no build stage in current context")
    if not starts:
        raise DockerfileError(instructions[0].line, "no build stage in current context")
    for index, (start, end) in enumerate(zip(starts, [*starts[1:], len(instructions)], strict=True)):
        words = instructions[start].args.split()
        if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
            raise DockerfileError(instructions[start].line, "FROM requires either one or three arguments")
        name = words[2].lower() if len(words) == 3 else None
        of_stage = tuple(instructions[start + 1 : end])
        yield Stage(index, name, words[0], instructions[start].line, of_stage, instructions[start].flags)


@dataclass(frozen=True)
class Ignore:
    """The patterns of a `.dockerignore`; the last that matches a path or one of its parents decides."""

    patterns: tuple[tuple[re.Pattern[str], bool], ...] = ()  # the pattern, and whether it excludes

    @classmethod
    def parse(cls, text: str) -> Ignore:
        """Read the lines; `#` begins a comment, `!` takes a path back in, `**` crosses folders."""
        patterns = []
        for line in text.removeprefix("\ufeff").splitlines():
            pattern = line.strip()
            if not pattern or pattern.startswith("#"):
                continue
            excludes = not pattern.startswith("!")
            cleaned = posixpath.normpath(pattern.removeprefix("!").strip()).lstrip("/")
            patterns.append((glob_pattern(cleaned), excludes))
        return cls(tuple(patterns))

    def excludes(self, path: str) -> bool:
        """Whether the file or folder (relative, with `/`) is left out of the build context."""
        parts = path.split("/")
        candidates = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        excluded = False
        for pattern, excludes in self.patterns:
            if excludes != excluded and any(pattern.fullmatch(candidate) for candidate in candidates):
                excluded = excludes
        return excluded


def glob_pattern(glob: str) -> re.Pattern[str]:
    """A Go file pattern as a regular expression: `*` and `?` stay within a folder, `**` does not."""
    translate = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pieces = re.findall(r"\*\*/|\*\*|\*|\?|\[\^?[^\]]+\]|\\.|.", glob, re.DOTALL)
    out = [translate.get(piece) or (_choice(piece) if len(piece) > 2 else re.escape(piece[-1])) for piece in pieces]
    return re.compile("".join(out), re.DOTALL)


def _choice(piece: str) -> str:
    """`[a-z]` as a regular expression; a range that runs backwards holds nothing."""
    inside = piece[1:-1]
    members = re.findall(r"(.)-(.)|(.)", inside.removeprefix("^"), re.DOTALL)
    ranges = [f"{re.escape(low)}-{re.escape(high)}" for low, high, _ in members if low and low <= high]
    singles = [re.escape(single) for _, _, single in members if single]
    if not ranges + singles:
        return "(?!)"
    return f"[{'^' if inside.startswith('^') else ''}{''.join(ranges + singles)}]"
