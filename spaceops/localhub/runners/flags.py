"""The flags of instructions: those that have no meaning without containers, and those that would be a lie. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from spaceops.localhub.runners import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

SKIPPED = {
    "chown": "everything belongs to the user of this machine who started the Hub",
    "platform": "the platform is this machine's own",
}
REFUSED = {  # unless the value is the default
    "network": (("default",), "this runner gives a RUN no other network than this machine's"),
    "security": (("sandbox",), "this runner gives a RUN no other rights than yours"),
    "device": ((), "this runner passes no devices on"),
    "parents": (("false",), "this runner does not keep the folders above a source"),
    "checksum": ((), "this runner adds no addresses, and nothing else has a checksum"),
}
OCTAL = re.compile(r"0?[0-7]{1,4}")
CLAUSE = re.compile(r"([ugoa]*)([-+=])([rwxX]*)")
WHO = {"u": 0o700, "g": 0o070, "o": 0o007, "a": 0o777}
BITS = {"r": 0o444, "w": 0o222, "x": 0o111}


def notes(flags: Sequence[tuple[str, str]]) -> list[str]:
    """What the log says about flags that are skipped; raises `BuildFailed` for those that cannot be done."""
    for name, value in flags:
        defaults, reason = REFUSED.get(name, ((value,), ""))
        if value not in defaults:
            raise BuildFailed(f"--{name}{'=' * bool(value)}{value}: {reason}; that needs a container engine")
    return [f"--{name} is skipped: {SKIPPED[name]}" for name in dict(flags) if name in SKIPPED]


def changed_mode(mode: int, wanted: str) -> int:
    """The mode of a file after `--chmod`, which is octal or as `u=rwX,go-w`; raises `BuildFailed`."""
    if OCTAL.fullmatch(wanted):
        return int(wanted, 8)
    for clause in wanted.split(","):
        found = CLAUSE.fullmatch(clause)
        if found is None:
            raise BuildFailed(f"invalid chmod parameter: '{wanted}'. it should be octal string and between 0 and 07777")
        mode = _after(mode, found[1] or "a", found[2], found[3])
    return mode


def _after(mode: int, who: str, operator: str, letters: str) -> int:
    anybody_may_execute = mode & BITS["x"] != 0
    mask = bits = 0
    for one in who:
        mask |= WHO[one]
    for letter in letters:
        bits |= BITS.get(letter, BITS["x"] if anybody_may_execute else 0)
    if operator == "-":
        return mode & ~(bits & mask)
    return (mode & ~mask if operator == "=" else mode) | (bits & mask)
