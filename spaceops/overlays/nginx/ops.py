"""What the operator's page shows: the processes, and what the app says of itself.

A process of its own: it answers also when the app hangs, loads or is down. Its page is /ops/, and with API_TOKEN it
wants that token.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from pydantic import BaseModel, Field

from serving.problems import problems
from serving.settings import Settings
from serving.web import protect

PROCESSES = Path("/tmp/processes.json")  # noqa: S108  written by supervise.py
APP = "/tmp/app.sock"  # noqa: S108
PATIENCE = 2.0  # seconds after which the app is said to hang
ASKED = {"/ready", "/metrics"}  # what this asks counts neither as use of the app, nor in its times


class Process(BaseModel):
    """One of those that supervise.py starts."""

    name: str
    running: bool
    starts: int = Field(description="1 as long as it never had to be started again")
    seconds: float = Field(description="Since it was started")
    memory: int | None = Field(description="Bytes, with its children; null where the system does not tell")


class Traffic(BaseModel):
    """What the app has done since it was started, but for telling how it is doing."""

    requests: int
    failed: int = Field(description="Those that ended with a status of 500 or more")
    in_progress: int
    waiting: int = Field(description="What waits for the model")
    usual_seconds: float | None = Field(description="Half of the requests took no longer")
    slow_seconds: float | None = Field(description="95 of 100 took no longer")


class Status(BaseModel):
    """All that the page shows."""

    app: Literal["ready", "loading", "failed", "silent"] = Field(description="silent: it does not answer")
    backend: str | None = None
    reason: str | None = None
    traffic: Traffic | None = Field(None, description="null while the app may not be asked")
    processes: list[Process]


class AppSilent(Exception):
    """It does not listen, does not answer in time, or answers nonsense."""


def create_app(environ: Mapping[str, str] = os.environ, *, socket: str = APP, processes: Path = PROCESSES) -> FastAPI:
    """What the page asks, behind the app's own guard."""
    settings = Settings.from_environ(environ)
    app = FastAPI(title="Operation", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/ops/status", responses=problems())
    async def status() -> Status:
        """How everything is doing now."""
        running = await asyncio.to_thread(read_processes, processes)
        try:
            ready = json.loads(await ask(socket, "/ready", settings.api_token))
            metrics = await ask(socket, "/metrics", settings.api_token)
        except (AppSilent, ValueError):
            return Status(app="silent", processes=running)
        return Status(
            app=ready["status"],
            backend=ready["backend"],
            reason=ready.get("reason"),
            traffic=read_metrics(metrics.decode()),
            processes=running,
        )

    protect(app, settings, max_body=0)
    return app


async def ask(socket: str, path: str, token: str | None) -> bytes:
    """The body of the app's answer, whatever its status."""
    request = f"GET {path} HTTP/1.0\r\nHost: app\r\nAuthorization: Bearer {token}\r\n\r\n"
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                writer.write(request.encode())
                return (await reader.read()).partition(b"\r\n\r\n")[2]
            finally:
                writer.close()
    except OSError as error:  # a time-out is one too
        raise AppSilent from error


def read_metrics(text: str) -> Traffic | None:
    """Sum up what /metrics tells route by route; None if the app's rate limit let nobody ask."""
    try:
        families = {family.name: family for family in text_string_to_metric_families(text)}
    except ValueError:
        return None
    requests = [one for one in families["http_requests"].samples if one.labels["route"] not in ASKED]
    seconds = [one for one in families["http_request_seconds"].samples if one.labels["route"] not in ASKED]
    answered = [one for one in requests if one.name == "http_requests_total"]
    return Traffic(
        requests=int(sum(one.value for one in answered)),
        failed=int(sum(one.value for one in answered if one.labels["status"] >= "500")),
        in_progress=int(families["http_requests_in_progress"].samples[0].value) - 1,
        waiting=int(sum(one.samples[0].value for name, one in families.items() if "_waiting" in name)),
        usual_seconds=within(seconds, 0.5),
        slow_seconds=within(seconds, 0.95),
    )


def within(seconds: Iterable[Sample], share: float) -> float | None:
    """The bound of the first bucket that holds that share of the requests; None if there is none."""
    counts: dict[float, float] = {}
    for sample in seconds:
        if sample.name.endswith("_bucket"):
            bound = float(sample.labels["le"])
            counts[bound] = counts.get(bound, 0) + sample.value
    total = counts.pop(float("inf"), 0)
    return next((bound for bound, count in sorted(counts.items()) if total and count >= share * total), None)


def read_processes(file: Path) -> list[Process]:
    """What supervise.py wrote down, and what the system knows of them; blocks."""
    try:
        states = json.loads(file.read_text())
    except OSError:  # supervise.py has not started this
        return []
    now = time.time()
    return [
        Process(
            name=state["name"],
            running=bool(state["pid"]),
            starts=state["starts"],
            seconds=now - state["started"],
            memory=memory_of([state["pid"]]) if state["pid"] else None,
        )
        for state in states
    ]


def memory_of(pids: Iterable[int]) -> int | None:
    """The memory of processes and their children in bytes, as Linux tells it."""
    total = None
    for pid in pids:
        with suppress(OSError):  # it has just ended, or this is no Linux
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            total = (total or 0) + pages * os.sysconf("SC_PAGE_SIZE") + (memory_of(map(int, children)) or 0)
    return total


app = create_app()
