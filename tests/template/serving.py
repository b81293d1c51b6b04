"""A rendered app as a process of its own, on a socket that outlives it: it can be stopped and started again there."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2

COMMAND = [sys.executable, "-m", "uvicorn", "main:app", "--no-access-log", "--timeout-graceful-shutdown", "3"]
COMMAND += ["--http", "serving.heads:LimitedProtocol"]  # as in the Dockerfile
KEPT = ("PATH", "HOME", "TMPDIR", "LANG", "VIRTUAL_ENV")  # of our environment: no MODEL_ID of whoever runs the tests
PATIENCE = 120  # seconds; only a failure takes that long


class App:
    """The app in a folder, with these variables; a context in which it runs."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder, self.variables = folder, variables
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self, *, until: str = "ready") -> None:
        """Start the process, and come back when it answers; with until="ready" that its model is loaded."""
        environ = {name: os.environ[name] for name in KEPT if name in os.environ} | {"PYTHONDONTWRITEBYTECODE": "1"}
        self._log = (self.folder / "server.log").open("ab")
        arguments = ["--host", "127.0.0.1", "--port", str(self.port)]
        self._process = subprocess.Popen(
            [*COMMAND, *arguments], cwd=self.folder, env=environ | self.variables, stdout=self._log, stderr=self._log
        )
        deadline = time.monotonic() + PATIENCE
        while not self._answers(until):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(self.log())
            time.sleep(0.05)

    def _answers(self, until: str) -> bool:
        try:
            return 200 == httpx2.get(f"{self.url}/{until}", trust_env=False).status_code
        except httpx2.TransportError:
            return False

    def outcome(self) -> dict[str, Any]:
        """What /ready says once the model is loaded, or cannot be."""
        deadline = time.monotonic() + PATIENCE
        while (ready := httpx2.get(f"{self.url}/ready", trust_env=False).json())["status"] == "loading":
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)
        return dict(ready)

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait(30)
        self._log.close()

    def log(self) -> str:
        """What the process wrote."""
        return (self.folder / "server.log").read_text("utf-8", "replace")

    def __enter__(self) -> App:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
