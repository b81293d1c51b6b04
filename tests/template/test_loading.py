"""Models of the Hub, found, downloaded, made ready and run by the app's own code. The Hub is the local one."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from huggingface_hub import HfApi
from onnx import TensorProto, helper, load, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from uv import find_uv_bin

from spaceops import LocalHub, new
from spaceops.tasks import TASKS
from tests.template.serving import App

pytestmark = pytest.mark.apps

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "and"]
CONFIG = {
    "architectures": ["BertForSequenceClassification"],
    "id2label": {"0": "negative", "1": "positive"},
    "model_type": "bert",
    "pad_token_id": 0,
}
INSTALLED = {  # by one of the requirements
    *("httpx2", "huggingface_hub", "numpy", "onnx", "onnxruntime", "PIL", "tokenizers", "torch", "transformers"),
}
ASK = """
import json, os, sys
from models import choose

model = choose(os.environ)
model.load()
answers = [[label, score] for label, score in model.predict(json.loads(sys.argv[1]))]
print(json.dumps({"device": model.device, "answers": answers}))
"""
TEXTS = ["good", "bad", "good and good and bad", "bad " * 40]
LABELS = ["POSITIVE", "NEGATIVE", "POSITIVE", "NEGATIVE"]
without_torch = pytest.mark.skipif(find_spec("torch") is not None, reason="torch is installed: .ci/models")


def network(certainty: float = 1.0) -> bytes:
    """An ONNX file that adds up the words' values and multiplies them by a matrix, as quantising needs one."""
    values = np.zeros((len(WORDS), 32), np.float32)
    values[WORDS.index("good")], values[WORDS.index("bad")] = 1, -1
    head = np.float32([[-certainty / 32, certainty / 32]]).repeat(32, 0)
    nodes = [
        helper.make_node("Gather", ["values", "input_ids"], ["gathered"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["weights"]),
        helper.make_node("Mul", ["gathered", "weights"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "one"], ["sums"], keepdims=0),
        helper.make_node("MatMul", ["sums", "head"], ["logits"]),
    ]
    initializers = {"values": values, "last": np.int64([-1]), "one": np.int64([1]), "head": head}
    body = helper.make_graph(
        nodes,
        "words",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"])
            for name in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["texts", 2])],
        [numpy_helper.from_array(array, name) for name, array in initializers.items()],
    )
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    written: bytes = model.SerializeToString()
    return written


def tokenizer() -> Tokenizer:
    """One that knows three words."""
    made = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.BertProcessing(("[SEP]", WORDS.index("[SEP]")), ("[CLS]", WORDS.index("[CLS]")))
    return made


def described(**files: bytes) -> dict[str, bytes]:
    """A model's files: these, and those that describe it; `__` in a name stands for `/`, and `_onnx` for `.onnx`."""
    named = {name.replace("__", "/").replace("_onnx", ".onnx"): content for name, content in files.items()}
    texts = {"config.json": json.dumps(CONFIG), "tokenizer.json": tokenizer().to_str()}
    return {name: text.encode() for name, text in texts.items()} | named


def write(folder: Path, files: dict[str, bytes]) -> Path:
    """Put files into a folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def publish(localhub: LocalHub, tmp_path: Path) -> Callable[..., str]:
    """Put files into a model on the Hub; return the commit."""
    api = HfApi(localhub.url, token=localhub.token)

    def publish(repo_id: str, files: dict[str, bytes], *, private: bool = False) -> str:
        api.create_repo(repo_id, private=private, exist_ok=True)
        return api.upload_folder(repo_id=repo_id, folder_path=write(tmp_path / repo_id, files)).oid

    return publish


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The app."""
    return new(tmp_path_factory.mktemp("rendered") / "app")


@pytest.fixture
def run(localhub: LocalHub, folder: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python in the app's folder, on our Hub, with a cache of its own, and with uv."""
    base = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "MODEL_"))}
    base |= {"HF_ENDPOINT": localhub.url, "HF_HOME": str(tmp_path / "cache")}
    base["PATH"] = os.pathsep.join([str(Path(find_uv_bin()).parent), base["PATH"]])

    def run(
        *arguments: str, python: str = sys.executable, cwd: Path = folder, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python, *arguments], cwd=cwd, env=base | variables, capture_output=True, text=True, timeout=150
        )

    return run


@pytest.fixture
def ask(run: Callable[..., subprocess.CompletedProcess[str]]) -> Callable[..., dict[str, Any]]:
    """Load the model that the variables name, in a process of its own, and label `TEXTS`."""

    def ask(**variables: str) -> dict[str, Any]:
        done = run("-W", "ignore", "-c", ASK, json.dumps(TEXTS), **variables)
        assert 0 == done.returncode, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer

    return ask


REASONS = """
import json, os, sys
from models import choose
from serving.loading import Loader

for variables in json.loads(sys.argv[1]):
    os.environ.update(variables)
    loader = Loader(choose(variables))
    loader.start()
    loader.finished.wait()
    print(json.dumps(loader.reason))
"""


@pytest.fixture
def reasons(run: Callable[..., subprocess.CompletedProcess[str]]) -> Callable[..., list[str]]:
    """Why the app cannot load the models that each of these variables name, told by one process."""

    def reasons(*each: dict[str, str], **variables: str) -> list[str]:
        done = run("-W", "ignore", "-c", REASONS, json.dumps(each), **variables)
        assert 0 == done.returncode, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return reasons


def test_the_app_answers_with_the_onnx_file_of_a_model_on_the_hub(
    localhub: LocalHub, folder: Path, publish: Callable[..., str], tmp_path: Path
) -> None:
    others = {"onnx/model.onnx": b"not fetched", "checkpoint-9/tokenizer_config.json": b"nor this"}
    commit = publish("demo/tone", described(onnx__model_quantized_onnx=network()) | others)
    publish("demo/tone", {"onnx/model_quantized.onnx": b"a later commit"})
    settings = {"MODEL_ID": "demo/tone", "MODEL_REVISION": commit}
    with App(folder, HF_ENDPOINT=localhub.url, HF_HOME=str(tmp_path / "cache"), **settings) as app:
        answer = httpx2.post(f"{app.url}/analyze", json={"text": "good and good"}, trust_env=False).json()

    assert {"label": "POSITIVE", "backend": f"demo/tone@{commit}"}.items() <= answer.items()
    assert 1 / (1 + np.exp(-4)) == pytest.approx(answer["score"])
    assert not [file for name in others for file in (tmp_path / "cache").rglob(name)]


def test_float32_fetches_the_other_file(publish: Callable[..., str], ask: Callable[..., dict[str, Any]]) -> None:
    publish("demo/exact", described(onnx__model_onnx=network(2), onnx__model_int8_onnx=b"not fetched"))

    answers = ask(MODEL_ID="demo/exact", MODEL_PRECISION="float32")["answers"]

    assert LABELS == [label for label, _ in answers]
    assert 1 / (1 + np.exp(-4)) == pytest.approx(answers[0][1])


def test_a_private_model_needs_the_token(
    localhub: LocalHub, publish: Callable[..., str], ask: Callable[..., dict[str, Any]]
) -> None:
    publish("demo/private", described(model_onnx=network()), private=True)

    assert LABELS == [label for label, _ in ask(MODEL_ID="demo/private", HF_TOKEN=localhub.token)["answers"]]


def config(**changes: object) -> dict[str, bytes]:
    """A model's config.json that says something else."""
    return {"config.json": json.dumps(CONFIG | changes).encode()}


def test_what_is_wrong_with_a_model_is_said_in_a_sentence(
    localhub: LocalHub, publish: Callable[..., str], reasons: Callable[..., list[str]]
) -> None:
    publish("demo/secret", described(model_onnx=network()), private=True)
    publish("demo/gated", described(model_onnx=network()))
    HfApi(localhub.url, token=localhub.token).update_repo_settings("demo/gated", gated="auto")
    publish("demo/one", described(model_onnx=network()))
    publish("demo/mute", {"config.json": json.dumps(CONFIG).encode(), "model.onnx": network()})
    publish("demo/chat", described(model_onnx=network()) | config(architectures=["LlamaForCausalLM"]))
    publish("demo/nothing", {"model.onnx": network()})
    publish("demo/stars", described(model_onnx=network()) | config(id2label={"0": "1", "1": "2", "2": "3"}))
    expected = {
        "demo/secret": "There is no model demo/secret, or HF_TOKEN is no token that may read it",
        "demo/gated": "demo/gated is gated: accept its terms on the Hub, and set HF_TOKEN to a token of who did",
        "not a model": "MODEL_ID is 'not a model', but must be OWNER/NAME of a model on the Hub,"
        " or the full path of a folder",
        "/models/tone": "There is no folder /models/tone",
        "demo/one@v9": "demo/one has no revision v9",
        "demo/mute": "The model has no tokenizer.json: if it has one of an older form, build again with MODEL_ID set,"
        " and one is made of that",
        "demo/chat": "A text-classification model is needed, but this is LlamaForCausalLM",
        "demo/nothing": "The model has no config.json, so it is none of the transformers library",
        "demo/stars": "demo/stars answers two texts with numbers of shape (2, 2), not with its labels' scores",
    }
    parts = [name.partition("@") for name in expected]
    each = [{"MODEL_ID": name, "MODEL_REVISION": end} for name, _, end in parts]

    *said, of_a_wrong_token = reasons(*each, {"MODEL_ID": "demo/one", "HF_TOKEN": "hf_expired"})
    assert [*expected.values()] == said
    assert "The Hub does not know the token in HF_TOKEN: it may have expired" == of_a_wrong_token


def test_the_app_lives_when_the_hub_cannot_be_reached_and_says_so(folder: Path, tmp_path: Path) -> None:
    app = App(folder, HF_ENDPOINT="http://127.0.0.1:9", HF_HOME=str(tmp_path), MODEL_ID="demo/tone")
    app.start(until="health")
    try:
        ready = app.outcome()
        refused = httpx2.post(f"{app.url}/analyze", json={"text": "good"}, trust_env=False)
    finally:
        app.stop()

    assert ("failed", 503) == (ready["status"], refused.status_code)
    assert ready["reason"].startswith("demo/tone cannot be fetched from the Hub: ")
    assert ready["reason"] in refused.json()["detail"]
    assert f"demo/tone cannot be loaded: {ready['reason']}" in app.log()


@without_torch
def test_a_model_that_only_torch_can_run_says_what_to_do(
    publish: Callable[..., str], reasons: Callable[..., list[str]]
) -> None:
    publish("demo/tensors", described() | {"model.safetensors": b"not fetched"})

    assert ["demo/tensors has no ONNX file: build again with MODEL_ID set, so that one is made"] == reasons(
        {"MODEL_ID": "demo/tensors"}
    )


def test_what_the_build_prepared_needs_no_hub_and_is_taken_for_that_model_alone(
    folder: Path, reasons: Callable[..., list[str]], ask: Callable[..., dict[str, Any]]
) -> None:
    prepared = write(folder / "model" / "demo--built@v1", described(model_int8_onnx=network()))
    source = {"model_id": "demo/built", "revision": "v1", "precision": "int8"}
    (prepared / "report.json").write_text(json.dumps(source | {"commit": "0" * 40}), "utf-8")
    asked = {"MODEL_ID": "demo/built", "MODEL_REVISION": "v1"}

    assert LABELS == [label for label, _ in ask(**asked, HF_ENDPOINT="http://127.0.0.1:9")["answers"]]
    others = reasons(*[asked | change for change in ({"MODEL_REVISION": "v2"}, {"MODEL_PRECISION": "float32"})])
    assert all(reason.startswith("There is no model demo/built, or") for reason in others)


def test_a_volume_is_there_only_when_the_app_runs(run: Callable[..., Any]) -> None:
    assert "the app reads it when it starts" in run("prepare.py", MODEL_ID="/models/tone").stderr


def test_the_build_fails_with_a_sentence(publish: Callable[..., str], run: Callable[..., Any]) -> None:
    publish("demo/picture", described(model_onnx=network()) | config(architectures=["ViTForImageClassification"]))

    done = run("prepare.py", MODEL_ID="demo/picture")

    assert 1 == done.returncode
    assert done.stderr.endswith("A text-classification model is needed, but this is ViTForImageClassification\n")
    assert "HTTP" not in done.stderr


def test_what_can_be_neither_exported_nor_run_by_pytorch_fails_the_build(
    publish: Callable[..., str], run: Callable[..., Any], tmp_path: Path
) -> None:
    publish("demo/unfit", described(onnx__model_onnx=network()))
    stage = new(tmp_path / "stage")
    for file in stage.glob("requirements-*.txt"):  # so that nothing can be installed for it
        file.unlink()

    done = run("prepare.py", cwd=stage, MODEL_ID="demo/unfit")

    assert 1 == done.returncode
    assert done.stderr.endswith("\ndemo/unfit has no weights as safetensors\n")


@pytest.mark.parametrize("task", TASKS)
def test_the_builds_stage_has_all_that_prepare_imports(tmp_path: Path, task: str) -> None:
    """The image's first stage holds a part of the app, so that its code can change without preparing a model again."""
    folder = new(tmp_path / "app", task=task)
    stage = "COPY requirements*.txt prepare.py ./\nCOPY inference inference\n"
    there = {"inference", *sys.stdlib_module_names, *INSTALLED}
    modules = [folder / "prepare.py", *folder.glob("inference/*.py")]

    assert stage in read(folder / "Dockerfile")
    assert [] == [(file.name, name) for file in modules for name in imported(file) if name not in there]


@pytest.mark.parametrize("task", TASKS)
def test_what_is_installed_twice_is_installed_in_one_version(tmp_path: Path, task: str) -> None:
    folder = new(tmp_path / "app", task=task)
    pins: dict[str, set[str]] = {}
    for line in "\n".join(map(read, folder.glob("requirements*.txt"))).splitlines():
        name, _, version = line.partition("==")
        if version:
            pins.setdefault(name.lower().replace("_", "-"), set()).add(version)

    assert {} == {name: versions for name, versions in pins.items() if len(versions) > 1}


def read(file: Path) -> str:
    """A file's text."""
    return file.read_text("utf-8")


def imported(file: Path) -> set[str]:
    """The packages and modules that a module imports."""
    nodes = list(ast.walk(ast.parse(read(file))))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names}


@pytest.fixture(scope="module", params=["Bert"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the transformers library with random weights, so large that its answers differ; for PyTorch only."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("trained")
    config_class = getattr(transformers, f"{request.param}Config")
    config = config_class(
        vocab_size=len(WORDS), hidden_size=32, dim=32, intermediate_size=64, hidden_dim=64, num_hidden_layers=2,
        n_layers=2, num_attention_heads=2, n_heads=2, max_position_embeddings=130, pad_token_id=0, type_vocab_size=2,
        initializer_range=0.6, id2label={0: "negative", 1: "positive"}, label2id={"negative": 0, "positive": 1},
    )  # fmt: skip
    torch.manual_seed(3)
    getattr(transformers, f"{request.param}ForSequenceClassification")(config).save_pretrained(folder)
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer(), **names).save_pretrained(folder)
    return folder


def scores(answers: dict[str, Any]) -> list[float]:
    """How positive each text is said to be."""
    return [score if label == "POSITIVE" else 1 - score for label, score in answers["answers"]]


@pytest.mark.model
@pytest.mark.parametrize("trained", ["Bert", "DistilBert", "Roberta", "ModernBert"], indirect=True)
def test_an_exported_model_answers_as_pytorch_does(
    trained: Path, run: Callable[..., Any], ask: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    done = run("-m", "inference.export", str(trained), str(tmp_path / "fast"), "float32")
    assert 0 == done.returncode, done.stderr
    report = json.loads((tmp_path / "fast" / "report.json").read_text("utf-8"))
    by_torch = scores(ask(MODEL_ID=str(trained)))

    assert len(set(by_torch)) == len(TEXTS)
    assert by_torch == pytest.approx(scores(ask(MODEL_ID=str(tmp_path / "fast"))), abs=1e-4)
    assert ("float32", 0) == (report["runs"], report["compared"]["float32"]["labels_changed"])
    assert 1e-4 > report["compared"]["float32"]["largest_difference"]
    assert {"labels_changed", "largest_difference", "milliseconds"} == report["compared"]["int8"].keys()
    assert {"packed": "yes"} == {each.key: each.value for each in load(tmp_path / "fast" / "model.onnx").metadata_props}


@pytest.mark.model
def test_a_tokenizer_of_an_older_form_is_made_new(
    trained: Path, run: Callable[..., Any], ask: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """As in many repositories of the Hub, which hold a vocabulary and no tokenizer.json."""
    old = Path(shutil.copytree(trained, tmp_path / "old"))
    (old / "tokenizer.json").unlink()
    (old / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}), "utf-8")
    (old / "vocab.txt").write_text("\n".join(WORDS), "utf-8")

    done = run("-m", "inference.export", str(old), str(tmp_path / "fast"), "float32")

    assert 0 == done.returncode, done.stderr
    assert scores(ask(MODEL_ID=str(trained))) == pytest.approx(scores(ask(MODEL_ID=str(tmp_path / "fast"))), abs=1e-4)
    assert not (old / "tokenizer.json").exists()


@pytest.mark.model
def test_where_pytorch_is_installed_the_build_keeps_the_model_as_it_is(
    trained: Path, localhub: LocalHub, folder: Path, run: Callable[..., Any], ask: Callable[..., dict[str, Any]]
) -> None:
    repo_id = f"demo/{trained.name}"
    api = HfApi(localhub.url, token=localhub.token)
    api.create_repo(repo_id)
    commit = api.upload_folder(repo_id=repo_id, folder_path=trained).oid

    done = run("prepare.py", MODEL_ID=repo_id)

    assert 0 == done.returncode, done.stderr
    report = json.loads((folder / "model" / f"demo--{trained.name}" / "report.json").read_text("utf-8"))
    assert ("PyTorch", commit) == (report["runs"], report["commit"])
    assert scores(ask(MODEL_ID=repo_id, HF_ENDPOINT="http://127.0.0.1:9")) == scores(ask(MODEL_ID=str(trained)))


@pytest.mark.model
def test_the_build_quantises_a_models_own_onnx_file_without_pytorch(
    publish: Callable[..., str], folder: Path, run: Callable[..., Any], tmp_path: Path
) -> None:
    publish("demo/own", described(onnx__model_onnx=network()))
    environment, python = tmp_path / "venv", str(tmp_path / "venv/bin/python")
    uv = find_uv_bin()
    subprocess.run([uv, "venv", "--quiet", environment], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, "-r", folder / "requirements.txt"], check=True)

    done = run("prepare.py", python=python, MODEL_ID="demo/own")

    assert 0 == done.returncode, done.stderr
    report = json.loads((folder / "model" / "demo--own" / "report.json").read_text("utf-8"))
    assert ("int8", 0) == (report["runs"], report["compared"]["int8"]["labels_changed"])
    assert (folder / "model" / "demo--own" / "model_int8.onnx").is_file()
    answer = json.loads(run("-c", ASK, json.dumps(TEXTS), python=python, MODEL_ID="demo/own").stdout)
    assert LABELS == [label for label, _ in answer["answers"]]
