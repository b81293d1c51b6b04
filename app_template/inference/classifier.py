"""A text-classification model of the transformers family: from texts to the probabilities of its labels."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Encoding, Tokenizer

from inference import pytorch
from inference.hub import ModelError, described
from inference.runtimes import Inputs, open_runtime
from inference.weights import TOKENIZERS, Source, find

log = logging.getLogger(__name__)

MAX_TOKENS = 512  # what BERT and its relatives read; the files of some do not say it
POSITIONS_BEHIND_PADDING = {"roberta", "xlm-roberta", "camembert", "mpnet"}  # the first ones hold no text


class TextClassifier:
    """A model from ./model, a folder or the Hub. It costs nothing until `load` is called."""

    device = "cpu"

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self._source = source

    def load(self) -> None:
        """Find the files, or download them, and classify two texts, so that what does not fit fails here."""
        gpu = pytorch.has_gpu()
        folder = find(self._source, tensors=gpu)
        config = described(folder, "config.json")
        self.labels = labels_of(config)
        self._activation = sigmoid if config.get("problem_type") == "multi_label_classification" else softmax
        self._tokenizer = open_tokenizer(folder, max_tokens(folder, config))
        self._padding = config.get("pad_token_id") or 0
        self._runtime = open_runtime(folder, self._source.precision, gpu=gpu)
        self.device = self._runtime.device
        self._try_out()
        log.info("%s is run by %s", self.name, self._runtime.name)

    def _try_out(self) -> None:
        scores = self.probabilities(["A text.", "A longer one, next to which the other is padded."])
        if scores.shape != (2, len(self.labels)):
            shape = f"numbers of shape {scores.shape}"
            raise ModelError(f"{self.name} answers two texts with {shape}, not with its labels' scores")
        if np.isnan(scores).any():
            raise ModelError(f"{self.name} answers with NaN: its weights are damaged, or overflow on this device")

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """How likely each of `labels` is for each text: float32 (texts, labels). What is too long is cut off."""
        if not texts:
            return np.empty((0, len(self.labels)), np.float32)
        encodings = [self._tokenizer.encode(text) for text in texts]
        passes = list(self._passes([len(encoding) for encoding in encodings]))
        inputs = [self._inputs([encodings[index] for index in indices]) for indices in passes]
        logits = np.concatenate(self._runtime.run(inputs))
        in_order = np.argsort([index for indices in passes for index in indices])
        return self._activation(logits[in_order])

    def padded(self, texts: Sequence[str]) -> Inputs:
        """These texts, as one pass has them."""
        return self._inputs([self._tokenizer.encode(text) for text in texts])

    def _passes(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Indices of texts of similar length, the longest first, in passes that are about the same work."""
        at_once, most = self._runtime.side_by_side, self._runtime.most_tokens
        total = max(1, sum(lengths))  # some models make no token of a text of nothing visible
        share = total / (at_once * ceil(total / (at_once * most)))
        indices: list[int] = []
        number, tokens = 1, 0  # passes so far, and what they hold
        for index in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
            too_much = tokens + lengths[index] / 2 > number * share
            if indices and (too_much or (len(indices) + 1) * lengths[indices[0]] > most):
                yield indices
                indices, number = [], number + 1
            indices.append(index)
            tokens += lengths[index]
        if indices:
            yield indices

    def _inputs(self, encodings: Sequence[Encoding]) -> Inputs:
        """Pad the token ids of some texts to the longest of them."""
        shape = len(encodings), max(1, *map(len, encodings))
        ids, mask, types = np.full(shape, self._padding), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding)] = encoding.ids
            mask[row, : len(encoding)] = 1
            types[row, : len(encoding)] = encoding.type_ids
        return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


def labels_of(config: dict[str, Any]) -> list[str]:
    """The labels in capitals, in the order of the model's answers."""
    architectures = config.get("architectures") or []
    if not any(name.endswith("ForSequenceClassification") for name in architectures):
        raise ModelError(f"A text-classification model is needed, but this is {' '.join(architectures) or 'another'}")
    labels = config.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}  # what transformers takes then
    if len(labels) < 2 or config.get("problem_type") == "regression":
        raise ModelError("A model that tells labels apart is needed, but this one gives a number")
    numbers = [str(number) for number in range(len(labels))]
    if set(labels) != set(numbers):
        raise ModelError("The labels in the model's config.json are not numbered 0, 1, 2 and so on")
    return [str(labels[number]).upper() for number in numbers]


def max_tokens(folder: Path, config: dict[str, Any]) -> int:
    """How many tokens of a text the model can read."""
    file = "tokenizer_config.json"
    stated = described(folder, file).get("model_max_length") if (folder / file).is_file() else None  # or 10 to the 30th
    positions = config.get("max_position_embeddings")
    if positions and config.get("model_type") in POSITIONS_BEHIND_PADDING:
        positions -= config.get("pad_token_id", 1) + 1
    return int(min(limit for limit in (stated, positions, MAX_TOKENS) if limit))


def open_tokenizer(folder: Path, limit: int) -> Tokenizer:
    """The model's own tokenizer, cutting texts off at the limit. Padding is left to the passes."""
    file = next((folder / name for name in TOKENIZERS if (folder / name).is_file()), None)
    if file is None:
        way = "if it has one of an older form, build again with MODEL_ID set, and one is made of that"
        raise ModelError(f"The model has no tokenizer.json: {way}")
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_padding()
    tokenizer.enable_truncation(limit)
    return tokenizer


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of labels that exclude each other."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """A probability for each label on its own."""
    return np.asarray(np.exp(-np.logaddexp(0, -logits)))  # which no large number lets overflow
