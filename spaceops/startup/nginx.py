"""The configuration that nginx reads in an image: files of the Space at their places, and what the base brings."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from spaceops.image import Copied
from spaceops.nginxconf import Config, Directive, Listen, listens, parse
from spaceops.shell import UNKNOWN
from spaceops.startup.facts import EVERYWHERE, Process, Startup, World
from spaceops.startup.options import option

MAIN = "/etc/nginx/nginx.conf"
ENABLED = "/etc/nginx/sites-enabled"
TEMPLATES = "/etc/nginx/templates"
# Where stock configurations include servers from, and the server that is there already.
STOCK = {
    "nginx": (("/etc/nginx/conf.d",), "/etc/nginx/conf.d/default.conf", 80),
    "nginxinc/nginx-unprivileged": (("/etc/nginx/conf.d",), "/etc/nginx/conf.d/default.conf", 8080),
    "debian": (("/etc/nginx/conf.d", ENABLED), f"{ENABLED}/default", 80),
    "ubuntu": (("/etc/nginx/conf.d", ENABLED), f"{ENABLED}/default", 80),
    "alpine": (("/etc/nginx/http.d",), "/etc/nginx/http.d/default.conf", 80),
}
_HARMLESS = ("chown", "chmod", "mkdir", "touch", "cat", "ls", "nginx", "chgrp", "test", "[")


@dataclass(frozen=True)
class File:
    """One file of the Space that nginx reads."""

    path: str  # in the Space
    place: str  # in the image
    config: Config


@dataclass(frozen=True)
class Setup:
    """What nginx reads."""

    main: File | None  # None: what the base or the package brings
    parts: tuple[File, ...]  # that the main file includes
    stock_port: int | None  # of the server that the base brings; None where it is gone, or not included
    stock_place: str
    is_complete: bool  # nothing else is read
    is_edited: bool  # a RUN, or the start itself, changes what is read
    process: Process

    @property
    def files(self) -> tuple[File, ...]:
        """All of them."""
        return ((self.main,) if self.main else ()) + self.parts

    @cached_property
    def servers(self) -> tuple[tuple[Directive, str], ...]:
        """The `server` blocks, and their files."""
        return tuple((server, file.path) for file in self.files for server in _http_servers(file.config))

    @property
    def listens(self) -> tuple[tuple[Listen, str], ...]:
        """Where it listens, and FILE:LINE."""
        found = [
            (one, f"{path}:{one.line}")
            for server, path in self.servers
            for one in listens(server)
            if "$" not in one.host
        ]
        if self.stock_port is not None:
            found.append((Listen("*", self.stock_port, 1), self.process.where))
        return tuple(found)


def idle(startup: Startup) -> Copied | None:
    """What brings a configuration for nginx where nothing starts nginx; None where something may."""
    if not startup.is_complete or startup.missing:
        return None
    words = [word for process in startup.processes for word in process.words]
    words += [word for script in startup.scripts for one in script.commands for word in one.words]
    if any("nginx" in word for word in words):
        return None
    copied = startup.world.image.copied
    return next((one for one in copied if any(map(_is_in_etc, one.sources))), None)


def _is_in_etc(place: str) -> bool:
    return posixpath.dirname(place).startswith("/etc/nginx")


def _http_servers(config: Config) -> Iterator[Directive]:
    """Servers that speak HTTP: none of a `stream` or `mail` block."""
    for one in config.directives:
        if one.name == "server" and one.block is not None:
            yield one
        elif one.name not in ("stream", "mail", "upstream"):
            yield from (server for server in one.within("server") if server.block is not None)


def setup(process: Process, world: World) -> Setup | None:
    """What an nginx of the image reads; None where its main file cannot be known."""
    if any(one.is_broken and one.target.startswith("/etc/nginx") for one in world.image.copied):
        return None
    given = option(process.words, "-c")
    place = MAIN if given is None else process.absolute(given[0])
    if UNKNOWN in place:
        return None
    main = _file(world, place)
    if main is None and (given is not None or _stock(world) is None):
        return None
    folders, stock_place, port = _stock(world) or ((), "", None)
    if main is not None:
        folders, is_known = _included(main, world)
        parts = list(_listed(main, world))
    else:
        is_known, parts = True, []
    changes = _changes(world)
    parts += _parts(world, folders, changes)
    is_replaced = stock_place in changes.removed or any(part.place == stock_place for part in parts)
    has_stock = posixpath.dirname(stock_place) in folders and not is_replaced
    is_edited = world.edits_nginx or not changes.are_known
    is_complete = is_known and not is_edited and not any(one.broken for one in _configs(main, parts))
    return Setup(main, tuple(parts), port if has_stock else None, stock_place, is_complete, is_edited, process)


def _configs(main: File | None, parts: Sequence[File]) -> list[Config]:
    return [file.config for file in ([main] if main else []) + list(parts)]


def _stock(world: World) -> tuple[tuple[str, ...], str, int] | None:
    base = world.image.base
    return STOCK.get(base.repository) or STOCK.get(base.distribution or "")


def _file(world: World, place: str) -> File | None:
    found = world.text_at(place)
    return File(found[0], place, parse(found[1])) if found else None


def _included(main: File, world: World) -> tuple[tuple[str, ...], bool]:
    """The folders whose files it includes, and whether all that it includes is known."""
    folders, is_known = list[str](), True
    for include in main.config.find("include"):
        path = posixpath.normpath(posixpath.join("/etc/nginx", include.args[0])) if include.args else ""
        folder, _, name = path.rpartition("/")
        if name in ("*.conf", "*", "default.conf", "default") or (folder == ENABLED and "*" in name):
            folders.append(folder)
        elif name not in ("mime.types", "fastcgi_params", "fastcgi.conf", "proxy_params", "uwsgi_params"):
            is_known = is_known and (_file(world, path) is not None or folder == "/etc/nginx/modules-enabled")
    return tuple(folders), is_known


def _listed(main: File, world: World) -> Iterator[File]:
    """The files that it includes one by one."""
    for include in main.config.find("include"):
        path = posixpath.normpath(posixpath.join("/etc/nginx", include.args[0])) if include.args else ""
        if "*" not in path and (found := _file(world, path)):
            yield found


@dataclass(frozen=True)
class _Changes:
    """What RUN lines do to the configuration."""

    removed: frozenset[str] = frozenset()
    linked: tuple[tuple[str, str], ...] = ()  # what it points to, where it lies
    are_known: bool = True


def _changes(world: World) -> _Changes:
    changes = _Changes()
    for _, command in world.image.runs:
        words = [word for word in (*command.words, *command.redirects) if "/etc/nginx" in word]
        if not words or (command.name in _HARMLESS and not command.redirects):
            continue
        paths = [word for word in command.words[1:] if not word.startswith("-")]
        if command.name in ("rm", "unlink") and not any("*" in path for path in paths):
            changes = replace(changes, removed=changes.removed | set(paths))
        elif command.name == "ln" and len(paths) == 2:
            target = paths[1] if not paths[1].endswith("/") else paths[1] + posixpath.basename(paths[0])
            target = posixpath.join(target, posixpath.basename(paths[0])) if target == ENABLED else target
            changes = replace(changes, linked=(*changes.linked, (paths[0], target)))
        else:
            changes = replace(changes, are_known=False)
    return changes


def _parts(world: World, folders: Sequence[str], changes: _Changes) -> list[File]:
    found = list[File]()
    for folder in dict.fromkeys(folders):
        for name in sorted(world.image.names_in(folder)):
            place = f"{folder}/{name}"
            file = _file(world, place) if place not in changes.removed else None
            if file is not None and (name.endswith(".conf") or folder == ENABLED):
                found.append(file)
        for source, target in changes.linked:
            if posixpath.dirname(target) == folder:
                file = _file(world, source)
                found += [replace(file, place=target)] if file else []
    if ENABLED in folders and (default := _file(world, "/etc/nginx/sites-available/default")):
        found.append(replace(default, place=f"{ENABLED}/default"))  # what the package's link points to
    return found + _templates(world, folders)


def _templates(world: World, folders: Sequence[str]) -> list[File]:
    """Templates that the official image fills in at its start."""
    if world.image.base.repository not in ("nginx", "nginxinc/nginx-unprivileged"):
        return []
    found = list[File]()
    for name in sorted(world.image.names_in(TEMPLATES)):
        text = world.text_at(f"{TEMPLATES}/{name}")
        if text and name.endswith(".template") and "/etc/nginx/conf.d" in folders:
            place = f"/etc/nginx/conf.d/{name.removesuffix('.template')}"
            found.append(File(text[0], place, parse(text[1])))
    return found


def upstream_ports(setup: Setup) -> Iterator[tuple[int, str]]:
    """The local ports that requests are passed on to, and FILE:LINE."""
    names = {one.args[0] for file in setup.files for one in file.config.find("upstream") if one.args}
    for file in setup.files:
        for one in file.config.find("proxy_pass", "uwsgi_pass", "fastcgi_pass", "grpc_pass"):
            found = re.match(r"(?:https?://|grpc://)?([^:/\s]+)(?::(\d{1,5}))?(?:/|$)", one.args[0] if one.args else "")
            if found and found[1] not in names and found[1] in ("localhost", "127.0.0.1", EVERYWHERE):
                yield int(found[2] or 80), f"{file.path}:{one.line}"
        for one in file.config.find("upstream"):
            for server in one.find("server"):
                found = re.fullmatch(r"(localhost|127\.0\.0\.1|0\.0\.0\.0)(?::(\d{1,5}))?", (*server.args, "")[0])
                if found:
                    yield int(found[2] or 80), f"{file.path}:{server.line}"
