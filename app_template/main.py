"""Sentiment of a text: a JSON API, and a page for people."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Literal

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field, StringConstraints

from models import Loader, Model, choose

STATIC = Path(__file__).parent / "static"
RETRY_AFTER = {"Retry-After": "2"}  # seconds


class Text(BaseModel):
    """What to analyze."""

    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=5000)] = Field(
        examples=["I love this place!"]
    )


class Sentiment(BaseModel):
    """The most likely label, as a transformers pipeline would give it."""

    label: str = Field(description="POSITIVE, NEGATIVE or NEUTRAL; a model of yours may have others")
    score: float = Field(ge=0, le=1, description="How sure the model is of the label")
    backend: str = Field(description="The model that answered")


class Health(BaseModel):
    """The process answers; the model may still be loading."""

    status: Literal["alive"]
    backend: str


class Readiness(BaseModel):
    """Whether the model is loaded, and if it failed to load, why."""

    status: Literal["loading", "ready", "failed"]
    backend: str
    reason: str | None = None


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Load the model in the background while the port is already open."""
    set_up_logging()
    app.state.loader = Loader(choose(os.environ))
    app.state.loader.start()
    yield


def set_up_logging() -> None:
    """One level for the app and the server; no query strings, because people put texts into them."""
    level = os.environ.get("LOG_LEVEL", "info").upper()
    logging.basicConfig(level=level, format="%(levelname)s:     %(message)s")
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).setLevel(level)
    logging.getLogger("uvicorn.access").addFilter(without_query)


def without_query(record: logging.LogRecord) -> bool:
    """Cut the query off the path in one of uvicorn's access lines."""
    client, method, path, *rest = record.args
    record.args = (client, method, path.partition("?")[0], *rest)
    return True


def current_loader(request: Request) -> Loader:
    """The loader that this app started."""
    return request.app.state.loader


def loaded_model(loader: Annotated[Loader, Depends(current_loader)]) -> Model:
    """The model, or the answer 503 while there is none."""
    if loader.status == "loading":
        raise HTTPException(503, "The model is still loading. Try again in a moment.", RETRY_AFTER)
    if loader.status == "failed":
        raise HTTPException(503, f"The model could not be loaded. {loader.reason}")
    return loader.model


app = FastAPI(
    title="Sentiment",
    description="Is a text positive, negative or neutral?",
    lifespan=lifespan,
    docs_url=None,  # FastAPI's own page fetches its script from a CDN; ours is static/docs.html
    redoc_url=None,
)
app.mount("/static", StaticFiles(directory=STATIC), name="static")


@app.exception_handler(RequestValidationError)
async def refuse(_request: Request, error: RequestValidationError) -> JSONResponse:
    """Say what is wrong without repeating the input, which may be long, private, or not even valid Unicode."""
    detail = [{key: problem[key] for key in ("type", "loc", "msg")} for problem in error.errors()]
    return JSONResponse({"detail": detail}, status_code=422)


@app.post("/analyze", responses={503: {"description": "The model is not loaded"}})
def analyze(body: Text, model: Annotated[Model, Depends(loaded_model)]) -> Sentiment:
    """Label one text of 1 to 5,000 characters."""
    prediction = model.classify(body.text)
    return Sentiment(label=prediction.label, score=prediction.score, backend=model.name)


@app.get("/health")
async def health(loader: Annotated[Loader, Depends(current_loader)]) -> Health:
    """Whether the process is alive."""
    return Health(status="alive", backend=loader.model.name)


@app.get(
    "/ready",
    response_model_exclude_none=True,
    responses={503: {"model": Readiness, "description": "Loading, or failed to load"}},
)
async def ready(loader: Annotated[Loader, Depends(current_loader)], response: Response) -> Readiness:
    """Whether texts can be analyzed."""
    if loader.status != "ready":
        response.status_code = 503
        response.headers.update(RETRY_AFTER)
    return Readiness(status=loader.status, backend=loader.model.name, reason=loader.reason)


@app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
async def page() -> FileResponse:
    """The page for people."""
    return FileResponse(STATIC / "index.html")


@app.api_route("/docs", methods=["GET", "HEAD"], include_in_schema=False)
async def docs() -> FileResponse:
    """The API, read from /openapi.json."""
    return FileResponse(STATIC / "docs.html")
