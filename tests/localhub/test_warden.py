"""The warden: what it starts ends with it, and it ends with whoever holds its pipe."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spaceops.localhub.runners.child import WARDEN, Order

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)
# os.write, for the signal may come while "up" is printed, and print cannot be entered twice
POLITE = """
import os, signal, sys

def leave(*_):
    os.write(1, b"bye\\n")
    sys.exit(9)

signal.signal(signal.SIGTERM, leave)
os.write(1, b"up\\n")
signal.pause()
"""
# three ways to escape: a double fork, a session of its own, a grandchild that ignores SIGTERM
ESCAPING = f"""
import os, subprocess, sys, time
for _ in range(2):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(600)
        os._exit(0)
subprocess.Popen([sys.executable, "-c", {STUBBORN!r}], start_new_session=True).wait
os.wait(), os.wait()
print("all up", flush=True)
time.sleep(600)
"""


class Held:
    """A warden whose pipe this test holds."""

    def __init__(self, folder: Path, order: Order, grace: float = 5.0) -> None:
        words = [sys.executable, "-I", "-S", str(WARDEN)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, cwd=folder)
        assert self.process.stdin
        assert self.process.stdout
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        self.stdin.write(order.told(grace))
        self.stdin.flush()

    def end(self) -> tuple[int, bytes]:
        """Close the pipe; the exit code and what was printed."""
        self.stdin.close()
        return self.process.wait(30), self.stdout.read()


Hold = Callable[..., Held]


def ordered(folder: Path, *command: str, **more: Any) -> Order:
    return Order(**{"command": list(command), "env": dict(os.environ), "cwd": str(folder), **more})


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Hold]:
    held: list[Held] = []

    def start(*command: str, grace: float = 5.0, **more: Any) -> Held:
        held.append(Held(tmp_path, ordered(tmp_path, *command, **more), grace))
        return held[-1]

    yield start
    for one in held:
        one.stdin.close()
        one.process.wait(30)
        one.stdout.close()


def living(folder: Path) -> set[int]:
    """The processes that were started in a folder, as far as they are alive."""
    found = set()
    for line in subprocess.run(
        ["ps", "-axo", "pid=,stat="], capture_output=True, text=True, check=True
    ).stdout.splitlines():
        pid, state = line.split()
        cwd = Path(f"/proc/{pid}/cwd")
        try:
            if not state.startswith("Z") and cwd.readlink() == folder:
                found.add(int(pid))
        except OSError:
            continue
    return found


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -TERM $$", 143), ("echo x; exit 1", 1)],
)
def test_the_exit_code_is_the_commands_or_that_of_its_signal(hold: Hold, script: str, code: int) -> None:
    assert hold("sh", "-c", script).process.wait(30) == code


def test_output_passes_through_and_there_is_no_input(hold: Hold) -> None:
    held = hold("sh", "-c", "cat; echo out; echo err >&2")
    assert held.process.wait(30) == 0
    assert held.stdout.read() == b"out\nerr\n"


@pytest.mark.parametrize(
    ("program", "code", "said"),
    [
        ("nosuchprogram", 127, b'exec: "nosuchprogram": executable file not found in $PATH\n'),
        ("./missing.sh", 127, b"exec ./missing.sh: no such file or directory\n"),
        ("./not-executable.sh", 126, b'exec: "./not-executable.sh": permission denied\n'),
        ("./no-shebang.sh", 126, b'exec: "./no-shebang.sh": exec format error\n'),
    ],
)
def test_a_command_that_cannot_start_says_so_as_a_container_engine_would(
    hold: Hold, tmp_path: Path, program: str, code: int, said: bytes
) -> None:
    (tmp_path / "not-executable.sh").write_text("#!/bin/sh\n")
    (tmp_path / "no-shebang.sh").write_text("echo x\n")
    (tmp_path / "no-shebang.sh").chmod(0o755)
    held = hold(program)
    assert held.process.wait(30) == code
    assert held.stdout.read() == said


def test_closing_the_pipe_asks_first(hold: Hold) -> None:
    held = hold(sys.executable, "-c", POLITE)
    held.stdout.readline()
    assert held.end() == (9, b"bye\n")


def test_who_does_not_listen_is_killed_after_the_grace(hold: Hold) -> None:
    held = hold(sys.executable, "-c", STUBBORN, grace=0.2)
    held.stdout.readline()
    started = time.monotonic()
    assert held.end() == (137, b"")
    assert 0.2 <= time.monotonic() - started < 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_warden_ends_the_command(hold: Hold, number: signal.Signals) -> None:
    held = hold("sh", "-c", "echo up; sleep 600")
    held.stdout.readline()
    held.process.send_signal(number)
    assert held.process.wait(30) == 143


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere orphans are not adopted")
def test_no_descendant_survives_the_end_of_the_pipe(hold: Hold, tmp_path: Path) -> None:
    held = hold(sys.executable, "-c", ESCAPING, grace=0.2)
    assert {held.stdout.readline(), held.stdout.readline()} == {b"up\n", b"all up\n"}
    assert len(living(tmp_path)) == 5
    held.end()
    assert living(tmp_path) == set()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere orphans are not adopted")
def test_no_descendant_survives_the_end_of_the_command(hold: Hold, tmp_path: Path) -> None:
    held = hold("sh", "-c", "(setsid sleep 600 &) ; (setsid setsid sleep 600 &) ; exit 4")
    assert held.process.wait(30) == 4
    assert living(tmp_path) == set()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal")
def test_the_command_does_not_survive_a_warden_that_is_killed(hold: Hold, tmp_path: Path) -> None:
    held = hold("sh", "-c", "echo up; exec sleep 600")
    held.stdout.readline()
    held.process.kill()
    wait_until(lambda: living(tmp_path) == set())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere orphans are not adopted")
def test_nothing_survives_a_holder_that_is_killed(tmp_path: Path) -> None:
    """The holder is a process of its own; kill -9 leaves it no time for anything."""
    warden, told = (
        [sys.executable, "-I", "-S", str(WARDEN)],
        ordered(tmp_path, sys.executable, "-c", ESCAPING).told(0.2),
    )
    program = (
        f"import subprocess; held = subprocess.Popen({warden!r}, stdin=subprocess.PIPE); "
        f"held.stdin.write({told!r}); held.stdin.flush(); held.wait()"
    )
    holder = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=tmp_path)
    assert holder.stdout
    assert {holder.stdout.readline(), holder.stdout.readline()} == {b"up\n", b"all up\n"}
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait(30)
    holder.stdout.read()  # ends when the last process that could write has ended
    holder.stdout.close()
    wait_until(lambda: living(tmp_path) == set())
