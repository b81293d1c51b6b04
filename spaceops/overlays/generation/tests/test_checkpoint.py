"""Which model is asked for, where its files are, and which are refused. What is made here fits no real network."""

from __future__ import annotations

import json
from fnmatch import fnmatch

import pytest

from inference import pytorch
from inference.checkpoint import FILES, PREPARED, Checkpoint
from inference.hub import ModelError


@pytest.fixture
def prepared():
    """Let the build have downloaded a model, as an empty folder."""
    folder = PREPARED / "tests--short"
    folder.mkdir(parents=True)
    yield folder
    folder.rmdir()


def test_variables_name_a_model():
    assert None is Checkpoint.from_environ({"MODEL_REVISION": "main"})
    assert Checkpoint("acme/short") == Checkpoint.from_environ({"MODEL_ID": "acme/short", "MODEL_REVISION": ""})
    assert Checkpoint("acme/short", "v2") == Checkpoint.from_environ({"MODEL_ID": "acme/short", "MODEL_REVISION": "v2"})


def test_models_and_revisions_have_folders_of_their_own():
    wanted = Checkpoint("acme/short"), Checkpoint("acme/short", "v2"), Checkpoint("acme/other")

    assert 3 == len({checkpoint.prepared for checkpoint in wanted})
    assert {PREPARED} == {checkpoint.prepared.parent for checkpoint in wanted}


def test_what_the_build_has_downloaded_is_found_first(prepared):
    assert prepared == Checkpoint("tests/short").find()


def test_a_folder_is_a_model(tmp_path):
    assert tmp_path == Checkpoint(str(tmp_path)).find()


def test_a_folder_that_is_not_there_is_named():
    with pytest.raises(ModelError, match="There is no folder /data/models/short"):
        Checkpoint("/data/models/short").find()


def test_no_tensors_are_downloaded_twice():
    own = ["model.safetensors", "model-00001-of-00002.safetensors", "model.safetensors.index.json", "tokenizer.model"]
    others = ["consolidated.safetensors", "onnx/model.onnx", "original/consolidated.00.pth", "pytorch_model.bin"]

    assert own == [file for file in own + others if any(fnmatch(file, pattern) for pattern in FILES)]


@pytest.mark.skipif(pytorch.is_installed(), reason="PyTorch is installed")
def test_without_pytorch_it_says_what_to_do():
    with pytest.raises(ModelError, match="needs PyTorch, which is not installed: build again with MODEL_ID set"):
        Checkpoint("acme/short").load("AutoModelForCausalLM", ("ForCausalLM",))


@pytest.mark.skipif(not pytorch.is_installed(), reason="PyTorch is not installed")
@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "The model has no config.json"),
        ({"adapter_config.json": {}}, "is an adapter: merge it into the model that it changes"),
        ({"config.json": {}}, "is of another kind: its architecture is none, not …ForCausalLM or …LMHeadModel"),
        ({"config.json": {"architectures": ["BertForMaskedLM"]}}, "its architecture is BertForMaskedLM"),
        ({"config.json": {"architectures": ["GPT2LMHeadModel"]}}, "has no tokenizer"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(tmp_path, files, reason):
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content), "utf-8")

    with pytest.raises(ModelError, match=reason):
        Checkpoint(str(tmp_path)).load("AutoModelForCausalLM", ("ForCausalLM", "LMHeadModel"))
