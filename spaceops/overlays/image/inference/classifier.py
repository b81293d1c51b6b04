"""An image-classification model of the transformers family: from pictures to the probabilities of its labels."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from inference import pytorch
from inference.hub import ModelError, described
from inference.preprocessing import from_config
from inference.runtimes import open_runtime
from inference.weights import Source, find

log = logging.getLogger(__name__)


class ImageClassifier:
    """A model from ./model, a folder or the Hub. It costs nothing until `load` is called."""

    device = "cpu"

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self._source = source

    def load(self) -> None:
        """Find the files, or download them, and classify one picture, so that what does not fit fails here."""
        gpu = pytorch.has_gpu()
        folder = find(self._source, tensors=gpu)
        config = described(folder, "config.json")
        self.labels = labels_of(config)
        self.preprocessing = from_config(described(folder, "preprocessor_config.json"))
        self._activation = sigmoid if config.get("problem_type") == "multi_label_classification" else softmax
        self.runtime = open_runtime(folder, self._source.precision, gpu=gpu)
        self.device = self.runtime.device
        [scores] = self.predict([np.zeros((*self.preprocessing.crop, 3), np.uint8)])
        if scores.shape != (len(self.labels),):
            raise ModelError(f"{self.name} answers with numbers of shape {scores.shape}, not with its labels' scores")
        if np.isnan(scores).any():
            raise ModelError(f"{self.name} answers with NaN: its weights are damaged, or overflow on this device")
        log.info("%s is run by %s", self.name, self.runtime.name)

    def predict(self, pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
        """How likely each of `labels` is for each picture."""
        return list(self._activation(self.runtime.run(self.preprocessing.tensor(pictures))))


def labels_of(config: dict[str, Any]) -> list[str]:
    """The labels in the order of the model's answers."""
    architectures = config.get("architectures") or []
    if not any(name.endswith("ForImageClassification") for name in architectures):
        raise ModelError(f"An image-classification model is needed, but this is {' '.join(architectures) or 'another'}")
    labels = config.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}  # what transformers takes then
    numbers = [str(number) for number in range(len(labels))]
    if set(labels) != set(numbers):
        raise ModelError("The labels in the model's config.json are not numbered 0, 1, 2 and so on")
    return [str(labels[number]) for number in numbers]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of labels that exclude each other."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """A probability for each label on its own."""
    probabilities: np.ndarray = np.exp(-np.logaddexp(0, -logits))  # which no large number lets overflow
    return probabilities
