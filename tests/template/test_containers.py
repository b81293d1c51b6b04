"""The images of the template, built and run by the container engine that is here, in the tightest way it offers."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from spaceops.template import new
from tests.template.test_shutdown import REQUESTS

pytestmark = [pytest.mark.container, pytest.mark.timeout(900)]  # a build without any cache is the longest

VARIANTS = {
    "sentiment": ("sentiment", ()),
    "sentiment with nginx": ("sentiment", ("nginx",)),
    "sentiment with gpu": ("sentiment", ("gpu",)),
    "image": ("image", ()),
    "chat with gpu and nginx": ("chat", ("gpu", "nginx")),
    "csv": ("csv", ()),
}
TIGHT = [
    "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--pids-limit=256",
    "--memory=1g", "--cpus=2",
]  # fmt: skip
SECRET = "hf_of_the_build"


def engine(*words: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """What podman, or else docker, says and answers to a command."""
    program = shutil.which("podman") or shutil.which("docker")
    if program is None:
        pytest.skip("neither podman nor docker is here")
    return subprocess.run(
        [program, *words], env=os.environ | environment, cwd=cwd, capture_output=True, text=True, check=False
    )


def said(*words: str, cwd: Path | None = None, **environment: str) -> str:
    """What a command of the engine that must succeed prints."""
    done = engine(*words, cwd=cwd, **environment)
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout.strip()


def build(folder: Path, *words: str, **environment: str) -> str:
    """Build the image of a folder, and return its id."""
    pull = ["--pull=never", "--format=docker"] if shutil.which("podman") else []
    return said("build", "--quiet", "--network=host", *pull, *words, ".", cwd=folder, **environment).splitlines()[-1]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """The image of a variant, built once; the layers stay, so that the next run is quick."""
    built: dict[str, str] = {}

    def image(name: str) -> str:
        if name not in built:
            task, extras = VARIANTS[name]
            built[name] = build(new(tmp_path_factory.mktemp("app") / "app", task=task, extras=extras))
        return built[name]

    return image


@contextmanager
def running(image: str, *words: str) -> Iterator[tuple[str, httpx2.Client]]:
    """The container, and a client of its app once that is ready."""
    container = said("run", "--detach", "--publish=127.0.0.1::7860", *TIGHT, *words, image)
    try:
        address = said("port", container, "7860")
        with httpx2.Client(base_url=f"http://{address}", timeout=30, trust_env=False) as client:
            wait_until_ready(client, container)
            yield container, client
    finally:
        engine("rm", "--force", container)


def wait_until_ready(client: httpx2.Client, container: str) -> None:
    deadline = time.monotonic() + 90
    while not is_ready(client):
        assert time.monotonic() < deadline, said("logs", container)
        time.sleep(0.1)


def is_ready(client: httpx2.Client) -> bool:
    try:
        return 200 == client.get("/ready").status_code
    except httpx2.TransportError:
        return False


@pytest.mark.parametrize("name", VARIANTS)
def test_it_does_what_it_is_for_as_user_1000_on_a_disk_that_cannot_be_written(name: str, image: Callable[[str], str]):
    request = REQUESTS[VARIANTS[name][0]]
    with running(image(name)) as (container, client):
        answer = client.request(
            request.method, request.path, content=request.body, headers={"Content-Type": request.content_type}
        )
        page = client.get("/")
        user = said("exec", container, "id", "-u")
        states = said("exec", container, "sh", "-c", "cat /proc/[0-9]*/stat | cut -d ' ' -f 3")
        began = time.monotonic()
        said("stop", "--time=29", container)
        seconds = time.monotonic() - began
        log = engine("logs", container)

    assert request.status == answer.status_code, answer.text
    assert 200 == page.status_code
    assert "1000" == user
    assert "Z" not in states.split(), "nobody waits for a process that has ended"
    assert seconds < 20
    assert "Application shutdown complete." in log.stdout + log.stderr


def test_nginx_and_the_app_are_started_again_when_they_are_killed(image: Callable[[str], str]):
    with running(image("sentiment with nginx")) as (container, client):
        wait_until_started(client, nginx=1, app=1, ops=1)
        said("exec", container, "python", "-c", KILL)
        wait_until_started(client, nginx=2, app=2, ops=1)
        wait_until_ready(client, container)
        log = engine("logs", container)

    assert "bind() to" not in log.stdout + log.stderr, "workers of the first nginx have kept the port"


KILL = """
import json, os
for one in json.load(open("/tmp/processes.json")):
    if one["name"] != "ops":
        os.kill(one["pid"], 9)
"""


def wait_until_started(client: httpx2.Client, **times: int) -> None:
    deadline = time.monotonic() + 60
    while (found := starts(client)) != times:
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


def starts(client: httpx2.Client) -> dict[str, int]:
    try:
        answer = client.get("/ops/status")
    except httpx2.TransportError:
        return {}
    return {one["name"]: one["starts"] for one in answer.json()["processes"]} if answer.status_code == 200 else {}


def test_what_dev_mode_needs_is_there_when_it_is_wanted(tmp_path: Path):
    """Bash, curl, wget, procps, git and git-lfs; the app in /app, which is the user's; a CMD."""
    image = build(new(tmp_path / "app"), "--build-arg=DEV_MODE=1")
    told = said(
        "run", "--rm", image, "bash", "-c", "command -v bash curl wget ps git git-lfs; stat -c %u /app /app/main.py"
    )

    assert ["1000", "1000"] == told.splitlines()[-2:]
    assert 8 == len(told.splitlines())


def test_a_commit_that_the_build_is_told_is_shown_and_a_secret_is_in_no_layer(tmp_path: Path):
    """A variable that other builds do not have, so that the line with the secret is not taken from the cache."""
    secret = tmp_path / "token"
    secret.write_text(SECRET)
    told = ["--build-arg=COMMIT=0123abc", "--build-arg=MODEL_PRECISION=float32"]
    image = build(new(tmp_path / "app"), *told, f"--secret=id=HF_TOKEN,src={secret}")
    with running(image) as (_, client):
        version = client.get("/version").json()
    packed = tmp_path / "image.tar"
    said("save", "--output", str(packed), image)

    assert "0123abc" == version["commit"]
    assert SECRET not in said("history", "--no-trunc", image)
    assert 1 == subprocess.run(["grep", "-q", SECRET, str(packed)], check=False).returncode, "it is not found"


def test_what_only_the_build_needs_is_not_in_the_image(image: Callable[[str], str]):
    told = said("run", "--rm", image("sentiment"), "sh", "-c", "ls -A /app ~ /opt; command -v uv || echo no uv")

    assert {"main.py", "model", "serving"} <= set(told.split())
    assert told.endswith("no uv")
    assert not {"tests", "Dockerfile", "README.md", "space.toml", ".cache", "build"} & set(told.split()), told
