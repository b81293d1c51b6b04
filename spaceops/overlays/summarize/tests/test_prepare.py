"""The build's step for models. What it does with a model takes a network: see README.md."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import models
from models import prepared

FOLDER = Path(__file__).parents[1]


def test_without_a_model_there_is_nothing_to_do(tmp_path):
    folder = shutil.copytree(FOLDER, tmp_path / "app", ignore=shutil.ignore_patterns("model", "tests"))
    environ = {name: value for name, value in os.environ.items() if name != "MODEL_ID"}
    done = subprocess.run([sys.executable, "prepare.py"], cwd=folder, env=environ, capture_output=True, text=True)

    assert (0, "MODEL_ID is not set: LexRank summarizes, which needs no model.\n") == (done.returncode, done.stderr)
    assert [] == list((folder / "model").iterdir())


def test_models_and_revisions_have_folders_of_their_own():
    folders = {prepared("acme/short", None), prepared("acme/short", "v2"), prepared("acme/other", None)}

    assert 3 == len(folders)
    assert {models.PREPARED} == {folder.parent for folder in folders}
