"""What the tests of the pages share: Chromium, pages in it that notice everything that goes wrong, and axe."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Response, expect, sync_playwright

AXE = "axe-core@4.14.1"
OFFLINE = [
    "--no-sandbox",  # the tests may run as root
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--proxy-server=direct://",
    "--disable-features=LocalNetworkAccessChecks",  # a page called huggingface.co shows an app of this machine
]
Open = Callable[..., Page]
expect.set_options(timeout=20_000)  # milliseconds: only a failure takes that long


@pytest.fixture(scope="session")
def launch() -> dict[str, Any]:
    """How to start the browser that CHROMIUM names, or Debian's."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not path:
        pytest.skip("Chromium is not installed")
    return {"executable_path": path, "args": OFFLINE}


@pytest.fixture(scope="session")
def chromium(launch: dict[str, Any]) -> Iterator[Browser]:
    """The browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Open]:
    """Open an address in a fresh browser. At the end nothing may have gone wrong in it, nor been asked of others."""
    contexts, wrong = [], []

    def open_page(url: str, **settings: Any) -> Page:
        context = chromium.new_context(**{"viewport": {"width": 1000, "height": 900}} | settings)
        context.set_default_timeout(20_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(f"{error}"))
        page.on("console", lambda line: wrong.append(line.text) if line.type in ("error", "warning") else None)
        page.on("request", lambda request: wrong.append(request.url) if is_foreign(request.url, url) else None)
        page.on("response", lambda response: wrong.append(response.url) if is_missing(response) else None)
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [] == [line for line in wrong if "Failed to load resource" not in line]  # of the API: a test may mean it


def is_foreign(address: str, url: str) -> bool:
    """Whether an address is not of this page's own origin."""
    origin = "/".join(url.split("/")[:3])
    return not address.startswith((origin, f"blob:{origin}", "data:"))


def is_missing(response: Response) -> bool:
    """Whether this is a part of the page that there is not."""
    return response.status >= 400 and "/static/" in response.url


@pytest.fixture(scope="session")
def axe(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, from npm, kept in pytest's cache."""
    script = Path(request.config.cache.mkdir("axe"), f"{AXE}.js")
    if not script.exists():
        if not shutil.which("npm"):
            pytest.skip("npm, which brings axe-core, is not installed")
        folder = tmp_path_factory.mktemp("axe")
        subprocess.run(["npm", "pack", "--silent", AXE], cwd=folder, check=True, capture_output=True)
        with tarfile.open(next(folder.glob("*.tgz"))) as archive:
            archive.extract("package/axe.min.js", folder, filter="data")
        part = script.with_suffix(f".{os.getpid()}")  # other processes of this run do the same
        shutil.copy(folder / "package/axe.min.js", part)
        part.replace(script)
    return script.read_text("utf-8")
