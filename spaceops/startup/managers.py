"""Files that say what is started: package.json, Procfile, Makefile, supervisord's configuration."""

from __future__ import annotations

import configparser
import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from spaceops.shell import UNKNOWN
from spaceops.startup.facts import World

SUPERVISOR_FILES = (  # where supervisord looks, in order; the first two are relative to where it starts
    "supervisord.conf",
    "etc/supervisord.conf",
    "/etc/supervisord.conf",
    "/etc/supervisor/supervisord.conf",
)
SUPERVISOR_PARTS = "/etc/supervisor/conf.d"  # what Debian's supervisord.conf includes
_ENV = re.compile(r"%\(ENV_([A-Za-z_][A-Za-z0-9_]*)\)s")


@dataclass(frozen=True)
class Program:
    """One process that a supervisor starts."""

    name: str
    command: str
    where: str  # FILE:LINE
    folder: str | None = None
    user: str | None = None
    env: str = ""
    starts: bool = True


@dataclass(frozen=True)
class Supervisor:
    """What supervisord is told."""

    path: str  # in the Space
    programs: tuple[Program, ...]
    in_foreground: bool
    is_complete: bool  # every file that it reads is known


def scripts_of(text: str) -> Mapping[str, str]:
    """The scripts of a package.json."""
    scripts = _json(text).get("scripts")
    return {name: line for name, line in scripts.items() if isinstance(line, str)} if isinstance(scripts, dict) else {}


def _json(text: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def line_of(text: str, part: str) -> int:
    """The line, from 1, where a text holds a part; 1 where it does not."""
    at = text.find(part)
    return text.count("\n", 0, at) + 1 if at >= 0 else 1


def procfile(text: str) -> Iterator[tuple[str, str, int]]:
    """The names, commands and lines of a Procfile."""
    for number, row in enumerate(text.splitlines(), start=1):
        name, colon, command = row.partition(":")
        if colon and command.strip() and re.fullmatch(r"[A-Za-z0-9_-]+", name.strip()):
            yield name.strip(), command.strip(), number


def recipe(text: str, target: str) -> list[tuple[str, int]]:
    """The command lines of a Makefile's target; what make would fill in is not known."""
    rows = text.splitlines()
    for number, row in enumerate(rows):
        if re.match(rf"{re.escape(target)}\s*:(?!=)", row):
            found = list[tuple[str, int]]()
            for at, line in enumerate(rows[number + 1 :], start=number + 2):
                if not line.startswith("\t"):
                    break
                found.append((_as_shell(line.strip().lstrip("@-")), at))
            return found
    return []


def _as_shell(line: str) -> str:
    return re.sub(r"\$\([^)]*\)|\$\{[^}]*\}", "$(make)", line).replace("$$", "$")


def first_target(text: str) -> str | None:
    """The target that plain `make` makes."""
    for row in text.splitlines():
        found = re.match(r"([A-Za-z0-9_-]+)\s*:(?!=)", row)
        if found:
            return found[1]
    return None


def supervisor(world: World, cwd: str, given: str | None, env: Mapping[str, str]) -> Supervisor | None:
    """What supervisord starts; None where its configuration is not a file of the Space."""
    places = [given] if given else list(SUPERVISOR_FILES)
    for place in places:
        found = world.text_at(posixpath.normpath(posixpath.join(cwd, place)))
        if found:
            return _supervisor(world, [found], env, has_main=True)
    is_packaged = given in (None, SUPERVISOR_FILES[-1]) and not _writes_main(world)
    parts = list(_parts(world, SUPERVISOR_PARTS)) if is_packaged else []
    return _supervisor(world, parts, env, has_main=False) if parts else None


def _writes_main(world: World) -> bool:
    """Whether a RUN may have made another main file than the package's."""
    return any("supervisord.conf" in word for _, one in world.image.runs for word in (*one.words, *one.redirects))


def _parts(world: World, folder: str) -> Iterator[tuple[str, str]]:
    for name in sorted(world.image.names_in(folder)):
        found = world.text_at(f"{folder}/{name}") if name.endswith(".conf") else None
        if found:
            yield found


def _supervisor(
    world: World, files: list[tuple[str, str]], env: Mapping[str, str], *, has_main: bool
) -> Supervisor | None:
    programs, foreground, is_complete = list[Program](), False, True
    for path, text in files:
        sections = ini(text)
        if sections is None:
            return None
        foreground |= sections.get("supervisord", {}).get("nodaemon", "").lower() in ("true", "1", "yes", "on")
        programs += _programs(path, text, sections, env)
        if has_main and (included := sections.get("include", {}).get("files", "").split()):
            more, is_known = _included(world, included)
            is_complete = is_complete and is_known
            files.extend(one for one in more if one not in files)
    return Supervisor(files[0][0], tuple(programs), foreground, is_complete)


def _included(world: World, patterns: list[str]) -> tuple[list[tuple[str, str]], bool]:
    found, is_known = list[tuple[str, str]](), True
    for pattern in patterns:
        folder, _, name = pattern.rpartition("/")
        is_known = is_known and name == "*.conf" and folder.startswith("/")
        found += _parts(world, folder) if folder.startswith("/") else []
    return found, is_known


def ini(text: str) -> Mapping[str, Mapping[str, str]] | None:
    """The sections of an INI file as supervisord reads it; None for what is none."""
    parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(";",), allow_no_value=True)
    try:
        parser.read_string(text)
        return {name: {key: value or "" for key, value in parser[name].items()} for name in parser.sections()}
    except (configparser.Error, AttributeError):
        return None


def _programs(
    path: str, text: str, sections: Mapping[str, Mapping[str, str]], env: Mapping[str, str]
) -> Iterator[Program]:
    def filled(value: str) -> str:
        value = _ENV.sub(lambda found: env.get(found[1], UNKNOWN), value)
        return re.sub(r"%\([a-z_]+\)[sd]", UNKNOWN, value).replace("%%", "%")

    for title, keys in sections.items():
        kind, _, name = title.partition(":")
        if kind.strip() in ("program", "fcgi-program") and keys.get("command"):
            yield Program(
                name,
                filled(keys["command"]),
                f"{path}:{line_of(text, keys['command'].splitlines()[0])}",
                filled(keys["directory"]) if keys.get("directory") else None,
                keys.get("user"),
                filled(keys.get("environment", "")),
                keys.get("autostart", "true").lower() not in ("false", "0", "no", "off"),
            )
