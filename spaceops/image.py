"""The image that a Dockerfile makes, followed without building it: who runs where, and what lies at which path."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from spaceops.bases import Base, base_of
from spaceops.dockerfile import VARIABLE, Dockerfile, Instruction, Stage, Step, glob_pattern
from spaceops.errors import BadInput
from spaceops.shell import UNKNOWN, Command, commands

ROOT_USERS = ("root", "0")
_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Line:
    """One instruction, variables filled in, with what holds when it is carried out."""

    step: Step
    user: str  # name or number as USER has it; "root"; UNKNOWN
    workdir: str  # absolute; UNKNOWN in it where it is not known

    @property
    def instruction(self) -> Instruction:
        """The instruction as written."""
        return self.step.instruction

    @property
    def keyword(self) -> str:
        """The instruction's word, in capitals."""
        return self.instruction.keyword

    @property
    def number(self) -> int:
        """Its line in the Dockerfile, from 1."""
        return self.instruction.line

    @property
    def is_root(self) -> bool | None:
        """Whether root does it; None where that is not known."""
        return None if UNKNOWN in self.user else self.user.partition(":")[0] in ROOT_USERS

    @cached_property
    def commands(self) -> tuple[Command, ...]:
        """The commands of a RUN; none of another instruction. Their lines count from the instruction's own."""
        if self.keyword != "RUN":
            return ()
        if self.instruction.exec is not None:
            return (Command(self.instruction.exec, 1),)
        scripts = [heredoc.content for heredoc in self.step.heredocs]
        text = self.instruction.args if not scripts else "\n".join(scripts)
        return commands(text, self.step.build_env)


@dataclass(frozen=True)
class Copied:
    """What one COPY or ADD takes from where to where. Files of the build context only; else `sources` is empty."""

    line: Line
    target: str  # absolute path in the image
    owner: str  # "root" unless --chown says otherwise
    sources: Mapping[str, str]  # path in the image -> file or folder of the build context ("" is all of it)
    is_foreign: bool  # from another stage, another image, or a URL: what it brings is not known


@dataclass(frozen=True)
class Start:
    """ENTRYPOINT or CMD."""

    words: tuple[str, ...]  # of the exec form; of the shell form the one text
    is_shell: bool
    line: int


@dataclass(frozen=True)
class Image:
    """A stage, followed to its end."""

    base: Base  # what the first image of its chain brings
    lines: tuple[Line, ...]  # of its chain of stages: those that it is built from, then its own
    user: str
    workdir: str
    env: Mapping[str, str]  # UNKNOWN where a value is not known
    entrypoint: Start | None
    cmd: Start | None
    copied: tuple[Copied, ...]  # in order
    in_context: Collection[str]

    @property
    def is_root(self) -> bool | None:
        """Whether the app runs as root; None where that is not known."""
        return None if UNKNOWN in self.user else self.user.partition(":")[0] in ROOT_USERS

    @property
    def runs(self) -> Iterator[tuple[Line, Command]]:
        """Every command of every RUN, in order."""
        return ((line, command) for line in self.lines for command in line.commands)

    def absolute(self, path: str) -> str:
        """A path as the running app sees it, from its working directory."""
        return posixpath.normpath(posixpath.join(self.workdir, path))

    def source_of(self, path: str) -> str | None:
        """The file of the Space that lies at a path of the image (absolute, or from the working directory)."""
        path = self.absolute(path)
        for copied in reversed(self.copied):
            for target, source in copied.sources.items():
                if path == target and source in self._context:
                    return source
                inside = target.rstrip("/") + "/"
                if path.startswith(inside):
                    candidate = posixpath.join(source, path[len(inside) :])
                    if candidate in self._context:
                        return candidate
        return None

    def names_in(self, folder: str) -> frozenset[str]:
        """The names of files and folders of the Space that lie directly in a folder of the image."""
        folder = self.absolute(folder)
        found = set[str]()
        for copied in self.copied:
            for target, source in copied.sources.items():
                inside = target.rstrip("/") + "/"
                if folder == target or folder.startswith(inside):
                    found |= self._tree.get(posixpath.join(source, folder[len(inside) :]).strip("/"), set())
                if posixpath.dirname(target) == folder:
                    found.add(posixpath.basename(target))
                elif target.startswith(folder.rstrip("/") + "/"):
                    found.add(target[len(folder.rstrip("/")) + 1 :].partition("/")[0])
        return frozenset(found - {""})

    @cached_property
    def _context(self) -> Collection[str]:
        return self.in_context if isinstance(self.in_context, set | frozenset) else frozenset(self.in_context)

    @cached_property
    def _tree(self) -> Mapping[str, set[str]]:
        return tree_of(self.in_context)


def tree_of(paths: Collection[str]) -> Mapping[str, set[str]]:
    """The names in each folder; the top is ""."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        while path:
            folder, _, name = path.rpartition("/")
            if name in found[folder]:
                break
            found[folder].add(name)
            path = folder
    return found


def follow(
    dockerfile: Dockerfile, variables: Mapping[str, str], in_context: Collection[str], stage: Stage | None = None
) -> Image | None:
    """Follow a stage, or the last; `variables` are the Space's, which its build gets as arguments.

    None where its variables cannot be filled in.
    """
    try:
        return _Follower(dockerfile, variables, in_context).image(stage or dockerfile.stages[-1])
    except BadInput:
        return None


class _Follower:
    def __init__(self, dockerfile: Dockerfile, variables: Mapping[str, str], in_context: Collection[str]) -> None:
        self.dockerfile, self.in_context = dockerfile, in_context
        self.build_args = {**_unset_arguments(dockerfile), **variables}
        self.tree = tree_of(in_context)

    def image(self, stage: Stage) -> Image:
        image = self._begin(stage)
        user, workdir, entrypoint, cmd = image.user, image.workdir, image.entrypoint, image.cmd
        lines, copied, env = list(image.lines), list(image.copied), dict(image.env)
        seeded = {**_referenced(stage), **env} if image.base.env is None else env
        for step in self.dockerfile.steps(stage, seeded, self.build_args):
            line = Line(step, user, workdir)
            lines.append(line)
            env = dict(step.env)
            if line.keyword == "USER":
                user = step.args[0] or UNKNOWN
            elif line.keyword == "WORKDIR":
                workdir = posixpath.normpath(posixpath.join(workdir, step.args[0] or "/"))
            elif line.keyword in ("COPY", "ADD"):
                copied.append(self._copied(line))
            elif line.keyword == "ENTRYPOINT":
                entrypoint, cmd = _start(line), None
            elif line.keyword == "CMD":
                cmd = _start(line)
        return replace(
            image,
            lines=tuple(lines),
            user=user,
            workdir=workdir,
            env=env,
            entrypoint=entrypoint,
            cmd=cmd,
            copied=tuple(copied),
        )

    def _begin(self, stage: Stage) -> Image:
        name = self.dockerfile.base(stage, self.build_args)
        parent = self.dockerfile.stage(name) if name != "scratch" else None
        if parent is not None and parent.index < stage.index and not name.isdecimal():
            return self.image(parent)
        base = base_of(name)
        cmd = Start(base.command, False, stage.line) if base.command is not None else None
        user, workdir = base.user or UNKNOWN, base.workdir or (UNKNOWN if base.workdir is None else "/")
        return Image(base, (), user, workdir, dict(base.env or {}), None, cmd, (), self.in_context)

    def _copied(self, line: Line) -> Copied:
        step = line.step
        *sources, target = step.args
        is_folder = target.endswith("/") or target in (".", "..") or len(sources) > 1
        target = posixpath.normpath(posixpath.join(line.workdir, target))
        owner = step.flag("chown") or "root"
        is_foreign = bool(step.flag("from")) or any(_is_url(source) for source in sources)
        found = dict[str, str]()
        for source in () if is_foreign else sources:
            for path in self._matching(source):
                name = posixpath.basename(path)
                is_file = path not in self.tree
                into = (
                    is_folder or (_GLOB.search(source) and not is_file) or (is_file and self._is_folder(line, target))
                )
                found[posixpath.join(target, name) if is_file and into else target] = path
        return Copied(line, target, owner, found, is_foreign)

    def _is_folder(self, line: Line, target: str) -> bool:
        """Whether a target without a slash at its end is a folder that is there."""
        return target == line.workdir or target == "/"

    def _matching(self, source: str) -> list[str]:
        """The files and folders of the context that a source of COPY names; the top is ""."""
        if UNKNOWN in source:
            return []
        path = posixpath.normpath(source).lstrip("/")
        if path in (".", ""):
            return [""]
        if not _GLOB.search(path):
            return [path] if path in self.tree or path in self.in_context else []
        pattern = glob_pattern(path)
        folder = path.partition("*")[0].partition("?")[0].partition("[")[0].rpartition("/")[0]
        names = sorted(self.tree.get(folder, ()))
        depth = path.count("/") - (folder.count("/") + 1 if folder else 0)
        if depth == 0:
            candidates = [f"{folder}/{name}".lstrip("/") for name in names]
        else:
            candidates = sorted({*self.in_context, *self.tree} - {""})
        return [one for one in candidates if pattern.fullmatch(one)]


def _start(line: Line) -> Start:
    is_shell = line.instruction.exec is None
    return Start(line.step.args, is_shell, line.number)


def _is_url(source: str) -> bool:
    return source.startswith(("http://", "https://", "git@", "git://")) or source.endswith(".git")


def _unset_arguments(dockerfile: Dockerfile) -> dict[str, str]:
    """ARGs without a value: a variable of the Space may give them one."""
    names = [
        word
        for instruction in dockerfile.instructions
        if instruction.keyword == "ARG"
        for word in instruction.args.split()
    ]
    given = {name.partition("=")[0] for name in names if "=" in name}
    return {name: UNKNOWN for name in names if "=" not in name and name not in given}


def _referenced(stage: Stage) -> dict[str, str]:
    """Every variable that a stage names: an unknown base image may have set it."""
    text = " ".join(f"{one.args} {one.flags}" for one in stage.instructions)
    return {found[1] or found[2]: UNKNOWN for found in VARIABLE.finditer(text)}
