"""Whose picture is decoded next: everybody's in turn, as many at a time as there are CPUs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar
from weakref import WeakValueDictionary

from anyio import CapacityLimiter, to_thread

from inference.cpus import cpu_count
from serving.batching import Full

Result = TypeVar("Result")


class Turns:
    """A line for all. A client has as many pictures in it as there are CPUs, and more wait in a line of its own."""

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting, self._at_once = max_waiting, cpu_count()
        self._all = CapacityLimiter(self._at_once)
        self.lines: WeakValueDictionary[str, CapacityLimiter] = WeakValueDictionary()  # go when nobody stands in them
        self._seconds = 0.0  # that a picture took, of late

    @property
    def waiting(self) -> int:
        """How many stand in the line for all."""
        return self._all.statistics().tasks_waiting

    async def take(self, work: Callable[[], Result], client: str) -> Result:
        """Do the work in a thread, when its turn has come. Raises `Full`."""
        own = self.lines.setdefault(client, CapacityLimiter(self._at_once))
        theirs = own.statistics().tasks_waiting  # a quarter of the places is for one
        if max(self.waiting, 4 * theirs) >= self._max_waiting:
            raise Full((self.waiting + theirs) * self._seconds / self._at_once)
        async with own:
            return await to_thread.run_sync(self._timed, work, limiter=self._all)

    def _timed(self, work: Callable[[], Result]) -> Result:
        began = time.perf_counter()
        try:
            return work()
        finally:
            seconds = time.perf_counter() - began
            mean = self._seconds or seconds
            self._seconds = mean + (seconds - mean) / 5
