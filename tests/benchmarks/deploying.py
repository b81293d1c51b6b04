"""Requests, restarts, rebuilds and seconds of a deploy, beside a script of `HfApi` calls and the `hf` command.

All three do the same on the same local Hub in one run. Hub requests are counted up to the last one that changes
something, those of the ledger among them; following (at most one a second) and calls to the app are not. Restarts and
rebuilds are what the local Hub counted, which merges restarts that come close together; `triggers` are the calls that
ask for one. After each case the table shows ours as a share of what the script took.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi

from spaceops import Hub, LocalHub, Space, deploy, new, rollback

COUNT = 10
CHANGED = 5  # of the variables, and of the secrets
WRITES = ("POST", "PUT", "DELETE")
TRIGGERS = ("/variables", "/secrets", "/hardware", "/volumes", "/restart", "/commit/main")


@dataclass
class Case:
    """What one way of doing one thing took."""

    name: str
    requests: int
    triggers: int
    restarts: int
    rebuilds: int
    seconds: float

    @property
    def figures(self) -> tuple[float, ...]:
        """The columns of the table."""
        return self.requests, self.triggers, self.restarts, self.rebuilds, self.seconds

    def __str__(self) -> str:
        *counts, seconds = self.figures
        return f"{self.name:<44}{''.join(f'{count:>10}' for count in counts)}{seconds:>10.2f}"


class Bench:
    """One local Hub, one app, three ways."""

    def __init__(self, local: LocalHub, folder: Path) -> None:
        self.local, self.folder = local, folder
        self.api = HfApi(endpoint=local.url, token=local.token)
        self.variables = {f"VARIABLE_{n}": f"value {n}" for n in range(COUNT)}
        self.secrets = {f"SECRET_{n}": f"secret value {n}" for n in range(COUNT)}
        self._edits = itertools.count(1)
        self.first: dict[str, str] = {}  # the commit that each Space began with

    def edit(self, *, settings: int = 0) -> None:
        """Change one file, and some of the variables and of the secrets."""
        number = next(self._edits)
        with (self.folder / "main.py").open("a") as file:
            file.write(f"\n# {number}\n")
        for values in (self.variables, self.secrets):
            for key in list(values)[:settings]:
                values[key] += f", changed {number}"

    def measure(self, name: str, repo_id: str, work: Callable[[str], object]) -> Case:
        before = self._counters(repo_id)
        self.local.requests.clear()
        started = time.perf_counter()
        work(repo_id)
        spent = time.perf_counter() - started
        asked = list(self.local.requests)
        last = max((n for n, (method, _) in enumerate(asked) if method in WRITES), default=len(asked) - 1)
        self.settle(repo_id)
        after = self._counters(repo_id)
        triggers = sum(method in WRITES and path.endswith(TRIGGERS) for method, path in asked)
        return Case(name, last + 1, triggers, *(after[key] - before[key] for key in ("restarts", "rebuilds")), spent)

    def settle(self, repo_id: str) -> None:
        self.api.wait_for_space(repo_id, poll_interval=0.2)

    def _counters(self, repo_id: str) -> dict[str, int]:
        if not self.api.repo_exists(repo_id, repo_type="space"):
            return {"restarts": 0, "rebuilds": 0}
        return self.local.counters(repo_id)

    def ours(self, repo_id: str) -> None:
        """The package."""
        os.environ |= self.secrets
        references = {key: f"env:{key}" for key in self.secrets}
        space = Space.load(self.folder, repo_id=repo_id, variables=self.variables, secrets=references)
        deploy(space, Hub(self.local.url, token=self.local.token), detach=True)

    def ours_back(self, repo_id: str) -> None:
        """One command: files and variables of the first release."""
        rollback(repo_id, Hub(self.local.url, token=self.local.token), 1, detach=True)

    def script(self, repo_id: str) -> None:
        """One call for each setting, as the client's guide teaches."""
        self.api.create_repo(repo_id, repo_type="space", space_sdk="docker", exist_ok=True)
        self._set(repo_id)
        self._upload(repo_id, self.folder)

    def script_back(self, repo_id: str) -> None:
        """The files of the first commit, fetched and uploaded again, and the variables; what came later stays."""
        with tempfile.TemporaryDirectory() as scratch:
            self.api.snapshot_download(
                repo_id,
                repo_type="space",
                revision=self.first[repo_id],
                local_dir=scratch,
                cache_dir=f"{scratch}/.cache",
            )
            for key, value in self.variables.items():
                self.api.add_space_variable(repo_id, key, value)
            self._upload(repo_id, Path(scratch))

    def _set(self, repo_id: str) -> None:
        for key, value in self.variables.items():
            self.api.add_space_variable(repo_id, key, value)
        for key, value in self.secrets.items():
            self.api.add_space_secret(repo_id, key, value)

    def _upload(self, repo_id: str, folder: Path) -> None:
        ignored = ["space.toml", ".cache/*"]
        self.api.upload_folder(repo_id=repo_id, repo_type="space", folder_path=folder, ignore_patterns=ignored)

    def hf(self, repo_id: str) -> None:
        """The commands that do it with `hf`: one that creates with all settings, or one for each kind of setting."""
        if self.api.repo_exists(repo_id, repo_type="space"):
            self._hf("spaces", "variables", "add", repo_id, *self._flags("-e", self.variables))
            self._hf("spaces", "secrets", "add", repo_id, *(part for key in self.secrets for part in ("-s", key)))
        else:
            settings = self._flags("-e", self.variables) + [part for key in self.secrets for part in ("-s", key)]
            self._hf("repos", "create", repo_id, "--type", "space", "--space-sdk", "docker", *settings)
        self._hf("upload", repo_id, str(self.folder), "--type", "space", "--exclude", "space.toml")

    def hf_back(self, repo_id: str) -> None:
        """Download the first commit, set the variables, upload."""
        with tempfile.TemporaryDirectory() as scratch:
            self._hf("download", repo_id, "--type", "space", "--revision", self.first[repo_id], "--local-dir", scratch)
            self._hf("spaces", "variables", "add", repo_id, *self._flags("-e", self.variables))
            self._hf("upload", repo_id, scratch, "--type", "space", "--exclude", "space.toml", "--exclude", ".cache/*")

    def _flags(self, flag: str, values: dict[str, str]) -> list[str]:
        return [part for key, value in values.items() for part in (flag, f"{key}={value}")]

    def _hf(self, *command: str) -> None:
        env = {**os.environ, "HF_ENDPOINT": self.local.url, "HF_TOKEN": self.local.token, **self.secrets}
        program = str(Path(sys.executable).with_name("hf"))
        subprocess.run([program, *command], env=env, check=True, capture_output=True)


def share(ours: Case, peer: Case) -> str:
    """Our figures as a share of a peer's."""
    parts = (
        f"{mine / theirs:>10.2f}" if theirs else f"{'-':>10}"
        for mine, theirs in zip(ours.figures, peer.figures, strict=True)
    )
    return f"{'  ours as a share of the script':<44}{''.join(parts)}"


def compare(
    bench: Bench, title: str, ways: Sequence[tuple[str, Callable[[str], object]]], settings: int | None
) -> None:
    """Measure one case in all ways; `settings` are how many change before it, None for nothing at all."""
    cases = []
    for way, work in ways:
        if settings is not None:
            bench.edit(settings=settings)
        repo_id = f"demo/{way.partition(' ')[0].lower()}"
        cases.append(bench.measure(f"{title}: {way}", repo_id, work))
        print(cases[-1], flush=True)
        bench.first.setdefault(repo_id, bench.api.space_info(repo_id).sha or "")
    print(share(cases[0], cases[1]), flush=True)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as scratch, LocalHub() as local:
        os.environ["SPACEOPS_CACHE"] = f"{scratch}/cache"
        bench = Bench(local, new(Path(scratch) / "app"))
        shutil.rmtree(bench.folder / "tests")
        print(f"{COUNT} variables, {COUNT} secrets, the template app")
        print(
            f"{'':<44}{''.join(f'{word:>10}' for word in ('requests', 'triggers', 'restarts', 'rebuilds', 'seconds'))}"
        )
        ways = (("spaceops", bench.ours), ("HfApi script", bench.script), ("hf", bench.hf))
        back = (("spaceops", bench.ours_back), ("HfApi script", bench.script_back), ("hf", bench.hf_back))
        compare(bench, "create", ways, None)
        compare(bench, "nothing changed", ways, None)
        compare(bench, "one file changed", ways, 0)
        compare(bench, f"{2 * CHANGED} settings and one file changed", ways, CHANGED)
        compare(bench, "rolled back to the first release", back, None)


if __name__ == "__main__":
    main()
