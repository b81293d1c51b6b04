"""A known secret is deployed by an app that shouts it; then every artefact is searched for it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from urllib.parse import quote

import pytest

from spaceops import LocalHub, Space
from tests.middleman import Commands, Middleman, kill
from tests.small_app import write_app

CANARY = 'canary "4242"/näïve+value'
FORMS = (CANARY, base64.b64encode(CANARY.encode()).decode(), quote(CANARY, safe=""), json.dumps(CANARY)[1:-1])
SHOUT = "import base64, json, os\nfor form in {forms}:\n    print('the key is', form, flush=True)\n"


@pytest.fixture
def loud_app(space, tmp_path):
    """An app that prints its secret in every form, and then dies."""
    folder = space.root
    (folder / "space.toml").write_text(f'repo_id = "{space.repo_id}"\n[secrets]\nAPI_KEY = "env:API_KEY"\n')
    key = "os.environ['API_KEY']"
    forms = f"[{key}, base64.b64encode({key}.encode()).decode(), json.dumps({key})]"
    (folder / "app.py").write_text(SHOUT.format(forms=forms) + "raise SystemExit(3)\n")
    return folder


def found_in(folder: Path) -> list[str]:
    """Files that hold the secret in any form."""
    return [
        str(path)
        for path in folder.rglob("*")
        if path.is_file() and any(form.encode() in path.read_bytes() for form in FORMS)
    ]


@pytest.mark.parametrize("transport", ["api", "git"])
def test_no_artefact_of_a_deploy_holds_the_secret(localhub, loud_app, tmp_path, transport):
    with (loud_app / "space.toml").open("r+") as file:
        text = file.read()
        file.seek(0)
        file.write(f'transport = "{transport}"\n{text}')
    scratch, home = tmp_path / "scratch", tmp_path / "home"
    scratch.mkdir()
    home.mkdir()
    env = {
        **os.environ,
        "HF_ENDPOINT": localhub.url,
        "HF_TOKEN": localhub.token,
        "API_KEY": CANARY,
        "TMPDIR": str(scratch),
        "HOME": str(home),
        "HF_HOME": str(home / "hf"),
    }
    said = ""
    for arguments in (
        ["plan"],
        ["deploy", "--yes"],
        ["deploy", "--yes", "--json"],
        ["plan", "--json"],
        ["status", "--json"],
    ):
        command, *options = arguments
        done = subprocess.run(
            [sys.executable, "-m", "spaceops", command, str(loud_app), *options],
            env=env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        said += done.stdout + done.stderr

    assert "the key is [REDACTED:API_KEY]" in said  # the log was shown, and this is all that is left of it
    assert [] == [form for form in FORMS if form in said]
    assert [] == found_in(tmp_path)


def test_no_executed_notebook_holds_the_secret(localhub, loud_app, tmp_path):
    from spaceops.errors import NotebookFailed
    from spaceops.notebooks import run_notebook

    env = {"HF_ENDPOINT": localhub.url, "HF_TOKEN": localhub.token, "API_KEY": CANARY}
    notebook = Path(__file__).parent.parent / "notebooks" / "00_quickstart.ipynb"
    parameters = {"space_file": str(loud_app), "endpoint": localhub.url}

    with pytest.raises(NotebookFailed) as caught:
        run_notebook(notebook, parameters, output=tmp_path / "out" / "run.ipynb", env=env)

    assert "[REDACTED:API_KEY]" in (tmp_path / "out" / "run.ipynb").read_text()
    assert [] == [form for form in FORMS if form in str(caught.value)]
    assert [] == found_in(tmp_path)


def test_the_hub_never_gives_the_secret_back(localhub, hub, space, monkeypatch):
    monkeypatch.setenv("API_KEY", CANARY)
    from spaceops import Secret

    hub.create(space.repo_id, visibility=None, settings={})
    hub.secrets.set(space.repo_id, "API_KEY", Secret(CANARY, "API_KEY"), description="mine")
    observed = hub.observe(space.repo_id)

    assert [] == [form for form in FORMS if form in repr(observed) + json.dumps(observed.as_dict())]


# after every command of the package, in failures


@contextmanager
def command_lines() -> Iterator[list[str]]:
    """Which of the secret's forms stood on the command line of any process while the block lasted."""
    seen, over = list[str](), Event()

    def look() -> None:
        while not over.wait(0.002):
            for place in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    content = place.read_bytes()
                except OSError:  # it has ended meanwhile
                    continue
                seen.extend(form for form in FORMS if form.encode() in content)

    thread = Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def history_of(localhub: LocalHub, repo_id: str, folder: Path) -> bytes:
    """Every object of every branch, in full."""
    header = f"Authorization: Bearer {localhub.token}"
    git = ["git", "-c", f"http.extraHeader={header}"]
    copy = folder / "history.git"
    subprocess.run([*git, "clone", "--quiet", "--mirror", f"{localhub.url}/spaces/{repo_id}", str(copy)], check=True)
    show = ["git", "-C", str(copy), "cat-file", "--batch", "--batch-all-objects"]
    return subprocess.run(show, capture_output=True, check=True).stdout


class Rehearsal:
    """Every command that releases have, one after the other, and what they print."""

    def __init__(self, localhub: LocalHub, middleman: Middleman, commands: Commands, space: Space, folder: Path):
        self.localhub, self.middleman, self.commands = localhub, middleman, commands
        self.source, self.folder, self.repo_id, self.said = space.root, folder, space.repo_id, ""
        self.value = CANARY
        for name in ("scratch", "cache", "home"):
            (folder / name).mkdir(exist_ok=True)

    def run(self, *arguments: str, at: str | None = None, status: int | None = None) -> int:
        """Run one; at the first request that ends like `at` it is killed, or answered with `status`."""
        env = {
            "HF_ENDPOINT": self.middleman.address,
            "HF_TOKEN": self.localhub.token,
            "API_KEY": self.value,
            "TMPDIR": str(self.folder / "scratch"),
            "SPACEOPS_CACHE": str(self.folder / "cache"),
            "HOME": str(self.folder / "home"),
        }
        pid = self.commands.start(*arguments, env=env)

        def meet(number: int, when: str) -> bool:
            method, path = self.middleman.requests[number - 1].split(" ", 1)
            if at is None or when != "before" or method == "GET" or not path.endswith(at):
                return False
            if status:
                self.localhub.faults.add("status", method=method, path=path, status=status, times=1)
                return False
            kill(pid)
            return True

        self.middleman.requests.clear()
        self.middleman.meet = meet
        self.commands.go()
        code = self.commands.end()
        self.said += self.commands.output.read_text()
        return code

    def changed(self, version: int) -> None:
        write_app(self.source, version=version)
        self.value = f"{CANARY}{version}" if version > 1 else CANARY


@pytest.fixture
def rehearsal(localhub, space, tmp_path) -> Iterator[Rehearsal]:
    (space.root / "space.toml").write_text(
        f'repo_id = "{space.repo_id}"\nvisibility = "private"\n[secrets]\nAPI_KEY = "env:API_KEY"\n'
    )
    with (
        Middleman(localhub.url) as middleman,
        Commands(tmp_path) as commands,
        localhub.faults.add("stuck-building", repo_id=space.repo_id),
    ):
        yield Rehearsal(localhub, middleman, commands, space, tmp_path)
    localhub.faults.clear()


def test_no_command_leaves_the_secret_anywhere_whatever_goes_wrong(rehearsal, tmp_path):
    app, run = str(rehearsal.source), rehearsal.run
    with command_lines() as seen:
        assert 0 == run("plan", app, "--out", str(tmp_path / "saved.json"), "--diff")
        assert -9 == run("apply", app, "--yes", at="/api/repos/create")
        assert 0 == run("apply", app, "--yes")
        for version, (at, status) in enumerate(
            [
                ("/secrets", None),
                ("/secrets", 500),
                ("/secrets", 403),
                ("/commit/main", None),
                ("/commit/spaceops", 503),
            ],
            start=2,
        ):
            rehearsal.changed(version)
            assert 0 != run("apply", app, "--yes", at=at, status=status), (at, status)
            assert 0 == run("plan", app, "--json")
            assert 0 == run("apply", app, "--yes", "--json")
        assert 0 == run("rotate", app, "API_KEY", "--yes", "--detach")
        assert 0 == run("plan", app, "--drift")
        assert 0 == run("rollback", app, "1", "--yes", "--detach")
        for reading in (
            ("releases", app),
            ("releases", app, "show", "2", "--json"),
            ("releases", app, "diff", "1", "2"),
            ("secrets", "ls", rehearsal.repo_id),
            ("whoami", rehearsal.repo_id),
            ("status", rehearsal.repo_id, "--json"),
            ("pull", rehearsal.repo_id, str(tmp_path / "pulled")),
        ):
            assert 0 == run(*reading), (reading, rehearsal.commands.output.read_text())
        assert 0 == run("secrets", "set", rehearsal.repo_id, "API_KEY")
        run("secrets", "set", rehearsal.repo_id, "API_KEY", at="/secrets", status=500)

    history = history_of(rehearsal.localhub, rehearsal.repo_id, tmp_path)
    assert b"API_KEY" in history  # the names are there
    assert "API_KEY" in rehearsal.said
    assert [] == [form for form in FORMS if form in rehearsal.said]
    assert [] == [form for form in FORMS if form.encode() in history]
    assert [] == found_in(tmp_path)
    assert [] == found_in(Path(os.environ["HF_HOME"]))
    assert [] == seen


def test_the_search_finds_what_is_there(rehearsal, tmp_path):
    """The same searches, where the secret was left on purpose: on a command line, in a file, and in an old commit."""
    waits = "import sys; print('ready', flush=True); sys.stdin.read()"
    with (
        command_lines() as seen,
        subprocess.Popen(
            [sys.executable, "-c", waits, CANARY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as loud,
    ):
        assert loud.stdout and "ready\n" == loud.stdout.readline()
        while CANARY not in seen:
            Event().wait(0.005)
        loud.communicate()
    (rehearsal.source / "notes.txt").write_text(quote(CANARY, safe=""))
    assert 0 == rehearsal.run("apply", str(rehearsal.source), "--yes")
    (rehearsal.source / "notes.txt").unlink()
    assert 0 == rehearsal.run("apply", str(rehearsal.source), "--yes")
    (tmp_path / "home" / "left").write_text(base64.b64encode(CANARY.encode()).decode())

    assert CANARY in seen
    assert quote(CANARY, safe="").encode() in history_of(rehearsal.localhub, rehearsal.repo_id, tmp_path)
    assert [str(tmp_path / "home" / "left")] == found_in(tmp_path)
