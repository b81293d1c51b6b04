"""The text of a RUN instruction: which paths in it are the image's own, and what would harm this machine. Pure.

A container may do what it likes with its files; here the files are the machine's own. Commands with another meaning
here (`apt-get`, `useradd`) meet `shims.py` when they run; what writes to the machine's system is refused beforehand.

That keeps honest Dockerfiles from doing harm, and no others: it reads shell text, looks into `sh -c` and `eval` and
follows `cd`, but not what a program does (`python -c "open('/etc/x', 'w')"`, a Makefile) or a script of the context
(`RUN bash setup.sh`), nor what `$X` stands for. Pushed code runs with the rights of whoever started the server.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LEADING = frozenset({"if", "then", "else", "elif", "do", "while", "until", "!", "{", "time", "exec", "command", "env"})
ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
OPERATOR = re.compile(r"&&|\|\||;;|\|&|[;|&\n()]")
REDIRECTION = re.compile(r"\d*(?:>>?|<)&?\d*-?|&>>?")
INLINE = re.compile(r"-[a-z]*c")  # the flag of a shell before a text to run
ABSOLUTE = re.compile(r"(?<![\w./~$})*+?%@:-])/(?=[A-Za-z0-9_.])[\w.@%+/-]*")

SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ash"})
DOWNLOADERS = frozenset({"curl", "wget"})
COPIERS = frozenset({"cp", "mv", "ln", "install", "rsync"})
WRITERS = COPIERS | frozenset(
    {"rm", "tee", "touch", "chmod", "mkdir", "rmdir", "tar", "unzip", "dd", "sed", "truncate"}
)
WRITERS = WRITERS | DOWNLOADERS | frozenset({"patch", "gunzip"})
SYSTEM = frozenset({"bin", "boot", "etc", "lib", "lib32", "lib64", "sbin", "sys", "usr", "Applications", "Library"})
SHARED = frozenset({"dev", "proc"})  # used as they are
TWO_LEVELS = frozenset({"opt", "home", "srv", "var", "mnt", "media", "run"})  # /opt/venv is the image's, /opt is not
OF_IMAGES = ("/usr/src/", "/usr/app/")  # where apps lie in images, and nothing of the system
CLEANED = ("/var/lib/apt", "/var/cache", "/var/log", "/usr/share", "/root")  # what an image has, and a build has not
ARGUMENT = re.compile(r"""(?<!\S)["']?(/[\w.@%+/-]+)\S*""")


class Refused(Exception):
    """It would change this machine itself; the text says what and why."""


class Command(NamedTuple):
    """A simple command within a shell text, quotes taken away."""

    start: int
    end: int
    words: tuple[str, ...]
    piped: bool  # reads what the command before it prints
    subshell: tuple[int, ...]  # the places of the parentheses that it stands in


@dataclass(frozen=True)
class Script:
    """What is left to run, what was skipped, and the image paths that it names as its own."""

    text: str
    notes: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


def adapt(text: str, is_own: Callable[[str], bool]) -> Script:
    """Look at each simple command; `is_own(path)` says whether an image path lies in the build's folder already.

    Raises `Refused`.
    """
    out: list[str] = []
    notes: list[str] = []
    reading = Reading(is_own)
    position = 0
    for command in commands(text):
        body = text[command.start : command.end]
        if command.words[0] == "rm" and (skipped := _cleaned(body, reading.is_own_by_now)):
            flags = [word for word in command.words if word.startswith("-")]
            notes.append(f"{' '.join(['rm', *flags, *skipped])} is skipped: there is nothing to do here")
            out += [text[position : command.start], body := _without(body, skipped)]
            position = command.end
        reading.take_in(command, body)
    return Script("".join([*out, text[position:]]), tuple(notes), tuple(reading.paths))


@dataclass
class Reading:
    """What is known while a shell text is read."""

    is_own: Callable[[str], bool]
    paths: list[str] = field(default_factory=list)
    places: dict[tuple[int, ...], str] = field(default_factory=dict)  # of the machine that `cd` led to, by subshell
    before: str = ""  # the program of the command before

    def is_own_by_now(self, path: str) -> bool:
        """Whether an image path lies in the build's folder, or will by then."""
        return self.is_own(path) or any(path == known or path.startswith(f"{known}/") for known in self.paths)

    def take_in(self, command: Command, body: str) -> None:
        """Take in a command and what a shell that it calls is to do; raises `Refused`."""
        program = command.words[0]
        if command.piped and self.before in DOWNLOADERS and program in SHELLS:
            raise Refused(f"a downloaded script piped into {program} would install on this machine itself")
        for raw in ABSOLUTE.findall(body):
            if own := _own(raw.rstrip("/"), command.words, self.is_own_by_now):
                self.paths.append(own)
        place = self._place(command)
        for target in _targets(command.words):
            if place and target and target[0] not in "/$&~":
                path = posixpath.normpath(posixpath.join(place, target))
                raise Refused(f"{program} {path} would change this machine's own system")
        if program in ("cd", "pushd"):
            self.places[command.subshell] = self._after_cd(place, command.words)
        inner = _inner(command.words)
        for one in commands(inner):
            below = one._replace(subshell=(*command.subshell, command.start, *one.subshell))
            self.take_in(below, inner[one.start : one.end])
        self.before = program

    def _place(self, command: Command) -> str:
        """The folder of the machine that a command runs in; empty for one of the image."""
        scopes = [command.subshell[:depth] for depth in range(len(command.subshell), -1, -1)]
        return next((self.places[scope] for scope in scopes if scope in self.places), "")

    def _after_cd(self, place: str, words: Sequence[str]) -> str:
        target = next((word for word in words[1:] if not word.startswith("-")), "~")
        if target.startswith("/"):
            return "" if self.is_own_by_now(posixpath.normpath(target)) else target
        return posixpath.normpath(posixpath.join(place, target)) if place and not target.startswith(("$", "~")) else ""


def _inner(words: Sequence[str]) -> str:
    """The text that a command gives to a shell."""
    if words[0] == "eval":
        return " ".join(words[1:])
    if posixpath.basename(words[0]) in SHELLS:
        return next((text for flag, text in pairwise(words[1:]) if INLINE.fullmatch(flag)), "")
    return ""


def _cleaned(body: str, is_own: Callable[[str], bool]) -> list[str]:
    """The arguments of an `rm` that are there in an image only."""
    found = ARGUMENT.finditer(body)
    return [argument[0] for argument in found if argument[1].startswith(CLEANED) and not is_own(argument[1])]


def _without(body: str, skipped: Sequence[str]) -> str:
    """An `rm` without some arguments; `:` where none is left."""
    left = ARGUMENT.sub(lambda argument: "" if argument[0] in skipped else argument[0], body)
    return left if any(not word.startswith("-") for word in left.split()[1:]) else ":"


def _own(path: str, words: Sequence[str], is_own: Callable[[str], bool]) -> str | None:
    """The image path that lies in the build's folder from now on, None if the path stays as it is."""
    parts = path.split("/")[1:]
    if is_own(path) or parts[0] in SHARED or path.startswith("/run/secrets"):
        return None
    if path.startswith(OF_IMAGES):
        return "/".join(path.split("/")[:4])
    if parts[0] in SYSTEM:
        if path in _targets(words):
            raise Refused(f"{words[0]} {path} would change this machine's own system")
        return None
    return "/" + "/".join(parts[: 2 if parts[0] in TWO_LEVELS else 1])


def _targets(words: Sequence[str]) -> list[str]:
    """What a command writes to: its redirections; for those that copy the last argument, for other writers all."""
    redirected = [after for word, after in pairwise(words) if word.endswith(">")]
    joined = [word.partition(">")[2].lstrip(">") for word in words if ">" in word and not word.endswith(">")]
    writes = words[0] in WRITERS and (words[0] != "sed" or any(word.startswith(("-i", "--in-place")) for word in words))
    arguments = [word for word in words[1:] if not word.startswith("-")] if writes else []
    written = arguments[-1:] if words[0] in COPIERS else arguments
    return [word.rstrip("/") for word in [*redirected, *joined, *written]]


def commands(text: str) -> list[Command]:
    """The simple commands of a shell text with their places; quotes and `$(…)` are not looked into."""
    found, start, piped, position = [], 0, False, 0
    subshell: tuple[int, ...] = ()
    while position <= len(text):
        operator = OPERATOR.match(text, position)
        if position == len(text) or operator:
            if command := _command(text, start, position, piped=piped, subshell=subshell):
                found.append(command)
            if operator and operator[0] in "()":
                subshell = (*subshell, position) if operator[0] == "(" else subshell[:-1]
            piped = bool(operator and operator[0] in ("|", "|&"))
            position = start = operator.end() if operator else len(text) + 1
        else:
            position = _skip(text, position)
    return found


def _skip(text: str, position: int) -> int:
    """The place after the character, quotation, substitution, comment or redirection that begins here."""
    char = text[position]
    if char == "\\":
        return min(position + 2, len(text))
    if char in "'\"`":
        return _closing(text, position + 1, char)
    if text.startswith(("$(", "${"), position):
        return _balanced(text, position + 1)
    if char == "#" and (position == 0 or text[position - 1].isspace()):
        end = text.find("\n", position)
        return len(text) if end < 0 else end
    redirection = REDIRECTION.match(text, position)
    return redirection.end() if redirection and redirection[0] else position + 1


def _closing(text: str, position: int, quote: str) -> int:
    while position < len(text) and text[position] != quote:
        position += 2 if text[position] == "\\" and quote != "'" else 1
    return min(position + 1, len(text))


def _balanced(text: str, position: int) -> int:
    opening, closing = text[position], {"(": ")", "{": "}"}[text[position]]
    depth = 0
    while position < len(text):
        char = text[position]
        if char in "'\"":
            position = _closing(text, position + 1, char)
            continue
        depth += (char == opening) - (char == closing)
        position += 1
        if depth == 0:
            break
    return position


def _command(text: str, start: int, end: int, *, piped: bool, subshell: tuple[int, ...]) -> Command | None:
    start = _first_word(text, start, end)
    body = text[start:end].rstrip()
    if not body:
        return None
    try:
        words = tuple(shlex.split(body, comments=True))
    except ValueError:
        words = tuple(body.split())
    return Command(start, start + len(body), words, piped, subshell) if words else None


def _first_word(text: str, start: int, end: int) -> int:
    """The place of the command's name, after keywords of the shell and assignments."""
    while True:
        while start < end and text[start].isspace():
            start += 1
        after = start
        while after < end and not text[after].isspace():
            after = min(_skip(text, after), end)
        word = text[start:after]
        if not word or not (word in LEADING or ASSIGNMENT.match(word)):
            return start
        start = after
