"""Who owns which folder of an image, line by line: a small model of what WORKDIR, COPY, mkdir, chown and chmod do.

BuildKit makes a missing WORKDIR for the USER of that line, and COPY gives a folder that it makes to `--chown` or root;
a folder that is there keeps its owner. What is not certain is None, and of it nothing is concluded.
"""

from __future__ import annotations

import posixpath
import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import nsmallest
from itertools import chain

from spaceops.image import Copied, Image, Line, tree_of
from spaceops.image.accounts import Accounts
from spaceops.image.bases import Base
from spaceops.image.runs import Run
from spaceops.shell import UNKNOWN, Command

_PLAIN_BASES = frozenset({"python", "node", "debian", "ubuntu", "alpine"})  # whose folders are those of the system
_SYSTEM = ("/usr", "/etc", "/var", "/lib", "/bin", "/sbin", "/run", "/dev", "/proc", "/sys")
_ROOTS = ("/", "/home", "/root", "/opt", "/srv", "/mnt", "/media", *_SYSTEM[:6], "/run")
_OPEN = ("/tmp", "/var/tmp", "/dev/shm", "/run/lock")  # noqa: S108  (folders of the image, not of this machine)
_MOST = 2_000  # files and folders of one COPY
_OPTIONS_WITH_VALUE = {"-m", "--mode", "-o", "--owner", "-g", "--group", "-t", "--target-directory", "-s", "--suffix"}


@dataclass(frozen=True)
class Place:
    """A folder: its owner, and whether everybody may write into it. None: not known."""

    owner: str | None
    is_open: bool | None = False


_NOT_KNOWN = Place(None, None)


@dataclass(frozen=True)
class Owners:
    """The folders of an image at one place of its Dockerfile."""

    accounts: Accounts
    places: Mapping[str, Place] = field(default_factory=dict)
    user: str = "root"
    folder: str = "/"  # the working directory, within a RUN line after its `cd`

    @classmethod
    def of(cls, base: Base) -> Owners:
        """Those of a base image."""
        accounts = Accounts.of(base)
        if base.repository not in _PLAIN_BASES or not accounts.is_whole:
            return cls(accounts, {"/": _NOT_KNOWN, **dict.fromkeys(_OPEN, Place("root", True))})
        homes = {account.home: Place(name) for name, account in accounts.users.items()}
        return cls(accounts, dict.fromkeys(_ROOTS, Place("root")) | dict.fromkeys(_OPEN, Place("root", True)) | homes)

    def path(self, word: str) -> str | None:
        """A path as an absolute one; None where it cannot be known."""
        path = posixpath.normpath(posixpath.join(self.folder, word))
        return None if UNKNOWN in path or not path.startswith("/") or re.search(r"[*?\[{~]", word) else path

    def nearest(self, path: str) -> str:
        """The folder, or the innermost of those around it that is there."""
        while path not in self.places and path != "/":
            path = posixpath.dirname(path)
        return path

    def may_write(self, path: str, user: str) -> bool | None:
        """Whether a user may make something at the path, or, where it is a folder, in it; None where not known."""
        nearest = self.nearest(path)
        place = self.places.get(nearest, _NOT_KNOWN)
        if user in ("root", "0") or place.is_open:
            return True
        if place.owner is None or UNKNOWN in user or (nearest != path and _is_of_system(path)):
            return None
        owner, actor = self.uid(place.owner), self.uid(user)
        if self.canonical(place.owner) == self.canonical(user) or (owner is not None and owner == actor):
            return True
        return None if place.is_open is None or owner is None or actor is None else False

    def canonical(self, user: str) -> str:
        """A user by its name, where it has one."""
        account = self.accounts.named(user.partition(":")[0])
        return account.name if account else "root" if user == "0" else user.partition(":")[0]

    def uid(self, user: str) -> str | None:
        """What tells a user from another: its number, or for want of one its name; None where it may be anyone."""
        name = user.partition(":")[0]
        account = self.accounts.named(name)
        if account is not None:
            return str(account.uid) if account.uid is not None else account.name
        if name.isdecimal():
            return name if self.accounts.is_whole else None
        return "0" if name == "root" else name if name in self.accounts.services else None

    def made(self, path: str, owner: str | None, is_open: bool | None = False) -> Owners:
        """With the folder and what is missing above it; one that is there stays as it is."""
        if path in self.places:
            return self
        new, places = path, dict(self.places)
        while new not in self.places:
            is_sure = owner == "root" or not _is_of_system(new)
            places[new] = Place(owner if is_sure else None, is_open if new == path else False)
            new = posixpath.dirname(new)
        return replace(self, places=places)

    def changed(self, path: str, place: Place, *, deep: bool) -> Owners:
        """With another owner or mode of a folder, and of all in it if it is deep. A field None keeps what is known."""
        places = self.made(path, self.places[self.nearest(path)].owner).places
        inside = path.rstrip("/") + "/"
        return replace(
            self,
            places={at: place if at == path or (deep and at.startswith(inside)) else one for at, one in places.items()},
        )


def _is_of_system(path: str) -> bool:
    return f"{path}/".startswith(tuple(f"{folder}/" for folder in _SYSTEM))


def walk(image: Image, runs: Iterable[Run]) -> Iterator[tuple[Line, Run | None, Owners]]:
    """Each line, and each command of a RUN, with what holds before it; at the end what holds in the image."""
    of_line: dict[int, list[Run]] = {}
    for run in runs:
        of_line.setdefault(run.line.number, []).append(run)
    copied = {one.line.number: one for one in image.copied}
    tree = (tree_of(image.in_context).keys(), image.in_context) if copied else ()
    owners = Owners.of(image.base)
    for line in image.lines:
        owners = replace(owners, user=line.user, folder=line.workdir)
        if line.keyword != "RUN":
            yield line, None, owners
            owners = _after_line(owners, line, copied.get(line.number), tree)
        for run in of_line.get(line.number, ()) if line.keyword == "RUN" else ():
            yield line, run, owners
            owners = _after_run(owners, run)
    if image.lines:
        yield image.lines[-1], None, replace(owners, user=image.user, folder=image.workdir)


def in_image(image: Image, runs: Iterable[Run]) -> Owners:
    """The folders of the image that runs."""
    last = deque(walk(image, runs), maxlen=1)
    return last[0][2] if last else Owners.of(image.base)


def _after_line(owners: Owners, line: Line, copied: Copied | None, tree: Sequence[Collection[str]]) -> Owners:
    if line.keyword == "WORKDIR":
        path = owners.path(line.step.args[0] or "/")
        return owners.made(path, None if UNKNOWN in line.user else line.user) if path else owners
    if copied is None or UNKNOWN in copied.target:
        return owners
    owner = None if UNKNOWN in copied.owner else owners.canonical(copied.owner)
    mode = line.step.flag("chmod")
    is_open = (None if copied.is_foreign else False) if mode is None else _opens(mode)
    for target, source in copied.sources.items():
        owners = _with_copy(owners, target, source, Place(owner, is_open), tree)
    may_change = line.keyword == "ADD" or line.step.flag("link") is not None or owner is None
    if copied.is_foreign:
        owners = _with_what_is_unseen(owners, copied.target, Place(owner, is_open))
    return owners.changed(copied.target, _NOT_KNOWN, deep=False) if may_change else owners


def _with_copy(owners: Owners, target: str, source: str, place: Place, tree: Sequence[Collection[str]]) -> Owners:
    """With a file or folder of the Space: a folder that is there keeps its owner, what is below it gets the new one."""
    inside = f"{source}/" if source else ""
    paths = (path for path in chain(*tree) if path and path.startswith(inside) and path != source)
    below = nsmallest(_MOST, paths, key=lambda path: (path.count("/"), path))  # not sorted whole: there may be many
    owners = owners.made(target if below else posixpath.dirname(target), place.owner, place.is_open)
    added = {posixpath.join(target, path[len(inside) :]): place for path in below} if below else {target: place}
    return replace(owners, places={**owners.places, **added})


def _with_what_is_unseen(owners: Owners, target: str, place: Place) -> Owners:
    """With a copy of which only the target is known: what lies below it may have been replaced."""
    inside = target.rstrip("/") + "/"
    kept = {at: _NOT_KNOWN if at.startswith(inside) and at not in _OPEN else one for at, one in owners.places.items()}
    return replace(owners, places=kept).made(target, place.owner, place.is_open)


def _after_run(owners: Owners, run: Run) -> Owners:
    actor = run.user
    effect = _EFFECTS.get(run.name)
    owners = replace(owners, accounts=owners.accounts.after(run.command))
    if effect is not None:
        return effect(owners, run.command, actor)
    if run.name in ("useradd", "adduser"):
        return _with_home(owners, run.command)
    if not run.is_read:
        return replace(
            owners, places=dict.fromkeys(owners.places, _NOT_KNOWN) | dict.fromkeys(_OPEN, Place("root", True))
        )
    return owners


def _with_home(owners: Owners, command: Command) -> Owners:
    made = owners.accounts.added(command)
    if made is None or made.has_home is False:
        return owners
    home = made.home if made.has_home else ""
    known = owners.made(posixpath.dirname(home), "root") if home.startswith("/") else owners
    return known.made(home, made.name) if home.startswith("/") else owners


def targets(command: Command) -> list[str]:
    """The words that are no options."""
    found, words = list[str](), iter(command.words[1:])
    for word in words:
        if word in _OPTIONS_WITH_VALUE:
            next(words, None)
        elif not word.startswith("-") or word == "-":
            found.append(word)
    return found


def _is_deep(command: Command) -> bool:
    return any(re.fullmatch(r"-[A-Za-z]*R[A-Za-z]*|--recursive", word) for word in command.words)


def _mkdir(owners: Owners, command: Command, actor: str) -> Owners:
    mode = command.value_of("-m", "--mode")
    for path in filter(None, map(owners.path, targets(command))):
        is_open = False if mode is None else _opens(mode)
        owners = owners.made(path, None if UNKNOWN in actor or command.nested else actor, is_open)
    return owners


def _chown(owners: Owners, command: Command, _actor: str) -> Owners:
    spec, *words = targets(command) or [UNKNOWN]
    name = re.split(r"[:.]", spec)[0]
    is_known = bool(name) and UNKNOWN not in spec and not command.nested and not command.has("--from", "--reference")
    return _on_each(owners, words, Place(owners.canonical(name)) if is_known else _NOT_KNOWN, _is_deep(command))


def _on_each(owners: Owners, words: Iterable[str], place: Place, deep: bool) -> Owners:
    """With the owner or mode of what the words name; of a pattern all that is below its folder is no longer known."""
    for word in words:
        path = owners.path(word)
        if path is not None:
            is_open = owners.places[owners.nearest(path)].is_open if place.is_open is False else place.is_open
            owners = owners.changed(path, Place(place.owner, is_open), deep=deep)
        else:
            around = owners.path(re.split(r"[*?\[{~\0]", word)[0] or "/") or "/"
            inside = around.rstrip("/") + "/"
            unsure = {at: _NOT_KNOWN if at.startswith(inside) else one for at, one in owners.places.items()}
            owners = replace(owners, places=unsure | dict.fromkeys(_OPEN, Place("root", True)))
    return owners


def _chmod(owners: Owners, command: Command, _actor: str) -> Owners:
    mode, *words = targets(command) or [UNKNOWN]
    is_open = None if command.nested else _opens(mode)
    if is_open is False:
        return owners
    for word in words:
        path = owners.path(word)
        if path is None:
            owners = _on_each(owners, [word], _NOT_KNOWN, True)
            continue
        owner = owners.places[owners.nearest(path)].owner
        owners = owners.changed(path, Place(owner, is_open), deep=_is_deep(command))
    return owners


def _opens(mode: str) -> bool | None:
    """Whether a mode lets everybody write; None where it lets the group, or cannot be known."""
    if re.fullmatch(r"[0-7]{3,5}", mode):
        number = int(mode, 8)
        return True if number & 2 else None if number & 16 else False
    if not re.fullmatch(r"[ugoarwxXst,+=-]+", mode):
        return None
    givers = [part for part in mode.split(",") if re.search(r"[+=][a-z]*w", part) or "=" in part]
    if any(re.match(r"[ug]*[oa]", part) and re.search(r"[+=][a-z]*w", part) for part in givers):
        return True
    return None if any("g" in part for part in givers) else False


def _unsure(owners: Owners, command: Command, _actor: str) -> Owners:
    """Whatever stands at the places that the command names."""
    return _on_each(owners, targets(command), _NOT_KNOWN, True)


def _rm(owners: Owners, command: Command, _actor: str) -> Owners:
    for path in filter(None, map(owners.path, targets(command))):
        inside = path.rstrip("/") + "/"
        gone = {at for at in owners.places if (at == path or at.startswith(inside)) and at not in (*_ROOTS, *_OPEN)}
        kept = {at: _NOT_KNOWN if at in gone and command.nested else one for at, one in owners.places.items()}
        owners = replace(owners, places={at: one for at, one in kept.items() if at not in gone or command.nested})
    return owners


def _cd(owners: Owners, command: Command, _actor: str) -> Owners:
    path = owners.path(command.words[1]) if len(command.words) > 1 and not command.nested else None
    return replace(owners, folder=path or UNKNOWN)


_EFFECTS = {
    "mkdir": _mkdir,
    "chown": _chown,
    "chmod": _chmod,
    "rm": _rm,
    "cd": _cd,
    **dict.fromkeys(("chgrp", "setfacl", "install", "cp", "mv", "ln", "tar", "unzip", "rsync", "git"), _unsure),
}
