"""What is said of a start: processes, scripts, and who listens where."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from spaceops.image import Image
from spaceops.shell import UNKNOWN, Command

LOOPBACK = ("127.0.0.1", "localhost", "::1")
EVERYWHERE = "0.0.0.0"  # noqa: S104  what users write, not what we bind


@dataclass(frozen=True)
class Process:
    """A command that runs when the container starts."""

    words: tuple[str, ...]  # what wraps it is taken away: `tini -- env A=1 uvicorn x` is `uvicorn x`
    cwd: str  # absolute path in the image; UNKNOWN in it where it is not known
    env: Mapping[str, str]
    where: str  # FILE:LINE of the command
    user: str = ""  # who runs it; UNKNOWN
    settled: frozenset[str] = frozenset()  # variables that no setting of the Space can change
    doubtful: frozenset[str] = frozenset()  # words that a variable of the Space may change
    is_background: bool = False
    is_certain: bool = True  # it surely runs
    is_supervised: bool = False  # something starts it again, or ends the container, when it dies
    is_module: bool = False  # `python -m NAME`
    found_as: str = ""  # the word that is looked for on PATH; empty where something else finds the program

    @property
    def name(self) -> str:
        """The program, without its folder."""
        return self.words[0].rpartition("/")[2]

    def absolute(self, path: str) -> str:
        """A path as the process sees it."""
        return posixpath.normpath(posixpath.join(self.cwd, path))


@dataclass(frozen=True)
class Listener:
    """A server that waits for connections."""

    server: str  # "uvicorn", "nginx", …
    host: str | None  # None: not known
    port: int | None
    where: str  # FILE:LINE of what decides it
    process: Process
    is_host_certain: bool = True  # False: a variable may change it, or it may never listen
    is_port_certain: bool = True
    to_set_host: str = ""  # what to write to listen everywhere
    to_set_port: str = ""  # what to write to listen on `{port}`

    @property
    def is_local(self) -> bool:
        """Whether nothing outside of the container reaches it."""
        return self.host in LOOPBACK or bool(self.host and self.host.startswith("127."))


@dataclass(frozen=True)
class Script:
    """A shell script of the Space that runs."""

    path: str  # in the Space
    place: str  # in the image
    commands: tuple[Command, ...]
    where: str  # FILE:LINE of what starts it
    is_direct: bool  # by its own first line, and not `bash PATH`
    by_shell: bool  # a shell starts it, which runs it even without a first line
    is_certain: bool
    is_main: bool  # when it ends, the container does
    is_first: bool = False  # the container's engine starts it, not another program
    text: str = ""


@dataclass(frozen=True)
class World:
    """What a start depends on."""

    image: Image
    read: Callable[[str], str | None]  # the text of a file by its path in the Space
    variables: Mapping[str, str] = field(default_factory=dict)  # of space.toml: they win over the image's
    secrets: frozenset[str] = frozenset()  # names whose values are not known here
    mounts: tuple[str, ...] = ()  # folders that volumes lie on
    files: Collection[str] = ()  # every file of the Space, whether or not it comes into the image
    is_partial: bool = False  # files of the Space are not in the folder: those of submodules, and behind links
    edits_nginx: bool = False  # the start itself writes configuration of nginx

    @cached_property
    def env(self) -> dict[str, str]:
        """The environment that the container starts with."""
        return {**self.image.env, **self.variables, **dict.fromkeys(self.secrets, UNKNOWN)}

    @property
    def knows_env(self) -> bool:
        """Whether the base image sets nothing that is not known."""
        return self.image.base.env is not None

    def source_of(self, place: str) -> str | None:
        """The file of the Space that lies at an absolute path of the image."""
        return None if UNKNOWN in place else self.image.source_of(place)

    def text_at(self, place: str) -> tuple[str, str] | None:
        """The path in the Space and the text of what lies at a path of the image; None where none of the Space does."""
        source = self.source_of(place)
        text = self.read(source) if source else None
        return (source, text) if source and text is not None else None


@dataclass(frozen=True)
class Startup:
    """What starts."""

    world: World
    processes: tuple[Process, ...] = ()
    listeners: tuple[Listener, ...] = ()
    scripts: tuple[Script, ...] = ()
    is_complete: bool = False  # nothing runs but these, and nobody listens but these
    missing: tuple[
        tuple[str, Process], ...
    ] = ()  # scripts that are started and are no files of the Space: their places

    def is_vital(self, process: Process) -> bool:
        """Whether the container surely ends where this process fails.

        It runs in the foreground, after nothing that may go on instead of it, and nothing comes after it.
        """
        if not process.is_certain or process.is_background or process.is_supervised:
            return False
        others = [one for one in self.processes if one is not process]
        others += [one for _, one in self.missing if one is not process]
        return all(one.is_background and not one.is_supervised for one in others)
