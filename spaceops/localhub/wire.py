"""What every route shares: who asks, for which repository, with what in the body."""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, unquote, urlencode

import msgspec
from starlette.responses import Response

from spaceops.localhub.accounts import User, may_write
from spaceops.localhub.clock import wire_time
from spaceops.localhub.refusals import Refused, bad_request, no_revision
from spaceops.structs import decoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from spaceops.localhub.accounts import Accounts
    from spaceops.localhub.buckets import Buckets
    from spaceops.localhub.clock import Clock
    from spaceops.localhub.discussions import Discussions
    from spaceops.localhub.faults import Faults
    from spaceops.localhub.repos import Repos
    from spaceops.localhub.spaces import Spaces
    from spaceops.localhub.store import Repo, Store
    from spaceops.localhub.tickets import Tickets
    from spaceops.localhub.xet import Xet

LARGEST_BODY = 32 << 20  # bytes of JSON; files do not come this way
KINDS = {"models": "model", "datasets": "dataset", "spaces": "space"}
PLAIN = "text/plain; charset=utf-8"
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the routes work on."""

    accounts: Accounts
    store: Store
    repos: Repos
    discussions: Discussions
    clock: Clock
    faults: Faults
    spaces: Spaces
    tickets: Tickets
    xet: Xet
    buckets: Buckets
    creating: set[str] = field(default_factory=set)  # names of repositories that are being made
    pushing: Counter[str] = field(default_factory=Counter)  # ids of repositories that git is pushed to, how often now


class Json(Response):
    """An answer in JSON."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The content as JSON."""
        return msgspec.json.encode(content)


def parts(request: Request) -> Parts:
    """What the routes work on."""
    found: Parts = request.app.state.parts
    return found


def now(request: Request) -> str:
    """The server's time, as the wire has it."""
    return wire_time(parts(request).clock.now())


def base(request: Request) -> str:
    """The address under which the client knows this server; every URL in an answer starts with it."""
    return f"{request.url.scheme}://{request.headers.get('host') or request.url.netloc}"


def param(request: Request, name: str) -> str:
    """A part of the path, unquoted; routes match the path as it came, so that `refs%2Fpr%2F1` is one part."""
    return unquote(str(request.path_params[name]))


def flag(request: Request, name: str) -> bool:
    """A query parameter that is true or false."""
    return request.query_params.get(name, "").lower() in ("true", "1")


def number(request: Request, name: str, default: int, *, most: int) -> int:
    """A query parameter that is a number from 0 on; more than `most` counts as `most`."""
    text = request.query_params.get(name, str(default))
    if not text.isdecimal() or len(text) > 9:
        raise bad_request(f"{name} must be a number")
    return min(int(text), most)


async def raw_body(request: Request, most: int = LARGEST_BODY) -> bytes:
    """The request's body, refused when it is larger than `most` bytes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise Refused(413, f"The request is larger than {most} bytes")
    return bytes(body)


async def body_of(request: Request, kind: type[T]) -> T:
    """The request's body, which must be JSON of that shape; no body is as good as an empty object."""
    return decoder(kind).decode((await raw_body(request)).strip() or b"{}")


def token_of(request: Request) -> str | None:
    """The token that came along: as Bearer, or as the password of Basic, as git sends it."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value).decode().partition(":")[2].strip()
        except (binascii.Error, ValueError):
            return ""
    return value.strip() if scheme else None


def caller(request: Request) -> User | None:
    """Who asks, None for anonymous; a token that nobody has is refused."""
    token = token_of(request)
    user = parts(request).accounts.user(token)
    if token is not None and user is None:
        raise Refused(401, "Invalid credentials in Authorization header")
    return user


def member(request: Request) -> User:
    """Who asks, who must be somebody."""
    user = caller(request)
    if user is None:
        raise Refused(401, "Invalid username or password.")
    return user


def repo_of(request: Request, *, write: bool = False, kind: str | None = None, facts: bool = False) -> Repo:
    """The repository that the path names; refused if the caller may not read it, or may not write what must be written.

    Who may not see a repository learns nothing about it, not even that there is one. A gated one is seen by all who
    would see it otherwise, but read only by its own people: `facts` are what it tells everybody.
    """
    kind = kind or KINDS.get(str(request.path_params.get("kinds")), "model")
    repo_id = f"{param(request, 'namespace')}/{param(request, 'name').removesuffix('.git')}"
    user, accounts = caller(request), parts(request).accounts
    repo = parts(request).store.find(kind, repo_id)
    if repo is None:
        raise _elsewhere(request, kind, repo_id)
    if not accounts.may_see(user, repo):
        raise no_repo(user)
    if write:
        check_write(user, repo.namespace, f"change {repo.repo_id}", repo)
    if not facts and not accounts.may_read(user, repo):
        raise gated(user, repo, url_of(request, repo))
    return repo


def _elsewhere(request: Request, kind: str, repo_id: str) -> Refused:
    """There is none of that name; if there was one, and the caller may see it, it is said where it is now."""
    user = caller(request)
    repo = parts(request).store.moved(kind, repo_id)
    if repo is None or not parts(request).accounts.may_see(user, repo):
        return no_repo(user)
    path = request.scope["path"].split("/")
    at = 3 if path[1] == "api" else 2 if "kinds" in request.path_params or kind == "bucket" else 1
    suffix = ".git" if path[at + 1].endswith(".git") else ""
    path[at : at + 2] = [repo.namespace, repo.name + suffix]
    query = request.scope["query_string"].decode("latin-1")
    return Refused(307, f"It is {repo.repo_id} now", Location="/".join(path) + (query and f"?{query}"))


def no_repo(user: User | None) -> Refused:
    """There is none, or none for them."""
    if user is None or user.is_blind:
        return Refused(401, "Invalid username or password.", "RepoNotFound")
    return Refused(404, "Repository not found", "RepoNotFound")


def gated(user: User | None, repo: Repo, url: str) -> Refused:
    """Everybody sees that it is there, and not everybody may read it."""
    what = f"Access to {repo.kind} {repo.repo_id} is restricted"
    if user is None:
        needed = "You must have access to it and be authenticated to access it. Please log in."
        return Refused(401, f"{what}. {needed}", "GatedRepo")
    return Refused(403, f"{what} and you are not in the authorized list. Visit {url} to ask for access.", "GatedRepo")


def check_write(user: User | None, namespace: str, what: str, repo: Repo | None = None) -> None:
    """Refuse whoever may not write in a namespace, or to the repository in it."""
    if user is None:
        raise Refused(401, "Invalid username or password.")
    if user.role == "read":
        raise Refused(403, f"Forbidden: you must use a write token to {what}.")
    if not may_write(user, namespace, repo):
        raise Refused(403, f"You don't have the rights to {what}")


def sha_of(request: Request, repo: Repo, revision: str) -> str:
    """The commit that a revision names; blocks on git."""
    sha = parts(request).repos.resolve(repo, revision)
    if sha is None:
        raise no_revision(revision)
    return sha


def prefix(repo: Repo) -> str:
    """Where a repository's pages and files are, below the address of the server."""
    return "" if repo.kind == "model" else f"/{repo.kind}s"


def url_of(request: Request, repo: Repo) -> str:
    """The address of a repository."""
    return f"{base(request)}{prefix(repo)}/{repo.repo_id}"


def page(request: Request, items: Sequence[Any], size: int, **headers: str) -> Json:
    """One page of a list, with the address of the next one in `Link`."""
    start = number(request, "cursor", 0, most=10**9)
    if start + size < len(items):
        headers["Link"] = next_page(request, start + size)
    return Json(items[start : start + size], headers=headers)


def next_page(request: Request, start: int | str) -> str:
    """The `Link` header that leads to the rest of a list, which begins at a place, or after a name."""
    query = [(key, value) for key, value in request.query_params.multi_items() if key != "cursor"]
    path = quote(request.scope["path"], safe="/%")
    return f'<{base(request)}{path}?{urlencode([*query, ("cursor", start)])}>; rel="next"'


def refusal(refused: Refused, **more: Any) -> Response:
    """The answer that says no: JSON, or plain text where the refusal asks for it."""
    printable = re.sub(r"[^ -~]+", " ", refused.message)  # a header cannot hold more; the body says all
    headers = {**refused.headers, "X-Error-Message": printable.strip()}
    if refused.code:
        headers["X-Error-Code"] = refused.code
    if headers.get("Content-Type") == PLAIN:
        return Response(refused.message, refused.status, headers)
    return Json({"error": refused.message, **more}, refused.status, headers)
