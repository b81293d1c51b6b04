"""The storage that is committed to a dataset; here, what it does when there is none to be had."""

from __future__ import annotations

import logging
import resource
import shutil

import pytest
from httpx2 import Request, Timeout
from huggingface_hub import HfApi, get_session

from inference.hub import SILENCE
from serving.settings import BadSetting
from serving.storage import Storage, open_storage

NOBODY = "http://127.0.0.1:9"  # where no Hub answers


@pytest.fixture
def storage():
    """Without a token."""
    storage = open_storage({"SPACE_ID": "demo/app"})
    yield storage
    storage.close()


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        ({"SPACE_ID": "demo/app"}, "the secret HF_TOKEN is not set"),
        ({"DATASET_ID": "demo/kept", "HF_TOKEN": ""}, "the secret HF_TOKEN is not set"),
        ({"HF_TOKEN": "hf_secret"}, "neither DATASET_ID nor SPACE_ID is set"),
        ({"HF_TOKEN": "hf_secret", "DATASET_ID": "a b/c/d", "HF_ENDPOINT": NOBODY}, "a b/c/d cannot be the name of a"),
    ],
)
def test_it_says_why_nothing_lasts_and_works_nevertheless(environ, reason, caplog):
    caplog.set_level(logging.INFO)
    storage = open_storage(environ)
    storage.append("feedback", {"n": 1})

    assert [{"n": 1}] == list(storage.records("feedback"))
    assert not storage.persistent
    assert f"Temporary, because {reason}" in storage.message
    assert storage.message in caplog.text
    assert "hf_secret" not in caplog.text
    storage.close()
    assert not storage.folder.exists()


def test_while_the_hub_does_not_answer_everything_goes_on_and_the_danger_is_told():
    storage = open_storage({"HF_TOKEN": "hf_secret", "DATASET_ID": "demo/kept", "HF_ENDPOINT": NOBODY})
    storage.append("feedback", {"n": 1})

    assert [{"n": 1}] == list(storage.records("feedback"))
    assert storage.persistent  # it may well come back
    assert "demo/kept cannot be reached" in storage.message
    storage.close()


def test_a_hub_that_is_silent_is_not_waited_for_for_ever():
    *_, limit = get_session().event_hooks["request"]
    request = Request("GET", NOBODY, extensions={"timeout": Timeout(None).as_dict()})
    limit(request)

    assert {SILENCE} == set(request.extensions["timeout"].values())


def test_records_come_back_as_they_were_and_in_their_order(storage):
    records = [{"n": n, "text": "two\nlines\u2028and \ud800 more"} for n in range(50)]
    for record in records:
        storage.append("jobs/1/events", record)

    assert records == list(storage.records("jobs/1/events"))
    assert [] == list(storage.records("others"))


def test_where_the_disk_is_full_no_half_line_is_left(storage):
    storage.append("notes", {"n": 1})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, before[1]))  # bytes of a file, in place of a small disk
    try:
        with pytest.raises(OSError, match="No space left"):
            storage.append("notes", {"n": "x" * 100})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    storage.append("notes", {"n": 2})

    assert [{"n": 1}, {"n": 2}] == list(storage.records("notes"))


def test_every_run_writes_files_of_its_own(storage):
    other = Storage(HfApi(token=False), "demo/kept", minutes=5)
    for one in (storage, other):
        one.append("feedback", {})
    other.give_up("this is a test")
    [mine], [theirs] = ([file.name for file in one.folder.rglob("*.jsonl")] for one in (storage, other))
    other.close()

    assert mine != theirs


def test_a_line_that_was_cut_off_is_left_out(storage, caplog):
    storage.append("feedback", {"text": "my secret"})
    storage.append("feedback", {"n": 2})
    [file] = storage.folder.rglob("*.jsonl")
    shutil.copy(file, file.with_name("0.jsonl"))
    file.write_text('{"text": "my sec')

    assert [{"text": "my secret"}, {"n": 2}] == list(storage.records("feedback"))
    assert "is cut off" in caplog.text
    assert "sec" not in caplog.text


@pytest.mark.parametrize("value", ["often", "0", "0.5", "61", "nan", "-1", "inf"])
def test_an_interval_that_makes_no_sense_ends_the_start(value):
    with pytest.raises(BadSetting, match=r"COMMIT_EVERY is .* but must be a number of minutes from 1 to 60"):
        open_storage({"COMMIT_EVERY": value})
