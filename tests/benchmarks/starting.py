"""How long it takes to start: the command beside `hf`, the import, and the local Hub with the memory it idles in."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from statistics import median

import psutil

RUNS = 7
BIN = Path(sys.executable).parent


def seconds(work: Callable[[], object]) -> float:
    """The median of some runs, after one to warm up."""
    work()
    spent = []
    for _ in range(RUNS):
        started = time.perf_counter()
        work()
        spent.append(time.perf_counter() - started)
    return median(spent)


def command(*arguments: str) -> Callable[[], object]:
    """Run a program to its end."""
    return lambda: subprocess.run([str(BIN / arguments[0]), *arguments[1:]], capture_output=True, check=True)


def local_hub() -> tuple[float, float]:
    """Seconds from the start of the process to its first answer, and its memory a moment later, in MB."""
    with tempfile.TemporaryDirectory() as data:
        started = time.perf_counter()
        serve = [sys.executable, "-m", "spaceops", "hub", "serve", "--port", "0", "--data", data]
        with subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
            address = (server.stdout or sys.stdin).readline().split()[1]
            urllib.request.urlopen(f"{address}/api/spaces", timeout=10).close()
            spent = time.perf_counter() - started
            memory = psutil.Process(server.pid).memory_info().rss / 1e6
            server.terminate()
    return spent, memory


def main() -> None:
    """Print the table."""
    ours, theirs = seconds(command("spaceops", "--help")), seconds(command("hf", "--help"))
    bare = seconds(command("python", "-c", "pass"))
    print(f"python -c pass        {bare:6.3f} s")
    print(f"spaceops --help       {ours:6.3f} s")
    print(f"hf --help             {theirs:6.3f} s   {theirs / ours:.1f} times ours")
    print(f"import spaceops       {seconds(command('python', '-c', 'import spaceops')) - bare:6.3f} s over bare Python")
    spent, memory = local_hub()
    print(f"local Hub: first answer after {spent:.2f} s, idles in {memory:.0f} MB")


if __name__ == "__main__":
    main()
