"""The server: everything put together, on one loop in a thread of its own, so that it runs beside any other program."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import json
import os
import secrets
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from spaceops.errors import BadInput
from spaceops.localhub.accounts import identity
from spaceops.localhub.app import make_app
from spaceops.localhub.buckets import Buckets
from spaceops.localhub.clock import Clock, Hand
from spaceops.localhub.connections import allow_many
from spaceops.localhub.control import Control
from spaceops.localhub.datafolder import address_file, held, prepare, temporary_folder
from spaceops.localhub.discussions import Discussions
from spaceops.localhub.exposure import is_exposed, known_accounts, own_accounts
from spaceops.localhub.faults import Faults
from spaceops.localhub.front import Front
from spaceops.localhub.life import Life
from spaceops.localhub.limits import Limits
from spaceops.localhub.repos import Repos
from spaceops.localhub.serving import Server, listen
from spaceops.localhub.spaces import Spaces
from spaceops.localhub.store import Store
from spaceops.localhub.tickets import Tickets
from spaceops.localhub.vault import Vault
from spaceops.localhub.volumes import Volumes
from spaceops.localhub.wire import Parts
from spaceops.localhub.xet import Xet

if TYPE_CHECKING:
    import socket
    from collections import deque
    from collections.abc import Coroutine
    from sqlite3 import Connection
    from types import TracebackType

RUNNERS = ("process",)
T = TypeVar("T")


class LocalHub:
    """A Hub on this machine: `with LocalHub() as hub:` serves until the block ends, at `hub.url` with `hub.token`.

    Without a `folder` everything is gone afterwards. `accounts` is a file of users and tokens; without one there is the
    user `demo`, whose token everybody knows: where other machines reach the server, it makes a token of its own. Port 0
    takes a free one. `rate_limit` refuses who asks more often than the Hub allows.
    """

    def __init__(
        self,
        folder: Path | str | None = None,
        port: int = 0,
        host: str = "127.0.0.1",
        accounts: Path | str | None = None,
        runner: str = "process",
        *,
        rate_limit: bool = False,
    ) -> None:
        self._given = None if folder is None else Path(folder).expanduser().resolve()
        self._port, self._host, self._accounts_file, self._runner = port, host, accounts, runner
        self._rate_limit = rate_limit
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
        self.accounts = known_accounts(self._accounts_file, self._host)
        self.faults, self._clock, self._control_token = Faults(), Clock(), secrets.token_urlsafe(32)
        with contextlib.ExitStack() as undo:
            listening = undo.enter_context(listen(self._host, self._port))
            self.folder = self._given or Path(undo.enter_context(temporary_folder()))
            undo.enter_context(held(self.folder))
            port = listening.getsockname()[1]
            shown = "127.0.0.1" if self._host == "0.0.0.0" else self._host  # noqa: S104  only compared
            self.url = f"http://{shown}:{port}"
            prepare(self.folder)
            if self.accounts.built_in and is_exposed(self._host):
                self.accounts = own_accounts(self.folder)
            self.token = self.accounts.users[0].token
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

    @property
    def clock(self) -> Hand:
        """The server's clock: `hub.clock.advance(seconds)` puts it forward."""
        return Hand(self._clock, self._loop)

    def counters(self, repo_id: str) -> dict[str, int]:
        """How often a Space was restarted and rebuilt, and asked for: `{"restarts": …, "rebuilds": …, "requests": …}`.

        A restart is a start without a build. Raises `NotFound`.
        """
        return self._ask(self._control.counters(repo_id))

    def snapshot(self, file: Path | str, *, with_secrets: bool = True) -> Path:
        """Write everything to a new file while apps go on; whoever has it has the secrets, unless they are left out.

        Raises `BadInput`.
        """
        path = Path(file).expanduser().resolve()
        self._ask(self._life.snapshot(path, with_secrets=with_secrets))
        return path

    def restore(self, file: Path | str) -> None:
        """Have what a snapshot holds in place of what there is, at the same address; what ran then runs again.

        Raises `BadInput`, and then nothing was changed.
        """
        self._ask(self._life.restore(Path(file).expanduser().resolve()))

    def reset(self) -> None:
        """Have nothing: no repository, no fault, no request counted. Environments of builds are kept."""
        self._ask(self._control.reset())

    def _ask(self, question: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(question, self._loop).result()

    def _address(self) -> dict[str, Any]:
        token = {"token": self.token} if self.accounts.built_in else {"own_token": not self._accounts_file}
        return {"url": self.url, "pid": os.getpid(), "control": self._control_token, **token}

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
        app = make_app()
        self._life = Life(self.folder, self._assemble, app.state)
        await self._life.open()
        try:
            self._front = Front(
                app,
                accounts=self.accounts,
                clock=self._clock,
                faults=self.faults,
                limits=Limits(self.accounts, self._clock, enforced=self._rate_limit),
                gate=self._life.gate,
            )
            self._server = Server(self._front, self._life, ready)
            app.state.control = self._control = Control(self._life, self._front, self._control_token)
            await self._server.serve(sockets=[listening])
        finally:
            await self._life.close()

    def _assemble(self, db: Connection) -> Parts:
        clock, faults, vault = self._clock, self.faults, Vault(self.folder)
        store = Store(db, vault)
        repos = Repos(self.folder, clock)
        repos.tidy(store.ids())
        buckets = Buckets(db, self.folder)
        buckets.tidy(store.ids())
        volumes = Volumes(store, repos, buckets, self.folder)
        volumes.tidy()
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
            mounts=volumes.mounts,
        )
        return Parts(
            accounts=self.accounts,
            store=store,
            repos=repos,
            discussions=discussions,
            clock=clock,
            faults=faults,
            spaces=spaces,
            tickets=Tickets(vault.derive("tickets"), clock),
            xet=Xet(db, repos.large_files),
            buckets=buckets,
        )


def serve(
    folder: Path | str | None = None,
    port: int = 0,
    host: str = "127.0.0.1",
    accounts: Path | str | None = None,
    runner: str = "process",
    *,
    rate_limit: bool = False,
    as_json: bool = False,
) -> None:
    """Serve until SIGINT or SIGTERM; prints `ready URL` once it answers, as a line of JSON if wanted."""
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    allow_many()
    with LocalHub(folder, port, host, accounts, runner, rate_limit=rate_limit) as hub:
        if not accounts:
            sys.stderr.write(f"user {hub.accounts.users[0].name}, token {hub.token}\n")
        sys.stdout.write(json.dumps({"event": "ready", "url": hub.url}) + "\n" if as_json else f"ready {hub.url}\n")
        sys.stdout.flush()
        over.wait()
