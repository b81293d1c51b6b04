"""Structs that several threads read for the first time."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
from __future__ import annotations

import sys, threading
import msgspec
from spaceops.structs import convert, decoder

class Inner(msgspec.Struct):
    numbers: dict[str, int]
    more: list[Inner] = []

class Outer(msgspec.Struct):
    inner: Inner
    others: dict[str, Inner]

INNER = {"numbers": {"a": 1}, "more": [{"numbers": {}}]}
OUTER = {"inner": INNER, "others": {"b": INNER}}
sys.setswitchinterval(1e-6)
together, read = threading.Barrier(8), []

def run():
    together.wait()
    read.append(READ)

threads = [threading.Thread(target=run) for _ in range(8)]
for each in threads: each.start()
for each in threads: each.join()
print(len(read), read[0].others["b"].more[0].numbers)
"""


@pytest.mark.parametrize("read", ["convert(OUTER, Outer)", "decoder(Outer).decode(msgspec.json.encode(OUTER))"])
def test_threads_that_meet_a_kind_at_once_all_read_it(read):
    for _ in range(3):  # of processes that crash here without the lock, about one in six gets through
        program = PROGRAM.replace("READ", read)
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

        assert (0, "8 {}\n", "") == (done.returncode, done.stdout, done.stderr)
