"""Waiting until a started app answers, or until it is clear that it will not."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spaceops.localhub.proxy import HOST
from spaceops.localhub.runners.ports import listening_ports
from spaceops.localhub.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from spaceops.card import Card
    from spaceops.localhub.logbook import Logbook
    from spaceops.localhub.runners.process import App

MINUTE = 60.0
TAIL = 12  # lines of the run log in an errorMessage
RECENT = 200  # lines of the run log that may tell of a port
LOOK_EVERY = 1.0  # seconds between two looks at the ports of an app that does not answer
DURATION = re.compile(r"(\d+)\s*([smhd]?)")
UNITS = {"": 1.0, "s": 1.0, "m": MINUTE, "h": 60 * MINUTE, "d": 24 * 60 * MINUTE}
ANNOUNCED = re.compile(r"(?:running|listening|serving|available|url|local)\b.{0,60}?:(\d{2,5})\b", re.IGNORECASE)
IN_USE = re.compile(r"address (is )?already in use|EADDRINUSE", re.IGNORECASE)
FIXED = (
    "port {port} is fixed in the app's code: here each start gets a private port in place of app_port, so that "
    "versions can run side by side. Name it in CMD, or in ENV (ENV PORT={port}) and read that"
)


class LaunchFailed(Exception):
    """The app does not come up: `message` is the errorMessage."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True)
class Patience:
    """How long a Space waits, in seconds."""

    startup: float = 30 * MINUTE  # for an app to answer, unless the README says otherwise
    mismatch: float = 20.0  # for an app that listens on another port to listen on its own
    quiet: float = 0.25  # for further changes of settings before a restart
    wake: float = 60.0  # of a visitor, for a sleeping app
    poll: float = 0.03  # between two attempts to reach an app that starts

    def of(self, card: Card) -> float:
        """The time to start: the card's `startup_duration_timeout` (`30m`, `1h`), or the default."""
        found = DURATION.fullmatch(str(card.fields.get("startup_duration_timeout", "")).strip())
        return int(found[1]) * UNITS[found[2]] if found else self.startup


@dataclass
class Startup:
    """One app that was started and is to answer on `port`."""

    app: App
    port: int
    app_port: int
    log: Logbook
    note: Callable[[str], None]  # writes a line into the run log
    patience: Patience
    mismatch_since: float | None = None
    told: bool = False

    async def wait(self, seconds: float) -> None:
        """Return when it answers; raises `LaunchFailed` when it ended, took too long or listens elsewhere."""
        over = asyncio.ensure_future(self.app.wait())
        started = next_look = asyncio.get_running_loop().time()
        while not await self._answers(over):
            now = asyncio.get_running_loop().time()
            if over.done():
                raise LaunchFailed(exit_message(over.result(), self.log, self.app_port))
            if now - started > seconds:
                raise LaunchFailed(f"Launch timed out, workload was not healthy after {_minutes(seconds)}")
            if now >= next_look + LOOK_EVERY:
                next_look = now
                await self._look_at_ports(now)
            await asyncio.wait([over], timeout=self.patience.poll)

    async def _answers(self, over: asyncio.Future[int]) -> bool:
        """Whether anything that speaks HTTP answers, with whatever status and however slowly."""
        asking = asyncio.ensure_future(_ask(self.port))
        either: list[asyncio.Future[Any]] = [asking, over]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        asking.cancel()
        await asyncio.wait([asking])
        return not asking.cancelled() and asking.result()

    async def _look_at_ports(self, now: float) -> None:
        listening, other = await in_thread(self._ports)
        if self.port in listening or not listening:
            self.mismatch_since = None
        elif self.mismatch_since is None:
            self.mismatch_since = now
            if other is not None:
                self.note(f"note: {_mismatch(other, self.app_port)}")
        elif now - self.mismatch_since > self.patience.mismatch:
            if other is not None:
                raise LaunchFailed(f"Launch timed out, workload was not healthy: {_mismatch(other, self.app_port)}")
            self._tell_once(min(listening))

    def _ports(self) -> tuple[set[int], int | None]:
        """What the app listens on, and of that its mistaken port: app_port itself, or one that its log tells of."""
        listening = listening_ports(self.app.pid)
        if self.app_port in listening:
            return listening, self.app_port
        announced = {int(number) for number in ANNOUNCED.findall("\n".join(self.log.tail(RECENT)))}
        return listening, min(listening & announced, default=None)

    def _tell_once(self, other: int) -> None:
        """A port of which the log says nothing may be a helper's: no reason to give up."""
        if not self.told:
            self.told = True
            self.note(f"note: the app listens on port {other} so far, and nothing answers yet in place of app_port")


def exit_message(code: int, log: Logbook, app_port: int | None = None) -> str:
    """The errorMessage of an app that ended by itself; `app_port` if it ended while it started."""
    lines = [line for line in log.tail(TAIL) if not line.startswith("=====")]
    if app_port and any(IN_USE.search(line) for line in lines):
        lines.append(f"(If {FIXED.format(port=app_port)})")
    return f"Exit code: {code}. Reason: " + "\n".join(lines)


def _mismatch(other: int, app_port: int) -> str:
    if other == app_port:
        return FIXED.format(port=other)
    return f"the app listens on port {other}, but the Hub sends traffic to app_port {app_port}"


def _minutes(seconds: float) -> str:
    return f"{seconds / MINUTE:g} min" if seconds >= MINUTE else f"{seconds:g} s"


async def _ask(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    try:
        writer.write(f"GET / HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n".encode())
        return (await reader.read(5)).startswith(b"HTTP/")
    except OSError:
        return False
    finally:
        writer.close()
