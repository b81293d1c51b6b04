"""The models that are asked, all of them for every text, and what they say together."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from inference.sources import names, sources
from inference.weights import Source
from lexicons import AfinnWords, Blob, Vader
from opinions import LABELS, Opinion, Probabilities, Verdict, combine, common_labels
from serving.loading import PAUSE, sentence_of

log = logging.getLogger(__name__)

LEXICONS = {lexicon.name: lexicon for lexicon in (Vader, AfinnWords, Blob)}


class Classifier(Protocol):
    """One of the models. It costs nothing until `load` is called."""

    name: str
    device: str

    def load(self) -> None:
        """Download, read, warm up. May take minutes; raises whatever goes wrong."""

    def classify(self, texts: Sequence[str]) -> list[Probabilities]:
        """How likely each label is for each text."""


class Pretrained:
    """A text classifier of the Hub, whose labels are brought to the common ones."""

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self.device = "cpu"
        self._source = source

    def load(self) -> None:
        """Download the files, if the build has not, and refuse a model that is for something else."""
        # brings NumPy and ONNX Runtime, for which the port need not wait
        from inference.classifier import TextClassifier

        self._classifier = TextClassifier(self._source)
        self._classifier.load()
        self.device = self._classifier.device
        common = common_labels(self._classifier.labels)
        self._columns = {label: [n for n, one in enumerate(common) if one == label] for label in LABELS}

    def classify(self, texts: Sequence[str]) -> list[Probabilities]:
        """How likely each label is for each text; what the model cannot read at the end of a long text is cut off."""
        scores = self._classifier.probabilities(texts)
        scores = scores / scores.sum(axis=1, keepdims=True)  # of a model whose labels do not exclude each other
        return [{label: float(row[columns].sum()) for label, columns in self._columns.items()} for row in scores]


class Ensemble:
    """Asks its models one after another: side by side they would only take the CPU from each other.

    Where one fails the others answer, and the answer says so; if a connection was what failed, it is tried again.
    """

    def __init__(self, members: Sequence[tuple[Classifier, float]], pause: float = PAUSE) -> None:
        self.members = members  # each with its weight
        self.broken: dict[str, str] = {}  # why those could not be loaded that could not
        self.name = " + ".join(model.name for model, _ in members)
        self.device = "cpu"
        self._pause = pause

    def load(self) -> None:
        """Load what can be loaded; that nothing can be is a failure, and one that may pass if a connection was."""
        away = self._load(model for model, _ in self.members)
        if len(self.broken) == len(self.members):
            reasons = "; ".join(f"{name}: {reason}" for name, reason in self.broken.items())
            raise ConnectionError(reasons) if away else RuntimeError(reasons)
        if away:
            threading.Thread(target=self._load_later, args=[away], name="load-rest", daemon=True).start()

    def _load(self, models: Iterable[Classifier]) -> list[Classifier]:
        """Load each of them, or note why not; those for which only a connection failed."""
        away = []
        for model in models:
            try:
                model.load()
                self.device = "cuda" if "cuda" in (self.device, model.device) else "cpu"
                self.broken.pop(model.name, None)
            except BaseException as error:  # the border to foreign code: whatever it raises becomes the reason
                self.broken[model.name] = sentence_of(error)
                log.exception("%s cannot be loaded: %s", model.name, self.broken[model.name])
                if isinstance(error, ConnectionError):
                    away.append(model)
        return away

    def _load_later(self, away: list[Classifier]) -> None:
        """The others answer meanwhile."""
        while away:
            time.sleep(self._pause)
            away = self._load(away)

    def answer(self, texts: Sequence[str]) -> list[Verdict]:
        """What they say of each text. Raises `NoOpinion` if there is one that none of them can read."""
        opinions = [self._opinions(model, weight, texts) for model, weight in self.members]
        return [combine(each) for each in zip(*opinions, strict=True)]

    def _opinions(self, model: Classifier, weight: float, texts: Sequence[str]) -> list[Opinion]:
        if reason := self.broken.get(model.name):
            return [Opinion(model.name, weight, error=f"It could not be loaded. {reason}") for _ in texts]
        began = time.perf_counter()
        said = ask(model, texts)
        milliseconds = round((time.perf_counter() - began) * 1000 / len(texts), 2)
        return [
            Opinion(model.name, weight, milliseconds, error=f"It failed: {type(one).__name__}.")
            if isinstance(one, BaseException)
            else Opinion(model.name, weight, milliseconds, one)
            for one in said
        ]


def ask(model: Classifier, texts: Sequence[str]) -> list[Probabilities | BaseException]:
    """Ask one model; if it fails, ask for each half, until what it cannot read stands alone."""
    try:
        return [said for _, said in zip(texts, model.classify(texts), strict=True)]
    except BaseException as error:  # the border to foreign code, again; a panic of a library in Rust is no Exception
        if len(texts) == 1:
            log.warning("%s failed for a text: %s", model.name, type(error).__name__)
            return [error]
        half = len(texts) // 2
        return ask(model, texts[:half]) + ask(model, texts[half:])


def choose(environ: Mapping[str, str]) -> Ensemble:
    """The models that MODEL_ID names, else the word lists; each counts as MODEL_WEIGHTS says, else all the same."""
    pretrained = iter(sources(environ))
    chosen = names(environ) or list(LEXICONS)
    models = [Pretrained(next(pretrained)) if "/" in name else lexicon(name) for name in chosen]
    return Ensemble(list(zip(models, weights(environ, len(models)), strict=True)))


def lexicon(name: str) -> Classifier:
    """The word list of that name."""
    if name not in LEXICONS:
        raise SystemExit(f"MODEL_ID names {name!r}, but a model is {', '.join(LEXICONS)} or OWNER/NAME on the Hub")
    return LEXICONS[name]()


def weights(environ: Mapping[str, str], number: int) -> list[float]:
    """As many as there are models."""
    value = environ.get("MODEL_WEIGHTS") or ",".join(["1"] * number)
    parts = [part.strip() for part in value.split(",")]
    if len(parts) != number or not all(re.fullmatch(r"\d{1,6}(\.\d{1,6})?", part) and float(part) for part in parts):
        raise SystemExit(f"MODEL_WEIGHTS is {value!r}, but must be {number} numbers above 0 with commas between them")
    return [float(part) for part in parts]
