"""A local Hub with several people on it, and the clients that drive it."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from huggingface_hub import HfApi

from spaceops.localhub import LocalHub


def people(*orgs: str) -> str:
    """Accounts: ada may write in the organisations, ron reads in the first, bob is a stranger with a free plan.

    The text ends in the table of the first organisation.
    """
    return f"""
[[users]]
name = "ada"
fullname = "Ada Lovelace"
token = "hf_ada"
plan = "pro"
orgs = {json.dumps(orgs)}

[[users]]
name = "bob"
token = "hf_bob"

[[users]]
name = "ron"
token = "hf_ron"
role = "read"
orgs = ["{orgs[0]}"]

[[orgs]]
name = "{orgs[0]}"
"""


ACCOUNTS = people("Acme") + 'fullname = "Acme Inc."\n'
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def localhub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    """A local Hub for the tests of one module, with these people."""
    accounts = tmp_path_factory.mktemp("accounts") / "accounts.toml"
    accounts.write_text(ACCOUNTS)
    with LocalHub(accounts=accounts) as server:
        yield server


@pytest.fixture
def api(localhub: LocalHub) -> HfApi:
    """The unmodified client, as ada."""
    return HfApi(endpoint=localhub.url, token="hf_ada")


@pytest.fixture
def model(api: HfApi) -> str:
    """A new model repository: quick, and nothing is built."""
    return api.create_repo(f"ada/model-{next(NUMBERS)}").repo_id


@pytest.fixture
def space(api: HfApi) -> str:
    """A new Docker Space without a Dockerfile."""
    return api.create_repo(f"ada/space-{next(NUMBERS)}", repo_type="space", space_sdk="docker").repo_id


@pytest.fixture
def bucket(api: HfApi) -> str:
    """A new public bucket of ada's."""
    return api.create_bucket(f"ada/bucket-{next(NUMBERS)}").bucket_id


@pytest.fixture
def secret(api: HfApi) -> str:
    """A private bucket of ada's with one file."""
    bucket = api.create_bucket(f"ada/secret-{next(NUMBERS)}", private=True).bucket_id
    api.batch_bucket_files(bucket, add=[(b"secret", "file.txt")])
    return bucket


@pytest.fixture
def bob(localhub: LocalHub) -> HfApi:
    """The client as a stranger."""
    return HfApi(endpoint=localhub.url, token="hf_bob")


@pytest.fixture
def nobody(localhub: LocalHub) -> HfApi:
    """The client without a token."""
    return HfApi(endpoint=localhub.url, token=False)


@dataclass
class Asker:
    """Plain requests, for what the client cannot say."""

    client: httpx.Client

    def __call__(self, method: str, path: str, token: str | None = "hf_ada", **more: Any) -> httpx.Response:
        """One request; `token=None` is anonymous."""
        headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **more.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **more)


@pytest.fixture(scope="module")  # a client loads all certificates of this machine, which takes 0.2 s
def ask(localhub: LocalHub) -> Iterator[Asker]:
    """Plain requests, as ada unless said otherwise."""
    with httpx.Client(base_url=localhub.url, timeout=20, trust_env=False) as client:
        yield Asker(client)


Mounted = Callable[[str], Path]


@pytest.fixture
def mounted(localhub: LocalHub, ask: Asker) -> Mounted:
    """Where a bucket's files lie: what an app does that has it as a volume, without the app."""

    def mounted(bucket: str) -> Path:
        return localhub.folder / "buckets" / str(ask("GET", f"/api/buckets/{bucket}").json()["_id"]) / "files"

    return mounted


def ndjson(*lines: tuple[str, dict[str, Any]]) -> bytes:
    """The body of a commit."""
    return b"".join(json.dumps({"key": key, "value": value}).encode() + b"\n" for key, value in lines)


Runner = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path, localhub: LocalHub) -> Runner:
    """Run a program with an empty home and ada's token where `hf` looks for it."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[user]\n\tname = Ada\n\temail = ada@localhost\n[init]\n\tdefaultBranch = main\n")
    env = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "HF_HOME": str(home / "hf"),
        "HF_ENDPOINT": localhub.url,
        "HF_TOKEN": "hf_ada",
        "NO_PROXY": "127.0.0.1",
        "GIT_TERMINAL_PROMPT": "0",
        "NO_COLOR": "1",
    }

    def run(*words: str, cwd: Path = tmp_path, ok: bool = True, **more: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(words, cwd=cwd, env={**env, **more}, capture_output=True, text=True, check=False)
        assert ok == (done.returncode == 0), done.stdout + done.stderr
        return done

    return run


def git_url(localhub: LocalHub, path: str, token: str = "hf_ada") -> str:
    """An address for git with the token in it."""
    return f"{localhub.url.replace('://', f'://anybody:{token}@')}/{path}"
