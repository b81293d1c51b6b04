"""What the word lists say."""

from __future__ import annotations

import pytest

from lexicons import TWEET, AfinnWords, Blob, Vader

pytestmark = pytest.mark.filterwarnings("ignore:.*invalid escape sequence")  # in AFINN's own source


@pytest.fixture(scope="module", params=[Vader, AfinnWords, Blob])
def lexicon(request):
    lexicon = request.param()
    lexicon.load()
    return lexicon


def label(lexicon, text):
    [probabilities] = lexicon.classify([text])
    return max(probabilities, key=probabilities.__getitem__)


def test_good_is_positive_and_bad_is_negative(lexicon):
    assert "POSITIVE" == label(lexicon, "What a wonderful place, I love it!")
    assert "NEGATIVE" == label(lexicon, "Terrible service, and a horrible smell.")


def test_a_text_without_any_word_that_it_knows_is_hardly_neutral(lexicon):
    for text in ("The train leaves at nine.", "7", "\N{CJK UNIFIED IDEOGRAPH-597D}"):
        assert [{"NEGATIVE": 0.25, "NEUTRAL": 0.5, "POSITIVE": 0.25}] == lexicon.classify([text])


def test_texts_are_answered_in_their_order(lexicon):
    texts = ["Great!", "Awful.", "The train leaves at nine."]

    assert lexicon.classify(texts) == [lexicon.classify([text])[0] for text in texts]


@pytest.mark.parametrize("text", ["good " * 1000, "(" * 5000, "\N{SLIGHTLY SMILING FACE}" * 5000, "not " * 1250])
def test_no_text_takes_long(lexicon, text):
    assert 1 == pytest.approx(sum(lexicon.classify([text])[0].values()))


def test_they_differ_in_what_they_understand():
    vader, afinn, blob = Vader(), AfinnWords(), Blob()
    for lexicon in (vader, afinn, blob):
        lexicon.load()

    assert ["POSITIVE", "NEGATIVE", "POSITIVE"] == [label(one, "Not bad at all") for one in (vader, afinn, blob)]


def test_vader_sees_a_long_text_in_pieces():
    """As one piece, three times the word would count more."""
    vader = Vader()
    vader.load()
    piece = f"good {'x' * (TWEET - 6)} "

    assert vader.classify([piece])[0] == pytest.approx(vader.classify([piece * 3])[0])


def test_to_vader_emoji_count_as_the_words_that_describe_them():
    """Else a piece is six times as long as it seems, and 5,000 emoji take seconds."""
    vader = Vader()
    vader.load()

    assert vader.classify([" slightly smiling face " * TWEET]) == vader.classify(["\N{SLIGHTLY SMILING FACE}" * TWEET])
    assert "NEGATIVE" == label(vader, "\N{STEAM LOCOMOTIVE}awful")  # one word to VADER
