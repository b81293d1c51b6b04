"""The sentiment of a text by several models: what each says, and what they say together. One text, or a thousand."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Literal

from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field, StringConstraints

from bulk import Bulk, as_json, table
from models import choose
from opinions import NoOpinion
from serving import operations
from serving.batching import Batcher, Full
from serving.jobs import CurrentJobs, JobResult, Jobs, JobState
from serving.jobs import Full as FullOfJobs
from serving.jobs import router as jobs_router
from serving.loading import CurrentLoader, Loaded, Loader
from serving.problems import problems
from serving.settings import Settings, whole
from serving.storage import open_storage
from serving.web import client_of, protect

MAX_CHARACTERS = 5000
MAX_TEXTS = 1000
MAX_BODY = 8_000_000  # bytes, of all texts of a job; of the longest, in some scripts, fewer than MAX_TEXTS fit
JOB_SECONDS = 900

Label = Literal["NEGATIVE", "NEUTRAL", "POSITIVE"]
TextToJudge = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_CHARACTERS)]

router = APIRouter()


class Text(BaseModel):
    """What to analyze."""

    text: TextToJudge = Field(examples=["The food was great, but we waited for an hour."])


class Texts(BaseModel):
    """What to analyze in one job."""

    texts: list[TextToJudge] = Field(min_length=1, max_length=MAX_TEXTS, examples=[["Great!", "Never again."]])


class Probabilities(BaseModel):
    """How likely each label is; together they are 1."""

    NEGATIVE: float
    NEUTRAL: float
    POSITIVE: float


class Opinion(BaseModel):
    """What one of the models says, or why it says nothing."""

    model: str
    weight: float = Field(description="How much it counts")
    label: Label | None
    score: float | None = Field(description="How likely it finds the label")
    probabilities: Probabilities | None
    milliseconds: float | None = Field(description="What it took; of texts that were answered together, the mean")
    error: str | None


class Verdict(BaseModel):
    """What the models say together."""

    label: Label
    score: float = Field(ge=0, le=1, description="The weighted mean of how likely they find the label")
    probabilities: Probabilities
    agreement: float = Field(ge=0, le=1, description="The share, by weight, that finds this label the most likely")
    opinions: list[Opinion]


class Answer(Verdict):
    """What the models say together of one text."""

    backend: str = Field(description="The models that were asked")


class Row(BaseModel):
    """One text of a job."""

    text: str
    verdict: Verdict | None
    error: str | None = Field(description="Why there is no verdict")


class Summary(BaseModel):
    """All texts of a job at a glance."""

    labels: dict[Label, int]
    unanswered: int
    agreement: float | None = Field(description="The mean over the texts")


class Results(BaseModel):
    """What the models say of the texts of a job, in their order."""

    summary: Summary
    rows: list[Row]


class Member(BaseModel):
    """One of the models."""

    model: str
    weight: float
    device: str
    error: str | None = Field(description="Why it is not asked")


@router.post("/analyze", responses=problems(503))
async def analyze(body: Text, model: Loaded, request: Request) -> Answer:
    """Ask all models about one text of 1 to 5,000 characters."""
    try:
        verdict = await request.app.state.batcher.submit(body.text, client_of(request.scope))
    except Full as full:
        raise HTTPException(503, str(full), {"Retry-After": str(full.retry_after)}) from full
    except NoOpinion as error:
        raise HTTPException(503, str(error)) from error
    return Answer(backend=model.name, **as_json(verdict))


@router.get("/models", responses=problems())
async def members(loader: CurrentLoader) -> list[Member]:
    """The models that are asked, and what each counts."""
    ensemble = loader.model
    return [
        Member(model=one.name, weight=weight, device=one.device, error=ensemble.broken.get(one.name))
        for one, weight in ensemble.members
    ]


@router.post("/jobs", status_code=202, responses=problems(503, 507), tags=["jobs"])
def submit(body: Texts, _model: Loaded, jobs: CurrentJobs, request: Request, response: Response) -> JobState:
    """Take up to 1,000 texts, of 5,000 characters each and 8 MB in all. They are answered between other people's."""
    try:
        state = jobs.submit(body.model_dump(), client=client_of(request.scope))
    except FullOfJobs as full:
        raise HTTPException(503, str(full), {"Retry-After": str(full.retry_after)}) from full
    response.headers["Location"] = f"jobs/{state.id}"
    return state


@router.get("/jobs/{job_id}/result", responses=problems(404, 409, 503), tags=["jobs"])
def result(found: JobResult) -> Results:
    """What the models say of each text."""
    return Results.model_validate(found)


@router.get("/jobs/{job_id}/result.csv", responses=problems(404, 409, 503), response_class=Response, tags=["jobs"])
def result_as_table(found: JobResult) -> Response:
    """The same for a spreadsheet: a line for each text, with the label that each model gives it."""
    headers = {"Content-Disposition": 'attachment; filename="sentiment.csv"'}
    return Response(table(found["rows"]), headers=headers, media_type="text/csv; charset=utf-8")


def create_app(environ: Mapping[str, str] = os.environ) -> FastAPI:
    """The app as the environment wants it. Nothing is loaded and nothing written until it starts."""
    settings = Settings.from_environ(environ)
    max_batch = whole(environ, "MAX_BATCH", 32, least=1)
    max_waiting = whole(environ, "MAX_WAITING", 256, least=1)
    ensemble = choose(environ)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        """Load the models while the port is already open; in the end, answer whoever waits."""
        state = app.state
        state.storage = open_storage(environ)
        bulk = Bulk(state.loader, state.batcher, asyncio.get_running_loop())
        state.jobs = Jobs(bulk, state.storage, time_limit=JOB_SECONDS)
        state.loader.start()
        await state.batcher.start()
        state.jobs.start()
        yield
        await run_in_threadpool(state.jobs.close)
        await state.batcher.close()
        state.storage.close()

    app = FastAPI(
        title="Ensemble",
        description="Is a text positive, negative or neutral? Several models say, and one answer is made of it.",
        lifespan=lifespan,
        docs_url=None,  # FastAPI's own page fetches its script from a CDN; ours is static/docs.html
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # else each request looks for them
    )
    app.state.loader = Loader(ensemble)
    app.state.batcher = Batcher(ensemble.answer, max_batch=max_batch, max_waiting=max_waiting)
    for part in (router, jobs_router, operations.router):
        app.include_router(part)
    app.mount("/static", StaticFiles(directory=operations.STATIC), name="static")
    protect(app, settings, max_body=MAX_BODY)
    return app


app = create_app()
