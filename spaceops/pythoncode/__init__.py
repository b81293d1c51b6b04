"""The Python code that runs when the container starts: from where it begins, along its imports."""

from __future__ import annotations

import posixpath
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import cached_property

from spaceops.image import Image
from spaceops.pythonmodule import Call, EnvRead, Import, Module, Place, parse
from spaceops.startup.entries import Entry

MOST_FILES = 400
MOST_TEXT = 2_000_000  # characters, of all files together


class Reach(IntEnum):
    """How sure it is that something runs."""

    GUARDED = 0  # only within a try, or under a condition
    LATER = 1  # when a function is called, or the entry is not sure
    SURE = 2  # whenever the container starts


@dataclass(frozen=True)
class Unresolved:
    """An import that no file of the Space satisfies."""

    module: str  # dotted
    path: str
    line: int
    reach: Reach
    roots: tuple[str, ...] = ()  # folders of the image where it is looked for
    is_inside: bool = False  # its package is one of the Space, the module in it is missing
    is_closed: bool = False  # that package has an __init__.py: no other package can add modules to it

    @property
    def where(self) -> str:
        """Its line, as `FILE:LINE`."""
        return f"{self.path}:{self.line}"


@dataclass(frozen=True)
class Code:
    """The modules that are reached, by their paths in the Space."""

    entries: tuple[Entry, ...] = ()
    modules: Mapping[str, Module] = field(default_factory=dict)
    reached: Mapping[str, Reach] = field(default_factory=dict)  # by path
    mains: frozenset[str] = frozenset()  # paths of those that run as programs
    unresolved: tuple[Unresolved, ...] = ()
    is_whole: bool = True  # every file that is reached could be read
    edits_path: bool = False
    starts: Mapping[str, Entry] = field(default_factory=dict)  # by the path of the module where each begins
    # (path, what it calls something imported) -> (path of the module, name in it; "" for the module itself)
    targets: Mapping[tuple[str, str], tuple[str, str]] = field(default_factory=dict)

    def calls(self, *names: str) -> Iterator[tuple[Module, Call]]:
        """The calls of some functions, with the modules that they stand in."""
        return ((module, call) for module in self.modules.values() for call in module.called(*names))

    @cached_property
    def env_reads(self) -> tuple[tuple[Module, EnvRead], ...]:
        """The variables that the code asks for, with the modules."""
        return tuple((module, read) for module in self.modules.values() for read in module.env_reads)

    @cached_property
    def env_sets(self) -> frozenset[str]:
        """The variables that the code sets itself."""
        return frozenset().union(*(module.env_sets for module in self.modules.values()))

    @property
    def unresolved_inside(self) -> tuple[Unresolved, ...]:
        """The modules that are missing from packages of the Space."""
        return tuple(one for one in self.unresolved if one.is_inside)

    def imports(self, *names: str) -> bool:
        """Whether one of these modules, or a part of it, is imported anywhere."""
        return any(
            one.level == 0 and any(one.module == name or one.module.startswith(f"{name}.") for name in names)
            for module in self.modules.values()
            for one in module.imports
        )

    def reach_of(self, module: Module, place: Place) -> Reach:
        """How sure it is that something at a place of a module runs when the container starts."""
        here = _reach(place, is_main=module.path in self.mains)
        return min(here, self.reached.get(module.path, Reach.GUARDED))

    def is_run(self, module: Module, one: Call | Import | EnvRead) -> bool:
        """Whether it surely runs when the container starts."""
        return self.reach_of(module, one.place) is Reach.SURE


def follow(
    entries: Iterable[Entry], image: Image, read: Callable[[str], str | None], python: tuple[int, int] | None
) -> Code:
    """The code that is reached from the entries."""
    return _Walk(image, read, python).walk(tuple(entries))


@dataclass(frozen=True)
class _Visit:
    path: str
    package: str  # dotted name of the package that it is in
    roots: tuple[str, ...]
    reach: Reach
    is_main: bool = False


class _Walk:
    def __init__(self, image: Image, read: Callable[[str], str | None], python: tuple[int, int] | None) -> None:
        self.image, self.read, self.python = image, read, python
        self.modules = dict[str, Module]()
        self.reached, self.mains, self.starts = dict[str, Reach](), set[str](), dict[str, Entry]()
        self.unresolved = dict[tuple[str, str, int], Unresolved]()
        self.targets = dict[tuple[str, str], tuple[str, str]]()
        self.known = dict[str, str | None]()
        self.size, self.is_whole = 0, True
        self.waiting = deque[_Visit]()

    def walk(self, entries: tuple[Entry, ...]) -> Code:
        found = list[Entry]()
        for entry in entries:
            is_taken = entry.server == "fastapi" and any(one.where == entry.where for one in found)
            if not is_taken and self._begin(entry):  # `fastapi run` takes the first of several files
                found.append(entry)
        while self.waiting:
            self._visit(self.waiting.popleft())
        return Code(
            tuple(found),
            self.modules,
            self.reached,
            frozenset(self.mains),
            tuple(self.unresolved.values()),
            self.is_whole,
            any(module.edits_path for module in self.modules.values()),
            self.starts,
            self.targets,
        )

    def _begin(self, entry: Entry) -> bool:
        """Wait for the file of an entry; False where the Space has none."""
        entry = self._in_package(entry) if entry.server == "fastapi" else entry
        source = self._source(entry.place) if entry.place else None
        paths = [(source, "")] if source else [] if entry.place else self._resolve(entry.module, entry.roots)
        if paths and entry.is_main and paths[-1][0].endswith("/__init__.py"):
            paths = self._resolve(f"{entry.module}.__main__", entry.roots)
        for path, package in paths:
            is_main = entry.is_main and path == paths[-1][0]
            reach = Reach.SURE if entry.is_certain else Reach.LATER
            self._wait(_Visit(path, package, entry.roots, reach, is_main))
        if paths:
            self.starts.setdefault(paths[-1][0], entry)
        return bool(paths)

    def _in_package(self, entry: Entry) -> Entry:
        """`fastapi run app/main.py` imports app.main, from the folder above the outermost package."""
        folder, name = posixpath.split(entry.place.removesuffix(".py"))
        while folder != "/" and self._source(f"{folder}/__init__.py"):
            folder, package = posixpath.split(folder)
            name = f"{package}.{name}"
        is_there = self._source(entry.place) is not None
        return replace(entry, module=name, place="", roots=(folder, *entry.roots[1:])) if is_there else entry

    def _wait(self, visit: _Visit) -> None:
        if self._is_news(visit):
            self.waiting.append(visit)

    def _is_news(self, visit: _Visit) -> bool:
        known = self.reached.get(visit.path)
        return known is None or visit.reach > known or (visit.is_main and visit.path not in self.mains)

    def _visit(self, visit: _Visit) -> None:
        if not self._is_news(visit):
            return
        if visit.path not in self.modules:
            self._load(visit.path)
        self.reached[visit.path] = max(visit.reach, self.reached.get(visit.path, Reach.GUARDED))
        self.mains |= {visit.path} if visit.is_main else set()
        module = self.modules[visit.path]
        for one in module.imports:
            self._import(visit, one, min(visit.reach, _reach(one.place, is_main=visit.is_main)))
        for name, call in _named(module):
            self._import(visit, Import(name, (), 0, call.line, call.place), min(visit.reach, Reach.LATER))

    def _load(self, path: str) -> None:
        text = self.read(path) if len(self.modules) < MOST_FILES and self.size < MOST_TEXT else None
        module = Module(path, is_read=False) if text is None else parse(text, path, self.python)
        self.size += len(text or "")
        self.is_whole = self.is_whole and module.is_read and module.fault is None
        self.modules[path] = module

    def _import(self, visit: _Visit, one: Import, reach: Reach) -> None:
        absolute = _absolute(one, visit.package)
        if absolute is None:
            return
        found = self._resolve(absolute, visit.roots)
        if not found or not self._ends_at(found, absolute):
            self._note(visit, absolute, one.line, reach)
        for path, package in found:
            self._wait(_Visit(path, package, visit.roots, reach))
        if not found or self._ends_at(found, absolute):
            self._name(visit, one, absolute, found[-1][0] if found else "", reach)

    def _name(self, visit: _Visit, one: Import, absolute: str, source: str, reach: Reach) -> None:
        """Keep what the imported names mean; of a package, or a mere folder, a name may be a module of its own."""
        is_package = not source or posixpath.basename(source) == "__init__.py"
        for name, local in zip(one.names or ("",), one.bound, strict=False):
            module = f"{absolute}.{name}" if name and name != "*" and is_package else ""
            found = self._resolve(module, visit.roots) if module else []
            if found and self._ends_at(found, module):
                self._wait(_Visit(*found[-1], visit.roots, reach))
                self.targets[visit.path, local] = found[-1][0], ""
            elif source:
                self.targets[visit.path, local] = source, name

    def _note(self, visit: _Visit, module: str, line: int, reach: Reach) -> None:
        """Keep an import that no file satisfies, unless something that is not Python text may."""
        depth = max(self._depth(root, module.split(".")) for root in visit.roots)
        if depth == len(module.split(".")):  # a folder without Python, a compiled module
            return
        known = self.unresolved.get((visit.path, module, line))
        if known is None or reach > known.reach:
            top = module.partition(".")[0]
            is_closed = any(self._source(f"{root}/{top}/__init__.py") for root in visit.roots)
            unresolved = Unresolved(module, visit.path, line, reach, visit.roots, depth > 0, is_closed)
            self.unresolved[visit.path, module, line] = unresolved

    def _depth(self, root: str, parts: list[str]) -> int:
        """How many parts of a dotted name are names in the folders below a root."""
        for depth, part in enumerate(parts):
            names = self.image.names_in(posixpath.join(root, *parts[:depth]))
            if not any(name.partition(".")[0] == part for name in names):
                return depth
        return len(parts)

    def _resolve(self, module: str, roots: tuple[str, ...]) -> list[tuple[str, str]]:
        """The files that importing a dotted name runs, each with its package; empty where the Space has none."""
        parts = module.split(".")
        for root in roots:
            found = list[tuple[str, str]]()
            for length in range(1, len(parts) + 1):
                place, package = posixpath.join(root, *parts[:length]), ".".join(parts[:length])
                if init := self._source(f"{place}/__init__.py"):
                    found.append((init, package))
                elif source := self._source(f"{place}.py"):
                    found.append((source, package.rpartition(".")[0]))
            if found:
                return found
        return []

    def _ends_at(self, found: list[tuple[str, str]], module: str) -> bool:
        """Whether the last file is that of the module itself, and not of a package around it."""
        last, package = found[-1]
        if last.endswith("__init__.py"):
            return package == module
        return posixpath.basename(last) == f"{module.rpartition('.')[2]}.py"

    def _source(self, place: str) -> str | None:
        if place not in self.known:
            self.known[place] = self.image.source_of(place)
        return self.known[place]


def _named(module: Module) -> Iterator[tuple[str, Call]]:
    """Modules that a call names as text, to be imported: the app of `uvicorn.run`, and the settings of Django."""
    for call in module.called("uvicorn.run"):
        app = call.args[0] if call.args else None
        if isinstance(app, str) and ":" in app:
            yield app.partition(":")[0], call
    for call in module.called("os.environ.setdefault"):
        if len(call.args) > 1 and call.args[0] == "DJANGO_SETTINGS_MODULE" and isinstance(call.args[1], str):
            yield call.args[1], call


def _reach(place: Place, *, is_main: bool) -> Reach:
    if place.is_certain_in_main if is_main else place.is_certain:
        return Reach.SURE
    return Reach.GUARDED if place.conditional else Reach.LATER


def _absolute(one: Import, package: str) -> str | None:
    """The dotted name that an import means; None for a relative one that leaves its package."""
    if one.level == 0:
        return one.module
    parts = package.split(".") if package else []
    if one.level > len(parts):
        return None
    base = parts[: len(parts) - (one.level - 1)]
    return ".".join([*base, *([one.module] if one.module else [])])
