"""The models that can answer: a word list that needs no download, or a text classifier from the Hub."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple, Protocol

from inference.sources import sources
from inference.weights import Source

TWEET = 280  # characters; VADER was made for texts of this length, and its time grows with the square of it
NEUTRAL_WITHIN = 0.05  # of VADER's compound value, as its authors advise


class Prediction(NamedTuple):
    """The most likely label of a text, and from 0 to 1 how sure the model is of it."""

    label: str
    score: float


class Model(Protocol):
    """What the app asks of a model. It costs nothing until `load` is called."""

    name: str
    device: str  # "cpu" or "cuda"

    def load(self) -> None:
        """Download, read, warm up. May take minutes; raises whatever goes wrong."""

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Label some texts. Called from one thread at a time."""


class Vader:
    """The word list and rules of vaderSentiment: English, no download, well under a millisecond a sentence."""

    name = "vaderSentiment"
    device = "cpu"

    def load(self) -> None:
        """Read the word list."""
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

        self._analyzer = SentimentIntensityAnalyzer()
        self._described = {
            ord(emoji): f" {words} " for emoji, words in self._analyzer.emojis.items() if len(emoji) == 1
        }

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Turn VADER's compound values, -1 to 1, into labels and the 0.5 to 1 of a classifier."""
        return [self._prediction(text) for text in texts]

    def _prediction(self, text: str) -> Prediction:
        """A long text counts as the mean of its pieces."""
        described = text.translate(self._described)  # as VADER reads emoji: one may be six words
        pieces = textwrap.wrap(described, TWEET) or [text]  # nothing is left of some control characters
        compound = fmean(self._analyzer.polarity_scores(piece)["compound"] for piece in pieces)
        if abs(compound) < NEUTRAL_WITHIN:
            return Prediction("NEUTRAL", round(1 - abs(compound), 4))
        return Prediction("POSITIVE" if compound > 0 else "NEGATIVE", round((1 + abs(compound)) / 2, 4))


class Pretrained:
    """A text classifier from the Hub, or from a folder; labels are the model's own, in capitals."""

    device = "cpu"

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self._source = source

    def load(self) -> None:
        """Download the files, if the build has not."""
        # brings NumPy and ONNX Runtime, for which the port need not wait
        from inference.classifier import TextClassifier

        self._classifier = TextClassifier(self._source)
        self._classifier.load()
        self.device = self._classifier.device

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """The best label of each text; what the model cannot read at the end of a long text is cut off."""
        labels, scores = self._classifier.labels, self._classifier.probabilities(texts)
        best = scores.argmax(axis=1)
        return [Prediction(labels[index], float(row[index])) for index, row in zip(best, scores, strict=True)]


def choose(environ: Mapping[str, str]) -> Model:
    """The classifier that MODEL_ID, MODEL_REVISION and MODEL_PRECISION name, else VADER."""
    chosen = sources(environ)
    return Pretrained(chosen[0]) if chosen else Vader()
