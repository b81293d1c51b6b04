"""Runs one command and sees to its end: `python -I -S warden.py`, with the order (see `child.py`) on standard input.

The one who starts the warden holds a pipe to its standard input. When that pipe closes, because its holder wants to
stop or died in whatever way, the warden ends the command and all its descendants: SIGTERM, a grace, SIGKILL. It does
the same on SIGTERM; and when the command ends by itself, its left-over descendants are killed, as in a container.
Exits with the command's exit code, or 128 + N when signal N killed it.

On Linux the warden adopts orphans, so that no double fork escapes it; elsewhere it follows process groups. Before the
command there may stand a sandbox (bubblewrap), in which this program is called again, as `warden.py --within FD`, to
set what can only be set there. The warden itself never sees the command's environment as its own: a library that this
preloads is loaded where the command runs.
Standard library only, and little of that: it is started by its path, without site-packages, and each start of an app
waits for it.
"""

# pathlib is not used: importing it takes 7 ms.
# ruff: noqa: PTH112, PTH123, PTH208

from __future__ import annotations

import marshal
import os
import resource
import select
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from ctypes import CDLL
    from typing import Any

LINUX = sys.platform == "linux"
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 24, 36, 38  # linux/prctl.h
CAPABILITIES = 64  # more than there are
NOT_EXECUTABLE, NOT_FOUND = 126, 127  # what shells and container engines exit with
UNKILLABLE = 10.0  # seconds after which a process that survives SIGKILL (stuck in the kernel) is given up
TICK = 0.01

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # Landlock's system calls, the same on all processors
BENEATH = 1  # the kind of rule
WITH_RENAMES = 2  # the first version of Landlock that lets files be moved between folders
READING = 0b1101  # execute, read files, read folders
ON_FILES = 0b1100000000000111  # execute, write, read, truncate, ioctl: what a rule about a file may speak of
RIGHTS = {2: 14, 3: 15, 4: 15}  # how many there are in each version
ALL_RIGHTS = 16  # since version 5


def main(arguments: list[str]) -> int:
    """Run the command until it ends or the pipe closes."""
    if arguments[:1] == ["--within"]:
        with open(int(arguments[1]), "rb") as stream:
            execute(marshal.load(stream))  # noqa: S302 - it comes from the server
    try:
        order = marshal.load(sys.stdin.buffer)  # noqa: S302 - and so does this
    except EOFError:
        return NOT_FOUND  # whoever wanted something is gone
    if LINUX:
        prctl(PR_SET_CHILD_SUBREAPER, 1)
    wake = listen_for_signals()
    child = start(order)
    status = watch(child, wake)
    if status is None:
        status = end(child, wake, order["grace"], inner=bool(order["sandbox"]))
    kill_descendants(child)
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def start(order: dict[str, Any]) -> int:
    """Fork and execute the command; returns when it is in its own session, so that signals reach it."""
    warden = os.getpid()
    reading, writing = os.pipe()  # closed by exec, or by the end
    child = os.fork()
    if child == 0:
        become(order, warden)
    os.close(writing)
    while os.read(reading, 1):
        pass
    os.close(reading)
    return child


def prctl(option: int, value: int) -> int:
    """Set an attribute of this process (Linux)."""
    return int(library().prctl(option, value, 0, 0, 0))


def library() -> CDLL:
    """The C library."""
    import ctypes  # 5 ms that the start within a sandbox would pay for nothing

    return ctypes.CDLL(None, use_errno=True)


def listen_for_signals() -> int:
    """Have signals written to a pipe, and return its reading end."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return reading


def become(order: dict[str, Any], warden: int) -> None:
    """In the forked child: a session of its own, no standard input, then the command. Does not return."""
    os.setsid()
    if LINUX:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != warden:
            os._exit(NOT_FOUND)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    set_limits(order["limits"])
    if order["sandbox"]:
        enter(order)
    if LINUX:
        give_up_rights(order)
    execute(order)


def enter(order: dict[str, Any]) -> None:
    """Execute the sandbox, which calls this program again. What others need not see goes through memory."""
    program, *arguments = order["sandbox"]
    within = {"command": order["command"], "env": order["env"], "limits": order["limits_within"]}
    said = memory("\0".join(arguments).encode() + b"\0")
    told = memory(marshal.dumps(within))
    words = [program, "--args", str(said), "--", *order["again"], "--within", str(told)]
    os.execv(program, words)  # noqa: S606 - that is what it is for


def memory(content: bytes) -> int:
    """A file of that content without a name, open and passed on."""
    descriptor = os.memfd_create("order", 0)
    with open(descriptor, "wb", closefd=False) as stream:
        stream.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def execute(order: dict[str, Any]) -> None:
    """Become the command, or say why not. Does not return."""
    command, env = order["command"], order["env"]
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and an ignored signal is inherited
        signal.signal(number, signal.SIG_DFL)
    set_limits(order["limits"])
    try:
        os.chdir(order.get("cwd", "."))
        os.execvpe(command[0], command, env)  # noqa: S606 - the command is the whole point
    except (OSError, ValueError) as error:
        os.write(2, f"{reason(command[0], error)}\n".encode())
        os._exit(NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE)


def set_limits(limits: dict[str, int]) -> None:
    """Set limits (`FSIZE`, `CORE`…), as far as those that hold already allow."""
    for name, value in limits.items():
        number = getattr(resource, f"RLIMIT_{name}")
        _, hard = resource.getrlimit(number)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(number, (value, value))


def give_up_rights(order: dict[str, Any]) -> None:
    """What can be given up without a sandbox: more rights by set-uid, those of root, and files (by Landlock)."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    for capability in range(CAPABILITIES):
        prctl(PR_CAPBSET_DROP, capability)
    version = landlock(CREATE_RULESET, None, 0, 1)
    if version >= WITH_RENAMES and order["read"]:
        keep_out(order, (1 << RIGHTS.get(version, ALL_RIGHTS)) - 1)


def landlock(number: int, *arguments: bytes | int | None) -> int:
    """A system call of Landlock."""
    import ctypes

    words = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    return int(library().syscall(ctypes.c_long(number), *words))


def keep_out(order: dict[str, Any], rights: int) -> None:
    """Of all files, allow those below `read` and `write` only."""
    ruleset = landlock(CREATE_RULESET, rights.to_bytes(8, sys.byteorder), 8, 0)
    for names, allowed in ((order["read"], READING), (order["write"], rights)):
        for name in filter(os.path.exists, names):
            allow(ruleset, name, allowed)
    if landlock(RESTRICT_SELF, ruleset, 0):
        os._exit(NOT_EXECUTABLE)
    os.close(ruleset)


def allow(ruleset: int, name: str, rights: int) -> None:
    """Add a rule about a folder or a file."""
    place = os.open(name, os.O_PATH | os.O_CLOEXEC)
    allowed = rights if os.path.isdir(name) else rights & ON_FILES
    rule = allowed.to_bytes(8, sys.byteorder) + place.to_bytes(4, sys.byteorder)
    landlock(ADD_RULE, ruleset, BENEATH, rule, 0)
    os.close(place)


def reason(program: str, error: Exception) -> str:
    """Why the program does not start, in the words of a container engine."""
    if isinstance(error, FileNotFoundError) and "/" not in program:
        return f'exec: "{program}": executable file not found in $PATH'
    if isinstance(error, FileNotFoundError):
        return f"exec {program}: no such file or directory"
    return f'exec: "{program}": {(getattr(error, "strerror", None) or str(error)).lower()}'


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


def end(child: int, wake: int, grace: float, *, inner: bool) -> int:
    """Ask the command's group to stop, wait, insist; return the command's status."""
    for group in groups_within(child) if inner else {child}:
        send(os.killpg, group, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while (left := deadline - time.monotonic()) > 0:
        if select.select([wake], [], [], left)[0]:
            os.read(wake, 4096)
        status = reap(child)
        if status is not None:
            return status
    send(os.kill, child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def send(how: Callable[[int, int], None], target: int, number: int) -> None:
    """Send a signal to somebody who may be gone, or belong to another user."""
    try:
        how(target, number)
    except (ProcessLookupError, PermissionError):
        return


def groups_within(sandbox: int) -> set[int]:
    """The group of what a sandbox started, which is not its own: it passes no signals on, and would end everything."""
    table = linux_processes()
    first = {pid for pid, parent, _ in table if parent == sandbox}
    return {group for pid, _, group in table if pid in first} - {sandbox}


def reap(child: int) -> int | None:
    """Take the statuses of all that ended; return that of the command, if it is among them."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == child:
            found = status
        if pid == 0:
            return found


def kill_descendants(child: int) -> None:
    """Kill until nothing of the command is left, whatever it forks meanwhile."""
    deadline = time.monotonic() + UNKILLABLE
    while (left := descendants(child)) and time.monotonic() < deadline:
        for pid in left:
            send(os.kill, pid, signal.SIGKILL)
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
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stat:
                state, parent, group = stat.read().rpartition(")")[2].split()[:3]
        except OSError:  # it just ended
            continue
        if state != "Z":
            table.append((int(name), int(parent), int(group)))
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
