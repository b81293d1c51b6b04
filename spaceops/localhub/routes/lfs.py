"""Routes for large files, the LFS way: a batch of questions, then a signed address for each file."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from starlette.responses import Response

from spaceops.localhub.content import deliver
from spaceops.localhub.lfs import OID, Part, Pointer, WrongContent
from spaceops.localhub.refusals import Refused, bad_request
from spaceops.localhub.routes.commits import check_upload
from spaceops.localhub.threads import in_thread
from spaceops.localhub.tickets import LIFETIME
from spaceops.localhub.wire import (
    Json,
    base,
    body_of,
    caller,
    no_repo,
    number,
    param,
    parts,
    repo_of,
)

if TYPE_CHECKING:
    from starlette.requests import Request

    from spaceops.localhub.lfs import Arriving
    from spaceops.localhub.store import Repo


OBJECTS_PER_CALL = 1000
LARGEST = 500_000_000_000  # bytes of a file; the Hub's own limit
PART = 10 << 20  # bytes of a part of an upload in parts; larger when there would be too many
MOST_PARTS = 10_000
BUFFER = 1 << 20  # bytes that are written at once


class LfsObject(msgspec.Struct):
    """A large file that is wanted or offered."""

    oid: str
    size: int


class Ref(msgspec.Struct):
    """What the objects are for, where the client says it."""

    name: str


class Batch(msgspec.Struct):
    """What git-lfs and the client ask first."""

    operation: Literal["upload", "download"]
    objects: list[LfsObject]
    transfers: list[str] = []
    ref: Ref | None = None


class Sent(msgspec.Struct, rename="camel"):
    """A part that was sent, and the ETag that was answered."""

    part_number: int
    etag: str


class Completion(msgspec.Struct):
    """All parts were sent."""

    oid: str
    parts: list[Sent]


async def lfs_batch(request: Request) -> Response:
    """`POST …/info/lfs/objects/batch`: where each large file is to be sent, or got."""
    body = await body_of(request, Batch)
    repo = repo_of(request)
    if body.operation == "upload":
        check_upload(request, repo, body.ref.name if body.ref else None)
    if len(body.objects) > OBJECTS_PER_CALL:
        raise Refused(413, f"At most {OBJECTS_PER_CALL} objects in one call")
    in_parts = "multipart" in body.transfers and any(wanted.size > PART for wanted in body.objects)
    transfer = "multipart" if in_parts and body.operation == "upload" else "basic"
    offer = _upload if body.operation == "upload" else _download
    objects = [offer(request, repo, wanted, transfer) for wanted in body.objects]
    answer = {"transfer": transfer, "objects": objects, "hash_algo": "sha256"}
    return Json(answer, media_type="application/vnd.git-lfs+json")


def _upload(request: Request, repo: Repo, wanted: LfsObject, transfer: str) -> dict[str, Any]:
    answer: dict[str, Any] = {"oid": wanted.oid, "size": wanted.size, "authenticated": True}
    if not OID.fullmatch(wanted.oid) or not 0 <= wanted.size <= LARGEST:
        message = f"The oid must be a sha256, the size a number of bytes up to {LARGEST}"
        return {**answer, "error": {"code": 422, "message": message}}
    there = parts(request).repos.large_files.size(repo, wanted.oid)
    if there == wanted.size:
        return answer
    if there is not None:
        return {**answer, "error": {"code": 422, "message": f"{wanted.oid} has {there} bytes"}}
    href = _address(request, repo, "upload", wanted)
    upload: dict[str, Any] = {"href": href, "expires_in": LIFETIME}
    if transfer == "multipart":  # then for every object: the agent of `hf lfs-enable-largefiles` cannot do without
        upload["header"] = {"chunk_size": str(_part_size(wanted.size)), **_part_addresses(href, wanted.size)}
    return {**answer, "actions": {"upload": upload, "verify": {"href": _address(request, repo, "verify", wanted)}}}


def _part_size(size: int) -> int:
    return max(PART, -(-size // MOST_PARTS))


def _part_addresses(href: str, size: int) -> dict[str, str]:
    """The address of every part by its number, with zeros before it: git-lfs sorts them as text."""
    count = max(1, -(-size // _part_size(size)))
    return {f"{part:05}": f"{href}&part={part}" for part in range(1, count + 1)}


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


async def receive(request: Request, file: Arriving, most: int) -> None:
    """Write a request's body to a file, at most so many bytes; in a thread, while the next bytes arrive."""
    writing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    writing.set_result(None)
    waiting = bytearray()
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > most:
                raise bad_request(f"More than {most} bytes")
            waiting += chunk
            if len(waiting) >= BUFFER:
                await writing
                writing, waiting = asyncio.ensure_future(asyncio.to_thread(file.write, waiting)), bytearray()
    finally:
        await asyncio.wait([writing])  # also when the client is gone: the file must not be closed under its writer
    await writing
    await asyncio.to_thread(file.finish, waiting)  # a disk that is busy makes whoever writes wait


async def lfs_put(request: Request) -> Response:
    """`PUT /lfs/upload/…`: a large file, or a part of one."""
    repo, pointer = ticket_holder(request, "upload")
    if "part" in request.query_params:
        return await _put_part(request, repo, pointer)
    files = parts(request).repos.large_files
    with files.incoming() as file:
        await receive(request, file, pointer.size)
        target = files.path(_still_there(request, repo), pointer.oid)
        await in_thread(checked, file.keep, target, pointer.oid, pointer.size)
    return Response(headers={"ETag": f'"{pointer.oid}"'})


async def _put_part(request: Request, repo: Repo, pointer: Pointer) -> Response:
    part = number(request, "part", 0, most=MOST_PARTS + 1)
    size = _part_size(pointer.size)
    expected = min(size, pointer.size - (part - 1) * size)
    if part < 1 or expected < 1:
        raise bad_request("There is no such part")
    files = parts(request).repos.large_files
    with files.incoming() as file:
        await receive(request, file, expected)
        if file.size != expected:
            raise bad_request(f"Part {part} has {expected} bytes, not {file.size}")
        await in_thread(files.keep_part, _still_there(request, repo), pointer.oid, Part(part, file.oid), file)
    return Response(headers={"ETag": f'"{file.oid}"'})


def _still_there(request: Request, repo: Repo) -> Repo:
    """The repository, which may have been deleted while the file arrived."""
    if parts(request).store.by_id(repo.id) is None:
        raise no_repo(None)
    return repo


async def lfs_complete(request: Request) -> Response:
    """`POST /lfs/upload/…`: all parts are there."""
    repo, pointer = ticket_holder(request, "upload")
    body = await body_of(request, Completion)
    sent = [Part(part.part_number, part.etag.strip('"')) for part in body.parts]
    numbers = range(1, 1 + len(_part_addresses("", pointer.size)))
    if [part.number for part in sent] != list(numbers) or not all(OID.fullmatch(part.oid) for part in sent):
        raise bad_request(f"All {len(numbers)} parts must be named in order, each with the ETag that was answered")
    await in_thread(checked, parts(request).repos.large_files.join, _still_there(request, repo), pointer, sent)
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
    return deliver(request, file, {"ETag": f'"{pointer.oid}"'}, "application/octet-stream")


async def no_locks(request: Request) -> Response:
    """`…/info/lfs/locks`: git-lfs goes on without locks where there are none."""
    repo_of(request)
    raise Refused(404, "Not found")


def checked(work: Any, *arguments: Any) -> Any:
    """Do the work; bytes that are not what was announced are the client's mistake, a 400."""
    try:
        return work(*arguments)
    except WrongContent as error:
        raise bad_request(str(error)) from error


class Target(msgspec.Struct):
    """Where files are to be copied to."""

    type: Literal["model", "dataset", "space"]
    name: str


class Copied(msgspec.Struct):
    """A file that is to be copied."""

    sha256: str


class Duplication(msgspec.Struct):
    """Which files are to be copied where."""

    target: Target
    files: list[Copied]


async def lfs_duplicate(request: Request) -> Response:
    """`POST …/lfs-files/duplicate`: give large files of one repository to another, for a commit that copies them."""
    source, body = repo_of(request), await body_of(request, Duplication)
    user, accounts = caller(request), parts(request).accounts
    kind, name, store = body.target.type, body.target.name, parts(request).store
    target = store.find(kind, name) or store.moved(kind, name)
    if target is None or not accounts.may_see(user, target):
        raise no_repo(user)
    check_upload(request, target, None)
    files, wanted = parts(request).repos.large_files, {file.sha256 for file in body.files}
    here = await asyncio.to_thread(files.share, source, target, filter(OID.fullmatch, wanted))
    parts(request).xet.share(source, _still_there(request, target), here)
    failed = [{"sha256": oid, "error": "There is no such file"} for oid in sorted(wanted.difference(here))]
    return Json({"failed": failed})
