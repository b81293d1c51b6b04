"""The server's clock: the machine's, and what a test put it forward by, so that nobody waits two days for a sleep."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from spaceops.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable

FARTHEST = 100 * 365 * 24 * 60 * 60.0  # seconds: dates must stay dates


class Clock:
    """What everything of one server asks for the time. It belongs to the server's loop, and never goes back."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._waiting: list[Callable[[], None]] = []

    def now(self) -> datetime:
        """The time of day."""
        return datetime.now(UTC) + timedelta(seconds=self._ahead)

    def seconds(self) -> float:
        """Seconds since some moment: for measuring how long something has lasted."""
        return time.monotonic() + self._ahead

    def advance(self, seconds: float) -> None:
        """Put the clock forward, and let everybody look who waits for a time to come."""
        if not 0 <= self._ahead + seconds <= FARTHEST or seconds < 0:
            raise BadInput("The clock goes forward, by a hundred years at most", hint="Give the seconds, 0 or more.")
        self._ahead += seconds
        for look in list(self._waiting):
            look()

    def call_on_step(self, look: Callable[[], None]) -> Callable[[], None]:
        """Call this whenever the clock was put forward; returns what ends it."""
        self._waiting.append(look)
        return lambda: self._waiting.remove(look)


def wire_time(moment: datetime) -> str:
    """A moment as the wire wants it: UTC, milliseconds, a `Z` at the end."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


class Hand:
    """The hand on a server's clock, for everybody outside its loop."""

    def __init__(self, clock: Clock, loop: asyncio.AbstractEventLoop) -> None:
        self._clock, self._loop = clock, loop

    def now(self) -> datetime:
        """The server's time of day."""
        return self._clock.now()

    def advance(self, seconds: float) -> datetime:
        """Put the clock forward; who waited for that time has looked when this returns. Returns the new time."""
        asyncio.run_coroutine_threadsafe(self._advance(seconds), self._loop).result()
        return self.now()

    async def _advance(self, seconds: float) -> None:
        self._clock.advance(seconds)
