"""The models that can answer: EfficientNet-Lite0, which needs no download, or an image classifier from the Hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from PIL.Image import Resampling

from inference.classifier import ImageClassifier, softmax
from inference.cpus import cpu_count
from inference.preprocessing import Preprocessing
from inference.runtimes import Onnx
from inference.sources import sources


class Model(Protocol):
    """What the app asks of a model. It costs nothing until `load` is called."""

    name: str
    device: str  # "cpu" or "cuda"
    labels: list[str]  # this and the next are there once it is loaded
    preprocessing: Preprocessing

    def load(self) -> None:
        """Download, read, warm up. May take minutes; raises whatever goes wrong."""

    def predict(self, pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
        """How likely each label is for each of some `preprocessing.pixels(image)`. Called by one thread at a time."""


class EfficientNet:
    """A small network that knows the 1,000 classes of ImageNet; three of four of its first answers are right."""

    name = "EfficientNet-Lite0"
    device = "cpu"
    preprocessing = Preprocessing(
        resize=256,
        crop=(224, 224),
        resample=Resampling.BICUBIC,
        mean=(127 / 255,) * 3,
        std=(128 / 255,) * 3,
    )

    def load(self) -> None:
        """Put the network together, which takes a quarter of a second."""
        import efficientnet  # brings onnx, for which the port need not wait

        self.labels = efficientnet.labels()
        self.runtime = Onnx(efficientnet.onnx_model(), cpu_count())

    def predict(self, pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
        """How likely each class is for each picture."""
        return list(softmax(self.runtime.run(self.preprocessing.tensor(pictures))))


def choose(environ: Mapping[str, str]) -> Model:
    """The classifier that MODEL_ID, MODEL_REVISION and MODEL_PRECISION name, else EfficientNet-Lite0."""
    chosen = sources(environ)
    return ImageClassifier(chosen[0]) if chosen else EfficientNet()
