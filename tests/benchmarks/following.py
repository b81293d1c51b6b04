"""Following 200,000 log lines while connections break: ours beside `HfApi.fetch_space_logs(follow=True)`.

The server runs in a process of its own. Lines per second count up to the last new line; a follower of ours then asks
once more whether that was the end.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from huggingface_hub import HfApi

from spaceops.events import logs
from spaceops.hub import Hub

sys.path.insert(0, str(Path(__file__).parent.parent))
from log_server import Answer, LogServer, frames

LINES = 200_000
GONE = {"cut once, the last 50,000 lines kept": 30_000}  # lines that no client could get, by case
MEGABYTE = 1_000_000
SPACE, TOKEN = "demo/app", "hf_" + "b" * 30
TEXT = "INFO:     10.16.3.7:41234 - POST /analyze HTTP/1.1 200 OK in 0.0123 s, request {}"
CASES: dict[str, list[Answer]] = {
    "undisturbed": [Answer()],
    "cut four times, replayed from the start": [*(Answer(cut=n * 5 * MEGABYTE) for n in (1, 2, 3, 4)), Answer()],
    "each connection cut after 5 MB": [Answer(cut=5 * MEGABYTE)],
    "a clean end half way": [Answer(lines=LINES // 2), Answer()],
    "cut in the middle of a line": [Answer(cut=12 * MEGABYTE + 7, cleanly=True), Answer()],
    "cut once, the last 50,000 lines kept": [Answer(lines=LINES * 3 // 5, end="cut"), Answer(keep=50_000)],
}


class Result(NamedTuple):
    """What one client got of one case."""

    got: int
    lost: int
    doubled: int
    rate: float
    seconds: float
    megabytes: float
    end: str


def main() -> None:
    """Print the table."""
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2])
        return
    print(f"{LINES} lines, {sum(map(len, frames(LINES, text=TEXT))) / MEGABYTE:.0f} MB")
    print(f"{'':42}{'client':<10}{'got':>8}{'lost':>8}{'doubled':>8}{'lines/s':>9}{'seconds':>8}{'MB':>6}  end")
    for case in CASES:
        for name, client in (("spaceops", ours), ("HfApi", theirs)):
            result = measure(case, client)
            numbers = f"{result.got:>8}{result.lost:>8}{result.doubled:>8}{result.rate:>9.0f}"
            print(
                f"{case:42}{name:<10}{numbers}{result.seconds:>8.1f}{result.megabytes:>6.0f}  {result.end}", flush=True
            )


def ours(url: str) -> Iterator[str]:
    """The lines by `spaceops.logs`."""
    return (event.text for event in logs(SPACE, Hub(url, token=TOKEN), follow=True) if event.kind == "run")


def theirs(url: str) -> Iterator[str]:
    """The lines by the client of the Hub."""
    return (text.rstrip("\n") for text in HfApi(url, token=TOKEN).fetch_space_logs(SPACE, follow=True))


def measure(case: str, client: Callable[[str], Iterator[str]]) -> Result:
    """Follow to the end, against a fresh server."""
    command = [sys.executable, __file__, "--serve", case]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin and server.stdout
        url = server.stdout.readline().strip()
        seen, end = [], "returns"
        began = last = time.perf_counter()
        try:
            for text in client(url):
                seen.append(text)
                last = time.perf_counter()
        except Exception as error:  # whatever a client ends with is a result here
            end = type(error).__name__
        seconds = time.perf_counter() - began
        sent = float(server.communicate()[0])
    return judge(case, seen, last - began, seconds, sent, end)


def judge(case: str, seen: list[str], until_last: float, seconds: float, sent: float, end: str) -> Result:
    """Compare with what was written; lost is what the server still had."""
    counts = Counter(seen)
    return Result(
        got=len(counts),
        lost=LINES - GONE.get(case, 0) - len(counts),
        doubled=len(seen) - len(counts),
        rate=len(seen) / until_last if until_last else 0.0,
        seconds=seconds,
        megabytes=sent / MEGABYTE,
        end=end,
    )


def serve(case: str) -> None:
    """Serve one case until standard input ends; print the address first, and the bytes sent at the end."""
    with LogServer() as server:
        server.write("run", frames(LINES, text=TEXT))
        server.answers["run"] = deque(CASES[case])
        server.runtimes = deque([{"stage": "PAUSED"}])
        print(server.url, flush=True)
        sys.stdin.read()
        print(server.sent)


if __name__ == "__main__":
    main()
