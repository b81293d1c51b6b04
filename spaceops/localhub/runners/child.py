"""A command under a warden, as the server sees it."""

from __future__ import annotations

import asyncio
import marshal
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from spaceops.localhub.runners.paths import RESERVE
from spaceops.localhub.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

WARDEN = Path(__file__).with_name("warden.py")
PIECE = 64 * 1024
OF_THE_WARDEN = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")  # what it gets of our environment
LOOK_EVERY = 1.0  # seconds between two looks at the disk


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a warden is told. Nobody sees it in a list of processes."""

    command: list[str]
    env: dict[str, str] = field(repr=False)  # exactly this
    cwd: str
    sandbox: list[str] = field(default_factory=list)  # bubblewrap and its arguments; empty: there is none
    again: list[str] = field(default_factory=list)  # how the warden itself is called within the sandbox
    read: list[str] = field(default_factory=list)  # without a sandbox: of all files, only what lies in these
    write: list[str] = field(default_factory=list)  # may be read, or changed; where Landlock is
    limits: Mapping[str, int] = field(default_factory=dict)  # see setrlimit(2)
    limits_within: Mapping[str, int] = field(default_factory=dict)  # that count only what is in the sandbox

    def told(self, grace: float) -> bytes:
        """The order as the warden reads it."""
        return marshal.dumps(asdict(self) | {"grace": grace})


class Child:
    """A running command, with its descendants.

    Not asyncio's subprocesses: these kill the program itself when they are cancelled or collected, and a warden that is
    killed cannot care for the descendants.
    """

    def __init__(
        self,
        order: Order,
        *,
        folder: Path,
        feed: Callable[[bytes], None],
        grace: float = 5.0,
        reserve: int = RESERVE,
    ) -> None:
        """Start it; what it prints is fed on as it comes.

        `grace` is the time between SIGTERM and SIGKILL in seconds. It is stopped before it leaves less than `reserve`
        bytes of the disk on which `folder` lies.
        """
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(WARDEN)],
            cwd=folder,
            env={name: os.environ[name] for name in OF_THE_WARDEN if name in os.environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in a terminal is for the server, which decides
        )
        assert self._process.stdin  # noqa: S101 - for the type checker: it is a pipe
        assert self._process.stdout  # noqa: S101 - and so is this
        self._stdin, self._stdout, self._feed = self._process.stdin, self._process.stdout, feed
        self._stdin.write(order.told(grace))
        self._stdin.flush()
        self.pid, self._folder, self._reserve = self._process.pid, folder, reserve
        self._loop = asyncio.get_running_loop()
        self._silent = asyncio.Event()
        self._loop.add_reader(self._stdout, self._readable)
        self._over = asyncio.ensure_future(self._end())
        self._next_look = self._loop.call_later(LOOK_EVERY, self._look_at_disk)

    async def wait(self) -> int:
        """Wait until it and all its descendants have ended and their output was fed on; returns the exit code."""
        return await asyncio.shield(self._over)

    async def stop(self) -> int:
        """End it and all its descendants, and wait."""
        self._stdin.close()
        return await self.wait()

    def _readable(self) -> None:
        data = os.read(self._stdout.fileno(), PIECE)
        if data:
            self._feed(data)
        else:
            self._loop.remove_reader(self._stdout)
            self._silent.set()

    def _look_at_disk(self) -> None:
        if shutil.disk_usage(self._folder).free > self._reserve:
            self._next_look = self._loop.call_later(LOOK_EVERY, self._look_at_disk)
        else:
            left = f"less than {self._reserve // 10**6} MB of this machine's disk are left"
            self._feed(f"note: stopped, as {left}\n".encode())
            self._stdin.close()

    async def _end(self) -> int:
        """The warden is the last to hold the other end of the pipe."""
        await self._silent.wait()
        self._next_look.cancel()
        code = await in_thread(self._process.wait)
        self._stdin.close()
        self._stdout.close()
        return code
