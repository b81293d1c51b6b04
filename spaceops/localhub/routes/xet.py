"""Routes for large files, the Xet way: blocks come in, then recipes that make files of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import Response

from spaceops.localhub.refusals import Refused, bad_request
from spaceops.localhub.routes.commits import check_upload
from spaceops.localhub.routes.lfs import checked
from spaceops.localhub.wire import (
    Json,
    base,
    no_repo,
    param,
    parts,
    raw_body,
    repo_of,
    token_of,
)
from spaceops.localhub.xet import HASH, LARGEST

if TYPE_CHECKING:
    from starlette.requests import Request

    from spaceops.localhub.store import Repo


async def xet_write_token(request: Request) -> Response:
    """`GET …/xet-write-token/{revision}`: where blocks go, and a token for them."""
    repo = repo_of(request)
    check_upload(request, repo, param(request, "revision"))
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


def _xet_repo(request: Request, *, write: bool = True) -> Repo:
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
        new = await asyncio.to_thread(checked, xet.keep, name, arrived)
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
    await asyncio.to_thread(checked, parts(request).xet.assemble, shard, repo)
    if param(request, "version") == "v1":
        return Json({"result": 1})
    return Response(b'{"type":"result","result":1}\n', media_type="application/x-ndjson")
