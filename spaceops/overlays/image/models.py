"""The models that can answer: EfficientNet-Lite0, which needs no download, or an image classifier from the Hub."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from PIL.Image import Resampling

import efficientnet
from networks import DESCRIPTIONS, find, named, open_network, with_onnx
from preprocessing import Preprocessing, from_config


class Model(Protocol):
    """What the app asks of a model. It costs nothing until `load` is called."""

    name: str
    device: str  # "cpu" or "cuda"
    labels: list[str]  # these two are there once it is loaded
    preprocessing: Preprocessing

    def load(self) -> None:
        """Download, read, warm up. May take minutes; raises whatever goes wrong."""

    def predict(self, pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
        """How likely each label is for each of the `preprocessing.pixels(image)`."""


class EfficientNet:
    """A small network that knows the 1,000 classes of ImageNet; 75 % of its first answers are right."""

    name = "EfficientNet-Lite0"
    device = "cpu"
    preprocessing = Preprocessing(
        resize=256,
        crop=(efficientnet.SIZE, efficientnet.SIZE),
        resample=Resampling.BICUBIC,
        mean=(127 / 255,) * 3,
        std=(128 / 255,) * 3,
    )

    def load(self) -> None:
        """Put the network together: a quarter of a second."""
        self.labels = efficientnet.labels()
        self.network = with_onnx(efficientnet.onnx_model())

    def predict(self, pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The classes exclude each other."""
        return list(softmax(self.network(self.preprocessing.tensor(pictures))))


class Pretrained:
    """An image classifier from the Hub or a folder, run by ONNX Runtime, or by PyTorch where that is installed."""

    device = "cpu"

    def __init__(self, model_id: str, revision: str | None) -> None:
        self.name = named(model_id, revision)
        self._model_id, self._revision = model_id, revision

    def load(self) -> None:
        """Find the files, or download them, and classify one picture, so that what does not fit fails here."""
        folder = find(self._model_id, self._revision)
        config, preprocessor = (json.loads((folder / name).read_text("utf-8")) for name in DESCRIPTIONS)
        self.preprocessing = from_config(preprocessor)
        self.labels = [config["id2label"][str(index)] for index in range(len(config["id2label"]))]
        self._activation = sigmoid if config.get("problem_type") == "multi_label_classification" else softmax
        self.network, self.device = open_network(folder)
        [probabilities] = self.predict([np.zeros((*self.preprocessing.crop, 3), np.uint8)])
        if probabilities.shape != (len(self.labels),):
            raise ValueError(f"{self.name} is no image classifier: it answers with {probabilities.shape}")

    def predict(self, pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The labels exclude each other, unless the model's config says that they do not."""
        return list(self._activation(self.network(self.preprocessing.tensor(pictures))))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Scores that add up to 1."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """A score for each label on its own."""
    return np.exp(-np.logaddexp(0, -logits))  # which no large number lets overflow


def choose(environ: Mapping[str, str]) -> Model:
    """The classifier that MODEL_ID and MODEL_REVISION name, else EfficientNet-Lite0."""
    if model_id := environ.get("MODEL_ID"):
        return Pretrained(model_id, environ.get("MODEL_REVISION") or None)
    return EfficientNet()
