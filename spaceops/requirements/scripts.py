"""What a script of the Space may install when the build runs it: the lists of requirements that it names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from spaceops.requirements.lines import Requirement
from spaceops.requirements.lines import read as read_requirements


def may_install(script: str, files: Iterable[str], read: Callable[[str], str | None]) -> Iterator[Requirement]:
    """The requirements in those of the Space's files whose names occur in the script's text."""
    for path in files:
        if path.endswith(".txt") and path.rpartition("/")[2] in script and (text := read(path)) is not None:
            yield from read_requirements(text, path).requirements
