"""Faults on demand: what a test asks to go wrong, where, how often. Who meets one asks here whether it is to happen."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from spaceops.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Kind = Literal[
    "status",  # the request is answered with `status`
    "slow",  # the request is answered after `seconds`
    "reset",  # the connection is reset instead of an answer
    "log-cut",  # a stream of log lines ends after `events` of them
    "stuck-building",  # a build never begins, and the stage stays BUILDING
    "build-hangs",  # a build begins and never ends
    "old-sha",  # a pushed commit is built and started, but the one before goes on serving
    "no-capacity",  # there is no such hardware at the moment
]
KINDS: tuple[str, ...] = get_args(Kind)
OF_REQUESTS: tuple[Kind, ...] = ("status", "slow", "reset")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that goes wrong: for requests to `path` (a pattern with `*`), or for the Space `repo_id`."""

    kind: Kind
    method: str | None = None
    path: str = "*"
    repo_id: str | None = None
    times: int | None = None  # how often; None: until it is cleared
    probability: float = 1.0
    status: int = 503
    seconds: float = 1.0
    events: int = 0
    retry_after: int | None = None  # seconds, told in Retry-After
    lose_answer: bool = False  # the request takes effect first, and the fault befalls its answer
    id: int = 0

    def __post_init__(self) -> None:
        wrong = {
            f"There is no fault {self.kind!r}": self.kind not in KINDS,
            "probability goes from 0 to 1": not 0 <= self.probability <= 1,
            "times must be 1 or more": self.times is not None and self.times < 1,
            "status must be from 400 to 599": not 400 <= self.status <= 599,
            "seconds and events cannot be negative": self.seconds < 0 or self.events < 0,
        }
        if message := next((message for message, holds in wrong.items() if holds), None):
            raise BadInput(message, hint=f"The kinds are {', '.join(KINDS)}.")

    def as_dict(self) -> dict[str, Any]:
        """The fault as data."""
        return {one.name: getattr(self, one.name) for one in fields(Fault)}


@dataclass(frozen=True, kw_only=True)
class Added(Fault):
    """A fault that is to happen; as a context manager it is cleared at the end of the block."""

    clear: Callable[[], object] = field(repr=False, compare=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()


class Faults:
    """The faults of one server. Any thread may ask."""

    def __init__(self, seed: int | None = None) -> None:
        self._faults: list[Added] = []
        self._last = 0
        self._random = random.Random(seed)  # noqa: S311  no secret depends on it
        self._lock = Lock()

    def add(self, kind: Kind, **facts: Any) -> Added:
        """From now on this goes wrong: `faults.add("status", status=429, path="/api/spaces/*", times=2)`.

        The facts are the fields of `Fault`, but for its number. Raises `BadInput`.
        """
        known = {one.name for one in fields(Fault)} - {"kind", "id"}
        if unknown := sorted(facts.keys() - known):
            raise BadInput(f"A fault has no {unknown[0]!r}", hint=f"It has {', '.join(sorted(known))}.")
        with self._lock:
            self._last += 1
            number = self._last
            fault = Added(kind=kind, id=number, clear=lambda: self.clear(number), **facts)
            self._faults = [*self._faults, fault]
        return fault

    def list(self) -> Sequence[Fault]:
        """The faults that are still to happen, in the order in which they were added."""
        return tuple(self._faults)

    def clear(self, number: int | None = None) -> int:
        """Take one away, or all; returns how many that were."""
        with self._lock:
            before = self._faults
            self._faults = [fault for fault in before if number is not None and fault.id != number]
            return len(before) - len(self._faults)

    def strike(self, *kinds: Kind, repo_id: str | None = None, method: str = "GET", path: str = "") -> Fault | None:
        """The first fault of these kinds that is to happen here and now; it counts as happened."""
        if not self._faults:
            return None
        with self._lock:
            for fault in self._faults:
                here = fault.kind in kinds and _is_meant(fault, repo_id, method, path)
                if here and self._random.random() < fault.probability:
                    self._count(fault)
                    return fault
        return None

    def _count(self, fault: Added) -> None:
        left = fault.times and fault.times - 1
        counted = [] if left == 0 else [replace(fault, times=left)]
        at = self._faults.index(fault)
        self._faults = [*self._faults[:at], *counted, *self._faults[at + 1 :]]


def _is_meant(fault: Fault, repo_id: str | None, method: str, path: str) -> bool:
    in_path = repo_id is None and f"/{fault.repo_id}/".lower() in f"{path}/".lower()
    of_repo = fault.repo_id is None or in_path or (repo_id or "").lower() == fault.repo_id.lower()
    return of_repo and fault.method in (None, method) and fnmatchcase(path, fault.path)
