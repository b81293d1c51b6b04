"""How long nobody has come, by the server's clock."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from spaceops.localhub.clock import Clock


class Idleness:
    """Measures the time since the last visit; calls `look` when the time that was asked for is over.

    A step of the clock is seen at once: `look` is called then too.
    """

    def __init__(self, clock: Clock, look: Callable[[], None]) -> None:
        self._clock, self._look = clock, look
        self._last_visit = clock.seconds()
        self._timer: asyncio.TimerHandle | None = None
        self._unsubscribe = clock.call_on_step(look)

    def visited(self) -> None:
        """Somebody is there."""
        self._last_visit = self._clock.seconds()

    @property
    def seconds(self) -> float:
        """How long nobody has come."""
        return self._clock.seconds() - self._last_visit

    def look_in(self, seconds: float) -> None:
        """Have it looked after again so much later; replaces what was asked before."""
        self.rest()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def rest(self) -> None:
        """Nothing is to be looked after."""
        if self._timer:
            self._timer.cancel()

    def close(self) -> None:
        """Call no more. Twice is once."""
        self.rest()
        unsubscribe, self._unsubscribe = self._unsubscribe, lambda: None
        unsubscribe()
