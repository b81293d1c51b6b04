"""Finds the files of a trained network and runs it: with ONNX Runtime, or with PyTorch where that is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime

from cpus import cpu_count

BUILT = Path(__file__).parent / "model"  # what prepare.py leaves there
SOURCE = "source.txt"  # in it: which model that is
DESCRIPTIONS = ("config.json", "preprocessor_config.json")
GRAPHS = ("model.onnx", "onnx/model.onnx")
WEIGHTS = "model.safetensors"
AT_ONCE = 8  # pictures; more take more memory, but on a CPU no less time

Network = Callable[[np.ndarray], np.ndarray]  # float32 (pictures, 3, height, width) to float32 (pictures, labels)


def named(model_id: str, revision: str | None) -> str:
    """A model in one word, for people and to recognise it."""
    return f"{model_id}@{revision}" if revision else model_id


def find(model_id: str, revision: str | None) -> Path:
    """The folder of a model: what the build prepared, a folder of that name, or a download from the Hub."""
    source = BUILT / SOURCE
    if source.is_file() and source.read_text("utf-8") == named(model_id, revision):
        return BUILT
    if Path(model_id).is_dir():
        return Path(model_id)
    return download(model_id, revision)


def download(model_id: str, revision: str | None) -> Path:
    """Fetch the model's ONNX file; if it has none, the weights for PyTorch."""
    from huggingface_hub import snapshot_download  # not needed without MODEL_ID, and slow to import

    wanted = [*DESCRIPTIONS, *GRAPHS, *(f"{graph}_data" for graph in GRAPHS)]
    folder = Path(snapshot_download(model_id, revision=revision, allow_patterns=wanted))
    if graph_in(folder) is None:
        snapshot_download(model_id, revision=revision, allow_patterns=[WEIGHTS])
    return folder


def graph_in(folder: Path) -> Path | None:
    """The ONNX file of a model, if it has one."""
    return next((folder / name for name in GRAPHS if (folder / name).is_file()), None)


def open_network(folder: Path) -> tuple[Network, str]:
    """The network and where it runs. A GPU comes first; on the CPU, ONNX Runtime is faster than PyTorch."""
    graph = graph_in(folder)
    if has_torch() and (has_gpu() or graph is None):
        return with_torch(folder)
    if graph is None:
        raise RuntimeError("The model has no ONNX file, and PyTorch is not installed: build again with MODEL_ID set")
    return with_onnx(str(graph)), "cpu"


def has_torch() -> bool:
    """Whether requirements-torch.txt is installed."""
    return importlib.util.find_spec("torch") is not None


def has_gpu() -> bool:
    """Whether PyTorch sees a GPU."""
    import torch

    return torch.cuda.is_available()


def with_onnx(graph: str | bytes) -> Network:
    """Run an ONNX file, or what would be in it, on the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cpu_count()
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    [pixels], [logits, *_] = session.get_inputs(), session.get_outputs()

    def run(batch: np.ndarray) -> np.ndarray:
        parts = [batch[start : start + AT_ONCE] for start in range(0, len(batch), AT_ONCE)]
        return np.concatenate([session.run([logits.name], {pixels.name: part})[0] for part in parts])

    return run


def with_torch(folder: Path) -> tuple[Network, str]:
    """Run the weights with PyTorch: on a GPU in bfloat16, which its tensor cores are made for."""
    import torch
    from transformers import AutoModelForImageClassification

    device, dtype = ("cuda", torch.bfloat16) if has_gpu() else ("cpu", torch.float32)
    torch.set_num_threads(cpu_count())
    model = AutoModelForImageClassification.from_pretrained(folder, dtype=dtype, local_files_only=True)
    model = model.to(device).eval()

    @torch.inference_mode()
    def run(batch: np.ndarray) -> np.ndarray:
        answer = model(torch.from_numpy(batch).to(device, dtype))
        return answer.logits.float().cpu().numpy()

    return run, device
