"""Where gunicorn listens: its command line, its configuration (a Python file, read by its syntax), its variables."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Sequence

from spaceops.shell import UNKNOWN
from spaceops.startup.facts import Process, World
from spaceops.startup.options import Setting, option
from spaceops.wrappers import split

CONFIG = "gunicorn.conf.py"  # read from the working directory where it is there
_BIND = ("-b", "--bind")


def binds(process: Process, world: World) -> Sequence[Setting] | None:
    """The addresses that gunicorn binds; None where they cannot be known. The first source that names any wins."""
    given = _of_words(process.words, process)
    if given:
        return given
    arguments = process.env.get("GUNICORN_CMD_ARGS", "")
    if arguments:
        found = _of_words(("gunicorn", *split(arguments)), process)
        if found or UNKNOWN in arguments:
            return [Setting(one.text, "GUNICORN_CMD_ARGS" in process.settled) for one in found] or None
    config = _config(process, world)
    if config is None or config:
        return config
    port = process.env.get("PORT")
    if port is not None:
        return [Setting(None if UNKNOWN in port else f"0.0.0.0:{port}", "PORT" in process.settled)]
    return [Setting("127.0.0.1:8000", world.knows_env)]


def _of_words(words: Sequence[str], process: Process) -> list[Setting]:
    found = list[Setting]()
    for number, word in enumerate(words[1:], start=1):
        value = None
        if word in _BIND and number + 1 < len(words):
            value, held = words[number + 1], words[number + 1]
        elif word.startswith("--bind="):
            value, held = word.partition("=")[2], word
        elif word.startswith("-b") and not word.startswith("--") and len(word) > 2:
            value, held = word[2:], word
        if value is not None:
            found += [Setting(one, held not in process.doubtful) for one in value.split(",")]
    return found


def config_place(process: Process) -> str | None:
    """Where its configuration would lie in the image; None where that is not known."""
    given = option(process.words, "-c", "--config")
    name = given[0].removeprefix("file:") if given else CONFIG
    if UNKNOWN in name or UNKNOWN in process.cwd or name.startswith("python:"):
        return None
    return posixpath.normpath(posixpath.join(process.cwd, name))


def _config(process: Process, world: World) -> Sequence[Setting] | None:
    """What the configuration binds; empty where it says nothing of it."""
    place = config_place(process)
    if place is None:
        return None
    found = world.text_at(place)
    if found is None:
        is_given = option(process.words, "-c", "--config") is not None
        return None if is_given else []
    try:
        tree = ast.parse(found[1])
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    values = [node for node in tree.body if isinstance(node, ast.Assign) and _names(node) == ["bind"]]
    if not values:
        return None if re.search(r"\bbind\b", found[1]) else []
    if len(values) > 1:
        return None
    setting = _bound(values[0].value, tree, process)
    return [Setting(setting.text, setting.is_certain, f"{found[0]}:{values[0].lineno}")] if setting else None


def _names(node: ast.Assign) -> list[str]:
    return [target.id for target in node.targets if isinstance(target, ast.Name)]


def _bound(node: ast.expr, tree: ast.Module, process: Process) -> Setting | None:
    """A literal, or one that is put together of literals and variables; None where it cannot be known."""
    from spaceops.startup.pythonservers import Reader

    reader = Reader(tree)
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts = [node.left, node.right]
    text, is_certain = "", True
    for part in parts:
        given = reader.given(part.value if isinstance(part, ast.FormattedValue) else part)
        value = process.env.get(given.variable, given.value) if given.variable else given.value
        if value is None or UNKNOWN in value:
            return None
        is_certain = is_certain and (not given.variable or given.variable in process.settled)
        text += value
    return Setting(text, is_certain)
