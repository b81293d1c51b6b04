"""The models themselves, and how one is chosen and loaded."""

import importlib.util

import pytest

from loading import Loader
from models import TWEET, Transformers, Vader, choose


@pytest.fixture(scope="module")
def vader():
    model = Vader()
    model.load()
    return model


def test_without_settings_the_model_is_vader():
    assert isinstance(choose({"MODEL_REVISION": "main"}), Vader)


def test_a_model_id_chooses_transformers_and_costs_nothing_yet():
    assert "acme/tone@v2" == choose({"MODEL_ID": "acme/tone", "MODEL_REVISION": "v2"}).name
    assert "acme/tone" == choose({"MODEL_ID": "acme/tone", "MODEL_REVISION": ""}).name


def test_stronger_words_score_higher(vader):
    plain, strong = vader.classify("A good meal."), vader.classify("A GREAT meal!!!")

    assert ("POSITIVE", "POSITIVE") == (plain.label, strong.label)
    assert 0.5 < plain.score < strong.score <= 1


def test_a_text_without_feeling_is_surely_neutral(vader):
    assert ("NEUTRAL", 1.0) == vader.classify("The train leaves at nine.")


def test_a_long_text_is_judged_as_a_whole_not_by_its_last_words(vader):
    assert "POSITIVE" == vader.classify("I love it. " * 400 + "Awful.").label
    assert "NEGATIVE" == vader.classify("I hate it. " * 400 + "Lovely.").label


def test_vader_sees_a_long_text_in_pieces(vader):
    """As one piece, three times the word would count more, and 5,000 emoji would take seven seconds."""
    piece = f"good {'x' * (TWEET - 6)} "

    assert vader.classify(piece) == vader.classify(piece * 3)


@pytest.mark.skipif(importlib.util.find_spec("transformers") is not None, reason="transformers is installed")
def test_a_model_id_without_transformers_names_what_to_install():
    loader = Loader(Transformers("acme/tone", None))
    loader.start()

    assert loader.finished.wait(30)
    assert "failed" == loader.status
    assert "RuntimeError: MODEL_ID is set, but transformers is not installed: see README.md" == loader.reason


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory):
    """A model of DistilBERT's architecture with random weights, made here: what it says means nothing."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("model")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]
    (folder / "vocab.txt").write_text("\n".join(words), "utf-8")
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    config = transformers.DistilBertConfig(
        vocab_size=len(words), dim=16, hidden_dim=32, n_layers=1, n_heads=2, id2label={0: "negative", 1: "positive"}
    )
    transformers.DistilBertForSequenceClassification(config).save_pretrained(folder)
    return Transformers(str(folder), None)


def test_a_transformers_model_loads_and_answers_in_capitals(tiny_model):
    tiny_model.load()
    [(label, score)] = tiny_model.predict(["good"])

    assert label in {"POSITIVE", "NEGATIVE"}
    assert 0.5 <= score <= 1


def test_a_text_longer_than_the_model_reads_is_cut_not_refused(tiny_model):
    tiny_model.load()

    assert 0.5 <= tiny_model.predict(["good " * 1000])[0].score <= 1
