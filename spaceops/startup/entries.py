"""Where Python begins: the module that a started command imports or runs, and where it looks for others."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from spaceops.pipcommands import PYTHON
from spaceops.shell import UNKNOWN
from spaceops.startup.apps import APP_SERVERS, app_of, search_path
from spaceops.startup.facts import Process, World
from spaceops.startup.gunicorn import config_place
from spaceops.startup.options import option

_NUMBER = re.compile(r"(?:--?[\w-]+=)?[\d.:]*")  # a port or an address, whatever else it may be changed to
_FOLDERS = re.compile(r"\b(?:chdir|pythonpath)\b")
_MODULE = re.compile(r"[A-Za-z_][\w.]*")
_SCRIPT_RUNNERS = frozenset({"streamlit", "chainlit", "panel", "bokeh", "marimo", "mesop", "gradio", "solara", "shiny"})
_FASTAPI_DEFAULTS = ("main.py", "app.py", "api.py", "app/main.py", "app/app.py", "app/api.py")


@dataclass(frozen=True)
class Entry:
    """A module that is imported, or run as a program, when the container starts."""

    module: str  # dotted; of a program started by its path, ""
    place: str  # absolute path of the program in the image; of a module, ""
    roots: tuple[str, ...]  # folders of the image where it looks for modules, before the installed ones
    where: str
    server: str = ""  # what serves it: "uvicorn", "flask", …
    attribute: str = ""  # the app in it; "" for a program
    is_main: bool = False  # it runs as a program
    is_certain: bool = True  # it surely does, with these roots


def entries(process: Process, world: World, projects: Iterable[str] = ()) -> Iterator[Entry]:
    """What a process imports or runs; nothing where it is no Python of the Space.

    `projects` are the folders whose own packages are installed, from their top or from `src` in it.
    """
    installed = tuple(root for folder in projects for root in (posixpath.join(folder, "src"), folder))
    for entry in _begun(process):
        roots = tuple(dict.fromkeys((*entry.roots, *installed)))
        is_certain = entry.is_certain and not _looks_elsewhere(process, world)
        yield replace(entry, roots=roots, is_certain=is_certain)


def _begun(process: Process) -> Iterator[Entry]:
    name = process.name
    scripts = [word for word in process.words[1:] if word.endswith(".py") and UNKNOWN not in word]
    if name in APP_SERVERS:
        yield from _of_server(process)
    elif name == "flask":
        yield from _of_flask(process)
    elif name == "fastapi":
        yield from (_of_path(process, name, path, "app") for path in scripts[:1] or _FASTAPI_DEFAULTS)
    elif name in _SCRIPT_RUNNERS:
        yield from (_of_path(process, name, path) for path in scripts[:1])
    elif process.is_module:
        yield _entry(process, Entry(name, "", (process.cwd,), process.where, is_main=True))
    elif PYTHON.fullmatch(name) and process.words[1:2] not in ((), ("-c",), ("-",)):
        yield from (_of_path(process, "", path) for path in process.words[1:2] if UNKNOWN not in path)


def _of_path(process: Process, server: str, path: str, attribute: str = "") -> Entry:
    place = process.absolute(path)
    roots = (posixpath.dirname(place), *((process.cwd,) if server else ()))
    return _entry(process, Entry("", place, roots, process.where, server, attribute, is_main=not attribute))


def _of_server(process: Process) -> Iterator[Entry]:
    app = app_of(process)
    if app and app.attribute and _MODULE.fullmatch(app.module):
        yield _entry(process, Entry(app.module, "", app.roots, process.where, app.server, app.attribute))


def _of_flask(process: Process) -> Iterator[Entry]:
    given = option(process.words, "--app", "-A")
    app = given[0] if given else process.env.get("FLASK_APP", "")
    name, _, attribute = app.removesuffix(".py").partition(":")
    module = name.replace("/", ".")
    if UNKNOWN not in app and _MODULE.fullmatch(module):
        yield _entry(process, Entry(module, "", (process.cwd,), process.where, "flask", attribute))


def _entry(process: Process, entry: Entry) -> Entry:
    """The entry with the folders of PYTHONPATH, and how certain it is."""
    roots = tuple(dict.fromkeys((*entry.roots, *search_path(process))))
    is_known = UNKNOWN not in "".join((*roots, entry.module, entry.place))
    is_certain = process.is_certain and is_known and all(map(_NUMBER.fullmatch, process.doubtful))
    return replace(entry, roots=roots, is_certain=is_certain)


def _looks_elsewhere(process: Process, world: World) -> bool:
    """Whether a gunicorn is told of a folder, or a file that may name one, where it looks before others."""
    if process.name != "gunicorn":
        return False
    place = config_place(process)
    found = world.text_at(place) if place else None
    if option(process.words, "--pythonpath"):
        return True
    return bool(_FOLDERS.search(found[1])) if found else option(process.words, "-c", "--config") is not None
