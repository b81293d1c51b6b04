"""Options of a command line, variables behind them, and how certain what they say is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spaceops.shell import UNKNOWN
from spaceops.startup.facts import EVERYWHERE, Process, World

_GENERIC = ("PORT", "HOST", "HOSTNAME")  # many set these as variables of the Space


@dataclass(frozen=True)
class Setting:
    """A host or port. `text` is None where it cannot be known."""

    text: str | None
    is_certain: bool = True  # no variable of the Space can change it
    where: str = ""

    @property
    def number(self) -> int | None:
        """As a port."""
        text = self.text or ""
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 and 0 < int(text) < 65536 else None


def option(words: Sequence[str], *names: str) -> tuple[str, str] | None:
    """The value of the last of these options, and the word that holds it."""
    found = None
    for number, word in enumerate(words[1:], start=1):
        for name in names:
            if word == name:
                found = (words[number + 1], words[number + 1]) if number + 1 < len(words) else found
            elif word.startswith(f"{name}="):
                found = (word[len(name) + 1 :], word)
            elif len(name) == 2 and len(word) > 2 and word.startswith(name) and not word.startswith("--"):
                found = (word[2:], word)
    return found


def positional(words: Sequence[str]) -> str | None:
    """The first word after the program that is no option."""
    before = ""
    for word in words[1:]:
        if not word.startswith("-") and not before.startswith("-"):
            return word
        before = word
    return None


def is_generic(name: str) -> bool:
    """Whether a variable is one that many platforms, and users, set."""
    return name in _GENERIC


def asked(
    process: Process, world: World, options: Sequence[str], variables: Sequence[str], default: str | int | None
) -> Setting:
    """What a server takes: its option, else its variable, else what it assumes."""
    given = option(process.words, *options) if options else None
    if given is not None:
        return Setting(None if UNKNOWN in given[0] else given[0], given[1] not in process.doubtful)
    for name in variables:
        value = process.env.get(name)
        if value is not None:
            return Setting(None if UNKNOWN in value else value, name in process.settled and UNKNOWN not in value)
    is_certain = not variables or (world.knows_env and not any(is_generic(name) for name in variables))
    return Setting(None if default is None else str(default), is_certain)


def address(text: str, port: int | None) -> tuple[str | None, str | None]:
    """The host and port of `host:port`, `:port`, `[::]:port` or `host`; None for what is not known."""
    if UNKNOWN in text:
        host, _, number = text.rpartition(":")
        return (host or None) if UNKNOWN not in host else None, number if UNKNOWN not in number else None
    text = text.removeprefix("tcp://").removeprefix("http://").rstrip("/")
    assumed = None if port is None else str(port)
    if text.isdecimal():
        return EVERYWHERE, text
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, rest.removeprefix(":") or assumed
    host, colon, number = text.rpartition(":")
    return (host or EVERYWHERE, number) if colon else (text, assumed)
