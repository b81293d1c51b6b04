"""A known secret is deployed by an app that shouts it; then every artefact is searched for it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

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
