"""Which programs a start needs, and whether the image has them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

from spaceops.image import Image, Line
from spaceops.shell import UNKNOWN
from spaceops.startup.facts import Process, World

# The distributions that bring a program, where its name does not say it.
BROUGHT_BY: Mapping[str, tuple[str, ...]] = {
    **{
        name: (name,)
        for name in (
            "uvicorn",
            "gunicorn",
            "hypercorn",
            "granian",
            "daphne",
            "streamlit",
            "celery",
            "chainlit",
            "mlflow",
        )
    },
    "flask": ("flask",),
    "fastapi": ("fastapi-cli", "fastapi"),
    "waitress-serve": ("waitress",),
    "jupyter": ("jupyter-core", "jupyter"),
    "jupyter-lab": ("jupyterlab",),
    "tensorboard": ("tensorboard",),
    "panel": ("panel",),
    "bokeh": ("bokeh",),
    "alembic": ("alembic",),
    "honcho": ("honcho",),
    "gradio": ("gradio",),
}
_OF_USER = ".local/bin"


def distributions_of(process: Process) -> tuple[str, ...]:
    """The Python distributions of which one must be installed for the program; empty where that is not known."""
    return BROUGHT_BY.get(process.name, ()) if process.found_as or process.is_module else ()


def is_mentioned(image: Image, name: str) -> bool:
    """Whether a RUN, or a copy from elsewhere, may have brought a program."""
    if any(copied.is_foreign for copied in image.copied):
        return True
    stem = name.removesuffix("3")
    return any(
        stem in word or UNKNOWN in word or command.name in ("sh", "bash", "make", "dpkg")
        for _, command in image.runs
        for word in command.words
    )


def user_install(image: Image) -> Line | None:
    """The RUN in which pip, run by a user that may not write to Python's own folder, puts programs into its home.

    None where it is root, a virtual environment, or anything else.
    """
    if image.base.repository != "python" or "VIRTUAL_ENV" in image.env or "PIP_TARGET" in image.env:
        return None
    found = None
    for line, command in image.runs:
        words = command.words
        is_pip = command.name in ("pip", "pip3") or ("-m" in words and "pip" in words)
        if command.name in ("chmod", "chown") and any("/usr/local" in word for word in words):
            return None
        if command.name in ("uv", "poetry", "pipenv", "virtualenv", "conda") or "venv" in words or "--target" in words:
            return None
        if is_pip and "install" in words:
            if line.is_root is not False or line.user[:1].isdecimal():
                return None  # what root installs is on everybody's PATH; a number may have no home
            found = line
    return found


def is_on_path(world: World, process: Process, line: Line) -> bool:
    """Whether the folder where pip puts a user's programs is on PATH."""
    path = process.env.get("PATH", "")
    home = f"/home/{line.user.partition(':')[0]}"
    return (
        UNKNOWN in path or _OF_USER in path or posixpath.join(home, _OF_USER) in path or "PYTHONUSERBASE" in world.env
    )


def has_bash(world: World) -> bool | None:
    """Whether bash is in the image; None where that is not known."""
    if world.image.base.has("bash") is not False or is_mentioned(world.image, "bash"):
        return None
    return False


def is_made_executable(image: Image, source: str, place: str) -> bool:
    """Whether a line of the Dockerfile may make a file executable, or something else may lie there."""
    for copied in image.copied:
        if copied.line.step.flag("chmod") is not None and any(
            place == target or place.startswith(target.rstrip("/") + "/") for target in copied.sources
        ):
            return True
    name = posixpath.basename(source)
    for _, command in image.runs:
        words = command.words[1:]
        if "chmod" not in command.words and command.name not in ("chmod", "install", "find", "xargs", "cp", "mv"):
            continue
        if any(name in word or re.search(r"[*?]", word) or UNKNOWN in word for word in words):
            return True
        if any(word in ("-R", "--recursive") or re.fullmatch(r"-[a-zA-Z]*R[a-zA-Z]*", word) for word in words):
            return True
        if command.name in ("find", "xargs"):
            return True
    return False
