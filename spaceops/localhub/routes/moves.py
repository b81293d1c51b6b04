"""Routes that give a repository another name, or make a second one of it."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import msgspec

from spaceops.localhub.refusals import Refused, bad_request
from spaceops.localhub.routes.repos import (
    Visibility,
    alone,
    check_plan,
    checked_name,
    exists,
    named_repo,
    visibility_of,
)
from spaceops.localhub.routes.settings import FirstSettings, first_settings
from spaceops.localhub.routes.volumes import checked_volumes
from spaceops.localhub.store import Repo, new_id
from spaceops.localhub.wire import Json, body_of, check_write, member, now, parts, repo_of, url_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from spaceops.localhub.wire import Parts


class Move(msgspec.Struct, rename="camel"):
    """The body of a move."""

    from_repo: str
    to_repo: str
    type: Literal["model", "dataset", "space", "bucket"] = "model"


class Duplicate(FirstSettings, rename="camel", kw_only=True):
    """The body of a duplication: the new name, and of a Space what it is to have of its own."""

    repository: str
    visibility: Visibility | None = None
    private: bool | None = None


async def move_repo(request: Request) -> Response:
    """`POST /api/repos/move`: another name, in the same namespace or in another one; the old name leads to it."""
    body = await body_of(request, Move)
    user = member(request)
    repo = named_repo(request, body.type, body.from_repo)
    namespace, name = _target(request, body.to_repo)
    check_write(user, repo.namespace, f"move {repo.repo_id}", repo)
    check_write(user, namespace, f'create a {repo.kind} under the namespace "{namespace}"')
    there = parts(request).store.find(repo.kind, f"{namespace}/{name}")
    if there and there.id != repo.id:
        raise Refused(409, f"A {repo.kind} repository called {there.repo_id} already exists")
    with alone(request, repo.kind, f"{namespace}/{name}"):
        parts(request).store.rename(repo, namespace, name)
    return Json({})


def _target(request: Request, repo_id: str) -> tuple[str, str]:
    """Namespace and name of a repository that is to be."""
    namespace, slash, name = repo_id.partition("/")
    if not slash:
        raise bad_request(f"A repository's name is namespace/name, got {repo_id!r}")
    return parts(request).accounts.namespace(namespace) or namespace, checked_name(name)


async def duplicate_repo(request: Request) -> Response:
    """`POST …/duplicate`: the whole history under a new name; of a Space its variables, and none of its secrets."""
    body = await body_of(request, Duplicate)
    source, user = repo_of(request), member(request)
    namespace, name = _target(request, body.repository)
    check_write(user, namespace, f'create a {source.kind} under the namespace "{namespace}"')
    volumes = await checked_volumes(request, body.volumes)
    if there := parts(request).store.find(source.kind, f"{namespace}/{name}"):
        return exists(request, there)
    asked = visibility_of(source.kind, body.visibility, body.private)
    repo = replace(
        source,
        id=new_id(),
        namespace=namespace,
        name=name,
        visibility=asked or ("private" if source.kind == "space" else source.visibility),
        gated=None,
        created_at=now(request),
        creator=user.name,
    )
    given = first_settings(body, now(request), volumes)
    variables = {**parts(request).store.settings(source).variables, **given.variables}
    settings = replace(given, variables=variables)
    check_plan(request, user, repo, settings.hardware)
    with alone(request, repo.kind, repo.repo_id):
        await asyncio.to_thread(_copy, parts(request), source, repo)
        parts(request).store.add(repo, settings)
    _begin(parts(request), repo)
    return Json({"url": url_of(request, repo), "filesCopyPending": False})


def _copy(parts: Parts, source: Repo, target: Repo) -> None:
    try:
        parts.repos.copy(source, target)
    except BaseException:
        shutil.rmtree(parts.repos.bury(target), ignore_errors=True)
        raise


def _begin(parts: Parts, repo: Repo) -> None:
    """Let a Space be built from what it was given."""
    head = parts.repos.branch(repo, "main") if repo.kind == "space" else None
    if head:
        parts.spaces.created(repo)
        parts.spaces.pushed(repo, head)
