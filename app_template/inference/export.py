"""Makes a text classifier small and fast for the CPU: an ONNX file, with weights of 8 bits if they answer alike.

prepare.py runs this in an environment of its own: `python -m inference.export FILES FOLDER PRECISION`.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

from inference.classifier import TextClassifier
from inference.pruning import keep_first_token, leave_padding_out
from inference.runtimes import open_session
from inference.weights import (
    DESCRIPTIONS,
    PRECISIONS,
    REPORT,
    Source,
    files_in,
    graph_in,
    has_old_tokenizer,
    renew_tokenizer,
)

MAX_DIFFERENCE = 0.1  # of a probability, between the original and what is to replace it
SENTENCES = [
    "I love this place!",
    "It broke after two days.",
    "The train leaves at nine.",
    "Not bad at all 🙂",
    "We waited an hour, the food was cold, and nobody said sorry.",
    "Best concert I have been to in years; I would go again tomorrow.",
    "The manual has 40 pages and comes in six languages.",
    "I expected more for the price, but it does what it should.",
    "Terrible. Just terrible.",
    "ok",
    "My daughter laughed from beginning to end, and so did I.",
    "The second half drags on, though the actors do what they can.",
    "Delivery was quick, the box was damaged, the lamp inside was fine.",
    "How can anybody sell a phone whose battery lasts for half a day?",
    "A quiet room with a view of the sea, clean, friendly, not expensive.",
    "The update fixed the crash.",
    "The update broke everything that worked before.",
    "He said it was good, she said it was bad, I fell asleep.",
    "I'm speechless!!! Thank you, thank you, thank you!!!",
    "Never again.",
    "The committee meets on the first Monday of each month in room 12.",
    "It is hard to imagine a worse film, and harder to look away.",
    "Das Essen war ausgezeichnet und die Bedienung freundlich.",
    "El hotel estaba sucio y el personal fue muy grosero.",
    "Ce livre m'a déçu, je ne l'ai pas fini.",
    "この映画は本当に素晴らしかったです。",
    "Refund please",
    "The sound is clear, the buttons are easy to find, and it survived a fall down the stairs. " * 4,
    "After three calls and two visits the heating still does not work, and it is January. " * 12,
]


def main(files: Path, folder: Path, precision: str) -> None:
    """Write the best model that answers as the original does, and how they compare."""
    with tempfile.TemporaryDirectory() as scratch:
        candidates = {"float32": Path(scratch, "float32"), "int8": Path(scratch, "int8")}
        if has_old_tokenizer(files_in(files)):
            files = shutil.copytree(files, Path(scratch, "original"))
            renew_tokenizer(files)
        write_float32(files, candidates["float32"])
        write_int8(candidates["float32"], candidates["int8"])
        for candidate in candidates.values():
            optimize(candidate)
        original = answers(files, "float32")
        compared = {name: compare(original, answers(candidate, name)) for name, candidate in candidates.items()}
        chosen = next(chosen_from(compared, precision), None)
        if chosen is None:
            raise SystemExit(f"What was made of the model answers otherwise than the model: {compared}")
        shutil.copytree(candidates[chosen], folder)
    report = {"runs": chosen, "texts": len(SENTENCES), "original_milliseconds": original[1], "compared": compared}
    (folder / REPORT).write_text(json.dumps(report), "utf-8")


def chosen_from(compared: dict[str, dict[str, Any]], precision: str) -> Iterator[str]:
    """The precisions, from the one that is asked for to higher ones, that change no label and no score by much."""
    for name in PRECISIONS[PRECISIONS.index(precision) :]:
        if compared[name]["labels_changed"] == 0 and compared[name]["largest_difference"] <= MAX_DIFFERENCE:
            yield name


def write_float32(files: Path, folder: Path) -> None:
    """Take the model's own ONNX file if it has one, else export it with PyTorch."""
    folder.mkdir()
    for file in (file for pattern in DESCRIPTIONS for file in files.glob(pattern)):
        shutil.copy(file, folder)
    if graph := graph_in(files, "float32"):
        model = onnx.load(graph)  # with what lies in files beside it
    else:
        trace(files, folder)
        model = onnx.load(folder / "model.onnx")
    keep_first_token(model)
    onnx.save(model, folder / "model.onnx")
    leave_padding_out(model, opened(folder, "float32").padded(SENTENCES[:7]))
    onnx.save(model, folder / "model.onnx")


def trace(files: Path, folder: Path) -> None:
    """Record what the model computes, for any number of texts of any length."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(files)
    model = AutoModelForSequenceClassification.from_pretrained(
        files, attn_implementation="eager", dtype=torch.float32
    ).eval()
    inputs = dict(tokenizer(SENTENCES[:2], padding=True, return_tensors="pt"))
    names = [name for name in inputs if name in model.forward.__annotations__]
    texts_and_tokens = {0: "texts", 1: "tokens"}

    class Logits(torch.nn.Module):
        """The model as the recorder wants it: arguments by position, and one answer."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *values: torch.Tensor) -> torch.Tensor:
            return self.model(**dict(zip(names, values, strict=True)))[0]

    with warnings.catch_warnings(action="ignore"):  # of Python values that become constants: they are the model's sizes
        torch.onnx.export(
            Logits(),
            tuple(inputs[name] for name in names),
            str(folder / "model.onnx"),
            input_names=names,
            output_names=["logits"],
            dynamic_axes=dict.fromkeys(names, texts_and_tokens) | {"logits": {0: "texts"}},
            opset_version=17,
            dynamo=False,  # what its successor writes is run 8 % slower, once quantised
        )


def write_int8(original: Path, folder: Path) -> None:
    """Quantise the weights, each column on its own scale: a quarter of the size, and two to four times the speed."""
    shutil.copytree(original, folder, ignore=shutil.ignore_patterns("*.onnx"))
    quantize_dynamic(original / "model.onnx", folder / "model_int8.onnx", per_channel=True, weight_type=QuantType.QInt8)


def optimize(folder: Path) -> None:
    """Let ONNX Runtime prepare the model now, which halves the time in which a start reads it."""
    [graph] = folder.glob("*.onnx")
    open_session(graph, 1, optimized=folder / "optimized.onnx")
    (folder / "optimized.onnx").replace(graph)


def opened(folder: Path, precision: str) -> TextClassifier:
    """A model as the app would run it."""
    classifier = TextClassifier(Source(str(folder), precision=precision))
    classifier.load()
    return classifier


def answers(folder: Path, precision: str) -> tuple[np.ndarray, float]:
    """What a model says about the sentences, and milliseconds per sentence."""
    classifier = opened(folder, precision)
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        probabilities = classifier.probabilities(SENTENCES)
        seconds.append(time.perf_counter() - began)
    return probabilities, round(min(seconds) * 1000 / len(SENTENCES), 2)


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
