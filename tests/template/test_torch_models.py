"""Real models of the transformers library, tiny and with random weights: from the Hub through the build to an answer.

PyTorch and transformers make them here; the local Hub serves them to each task's own prepare.py.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from huggingface_hub import HfApi
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from spaceops import LocalHub, new
from tests.template.serving import App

pytestmark = pytest.mark.model
SPECIAL = ["<end>", "<user>", "<assistant>", "<system>"]
TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}<end>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


def byte_tokenizer(transformers: Any) -> Any:
    """A tokenizer that knows every byte, and the words that a conversation is put together with."""
    vocabulary = {token: number for number, token in enumerate(SPECIAL + sorted(pre_tokenizers.ByteLevel.alphabet()))}
    made = Tokenizer(models.BPE(vocabulary, merges=[]))
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    made.add_special_tokens(SPECIAL)
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="<end>", pad_token="<end>", model_max_length=128
    )
    fast.chat_template = TEMPLATE
    return fast


def write_chat(folder: Path, transformers: Any) -> None:
    """A model of Llama's architecture."""
    tokenizer = byte_tokenizer(transformers)
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer), max_position_embeddings=128, bos_token_id=None, eos_token_id=0, **SIZES
    )
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def write_summarize(folder: Path, transformers: Any) -> None:
    """A model of T5's architecture, whose sums of 16 bits overflow on some GPUs if nobody takes care."""
    tokenizer = byte_tokenizer(transformers)
    config = transformers.T5Config(
        vocab_size=len(tokenizer), d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2, eos_token_id=0,
        pad_token_id=0, decoder_start_token_id=0,
    )  # fmt: skip
    transformers.T5ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def write_image(folder: Path, transformers: Any) -> None:
    """A vision transformer that tells three things apart."""
    labels = {"id2label": {0: "cat", 1: "dog", 2: "tree"}, "label2id": {"cat": 0, "dog": 1, "tree": 2}}
    config = transformers.ViTConfig(image_size=32, patch_size=8, **SIZES, **labels)
    transformers.ViTForImageClassification(config).save_pretrained(folder)
    description = {
        "image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}, "do_resize": True,
        "do_rescale": True, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 2,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(description), "utf-8")


def ask_chat(url: str) -> dict[str, Any]:
    """Let it write 20 tokens."""
    conversation = {"messages": [{"role": "user", "content": "Hello"}], "max_new_tokens": 20, "stream": False}
    answer: dict[str, Any] = httpx2.post(f"{url}/chat", json=conversation, trust_env=False, timeout=60).json()
    assert 20 == answer["new_tokens"] or "stop" == answer["finish"]
    return answer


def ask_summarize(url: str) -> dict[str, Any]:
    """Let it summarize what is longer than it can read."""
    text = {"text": "The ferry left the harbour at nine. " * 12, "sentences": 1}
    job = httpx2.post(f"{url}/jobs", json=text, trust_env=False).json()
    place, state = f"{url}/jobs/{job['id']}?wait=10", job
    while state["status"] in ("queued", "running"):
        state = httpx2.get(place, trust_env=False, timeout=60).json()
    assert "done" == state["status"], state
    result: dict[str, Any] = httpx2.get(f"{url}/jobs/{job['id']}/result", trust_env=False).json()
    return result


def ask_image(url: str) -> dict[str, Any]:
    """Let it look at noise."""
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 50, 3), np.uint8)).save(file, "PNG")
    answer: dict[str, Any] = httpx2.post(
        f"{url}/classify", files={"file": ("noise.png", file.getvalue(), "image/png")}, trust_env=False, timeout=60
    ).json()
    assert {"cat", "dog", "tree"} == {one["label"] for one in answer["labels"]}
    return answer


TASKS: dict[str, tuple[Callable[[Path, Any], None], Callable[[str], dict[str, Any]]]] = {
    "chat": (write_chat, ask_chat),
    "summarize": (write_summarize, ask_summarize),
    "image": (write_image, ask_image),
}


@pytest.fixture(params=TASKS)
def task(request: pytest.FixtureRequest) -> str:
    """A task with a model of its own kind."""
    return str(request.param)


@pytest.fixture(scope="module")
def publish(localhub: LocalHub, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Make the model of a task, and put it on the Hub, where it is private; return its name."""
    transformers = pytest.importorskip("transformers")
    api = HfApi(localhub.url, token=localhub.token)

    @cache
    def publish(task: str) -> str:
        folder = tmp_path_factory.mktemp(task)
        transformers.set_seed(5)
        TASKS[task][0](folder, transformers)
        api.create_repo(f"demo/tiny-{task}", private=True)
        api.upload_folder(repo_id=f"demo/tiny-{task}", folder_path=folder)
        return f"demo/tiny-{task}"

    return publish


@pytest.fixture
def hub(localhub: LocalHub, tmp_path: Path) -> dict[str, str]:
    """What tells an app of our Hub."""
    return {"HF_ENDPOINT": localhub.url, "HF_HOME": str(tmp_path / "cache"), "HF_TOKEN": localhub.token}


@pytest.fixture
def folder(tmp_path: Path, task: str) -> Path:
    """The app."""
    return new(tmp_path / "app", task=task)


def prepare(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the build's step, where PyTorch is installed already."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "MODEL_"))}
    return subprocess.run(
        [sys.executable, "prepare.py"], cwd=folder, env=environ | variables, capture_output=True, text=True, timeout=150
    )


def test_what_the_build_downloads_answers_without_a_hub(
    folder: Path, task: str, publish: Callable[[str], str], hub: dict[str, str], tmp_path: Path
) -> None:
    repo_id = publish(task)
    done = prepare(folder, MODEL_ID=repo_id, **hub)
    assert 0 == done.returncode, done.stderr

    with App(folder, MODEL_ID=repo_id, HF_ENDPOINT="http://127.0.0.1:9", HF_HOME=str(tmp_path)) as app:
        assert repo_id == TASKS[task][1](app.url)["backend"]
        version = httpx2.get(f"{app.url}/version", trust_env=False).json()
    assert {"name": repo_id, "device": device()} == version["model"]


@pytest.mark.parametrize("task", ["chat"])
def test_what_the_build_has_not_is_downloaded_at_the_start_with_the_token(
    folder: Path, task: str, publish: Callable[[str], str], hub: dict[str, str]
) -> None:
    repo_id = publish(task)
    with App(folder, MODEL_ID=repo_id, **hub) as app:
        assert repo_id == TASKS[task][1](app.url)["backend"]


def device() -> str:
    """Where a model runs here."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


OTHERS = {  # a task, another's model, and what is said of it
    "chat": ("image", "demo/tiny-image is of another kind: its architecture is ViTForImageClassification, not …ForCau"),
    "summarize": ("chat", "demo/tiny-chat is of another kind: its architecture is LlamaForCausalLM, not …ForCondition"),
    "image": ("chat", "An image-classification model is needed, but this is LlamaForCausalLM"),
}


def test_a_model_of_another_kind_is_refused_in_a_sentence(
    folder: Path, task: str, publish: Callable[[str], str], hub: dict[str, str]
) -> None:
    other, reason = OTHERS[task]
    app = App(folder, MODEL_ID=publish(other), **hub)
    app.start(until="health")
    try:
        ready = app.outcome()
    finally:
        app.stop()

    assert "failed" == ready["status"]
    assert ready["reason"].startswith(reason)
