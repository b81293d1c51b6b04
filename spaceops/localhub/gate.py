"""The gate before the routes: closed, nobody is inside, so that the data folder can change under the server."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from spaceops.localhub.threads import FOR_REQUEST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

GRACE = 5.0  # seconds for requests that have begun to end by themselves
READERS_GRACE = 0.5  # for those that change nothing, and may be streams without end
READING = ("GET", "HEAD", "OPTIONS")


class Gate:
    """Lets requests in. While it is closed they wait before it; the server's loop alone uses it."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._for_readers = True  # whether it is closed for them too
        self._turn = asyncio.Lock()
        self._inside: dict[asyncio.Task[object], bool] = {}

    async def enter(self, method: str) -> None:
        """Wait until the gate is open, and be inside until `leave`."""
        reads = method in READING
        while not self._open.is_set() and (self._for_readers or not reads):
            await self._open.wait()
        self._inside[_this_task()] = reads
        FOR_REQUEST.set(True)

    def leave(self) -> None:
        """The request is over."""
        self._inside.pop(_this_task(), None)

    @asynccontextmanager
    async def closed(self, *, for_readers: bool = True, grace: float = GRACE) -> AsyncIterator[None]:
        """Nobody is inside during the block: who does not go within `grace` seconds is cancelled, readers sooner.

        Without `for_readers`, requests that change nothing go on.
        """
        async with self._turn:
            self._for_readers = for_readers
            self._open.clear()
            try:
                if for_readers:
                    await self._empty(min(grace, READERS_GRACE), reading=True)
                await self._empty(grace, reading=False)
                yield
            finally:
                self._open.set()

    async def _empty(self, seconds: float, *, reading: bool) -> None:
        """Wait for the readers or the others inside; cancel who still is after that time."""
        inside = {task for task, reads in self._inside.items() if reads == reading}
        late = (await asyncio.wait(inside, timeout=seconds))[1] if inside else ()
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)


def _this_task() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  a request is always one
    return task
