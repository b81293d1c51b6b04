"""One answer from several opinions: the weighted mean of how likely each model finds each label."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LABELS = ("NEGATIVE", "NEUTRAL", "POSITIVE")  # the common set; models.py says which of a model's own belong to which
UNNAMED = {
    2: ("NEGATIVE", "POSITIVE"),
    3: LABELS,
}  # what the labels LABEL_0, LABEL_1 … of a model mean, by their number
NEUTRAL_WITHIN = 0.05  # of a polarity, as the authors of VADER advise

Probabilities = Mapping[str, float]  # one for each of LABELS; together they are 1


class NoOpinion(Exception):
    """Not one of the models could say anything about a text."""


@dataclass(frozen=True)
class Opinion:
    """What one model says of a text, or why it says nothing."""

    model: str
    weight: float
    milliseconds: float | None = None
    probabilities: Probabilities | None = None
    error: str | None = None

    @property
    def label(self) -> str | None:
        """The label that it finds most likely."""
        return max(self.probabilities, key=self.probabilities.__getitem__) if self.probabilities else None

    @property
    def score(self) -> float | None:
        """How likely it finds that."""
        return max(self.probabilities.values()) if self.probabilities else None


@dataclass(frozen=True)
class Verdict:
    """What the models say together."""

    label: str
    score: float
    probabilities: Probabilities
    agreement: float  # the share of those who answered, by weight, that finds this label the most likely
    opinions: Sequence[Opinion]


def combine(opinions: Sequence[Opinion]) -> Verdict:
    """Weigh what was said; who said nothing has no weight. Raises `NoOpinion`."""
    voices = [(one.weight, one.probabilities, one.label) for one in opinions if one.probabilities]
    if not voices:
        raise NoOpinion(
            "None of the models could answer: " + "; ".join(f"{one.model}: {one.error}" for one in opinions)
        )
    total = sum(weight for weight, _, _ in voices)
    mean = {name: round(sum(weight * said[name] for weight, said, _ in voices) / total, 4) for name in LABELS}
    label = max(mean, key=mean.__getitem__)
    agreement = round(sum(weight for weight, _, own in voices if own == label) / total, 4)
    return Verdict(label, mean[label], mean, agreement, opinions)


def common_labels(own: Sequence[str]) -> list[str]:
    """Which of LABELS each of a model's own labels belongs to. Raises ValueError for those of another task."""
    if all(re.fullmatch(r"LABEL_\d", name) for name in own) and len(own) in UNNAMED:
        return list(UNNAMED[len(own)])
    common = [label for name in own if (label := _common_label(name))]
    if len(common) < len(own) or not {"NEGATIVE", "POSITIVE"} <= set(common):
        raise ValueError(f"Positive and negative are needed, but its labels are {', '.join(own)}")
    return common


def _common_label(name: str) -> str | None:
    if stars := re.fullmatch(r"([1-5]) STARS?", name):
        return "NEGATIVE" if stars[1] < "3" else "NEUTRAL" if stars[1] == "3" else "POSITIVE"
    return next((label for label in LABELS if re.search(rf"(?<![A-Z]){label[:3]}", name)), None)


def from_polarity(polarity: float | None) -> Probabilities:
    """Bring the -1 to 1 of a word list to the labels. None is a text in which it knows no word: a weak "neutral"."""
    if polarity is None:
        return {"NEGATIVE": 0.25, "NEUTRAL": 0.5, "POSITIVE": 0.25}
    strength = min(abs(polarity), 1.0)
    side, other = ("POSITIVE", "NEGATIVE") if polarity > 0 else ("NEGATIVE", "POSITIVE")
    if strength < NEUTRAL_WITHIN:
        return {side: strength, "NEUTRAL": 1 - strength, other: 0.0}
    return {side: (1 + strength) / 2, "NEUTRAL": (1 - strength) / 2, other: 0.0}
