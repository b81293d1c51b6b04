"""The commands of a RUN instruction: which of them this machine can perform faithfully. Pure, but for `Machine`.

A container may do what it likes with its files; here the files are the machine's own. So each simple command is either
kept, skipped (and the log says so) or refused, which fails the build: nothing is left out in silence.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LEADING = frozenset({"if", "then", "else", "elif", "do", "while", "until", "!", "{", "time", "exec", "command", "env"})
ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
OPERATOR = re.compile(r"&&|\|\||;;|\|&|[;|&\n()]")
REDIRECTION = re.compile(r"\d*(?:>>?|<)&?\d*-?|&>>?")
ABSOLUTE = re.compile(r"(?<![\w./~$})*+?%@:-])/(?=[A-Za-z0-9_.])[\w.@%+/-]*")

USERS = frozenset(
    {
        "useradd",
        "adduser",
        "groupadd",
        "addgroup",
        "usermod",
        "userdel",
        "deluser",
        "chown",
        "chgrp",
        "chpasswd",
        "passwd",
    }
)
CARETAKERS = frozenset({"ldconfig", "update-ca-certificates", "locale-gen"})
APT = frozenset({"apt-get", "apt", "aptitude"})
APT_UPKEEP = frozenset({"update", "clean", "autoclean", "autoremove", "upgrade", "dist-upgrade", "purge", "remove"})
OTHER_MANAGERS = frozenset(
    {
        "apk",
        "yum",
        "dnf",
        "microdnf",
        "zypper",
        "pacman",
        "brew",
        "snap",
        "conda",
        "mamba",
        "micromamba",
        "dpkg",
        "sudo",
        "su",
    }
)
SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ash"})
DOWNLOADERS = frozenset({"curl", "wget"})
WRITERS = frozenset(
    {
        "rm",
        "mv",
        "cp",
        "ln",
        "tee",
        "install",
        "touch",
        "chmod",
        "mkdir",
        "rmdir",
        "tar",
        "unzip",
        "rsync",
        "dd",
        "sed",
        "truncate",
        "patch",
        "gunzip",
        "curl",
        "wget",
    }
)
COPIERS = frozenset({"cp", "mv", "ln", "install", "rsync"})
SYSTEM = frozenset(
    {
        "bin",
        "boot",
        "dev",
        "etc",
        "lib",
        "lib32",
        "lib64",
        "proc",
        "sbin",
        "sys",
        "usr",
        "Applications",
        "Library",
        "System",
    }
)
SHARED = frozenset({"tmp", "dev", "proc"})  # used as they are
CLEANED = ("/var/lib/apt", "/var/cache", "/var/log", "/var/tmp", "/usr/share/doc", "/usr/share/man")  # noqa: S108
TWO_LEVELS = frozenset({"opt", "home", "srv", "var", "mnt", "usr", "media", "run"})  # /opt/venv is one's own, /opt not
PROVIDES = {  # packages of other names than their commands
    "build-essential": ("gcc", "g++", "make"),
    "ca-certificates": (),
    "tesseract-ocr": ("tesseract",),
    "poppler-utils": ("pdftotext",),
    "imagemagick": ("convert",),
    "nodejs": ("node",),
    "procps": ("ps",),
    "default-jre": ("java",),
}


class Refused(Exception):
    """This machine cannot do it faithfully; the text says what and why, and what to do."""


class Command(NamedTuple):
    """A simple command within a shell text."""

    start: int
    end: int
    words: tuple[str, ...]
    piped: bool  # reads what the command before it prints


@dataclass(frozen=True)
class Script:
    """What is left to run, what was skipped, and the image paths that it names as its own."""

    text: str
    notes: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


def adapt(text: str, is_own: Callable[[str], bool]) -> Script:
    """Judge each simple command; `is_own(path)` says whether an image path lies in the build's folder already.

    Raises `Refused`.
    """
    out, notes, paths, position = [], [], [], 0
    before: tuple[str, ...] = ()
    for command in commands(text):
        note = _judge(command, before)
        before = command.words
        found = [] if note else _paths(text[command.start : command.end])
        note = note or _upkeep(command, found, is_own)
        if note:
            notes.append(note)
            out += [text[position : command.start], ":"]
            position = command.end
        else:
            paths += [own for path in found if (own := _own(path, command.words, is_own))]
    return Script("".join([*out, text[position:]]), tuple(notes), tuple(paths))


def _judge(command: Command, before: Sequence[str]) -> str | None:
    name, arguments = command.words[0].rpartition("/")[2], command.words[1:]
    if name in USERS:
        return f"{name} is skipped: everything runs as the user of this machine who started the Hub"
    if name in CARETAKERS:
        return f"{name} is skipped: the system is this machine's own"
    if name in APT:
        return _apt(name, arguments)
    if name in OTHER_MANAGERS:
        raise Refused(f"{name} would change this machine itself; that needs a container engine")
    if name in SHELLS and command.piped and before[:1] and before[0] in DOWNLOADERS:
        raise Refused(f"a downloaded script piped into {name} would install on this machine itself")
    return None


def _apt(name: str, arguments: Sequence[str]) -> str:
    action, *packages = [word for word in arguments if not word.startswith("-")] or [""]
    if action in APT_UPKEEP:
        return f"{name} {action} is skipped: the system is this machine's own"
    if action != "install":
        raise Refused(f"{name} {action} would change this machine itself")
    missing = [package for package in packages if not is_installed(package)]
    if missing:
        raise Refused(
            f"{name} install {' '.join(missing)}: this runner installs no system packages. "
            "Install them on this machine, or build where a container engine is"
        )
    return f"{name} install {' '.join(packages)} is skipped: this machine has it"


def is_installed(package: str) -> bool:
    """Whether the machine has a Debian package, or the commands for which people install it."""
    package = package.partition("=")[0]
    wanted = PROVIDES.get(package, (package,))
    if all(shutil.which(command) for command in wanted):
        return True
    if not shutil.which("dpkg-query"):
        return False
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status}", package]
    return subprocess.run(query, capture_output=True, check=False).stdout.startswith(b"installed")


def _upkeep(command: Command, paths: Sequence[str], is_own: Callable[[str], bool]) -> str | None:
    if command.words[0] != "rm" or not paths:
        return None
    foreign = [path for path in paths if path.startswith((*CLEANED, "/tmp", "/root")) and not is_own(path)]  # noqa: S108
    return f"{' '.join(command.words)} is skipped: there is nothing to clean up" if foreign == list(paths) else None


def _paths(text: str) -> list[str]:
    return [path.rstrip("/") for path in ABSOLUTE.findall(text) if path.rstrip("/")]


def _own(path: str, words: Sequence[str], is_own: Callable[[str], bool]) -> str | None:
    """The image path to redirect, None if it stays as it is; raises `Refused` for writing into the system."""
    parts = path.split("/")[1:]
    if is_own(path) or parts[0] in SHARED or path.startswith("/run/secrets"):
        return None
    if parts[0] in SYSTEM:
        if path in _targets(words):
            raise Refused(f"{words[0]} {path} would change this machine's own system")
        return None
    return "/" + "/".join(parts[: 2 if parts[0] in TWO_LEVELS else 1])


def _targets(words: Sequence[str]) -> list[str]:
    """What a command writes to: its redirections; for those that copy the last argument, for other writers all."""
    redirected = [after for word, after in pairwise(words) if word.endswith(">")]
    joined = [word.partition(">")[2].lstrip(">") for word in words if ">" in word and not word.endswith(">")]
    arguments = [word for word in words[1:] if not word.startswith("-")] if words[0] in WRITERS else []
    written = arguments[-1:] if words[0] in COPIERS else arguments
    return [word.rstrip("/") for word in [*redirected, *joined, *written]]


def commands(text: str) -> list[Command]:
    """The simple commands of a shell text with their places; quotes and `$(…)` are not looked into."""
    found, start, piped, position = [], 0, False, 0
    while position <= len(text):
        operator = OPERATOR.match(text, position)
        if position == len(text) or operator:
            if command := _command(text, start, position, piped=piped):
                found.append(command)
            piped = bool(operator and operator[0] in ("|", "|&"))
            position = start = operator.end() if operator else len(text) + 1
        else:
            position = _skip(text, position)
    return found


def _skip(text: str, position: int) -> int:
    """The place after the character, quotation, substitution, comment or redirection that begins here."""
    char = text[position]
    if char == "\\":
        return position + 2
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
    pairs, depth = {"(": ")", "{": "}"}, 0
    opening, closing = text[position], pairs[text[position]]
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


def _command(text: str, start: int, end: int, *, piped: bool) -> Command | None:
    while True:
        while start < end and text[start].isspace():
            start += 1
        word = re.match(r"\S*", text[start:end])
        first = word[0] if word else ""
        if first not in LEADING and not ASSIGNMENT.match(first):
            break
        after = _word_end(text, start, end)
        if ASSIGNMENT.match(first) and not text[after:end].strip():
            return None  # an assignment alone
        start = after
    body = text[start:end].rstrip()
    if not body or body.startswith("#"):
        return None
    try:
        words = tuple(shlex.split(body, comments=True))
    except ValueError:
        words = tuple(body.split())
    return Command(start, start + len(body), words, piped) if words else None


def _word_end(text: str, start: int, end: int) -> int:
    while start < end and not text[start].isspace():
        start = _skip(text, start)
    return min(start, end)
