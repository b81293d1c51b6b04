"""The life of the data under a server: opened, closed, and put away or replaced while the server's port stays."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from spaceops.localhub.gate import Gate
from spaceops.localhub.snapshots import DATABASE, nothing, pack, replace_data, unpack
from spaceops.localhub.store import connect
from spaceops.localhub.threads import Threads, in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.datastructures import State

    from spaceops.localhub.wire import Parts


class Life:
    """What is open of one data folder. It belongs to the server's loop."""

    def __init__(self, folder: Path, assemble: Callable[[sqlite3.Connection], Parts], state: State) -> None:
        self._folder, self._assemble, self._state = folder, assemble, state
        self.gate = Gate()
        self._database: sqlite3.Connection
        self._threads: Threads
        self.parts: Parts

    async def open(self) -> None:
        """Open the data; Spaces that ran run again."""
        self._threads = _new_threads()
        self._database = connect(self._folder / DATABASE)
        try:
            self.parts = self._state.parts = self._assemble(self._database)
            await self.parts.spaces.start()
            _catch_up(self.parts)
        except BaseException:
            self._database.close()
            raise

    async def close(self) -> None:
        """Stop the Spaces, wait for what works in threads still, and close the data."""
        try:
            await self.parts.spaces.stop()
            former, self._threads = self._threads, _new_threads()
            await in_thread(former.shutdown)
        finally:
            self._database.close()

    async def snapshot(self, file: Path, *, with_secrets: bool = True) -> None:
        """Write everything to one file, while apps and readers go on."""
        with tempfile.TemporaryDirectory(dir=self._folder / "tmp") as scratch:
            copy = Path(scratch) / DATABASE
            async with self.gate.closed(for_readers=False):
                await self._threads.settled()
                with contextlib.closing(sqlite3.connect(copy)) as target:
                    self._database.backup(target)
                await in_thread(pack, self._folder, copy, file, with_secrets=with_secrets)

    async def restore(self, file: Path) -> None:
        """Have what a snapshot holds, in place of what there is."""
        with tempfile.TemporaryDirectory(dir=self._folder / "tmp") as scratch:
            await in_thread(unpack, file, Path(scratch), self._folder)
            await self._replace(Path(scratch))

    async def reset(self) -> None:
        """Have nothing."""
        with tempfile.TemporaryDirectory(dir=self._folder / "tmp") as scratch:
            nothing(Path(scratch), self._folder)
            await self._replace(Path(scratch))
        self.parts.faults.clear()

    async def _replace(self, scratch: Path) -> None:
        async with self.gate.closed():
            await self.close()
            await in_thread(replace_data, self._folder, scratch)
            await self.open()


def _new_threads() -> Threads:
    threads = Threads()
    asyncio.get_running_loop().set_default_executor(threads)
    return threads


def _catch_up(parts: Parts) -> None:
    """Build what was pushed when the last server died before it could begin to."""
    for repo in parts.store.spaces():
        head = parts.repos.branch(repo, "main")
        if head and head != parts.store.state(repo).wanted_sha:
            parts.spaces.pushed(repo, head)
