"""Many texts as one job: all are answered, whatever happens to some, and the table is safe to open."""

from __future__ import annotations

import asyncio
import csv
import io
import threading

import pytest

from bulk import AT_ONCE, Bulk, harmless, table
from models import Ensemble
from opinions import from_polarity
from serving.batching import Batcher
from serving.jobs import Interrupted, Unusable
from serving.loading import Loader


class Moody:
    """Finds everything good but "bad", and cannot read "?"."""

    name = "=moody"
    device = "cpu"

    def __init__(self, *, loads=True):
        self._loads = loads

    def load(self):
        if not self._loads:
            raise OSError("no such model")

    def classify(self, texts):
        if "?" in texts:
            raise ValueError
        return [from_polarity(-0.5 if text == "bad" else 0.5) for text in texts]


def done(texts, *, max_waiting=100, model=None):
    """The job's result, and the steps that were told."""
    steps = []

    async def scenario():
        ensemble = Ensemble([(model or Moody(), 1.0)])
        loader = Loader(ensemble)
        batcher = Batcher(ensemble.answer, max_batch=4, max_waiting=max_waiting)
        await batcher.start()
        loader.start()
        bulk = Bulk(loader, batcher, asyncio.get_running_loop())
        try:
            return await asyncio.to_thread(bulk, {"texts": texts}, None, lambda *step: steps.append(step))
        finally:
            await batcher.close()

    return asyncio.run(scenario()), steps


def test_every_text_is_answered_in_its_place():
    texts = ["good", "bad"] * 20
    result, steps = done(texts)

    assert [(text, "NEGATIVE" if text == "bad" else "POSITIVE") for text in texts] == [
        (row["text"], row["verdict"]["label"]) for row in result["rows"]
    ]
    assert {"NEGATIVE": 20, "NEUTRAL": 0, "POSITIVE": 20} == result["summary"]["labels"]
    assert [(0, "0 of 40 texts"), (AT_ONCE / 40, f"{AT_ONCE} of 40 texts")] == [
        step for step in steps if "texts" in step[1]
    ][:2]


def test_a_text_that_no_model_can_read_is_one_without_a_verdict():
    result, _ = done(["good", "?", "bad"])

    assert [True, False, True] == [row["verdict"] is not None for row in result["rows"]]
    assert "None of the models could answer: =moody: It failed: ValueError." == result["rows"][1]["error"]
    assert (1, 1.0) == (result["summary"]["unanswered"], result["summary"]["agreement"])


def test_nothing_but_unreadable_texts_is_a_result_too():
    result, _ = done(["?"])

    assert (1, None) == (result["summary"]["unanswered"], result["summary"]["agreement"])
    assert ["?", "", "", "", result["rows"][0]["error"]] == list(csv.reader(io.StringIO(table(result["rows"]))))[1]


def test_where_the_line_is_full_a_job_waits_for_its_places():
    result, _ = done(["good"] * 12, max_waiting=6)

    assert 12 == result["summary"]["labels"]["POSITIVE"]


def test_without_a_model_the_job_says_why_it_failed():
    with pytest.raises(Unusable, match=r"could not be loaded\. =moody: no such model"):
        done(["good"], model=Moody(loads=False))


def test_a_job_that_comes_before_the_model_waits_and_can_be_ended_meanwhile():
    class Ended(Exception):
        pass

    def progress(fraction, step):
        raise Ended(step)

    bulk = Bulk(Loader(Ensemble([(Moody(), 1.0)])), None, None)  # nobody has started to load
    with pytest.raises(Ended, match="The model is loading"):
        bulk({"texts": ["good"]}, None, progress)


def test_a_job_that_outlives_the_event_loop_is_interrupted_and_has_not_failed():
    """So it is done again after the next start, where jobs are kept."""
    asked, ended = threading.Event(), threading.Event()

    class Slow(Moody):
        def classify(self, texts):
            asked.set()
            assert ended.wait(30)
            return super().classify(texts)

    def work(bulk):
        with pytest.raises(Interrupted):
            bulk({"texts": ["good"]}, None, lambda _fraction, _step: None)
        ended.set()

    async def scenario():
        ensemble = Ensemble([(Slow(), 1.0)])
        loader, batcher = Loader(ensemble), Batcher(ensemble.answer, max_batch=1, max_waiting=1)
        await batcher.start()
        loader.start()
        threading.Thread(target=work, args=[Bulk(loader, batcher, asyncio.get_running_loop())]).start()
        assert await asyncio.to_thread(asked.wait, 30)

    asyncio.run(scenario())
    assert ended.wait(30)


def test_the_table_has_a_line_for_each_text_and_a_column_for_each_model():
    result, _ = done(['a "quoted", text\nof two lines', "bad"])
    text = table(result["rows"])
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))

    assert text.startswith("\ufeff")
    assert ["text", "label", "score", "agreement", "'=moody", "error"] == rows[0]
    assert ['a "quoted", text\nof two lines', "POSITIVE", "0.7500", "1.0000", "POSITIVE", ""] == rows[1]


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r=1", "\n=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20A"]
)
def test_no_cell_can_be_taken_for_a_formula(text):
    assert f"'{text}" == harmless(text)


@pytest.mark.parametrize("text", ["I love it", "1+1=2", "a@b", "'=1", ""])
def test_other_cells_stay_as_they_are(text):
    assert text == harmless(text)


def test_the_event_loop_goes_on_while_a_job_waits():
    """The job is in a thread of its own; only its texts are in the loop."""
    names = set()

    class Watched(Moody):
        def classify(self, texts):
            names.add(threading.current_thread().name)
            return super().classify(texts)

    done(["good"], model=Watched())
    assert {"model_0"} == names
