"""The image that a Dockerfile makes, followed without building it: who runs where, and what lies at which path."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

from spaceops.dockerfile import PLATFORM, Dockerfile, Heredoc, Instruction, Stage, Step, glob_pattern, names_in
from spaceops.errors import BadInput
from spaceops.image.bases import Base, base_of
from spaceops.shell import SHELLS, UNKNOWN, Command, commands

ROOT_USERS = ("root", "0")
SHELL = ("/bin/sh", "-c")
MOST_INSTRUCTIONS = 500  # of a Dockerfile that is followed: each has its own variables
LARGEST_VARIABLES = 64_000  # characters of those instructions
_STANDING = (
    "/ /bin /etc /home /media /mnt /opt /root /run /sbin /srv /tmp /usr /usr/bin /usr/lib /usr/local /usr/local/bin "
    "/usr/local/sbin /usr/local/lib /usr/local/share /usr/sbin /usr/share /usr/src /var /var/lib /var/log /var/tmp "
    "/var/cache /etc/profile.d"
)
STANDING = frozenset(_STANDING.split())  # a file that is copied to one of these folders keeps its name
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_MARKERS = re.compile(r"""(?<!<)<<-?(['"]?)[A-Za-z_][A-Za-z0-9_]*\1""")
ADDRESS = re.compile(r"[a-z]+://|git@|.*\.git(?:#.*)?$")  # of a source that is no file
_SHELL_WORD = re.compile(r"\|\|?|&&|;|\d?>{1,2}(?:&\d|/dev/null|\S*)")
_GLOB = re.compile(r"[*?\[]")


def is_root(user: str) -> bool | None:
    """Whether a user, as USER or `sudo -u` names it, is root; None where that is not known."""
    return None if UNKNOWN in user else user.partition(":")[0] in ROOT_USERS


@dataclass(frozen=True)
class Line:
    """One instruction, variables filled in, with what holds when it is carried out."""

    step: Step
    user: str  # name or number as USER has it; "root"; UNKNOWN
    workdir: str  # absolute; UNKNOWN in it where it is not known
    shell: tuple[str, ...] = SHELL  # what RUN's shell form, and later CMD's, is given to

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
        return is_root(self.user)

    @cached_property
    def commands(self) -> tuple[Command, ...]:
        """The commands of a RUN; none of another instruction. `where` says in which line of the Dockerfile each is."""
        if self.keyword != "RUN":
            return ()
        if self.instruction.exec is not None:
            return (Command(self.instruction.exec, 1, decides=True),)
        if posixpath.basename(self.shell[0]) not in SHELLS:
            return ()
        found = self._read(self.instruction.args, lambda command: self.instruction.line_at(command.at))
        words = found[0].words if found else ()
        if words and posixpath.basename(words[0]) not in SHELLS:
            return found
        scripts = [one for one in self.step.heredocs if words or _is_for_shell(one.content)]
        return (*found, *(command for one in scripts for command in self._of_heredoc(one)))

    def _of_heredoc(self, heredoc: Heredoc) -> tuple[Command, ...]:
        return self._read(heredoc.content, lambda command: heredoc.line + command.line - 1)

    def _read(self, text: str, line_of: Callable[[Command], int]) -> tuple[Command, ...]:
        """The commands of a text, with their lines counted from the instruction's own."""
        options = " ".join(self.shell[1:-1])
        found = commands(
            _MARKERS.sub(lambda marker: " " * len(marker[0]), text),
            self.step.build_env,
            errexit=bool(re.search(r"(^| )-[a-z]*e|errexit", options)),
            pipefail="pipefail" in options,
        )
        return tuple(replace(command, line=line_of(command) - self.number + 1) for command in found)

    def where(self, command: Command | None = None) -> str:
        """The place in the Dockerfile, as `FILE:LINE`: of the instruction, or of one of its commands."""
        return f"Dockerfile:{self.number + (command.line - 1 if command else 0)}"


@dataclass(frozen=True)
class Copied:
    """What one COPY or ADD takes from where to where. Files of the build context only; else `sources` is empty."""

    line: Line
    target: str  # absolute path in the image
    owner: str  # "root" unless --chown says otherwise
    sources: Mapping[str, str]  # path in the image -> file or folder of the build context ("" is all of it)
    is_foreign: bool  # from another stage, another image, a URL or an archive: it may bring more than `sources`
    texts: Mapping[str, str] = field(default_factory=dict)  # path in the image -> the text of a here-document
    is_broken: bool = False  # a source is missing: the build ends here, and that is a finding of its own


@dataclass(frozen=True)
class Start:
    """ENTRYPOINT or CMD."""

    words: tuple[str, ...]  # of the exec form; of the shell form the one text
    is_shell: bool
    line: int  # of the Dockerfile; of what the base image brings, that of FROM
    shell: tuple[str, ...] = SHELL  # that the shell form is given to


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
    stages: tuple[int, ...] = ()  # of the Dockerfile, of its chain: those that it is built from, then its own

    @property
    def is_root(self) -> bool | None:
        """Whether the app runs as root; None where that is not known."""
        return is_root(self.user)

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
                    found |= self.tree.get(posixpath.join(source, folder[len(inside) :]).strip("/"), set())
                if posixpath.dirname(target) == folder:
                    found.add(posixpath.basename(target))
                elif target.startswith(folder.rstrip("/") + "/"):
                    found.add(target[len(folder.rstrip("/")) + 1 :].partition("/")[0])
        return frozenset(found - {""})

    @cached_property
    def _context(self) -> Collection[str]:
        return self.in_context if isinstance(self.in_context, set | frozenset) else frozenset(self.in_context)

    @cached_property
    def tree(self) -> Mapping[str, set[str]]:
        """The names in each folder of the build context; the top is ""."""
        return tree_of(self.in_context)


def tree_of(paths: Collection[str]) -> Mapping[str, set[str]]:
    """The names in each folder; the top is "". Of the same frozen set it is made once: every stage asks for it."""
    return _tree_of(frozenset(paths))


@lru_cache(maxsize=1)
def _tree_of(paths: frozenset[str]) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        while path:
            folder, _, name = path.rpartition("/")
            if name in found[folder]:
                break
            found[folder].add(name)
            path = folder
    return dict(found)


def follow(
    dockerfile: Dockerfile, variables: Mapping[str, str], in_context: Collection[str], stage: Stage | None = None
) -> Image | None:
    """Follow a stage, or the last; `variables` are the Space's, which its build gets as arguments.

    None where its variables cannot be filled in, and for a Dockerfile larger than any that a person writes.
    """
    if _is_too_large(dockerfile):
        return None
    try:
        return _Follower(dockerfile, variables, in_context).image(stage or dockerfile.stages[-1])
    except BadInput:
        return None


def built(dockerfile: Dockerfile, variables: Mapping[str, str], in_context: Collection[str]) -> tuple[Image, ...]:
    """Every stage that the last one needs, followed, the last at the end; empty where `follow` knows nothing."""
    if _is_too_large(dockerfile):
        return ()
    follower = _Follower(dockerfile, variables, in_context)
    try:
        return tuple(follower.image(stage) for stage in _needed(dockerfile, follower.build_args))
    except BadInput:
        return ()


def _is_too_large(dockerfile: Dockerfile) -> bool:
    settings = [one for one in dockerfile.instructions if one.keyword in ("ENV", "ARG", "LABEL")]
    return (
        len(dockerfile.instructions) > MOST_INSTRUCTIONS or sum(len(one.args) for one in settings) > LARGEST_VARIABLES
    )


def _needed(dockerfile: Dockerfile, build_args: Mapping[str, str]) -> list[Stage]:
    """The last stage and those that it is made from or copies from, in order."""
    found, waiting = dict[int, Stage](), [dockerfile.stages[-1]]
    while waiting:
        stage = waiting.pop()
        if stage.index not in found:
            found[stage.index] = stage
            names = [dockerfile.base(stage, build_args), *(name for one in stage.instructions for name in froms(one))]
            waiting += [one for name in names if (one := dockerfile.stage(name, before=stage)) is not None]
    return [found[index] for index in sorted(found)]


def froms(instruction: Instruction) -> list[str]:
    """The stages or images that an instruction takes files from."""
    mounts = [value for name, value in instruction.flags if name == "mount"]
    fields = [field.partition("=") for mount in mounts for field in mount.split(",")]
    named = [value for name, _, value in fields if name == "from"]
    return [*named, *filter(None, [instruction.flag("from")])]


class _Follower:
    def __init__(self, dockerfile: Dockerfile, variables: Mapping[str, str], in_context: Collection[str]) -> None:
        self.dockerfile, self.in_context = dockerfile, in_context
        self.build_args = build_args(dockerfile, variables)
        self.tree = tree_of(in_context)
        self.images: dict[int, Image] = {}

    def image(self, stage: Stage) -> Image:
        if stage.index not in self.images:
            parent = self._parent(stage)
            begun = self._begin(stage) if parent is None else self.image(parent)
            triggered = () if parent is None else tuple(one.inner for one in parent.instructions if one.inner)
            with_triggers = replace(stage, instructions=(*triggered, *stage.instructions))
            self.images[stage.index] = self._follow(with_triggers, begun)
        return self.images[stage.index]

    def _parent(self, stage: Stage) -> Stage | None:
        """The stage that FROM names."""
        name = self.dockerfile.base(stage, self.build_args)
        return None if name.isdecimal() else self.dockerfile.stage(name, before=stage)

    def _follow(self, stage: Stage, begun: Image) -> Image:
        image, shell = begun, begun.lines[-1].shell if begun.lines else SHELL
        folders = {*STANDING, *(line.workdir for line in image.lines)}
        lines, copied, env = list(image.lines), list(image.copied), dict(image.env)
        seeded = {**_referenced(stage), **env} if image.base.env is None else env
        for step in self.dockerfile.steps(stage, seeded, self.build_args):
            line = Line(step, image.user, image.workdir, shell)
            lines.append(line)
            env = dict(step.env) if step.instruction.keyword == "ENV" else env
            shell = step.args if line.keyword == "SHELL" and step.args else shell
            if line.keyword in ("COPY", "ADD"):
                copied.append(self._copied(line, stage, folders))
            image = _after(line, image, stage)
            folders |= _new_folders(line, image)
        env = dict(seeded) | env
        stages = (*image.stages, stage.index)
        return replace(image, lines=tuple(lines), env=env, copied=tuple(copied), stages=stages)

    def _begin(self, stage: Stage) -> Image:
        base = base_of(self.dockerfile.base(stage, self.build_args))
        cmd, entrypoint = (
            Start(words, False, stage.line) if words else None for words in (base.command, base.entrypoint)
        )
        user, workdir = base.user or UNKNOWN, base.workdir or UNKNOWN
        return Image(base, (), user, workdir, dict(base.env or {}), entrypoint, cmd, (), self.in_context)

    def _copied(self, line: Line, stage: Stage, folders: Collection[str]) -> Copied:
        step = line.step
        *sources, last = _without_shell(line)
        target = posixpath.normpath(posixpath.join(line.workdir, last))
        sources = [source for source in sources if not _MARKERS.fullmatch(source)]
        names_a_folder = last.endswith(("/", "/.")) or last == "." or len(sources) + len(step.heredocs) > 1
        into = names_a_folder or target in folders
        texts = {posixpath.join(target, one.name) if into else target: one.content for one in step.heredocs}
        owner = step.flag("chown") or "root"
        reference = step.flag("from")
        if reference is not None:
            return Copied(line, target, owner, self._of_stage(reference, stage, sources, target, into), True, texts)
        is_foreign = any(_is_url(source) or _is_unpacked(line, source) for source in sources)
        is_broken = any(self._is_missing(source) for source in sources)
        local = [source for source in sources if not (_is_url(source) or _is_unpacked(line, source))]
        if step.flag("parents") is not None:
            found = {posixpath.join(target, path): path for source in local for path in self._matching(source)}
        else:
            found = {self._place(path, target, into): path for source in local for path in self._matching(source)}
        return Copied(line, target, owner, found, is_foreign or is_broken, texts, is_broken)

    def _is_missing(self, source: str) -> bool:
        """Whether the build ends here: what the file would have brought is not asked for as well."""
        return not (_GLOB.search(source) or _is_url(source) or UNKNOWN in source or self._matching(source))

    def _place(self, path: str, target: str, into: bool) -> str:
        """Where a file or folder goes: a file into a folder under its name, a folder's content into the target."""
        return posixpath.join(target, posixpath.basename(path)) if into and path not in self.tree else target

    def _of_stage(self, reference: str, stage: Stage, sources: list[str], target: str, into: bool) -> dict[str, str]:
        """What of the build context comes by way of an earlier stage."""
        earlier = self.dockerfile.stage(reference, before=stage)
        if earlier is None:
            return {}
        found, copied = dict[str, str](), self.image(earlier).copied
        for source in (posixpath.normpath(posixpath.join("/", one)) for one in sources):
            for place, path in (pair for one in copied for pair in one.sources.items()):
                if place == source:
                    found[self._place(path, target, into)] = path
                elif place.startswith(source.rstrip("/") + "/"):
                    found[posixpath.join(target, place[len(source.rstrip("/")) + 1 :])] = path
                elif source.startswith(place.rstrip("/") + "/"):
                    inner = posixpath.join(path, source[len(place.rstrip("/")) + 1 :])
                    if inner in self.tree or inner in self.in_context:
                        found[self._place(inner, target, into)] = inner
        return found

    def _matching(self, source: str) -> list[str]:
        """The files and folders of the context that a source of COPY names; the top is ""."""
        if UNKNOWN in source:
            return []
        path = posixpath.normpath(posixpath.join("/", source)).lstrip("/")
        if path == "":
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


def _after(line: Line, image: Image, stage: Stage) -> Image:
    """The image with what an instruction sets for those that follow and for the start."""
    args = line.step.args
    if line.keyword == "USER":
        return replace(image, user=args[0] or UNKNOWN)
    if line.keyword == "WORKDIR":
        return replace(image, workdir=posixpath.normpath(posixpath.join(image.workdir, args[0] or "/")))
    if line.keyword == "ENTRYPOINT":
        is_of_stage = image.cmd is not None and image.cmd.line > stage.line
        return replace(image, entrypoint=_start(line), cmd=image.cmd if is_of_stage else None)
    if line.keyword == "CMD":
        return replace(image, cmd=_start(line))
    return image


def _start(line: Line) -> Start | None:
    words = line.step.args
    return Start(words, line.instruction.exec is None, line.number, line.shell) if any(words) else None


def _new_folders(line: Line, image: Image) -> set[str]:
    """Folders that surely, or maybe, are there after an instruction."""
    found = {image.workdir}
    if line.keyword == "VOLUME":
        found |= set(line.step.args)
    for command in line.commands:
        if command.name in ("mkdir", "install"):
            found |= {posixpath.normpath(posixpath.join(line.workdir, one)) for one in command.words[1:]}
        elif command.name in ("useradd", "adduser"):
            found |= {f"/home/{command.words[-1]}", command.value_of("-d", "--home", "--home-dir") or "/home"}
    return found


def _is_for_shell(script: str) -> bool:
    """Whether a here-document that is itself the script is not for another program."""
    first = script.partition("\n")[0]
    return not first.startswith("#!") or first.rpartition("/")[2].split(" ")[-1].strip() in SHELLS or "sh -" in first


def _is_unpacked(line: Line, source: str) -> bool:
    return line.keyword == "ADD" and source.endswith(_ARCHIVES)


def shell_word(line: Line) -> str | None:
    """The first word of a COPY or ADD that only a shell would understand, or that begins a comment."""
    if line.instruction.exec is not None:
        return None
    words = line.instruction.args.split()
    return next((word for word in words if word == "#" or _SHELL_WORD.fullmatch(word)), None)


def _without_shell(line: Line) -> tuple[str, ...]:
    """The words as they were meant: what stands before `|| true` or `# …`."""
    word = shell_word(line)
    meant = line.step.args[: line.instruction.args.split().index(word)] if word else line.step.args
    return meant if len(meant) > 1 else line.step.args


def _is_url(source: str) -> bool:
    return ADDRESS.match(source) is not None


def build_args(dockerfile: Dockerfile, variables: Mapping[str, str]) -> dict[str, str]:
    """What the build gets for its ARGs: the Space's variables, and UNKNOWN for what nothing known gives a value."""
    return {**_unset_arguments(dockerfile), **variables}


def _unset_arguments(dockerfile: Dockerfile) -> dict[str, str]:
    """ARGs without a value: a variable of the Space may give them one."""
    names = [
        word
        for instruction in dockerfile.instructions
        if instruction.keyword == "ARG"
        for word in instruction.args.split()
    ]
    given = {name.partition("=")[0] for name in names if "=" in name}
    given |= PLATFORM.keys()
    return {name: UNKNOWN for name in names if "=" not in name and name not in given}


def _referenced(stage: Stage) -> dict[str, str]:
    """Every variable that a stage names: an unknown base image may have set it."""
    text = " ".join(f"{one.args} {one.flags}" for one in stage.instructions)
    return dict.fromkeys(names_in(text), UNKNOWN)
