"""Routes about the branches, tags and commits of a repository."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from spaceops.localhub.git import SHA, is_ref_name
from spaceops.localhub.refusals import Refused, bad_request, no_revision
from spaceops.localhub.routes.commits import pushed
from spaceops.localhub.store import Repo
from spaceops.localhub.wire import (
    Json,
    body_of,
    flag,
    member,
    next_page,
    number,
    param,
    parts,
    repo_of,
    sha_of,
)

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from spaceops.localhub.accounts import User
    from spaceops.localhub.repos import Repos

COMMITS_PER_PAGE = 50


class NewBranch(msgspec.Struct, rename="camel"):
    """The body of a new branch."""

    starting_point: str | None = None


class NewTag(msgspec.Struct):
    """The body of a new tag."""

    tag: str
    message: str | None = None


class Squash(msgspec.Struct):
    """The body of a squash."""

    message: str = ""


async def list_refs(request: Request) -> Response:
    """`GET …/refs`; pull requests only when asked for."""
    repo = repo_of(request, facts=True)
    refs = await asyncio.to_thread(parts(request).repos.refs, repo)

    def those(start: str) -> list[dict[str, str]]:
        found = {ref.removeprefix(start): (ref, sha) for ref, sha in refs.items() if ref.startswith(start)}
        return [{"name": name, "ref": ref, "targetCommit": sha} for name, (ref, sha) in found.items()]

    pulls = {"pullRequests": those("refs/pr/")} if flag(request, "include_prs") else {}
    return Json({"branches": those("refs/heads/"), "converts": [], "tags": those("refs/tags/"), **pulls})


async def create_branch(request: Request) -> Response:
    """`POST …/branch/{name}`."""
    repo = repo_of(request, write=True)
    body = await body_of(request, NewBranch)
    name = _checked_name("branch", param(request, "branch"))
    sha = await asyncio.to_thread(sha_of, request, repo, body.starting_point or "main")
    if not await asyncio.to_thread(parts(request).repos.create_ref, repo, f"refs/heads/{name}", sha):
        raise _already_there(f"refs/heads/{name}")
    return Json({})


async def create_tag(request: Request) -> Response:
    """`POST …/tag/{revision}`; with a message it is an annotated one."""
    repo, user = repo_of(request, write=True), member(request)
    body = await body_of(request, NewTag)
    name, repos = _checked_name("tag", body.tag), parts(request).repos

    def work() -> bool:
        sha = sha_of(request, repo, param(request, "revision"))
        if body.message:
            return repos.annotate(repo, name, sha, body.message, user)
        return repos.create_ref(repo, f"refs/tags/{name}", sha)

    if not await asyncio.to_thread(work):
        raise _already_there(f"refs/tags/{name}")
    return Json({})


def _checked_name(what: str, name: str) -> str:
    if name.startswith("refs/") or not is_ref_name(name) or SHA.fullmatch(name):  # who reads that means a commit
        raise bad_request(f"Invalid reference for a {what}: {name}")
    return name


def _already_there(ref: str) -> Refused:
    return Refused(409, f"Reference {ref} already exists")


async def delete_branch(request: Request) -> Response:
    """`DELETE …/branch/{name}`."""
    name = param(request, "branch")
    if name == "main":
        repo_of(request, write=True)
        raise Refused(403, "Cannot delete refs/heads/main")
    return await _delete_ref(request, f"refs/heads/{name}", name)


async def delete_tag(request: Request) -> Response:
    """`DELETE …/tag/{revision}`."""
    name = param(request, "revision")
    return await _delete_ref(request, f"refs/tags/{name}", name)


async def _delete_ref(request: Request, ref: str, name: str) -> Response:
    repo = repo_of(request, write=True)
    repos = parts(request).repos
    if ref not in await asyncio.to_thread(repos.refs, repo):
        raise no_revision(name)
    await asyncio.to_thread(repos.delete_ref, repo, ref)
    return Json({})


async def super_squash(request: Request) -> Response:
    """`POST …/super-squash/{ref}`: one commit in place of the history of a branch or pull request."""
    repo, user = repo_of(request, write=True), member(request)
    body = await body_of(request, Squash)
    ref = param(request, "ref")
    message = body.message.strip() or f"Super-squash branch {ref!r}"
    await asyncio.to_thread(_squash, parts(request).repos, repo, ref, message, user)
    pushed(request, repo, ref.removeprefix("refs/heads/"))
    return Json({})


def _squash(repos: Repos, repo: Repo, ref: str, message: str, user: User) -> str:
    known = repos.refs(repo)
    full = ref if ref.startswith("refs/") else f"refs/heads/{ref}"
    if (f"refs/tags/{ref}" in known and full not in known) or not full.startswith(("refs/heads/", "refs/pr/")):
        raise bad_request(f"Invalid reference for a branch: {ref}")
    if full not in known:
        raise no_revision(ref)
    return repos.squash(repo, full, message, user)


async def list_commits(request: Request) -> Response:
    """`GET …/commits/{revision}`, newest first, in pages."""
    repo = repo_of(request, facts=True)
    start = number(request, "cursor", 0, most=10**9)
    size = number(request, "limit", COMMITS_PER_PAGE, most=COMMITS_PER_PAGE) or COMMITS_PER_PAGE

    def work() -> tuple[list[dict[str, Any]], int]:
        repos = parts(request).repos
        sha = sha_of(request, repo, param(request, "revision"))
        found = repos.history(repo, sha, skip=start, limit=size)
        formatted = "formatted" in request.query_params.getlist("expand[]")
        return [_commit(vars(commit), formatted=formatted) for commit in found], repos.count(repo, sha)

    commits, total = await asyncio.to_thread(work)
    headers = {"X-Total-Count": str(total)}
    if start + size < total:
        headers["Link"] = next_page(request, start + size)
    return Json(commits, headers=headers)


def _commit(commit: dict[str, str], *, formatted: bool) -> dict[str, Any]:
    text = {"title": commit["title"], "message": commit["message"]}
    shown = {"id": commit["oid"], **text, "date": commit["date"], "authors": [{"user": commit["author"], "avatar": ""}]}
    return {**shown, "formatted": text} if formatted else shown
