"""The commands that a build runs, each with what is known of the image when its turn comes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace

from spaceops.image import Image, Line, is_root
from spaceops.image.accounts import Accounts
from spaceops.shell import UNKNOWN, Command, commands
from spaceops.wrappers import given_to_shell, innermost

_ADDING_SOURCES = frozenset({"add-apt-repository", "apt-add-repository", "extrepo", "dpkg", "apt-key"})
# Commands that bring no program but those that they are asked for by the name of a package.
_NAMES = """
[ [[ : addgroup adduser apk apt apt-get cat cd chmod chown command corepack date dnf echo env exit export false
fc-cache find gem getent git grep groupadd groupdel groupmod gunicorn head hostname id ldconfig locale-gen ls
microdnf mkdir nginx node npm npx pip pip3 pnpm printf pwd python python3 rm rmdir sed set shopt sleep stat sudo
tail test time touch true umask uname update-ca-certificates useradd userdel usermod uvicorn which whoami yarn yum
"""
_CHARTED = frozenset(_NAMES.split())
# Commands that may bring programs, but tell apt nothing.
_FAR_FROM_APT = _CHARTED | {"cp", "mv", "ln", "tar", "unzip", "curl", "wget", "make", "cmake", "uv", "poetry", "conda"}
_WITH_VALUE = frozenset({"-o", "--option", "-t", "--target-release", "--default-release", "-c", "-a", "-X", "--root"})
# Images, beside the official ones, whose apt knows the distribution's packages and, at most, those of their maker.
_WITH_PLAIN_SOURCES = frozenset({"nvidia/cuda", "ghcr.io/astral-sh/uv"})
MANAGERS = frozenset({"apt-get", "apt", "aptitude", "apk", "dnf", "yum", "microdnf"})
_INSTALLING = frozenset({"install", "add", "reinstall"})


@dataclass(frozen=True)
class Known:
    """What is known of the image between two commands."""

    packages: frozenset[str] = frozenset()  # asked for by name until now
    has_lists: bool = False  # the lists of `apt-get update` may be there
    has_own_sources: bool = False  # apt may look elsewhere than the base image does
    is_charted: bool = True  # nothing was run or copied that may have brought programs unseen
    accounts: Accounts = field(default_factory=Accounts)  # the users
    is_read: bool = True  # every command until now is one that is known: no script that may do anything


@dataclass(frozen=True)
class Run:
    """A command of a RUN line."""

    image: Image
    line: Line
    command: Command  # without `sudo`, `env` and the like, and what `sh -c` is given
    known: Known
    user: str  # who runs it: as USER has it, or `sudo -u`
    by_sudo: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the command."""
        return self.command.words

    @property
    def name(self) -> str:
        """The program, without its folder."""
        return self.command.name

    @property
    def is_certain(self) -> bool:
        """Whether it surely runs, and the build fails where it does."""
        return self.command.decides and not self.command.nested

    @property
    def is_root(self) -> bool | None:
        """Whether root runs it; None where that is not known."""
        return is_root(self.user)

    @property
    def is_read(self) -> bool:
        """Whether it is a command that is known, and no script that may do anything."""
        return self.name in _FAR_FROM_APT or self.name in _ADDING_SOURCES

    @property
    def where(self) -> str:
        """Its place, as `Dockerfile:LINE`."""
        return self.line.where(self.command)


@dataclass(frozen=True)
class Packages:
    """What a package manager is told to do."""

    manager: str
    verb: str  # "install", "update", …
    names: tuple[str, ...]  # as written, without those that cannot be known
    options: tuple[str, ...]
    is_whole: bool = field(default=True)  # every name is known


def runs(images: Iterable[Image]) -> tuple[Run, ...]:
    """The commands of the stages that are built."""
    return _once(run for image in images for run in _runs(image))


def packages_of(command: Command) -> Packages | None:
    """What the command tells a package manager; None where it is no package manager."""
    if command.name not in MANAGERS:
        return None
    options, rest, words = list[str](), list[str](), iter(command.words[1:])
    for word in words:
        if word in _WITH_VALUE:
            options += [word, next(words, "")]
        elif word.startswith("-"):
            options.append(word)
        else:
            rest.append(word)
    verb, names = (rest[0], rest[1:]) if rest else ("", [])
    known = tuple(name for name in names if UNKNOWN not in name)
    return Packages(command.name, verb, known, tuple(options), len(known) == len(names))


def _once(found: Iterable[Run]) -> tuple[Run, ...]:
    """Each command once: a stage that others are made from is walked with each of them."""
    seen, kept = set[tuple[int, int, tuple[str, ...]]](), list[Run]()
    for run in found:
        place = (run.line.number, run.command.at, run.words)
        if place not in seen:
            seen.add(place)
            kept.append(run)
    return tuple(kept)


def _runs(image: Image) -> Iterator[Run]:
    base = image.base
    has_own = not base.is_known or ("/" in base.repository and base.repository not in _WITH_PLAIN_SOURCES)
    known = Known(has_lists=not base.is_known, has_own_sources=has_own, accounts=Accounts.of(base))
    foreign = {one.line.number: one.target for one in image.copied if one.is_foreign}
    places = {one.line.number: (one.target, *one.sources, *one.texts) for one in image.copied}
    for line in image.lines:
        if line.keyword in ("COPY", "ADD"):
            known = _after_copy(known, places.get(line.number, ()), foreign.get(line.number))
        mounts = [value for name, value in line.step.flags if name == "mount"]
        if any("/var/lib/apt" in value or "/etc" in value for value in mounts):
            known = replace(known, has_lists=True, has_own_sources=True)
        for command in line.commands:
            for run in _unwrapped(Run(image, line, command, known, line.user)):
                yield replace(run, known=known)
                known = after(run, known)


def _after_copy(known: Known, places: Collection[str], foreign: str | None) -> Known:
    if any(place in ("/", "/etc") or place.startswith("/etc/apt") for place in places):
        known = replace(known, has_own_sources=True)
    may_bring = foreign is not None and not foreign.endswith("/node_modules")  # of which none is on PATH
    if may_bring or any("/bin" in place or place == "/" for place in places):
        known = replace(known, is_charted=False)
    return known


def _unwrapped(run: Run) -> Iterator[Run]:
    """The command within `sudo`, `env` and `sh -c`."""
    inner = innermost(run.words)
    run = replace(
        run, command=replace(run.command, words=inner.words), user=inner.user or run.user, by_sudo=run.name == "sudo"
    )
    is_text, given = (given_to_shell(inner.words) if inner.words else None) or (False, ())
    if not is_text or not given:
        yield run
        return
    for one in commands(given[0], run.line.step.build_env):
        decides = one.decides and run.command.decides
        nested = one.nested or run.command.nested
        outer = replace(one, line=run.command.line, at=run.command.at, decides=decides, nested=nested)
        yield replace(run, command=outer)


def after(run: Run, known: Known) -> Known:
    """What is known when the command is done."""
    text, asked = " ".join((*run.words, *run.command.redirects)), packages_of(run.command)
    known = replace(known, accounts=known.accounts.after(run.command))
    if "/etc/apt" in text or run.name in _ADDING_SOURCES or run.name not in _FAR_FROM_APT:
        known = replace(known, has_own_sources=True)
    if not run.is_read:
        known = replace(known, is_read=False)
    if run.name not in _CHARTED:
        known = replace(known, is_charted=False, has_lists=known.has_lists or run.name not in _FAR_FROM_APT)
    if run.name == "rm" and "/var/lib/apt" in text and not run.command.nested:
        return replace(known, has_lists=False)
    if asked and asked.verb in ("update", "upgrade"):
        return replace(known, has_lists=True)
    if asked and asked.verb in _INSTALLING:
        names = frozenset(name.partition("=")[0] for name in asked.names)
        return replace(known, packages=known.packages | names, is_charted=known.is_charted and asked.is_whole)
    return known
