"""Requests, restarts, rebuilds and seconds of a deploy, beside a script of `HfApi` calls and the `hf` command.

All three do the same on the same local Hub in one run. Hub requests are counted up to the last one that changes
something; following (at most one a second) and calls to the app are not among them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi

from spaceops import Hub, LocalHub, Space, deploy, new

COUNT = 10
WRITES = ("POST", "PUT", "DELETE")
VARIABLES = {f"VARIABLE_{n}": f"value {n}" for n in range(COUNT)}
SECRETS = {f"SECRET_{n}": f"secret value {n}" for n in range(COUNT)}


@dataclass
class Case:
    """What one way of doing one thing took."""

    name: str
    requests: int
    restarts: int
    rebuilds: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.name:<44}{self.requests:>9}{self.restarts:>10}{self.rebuilds:>10}{self.seconds:>9.2f}"


class Bench:
    """One local Hub, one app, three ways."""

    def __init__(self, local: LocalHub, folder: Path) -> None:
        self.local, self.folder = local, folder
        self.api = HfApi(endpoint=local.url, token=local.token)

    def measure(self, name: str, repo_id: str, work: Callable[[str], object]) -> Case:
        before = self._counters(repo_id)
        self.local.requests.clear()
        started = time.perf_counter()
        work(repo_id)
        spent = time.perf_counter() - started
        asked = [(method, path) for method, path in self.local.requests if path.startswith("/api")]
        last = max((n for n, (method, _) in enumerate(asked) if method in WRITES), default=len(asked) - 1)
        self.settle(repo_id)
        after = self._counters(repo_id)
        return Case(name, last + 1, *(after[key] - before[key] for key in ("restarts", "rebuilds")), spent)

    def settle(self, repo_id: str) -> None:
        self.api.wait_for_space(repo_id, poll_interval=0.2)

    def _counters(self, repo_id: str) -> dict[str, int]:
        if not self.api.repo_exists(repo_id, repo_type="space"):
            return {"restarts": 0, "rebuilds": 0}
        return self.local.counters(repo_id)

    def ours(self, repo_id: str) -> None:
        space = Space.load(
            self.folder, repo_id=repo_id, variables=VARIABLES, secrets={key: f"env:{key}" for key in SECRETS}
        )
        deploy(space, Hub(self.local.url, token=self.local.token), detach=True)

    def script(self, repo_id: str) -> None:
        """One call for each setting, as the client's guide teaches."""
        self.api.create_repo(repo_id, repo_type="space", space_sdk="docker", exist_ok=True)
        for key, value in VARIABLES.items():
            self.api.add_space_variable(repo_id, key, value)
        for key, value in SECRETS.items():
            self.api.add_space_secret(repo_id, key, value)
        self.api.upload_folder(
            repo_id=repo_id, repo_type="space", folder_path=self.folder, ignore_patterns=["space.toml"]
        )

    def hf(self, repo_id: str) -> None:
        """The three commands that do it with `hf`."""
        settings = [part for key, value in VARIABLES.items() for part in ("-e", f"{key}={value}")]
        settings += [part for key in SECRETS for part in ("-s", key)]
        env = {**os.environ, "HF_ENDPOINT": self.local.url, "HF_TOKEN": self.local.token, **SECRETS}
        program = str(Path(sys.executable).with_name("hf"))
        create = ["repos", "create", repo_id, "--type", "space", "--space-sdk", "docker", "--exist-ok", *settings]
        upload = ["upload", repo_id, str(self.folder), "--type", "space", "--exclude", "space.toml"]
        for command in (create, upload):
            subprocess.run([program, *command], env=env, check=True, capture_output=True)


def edited(folder: Path) -> None:
    """Change one file."""
    with (folder / "main.py").open("a") as file:
        file.write(f"\n# {time.time()}\n")


def main() -> None:
    """Print the table."""
    os.environ |= SECRETS
    with tempfile.TemporaryDirectory() as scratch, LocalHub() as local:
        bench = Bench(local, new(Path(scratch) / "app"))
        shutil.rmtree(bench.folder / "tests")
        print(f"{COUNT} variables, {COUNT} secrets, the template app")
        print(f"{'':<44}{'requests':>9}{'restarts':>10}{'rebuilds':>10}{'seconds':>9}")
        ways = {"spaceops": bench.ours, "HfApi script": bench.script, "hf": bench.hf}
        for title in ("create", "nothing changed", "one file changed"):
            for way, work in ways.items():
                if title == "one file changed":
                    edited(bench.folder)
                repo_id = f"demo/{way.partition(' ')[0].lower()}"
                print(bench.measure(f"{title}: {way}", repo_id, work), flush=True)


if __name__ == "__main__":
    main()
