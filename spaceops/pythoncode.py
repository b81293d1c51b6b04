"""The Python code that runs when the container starts: from where it begins, along its imports."""

from __future__ import annotations

import posixpath
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from spaceops.image import Image
from spaceops.pythonentries import Entry
from spaceops.pythonmodule import Call, EnvRead, Import, Module, parse
from spaceops.shell import commands

MOST_FILES = 400
MOST_TEXT = 2_000_000  # characters, of all files together


@dataclass(frozen=True)
class Unresolved:
    """An import that no file of the Space satisfies."""

    module: str  # dotted
    path: str
    line: int
    is_certain: bool  # it surely runs when the container starts
    is_inside: bool = False  # its package is one of the Space, the module in it is missing

    @property
    def where(self) -> str:
        """Its line, as `FILE:LINE`."""
        return f"{self.path}:{self.line}"


@dataclass(frozen=True)
class Code:
    """The modules that are reached, by their paths in the Space."""

    entries: tuple[Entry, ...] = ()
    modules: Mapping[str, Module] = field(default_factory=dict)
    certain: frozenset[str] = frozenset()  # paths of modules that are surely imported
    mains: frozenset[str] = frozenset()  # paths of those that run as programs
    unresolved: tuple[Unresolved, ...] = ()
    is_whole: bool = True  # every file that is reached could be read
    edits_path: bool = False
    starts: Mapping[str, Entry] = field(default_factory=dict)  # by the path of the module where each begins
    targets: Mapping[tuple[str, str], str] = field(default_factory=dict)  # (path, dotted name there) -> path

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

    def imports(self, *names: str) -> bool:
        """Whether one of these modules, or a part of it, is imported anywhere."""
        return any(
            one.level == 0 and any(one.module == name or one.module.startswith(f"{name}.") for name in names)
            for module in self.modules.values()
            for one in module.imports
        )

    def is_run(self, module: Module, call: Call | Import | EnvRead) -> bool:
        """Whether something surely runs when the container starts."""
        place = call.place
        sure = place.is_certain_in_main if module.path in self.mains else place.is_certain
        return sure and module.path in self.certain


@dataclass(frozen=True)
class Plain:
    """The command of CMD or ENTRYPOINT, as it stands there."""

    words: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]
    where: str
    is_certain: bool = True
    is_module: bool = False


def plain(image: Image) -> Iterator[Plain]:
    """What CMD and ENTRYPOINT start, without looking into scripts."""
    begins = [one for one in (image.entrypoint, image.cmd) if one is not None]
    if not begins:
        return
    if begins[0].is_shell:
        for command in commands(begins[0].words[0] if begins[0].words else "", dict(image.env)):
            yield Plain(command.words, image.workdir, image.env, f"Dockerfile:{begins[0].line}", not command.nested)
    else:
        words = tuple(word for begin in begins for word in begin.words)
        yield Plain(words, image.workdir, image.env, f"Dockerfile:{begins[-1].line}")


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
    is_certain: bool
    is_main: bool = False


class _Walk:
    def __init__(self, image: Image, read: Callable[[str], str | None], python: tuple[int, int] | None) -> None:
        self.image, self.read, self.python = image, read, python
        self.modules = dict[str, Module]()
        self.certain, self.mains, self.starts = set[str](), set[str](), dict[str, Entry]()
        self.unresolved = dict[tuple[str, str, int], Unresolved]()
        self.targets = dict[tuple[str, str], str]()
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
            frozenset(self.certain),
            frozenset(self.mains),
            tuple(self.unresolved.values()),
            self.is_whole,
            any(module.edits_path for module in self.modules.values()),
            self.starts,
            self.targets,
        )

    def _begin(self, entry: Entry) -> bool:
        """Wait for the file of an entry; False where the Space has none."""
        source = self._source(entry.place) if entry.place else None
        paths = [(source, "")] if source else [] if entry.place else self._resolve(entry.module, entry.roots)
        if paths and entry.is_main and paths[-1][0].endswith("/__init__.py"):
            paths = self._resolve(f"{entry.module}.__main__", entry.roots)
        for path, package in paths:
            is_main = entry.is_main and path == paths[-1][0]
            self._wait(path, package, entry.roots, entry.is_certain, is_main=is_main)
        if paths:
            self.starts.setdefault(paths[-1][0], entry)
        return bool(paths)

    def _wait(
        self, path: str, package: str, roots: tuple[str, ...], is_certain: bool, *, is_main: bool = False
    ) -> None:
        if (
            path not in self.modules
            or (is_certain and path not in self.certain)
            or (is_main and path not in self.mains)
        ):
            self.waiting.append(_Visit(path, package, roots, is_certain, is_main))

    def _visit(self, visit: _Visit) -> None:
        is_new = visit.path not in self.modules
        if not is_new and not (visit.is_certain and visit.path not in self.certain) and not visit.is_main:
            return
        if is_new:
            self._load(visit.path)
        self.certain |= {visit.path} if visit.is_certain else set()
        self.mains |= {visit.path} if visit.is_main else set()
        module = self.modules[visit.path]
        for one in module.imports:
            sure = one.place.is_certain_in_main if visit.is_main else one.place.is_certain
            self._import(visit, one, is_certain=visit.is_certain and sure)
        for call in module.called("uvicorn.run"):
            app = call.args[0] if call.args else None
            if isinstance(app, str) and ":" in app:
                self._import(visit, Import(app.partition(":")[0], (), 0, call.line, call.place), is_certain=False)

    def _load(self, path: str) -> None:
        text = self.read(path) if len(self.modules) < MOST_FILES and self.size < MOST_TEXT else None
        module = Module(path, is_read=False) if text is None else parse(text, path, self.python)
        self.size += len(text or "")
        self.is_whole = self.is_whole and module.is_read and module.fault is None
        self.modules[path] = module

    def _import(self, visit: _Visit, one: Import, *, is_certain: bool) -> None:
        absolute = _absolute(one, visit.package)
        if absolute is None:
            return
        found = self._resolve(absolute, visit.roots)
        names = [f"{absolute}.{name}" for name in one.names if name != "*"] if absolute else list(one.names)
        if not found:
            self._note(visit.path, absolute or one.names[0], one.line, visit.roots, is_certain)
            return
        for path, package in found:
            self._wait(path, package, visit.roots, is_certain)
        last = found[-1][0]
        self.targets[visit.path, one.module if not one.level else f".{one.module}"] = last
        if not self._ends_at(found, absolute):
            self._note(visit.path, absolute, one.line, visit.roots, is_certain)
            return
        for name in names:
            self._submodule(visit, name, last, is_certain)

    def _submodule(self, visit: _Visit, name: str, package_file: str, is_certain: bool) -> None:
        """`from package import name`: the name may be a module of its own."""
        if not package_file.endswith("/__init__.py") and package_file != "__init__.py":
            return
        found = self._resolve(name, visit.roots)
        if found and self._ends_at(found, name):
            self._wait(found[-1][0], found[-1][1], visit.roots, is_certain)
            self.targets[visit.path, name] = found[-1][0]

    def _note(self, path: str, module: str, line: int, roots: tuple[str, ...], is_certain: bool) -> None:
        """Keep an import that no file satisfies, unless something that is not Python text may."""
        depth = max(self._depth(root, module.split(".")) for root in roots)
        if depth == len(module.split(".")):  # a folder without Python, a compiled module
            return
        known = self.unresolved.get((path, module, line))
        if known is None or (is_certain and not known.is_certain):
            self.unresolved[path, module, line] = Unresolved(module, path, line, is_certain, is_inside=depth > 0)

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


def _absolute(one: Import, package: str) -> str | None:
    """The dotted name that an import means; None for a relative one that leaves its package."""
    if one.level == 0:
        return one.module
    parts = package.split(".") if package else []
    if one.level - 1 > len(parts) or not parts:
        return None
    base = parts[: len(parts) - (one.level - 1)]
    return ".".join([*base, *([one.module] if one.module else [])])
