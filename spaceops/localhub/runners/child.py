"""A command under a warden, as the server sees it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from spaceops.localhub.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

WARDEN = Path(__file__).with_name("warden.py")
PIECE = 64 * 1024


class Child:
    """A running command, with its descendants.

    Not asyncio's subprocesses: these kill the program itself when they are cancelled or collected, and a warden that is
    killed cannot care for the descendants.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        feed: Callable[[bytes], None],
        grace: float = 5.0,
    ) -> None:
        """Start it with exactly the environment `env`; what it prints is fed on as it comes.

        `grace` is the time between SIGTERM and SIGKILL in seconds.
        """
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(WARDEN), str(grace), *command],
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in a terminal is for the server, which decides
        )
        assert self._process.stdin  # noqa: S101 - for the type checker: it is a pipe
        assert self._process.stdout  # noqa: S101 - and so is this
        self._stdin, self._stdout, self._feed = self._process.stdin, self._process.stdout, feed
        self.pid = self._process.pid
        self._loop = asyncio.get_running_loop()
        self._silent = asyncio.Event()
        self._loop.add_reader(self._stdout, self._readable)
        self._over = asyncio.ensure_future(self._end())

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

    async def _end(self) -> int:
        """The warden is the last to hold the other end of the pipe."""
        await self._silent.wait()
        code = await in_thread(self._process.wait)
        self._stdin.close()
        self._stdout.close()
        return code
