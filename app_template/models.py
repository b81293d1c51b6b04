"""The models that can answer: a word list that needs no download, or a transformers pipeline from the Hub."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple, Protocol

TWEET = 280  # characters; VADER was made for texts of this length, and its time grows with the square of it
NEUTRAL_WITHIN = 0.05  # of VADER's compound value, as its authors advise
MAX_TOKENS = 512  # what BERT and its relatives read; the tokenizers of some do not know it


class Prediction(NamedTuple):
    """The most likely label of a text, and from 0 to 1 how sure the model is of it."""

    label: str
    score: float


class Model(Protocol):
    """What the app asks of a model. It costs nothing until `load` is called."""

    name: str
    device: str

    def load(self) -> None:
        """Download, read, warm up. May take minutes; raises whatever goes wrong."""

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Label texts."""


class Vader:
    """The word list and rules of vaderSentiment: English, no download, well under a millisecond a sentence."""

    name = "vaderSentiment"
    device = "cpu"

    def load(self) -> None:
        """Read the word list."""
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

        self._analyzer = SentimentIntensityAnalyzer()

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Label texts, one by one: that is fast enough."""
        return [self.classify(text) for text in texts]

    def classify(self, text: str) -> Prediction:
        """Turn VADER's compound value, -1 to 1, into a label and the 0.5 to 1 of a classifier.

        A long text counts as the mean of its pieces.
        """
        pieces = textwrap.wrap(text, TWEET)
        compound = fmean(self._analyzer.polarity_scores(piece)["compound"] for piece in pieces)
        if abs(compound) < NEUTRAL_WITHIN:
            return Prediction("NEUTRAL", round(1 - abs(compound), 4))
        return Prediction("POSITIVE" if compound > 0 else "NEGATIVE", round((1 + abs(compound)) / 2, 4))


class Transformers:
    """A text-classification model from the Hub, or from a folder; labels are the model's own, in capitals."""

    def __init__(self, model_id: str, revision: str | None) -> None:
        self.name = f"{model_id}@{revision}" if revision else model_id
        self._model_id, self._revision = model_id, revision
        self.device = "cpu"

    def load(self) -> None:
        """Download the model, or find it in the cache."""
        try:
            from transformers import pipeline
        except ModuleNotFoundError as error:
            raise RuntimeError(f"MODEL_ID is set, but {error.name} is not installed: see README.md") from error

        self._pipeline = pipeline("text-classification", model=self._model_id, revision=self._revision)
        self._max_length = min(self._pipeline.tokenizer.model_max_length, MAX_TOKENS)

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """The best labels; what the model cannot read at the end of a long text is cut off."""
        found = self._pipeline(list(texts), truncation=True, max_length=self._max_length)
        return [Prediction(best["label"].upper(), best["score"]) for best in found]


def choose(environ: Mapping[str, str]) -> Model:
    """The transformers model that MODEL_ID and MODEL_REVISION name, else VADER."""
    if model_id := environ.get("MODEL_ID"):
        return Transformers(model_id, environ.get("MODEL_REVISION") or None)
    return Vader()
