"""Which files git leaves out: the patterns of an ignore file, as git itself reads them.

A pattern speaks about one file or folder, never about what lies in it: who walks a tree does not enter what is ignored.
(pathspec judges whole paths at once. Where folders have ignore files of their own, that is not what git does: with it a
folder that an inner file brings back would bring back all that lies in it.) Paths are bytes, as they are for git.
"""

from __future__ import annotations

import os
import re
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_NOTHING = re.compile(rb"(?!)")
_SLASH = ord("/")
_ESCAPED = rb"\\(?P<char>.)"
_ITEM = rb"(?>\[:[^\]]*:\]|(?:\\.|[^\\])-(?:\\.|[^\\\]])|\\.|[^\\])"  # a class, a range, a character
_RANGE = re.compile(rb"\\?(.)-\\?(.)", re.DOTALL)
# What a glob is made of. `**` is a word of its own only between slashes; a slash and the tree after it belong together.
_TOKEN = re.compile(
    _ESCAPED
    + rb"|(?P<trees>(?<![^/])\*\*+/)"
    + rb"|(?P<rest>(?<![^/])\*\*+\Z)"
    + rb"|(?P<stars>\*+)"
    + rb"|(?P<any>\?)"
    + rb"|\[(?P<negated>[!^]?+)(?P<items>"
    + _ITEM
    + rb"(?:(?!\])"
    + _ITEM
    + rb")*+)\]"
    + rb"|(?P<plain>[^\\*?\[])",
    re.DOTALL,
)
_PLAIN = re.compile(rb"[^*?\[\\]*")
_LINE = re.compile(rb"(?P<kept>(?:\\.|[^\\])*?) *", re.DOTALL)
_CLASSES = {
    b"alnum": string.ascii_letters + string.digits,
    b"alpha": string.ascii_letters,
    b"blank": " \t",
    b"cntrl": "".join(map(chr, (*range(32), 127))),
    b"digit": string.digits,
    b"graph": string.ascii_letters + string.digits + string.punctuation,
    b"lower": string.ascii_lowercase,
    b"print": string.ascii_letters + string.digits + string.punctuation + " ",
    b"punct": string.punctuation,
    b"space": string.whitespace,
    b"upper": string.ascii_uppercase,
    b"xdigit": string.hexdigits,
}


@dataclass(frozen=True)
class Pattern:
    """One line of an ignore file."""

    regex: re.Pattern[bytes]
    by_path: bool  # else the last part of the path counts alone
    brings_back: bool  # it began with "!"
    folders_only: bool

    @classmethod
    def read(cls, line: bytes) -> Pattern | None:
        """The pattern in a line; None for a comment, an empty line, and what can match nothing."""
        found = None if line.startswith(b"#") else _LINE.fullmatch(line.removesuffix(b"\r"))
        glob = found["kept"] if found else b""
        brings_back, glob = glob.startswith(b"!"), glob.removeprefix(b"!")
        folders_only, glob = glob.endswith(b"/"), glob.removesuffix(b"/")
        by_path, glob = b"/" in glob, glob.removeprefix(b"/")
        regex = _translated(glob) if glob else None
        return None if regex is None else cls(re.compile(regex, re.DOTALL), by_path, brings_back, folders_only)

    def matches(self, path: bytes, start: int, name: bytes) -> bool:
        """Whether it speaks about a path, as `Rules.verdict` takes it."""
        return bool(self.regex.fullmatch(path, start) if self.by_path else self.regex.fullmatch(name))


@dataclass(frozen=True)
class Rules:
    """The patterns of one ignore file, the last one first: the last one that matches decides."""

    patterns: Sequence[Pattern]
    names: re.Pattern[bytes]  # whatever any of them may match: most files match none
    paths: re.Pattern[bytes]

    @classmethod
    def read(cls, content: bytes) -> Rules:
        """Read an ignore file."""
        lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        patterns = [pattern for pattern in map(Pattern.read, reversed(lines)) if pattern]
        names = _either(pattern for pattern in patterns if not pattern.by_path)
        return cls(patterns, names, _either(pattern for pattern in patterns if pattern.by_path))

    @classmethod
    def of(cls, *lines: str) -> Rules:
        """The rules in lines of text."""
        return cls.read("\n".join(lines).encode(errors="surrogateescape"))

    def verdict(self, path: bytes, start: int, name: bytes, *, is_folder: bool) -> bool | None:
        """Whether a file or folder is ignored (True) or brought back (False); None where nothing speaks about it.

        `path` begins at `start` as seen from the folder of the ignore file, without a slash at its end; `name` is its
        last part.
        """
        if not self.names.fullmatch(name) and not self.paths.fullmatch(path, start):
            return None
        for pattern in self.patterns:
            if (is_folder or not pattern.folders_only) and pattern.matches(path, start, name):
                return not pattern.brings_back
        return None

    def covers(self, path: str) -> bool:
        """Whether a file is ignored, by itself or with a folder that it lies in."""
        whole = os.fsencode(path)
        paths = [*(whole[: slash.start()] for slash in re.finditer(b"/", whole)), whole]
        return any(self.verdict(part, 0, part.rpartition(b"/")[2], is_folder=part != whole) for part in paths)


def is_pattern(text: str) -> bool:
    """Whether the text is one pattern that can match something."""
    return "\n" not in text and Pattern.read(text.encode(errors="surrogateescape")) is not None


def _either(patterns: Iterable[Pattern]) -> re.Pattern[bytes]:
    regexes = [pattern.regex.pattern for pattern in patterns]
    return re.compile(b"|".join(b"(?:%b)" % regex for regex in regexes), re.DOTALL) if regexes else _NOTHING


def _translated(glob: bytes) -> bytes | None:
    """A regular expression for a glob; None for one that can match nothing, such as an open bracket."""
    plain = _PLAIN.match(glob)
    head = plain[0] if plain else b""
    glob = glob[len(head) :]  # git too looks at what follows by itself: in `a**/b` the stars stand at the beginning
    parts, at = [re.escape(head)], 0
    while at < len(glob):
        token = _TOKEN.match(glob, at)
        part = _part(token) if token else None
        if token is None or part is None:
            return None
        parts.append(part)
        at = token.end()
    return b"".join(parts)


def _part(token: re.Match[bytes]) -> bytes | None:
    found = token.groupdict()
    if found["trees"]:
        return rb"(?:.*/)?"
    if found["rest"]:
        return rb".*"
    if found["stars"]:
        return rb"[^/]*"
    if found["any"]:
        return rb"[^/]"
    if found["items"]:
        return _bracket(re.findall(_ITEM, found["items"], re.DOTALL), negated=bool(found["negated"]))
    return re.escape(found["char"] or found["plain"])


def _bracket(items: list[bytes], *, negated: bool) -> bytes | None:
    """A set of bytes such as `[a-z[:digit:]_]`; None where it holds nothing, or a class that there is not."""
    chosen: set[int] = set()
    for item in items:
        if item.startswith(b"[:") and len(item) > 3:
            if item[2:-2] not in _CLASSES:
                return None
            chosen |= set(_CLASSES[item[2:-2]].encode())
        elif ends := _RANGE.fullmatch(item):
            chosen |= {*range(ends[1][0], ends[2][0] + 1)}
            chosen.add(ends[1][0])
        else:
            chosen.add(item[-1])
    if negated:
        chosen = set(range(1, 256)) - chosen
    found = b"".join(re.escape(bytes([char])) for char in sorted(chosen - {_SLASH}))
    return b"[%b]" % found if found else None
