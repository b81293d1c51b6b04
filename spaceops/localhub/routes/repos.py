"""Routes about whole repositories: create, delete, describe, their settings, and who may do what."""

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
from spaceops.localhub.describe import FIELDS, Facts, describe, fields_of
from spaceops.localhub.refusals import Refused, bad_request
from spaceops.localhub.routes.settings import FirstSettings, check_zero_gpu, first_settings
from spaceops.localhub.routes.volumes import checked_volumes
from spaceops.localhub.store import Repo, new_id
from spaceops.localhub.wire import (
    Json,
    body_of,
    caller,
    check_write,
    flag,
    member,
    no_repo,
    now,
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

Kind = Literal["model", "dataset", "space"]
Visibility = Literal["public", "private", "protected"]


class NewRepo(FirstSettings, rename="camel", kw_only=True):
    """The body of a creation; `private` is what clients before 2.0 sent."""

    name: str
    organization: str | None = None
    type: Kind | None = None
    visibility: Visibility | None = None
    private: bool | None = None
    sdk: str | None = None


class RepoName(msgspec.Struct):
    """The body of a deletion."""

    name: str
    organization: str | None = None
    type: Kind | None = None


class RepoSettings(msgspec.Struct):
    """The body of a change; `gated` is false where it is to be no more."""

    visibility: Visibility | None = None
    private: bool | None = None
    gated: Literal["auto", "manual"] | bool | None = None


async def create_repo(request: Request) -> Response:
    """`POST /api/repos/create`: everything about a new repository in the one call."""
    body = await body_of(request, NewRepo)
    user = member(request)
    namespace = _namespace(request, user, body.organization)
    kind = body.type or "model"
    check_write(user, namespace, f'create a {kind} under the namespace "{namespace}"')
    volumes = await checked_volumes(request, body.volumes)
    if there := parts(request).store.find(kind, f"{namespace}/{body.name}"):
        return exists(request, there)
    repo = _new_repo(request, body, namespace, user)
    settings = first_settings(body, now(request), volumes)
    check_plan(request, user, repo, settings.hardware)
    with alone(request, kind, repo.repo_id):
        await asyncio.to_thread(_start_content, parts(request), repo, user)
        parts(request).store.add(repo, settings)
    if kind == "space":
        parts(request).spaces.created(repo)
    return Json({"url": url_of(request, repo), "name": repo.repo_id, "id": repo.id})


@contextmanager
def alone(request: Request, kind: str, repo_id: str) -> Iterator[None]:
    """Refuse a second creation of the same repository while the first is under way; the client tries again."""
    name = f"{kind}s/{repo_id}".lower()
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


def exists(request: Request, repo: Repo) -> Response:
    """The answer that a repository is there already, and where."""
    said = Refused(409, f"You already created this {repo.kind} repo: {repo.repo_id}")
    return refusal(said, url=url_of(request, repo), filesCopyPending=False)


def _new_repo(request: Request, body: NewRepo, namespace: str, user: User) -> Repo:
    kind = body.type or "model"
    if kind == "space" and body.sdk not in SDKS:
        raise bad_request(f'"sdk" must be one of [{", ".join(SDKS)}]')
    org = parts(request).accounts.org(namespace)
    return Repo(
        id=new_id(),
        kind=kind,
        namespace=namespace,
        name=checked_name(body.name),
        visibility=visibility_of(kind, body.visibility, body.private) or (org.default_visibility if org else "public"),
        sdk=body.sdk if kind == "space" else None,
        created_at=now(request),
        creator=user.name,
    )


def checked_name(name: str) -> str:
    """The name, if a repository may have it."""
    if not NAME.fullmatch(name):
        raise bad_request("Only regular characters and '-', '_', '.' accepted in a repo name of at most 96 characters")
    return name


def visibility_of(kind: str, visibility: Visibility | None, private: bool | None) -> Visibility | None:
    """The visibility that a request asks for, if it does."""
    if visibility == "protected" and kind != "space":
        raise bad_request("Only Spaces can be protected")
    if visibility is None and private is not None:
        return "private" if private else "public"
    return visibility


def check_plan(request: Request, user: User, repo: Repo, hardware: str) -> None:
    """Refuse a Space that runs something for nothing, unless a plan pays for it."""
    paid = parts(request).accounts.pays(repo.namespace, user)
    if repo.sdk in PAID_SDKS and hardware == "cpu-basic" and not paid:
        raise Refused(402, "Hosting Gradio and Docker Spaces on free cpu-basic requires a PRO subscription")
    check_zero_gpu(repo, hardware, pays=paid)


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
    repo = named_repo(request, body.type or "model", f"{_namespace(request, user, body.organization)}/{body.name}")
    check_write(user, repo.namespace, f"delete {repo.repo_id}", repo)
    parts(request).store.remove(repo)
    remains = parts(request).repos.bury(repo)  # at once: the name may be taken again while the rest is cleared away
    if repo.kind == "space":
        await parts(request).spaces.deleted(repo)
    await asyncio.to_thread(shutil.rmtree, remains, ignore_errors=True)
    return PlainTextResponse("OK")


def named_repo(request: Request, kind: str, repo_id: str) -> Repo:
    """The repository that a body names; its former names do not count."""
    user = caller(request)
    repo = parts(request).store.find(kind, repo_id)
    if repo is None or not parts(request).accounts.may_see(user, repo):
        raise no_repo(user)
    return repo


async def change_repo(request: Request) -> Response:
    """`PUT …/settings`: who may see it, and whether everybody who does may read it."""
    body = await body_of(request, RepoSettings)
    repo = repo_of(request, write=True)
    visibility = visibility_of(repo.kind, body.visibility, body.private) or repo.visibility
    if body.gated is True or (body.gated and repo.kind == "space"):
        raise bad_request('"gated" must be one of [auto, manual, false], and of a Space false')
    gate = repo.gated if body.gated is None else body.gated or None
    parts(request).store.update(replace(repo, visibility=visibility, gated=gate))
    return Json({"visibility": visibility, "gated": gate or False})


async def repo_info(request: Request) -> Response:
    """`GET /api/{kinds}/{repo}`, and the same with `/revision/{revision}`."""
    repo = repo_of(request, facts=True)
    revision = param(request, "revision") if "revision" in request.path_params else "main"
    fields = fields_of(repo.kind, expanded(request), FIELDS[repo.kind])
    space = space_facts(request, repo)

    def work() -> dict[str, Any]:
        sha = sha_of(request, repo, revision)
        found = describe(Facts(parts(request).repos, repo, sha, space, blobs=flag(request, "blobs")), fields)
        unscanned = {"securityRepoStatus": {"scansDone": False, "filesWithIssues": []}}
        return {**found, **(unscanned if flag(request, "securityStatus") else {})}

    if parts(request).repos.remembers(repo, revision):  # many ask, and a thread costs more than the answer
        return Json(work())
    return Json(await asyncio.to_thread(work))


def expanded(request: Request) -> list[str]:
    """The fields that a request asks for by name."""
    return [*request.query_params.getlist("expand"), *request.query_params.getlist("expand[]")]


async def no_namespace(request: Request) -> Response:
    """`… /api/{kinds}/{name}…`: a name without its namespace names nothing here."""
    raise no_repo(caller(request))


def space_facts(request: Request, repo: Repo) -> dict[str, Any]:
    """What the server knows of a running Space, for its description; nothing of other repositories."""
    if repo.kind != "space":
        return {}
    spaces = parts(request).spaces
    return {"host": spaces.host(repo), "runtime": spaces.runtime(repo)}


async def auth_check(request: Request) -> Response:
    """`GET …/auth-check`: 200 for whoever may read its files."""
    repo_of(request)
    return PlainTextResponse("OK")


async def auth_check_write(request: Request) -> Response:
    """`GET …/auth-check/write`: 200 for whoever may write it."""
    repo_of(request, write=True)
    return PlainTextResponse("OK")
