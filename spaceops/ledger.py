"""The ledger: releases on the branch `spaceops` of the Space's own repository, which is the lock of a deploy too.

The lock is held from the claim to the commit on main, not while a release is followed. Every write follows the commit
that was read, so that of two deployers who claim at the same time one is refused.
"""

from __future__ import annotations

import fcntl
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from spaceops import errors
from spaceops.cachefolder import cache_folder
from spaceops.records import (
    BRANCH,
    INDEX,
    LEASE,
    WRITTEN,
    Index,
    Ledger,
    Lock,
    Record,
    decoded,
    encoded,
    index_of,
    path_of,
)

if TYPE_CHECKING:
    from spaceops.hub import Hub
    from spaceops.hub.branch import Branch

TRIES = 5  # writes to the branch that others overtake, until we give up
FRESH = 30.0  # seconds that a ledger may be old when its lock is claimed, before it is looked at again


def read(repo_id: str, hub: Hub) -> Ledger:
    """The index of the releases and the lock. One request; an empty one for a Space without releases."""
    return _read(hub.branch(repo_id, BRANCH))


def passed() -> float:
    """Seconds since some moment: the machine may sleep meanwhile, which `time.monotonic` does not count."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _read(branch: Branch, passed: Callable[[], float] = passed) -> Ledger:
    read_at = passed()
    found = branch.read(INDEX)
    index = index_of(found.content, f"{branch.repo_id}: {INDEX}") if found.content is not None else Index()
    return Ledger(index, found.head, found.now, read_at)


def record_of(repo_id: str, hub: Hub, number: int) -> Record:
    """One release. Raises `NotFound`."""
    found = _record(hub.branch(repo_id, BRANCH), number)
    if found is None:
        raise errors.NotFound(f"{repo_id} has no release {number}", hint=f"spaceops releases {repo_id}")
    return found


def records(repo_id: str, hub: Hub, *, newest: int, count: int) -> list[Record]:
    """`count` releases from `newest` back, the newest first; asked for side by side, one request each."""
    return _records(hub.branch(repo_id, BRANCH), newest, count)


def _record(branch: Branch, number: int) -> Record | None:
    found = branch.read(path_of(number))
    where = f"{branch.repo_id}: {path_of(number)}"
    return None if found.content is None else decoded(Record, found.content, where)


def _records(branch: Branch, newest: int, count: int) -> list[Record]:
    numbers = range(newest, max(newest - count, 0), -1)
    with ThreadPoolExecutor(8) as pool:
        return [record for record in pool.map(lambda number: _record(branch, number), numbers) if record]


def files_written(repo_id: str, hub: Hub, ledger: Ledger) -> frozenset[str]:
    """The files on main that releases have written, which a mirror may remove. One request, none without releases."""
    if ledger.head is None or not ledger.index.last:  # a branch that was only begun holds what main held
        return frozenset()
    found = hub.branch(repo_id, BRANCH).read(WRITTEN, ledger.head)
    return frozenset(msgspec.json.decode(found.content)) if found.content else frozenset()


class Hold:
    """The lock of a Space while it is changed: `number` is the release that is being made.

    Leaving it without `finish` gives the lock back and leaves the release unfinished: the next one takes its number.
    `passed` tells how many seconds have passed since some moment, also while the machine slept.
    """

    def __init__(
        self, repo_id: str, hub: Hub, ledger: Ledger, by: str, *, passed: Callable[[], float] = passed
    ) -> None:
        self._branch, self._ledger, self._by, self._passed = hub.branch(repo_id, BRANCH), ledger, by, passed
        self.id = secrets.token_hex(8)
        self._asked = self._has = False  # whether we asked for the lock, and whether we were answered
        self.number = ledger.index.next
        self.taken_from = ledger.index.lock  # whose lock it was

    @property
    def now(self) -> datetime:
        """The server's time, from when the ledger was read and how long ago that is."""
        read_at = self._passed() if self._ledger.read_at is None else self._ledger.read_at
        return self._ledger.now + timedelta(seconds=self._passed() - read_at)

    def check(self) -> None:
        """Raise what `claim` would raise, as far as one can tell before."""
        if self._ledger.read_at is None or self._passed() - self._ledger.read_at > FRESH:
            self._look_again()
        lock = self._ledger.index.lock
        if lock and not lock.is_over(self.now) and not _is_dead(lock.id):
            raise errors.Locked(self._branch.repo_id, by=lock.by, since=lock.since, until=lock.until)

    def claim(
        self, record: Record, *, start: str | None = None, files: Collection[str] | None = None, **changes: Any
    ) -> None:
        """Take the lock for the release `record`, and say what it is about to do; `changes` are of the index.

        `files` are those that releases have written and that this one may write (None: they stay as they are). The
        branch begins at the commit `start` (None: main's head). Raises `Locked` while somebody else holds it, and
        `PlanStale` when there was a release since the plan.
        """
        if files is None and not self._ledger.index.last:
            files = ()  # on a branch that was only begun, the list is a file of main's
        for _ in range(TRIES):
            self.check()
            if self._ledger.head is None:
                self._begin(start)
            if self._ledger.head is None:  # a claim that follows no commit would take the lock from whoever has it
                said = f"the Hub does not tell at which commit the branch {BRANCH} is"
                raise errors.HubError(f"{self._branch.repo_id}: {said}, so it cannot be the lock", hint="Try again.")
            index = replace(self._ledger.index, last=self.number, outcome="deploying", lock=self._lock(), **changes)
            written = {INDEX: encoded(index), record.path: encoded(record)} | _listed(files)
            self._asked = True
            try:
                head = self._branch.write(written, f"Release {self.number}: claimed by {self._by}", self._ledger.head)
            except errors.Conflict:
                self._asked = False
                self._look_again()
            else:
                self._ledger, self._has = self._at(index, head), True
                _forget(self.taken_from)
                return
        raise _never_still(self._branch)

    def keep(self) -> None:
        """Before a change: make sure that the lock is still ours, and renew it when half its lease is over.

        Raises `PlanStale` when it was taken over.
        """
        lock = self._ledger.index.lock
        if lock and datetime.fromisoformat(lock.until) - self.now < LEASE / 2:
            self._write({}, {"lock": self._lock()}, f"Release {self.number}: lease renewed")

    def forget_evidence(self) -> None:
        """Before everybody can read the branch: take the lines of logs out of all releases, and out of its history."""
        last = self._ledger.index.last
        found = [record for record in _records(self._branch, last, last) if record.evidence]
        self._write({one.path: encoded(replace(one, evidence=())) for one in found}, {}, "Log lines removed")
        try:
            self._branch.squash(f"Release {self.number}: made public")
        except errors.HubError as error:
            said = f"{self._branch.repo_id} stays as it is: the history of its branch {BRANCH} may hold lines of logs"
            hint = f"Delete the branch {BRANCH} (all releases are then forgotten), and deploy again."
            raise errors.HubError(f"{said}, and {error.message}", hint=hint, status=error.status) from error
        self._ledger = self._reread()

    def finish(self, record: Record, files: Collection[str] | None = None, **changes: Any) -> None:
        """Write the applied release, change the index, give the lock back; `files` are those that releases wrote."""
        written = {record.path: encoded(record)} | _listed(files)
        changes = {"last": record.number, "outcome": record.outcome, "lock": None} | changes
        self._write(written, changes, f"Release {record.number}: {record.outcome}")
        self._asked = False

    def leave(self) -> bool:
        """Give the lock back without a result, as far as the Hub can be reached; whether it is surely not ours."""
        if not self._asked:
            return True
        try:
            if not self._has:  # the claim was not answered: it may have taken effect
                self._ledger = self._reread()
            self._write({}, {"lock": None}, f"Release {self.number}: interrupted")
        except errors.PlanStale:  # it is another's by now, or was never ours
            return True
        except errors.SpaceopsError:
            return False
        return True

    def _begin(self, start: str | None) -> None:
        """Make the branch; one that is there by now serves as well, if nobody has written a release to it."""
        try:
            self._branch.make(start)
        except errors.Conflict:
            start = None
        if start is None:
            self._look_again()
        else:
            self._ledger = self._at(self._ledger.index, start)

    def _lock(self) -> Lock:
        now = self.now
        return Lock(id=self.id, by=self._by, since=now.isoformat(), until=(now + LEASE).isoformat())

    def _at(self, index: Index, head: str) -> Ledger:
        return Ledger(index, head, self.now, self._passed())

    def _write(self, files: Mapping[str, bytes], changes: Mapping[str, Any], message: str) -> None:
        """Write while the lock is ours; what others wrote meanwhile (an outcome of an older release) stays."""
        for _ in range(TRIES):
            index = replace(self._ledger.index, **changes)
            try:
                head = self._branch.write({**files, INDEX: encoded(index)}, message, self._ledger.head)
            except errors.Conflict:
                self._ledger = self._reread()
            else:
                self._ledger = self._at(index, head)
                return
        raise _never_still(self._branch)

    def _look_again(self) -> None:
        """Take the ledger as it is now, for one in which nothing happened since the plan but an outcome.

        Raises `Locked` when somebody holds the lock by now, `PlanStale` when there was another release.
        """
        found, index = _read(self._branch, self._passed), self._ledger.index
        lock = found.index.lock
        if found.head != self._ledger.head and not _is_same(index, found.index):
            if lock and lock != index.lock:
                raise errors.Locked(self._branch.repo_id, by=lock.by, since=lock.since, until=lock.until)
            said = "there was another release since the plan was made"
            raise errors.PlanStale(f"{self._branch.repo_id}: {said}", hint="Plan again and look.")
        self._ledger = found

    def _reread(self) -> Ledger:
        found = _read(self._branch, self._passed)
        lock = found.index.lock
        if lock is None or lock.id != self.id:
            said = f"the lock of release {self.number} was taken over" + (f" by {lock.by}" if lock else "")
            raise errors.PlanStale(f"{self._branch.repo_id}: {said}", hint="Plan again and look.")
        return found


def _is_same(planned: Index, found: Index) -> bool:
    """Whether there was no release in between: the outcome of the last one may have become known."""
    came_out = planned.outcome == found.outcome or (planned.outcome != "deploying" != found.outcome)
    return came_out and replace(planned, outcome=found.outcome, good=found.good) == found


def _never_still(branch: Branch) -> errors.Conflict:
    return errors.Conflict(f"{branch.repo_id}: the branch {BRANCH} changes all the time", hint="Try again.")


def _listed(files: Collection[str] | None) -> dict[str, bytes]:
    return {} if files is None else {WRITTEN: msgspec.json.encode(sorted(files)) + b"\n"}


@contextmanager
def held(hold: Hold) -> Iterator[Hold]:
    """Give the lock back whatever happens, if it was claimed; meanwhile a file of ours says that we live.

    That file stays when the lock may still be ours on the Hub, so that another process here takes it over at once.
    """
    with _alive(hold.id) as sign:
        try:
            yield hold
        finally:
            if hold.leave():
                with suppress(OSError):
                    sign.unlink(missing_ok=True)


def conclude(repo_id: str, hub: Hub, record: Record) -> None:
    """Write how an applied release came out; a newer release that was begun meanwhile goes on undisturbed."""
    branch = hub.branch(repo_id, BRANCH)
    for _ in range(TRIES):
        found = _read(branch)
        index = found.index
        if index.last < record.number:  # the branch was deleted meanwhile, and perhaps begun anew
            return
        if index.last == record.number:
            index = replace(index, outcome=record.outcome)
        if record.outcome == "running":
            index = replace(index, good=max(index.good or 0, record.number))
        files = {record.path: encoded(record), INDEX: encoded(index)}
        with suppress(errors.Conflict):
            branch.write(files, f"Release {record.number}: {record.outcome}", found.head)
            return
    raise _never_still(branch)


@contextmanager
def _alive(lock_id: str) -> Iterator[Path]:
    """A file that stays locked as long as this process lives, so that another one here sees at once when it died.

    Where none can be written, others wait for the end of the lease.
    """
    path = _sign(lock_id)
    with ExitStack() as stack:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = stack.enter_context(path.open("w"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.write(gethostname())  # a home folder may be on other machines too
            file.flush()
        yield path


def _is_dead(lock_id: str) -> bool:
    """Whether the lock was taken on this machine by a process that is gone; False where nothing tells."""
    try:
        with _sign(lock_id).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return file.read() == gethostname()
    except (OSError, ValueError):  # not of this machine, or its holder lives
        return False


def _forget(lock: Lock | None) -> None:
    if lock:
        with suppress(OSError):
            _sign(lock.id).unlink(missing_ok=True)


def _sign(lock_id: str) -> Path:
    return cache_folder() / "locks" / Path(lock_id).name
