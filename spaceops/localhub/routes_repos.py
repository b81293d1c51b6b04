"""Routes about whole repositories: create, delete, describe, list, their settings, branches and commits."""

from __future__ import annotations

import asyncio
import re
import shutil
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from starlette.responses import PlainTextResponse

from spaceops.localhub.attributes import INITIAL
from spaceops.localhub.commits import first_commit
from spaceops.localhub.describe import FIELDS, LISTED, Facts, describe, fields_of
from spaceops.localhub.git import is_ref_name
from spaceops.localhub.refusals import Refused, bad_request, no_revision
from spaceops.localhub.routes_spaces import Pair, Volume, first_settings
from spaceops.localhub.store import Repo, new_id, now
from spaceops.localhub.wire import (
    KINDS,
    Json,
    body_of,
    caller,
    check_write,
    flag,
    member,
    next_page,
    no_repo,
    number,
    page,
    param,
    parts,
    refusal,
    repo_of,
    sha_of,
    url_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request
    from starlette.responses import Response

    from spaceops.localhub.accounts import User
    from spaceops.localhub.wire import Parts

NAME = re.compile(r"(?!.*(--|\.\.))(?!.*\.git$)[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")
SDKS = ("gradio", "docker", "static")
PAID_SDKS = ("gradio", "docker")
COMMITS_PER_PAGE = 50
REPOS_PER_PAGE = 1000
SORTS = {
    "lastModified": "lastModified",
    "last_modified": "lastModified",
    "createdAt": "createdAt",
    "created_at": "createdAt",
}

Kind = Literal["model", "dataset", "space"]
Visibility = Literal["public", "private", "protected"]


class NewRepo(msgspec.Struct, rename="camel"):
    """The body of a creation; `private` is what clients before 2.0 sent."""

    name: str
    organization: str | None = None
    type: Kind | None = None
    visibility: Visibility | None = None
    private: bool | None = None
    sdk: str | None = None
    hardware: str | None = None
    sleep_time_seconds: int | None = None
    variables: list[Pair] = []
    secrets: list[Pair] = []
    volumes: list[Volume] = []


class RepoName(msgspec.Struct):
    """The body of a deletion."""

    name: str
    organization: str | None = None
    type: Kind | None = None


class RepoSettings(msgspec.Struct):
    """The body of a change of visibility."""

    visibility: Visibility | None = None
    private: bool | None = None


async def create_repo(request: Request) -> Response:
    """`POST /api/repos/create`: everything about a new repository in the one call."""
    body = await body_of(request, NewRepo)
    user = member(request)
    namespace = _namespace(request, user, body.organization)
    kind = body.type or "model"
    check_write(user, namespace, f'create a {kind} under the namespace "{namespace}"')
    if parts(request).store.find(kind, f"{namespace}/{body.name}"):
        return _exists(request, kind, f"{namespace}/{body.name}")
    repo = _new_repo(body, namespace, user)
    settings = first_settings(body.hardware, body.sleep_time_seconds, body.variables, body.secrets, body.volumes)
    _check_plan(request, user, repo, settings.hardware)
    with _alone(request, repo):
        await asyncio.to_thread(_start_content, parts(request), repo, user)
        parts(request).store.add(repo, settings)
    if kind == "space":
        parts(request).spaces.created(repo)
    return Json({"url": url_of(request, repo), "name": repo.repo_id, "id": repo.id})


@contextmanager
def _alone(request: Request, repo: Repo) -> Iterator[None]:
    """Refuse a second creation of the same repository while the first is under way; the client tries again."""
    name = f"{repo.kind}s/{repo.repo_id}".lower()
    if name in parts(request).creating:
        raise Refused(409, "Cannot create repo: another conflicting operation is in progress")
    parts(request).creating.add(name)
    try:
        yield
    finally:
        parts(request).creating.discard(name)


def _namespace(request: Request, user: User, asked: str | None) -> str:
    """The namespace as it is written; one that nobody has is not the caller's either."""
    return parts(request).accounts.namespace(asked) or asked if asked else user.name


def _exists(request: Request, kind: str, repo_id: str) -> Response:
    repo = parts(request).store.find(kind, repo_id)
    assert repo  # noqa: S101  for the type checker: it was found a moment ago
    said = Refused(409, f"You already created this {kind} repo: {repo.repo_id}")
    return refusal(said, url=url_of(request, repo))


def _new_repo(body: NewRepo, namespace: str, user: User) -> Repo:
    kind = body.type or "model"
    if not NAME.fullmatch(body.name):
        raise bad_request("Only regular characters and '-', '_', '.' accepted in a repo name of at most 96 characters")
    if kind == "space" and body.sdk not in SDKS:
        raise bad_request(f'"sdk" must be one of [{", ".join(SDKS)}]')
    return Repo(
        id=new_id(),
        kind=kind,
        namespace=namespace,
        name=body.name,
        visibility=_visibility(kind, body.visibility, body.private) or "public",
        sdk=body.sdk if kind == "space" else None,
        created_at=now(),
        creator=user.name,
    )


def _visibility(kind: str, visibility: Visibility | None, private: bool | None) -> Visibility | None:
    if visibility == "protected" and kind != "space":
        raise bad_request("Only Spaces can be protected")
    if visibility is None and private is not None:
        return "private" if private else "public"
    return visibility


def _check_plan(request: Request, user: User, repo: Repo, hardware: str) -> None:
    paid = parts(request).accounts.pays(repo.namespace, user)
    if repo.sdk in PAID_SDKS and hardware == "cpu-basic" and not paid:
        raise Refused(402, "Hosting Gradio and Docker Spaces on free cpu-basic requires a PRO subscription")


def _start_content(parts: Parts, repo: Repo, user: User) -> None:
    files = {".gitattributes": INITIAL}
    if repo.kind == "space":
        title = re.sub(r"[-_.]+", " ", repo.name).strip().title()
        card = f"title: {title!r}\nemoji: 🚀\ncolorFrom: blue\ncolorTo: green\nsdk: {repo.sdk}\npinned: false\n"
        files["README.md"] = f"---\n{card}---\n"
    parts.repos.create(repo)
    first_commit(parts.repos, repo, {path: text.encode() for path, text in files.items()}, user)


async def delete_repo(request: Request) -> Response:
    """`DELETE /api/repos/delete`."""
    body = await body_of(request, RepoName)
    user = member(request)
    namespace = _namespace(request, user, body.organization)
    repo = parts(request).store.find(body.type or "model", f"{namespace}/{body.name}")
    if repo is None or not parts(request).accounts.may_see(user, repo):
        raise no_repo(user)
    check_write(user, repo.namespace, f"delete {repo.repo_id}")
    parts(request).store.remove(repo)
    remains = parts(request).repos.bury(repo)  # at once: the name may be taken again while the rest is cleared away
    if repo.kind == "space":
        await parts(request).spaces.deleted(repo)
    await asyncio.to_thread(shutil.rmtree, remains, ignore_errors=True)
    return PlainTextResponse("OK")


async def change_repo(request: Request) -> Response:
    """`PUT …/settings`: who may see it."""
    body = await body_of(request, RepoSettings)
    repo = repo_of(request, write=True)
    visibility = _visibility(repo.kind, body.visibility, body.private)
    if visibility:
        parts(request).store.update(replace(repo, visibility=visibility))
    return Json({"visibility": visibility or repo.visibility})


async def repo_info(request: Request) -> Response:
    """`GET /api/{kinds}/{repo}`, and the same with `/revision/{revision}`."""
    repo = repo_of(request)
    revision = param(request, "revision") if "revision" in request.path_params else "main"
    fields = fields_of(repo.kind, request.query_params.getlist("expand"), FIELDS[repo.kind])
    space = _space(request, repo)

    def work() -> dict[str, Any]:
        sha = sha_of(request, repo, revision)
        return describe(Facts(parts(request).repos, repo, sha, space, blobs=flag(request, "blobs")), fields)

    return Json(await asyncio.to_thread(work))


async def no_namespace(request: Request) -> Response:
    """`GET /api/{kinds}/{name}`: a name without its namespace names nothing here."""
    raise no_repo(caller(request))


def _space(request: Request, repo: Repo) -> dict[str, Any]:
    if repo.kind != "space":
        return {}
    spaces = parts(request).spaces
    return {"host": spaces.host(repo), "runtime": spaces.runtime(repo)}


async def list_repos(request: Request) -> Response:
    """`GET /api/{kinds}`: what the caller may see, filtered, sorted, in pages."""
    kind = KINDS[request.path_params["kinds"]]
    query = request.query_params
    usual = FIELDS[kind] if flag(request, "full") else LISTED
    fields = fields_of(kind, query.getlist("expand"), usual)
    user = caller(request)
    found = [
        (repo, _space(request, repo))
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


async def auth_check(request: Request) -> Response:
    """`GET …/auth-check`: 200 for whoever may read it."""
    repo_of(request)
    return PlainTextResponse("OK")


async def auth_check_write(request: Request) -> Response:
    """`GET …/auth-check/write`: 200 for whoever may write it."""
    repo_of(request, write=True)
    return PlainTextResponse("OK")


async def list_refs(request: Request) -> Response:
    """`GET …/refs`."""
    repo = repo_of(request)
    refs = await asyncio.to_thread(parts(request).repos.refs, repo)

    def those(start: str) -> list[dict[str, str]]:
        found = {ref.removeprefix(start): (ref, sha) for ref, sha in refs.items() if ref.startswith(start)}
        return [{"name": name, "ref": ref, "targetCommit": sha} for name, (ref, sha) in found.items()]

    pulls: dict[str, Any] = {"pullRequests": []} if flag(request, "include_prs") else {}
    return Json({"branches": those("refs/heads/"), "converts": [], "tags": those("refs/tags/"), **pulls})


class NewBranch(msgspec.Struct, rename="camel"):
    """The body of a new branch."""

    starting_point: str | None = None


class NewTag(msgspec.Struct):
    """The body of a new tag."""

    tag: str
    message: str | None = None


async def create_branch(request: Request) -> Response:
    """`POST …/branch/{name}`."""
    repo = repo_of(request, write=True)
    text = await request.body()
    body = msgspec.json.decode(text, type=NewBranch) if text.strip() else NewBranch()
    await _create_ref(request, repo, "branch", "heads", param(request, "branch"), body.starting_point or "main")
    return Json({})


async def create_tag(request: Request) -> Response:
    """`POST …/tag/{revision}`; the tag is a plain one, its message is not kept."""
    repo = repo_of(request, write=True)
    body = await body_of(request, NewTag)
    await _create_ref(request, repo, "tag", "tags", body.tag, param(request, "revision"))
    return Json({})


async def _create_ref(request: Request, repo: Repo, what: str, group: str, name: str, start: str) -> None:
    if name.startswith("refs/") or not is_ref_name(name):
        raise bad_request(f"Invalid reference for a {what}: {name}")
    repos = parts(request).repos
    sha = await asyncio.to_thread(sha_of, request, repo, start)
    if not await asyncio.to_thread(repos.create_ref, repo, f"refs/{group}/{name}", sha):
        raise Refused(409, f"Reference refs/{group}/{name} already exists")


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


async def list_commits(request: Request) -> Response:
    """`GET …/commits/{revision}`, newest first, in pages."""
    repo = repo_of(request)
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
