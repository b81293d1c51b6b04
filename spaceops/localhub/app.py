"""The table of routes: a method, a path and the function that answers. What is not in it is answered with 501.

Paths are matched as they come, still percent-encoded; `{x}` is one part, `{x:path}` all the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route

from spaceops.localhub import git_http
from spaceops.localhub import routes_accounts as accounts
from spaceops.localhub import routes_files as files
from spaceops.localhub import routes_repos as repos
from spaceops.localhub import routes_spaces as spaces
from spaceops.localhub import routes_uploads as uploads
from spaceops.localhub.refusals import Refused
from spaceops.localhub.wire import Front, refusal

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ExceptionHandler, Receive, Scope, Send

    from spaceops.localhub.wire import Parts


class _Kinds(Convertor[str]):
    """The plural that names a kind of repository in a path."""

    regex = "models|datasets|spaces"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("kinds", _Kinds())
REPO = "/api/{kinds:kinds}/{namespace}/{name}"
SPACE = "/api/spaces/{namespace}/{name}"
CAS = "/cas/{instance}"

ROUTES: list[tuple[str, str, Any]] = [
    ("GET", "/api/whoami-v2", accounts.whoami),
    ("GET", "/api/agent-harnesses", accounts.agent_harnesses),
    ("POST", "/api/validate-yaml", accounts.validate_yaml),
    ("POST", "/api/repos/create", repos.create_repo),
    ("DELETE", "/api/repos/delete", repos.delete_repo),
    ("GET", "/api/spaces/hardware", spaces.list_hardware),
    ("GET", "/api/settings/repositories", repos.list_own_repos),
    ("GET", "/api/{kinds:kinds}", repos.list_repos),
    ("GET", "/api/{kinds:kinds}/{name}", repos.no_namespace),
    ("GET", REPO, repos.repo_info),
    ("GET", f"{REPO}/revision/{{revision}}", repos.repo_info),
    ("PUT", f"{REPO}/settings", repos.change_repo),
    ("GET", f"{REPO}/auth-check", repos.auth_check),
    ("GET", f"{REPO}/auth-check/write", repos.auth_check_write),
    ("GET", f"{REPO}/refs", repos.list_refs),
    ("POST", f"{REPO}/branch/{{branch}}", repos.create_branch),
    ("DELETE", f"{REPO}/branch/{{branch}}", repos.delete_branch),
    ("POST", f"{REPO}/tag/{{revision}}", repos.create_tag),
    ("DELETE", f"{REPO}/tag/{{revision}}", repos.delete_tag),
    ("GET", f"{REPO}/commits/{{revision}}", repos.list_commits),
    ("GET", f"{REPO}/tree/{{revision}}", files.tree),
    ("GET", f"{REPO}/tree/{{revision}}/{{path:path}}", files.tree),
    ("POST", f"{REPO}/paths-info/{{revision}}", files.paths_info),
    ("POST", f"{REPO}/preupload/{{revision}}", uploads.preupload),
    ("POST", f"{REPO}/commit/{{revision}}", uploads.commit),
    ("GET", f"{REPO}/xet-write-token/{{revision}}", uploads.xet_token),
    ("GET", f"{SPACE}/runtime", spaces.runtime),
    ("GET", f"{SPACE}/variables", spaces.get_variables),
    ("POST", f"{SPACE}/variables", spaces.set_variable),
    ("DELETE", f"{SPACE}/variables", spaces.delete_variable),
    ("GET", f"{SPACE}/secrets", spaces.get_secrets),
    ("POST", f"{SPACE}/secrets", spaces.set_secret),
    ("DELETE", f"{SPACE}/secrets", spaces.delete_secret),
    ("POST", f"{SPACE}/hardware", spaces.set_hardware),
    ("POST", f"{SPACE}/sleeptime", spaces.set_sleep_time),
    ("PUT", f"{SPACE}/volumes", spaces.set_volumes),
    ("DELETE", f"{SPACE}/volumes", spaces.delete_volumes),
    ("POST", f"{SPACE}/pause", spaces.pause),
    ("POST", f"{SPACE}/restart", spaces.restart),
    ("GET", f"{SPACE}/logs/{{which}}", spaces.logs),
    ("GET", f"{CAS}/v1/chunks/{{group}}/{{hash}}", uploads.xet_unknown),
    ("POST", f"{CAS}/v1/xorb-grants/{{group}}/{{hash}}", uploads.xet_unknown),
    ("POST", f"{CAS}/v1/telemetry", uploads.xet_unknown),
    ("POST", f"{CAS}/v1/xorbs/{{group}}/{{hash}}", uploads.put_xorb),
    ("POST", f"{CAS}/{{version}}/shards", uploads.put_shard),
    ("PUT", "/lfs/upload/{id}/{oid}", uploads.lfs_put),
    ("POST", "/lfs/upload/{id}/{oid}", uploads.lfs_complete),
    ("POST", "/lfs/verify/{id}/{oid}", uploads.lfs_verify),
    ("GET", "/lfs/download/{id}/{oid}", uploads.lfs_get),
]
# The same below `/`, `/datasets/` and `/spaces/`; of git with and without `.git` after the name.
PAGES: list[tuple[str, str, Any]] = [
    ("GET", "/resolve/{revision}/{path:path}", files.resolve),
    ("GET", "/raw/{revision}/{path:path}", files.raw),
    ("GET", "/info/refs", git_http.info_refs),
    ("POST", "/git-upload-pack", git_http.rpc),
    ("POST", "/git-receive-pack", git_http.rpc),
    ("POST", "/info/lfs/objects/batch", uploads.lfs_batch),
    ("GET", "/info/lfs/locks", uploads.no_locks),
    ("POST", "/info/lfs/locks", uploads.no_locks),
    ("POST", "/info/lfs/locks/verify", uploads.no_locks),
]


def routes() -> list[Route]:
    """The tables as Starlette wants them."""
    pages = [
        (method, f"{start}/{{namespace}}/{{name}}{path}", endpoint)
        for start in ("/{kinds:kinds}", "")
        for method, path, endpoint in PAGES
    ]
    return [Route(path, endpoint, methods=[method]) for method, path, endpoint in [*ROUTES, *pages]]


def make_app(parts: Parts) -> Front:
    """The application."""
    handlers: dict[Any, ExceptionHandler] = {
        Refused: _refused,
        msgspec.DecodeError: _malformed,
        UnicodeDecodeError: _malformed,
        RecursionError: _malformed,
        ClientDisconnect: _gone,
        HTTPException: _unknown,
    }
    app = Starlette(routes=routes(), exception_handlers=handlers)
    app.router.redirect_slashes = False
    app.router.default = _nothing_here
    app.state.parts = parts
    return Front(app, parts.accounts)


def _refused(request: Request, error: Exception) -> Response:  # noqa: ARG001  Starlette calls it with both
    assert isinstance(error, Refused)  # noqa: S101  for the type checker
    return refusal(error)


def _malformed(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return refusal(Refused(400, f"The request cannot be read: {error}"))


def _gone(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return Response(status_code=400)  # nobody reads it


def _unknown(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return _not_here(request.scope)


async def _nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000, "reason": ""})
        return
    await _not_here(scope)(scope, receive, send)


def _not_here(scope: Scope) -> Response:
    return refusal(Refused(501, f"The local Hub has no {scope['method']} {scope['path']}"))
