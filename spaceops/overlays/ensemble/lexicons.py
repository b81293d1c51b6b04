"""Three English word lists that come in packages: by different people, for different texts, so they differ."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from statistics import fmean

from opinions import Probabilities, from_polarity

TWEET = 280  # characters; VADER was made for texts of this length, and its time grows with the square of it


class Vader:
    """vaderSentiment: made for posts; knows negation, emphasis, capitals and emoji."""

    name = "vaderSentiment"
    device = "cpu"

    def load(self) -> None:
        """Read the word list."""
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

        self._analyzer = SentimentIntensityAnalyzer()
        self._described = {
            ord(emoji): f" {words} " for emoji, words in self._analyzer.emojis.items() if len(emoji) == 1
        }

    def classify(self, texts: Sequence[str]) -> list[Probabilities]:
        """How likely each label is for each text."""
        return [from_polarity(self._polarity(text)) for text in texts]

    def _polarity(self, text: str) -> float | None:
        """The mean of the pieces of a long text; None where nothing is known."""
        described = text.translate(self._described)  # as VADER reads emoji: one may be six words
        found = [self._analyzer.polarity_scores(piece) for piece in textwrap.wrap(described, TWEET)]
        if all(scores["pos"] == scores["neg"] == 0 for scores in found):
            return None
        return fmean(scores["compound"] for scores in found)


class AfinnWords:
    """AFINN: 3,382 words, each with a grade from -5 to 5, and emoticons. Few of them have a "not"."""

    name = "AFINN"
    device = "cpu"

    def load(self) -> None:
        """Read the word list."""
        from afinn import Afinn

        self._afinn = Afinn(emoticons=True)

    def classify(self, texts: Sequence[str]) -> list[Probabilities]:
        """How likely each label is for each text."""
        return [from_polarity(self._polarity(text)) for text in texts]

    def _polarity(self, text: str) -> float | None:
        """The mean grade of the words that it knows."""
        grades = self._afinn.scores(text)
        return fmean(grades) / 5 if grades else None


class Blob:
    """TextBlob: graded adjectives of product reviews, with negation and intensity."""

    name = "TextBlob"
    device = "cpu"

    def load(self) -> None:
        """Read the word list, which TextBlob does at the first text."""
        from textblob import TextBlob

        self._blob = TextBlob
        self.classify(["good"])

    def classify(self, texts: Sequence[str]) -> list[Probabilities]:
        """How likely each label is for each text."""
        return [from_polarity(self._polarity(text)) for text in texts]

    def _polarity(self, text: str) -> float | None:
        found = self._blob(text).sentiment_assessments
        return found.polarity if found.assessments else None
