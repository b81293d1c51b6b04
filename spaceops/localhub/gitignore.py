"""`.gitignore` files: which paths of a tree git would not add."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from spaceops.localhub.patterns import Pattern, lines

if TYPE_CHECKING:
    from collections.abc import Mapping


class Rule(NamedTuple):
    """A line: what it names, whether only folders, and whether it lets them in again."""

    pattern: Pattern
    folders_only: bool
    lets_in: bool


class GitIgnore:
    """The `.gitignore` files of a tree, by their folders (the root is the empty name)."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._rules = {
            folder: [rule for line in lines(text) if (rule := _rule(line))][::-1] for folder, text in files.items()
        }
        self._names = lru_cache(maxsize=4096)(self._look)

    def ignores(self, path: str) -> bool:
        """Whether a file of that path is left out: nothing in a folder that is can be let in again."""
        *folders, _ = accumulate(path.split("/"), "{}/{}".format)
        return any(self._names(folder, is_folder=True) for folder in folders) or self._names(path, is_folder=False)

    def _look(self, path: str, *, is_folder: bool) -> bool:
        """What the nearest file that says something of this path says."""
        folder = path
        while folder:
            folder = folder.rpartition("/")[0]
            below = path.removeprefix(f"{folder}/") if folder else path
            for rule in self._rules.get(folder, ()):
                if (is_folder or not rule.folders_only) and rule.pattern.matches(below):
                    return not rule.lets_in
        return False


def _rule(line: str) -> Rule | None:
    text = re.sub(r"(?<!\\)((?:\\\\)*) +$", r"\1", line)
    if not text or text.startswith("#"):
        return None
    lets_in, text = text.startswith("!"), text.removeprefix("!")
    folders_only, text = text.endswith("/"), text.removesuffix("/")
    return Rule(Pattern(text), folders_only, lets_in) if text and not text.endswith("/") else None
