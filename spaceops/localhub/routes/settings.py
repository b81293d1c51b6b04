"""Routes about what a Space's owner asks for: variables, secrets, hardware, sleep time, volumes."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec

from spaceops.localhub import hardware
from spaceops.localhub.hardware import FREE, ZERO_GPU
from spaceops.localhub.refusals import Refused, bad_request
from spaceops.localhub.routes.spaces import owned, refuse_static, shown_runtime
from spaceops.localhub.routes.volumes import checked_volumes
from spaceops.localhub.store import TWO_DAYS, Entry, Settings
from spaceops.localhub.wire import Json, body_of, member, now, parts, repo_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from spaceops.localhub.store import Repo


KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}")
LARGEST_VALUE = 64 * 1024  # bytes: no kernel passes on a variable of more than 128 KiB
LARGEST_ENVIRONMENT = 1024 * 1024  # bytes of all variables and secrets of a Space, with what describes them
MOST_REPLICAS = 100
QUOTAS = {"free": 210, "pro": 1500}  # GPU seconds a day
Tier = Literal["small", "medium", "large"]
TIERS: tuple[str, ...] = get_args(Tier)


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


class Replicas(msgspec.Struct):
    """How many processes are to serve at once."""

    replicas: int


class DevMode(msgspec.Struct):
    """Whether the owner wants to work in the container."""

    enabled: bool


class Storage(msgspec.Struct):
    """The persistent storage that the Hub once had."""

    tier: Tier


class FirstSettings(msgspec.Struct, rename="camel"):
    """What a new Space may be given at once; `storage_tier` is what clients before 2.0 sent."""

    hardware: str | None = None
    sleep_time_seconds: int | None = None
    variables: list[Pair] = []
    secrets: list[Pair] = []
    volumes: list[Volume] = []
    storage_tier: Tier | None = None


def first_settings(asked: FirstSettings, at: str, volumes: tuple[Mapping[str, Any], ...]) -> Settings:
    """The settings that a Space is created with."""
    settings = Settings(
        variables={pair.key: _entry(pair, at) for pair in asked.variables},
        secrets={pair.key: _entry(pair, at) for pair in asked.secrets},
        volumes=volumes,
        storage=asked.storage_tier,
    )
    _check_size(settings)
    return on_hardware(settings, asked.hardware or FREE, asked.sleep_time_seconds)


def on_hardware(settings: Settings, flavor: str, sleep_time: int | None) -> Settings:
    """The settings on another hardware. On the free one there is one replica, and it sleeps after 48 hours."""
    if flavor not in hardware.BY_NAME:
        raise bad_request(f'"flavor" must be one of [{", ".join(hardware.BY_NAME)}]')
    if sleep_time is not None and (sleep_time == 0 or sleep_time < -1):
        raise bad_request("The sleep time must be a number of seconds, or -1 for never")
    chosen = None if sleep_time in (None, -1) else sleep_time
    if flavor == FREE:
        return replace(settings, hardware=flavor, sleep_time=TWO_DAYS, replicas=1)
    return replace(settings, hardware=flavor, sleep_time=chosen)


def _entry(pair: Pair, at: str) -> Entry:
    if not KEY.fullmatch(pair.key):
        raise bad_request(f"Invalid key {pair.key[:80]!r}: letters, digits and '_', and no digit first")
    if "\0" in pair.value:
        raise bad_request(f"{pair.key}: a value cannot contain a NUL")
    if len(pair.value.encode()) > LARGEST_VALUE:
        raise bad_request(f"{pair.key}: a value has at most {LARGEST_VALUE} bytes")
    return Entry(value=pair.value, description=pair.description or None, updated_at=at)


def _check_size(settings: Settings) -> None:
    """What an app is started with has its limits."""
    everything = [*settings.variables.items(), *settings.secrets.items()]
    texts = (f"{key}{entry.value}{entry.description or ''}" for key, entry in everything)
    if sum(len(text.encode()) for text in texts) > LARGEST_ENVIRONMENT:
        raise bad_request(f"All variables and secrets together have at most {LARGEST_ENVIRONMENT} bytes")


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
    refuse_static(repo, "no hardware")
    wanted = on_hardware(settings, body.flavor, body.sleep_time_seconds)
    pays = parts(request).accounts.pays(repo.namespace, member(request))
    if body.flavor == FREE and not pays:
        raise Refused(402, f"Without a PRO subscription, you can't downgrade this Space to {FREE}.")
    check_zero_gpu(repo, body.flavor, pays=pays)
    _save(request, repo, wanted, "sleep_time", *(["hardware"] if body.flavor != settings.hardware else []))
    return shown_runtime(request, repo)


def check_zero_gpu(repo: Repo, flavor: str, *, pays: bool) -> None:
    """Refuse ZeroGPU where the plan does not cover it, or the Space could not use it."""
    if flavor == ZERO_GPU and not pays:
        raise Refused(402, "You must be subscribed to PRO to host Spaces with ZeroGPU")
    if flavor == ZERO_GPU and repo.sdk != "gradio":
        raise bad_request("ZeroGPU is for Gradio Spaces only")


async def set_sleep_time(request: Request) -> Json:
    """`POST …/sleeptime`."""
    body = await body_of(request, SleepTime)
    repo, settings, _ = owned(request)
    refuse_static(repo, "no sleep")
    _save(request, repo, on_hardware(settings, settings.hardware, body.seconds), "sleep_time")
    return shown_runtime(request, repo)


async def set_replicas(request: Request) -> Json:
    """`POST …/replicas`."""
    wanted = (await body_of(request, Replicas)).replicas
    repo, settings, _ = owned(request)
    refuse_static(repo, "no replicas")
    if not 1 <= wanted <= MOST_REPLICAS:
        raise bad_request(f"replicas must be a number from 1 to {MOST_REPLICAS}")
    if wanted > 1 and hardware.BY_NAME[settings.hardware].hourly == 0:
        raise bad_request(f"More than one replica needs paid hardware, not {settings.hardware}")
    _save(request, repo, replace(settings, replicas=wanted), "replicas")
    return shown_runtime(request, repo)


async def set_dev_mode(request: Request) -> Json:
    """`POST …/dev-mode`: to be switched on it needs a plan; off it may be switched always."""
    wanted = (await body_of(request, DevMode)).enabled
    repo, settings, _ = owned(request)
    refuse_static(repo, "no dev mode")
    if wanted and not parts(request).accounts.pays(repo.namespace, member(request)):
        raise Refused(402, "Dev Mode requires a PRO, Team or Enterprise subscription")
    if wanted != settings.dev_mode:
        _save(request, repo, replace(settings, dev_mode=wanted), "dev_mode")
    return shown_runtime(request, repo)


async def set_storage(request: Request) -> Json:
    """`POST …/storage`: what clients before 2.0 ask for. It can grow, and not shrink."""
    wanted = (await body_of(request, Storage)).tier
    repo, settings, _ = owned(request)
    refuse_static(repo, "no storage")
    if settings.storage and TIERS.index(wanted) < TIERS.index(settings.storage):
        raise bad_request(f"The storage cannot shrink from {settings.storage} to {wanted}: delete it first")
    _save(request, repo, replace(settings, storage=wanted), "storage")
    return shown_runtime(request, repo)


async def delete_storage(request: Request) -> Json:
    """`DELETE …/storage`."""
    repo, settings, _ = owned(request)
    if settings.storage is None:
        raise bad_request("This Space has no persistent storage")
    _save(request, repo, replace(settings, storage=None), "storage")
    return shown_runtime(request, repo)


async def zero_gpu_quota(request: Request) -> Json:
    """`GET /api/spaces/zero-gpu/quota`: nothing of it is ever used here."""
    base = QUOTAS[member(request).plan]
    return Json({"base": base, "current": base, "overquotaUsed": 0})


async def set_volumes(request: Request) -> Json:
    """`PUT …/volumes`: replaces all."""
    body = await body_of(request, Volumes)
    refuse_static(owned(request)[0], "no volumes")
    volumes = await checked_volumes(request, body.volumes)
    repo, settings, _ = owned(request)  # others may have changed it meanwhile
    _save(request, repo, replace(settings, volumes=volumes), "volumes")
    return shown_runtime(request, repo)


async def delete_volumes(request: Request) -> Json:
    """`DELETE …/volumes`."""
    repo, settings, _ = owned(request)
    if not settings.volumes:
        raise bad_request("This Space has no volumes")
    _save(request, repo, replace(settings, volumes=()), "volumes")
    return shown_runtime(request, repo)


def _save(request: Request, repo: Repo, settings: Settings, *what: str) -> None:
    _check_size(settings)
    parts(request).store.save_settings(repo, settings)
    parts(request).spaces.changed(repo, *what)
