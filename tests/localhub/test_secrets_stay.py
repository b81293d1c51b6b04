"""A secret is in no answer, no log, no page, and in no file of the data folder but the one with the key."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from base64 import b64encode
from pathlib import Path

import httpx2 as httpx
import pytest
from huggingface_hub import HfApi

from spaceops.localhub import LocalHub
from spaceops.localhub.app import routes
from tests.small_app import write_app

SECRET = "sw0rdfish-and-more"
TOKEN = "hf_onlyEveHasThisOne"
ACCOUNTS = f"""
[[users]]
name = "eve"
plan = "pro"
token = "{TOKEN}"
"""
FORMS = [SECRET.encode(), b64encode(SECRET.encode()), TOKEN.encode(), b64encode(f"eve:{TOKEN}".encode())]


def found_in(content: bytes) -> list[bytes]:
    return [form for form in FORMS if form in content]


def answers(api: HfApi, repo: str) -> list[httpx.Response]:
    """What every GET of the table answers about a Space, but for streams without end."""
    paths = {
        getattr(route, "path", "").replace("{kinds:kinds}", "spaces").replace("{namespace}/{name}", repo)
        for route in routes()
        if "GET" in (route.methods or ())
    }
    paths = {path.replace("{revision}", "main").replace("{path:path}", "README.md") for path in paths}
    paths = {path.replace("{which}", "run") for path in paths if not path.endswith(("/events", "/metrics"))}
    with httpx.Client(base_url=api.endpoint, headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False) as ask:
        streams = [f"/api/spaces/{repo}/logs/{which}" for which in ("run", "build")]
        return [ask.get(path) for path in sorted(paths) if "{" not in path and "/logs/" not in path] + [
            httpx.Response(200, content="".join(api.fetch_space_logs(repo, build=path.endswith("build"))).encode())
            for path in streams
        ]


def test_a_secret_stays_one(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (tmp_path / "accounts.toml").write_text(ACCOUNTS)
    command = [sys.executable, "-m", "spaceops", "hub", "serve", "--port", "0", "--data", str(data)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*command, "--accounts", str(tmp_path / "accounts.toml")], stdout=pipe, stderr=pipe
    ) as process:
        assert process.stdout
        url = process.stdout.readline().split()[1].decode()
        api = HfApi(endpoint=url, token=TOKEN)
        secrets = [{"key": "PASSWORD", "value": SECRET, "description": "of the door"}]
        api.create_repo("eve/app", repo_type="space", space_sdk="docker", space_secrets=secrets)
        app = write_app(tmp_path / "app")
        with (app / "Dockerfile").open("a") as dockerfile:
            dockerfile.write("RUN --mount=type=secret,id=PASSWORD,required=true test -s /run/secrets/PASSWORD\n")
        api.upload_folder(folder_path=app, repo_id="eve/app", repo_type="space")
        assert "RUNNING" == api.wait_for_space("eve/app").stage
        with pytest.raises(ValueError, match="PASSWORD"):
            api.add_space_secret("eve/app", "PASSWORD", SECRET * 100_000)
        given = answers(api, "eve/app")
        page = httpx.get(api.space_info("eve/app").host, trust_env=False)
        running = {file: file.read_bytes() for file in data.rglob("*") if file.is_file() and not file.is_symlink()}
        process.terminate()
        out, said = process.communicate(timeout=20)

    assert 500 not in {answer.status_code for answer in given}
    assert len([answer for answer in given if answer.status_code == 200]) > 10
    assert not [answer.url for answer in given if found_in(answer.content) or found_in(str(answer.headers).encode())]
    assert not found_in(page.content)
    assert not found_in(out + said)
    assert not [file for file, content in running.items() if found_in(content)]
    assert not [file for file in data.rglob("*") if file.is_file() and found_in(file.read_bytes())]


def test_a_snapshot_without_secrets_has_none_and_one_with_them_has_them_locked(tmp_path: Path) -> None:
    with LocalHub(tmp_path / "data") as hub:
        secrets = [{"key": "PASSWORD", "value": SECRET}]
        HfApi(endpoint=hub.url, token=hub.token).create_repo(
            "demo/app", repo_type="space", space_sdk="docker", space_secrets=secrets
        )
        whole = hub.snapshot(tmp_path / "whole.tar")
        bare = hub.snapshot(tmp_path / "bare.tar", with_secrets=False)

    assert not found_in(whole.read_bytes())
    assert not found_in(bare.read_bytes())
    with tarfile.open(whole) as tar:
        assert "secrets.key" in tar.getnames()
