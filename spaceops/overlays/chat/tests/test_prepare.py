"""The build's step for models. What it does with a model takes a network: see README.md."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import chatmodel
from chatmodel import Transformers, prepared

FOLDER = Path(__file__).parents[1]


def test_without_a_model_there_is_nothing_to_do(tmp_path):
    folder = shutil.copytree(FOLDER, tmp_path / "app", ignore=shutil.ignore_patterns("model", "tests"))
    environ = {name: value for name, value in os.environ.items() if name != "MODEL_ID"}
    done = subprocess.run([sys.executable, "prepare.py"], cwd=folder, env=environ, capture_output=True, text=True)

    assert (0, "MODEL_ID is not set: knowledge.md answers.\n") == (done.returncode, done.stderr)
    assert [] == list((folder / "model").iterdir())


def test_models_and_revisions_have_folders_of_their_own():
    folders = {prepared("acme/chat", None), prepared("acme/chat", "v2"), prepared("acme/other", None)}

    assert 3 == len(folders)
    assert {chatmodel.PREPARED} == {folder.parent for folder in folders}


def test_what_the_build_has_not_downloaded_is_looked_for_on_the_hub():
    assert "acme/chat" == Transformers("acme/chat", "v2")._which["pretrained_model_name_or_path"]
