"""Commits through the API, and what follows from a commit, whichever way it came."""

from __future__ import annotations

import asyncio
import tempfile
from typing import IO, TYPE_CHECKING

from starlette.responses import Response

from spaceops.localhub.accounts import DISCUSS, may_write
from spaceops.localhub.commits import Proposal, make_commit, read_proposal
from spaceops.localhub.discussions import REF, Pull
from spaceops.localhub.refusals import Refused, no_revision
from spaceops.localhub.wire import Json, caller, check_write, flag, member, no_repo, now, param, parts, repo_of, url_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from spaceops.localhub.store import Repo

IN_MEMORY = 1 << 20  # bytes of a commit's body; more goes to disk while it arrives
LARGEST_BODY = 1 << 30  # bytes; what is larger is to come as large files


def check_opener(request: Request, repo: Repo) -> None:
    """Refuse whoever may not open a pull request: anybody may who reads the repository, with a token that writes."""
    if not member(request).grants(DISCUSS, repo.namespace, repo):
        raise Refused(403, f"Forbidden: you must use a write token to open a pull request on {repo.repo_id}.")


def check_upload(request: Request, repo: Repo, revision: str | None) -> None:
    """Refuse whoever may not add a commit to a revision of a repository that they read.

    Who may write there may, and to the ref of a pull request its author; to a pull request that is yet to be opened
    (`create_pr`, or no revision) whoever may open one.
    """
    user = caller(request)
    if may_write(user, repo.namespace, repo):
        return
    pull = parts(request).discussions.of_ref(repo, revision or "")
    is_author = user is not None and pull is not None and pull.author == user.name
    if user and (revision is None or flag(request, "create_pr") or is_author):
        check_opener(request, repo)
    else:
        check_write(user, repo.namespace, f"change {repo.repo_id}", repo)


async def commit(request: Request) -> Response:
    """`POST …/commit/{revision}`: to a branch, to a pull request, or with `create_pr` to a new one."""
    repo = repo_of(request)
    revision = param(request, "revision")
    check_upload(request, repo, revision)
    _check_live(request, repo, revision)
    with tempfile.SpooledTemporaryFile(IN_MEMORY, dir=str(parts(request).repos.temporary)) as body:
        await _receive(request, body)
        proposal = await asyncio.to_thread(read_proposal, body)
        if flag(request, "create_pr"):
            return await _open(request, repo, revision, proposal)
        sha = await asyncio.to_thread(make_commit, parts(request).repos, repo, revision, proposal, member(request))
    pushed(request, repo, revision.removeprefix("refs/heads/"))
    return _made(request, repo, sha)


def _check_live(request: Request, repo: Repo, revision: str) -> None:
    if not REF.fullmatch(revision):
        return
    pull = parts(request).discussions.of_ref(repo, revision)
    if pull is None:
        raise no_revision(revision)
    if not pull.is_live:
        raise Refused(403, f"The pull request {pull.num} is {pull.status}: it takes no more commits")


async def _receive(request: Request, body: IO[bytes]) -> None:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > LARGEST_BODY:
            raise Refused(413, f"A commit's body is at most {LARGEST_BODY} bytes; larger files come as large files")
        body.write(chunk)


async def _open(request: Request, repo: Repo, base: str, proposal: Proposal) -> Response:
    """Commit to a new pull request; it is there when its commit is."""
    store, repos, discussions = parts(request).store, parts(request).repos, parts(request).discussions
    user = member(request)
    base = base.removeprefix("refs/heads/")
    async with discussions.lock(repo):
        num = discussions.next_number(repo)
        sha = await asyncio.to_thread(make_commit, repos, repo, base, proposal, user, into=f"refs/pr/{num}")
        if store.by_id(repo.id) is None:  # it was deleted meanwhile
            raise no_repo(user)
        title = proposal.header.summary
        pull = Pull(repo.id, num, title, user.name, now(request), "open", f"refs/heads/{base}")
        discussions.add(pull, proposal.header.description)
    return _made(request, repo, sha, pullRequestUrl=f"{url_of(request, repo)}/discussions/{num}")


def _made(request: Request, repo: Repo, sha: str, **more: str) -> Response:
    url = f"{url_of(request, repo)}/commit/{sha}"
    return Json({"success": True, "commitOid": sha, "commitUrl": url, "hookOutput": "", **more})


def pushed(request: Request, repo: Repo, branch: str) -> None:
    """Tell the Space that its content changed, whichever way that came; before the answer goes out."""
    if branch != "main" or repo.kind != "space":
        return
    head = parts(request).repos.branch(repo, "main")  # the newest commit, also when two of them come out of order
    if head and head != parts(request).store.state(repo).wanted_sha:
        parts(request).spaces.pushed(repo, head)
