"""Fixtures for pytest: a local Hub of the test's own, us on it, and a Space that runs there.

Loaded by `pytest -p spaceops.testing` or `pytest_plugins = ["spaceops.testing"]`, never by itself. A test that asks for
one of them, and every program that it starts, finds that Hub and no other one: `HF_ENDPOINT`, `HF_TOKEN` and `HF_HOME`
lead there, and so does the client that is loaded in this process. docs/testing.md shows how.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

import pytest

from spaceops.events import logs
from spaceops.hub import Hub
from spaceops.hub.redirect import OVERRIDES, settings_of_client
from spaceops.localhub import LocalHub
from spaceops.planning import plan
from spaceops.releases import apply, wait
from spaceops.spec import LOOPBACK, Space

SCOPES = ("function", "class", "module", "package", "session")
APP_SECONDS = 10.0
START_SECONDS, LOOK_SECONDS = 60.0, 0.02
APP = {
    "README.md": "---\ntitle: Small\nsdk: docker\n---\n",
    "Dockerfile": 'FROM python:3.11-slim\nWORKDIR /app\nCOPY app.py .\nCMD ["python", "app.py", "0.0.0.0", "7860"]\n',
    "app.py": '''\
"""Answers every path with the path, and with the app's environment."""
import http.server
import json
import os
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"path": self.path, "env": dict(os.environ)}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        print(self.command, self.path, flush=True)


print("serving", flush=True)
http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
''',
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """What can be chosen on the command line, or under `[tool.pytest.ini_options]`."""
    accounts = "accounts of the local Hub: a TOML file, from the folder of pytest's configuration"
    parser.addini("localhub_accounts", accounts, default="")
    parser.addini("localhub_scope", f"how long tests share a local Hub: {', '.join(SCOPES)}", default="function")
    parser.getgroup("spaceops").addoption("--localhub-accounts", metavar="FILE", help=accounts)


def _scope(fixture_name: str, config: pytest.Config) -> Any:  # noqa: ARG001  pytest names its arguments
    scope = config.getini("localhub_scope")
    if scope not in SCOPES:
        raise pytest.UsageError(f"localhub_scope = {scope!r}: it is one of {', '.join(SCOPES)}")
    return scope


@pytest.fixture(scope=_scope)
def localhub(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    """A local Hub with nothing on it, at `localhub.url` with `localhub.token`; the only Hub that the test can find."""
    accounts = pytestconfig.getoption("localhub_accounts") or pytestconfig.getini("localhub_accounts")
    home = tmp_path_factory.mktemp("huggingface")
    server = LocalHub(accounts=pytestconfig.rootpath / accounts if accounts else None)
    with server, pytest.MonkeyPatch.context() as patch:
        _lead_to(server, home, patch)
        yield server


def _lead_to(server: LocalHub, home: Path, patch: pytest.MonkeyPatch) -> None:
    for setting in settings_of_client(server.url, str(urlsplit(server.url).hostname), home):
        patch.setattr(*setting, raising=False)
    for name in OVERRIDES:
        patch.delenv(name, raising=False)
    spared = ",".join(filter(None, [os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), *sorted(LOOPBACK)]))
    environment = {
        "HF_ENDPOINT": server.url,
        "HF_TOKEN": server.token,
        "HF_HOME": str(home),
        "SPACEOPS_DATA": str(server.folder),  # so that the endpoint `local` is this one too
        "GIT_TERMINAL_PROMPT": "0",
        "NO_PROXY": spared,
        "no_proxy": spared,
    }
    for name, value in environment.items():
        patch.setenv(name, value)


@pytest.fixture(scope=_scope)
def hub(localhub: LocalHub) -> Hub:
    """We on the local Hub, as the first of its accounts."""
    return Hub(localhub.url, token=localhub.token)


class Answer(NamedTuple):
    """What an app answered."""

    status: int
    text: str

    def json(self) -> Any:
        """The text as data."""
        return json.loads(self.text)


@dataclass(frozen=True)
class RunningSpace:
    """A Space that runs on the local Hub: its `repo_id`, and the address of its app."""

    repo_id: str
    url: str
    hub: Hub = field(repr=False)

    def get(self, path: str = "/") -> Answer:
        """Ask the app, which answers with the path and with its environment; 503 while it is paused or broken."""
        opener = build_opener(ProxyHandler({}))
        try:
            with opener.open(self.url + path, timeout=APP_SECONDS) as response:
                return Answer(response.status, response.read().decode())
        except HTTPError as error:
            with error:
                return Answer(error.code, error.read().decode())

    def log(self) -> list[str]:
        """The lines that the app has written since it was started."""
        return [event.text for event in logs(self.repo_id, self.hub)]


@pytest.fixture(scope=_scope)
def space(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> RunningSpace:
    """A small public Space that runs: something for a script to pause, restart, change or watch."""
    folder = tmp_path_factory.mktemp("small")
    for name, text in APP.items():
        (folder / name).write_text(text, encoding="utf-8")
    small = Space.parse({"repo_id": f"{hub.account}/small", "visibility": "public"}, folder=folder)
    apply(plan(small, hub), hub)
    return RunningSpace(small.repo_id, _address_once_it_runs(small, hub), hub)


def _address_once_it_runs(small: Space, hub: Hub) -> str:
    """Looked at more often than a deploy would, as the Hub is here; a failure is told in the same words."""
    until = time.monotonic() + START_SECONDS
    while hub.runtime(small.repo_id).is_busy and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
    return str(wait(small, hub, timeout=0).host)
