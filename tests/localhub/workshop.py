"""A data folder with Spaces in it and no server: what the tests of the building half share."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from spaceops.localhub.accounts import User
from spaceops.localhub.clock import Clock
from spaceops.localhub.commits import first_commit
from spaceops.localhub.faults import Faults
from spaceops.localhub.repos import Repos
from spaceops.localhub.spaces import Spaces
from spaceops.localhub.startup import Patience
from spaceops.localhub.store import Entry, Repo, Store, connect, new_id
from spaceops.localhub.vault import Vault
from spaceops.localhub.visits import Traffic

CARD = "---\ntitle: Small\nsdk: docker\n---\n"
DOCKERFILE = """\
FROM python:3.11-slim
WORKDIR /app
COPY . .
CMD ["python", "app.py", "0.0.0.0", "7860"]
"""
APP = """\
import http.server, json, os, pathlib, sys, time

STARTED = time.time_ns()

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/crash":
            print("about to crash", flush=True)
            os._exit(3)
        facts = {
            "version": VERSION, "path": self.path, "started": STARTED, "env": dict(os.environ), "argv": sys.argv,
            "cwd": os.getcwd(), "headers": dict(self.headers), "files": sorted(map(str, pathlib.Path().rglob("*"))),
        }
        body = json.dumps(facts).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        print("asked for", self.path, flush=True)

print("serving version", VERSION, flush=True)
http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
"""
PATIENT = 30.0  # seconds until a test gives up
FINAL = ("RUNNING", "BUILD_ERROR", "RUNTIME_ERROR", "CONFIG_ERROR", "NO_APP_FILE", "PAUSED", "SLEEPING")


def small_app(version: int = 1, **files: str) -> dict[str, str]:
    """The files of a Space that starts in a moment and tells about itself."""
    return {"README.md": CARD, "Dockerfile": DOCKERFILE, "app.py": APP.replace("VERSION", str(version), 2), **files}


@dataclass
class Workshop:
    """Store, repositories and Spaces on one folder."""

    folder: Path
    store: Store
    repos: Repos
    spaces: Spaces
    clock: Clock
    faults: Faults

    def new_space(self, visibility: str = "public") -> Repo:
        repo = Repo(
            id=new_id(),
            kind="space",
            namespace="demo",
            name=f"small-{len(self.store.spaces())}",
            visibility=visibility,
            sdk="docker",
            created_at="2026-01-31T12:00:00.000Z",
            creator="demo",
        )
        self.store.add(repo)
        self.repos.create(repo)
        self.spaces.created(repo)
        return repo

    def commit(self, repo: Repo, files: dict[str, str]) -> str:
        """Make these the files of a new commit, the only one of the branch."""
        path = self.repos.path(repo)
        subprocess.run(["git", f"--git-dir={path}", "update-ref", "-d", "refs/heads/main"], check=True)
        content = {name: text.encode() for name, text in files.items()}
        return first_commit(self.repos, repo, content, User(name="demo", token="hf_local"))

    def push(self, repo: Repo, files: dict[str, str]) -> str:
        sha = self.commit(repo, files)
        self.spaces.pushed(repo, sha)
        return sha

    async def deploy(self, repo: Repo, files: dict[str, str]) -> dict[str, Any]:
        """Push, wait for the end of it, and return the runtime."""
        self.push(repo, files)
        return await self.until(repo, *FINAL)

    def set(
        self, repo: Repo, *, variables: dict[str, str] | None = None, secrets: dict[str, str] | None = None
    ) -> None:
        """Save variables and secrets, and nothing else: `spaces.changed` is the test's."""
        settings = self.store.settings(repo)
        entries = {name: _entry(value) for name, value in (variables or {}).items()}
        hidden = {name: _entry(value) for name, value in (secrets or {}).items()}
        settings = replace(
            settings, variables={**settings.variables, **entries}, secrets={**settings.secrets, **hidden}
        )
        self.store.save_settings(repo, settings)

    async def until(self, repo: Repo, *stages: str) -> dict[str, Any]:
        await eventually(lambda: self.spaces.runtime(repo)["stage"] in stages)
        return self.spaces.runtime(repo)

    async def log(self, repo: Repo, which: str) -> str:
        """The text of a log as far as it is written."""
        text = ""
        async for lines in self.spaces.log(repo, which):
            text += "".join(line.text for line in lines)
            if not lines:
                break
        return text

    def port(self, repo: Repo) -> int:
        return int(self.spaces.host(repo).rpartition(":")[2])

    def traffic(self, repo: Repo) -> Traffic:
        """What goes through the app's address."""
        return self.spaces.traffic(repo)

    async def ask(self, repo: Repo, path: str = "/", **headers: str) -> tuple[int, str]:
        """The status and body of the app's address."""
        return await ask(self.port(repo), path, **headers)

    async def facts(self, repo: Repo, path: str = "/") -> dict[str, Any]:
        """What the small app tells about itself."""
        status, body = await self.ask(repo, path)
        assert status == 200, body
        return dict(json.loads(body))


def _entry(value: str) -> Entry:
    return Entry(value=value, updated_at="2026-01-31T12:00:00.000Z")


@asynccontextmanager
async def workshop(
    folder: Path,
    *,
    may_read: Callable[[Repo, str | None], bool] = lambda _repo, _token: True,
    **patience: float,
) -> AsyncIterator[Workshop]:
    """Open the data folder, and stop everything at the end."""
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    db, clock, faults = connect(folder / "hub.sqlite3"), Clock(), Faults()
    store, repos = Store(db, Vault(folder)), Repos(folder, clock)
    spaces = Spaces(
        store=store,
        repos=repos,
        clock=clock,
        faults=faults,
        folder=folder,
        creator_id=lambda _repo: "5f" * 12,
        may_read=may_read,
        patience=Patience(**{"quiet": 0.1, **patience}),
    )
    await spaces.start()
    try:
        yield Workshop(folder, store, repos, spaces, clock, faults)
    finally:
        await spaces.stop()
        db.close()


async def ask(port: int, path: str = "/", method: str = "GET", body: bytes = b"", **headers: str) -> tuple[int, str]:
    """One request on a connection of its own: status and body."""
    head = {"Host": "127.0.0.1", "Connection": "close", **headers}
    head |= {"Content-Length": str(len(body))} if body else {}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
    answer = await exchange(port, "\r\n".join(lines).encode() + body)
    top, _, rest = answer.partition(b"\r\n\r\n")
    return int(top.split()[1]), rest.decode()


async def exchange(port: int, data: bytes) -> bytes:
    """Send bytes, and return all that comes until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        async with asyncio.timeout(PATIENT):
            return await reader.read()
    finally:
        writer.close()


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(PATIENT):
        while not condition():
            await asyncio.sleep(0.01)


def processes_in(folder: Path) -> list[int]:
    """The living processes that run somewhere below a folder: in it, or in a sandbox whose `/` lies there."""
    everybody = psutil.process_iter(["cwd", "status"])
    ours = [one for one in everybody if _is_in(folder, one.info["cwd"]) or _is_in(folder, _root(one.pid))]
    return [one.pid for one in ours if one.info["status"] != psutil.STATUS_ZOMBIE]


def _is_in(folder: Path, place: str | None) -> bool:
    return place is not None and (place == str(folder) or f"{folder}/" in f"{place}/")


def _root(pid: int) -> str | None:
    """What a process has as `/`, by its name within that file system, which here is where tests keep everything."""
    try:
        lines = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    except OSError:  # it ended, or there is no /proc
        return None
    return next((words[3] for words in map(str.split, lines) if words[4] == "/"), None)
