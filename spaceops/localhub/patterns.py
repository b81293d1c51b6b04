"""Patterns as git writes them in `.gitignore` and `.gitattributes`, matched in time that no pattern can blow up."""

from __future__ import annotations

import re
from functools import cached_property

LONGEST = 2048  # characters of a line; git reads no longer ones in `.gitattributes`
MOST = 10_000  # lines of a file that are read
TOKEN = re.compile(r"(?P<literal>\\.)|(?P<star>\*+)|(?P<any>\?)|(?P<set>\[[!^]?\]?[^]]*\])|(?P<char>.)", re.DOTALL)


def lines(text: str) -> list[str]:
    """The lines of such a file that are read."""
    return [line.removesuffix("\r") for line in text.split("\n")[:MOST] if len(line) <= LONGEST]


class Pattern:
    """One pattern. Without a slash in it, it looks at a file's name alone, else at the path from its own folder on."""

    def __init__(self, text: str) -> None:
        self._text = text

    def matches(self, path: str) -> bool:
        """Whether it names this path; what git matches nothing with, like the range [z-a], names none."""
        subject = path if "/" in self._text else path.rpartition("/")[2]
        return self._regex is not None and self._regex.fullmatch(subject) is not None

    @cached_property
    def _regex(self) -> re.Pattern[str] | None:
        if "//" in self._text:
            return None
        try:
            return re.compile(_regex(self._text.removeprefix("/")), re.DOTALL)
        except re.error:
            return None


def _regex(pattern: str) -> str:
    """Between two `**` the first place that fits will do: no other is tried."""
    groups: list[list[str]] = [[]]
    for part in pattern.split("/"):
        if part == "**":
            groups.append([])
        else:
            groups[-1].append(_segment(part))
    first, *middle = ["/".join(group) for group in groups]
    if not middle:
        return first
    start = f"{first}/" if first else ""
    inner = "".join(f"(?>(?:[^/]+/)*?{group}/)" for group in middle[:-1] if group)
    return start + inner + (f"(?:[^/]+/)*{middle[-1]}" if middle[-1] else ".+")


def _segment(part: str) -> str:
    """One part of a path; nothing in it goes past a slash. Between two stars the first place that fits will do."""
    fixed = [""]
    for token in TOKEN.finditer(part):
        if token.lastgroup == "star":
            fixed.append("")
        else:
            fixed[-1] += _token(token)
    first, *middle = fixed
    inner = "".join(f"(?>[^/]*?{text})" for text in middle[:-1])
    return first + inner + (f"[^/]*{middle[-1]}" if middle else "")


def _token(match: re.Match[str]) -> str:
    text = match[0]
    if match.lastgroup == "set":
        inner = re.sub(r"([\\\[&~|]|--)", r"\\\1", text[1:-1])  # Python warns of what it may read as set operations
        return f"(?!/)[^{inner[1:]}]" if inner[:1] in ("!", "^") else f"(?!/)[{inner}]"
    wild = {"any": "[^/]", "literal": re.escape(text[1:])}
    return wild.get(match.lastgroup or "", re.escape(text))
