"""Bytes per second and the server's memory for one large file, and seconds for a thousand small ones.

The large file comes by `hf upload` and goes by `hf download`, by Xet and without; beside it, the same bytes copied and
hashed once. The small files come in one push and in one commit of `HfApi`, and are cloned by git; beside it, the same
over a bare repository on disk. `uploading.py 200` takes a file of 200 MB instead of 1,000.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2 as httpx
import psutil
from huggingface_hub import CommitOperationAdd, HfApi

MEGABYTE = 1_000_000
FILES = 1000
TOKEN = "hf_local"
PROGRAMS = Path(sys.executable).parent


@dataclass
class Server:
    """A local Hub in a process of its own."""

    url: str
    process: psutil.Process


@dataclass
class Watch:
    """What a server did while something else went on."""

    grown: int = 0  # bytes of memory, at most
    slowest: float = 0.0  # seconds that somebody else waited for an answer
    over: threading.Event = field(default_factory=threading.Event)

    def memory(self, process: psutil.Process) -> None:
        before = process.memory_info().rss
        while not self.over.wait(0.01):
            self.grown = max(self.grown, process.memory_info().rss - before)

    def answers(self, url: str) -> None:
        with httpx.Client(headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False) as client:
            while not self.over.wait(0.02):
                started = time.perf_counter()
                client.get(f"{url}/api/whoami-v2").raise_for_status()
                self.slowest = max(self.slowest, time.perf_counter() - started)


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    command = [PROGRAMS / "spaceops", "hub", "serve", "--data", folder, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        yield Server(process.stdout.readline().split()[-1], psutil.Process(process.pid))
        process.terminate()


@contextmanager
def watched(server: Server) -> Iterator[Watch]:
    watch = Watch()
    threads = [
        threading.Thread(target=watch.memory, args=[server.process]),
        threading.Thread(target=watch.answers, args=[server.url]),
    ]
    for thread in threads:
        thread.start()
    yield watch
    watch.over.set()
    for thread in threads:
        thread.join()


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def make_noise(file: Path, size: int) -> None:
    with file.open("wb") as target:
        for _ in range(size // MEGABYTE):
            target.write(os.urandom(MEGABYTE))


def copy_and_hash(source: Path, target: Path) -> None:
    digest = hashlib.sha256()
    with source.open("rb") as reading, target.open("wb") as writing:
        while piece := reading.read(1 << 20):
            digest.update(piece)
            writing.write(piece)


def git(folder: Path, *words: str | Path) -> None:
    who = ["-c", "user.name=demo", "-c", "user.email=demo@localhost"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


class Large:
    """One large file, there and back."""

    def __init__(self, scratch: Path, size: int) -> None:
        self.scratch, self.size, self.file = scratch, size, scratch / "weights.bin"
        make_noise(self.file, size)
        self.base = seconds(lambda: copy_and_hash(self.file, scratch / "copy.bin"))
        (scratch / "copy.bin").unlink()

    def hf(self, server: Server, *words: str | Path, without_xet: bool) -> None:
        env = {**os.environ, "HF_ENDPOINT": server.url, "HF_TOKEN": TOKEN, "HF_HOME": str(self.scratch / "hf")}
        env |= {"HF_HUB_DISABLE_XET": "1"} if without_xet else {}
        subprocess.run([PROGRAMS / "hf", *words], env=env, check=True, capture_output=True)

    def measure(self) -> None:
        title = f"one file of {self.size // MEGABYTE} MB"
        print(f"{title:<28}{'MB/s':>8}{'ratio':>8}{'memory':>10}{'slowest':>10}")
        print(f"{'copied and hashed':<28}{self.size / MEGABYTE / self.base:>8.0f}{1:>8.2f}")
        for way, without_xet in {"Xet": False, "LFS": True}.items():
            with serving(self.scratch / way) as server:
                repo_id = f"demo/{way.lower()}"
                HfApi(endpoint=server.url, token=TOKEN).create_repo(repo_id)
                here = self.scratch / f"{way}-here"
                self.row(server, f"up by {way}", ["upload", repo_id, self.file], without_xet=without_xet)
                download = ["download", repo_id, "--local-dir", here]
                self.row(server, f"down by {way}", download, without_xet=without_xet)
                assert self.size == (here / self.file.name).stat().st_size

    def row(self, server: Server, title: str, words: list[str | Path], *, without_xet: bool) -> None:
        with watched(server) as watch:
            spent = seconds(lambda: self.hf(server, *words, without_xet=without_xet))
        speed, ratio = self.size / MEGABYTE / spent, self.base / spent
        grown, slowest = f"+{watch.grown / MEGABYTE:.0f} MB", f"{watch.slowest * 1000:.0f} ms"
        print(f"{title:<28}{speed:>8.0f}{ratio:>8.2f}{grown:>10}{slowest:>10}", flush=True)


class Small:
    """A thousand small files in one commit."""

    def __init__(self, scratch: Path) -> None:
        self.scratch, self.tree = scratch, scratch / "tree"
        self.contents = {f"{number % 20}/{number}.txt": os.urandom(1000).hex().encode() for number in range(FILES)}
        for path, content in self.contents.items():
            (self.tree / path).parent.mkdir(parents=True, exist_ok=True)
            (self.tree / path).write_bytes(content)
        git(self.tree, "init", "--quiet")
        git(self.tree, "add", ".")
        git(self.tree, "commit", "--quiet", "-m", "files")

    def measure(self) -> None:
        bare = self.scratch / "bare.git"
        git(self.scratch, "init", "--quiet", "--bare", bare)
        pushed = seconds(lambda: git(self.tree, "push", "--quiet", bare, "HEAD:main"))
        cloned = seconds(lambda: git(self.scratch, "clone", "--quiet", "--no-local", "-b", "main", bare, "bare-here"))
        print(f"\n{f'{FILES} small files':<28}{'seconds':>8}{'ratio':>8}")
        print(f"{'pushed to a bare repository':<28}{pushed:>8.2f}{1:>8.2f}")
        with serving(self.scratch / "small") as server:
            address = f"{server.url.replace('://', f'://demo:{TOKEN}@')}/demo"
            api = HfApi(endpoint=server.url, token=TOKEN)
            for name in ("pushed", "committed"):
                api.create_repo(f"demo/{name}")
            push = ["push", "--quiet", f"{address}/pushed", "HEAD:refs/heads/new"]
            self.row("pushed", pushed, lambda: git(self.tree, *push))
            self.row("committed by HfApi", pushed, lambda: self.commit(api))
            print(f"{'cloned from it':<28}{cloned:>8.2f}{1:>8.2f}")
            self.row("cloned", cloned, lambda: git(self.scratch, "clone", "--quiet", f"{address}/committed", "here"))

    def commit(self, api: HfApi) -> None:
        files = [CommitOperationAdd(path, content) for path, content in self.contents.items()]
        api.create_commit("demo/committed", files, commit_message="files")

    @staticmethod
    def row(title: str, base: float, work: Callable[[], object]) -> None:
        spent = seconds(work)
        print(f"{title:<28}{spent:>8.2f}{spent / base:>8.2f}", flush=True)


def main() -> None:
    """Print both tables."""
    size = int(sys.argv[1] if len(sys.argv) > 1 else 1000) * MEGABYTE
    with tempfile.TemporaryDirectory() as scratch:
        Large(Path(scratch), size).measure()
        Small(Path(scratch)).measure()


if __name__ == "__main__":
    main()
