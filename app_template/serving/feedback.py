"""Whether people found an answer right: the examples that the next model can learn from."""

from __future__ import annotations

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


class Opinions(BaseModel):
    """How many found an answer right, how many wrong, and for how long that is remembered."""

    right: int
    wrong: int
    kept: str


def current_storage(request: Request) -> Storage:
    """The storage of this app."""
    storage: Storage = request.app.state.storage
    return storage


CurrentStorage = Annotated[Storage, Depends(current_storage)]


@router.post("/feedback", status_code=201, responses=problems(507))
def give(opinion: Opinion, storage: CurrentStorage, loader: CurrentLoader) -> Opinion:
    """Keep an opinion, with the time and the model that had answered."""
    when = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        storage.append(NAME, {"at": when, "backend": loader.model.name, **opinion.model_dump()})
    except OSError as error:
        raise HTTPException(507, f"This cannot be kept: {error.strerror}.") from error
    return opinion


@router.get("/feedback", responses=problems())
def tally(storage: CurrentStorage) -> Opinions:
    """Count the opinions."""
    count = Counter(record["right"] for record in storage.records(NAME))
    return Opinions(right=count[True], wrong=count[False], kept=storage.message)
