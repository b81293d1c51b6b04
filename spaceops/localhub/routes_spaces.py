"""Routes about Spaces: their settings, their runtime, their logs. What happens then is up to `spaces.py`."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from starlette.responses import StreamingResponse

from spaceops.localhub import hardware
from spaceops.localhub.accounts import belongs
from spaceops.localhub.refusals import Refused, bad_request
from spaceops.localhub.store import TWO_DAYS, Entry, Settings, now
from spaceops.localhub.wire import Json, body_of, flag, member, param, parts, repo_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from spaceops.localhub.logbook import Line
    from spaceops.localhub.spaces import Spaces
    from spaceops.localhub.store import Repo

KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}")
FREE = "cpu-basic"
ENCODER = msgspec.json.Encoder()
LINE_BREAKS = {sign.encode(): b"\\u%04x" % ord(sign) for sign in "\x85\u2028\u2029"}


class Pair(msgspec.Struct):
    """A variable or a secret, as it is set."""

    key: str
    value: str
    description: str | None = None


class Key(msgspec.Struct):
    """A variable or a secret, as it is deleted."""

    key: str


class Volume(msgspec.Struct, rename="camel", omit_defaults=True):
    """A bucket or repository that the app sees as a folder."""

    type: Literal["bucket", "model", "dataset", "space"]
    source: str
    mount_path: str
    revision: str | None = None
    read_only: bool | None = None
    path: str | None = None


class Volumes(msgspec.Struct):
    """All volumes of a Space."""

    volumes: list[Volume]


class Hardware(msgspec.Struct, rename="camel"):
    """The hardware to run on."""

    flavor: str
    sleep_time_seconds: int | None = None


class SleepTime(msgspec.Struct):
    """After how many idle seconds to sleep, -1 for never."""

    seconds: int


def first_settings(
    flavor: str | None, sleep_time: int | None, variables: list[Pair], secrets: list[Pair], volumes: list[Volume]
) -> Settings:
    """The settings that a Space is created with."""
    settings = Settings(
        variables={pair.key: _entry(pair) for pair in variables},
        secrets={pair.key: _entry(pair) for pair in secrets},
        volumes=_checked_volumes(volumes),
    )
    return on_hardware(settings, flavor or FREE, sleep_time)


def on_hardware(settings: Settings, flavor: str, sleep_time: int | None) -> Settings:
    """The settings on another hardware. On the free one the sleep time is 48 hours and cannot be changed."""
    if flavor not in hardware.BY_NAME:
        raise bad_request(f'"flavor" must be one of [{", ".join(hardware.BY_NAME)}]')
    if sleep_time is not None and (sleep_time == 0 or sleep_time < -1):
        raise bad_request("The sleep time must be a number of seconds, or -1 for never")
    chosen = None if sleep_time in (None, -1) else sleep_time
    return replace(settings, hardware=flavor, sleep_time=TWO_DAYS if flavor == FREE else chosen)


def _entry(pair: Pair) -> Entry:
    if not KEY.fullmatch(pair.key):
        raise bad_request(f"Invalid key {pair.key[:80]!r}: letters, digits and '_', and no digit first")
    if "\0" in pair.value:
        raise bad_request(f"{pair.key}: a value cannot contain a NUL")
    return Entry(value=pair.value, description=pair.description or None, updated_at=now())


def _checked_volumes(volumes: list[Volume]) -> tuple[dict[str, Any], ...]:
    for volume in volumes:
        if not volume.mount_path.startswith("/") or ".." in volume.mount_path.split("/"):
            raise bad_request(f"mountPath must be an absolute path, got {volume.mount_path!r}")
        if volume.source.count("/") != 1:
            raise bad_request(f"source must be namespace/name, got {volume.source!r}")
    if len({volume.mount_path for volume in volumes}) < len(volumes):
        raise bad_request("Two volumes have the same mountPath")
    return tuple(msgspec.to_builtins(volume) for volume in volumes)


async def list_hardware(request: Request) -> Json:  # noqa: ARG001
    """`GET /api/spaces/hardware`."""
    return Json(hardware.flavors())


async def runtime(request: Request) -> Json:
    """`GET …/runtime`."""
    return _runtime(request, repo_of(request, kind="space"))


def _owned(request: Request) -> tuple[Repo, Settings, Spaces]:
    """The Space that the path names, for somebody who may change it."""
    repo = repo_of(request, write=True, kind="space")
    return repo, parts(request).store.settings(repo), parts(request).spaces


def _save(request: Request, repo: Repo, settings: Settings, *what: str) -> None:
    parts(request).store.save_settings(repo, settings)
    parts(request).spaces.changed(repo, *what)


def _runtime(request: Request, repo: Repo) -> Json:
    return Json(parts(request).spaces.runtime(repo))


async def get_variables(request: Request) -> Json:
    """`GET …/variables`."""
    repo = repo_of(request, kind="space")
    return Json(_shown(parts(request).store.settings(repo).variables, values=True))


async def set_variable(request: Request) -> Json:
    """`POST …/variables`."""
    pair = await body_of(request, Pair)
    repo, settings, _ = _owned(request)
    variables = {**settings.variables, pair.key: _entry(pair)}
    _save(request, repo, replace(settings, variables=variables), "variables")
    return Json(_shown(variables, values=True))


async def delete_variable(request: Request) -> Json:
    """`DELETE …/variables`; one that is not there is no error."""
    key = (await body_of(request, Key)).key
    repo, settings, _ = _owned(request)
    variables = {name: entry for name, entry in settings.variables.items() if name != key}
    if key in settings.variables:
        _save(request, repo, replace(settings, variables=variables), "variables")
    return Json(_shown(variables, values=True))


async def get_secrets(request: Request) -> Json:
    """`GET …/secrets`: names and descriptions, never values, and only for those who may change them."""
    _, settings, _ = _owned(request)
    return Json(_shown(settings.secrets, values=False))


async def set_secret(request: Request) -> Json:
    """`POST …/secrets`."""
    pair = await body_of(request, Pair)
    repo, settings, _ = _owned(request)
    _save(request, repo, replace(settings, secrets={**settings.secrets, pair.key: _entry(pair)}), "secrets")
    return Json({})


async def delete_secret(request: Request) -> Json:
    """`DELETE …/secrets`; one that is not there is no error."""
    key = (await body_of(request, Key)).key
    repo, settings, _ = _owned(request)
    if key in settings.secrets:
        left = {name: entry for name, entry in settings.secrets.items() if name != key}
        _save(request, repo, replace(settings, secrets=left), "secrets")
    return Json({})


def _shown(entries: Mapping[str, Entry], *, values: bool) -> dict[str, dict[str, str]]:
    return {key: _shown_entry(entry, values=values) for key, entry in entries.items()}


def _shown_entry(entry: Entry, *, values: bool) -> dict[str, str]:
    value = {"value": entry.value} if values else {}
    description = {"description": entry.description} if entry.description else {}
    return {**value, **description, "updatedAt": entry.updated_at}


async def set_hardware(request: Request) -> Json:
    """`POST …/hardware`."""
    body = await body_of(request, Hardware)
    repo, settings, _ = _owned(request)
    wanted = on_hardware(settings, body.flavor, body.sleep_time_seconds)
    if body.flavor == FREE and not parts(request).accounts.pays(repo.namespace, member(request)):
        raise Refused(402, f"Without a PRO subscription, you can't downgrade this Space to {FREE}.")
    _save(request, repo, wanted, "sleep_time", *(["hardware"] if body.flavor != settings.hardware else []))
    return _runtime(request, repo)


async def set_sleep_time(request: Request) -> Json:
    """`POST …/sleeptime`."""
    body = await body_of(request, SleepTime)
    repo, settings, _ = _owned(request)
    _save(request, repo, on_hardware(settings, settings.hardware, body.seconds), "sleep_time")
    return _runtime(request, repo)


async def set_volumes(request: Request) -> Json:
    """`PUT …/volumes`: replaces all."""
    body = await body_of(request, Volumes)
    repo, settings, _ = _owned(request)
    _save(request, repo, replace(settings, volumes=_checked_volumes(body.volumes)), "volumes")
    return _runtime(request, repo)


async def delete_volumes(request: Request) -> Json:
    """`DELETE …/volumes`."""
    repo, settings, _ = _owned(request)
    if not settings.volumes:
        raise bad_request("This Space has no volumes")
    _save(request, repo, replace(settings, volumes=()), "volumes")
    return _runtime(request, repo)


async def pause(request: Request) -> Json:
    """`POST …/pause`."""
    repo, _, spaces = _owned(request)
    _refuse_static(repo)
    spaces.pause(repo)
    return _runtime(request, repo)


async def restart(request: Request) -> Json:
    """`POST …/restart`, with `?factory=true` built anew."""
    repo, _, spaces = _owned(request)
    _refuse_static(repo)
    spaces.restart(repo, factory=flag(request, "factory"))
    return _runtime(request, repo)


def _refuse_static(repo: Repo) -> None:
    if repo.sdk == "static":
        raise bad_request("A static Space has nothing to pause or restart")


async def logs(request: Request) -> Response:
    """`GET …/logs/build` and `…/logs/run`: server-sent events, from the start of the log on, for its owners."""
    repo = repo_of(request, kind="space")
    which = param(request, "which")
    if which not in ("build", "run"):
        raise bad_request("There are two logs: build and run")
    if not belongs(member(request), repo.namespace):
        raise Refused(403, "Only who may write to a Space may read its logs")
    headers = {"Cache-Control": "no-cache"}
    return StreamingResponse(_events(parts(request).spaces, repo, which), 200, headers, "text/event-stream")


async def _events(spaces: Spaces, repo: Repo, which: str) -> AsyncIterator[bytes]:
    """Many lines in one write where there are many; an event without data where there is none, so that readers know."""
    async for lines in spaces.log(repo, which):
        yield _one_row_each(b"".join(map(_event, lines))) or b"data:\n\n"


def _event(line: Line) -> bytes:
    return b"data: " + ENCODER.encode({"data": line.text, "timestamp": line.timestamp}) + b"\n\n"


def _one_row_each(events: bytes) -> bytes:
    """Escape what JSON may leave as it is, and Python's and other clients take for the end of a row."""
    for sign, escaped in LINE_BREAKS.items():
        events = events.replace(sign, escaped)
    return events
