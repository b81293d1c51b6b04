"""The ledger: releases on the branch `spaceops` of the Space's own repository, which is the lock of a deploy too.

The lock is held from the claim to the commit on main, not while a release is followed. Every write follows the commit
that was read, so that of two deployers who claim at the same time one is refused.
"""

from __future__ import annotations

import fcntl
import secrets
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import IO, TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from spaceops import errors
from spaceops.cachefolder import cache_folder
from spaceops.records import BRANCH, INDEX, LEASE, WRITTEN, Index, Ledger, Lock, Record, decoded, encoded, path_of

if TYPE_CHECKING:
    from spaceops.hub import Hub
    from spaceops.hub.branch import Branch

TRIES = 5  # writes to the branch that others overtake, until we give up


def read(repo_id: str, hub: Hub) -> Ledger:
    """The index of the releases and the lock. One request; an empty one for a Space without releases."""
    return _read(hub.branch(repo_id, BRANCH))


def _read(branch: Branch) -> Ledger:
    found = branch.read(INDEX)
    index = decoded(Index, found.content, f"{branch.repo_id}: {INDEX}") if found.content is not None else Index()
    return Ledger(index, found.head, found.now)


def record_of(repo_id: str, hub: Hub, number: int) -> Record:
    """One release. Raises `NotFound`."""
    found = hub.branch(repo_id, BRANCH).read(path_of(number))
    if found.content is None:
        hint = f"spaceops releases {repo_id}"
        raise errors.NotFound(f"{repo_id} has no release {number}", hint=hint)
    return decoded(Record, found.content, f"{repo_id}: {path_of(number)}")


def records(repo_id: str, hub: Hub, *, newest: int, count: int) -> list[Record]:
    """`count` releases from `newest` back, the newest first; asked for side by side, one request each."""

    def find(number: int) -> Record | None:
        with suppress(errors.NotFound):
            return record_of(repo_id, hub, number)
        return None

    numbers = range(newest, max(newest - count, 0), -1)
    with ThreadPoolExecutor(8) as pool:
        return [record for record in pool.map(find, numbers) if record]


def files_written(repo_id: str, hub: Hub, ledger: Ledger) -> frozenset[str]:
    """The files on main that releases have written, which a mirror may remove. One request, none without releases."""
    if ledger.head is None:
        return frozenset()
    found = hub.branch(repo_id, BRANCH).read(WRITTEN, ledger.head)
    return frozenset(msgspec.json.decode(found.content)) if found.content else frozenset()


class Hold:
    """The lock of a Space while it is changed: `number` is the release that is being made.

    Leaving it without `finish` gives the lock back and leaves the release unfinished: the next one takes its number.
    """

    def __init__(self, repo_id: str, hub: Hub, ledger: Ledger, by: str) -> None:
        self._branch, self._ledger, self._by = hub.branch(repo_id, BRANCH), ledger, by
        self._id = secrets.token_hex(8)
        self._since = monotonic()
        self._finished = False
        self.number = ledger.index.next
        self.taken_from = ledger.index.lock  # whose lock it was

    @property
    def now(self) -> datetime:
        """The server's time, as far as we know it."""
        return self._ledger.now + timedelta(seconds=monotonic() - self._since)

    def claim(self, record: Record, *, start: str | None) -> None:
        """Take the lock for the release `record`; the branch begins at the commit `start` (None: main's head).

        Raises `Locked` while somebody else holds it, and `PlanStale` when there was a release since the plan.
        """
        self._refuse_if_held()
        if self._ledger.head is None:
            self._begin(start)
        index = replace(self._ledger.index, last=self.number, outcome="deploying", lock=self._lock())
        files = {INDEX: encoded(index), record.path: encoded(record)}
        try:
            head = self._branch.write(files, f"Release {self.number}: claimed by {self._by}", self._ledger.head)
        except errors.Conflict as error:
            raise self._stale() from error
        self._ledger = Ledger(index, head, self._ledger.now)
        if self.taken_from:
            with suppress(OSError):
                _sign(self.taken_from.id).unlink(missing_ok=True)

    def keep(self) -> None:
        """Before a change: make sure that the lock is still ours, and renew it when half its lease is over.

        Raises `Locked` when it was taken over.
        """
        lock = self._ledger.index.lock
        if lock and datetime.fromisoformat(lock.until) - self.now < LEASE / 2:
            self._write({}, {"lock": self._lock()}, f"Release {self.number}: lease renewed")

    def finish(self, record: Record, files: Sequence[str] | None = None, **changes: Any) -> None:
        """Write the applied release, change the index, give the lock back; `files` are those that releases wrote."""
        written = {record.path: encoded(record)}
        if files is not None:
            written[WRITTEN] = msgspec.json.encode(sorted(files)) + b"\n"
        changes = {"last": record.number, "outcome": record.outcome, "lock": None} | changes
        self._write(written, changes, f"Release {record.number}: {record.outcome}")
        self._finished = True

    def leave(self) -> None:
        """Give the lock back without a result, as far as the Hub can be reached."""
        if not self._finished and self._ledger.index.lock and self._ledger.index.lock.id == self._id:
            with suppress(errors.SpaceopsError):
                self._write({}, {"lock": None}, f"Release {self.number}: interrupted")

    def _refuse_if_held(self) -> None:
        lock = self._ledger.index.lock
        if lock and not lock.is_over(self._ledger.now) and not _is_dead(lock.id):
            raise errors.Locked(self._branch.repo_id, by=lock.by, since=lock.since, until=lock.until)

    def _begin(self, start: str | None) -> None:
        try:
            self._branch.make(start)
        except errors.Conflict as error:
            raise self._stale() from error
        head = start or self._branch.read(INDEX).head
        self._ledger = Ledger(self._ledger.index, head, self._ledger.now)

    def _lock(self) -> Lock:
        now = self.now
        return Lock(id=self._id, by=self._by, since=now.isoformat(), until=(now + LEASE).isoformat())

    def _write(self, files: Mapping[str, bytes], changes: Mapping[str, Any], message: str) -> None:
        """Write while the lock is ours; what others wrote meanwhile (an outcome of an older release) stays."""
        for _ in range(TRIES):
            index = replace(self._ledger.index, **changes)
            try:
                head = self._branch.write({**files, INDEX: encoded(index)}, message, self._ledger.head)
            except errors.Conflict:
                self._ledger = self._reread()
            else:
                self._ledger = Ledger(index, head, self._ledger.now)
                return
        raise errors.Conflict(f"{self._branch.repo_id}: the branch {BRANCH} changes all the time", hint="Try again.")

    def _reread(self) -> Ledger:
        found = _read(self._branch)
        lock = found.index.lock
        if lock is None or lock.id != self._id:
            said = f"the lock of release {self.number} was taken over" + (f" by {lock.by}" if lock else "")
            raise errors.PlanStale(f"{self._branch.repo_id}: {said}", hint="Plan again and look.")
        return Ledger(found.index, found.head, self._ledger.now)

    def _stale(self) -> errors.SpaceopsError:
        lock = _read(self._branch).index.lock
        if lock:
            return errors.Locked(self._branch.repo_id, by=lock.by, since=lock.since, until=lock.until)
        said = "there was another release since the plan was made"
        return errors.PlanStale(f"{self._branch.repo_id}: {said}", hint="Plan again and look.")


@contextmanager
def held(repo_id: str, hub: Hub, ledger: Ledger, record: Record, *, start: str | None) -> Iterator[Hold]:
    """The lock, claimed for `record` and given back whatever happens; while it is held, a file of ours says we live."""
    hold = Hold(repo_id, hub, ledger, record.by)
    with _alive(hold._id):
        try:
            hold.claim(record, start=start)
            yield hold
        finally:
            hold.leave()


def conclude(repo_id: str, hub: Hub, record: Record) -> None:
    """Write how an applied release came out; a newer release that was begun meanwhile goes on undisturbed."""
    branch = hub.branch(repo_id, BRANCH)
    for _ in range(TRIES):
        found = _read(branch)
        index = found.index
        if index.last == record.number:
            index = replace(index, outcome=record.outcome)
        if record.outcome == "running":
            index = replace(index, good=max(index.good or 0, record.number))
        files = {record.path: encoded(record), INDEX: encoded(index)}
        with suppress(errors.Conflict):
            branch.write(files, f"Release {record.number}: {record.outcome}", found.head)
            return


@contextmanager
def _alive(lock_id: str) -> Iterator[None]:
    """A file that stays locked as long as this process lives, so that another one here sees at once when it died.

    Where none can be written, others wait for the end of the lease.
    """
    with ExitStack() as stack:
        with suppress(OSError):
            path = _sign(lock_id)
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = stack.enter_context(path.open("w"))
            stack.callback(path.unlink, missing_ok=True)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _is_dead(lock_id: str) -> bool:
    """Whether the lock was taken on this machine by a process that is gone; False where nothing tells."""
    try:
        file: IO[bytes]
        with _sign(lock_id).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # not of this machine, or its holder lives
        return False
    return True


def _sign(lock_id: str) -> Path:
    return cache_folder() / "locks" / Path(lock_id).name
