"""Jobs: done in turn, followed, cancelled, limited, forgotten, and done again after a restart."""

from __future__ import annotations

import asyncio
import resource
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from serving.jobs import Cancelled, Full, Jobs, NotDone, Unknown, Unusable, router, wait_for_model
from serving.loading import Loader
from serving.storage import open_storage


class Kept:
    """A storage that outlives its app."""

    persistent = True

    def __init__(self):
        self._storage = open_storage({})
        self.folder, self.remove = self._storage.folder, self._storage.close
        self.append, self.records = self._storage.append, self._storage.records


class Gate:
    """Work that waits at a gate, and tells its progress while it does."""

    def __init__(self):
        self.entered, self.open = threading.Semaphore(0), threading.Event()
        self.seen, self.looks = [], threading.Semaphore(0)

    def __call__(self, params, file, progress):
        self.seen.append(params)
        self.entered.release()
        while not self.open.wait(0.01):
            progress(0.5, "waiting")
            self.looks.release()
        return params | {"file": file and file.read_text()}

    def wait(self):
        assert self.entered.acquire(timeout=10)


@pytest.fixture
def storage():
    storage = Kept()
    yield storage
    storage.remove()


@pytest.fixture
def start(storage):
    """Start jobs; those that a test does not close are closed at its end."""
    started = []

    def start(work, **settings):
        jobs = Jobs(work, settings.pop("storage", storage), **settings)
        jobs.start()
        started.append(jobs)
        return jobs

    yield start
    for jobs in started:
        jobs.close(0)


def ended(jobs, job):
    state = asyncio.run(jobs.wait(job.id, 10))
    assert state.status not in ("queued", "running"), state
    return state


def add(params, _file, progress):
    progress(0.5, "adding")
    return {"sum": params["a"] + params["b"]}


def test_a_job_is_done_and_has_a_result(start):
    jobs = start(add)
    job = jobs.submit({"a": 1, "b": 2})

    assert ("done", 1.0, None) == (ended(jobs, job).status, jobs.state(job.id).progress, jobs.state(job.id).error)
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


# A restart: other jobs on the same storage.


def test_what_is_done_is_still_there_after_a_restart(start):
    first = start(add)
    job = first.submit({"a": 1, "b": 2})
    before = ended(first, job)
    first.close(0)
    second = start(add)

    assert second.restored.wait(10)
    assert before.model_dump(exclude={"step"}) == second.state(job.id).model_dump(exclude={"step"})
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
    with pytest.raises(Full):
        jobs.submit({})


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


# Over HTTP.


@pytest.fixture
def ask(start):
    app = FastAPI()
    app.include_router(router)
    gate = Gate()
    app.state.jobs, app.state.gate = start(gate), gate
    with TestClient(app) as client:
        yield client


def test_the_state_of_a_job_is_asked_for_and_a_job_is_cancelled(ask):
    jobs, gate = ask.app.state.jobs, ask.app.state.gate
    job = jobs.submit({})
    gate.wait()

    assert "running" == ask.get(f"/jobs/{job.id}").json()["status"]
    assert 200 == ask.delete(f"/jobs/{job.id}").status_code
    assert "cancelled" == ask.get(f"/jobs/{job.id}", params={"wait": 10}).json()["status"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_job_that_there_is_not_is_404(ask, method):
    assert ask.app.state.jobs.restored.wait(10)
    response = ask.request(method, "/jobs/nothing")

    assert 404 == response.status_code
    assert "There is no such job." in response.text


@pytest.mark.parametrize("wait", ["-1", "26", "long", "inf", "nan"])
def test_nobody_may_wait_longer_than_a_request_may_take(ask, wait):
    assert 422 == ask.get("/jobs/any", params={"wait": wait}).status_code


def test_while_the_jobs_of_before_are_read_an_unknown_one_may_still_turn_up(ask, storage):
    ask.app.state.jobs = Jobs(add, storage)  # not started
    response = ask.get("/jobs/any")

    assert (503, "2") == (response.status_code, response.headers["Retry-After"])
