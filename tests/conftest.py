"""What the tests share: a local Hub, a Hub connected to it, and a small app that comes up in a moment."""

from __future__ import annotations

import gc
import itertools
import os
import re
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No test asserts a time; and in an empty home hypothesis makes its tables of characters first, while others run.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# A shell that runs the tests in the background lets them ignore Ctrl-C, and with them whatever they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

_home = tempfile.TemporaryDirectory(prefix="spaceops-tests-")
os.environ["SPACEOPS_CACHE"] = f"{_home.name}/cache"
os.environ["HF_HOME"] = _home.name  # before huggingface_hub is loaded: the user's own caches and login stay out of this

from spaceops import Hub, LocalHub, Space  # noqa: E402
from spaceops.cli import main  # noqa: E402
from tests.small_app import write_app  # noqa: E402


def pytest_collection_finish() -> None:
    gc.freeze()  # thousands of tests, through which the collector would look again and again


def pytest_unconfigure() -> None:
    _home.cleanup()


NUMBERS = itertools.count(1)


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE", "SPACEOPS_DATA", "SPACEOPS_ENV"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def localhub() -> Iterator[LocalHub]:
    """A local Hub for the tests of one module."""
    with LocalHub() as server:
        yield server


@pytest.fixture
def hub(localhub: LocalHub) -> Hub:
    """We, on that Hub."""
    return Hub(localhub.url, token=localhub.token)


@pytest.fixture
def space(tmp_path: Path, request: pytest.FixtureRequest) -> Space:
    """A Space that does not exist yet, with its app in a folder of its own."""
    words = re.findall(r"[a-z0-9]+", request.node.name)[1:8]
    name = f"{'-'.join(words)}-{next(NUMBERS)}"
    return Space.parse(
        {"repo_id": f"demo/{name}", "source": str(write_app(tmp_path / "app")), "health": {"timeout": "60s"}},
        folder=tmp_path,
    )


@pytest.fixture
def terminal(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command as from a terminal; its exit code, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        code = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as done:
            code = int(done.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
