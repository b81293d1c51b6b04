"""Groups what waits into batches, because a model answers 32 items in far less time than 32 times one.

Nothing waits while the model is idle. While it works, arrivals gather for the next pass, and clients take turns in it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil
from typing import Generic, TypeVar

from prometheus_client import Gauge, Histogram

from serving.metrics import REGISTRY

BATCH_SIZE = Histogram(
    "model_batch_items", "Items answered in one pass", buckets=(1, 2, 4, 8, 16, 32, 64), registry=REGISTRY
)
WAITING = Gauge("model_waiting_items", "Items that wait for the model", registry=REGISTRY)

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Full(Exception):
    """No place is free; it is worth another try after `retry_after` seconds."""

    def __init__(self, seconds: float) -> None:
        self.retry_after = max(1, ceil(seconds))  # whole ones, as the header wants them, and not too early
        super().__init__(f"Too many requests are waiting. Try again in {self.retry_after} s.")


@dataclass(frozen=True)
class _Failure:
    error: Exception


@dataclass(eq=False, slots=True)
class _Waiting(Generic[Item, Answer]):
    item: Item
    client: str
    outcome: asyncio.Future[Answer | _Failure]

    def settle(self, outcome: Answer | _Failure) -> None:
        """Hand the outcome to whoever waits for it, if nobody has cancelled."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)


class Batcher(Generic[Item, Answer]):
    """Calls `run` with up to `max_batch` items, in one thread of its own, one call after another.

    `run` gives one answer per item, in their order. Where it takes longer than `longest_pass` seconds, it gets fewer
    items at a time: who comes next waits for the whole pass, whatever somebody else has put into it.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Sequence[Answer]],
        *,
        max_batch: int,
        max_waiting: int,
        longest_pass: float = 1.0,
    ) -> None:
        self._run, self._max_batch, self._max_waiting = run, max_batch, max_waiting
        self._longest_pass, self._most = longest_pass, max_batch  # items in the next pass
        self._lines: dict[str, list[_Waiting[Item, Answer]]] = {}  # one per client; who was served last is last
        self._open = False
        self._seconds_per_item = 0.0  # of late
        self.waiting = 0  # items in the lines; those of the pass that runs have left them
        WAITING.set_function(lambda: self.waiting)

    async def start(self) -> None:
        """Begin to answer."""
        self._open = True
        self._arrival = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._passes = asyncio.create_task(self._answer_all())

    async def close(self) -> None:
        """Take nothing more, and return when everything that was taken is answered."""
        self._open = False
        self._arrival.set()
        await asyncio.shield(self._passes)  # they go on even if whoever closes gives up
        self._thread.shutdown()

    async def submit(self, item: Item, client: str = "") -> Answer:
        """The answer for one item. Raises `Full`, or what `run` raises for this item alone."""
        if not self._open:
            raise Full(0)
        if self.waiting >= self._max_waiting:
            self._make_room(client)
        future = asyncio.get_running_loop().create_future()
        waiting: _Waiting[Item, Answer] = _Waiting(item, client, future)
        self._lines.setdefault(client, []).append(waiting)
        self.waiting += 1
        self._arrival.set()
        try:
            outcome = await waiting.outcome
        finally:
            self._leave(waiting)  # when cancelled; else it has left already
        if isinstance(outcome, _Failure):
            raise outcome.error
        return outcome

    def _make_room(self, client: str) -> None:
        """Raise `Full`, unless some client holds so many more places that it can give up its newest."""
        longest = max(self._lines.values(), key=len)
        full = Full(self.waiting * self._seconds_per_item)
        if len(longest) <= len(self._lines.get(client, [])) + 1:
            raise full
        newest = longest[-1]
        self._leave(newest)
        newest.settle(_Failure(full))

    def _leave(self, waiting: _Waiting[Item, Answer]) -> None:
        """Take an item out of its line, if it is not in a pass already."""
        line = self._lines.get(waiting.client, [])
        if waiting in line:
            line.remove(waiting)
            self.waiting -= 1
        if not line:
            self._lines.pop(waiting.client, None)

    async def _answer_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._open or self.waiting:
            await self._until_something_waits()
            if batch := self._next_batch():
                BATCH_SIZE.observe(len(batch))
                began = time.perf_counter()
                outcomes = await loop.run_in_executor(self._thread, self._outcomes, [each.item for each in batch])
                self._measure(len(batch), time.perf_counter() - began)
                for each, outcome in zip(batch, outcomes, strict=True):
                    each.settle(outcome)

    async def _until_something_waits(self) -> None:
        while self._open and not self.waiting:
            self._arrival.clear()
            await self._arrival.wait()

    def _next_batch(self) -> list[_Waiting[Item, Answer]]:
        """One of each line, the one that waits longest for its turn first, and again until the batch is full."""
        batch: list[_Waiting[Item, Answer]] = []
        while self._lines and len(batch) < self._most:
            client = next(iter(self._lines))
            line = self._lines.pop(client)
            batch.append(line.pop(0))
            if line:
                self._lines[client] = line  # behind all others
        self.waiting -= len(batch)
        return batch

    def _outcomes(self, items: Sequence[Item]) -> list[Answer | _Failure]:
        """Run them as one batch; if that fails, each half on its own, until what cannot be answered stands alone."""
        try:
            return [answer for _, answer in zip(items, self._run(items), strict=True)]
        except BaseException as error:  # the border to foreign code: whatever it raises belongs to some item
            if len(items) == 1:
                return [_Failure(_as_exception(error))]
            half = len(items) // 2
            return [*self._outcomes(items[:half]), *self._outcomes(items[half:])]

    def _measure(self, items: int, seconds: float) -> None:
        """Learn from a pass: how long an item takes, as a mean in which it counts for a fifth, and how many fit."""
        mean = self._seconds_per_item or seconds / items
        self._seconds_per_item = mean + (seconds / items - mean) / 5
        if seconds > self._longest_pass and items > 1:
            self._most = items // 2
        elif seconds < self._longest_pass / 2 and items == self._most:
            self._most = min(2 * items, self._max_batch)


def _as_exception(error: BaseException) -> Exception:
    """What may be raised in the event loop; a panic of a library in Rust, for one, is none of Python's Exceptions."""
    if isinstance(error, Exception):
        return error
    return RuntimeError(type(error).__name__).with_traceback(error.__traceback__)
