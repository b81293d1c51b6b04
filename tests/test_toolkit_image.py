"""The image of the toolkit itself, built and started by the container engine that is here."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

import pytest

pytestmark = [pytest.mark.container, pytest.mark.timeout(900)]  # a build without any cache is the longest

ROOT = Path(__file__).parents[1]
IMAGE = f"localhost/spaceops-toolkit:{os.getpid()}"
TOKEN = secrets.token_urlsafe(24)
REFUSAL = "JUPYTER_TOKEN is missing or shorter than 16 characters: JupyterLab does not start without it.\n"
# All arguments, and the environment of what the server started.
PROCESSES = """
import psutil
print([process.cmdline() for process in psutil.process_iter()])
print([process.environ() for process in psutil.Process(1).children(recursive=True)])
"""


def engine(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What podman, or else docker, says and answers to a command."""
    program = shutil.which("podman") or shutil.which("docker")
    if program is None:
        pytest.skip("neither podman nor docker is here")
    return subprocess.run(
        [program, *words], env=os.environ | environment, cwd=ROOT, capture_output=True, text=True, check=False
    )


def said(*words: str, **environment: str) -> str:
    """What a command of the engine that must succeed prints."""
    done = engine(*words, **environment)
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout.strip()


def run(*words: str) -> str:
    """What a program prints in a container of its own."""
    return said("run", "--rm", "--network=host", IMAGE, *words)


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP."""

    status: int
    headers: Message
    body: bytes


@dataclass(frozen=True)
class Lab:
    """JupyterLab in a running container."""

    container: str
    port: int

    def ask(self, path: str, *, token: str | None = None, method: str = "GET") -> Answer:
        """One request; redirects are answers."""
        headers = {} if token is None else {"Authorization": f"token {token}"}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())

    def execute(self, *words: str) -> str:
        """What a program prints in that container."""
        return said("exec", self.container, *words)

    def answers(self) -> bool:
        """Whether the server is up."""
        try:
            return 200 == self.ask("/api").status
        except (OSError, http.client.HTTPException):  # nobody listens there yet, or only the engine's forwarder
            return False


def start(*settings: str) -> Lab:
    """A container that answers; its token goes through the environment, as it should for users."""
    words = ["run", "--detach", "--publish", "127.0.0.1::7860", "--env", "JUPYTER_TOKEN", *settings, IMAGE]
    container = said(*words, JUPYTER_TOKEN=TOKEN)
    lab = Lab(container, int(said("port", container, "7860/tcp").rpartition(":")[2]))
    deadline = time.monotonic() + 60
    while not lab.answers():
        assert time.monotonic() < deadline, engine("logs", container).stderr
        time.sleep(0.1)
    return lab


@pytest.fixture(scope="module", autouse=True)
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The image, built from this checkout; what stays is the engine's cache of the steps before the last stage.

    Of several workers one builds, and the others then find every step in the cache.
    """
    with (tmp_path_factory.getbasetemp().parent / "toolkit-image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said("build", "--pull=false", "--network=host", "--tag", IMAGE, ".")
    yield
    said("rmi", IMAGE)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """JupyterLab as on a laptop."""
    lab = start()
    yield lab
    said("rm", "--force", "--volumes", lab.container)


@pytest.fixture
def lab_in_space() -> Iterator[Lab]:
    """JupyterLab as in a Space, which the Hub tells its name."""
    lab = start("--env", "SPACE_ID=acme/toolkit")
    yield lab
    said("rm", "--force", "--volumes", lab.container)


def test_image_has_less_than_600_megabytes(capsys: pytest.CaptureFixture[str]) -> None:
    size = int(said("image", "inspect", "--format", "{{.Size}}", IMAGE)) / 1e6

    with capsys.disabled():
        print(f"\nThe toolkit's image has {size:.0f} MB.")
    assert 600 > size


@pytest.mark.parametrize("settings", [(), ("--env=JUPYTER_TOKEN=",), ("--env=JUPYTER_TOKEN=fifteen-letters",)])
def test_without_a_token_worth_the_name_it_says_so_in_one_line_and_ends(settings: tuple[str, ...]) -> None:
    done = engine("run", "--rm", *settings, IMAGE)

    assert (1, "", REFUSAL) == (done.returncode, done.stdout, done.stderr)


def test_who_has_no_token_is_sent_to_the_login(lab: Lab) -> None:
    answer = lab.ask("/lab")

    assert (302, "/login?next=%2Flab") == (answer.status, answer.headers["Location"])


@pytest.mark.parametrize("token", [None, "", TOKEN[:-1]], ids=["none", "empty", "part"])
def test_without_the_token_the_api_is_closed(lab: Lab, token: str | None) -> None:
    assert 403 == lab.ask("/api/status", token=token).status


def test_with_the_token_the_api_answers(lab: Lab) -> None:
    answer = lab.ask("/api/status", token=TOKEN)

    assert 200 == answer.status
    assert {"started", "last_activity", "connections", "kernels"} == set(json.loads(answer.body))


def test_page_asks_nothing_of_other_servers(lab: Lab) -> None:
    page = lab.ask("/lab", token=TOKEN).body.decode()

    assert '"news": {"disabled": true}' in page
    assert "@jupyterlab/apputils-extension:announcements" in page
    assert '"name": "read-only"' in page  # the extension manager, else a window to the package index


def test_everything_runs_as_user_1000_who_may_write(lab: Lab) -> None:
    assert "1000 user /home/user /home/user/app" == lab.execute("sh", "-c", 'echo "$(id -u) $(id -un) $HOME $PWD"')
    lab.execute("sh", "-c", "for folder in . notebooks app_template $HOME $VIRTUAL_ENV/lib; do test -w $folder; done")


def test_token_is_not_in_the_log_nor_in_arguments_nor_in_a_kernel(lab: Lab) -> None:
    assert 201 == lab.ask("/api/kernels", token=TOKEN, method="POST").status
    assert 200 == lab.ask(f"/api?token={TOKEN}").status

    log = engine("logs", lab.container)
    seen = lab.execute("python", "-c", PROCESSES)

    assert "is running at" in log.stderr
    assert "ipykernel_launcher" in seen
    assert "HOME" in seen
    assert not [text for text in (log.stdout, log.stderr, seen) if TOKEN in text]


def test_hub_may_frame_it_and_nobody_else(lab: Lab) -> None:
    policy = lab.ask("/lab", token=TOKEN).headers["Content-Security-Policy"]

    assert "frame-ancestors 'self' https://huggingface.co" == policy


def test_cookies_work_on_a_laptop_without_tls(lab: Lab) -> None:
    cookies = lab.ask("/lab", token=TOKEN).headers.get_all("Set-Cookie")

    assert cookies is not None
    assert not [cookie for cookie in cookies if "secure" in cookie.lower()]


def test_cookies_work_in_the_frame_of_a_space(lab_in_space: Lab) -> None:
    cookies = lab_in_space.ask("/lab", token=TOKEN).headers.get_all("Set-Cookie")

    assert cookies is not None
    assert {"_xsrf", "username"} <= {cookie.partition("=")[0].partition("-")[0] for cookie in cookies}
    assert not [cookie for cookie in cookies if not {"samesite=none", "secure"} <= parts(cookie)]


def parts(cookie: str) -> set[str]:
    """What follows a cookie's value, in small letters."""
    return {part.strip().lower() for part in cookie.split(";")[1:]}


def test_it_stops_when_told_to(lab_in_space: Lab) -> None:
    said("stop", "--time", "30", lab_in_space.container)

    assert "0" == said("inspect", "--format", "{{.State.ExitCode}}", lab_in_space.container)


def test_package_and_command_are_there() -> None:
    version = run("python", "-c", "import spaceops; print(spaceops.__version__)")

    assert run("spaceops", "--version").endswith(version)


def test_git_clones_pushes_and_stores_large_files() -> None:
    assert run("git", "--version").startswith("git version 2.")
    assert run("git", "lfs", "version").startswith("git-lfs/")


def test_quickstart_runs_in_ci_without_a_token() -> None:
    result = json.loads(run("spaceops", "run", "--json", "notebooks/00_quickstart.ipynb"))["result"]

    assert "running" == result["outcome"]
    assert "POSITIVE" == result["answer"]["label"]
