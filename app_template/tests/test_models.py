"""How a model is chosen, and what VADER says. What runs models of the Hub is in test_classifier.py."""

import pytest

from inference.sources import sources
from inference.weights import Source
from models import TWEET, Pretrained, Vader, choose


@pytest.fixture(scope="module")
def vader():
    model = Vader()
    model.load()
    return model


def label_of(model, text):
    [prediction] = model.predict([text])
    return prediction.label


def test_without_settings_the_model_is_vader():
    assert isinstance(choose({"MODEL_REVISION": "main", "MODEL_PRECISION": "float32"}), Vader)


def test_a_model_id_chooses_a_pretrained_model_and_costs_nothing_yet():
    assert "acme/tone@v2" == choose({"MODEL_ID": "acme/tone", "MODEL_REVISION": "v2"}).name
    assert "acme/tone" == choose({"MODEL_ID": "acme/tone", "MODEL_REVISION": ""}).name
    assert isinstance(choose({"MODEL_ID": "acme/tone"}), Pretrained)


def test_an_empty_variable_is_none():
    empty = {"MODEL_REVISION": "", "MODEL_PRECISION": ""}

    assert [Source("acme/tone", None, "int8")] == sources({"MODEL_ID": "acme/tone"} | empty)
    assert [] == sources({"MODEL_ID": ""} | empty)


def test_a_precision_that_does_not_exist_ends_the_start_with_one_line():
    with pytest.raises(SystemExit, match=r"^MODEL_PRECISION is 'int4', but must be int8 or float32$"):
        choose({"MODEL_PRECISION": "int4"})


def test_each_text_gets_its_own_answer_in_order(vader):
    labels = [prediction.label for prediction in vader.predict(["I love it", "I hate it", "The train leaves at nine."])]

    assert ["POSITIVE", "NEGATIVE", "NEUTRAL"] == labels
    assert [] == vader.predict([])


@pytest.mark.parametrize("text", ["\x1c", "\x1c\x1d\x1e\x1f", "\u200b", "\0"])
def test_a_text_of_nothing_visible_is_neutral(vader, text):
    assert "NEUTRAL" == label_of(vader, text)


def test_stronger_words_score_higher(vader):
    plain, strong = vader.predict(["A good meal.", "A GREAT meal!!!"])

    assert ("POSITIVE", "POSITIVE") == (plain.label, strong.label)
    assert 0.5 < plain.score < strong.score <= 1


def test_a_text_without_feeling_is_surely_neutral(vader):
    assert [("NEUTRAL", 1.0)] == vader.predict(["The train leaves at nine."])


@pytest.mark.parametrize("text", ["They backed away.", "He was bashful."])
def test_a_text_of_hardly_any_feeling_is_neutral_too(vader, text):
    [(label, score)] = vader.predict([text])

    assert "NEUTRAL" == label
    assert 0.95 < score < 1


def test_a_long_text_is_judged_as_a_whole_not_by_its_last_words(vader):
    assert "POSITIVE" == label_of(vader, "I love it. " * 400 + "Awful.")
    assert "NEGATIVE" == label_of(vader, "I hate it. " * 400 + "Lovely.")


def test_vader_sees_a_long_text_in_pieces(vader):
    """As one piece, three times the word would count more, and 5,000 emoji would take seven seconds."""
    piece = f"good {'x' * (TWEET - 6)} "

    assert vader.predict([piece]) == vader.predict([piece * 3])


def test_emoji_count_as_the_words_that_describe_them(vader):
    """Else a piece is six times as long as it seems, and 5,000 emoji take seconds."""
    assert vader.predict([" slightly smiling face " * TWEET]) == vader.predict(["🙂" * TWEET])
    assert "NEGATIVE" == label_of(vader, "🚂awful")  # one word to VADER
