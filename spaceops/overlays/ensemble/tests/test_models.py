"""Several models as one: how they are chosen, and what becomes of those that fail."""

from __future__ import annotations

import threading

import pytest

from inference.sources import sources
from inference.weights import Source
from lexicons import Vader
from models import Ensemble, choose
from opinions import NoOpinion, from_polarity


class Moody:
    """A model that finds everything good, and cannot read "?"; some cannot even be loaded."""

    device = "cpu"

    def __init__(self, name="moody", *, error=None):
        self.name, self.error = name, error
        self.asked = []

    def load(self):
        if self.error:
            raise self.error

    def classify(self, texts):
        self.asked.append(len(texts))
        if "?" in texts:
            raise ValueError("my secret text")
        return [from_polarity(0.8) for _ in texts]


MISSING = OSError("no such model\nand more")


def loaded(*models):
    ensemble = Ensemble([(model, 1.0) for model in models])
    ensemble.load()
    return ensemble


def test_all_are_asked_and_each_says_how_long_it_took():
    [verdict] = loaded(Vader(), Moody()).answer(["I love it"])

    assert ["vaderSentiment", "moody"] == [opinion.model for opinion in verdict.opinions]
    assert all(opinion.milliseconds >= 0 and opinion.label == "POSITIVE" for opinion in verdict.opinions)


def test_where_one_cannot_be_loaded_the_others_answer_and_it_is_said():
    [verdict] = loaded(Vader(), Moody(error=MISSING)).answer(["I love it"])

    assert "POSITIVE" == verdict.label
    assert "It could not be loaded. no such model" == verdict.opinions[1].error


def test_where_none_can_be_loaded_each_reason_is_given():
    with pytest.raises(RuntimeError, match="a: no such model; b: no such model"):
        loaded(Moody("a", error=MISSING), Moody("b", error=MISSING))


def test_where_that_may_pass_it_is_a_connection_that_failed_and_loading_again_helps():
    ensemble = Ensemble([(Moody("a", error=MISSING), 1.0), (moody := Moody("b", error=ConnectionError("silent")), 1.0)])
    with pytest.raises(ConnectionError, match="a: no such model; b: ConnectionError: silent"):
        ensemble.load()
    moody.error = None
    ensemble.load()

    assert {"a": "no such model"} == ensemble.broken


def test_one_that_only_a_connection_kept_away_comes_later_and_the_others_answer_meanwhile():
    class Late(Moody):
        device = "cuda"

        def __init__(self):
            super().__init__()
            self.back, self.errors = threading.Event(), [ConnectionError("silent"), ConnectionError("still")]

        def load(self):
            assert len(self.errors) == 2 or self.back.wait(30)
            if self.errors:
                raise self.errors.pop(0)

    late = Late()
    ensemble = Ensemble([(Vader(), 1.0), (late, 1.0)], pause=0.001)
    ensemble.load()
    [thread] = [thread for thread in threading.enumerate() if thread.name == "load-rest"]
    device, [verdict] = ensemble.device, ensemble.answer(["I love it"])
    late.back.set()
    thread.join(30)

    assert ("cpu", "POSITIVE") == (device, verdict.label)
    assert "It could not be loaded. ConnectionError: silent" == verdict.opinions[1].error
    assert ("cuda", {}) == (ensemble.device, ensemble.broken)
    assert "POSITIVE" == ensemble.answer(["I love it"])[0].opinions[1].label


def test_a_text_that_one_model_cannot_read_is_answered_by_the_others_and_its_neighbours_by_all():
    moody = Moody()
    verdicts = loaded(Vader(), moody).answer(["good", "bad", "?", "fine"])

    assert [None, None, "It failed: ValueError.", None] == [verdict.opinions[1].error for verdict in verdicts]
    assert all(verdict.opinions[0].error is None for verdict in verdicts)
    assert [4, 2, 2, 1, 1] == moody.asked


class Panic(BaseException):
    """What a library in Rust raises when it gives up; it is no Exception."""


def test_one_that_panics_is_told_as_any_other_that_fails():
    class Unloadable(Moody):
        def load(self):
            raise Panic("no such model")

    class Unreliable(Moody):
        def classify(self, _texts):
            raise Panic

    [verdict] = loaded(Vader(), Unloadable("a"), Unreliable("b")).answer(["I love it"])

    assert [None, "It could not be loaded. no such model", "It failed: Panic."] == [
        opinion.error for opinion in verdict.opinions
    ]


def test_a_text_that_no_model_can_read_has_no_answer():
    with pytest.raises(NoOpinion):
        loaded(Moody()).answer(["?"])


def test_a_model_that_loses_an_answer_fails_instead_of_mixing_them_up():
    class Forgetful(Moody):
        def classify(self, texts):
            return super().classify(texts)[1:]

    verdicts = loaded(Vader(), Forgetful()).answer(["good", "bad"])

    assert ["It failed: ValueError."] * 2 == [verdict.opinions[1].error for verdict in verdicts]


def test_without_settings_the_word_lists_are_asked():
    ensemble = choose({})

    assert ("vaderSentiment + AFINN + TextBlob", "cpu") == (ensemble.name, ensemble.device)
    assert [1, 1, 1] == [weight for _, weight in ensemble.members]


def test_models_and_weights_can_be_named():
    ensemble = choose({"MODEL_ID": " TextBlob, vaderSentiment", "MODEL_WEIGHTS": "2, 0.5"})

    assert [("TextBlob", 2), ("vaderSentiment", 0.5)] == [(model.name, weight) for model, weight in ensemble.members]


def test_models_of_the_hub_are_named_with_their_revisions():
    ensemble = choose({"MODEL_ID": "acme/tone@v2,acme/mood,AFINN"})

    assert "acme/tone@v2 + acme/mood + AFINN" == ensemble.name


def test_the_build_gets_ready_what_is_no_word_list():
    assert [] == sources({})
    assert [Source("acme/tone", "v2", "float32"), Source("acme/mood", None, "float32")] == sources(
        {"MODEL_ID": "acme/tone@v2,AFINN,acme/mood", "MODEL_PRECISION": "float32"}
    )


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"MODEL_ID": "AFINN,AFINN"}, "MODEL_ID is 'AFINN,AFINN', but must be different models"),
        ({"MODEL_ID": "AFINN,"}, "MODEL_ID is 'AFINN,', but must be different models"),
        ({"MODEL_ID": "afinn"}, "MODEL_ID names 'afinn', but a model is vaderSentiment, AFINN, TextBlob or"),
        ({"MODEL_ID": "acme/tone,AFINN", "MODEL_REVISION": "v2"}, "MODEL_REVISION is set, but each model has its own"),
        ({"MODEL_WEIGHTS": "1,1"}, "MODEL_WEIGHTS is '1,1', but must be 3 numbers above 0"),
        ({"MODEL_WEIGHTS": "1,0,1"}, "must be 3 numbers above 0"),
        ({"MODEL_WEIGHTS": "1,nan,1"}, "must be 3 numbers above 0"),
    ],
)
def test_what_cannot_be_meant_ends_the_start_with_one_line(environ, message):
    with pytest.raises(SystemExit, match=message):
        choose(environ)
