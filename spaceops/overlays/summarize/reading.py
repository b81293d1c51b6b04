"""Reads an uploaded file in a process of its own: whatever time or memory a hostile file takes, the app goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from formats import UNREADABLE
from serving.jobs import Unusable

PROGRAM = Path(__file__).parent / "formats.py"
NEEDED = ("PATH", "HOME", "PYTHONPATH", "LD_LIBRARY_PATH")  # and none of the secrets


def read(file: Path, most: int, progress: Callable[[float, str], None]) -> str:
    """The text of a file, at most so many characters. Raises `Unusable` with the reason if there is none."""
    command = [sys.executable, "-P", str(PROGRAM), str(file), str(most)]
    with tempfile.TemporaryFile() as output, subprocess.Popen(command, stdout=output, env=environment()) as process:
        try:
            while process.poll() is None:
                progress(0, "Reading the file")
                wait(process, 0.1)
        finally:
            process.kill()
        output.seek(0)
        text = output.read().decode()
    if process.returncode == UNREADABLE:
        raise Unusable(text)
    if process.returncode:
        raise Unusable("The file cannot be read: it may be damaged, or take more time or memory than there is.")
    return text


def environment() -> dict[str, str]:
    """What the process finds in its environment."""
    return {name: os.environ[name] for name in NEEDED if name in os.environ}


def wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait until a process has ended, or for so long."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return
