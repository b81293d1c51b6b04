"""Signed addresses: whoever has one may do one thing for a while, without a token (large files travel like that)."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from spaceops.localhub.refusals import Refused

if TYPE_CHECKING:
    from spaceops.localhub.clock import Clock

LIFETIME = 6 * 60 * 60  # seconds


class Tickets:
    """Makes and checks tickets. Nothing is stored: a ticket is its own proof, also after a restart of the server."""

    def __init__(self, key: str, clock: Clock) -> None:
        self._key, self._clock = key.encode(), clock

    def issue(self, *facts: object) -> str:
        """A ticket for what the facts describe."""
        return self._sign(self._seconds() + LIFETIME, facts)

    def check(self, ticket: str, *facts: object) -> None:
        """Refuse a ticket that is not for exactly these facts, or too old."""
        until = ticket.partition("-")[0]
        ends = int(until) if until.isdecimal() and len(until) < 12 else 0
        if not hmac.compare_digest(ticket.encode(), self._sign(ends, facts).encode()) or ends < self._seconds():
            raise Refused(403, "The signed address is wrong or too old")

    def _seconds(self) -> int:
        return int(self._clock.now().timestamp())

    def _sign(self, until: int, facts: tuple[object, ...]) -> str:
        message = "\n".join(map(str, (until, *facts))).encode()
        return f"{until}-{hmac.new(self._key, message, hashlib.sha256).hexdigest()}"
