"""The app in a process of its own, as the container starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1]


def end(process: subprocess.Popen) -> str:
    """Stop it as the Hub does; the rest of its log."""
    process.send_signal(signal.SIGTERM)
    log, _ = process.communicate(timeout=30)
    return log


def test_sigterm_ends_it_in_order(server):
    with server(COMMIT="0123abc") as (client, process):
        assert "0123abc" == client.get("/version").json()["commit"]
        log = end(process)

    assert "Application shutdown complete." in log
    assert -signal.SIGTERM == process.returncode


def test_no_text_gets_into_the_log(server):
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
    done = subprocess.run(
        [sys.executable, "-m", "uvicorn", "main:app"],
        cwd=FOLDER,
        env=os.environ | {"RATE_LIMIT": "often"},
        capture_output=True,
        text=True,
    )

    assert (1, "RATE_LIMIT is 'often', but must be a whole number from 0\n") == (done.returncode, done.stderr)
