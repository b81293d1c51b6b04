"""Faults on demand: what a test asks to go wrong, where, how often. Who meets one asks here whether it is to happen."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

from spaceops.errors import BadInput

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
        return asdict(self)


class Faults:
    """The faults of one server."""

    def __init__(self, seed: int | None = None) -> None:
        self._faults: list[Fault] = []
        self._last = 0
        self._random = random.Random(seed)  # noqa: S311  no secret depends on it

    def __iter__(self) -> Any:
        return iter(list(self._faults))

    def add(self, fault: Fault) -> Fault:
        """From now on; returns it with its number."""
        self._last += 1
        self._faults.append(replace(fault, id=self._last))
        return self._faults[-1]

    def clear(self, number: int | None = None) -> int:
        """Take one away, or all; returns how many that were."""
        before = len(self._faults)
        self._faults = [fault for fault in self._faults if number is not None and fault.id != number]
        return before - len(self._faults)

    def strike(self, *kinds: Kind, repo_id: str | None = None, method: str = "GET", path: str = "") -> Fault | None:
        """The first fault of these kinds that is to happen here and now; it counts as happened."""
        for fault in self._faults:
            here = fault.kind in kinds and _is_meant(fault, repo_id, method, path)
            if here and self._random.random() < fault.probability:
                self._count(fault)
                return fault
        return None

    def _count(self, fault: Fault) -> None:
        at = self._faults.index(fault)
        if fault.times == 1:
            del self._faults[at]
        elif fault.times is not None:
            self._faults[at] = replace(fault, times=fault.times - 1)


def _is_meant(fault: Fault, repo_id: str | None, method: str, path: str) -> bool:
    in_path = repo_id is None and f"/{fault.repo_id}/".lower() in f"{path}/".lower()
    of_repo = fault.repo_id is None or in_path or (repo_id or "").lower() == fault.repo_id.lower()
    return of_repo and fault.method in (None, method) and fnmatchcase(path, fault.path)
