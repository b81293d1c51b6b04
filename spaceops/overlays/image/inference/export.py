"""Makes an image classifier small and fast for the CPU: an ONNX file, with weights of 8 bits if they answer alike.

prepare.py runs this in an environment of its own: `python -m inference.export FILES FOLDER PRECISION`.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from PIL import Image

from inference.classifier import ImageClassifier
from inference.weights import DESCRIPTIONS, REPORT, Source, graph_in

PICTURES = 32
MAX_DIFFERENCE = 0.1  # of a probability, between the original and what is to replace it
MUCH_FASTER = 0.8  # of the time; less is not worth any difference


def main(files: Path, folder: Path, precision: str) -> None:
    """Write the best model that answers as the original does, and how they compare."""
    with tempfile.TemporaryDirectory() as scratch:
        candidates = {name: Path(scratch, name) for name in ("float32", "int8")}
        write_float32(files, candidates["float32"])
        write_int8(candidates["float32"], candidates["int8"])
        original = answers(files if graph_in(files, "float32") is None else candidates["float32"])
        compared = {name: compare(original, answers(candidate)) for name, candidate in candidates.items()}
        chosen = "int8" if precision == "int8" and int8_pays(compared) else "float32"
        if not alike(compared[chosen]):
            raise SystemExit(f"What was made of the model answers otherwise than the model: {compared}")
        shutil.copytree(candidates[chosen], folder)
    report = {"runs": chosen, "pictures": PICTURES, "original_milliseconds": original[1], "compared": compared}
    (folder / REPORT).write_text(json.dumps(report), "utf-8")


def int8_pays(compared: dict[str, dict[str, Any]]) -> bool:
    """Vision transformers become faster; networks of convolutions hardly do, for those stay as they are."""
    faster = compared["int8"]["milliseconds"] < MUCH_FASTER * compared["float32"]["milliseconds"]
    return faster and alike(compared["int8"])


def alike(compared: dict[str, Any]) -> bool:
    """Whether a model changes no label and no score by much."""
    return bool(compared["labels_changed"] == 0 and compared["largest_difference"] <= MAX_DIFFERENCE)


def write_float32(files: Path, folder: Path) -> None:
    """Take the model's own ONNX file if it has one, else export it with PyTorch."""
    folder.mkdir()
    for name in DESCRIPTIONS:
        for file in files.glob(name):
            shutil.copy(file, folder)
    if graph := graph_in(files, "float32"):
        onnx.save(onnx.load(graph), folder / "model.onnx")  # with what lies in files beside it
    else:
        trace(files, folder)


def trace(files: Path, folder: Path) -> None:
    """Record what the model computes, for any number of pictures."""
    import torch
    from transformers import AutoModelForImageClassification

    class Logits(torch.nn.Module):
        """The model with one answer, as the recorder wants it."""

        def __init__(self) -> None:
            super().__init__()
            self.model = AutoModelForImageClassification.from_pretrained(
                files, attn_implementation="eager", dtype=torch.float32
            )

        def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
            return self.model(pixel_values=pixel_values).logits

    classifier = ImageClassifier(Source(str(files)))
    classifier.load()
    pixels = torch.from_numpy(classifier.preprocessing.tensor(pictures(classifier)[:2]))
    with warnings.catch_warnings(action="ignore"):  # of Python values that become constants: they are the model's sizes
        torch.onnx.export(
            Logits().eval(),
            (pixels,),
            str(folder / "model.onnx"),
            input_names=["pixel_values"],
            output_names=["logits"],
            dynamic_axes={"pixel_values": {0: "pictures"}, "logits": {0: "pictures"}},
            opset_version=17,
            dynamo=False,  # as for the texts' models: its successor's files are not faster
        )


def write_int8(original: Path, folder: Path) -> None:
    """Quantise the weights of matrices, each column on its own scale. Convolutions would become slower."""
    shutil.copytree(original, folder, ignore=shutil.ignore_patterns("*.onnx"))
    quantize_dynamic(
        original / "model.onnx",
        folder / "model_int8.onnx",
        op_types_to_quantize=["MatMul", "Gemm"],
        per_channel=True,
        weight_type=QuantType.QInt8,
    )


def pictures(classifier: ImageClassifier) -> list[np.ndarray]:
    """Clouds of colours, coarse and fine, always the same: no photos, but a model has an opinion of each."""
    chance = np.random.default_rng(0)
    sizes = [2 ** (2 + index % 6) for index in range(PICTURES)]  # 4 to 128 pixels
    clouds = [Image.fromarray(chance.integers(0, 256, (size, size, 3), np.uint8)).resize((512, 512)) for size in sizes]
    return [classifier.preprocessing.pixels(cloud) for cloud in clouds]


def answers(folder: Path) -> tuple[np.ndarray, float]:
    """What a model says about the pictures, as the app would run it, and milliseconds per picture."""
    classifier = ImageClassifier(Source(str(folder)))
    classifier.load()
    shown, seconds = pictures(classifier), []
    for _ in range(3):
        began = time.perf_counter()
        probabilities = classifier.predict(shown)
        seconds.append(time.perf_counter() - began)
    return np.stack(probabilities), round(min(seconds) * 1000 / PICTURES, 2)


def compare(original: tuple[np.ndarray, float], other: tuple[np.ndarray, float]) -> dict[str, Any]:
    """How many labels the other model changes, how much it moves scores at most, and its speed."""
    (wanted, _), (given, milliseconds) = original, other
    return {
        "labels_changed": int((wanted.argmax(axis=1) != given.argmax(axis=1)).sum()),
        "largest_difference": round(float(np.abs(wanted - given).max()), 4),
        "milliseconds": milliseconds,
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
