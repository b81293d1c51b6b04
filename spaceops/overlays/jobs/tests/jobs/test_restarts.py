"""Jobs that outlive their app: kept, ended or done again by other jobs on the same storage."""

from __future__ import annotations

import asyncio
import resource
import threading
import time

import pytest
from work import Gate, add, ended

from serving.jobs import Full, Unknown
from serving.storage import open_storage


def test_what_is_done_is_still_there_after_a_restart(start):
    first = start(add)
    job = first.submit({"a": 1, "b": 2})
    before = ended(first, job)
    first.close(0)
    second = start(add)

    assert second.restored.wait(10)
    assert before == second.state(job.id)
    assert {"sum": 3} == second.result(job.id)


def test_what_waits_is_done_after_a_restart_in_its_order_and_with_its_file(start, tmp_path):
    upload = tmp_path / "upload.txt"
    upload.write_text("text")
    gate = Gate()
    first = start(gate)
    first.submit({"n": 0})
    gate.wait()
    waiting = [first.submit({"n": 1}), first.submit({"n": 2}, upload)]
    first.close(0)
    again = Gate()
    again.open.set()
    second = start(again)

    assert second.restored.wait(10)
    assert ["done", "done"] == [ended(second, job).status for job in waiting]
    assert [{"n": 0}, {"n": 1}, {"n": 2}] == again.seen
    assert "text" == second.result(waiting[1].id)["file"]


def test_a_running_job_may_end_before_the_app_does(start):
    gate = Gate()
    jobs = start(gate)
    job = jobs.submit({"n": 0})
    gate.wait()
    closing = threading.Thread(target=jobs.close, args=[10])
    closing.start()
    assert jobs._closing.wait(10)
    while gate.looks.acquire(blocking=False):
        pass
    for _ in range(3):  # it goes on
        assert gate.looks.acquire(timeout=10)
    gate.open.set()
    closing.join(10)

    assert "done" == jobs.state(job.id).status
    with pytest.raises(Full, match="The app is about to stop"):
        jobs.submit({})


@pytest.mark.parametrize("cancelled", [True, False])
def test_a_job_whose_end_cannot_be_kept_is_not_done_again_without_its_file(start, tmp_path, cancelled):
    upload = tmp_path / "upload.txt"
    upload.write_text("text")
    gate = Gate()
    jobs = start(gate)
    jobs.submit({"n": 0})
    gate.wait()
    job = jobs.submit({"n": 1}, upload)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))  # bytes of a file, in place of a full disk
    try:
        if cancelled:
            assert "cancelled" == jobs.cancel(job.id).status
        gate.open.set()
        assert ended(jobs, job).status == ("cancelled" if cancelled else "failed")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    jobs.close(0)
    again = start(gate)

    assert again.restored.wait(10)
    with pytest.raises(Unknown):
        again.state(job.id)


def test_what_nobody_could_ask_for_later_holds_up_no_stop(start):
    temporary, gate = open_storage({}), Gate()
    jobs = start(gate, storage=temporary)
    jobs.submit({})
    gate.wait()
    closing = threading.Thread(target=jobs.close, args=[30])
    closing.start()
    closing.join(10)

    assert not closing.is_alive()
    gate.open.set()
    temporary.close()


def test_a_job_that_was_interrupted_in_order_is_done_again_as_often_as_needed(start):
    job = None
    for _ in range(3):
        gate = Gate()
        jobs = start(gate)
        job = job or jobs.submit({"n": 0})
        gate.wait()
        jobs.close(0)
    last = start(lambda params, _file, _progress: params)

    assert last.restored.wait(10)
    assert "done" == ended(last, job).status


def test_a_job_that_ran_when_the_app_died_twice_is_not_tried_again(start, storage):
    storage.append(
        "jobs/killer/events",
        {"status": "queued", "at": 1, "created": "2026-01-01T00:00Z", "params": {}, "upload": None},
    )
    for _ in range(2):
        storage.append("jobs/killer/events", {"status": "running", "at": 2})
    gate = Gate()
    jobs = start(gate)

    assert jobs.restored.wait(10)
    state = asyncio.run(jobs.wait("killer", 10))
    assert ("failed", "The app stopped twice while it worked on this.") == (state.status, state.error)
    assert [] == gate.seen


def test_a_file_whose_job_was_never_accepted_is_removed_at_the_start(start, storage):
    place = storage.folder / "jobs" / "half"
    place.mkdir(parents=True)
    (place / "upload.txt").write_text("text")

    assert start(add).restored.wait(10)
    assert not place.exists()


def test_what_is_left_of_a_job_whose_deletion_was_cut_off_is_removed_and_the_others_go_on(start, storage):
    storage.append("jobs/half/events", {"status": "running", "at": 1})
    storage.append("jobs/half/events", {"status": "done", "at": 2, "result": {}})
    jobs = start(add)

    assert "done" == ended(jobs, jobs.submit({"a": 1, "b": 2})).status
    assert not (storage.folder / "jobs" / "half").exists()


@pytest.mark.parametrize("file", ["events.jsonl", "events/1.jsonl", "events/1.json"])  # depends on the storage
def test_a_job_that_cannot_be_read_holds_up_no_other(start, storage, file):
    (storage.folder / "jobs" / "odd" / file).mkdir(parents=True)
    jobs = start(add)

    assert "done" == ended(jobs, jobs.submit({"a": 1, "b": 2})).status


@pytest.mark.parametrize("order", [(1, 2, 0), (2, 0, 1), (1, 0, 2)])
def test_a_clock_that_was_set_back_spoils_no_job(start, storage, order):
    """A bucket sorts what was recorded by the time."""
    told = [
        {"status": "queued", "at": 1, "created": "2026-01-01T00:00Z", "params": {}, "upload": None},
        {"status": "running", "at": 2},
        {"status": "done", "at": time.time(), "result": {"sum": 3}},
    ]
    for index in order:
        storage.append("jobs/early/events", told[index])
    jobs = start(add)

    assert jobs.restored.wait(10)
    assert ("done", {"sum": 3}) == (jobs.state("early").status, jobs.result("early"))
