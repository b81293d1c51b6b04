"""Routes that list repositories: what the caller may see, filtered, sorted, in pages."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from spaceops.localhub.describe import FIELDS, LISTED, Facts, describe, fields_of
from spaceops.localhub.routes.repos import space_facts
from spaceops.localhub.store import Repo
from spaceops.localhub.wire import (
    KINDS,
    caller,
    flag,
    member,
    number,
    page,
    parts,
)

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from spaceops.localhub.wire import Parts


REPOS_PER_PAGE = 1000


SORTS = {
    "lastModified": "lastModified",
    "last_modified": "lastModified",
    "createdAt": "createdAt",
    "created_at": "createdAt",
}


async def list_repos(request: Request) -> Response:
    """`GET /api/{kinds}`: what the caller may see, filtered, sorted, in pages."""
    kind = KINDS[request.path_params["kinds"]]
    query = request.query_params
    usual = FIELDS[kind] if flag(request, "full") else LISTED
    fields = fields_of(kind, query.getlist("expand"), usual)
    user = caller(request)
    found = [
        (repo, space_facts(request, repo))
        for repo in parts(request).store.all(kind)
        if parts(request).accounts.may_see(user, repo) and _matches(repo, query.get("author"), query.get("search"))
    ]
    limit = number(request, "limit", REPOS_PER_PAGE, most=REPOS_PER_PAGE) or REPOS_PER_PAGE
    listed = await asyncio.to_thread(_list, parts(request), found, fields, SORTS.get(query.get("sort", "")))
    tags = set(query.getlist("filter"))
    return page(request, [item for item in listed if tags <= set(item["tags"])] if tags else listed, limit)


def _matches(repo: Repo, author: str | None, search: str | None) -> bool:
    wanted = author is None or author.lower() == repo.namespace.lower()
    return wanted and (search is None or search.lower() in repo.repo_id.lower())


def _list(
    parts: Parts, found: list[tuple[Repo, dict[str, Any]]], fields: list[str], sort: str | None
) -> list[dict[str, Any]]:
    heads = ((repo, parts.repos.head(repo), space) for repo, space in found)
    facts = [Facts(parts.repos, repo, sha, space) for repo, sha, space in heads if sha]
    if sort:
        facts.sort(key=lambda fact: str(FIELDS[fact.repo.kind][sort](fact)), reverse=True)
    return [describe(fact, fields) for fact in facts]


async def list_own_repos(request: Request) -> Response:
    """`GET /api/settings/repositories`: all that the caller owns, of every kind."""
    user = member(request)
    own = [repo for kind in FIELDS for repo in parts(request).store.all(kind) if repo.namespace == user.name]
    return page(request, await asyncio.to_thread(_stored, parts(request), own), REPOS_PER_PAGE)


def _stored(parts: Parts, own: list[Repo]) -> list[dict[str, Any]]:
    heads = ((repo, parts.repos.head(repo)) for repo in own)
    facts = [Facts(parts.repos, repo, sha, {}) for repo, sha in heads if sha]
    return [
        {
            "id": fact.repo.repo_id,
            "type": fact.repo.kind,
            "updatedAt": fact.last_modified(),
            "visibility": fact.repo.visibility,
            "storage": fact.used_storage(),
        }
        for fact in facts
    ]
