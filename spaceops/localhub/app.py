"""The table of calls: a method, a path and the function that answers. What has no function is answered with 501.

Paths are matched as they come, still percent-encoded; `{x}` is one part, `{x:path}` all the rest.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route

from spaceops.localhub.front import FAILED
from spaceops.localhub.git import GitError
from spaceops.localhub.refusals import Refused
from spaceops.localhub.routes import (
    accounts,
    bucket_files,
    buckets,
    commits,
    control,
    discussions,
    files,
    git,
    history,
    lfs,
    lists,
    moves,
    repos,
    settings,
    spaces,
    uploads,
    xet,
)
from spaceops.localhub.wire import KINDS, refusal, repo_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ExceptionHandler, Receive, Scope, Send


class _Kinds(Convertor[str]):
    """The plural that names a kind of repository in a path."""

    regex = "models|datasets|spaces"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("kinds", _Kinds())


class Call(NamedTuple):
    """One call of the Hub, and what answers it here."""

    method: str
    path: str
    answer: Any  # the function; None: it is not there, see `NOT_HERE`
    partial: str = ""  # what of it is not there
    guess: str = ""  # what nobody could see of the real Hub from outside, and how it is here


REPO = "/api/{kinds:kinds}/{namespace}/{name}"
SPACE = "/api/spaces/{namespace}/{name}"
BUCKET = "/api/buckets/{namespace}/{name}"
CAS = "/cas/{instance}/{id}"

# What is not there of a call.
FEWER_FACTS = "no e-mail address, no picture"
NUMBERS = "numbers of repositories only"
NEVER_USED = "nothing is ever used up"
NO_TEMPLATES = "there are none here"
BY_NAME = "searched by name only"
FOUND_OUT = "without what the Hub finds out about files (safetensors, gguf, config, security, leaderboards …)"
UNSCANNED = "nothing is scanned: every file is `unscanned`"
PULLS = "pull requests only"
ONE_PROCESS = "one process serves, whatever number is shown"
NO_SSH = "it is shown and restarts the app; there is no ssh and no editor"
NO_DISK = "it is shown and no disk comes with it: attach a bucket"
NOT_RUN = "Gradio and static Spaces are not run"
NO_REGIONS = "visibility only: regions mean nothing here"
UNKNOWN_BLOCK = "always 404: a client sends what it has"
NO_GRANTS = "always 404: blocks come here"
NO_TELEMETRY = "always 404"
NO_LOCKS = "always 404: git-lfs goes on without locks"

# What nobody could see of the real Hub from outside, and how it is here.
MOVED = "the old name answers 307 until a new repository takes it; a name that is taken is a 409"
COPIED = "the copy of a Space is private unless said otherwise, on cpu-basic, with no volumes but those given"
HARDWARE = "the clients know rtx-pro-6000 to x8, the price list of the documentation does not: they are offered"
QUOTA = "210 GPU seconds a day for free accounts, 1500 for PRO"
GATED = "only its own people read a gated repository; everybody sees its facts, commits and the names of its files"
SQUASHED = "of main it builds a Space anew"
LARGE = "a large file is what has a NUL in its sample, more than 10 MB, or an LFS line in the nearest .gitattributes"
CARD = "the words about license, colours, description and arrays are the Hub's, all others are ours"
COMMIT = "what changes nothing is no commit; a pull request that is over takes none (403); paths have up to 900 bytes"
PUSH = "branches, tags and open pull requests only; up to 100,000 files and folders in a commit"
STATUS = "by its author or who may write; what is merged stays so (409)"
MERGE = "one new commit on the base, whoever may write there; a draft or a conflict is a 409"
SET_AGAIN = "set again without a description it has none; a value has at most 64 KiB, all together 1 MiB"
SECRETS = "names and descriptions are for who may write"
REPLICAS = "answers the runtime; 400 on free hardware"
DEV_MODE = "402 without a plan"
STORAGE = "whether the Hub still answers clients before 2.0"
NO_STORAGE = "whether the Hub still answers it"
ATTACHED = "a source that is not there is a 400; an app that is to write a bucket needs its owner's right to write it"
RUNTIME = "sha is the commit that serves now; a domain is an address of this machine"
EVENTS = "the runtime at once and on each change"
METRICS = "as for Jobs, once a second; network is what visitors cause"
RESTART = "a start without a build, unless there is a newer commit or the last build failed"
LOGS = "for those to whom it belongs; the run log begins at each start"
MADE_UP = "of a file that an app wrote, xetHash is made up from its name, size and time"
BATCH = "what is wrong with a path fails that change alone; one path cannot be a file and a folder"
OWN_BLOCKS = "every repository has an address of its own: of blocks sent to one no file of another is made"
UNPROVED = "names of blocks and files are taken as they come; the sha256 of a repository's file is checked"
MADE_BLOCKS = "blocks are made for the download; what did not come by Xet has its sha256 for a name"

CALLS: list[Call] = [
    # accounts
    Call("GET", "/api/whoami-v2", accounts.whoami, FEWER_FACTS),
    Call("GET", "/api/users/{name}/overview", accounts.user_overview, NUMBERS),
    Call("GET", "/api/organizations/{name}/overview", accounts.org_overview, NUMBERS),
    Call("GET", "/api/organizations/{name}/members", accounts.org_members),
    Call("GET", "/api/agent-harnesses", accounts.agent_harnesses),
    Call("POST", "/api/validate-yaml", accounts.validate_yaml, guess=CARD),
    # repositories
    Call("POST", "/api/repos/create", repos.create_repo),
    Call("DELETE", "/api/repos/delete", repos.delete_repo),
    Call("POST", "/api/repos/move", moves.move_repo, guess=MOVED),
    Call("POST", f"{REPO}/duplicate", moves.duplicate_repo, guess=COPIED),
    Call("GET", "/api/spaces/hardware", settings.list_hardware, guess=HARDWARE),
    Call("GET", "/api/spaces/zero-gpu/quota", settings.zero_gpu_quota, NEVER_USED, QUOTA),
    Call("GET", "/api/settings/repositories", lists.list_own_repos),
    Call("GET", "/api/organizations/{name}/settings/repositories", lists.list_org_repos),
    Call("GET", "/api/spaces/templates", lists.list_templates, NO_TEMPLATES),
    Call("GET", "/api/{kinds:kinds}", lists.list_repos, BY_NAME),
    Call("GET", "/api/{kinds:kinds}/{name}", repos.no_namespace),
    Call("GET", REPO, repos.repo_info, FOUND_OUT),
    Call("GET", f"{REPO}/revision/{{revision}}", repos.repo_info, FOUND_OUT),
    Call("PUT", f"{REPO}/settings", repos.change_repo, guess=GATED),
    Call("GET", f"{REPO}/auth-check", repos.auth_check),
    Call("GET", f"{REPO}/auth-check/write", repos.auth_check_write),
    # branches, tags, commits
    Call("GET", f"{REPO}/refs", history.list_refs),
    Call("POST", f"{REPO}/branch/{{branch}}", history.create_branch),
    Call("DELETE", f"{REPO}/branch/{{branch}}", history.delete_branch),
    Call("POST", f"{REPO}/tag/{{revision}}", history.create_tag),
    Call("DELETE", f"{REPO}/tag/{{revision}}", history.delete_tag),
    Call("POST", f"{REPO}/super-squash/{{ref}}", history.super_squash, guess=SQUASHED),
    Call("GET", f"{REPO}/commits/{{revision}}", history.list_commits),
    # files
    Call("GET", f"{REPO}/tree/{{revision}}", files.tree, UNSCANNED),
    Call("GET", f"{REPO}/tree/{{revision}}/{{path:path}}", files.tree, UNSCANNED),
    Call("POST", f"{REPO}/paths-info/{{revision}}", files.paths_info, UNSCANNED),
    Call("POST", f"{REPO}/preupload/{{revision}}", uploads.preupload, guess=LARGE),
    Call("POST", f"{REPO}/commit/{{revision}}", commits.commit, guess=COMMIT),
    # pull requests; threads of discussion come later
    Call("GET", f"{REPO}/discussions", discussions.list_discussions, PULLS),
    Call("POST", f"{REPO}/discussions", discussions.open_discussion, PULLS),
    Call("GET", f"{REPO}/discussions/{{num}}", discussions.discussion_details),
    Call("POST", f"{REPO}/discussions/{{num}}/comment", discussions.comment),
    Call("POST", f"{REPO}/discussions/{{num}}/title", discussions.rename),
    Call("POST", f"{REPO}/discussions/{{num}}/status", discussions.set_status, guess=STATUS),
    Call("POST", f"{REPO}/discussions/{{num}}/merge", discussions.merge, guess=MERGE),
    # Spaces: what is asked for
    Call("GET", f"{SPACE}/variables", settings.get_variables),
    Call("POST", f"{SPACE}/variables", settings.set_variable, guess=SET_AGAIN),
    Call("DELETE", f"{SPACE}/variables", settings.delete_variable),
    Call("GET", f"{SPACE}/secrets", settings.get_secrets, guess=SECRETS),
    Call("POST", f"{SPACE}/secrets", settings.set_secret, guess=SET_AGAIN),
    Call("DELETE", f"{SPACE}/secrets", settings.delete_secret),
    Call("POST", f"{SPACE}/hardware", settings.set_hardware),
    Call("POST", f"{SPACE}/sleeptime", settings.set_sleep_time),
    Call("POST", f"{SPACE}/replicas", settings.set_replicas, ONE_PROCESS, REPLICAS),
    Call("POST", f"{SPACE}/dev-mode", settings.set_dev_mode, NO_SSH, DEV_MODE),
    Call("POST", f"{SPACE}/storage", settings.set_storage, NO_DISK, STORAGE),
    Call("DELETE", f"{SPACE}/storage", settings.delete_storage, guess=NO_STORAGE),
    Call("PUT", f"{SPACE}/volumes", settings.set_volumes, guess=ATTACHED),
    Call("DELETE", f"{SPACE}/volumes", settings.delete_volumes),
    # Spaces: what is
    Call("GET", f"{SPACE}/runtime", spaces.runtime, NOT_RUN, RUNTIME),
    Call("GET", f"{SPACE}/events", spaces.events, guess=EVENTS),
    Call("GET", f"{SPACE}/metrics", spaces.metrics, guess=METRICS),
    Call("POST", f"{SPACE}/pause", spaces.pause),
    Call("POST", f"{SPACE}/restart", spaces.restart, guess=RESTART),
    Call("GET", f"{SPACE}/logs/{{which}}", spaces.logs, guess=LOGS),
    # buckets
    Call("GET", "/api/buckets/{namespace}", buckets.list_buckets),
    Call("DELETE", "/api/buckets/{name}", buckets.no_bucket),
    Call("POST", BUCKET, buckets.create_bucket),
    Call("GET", BUCKET, buckets.bucket_info),
    Call("DELETE", BUCKET, buckets.delete_bucket),
    Call("PUT", f"{BUCKET}/settings", buckets.change_bucket, NO_REGIONS),
    Call("GET", f"{BUCKET}/tree", bucket_files.tree, guess=MADE_UP),
    Call("GET", f"{BUCKET}/tree/{{prefix:path}}", bucket_files.tree, guess=MADE_UP),
    Call("POST", f"{BUCKET}/paths-info", bucket_files.paths_info, guess=MADE_UP),
    Call("POST", f"{BUCKET}/batch", bucket_files.change_files, guess=BATCH),
    Call("GET", f"{BUCKET}/xet-read-token", bucket_files.read_token),
    Call("GET", f"{BUCKET}/xet-write-token", bucket_files.write_token),
    Call("GET", "/buckets/{namespace}/{name}/resolve/{path:path}", bucket_files.resolve),
    # large files
    Call("GET", f"{REPO}/xet-read-token/{{revision}}", xet.xet_read_token, guess=OWN_BLOCKS),
    Call("GET", f"{REPO}/xet-write-token/{{revision}}", xet.xet_write_token, guess=OWN_BLOCKS),
    Call("GET", f"{CAS}/v1/chunks/{{group}}/{{hash}}", xet.xet_unknown, UNKNOWN_BLOCK),
    Call("POST", f"{CAS}/v1/xorb-grants/{{group}}/{{hash}}", xet.xet_unknown, NO_GRANTS),
    Call("POST", f"{CAS}/v1/telemetry", xet.xet_unknown, NO_TELEMETRY),
    Call("POST", f"{CAS}/v1/xorbs/{{group}}/{{hash}}", xet.put_xorb, guess=UNPROVED),
    Call("POST", f"{CAS}/{{version}}/shards", xet.put_shard, guess=UNPROVED),
    Call("GET", f"{CAS}/{{version}}/reconstructions/{{file}}", xet.reconstruction, guess=MADE_BLOCKS),
    Call("GET", f"{CAS}/xorbs/{{file}}/{{number}}", xet.get_xorb, guess=MADE_BLOCKS),
    Call("POST", f"{REPO}/lfs-files/duplicate", lfs.lfs_duplicate),
    Call("PUT", "/lfs/upload/{id}/{oid}", lfs.lfs_put),
    Call("POST", "/lfs/upload/{id}/{oid}", lfs.lfs_complete),
    Call("POST", "/lfs/verify/{id}/{oid}", lfs.lfs_verify),
    Call("GET", "/lfs/download/{id}/{oid}", lfs.lfs_get),
]
# What the clients may ask the real Hub for, and is not here.
NOT_HERE = """
GET /api/users/{name}/followers
GET /api/users/{name}/following
GET /api/users/{name}/likes
GET /api/organizations/{name}/followers
GET /api/notifications
DELETE /api/notifications
POST /oauth/device
POST /oauth/token

GET /api/models-tags-by-type
GET /api/datasets-tags-by-type
GET /api/kernels/{namespace}/{name}
GET /api/kernels/{namespace}/{name}/revision/{revision}
GET /api/models/{namespace}/{name}/safetensors-metadata/{path:path}
GET /api/datasets/{namespace}/{name}/leaderboard
POST /api/{kinds:kinds}/{namespace}/{name}/like
DELETE /api/{kinds:kinds}/{namespace}/{name}/like
GET /api/{kinds:kinds}/{namespace}/{name}/likers
GET /api/{kinds:kinds}/{namespace}/{name}/user-access-request/{status}
POST /api/{kinds:kinds}/{namespace}/{name}/user-access-request/handle
POST /api/{kinds:kinds}/{namespace}/{name}/user-access-request/grant
GET /api/spaces/semantic-search

GET /api/{kinds:kinds}/{namespace}/{name}/lfs-files
POST /api/{kinds:kinds}/{namespace}/{name}/lfs-files/batch
POST /uploads
POST /api/{kinds:kinds}/{namespace}/{name}/discussions/{num}/comment/{id}/edit
POST /api/{kinds:kinds}/{namespace}/{name}/discussions/{num}/comment/{id}/hide
GET /api/buckets/{namespace}/{name}/events

GET /api/jobs/hardware
POST /api/jobs/{namespace}
GET /api/jobs/{namespace}
GET /api/jobs/{namespace}/{id}
POST /api/jobs/{namespace}/{id}/cancel
POST /api/jobs/{namespace}/{id}/duplicate
PUT /api/jobs/{namespace}/{id}/expose
PUT /api/jobs/{namespace}/{id}/labels
GET /api/jobs/{namespace}/{id}/logs
GET /api/jobs/{namespace}/{id}/metrics
GET /api/jobs/{namespace}/{id}/events
POST /api/scheduled-jobs/{namespace}
GET /api/scheduled-jobs/{namespace}
GET /api/scheduled-jobs/{namespace}/{id}
DELETE /api/scheduled-jobs/{namespace}/{id}
POST /api/scheduled-jobs/{namespace}/{id}/suspend
POST /api/scheduled-jobs/{namespace}/{id}/resume
POST /api/scheduled-jobs/{namespace}/{id}/run
PUT /api/scheduled-jobs/{namespace}/{id}/labels
POST /api/scheduled-jobs/{namespace}/{id}/schedule

GET /api/settings/webhooks
POST /api/settings/webhooks
GET /api/settings/webhooks/{id}
POST /api/settings/webhooks/{id}
DELETE /api/settings/webhooks/{id}
POST /api/settings/webhooks/{id}/enable
POST /api/settings/webhooks/{id}/disable

GET /api/collections
POST /api/collections
GET /api/collections/{slug:path}
PATCH /api/collections/{slug:path}
DELETE /api/collections/{slug:path}
POST /api/collections/{slug:path}/items
PATCH /api/collections/{slug:path}/items/{id}
DELETE /api/collections/{slug:path}/items/{id}
POST /api/collections/{slug:path}/resource-group
GET /api/daily_papers
GET /api/papers/search
GET /api/papers/{id}
GET /papers/{id}
"""
ABSENT = [Call(method, path, None) for method, path in map(str.split, filter(None, NOT_HERE.split("\n")))]
# What the real Hub does not have: control of this server, with a token from its data folder.
CONTROL: list[Call] = [
    Call("GET", "/_hub/faults", control.list_faults),
    Call("POST", "/_hub/faults", control.add_fault),
    Call("DELETE", "/_hub/faults", control.clear_faults),
    Call("DELETE", "/_hub/faults/{number:int}", control.clear_faults),
    Call("POST", "/_hub/clock", control.advance_clock),
    Call("GET", "/_hub/counters/{namespace}/{name}", control.counters),
    Call("POST", "/_hub/snapshot", control.snapshot),
    Call("POST", "/_hub/restore", control.restore),
    Call("POST", "/_hub/reset", control.reset),
]
# The same below `/`, `/datasets/` and `/spaces/`; of git with and without `.git` after the name.
PAGES: list[Call] = [
    Call("GET", "/resolve/{revision}/{path:path}", files.resolve),
    Call("GET", "/raw/{revision}/{path:path}", files.raw),
    Call("GET", "/info/refs", git.info_refs),
    Call("POST", "/git-upload-pack", git.rpc),
    Call("POST", "/git-receive-pack", git.rpc, guess=PUSH),
    Call("POST", "/info/lfs/objects/batch", lfs.lfs_batch),
    Call("GET", "/info/lfs/locks", lfs.no_locks, NO_LOCKS),
    Call("POST", "/info/lfs/locks", lfs.no_locks, NO_LOCKS),
    Call("POST", "/info/lfs/locks/verify", lfs.no_locks, NO_LOCKS),
]


def routes() -> list[Route]:
    """The tables as Starlette wants them."""
    pages = [
        page._replace(path=f"{start}/{{namespace}}/{{name}}{page.path}")
        for start in ("/{kinds:kinds}", "")
        for page in PAGES
    ]
    named = [*CALLS, *pages]
    nameless = [
        call._replace(path=call.path.replace("/{namespace}/{name}/", "/{name}/"), answer=repos.no_namespace)
        for call in named
        if "/{namespace}/{name}/" in call.path
    ]
    # What is not there comes early, so that no other row takes it for a name.
    every = [*CONTROL, *ABSENT, *named, *nameless]
    return [Route(call.path, call.answer or _absent, methods=[call.method]) for call in every]


def make_app() -> Starlette:
    """The application; what its routes work on is `app.state.parts`."""
    handlers: dict[Any, ExceptionHandler] = {
        Refused: _refused,
        msgspec.DecodeError: _malformed,
        UnicodeDecodeError: _malformed,
        RecursionError: _malformed,
        ClientDisconnect: _gone,
        HTTPException: _unknown,
        GitError: _lost,
        OSError: _lost,
        sqlite3.IntegrityError: _lost,
        Exception: _failed,
    }
    app = Starlette(routes=routes(), exception_handlers=handlers)
    app.router.redirect_slashes = False
    app.router.default = _nothing_here
    return app


async def _refused(request: Request, error: Exception) -> Response:  # noqa: ARG001  Starlette calls it with both
    assert isinstance(error, Refused)  # noqa: S101  for the type checker
    return refusal(error)


async def _malformed(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return refusal(Refused(400, f"The request cannot be read: {error}"))


async def _gone(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return Response(status_code=400)  # nobody reads it


async def _lost(request: Request, error: Exception) -> Response:
    """A repository that is deleted while somebody asks for it is not there; all else that goes wrong is our mistake."""
    path = request.scope["path"].split("/")
    kinds = path[2] if path[1] == "api" else path[1]
    if "name" not in request.path_params or "namespace" not in request.path_params:
        raise error
    try:
        repo_of(request, kind=KINDS.get(kinds, "bucket" if kinds == "buckets" else "model"), facts=True)
    except Refused as refused:
        return refusal(refused)
    raise error


async def _failed(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return refusal(Refused(500, FAILED))  # and the front says where


async def _unknown(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return _not_here(request.scope)


async def _absent(request: Request) -> Response:
    return _not_here(request.scope)


async def _nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
    await _not_here(scope)(scope, receive, send)


def _not_here(scope: Scope) -> Response:
    return refusal(Refused(501, f"The local Hub has no {scope['method']} {scope['path']}", "NotImplemented"))
