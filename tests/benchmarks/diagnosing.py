"""`spaceops diagnose` of logs of 10 MB from the command line, all told, beside `grep` with all needles of symptoms.

`grep -F` with the same texts is the least that anybody can do with such a log; the ratio is the price of knowing what
they mean. Each log is of one kind of line, with one failure at its end; of each the fastest of three runs counts.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from spaceops.symptoms import all_symptoms

SIZE, ROUNDS = 10_000_000, 3
END = "ModuleNotFoundError: No module named 'yaml'\n"
WORDS = (
    "INFO",
    "model",
    "loaded",
    "request",
    "GET",
    "items",
    "200",
    "OK",
    "worker",
    "seconds",
    "batch",
    "token",
    "step",
)
TRACEBACK = 'Traceback (most recent call last):\n  File "/app/main.py", line 3, in f\n    g()\nValueError: no {}\n'
PIP = "#12 {}.4 Collecting numpy==1.26.4 (from -r requirements.txt (line 3))\n"
ACCESS = 'INFO:     10.16.3.4:{} - "GET /api/items HTTP/1.1" 404 Not Found\n'


class Run(NamedTuple):
    """How long a command took, and the most memory that any so far has had."""

    seconds: float
    megabytes: float


def logs() -> Iterator[tuple[str, bytes]]:
    """The logs by what they are made of."""
    chance = random.Random(5)
    words = "".join(" ".join(chance.choices(WORDS, k=12)) + "\n" for _ in range(5000))
    yield "words", _filled(words)
    for name, line in (("an exception each", TRACEBACK), ("access log", ACCESS), ("pip", PIP)):
        yield name, _filled("".join(line.format(number) for number in range(1000, 6000)))
    needles = [needle for those in all_symptoms().values() for one in those for needle in one.needles]
    yield "all needles", _filled("".join(f"{number} {chance.choice(needles)}\n" for number in range(200_000)))
    yield "ports", _filled("".join(f"INFO client http://localhost:{number} on port 1\n" for number in range(200_000)))
    yield "progress bar", _filled("\r 45%|####      | 450/1000 [00:10<00:12, 44.2it/s]")
    yield "random bytes", chance.randbytes(SIZE) + f"\n{END}".encode()
    entry = json.dumps({"data": "INFO: at work on a request\n", "timestamp": "2026-01-31T21:54:36.123456Z"})
    last = json.dumps({"data": END, "timestamp": "2026-01-31T21:54:36.123456Z"})
    yield "the Hub's stream", f"data: {entry}\n\n".encode() * (SIZE // len(entry)) + f"data: {last}\n\n".encode()


def _filled(text: str) -> bytes:
    return text.encode() * (SIZE // len(text)) + f"\n{END}".encode()


def fastest(command: list[str]) -> Run:
    """The fastest of some runs."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        done = subprocess.run(command, capture_output=True, check=False)
        times.append(time.perf_counter() - began)
        if done.returncode > 1:
            raise SystemExit(done.stderr.decode())
    return Run(min(times), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)


def main() -> None:
    """Print a row per log."""
    needles = sorted({needle for those in all_symptoms().values() for one in those for needle in one.needles})
    print(f"{len(needles)} needles; {SIZE / 1e6:.0f} MB; the fastest of {ROUNDS}")
    with tempfile.TemporaryDirectory() as folder:
        patterns = Path(folder, "needles")
        patterns.write_text("\n".join(needles))
        for name, content in logs():
            log = Path(folder, "log")
            log.write_bytes(content)
            grep = fastest(["grep", "-a", "-c", "-F", "-f", str(patterns), str(log)])
            ours = fastest([sys.executable, "-m", "spaceops", "diagnose", "--run-log", str(log)])
            ratio = ours.seconds / grep.seconds
            print(
                f"{name:18} {ours.seconds:5.2f} s, grep {grep.seconds:5.2f} s: {ratio:4.1f} x, {ours.megabytes:3.0f} MB"
            )


if __name__ == "__main__":
    main()
