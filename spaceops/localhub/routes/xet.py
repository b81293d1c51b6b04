"""Routes for large files, the Xet way: blocks come in, then recipes that make files of them."""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from starlette.responses import Response

from spaceops.localhub import shards, xorbs
from spaceops.localhub.buckets import open_file
from spaceops.localhub.content import Stored, deliver
from spaceops.localhub.refusals import Refused, bad_request
from spaceops.localhub.routes.commits import check_upload
from spaceops.localhub.routes.lfs import checked, receive
from spaceops.localhub.threads import in_thread
from spaceops.localhub.wire import Json, base, no_repo, param, parts, repo_of, token_of
from spaceops.localhub.xet import HASH

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from spaceops.localhub.store import Repo
    from spaceops.localhub.xorbs import Piece


async def xet_write_token(request: Request) -> Response:
    """`GET …/xet-write-token/{revision}`: where blocks go, and a token for them.

    For a pull request that is yet to be opened the revision is `None`.
    """
    repo, revision = repo_of(request), param(request, "revision")
    check_upload(request, repo, None if revision == "None" else revision)
    return issue_token(request, repo, write=True)


async def xet_read_token(request: Request) -> Response:
    """`GET …/xet-read-token/{revision}`: where files come from, and a token for them."""
    return issue_token(request, repo_of(request), write=False)


def issue_token(request: Request, repo: Repo, *, write: bool) -> Response:
    """The answer with a token for one repository or bucket; the caller has checked the rights. Who writes may read.

    The client remembers on its disk, for each address, which blocks it sent. So every repository has an address of its
    own, and another data folder has others: what somebody sent elsewhere is nothing that a file here can be made of.
    """
    kind = "xet-write" if write else "xet-read"
    ticket = parts(request).tickets.issue(kind, repo.id)
    ends = int(ticket.partition("-")[0])
    address, token = f"{base(request)}/cas/{_instance(request)}/{repo.id}", f"{kind}.{ticket}"
    headers = {"X-Xet-Cas-Url": address, "X-Xet-Access-Token": token, "X-Xet-Token-Expiration": str(ends)}
    return Json({"casUrl": address, "accessToken": token, "exp": ends}, headers=headers)


def _instance(request: Request) -> str:
    return parts(request).store.constant("instance")[:16]


def _xet_repo(request: Request, *, write: bool) -> Repo:
    """The repository whose token came along."""
    kind, _, ticket = (token_of(request) or "").partition(".")
    if kind not in (["xet-write"] if write else ["xet-write", "xet-read"]):
        raise Refused(403, "This needs a token of Xet, and to write one for writing")
    parts(request).tickets.check(ticket, kind, param(request, "id"))
    repo = parts(request).store.by_id(param(request, "id"))
    if repo is None or param(request, "instance") != _instance(request):
        raise no_repo(None)
    return repo


async def xet_unknown(request: Request) -> Response:
    """What the protocol allows a server not to have: the client goes on without."""
    _xet_repo(request, write=False)
    raise Refused(404, "Not found")


async def put_xorb(request: Request) -> Response:
    """`POST /v1/xorbs/default/{hash}`: one block."""
    repo = _xet_repo(request, write=True)
    name = param(request, "hash")
    if not HASH.fullmatch(name):
        raise bad_request("The name of a block has 64 hex digits")
    xet = parts(request).xet
    with xet.incoming() as file:
        await receive(request, file, xorbs.LARGEST)
        new = await in_thread(checked, xet.keep, repo, name, file)
    return Json({"was_inserted": new})


async def put_shard(request: Request) -> Response:
    """`POST /v2/shards`, or `/v1/shards`: the recipes of files.

    Whatever is wrong with one is a 400: the client would try for minutes after a 500.
    """
    repo = _xet_repo(request, write=True)
    xet, buckets = parts(request).xet, parts(request).buckets
    with xet.incoming() as shard:
        await receive(request, shard, shards.LARGEST)
        async with buckets.changing(repo) if repo.kind == "bucket" else nullcontext():
            made = await in_thread(checked, xet.assemble, repo, shard.file)
            if parts(request).store.by_id(repo.id) is None:
                raise no_repo(None)  # it was deleted meanwhile
            xet.remember(repo, made)
            if repo.kind == "bucket":
                buckets.uploaded(repo, made)
    if param(request, "version") == "v1":
        return Json({"result": 1})
    return Response(b'{"type":"result","result":1}\n', media_type="application/x-ndjson")


async def reconstruction(request: Request) -> Response:
    """`GET /v2/reconstructions/{file}`, or `/v1/…`: of which chunks of which blocks a file, or a range of it, is made.

    Blocks are made for the download, all alike, of the file as it lies here, whichever way it came.
    """
    repo = _xet_repo(request, write=False)
    name = param(request, "file")
    size = await asyncio.to_thread(_size, _opener(request, repo, name))
    before, pieces = xorbs.pieces(size, *(_range(request, size) or (0, size)))
    terms = [
        {"hash": xorbs.made_name(name, piece.number), "unpacked_length": piece.length, "range": _chunks(piece)}
        for piece in pieces
    ]
    where, describe = ("fetch_info", _fetch_v1) if param(request, "version") == "v1" else ("xorbs", _fetch_v2)
    blocks = {
        xorbs.made_name(name, piece.number): [describe(_block_address(request, repo, name, piece.number), piece)]
        for piece in pieces
    }
    return Json({"offset_into_first_range": before, "terms": terms, where: blocks})


def _chunks(piece: Piece) -> dict[str, int]:
    return {"start": piece.start, "end": piece.end}


def _fetch_v1(url: str, piece: Piece) -> dict[str, Any]:
    first, last = piece.span
    return {"url": url, "range": _chunks(piece), "url_range": {"start": first, "end": last}}


def _fetch_v2(url: str, piece: Piece) -> dict[str, Any]:
    first, last = piece.span
    return {"url": url, "ranges": [{"chunks": _chunks(piece), "bytes": {"start": first, "end": last}}]}


def _block_address(request: Request, repo: Repo, name: str, number: int) -> str:
    ticket = parts(request).tickets.issue("xorb", repo.id, name, number)
    return f"{base(request)}/cas/{_instance(request)}/{repo.id}/xorbs/{name}/{number}?ticket={ticket}"


async def get_xorb(request: Request) -> Response:
    """`GET /cas/…/xorbs/{file}/{number}`: a block that a file is made into, or a range of it; without a token."""
    repo_id, name, text = param(request, "id"), param(request, "file"), param(request, "number")
    parts(request).tickets.check(request.query_params.get("ticket", ""), "xorb", repo_id, name, text)
    repo = parts(request).store.by_id(repo_id)
    if repo is None:
        raise no_repo(None)
    opener, number = _opener(request, repo, name), int(text)
    size = await asyncio.to_thread(_size, opener)
    block = Stored(xorbs.made_size(size, number), lambda: cast("BinaryIO", xorbs.Made(opener(), size, number)))
    return deliver(request, block, {"ETag": f'"{xorbs.made_name(name, number)}"'}, "application/octet-stream")


def _opener(request: Request, repo: Repo, name: str) -> Callable[[], BinaryIO]:
    """What opens the file that has this hash in Xet; it may lie in a bucket's folder, where apps write too."""
    path, buckets = parts(request).xet.content(repo, name), parts(request).buckets
    in_bucket = buckets.with_hash(repo, name) if repo.kind == "bucket" else []

    def open_first() -> BinaryIO:
        with suppress(FileNotFoundError):
            if path:
                return path.open("rb")
        for file in in_bucket:
            with suppress(FileNotFoundError):
                return open_file(buckets.folder(repo), file)
        raise Refused(404, "File not found")

    return open_first


def _size(opener: Callable[[], BinaryIO]) -> int:
    with opener() as file:
        return os.fstat(file.fileno()).st_size


def _range(request: Request, size: int) -> tuple[int, int] | None:
    """The one range of bytes that is asked for, its end not in it; None for everything."""
    match = re.fullmatch(r"bytes=(\d{1,18})-(\d{0,18})", request.headers.get("range", ""))
    if not match:
        return None
    start, end = int(match[1]), min(int(match[2] or size) + 1, size)
    if start >= end:
        raise Refused(416, f"There are {size} bytes", Content_Range=f"bytes */{size}")
    return start, end
