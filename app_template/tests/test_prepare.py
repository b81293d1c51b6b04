"""The build's step for models, as far as it needs no network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from inference.hub import ModelError, described, refuse_without_tensors

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


@pytest.mark.parametrize("files", [["model.onnx", "pytorch_model.bin"], ["checkpoint-500/model.safetensors"]])
def test_a_model_without_tensors_is_refused(files):
    with pytest.raises(ModelError, match="acme/tone has no weights as safetensors"):
        refuse_without_tensors("acme/tone", files)


def test_a_description_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "config.json").write_text("{'labels': 2}")

    with pytest.raises(ModelError, match=r"The model's config.json is no JSON: .*line 1"):
        described(tmp_path, "config.json")
