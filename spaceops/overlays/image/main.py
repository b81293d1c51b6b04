"""What is in a picture: a JSON API, and a page for people."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field
from starlette.datastructures import UploadFile

from images import MAX_BYTES, Damaged, NotAPicture, TooLarge, decode
from inference.preprocessing import Preprocessing
from models import Model, choose
from serving import feedback, operations
from serving.batching import Batcher, Full
from serving.loading import Loader, loaded_model
from serving.problems import problems
from serving.settings import Settings, whole
from serving.storage import open_storage
from serving.web import client_of, protect
from turns import Turns

STATUS = {NotAPicture: 415, TooLarge: 413, Damaged: 422}
PICTURE = {"type": "string", "format": "binary", "description": "JPEG, PNG, WebP, GIF or BMP, 10 MiB at most"}
BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {"type": "object", "required": ["file"], "properties": {"file": PICTURE}},
        },
        "image/*": {"schema": PICTURE},
    },
}

router = APIRouter()


class Label(BaseModel):
    """One thing that the picture may show."""

    label: str
    score: float = Field(ge=0, le=1, description="How sure the model is of it")


class Classification(BaseModel):
    """What the picture shows, most likely first."""

    labels: list[Label]
    width: int = Field(description="Pixels, upright")
    height: int
    sha256: str = Field(description="Of the bytes that were sent, by which the picture can be named: it is not kept")
    milliseconds: float = Field(description="From the last byte of the picture to the answer")
    backend: str = Field(description="The model that answered")


@router.post("/classify", responses=problems(415, 503), openapi_extra={"requestBody": BODY})
async def classify(
    request: Request,
    model: Annotated[Model, Depends(loaded_model)],
    top: Annotated[int, Query(ge=1, le=20, description="How many labels")] = 5,
) -> Classification:
    """Name what a picture shows. Send it as the field `file` of a form, or as the whole body."""
    data = await picture_in(request)
    began = time.perf_counter()
    try:
        pixels, width, height = await prepared(request, model.preprocessing, data)
        probabilities = await answered(request, pixels)
    except Full as full:
        raise HTTPException(503, str(full), {"Retry-After": str(full.retry_after)}) from full
    return Classification(
        labels=best(probabilities, model.labels, top),
        width=width,
        height=height,
        sha256=hashlib.sha256(data).hexdigest(),
        milliseconds=round((time.perf_counter() - began) * 1000, 1),
        backend=model.name,
    )


async def picture_in(request: Request) -> bytes:
    """The bytes of the picture. What the client calls it, or says that it is, does not matter."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return await request.body()
    try:
        async with request.form(max_files=1, max_fields=10, max_part_size=1024) as form:  # removes its file at the end
            upload = form.get("file")
            if not isinstance(upload, UploadFile):
                raise HTTPException(422, "The form has no picture in a field named file.")
            return await upload.read()
    except UnicodeError as error:
        raise HTTPException(400, "The form is not in the charset that it names.") from error


async def prepared(request: Request, preprocessing: Preprocessing, data: bytes) -> tuple[np.ndarray, int, int]:
    """What the model looks at, and the picture's width and height. Raises `Full`."""

    def decoded() -> tuple[np.ndarray, int, int]:
        image, width, height = decode(data, preprocessing.side)
        return preprocessing.pixels(image), width, height

    try:
        return await request.app.state.turns.take(decoded, client_of(request.scope))
    except (NotAPicture, TooLarge, Damaged) as error:
        raise HTTPException(STATUS[type(error)], str(error)) from error


async def answered(request: Request, pixels: np.ndarray) -> np.ndarray:
    """How likely the model finds each of its labels. Raises `Full`."""
    probabilities: np.ndarray = await request.app.state.batcher.submit(pixels, client_of(request.scope))
    return probabilities


def best(probabilities: np.ndarray, labels: list[str], top: int) -> list[Label]:
    """The `top` most likely labels."""
    order = np.argsort(-probabilities, kind="stable")[:top]
    return [Label(label=labels[index], score=round(float(probabilities[index]), 4)) for index in order]


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
        title="Pictures",
        description="What is in a picture?",
        lifespan=lifespan,
        docs_url=None,  # FastAPI's own page fetches its script from a CDN; ours is static/docs.html
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # else each request looks for them
    )
    app.state.loader = Loader(model)
    app.state.turns = Turns(max_waiting)
    app.state.batcher = Batcher(model.predict, max_batch=max_batch, max_waiting=max_waiting)
    for part in (router, feedback.router, operations.router):
        app.include_router(part)
    app.mount("/static", StaticFiles(directory=operations.STATIC), name="static")
    protect(app, settings, max_body=MAX_BYTES)
    return app


app = create_app()
