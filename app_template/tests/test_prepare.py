"""The build's step for models. What it does with one takes a network: see README.md."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1]


@pytest.fixture
def stage(tmp_path):
    """What the build's stage has of the app."""
    shutil.copy(FOLDER / "prepare.py", tmp_path)
    shutil.copytree(FOLDER / "inference", tmp_path / "inference")
    return tmp_path


def test_without_a_model_there_is_nothing_to_do(stage):
    environ = {name: value for name, value in os.environ.items() if name != "MODEL_ID"}
    done = subprocess.run([sys.executable, "prepare.py"], cwd=stage, env=environ, capture_output=True, text=True)

    assert (0, "MODEL_ID names no model: there is nothing to get ready.\n") == (done.returncode, done.stderr)
    assert [] == list((stage / "model").iterdir())
