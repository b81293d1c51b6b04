"""Waiting until a started app answers, or until it is clear that it will not."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from spaceops.localhub.runners.ports import ALL_ADDRESSES, listening
from spaceops.localhub.threads import in_thread
from spaceops.localhub.visits import HOST

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
FREES = "ENV PORT={port}, read by the app, frees it: then each start gets a private port"


class LaunchFailed(Exception):
    """The app does not come up: `message` is the errorMessage; perhaps because somebody has its port."""

    def __init__(self, message: str, *, port_taken: bool = False) -> None:
        super().__init__(message)
        self.message, self.port_taken = message, port_taken


@dataclass(frozen=True)
class Patience:
    """How long a Space waits, in seconds of real time: no step of a clock hastens the processes that it waits for."""

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
    """One app that was started and is to answer on `port`, or does on app_port because its code says so."""

    app: App
    port: int
    app_port: int
    log: Logbook
    note: Callable[[str], None]  # writes a line into the run log
    patience: Patience
    seen: dict[int, float] = field(default_factory=dict)  # other ports that it listens on, since when
    told: set[int] = field(default_factory=set)

    async def wait(self, seconds: float) -> None:
        """Return when it answers; raises `LaunchFailed` when it ended, took too long or listens elsewhere."""
        over = asyncio.ensure_future(self.app.wait())
        started = next_look = asyncio.get_running_loop().time()
        while not await self._answers(over):
            now = asyncio.get_running_loop().time()
            if over.done():
                raise self._ended(over.result())
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

    def _ended(self, code: int) -> LaunchFailed:
        message = exit_message(code, self.log)
        if not IN_USE.search(message):
            return LaunchFailed(message)
        advice = f"If port {self.app_port} is fixed in the app's code: {FREES.format(port=self.app_port)}"
        return LaunchFailed(f"{message}\n({advice})", port_taken=True)

    async def _look_at_ports(self, now: float) -> None:
        ports, announced = await in_thread(self._ports)
        if self.port not in ports and self.app_port in ports:
            self._follow_to_app_port()
        elif self.port not in ports and ports:
            self._wonder(now, min(announced or ports), is_announced=bool(announced))

    def _ports(self) -> tuple[set[int], set[int]]:
        """What the app listens on, and of that what its log tells of."""
        ports = {port for _, port in listening(self.app.pid)}
        announced = {int(number) for number in ANNOUNCED.findall("\n".join(self.log.tail(RECENT)))}
        return ports, ports & announced

    async def tell_reach(self) -> None:
        """Say so when the app, which answers now, can be reached from other machines too."""
        found = await in_thread(listening, self.app.pid)
        if any((address, self.port) in found for address in ALL_ADDRESSES):
            self.note(
                f"note: the app listens on all addresses of this machine, so others in its network reach port "
                f"{self.port}. Give it the host 127.0.0.1, or 0.0.0.0 in CMD, which is replaced here"
            )

    def _follow_to_app_port(self) -> None:
        self.port = self.app_port
        self.note(
            f"note: port {self.port} is fixed in the app's code, so only one Space at a time can have it, "
            f"and a new version waits for the end of this one. {FREES.format(port=self.port)}"
        )

    def _wonder(self, now: float, other: int, *, is_announced: bool) -> None:
        """Give up on a port that the app says it serves on; any other may be a helper's, and is only told of."""
        what = f"the app listens on port {other}, but the Hub sends traffic to app_port {self.app_port}"
        late = now - self.seen.setdefault(other, now) > self.patience.mismatch
        if late and is_announced:
            raise LaunchFailed(f"Launch timed out, workload was not healthy: {what}")
        if (late or is_announced) and other not in self.told:
            self.told.add(other)
            self.note(f"note: {what}")


def exit_message(code: int, log: Logbook) -> str:
    """The errorMessage of an app that ended by itself."""
    lines = [line for line in log.tail(TAIL) if not line.startswith("=====")]
    return f"Exit code: {code}. Reason: " + "\n".join(lines)


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
