"""Commits, rebuilds, requests, seconds and memory of pushing 2,000 files and 500 MB, beside the tools that people use.

Ours by either transport, `upload_folder`, `hf upload`, and git with LFS: each a process of its own, on a local Hub of
its own with the same content, in one run. Memory is that of the process and its children, at its highest. At the end
stands what of a plan is our own work: looking at the folder, and comparing it. `pushing.py 50` takes 50 MB.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import psutil
from huggingface_hub import HfApi

from spaceops import LocalHub, Space
from spaceops.comparison import compare_files
from spaceops.files import scan
from spaceops.observed import Observed, RemoteFile

MEGABYTE = 1_000_000
FILES, LARGE = 2000, 10
REPO = "demo/app"
PROGRAMS = Path(sys.executable).parent
UPLOAD_FOLDER = """
import sys
from huggingface_hub import HfApi
api = HfApi(endpoint=sys.argv[1], token=sys.argv[2])
api.create_repo(sys.argv[3], repo_type="space", space_sdk="docker", exist_ok=True)
api.upload_folder(repo_id=sys.argv[3], repo_type="space", folder_path=sys.argv[4], ignore_patterns=["space.toml"])
"""
Command = Sequence[str | Path]


@dataclass
class Case:
    """What one way of doing one thing took."""

    name: str
    commits: int
    rebuilds: int
    requests: int
    seconds: float
    cpu: float  # seconds of the processes, the server not among them
    memory: int  # bytes

    def row(self, peer: Case) -> str:
        counts = f"{self.name:<34}{self.commits:>8}{self.rebuilds:>9}{self.requests:>9}"
        own = f"{self.seconds:>9.2f}{self.cpu:>7.2f}{self.memory / MEGABYTE:>8.0f} MB"
        return f"{counts}{own}{self.seconds / peer.seconds:>8.2f}{self.memory / peer.memory:>8.2f}"


@dataclass
class Usage:
    """The memory and the processor time of a program with all its children."""

    memory: int = 0
    cpu: float = 0.0

    def run(self, command: Command, env: dict[str, str]) -> None:
        before = os.times()
        with tempfile.TemporaryFile("w+") as said:
            with subprocess.Popen(command, env=env, stdout=said, stderr=said) as process:
                watch = threading.Thread(target=self._look, args=[process])
                watch.start()
            watch.join()
            said.seek(0)
            if process.returncode:
                sys.exit(f"{Path(command[0]).name} failed:\n{said.read()[-3000:]}")
        after = os.times()
        self.cpu += after.children_user - before.children_user + after.children_system - before.children_system

    def _look(self, process: subprocess.Popen[bytes]) -> None:
        while process.poll() is None:
            self.memory = max(self.memory, memory_of(process.pid))
            time.sleep(0.01)


def memory_of(pid: int) -> int:
    """What a process and its children have in memory now; what ends meanwhile counts nothing."""
    total = 0
    try:
        process = psutil.Process(pid)
        for one in [process, *process.children(recursive=True)]:
            total += one.memory_info().rss
    except psutil.NoSuchProcess:
        pass
    return total


class Way:
    """One way to push, with a folder of its own."""

    def __init__(self, name: str, scratch: Path, size: int) -> None:
        self.name, self.folder = name, scratch / "app"
        make_folder(self.folder, size)
        self.env = {**os.environ, "HF_HOME": str(scratch / "hf"), "SPACEOPS_CACHE": str(scratch / "cache")}

    def commands(self, url: str, token: str) -> list[Command]:
        """What a user runs, the first time and each time after."""
        if self.name.startswith("spaceops"):
            return [[PROGRAMS / "spaceops", "deploy", self.folder, "--endpoint", url, "--detach", "--yes"]]
        if self.name == "upload_folder":
            return [[sys.executable, "-c", UPLOAD_FOLDER, url, token, REPO, self.folder]]
        create = ["repos", "create", REPO, "--type", "space", "--space-sdk", "docker", "--exist-ok"]
        upload = ["upload", REPO, self.folder, "--type", "space", "--exclude", "space.toml"]
        return [[PROGRAMS / "hf", *create], [PROGRAMS / "hf", *upload]]

    def prepare(self, local: LocalHub) -> None:
        self.env |= {"HF_ENDPOINT": local.url, "HF_TOKEN": local.token, "HF_HUB_DISABLE_TELEMETRY": "1"}
        transport = "git" if self.name.endswith("git") else "api"
        (self.folder / "space.toml").write_text(f'repo_id = "{REPO}"\ntransport = "{transport}"\n')


class GitWay(Way):
    """git with LFS, in a repository that the folder has anyway."""

    def commands(self, url: str, token: str) -> list[Command]:
        commit = 'cd "$0" && git add . && (git diff --cached --quiet || git commit --quiet -m files)'
        return [["sh", "-c", commit, self.folder], ["git", "-C", self.folder, "push", "--quiet", "origin", "HEAD:main"]]

    def prepare(self, local: LocalHub) -> None:
        HfApi(endpoint=local.url, token=local.token).create_repo(REPO, repo_type="space", space_sdk="docker")
        address = f"{local.url.replace('://', f'://demo:{local.token}@')}/spaces/{REPO}"
        who = {"user.name": "demo", "user.email": "demo@localhost"}
        setup = [["init", "--quiet"], ["lfs", "install", "--local"], ["remote", "add", "origin", address]]
        head = [["fetch", "--quiet", "origin", "main"], ["reset", "--quiet", "FETCH_HEAD"]]
        for words in [*setup, *(["config", key, value] for key, value in who.items()), *head]:
            subprocess.run(["git", "-C", self.folder, *words], check=True, capture_output=True)


def make_folder(folder: Path, size: int) -> None:
    """Text files of some kilobytes, and a few large ones of noise."""
    random = Random(0)
    for number in range(FILES - LARGE - 3):
        path = folder / f"part{number % 40}" / f"text{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(str(random.random()) for _ in range(random.randrange(10, 500))))
    (folder / "Dockerfile").write_text('FROM python:3.11-slim\nCMD ["true"]\n')
    (folder / "README.md").write_text("---\nsdk: docker\n---\n")
    (folder / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    left = size - sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    for number in range(LARGE):
        (folder / f"weights{number}.bin").write_bytes(random.randbytes(max(left // LARGE, MEGABYTE)))


def change_one(folder: Path) -> None:
    with (folder / "part7" / "text7.txt").open("a") as file:
        file.write(f"\n{time.time()}")


def measure(way: Way, local: LocalHub, title: str) -> Case:
    before = state(local)
    local.requests.clear()
    usage, started = Usage(), time.perf_counter()
    for command in way.commands(local.url, local.token):
        usage.run(command, way.env)
    spent, requests = time.perf_counter() - started, len(local.requests)
    settle(local)
    commits, rebuilds = (now - then for now, then in zip(state(local), before, strict=True))
    return Case(f"{title}: {way.name}", commits, rebuilds, requests, spent, usage.cpu, usage.memory)


def state(local: LocalHub) -> tuple[int, int]:
    """Commits on main and rebuilds so far; the commit of the creation is there already."""
    api = HfApi(endpoint=local.url, token=local.token)
    if not api.repo_exists(REPO, repo_type="space"):
        return 1, 0
    return len(list(api.list_repo_commits(REPO, repo_type="space"))), local.counters(REPO)["rebuilds"]


def settle(local: LocalHub) -> None:
    HfApi(endpoint=local.url, token=local.token).wait_for_space(REPO, poll_interval=0.2)


def measure_own_work(folder: Path) -> None:
    """Scanning and comparing, as a plan does them, with and without the cache of hashes."""
    space = Space.load(folder)
    observed = Observed(REPO, exists=True, files=remote_files(space))
    os.environ["SPACEOPS_CACHE"] = str(folder.parent / "own")
    print("\nof our own in a plan:")
    for title in ("first time, all is read", "unchanged", "one file changed"):
        if title.startswith("one"):
            change_one(folder)
        looking = seconds(lambda: scan(space))
        both = seconds(lambda: compare_files(scan(space), observed))
        print(f"{title:<34}{looking:>8.3f} s to look{both - looking:>9.3f} s to compare", flush=True)


def remote_files(space: Space) -> dict[str, RemoteFile]:
    """What a Hub would say that has exactly these files."""
    found = {}
    for path, file in scan(space).files.items():
        content = file.path.read_bytes()
        command = ["git", "hash-object", "--no-filters", file.path]
        large = path.endswith(".bin")
        oid = "pointer" if large else subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        found[path] = RemoteFile(len(content), oid=oid, sha256=hashlib.sha256(content).hexdigest() if large else None)
    return found


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    """Print the tables."""
    size = int(sys.argv[1] if len(sys.argv) > 1 else 500) * MEGABYTE
    ways = {"upload_folder": Way, "hf upload": Way, "git with LFS": GitWay, "spaceops, api": Way, "spaceops, git": Way}
    print(f"{FILES} files, {size // MEGABYTE} MB; the last two columns are ratios to upload_folder")
    head = f"{'commits':>8}{'rebuilds':>9}{'requests':>9}{'seconds':>9}{'cpu':>7}{'memory':>11}"
    print(f"{'':<34}{head}{'seconds':>8}{'memory':>8}")
    peers: dict[str, Case] = {}
    for name, kind in ways.items():
        with tempfile.TemporaryDirectory() as scratch, LocalHub() as local:
            way = kind(name, Path(scratch), size)
            way.prepare(local)
            for title in ("first", "unchanged", "one file changed"):
                if title == "one file changed":
                    change_one(way.folder)
                case = measure(way, local, title)
                print(case.row(peers.setdefault(title, case)), flush=True)
            if name == "spaceops, api":
                measure_own_work(way.folder)


if __name__ == "__main__":
    main()
