"""Whether people found an answer right: the examples that the next model can learn from."""

from __future__ import annotations

import errno
import threading
from collections import Counter
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, Field, StrictBool, StringConstraints

from serving.loading import CurrentLoader
from serving.problems import problems
from serving.storage import Storage

NAME = "feedback"  # of the records in the storage

Text = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]

router = APIRouter(tags=["feedback"])


class Opinion(BaseModel):
    """What was asked and answered, and what somebody thinks of it. It is kept as it is sent."""

    input: Text = Field(examples=["I love this place!"])
    answer: Text = Field(examples=["POSITIVE"])
    right: StrictBool


class Tally(BaseModel):
    """How many found an answer right, how many wrong, and for how long that is remembered."""

    right: int
    wrong: int
    kept: str


class Opinions:
    """All opinions in a storage. They are read only once, to be counted; what comes later is added to the count.

    Anybody may send some, but in one run of the app not more than `most` characters, so that nobody fills the disk.
    """

    def __init__(self, storage: Storage, most: int = 20_000_000) -> None:
        self._storage, self._free = storage, most
        self._count: Counter[bool] | None = None  # until somebody asks
        self._one_at_a_time = threading.Lock()

    def add(self, opinion: Opinion, backend: str) -> None:
        """Keep an opinion, with the time and the model that had answered. Raises OSError."""
        when = datetime.now(UTC).isoformat(timespec="seconds")
        size = len(opinion.input) + len(opinion.answer) + 100
        with self._one_at_a_time:
            if size > self._free:
                raise OSError(errno.ENOSPC, "More was sent already than can be kept")
            self._storage.append(NAME, {"at": when, "backend": backend, **opinion.model_dump()})
            self._free -= size
            if self._count is not None:
                self._count[opinion.right] += 1

    def tally(self) -> Tally:
        """Count them."""
        with self._one_at_a_time:
            if self._count is None:
                self._count = Counter(record["right"] for record in self._storage.records(NAME))
            return Tally(right=self._count[True], wrong=self._count[False], kept=self._storage.message)


def current_opinions(request: Request) -> Opinions:
    """The opinions on this app's answers."""
    opinions: Opinions = request.app.state.opinions
    return opinions


CurrentOpinions = Annotated[Opinions, Depends(current_opinions)]


@router.post("/feedback", status_code=201, responses=problems(503, 507))
def give_feedback(opinion: Opinion, opinions: CurrentOpinions, loader: CurrentLoader) -> Opinion:
    """Keep an opinion on an answer, with the time and the model that had answered."""
    try:
        opinions.add(opinion, loader.model.name)
    except OSError as error:
        raise HTTPException(507, f"This cannot be kept: {error.strerror}.") from error
    return opinion


@router.get("/feedback", responses=problems())
def count_feedback(opinions: CurrentOpinions) -> Tally:
    """Count who found the answers right, and who wrong."""
    return opinions.tally()
