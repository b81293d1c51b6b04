"""The supervisor as a process, with small programs in place of nginx, the app and the operator's page."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import supervise

FOLDER = Path(__file__).parents[1]
# A program that tells in a file that it is there, and in the log that it was asked to go.
STAYS = """
import os, pathlib, signal
farewells = [signal.SIGTERM, signal.SIGQUIT]
assert not signal.pthread_sigmask(signal.SIG_BLOCK, farewells), "some were blocked already"
pathlib.Path("{name}.pid").write_text(str(os.getpid()))
told = signal.Signals(signal.sigwait(farewells)).name
os.write(1, f"{name} was told {{told}}\\n".encode())  # in one piece: others write there too
"""
# As nginx, whose workers stay if it is killed, and keep the port.
PARENT = """
import os, pathlib, signal
if child := os.fork():
    pathlib.Path("child.pid").write_text(str(child))
else:
    signal.alarm(10)
    signal.pause()
"""
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
# The supervisor with those programs and with shorter times.
MAIN = """
import sys
from pathlib import Path
sys.path.insert(0, {folder!r})
import supervise
supervise.NGINX = [sys.executable, "-c", {nginx!r}]
supervise.OPS = [sys.executable, "-c", {ops!r}]
supervise.STATE = Path("processes.json").absolute()
supervise.FIRST_PAUSE, supervise.DRAIN, supervise.GRACE = 0.05, 1.0, 2.0
sys.exit(supervise.main(sys.argv[1:]))
"""
NGINX, APP, OPS = (STAYS.format(name=name) for name in ("nginx", "app", "ops"))


@contextmanager
def supervised(folder: Path, *command: str) -> Iterator[subprocess.Popen]:
    main = MAIN.format(folder=str(FOLDER), nginx=NGINX, ops=OPS)
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen([sys.executable, "-c", main, *command], cwd=folder, **pipe) as process:
        try:
            yield process
        finally:
            process.kill()


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def state(folder: Path) -> dict[str, dict[str, Any]]:
    try:
        return {one["name"]: one for one in json.loads((folder / "processes.json").read_text())}
    except FileNotFoundError:
        return {}


def all_are_up(folder: Path) -> bool:
    """Whether each program has come to where it waits."""
    programs = state(folder).values()
    files = {one["name"]: folder / f"{one['name']}.pid" for one in programs}
    return bool(programs) and all(
        files[one["name"]].exists() and files[one["name"]].read_text() == str(one["pid"]) for one in programs
    )


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 30
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return value


def runs(pid: int) -> bool:
    """Whether there is such a process, and it is not only waiting to be collected."""
    said = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
    return bool(said.strip()) and not said.startswith("Z")


def end(process: subprocess.Popen, number: signal.Signals = signal.SIGTERM) -> tuple[int, list[str]]:
    process.send_signal(number)
    log, _ = process.communicate(timeout=30)
    return process.returncode, log.splitlines()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_the_end_of_nginx_comes_before_that_of_the_others(tmp_path, number):
    with supervised(tmp_path, *python(APP)) as process:
        until(lambda: all_are_up(tmp_path))
        programs = state(tmp_path).values()
        code, log = end(process, number)

    assert 0 == code
    assert ["nginx was told SIGQUIT", '{"process": "nginx", "exit_code": 0}'] == log[:2]
    assert {"app was told SIGTERM", "ops was told SIGTERM"} < set(log[2:])
    assert not any(runs(one["pid"]) for one in programs)


def test_what_ends_is_started_again(tmp_path):
    with supervised(tmp_path, *python(APP)) as process:
        until(lambda: all_are_up(tmp_path))
        first = state(tmp_path)["app"]
        os.kill(first["pid"], signal.SIGKILL)
        until(lambda: state(tmp_path)["app"]["starts"] == 2 and all_are_up(tmp_path))
        second = state(tmp_path)["app"]
        code, log = end(process)

    assert (0, '{"process": "app", "exit_code": -9}') == (code, log[0])
    assert second["pid"] != first["pid"]
    assert second["started"] > first["started"]


def test_the_pauses_grow_until_there_was_none_for_a_minute():
    program = supervise.Program("app", ["app"])
    pauses = []
    for now in (0.0, 1.0, 2.0, 3.0, 64.0):
        program.ended(1, now)
        pauses.append(program.due - now)

    assert [0.5, 1.0, 2.0, 4.0, 0.5] == pauses


def test_nothing_is_done_while_nothing_happens(tmp_path):
    with supervised(tmp_path, *python(APP)) as process:
        until(lambda: all_are_up(tmp_path))
        before = (tmp_path / "processes.json").stat().st_mtime_ns
        subprocess.run(python("pass"), check=True)  # it takes a while
        after = (tmp_path / "processes.json").stat().st_mtime_ns
        end(process)

    assert before == after


def test_children_end_with_what_has_ended(tmp_path):
    with supervised(tmp_path, *python(PARENT + APP)) as process:
        until(lambda: all_are_up(tmp_path))
        child = int((tmp_path / "child.pid").read_text())
        os.kill(state(tmp_path)["app"]["pid"], signal.SIGKILL)
        until(lambda: state(tmp_path)["app"]["starts"] == 2)
        left = runs(child)
        end(process)

    assert not left


def test_a_disk_that_is_full_ends_nothing(tmp_path):
    (tmp_path / "processes.new").mkdir()  # so that the state cannot be written
    with supervised(tmp_path, *python(APP)) as process:
        until(lambda: all((tmp_path / f"{name}.pid").exists() for name in ("nginx", "app", "ops")))
        code, log = end(process)

    assert (0, 3) == (code, sum("was told" in line for line in log))


def test_what_keeps_ending_is_given_up_and_all_the_rest_ends_too(tmp_path):
    with supervised(tmp_path, *python("raise SystemExit(7)")) as process:
        log, _ = process.communicate(timeout=30)

    assert 1 == process.returncode
    assert 5 == log.count('{"process": "app", "exit_code": 7}')
    assert '{"process": "app", "given_up": true}' in log
    assert not any(runs(one["pid"]) for one in state(tmp_path).values() if one["pid"])


def test_what_does_not_hear_is_killed(tmp_path):
    with supervised(tmp_path, *python(STUBBORN)) as process:
        assert "deaf\n" == process.stdout.readline()
        app = state(tmp_path)["app"]["pid"]
        code, _ = end(process)

    assert 0 == code
    assert not runs(app)


def test_a_command_that_there_is_not_ends_the_start_and_all_the_rest(tmp_path):
    with supervised(tmp_path, "there-is-no-such-command") as process:
        log, _ = process.communicate(timeout=30)

    assert 1 == process.returncode
    assert "FileNotFoundError: [Errno 2] No such file or directory: 'there-is-no-such-command'" in log


# As in a container, where the children of those that ended come to the first process.
ORPHAN = """
import ctypes, os, signal, sys, time
sys.path.insert(0, sys.argv[1])
import supervise
assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER
if not os.fork():
    os._exit(0 if os.fork() else 7)
deadline = time.monotonic() + 20
while time.monotonic() < deadline:
    list(supervise.collect([]))
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        sys.exit(0)
sys.exit("somebody was not collected")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives other people's children to a process")
def test_orphans_are_let_go():
    done = subprocess.run([*python(ORPHAN), str(FOLDER)], capture_output=True, text=True, timeout=30)

    assert (0, "") == (done.returncode, done.stderr)
