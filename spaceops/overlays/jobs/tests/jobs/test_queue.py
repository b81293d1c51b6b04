"""Jobs: done in turn, followed, cancelled, limited and forgotten."""

from __future__ import annotations

import asyncio
import resource
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from work import Gate, add, ended

from serving.jobs import Cancelled, Full, Jobs, NotDone, Unknown, Unusable, wait_for_model
from serving.loading import Loader


def test_a_job_is_done_and_has_a_result(start):
    jobs = start(add)
    job = jobs.submit({"a": 1, "b": 2})

    state = ended(jobs, job)
    assert ("done", 1.0, "", None) == (state.status, state.progress, state.step, state.error)
    assert {"sum": 3} == jobs.result(job.id)


def test_jobs_are_done_in_turn_and_know_their_place(start):
    gate = Gate()
    jobs = start(gate)
    first = jobs.submit({"n": 0})
    gate.wait()
    others = [jobs.submit({"n": n}) for n in (1, 2)]

    assert ("running", None, "waiting") == (
        jobs.state(first.id).status,
        first.position and None,
        told(jobs, first).step,
    )
    assert [("queued", 1), ("queued", 2)] == [(job.status, job.position) for job in others]
    gate.open.set()
    assert ["done"] * 3 == [ended(jobs, job).status for job in (first, *others)]
    assert [{"n": 0}, {"n": 1}, {"n": 2}] == gate.seen


def told(jobs, job):
    """The state once the work has told something."""
    deadline = time.monotonic() + 10
    while not (state := jobs.state(job.id)).step:
        assert time.monotonic() < deadline
    return state


def test_a_file_is_copied_and_handed_to_the_work_with_its_ending(start, tmp_path):
    upload = tmp_path / "report.md"
    upload.write_text("content")
    jobs = start(lambda _params, file, _progress: {"text": file.read_text(), "suffix": file.suffix})
    job = jobs.submit({}, upload)
    upload.unlink()

    assert "done" == ended(jobs, job).status
    assert {"text": "content", "suffix": ".md"} == jobs.result(job.id)


def test_what_was_uploaded_goes_when_its_job_has_ended_or_is_cancelled(start, storage, tmp_path):
    upload = tmp_path / "report.md"
    upload.write_text("content")
    gate = Gate()
    jobs = start(gate)
    done, cancelled = jobs.submit({}, upload), jobs.submit({}, upload)
    gate.wait()
    assert 2 == len(list(storage.folder.rglob("upload.md")))

    jobs.cancel(cancelled.id)
    gate.open.set()
    ended(jobs, done)

    assert [] == list(storage.folder.rglob("upload*"))


class NoModel:
    name, device = "acme/none", "cpu"

    def load(self):
        raise OSError("There is no such model.")


def test_work_waits_for_the_model_and_can_be_ended_meanwhile():
    def progress(_fraction, step):
        assert "The model is loading" == step
        raise Cancelled

    with pytest.raises(Cancelled):
        wait_for_model(Loader(NoModel()), progress)  # nobody has started to load


def test_work_without_a_model_fails_and_says_why(start):
    loader = Loader(NoModel())
    loader.start()
    jobs = start(lambda _params, _file, progress: wait_for_model(loader, progress))

    state = ended(jobs, jobs.submit({}))
    assert ("failed", "The model could not be loaded. There is no such model.") == (state.status, state.error)


def test_no_more_jobs_wait_than_allowed(start):
    gate = Gate()
    jobs = start(gate, max_waiting=1)
    jobs.submit({})
    gate.wait()
    jobs.submit({})

    with pytest.raises(Full):
        jobs.submit({})


def test_nor_do_more_if_they_come_at_the_same_time(start, storage):
    together, append = threading.Barrier(4), storage.append

    def append_together(name, record):
        together.wait(10)
        append(name, record)

    storage.append = append_together
    jobs = Jobs(add, storage, max_waiting=2)  # not started, so that all wait

    def submit(_number):
        try:
            return jobs.submit({}).status
        except Full:
            return "full"

    with ThreadPoolExecutor(4) as pool:
        assert ["full", "full", "queued", "queued"] == sorted(pool.map(submit, range(4)))
    assert 2 == len(list((storage.folder / "jobs").iterdir()))


def test_of_a_job_that_cannot_be_kept_nothing_stays(start, storage, tmp_path):
    upload = tmp_path / "upload.txt"
    upload.write_text("text")
    jobs = start(add)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, before[1]))  # bytes of a file, in place of a small disk
    try:
        with pytest.raises(OSError):
            jobs.submit({"a": "x" * 100}, upload)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert [] == list((storage.folder / "jobs").iterdir())


def test_a_result_that_has_just_been_deleted_is_unknown(start, storage):
    jobs = start(add)
    job = jobs.submit({"a": 1, "b": 2})
    ended(jobs, job)
    shutil.rmtree(storage.folder / "jobs" / job.id)

    with pytest.raises(Unknown):
        jobs.result(job.id)


def test_a_waiting_job_is_cancelled_at_once_and_never_begun(start):
    gate = Gate()
    jobs = start(gate)
    running = jobs.submit({"n": 0})
    gate.wait()
    waiting = jobs.submit({"n": 1})

    assert "cancelled" == jobs.cancel(waiting.id).status
    gate.open.set()
    assert "done" == ended(jobs, running).status
    assert [{"n": 0}] == gate.seen


def test_a_running_job_is_cancelled_when_it_tells_its_progress(start):
    gate = Gate()
    jobs = start(gate)
    job = jobs.submit({})
    gate.wait()
    jobs.cancel(job.id)

    assert "cancelled" == ended(jobs, job).status
    with pytest.raises(NotDone, match="The job is cancelled"):
        jobs.result(job.id)


def test_nothing_happens_to_a_job_that_has_ended_when_it_is_cancelled(start):
    jobs = start(add)
    job = jobs.submit({"a": 1, "b": 2})
    ended(jobs, job)

    assert "done" == jobs.cancel(job.id).status


def test_a_job_that_takes_too_long_fails(start):
    jobs = start(Gate(), time_limit=0.05)
    state = ended(jobs, jobs.submit({}))

    assert ("failed", "It took longer than 0.05 seconds.") == (state.status, state.error)


def test_input_that_is_unusable_fails_with_the_reason(start):
    def work(_params, _file, _progress):
        raise Unusable("There is nothing in it.")

    jobs = start(work)

    assert "There is nothing in it." == ended(jobs, jobs.submit({})).error


def test_a_bug_ends_its_job_alone_and_neither_answer_nor_log_repeat_the_input(start, caplog):
    def work(params, _file, _progress):
        return {"value": int(params["text"])}

    jobs = start(work)
    bad, good = jobs.submit({"text": "my secret"}), jobs.submit({"text": "7"})

    assert "The work failed: ValueError. The app's log says where." == ended(jobs, bad).error
    assert "done" == ended(jobs, good).status
    assert "in work" in caplog.text
    assert "secret" not in caplog.text


class Panic(BaseException):
    """What a library in Rust raises when it gives up; it is no Exception."""


@pytest.mark.parametrize(
    ("error", "what"),
    [(Panic("my secret"), "Panic"), (OSError(28, "No space left on device", "my"), "No space left on device")],
)
def test_whatever_ends_a_job_is_told_and_ends_it_alone(start, error, what):
    def work(params, _file, _progress):
        if params["bad"]:
            raise error
        return {}

    jobs = start(work)
    bad, good = jobs.submit({"bad": True}), jobs.submit({"bad": False})

    assert f"The work failed: {what}. The app's log says where." == ended(jobs, bad).error
    assert "done" == ended(jobs, good).status


def test_a_result_that_cannot_be_kept_fails_the_job_and_not_the_worker(start, storage):
    def work(params, _file, _progress):
        if params["bad"]:
            (storage.folder / "jobs").rename(storage.folder / "away")
            (storage.folder / "jobs").write_text("no folder")
        return {}

    jobs = start(work)
    state = ended(jobs, jobs.submit({"bad": True}))
    (storage.folder / "jobs").unlink()

    assert ("failed", True) == (state.status, state.error.startswith("The result cannot be kept"))
    assert "done" == ended(jobs, jobs.submit({"bad": False})).status


def test_waiting_ends_with_the_time_given(start):
    gate = Gate()
    jobs = start(gate)
    job = jobs.submit({})
    gate.wait()

    assert "running" == asyncio.run(jobs.wait(job.id, 0.01)).status


def test_an_old_job_is_forgotten_with_all_its_files(start, storage, tmp_path):
    upload = tmp_path / "upload.txt"
    upload.write_text("text")
    jobs = start(add, keep=0.05)
    job = jobs.submit({"a": 1, "b": 2}, upload)
    deadline = time.monotonic() + 10
    while any((storage.folder / "jobs").iterdir()):
        assert time.monotonic() < deadline

    for ask in (jobs.state, jobs.result, jobs.cancel):
        with pytest.raises(Unknown):
            ask(job.id)


def test_of_many_that_have_ended_the_oldest_are_forgotten_before_their_time(start, storage):
    jobs = start(add, most_ended=2)
    all_of_them = [jobs.submit({"a": n, "b": 0}) for n in range(4)]
    ended(jobs, all_of_them[-1])
    jobs.close(0)

    assert {job.id for job in all_of_them[-2:]} == {folder.name for folder in (storage.folder / "jobs").iterdir()}
    with pytest.raises(Unknown):
        jobs.state(all_of_them[0].id)


def test_one_client_cannot_take_all_places_in_the_queue(start):
    gate = Gate()
    jobs = start(gate, max_waiting=8)
    jobs.submit({}, client="greedy")
    gate.wait()
    for _ in range(2):
        jobs.submit({}, client="greedy")

    with pytest.raises(Full):
        jobs.submit({}, client="greedy")
    assert 3 == jobs.submit({}, client="somebody else").position


def test_who_is_refused_is_told_when_a_place_may_be_free(start):
    """As long as the jobs of late took; ten seconds until one has shown that."""
    gate = Gate()
    jobs = start(gate, max_waiting=1)

    def refused() -> int:
        first = jobs.submit({})
        gate.wait()
        second = jobs.submit({})
        with pytest.raises(Full, match="Too many jobs are waiting") as full:
            jobs.submit({})
        gate.open.set()
        assert ["done"] * 2 == [ended(jobs, job).status for job in (first, second)]
        return full.value.retry_after

    assert 10 == refused()
    for _ in range(10):
        ended(jobs, jobs.submit({}))
    gate.entered = threading.Semaphore(0)
    gate.open.clear()
    assert refused() < 5


def test_who_has_enough_jobs_in_the_queue_is_told_when_the_first_of_them_may_begin(start):
    gate = Gate()
    jobs = start(gate, max_waiting=8)
    jobs.submit({})
    gate.wait()
    for client in ("a", "b", "c", "c"):
        jobs.submit({}, client=client)

    with pytest.raises(Full, match="Too many jobs of yours are waiting") as full:
        jobs.submit({}, client="c")
    assert 30 == full.value.retry_after  # three jobs must end


def test_who_asks_again_and_again_leaves_nothing_behind(start):
    gate = Gate()
    jobs = start(gate)
    job = jobs.submit({})

    async def ask() -> None:
        await asyncio.gather(*(jobs.wait(job.id, 0) for _ in range(100)))
        async with asyncio.timeout(0.01):
            await jobs.wait(job.id, 10)

    with pytest.raises(TimeoutError):  # as when the client goes away
        asyncio.run(ask())

    assert not jobs._find(job.id).awaited


def test_ids_cannot_be_guessed(start):
    jobs = start(add, max_waiting=100)
    ids = {jobs.submit({"a": 1, "b": 2}).id for _ in range(50)}

    assert 50 == len(ids)
    assert all(len(one) >= 22 for one in ids)
