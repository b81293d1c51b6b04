"""Routes for large files, the Xet way: blocks come in, then recipes that make files of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import Response

from spaceops.localhub.refusals import Refused, bad_request
from spaceops.localhub.routes.lfs import checked
from spaceops.localhub.routes.uploads import refuse_pull_request
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


async def xet_token(request: Request) -> Response:
    """`GET …/xet-write-token/{revision}`: where blocks go, and a ticket for them."""
    repo = repo_of(request, write=True)
    refuse_pull_request(request)
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
