"""One instruction of a Dockerfile: its flags, its form, and whether BuildKit takes it."""

from __future__ import annotations

import json
import re
import sys
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from spaceops.dockerfile.words import Anything, expand, split_white, split_words
from spaceops.errors import BadInput, DockerfileError

BOOLEAN_FLAGS = frozenset({"keep-git-dir", "link", "parents", "unpack"})
SEVERAL = frozenset({"exclude", "mount", "device"})  # flags that may come more than once
FLAGS: Mapping[str, frozenset[str]] = {
    "ADD": frozenset({"checksum", "chmod", "chown", "exclude", "keep-git-dir", "link", "unpack"}),
    "COPY": frozenset({"chmod", "chown", "exclude", "from", "link", "parents"}),
    "FROM": frozenset({"platform"}),
    "HEALTHCHECK": frozenset({"interval", "retries", "start-interval", "start-period", "timeout"}),
    "RUN": frozenset({"device", "mount", "network", "security"}),
}
_KEYWORDS = (
    "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL STOPSIGNAL USER VOLUME "
    "WORKDIR"
)
KEYWORDS = frozenset(_KEYWORDS.split())
WITH_JSON = frozenset({"ADD", "CMD", "COPY", "ENTRYPOINT", "RUN", "SHELL", "VOLUME"})
WITH_HEREDOCS = frozenset({"ADD", "COPY", "RUN"})
WITH_WORDS = frozenset({"ADD", "COPY", "EXPOSE", "VOLUME"})  # arguments separated by white space, variables expanded
WITH_PAIRS = frozenset({"ENV", "LABEL"})
WITH_ONE_VALUE = frozenset({"MAINTAINER", "STOPSIGNAL", "USER", "WORKDIR"})
MAY_BE_EMPTY = frozenset({"CMD", "ENTRYPOINT", "RUN"})
MOUNTS = frozenset({"bind", "cache", "secret", "ssh", "tmpfs"})
MOUNT_WORDS = frozenset({"readonly", "ro", "readwrite", "rw", "required"})
HIGHEST_PORT = 65535
STAGE_NAME = re.compile(r"[a-z][a-z0-9-_.]*")
PORT = re.compile(r"(?:[^/]*:)?(\d{1,5})(?:-(\d{1,5}))?(?:/(?:tcp|udp|sctp))?", re.IGNORECASE)
DURATION = re.compile(r"[+-]?(?:0|(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h))+)")


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
    inner: Instruction | None = None  # of an ONBUILD, where it is a valid one
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


def instruction(text: str, line: int, escape: str = "\\") -> Instruction:
    """Read one logical line, without here-documents. Raises `DockerfileError` where BuildKit would refuse it."""
    word, *rest = split_white(text.strip(), 1)
    keyword = word.upper()
    if keyword not in KEYWORDS:
        raise DockerfileError(line, f"unknown instruction: {word}")
    flags, args = _flags(keyword, rest[0] if rest else "", line)
    inner = None
    if keyword == "ONBUILD":
        inner = _inner(args, line, escape)
    found = Instruction(keyword, args, line, flags, _json(keyword, args, line), inner=inner)
    CHECKS.get(keyword, _with_arguments)(found, escape)
    _check_words(found, escape)
    return found


def pairs_of(one: Instruction, escape: str = "\\") -> list[tuple[str, str]]:
    """The names and unexpanded values of an ENV or LABEL; `ENV NAME all the rest` is the old form."""
    words = split_words(one.args, escape)
    if words and "=" not in words[0]:
        name, *value = split_white(one.args, 1)
        if not value:
            raise DockerfileError(one.line, f"{one.keyword} must have two arguments")
        return [(name, value[0])]
    for word in words:
        if "=" not in word:
            problem = f'Syntax error - can\'t find = in "{word}". Must be of the form: name=value'
            raise DockerfileError(one.line, problem)
    return [(name, value) for name, _, value in (word.partition("=") for word in words)]


def words_of(one: Instruction) -> tuple[str, ...]:
    """The unexpanded arguments of an instruction that takes a list."""
    return one.exec if one.exec is not None else tuple(split_white(one.args))


# flags


def _flags(keyword: str, text: str, line: int) -> tuple[tuple[tuple[str, str], ...], str]:
    """The flags that an instruction begins with, and what follows them."""
    flags = list[tuple[str, str]]()
    text = text.strip()
    while text.startswith("--"):
        word, text = _flag_word(text)
        text = text.lstrip()
        if word == "--":
            break
        flags.append(_flag(keyword, word, line, {name for name, _ in flags}))
    return tuple(flags), text


def _flag_word(text: str) -> tuple[str, str]:
    """The first word, its quotes taken away, and the rest."""
    parts, quote, position = list[str](), "", 0
    while position < len(text):
        char = text[position]
        position += 1
        if not quote and char.isspace():
            break
        if char in "'\"" and quote in ("", char):
            quote = "" if quote else char
            continue
        if char == "\\":
            char = text[position : position + 1]
            position += 1
        parts.append(char)
    return "".join(parts), text[position:]


def _flag(keyword: str, word: str, line: int, seen: set[str]) -> tuple[str, str]:
    name, equals, value = word[2:].partition("=")
    if name not in FLAGS.get(keyword, ()):
        raise DockerfileError(line, f"unknown flag: --{name}")
    if name in seen and name not in SEVERAL:
        raise DockerfileError(line, f"duplicate flag specified: --{name}")
    if name in BOOLEAN_FLAGS:
        if equals and value.lower() not in ("true", "false"):
            raise DockerfileError(line, f"expecting boolean value for flag --{name}, not: {value}")
    elif not equals:
        raise DockerfileError(line, f"missing a value on flag: --{name}")
    return name, value


# the JSON form


def _json(keyword: str, text: str, line: int) -> tuple[str, ...] | None:
    if keyword not in WITH_JSON or not text.startswith("["):
        return None
    try:
        words = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None  # BuildKit takes it for the shell form
    if not all(isinstance(word, str) for word in words):
        raise DockerfileError(line, "when using JSON array syntax, arrays must be comprised of strings only")
    return tuple(word.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for word in words)


def _no_constant(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity are no JSON


# what each keyword wants


def _with_arguments(one: Instruction, _escape: str) -> None:
    if not one.args and one.keyword not in MAY_BE_EMPTY:
        wanted = "exactly one argument" if one.keyword in WITH_ONE_VALUE else "at least one argument"
        raise DockerfileError(one.line, f"{one.keyword} requires {wanted}")


def _run(one: Instruction, _escape: str) -> None:
    for value in (value for name, value in one.flags if name == "mount" and "$" not in value and '"' not in value):
        _mount(value, one.line)
    if any(name == "mount" and re.search(r"(^|,)from=[^,]*\$.", value) for name, value in one.flags):
        raise DockerfileError(one.line, "'from' doesn't support variable expansion, define alias stage instead")


def _mount(text: str, line: int) -> None:
    fields = [field.partition("=") for field in text.split(",")]
    for name, equals, _ in fields:
        if not equals and name.lower() not in MOUNT_WORDS:
            raise DockerfileError(line, f"invalid field '{name}' must be a key=value pair")
    values = {name.lower(): value for name, _, value in fields}
    kind = values.get("type", "bind").lower()
    if kind not in MOUNTS:
        raise DockerfileError(line, f'unsupported mount type "{values["type"]}"')
    if kind == "secret" and not values.keys() & {"id", "source", "src", "target", "dst", "destination"}:
        raise DockerfileError(line, "invalid secret mount. one of source, target required")


def _pairs(one: Instruction, escape: str) -> None:
    _with_arguments(one, escape)
    if any(not name for name, _ in pairs_of(one, escape)):
        raise DockerfileError(one.line, f"{one.keyword} names can not be blank")


def _arg(one: Instruction, escape: str) -> None:
    _with_arguments(one, escape)
    if any(word.startswith("=") for word in split_words(one.args, escape)):
        raise DockerfileError(one.line, "ARG names can not be blank")


def _copy(one: Instruction, _escape: str) -> None:
    words = words_of(one)
    if len(words) < 2:
        problem = "requires at least two arguments, but only one was provided. Destination could not be determined"
        raise DockerfileError(one.line, f"{one.keyword} {problem}")
    if one.exec is None and re.fullmatch(r"\d*<<-?[^<\s]+", words[-1]):
        raise DockerfileError(one.line, f"{one.keyword} cannot accept a heredoc as a destination")
    if "$" in (one.flag("from") or ""):
        problem = "variable expansion is not supported for --from, define a new stage with FROM using ARG from global "
        raise DockerfileError(one.line, f"{problem}scope as a workaround")


def _from(one: Instruction, _escape: str) -> None:
    words = split_white(one.args)
    if len(words) not in (1, 3) or (len(words) == 3 and words[1].lower() != "as"):
        raise DockerfileError(one.line, "FROM requires either one or three arguments")
    if len(words) == 3 and not STAGE_NAME.fullmatch(words[2].lower()):
        problem = f'invalid name for build stage: "{words[2]}", name can\'t start with a number or contain symbols'
        raise DockerfileError(one.line, problem)


def _shell(one: Instruction, escape: str) -> None:
    _with_arguments(one, escape)
    if one.exec is None:
        raise DockerfileError(one.line, "SHELL requires the arguments to be in JSON form")
    if not one.exec:
        raise DockerfileError(one.line, "SHELL requires at least one argument")


def _volume(one: Instruction, escape: str) -> None:
    _with_arguments(one, escape)
    if not words_of(one):
        raise DockerfileError(one.line, "VOLUME requires at least one argument")
    if any(not word.strip() for word in words_of(one)):
        raise DockerfileError(one.line, "VOLUME specified can not be an empty string")


def _expose(one: Instruction, escape: str) -> None:
    _with_arguments(one, escape)
    for word in words_of(one):
        if "$" in word:
            continue
        found = PORT.fullmatch(word.replace('"', "").replace("'", ""))
        if not found or any(int(port) > HIGHEST_PORT for port in found.groups() if port):
            raise DockerfileError(one.line, f"invalid containerPort: {word}")


def _healthcheck(one: Instruction, escape: str) -> None:
    _with_arguments(one, escape)
    kind, *rest = split_white(one.args, 1)
    if kind.upper() not in ("NONE", "CMD"):
        raise DockerfileError(one.line, f'Unknown type "{kind.upper()}" in HEALTHCHECK (try CMD)')
    if kind.upper() == "NONE" and rest:
        raise DockerfileError(one.line, "HEALTHCHECK NONE takes no arguments")
    if kind.upper() == "CMD" and not rest:
        raise DockerfileError(one.line, "Missing command after HEALTHCHECK CMD")
    for name, value in one.flags:
        if name == "retries" and not re.fullmatch(r"\+?\d+|", value):
            raise DockerfileError(one.line, f"--retries is no number: {value}")
        if name != "retries" and value and not DURATION.fullmatch(value):
            raise DockerfileError(one.line, f'time: invalid duration "{value}"')


def _onbuild(one: Instruction, escape: str) -> None:
    _with_arguments(one, escape)
    word = split_white(one.args, 1)[0].upper()
    if word == "ONBUILD":
        raise DockerfileError(one.line, "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if word in ("FROM", "MAINTAINER"):
        raise DockerfileError(one.line, f"{word} isn't allowed as an ONBUILD trigger")


def _inner(text: str, line: int, escape: str) -> Instruction | None:
    """What an ONBUILD holds, unless BuildKit would refuse it later, where it is triggered."""
    if not text or split_white(text, 1)[0].upper() == "ONBUILD":
        return None
    try:
        return instruction(text, line, escape)
    except DockerfileError:
        return None


CHECKS: Mapping[str, Callable[[Instruction, str], None]] = {
    "ADD": _copy,
    "ARG": _arg,
    "COPY": _copy,
    "ENV": _pairs,
    "EXPOSE": _expose,
    "FROM": _from,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _pairs,
    "ONBUILD": _onbuild,
    "RUN": _run,
    "SHELL": _shell,
    "VOLUME": _volume,
}


def _check_words(one: Instruction, escape: str) -> None:
    """Whether the words that BuildKit expands can be: their quotes and braces are closed."""
    for word in _expanded(one, escape):
        try:
            expand(word, Anything(), escape)
        except BadInput as error:
            raise DockerfileError(one.line, f'failed to process "{word}": {error.message}') from error


def _expanded(one: Instruction, escape: str) -> list[str]:
    flags = [value for name, value in one.flags if name in ("chown", "chmod", "platform", "exclude", "checksum")]
    if one.keyword in WITH_PAIRS:
        return [text for pair in pairs_of(one, escape) for text in pair]
    if one.keyword == "ARG":
        return [word.partition("=")[2] for word in split_words(one.args, escape)]
    if one.keyword in WITH_WORDS:
        return [*flags, *(word for word in words_of(one) if not word.startswith("<<"))]
    if one.keyword == "FROM":
        return [*flags, split_white(one.args)[0]]
    return [one.args] if one.keyword in ("USER", "WORKDIR", "STOPSIGNAL") else []
