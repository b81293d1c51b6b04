"""What changes, told to everybody who listens."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

T = TypeVar("T")
BEHIND = 1000  # what a listener who does not read may have waiting; then the oldest is lost


class Broadcast(Generic[T]):
    """One subject. Values that are the same as the one before are told once."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[T | None]] = set()
        self._last: T | None = None
        self._closed = False

    @property
    def is_heard(self) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners)

    def tell(self, value: T) -> None:
        """Tell everybody."""
        if value != self._last:
            self._last = value
            self._put(value)

    def close(self) -> None:
        """There is nothing more to tell: listeners come to the end."""
        self._closed = True
        self._put(None)

    async def listen(self, now: Callable[[], T], keep_alive: float) -> AsyncIterator[T | None]:
        """The value as it is now, then each new one as it is told; None after so many seconds without any."""
        heard: asyncio.Queue[T | None] = asyncio.Queue(BEHIND)
        self._listeners.add(heard)
        self._last = first = now()
        try:
            yield first
            while not self._closed or not heard.empty():
                try:
                    value = await asyncio.wait_for(heard.get(), keep_alive)
                except TimeoutError:
                    yield None
                    continue
                if value is None:
                    return
                yield value
        finally:
            self._listeners.discard(heard)

    def _put(self, value: T | None) -> None:
        for heard in self._listeners:
            if heard.full():
                heard.get_nowait()
            heard.put_nowait(value)
