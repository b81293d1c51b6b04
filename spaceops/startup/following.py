"""From ENTRYPOINT and CMD to the processes that run: through shells, scripts, wrappers and managers of processes."""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from spaceops.image import Start
from spaceops.shell import SHELLS, UNKNOWN, Command, commands
from spaceops.startup import managers
from spaceops.startup.commandkinds import is_task
from spaceops.startup.facts import Process, Script, World
from spaceops.wrappers import given_to_shell, split, unwrap

_DEEPEST = 12  # scripts within scripts
_MOST = 50  # processes
_REFERENCE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")
_EXPORTS = ("export", "declare", "typeset")
_BLOCKING = frozenset(
    {"uvicorn", "hypercorn", "granian", "daphne", "streamlit", "waitress-serve", "fastapi", "chainlit", "vllm"}
)
_RUNNERS = ("npm", "yarn", "pnpm", "bun")


@dataclass(frozen=True)
class Place:
    """What holds where a command stands."""

    cwd: str
    env: Mapping[str, str]
    where: str
    user: str
    settled: frozenset[str]
    doubtful: frozenset[str] = frozenset()
    is_background: bool = False
    is_certain: bool = True
    is_supervised: bool = False
    by_shell: bool = False
    is_main: bool = True  # when it ends, the container does
    finds: bool = True
    depth: int = 0


@dataclass
class Found:
    """What a walk has found so far."""

    processes: list[Process] = field(default_factory=list)
    scripts: list[Script] = field(default_factory=list)
    missing: list[tuple[str, Process]] = field(default_factory=list)
    is_complete: bool = True


def follow(world: World) -> Found:
    """The processes that the image's ENTRYPOINT and CMD start."""
    follower = _Follower(world)
    image = world.image
    entrypoint, cmd = image.entrypoint, image.cmd
    if entrypoint is None and cmd is None:
        follower.found.is_complete = False
        return follower.found
    line = (cmd or entrypoint or Start((), False, 1)).line
    place = Place(image.workdir, world.env, f"Dockerfile:{line}", image.user, frozenset(world.variables))
    if entrypoint is None and image.base.entrypoint is None:
        place = replace(place, is_certain=False)  # the base may have an entrypoint that does something else
    follower.start(entrypoint, cmd, place)
    return follower.found


class _Follower:
    def __init__(self, world: World) -> None:
        self.world, self.found = world, Found()

    def start(self, entrypoint: Start | None, cmd: Start | None, place: Place) -> None:
        """A shell form of ENTRYPOINT takes no CMD."""
        if entrypoint is None or entrypoint.is_shell:
            chosen = entrypoint or cmd
            if chosen is not None:
                self._one(chosen, place)
            return
        arguments = () if cmd is None else ("/bin/sh", "-c", cmd.words[0]) if cmd.is_shell else cmd.words
        self.words((*entrypoint.words, *arguments), place)

    def _one(self, start: Start, place: Place) -> None:
        if start.is_shell:
            self.text(start.words[0] if start.words else "", place)
        else:
            self.words(start.words, place)

    def words(self, words: Sequence[str], place: Place) -> None:
        """One command."""
        if not words or not words[0]:
            return
        if words[0].endswith((".js", ".mjs", ".cjs")) and self.world.image.base.repository == "node":
            words = ("node", *words)  # what the entrypoint of the image makes of it
        if place.depth > _DEEPEST or len(self.found.processes) > _MOST or UNKNOWN in words[0]:
            self.found.is_complete = False
            return
        deeper = replace(place, depth=place.depth + 1)
        if self._wrapped(words, deeper) or self._shell(words, deeper) or self._managed(words, deeper):
            return
        if self._script(words, deeper):
            return
        if not is_task(words):
            self._process(words, place)

    def _process(self, words: Sequence[str], place: Place) -> None:
        words, is_module = _of_module(tuple(words))
        found_as = "" if is_module or "/" in words[0] or not place.finds else words[0]
        self.found.processes.append(
            Process(
                words,
                place.cwd,
                place.env,
                place.where,
                place.user,
                place.settled,
                place.doubtful,
                place.is_background,
                place.is_certain,
                place.is_supervised,
                is_module,
                found_as,
            )
        )

    def _wrapped(self, words: Sequence[str], place: Place) -> bool:
        inner = unwrap(words)
        if inner is None or (words[0].endswith(".sh") and self.world.text_at(posixpath.join(place.cwd, words[0]))):
            return False
        cwd = place.cwd if inner.folder is None else posixpath.normpath(posixpath.join(place.cwd, inner.folder))
        place = replace(
            place,
            cwd=cwd,
            env={**place.env, **inner.env},
            settled=place.settled | {name for name in inner.env if f"{name}={inner.env[name]}" not in place.doubtful},
            user=inner.user or place.user,
            finds=place.finds and inner.finds,
        )
        if inner.shell is not None:
            self.text(inner.shell, place)
        else:
            self.words(inner.words, place)
        return True

    # Shells

    def _shell(self, words: Sequence[str], place: Place) -> bool:
        given = given_to_shell(words)
        if given is None:
            return False
        is_text, rest = given
        if is_text and rest:
            self.text(rest[0], place, arguments=rest[2:])
        elif rest:
            self._run_script(rest[0], rest[1:], place, is_direct=False)
        return True

    def _script(self, words: Sequence[str], place: Place) -> bool:
        """A file that is started by its own first line."""
        if "/" not in words[0]:
            return False
        path = posixpath.normpath(posixpath.join(place.cwd, words[0]))
        found = self.world.text_at(path)
        if found is None:
            if words[0].startswith((".", "/app", "/code", "/home")) or posixpath.splitext(path)[1] == ".sh":
                self._miss(path, words, place)
            return False
        first = found[1].partition("\n")[0]
        interpreter = split(first[2:]) if first.startswith("#!") else ()
        name = next((word.rpartition("/")[2] for word in interpreter if not word.endswith("/env") and word != "-S"), "")
        if name in SHELLS or not interpreter:
            self._run_script(words[0], words[1:], place, is_direct=True)
            return True
        self.words((name, words[0], *words[1:]), replace(place, finds=False))
        return True

    def _miss(self, path: str, words: Sequence[str], place: Place) -> None:
        self.found.is_complete = False
        self.found.missing.append(
            (path, Process(tuple(words), place.cwd, place.env, place.where, place.user, is_certain=place.is_certain))
        )

    def _run_script(self, name: str, arguments: Sequence[str], place: Place, *, is_direct: bool) -> None:
        path = posixpath.normpath(posixpath.join(place.cwd, name))
        found = self.world.text_at(path) if UNKNOWN not in name else None
        if found is None:
            self._miss(path, (name, *arguments), place)
            return
        source, text = found
        if any(source == script.path for script in self.found.scripts):
            self.found.is_complete = False
            return
        inside = commands(text, place.env, list(arguments))
        self.found.scripts.append(
            Script(
                source,
                path,
                inside,
                place.where,
                is_direct,
                place.by_shell,
                place.is_certain and not place.is_background,
                place.is_main and not place.is_background,
                is_direct and place.depth == 1 and not place.by_shell,
                text,
            )
        )
        self.text(text, place, arguments=arguments, file=source)

    def text(
        self,
        text: str,
        place: Place,
        *,
        arguments: Sequence[str] | None = None,
        file: str | None = None,
    ) -> Place:
        """The commands of a shell text, one after the other; where the shell stands at their end."""
        found = commands(text, place.env, list(arguments) if arguments is not None else None)
        doubtful = _doubtful(found, text, place, arguments)
        place = replace(place, by_shell=True)
        is_only = len(found) == 1
        for command, doubts in zip(found, doubtful, strict=True):
            where = f"{file}:{command.line}" if file else place.where
            here = replace(
                place,
                where=where,
                doubtful=place.doubtful | doubts,
                is_background=place.is_background or command.after == "&",
                is_certain=place.is_certain and not command.nested,
                is_main=place.is_main and (is_only or command.words[0] == "exec"),
            )
            place = self._command(command, here, place)
            if self._ends(command):
                break
        return place

    def _command(self, command: Command, here: Place, place: Place) -> Place:
        """One command of a shell text; what holds after it."""
        words = command.words
        if any("=" in word for word in command.assigned) and command.name not in _EXPORTS:
            added = dict(word.split("=", 1) for word in command.assigned)
            here = replace(here, env={**here.env, **added}, settled=here.settled | added.keys() - _names(here.doubtful))
        if command.name in ("cd", "pushd"):
            target = next((word for word in words[1:] if not word.startswith("-")), UNKNOWN)
            cwd = posixpath.normpath(posixpath.join(place.cwd, target)) if UNKNOWN not in target else UNKNOWN
            return replace(place, cwd=cwd)
        if command.name in _EXPORTS:
            return self._export(words[1:], here, place)
        if command.name in (".", "source"):
            return self._source(words, here, place)
        if command.name == "eval" or (command.name == "set" and "--" in words):
            self.found.is_complete = False
            return place
        if command.name == "service" and len(words) > 2 and words[2] in ("start", "restart"):
            self.words(words[1:2], replace(here, is_background=True))
            return place
        self.words(words, here)
        return place

    def _export(self, words: Sequence[str], here: Place, place: Place) -> Place:
        env, settled = dict(place.env), set(place.settled)
        for word in words:
            name, equals, value = word.partition("=")
            env[name] = value if equals and here.is_certain else UNKNOWN
            if equals and here.is_certain and word not in here.doubtful:
                settled.add(name)
        return replace(place, env=env, settled=frozenset(settled))

    def _source(self, words: Sequence[str], here: Place, place: Place) -> Place:
        found = self.world.text_at(posixpath.normpath(posixpath.join(place.cwd, words[1]))) if len(words) > 1 else None
        if found is None:
            if len(words) < 2 or not words[1].endswith("/activate"):
                self.found.is_complete = False
            return place
        if here.depth > _DEEPEST:
            return place
        after = self.text(found[1], replace(here, depth=here.depth + 1), file=found[0])
        return replace(place, env=after.env, settled=after.settled, cwd=after.cwd)

    def _ends(self, command: Command) -> bool:
        """Whether nothing after this command is reached, as far as can be known."""
        if command.nested or command.after in ("&", "|", "||"):
            return False
        if command.name in ("exec", "exit"):
            return len(command.words) > 1 or command.name == "exit"
        return command.name in _BLOCKING

    # Managers

    def _managed(self, words: Sequence[str], place: Place) -> bool:
        name = words[0].rpartition("/")[2]
        if name in _RUNNERS:
            return self._package_script(name, words, place)
        if name == "make":
            return self._make(words, place)
        if name in ("honcho", "foreman") and "start" in words:
            return self._procfile(words, place)
        if name in ("concurrently", "npm-run-all", "run-p"):
            return self._concurrently(name, words, place)
        if name == "supervisord":
            return self._supervisor(words, place)
        return False

    def _package_script(self, runner: str, words: Sequence[str], place: Place) -> bool:
        cwd, rest = _prefix(place.cwd, words[1:])
        rest = [word for word in rest if not word.startswith("-") or word == "--"]
        wanted = rest[1:] if rest[:1] in (["run"], ["run-script"]) else rest
        if not wanted or (runner == "bun" and "." in wanted[0]):
            return False
        found = self.world.text_at(posixpath.join(cwd, "package.json"))
        script = managers.scripts_of(found[1]).get(wanted[0]) if found else None
        if found is None or script is None:
            return False
        extra = " ".join(words[words.index("--") + 1 :]) if "--" in words else ""
        quoted = f'"{wanted[0]}"'
        where = f"{found[0]}:{managers.line_of(found[1], quoted)}"
        self.text(f"{script} {extra}", replace(place, cwd=cwd, where=where, finds=False))
        return True

    def _make(self, words: Sequence[str], place: Place) -> bool:
        cwd, rest = _prefix(place.cwd, words[1:])
        found = self.world.text_at(posixpath.join(cwd, "Makefile"))
        if found is None:
            return False
        targets = [word for word in rest if not word.startswith("-") and "=" not in word]
        target = targets[0] if targets else managers.first_target(found[1])
        for line, number in managers.recipe(found[1], target or ""):
            self.text(line, replace(place, cwd=cwd, where=f"{found[0]}:{number}"))
        return bool(target)

    def _procfile(self, words: Sequence[str], place: Place) -> bool:
        given = next((word for flag, word in itertools.pairwise(words) if flag in ("-f", "--procfile")), "Procfile")
        found = self.world.text_at(posixpath.normpath(posixpath.join(place.cwd, given)))
        if found is None:
            return False
        env = {**place.env, "PORT": UNKNOWN}  # it gives each process a port of its own
        asked = [word for word in words[words.index("start") + 1 :] if not word.startswith("-") and word != given]
        for name, command, number in managers.procfile(found[1]):
            if not asked or name in asked:
                self.text(command, replace(place, env=env, where=f"{found[0]}:{number}", is_supervised=True))
        return True

    def _concurrently(self, name: str, words: Sequence[str], place: Place) -> bool:
        _, rest = _prefix(place.cwd, words[1:])
        given = [word for word in rest if (not word.startswith("-") and " " in word) or word.startswith("npm:")]
        for word in given:
            line = f"npm run {word.removeprefix('npm:')}" if word.startswith("npm:") else word
            self.text(line, replace(place, is_background=True, is_main=False))
        self.found.is_complete &= bool(given) and name == "concurrently"
        return True

    def _supervisor(self, words: Sequence[str], place: Place) -> bool:
        given = next((b for a, b in itertools.pairwise(words) if a in ("-c", "--configuration")), None)
        found = managers.supervisor(self.world, place.cwd, given, place.env)
        self._process(words, place)
        if found is None:
            self.found.is_complete = False
            return True
        self.found.is_complete &= found.is_complete
        for program in found.programs:
            if program.starts:
                self.words(split(program.command), _of_program(program, place))
        return True


def _of_program(program: managers.Program, place: Place) -> Place:
    env = dict(place.env)
    for name, value in re.findall(r"([A-Za-z_][A-Za-z0-9_]*)=(\"[^\"]*\"|'[^']*'|[^,]*)", program.env):
        env[name] = value.strip("\"'")
    cwd = place.cwd if program.folder is None else posixpath.normpath(posixpath.join(place.cwd, program.folder))
    user = program.user or place.user
    return replace(place, cwd=cwd, env=env, where=program.where, user=user, is_supervised=True, is_main=False)


def _prefix(cwd: str, words: Iterable[str]) -> tuple[str, list[str]]:
    """The folder that `--prefix DIR` or `-C DIR` names, and the other words."""
    rest, words = list[str](), iter(words)
    for word in words:
        if word in ("--prefix", "-C", "--cwd", "--dir"):
            cwd = posixpath.normpath(posixpath.join(cwd, next(words, "")))
        elif word.startswith(("--prefix=", "--cwd=", "--dir=")):
            cwd = posixpath.normpath(posixpath.join(cwd, word.partition("=")[2]))
        else:
            rest.append(word)
    return cwd, rest


def _of_module(words: tuple[str, ...]) -> tuple[tuple[str, ...], bool]:
    """`python -m NAME …` as `NAME …`."""
    if re.fullmatch(r"python[0-9.]*|pypy3?", words[0].rpartition("/")[2]):
        at = 1
        while at < len(words) and words[at].startswith("-") and words[at] not in ("-m", "-c", "-"):
            at += 2 if words[at] in ("-X", "-W") else 1
        if words[at : at + 1] == ("-m",) and len(words) > at + 1:
            return words[at + 1 :], True
        return (words[0], *words[at:]), False
    return words, False


def _names(words: Iterable[str]) -> frozenset[str]:
    return frozenset(word.partition("=")[0] for word in words)


def _doubtful(
    found: Sequence[Command], text: str, place: Place, arguments: Sequence[str] | None
) -> list[frozenset[str]]:
    """The words of each command that would be others if the Space set the variables that the text names."""
    names = dict.fromkeys(set(_REFERENCE.findall(text)) - place.settled, UNKNOWN)
    if not names:
        return [frozenset(set(command.words) & place.doubtful) for command in found]
    other = commands(text, {**place.env, **names}, list(arguments) if arguments is not None else None)
    if len(other) != len(found):
        return [frozenset((*command.words, *command.assigned)) for command in found]
    return [
        frozenset({*one.words, *one.assigned} - {*another.words, *another.assigned})
        for one, another in zip(found, other, strict=True)
    ]
