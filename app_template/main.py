"""Sentiment of a text: a JSON API, and a page for people."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field, StringConstraints

from models import choose
from serving import feedback, operations
from serving.batching import Batcher, Full
from serving.loading import Loaded, Loader
from serving.problems import problems
from serving.settings import Settings, whole
from serving.storage import open_storage
from serving.web import client_of, protect

MAX_CHARACTERS = 5000
MAX_BODY = 64 * 1024  # bytes: as JSON, a character can take twelve

router = APIRouter()


class Text(BaseModel):
    """What to analyze."""

    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_CHARACTERS)] = Field(
        examples=["I love this place!"]
    )


class Sentiment(BaseModel):
    """The most likely label, as a transformers pipeline would give it."""

    label: str = Field(description="POSITIVE, NEGATIVE or NEUTRAL; a model of yours may have others")
    score: float = Field(ge=0, le=1, description="How sure the model is of the label")
    backend: str = Field(description="The model that answered")


@router.post("/analyze", responses=problems(503))
async def analyze(body: Text, model: Loaded, request: Request) -> Sentiment:
    """Label one text of 1 to 5,000 characters."""
    try:
        prediction = await request.app.state.batcher.submit(body.text, client_of(request.scope))
    except Full as full:
        raise HTTPException(503, str(full), {"Retry-After": str(full.retry_after)}) from full
    return Sentiment(label=prediction.label, score=prediction.score, backend=model.name)


def create_app(environ: Mapping[str, str] = os.environ) -> FastAPI:
    """The app as the environment wants it. Nothing is loaded and nothing written until it starts."""
    settings = Settings.from_environ(environ)
    max_batch = whole(environ, "MAX_BATCH", 32, least=1)
    max_waiting = whole(environ, "MAX_WAITING", 256, least=1)
    model = choose(environ)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        """Load the model while the port is already open; in the end, answer whoever waits."""
        app.state.storage = open_storage(environ)
        app.state.opinions = feedback.Opinions(app.state.storage)
        app.state.loader.start()
        await app.state.batcher.start()
        yield
        await app.state.batcher.close()
        app.state.storage.close()

    app = FastAPI(
        title="Sentiment",
        description="Is a text positive, negative or neutral?",
        lifespan=lifespan,
        docs_url=None,  # FastAPI's own page fetches its script from a CDN; ours is static/docs.html
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # else each request looks for them
    )
    app.state.loader = Loader(model)
    app.state.batcher = Batcher(model.predict, max_batch=max_batch, max_waiting=max_waiting)
    for part in (router, feedback.router, operations.router):
        app.include_router(part)
    app.mount("/static", StaticFiles(directory=operations.STATIC), name="static")
    protect(app, settings, max_body=MAX_BODY)
    return app


app = create_app()
