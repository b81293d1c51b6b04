"""One answer from several opinions."""

from __future__ import annotations

import pytest

from opinions import LABELS, NoOpinion, Opinion, combine, common_labels, from_polarity


def opinion(negative, neutral, positive, weight=1.0):
    return Opinion("model", weight, 1.0, dict(zip(LABELS, (negative, neutral, positive), strict=True)))


SILENT = Opinion("silent", 1.0, error="It failed: ValueError.")


def test_the_answer_is_the_label_with_the_highest_mean():
    verdict = combine([opinion(0.6, 0.4, 0), opinion(0, 0.4, 0.6), opinion(0.2, 0.2, 0.6)])

    assert ("POSITIVE", 0.4) == (verdict.label, verdict.score)
    assert {"NEGATIVE": 0.2667, "NEUTRAL": 0.3333, "POSITIVE": 0.4} == verdict.probabilities


def test_a_model_that_counts_more_decides():
    two_to_one = [opinion(0.9, 0.1, 0), opinion(0, 0.2, 0.8), opinion(0, 0.2, 0.8)]

    assert "POSITIVE" == combine(two_to_one).label
    assert "NEGATIVE" == combine([opinion(0.9, 0.1, 0, weight=5), *two_to_one[1:]]).label


def test_agreement_is_the_share_that_has_the_same_label():
    assert 1 == combine([opinion(0.9, 0.1, 0), opinion(0.6, 0.4, 0)]).agreement
    assert 0.75 == combine([opinion(0.9, 0.1, 0, weight=3), opinion(0, 0.1, 0.9)]).agreement


def test_models_may_agree_on_nothing_and_the_answer_says_so():
    """Each finds it bad or good, and none neutral; but neutral is what they find possible together."""
    assert ("NEUTRAL", 0) == (
        combine([opinion(0.55, 0.45, 0), opinion(0, 0.45, 0.55)]).label,
        combine([opinion(0.55, 0.45, 0), opinion(0, 0.45, 0.55)]).agreement,
    )


def test_who_says_nothing_has_no_weight():
    verdict = combine([opinion(0.9, 0.1, 0), SILENT])

    assert (0.9, 1) == (verdict.score, verdict.agreement)
    assert (None, None, "It failed: ValueError.") == (SILENT.label, SILENT.score, verdict.opinions[1].error)


def test_nobody_says_anything():
    with pytest.raises(NoOpinion, match="None of the models could answer: silent: It failed: ValueError"):
        combine([SILENT])


@pytest.mark.parametrize(
    ("polarity", "label", "score"),
    [
        (None, "NEUTRAL", 0.5),
        (0.0, "NEUTRAL", 1.0),
        (0.04, "NEUTRAL", 0.96),
        (0.5, "POSITIVE", 0.75),
        (-0.5, "NEGATIVE", 0.75),
        (1.0, "POSITIVE", 1.0),
        (-1.2, "NEGATIVE", 1.0),
    ],
)
def test_a_polarity_becomes_probabilities(polarity, label, score):
    probabilities = from_polarity(polarity)

    assert set(LABELS) == set(probabilities)
    assert 1 == pytest.approx(sum(probabilities.values()))
    assert score == probabilities[label] == max(probabilities.values())


@pytest.mark.parametrize(
    ("own", "common"),
    [
        (["NEGATIVE", "POSITIVE"], ["NEGATIVE", "POSITIVE"]),
        (["POS", "NEU", "NEG"], ["POSITIVE", "NEUTRAL", "NEGATIVE"]),
        (["VERY_NEGATIVE", "NEGATIVE", "POSITIVE"], ["NEGATIVE", "NEGATIVE", "POSITIVE"]),
        (["LABEL_0", "LABEL_1"], ["NEGATIVE", "POSITIVE"]),
        (["LABEL_0", "LABEL_1", "LABEL_2"], ["NEGATIVE", "NEUTRAL", "POSITIVE"]),
        (["1 STAR", "2 STARS", "3 STARS", "4 STARS", "5 STARS"], [*["NEGATIVE"] * 2, "NEUTRAL", *["POSITIVE"] * 2]),
    ],
)
def test_the_labels_of_a_model_are_brought_to_the_common_ones(own, common):
    assert common == common_labels(own)


@pytest.mark.parametrize(
    "own",
    [
        ["JOY", "ANGER"],
        ["POSITIVE", "MIXED"],
        ["POSITIVE", "NEUTRAL"],
        ["NEGATIVE", "MIXED", "POSITIVE"],
        ["NEGATIVE", "IMPOSSIBLE"],
        ["LABEL_0"] * 4,
    ],
)
def test_a_model_for_something_else_is_refused(own):
    with pytest.raises(ValueError, match="Positive and negative are needed, but its labels are"):
        common_labels(own)
