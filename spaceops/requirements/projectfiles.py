"""pyproject.toml and the lock files of uv, poetry, pdm and pipenv: which distributions they name. Pure functions."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping

from spaceops.distributions import normalized
from spaceops.requirements.lines import Requirement, one

LARGEST = 400_000  # characters of a file that is looked into


def metadata(text: str) -> Mapping[str, object] | None:
    """The `[project]` of a pyproject.toml; None where it does not say itself what it depends on."""
    try:
        table = tomllib.loads(text).get("project") if len(text) <= LARGEST else None
    except (tomllib.TOMLDecodeError, RecursionError):
        return None
    return table if isinstance(table, dict) and "dependencies" not in _strings(table.get("dynamic")) else None


def asked(
    table: Mapping[str, object], text: str, path: str, python: tuple[int, int] | None, extras: frozenset[str]
) -> Iterator[Requirement]:
    """What the `[project]` of a pyproject.toml, at a path and with this text, depends on."""
    wanted = _strings(table.get("dependencies"))
    optional = table.get("optional-dependencies")
    for extra in extras:
        wanted += _strings(optional.get(extra)) if isinstance(optional, dict) else []
    for line in wanted:
        found = one(line, path, _line_of(line, text), python)
        if isinstance(found, Requirement):
            yield found


def locked(text: str, name: str) -> frozenset[str] | None:
    """Every distribution that a lock file of this name has; None for one that is too large."""
    if len(text) > LARGEST:
        return None
    if name == "Pipfile.lock":
        return _of_pipfile_lock(text)
    return frozenset(normalized(found) for found in re.findall(r'^name = "([^"]+)"', text, re.MULTILINE))


def _strings(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _line_of(wanted: str, text: str) -> int:
    position = text.find(wanted)
    return text.count("\n", 0, position) + 1 if position >= 0 else 0


def _of_pipfile_lock(text: str) -> frozenset[str]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return frozenset()
    groups = [found.get(group) for group in ("default", "develop")] if isinstance(found, dict) else []
    return frozenset(normalized(name) for group in groups if isinstance(group, dict) for name in group)
