"""What certainly is not at a place of the image: nothing of the Space lies there, and nothing else put it there."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from spaceops.image import Copied, Line
from spaceops.shell import UNKNOWN, Command
from spaceops.startup.facts import World

# Commands of RUN that make no files but their own, which are not started by name.
_OWN = """
: [ add-apt-repository addgroup adduser alias apk apt apt-get chgrp chmod chown corepack dnf echo env exit
export false find gem groupadd groupmod hash id java javac ldconfig locale-gen ls microdnf mkdir pip pip2 pip3
playwright poetry printf pwd rm set sleep test true type update-ca-certificates useradd userdel usermod
deluser uv whoami yum which
"""
_OWN_FILES = frozenset(_OWN.split())
_PYTHON_TOOLS = ("pip", "playwright", "nltk.downloader", "spacy", "venv", "ensurepip", "compileall")


def is_absent(world: World, place: str) -> bool:
    """Whether a file or folder is certainly not there when the container starts."""
    if UNKNOWN in place or not world.image.base.is_known or world.source_of(place) is not None:
        return False
    if _is_under(place, world.mounts) or any(_may_bring(copied, place) for copied in world.image.copied):
        return False
    if world.image.names_in(place) or not _is_ours(world, place):
        return False
    return not any(may_make(line, command, place) for line, command in world.image.runs) and not _is_elsewhere(world)


def _is_ours(world: World, place: str) -> bool:
    """Whether only the Dockerfile puts files there: not the base image, which has its own below most folders."""
    base = world.image.base
    if base.workdir not in (None, "/") and _is_under(place, [base.workdir or ""]):
        return False
    made = [line.workdir for line in world.image.lines] + [world.image.workdir]
    folders = [one for one in made if one != "/" and UNKNOWN not in one]
    folders += [copied.target for copied in world.image.copied if copied.sources and copied.target != "/"]
    return _is_under(place, ["/app", "/code", "/home", "/workspace", "/usr/src/app", *folders])


def _is_elsewhere(world: World) -> bool:
    """Whether files of the Space are not in the folder: those of git submodules, and behind links."""
    return world.is_partial


def _is_under(place: str, folders: Sequence[str]) -> bool:
    return any(place == folder or place.startswith(folder.rstrip("/") + "/") for folder in folders)


def _may_bring(copied: Copied, place: str) -> bool:
    if UNKNOWN in copied.target or any(UNKNOWN in word for word in copied.line.step.args):
        return True
    if any(place == text or place.startswith(text + "/") for text in copied.texts):
        return True
    return copied.is_foreign and (_is_under(place, [copied.target]) or _is_under(copied.target, [place]))


def may_make(line: Line, command: Command, place: str) -> bool:
    """Whether a command of a RUN may have made a file at a place."""
    targets = [posixpath.normpath(posixpath.join(line.workdir, one)) for one in command.redirects]
    if any(UNKNOWN in one or _is_under(place, [one]) for one in targets):
        return True
    folder, name = posixpath.split(place)
    words = command.words
    if any(name in posixpath.basename(word) for word in (*words[1:], *command.redirects)):
        return command.name not in ("chmod", "chown", "chgrp", "rm", "test", "[")
    if command.name in _OWN_FILES or (command.name.startswith("python") and _runs_tool(words)):
        return False
    if command.name == "curl" and _curl_names_its_file(words):
        return False
    if command.name in ("npm", "pnpm", "yarn") and words[1:2] in (("ci",), ("install",), ("i",)):
        return "node_modules" in place
    return UNKNOWN in line.workdir or _is_under(folder, [line.workdir]) or any(_names(word, folder) for word in words)


def _curl_names_its_file(words: Sequence[str]) -> bool:
    """Whether curl writes to its output, or to a file that is named in full and is not the one that is asked for."""
    short = "".join(word[1:] for word in words if re.fullmatch("-[A-Za-z]+", word))
    is_named_by_server = (
        "O" in short
        or "J" in short
        or "K" in short
        or any(word.startswith(("--remote-", "--config", "--output-dir")) for word in words)
    )
    return not is_named_by_server and not any(UNKNOWN in word for word in words[1:])


def _runs_tool(words: Sequence[str]) -> bool:
    if posixpath.basename(words[1] if len(words) > 1 else "") == "manage.py":  # of Django
        return words[2:3] in (("collectstatic",), ("migrate",), ("check",), ("compilemessages",))
    return "-m" in words[:-1] and words[words.index("-m") + 1] in _PYTHON_TOOLS


def _names(word: str, folder: str) -> bool:
    """Whether a word may mean the folder, or one that holds it."""
    return UNKNOWN in word or (word.startswith("/") and len(word) > 1 and _is_under(folder, [posixpath.normpath(word)]))


def may_be_edited(world: World, place: str) -> bool:
    """Whether a RUN, another copy or a volume may have put other content where a file of the Space lies."""
    if _is_under(place, world.mounts) or any(one.is_foreign and _may_bring(one, place) for one in world.image.copied):
        return True
    name = posixpath.basename(place)
    for line, command in world.image.runs:
        if command.name in ("chmod", "chown", "chgrp", "mkdir", "pip") or _runs_tool(command.words):
            continue
        if command.name.startswith("python") and any(word.endswith(".py") for word in command.words):
            return True
        if name == "package.json" and command.name in ("npm", "pnpm") and {"pkg", "init"} & {*command.words}:
            return True
        words = (*command.words[1:], *command.redirects)
        if any(name in posixpath.basename(word) or ("*" in word and command.name in _EDITORS) for word in words):
            return True
        if command.name in _EDITORS and any(UNKNOWN in word for word in words):
            return True
        if command.name in ("find", "xargs") and any(word in _EDITORS for word in words):
            return True
        if line.keyword == "RUN" and command.name in ("patch", "git"):
            return True
    return False


_EDITORS = ("sed", "dos2unix", "perl", "tr", "awk", "tee", "mv", "cp", "ex", "vim", "fromdos", "ruff", "black")


def elsewhere(world: World, name: str) -> list[str]:
    """The files of the Space that have this name, the shortest path first."""
    found = [path for path in world.files if posixpath.basename(path) == name]
    return sorted(found, key=lambda path: (path.count("/"), path))
