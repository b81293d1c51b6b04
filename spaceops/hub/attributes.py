"""`.gitattributes`, as far as it gives files to LFS: read here, because the Hub has not seen one that comes along."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from spaceops.ignorerules import Pattern

TRACKED = "filter=lfs diff=lfs merge=lfs -text"


@dataclass(frozen=True)
class Rule:
    """A line that says whether the files it names are large ones."""

    pattern: Pattern  # as in an ignore file, where it speaks about one file and never about what lies in a folder
    is_lfs: bool

    def matches(self, path: str) -> bool:
        """Whether it names a path, seen from its folder."""
        return self.pattern.matches(os.fsencode(path), 0, os.fsencode(path.rpartition("/")[2]))


def tracked_by(attributes: Mapping[str, str], paths: Iterable[str]) -> set[str]:
    """The paths that these files give to LFS; they are texts by their folders, "" is the root."""
    folders = sorted(attributes, key=len, reverse=True)  # the nearest that says something decides
    rules = {folder: list(_rules(attributes[folder]))[::-1] for folder in folders}  # in it the last line
    return {path for path in paths if _is_tracked(path, rules)}


def line_for(path: str) -> str:
    """The line that gives one path to LFS, as the Hub writes it."""
    literal = re.sub(r"([*?\[\]\\#!\"])", r"\\\1", path)
    return re.sub(r"\s", "[[:space:]]", literal) + f" {TRACKED}\n"


def _is_tracked(path: str, rules: Mapping[str, list[Rule]]) -> bool:
    for folder, lines in rules.items():
        start = f"{folder}/" if folder else ""
        if path.startswith(start):
            for rule in lines:
                if rule.matches(path[len(start) :]):
                    return rule.is_lfs
    return False


def _rules(text: str) -> Iterator[Rule]:
    for line in text.splitlines():
        pattern, *words = line.split() or ["#"]
        said = [word for word in words if re.fullmatch(r"[-!]?filter(=.*)?", word)]
        if not said or pattern.startswith(("#", "[attr]", "!")) or pattern.endswith("/"):
            continue
        if names := Pattern.read(os.fsencode(pattern)):
            yield Rule(names, said[-1] == "filter=lfs")
