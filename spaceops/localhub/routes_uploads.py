"""Routes by which files come in through the API: preupload, commit, and the two ways of large files, LFS and Xet."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import re
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

import msgspec
from pathspec import GitIgnoreSpec
from starlette.responses import FileResponse, Response

from spaceops.localhub.attributes import Attributes
from spaceops.localhub.commits import make_commit, read_proposal
from spaceops.localhub.lfs import OID, Pointer, WrongContent
from spaceops.localhub.refusals import Refused, bad_request
from spaceops.localhub.tickets import LIFETIME
from spaceops.localhub.wire import (
    Json,
    base,
    body_of,
    flag,
    member,
    no_repo,
    number,
    param,
    parts,
    raw_body,
    repo_of,
    sha_of,
    token_of,
    url_of,
)
from spaceops.localhub.xet import HASH, LARGEST

if TYPE_CHECKING:
    from starlette.requests import Request

    from spaceops.localhub.repos import Snapshot
    from spaceops.localhub.store import Repo

LARGEST_REGULAR = 10_000_000  # bytes; what is larger goes the way of large files
FILES_PER_CALL = 256
PART = 10 << 20  # bytes of a part of an upload in parts
IN_MEMORY = 1 << 20  # bytes of a commit's body; more goes to disk while it arrives


class Sample(msgspec.Struct):
    """A file that a client is about to upload: its size and its first 512 bytes."""

    path: str
    size: int
    sample: str = ""


class Samples(msgspec.Struct, rename="camel"):
    """What a client is about to upload."""

    files: list[Sample]
    git_ignore: str | None = None


async def preupload(request: Request) -> Response:
    """`POST …/preupload/{revision}`: how each file is to come, and which not at all."""
    repo = repo_of(request, write=True)
    _refuse_pull_request(request)
    body = await body_of(request, Samples)
    if len(body.files) > FILES_PER_CALL:
        raise Refused(413, f"At most {FILES_PER_CALL} files in one call")
    return Json(await asyncio.to_thread(_modes, request, repo, body))


def _refuse_pull_request(request: Request) -> None:
    if flag(request, "create_pr"):
        raise Refused(501, "The local Hub has no pull requests")


def _modes(request: Request, repo: Repo, body: Samples) -> dict[str, Any]:
    repos = parts(request).repos
    sha = sha_of(request, repo, param(request, "revision"))

    def text(path: str) -> str:
        return (repos.read(repo, sha, path) or b"").decode(errors="replace")

    attributes = Attributes(text(".gitattributes"))
    ignore = _ignore(text(".gitignore") if body.git_ignore is None else body.git_ignore)
    snapshot = repos.snapshot(repo, sha)
    return {"files": [_mode(file, attributes, ignore, snapshot) for file in body.files], "commitOid": sha}


def _mode(file: Sample, attributes: Attributes, ignore: GitIgnoreSpec, snapshot: Snapshot) -> dict[str, Any]:
    large = file.size > 0 and (_looks_large(file) or attributes.is_lfs(file.path))
    ignored = ignore.match_file(file.path)
    mode = {"path": file.path, "uploadMode": "lfs" if large else "regular", "shouldIgnore": ignored}
    node, pointer = snapshot.nodes.get(file.path), snapshot.pointers.get(file.path)
    if node is None or node.is_folder:
        return mode
    return {**mode, "oid": pointer.oid if pointer else node.oid}  # a client that has the same drops the file


def _ignore(text: str) -> GitIgnoreSpec:
    """The patterns of a .gitignore; like git it passes over those that make no sense."""
    return GitIgnoreSpec.from_lines(line for line in text.splitlines() if _is_pattern(line))


def _is_pattern(line: str) -> bool:
    try:
        GitIgnoreSpec.from_lines([line])
    except (ValueError, re.error):
        return False
    return True


def _looks_large(file: Sample) -> bool:
    try:
        return file.size > LARGEST_REGULAR or b"\0" in base64.b64decode(file.sample)
    except (binascii.Error, ValueError) as error:
        raise bad_request(f"{file.path}: the sample is not base64") from error


async def commit(request: Request) -> Response:
    """`POST …/commit/{revision}`."""
    repo = repo_of(request, write=True)
    _refuse_pull_request(request)
    branch = param(request, "revision").removeprefix("refs/heads/")
    with tempfile.SpooledTemporaryFile(IN_MEMORY, dir=str(parts(request).repos.temporary)) as body:
        async for chunk in request.stream():
            body.write(chunk)
        sha = await asyncio.to_thread(_commit, request, repo, branch, body)
    pushed(request, repo, branch)
    url = f"{url_of(request, repo)}/commit/{sha}"
    return Json({"success": True, "commitOid": sha, "commitUrl": url, "hookOutput": ""})


def _commit(request: Request, repo: Repo, branch: str, body: IO[bytes]) -> str:
    return make_commit(parts(request).repos, repo, branch, read_proposal(body), member(request))


def pushed(request: Request, repo: Repo, branch: str) -> None:
    """Tell the Space that its content changed, whichever way that came; before the answer goes out."""
    head = parts(request).repos.branch(repo, "main") if branch == "main" and repo.kind == "space" else None
    if head:
        parts(request).spaces.pushed(repo, head)  # the newest commit, also when two of them come out of order


# Large files, the LFS way


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


def kind_of_prefix(request: Request) -> str:
    """The kind of repository that a path without `/api` means."""
    return {"datasets": "dataset", "spaces": "space"}.get(str(request.path_params.get("kinds")), "model")


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
        _checked(file.keep, files.path(repo, pointer.oid), pointer.oid, pointer.size)
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
    await asyncio.to_thread(_checked, parts(request).repos.large_files.join, repo, pointer)
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


def _checked(work: Any, *arguments: Any) -> Any:
    try:
        return work(*arguments)
    except WrongContent as error:
        raise bad_request(str(error)) from error


# Large files, the Xet way


async def xet_token(request: Request) -> Response:
    """`GET …/xet-write-token/{revision}`: where blocks go, and a ticket for them."""
    repo = repo_of(request, write=True)
    _refuse_pull_request(request)
    ticket = parts(request).tickets.issue("xet", repo.id)
    ends = int(ticket.partition("-")[0])
    # The client remembers on its disk, for each address, which blocks it sent: another data folder, another address.
    address = f"{base(request)}/cas/{parts(request).store.constant('instance')[:16]}"
    token = f"{repo.id}.{ticket}"
    headers = {"X-Xet-Cas-Url": address, "X-Xet-Access-Token": token, "X-Xet-Token-Expiration": str(ends)}
    return Json({"casUrl": address, "accessToken": token, "exp": ends}, headers=headers)


def _xet_repo(request: Request) -> Repo:
    """The repository that a Xet ticket is for."""
    repo_id, _, ticket = (token_of(request) or "").partition(".")
    parts(request).tickets.check(ticket, "xet", repo_id)
    repo = parts(request).store.by_id(repo_id)
    if repo is None or param(request, "instance") != parts(request).store.constant("instance")[:16]:
        raise no_repo(None)
    return repo


async def xet_unknown(request: Request) -> Response:
    """What the protocol allows a server not to have: the client goes on without."""
    _xet_repo(request)
    raise Refused(404, "Not found")


async def put_xorb(request: Request) -> Response:
    """`POST /v1/xorbs/default/{hash}`: one block."""
    _xet_repo(request)
    name = param(request, "hash")
    if not HASH.fullmatch(name):
        raise bad_request("The name of a block has 64 hex digits")
    xet = parts(request).xet
    arrived = xet.incoming()
    try:
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > LARGEST:
                raise Refused(413, f"A block has at most {LARGEST} bytes")
            arrived.write(chunk)
        new = await asyncio.to_thread(_checked, xet.keep, name, arrived)
    finally:
        arrived.close()
        Path(arrived.name).unlink(missing_ok=True)
    return Json({"was_inserted": new})


async def put_shard(request: Request) -> Response:
    """`POST /v2/shards`, or `/v1/shards`: the recipes of files.

    Whatever is wrong with one is a 400: the client would try for minutes after a 500.
    """
    repo = _xet_repo(request)
    shard = await raw_body(request, LARGEST)
    await asyncio.to_thread(_checked, parts(request).xet.assemble, shard, repo)
    if param(request, "version") == "v1":
        return Json({"result": 1})
    return Response(b'{"type":"result","result":1}\n', media_type="application/x-ndjson")
