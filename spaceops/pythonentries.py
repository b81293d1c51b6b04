"""Where Python begins: the module that a started command imports or runs, and where it looks for others."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

UNKNOWN = "\0"  # in a word: a part that cannot be known

_PYTHON = re.compile(r"python(?:3(?:\.\d+)?)?")
_WITH_VALUE = frozenset({"-W", "-X"})  # of python itself
_APP = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_][\w.]*)(\(.*\))?")
_NUMBER = re.compile(r"(?:--?[\w-]+=)?[\d.:]*")  # a port or an address, whatever else it may be changed to
_MODULE = re.compile(r"[A-Za-z_][\w.]*")
_FOLDER_OPTIONS = {"uvicorn": ("--app-dir",), "gunicorn": ("--chdir",), "hypercorn": (), "granian": ("--working-dir",)}
_ASGI = frozenset({"uvicorn", "gunicorn", "hypercorn", "granian", "daphne", "waitress-serve"})
_SCRIPT_RUNNERS = frozenset({"streamlit", "chainlit", "panel", "bokeh", "marimo", "mesop", "gradio", "solara", "shiny"})
_FASTAPI_DEFAULTS = ("main.py", "app.py", "api.py", "app/main.py", "app/app.py", "app/api.py")


class Started(Protocol):
    """A command that runs when the container starts."""

    @property
    def words(self) -> tuple[str, ...]:
        """Its words."""

    @property
    def cwd(self) -> str:
        """Its working directory in the image."""

    @property
    def env(self) -> Mapping[str, str]:
        """Its environment."""

    @property
    def where(self) -> str:
        """Its line, as `FILE:LINE`."""

    @property
    def is_certain(self) -> bool:
        """Whether it surely runs."""

    @property
    def doubtful(self) -> frozenset[str]:
        """Words that a variable of the Space may change."""

    @property
    def is_module(self) -> bool:
        """Whether `python -m` started it; then that is not among the words."""


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


def entries(started: Started) -> Iterator[Entry]:
    """What a command imports or runs; nothing where it is no Python of the Space."""
    words = started.words
    name = words[0].rpartition("/")[2] if words else ""
    if UNKNOWN in name or not name:
        return
    if _PYTHON.fullmatch(name):
        yield from _of_python(started, words[1:])
    elif name in _ASGI:
        yield from _of_server(started, name, words[1:])
    elif name in ("fastapi", "flask"):
        yield from _of_framework(started, name, words[1:])
    elif name in _SCRIPT_RUNNERS:
        yield from _of_path(started, name, next((word for word in words[1:] if word.endswith(".py")), ""))
    elif started.is_module:
        yield _entry(started, name, "", (started.cwd,), is_main=True)


def _of_python(started: Started, words: Sequence[str]) -> Iterator[Entry]:
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] != "-m":
        taken = 2 if rest[0] in _WITH_VALUE else 1
        if rest[0] == "-c":
            return
        rest = rest[taken:]
    if rest[:1] == ["-m"] and len(rest) > 1:
        server = rest[1].partition(".")[0]
        if server in _ASGI:
            yield from _of_server(started, server, rest[2:])
        elif server in ("fastapi", "flask"):
            yield from _of_framework(started, server, rest[2:])
        elif server in _SCRIPT_RUNNERS:
            yield from _of_path(started, server, next((word for word in rest[2:] if word.endswith(".py")), ""))
        else:
            yield _entry(started, rest[1], "", (started.cwd,), is_main=True)
    elif rest:
        yield from _of_path(started, "", rest[0])


def _of_path(started: Started, server: str, path: str) -> Iterator[Entry]:
    if not path or UNKNOWN in path:
        return
    place = posixpath.normpath(posixpath.join(started.cwd, path))
    roots = (posixpath.dirname(place), *((started.cwd,) if server else ()))
    yield _entry(started, "", place, roots, server=server, is_main=True)


def _of_server(started: Started, server: str, words: Sequence[str]) -> Iterator[Entry]:
    found = next((app for word in words if (app := _APP.fullmatch(word))), None)
    folder = started.cwd
    for option in _FOLDER_OPTIONS.get(server, ()):
        folder = posixpath.normpath(posixpath.join(folder, _value(words, option) or "."))
    if found:
        yield _entry(started, found[1], "", (folder,), server=server, attribute=found[2])
    elif server == "gunicorn" and words and _MODULE.fullmatch(words[-1]):
        yield _entry(started, words[-1], "", (folder,), server=server, attribute="application")


def _of_framework(started: Started, server: str, words: Sequence[str]) -> Iterator[Entry]:
    if server == "flask":
        app = _value(words, "--app") or _value(words, "-A") or started.env.get("FLASK_APP", "")
        module, _, attribute = app.removesuffix(".py").partition(":")
        if module and UNKNOWN not in app and _MODULE.fullmatch(module.replace("/", ".")):
            yield _entry(started, module.replace("/", "."), "", (started.cwd,), server=server, attribute=attribute)
        return
    paths = [word for word in words if word.endswith(".py")] or list(_FASTAPI_DEFAULTS)
    for path in paths[:1] if any(word.endswith(".py") for word in words) else paths:
        place = posixpath.normpath(posixpath.join(started.cwd, path))
        yield _entry(started, "", place, (posixpath.dirname(place), started.cwd), server=server, attribute="app")


def _entry(
    started: Started,
    module: str,
    place: str,
    roots: tuple[str, ...],
    *,
    server: str = "",
    attribute: str = "",
    is_main: bool = False,
) -> Entry:
    path = started.env.get("PYTHONPATH", "")
    more = tuple(posixpath.normpath(posixpath.join(started.cwd, one)) for one in path.split(":") if one)
    is_known = UNKNOWN not in "".join((path, *roots, module, place)) and not _names_more(started.words)
    return Entry(
        module,
        place,
        tuple(dict.fromkeys((*roots, *more))),
        started.where,
        server,
        attribute,
        is_main,
        started.is_certain and is_known and all(map(_NUMBER.fullmatch, started.doubtful)),
    )


def _names_more(words: Sequence[str]) -> bool:
    """Whether a gunicorn is told of a file or a folder that may change where it looks."""
    return any(word.startswith(("--pythonpath", "--config")) or word == "-c" for word in words)


def _value(words: Sequence[str], option: str) -> str:
    for number, word in enumerate(words):
        if word == option and number + 1 < len(words):
            return words[number + 1]
        if word.startswith(f"{option}="):
            return word.partition("=")[2]
    return ""
