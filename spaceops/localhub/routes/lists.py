"""Routes that list repositories: what the caller may see, filtered, sorted, in pages."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from spaceops.localhub.accounts import belongs
from spaceops.localhub.buckets import time_of
from spaceops.localhub.describe import FIELDS, LISTED, Facts, describe, fields_of
from spaceops.localhub.git import GitError
from spaceops.localhub.refusals import Refused, bad_request
from spaceops.localhub.routes.repos import expanded, space_facts
from spaceops.localhub.store import Repo
from spaceops.localhub.wire import KINDS, Json, caller, flag, member, next_page, number, page, param, parts

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.datastructures import QueryParams
    from starlette.requests import Request
    from starlette.responses import Response

    from spaceops.localhub.wire import Parts


T = TypeVar("T")
REPOS_PER_PAGE = 1000
SORTS = {
    "lastModified": "lastModified",
    "last_modified": "lastModified",
    "createdAt": "createdAt",
    "created_at": "createdAt",
    "likes": "likes",
    "downloads": "downloads",
    "trendingScore": "trendingScore",
    "trending_score": "trendingScore",
}
NOBODY_HERE = ("apps", "inference", "inference_provider", "num_parameters")  # filters for what no model here has


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What of all repositories is to be listed, and in which order."""

    author: str | None
    words: tuple[str, ...]  # all of them in the name
    tags: frozenset[str]
    gated: str | None  # "true" or "false"
    linked: bool  # Spaces that use a model or dataset
    uses: frozenset[tuple[str, str]]  # Spaces that use one of these
    nothing: bool
    sort: str | None
    rising: bool

    def admits(self, repo: Repo) -> bool:
        """Whether it is to be listed, as far as that can be seen without reading it."""
        named = all(word in repo.repo_id.lower() for word in self.words)
        owned = self.author is None or self.author.lower() == repo.namespace.lower()
        gated = self.gated is None or self.gated == str(repo.gated is not None).lower()
        return named and owned and gated and not self.nothing

    def accepts(self, facts: Facts) -> bool:
        """Whether it is to be listed, by what its card says."""
        if self.tags and not self.tags <= set(facts.tags()):
            return False
        used = {(key, name) for key in ("models", "datasets") for name in facts.stated(key)} if self._asks_use else ()
        return not self._asks_use or bool(used and (not self.uses or self.uses & set(used)))

    @property
    def _asks_use(self) -> bool:
        return self.linked or bool(self.uses)


def read_wanted(query: QueryParams) -> Wanted:
    """What a request wants to have listed."""
    sort = query.get("sort")
    if sort and sort not in SORTS:
        raise bad_request(f'"sort" must be one of [{", ".join(sorted(set(SORTS.values())))}], got {sort}')
    tags = [tag for key in ("filter", "pipeline_tag") for text in query.getlist(key) for tag in text.split(",")]
    return Wanted(
        author=query.get("author"),
        words=tuple(word.lower() for text in query.getlist("search") for word in text.split()),
        tags=frozenset(filter(None, tags)),
        gated=query["gated"].lower() if "gated" in query else None,
        linked=query.get("linked", "").lower() in ("true", "1"),
        uses=frozenset((key, name) for key in ("models", "datasets") for name in query.getlist(key)),
        nothing=any(name in query for name in NOBODY_HERE),
        sort=SORTS[sort] if sort else None,
        rising=query.get("direction") == "1",
    )


async def list_repos(request: Request) -> Response:
    """`GET /api/{kinds}`: what the caller may see, filtered, sorted, in pages."""
    kind = KINDS[request.path_params["kinds"]]
    wanted, user, accounts = read_wanted(request.query_params), caller(request), parts(request).accounts
    usual = FIELDS[kind] if flag(request, "full") else (*LISTED, *(["cardData"] if flag(request, "cardData") else []))
    fields = fields_of(kind, expanded(request), usual)
    live = bool({"runtime", "host"} & set(fields))
    seen = [repo for repo in parts(request).store.all(kind) if wanted.admits(repo) and accounts.may_see(user, repo)]
    spaces = {repo.id: space_facts(request, repo) if live else {} for repo in seen}
    start = number(request, "cursor", 0, most=10**9)
    end = start + (number(request, "limit", REPOS_PER_PAGE, most=REPOS_PER_PAGE) or REPOS_PER_PAGE)

    def work(there: list[Repo]) -> tuple[list[dict[str, Any]], int]:
        facts = _sorted(parts(request), [(repo, spaces[repo.id]) for repo in there], wanted)
        return [describe(fact, fields) for fact in facts[start:end]], len(facts)

    listed, total = await asyncio.to_thread(_read_all, parts(request), seen, work)
    return Json(listed, headers={"Link": next_page(request, end)} if end < total else {})


def _read_all(parts: Parts, repos: list[Repo], work: Callable[[list[Repo]], T]) -> T:
    """Do what reads many repositories; when one is deleted meanwhile, do it again without that."""
    while True:
        there = [repo for repo in repos if _is_there(parts, repo)]
        try:
            return work(there)
        except (GitError, OSError):
            if all(_is_there(parts, repo) for repo in there):
                raise


def _is_there(parts: Parts, repo: Repo) -> bool:
    return repo.kind == "bucket" or parts.repos.path(repo).exists()


def _sorted(parts: Parts, found: list[tuple[Repo, dict[str, Any]]], wanted: Wanted) -> list[Facts]:
    heads = ((repo, parts.repos.head(repo), space) for repo, space in found)
    every = (Facts(parts.repos, repo, sha, space) for repo, sha, space in heads if sha)
    facts = [fact for fact in every if wanted.accepts(fact)]
    if wanted.sort:
        value = FIELDS["model"][wanted.sort]
        facts.sort(key=value, reverse=not wanted.rising)
    return facts


async def list_templates(request: Request) -> Response:  # noqa: ARG001
    """`GET /api/spaces/templates`: Spaces to begin with; none."""
    return Json({"templates": []})


async def list_own_repos(request: Request) -> Response:
    """`GET /api/settings/repositories`: all that the caller owns, of every kind."""
    return await _list_owned(request, member(request).name)


async def list_org_repos(request: Request) -> Response:
    """`GET /api/organizations/{name}/settings/repositories`: all that an organisation owns, for its members."""
    user, org = member(request), parts(request).accounts.org(param(request, "name"))
    if org is None:
        raise Refused(404, "This organization does not exist")
    if not belongs(user, org.name):
        raise Refused(403, f"You don't have the rights to see the repositories of {org.name}")
    return await _list_owned(request, org.name)


async def _list_owned(request: Request, namespace: str) -> Response:
    store, accounts, user = parts(request).store, parts(request).accounts, caller(request)
    own = [repo for kind in (*FIELDS, "bucket") for repo in store.all(kind) if repo.namespace == namespace]
    seen = [repo for repo in own if accounts.may_see(user, repo)]
    listed = await asyncio.to_thread(_read_all, parts(request), seen, partial(_stored, parts(request)))
    return page(request, listed, REPOS_PER_PAGE)


def _stored(parts: Parts, own: list[Repo]) -> list[dict[str, Any]]:
    facts = [(repo, *found) for repo in own if (found := _changed_and_size(parts, repo))]
    total = sum(size for _, _, size in facts) or 1
    return [
        {
            "id": repo.repo_id,
            "type": repo.kind,
            "updatedAt": changed,
            "visibility": repo.visibility,
            "storage": size,
            "storagePercent": 100 * size / total,
        }
        for repo, changed, size in facts
    ]


def _changed_and_size(parts: Parts, repo: Repo) -> tuple[str | None, int] | None:
    """When a repository or bucket was changed last, and the bytes of its files; None if it is just being made."""
    if repo.kind == "bucket":
        files = list(parts.buckets.folder(repo).files())
        newest = max((file.mtime_ns for file in files), default=None)
        return repo.created_at if newest is None else time_of(newest), sum(file.size for file in files)
    sha = parts.repos.head(repo)
    facts = Facts(parts.repos, repo, sha, {}) if sha else None
    return (facts.last_modified(), facts.used_storage()) if facts else None
