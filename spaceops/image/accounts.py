"""The users of an image: those that its base brings, and those that the commands of its build make."""

from __future__ import annotations

import getopt
from collections.abc import Mapping
from dataclasses import dataclass, field

from spaceops.image.bases import Base
from spaceops.shell import UNKNOWN, Command

ADDING = frozenset({"useradd", "adduser"})
REMOVING = frozenset({"userdel", "deluser"})
CHANGING = frozenset({"usermod", "groupmod", "groupdel", "delgroup"})
# Users that every image of the distribution has.
_EVERYWHERE = frozenset({"root", "daemon", "bin", "mail", "nobody"})
_ON_DEBIAN = _EVERYWHERE | {"sys", "sync", "games", "man", "lp", "news", "uucp", "proxy", "www-data", "backup", "list"}
_ON_DEBIAN |= {"irc", "gnats", "_apt"}
_ON_ALPINE = _EVERYWHERE | {"adm", "lp", "sync", "shutdown", "halt", "news", "uucp", "operator", "man", "postmaster"}
_ON_ALPINE |= {"cron", "ftp", "sshd", "at", "squid", "xfs", "games", "postgres", "ntp", "smmsp", "guest", "www-data"}
# Images that have no users but those of their distribution and those from 1000 on.
_PLAIN = frozenset(
    ("python", "node", "debian", "ubuntu", "alpine", "golang", "rust", "ruby", "perl", "eclipse-temurin", "maven",
     "nvidia/cuda", "ghcr.io/astral-sh/uv")
)  # fmt: skip
_USERADD = (
    "b:c:d:De:f:g:G:hk:K:lmMNop:rs:u:U",
    "base-dir= comment= home-dir= home= defaults expiredate= inactive= gid= groups= skel= key= no-log-init create-home "
    "no-create-home no-user-group non-unique password= system shell= uid= user-group badname",
)
_ADDUSER = (
    "u:h:g:s:G:SDHk:q",
    "uid= home= gecos= comment= shell= ingroup= gid= firstuid= lastuid= system group disabled-password disabled-login "
    "no-create-home quiet allow-bad-names allow-badname force-badname allow-all-names conf= debug add-extra-groups",
)
_FIRST = 1000  # the first number of a user that is no service


@dataclass(frozen=True)
class Account:
    """A user."""

    name: str
    uid: int | None  # None: not known
    home: str
    has_home: bool | None  # whether the folder was made; None: not known
    is_doubled: bool = False  # it was asked for although another user has the number
    is_service: bool = False


@dataclass(frozen=True)
class Accounts:
    """The users of an image at one line of its Dockerfile."""

    users: Mapping[str, Account] = field(default_factory=dict)
    services: frozenset[str] = frozenset()  # users of the distribution
    is_whole: bool = False  # there are surely no others

    @classmethod
    def of(cls, base: Base) -> Accounts:
        """Those of a base image."""
        if base.uids is None or base.distribution not in ("debian", "ubuntu", "alpine"):
            return cls()
        services = _ON_ALPINE if base.distribution == "alpine" else _ON_DEBIAN
        users = {name: Account(name, uid, f"/home/{name}", True) for uid, name in base.uids.items()}
        return cls(users, services, is_whole=base.repository in _PLAIN)

    def by_uid(self, uid: int) -> Account | None:
        """The user with a number."""
        return next((account for account in self.users.values() if account.uid == uid), None)

    def named(self, user: str) -> Account | None:
        """The user that USER or chown names, by its name or number."""
        return self.by_uid(int(user)) if user.isdecimal() else self.users.get(user)

    def has(self, user: str) -> bool | None:
        """Whether there is such a user; None where that is not known."""
        if user.isdecimal() or user in self.services or user in self.users:
            return True
        return False if self.is_whole else None

    def after(self, command: Command) -> Accounts:
        """Those that are there when the command is done."""
        if command.name in ADDING and (made := self.added(command)):
            return Accounts({**self.users, made.name: made}, self.services, self.is_whole)
        if command.name in REMOVING and len(command.words) > 1:
            left = {name: one for name, one in self.users.items() if name not in command.words[1:]}
            return Accounts(left, self.services, self.is_whole and UNKNOWN not in "".join(command.words))
        touches_list = any("/etc/passwd" in text for text in (*command.words, *command.redirects))
        if command.name in CHANGING | ADDING | REMOVING or touches_list:
            return Accounts({}, self.services, is_whole=False)
        return self

    def added(self, command: Command) -> Account | None:
        """The user that `useradd` or `adduser` makes; None where the words do not tell."""
        read = _useradd(command) if command.name == "useradd" else _adduser(command)
        if read is None or UNKNOWN in read.name:
            return None
        if read.uid is not None or read.is_service or "".join(command.words).count(UNKNOWN):
            return read
        taken = {account.uid for account in self.users.values()}
        uid = next(number for number in range(_FIRST, _FIRST + len(taken) + 1) if number not in taken)
        return Account(read.name, uid if self.is_whole else None, read.home, read.has_home)


def _options(command: Command, form: tuple[str, str]) -> tuple[dict[str, str], list[str]] | None:
    try:
        options, rest = getopt.gnu_getopt(list(command.words[1:]), form[0], form[1].split())
    except getopt.GetoptError:
        return None
    return dict(options), rest


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() and len(text) < 10 else None


def _useradd(command: Command) -> Account | None:
    read = _options(command, _USERADD)
    if read is None or len(read[1]) != 1:
        return None
    options, (name,) = read
    uid = _number(options.get("-u", options.get("--uid")))
    home = options.get("-d", options.get("--home-dir", options.get("--home", f"/home/{name}")))
    has_home = "-m" in options or "--create-home" in options
    is_service = "-r" in options or "--system" in options
    return Account(name, uid, home, has_home, "-o" in options or "--non-unique" in options, is_service)


def _adduser(command: Command) -> Account | None:
    read = _options(command, _ADDUSER)
    if read is None or len(read[1]) != 1:
        return None
    options, (name,) = read
    uid = _number(options.get("-u", options.get("--uid")))
    home = options.get("-h", options.get("--home", f"/home/{name}"))
    is_service = "-S" in options or "--system" in options
    has_home = False if "-H" in options or "--no-create-home" in options else None if is_service else True
    return Account(name, uid, home, has_home, is_service=is_service)
