"""Routes by which files are read: the tree of a commit, facts about paths, and their content."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from starlette.responses import FileResponse, Response

from spaceops.localhub.refusals import Refused, no_entry
from spaceops.localhub.wire import Json, flag, page, param, parts, raw_body, repo_of, sha_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from spaceops.localhub.lfs import Pointer
    from spaceops.localhub.repos import Repos, Snapshot
    from spaceops.localhub.store import Repo

ENTRIES_PER_PAGE, EXPANDED_PER_PAGE = 1000, 50
PATHS_PER_CALL = 1000


async def tree(request: Request) -> Response:
    """`GET …/tree/{revision}[/{path}]`: what is in a folder, with `recursive` all the way down."""
    repo = repo_of(request)
    path = param(request, "path").strip("/") if "path" in request.path_params else ""
    revision, recursive, expand = param(request, "revision"), flag(request, "recursive"), flag(request, "expand")

    def work() -> Response:
        repos = parts(request).repos
        sha = sha_of(request, repo, revision)
        snapshot = repos.snapshot(repo, sha)
        if path and not (path in snapshot.nodes and snapshot.nodes[path].is_folder):
            raise no_entry(f"{path} does not exist on {revision!r}", sha)
        inside = [found for found in snapshot.nodes if _is_in(found, path, recursive=recursive)]
        entries = [_entry(snapshot, found) for found in inside]
        answer = page(request, entries, EXPANDED_PER_PAGE if expand else ENTRIES_PER_PAGE)
        return answer if not expand else _expanded(request, repos, repo, sha, entries)

    return await asyncio.to_thread(work)


def _expanded(request: Request, repos: Repos, repo: Repo, sha: str, entries: list[dict[str, Any]]) -> Response:
    """A page whose entries say which commit touched them last; only those of the page are looked up."""
    shown = page(request, entries, EXPANDED_PER_PAGE)
    start = int(request.query_params.get("cursor", 0))
    expanded = [_with_commit(repos, repo, sha, entry) for entry in entries[start : start + EXPANDED_PER_PAGE]]
    link = {"Link": shown.headers["Link"]} if "Link" in shown.headers else {}
    return Json(expanded, headers=link)


def _is_in(path: str, folder: str, *, recursive: bool) -> bool:
    inside = not folder or path.startswith(f"{folder}/")
    return inside and (recursive or "/" not in path.removeprefix(f"{folder}/" if folder else ""))


def _entry(snapshot: Snapshot, path: str) -> dict[str, Any]:
    node = snapshot.nodes[path]
    if node.is_folder:
        return {"type": "directory", "path": path, "oid": node.oid, "size": 0}
    entry = {"type": "file", "path": path, "oid": node.oid, "size": snapshot.size(path)}
    if pointer := snapshot.pointers.get(path):
        entry["lfs"] = {"oid": pointer.oid, "size": pointer.size, "pointerSize": node.size}
    return entry


def _with_commit(repos: Repos, repo: Repo, sha: str, entry: dict[str, Any]) -> dict[str, Any]:
    commit = repos.history(repo, sha, limit=1, path=entry["path"])[0]
    return {**entry, "lastCommit": {"id": commit.oid, "title": commit.title, "date": commit.date}}


async def paths_info(request: Request) -> Response:
    """`POST …/paths-info/{revision}`: facts about some paths; those that do not exist are left out."""
    repo = repo_of(request)
    form = parse_qs((await raw_body(request)).decode(errors="replace"))
    paths = [path.strip("/") for path in form.get("paths", [])]
    if len(paths) > PATHS_PER_CALL:
        raise Refused(413, f"At most {PATHS_PER_CALL} paths in one call")
    expand = form.get("expand", ["false"])[0].lower() == "true"

    def work() -> list[dict[str, Any]]:
        repos = parts(request).repos
        sha = sha_of(request, repo, param(request, "revision"))
        snapshot = repos.snapshot(repo, sha)
        entries = [_entry(snapshot, path) for path in paths if path in snapshot.nodes]
        return [_with_commit(repos, repo, sha, entry) for entry in entries] if expand else entries

    return Json(await asyncio.to_thread(work))


async def resolve(request: Request) -> Response:
    """`GET` and `HEAD …/resolve/{revision}/{path}`: a file's content, of a large file too."""
    return await _file(request, follow=True)


async def raw(request: Request) -> Response:
    """`GET …/raw/{revision}/{path}`: a file's content as git has it, of a large file the pointer."""
    return await _file(request, follow=False)


async def _file(request: Request, *, follow: bool) -> Response:
    repo = repo_of(request)
    revision, path = param(request, "revision"), param(request, "path")
    repos = parts(request).repos

    def work() -> tuple[str, str, Pointer | None, bytes]:
        sha = sha_of(request, repo, revision)
        snapshot = repos.snapshot(repo, sha)
        node, pointer = snapshot.nodes.get(path), snapshot.pointers.get(path)
        if node is None or node.is_folder:
            raise no_entry("Entry not found", sha)
        large = pointer if follow and pointer and repos.large_files.size(repo, pointer.oid) is not None else None
        return sha, node.oid, large, b"" if large else repos.read(repo, sha, path) or b""

    sha, oid, pointer, content = await asyncio.to_thread(work)
    headers = {"X-Repo-Commit": sha, "Accept-Ranges": "bytes", "Content-Security-Policy": "sandbox"}
    if pointer is None:
        return _ranged(content, request.headers.get("range"), {**headers, "ETag": f'"{oid}"'})
    linked = {"ETag": f'"{pointer.oid}"', "X-Linked-Etag": f'"{pointer.oid}"', "X-Linked-Size": str(pointer.size)}
    file = repos.large_files.path(repo, pointer.oid)
    return FileResponse(file, headers={**headers, **linked}, media_type="application/octet-stream")


def _ranged(content: bytes, asked: str | None, headers: dict[str, str]) -> Response:
    """The content, or the one range of it that was asked for; several ranges are answered with everything."""
    kind = "text/plain; charset=utf-8"  # never HTML: a repository's page would act in the name of this server
    match = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", asked or "")
    if not match or match[0] == "bytes=-":
        return Response(content, 200, headers, kind)
    size = len(content)
    start = int(match[1]) if match[1] else max(0, size - int(match[2]))
    end = min(int(match[2]) + 1, size) if match[1] and match[2] else size
    if start >= end:
        return Response(b"", 416, {**headers, "Content-Range": f"bytes */{size}"}, kind)
    return Response(content[start:end], 206, {**headers, "Content-Range": f"bytes {start}-{end - 1}/{size}"}, kind)
