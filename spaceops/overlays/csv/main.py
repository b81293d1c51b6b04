"""From a CSV file to a report of what is in it: an API of jobs, and a page for people."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, File, HTTPException, Request, Response, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from models import Model, choose
from serving import operations
from serving.jobs import CurrentJobs, Full, JobResult, Jobs, JobState, Progress, Unusable, Work, wait_for_model
from serving.jobs import router as jobs_router
from serving.loading import Loaded, Loader
from serving.problems import problems
from serving.settings import Settings
from serving.storage import open_storage
from serving.web import client_of, protect
from tables import report
from tables.analysis import Report, analyze
from tables.reading import HEAD, refuse_other_files

MAX_FILE = 50_000_000  # bytes
MAX_BODY = MAX_FILE + 10_000  # with what a form puts around the file
TIME_LIMIT = 300  # seconds for one file

router = APIRouter(tags=["jobs"])

Upload = Annotated[UploadFile, File(description="CSV or TSV, up to 50 MB, plain or as .gz")]


@router.post("/jobs", status_code=202, responses=problems(503, 507))
def submit(file: Upload, _model: Loaded, jobs: CurrentJobs, request: Request, response: Response) -> JobState:
    """Submit a file. What it holds is told under the job's id."""
    name = Path(file.filename or "").name[:100].encode(errors="replace").decode() or "table.csv"
    try:
        refuse_other_files(file.file.read(HEAD))
        file.file.seek(0)
        with tempfile.NamedTemporaryFile() as copy:
            shutil.copyfileobj(file.file, copy)
            copy.flush()
            state = jobs.submit({"name": name}, Path(copy.name), client_of(request.scope))
    except Unusable as error:
        raise HTTPException(422, str(error)) from error
    except Full as full:
        raise HTTPException(503, str(full), {"Retry-After": str(full.retry_after)}) from full
    response.headers["Location"] = f"jobs/{state.id}"
    return state


def report_of(found: JobResult) -> Report:
    """The result of a job as what it was made from."""
    return Report.model_validate(found)


Finished = Annotated[Report, Depends(report_of)]


@router.get("/jobs/{job_id}/result", responses=problems(404, 409, 503))
def result(found: Finished) -> Report:
    """All that was found out about a file."""
    return found


@router.get("/jobs/{job_id}/report.html", responses=problems(404, 409, 503), response_class=HTMLResponse)
def report_as_page(found: Finished) -> HTMLResponse:
    """The same as a page with plots, to keep: it needs nothing beside it."""
    return HTMLResponse(report.page(found), headers={"Content-Disposition": 'attachment; filename="report.html"'})


@router.get("/jobs/{job_id}/columns.csv", responses=problems(404, 409, 503), response_class=Response)
def report_as_table(found: Finished) -> Response:
    """The columns and their statistics as CSV, for a spreadsheet."""
    headers = {"Content-Disposition": 'attachment; filename="columns.csv"'}
    return Response(report.table(found), headers=headers, media_type="text/csv; charset=utf-8")


def work_with(model: Model, loader: Loader) -> Work:
    """What a job does."""

    def work(params: dict[str, Any], file: Path | None, progress: Progress) -> dict[str, Any]:
        assert file  # noqa: S101  there is no job without one
        wait_for_model(loader, progress)
        return analyze(file, params["name"], model, progress).model_dump(mode="json")

    return work


def create_app(environ: Mapping[str, str] = os.environ) -> FastAPI:
    """The app as the environment wants it. Nothing is loaded and nothing written until it starts."""
    settings = Settings.from_environ(environ)
    model = choose(environ)
    loader = Loader(model)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        """Load the model while the port is already open; in the end, let the running job come to its end."""
        app.state.storage = open_storage(environ)
        app.state.jobs = Jobs(work_with(model, loader), app.state.storage, time_limit=TIME_LIMIT)
        loader.start()
        app.state.jobs.start()
        yield
        await run_in_threadpool(app.state.jobs.close)
        app.state.storage.close()

    app = FastAPI(
        title="Tables",
        description="What is in a CSV file, and what stands out?",
        lifespan=lifespan,
        docs_url=None,  # FastAPI's own page fetches its script from a CDN; ours is static/docs.html
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # else each request looks for them
    )
    app.state.loader = loader
    for part in (router, jobs_router, operations.router):
        app.include_router(part)
    app.mount("/static", StaticFiles(directory=operations.STATIC), name="static")
    protect(app, settings, max_body=MAX_BODY)
    return app


app = create_app()
