"""What was read from repositories last. A commit never changes, so what was read of one stays true."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Recent(Generic[T]):
    """Something about commits, by folder and sha: as many as weigh no more than `most` together, and always the last.

    `read` blocks on git and may raise; what is in memory is had at once. Any thread may ask.
    """

    def __init__(self, read: Callable[[Path, str], T], most: int, weight: Callable[[T], int] = lambda _: 1) -> None:
        self._read, self._most, self._weight = read, most, weight
        self._known: OrderedDict[tuple[Path, str], T] = OrderedDict()
        self._total = 0
        self._lock = Lock()

    def __contains__(self, commit: object) -> bool:
        return commit in self._known

    def get(self, folder: Path, sha: str) -> T:
        """What there is about a commit."""
        with self._lock:
            if (folder, sha) in self._known:
                self._known.move_to_end((folder, sha))
                return self._known[folder, sha]
        found = self._read(folder, sha)
        with self._lock:
            if (folder, sha) not in self._known:
                self._known[folder, sha] = found
                self._total += self._weight(found)
            while self._total > self._most and len(self._known) > 1:
                self._total -= self._weight(self._known.popitem(last=False)[1])
        return found
