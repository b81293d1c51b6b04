"""Routes for whole buckets: create, describe, list, change and delete them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from spaceops.localhub.routes.repos import checked_name, exists
from spaceops.localhub.runners.paths import remove
from spaceops.localhub.store import Repo, new_id
from spaceops.localhub.wire import (
    Json,
    body_of,
    caller,
    check_write,
    member,
    no_repo,
    now,
    number,
    page,
    param,
    parts,
    repo_of,
    url_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request
    from starlette.responses import Response

    from spaceops.localhub.folders import Found

BUCKETS_PER_PAGE = 1000


class NewBucket(msgspec.Struct):
    """The body of a creation; regions mean nothing here."""

    visibility: Literal["public", "private"] | None = None
    private: bool | None = None


class BucketSettings(msgspec.Struct):
    """The body of a change."""

    private: bool | None = None
    visibility: Literal["public", "private"] | None = None


async def create_bucket(request: Request) -> Response:
    """`POST /api/buckets/{namespace}/{name}`; `me` is the caller's own namespace."""
    body = await body_of(request, NewBucket)
    user, store = member(request), parts(request).store
    accounts, asked, name = parts(request).accounts, _namespace(request), checked_name(param(request, "name"))
    namespace = accounts.namespace(asked) or asked
    check_write(user, namespace, f'create a bucket under the namespace "{namespace}"')
    if there := store.find("bucket", f"{namespace}/{name}"):
        return exists(request, there)
    org = accounts.org(namespace)
    repo = Repo(
        id=new_id(),
        kind="bucket",
        namespace=namespace,
        name=name,
        visibility=_visibility(body) or (org.default_visibility if org else "public"),
        sdk=None,
        created_at=now(request),
        creator=user.name,
    )
    store.add(repo)
    return Json({"url": url_of(request, repo), "name": repo.repo_id, "id": repo.id})


def _namespace(request: Request) -> str:
    asked = param(request, "namespace")
    return member(request).name if asked == "me" else asked


def _visibility(body: NewBucket | BucketSettings) -> str | None:
    if body.visibility is None and body.private is not None:
        return "private" if body.private else "public"
    return body.visibility


async def bucket_info(request: Request) -> Response:
    """`GET /api/buckets/{bucket}`."""
    repo = repo_of(request, kind="bucket")
    return Json((await _infos(request, [repo]))[0])


async def _infos(request: Request, repos: Iterable[Repo]) -> list[dict[str, Any]]:
    """Buckets as the wire has them."""
    folders = [(repo, parts(request).buckets.folder(repo)) for repo in repos]

    def work() -> list[dict[str, Any]]:
        return [_info(repo, list(folder.files())) for repo, folder in folders]

    return await asyncio.to_thread(work)


def _info(repo: Repo, files: list[Found]) -> dict[str, Any]:
    return {
        "_id": repo.id,
        "id": repo.repo_id,
        "author": repo.namespace,
        "private": repo.visibility != "public",
        "visibility": repo.visibility,
        "createdAt": repo.created_at,
        "size": sum(file.size for file in files),
        "totalFiles": len(files),
    }


async def list_buckets(request: Request) -> Response:
    """`GET /api/buckets/{namespace}`: what the caller may see of a namespace's buckets; `me` is their own."""
    namespace, user = _namespace(request).lower(), caller(request)
    if parts(request).accounts.namespace(namespace) is None:
        raise no_repo(user)
    search = request.query_params.get("search", "").lower()
    found = [
        repo
        for repo in parts(request).store.all("bucket")
        if repo.namespace.lower() == namespace
        and search in repo.name.lower()
        and parts(request).accounts.may_see(user, repo)
    ]
    limit = number(request, "limit", BUCKETS_PER_PAGE, most=BUCKETS_PER_PAGE) or BUCKETS_PER_PAGE
    return page(request, await _infos(request, found), limit)


async def no_bucket(request: Request) -> Response:
    """A name without its namespace names nothing here."""
    raise no_repo(caller(request))


async def delete_bucket(request: Request) -> Response:
    """`DELETE /api/buckets/{bucket}`."""
    repo = repo_of(request, kind="bucket", write=True)
    parts(request).store.remove(repo)
    for remains in (parts(request).repos.bury(repo), parts(request).buckets.bury(repo)):
        if remains:
            await asyncio.to_thread(remove, remains)
    return Json({})


async def change_bucket(request: Request) -> Response:
    """`PUT …/settings`: who may see it."""
    body = await body_of(request, BucketSettings)
    repo = repo_of(request, kind="bucket", write=True)
    changed = replace(repo, visibility=_visibility(body) or repo.visibility)
    parts(request).store.update(changed)
    return Json({"private": changed.visibility != "public", "visibility": changed.visibility})
