"""What was acknowledged survives `kill -9` at any moment, and what was not leaves nothing half behind."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from huggingface_hub import HfApi

from spaceops.errors import InUse
from spaceops.localhub import LocalHub
from spaceops.localhub.datafolder import prepare
from spaceops.localhub.git import environment
from tests.localhub.conftest import ndjson

ROUNDS = int(os.environ.get("SPACEOPS_ROUNDS", "1"))


@contextmanager
def serving(data: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command itself, in a process of its own, and where it answers."""
    command = [sys.executable, "-m", "spaceops", "hub", "serve", "--port", "0", "--data", str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        try:
            line = process.stdout.readline()
            assert line.startswith("ready "), process.stderr.read()
            yield process, line.split()[1]
        finally:
            process.kill()


@dataclass
class Writer:
    """Changes one thing after the other until the server is gone, and remembers what was acknowledged.

    It speaks the wire itself: the client would wait half a minute for a server that does not come back.
    """

    number: int
    rng: random.Random
    files: dict[str, dict[str, str]] = field(default_factory=dict)  # of a repository: paths and their sha256
    variables: dict[str, str] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)  # repositories that something was under way for

    @property
    def space(self) -> str:
        return f"demo/space-{self.number}"

    def work(self, url: str) -> None:
        """Go on until nobody answers."""
        headers = {"Authorization": "Bearer hf_local"}
        with (
            httpx.Client(base_url=url, headers=headers, trust_env=False) as self.client,
            suppress(httpx.TransportError),
        ):
            while True:
                self.rng.choice([self._create, self._commit, self._commit, self._upload, self._set, self._move])()

    def _post(self, path: str, json: object = None, **more: Any) -> Any:
        answer = self.client.post(path, json=json, **more)
        assert 200 == answer.status_code, answer.text
        return answer.json() if answer.content.startswith(b"{") else None

    def _name(self) -> str:
        return f"model-{self.number}-{self.rng.randrange(10**9)}"

    def _create(self) -> None:
        name = self._name()
        with self._sure(f"demo/{name}"):
            self._post("/api/repos/create", {"name": name})
            self.files[f"demo/{name}"] = {}

    def _commit(self) -> None:
        """Several small files in one commit: all of them, or none."""
        if self.files:
            files = {f"{self.rng.randrange(20)}.txt": self.rng.randbytes(300) for _ in range(3)}
            changes = [
                ("file", {"path": path, "encoding": "base64", "content": b64encode(content).decode()})
                for path, content in files.items()
            ]
            self._change(self.rng.choice(sorted(self.files)), files, changes)

    def _upload(self) -> None:
        """A large file, the way of git-lfs."""
        if not self.files:
            return
        name, content = self.rng.choice(sorted(self.files)), self.rng.randbytes(100_000)
        oid = sha256(content)
        wanted = {"operation": "upload", "objects": [{"oid": oid, "size": len(content)}]}
        action = self._post(f"/{name}.git/info/lfs/objects/batch", wanted)["objects"][0]["actions"]["upload"]
        assert 200 == self.client.put(action["href"], content=content).status_code
        path = f"{self.rng.randrange(5)}.bin"
        change = ("lfsFile", {"path": path, "algo": "sha256", "oid": oid, "size": len(content)})
        self._change(name, {path: content}, [change])

    def _change(self, name: str, files: dict[str, bytes], changes: list[tuple[str, dict[str, Any]]]) -> None:
        with self._sure(name):
            header = ("header", {"summary": "some", "description": ""})
            self._post(f"/api/models/{name}/commit/main", content=ndjson(header, *changes))
            self.files[name].update({path: sha256(content) for path, content in files.items()})

    def _set(self) -> None:
        if not self.variables:
            name = self.space.removeprefix("demo/")
            self.client.post("/api/repos/create", json={"name": name, "type": "space", "sdk": "docker"})
        key, value = f"KEY_{self.rng.randrange(5)}", str(self.rng.random())
        self.variables.pop(key, None)
        self._post(f"/api/spaces/{self.space}/variables", {"key": key, "value": value})
        self.variables[key] = value

    def _move(self) -> None:
        if self.files:
            old, new = self.rng.choice(sorted(self.files)), f"demo/{self._name()}"
            with self._sure(old, new):
                self._post("/api/repos/move", {"fromRepo": old, "toRepo": new, "type": "model"})
                self.files[new] = self.files.pop(old)

    @contextmanager
    def _sure(self, *names: str) -> Iterator[None]:
        """Whatever it is, it was done when the block ends by itself."""
        self.unsure |= {*names}
        yield
        self.unsure -= {*names}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def contents_of(name: str, url: str) -> dict[str, str]:
    """The sha256 of each file of a repository, all of them read."""
    api = HfApi(endpoint=url, token="hf_local")
    found = {}
    for path in set(api.list_repo_files(name)) - {".gitattributes"}:
        answer = httpx.get(f"{url}/{name}/resolve/main/{path}", trust_env=False)
        assert 200 == answer.status_code, f"{name}/{path}"
        found[path] = sha256(answer.content)
    return found


def check(writer: Writer, url: str) -> int:
    """Everything that was acknowledged is there, and what was under way is whole or not there; how much it is."""
    api = HfApi(endpoint=url, token="hf_local")
    for name in writer.unsure:
        writer.files.pop(name, None)
        if api.repo_exists(name) and api.repo_info(name).id == name:  # not one that has another name now
            writer.files[name] = contents_of(name, url)
    writer.unsure.clear()
    for name, files in writer.files.items():
        assert files == contents_of(name, url), name
    if writer.variables:
        known = api.get_space_variables(writer.space)
        assert writer.variables == {key: known[key].value for key in writer.variables}
    return sum(map(len, writer.files.values())) + len(writer.files) + len(writer.variables)


def check_folder(data: Path) -> None:
    """Every repository is sound, none belongs to nobody, and nothing is left of what was arriving."""
    repos = sorted((data / "git").glob("*.git"))
    for repo in repos:
        done = subprocess.run(
            ["git", f"--git-dir={repo}", "fsck", "--full", "--strict", "--no-dangling"],
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (0, "") == (done.returncode, done.stderr.replace("notice: HEAD points to an unborn branch (main)\n", ""))
        assert not [*repo.rglob("*.lock")]
    assert not [*(data / "tmp").iterdir()]


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_what_was_acknowledged_survives_a_kill_at_any_moment(tmp_path: Path, seed: int) -> None:
    """The same folder is killed three times over, while four clients change things."""
    rng = random.Random(seed)
    data = tmp_path / "data"
    writers = [Writer(number, random.Random(rng.random())) for number in range(4)]
    kept = 0
    for _ in range(3):
        with serving(data) as (process, url):
            for writer in writers:
                kept += check(writer, url)
            threads = [threading.Thread(target=writer.work, args=(url,)) for writer in writers]
            for thread in threads:
                thread.start()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=rng.uniform(0.05, 1.0))
            process.kill()
            for thread in threads:
                thread.join()
    with serving(data) as (_, url):
        for writer in writers:
            kept += check(writer, url)
        check_folder(data)
    assert kept > 0


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Files come into a folder all the time, by way of the folder that is open, as git does it."""
    folder.mkdir(parents=True)
    there, begun, over = os.open(folder, os.O_RDONLY), threading.Event(), threading.Event()

    def write() -> None:
        while not over.is_set():
            with suppress(FileNotFoundError):
                os.close(os.open(os.urandom(8).hex(), os.O_CREAT | os.O_WRONLY, dir_fd=there))
            begun.set()

    thread = threading.Thread(target=write)
    thread.start()
    begun.wait()
    try:
        yield
    finally:
        over.set()
        thread.join()
        os.close(there)


def test_a_server_starts_while_a_git_of_the_one_that_died_still_writes(tmp_path: Path) -> None:
    for _ in range(10):
        with writing(tmp_path / "tmp" / "push"):
            prepare(tmp_path)
        assert not [*(tmp_path / "tmp").iterdir()]


def test_two_servers_on_one_folder_are_one_too_many(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as (process, url):
        command = [sys.executable, "-m", "spaceops", "hub", "serve", "--port", "0", "--data", str(tmp_path / "data")]
        second = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (5, "") == (second.returncode, second.stdout)
        assert "Another local Hub works in" in second.stderr
        assert "Traceback" not in second.stderr
        with pytest.raises(InUse):
            LocalHub(tmp_path / "data").start()
        assert "demo" == HfApi(endpoint=url, token="hf_local").whoami()["name"]
        process.kill()
        process.wait()
    with LocalHub(tmp_path / "data") as hub:
        assert "demo" == HfApi(endpoint=hub.url, token=hub.token).whoami()["name"]
