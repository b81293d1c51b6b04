"""Summaries of the text's own sentences: which are chosen, how many, and what is left out."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from document import take_apart
from extractive import BLOCK, CANDIDATES, choose_sentences, key_phrases, likeness, rank, rarities, thinned_out
from models import LexRank, Size
from words import WORD, terms

STATIC = Path(__file__).parents[1] / "static"
ENGLISH, GERMAN = ((STATIC / f"example-{language}.txt").read_text("utf-8") for language in ("en", "de"))


def ignore(_fraction: float, _step: str) -> None:
    """Progress that nobody follows."""


def summarize(text: str, sentences: int | None = None, words: int | None = None) -> list[str]:
    document = take_apart(text)
    made = LexRank().summarize(document, Size(sentences, words), ignore)
    return [document.sentences[place].text for place in made.chosen]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (ENGLISH, ["opened a new one in the spring", "The plan goes back to a report", "was to cost 310 million"]),
        (GERMAN, ["gewinnt ihr Trinkwasser", "Stadtwerke schlagen vor"]),
    ],
)
def test_a_summary_has_the_points_of_the_text(text, parts):
    summary = " ".join(summarize(text, sentences=6))

    assert [] == [part for part in parts if part not in summary]


@pytest.mark.parametrize("count", [1, 3, 7])
def test_it_has_as_many_sentences_as_asked_for_in_their_order(count):
    chosen = summarize(ENGLISH, sentences=count)

    assert count == len(chosen)
    assert chosen == sorted(chosen, key=ENGLISH.replace("\n", " ").index)


@pytest.mark.parametrize("most", [30, 60, 120])
def test_it_has_as_many_words_as_asked_for_and_hardly_fewer(most):
    count = sum(len(WORD.findall(sentence)) for sentence in summarize(GERMAN, words=most))

    assert most - 10 <= count <= most


def test_a_text_whose_sentences_are_all_too_long_still_has_a_summary():
    assert 1 == len(summarize("This sentence has a good many more words than were asked for. " * 2, words=3))


def test_what_was_said_is_not_said_again():
    same = "The harbour of Lindholm was closed by a storm on Monday."
    others = "Ferries stayed in the harbour. The storm broke windows. Trains were late in Lindholm."

    assert 1 == summarize(f"{same} {others} {same}\n\n{same} {others}", sentences=4).count(same)


def test_a_question_or_what_leans_on_the_sentence_before_is_chosen_last():
    text = (
        "The council of the city discussed the tram line on Tuesday evening. "
        "What will the tram line cost the city in the end? "
        "It was discussed by the council of the city for the tram line. "
        "The costs of the tram line are a burden for the council and the city."
    )

    assert [True, True] == [sentence in text[:70] + text[-75:] for sentence in summarize(text, sentences=2)]


def test_a_title_an_address_or_a_fragment_is_chosen_last():
    text = (
        "THE TRAM LINE OF LINDHOLM Report of the council, second edition, of May\n"
        "2026 by the council and the tram line\n\n"
        "More on the tram line and the council is at https://lindholm.example/council/tram for all who want to know. "
        "The tram line of Lindholm is to be opened by the council in May. "
        "The council has paid for the tram line with a loan of ten years."
    )

    assert ["is to be opened", "has paid for"] == [
        part for one in summarize(text, sentences=2) for part in ("is to be opened", "has paid for") if part in one
    ]


@pytest.mark.parametrize("text", ["One.", "a b c", "7 8 9.", "这是一个句子。这是另一个。", "Ja! Nein! Ja! Nein!"])
def test_the_shortest_texts_have_summaries(text):
    assert summarize(text, sentences=2)


def test_a_long_text_is_thinned_out_and_its_progress_told():
    words = ["harbour", "ferry", "storm", "council", "tram", "bridge", "market", "school", "river", "museum"]
    chance = random.Random(7)
    sentences = [f"The {' '.join(chance.sample(words, 6))} number {n} was discussed." for n in range(3000)]
    told = []
    document = take_apart(" ".join(sentences))
    candidates, scores, alike = rank(document, lambda fraction, step: told.append((fraction, step)))

    assert 3000 == len(document.sentences)
    assert CANDIDATES / 2 <= len(candidates) == len(scores) == len(alike) <= CANDIDATES
    assert sorted(candidates) == candidates
    assert sorted(told) == told
    assert len(told) > 10


def test_of_the_longest_text_one_sentence_of_each_block_is_left():
    count = BLOCK * (CANDIDATES + 1)

    assert CANDIDATES + 1 == len(thinned_out([[]] * count, {}, np.ones(count, np.float32), ignore))


def test_whoever_follows_the_progress_can_end_the_work():
    def cancel(_fraction: float, _step: str) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        LexRank().summarize(take_apart(ENGLISH), Size(3, None), cancel)


def test_where_words_are_not_separated_pairs_of_signs_are_compared():
    assert ["天气", "气很", "很好", "ja"] == terms("天气很好, ja", frozenset())
    assert ["好"] == terms("好", frozenset())


def test_likeness_is_what_sentences_share():
    stems = [["ferry", "storm"], ["ferry", "storm"], ["ferry", "market"], ["market", "school"], ["school"]]
    alike = likeness(stems, rarities(stems))

    assert np.allclose(alike, alike.T)
    assert 0 == alike.diagonal().max()
    assert pytest.approx(1, abs=1e-5) == alike[0, 1]
    assert 0 < alike[0, 2] < 1
    assert 0 == alike[0, 3]


def test_the_best_is_chosen_first_and_its_likes_are_not():
    alike = np.array([[0, 0.95, 0.1], [0.95, 0, 0.1], [0.1, 0.1, 0]], dtype=np.float32)
    scores = np.array([1, 0.9, 0.2], dtype=np.float32)

    assert [0, 2] == choose_sentences([5, 5, 5], scores, alike, sentences=2, words=None)
    assert [0, 2] == choose_sentences([5, 5, 5], scores, alike, sentences=3, words=None)
    assert [2] == choose_sentences([5, 5, 3], scores, alike, sentences=None, words=4)


def test_key_phrases_are_what_comes_back_as_it_is_written_most():
    text = "The old harbour is busy. An Old Harbour needs ferries. Ferries leave the old harbour. The ferry is late."

    assert ["old harbour", "ferries"] == [phrase.lower() for phrase in key_phrases(take_apart(text), ignore)]


def test_key_phrases_have_no_pieces_of_addresses_or_short_forms():
    text = "We\u2019ll see the ferry at https://ferry.example/we. We\u2019ll see it in /etc/ferry/we, don't they? " * 3
    authors = "Anna Lee (anna.lee@mail.example) has written to Ben <ben@mail.example>. " * 3

    assert ["ferry"] == key_phrases(take_apart(text), ignore)
    assert not {"mail", "example"} & set(key_phrases(take_apart(authors), ignore))


def test_key_phrases_of_other_languages_have_none_of_their_short_and_frequent_words():
    text = (
        "Le port est vieux, et les bateaux sont dans le port pour la nuit. Pour les marins, le port est une maison. "
        "Dans la nuit, les marins sont dans les bateaux. Pour une fois, les marins sont partis vers les îles. "
        "Les îles sont loin, et les bateaux sont lents. Le vieux port attend les marins pour la fête dans les rues. "
    )

    found = {phrase.lower() for phrase in key_phrases(take_apart(text), ignore)}
    assert {"marins", "bateaux"} < found
    assert not {"les", "pour", "dans", "sont", "est", "une"} & found


def test_key_phrases_have_no_words_without_meaning_and_no_word_twice():
    for text in (ENGLISH, GERMAN):
        found = key_phrases(take_apart(text), ignore)
        words = [word.lower() for phrase in found for word in phrase.split()]

        assert 3 <= len(found) <= 8
        assert len(words) == len(set(words))
        assert not {"the", "and", "der", "die", "und"} & set(words)
