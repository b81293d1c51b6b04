"""The server: everything put together, on one loop in a thread of its own, so that it runs beside any other program."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import errno
import fcntl
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import uvicorn

from spaceops.errors import BadInput, InUse, NotFound
from spaceops.localhub.accounts import Accounts, identity
from spaceops.localhub.app import make_app
from spaceops.localhub.clock import Clock
from spaceops.localhub.faults import Faults
from spaceops.localhub.repos import Repos
from spaceops.localhub.routes.git import install_hook
from spaceops.localhub.spaces import Spaces
from spaceops.localhub.store import Store, connect
from spaceops.localhub.tickets import Tickets
from spaceops.localhub.vault import Vault
from spaceops.localhub.wire import Parts
from spaceops.localhub.xet import Xet

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Coroutine, Iterator
    from sqlite3 import Connection
    from types import TracebackType

    from spaceops.localhub.wire import Front

RUNNERS = ("process",)
ADDRESS = "address.json"
KEEP_ALIVE = 75  # seconds: a client that pauses must not meet a connection that is just being closed
GRACE = 2  # seconds for requests to end when the server stops
START_SECONDS = 30.0


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
            listening = undo.enter_context(_listen(self._host, self._port))
            self.folder = self._given or Path(undo.enter_context(_temporary_folder()))
            undo.enter_context(_lock(self.folder))
            port = listening.getsockname()[1]
            shown = "127.0.0.1" if self._host == "0.0.0.0" else self._host  # noqa: S104  only compared
            self.url = f"http://{shown}:{port}"
            _prepare(self.folder)
            self._run(listening)
            undo.callback(self._halt)
            undo.enter_context(_address_file(self.folder, self._address()))
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
            self._server = _Server(self._front, self._parts, ready)
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
            clock=clock,
            faults=faults,
            spaces=spaces,
            tickets=Tickets(store.constant("key"), clock),
            xet=Xet(self.folder, repos.large_files),
        )


class _Server(uvicorn.Server):
    """uvicorn, which tells when it answers, and stops the Spaces before it waits for the readers of their logs."""

    def __init__(self, front: Front, parts: Parts, ready: threading.Event) -> None:
        super().__init__(
            uvicorn.Config(
                front,
                loop="asyncio",
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,  # uvicorn's is a second old, and logs are read by the clock in it
                timeout_keep_alive=KEEP_ALIVE,
                timeout_graceful_shutdown=GRACE,
            )
        )
        self._parts, self._ready = parts, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self._ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more requests, stop the Spaces, let the other requests end."""
        for server in self.servers:
            server.close()
        await self._parts.spaces.stop()
        await super().shutdown(sockets)


def _catch_up(parts: Parts) -> None:
    """Build what was pushed when the last server died before it could begin to."""
    for repo in parts.store.spaces():
        head = parts.repos.branch(repo, "main")
        if head and head != parts.store.state(repo).wanted_sha:
            parts.spaces.pushed(repo, head)


def _listen(host: str, port: int) -> socket.socket:
    listening = socket.socket(
        socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP
    )  # asyncio avoids delays for TCP only
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise InUse(f"Port {port} is in use", hint="--port 0 takes a free one.") from error
        raise BadInput(f"Cannot listen on {host}:{port}: {error.strerror}", hint="--host 127.0.0.1") from error
    return listening


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="spaceops-hub-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Hold the data folder, so that no second server works in it; the kernel lets go of it however this one ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise BadInput(f"{folder} cannot be the data folder: {error.strerror}", hint="--data DIR") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InUse(
                f"Another local Hub works in {folder}", hint="Stop it, or take another folder: --data DIR"
            ) from error
        yield


def _prepare(folder: Path) -> None:
    """The folders that there must be; what was arriving when an earlier server died is gone."""
    shutil.rmtree(folder / "tmp", ignore_errors=True)
    (folder / "tmp").mkdir()
    install_hook(folder)


@contextlib.contextmanager
def _address_file(folder: Path, address: dict[str, Any]) -> Iterator[None]:
    """Say in the folder where its server is; who finds no file, or a folder without lock, finds no server."""
    file = folder / ADDRESS
    fresh = file.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(address), "utf-8")
    fresh.replace(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def default_folder() -> Path:
    """Where the local Hub keeps its data unless told otherwise: `SPACEOPS_DATA`, else the user's data folder."""
    if given := os.environ.get("SPACEOPS_DATA"):
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "spaceops" / "hub"


_embedded: dict[Path, LocalHub] = {}


class Found(NamedTuple):
    """A local Hub that answers; `here` if it ends with this program. With accounts of its own it tells no token."""

    url: str
    token: str | None
    here: bool


def embedded(folder: Path) -> Found:
    """The local Hub of a folder: the one that runs, else one started here until this program ends."""
    folder = folder.expanduser().resolve()
    try:
        if folder not in _embedded:
            _embedded[folder] = LocalHub(folder).start()
        return Found(_embedded[folder].url, _embedded[folder].token, here=True)
    except InUse:
        address = _running(folder)
        return Found(address["url"], address.get("token"), here=False)


def _running(folder: Path) -> dict[str, Any]:
    """The address of the server that holds a folder; it may just be starting."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        with contextlib.suppress(FileNotFoundError):
            found: dict[str, Any] = json.loads((folder / ADDRESS).read_text("utf-8"))
            return found
        time.sleep(0.02)
    raise InUse(f"The local Hub that works in {folder} does not come up", hint="Stop it, or set SPACEOPS_DATA.")


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
