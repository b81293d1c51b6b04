"""A command under a warden, as the server sees it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

WARDEN = Path(__file__).with_name("warden.py")
PIECE = 64 * 1024


class Child:
    """A running command whose output is fed on as it comes; `returncode` is None while it runs."""

    def __init__(self, process: asyncio.subprocess.Process, feed: Callable[[bytes], None]) -> None:
        self._process = process
        self.pid = process.pid
        self.returncode: int | None = None
        self._over = asyncio.ensure_future(self._pump(feed))

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        feed: Callable[[bytes], None],
        grace: float = 5.0,
    ) -> Child:
        """Start it. The environment is exactly `env`; `grace` is the time between SIGTERM and SIGKILL in seconds."""
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-I", "-S", str(WARDEN), str(grace), *command],
            cwd=cwd,
            env=dict(env),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in a terminal is for the server, which decides
        )
        return cls(process, feed)

    async def wait(self) -> int:
        """Wait until it and all its descendants have ended, and all their output was fed on."""
        return await asyncio.shield(self._over)

    async def stop(self) -> int:
        """End it and all its descendants, and wait."""
        assert self._process.stdin is not None  # noqa: S101 - it was opened as a pipe
        self._process.stdin.close()
        return await self.wait()

    async def _pump(self, feed: Callable[[bytes], None]) -> int:
        assert self._process.stdout is not None  # noqa: S101 - it was opened as a pipe
        while data := await self._process.stdout.read(PIECE):
            feed(data)
        self.returncode = await self._process.wait()
        return self.returncode
