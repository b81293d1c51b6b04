"""What the tests of jobs share: a storage that lasts, and jobs that end with their test."""

from __future__ import annotations

import pytest

from serving.jobs import Jobs
from serving.storage import open_storage


class Kept:
    """A storage that outlives its app."""

    persistent = True

    def __init__(self):
        self._storage = open_storage({})
        self.folder, self.remove = self._storage.folder, self._storage.close
        self.append, self.records = self._storage.append, self._storage.records


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
