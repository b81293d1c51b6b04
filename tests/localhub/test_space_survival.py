"""`kill -9` of a server whose Spaces are at every stage there is, and what the next server makes of them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2 as httpx
import psutil  # type: ignore[import-untyped]
import pytest
from huggingface_hub import CommitOperationAdd, HfApi

PATIENCE = 60.0  # seconds
APP = """
import http.server, signal, sys, urllib.request
if "wait" in sys.argv[2]:
    urllib.request.urlopen(sys.argv[2]).read()
if "stubborn" in sys.argv[2]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"version VERSION")

http.server.HTTPServer(("0.0.0.0", int(sys.argv[1])), Handler).serve_forever()
"""


class Gate:
    """Builds and apps ask here, and wait for the answer until the gate is opened."""

    def __init__(self) -> None:
        self.waiting: list[str] = []
        self.open = threading.Event()
        gate = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                gate.waiting.append(self.path)
                gate.open.wait(PATIENCE)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.open.set()
        self._server.shutdown()
        self._server.server_close()

    def processes(self) -> list[int]:
        """What lives of all apps and builds: each has the gate's address in its command."""
        everybody = psutil.process_iter(["cmdline", "status"])
        ours = [one for one in everybody if self.url in " ".join(one.info["cmdline"] or [])]
        return [one.pid for one in ours if one.info["status"] != psutil.STATUS_ZOMBIE]


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.close()


def files(gate: Gate, version: int, *, build: str = "", start: str = "start") -> dict[str, str]:
    """An app that answers with its version; `build` is a RUN, `start` what it asks at the gate."""
    run = build and f"RUN {build}\n"
    command = f'CMD ["python", "app.py", "7860", "{gate.url}/{start}"]\n'
    dockerfile = f"FROM python:3.11\nWORKDIR /app\n{run}COPY . .\n{command}"
    return {"Dockerfile": dockerfile, "app.py": APP.replace("VERSION", str(version))}


def waits(gate: Gate, name: str) -> str:
    """A build step that waits at the gate."""
    return f"python -c \"import urllib.request as u; u.urlopen('{gate.url}/wait-{name}').read()\""


class Server:
    """`spaceops hub serve`, and its client."""

    def __init__(self, folder: Path) -> None:
        serve = [sys.executable, "-m", "spaceops", "hub", "serve", "--port", "0", "--data", str(folder), "--json"]
        self.process = subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout
        self.api = HfApi(endpoint=json.loads(self.process.stdout.readline())["url"], token="hf_local")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()

    def push(self, name: str, content: dict[str, str]) -> str:
        operations = [CommitOperationAdd(path, text.encode()) for path, text in content.items()]
        return self.api.create_commit(f"demo/{name}", operations, repo_type="space", commit_message="app").oid

    def create(self, name: str, content: dict[str, str], **settings: Any) -> str:
        self.api.create_repo(f"demo/{name}", repo_type="space", space_sdk="docker", **settings)
        return self.push(name, content)

    def stage(self, name: str) -> str:
        return str(self.api.get_space_runtime(f"demo/{name}").stage)

    def sha(self, name: str) -> str | None:
        return self.api.get_space_runtime(f"demo/{name}").raw.get("sha")

    def until(self, name: str, *stages: str) -> str:
        eventually(lambda: self.stage(name) in stages, lambda: str(self.api.get_space_runtime(f"demo/{name}").raw))
        return self.stage(name)

    def visit(self, name: str) -> tuple[int, str]:
        answer = httpx.get(str(self.api.space_info(f"demo/{name}").host), trust_env=False, timeout=PATIENCE)
        return answer.status_code, answer.text


def eventually(holds: Callable[[], bool], what: Callable[[], str] = lambda: "it") -> None:
    """Look until it is so."""
    until = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < until, what()
        threading.Event().wait(0.02)


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    server = Server(folder)
    try:
        yield server
    finally:
        server.kill()


def test_the_next_server_goes_on_from_every_stage(tmp_path: Path, gate: Gate) -> None:
    old, new = {}, {}
    with serving(tmp_path) as first:
        for name in ("rebuilding", "restarting", "failed", "running", "sleeping", "paused", "stopping"):
            start = "stubborn" if name == "stopping" else "start"
            paid = {"space_hardware": "t4-small", "space_sleep_time": 1} if name == "sleeping" else {}
            old[name] = first.create(name, files(gate, 1, start=start), **paid)
        for name in old:
            first.until(name, "RUNNING", "SLEEPING")

        new["building"] = first.create("building", files(gate, 1, build=waits(gate, "building")))
        new["starting"] = first.create("starting", files(gate, 1, start="wait-starting"))
        new["rebuilding"] = first.push("rebuilding", files(gate, 2, build=waits(gate, "rebuilding")))
        new["restarting"] = first.push("restarting", files(gate, 2, start="wait-restarting"))
        new["failed"] = first.push("failed", files(gate, 2, build="false"))
        asked = {"/wait-building", "/wait-starting", "/wait-rebuilding", "/wait-restarting"}
        eventually(lambda: asked <= set(gate.waiting), lambda: str(gate.waiting))
        first.until("failed", "BUILD_ERROR")
        first.until("sleeping", "SLEEPING")
        first.api.pause_space("demo/paused")
        first.api.pause_space("demo/stopping")  # its app lives on for seconds
        stages = {name: first.stage(name) for name in {**old, **new}}
        assert gate.processes()
    assert stages == {
        "building": "BUILDING",
        "starting": "APP_STARTING",
        "rebuilding": "RUNNING_BUILDING",
        "restarting": "RUNNING_APP_STARTING",
        "failed": "BUILD_ERROR",
        "running": "RUNNING",
        "sleeping": "SLEEPING",
        "paused": "PAUSED",
        "stopping": "PAUSED",
    }
    eventually(lambda: not gate.processes(), lambda: "processes outlived their server")

    gate.waiting.clear()
    with serving(tmp_path) as second:
        for name in ("paused", "stopping", "sleeping"):
            assert second.stage(name) == stages[name]
        for name in ("rebuilding", "restarting", "failed", "running"):
            second.until(name, stages[name])
            eventually(lambda name=name: second.sha(name) == old[name], lambda name=name: name)  # type: ignore[misc]
            assert second.visit(name) == (200, "version 1")
        eventually(lambda: asked <= set(gate.waiting), lambda: str(gate.waiting))
        assert {name: second.stage(name) for name in stages} == stages
        assert second.visit("sleeping") == (200, "version 1")

        gate.open.set()
        for name in ("building", "starting", "rebuilding", "restarting"):
            second.until(name, "RUNNING")
            assert second.sha(name) == new[name]
        assert second.visit("rebuilding") == second.visit("restarting") == (200, "version 2")
        second.api.restart_space("demo/stopping")
        second.until("stopping", "RUNNING")
        assert second.visit("stopping") == (200, "version 1")


def test_a_change_of_settings_that_was_acknowledged_is_in_the_app_after_a_kill(tmp_path: Path, gate: Gate) -> None:
    app = files(gate, 1)
    app["app.py"] = "import os\n" + app["app.py"].replace('b"version 1"', 'os.environ.get("COLOR", "none").encode()')
    with serving(tmp_path) as first:
        first.create("changing", app)
        first.until("changing", "RUNNING")
        first.api.add_space_variable("demo/changing", "COLOR", "blue")
    with serving(tmp_path) as second:
        second.until("changing", "RUNNING")
        assert second.visit("changing") == (200, "blue")
