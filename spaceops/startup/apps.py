"""The app that a server is told to import, `module:attribute`: where it should lie, and whether it does."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from spaceops.pythonmodule import Module, parse
from spaceops.shell import UNKNOWN
from spaceops.startup.facts import Process, World
from spaceops.startup.options import option
from spaceops.startup.places import elsewhere, is_absent, may_be_edited

_APP = re.compile(r"([A-Za-z_][\w./\\-]*):([A-Za-z_][\w.]*)(\(.*\))?", re.DOTALL)
_BARE = re.compile(r"[A-Za-z_][\w.]*")
_NO_MODULES = ("unix", "python", "file", "fd", "tcp", "http", "https")
# Servers, with the options that name the folder where they look for the module.
APP_SERVERS: Mapping[str, tuple[str, ...]] = {
    "uvicorn": ("--app-dir",),
    "gunicorn": ("--chdir", "--pythonpath"),
    "hypercorn": (),
    "granian": ("--working-dir",),
    "daphne": (),
    "waitress-serve": (),
}
# Modules of these names come with no package that anybody installs.
GENERIC = frozenset(
    {"main", "app", "server", "api", "wsgi", "asgi", "application", "backend", "src", "run", "index", "project", "web"}
)
_DYNAMIC = re.compile(r"globals\(\)|locals\(\)|vars\(\)|__getattr__|\bexec\(|setattr\(|sys\.modules|importlib")
_MAKES_APP = re.compile(
    r"^(\w+)\s*(?::[^=\n]+)?=\s*(?:\w+\.)*(?:FastAPI|Starlette|Flask|Quart|Sanic|Litestar)\(", re.MULTILINE
)


@dataclass(frozen=True)
class App:
    """What a server is told to import."""

    process: Process
    server: str
    text: str  # as written
    module: str  # "main", "pkg.main", or what is no module name
    attribute: str  # "" where none is given
    roots: tuple[str, ...]  # folders of the image where it looks

    @property
    def is_gunicorn(self) -> bool:
        """Whether gunicorn imports it."""
        return self.server == "gunicorn"

    @property
    def top(self) -> str:
        """The first part of the module's name."""
        return self.module.partition(".")[0]


@dataclass(frozen=True)
class Located:
    """The file of the Space that the module is, and what it binds; None where it cannot be known."""

    path: str
    module: Module
    text: str


def apps(processes: tuple[Process, ...]) -> Iterator[App]:
    """The apps that the processes serve, as far as they are known."""
    seen = set[tuple[str, str, tuple[str, ...]]]()
    for process in processes:
        found = app_of(process)
        if found is None or UNKNOWN in "".join(found.roots) or found.text in process.doubtful:
            continue
        if (key := (found.server, found.text, found.roots)) not in seen:
            seen.add(key)
            yield found


def app_of(process: Process) -> App | None:
    """What a server is told to import; None of another program, and where it is not told."""
    name, words = process.name, process.words[1:]
    if name not in APP_SERVERS:
        return None
    texts = [word for word in words if (found := _APP.fullmatch(word)) and found[1] not in _NO_MODULES]
    text = texts[0] if texts else _bare(words) if name in ("uvicorn", "gunicorn") else None
    if text is None:
        return None
    roots = [process.cwd]
    for one in APP_SERVERS[name]:
        if given := option(process.words, one):
            roots = [process.absolute(given[0]), *(roots if one == "--pythonpath" else ())]
    module, _, attribute = text.partition(":")
    is_default = name == "gunicorn" and not attribute
    attribute = "application" if is_default else attribute.partition("(")[0]
    roots += [process.cwd] if process.is_module else []  # `python -m` looks there, too
    return App(process, name, text, module, attribute, tuple(dict.fromkeys((*roots, *search_path(process)))))


def _bare(words: Sequence[str]) -> str | None:
    """The name of a module without an app: the first word, or the last if it is no value of an option."""
    places = [*words[:1], *(words[-1:] if len(words) > 1 and not words[-2].startswith("-") else ())]
    return next((word for word in places if _BARE.fullmatch(word)), None)


def search_path(process: Process) -> tuple[str, ...]:
    """The folders of PYTHONPATH."""
    return tuple(process.absolute(path) for path in process.env.get("PYTHONPATH", "").split(":") if path)


def places_of(app: App) -> Iterator[str]:
    """Where the module may lie in the image: as a file, and as a package."""
    for root in app.roots:
        place = posixpath.join(root, app.module.replace(".", "/"))
        yield f"{place}.py"
        yield f"{place}/__init__.py"


def located(world: World, app: App) -> Located | None:
    """The module's file, where it is one of the Space and nothing changes it."""
    for place in places_of(app):
        found = world.text_at(place)
        if found is not None:
            is_known = not may_be_edited(world, place) and not _DYNAMIC.search(found[1])
            return Located(found[0], parse(found[1], found[0]), found[1]) if is_known else None
    return None


def is_missing(world: World, app: App) -> bool:
    """Whether no file of the module is in any folder where the server looks; it may still be an installed one."""
    places = [*places_of(app), *(f"{root}/{app.module.replace('.', '/')}" for root in app.roots)]
    return all(is_absent(world, place) for place in places)


def is_shadowed(world: World, app: App) -> bool:
    """Whether a package of the Space has the first part of the name, so that no installed one can be meant."""
    return "." in app.module and world.text_at(f"{app.roots[0]}/{app.top}/__init__.py") is not None


def binds(world: World, app: App, found: Located) -> bool:
    """Whether the module may have the attribute."""
    module, name = found.module, app.attribute.partition(".")[0]
    if module.fault or not module.is_read or module.has_star or name in module.names or name in module.aliases:
        return True
    folder = found.path.removesuffix("__init__.py") if found.path.endswith("__init__.py") else None
    return folder is not None and any(
        path in world.files for path in (f"{folder}{name}.py", f"{folder}{name}/__init__.py")
    )


def made_apps(found: Located) -> list[str]:
    """The names in a module that hold an app."""
    return _MAKES_APP.findall(found.text)


def suggestion(world: World, app: App) -> str | None:
    """`module:attribute` of the file that is probably meant."""
    name = app.module.replace("/", ".").replace("\\", ".").removesuffix(".py")
    last = name.rpartition(".")[2]
    for path in elsewhere(world, f"{last}.py"):
        place = posixpath.join(app.roots[0], path)
        if world.source_of(place) == path and re.fullmatch(r"[A-Za-z_][\w/]*\.py", path):
            return f"{path.removesuffix('.py').replace('/', '.')}:{app.attribute or 'app'}"
    return None
