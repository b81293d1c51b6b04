"""The wheel, installed somewhere else, does the whole job: it carries the template and the notebooks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def uv(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "uv", *map(str, arguments)], check=True, capture_output=True, text=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    uv("build", "--wheel", "--out-dir", folder, ROOT)
    return next(folder.glob("*.whl"))


def test_it_holds_the_template_and_the_notebooks_and_no_leftovers(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())

    assert {
        f"spaceops/_bundled/app_template/{name}" for name in ("Dockerfile", "main.py", "space.toml", ".gitignore")
    } <= names
    assert {f"spaceops/_bundled/notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")} <= names
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc") or name.startswith("tests/")]
    assert "spaceops/py.typed" in names


@pytest.mark.apps  # it installs everything and plays for a minute
@pytest.mark.timeout(300)
def test_the_demo_runs_from_it_without_a_checkout(wheel, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    uv("venv", "--python", sys.executable, tmp_path / "venv")
    uv(
        "pip",
        "install",
        "--python",
        tmp_path / "venv",
        "-c",
        ROOT / "constraints.txt",
        f"spaceops[all] @ {wheel.as_uri()}",
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "PYTHON", "VIRTUAL"))}

    done = subprocess.run(
        [tmp_path / "venv" / "bin" / "spaceops", "demo", "--json"],
        cwd=tmp_path,
        env={**environment, "HF_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert 0 == done.returncode, done.stderr
    result = json.loads(done.stdout)
    assert 20 == len(result["answers"])
    assert list(tmp_path.glob("spaceops-demo/**/*.ipynb"))
