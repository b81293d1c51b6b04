"""`.dockerignore`, as Docker reads it: patterns from the top of the folder, the last that matches decides."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field

STARS = {"**/": "(?:.*/)?", "**": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
MOST_STARS = 8  # of a pattern with `**`
LONGEST_LITERAL = 2  # an escaped character; what is longer is `[…]`


@dataclass(frozen=True)
class Pattern:
    """One line of a `.dockerignore`."""

    line: int  # from 1
    text: str  # as written
    regex: re.Pattern[str]
    excludes: bool  # False: `!`, it takes a path back in
    depth: int | None  # folders and file of what it matches; None: any number


@dataclass(frozen=True)
class Ignore:
    """The patterns of a `.dockerignore`; the last that matches a path or one of its parents decides."""

    patterns: tuple[Pattern, ...] = ()
    _folders: dict[str, tuple[bool, ...]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> Ignore:
        """Read the lines; `#` begins a comment, `!` takes a path back in, `**` crosses folders."""
        lines = enumerate(text.removeprefix("\ufeff").split("\n"), start=1)
        return cls(tuple(pattern for number, line in lines if (pattern := _pattern(number, line)) is not None))

    def excludes(self, path: str) -> bool:
        """Whether the file or folder (relative, with `/`) is left out of the build context."""
        deciding = self.deciding(path)
        return deciding is not None and deciding.excludes

    def deciding(self, path: str) -> Pattern | None:
        """The pattern that decides about a path; None where none matches."""
        matches = self._matches(path)
        return next((one for one, hit in zip(reversed(self.patterns), reversed(matches), strict=True) if hit), None)

    def _matches(self, path: str) -> tuple[bool, ...]:
        """For each pattern, whether it matches the path or a folder that it lies in."""
        folder, _, _ = path.rpartition("/")
        if folder and folder not in self._folders:
            self._learn(folder)
        above = self._folders[folder] if folder else (False,) * len(self.patterns)
        depth = path.count("/") + 1
        return tuple(
            hit or (one.depth in (None, depth) and one.regex.fullmatch(path) is not None)
            for one, hit in zip(self.patterns, above, strict=True)
        )

    def _learn(self, folder: str) -> None:
        parts = folder.split("/")
        for count in range(1, len(parts) + 1):
            part = "/".join(parts[:count])
            if part not in self._folders:
                self._folders[part] = self._matches(part)


def _pattern(number: int, line: str) -> Pattern | None:
    text = line.strip()
    if not text or line.startswith("#"):
        return None
    excludes = not text.startswith("!")
    cleaned = posixpath.normpath(text.removeprefix("!").strip())
    cleaned = cleaned.lstrip("/") or "/"
    depth = None if "**" in cleaned or "\\" in cleaned or "[" in cleaned else cleaned.count("/") + 1
    return Pattern(number, text, glob_pattern(cleaned), excludes, depth)


def glob_pattern(glob: str) -> re.Pattern[str]:
    """A pattern of Docker's as a regular expression: `*` and `?` stay within a folder, `**` does not."""
    tidy = re.sub(r"(?:\*\*/)+", "**/", re.sub(r"\*{3,}", "**", glob))
    pieces = re.findall(r"\*\*/|\*\*|\*|\?|\[\^?[^\]]+\]|\\.|.", tidy, re.DOTALL)
    crosses = any(piece.startswith("**") for piece in pieces)
    if crosses and len([piece for piece in pieces if piece.startswith("*")]) > MOST_STARS:
        return re.compile("(?!)")  # no person's, and slow
    last = ".*" if pieces[-1:] == ["**"] else ""
    out = [_translated(piece) for piece in (pieces[:-1] if last else pieces)]
    return re.compile(("".join(out) if crosses else _without_going_back(out)) + last, re.DOTALL)


def _translated(piece: str) -> str:
    if piece in STARS:
        return STARS[piece]
    return _choice(piece) if len(piece) > LONGEST_LITERAL else re.escape(piece[-1])


def _without_going_back(pieces: list[str]) -> str:
    """The expression with each star taking the least that what follows it allows, once and for all."""
    star = STARS["*"]
    first, *rest = "\n".join(pieces).replace("\n", "").split(star) if star in pieces else ["".join(pieces)]
    middle = "".join(f"(?>{star}?{fixed})" for fixed in rest[:-1])
    return first + middle + (f"{star}{rest[-1]}" if rest else "")


def _choice(piece: str) -> str:
    """`[a-z]` as a regular expression; a range that runs backwards holds nothing."""
    inside = piece[1:-1]
    members = re.findall(r"(.)-(.)|(.)", inside.removeprefix("^"), re.DOTALL)
    ranges = [f"{re.escape(low)}-{re.escape(high)}" for low, high, _ in members if low and low <= high]
    singles = [re.escape(single) for _, _, single in members if single]
    if not ranges + singles:
        return "(?!)"
    return f"[{'^' if inside.startswith('^') else ''}{''.join(ranges + singles)}]"
