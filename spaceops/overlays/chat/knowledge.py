"""Finds the paragraph of a Markdown file that fits a question best, by BM25, and knows when none does."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass

K1, B = 1.5, 0.75  # of BM25: how soon one more of the same word counts less, how much a long text counts less
HEADING = 2  # times that a word of the heading counts
ENOUGH = 0.5  # of what the question asks, weighed by how rare its words are, has to be in the answer

# Words that say nothing about the subject
COMMON = frozenset(
    re.findall(
        r"\w+",
        """
        a about after all also am an and any are as at be been before but by can could did do does doing for from get
        give had has have he hello her here hey hi him his how i if in into is it its just know let like may me might
        more most much must my no not now of on one only or other our out over please same shall she should so some
        such tell than thank thanks that the their them then there these they thing this those to too up us very want
        was way we were what when where which while who whom why will with would yes you your
        """,
    )
)


@dataclass(frozen=True)
class Paragraph:
    """A piece of the file, and the heading above it."""

    heading: str
    text: str


class Knowledge:
    """The paragraphs of a Markdown text, indexed by their words."""

    def __init__(self, markdown: str) -> None:
        self.paragraphs = paragraphs(markdown)
        if not self.paragraphs:
            raise ValueError("There is no paragraph under a heading of the second level (## …)")
        self._counts = [Counter(words(one.heading) * HEADING + words(one.text)) for one in self.paragraphs]
        self._lengths = [count.total() for count in self._counts]
        self._mean = sum(self._lengths) / len(self._lengths)
        self._found_in = Counter(word for count in self._counts for word in count)

    @property
    def headings(self) -> list[str]:
        """What it knows about."""
        return list(dict.fromkeys(one.heading for one in self.paragraphs))

    def best(self, question: str) -> Paragraph | None:
        """The paragraph that fits best; None if none holds enough of what is asked.

        Where nothing is asked, as in "Hello, who are you?", the first paragraph is the introduction.
        """
        asked = set(words(question))
        if not asked:
            return self.paragraphs[0]
        number = max(range(len(self.paragraphs)), key=lambda number: self._score(number, asked))
        held = sum(self._weight(word) for word in asked if word in self._counts[number])
        enough = held >= ENOUGH * sum(map(self._weight, asked))
        return self.paragraphs[number] if enough else None

    def _score(self, number: int, asked: set[str]) -> float:
        damping = K1 * (1 - B + B * self._lengths[number] / self._mean)
        counts = ((word, self._counts[number][word]) for word in asked)
        return sum(self._weight(word) * count * (K1 + 1) / (count + damping) for word, count in counts)

    def _weight(self, word: str) -> float:
        """How much a word says: the fewer paragraphs have it, the more."""
        found, total = self._found_in[word], len(self.paragraphs)
        return math.log(1 + (total - found + 0.5) / (found + 0.5))


def paragraphs(markdown: str) -> list[Paragraph]:
    """The paragraphs under second-level headings; what stands above the first of them is for readers of the file."""
    sections = re.split(r"^## +(.+?) *$", markdown, flags=re.MULTILINE)[1:]
    return [
        Paragraph(heading, " ".join(text.split()))
        for heading, body in zip(sections[::2], sections[1::2], strict=True)
        for text in re.split(r"\n\s*\n", body)
        if text.strip()
    ]


def words(text: str) -> list[str]:
    """The words that say something, without their endings: "Limits" and "limited" are both "limit"."""
    found = re.findall(r"\w+", text.casefold())
    return [stem(word) for word in found if word not in COMMON]


def stem(word: str) -> str:
    """Cut off the commonest English endings, where enough is left of the word."""
    for ending in ("ing", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            return word.removesuffix(ending)
    return word
