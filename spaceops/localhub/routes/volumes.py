"""Who may attach what: the check of volumes before a Space is given them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from spaceops.localhub.folders import WrongPath, names_of
from spaceops.localhub.refusals import Refused, bad_request
from spaceops.localhub.volumes import SOURCE_ID
from spaceops.localhub.wire import caller, check_write, parts, sha_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from spaceops.localhub.routes.settings import Volume
    from spaceops.localhub.store import Repo


RESERVED = ("proc", "sys", "dev", ".hub")  # no app would start without the first three; the last is this runner's


async def checked_volumes(request: Request, volumes: Sequence[Volume]) -> tuple[dict[str, Any], ...]:
    """Volumes as a Space keeps them, each with the id of its source, which stays when the source is renamed.

    Refused if the caller may not read a source, or may not write a bucket that the app is to write.
    """
    if len({volume.mount_path.rstrip("/") for volume in volumes}) < len(volumes):
        raise bad_request("Two volumes have the same mountPath")
    return tuple([await _checked(request, volume) for volume in volumes])


async def _checked(request: Request, volume: Volume) -> dict[str, Any]:
    if not volume.mount_path.startswith("/"):
        raise bad_request(f"mountPath must be an absolute path, got {volume.mount_path!r}")
    if volume.mount_path.split("/")[1] in RESERVED:
        raise bad_request(f"Nothing can be mounted at {volume.mount_path}")
    if volume.source.count("/") != 1:
        raise bad_request(f"source must be namespace/name, got {volume.source!r}")
    try:
        for path in (volume.mount_path, volume.path or "-"):
            names_of(path.strip("/"))
    except WrongPath as error:
        raise bad_request(f"mountPath or path: {error}") from error
    source = _source(request, volume)
    if volume.type != "bucket":
        await asyncio.to_thread(sha_of, request, source, volume.revision or "main")
    elif not volume.read_only:
        user = caller(request)
        check_write(user, source.namespace, f"let an app write to the bucket {source.repo_id}", source)
    return {**msgspec.to_builtins(volume), SOURCE_ID: source.id}


def _source(request: Request, volume: Volume) -> Repo:
    """The bucket or repository that a volume shows, which the caller must be able to read."""
    accounts, store, user = parts(request).accounts, parts(request).store, caller(request)
    source = store.find(volume.type, volume.source) or store.moved(volume.type, volume.source)
    if source is None or not accounts.may_see(user, source):
        raise bad_request(f"The volume's source, {volume.type} {volume.source}, does not exist, or you may not read it")
    if not accounts.may_read(user, source):
        raise Refused(403, f"You don't have access to {volume.type} {source.repo_id}", "GatedRepo")
    return source
