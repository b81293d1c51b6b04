"""What runs a network: ONNX Runtime on the CPU, or PyTorch on a GPU and for models without an ONNX file."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime

from inference import pytorch
from inference.cpus import cpu_count
from inference.hub import ModelError
from inference.weights import graph_in

PACKED = "packed"  # the property of an ONNX file to which texts of different lengths are as cheap as of one length
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
Inputs = dict[str, np.ndarray]  # of these, each int64 (texts, tokens)


class Runtime(Protocol):
    """Runs one network."""

    name: str
    device: str  # "cpu" or "cuda"
    side_by_side: int  # so many passes of a call run at once
    most_tokens: int  # of a pass, with padding; more make it no faster, and take memory

    def run(self, passes: Sequence[Inputs]) -> list[np.ndarray]:
        """The logits of each pass: float32 (texts, labels)."""


def open_runtime(folder: Path, precision: str, *, gpu: bool) -> Runtime:
    """The fastest for this model here."""
    graph = None if gpu else graph_in(folder, precision)
    return Onnx(graph, cpu_count()) if graph else Torch(folder)


class Onnx:
    """Runs an ONNX file on the CPU.

    Several passes run side by side, with one thread each: that wastes less than several threads in one pass, which
    wait for each other after each of a hundred steps. A pass that is alone gets all threads; since ONNX Runtime fixes
    their number for a session, there are two.
    """

    device = "cpu"

    def __init__(self, graph: Path, threads: int) -> None:
        self.name = f"ONNX Runtime with {graph.name}"
        self.side_by_side = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="onnx")
        sessions = {number: self._pool.submit(open_session, graph, number) for number in {threads, 1}}
        self._alone, self._shared = sessions[threads].result(), sessions[1].result()
        self._inputs = [each.name for each in self._alone.get_inputs()]
        if unknown := set(self._inputs) - set(INPUTS):
            raise ModelError(f"{graph.name} is not made for texts alone: it asks for {', '.join(sorted(unknown))}")

    @property
    def most_tokens(self) -> int:
        """Where padding costs as much as a text, passes are small, so that there is little of it."""
        return 1024 if PACKED in self._alone.get_modelmeta().custom_metadata_map else 128

    def run(self, passes: Sequence[Inputs]) -> list[np.ndarray]:
        """The logits of each pass."""
        if len(passes) == 1:
            return [self._logits(self._alone, passes[0])]
        return list(self._pool.map(lambda inputs: self._logits(self._shared, inputs), passes))

    def _logits(self, session: onnxruntime.InferenceSession, inputs: Inputs) -> np.ndarray:
        logits: np.ndarray = session.run(None, {name: inputs[name] for name in self._inputs})[0]
        return logits


def open_session(graph: Path, threads: int, *, optimized: Path | None = None) -> onnxruntime.InferenceSession:
    """Read an ONNX file; and if a file `optimized` is wanted, write it: the same network, as it is run."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.force_spinning_stop", "1")  # between passes the CPU is others'
    if optimized:
        options.optimized_model_filepath = str(optimized)
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED  # for every CPU
        # weights in a file of their own are mapped into memory, and not copied twice
        options.add_session_config_entry(
            "session.optimized_model_external_initializers_file_name", f"{graph.name}_data"
        )
    slow = ["SkipLayerNormFusion"]  # what it makes of two fast steps takes seven times as long as both
    return onnxruntime.InferenceSession(graph, options, ["CPUExecutionProvider"], disabled_optimizers=slow)


class Torch:
    """Runs transformers' own model with PyTorch: a GPU is fastest with all at once, and a CPU does not mind."""

    side_by_side = 1

    def __init__(self, folder: Path) -> None:
        self.device, dtype = pytorch.set_up()
        self.most_tokens = 16_384 if self.device == "cuda" else 512
        from transformers import AutoModelForSequenceClassification

        self.name = f"PyTorch on {self.device}"
        model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=dtype, local_files_only=True)
        self._model = model.to(self.device).eval()
        self._inputs = {"input_ids", "attention_mask"} | ({"token_type_ids"} & set(model.forward.__annotations__))

    def run(self, passes: Sequence[Inputs]) -> list[np.ndarray]:
        """The logits of each pass."""
        return [self._logits(inputs) for inputs in passes]

    def _logits(self, inputs: Inputs) -> np.ndarray:
        import torch

        with torch.inference_mode():
            tensors = {name: torch.from_numpy(inputs[name]).to(self.device) for name in self._inputs}
            logits: np.ndarray = self._model(**tensors).logits.float().cpu().numpy()
        return logits
