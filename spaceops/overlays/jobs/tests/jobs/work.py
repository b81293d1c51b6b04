"""Work for jobs to do, and how to wait for its end."""

from __future__ import annotations

import asyncio
import threading


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


def add(params, _file, progress):
    progress(0.5, "adding")
    return {"sum": params["a"] + params["b"]}


def ended(jobs, job):
    state = asyncio.run(jobs.wait(job.id, 10))
    assert state.status not in ("queued", "running"), state
    return state
