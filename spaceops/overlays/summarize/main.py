"""Summaries of long documents: a JSON API in which each is a job, and a page for people."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from fastapi.staticfiles import StaticFiles
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from starlette.datastructures import FormData, UploadFile

from document import take_apart
from extractive import key_phrases
from formats import KINDS
from models import Model, Size, choose
from reading import read
from serving import jobs, operations
from serving.jobs import CurrentJobs, Full, JobResult, Jobs, JobState, Progress, Unusable, wait_for_model
from serving.loading import Loaded, Loader
from serving.problems import problems
from serving.settings import Settings
from serving.storage import open_storage
from serving.web import client_of, protect
from words import WORD

MOST_CHARACTERS = 2_000_000  # three novels
MAX_BODY = 25 * 1024 * 1024  # bytes: a PDF has pictures, too
TIME_LIMIT = 900  # seconds for one job

router = APIRouter(tags=["summaries"])


class Wanted(BaseModel):
    """How long the summary should be: 5 sentences unless something is said."""

    model_config = ConfigDict(extra="forbid")

    sentences: int | None = Field(default=None, ge=1, le=50, description="At most so many sentences")
    words: int | None = Field(default=None, ge=10, le=2000, description="Or at most so many words")

    @model_validator(mode="after")
    def _one_of_them(self) -> Wanted:
        if self.sentences and self.words:
            raise PydanticCustomError("both", "say how many sentences or how many words, not both")
        return self


def with_words(text: str) -> str:
    """The text, if there is something to summarize in it."""
    if not WORD.search(text):
        raise PydanticCustomError("words", "there are no words in it")
    return text


class Text(Wanted):
    """A text to summarize."""

    text: Annotated[str, StringConstraints(max_length=MOST_CHARACTERS), AfterValidator(with_words)] = Field(
        examples=["The harbour was busy. Ships came and went. By noon the fog had lifted, and the ferry left on time."],
        json_schema_extra={"pattern": r"[^\W_]"},
    )


class Source(BaseModel):
    """A sentence of the text that the summary is made of."""

    text: str
    start: int = Field(description="Where it begins in the text, in characters (code points)")
    end: int


class Summary(BaseModel):
    """A summary."""

    summary: str
    sentences: list[Source] = Field(description="What it is made of; empty if the model uses words of its own")
    phrases: list[str] = Field(description="What the text keeps coming back to")
    words: int = Field(description="In the summary")
    words_before: int = Field(description="In the text")
    compression: float = Field(description="The one divided by the other")
    seconds: float
    backend: str = Field(description="The model that answered")


class Submission(BaseModel):
    """What was sent: a text, or a file in its place."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    params: dict[str, Any]
    file: UploadFile | None = None


async def submission(request: Request) -> AsyncIterator[Submission]:
    """Read JSON with a text, or a form with a file."""
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        try:
            async with request.form(max_files=1, max_fields=4) as form:
                yield form_of(form)
        except UnicodeError as error:
            raise HTTPException(400, "The form is not in the charset that it names.") from error
    else:
        yield Submission(params=checked(Text, await request.body()))


def form_of(form: FormData) -> Submission:
    """A form with the field `file`, and perhaps `sentences` or `words`."""
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise RequestValidationError([{"loc": ("body", "file"), "msg": "a file is needed", "type": "missing"}])
    if suffix_of(file) not in KINDS:
        raise HTTPException(415, f"Files may end in {', '.join(KINDS)}.")
    fields = json.dumps({name: value for name, value in form.items() if value and name != "file"})
    return Submission(params=checked(Wanted, fields.encode()), file=file)


def suffix_of(file: UploadFile) -> str:
    """The ending of a file's name, which tells what is in it."""
    return Path(file.filename or "").suffix.lower()


def checked(model: type[Wanted], body: bytes) -> dict[str, Any]:
    """The fields of a body in JSON."""
    try:
        return model.model_validate_json(body).model_dump(exclude_none=True)
    except ValidationError as error:
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in error.errors()]) from error


BODY = {
    "required": True,
    "content": {
        "application/json": {"schema": Text.model_json_schema()},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {
                    "file": {"type": "string", "format": "binary", "description": f"One of {', '.join(KINDS)}"},
                    **Wanted.model_json_schema()["properties"],
                },
            }
        },
    },
}


@router.post("/jobs", status_code=202, responses=problems(415, 503, 507), openapi_extra={"requestBody": BODY})
def submit(
    sent: Annotated[Submission, Depends(submission)], jobs: CurrentJobs, _: Loaded, request: Request, response: Response
) -> JobState:
    """Take a text of up to 2,000,000 characters, or a file, to be summarized. Ask /jobs/{id} how far that is."""
    try:
        state = submit_to(jobs, sent, client_of(request.scope))
    except Full as full:
        raise HTTPException(503, str(full), {"Retry-After": str(full.retry_after)}) from full
    response.headers["Location"] = f"jobs/{state.id}"
    return state


def submit_to(jobs: Jobs, sent: Submission, client: str) -> JobState:
    """Hand on what was sent, a file as one on the disk."""
    if sent.file is None:
        return jobs.submit(sent.params, client=client)
    with tempfile.NamedTemporaryFile(suffix=suffix_of(sent.file)) as copy:
        shutil.copyfileobj(sent.file.file, copy)
        copy.flush()
        return jobs.submit(sent.params, Path(copy.name), client)


@router.get("/jobs/{job_id}/result", responses=problems(404, 409, 503))
def result(found: JobResult) -> Summary:
    """The summary, once the job is done."""
    return Summary(**found["summary"])


@router.get("/jobs/{job_id}/text", responses=problems(404, 409, 503), response_class=PlainTextResponse)
def text(found: JobResult) -> str:
    """The text that was summarized, as it was read from the file: what the places of the sentences refer to."""
    return str(found["text"])


def work(loader: Loader, model: Model, params: dict[str, Any], file: Path | None, progress: Progress) -> dict[str, Any]:
    """Summarize: this is the job."""
    wait_for_model(loader, progress)
    began = time.monotonic()
    text = read(file, MOST_CHARACTERS, progress) if file else params["text"]
    document = take_apart(text)
    if not document.sentences:
        raise Unusable("There are no sentences in it.")
    size = Size(params.get("sentences", None if "words" in params else 5), params.get("words"))
    made = model.summarize(document, size, progress)
    if not made.text:
        raise Unusable("The model has written nothing.")
    chosen = [document.sentences[place] for place in made.chosen]
    words, words_before = len(WORD.findall(made.text)), len(WORD.findall(text))
    summary = Summary(
        summary=made.text,
        sentences=[Source(text=one.text, start=one.start, end=one.end) for one in chosen],
        phrases=key_phrases(document, progress),
        words=words,
        words_before=words_before,
        compression=round(words / max(1, words_before), 4),
        seconds=round(time.monotonic() - began, 3),
        backend=model.name,
    )
    return {"summary": summary.model_dump(), "text": text}


def create_app(environ: Mapping[str, str] = os.environ) -> FastAPI:
    """The app as the environment wants it. Nothing is loaded and nothing written until it starts."""
    settings = Settings.from_environ(environ)
    model = choose(environ)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        """Load the model while the port is already open; in the end, let the job that runs come to its end."""
        app.state.storage = open_storage(environ)
        app.state.jobs = Jobs(partial(work, app.state.loader, model), app.state.storage, time_limit=TIME_LIMIT)
        app.state.loader.start()
        app.state.jobs.start()
        yield
        await asyncio.to_thread(app.state.jobs.close)
        await asyncio.to_thread(app.state.storage.close)

    app = FastAPI(
        title="Summaries",
        description="The essence of a long document",
        lifespan=lifespan,
        docs_url=None,  # FastAPI's own page fetches its script from a CDN; ours is static/docs.html
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # else each request looks for them
    )
    app.state.loader = Loader(model)
    for part in (router, jobs.router, operations.router):
        app.include_router(part)
    app.mount("/static", StaticFiles(directory=operations.STATIC), name="static")
    protect(app, settings, max_body=MAX_BODY)
    return app


app = create_app()
