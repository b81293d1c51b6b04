"""A summary made of the text's own sentences: those that say most of what the others say, and not the same twice.

Sentences are compared by the words they share, and ranked as web pages were: one counts that is like many that count
(LexRank, Erkan and Radev 2004). Where a sentence stands and how it is built then makes it fitter or less fit.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from document import Document, Sentence
from words import ADDRESS, LEANING, WORD, means_something, stem, stopwords, terms

Progress = Callable[[float, str], None]
Array = np.ndarray[Any, np.dtype[np.float32]]

BLOCK = 200  # sentences compared with one another; a long text is first thinned out block by block
CANDIDATES = 400  # sentences that are left then, or one of each block if there are more blocks
DAMPING = 0.85
REDUNDANCY = 0.7  # how much likeness to what is chosen already counts against a sentence
SAME = 0.85  # from this likeness on a sentence says nothing new
SHORT, LONG = 10, 45  # words
END = re.compile(r"""[.!…。！][^\w\s?:]*$""")  # a statement's, and what may follow it: quotes, brackets  # noqa: RUF001


def rank(document: Document, progress: Progress) -> tuple[list[int], Array, Array]:
    """The sentences that a summary may be made of, their scores from 0 to 1, and how alike they are."""
    sentences = document.sentences
    without = stopwords(document.text)
    stems = [terms(sentence.text, without) for sentence in sentences]
    rarity = rarities(stems)
    titles = {term for heading in document.headings for term in terms(heading, without)}
    fit = np.array([fitness(place, one, stems[place], titles) for place, one in enumerate(sentences)], dtype=np.float32)
    candidates = list(range(len(sentences)))
    if len(sentences) > CANDIDATES:
        candidates = thinned_out(stems, rarity, fit, progress)
    progress(0.9, "Comparing the sentences")
    alike = likeness([stems[place] for place in candidates], rarity)
    scores = np.sqrt(centrality(alike)) * fit[candidates]
    return candidates, scores / scores.max(), alike


def thinned_out(stems: Sequence[list[str]], rarity: dict[str, float], fit: Array, progress: Progress) -> list[int]:
    """The best of each block."""
    kept: list[int] = []
    starts = range(0, len(stems), BLOCK)
    most = max(1, CANDIDATES // len(starts))
    for start in starts:
        progress(0.9 * start / len(stems), f"Reading sentence {start:,} of {len(stems):,}")
        block = range(start, min(start + BLOCK, len(stems)))
        central = centrality(likeness([stems[place] for place in block], rarity))
        scores = np.sqrt(central) * fit[block.start : block.stop]
        kept += sorted(start + int(place) for place in np.argsort(-scores, kind="stable")[:most])
    return kept


def rarities(stems: Sequence[list[str]]) -> dict[str, float]:
    """How much a term tells: less, the more sentences have it. Terms of a single sentence are left out."""
    counts = Counter(term for sentence in stems for term in set(sentence))
    return {term: math.log((len(stems) + 1) / count) + 0.1 for term, count in counts.items() if count > 1}


def likeness(stems: Sequence[list[str]], rarity: dict[str, float]) -> Array:
    """The cosine between any two sentences, in a square of numbers from 0 to 1, and 0 between one and itself."""
    columns: dict[str, int] = {}
    for sentence in stems:
        for term in sentence:
            if term in rarity:
                columns.setdefault(term, len(columns))
    vectors = np.zeros((len(stems), max(1, len(columns))), dtype=np.float32)
    for row, sentence in enumerate(stems):
        for term, count in Counter(sentence).items():
            if term in rarity:
                vectors[row, columns[term]] = (1 + math.log(count)) * rarity[term]
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    alike: Array = vectors @ vectors.T
    np.fill_diagonal(alike, 0)
    return alike


def centrality(alike: Array) -> Array:
    """How much each sentence has of what the others say: where somebody is most often who walks from like to like."""
    count = len(alike)
    sums = alike.sum(axis=1, keepdims=True)
    steps = np.where(sums > 0, alike / np.maximum(sums, 1e-9), 1 / count)
    scores = np.full(count, 1 / count, dtype=np.float32)
    for _ in range(30):
        scores = (1 - DAMPING) / count + DAMPING * (scores @ steps)
    return scores


def fitness(place: int, sentence: Sentence, stems: list[str], titles: set[str]) -> float:
    """A factor around 1: for what stands at the beginning and takes up a heading, against what cannot stand alone."""
    words = WORD.findall(ADDRESS.sub(" ", sentence.text))
    letters = sum(sign.isalpha() for sign in sentence.text) / len(sentence.text)
    fit = 1 + 0.6 * math.exp(-place / 1.5)
    fit *= 1.15 if sentence.opens_paragraph else 1
    fit *= 1 + 0.3 * len(titles.intersection(stems)) / (len(set(stems)) + 1)
    fit *= min(1, len(words) / SHORT) * min(1, LONG / max(1, len(words)))
    fit *= 0.8 if words and words[0].lower() in LEANING else 1
    fit *= 1 if sentence.is_item or END.search(sentence.text) else 0.4
    fit *= 0.85 if sentence.is_item else 1
    fit *= 0.5 if ADDRESS.search(sentence.text) else 1
    return max(0.01, fit * min(1, letters / 0.7))


def choose_sentences(
    lengths: Sequence[int], scores: Array, alike: Array, *, sentences: int | None, words: int | None
) -> list[int]:
    """Which candidates make the summary: the best one, then again and again the best that says something new.

    `lengths` are in words. Where `words` is given, their sum stays within it if any sentence does.
    """
    chosen: list[int] = []
    told = np.zeros(len(scores), dtype=np.float32)  # likeness to the nearest one chosen
    left = words if words is not None else math.inf
    while len(chosen) < (sentences or len(scores)):
        values = np.where(told < SAME, scores - REDUNDANCY * told * scores, -1)
        values[chosen] = -1
        values[[length > left for length in lengths]] = -1
        best = int(values.argmax())
        if values[best] <= 0:
            break
        chosen.append(best)
        left -= lengths[best]
        told = np.maximum(told, alike[best])
    return sorted(chosen) or [int(scores.argmax())]


def key_phrases(document: Document, progress: Progress, most: int = 8) -> list[str]:
    """What the text keeps coming back to: words, and pairs and triples of words without others between them."""
    without = stopwords(document.text)
    counts: Counter[tuple[str, ...]] = Counter()
    written: dict[tuple[str, ...], Counter[str]] = {}
    for sentence in document.sentences:
        progress(0.95, "Collecting key phrases")
        for phrase in phrases(sentence.text, without):
            stems = tuple(map(stem, phrase))
            counts[stems] += 1
            written.setdefault(stems, Counter())[" ".join(phrase)] += 1
    least = 2 if len(document.sentences) < 60 else 3
    values = {stems: count * len(stems) ** 1.5 for stems, count in counts.items() if count >= least}
    chosen: list[tuple[str, ...]] = []
    for stems in sorted(values, key=lambda stems: -values[stems]):
        if len(chosen) < most and not any(set(stems) & set(other) for other in chosen):
            chosen.append(stems)
    return [written[stems].most_common(1)[0][0] for stems in chosen]


def phrases(text: str, without: frozenset[str]) -> list[tuple[str, ...]]:
    """All runs of one to three words with meaning in a sentence; punctuation ends a run."""
    found = []
    run: list[str] = []
    end = 0
    text = ADDRESS.sub(" / ", text)
    for word in WORD.finditer(text):
        if text[end : word.start()].strip():
            run = []
        end = word.end()
        means = len(word[0]) > 2 and means_something(word[0], without) and not word[0].isdigit()
        run = [*run[-2:], word[0]] if means else []
        found += [tuple(run[start:]) for start in range(len(run))]
    return found
