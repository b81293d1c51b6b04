"""The app as the container starts it: a process of uvicorn."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

FOLDER = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "uvicorn", "main:app", "--host", "127.0.0.1", "--port", "0"]


@contextmanager
def server(*flags: str, **settings: str) -> Iterator[tuple[httpx2.Client, subprocess.Popen]]:
    """Start the Dockerfile's command on a free port; yield a client of it and the process."""
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen([*COMMAND, *flags], cwd=FOLDER, env=os.environ | settings, **pipe) as process:
        try:
            with httpx2.Client(base_url=address(process), trust_env=False, timeout=30) as client:
                yield client, process
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


def end(process: subprocess.Popen) -> str:
    """Stop it as the Hub does; the rest of its log."""
    process.send_signal(signal.SIGTERM)
    log, _ = process.communicate(timeout=30)
    return log


def test_sigterm_ends_it_in_order():
    with server() as (client, process):
        assert 200 == client.get("/health").status_code
        log = end(process)

    assert "Application shutdown complete." in log
    assert -signal.SIGTERM == process.returncode


def test_no_text_gets_into_the_log():
    with server(LOG_LEVEL="debug") as (client, process):
        paths = [path for path, methods in client.get("/openapi.json").json()["paths"].items() if "post" in methods]
        for path in paths:
            for body in ({"text": "my secret"}, {"text": "my secret" * 1000}, ["my secret"]):
                client.post(path, params={"text": "my secret"}, json=body)
        log = end(process)

    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert [path for path in paths for _ in range(3)] == [line["path"] for line in lines if line["method"] == "POST"]
    assert "secret" not in log


def test_a_bad_setting_ends_the_start_with_one_line():
    done = subprocess.run(COMMAND, cwd=FOLDER, env=os.environ | {"RATE_LIMIT": "often"}, capture_output=True, text=True)

    assert (1, "RATE_LIMIT is 'often', but must be a whole number from 0\n") == (done.returncode, done.stderr)


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        ("192.0.2.9, 10.1.2.3", 200),  # somebody else, through the Hub's proxy
        ("192.0.2.9, 192.0.2.1, 10.1.2.3", 429),  # the same, who pretends to be a proxy for somebody else
    ],
)
def test_clients_behind_the_proxy_are_told_apart_by_what_the_proxy_saw(forwarded, status):
    """The flags are the Dockerfile's."""
    flags = re.search(r'"--forwarded-allow-ips", "([^"]*)"', (FOLDER / "Dockerfile").read_text("utf-8"))
    assert flags
    with server("--forwarded-allow-ips", flags[1], RATE_LIMIT="1") as (client, _):
        first = client.get("/version", headers={"X-Forwarded-For": "192.0.2.1, 10.1.2.3"})
        second = client.get("/version", headers={"X-Forwarded-For": forwarded})

    assert (200, status) == (first.status_code, second.status_code)
