"""Routes for large files, the LFS way: a batch of questions, then a signed address for each file."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from starlette.responses import FileResponse, Response

from spaceops.localhub.lfs import OID, Pointer, WrongContent
from spaceops.localhub.refusals import Refused, bad_request
from spaceops.localhub.tickets import LIFETIME
from spaceops.localhub.wire import (
    Json,
    base,
    body_of,
    kind_of_prefix,
    no_repo,
    number,
    param,
    parts,
    raw_body,
    repo_of,
)

if TYPE_CHECKING:
    from starlette.requests import Request

    from spaceops.localhub.store import Repo


PART = 10 << 20  # bytes of a part of an upload in parts


class LfsObject(msgspec.Struct):
    """A large file that is wanted or offered."""

    oid: str
    size: int


class Batch(msgspec.Struct):
    """What git-lfs and the client ask first."""

    operation: Literal["upload", "download"]
    objects: list[LfsObject]
    transfers: list[str] = []


async def lfs_batch(request: Request) -> Response:
    """`POST …/info/lfs/objects/batch`: where each large file is to be sent, or got."""
    body = await body_of(request, Batch)
    repo = repo_of(request, write=body.operation == "upload", kind=kind_of_prefix(request))
    transfer = "multipart" if "multipart" in body.transfers and body.operation == "upload" else "basic"
    offer = _upload if body.operation == "upload" else _download
    objects = [offer(request, repo, wanted, transfer) for wanted in body.objects]
    answer = {"transfer": transfer, "objects": objects, "hash_algo": "sha256"}
    return Json(answer, media_type="application/vnd.git-lfs+json")


def _upload(request: Request, repo: Repo, wanted: LfsObject, transfer: str) -> dict[str, Any]:
    answer: dict[str, Any] = {"oid": wanted.oid, "size": wanted.size, "authenticated": True}
    if not OID.fullmatch(wanted.oid) or wanted.size < 0:
        return {**answer, "error": {"code": 422, "message": "The oid must be a sha256, the size a number of bytes"}}
    if parts(request).repos.large_files.size(repo, wanted.oid) == wanted.size:
        return answer
    href = _address(request, repo, "upload", wanted)
    upload: dict[str, Any] = {"href": href, "expires_in": LIFETIME}
    if transfer == "multipart" and wanted.size > PART:
        count = -(-wanted.size // PART)
        chunks = {str(part): f"{href}&part={part}" for part in range(1, count + 1)}
        upload["header"] = {"chunk_size": str(PART), **chunks}
    return {**answer, "actions": {"upload": upload, "verify": {"href": _address(request, repo, "verify", wanted)}}}


def _download(request: Request, repo: Repo, wanted: LfsObject, _: str) -> dict[str, Any]:
    size = parts(request).repos.large_files.size(repo, wanted.oid) if OID.fullmatch(wanted.oid) else None
    if size is None:
        return {"oid": wanted.oid, "size": wanted.size, "error": {"code": 404, "message": "Object does not exist"}}
    found = LfsObject(wanted.oid, size)
    actions = {"download": {"href": _address(request, repo, "download", found), "expires_in": LIFETIME}}
    return {"oid": found.oid, "size": size, "authenticated": True, "actions": actions}


def _address(request: Request, repo: Repo, action: str, wanted: LfsObject) -> str:
    ticket = parts(request).tickets.issue(action, repo.id, wanted.oid, wanted.size)
    return f"{base(request)}/lfs/{action}/{repo.id}/{wanted.oid}?size={wanted.size}&ticket={ticket}"


def ticket_holder(request: Request, action: str) -> tuple[Repo, Pointer]:
    """The repository and the large file that a signed address is for."""
    repo_id, oid = param(request, "id"), param(request, "oid")
    size = request.query_params.get("size", "")
    parts(request).tickets.check(request.query_params.get("ticket", ""), action, repo_id, oid, size)
    repo = parts(request).store.by_id(repo_id)
    if repo is None:
        raise no_repo(None)
    return repo, Pointer(oid, int(size))


async def lfs_put(request: Request) -> Response:
    """`PUT /lfs/upload/…`: a large file, or a part of one."""
    repo, pointer = ticket_holder(request, "upload")
    if "part" in request.query_params:
        return await _put_part(request, repo, pointer)
    files = parts(request).repos.large_files
    with files.incoming() as file:
        async for chunk in request.stream():
            file.write(chunk)
            if file.size > pointer.size:
                raise bad_request("More bytes than announced")
        checked(file.keep, files.path(repo, pointer.oid), pointer.oid, pointer.size)
    return Response(headers={"ETag": f'"{pointer.oid}"'})


async def _put_part(request: Request, repo: Repo, pointer: Pointer) -> Response:
    part = number(request, "part", 0, most=1_000_000)
    folder = parts(request).repos.large_files.parts(repo, pointer.oid)
    folder.mkdir(exist_ok=True)
    digest = hashlib.sha256()
    size = 0
    with (folder / str(part)).open("wb") as file:
        async for chunk in request.stream():
            size += len(chunk)
            if size > PART:
                raise bad_request("The part is too large")
            digest.update(chunk)
            file.write(chunk)
    return Response(headers={"ETag": f'"{digest.hexdigest()}"'})


async def lfs_complete(request: Request) -> Response:
    """`POST /lfs/upload/…`: all parts are there."""
    repo, pointer = ticket_holder(request, "upload")
    await raw_body(request)
    await asyncio.to_thread(checked, parts(request).repos.large_files.join, repo, pointer)
    return Json({})


async def lfs_verify(request: Request) -> Response:
    """`POST /lfs/verify/…`: is it there?"""
    repo, pointer = ticket_holder(request, "verify")
    if parts(request).repos.large_files.size(repo, pointer.oid) != pointer.size:
        raise Refused(404, "Object does not exist")
    return Json({})


async def lfs_get(request: Request) -> Response:
    """`GET /lfs/download/…`: a large file, or a range of it."""
    repo, pointer = ticket_holder(request, "download")
    file = parts(request).repos.large_files.path(repo, pointer.oid)
    if not file.exists():
        raise Refused(404, "Object does not exist")
    return FileResponse(file, media_type="application/octet-stream", headers={"ETag": f'"{pointer.oid}"'})


async def no_locks(request: Request) -> Response:
    """`…/info/lfs/locks`: git-lfs goes on without locks where there are none."""
    repo_of(request, kind=kind_of_prefix(request))
    raise Refused(404, "Not found")


def checked(work: Any, *arguments: Any) -> Any:
    """Do the work; bytes that are not what was announced are the client's mistake, a 400."""
    try:
        return work(*arguments)
    except WrongContent as error:
        raise bad_request(str(error)) from error
