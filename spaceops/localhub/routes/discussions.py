"""Routes about pull requests: open, list, describe, comment, rename, close, merge."""

from __future__ import annotations

import asyncio
import html
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from spaceops.localhub import merges
from spaceops.localhub.accounts import may_write
from spaceops.localhub.discussions import Event, Pull
from spaceops.localhub.refusals import Refused, bad_request, no_revision
from spaceops.localhub.routes.commits import check_opener, pushed
from spaceops.localhub.wire import Json, body_of, check_write, flag, member, no_repo, now, number, param, parts, repo_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from spaceops.localhub.repos import Commit
    from spaceops.localhub.store import Repo

PER_PAGE = 50
LONGEST_TITLE, LONGEST_TEXT = 200, 65_536  # characters
BASE = "refs/heads/main"


class NewDiscussion(msgspec.Struct, rename="camel"):
    """The body of a new discussion; with `pullRequest` it is one."""

    title: str
    description: str = ""
    pull_request: bool = False


class Comment(msgspec.Struct):
    """The body of a comment, which comes along with other changes too."""

    comment: str | None = None


class NewTitle(msgspec.Struct):
    """The body of a change of title."""

    title: str


class NewStatus(Comment, kw_only=True):
    """The body of a change of status."""

    status: Literal["open", "closed"]


async def list_discussions(request: Request) -> Response:
    """`GET …/discussions`: pull requests, newest first, in numbered pages."""
    repo = repo_of(request)
    asked = request.query_params
    status, kind = asked.get("status", "all"), asked.get("type", "all")
    if status not in ("all", "open", "closed") or kind not in ("all", "discussion", "pull_request"):
        raise bad_request("status must be all, open or closed; type must be all, discussion or pull_request")
    closed = None if status == "all" else status == "closed"
    pulls = parts(request).discussions.all(repo, closed=closed, author=asked.get("author"))
    pulls = [] if kind == "discussion" else pulls
    start = number(request, "p", 0, most=10**6) * PER_PAGE
    shown = [_summary(repo, pull) for pull in pulls[start : start + PER_PAGE]]
    return Json({"discussions": shown, "count": len(pulls), "start": start})


async def open_discussion(request: Request) -> Response:
    """`POST …/discussions`: a new pull request, a draft without commits."""
    repo = repo_of(request)
    check_opener(request, repo)
    body = await body_of(request, NewDiscussion)
    if not body.pull_request:
        raise Refused(501, "The local Hub has pull requests, but no threads of discussion")
    title, text, author = _title(body.title), _text(body.description), member(request).name
    repos, discussions = parts(request).repos, parts(request).discussions
    async with discussions.lock(repo):
        pull = Pull(repo.id, discussions.next_number(repo), title, author, now(request), "draft", BASE)
        head = await asyncio.to_thread(repos.branch, repo, "main")
        if head is None:
            raise no_revision("main")
        await asyncio.to_thread(repos.create_ref, repo, pull.ref, head)
        if parts(request).store.by_id(repo.id) is None:  # it was deleted meanwhile
            raise no_repo(member(request))
        discussions.add(pull, text)
    return Json(_summary(repo, pull))


async def discussion_details(request: Request) -> Response:
    """`GET …/discussions/{num}`: a pull request with all that happened; `diff=1` adds what it changes."""
    repo = repo_of(request)
    pull = _pull(request, repo)
    repos = parts(request).repos
    commits = await asyncio.to_thread(merges.commits, repos, repo, pull)
    conflicts = await asyncio.to_thread(merges.conflicts, repos, repo, pull)
    diff = {"diff": await asyncio.to_thread(merges.diff, repos, repo, pull)} if flag(request, "diff") else {}
    first, *later = [_event(event) for event in parts(request).discussions.events(pull)]
    later = sorted([*later, *map(_commit_event, commits)], key=lambda event: str(event["createdAt"]))
    changes = {"base": pull.base, **({"mergeCommitId": pull.merge_commit} if pull.merge_commit else {})}
    shown = {**_summary(repo, pull), "events": [first, *later], "changes": changes, "filesWithConflicts": conflicts}
    return Json({**shown, **diff})


async def comment(request: Request) -> Response:
    """`POST …/discussions/{num}/comment`: anybody who may open a pull request may say something about one."""
    repo = repo_of(request)
    check_opener(request, repo)
    pull = _pull(request, repo)
    body = await body_of(request, Comment)
    if not (body.comment or "").strip():
        raise bad_request("A comment needs text")
    return Json({"newMessage": _event(_say(request, pull, body))})


async def rename(request: Request) -> Response:
    """`POST …/discussions/{num}/title`."""
    _, pull = _own_pull(request)
    title = _title((await body_of(request, NewTitle)).title)
    event = parts(request).discussions.rename(pull, member(request).name, now(request), title)
    return Json({"newTitle": _event(event)})


async def set_status(request: Request) -> Response:
    """`POST …/discussions/{num}/status`: close it, open it again, or publish a draft."""
    repo, _ = _own_pull(request)
    body = await body_of(request, NewStatus)
    async with parts(request).discussions.lock(repo):
        pull = _pull(request, repo)
        if pull.status == "merged":
            raise Refused(409, f"The pull request {pull.num} is merged")
        _say(request, pull, body)
        event = parts(request).discussions.set_status(pull, member(request).name, now(request), body.status)
    return Json({"newStatus": _event(event)})


async def merge(request: Request) -> Response:
    """`POST …/discussions/{num}/merge`: what it changes becomes one commit of its base."""
    repo = repo_of(request, write=True)
    body = await body_of(request, Comment)
    async with parts(request).discussions.lock(repo):
        pull = _pull(request, repo)
        if pull.status != "open":
            raise Refused(409, f"The pull request {pull.num} is {pull.status}: only an open one can be merged")
        onto, commit = await _merged(request, repo, pull)
        _say(request, pull, body)
        parts(request).discussions.merged(pull, member(request).name, now(request), onto, commit)
    pushed(request, repo, pull.base.removeprefix("refs/heads/"))
    return Json({"success": True, "mergeCommitId": commit})


async def _merged(request: Request, repo: Repo, pull: Pull) -> tuple[str, str]:
    try:
        return await asyncio.to_thread(merges.merge, parts(request).repos, repo, pull, member(request))
    except merges.Conflict as conflict:
        files = ", ".join(conflict.files) or "all of it: it has another history"
        raise Refused(409, f"The pull request {pull.num} has conflicts: {files}") from conflict


def _pull(request: Request, repo: Repo) -> Pull:
    num = param(request, "num")
    pull = parts(request).discussions.find(repo, int(num)) if num.isdecimal() and len(num) < 10 else None
    if pull is None:
        raise Refused(404, f"There is no discussion {num} in {repo.repo_id}")
    return pull


def _own_pull(request: Request) -> tuple[Repo, Pull]:
    """A pull request, for its author or somebody who may write in its repository."""
    repo = repo_of(request)
    pull, user = _pull(request, repo), member(request)
    if user.name != pull.author and not may_write(user, repo.namespace, repo):
        check_write(user, repo.namespace, f"change a pull request of {pull.author}", repo)
    check_opener(request, repo)
    return repo, pull


def _say(request: Request, pull: Pull, body: Comment) -> Event | None:
    text = _text(body.comment or "")
    return parts(request).discussions.comment(pull, member(request).name, now(request), text) if text else None


def _title(text: str) -> str:
    if not 0 < len(text.strip()) <= LONGEST_TITLE:
        raise bad_request(f"A title has between 1 and {LONGEST_TITLE} characters")
    return text.strip()


def _text(text: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise bad_request(f"A comment has at most {LONGEST_TEXT} characters")
    return text.strip()


def _summary(repo: Repo, pull: Pull) -> dict[str, Any]:
    return {
        "num": pull.num,
        "title": pull.title,
        "status": pull.status,
        "author": {"name": pull.author},
        "createdAt": pull.created_at,
        "isPullRequest": True,
        "repo": {"name": repo.repo_id, "type": repo.kind},
        "pinned": False,
        "locked": False,
    }


def _event(event: Event | None) -> dict[str, Any]:
    assert event  # noqa: S101
    data: dict[str, Any] = event.data
    if event.type == "comment":
        latest = {"raw": data["text"], "html": f"<p>{html.escape(data['text'])}</p>", "updatedAt": event.created_at}
        data = {"edited": False, "hidden": False, "latest": {**latest, "author": {"name": event.author}}, "history": []}
    return _shown(event.id, event.type, event.author, event.created_at, data)


def _commit_event(commit: Commit) -> dict[str, Any]:
    data = {"subject": commit.title, "oid": commit.oid}
    return _shown(commit.oid[:24], "commit", commit.author, commit.date, data)


def _shown(key: str, kind: str, author: str, at: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"id": key, "type": kind, "createdAt": at, "author": {"name": author}, "data": data}
