"""What runs a network: ONNX Runtime on the CPU, or PyTorch on a GPU and for models without an ONNX file."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime

from inference import pytorch
from inference.cpus import cpu_count
from inference.weights import graph_in


class Runtime(Protocol):
    """Runs one network."""

    name: str
    device: str  # "cpu" or "cuda"

    def run(self, batch: np.ndarray) -> np.ndarray:
        """From float32 (pictures, 3, height, width) to the logits, float32 (pictures, labels)."""


def open_runtime(folder: Path, precision: str, *, gpu: bool) -> Runtime:
    """The fastest for this model here."""
    graph = None if gpu else graph_in(folder, precision)
    return Onnx(graph, cpu_count()) if graph else Torch(folder)


class Onnx:
    """Runs an ONNX file, or the bytes of one, on the CPU.

    Pictures run side by side, with one thread each: that takes two thirds of the CPU time of several threads for one,
    which wait for each other after each layer. A picture that is alone gets all threads; since ONNX Runtime fixes
    their number for a session, there are two.
    """

    device = "cpu"

    def __init__(self, graph: Path | bytes, threads: int) -> None:
        self.name = "ONNX Runtime"
        self._alone = self._shared = _session(graph, threads)
        if threads > 1:
            self._shared = _session(graph, 1)
        self._input, self._output = self._alone.get_inputs()[0].name, self._alone.get_outputs()[0].name
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="onnx")

    def run(self, batch: np.ndarray) -> np.ndarray:
        """The logits."""
        if len(batch) == 1:
            return self._logits(self._alone, batch)
        pictures = (batch[index : index + 1] for index in range(len(batch)))
        return np.concatenate(list(self._pool.map(lambda one: self._logits(self._shared, one), pictures)))

    def _logits(self, session: onnxruntime.InferenceSession, batch: np.ndarray) -> np.ndarray:
        logits: np.ndarray = session.run([self._output], {self._input: batch})[0]
        return logits


def _session(graph: Path | bytes, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.force_spinning_stop", "1")  # between passes the CPU is others'
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


class Torch:
    """Runs transformers' own model with PyTorch."""

    def __init__(self, folder: Path) -> None:
        self.device, self._dtype = pytorch.set_up()
        from transformers import AutoModelForImageClassification

        self.name = f"PyTorch on {self.device}"
        model = AutoModelForImageClassification.from_pretrained(folder, dtype=self._dtype, local_files_only=True)
        self._model = model.to(self.device).eval()

    def run(self, batch: np.ndarray) -> np.ndarray:
        """The logits."""
        import torch

        with torch.inference_mode():
            pixels = torch.from_numpy(batch).to(self.device, self._dtype)
            logits: np.ndarray = self._model(pixel_values=pixels).logits.float().cpu().numpy()
        return logits
