"""Routes about what a Space's owner asks for: variables, secrets, hardware, sleep time, volumes."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from spaceops.localhub import hardware
from spaceops.localhub.refusals import Refused, bad_request
from spaceops.localhub.routes.spaces import owned, shown_runtime
from spaceops.localhub.store import TWO_DAYS, Entry, Settings
from spaceops.localhub.wire import Json, body_of, member, now, parts, repo_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from spaceops.localhub.store import Repo


KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}")


FREE = "cpu-basic"


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


class FirstSettings(msgspec.Struct, rename="camel"):
    """What a new Space may be given at once."""

    hardware: str | None = None
    sleep_time_seconds: int | None = None
    variables: list[Pair] = []
    secrets: list[Pair] = []
    volumes: list[Volume] = []


def first_settings(asked: FirstSettings, at: str) -> Settings:
    """The settings that a Space is created with."""
    settings = Settings(
        variables={pair.key: _entry(pair, at) for pair in asked.variables},
        secrets={pair.key: _entry(pair, at) for pair in asked.secrets},
        volumes=_checked_volumes(asked.volumes),
    )
    return on_hardware(settings, asked.hardware or FREE, asked.sleep_time_seconds)


def on_hardware(settings: Settings, flavor: str, sleep_time: int | None) -> Settings:
    """The settings on another hardware. On the free one the sleep time is 48 hours and cannot be changed."""
    if flavor not in hardware.BY_NAME:
        raise bad_request(f'"flavor" must be one of [{", ".join(hardware.BY_NAME)}]')
    if sleep_time is not None and (sleep_time == 0 or sleep_time < -1):
        raise bad_request("The sleep time must be a number of seconds, or -1 for never")
    chosen = None if sleep_time in (None, -1) else sleep_time
    return replace(settings, hardware=flavor, sleep_time=TWO_DAYS if flavor == FREE else chosen)


def _entry(pair: Pair, at: str) -> Entry:
    if not KEY.fullmatch(pair.key):
        raise bad_request(f"Invalid key {pair.key[:80]!r}: letters, digits and '_', and no digit first")
    if "\0" in pair.value:
        raise bad_request(f"{pair.key}: a value cannot contain a NUL")
    return Entry(value=pair.value, description=pair.description or None, updated_at=at)


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


async def get_variables(request: Request) -> Json:
    """`GET …/variables`."""
    repo = repo_of(request, kind="space")
    return Json(_shown(parts(request).store.settings(repo).variables, values=True))


async def set_variable(request: Request) -> Json:
    """`POST …/variables`."""
    pair = await body_of(request, Pair)
    repo, settings, _ = owned(request)
    variables = {**settings.variables, pair.key: _entry(pair, now(request))}
    _save(request, repo, replace(settings, variables=variables), "variables")
    return Json(_shown(variables, values=True))


async def delete_variable(request: Request) -> Json:
    """`DELETE …/variables`; one that is not there is no error."""
    key = (await body_of(request, Key)).key
    repo, settings, _ = owned(request)
    variables = {name: entry for name, entry in settings.variables.items() if name != key}
    if key in settings.variables:
        _save(request, repo, replace(settings, variables=variables), "variables")
    return Json(_shown(variables, values=True))


async def get_secrets(request: Request) -> Json:
    """`GET …/secrets`: names and descriptions, never values, and only for those who may change them."""
    _, settings, _ = owned(request)
    return Json(_shown(settings.secrets, values=False))


async def set_secret(request: Request) -> Json:
    """`POST …/secrets`."""
    pair = await body_of(request, Pair)
    repo, settings, _ = owned(request)
    secrets = {**settings.secrets, pair.key: _entry(pair, now(request))}
    _save(request, repo, replace(settings, secrets=secrets), "secrets")
    return Json({})


async def delete_secret(request: Request) -> Json:
    """`DELETE …/secrets`; one that is not there is no error."""
    key = (await body_of(request, Key)).key
    repo, settings, _ = owned(request)
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
    repo, settings, _ = owned(request)
    wanted = on_hardware(settings, body.flavor, body.sleep_time_seconds)
    if body.flavor == FREE and not parts(request).accounts.pays(repo.namespace, member(request)):
        raise Refused(402, f"Without a PRO subscription, you can't downgrade this Space to {FREE}.")
    _save(request, repo, wanted, "sleep_time", *(["hardware"] if body.flavor != settings.hardware else []))
    return shown_runtime(request, repo)


async def set_sleep_time(request: Request) -> Json:
    """`POST …/sleeptime`."""
    body = await body_of(request, SleepTime)
    repo, settings, _ = owned(request)
    _save(request, repo, on_hardware(settings, settings.hardware, body.seconds), "sleep_time")
    return shown_runtime(request, repo)


async def set_volumes(request: Request) -> Json:
    """`PUT …/volumes`: replaces all."""
    body = await body_of(request, Volumes)
    repo, settings, _ = owned(request)
    _save(request, repo, replace(settings, volumes=_checked_volumes(body.volumes)), "volumes")
    return shown_runtime(request, repo)


async def delete_volumes(request: Request) -> Json:
    """`DELETE …/volumes`."""
    repo, settings, _ = owned(request)
    if not settings.volumes:
        raise bad_request("This Space has no volumes")
    _save(request, repo, replace(settings, volumes=()), "volumes")
    return shown_runtime(request, repo)


def _save(request: Request, repo: Repo, settings: Settings, *what: str) -> None:
    parts(request).store.save_settings(repo, settings)
    parts(request).spaces.changed(repo, *what)
