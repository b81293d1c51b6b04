"""Starts nginx, the app and the operator's page, starts again what ends, and ends with them.

    python supervise.py COMMAND OF THE APP …

It is the container's first process. So it also collects what others leave behind, and passes the end on: on SIGTERM
nginx takes no more requests, the app answers those that it has, then everything ends.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent
NGINX = ["nginx", "-e", "stderr", "-p", str(FOLDER), "-c", str(FOLDER / "nginx.conf")]
OPS = ["uvicorn", "ops:app", "--uds", "/tmp/ops.sock", "--forwarded-allow-ips", "*", "--no-access-log"]  # noqa: S108
STATE = Path("/tmp/processes.json")  # noqa: S108  what ops.py reads; nobody else has this container's /tmp

ENDS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}  # of a container, Ctrl-C, and a terminal that is closed
SIGNALS = ENDS | {signal.SIGCHLD, signal.SIGALRM}
FIRST_PAUSE = 0.5  # seconds before a process is started again, doubled each time
MEMORY, PATIENCE = 60.0, 5  # what ends five times within 60 seconds will not get better
DRAIN, GRACE = 20.0, 29.0  # seconds since SIGTERM: for nginx to finish, and until the rest is killed, as the Hub would


@dataclass
class Program:
    """One of the processes: how to start it, and how it is doing."""

    name: str
    command: Sequence[str]
    farewell: signal.Signals = signal.SIGTERM
    pid: int = 0  # 0: it does not run
    due: float = 0.0  # when it is to be started
    starts: int = 0
    started: float = 0.0  # seconds since 1970
    ends: list[float] = field(default_factory=list)  # the recent ones

    def start(self) -> None:
        """Start it in a group of its own, with the signals as they were before this program blocked them."""
        self.pid = os.posix_spawnp(self.command[0], self.command, os.environ, setpgroup=0, setsigmask=())
        self.starts, self.started = self.starts + 1, time.time()

    def ended(self, code: int, now: float) -> None:
        """Plan the next start, the later the more often it has ended."""
        self.pid = 0
        self.ends = [one for one in self.ends if now - one < MEMORY] + [now]
        self.due = now + FIRST_PAUSE * 2 ** (len(self.ends) - 1)
        say(process=self.name, exit_code=code)

    def kill(self, number: signal.Signals) -> None:
        """Send a signal, if it runs."""
        if self.pid:
            os.kill(self.pid, number)


def main(command: Sequence[str]) -> int:
    """Run everything; the exit code is 1 if a process would not stay up."""
    for number in SIGNALS:
        signal.signal(number, lambda *_: None)  # a first process is spared those without a handler
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    programs = [Program("nginx", NGINX, signal.SIGQUIT), Program("app", command), Program("ops", OPS)]
    try:
        return keep_running(programs)
    finally:
        end(programs)


def keep_running(programs: Sequence[Program]) -> int:
    """Start what is due, until somebody wants the end (0) or a process ends too often (1)."""
    while True:
        for program in programs:
            if not program.pid and program.due <= time.monotonic():
                program.start()
        save(programs)
        waiting = [program.due for program in programs if not program.pid]
        if wait_for_signal(until=min(waiting, default=None)) in ENDS:
            return 0
        for program in collect(programs):
            if len(program.ends) >= PATIENCE:
                say(process=program.name, given_up=True)
                return 1


def wait_for_signal(until: float | None) -> int:
    """Sleep until a process ends, a signal comes, or it is time; time comes as a signal too."""
    signal.setitimer(signal.ITIMER_REAL, 0 if until is None else max(until - time.monotonic(), 0.001))
    return signal.sigwait(SIGNALS)


def collect(programs: Sequence[Program]) -> Iterator[Program]:
    """Take note of what has ended. Children of children, which come here when their parents end, are just let go."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:  # there is none at all
            return
        if not pid:
            return
        for program in programs:
            if program.pid == pid:
                with suppress(ProcessLookupError):  # its own children end too: they may hold the port of the next one
                    os.killpg(pid, signal.SIGKILL)
                program.ended(os.waitstatus_to_exitcode(status), time.monotonic())
                yield program


def end(programs: Sequence[Program]) -> None:
    """First nginx, which finishes what it has taken while the app is still there to answer; then the others."""
    began = time.monotonic()
    for group, seconds in ((programs[:1], DRAIN), (programs[1:], GRACE)):
        for program in group:
            program.kill(program.farewell)
        while any(program.pid for program in group) and time.monotonic() < began + seconds:
            wait_for_signal(until=began + seconds)
            list(collect(programs))
    for program in programs:
        program.kill(signal.SIGKILL)


def save(programs: Sequence[Program]) -> None:
    """Write down how they are doing; whoever reads finds the old state or the new one, never half of it."""
    state = [{"name": one.name, "pid": one.pid, "starts": one.starts, "started": one.started} for one in programs]
    draft = STATE.with_suffix(".new")
    with suppress(OSError):  # a full disk is no reason to end everything
        draft.write_text(json.dumps(state))
        draft.replace(STATE)


def say(**facts: object) -> None:
    """One line of JSON in the log."""
    sys.stderr.write(json.dumps(facts) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
