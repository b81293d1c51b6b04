"""git over HTTP: git's own `http-backend` does the work, and what is pushed goes the way of every other commit."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse

from spaceops.localhub.accounts import DISCUSS, may_write
from spaceops.localhub.git import environment
from spaceops.localhub.pre_receive import FACTS, Push
from spaceops.localhub.refusals import Refused
from spaceops.localhub.routes.commits import check_upload, pushed
from spaceops.localhub.wire import PLAIN, caller, parts, repo_of

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request

    from spaceops.localhub.store import Repo

PIECE = 64 << 10  # bytes
# A pack can be made to need any amount of time and memory: 10 minutes of a processor and 2 GiB do for honest ones.
COMMANDS = {
    "git-upload-pack": ["git", "http-backend"],
    "git-receive-pack": ["/bin/sh", "-c", "ulimit -t 600; ulimit -d 2097152; exec git http-backend"],
}


def install_hook(folder: Path) -> None:
    """Write the program that git runs before it accepts a push."""
    hook = folder / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    package = shlex.quote(str(Path(__file__).resolve().parents[3]))
    command = shlex.join([sys.executable, "-m", "spaceops.localhub.pre_receive"])
    hook.write_text(f"#!/bin/sh\nPYTHONPATH={package} exec {command}\n", "utf-8")
    hook.chmod(0o755)


async def info_refs(request: Request) -> Response:
    """`GET …/info/refs?service=…`: how every fetch and push begins."""
    service = request.query_params.get("service", "")
    if service not in COMMANDS:
        raise Refused(403, "Please upgrade your git client: only the smart protocol is spoken here")
    return await _backend(request, _repo(request, service), service, "/info/refs")


async def rpc(request: Request) -> Response:
    """`POST …/git-upload-pack` and `…/git-receive-pack`."""
    service = request.scope["path"].rpartition("/")[2]
    repo = _repo(request, service)
    if service == "git-upload-pack":
        return await _backend(request, repo, service, f"/{service}")
    heads = parts(request).repos
    before = heads.branch(repo, "main")
    with _push_under_way(request, repo):
        answer = await _backend(request, repo, service, f"/{service}", whole=True)
    if heads.branch(repo, "main") != before:
        pushed(request, repo, "main")
    return answer


@contextmanager
def _push_under_way(request: Request, repo: Repo) -> Iterator[None]:
    """When the last push to a repository is over, what a broken one has left goes: nobody else can still need it."""
    under_way = parts(request).pushing
    under_way[repo.id] += 1
    try:
        yield
    finally:
        under_way[repo.id] -= 1
        if not under_way[repo.id]:
            del under_way[repo.id]
            parts(request).repos.sweep(repo.id)  # on the loop, so that no push begins meanwhile


def _repo(request: Request, service: str) -> Repo:
    """The repository, for somebody who may do that with it; git sends its credentials only when it is asked to."""
    try:
        repo = repo_of(request)
        if service == "git-receive-pack" and not _pulls(request, repo):
            check_upload(request, repo, "main")
    except Refused as refused:
        if refused.status == 401:
            refused.headers["WWW-Authenticate"] = 'Basic realm="Hub token", charset="UTF-8"'
        refused.headers["Content-Type"] = PLAIN  # git shows its user no other kind
        raise
    return repo


def _pulls(request: Request, repo: Repo) -> tuple[int, ...]:
    """The numbers of the pull requests that the caller may push to: who may write to all, others to their own."""
    user = caller(request)
    pulls = parts(request).discussions.all(repo, closed=False)
    if not may_write(user, repo.namespace, repo):
        opens = user is not None and user.grants(DISCUSS, repo.namespace, repo)
        pulls = [pull for pull in pulls if user and opens and pull.author == user.name]
    return tuple(pull.num for pull in pulls)


async def _backend(request: Request, repo: Repo, service: str, path: str, *, whole: bool = False) -> Response:
    """Run git's CGI program for one request; with `whole` its answer is complete before anything is sent."""
    process = await asyncio.create_subprocess_exec(
        *COMMANDS[service],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # what the client must know goes to the client
        env=_environment(request, repo, service, path),
        start_new_session=True,  # so that all of them can be ended
    )
    feeding = asyncio.create_task(_feed(request, process))
    try:
        status, headers = await _head(process)
        if whole:
            body = await _rest(process)
            await _end(process, feeding)
            return Response(body, status, headers)
    except BaseException:
        await _end(process, feeding)
        raise
    return StreamingResponse(_stream(process, feeding), status, headers)


def _environment(request: Request, repo: Repo, service: str, path: str) -> dict[str, str]:
    repos = parts(request).repos
    user = caller(request)
    headers = request.headers
    cgi = {
        "GIT_PROJECT_ROOT": str(repos.path(repo)),
        "PATH_INFO": path,
        "GIT_HTTP_EXPORT_ALL": "1",
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": f"service={service}" if path == "/info/refs" else "",
        "CONTENT_TYPE": headers.get("content-type", ""),
        "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
        "GIT_PROTOCOL": headers.get("git-protocol", ""),
        "REMOTE_USER": user.name if user else "",
        "REMOTE_ADDR": "127.0.0.1",
        FACTS: _facts(request, repo) if service == "git-receive-pack" else "",
    }
    if "content-length" in headers:
        cgi["CONTENT_LENGTH"] = headers["content-length"]
    hooks = repos.folder / "hooks"
    return {**environment(**{"core.hooksPath": str(hooks)}), **{key: value for key, value in cgi.items() if value}}


def _facts(request: Request, repo: Repo) -> str:
    """What the hook must know."""
    writer = may_write(caller(request), repo.namespace, repo)
    large_files = str(parts(request).repos.large_files.folder(repo))
    return msgspec.json.encode(Push(repo.kind, writer, _pulls(request, repo), large_files)).decode()


async def _feed(request: Request, process: Process) -> None:
    """Hand the request's body to git; when the client goes away, git is ended: it would look for the rest for ever."""
    assert process.stdin  # noqa: S101  for the type checker: it is a pipe
    try:
        async for chunk in request.stream():
            process.stdin.write(chunk)
            await process.stdin.drain()
    except ClientDisconnect:
        _stop(process)
    except (BrokenPipeError, ConnectionResetError):
        pass  # git has read enough
    finally:
        process.stdin.close()


async def _head(process: Process) -> tuple[int, dict[str, str]]:
    assert process.stdout  # noqa: S101  for the type checker: it is a pipe
    headers = {}
    while line := (await process.stdout.readline()).strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name] = value.strip()
    status = headers.pop("Status", "200").split()[0]
    return int(status) if headers else 500, headers


async def _rest(process: Process) -> bytes:
    return b"".join([piece async for piece in _pieces(process)])


async def _pieces(process: Process) -> AsyncIterator[bytes]:
    assert process.stdout  # noqa: S101  for the type checker: it is a pipe
    while piece := await process.stdout.read(PIECE):
        yield piece
    await process.wait()


async def _stream(process: Process, feeding: asyncio.Task[None]) -> AsyncIterator[bytes]:
    try:
        async for piece in _pieces(process):
            yield piece
    finally:
        await _end(process, feeding)


async def _end(process: Process, feeding: asyncio.Task[None]) -> None:
    """Leave no program behind, whatever happened."""
    feeding.cancel()
    if process.returncode is None:
        _stop(process)
        await asyncio.shield(process.wait())  # it is waited for even if nobody waits for this


def _stop(process: Process) -> None:
    """End git and the programs that it began: `git http-backend` is two of them already."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
