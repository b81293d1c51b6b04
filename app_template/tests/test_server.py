"""The app as the container starts it: a process of uvicorn."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

FOLDER = Path(__file__).parents[1]


@contextmanager
def server(**settings: str) -> Iterator[tuple[str, subprocess.Popen]]:
    """Start the Dockerfile's command on a free port; yield the address and the process."""
    command = [sys.executable, "-m", "uvicorn", "main:app", "--host", "127.0.0.1", "--port", "0"]
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, cwd=FOLDER, env=os.environ | settings, **pipe) as process:
        try:
            yield address(process), process
        finally:
            process.kill()


def address(process: subprocess.Popen) -> str:
    """Read the log up to the line that names the address."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            return found[0]
    raise AssertionError("".join(lines))


def test_sigterm_ends_it_in_order():
    with server() as (url, process):
        assert 200 == httpx2.get(f"{url}/health", trust_env=False).status_code
        process.send_signal(signal.SIGTERM)
        log, _ = process.communicate(timeout=30)

    assert "Application shutdown complete." in log
    assert -signal.SIGTERM == process.returncode


def test_no_text_gets_into_the_log():
    with server(LOG_LEVEL="debug") as (url, process):
        for body in ({"text": "my secret"}, {"text": "my secret" * 1000}):
            httpx2.post(f"{url}/analyze", params={"text": "my secret"}, json=body, trust_env=False)
        process.send_signal(signal.SIGTERM)
        log, _ = process.communicate(timeout=30)

    assert 2 == log.count("POST /analyze")
    assert "secret" not in log
