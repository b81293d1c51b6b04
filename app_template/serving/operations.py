"""What those ask who run the app: does it live, is it ready, which version is it, how is it doing. And the pages."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from serving.loading import RETRY_AFTER, CurrentLoader
from serving.metrics import REGISTRY
from serving.problems import problems

APP = Path(__file__).parents[1]
STATIC = APP / "static"

router = APIRouter()


class Kept(BaseModel):
    """Whether what the app stores outlives a restart."""

    persistent: bool
    message: str


class Health(BaseModel):
    """The process answers; the model may still be loading."""

    status: Literal["alive"]
    backend: str = Field(description="The model that answers")
    device: str = Field(description="Where it runs: cpu or cuda")
    storage: Kept


class Readiness(BaseModel):
    """Whether the model is loaded, and if it failed to load, why."""

    status: Literal["loading", "ready", "failed"]
    backend: str
    reason: str | None = None


class ModelVersion(BaseModel):
    """The model that answers."""

    name: str
    device: str


class Version(BaseModel):
    """What runs here."""

    commit: str | None = Field(description="The commit that was built, where the build was told")
    built: str | None = Field(description="When the image was built, where the build was told")
    files: str = Field(description="A hash of the app's own files: the same files, the same hash")
    model: ModelVersion | None = Field(description="null until it is loaded")
    prepared: list[dict[str, Any]] = Field(description="What the build noted of each model that it made ready")


@router.get("/health")
async def health(loader: CurrentLoader, request: Request) -> Health:
    """Whether the process is alive."""
    storage = request.app.state.storage
    kept = Kept(persistent=storage.persistent, message=storage.message)
    return Health(status="alive", backend=loader.model.name, device=loader.model.device, storage=kept)


@router.get(
    "/ready",
    response_model_exclude_none=True,
    responses={503: {"model": Readiness, "description": "Loading, or failed to load"}},
)
async def ready(loader: CurrentLoader, response: Response) -> Readiness:
    """Whether the model is loaded; a deploy waits for this."""
    if loader.status != "ready":
        response.status_code = 503
        response.headers.update(RETRY_AFTER)
    return Readiness(status=loader.status, backend=loader.model.name, reason=loader.reason)


@router.get("/version", responses=problems())
async def version(loader: CurrentLoader) -> Version:
    """Which code and which model answer."""
    model = ModelVersion(name=loader.model.name, device=loader.model.device) if loader.status == "ready" else None
    return Version(commit=COMMIT, built=BUILT, files=FILES, model=model, prepared=PREPARED)


@router.get("/metrics", responses=problems(), response_class=Response)
async def metrics() -> Response:
    """Counts and times for Prometheus."""
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)


@router.get("/", include_in_schema=False)
async def page() -> FileResponse:
    """The page for people."""
    return FileResponse(STATIC / "index.html")


@router.get("/docs", include_in_schema=False)
async def docs() -> FileResponse:
    """The API, read from /openapi.json."""
    return FileResponse(STATIC / "docs.html")


def hash_of_files(folder: Path) -> str:
    """SHA-256 over the names and contents of the modules and of what the pages are made of."""
    digest = hashlib.sha256()
    for file in sorted([*folder.glob("*.py"), *folder.glob("*/*.py"), *(folder / "static").rglob("*.*")]):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(folder).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


# The Hub tells an app no commit. A build elsewhere can: docker build --build-arg COMMIT=$(git rev-parse HEAD)
COMMIT = os.environ.get("COMMIT") or None
BUILT = os.environ.get("BUILT") or None
FILES = hash_of_files(APP)
PREPARED = [json.loads(report.read_text("utf-8")) for report in sorted(APP.glob("model/*/report.json"))]
