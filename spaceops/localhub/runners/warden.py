"""Runs one command and sees to its end: `python -I -S warden.py GRACE COMMAND [ARGUMENT…]`.

The one who starts the warden holds a pipe to its standard input. When that pipe closes, because its holder wants to
stop or died in whatever way, the warden ends the command and all its descendants: SIGTERM, GRACE seconds, SIGKILL. It
does the same on SIGTERM; and when the command ends by itself, its left-over descendants are killed, as in a container.
Exits with the command's exit code, or 128 + N when signal N killed it.

On Linux the warden adopts orphans, so that no double fork escapes it; elsewhere it follows process groups.
Standard library only: it is started by its path, without site-packages.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import time
from pathlib import Path

LINUX = sys.platform == "linux"
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
NOT_EXECUTABLE, NOT_FOUND = 126, 127  # what shells and container engines exit with
UNKILLABLE = 10.0  # seconds after which a process that survives SIGKILL (stuck in the kernel) is given up
TICK = 0.01


def main(arguments: list[str]) -> int:
    """Run the command until it ends or the pipe closes."""
    grace, command = float(arguments[0]), arguments[1:]
    if LINUX:
        prctl(PR_SET_CHILD_SUBREAPER, 1)
    wake = listen_for_signals()
    child = start(command)
    status = watch(child, wake)
    if status is None:
        status = end(child, wake, grace)
    kill_descendants(child)
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def start(command: list[str]) -> int:
    """Fork and execute the command; returns when it is in its own session, so that signals reach it."""
    warden = os.getpid()
    reading, writing = os.pipe()  # closed by exec, or by the end
    child = os.fork()
    if child == 0:
        become(command, warden)
    os.close(writing)
    while os.read(reading, 1):
        pass
    os.close(reading)
    return child


def prctl(option: int, value: int) -> None:
    """Set an attribute of this process (Linux)."""
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def listen_for_signals() -> int:
    """Have signals written to a pipe, and return its reading end."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return reading


def become(command: list[str], warden: int) -> None:
    """In the forked child: a session of its own, no standard input, then the command. Does not return."""
    os.setsid()
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and an ignored signal is inherited
        signal.signal(number, signal.SIG_DFL)
    if LINUX:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != warden:
            os._exit(NOT_FOUND)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        os.execvp(command[0], command)  # noqa: S606 - the command is the whole point
    except OSError as error:
        os.write(2, f"{reason(command[0], error)}\n".encode())
        os._exit(NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE)


def reason(program: str, error: OSError) -> str:
    """Why the program does not start, in the words of a container engine."""
    if isinstance(error, FileNotFoundError) and "/" not in program:
        return f'exec: "{program}": executable file not found in $PATH'
    if isinstance(error, FileNotFoundError):
        return f"exec {program}: no such file or directory"
    return f'exec: "{program}": {(error.strerror or str(error)).lower()}'


def watch(child: int, wake: int) -> int | None:
    """Wait for the command's end and return its status, or None when it is to be ended."""
    while True:
        ready, _, _ = select.select([0, wake], [], [])
        if 0 in ready and not os.read(0, 4096):
            return reap(child)
        if wake in ready:
            signals = os.read(wake, 4096)
            status = reap(child)
            if status is not None or set(signals) - {signal.SIGCHLD}:
                return status


def end(child: int, wake: int, grace: float) -> int:
    """Ask the command's group to stop, wait, insist; return the command's status."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while (left := deadline - time.monotonic()) > 0:
        select.select([wake], [], [], left)
        with contextlib.suppress(BlockingIOError):
            os.read(wake, 4096)
        status = reap(child)
        if status is not None:
            return status
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def reap(child: int) -> int | None:
    """Take the statuses of all that ended; return that of the command, if it is among them."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == child:
                found = status
            if pid == 0:
                break
    return found


def kill_descendants(child: int) -> None:
    """Kill until nothing of the command is left, whatever it forks meanwhile."""
    deadline = time.monotonic() + UNKILLABLE
    while (left := descendants(child)) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        reap(child)
        time.sleep(TICK)
    reap(child)


def descendants(child: int) -> list[int]:
    """All living processes below the warden, and those of the command's process group."""
    table = linux_processes() if LINUX else other_processes()
    found, waiting = set(), [os.getpid()]
    while waiting:
        parent = waiting.pop()
        children = [pid for pid, ppid, _ in table if ppid == parent and pid not in found]
        found.update(children)
        waiting.extend(children)
    return [pid for pid, _, group in table if pid in found or group == child]


def linux_processes() -> list[tuple[int, int, int]]:
    """Process, parent and group of everything that lives."""
    table = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                state, parent, group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
                if state != "Z":
                    table.append((int(entry.name), int(parent), int(group)))
    return table


def other_processes() -> list[tuple[int, int, int]]:
    """The same, as `ps` tells it, without `ps` itself."""
    import subprocess  # 7 ms that each start on Linux would pay for nothing

    with subprocess.Popen(["ps", "-axo", "pid=,ppid=,pgid=,stat="], stdout=subprocess.PIPE, text=True) as ps:
        rows = [line.split() for line in ps.communicate()[0].splitlines()]
    numbers = [(int(pid), int(parent), int(group)) for pid, parent, group, state in rows if not state.startswith("Z")]
    return [row for row in numbers if row[0] != ps.pid]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
