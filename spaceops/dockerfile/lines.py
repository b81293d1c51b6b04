"""The lines of a Dockerfile: directives, continuations, comments and here-documents."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from spaceops.dockerfile.instructions import WITH_HEREDOCS, Heredoc, Instruction, instruction
from spaceops.dockerfile.slips import hint_for
from spaceops.dockerfile.words import expand, split_words
from spaceops.errors import BadInput, DockerfileError

DIRECTIVES = frozenset({"syntax", "escape", "check"})
LONGEST_LINE = 65535  # bytes
_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=(.*)", re.DOTALL)
_HEREDOC = re.compile(r"\d*<<(-?)([^<]+)", re.DOTALL)


def lines_of(text: str) -> list[str]:
    """The lines, without what ends them."""
    lines = text.removeprefix("\ufeff").split("\n")
    for number, line in enumerate(lines, start=1):
        if len(line) * 4 > LONGEST_LINE and len(line.encode(errors="replace")) > LONGEST_LINE:
            raise DockerfileError(number, f"dockerfile line greater than max allowed size of {LONGEST_LINE}")
    return lines[:-1] if lines[-1] == "" else lines


def directives_of(lines: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """`# syntax=`, `# escape=` and `# check=` at the very top."""
    found = dict[str, str]()
    for number, line in enumerate(lines, start=1):
        match = _DIRECTIVE.fullmatch(line.strip())
        if match is None or match[1].lower() not in DIRECTIVES or not match[2].strip():
            break
        name = match[1].lower()
        if name in found:
            raise DockerfileError(number, f"only one {name} parser directive can be used")
        found[name] = match[2].strip()
    return tuple(found.items())


def instructions_of(lines: Sequence[str], escape: str) -> Iterator[Instruction]:
    """The instructions in order. Raises `DockerfileError` with the line, and a hint for the usual slips."""
    continued = re.compile(rf"(?<!{re.escape(escape)}){re.escape(escape)}[ \t]*$")
    position = 0
    while position < len(lines):
        first = position
        if _is_empty(lines[position]):
            position += 1
            continue
        text, breaks, position = _logical_line(lines, position, continued)
        if not text.strip():
            continue
        try:
            found = instruction(text, first + 1, escape)
        except DockerfileError as error:
            raise DockerfileError(error.line, error.problem, hint=hint_for(error.problem, lines, first)) from error
        heredocs, position = _heredocs(found, lines, position)
        yield _complete(found, text, breaks, heredocs)


def _is_empty(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _logical_line(
    lines: Sequence[str], position: int, continued: re.Pattern[str]
) -> tuple[str, list[tuple[int, int]], int]:
    """An instruction with its continuations, without the comments and empty lines between them.

    Also where in it which line begins, and the position of what follows.
    """
    parts, breaks, length = list[str](), list[tuple[int, int]](), 0
    start = position
    while position < len(lines):
        line = lines[position].rstrip("\r")
        position += 1
        if position - 1 > start and _is_empty(line):
            continue
        found = continued.search(line)
        part = line[: found.start()] if found else line
        breaks.append((length, position))
        parts.append(part)
        length += len(part)
        if not found:
            break
    return "".join(parts), breaks, position


def _complete(
    found: Instruction, text: str, breaks: list[tuple[int, int]], heredocs: tuple[Heredoc, ...]
) -> Instruction:
    offset = len(text.rstrip()) - len(found.args)
    moved = tuple((max(place - offset, 0), line) for place, line in breaks)
    inner = replace(found.inner, heredocs=heredocs) if found.inner and heredocs else found.inner
    return replace(found, breaks=moved, inner=inner, heredocs=() if found.keyword == "ONBUILD" else heredocs)


def _heredocs(found: Instruction, lines: Sequence[str], position: int) -> tuple[tuple[Heredoc, ...], int]:
    of = found.inner or found
    if of.keyword not in WITH_HEREDOCS or of.exec is not None or "<<" not in of.args:
        return (), position
    read = []
    for word in split_words(of.args):
        start = _heredoc(word)
        if start is None:
            continue
        name, dash, is_expanded = start
        begin, content = position, list[str]()
        while True:
            if position >= len(lines):
                hint = f"Write {name} alone on the line after its text{', not indented' if not dash else ''}."
                raise DockerfileError(found.line, f"unterminated heredoc {name}", hint=hint)
            row = lines[position].lstrip("\t") if dash else lines[position]
            position += 1
            if row.rstrip("\r") == name:
                break
            content.append(row + "\n")
        read.append(Heredoc(name, "".join(content), is_expanded, begin + 1))
    return tuple(read), position


def _heredoc(word: str) -> tuple[str, bool, bool] | None:
    """The name of the here-document that a word begins, whether tabs are dropped, whether its text is expanded."""
    found = _HEREDOC.fullmatch(word)
    if not found:
        return None
    try:
        name = expand(re.sub(r"[$]", r"\\$", found[2]), {})
    except BadInput:
        return None
    return (name, bool(found[1]), name == found[2]) if name else None
