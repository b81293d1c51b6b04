"""Work that takes longer than a request should: it is queued, done in turn, asked after, and may be cancelled."""

from __future__ import annotations

import asyncio
import logging
import secrets
import shutil
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from math import ceil
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from prometheus_client import Counter, Gauge
from pydantic import BaseModel, Field

from serving.loading import Loader
from serving.metrics import REGISTRY
from serving.problems import problems
from serving.storage import Storage

log = logging.getLogger(__name__)

WAITING = Gauge("jobs_waiting", "Jobs in the queue", registry=REGISTRY)
ENDED = Counter("jobs_ended", "Jobs that have ended", ["status"], registry=REGISTRY)

# At a stop the Hub waits 30 seconds, in which the storage may have a last commit to make after these two.
LONGEST_WAIT = 10  # seconds that a request may wait for the end of a job
DRAIN = 8  # seconds that the running job has to end
RESTART = 10  # seconds until another try finds the app started again, or another one
FIRST_GUESS = 10.0  # seconds that a job takes, until one has shown it
MOST_STARTS = 2  # a job that was running twice when the app died may be what kills the app
LOST = "There is no such job. It was deleted, or the app was restarted and its storage is temporary."

Status = Literal["queued", "running", "done", "failed", "cancelled"]


class Full(Exception):
    """No place is free, or the app is about to stop; it is worth another try after `retry_after` seconds."""

    def __init__(self, why: str, seconds: float) -> None:
        self.retry_after = max(1, ceil(seconds))
        super().__init__(f"{why} Try again in {self.retry_after} s.")


class Unknown(Exception):
    """There is no job of that id."""


class NotDone(Exception):
    """The job has no result, or none yet."""


class Unusable(Exception):
    """Work raises this for input that it can do nothing with; the message is for the person who sent it."""


class Cancelled(Exception):
    """Ends work that nobody wants any more."""


class TimedOut(Exception):
    """Ends work that takes too long."""


class Interrupted(Exception):
    """Ends work because the app stops."""


class JobState(BaseModel):
    """How far a job is."""

    id: str
    status: Status
    progress: float = Field(ge=0, le=1)
    step: str = Field(description="What is being done, for people")
    position: int | None = Field(ge=1, description="In the queue; 1 is the next")
    created: datetime
    error: str | None = Field(description="Why there will be no result")


@dataclass
class Job:
    """A job as the app knows it; its input and its result are in the storage."""

    id: str
    created: datetime
    status: Status = "queued"
    progress: float = 0
    step: str = ""
    error: str | None = None
    starts: int = 0
    ended_at: float | None = None  # seconds since the epoch
    client: str = ""  # who submitted it; not recorded
    unwanted: threading.Event = field(default_factory=threading.Event)
    awaited: set[Callable[[], object]] = field(default_factory=set)  # what to call when it has ended

    @property
    def events(self) -> str:
        """The name of its records: one for each change of its status."""
        return f"jobs/{self.id}/events"

    def apply(self, event: dict[str, Any]) -> None:
        """Change as one of its records says."""
        self.status, self.error = event["status"], event.get("error")
        if self.status == "running":
            self.starts += 1
        elif self.status == "queued":  # put back by an app that stopped in order
            self.starts = max(0, self.starts - 1)
        else:
            self.ended_at = event["at"]
            self.progress = 1 if self.status == "done" else self.progress
            self.step = ""
            for tell in self.awaited:
                tell()


class Progress:
    """How work tells how far it is. It does so often, for this is also what ends work that has to end."""

    def __init__(self, job: Job, stopping: threading.Event, seconds: float) -> None:
        self._job, self._stopping, self._deadline = job, stopping, time.monotonic() + seconds

    def __call__(self, fraction: float, step: str) -> None:
        """Tell which fraction of the work is done, and what comes next."""
        if self._job.unwanted.is_set():
            raise Cancelled
        if self._stopping.is_set():
            raise Interrupted
        if time.monotonic() > self._deadline:
            raise TimedOut
        self._job.progress, self._job.step = min(max(fraction, 0.0), 1.0), step


Work = Callable[[dict[str, Any], Path | None, Progress], dict[str, Any]]


def wait_for_model(loader: Loader, progress: Progress) -> None:
    """Begin work with this: a job from before a restart may come before the model. Raises `Unusable` if none comes."""
    while not loader.finished.wait(0.2):
        progress(0, "The model is loading")
    if loader.status == "failed":
        raise Unusable(f"The model could not be loaded. {loader.reason}")


class Jobs:
    """A queue and one worker. Whatever happens to a job is recorded in the storage at once.

    Where that is persistent, what a stop interrupts is done again after the next start. Nobody can guess an id: who has
    it may have the result. What was uploaded is deleted when its job ends, and all else `keep` seconds later, or when
    `most_ended` others have ended since. No client may have more than a quarter of the places in the queue.
    """

    def __init__(
        self,
        work: Work,
        storage: Storage,
        *,
        max_waiting: int = 20,
        time_limit: float = 300,
        keep: float = 24 * 3600,
        most_ended: int = 500,
    ) -> None:
        self._work, self._storage = work, storage
        self._max_waiting, self._time_limit = max_waiting, time_limit
        self._keep, self._most_ended = keep, most_ended
        self._jobs: dict[str, Job] = {}
        self._queue: deque[Job] = deque()
        self._seconds = FIRST_GUESS  # that a job took, of late
        self._changed = threading.Condition()
        self._closing, self._stopping = threading.Event(), threading.Event()
        self.restored = threading.Event()
        self._worker = threading.Thread(target=self._run, name="jobs", daemon=True)

    def start(self) -> None:
        """Begin with what an earlier run of the app has left."""
        self._worker.start()

    def close(self, drain_seconds: float = DRAIN) -> None:
        """Let the running job end if that takes no longer and somebody can ask for it later; interrupt it otherwise."""
        with self._changed:
            self._closing.set()
            self._changed.notify_all()
        if self._storage.persistent:
            self._worker.join(drain_seconds)
        self._stopping.set()
        self._worker.join(2)  # to record it; work that does not tell its progress is left behind

    def submit(self, params: dict[str, Any], file: Path | None = None, client: str = "") -> JobState:
        """Take a job; a copy of the file is kept with it. Writes to the storage. Raises `Full`."""
        job = Job(secrets.token_urlsafe(16), datetime.now(UTC), client=client)
        with self._changed:
            self._refuse_if_full(client)
            self._jobs[job.id] = job  # before it has files, which would else look like those of an earlier run
        try:
            upload = self._keep_file(job, file) if file else None
            self._record(job, "queued", created=job.created.isoformat(), params=params, upload=upload)
            with self._changed:
                self._refuse_if_full(client)
                self._enqueue(job)
                return self._state(job)
        except BaseException:
            self._forget(job)
            raise

    def state(self, job_id: str) -> JobState:
        """How far a job is. Raises `Unknown`."""
        with self._changed:
            return self._state(self._find(job_id))

    async def wait(self, job_id: str, seconds: float) -> JobState:
        """How far a job is when it has ended, or after so many seconds. Raises `Unknown`."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        tell = partial(loop.call_soon_threadsafe, ended.set)
        with self._changed:
            job = self._find(job_id)
            if job.ended_at is not None:
                return self._state(job)
            job.awaited.add(tell)
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), seconds)
        finally:
            with self._changed:
                job.awaited.discard(tell)
        with self._changed:
            return self._state(job)

    def result(self, job_id: str) -> dict[str, Any]:
        """What the work has returned; reads from the storage. Raises `Unknown` or `NotDone`."""
        with self._changed:
            job = self._find(job_id)
            if job.status != "done":
                raise NotDone(job.error or f"The job is {job.status}.")
        results: list[dict[str, Any]] = [one["result"] for one in self._storage.records(job.events) if "result" in one]
        if not results:  # it has just been deleted
            raise Unknown
        return results[0]

    def cancel(self, job_id: str) -> JobState:
        """End a job: a waiting one at once, a running one as soon as it tells its progress. Raises `Unknown`."""
        with self._changed:
            job = self._find(job_id)
            if waiting := job in self._queue:
                self._queue.remove(job)
                WAITING.set(len(self._queue))
            job.unwanted.set()
        if waiting:
            self._end(job, "cancelled")
        return self.state(job_id)

    def _find(self, job_id: str) -> Job:
        if job_id not in self._jobs:
            raise Unknown
        return self._jobs[job_id]

    def _state(self, job: Job) -> JobState:
        position = self._queue.index(job) + 1 if job in self._queue else None
        return JobState(
            id=job.id,
            status=job.status,
            progress=job.progress,
            step=job.step,
            position=position,
            created=job.created,
            error=job.error,
        )

    def _refuse_if_full(self, client: str) -> None:
        if self._closing.is_set():
            raise Full("The app is about to stop.", RESTART)
        theirs = [place for place, job in enumerate(self._queue, 1) if client and job.client == client]
        if len(theirs) >= max(1, self._max_waiting // 4):
            raise Full("Too many jobs of yours are waiting.", theirs[0] * self._seconds)  # the first leaves the queue
        if len(self._queue) >= self._max_waiting:
            raise Full("Too many jobs are waiting.", self._seconds)

    def _enqueue(self, job: Job) -> None:
        self._queue.append(job)
        WAITING.set(len(self._queue))
        self._changed.notify_all()

    def _folder(self, job: Job) -> Path:
        return self._storage.folder / "jobs" / job.id

    def _keep_file(self, job: Job, file: Path) -> str:
        place = self._folder(job) / f"upload{file.suffix}"
        place.parent.mkdir(parents=True)
        shutil.copyfile(file, place)
        return place.name

    def _forget(self, job: Job) -> None:
        with self._changed:
            self._jobs.pop(job.id, None)
        shutil.rmtree(self._folder(job), ignore_errors=True)

    def _record(self, job: Job, status: Status, **more: object) -> dict[str, Any]:
        event = {"status": status, "at": time.time(), **more}
        self._storage.append(job.events, event)
        return event

    # What follows is the worker's.

    def _run(self) -> None:
        self._restore()
        self.restored.set()
        while (job := self._next()) is not None:
            self._do(job)

    def _restore(self) -> None:
        """Find the jobs of earlier runs; those that had not ended are done before new ones."""
        found = [job for job in map(self._read, (self._storage.folder / "jobs").glob("*/")) if job]
        unfinished = sorted((job for job in found if job.ended_at is None), key=lambda job: job.created)
        with self._changed:
            self._jobs.update({job.id: job for job in found})
            self._queue.extendleft(reversed(unfinished))
            WAITING.set(len(self._queue))

    def _read(self, folder: Path) -> Job | None:
        """The job whose files lie in a folder, unless it is one of this run.

        Where its beginning is missing, it had not been accepted, or the app was killed while it deleted it.
        """
        if folder.name in self._jobs:
            return None
        try:
            events = self._events(folder.name)
        except OSError as error:
            log.warning("a job cannot be read: %s", error.strerror)
            return None
        if not events or "created" not in events[0]:
            shutil.rmtree(folder, ignore_errors=True)
            return None
        job = Job(folder.name, datetime.fromisoformat(events[0]["created"]))
        for event in events[1:]:
            job.apply(event)
        return job

    def _events(self, job_id: str) -> list[dict[str, Any]]:
        """The records of a job: its beginning first and its end last, even where the clock was set back meanwhile."""
        events = self._storage.records(f"jobs/{job_id}/events")
        return sorted(events, key=lambda event: ("created" not in event, event["status"] not in ("queued", "running")))

    def _next(self) -> Job | None:
        """Wait for a job, and delete old ones meanwhile. None when the app stops."""
        while True:
            self._forget_old()
            with self._changed:
                if self._closing.is_set():
                    return None
                if self._queue:
                    job = self._queue.popleft()
                    WAITING.set(len(self._queue))
                    return job
                self._changed.wait(min(self._keep, 60))

    def _forget_old(self) -> None:
        latest = time.time() - self._keep
        with self._changed:
            ended = [(job.ended_at, job) for job in self._jobs.values() if job.ended_at is not None]
        ended.sort(key=lambda one: one[0], reverse=True)
        for later, (ended_at, job) in enumerate(ended):
            if later >= self._most_ended or ended_at <= latest:
                self._forget(job)

    def _do(self, job: Job) -> None:
        if job.starts >= MOST_STARTS:
            return self._end(job, "failed", error="The app stopped twice while it worked on this.")
        try:
            self._end(job, "done", result=self._worked(job))
        except Cancelled:
            self._end(job, "cancelled")
        except Interrupted:
            job.apply(self._record(job, "queued"))
        except TimedOut:
            self._end(job, "failed", error=f"It took longer than {self._time_limit:g} seconds.")
        except Unusable as reason:
            self._end(job, "failed", error=str(reason))
        except BaseException as error:  # whatever the work raises, as a panic in Rust, ends that job, not the worker
            what = getattr(error, "strerror", None) or type(error).__name__  # all else may quote the input
            log.error("a job failed: %s\n%s", what, "".join(traceback.format_tb(error.__traceback__)))  # noqa: TRY400
            self._end(job, "failed", error=f"The work failed: {what}. The app's log says where.")

    def _worked(self, job: Job) -> dict[str, Any]:
        submitted = self._events(job.id)[0]
        upload = self._folder(job) / submitted["upload"] if submitted["upload"] else None
        job.apply(self._record(job, "running"))
        began = time.monotonic()
        try:
            return self._work(submitted["params"], upload, Progress(job, self._stopping, self._time_limit))
        finally:
            self._seconds += (time.monotonic() - began - self._seconds) / 3

    def _end(self, job: Job, status: Status, **more: object) -> None:
        try:
            event = self._record(job, status, **more)
        except OSError as error:
            log.exception("the end of a job cannot be kept")
            event = {"status": status, "at": time.time(), **more}
            if status == "done":
                event |= {"status": "failed", "error": f"The result cannot be kept: {error.strerror}."}
            shutil.rmtree(self._folder(job), ignore_errors=True)  # or it would be done again after a restart
        with suppress(OSError):
            for upload in self._folder(job).glob("upload*"):
                upload.unlink()
        with self._changed:
            job.apply(event)
        self._forget_old()
        ENDED.labels(event["status"]).inc()


def current_jobs(request: Request) -> Jobs:
    """The jobs of this app."""
    jobs: Jobs = request.app.state.jobs
    return jobs


CurrentJobs = Annotated[Jobs, Depends(current_jobs)]

router = APIRouter(tags=["jobs"])


def missing(jobs: Jobs) -> HTTPException:
    """What to answer for an id that is not known."""
    if jobs.restored.is_set():
        return HTTPException(404, LOST)
    return HTTPException(503, "What was kept before the restart is being read.", {"Retry-After": "2"})


def result_of(jobs: CurrentJobs, job_id: str) -> dict[str, Any]:
    """The result of a job, or the answer that there is none, or none yet."""
    try:
        return jobs.result(job_id)
    except Unknown as error:
        raise missing(jobs) from error
    except NotDone as error:
        raise HTTPException(409, str(error)) from error


JobResult = Annotated[dict[str, Any], Depends(result_of)]


@router.get("/jobs/{job_id}", responses=problems(404, 503))
async def job_state(
    jobs: CurrentJobs, job_id: str, wait: Annotated[float, Query(ge=0, le=LONGEST_WAIT, description="Seconds")] = 0
) -> JobState:
    """How far a job is; with `wait`, as soon as it has ended, or after so many seconds."""
    try:
        return await jobs.wait(job_id, wait)
    except Unknown as error:
        raise missing(jobs) from error


@router.delete("/jobs/{job_id}", responses=problems(404, 503))
def cancel_job(jobs: CurrentJobs, job_id: str) -> JobState:
    """Cancel a job that waits or runs; nothing happens to one that has ended."""
    try:
        return jobs.cancel(job_id)
    except Unknown as error:
        raise missing(jobs) from error
