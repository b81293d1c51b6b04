"""The server's clock: the machine's, and what a test put it forward by, so that nobody waits two days for a sleep."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


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
        if seconds < 0:
            raise ValueError("a clock does not go back")
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
