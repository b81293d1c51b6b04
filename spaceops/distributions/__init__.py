"""Which distribution brings which Python module, and what else it brings along, by `distributions/tables.py`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from functools import cache

from spaceops.distributions.tables import MODULES, NEEDS, NEW_MODULES, OTHERS, REMOVED_MODULES

_SEPARATORS = re.compile(r"[-_.]+")
_NAMESPACES = frozenset({"google", "azure", "ruamel", "zope", "backports", "mysql", "opentelemetry", "llama_index"})


def normalized(name: str) -> str:
    """A distribution's name as the index compares it."""
    return _SEPARATORS.sub("-", name).lower()


def is_known(distribution: str) -> bool:
    """Whether the tables tell what it brings, all of it."""
    return distribution in _needs()


def is_famous(module: str) -> bool:
    """Whether the tables name the distribution that brings a module."""
    return _longest(module) in _providers()


def is_brought(distribution: str) -> bool:
    """Whether other distributions bring it along."""
    return distribution in _brought()


def modules_of(distribution: str) -> tuple[str, ...]:
    """The modules that a distribution brings, or, if it is not in the tables, what its name suggests."""
    return _modules().get(distribution, (distribution.replace("-", "_"),))


def distribution_of(module: str) -> str:
    """The distribution to ask pip for, to import a module (`PIL.Image` is in pillow)."""
    found = _providers().get(_longest(module))
    return found[0] if found else module.partition(".")[0].replace("_", "-")


def closure(wanted: Iterable[str]) -> tuple[frozenset[str], frozenset[str]]:
    """What the wanted distributions (`name` or `name[extra]`) bring at most; and which of these no table has."""
    needs = _needs()
    seen = set[str]()
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            plain = name.partition("[")[0]
            waiting += [*needs.get(name, ()), *([plain] if plain != name else [])]
    return frozenset(name for name in seen if "[" not in name), frozenset(name for name in seen if name not in needs)


def provides(distribution: str, module: str) -> bool:
    """Whether a distribution brings a module, as far as its name or the tables tell."""
    top = module.partition(".")[0]
    for one in modules_of(distribution):
        if module == one or module.startswith(f"{one}.") or one.startswith(f"{module}."):
            return True
        if "." not in one and one.lower() == top.lower():
            return True
    return False


def is_standard(module: str, python: tuple[int, int] | None) -> bool:
    """Whether the standard library of a Python has a module; of one that is not known, whether any has."""
    top = module.partition(".")[0]
    if top in REMOVED_MODULES:
        return python is None or python < REMOVED_MODULES[top][0]
    if top in NEW_MODULES:
        return python is None or python >= NEW_MODULES[top]
    return top in sys.stdlib_module_names or top == "__main__"


def is_judged(module: str) -> bool:
    """Whether the tables can tell that a module is missing: of a namespace that many share, only what is listed."""
    return module.partition(".")[0] not in _NAMESPACES or _longest(module) in _providers()


@cache
def _needs() -> Mapping[str, tuple[str, ...]]:
    return {name: tuple(rest) for name, rest in _rows(NEEDS)}


@cache
def _brought() -> frozenset[str]:
    return frozenset(one.partition("[")[0] for name, needs in _needs().items() if "[" not in name for one in needs)


@cache
def _modules() -> Mapping[str, tuple[str, ...]]:
    return {name: tuple(rest) for name, rest in _rows(MODULES)}


@cache
def _providers() -> Mapping[str, tuple[str, ...]]:
    found = dict[str, tuple[str, ...]]()
    plain = [name for name in (*_needs(), *OTHERS.split()) if "[" not in name]
    for name in dict.fromkeys((*_modules(), *plain)):
        for module in modules_of(name):
            found[module] = (*found.get(module, ()), name)
    return found


def _rows(table: str) -> list[tuple[str, list[str]]]:
    joined = table.replace("\n  ", " ")
    return [(line.partition(":")[0], line.partition(":")[2].split()) for line in joined.split("\n") if line]


def _longest(module: str) -> str:
    """The longest beginning of a dotted name that the tables have; else its first part."""
    parts = module.split(".")
    names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((name for name in names if name in _providers()), parts[0])
