"""The pytest plugin, in runs of pytest of its own, as its users have it."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.small_app import write_app

ROOT = Path(__file__).parent.parent
SPACE_TOML = 'repo_id = "acme/my-app"\nsource = "app"\n[health]\ntimeout = "60s"\n'
RESTART = """\
import sys
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

for _ in range(3):
    try:
        if HfApi().get_space_runtime(sys.argv[1]).stage == "RUNNING":
            HfApi().restart_space(sys.argv[1])
            break
    except HfHubHTTPError:
        continue
"""
CLIENTS = """
import os
import subprocess
import sys
from pathlib import Path

import huggingface_hub
from huggingface_hub import HfApi, HfFileSystem, constants, hffs

HOME = constants.HF_HOME


def test_every_way_to_call_a_client_leads_to_the_local_hub(localhub, hub, tmp_path):
    repo_id = huggingface_hub.create_repo("demo/model").repo_id
    HfApi().upload_file(path_or_fileobj=b"hello", path_in_repo="a.txt", repo_id=repo_id)

    assert hffs.cat_file(f"{repo_id}/a.txt") == b"hello" == HfFileSystem().cat_file(f"{repo_id}/a.txt")
    assert huggingface_hub.hf_hub_download(repo_id, "a.txt").startswith(os.environ["HF_HOME"])
    assert huggingface_hub.hf_hub_url(repo_id, "a.txt").startswith(localhub.url)
    command = [Path(sys.executable).with_name("hf"), "models", "info", repo_id]
    assert repo_id in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert hub.endpoint == localhub.url
    assert type(hub)("local").endpoint == localhub.url


def test_another_test_has_another_hub(localhub):
    assert not localhub.requests
    assert not HfApi().repo_exists("demo/model")
    assert not HfFileSystem().exists("demo/model/a.txt")


def test_without_a_fixture_nothing_is_changed():
    assert "HF_ENDPOINT" not in os.environ
    assert constants.ENDPOINT == HfApi().endpoint == huggingface_hub.hf_api.api.endpoint == hffs.endpoint
    assert constants.ENDPOINT == "https://huggingface.co"
    assert constants.HF_HOME == HOME
"""
SHARED = """
import os

from spaceops import Hub


def test_one(hub, space):
    assert space.repo_id == f"{hub.account}/small" == "ada/small"
    assert space.get("/where?x=1").json()["path"] == "/where?x=1"
    assert "SPACE_ID" in space.get().json()["env"]
    assert "serving" in space.log()
    hub.pause(space.repo_id)
    assert space.get("/").status == 503


def test_two(hub, space):
    assert hub.runtime(space.repo_id).stage == "PAUSED"
    assert os.environ["HF_TOKEN"] == "hf_ada"
"""
ACCOUNTS = '[[users]]\nname = "ada"\ntoken = "hf_ada"\nplan = "pro"\n'


def run_pytest(folder: Path, *options: str, passed: int | None = None) -> str:
    """Run the tests of a folder with the plugin, so that every warning is an error; what it printed."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "spaceops.testing",
        "-p",
        "no:cacheprovider",
        "--tb=short",
        "-W",
        "error",
    ]
    done = subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True, check=False)
    if passed is not None:
        assert f"{passed} passed" in done.stdout, done.stdout + done.stderr
    assert (passed is None) == (done.returncode != 0), done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_documented_examples_are_tests_that_pass(tmp_path):
    (tmp_path / "my-app").mkdir()
    write_app(tmp_path / "my-app" / "app")
    (tmp_path / "my-app" / "space.toml").write_text(SPACE_TOML)
    (tmp_path / "restart.py").write_text(RESTART)
    text = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for number, example in enumerate(examples):
        (tmp_path / f"test_example_{number}.py").write_text(example)

    assert len(examples[0].splitlines()) <= 10
    run_pytest(tmp_path, passed=3)


def test_a_test_meets_its_own_hub_by_whatever_way_and_nothing_is_left_afterwards(tmp_path):
    (tmp_path / "test_clients.py").write_text(CLIENTS)

    run_pytest(tmp_path, passed=3)


def test_tests_can_share_a_hub_and_have_accounts(tmp_path):
    (tmp_path / "test_shared.py").write_text(SHARED)
    (tmp_path / "accounts.toml").write_text(ACCOUNTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nlocalhub_scope = module\nlocalhub_accounts = accounts.toml\n")

    run_pytest(tmp_path, passed=2)
    assert "no-such-file.toml" in run_pytest(tmp_path, "--localhub-accounts", "no-such-file.toml")


def test_a_scope_that_there_is_not_is_told_before_any_test_runs(tmp_path):
    (tmp_path / "test_any.py").write_text("def test_any(hub):\n    pass\n")

    said = run_pytest(tmp_path, "-o", "localhub_scope=lesson")

    assert "localhub_scope = 'lesson': it is one of function, class, module, package, session" in said


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_without_the_extra_the_plugin_says_what_to_install(tmp_path, missing):
    (tmp_path / f"{missing}.py").write_text(f"raise ModuleNotFoundError('No module', name='{missing}')")
    (tmp_path / "test_any.py").write_text("def test_any(hub):\n    pass\n")

    said = run_pytest(tmp_path, "-o", "pythonpath=.")

    assert "pip install 'spaceops[local]'" in said


def test_pytest_does_not_load_the_plugin_by_itself():
    assert not [point for point in entry_points(group="pytest11") if point.value.startswith("spaceops")]
