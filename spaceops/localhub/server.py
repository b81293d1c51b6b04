"""The server: everything put together, on one loop in a thread of its own, so that it runs beside any other program."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from spaceops.errors import BadInput, NotFound
from spaceops.localhub.accounts import Accounts, identity
from spaceops.localhub.app import make_app
from spaceops.localhub.clock import Clock
from spaceops.localhub.datafolder import address_file, held, prepare, temporary_folder
from spaceops.localhub.discussions import Discussions
from spaceops.localhub.faults import Faults
from spaceops.localhub.repos import Repos
from spaceops.localhub.serving import Server, listen
from spaceops.localhub.spaces import Spaces
from spaceops.localhub.store import Store, connect
from spaceops.localhub.tickets import Tickets
from spaceops.localhub.vault import Vault
from spaceops.localhub.wire import Parts
from spaceops.localhub.xet import Xet

if TYPE_CHECKING:
    import socket
    from collections import deque
    from collections.abc import Coroutine
    from sqlite3 import Connection
    from types import TracebackType

RUNNERS = ("process",)


class LocalHub:
    """A Hub on this machine: `with LocalHub() as hub:` serves until the block ends, at `hub.url` with `hub.token`.

    Without a `folder` everything is gone afterwards. `accounts` is a file of users and tokens; without one there is the
    user `demo`. Port 0 takes a free one.
    """

    def __init__(
        self,
        folder: Path | str | None = None,
        port: int = 0,
        host: str = "127.0.0.1",
        accounts: Path | str | None = None,
        runner: str = "process",
    ) -> None:
        self._given = None if folder is None else Path(folder).expanduser().resolve()
        self._port, self._host, self._accounts_file, self._runner = port, host, accounts, runner
        self._closing = contextlib.ExitStack()
        self._pid = 0  # of the process that serves

    def __repr__(self) -> str:
        return f"LocalHub({getattr(self, 'url', 'not started')})"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def start(self) -> Self:
        """Serve. Raises `BadInput` or `InUse` before anything is started."""
        self._pid = os.getpid()
        if self._runner not in RUNNERS:
            raise BadInput(f"There is no runner {self._runner!r}", hint=f"--runner {RUNNERS[0]}")
        self.accounts = Accounts.load(Path(self._accounts_file)) if self._accounts_file else Accounts()
        self.token = self.accounts.users[0].token
        with contextlib.ExitStack() as undo:
            listening = undo.enter_context(listen(self._host, self._port))
            self.folder = self._given or Path(undo.enter_context(temporary_folder()))
            undo.enter_context(held(self.folder))
            port = listening.getsockname()[1]
            shown = "127.0.0.1" if self._host == "0.0.0.0" else self._host  # noqa: S104  only compared
            self.url = f"http://{shown}:{port}"
            prepare(self.folder)
            self._run(listening)
            undo.callback(self._halt)
            undo.enter_context(address_file(self.folder, self._address()))
            self._closing = undo.pop_all()
        atexit.register(self.stop)
        return self

    def stop(self) -> None:
        """Stop serving, and every process of every Space; returns when none is left. Twice is once."""
        atexit.unregister(self.stop)
        if os.getpid() == self._pid:  # a forked child that ends is not to stop its parent's server
            self._closing.close()

    @property
    def requests(self) -> deque[tuple[str, str]]:
        """Method and path of each request so far, oldest first; `clear()` it to count anew."""
        return self._front.requests

    def counters(self, repo_id: str) -> dict[str, int]:
        """How often a Space was restarted and rebuilt: `{"restarts": …, "rebuilds": …}`."""
        return self._ask(self._counters(repo_id))

    async def _counters(self, repo_id: str) -> dict[str, int]:
        repo = self._parts.store.find("space", repo_id)
        if repo is None:
            raise NotFound(f"There is no Space {repo_id}")
        return self._parts.spaces.counters(repo)

    def _ask(self, question: Coroutine[Any, Any, dict[str, int]]) -> dict[str, int]:
        return asyncio.run_coroutine_threadsafe(question, self._loop).result()

    def _address(self) -> dict[str, Any]:
        token = {"token": self.token} if self.accounts.built_in else {}
        return {"url": self.url, "pid": os.getpid(), **token}

    def _run(self, listening: socket.socket) -> None:
        """Start the thread, and wait until the server answers or cannot."""
        ready = threading.Event()
        failed: list[BaseException] = []

        def work() -> None:
            try:
                asyncio.run(self._serve(listening, ready))
            except BaseException as error:
                failed.append(error)
            finally:
                ready.set()

        self._thread = threading.Thread(target=work, name="localhub", daemon=True)
        self._thread.start()
        ready.wait()
        if failed:
            raise failed[0]

    def _halt(self) -> None:
        self._loop.call_soon_threadsafe(setattr, self._server, "should_exit", True)
        self._thread.join()

    async def _serve(self, listening: socket.socket, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        db = connect(self.folder / "hub.sqlite3")
        try:
            self._parts = self._assemble(db)
            self._front = make_app(self._parts)
            self._server = Server(self._front, self._parts, ready)
            await self._parts.spaces.start()
            _catch_up(self._parts)
            await self._server.serve(sockets=[listening])
        finally:
            db.close()

    def _assemble(self, db: Connection) -> Parts:
        clock, faults = Clock(), Faults()
        store = Store(db, Vault(self.folder))
        repos = Repos(self.folder, clock)
        repos.tidy(store.ids())
        discussions = Discussions(db)
        discussions.tidy(self.folder)
        spaces = Spaces(
            store=store,
            repos=repos,
            clock=clock,
            faults=faults,
            folder=self.folder,
            runner=self._runner,
            creator_id=lambda repo: identity(repo.creator),
            may_read=lambda repo, token: self.accounts.may_visit(repo, token),
        )
        return Parts(
            accounts=self.accounts,
            store=store,
            repos=repos,
            discussions=discussions,
            clock=clock,
            faults=faults,
            spaces=spaces,
            tickets=Tickets(store.constant("key"), clock),
            xet=Xet(self.folder, repos.large_files),
        )


def _catch_up(parts: Parts) -> None:
    """Build what was pushed when the last server died before it could begin to."""
    for repo in parts.store.spaces():
        head = parts.repos.branch(repo, "main")
        if head and head != parts.store.state(repo).wanted_sha:
            parts.spaces.pushed(repo, head)


def serve(
    folder: Path | str | None = None,
    port: int = 0,
    host: str = "127.0.0.1",
    accounts: Path | str | None = None,
    runner: str = "process",
    *,
    as_json: bool = False,
) -> None:
    """Serve until SIGINT or SIGTERM; prints `ready URL` once it answers, as a line of JSON if wanted."""
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    with LocalHub(folder, port, host, accounts, runner) as hub:
        if hub.accounts.built_in:
            sys.stderr.write(f"user {hub.accounts.users[0].name}, token {hub.token}\n")
        sys.stdout.write(json.dumps({"event": "ready", "url": hub.url}) + "\n" if as_json else f"ready {hub.url}\n")
        sys.stdout.flush()
        over.wait()
