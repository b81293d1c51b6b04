"""Routes by which files are read: the tree of a commit, facts about paths, and their content."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import msgspec

from spaceops.localhub.content import deliver, disposition
from spaceops.localhub.refusals import Refused, no_entry
from spaceops.localhub.wire import Json, base, body_of, flag, page, param, parts, raw_body, repo_of, sha_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from spaceops.localhub.lfs import Pointer
    from spaceops.localhub.repos import Repos, Snapshot
    from spaceops.localhub.store import Repo

ENTRIES_PER_PAGE, EXPANDED_PER_PAGE = 1000, 50
PATHS_PER_CALL = 1000


async def tree(request: Request) -> Response:
    """`GET …/tree/{revision}[/{path}]`: what is in a folder, with `recursive` all the way down."""
    repo = repo_of(request, facts=True)
    path = param(request, "path").strip("/") if "path" in request.path_params else ""
    revision, recursive, expand = param(request, "revision"), flag(request, "recursive"), flag(request, "expand")
    xet_name = parts(request).xet.names(repo)

    def work() -> Response:
        repos = parts(request).repos
        sha = sha_of(request, repo, revision)
        snapshot = repos.snapshot(repo, sha)
        if path and not (path in snapshot.nodes and snapshot.nodes[path].is_folder):
            raise no_entry(f"{path} does not exist on {revision!r}", sha)
        inside = [found for found in snapshot.nodes if _is_in(found, path, recursive=recursive)]
        entries = [_entry(snapshot, found, xet_name) for found in inside]
        return _expanded(request, repos, repo, sha, entries) if expand else page(request, entries, ENTRIES_PER_PAGE)

    return await asyncio.to_thread(work)


def _expanded(request: Request, repos: Repos, repo: Repo, sha: str, entries: list[dict[str, Any]]) -> Response:
    """A page whose entries say which commit touched them last; only those of the page are looked up."""
    shown = page(request, entries, EXPANDED_PER_PAGE)
    start = int(request.query_params.get("cursor", 0))
    expanded = _with_commits(repos, repo, sha, entries[start : start + EXPANDED_PER_PAGE])
    link = {"Link": shown.headers["Link"]} if "Link" in shown.headers else {}
    return Json(expanded, headers=link)


def _is_in(path: str, folder: str, *, recursive: bool) -> bool:
    inside = not folder or path.startswith(f"{folder}/")
    return inside and (recursive or "/" not in path.removeprefix(f"{folder}/" if folder else ""))


def _entry(snapshot: Snapshot, path: str, xet_name: Callable[[str], str | None]) -> dict[str, Any]:
    node = snapshot.nodes[path]
    if node.is_folder:
        return {"type": "directory", "path": path, "oid": node.oid, "size": 0}
    entry = {"type": "file", "path": path, "oid": node.oid, "size": snapshot.size(path)}
    if pointer := snapshot.pointers.get(path):
        entry["lfs"] = {"oid": pointer.oid, "size": pointer.size, "pointerSize": node.size}
        if name := xet_name(pointer.oid):
            entry["xetHash"] = name
    return entry


def _with_commits(repos: Repos, repo: Repo, sha: str, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entries with all that `expand` brings: the commit that touched them last, and that nobody scans files here."""
    found = repos.last_touched(repo, sha, [entry["path"] for entry in entries])
    last = {path: {"id": commit.oid, "title": commit.title, "date": commit.date} for path, commit in found.items()}
    scans = {"file": {"securityFileStatus": {"status": "unscanned", "avScan": None, "pickleImportScan": None}}}
    return [{**entry, "lastCommit": last[entry["path"]], **scans.get(entry["type"], {})} for entry in entries]


async def paths_info(request: Request) -> Response:
    """`POST …/paths-info/{revision}`: facts about some paths; those that do not exist are left out."""
    repo = repo_of(request, facts=True)
    asked = await _asked(request)
    paths = [path.strip("/") for path in asked.paths]
    xet_name = parts(request).xet.names(repo)

    def work() -> list[dict[str, Any]]:
        repos = parts(request).repos
        sha = sha_of(request, repo, param(request, "revision"))
        snapshot = repos.snapshot(repo, sha)
        entries = [_entry(snapshot, path, xet_name) for path in paths if path in snapshot.nodes]
        return _with_commits(repos, repo, sha, entries) if asked.expand else entries

    return Json(await asyncio.to_thread(work))


class _Paths(msgspec.Struct):
    """Some paths of a repository, and whether their last commits are wanted."""

    paths: list[str] = []
    expand: bool = False


async def _asked(request: Request) -> _Paths:
    """The form, as the Python client sends it, or the JSON of other clients."""
    is_json = request.headers.get("content-type", "").startswith("application/json")
    asked = await body_of(request, _Paths) if is_json else _form((await raw_body(request)).decode(errors="replace"))
    if len(asked.paths) > PATHS_PER_CALL:
        raise _too_many()
    return asked


def _form(text: str) -> _Paths:
    """The fields of a form. Refuses too many before it reads them: that would hold up everybody else."""
    try:
        form = parse_qs(text, max_num_fields=PATHS_PER_CALL + 1)  # and `expand`
    except ValueError as error:
        raise _too_many() from error
    return _Paths(form.get("paths", []), form.get("expand", ["false"])[0].lower() == "true")


def _too_many() -> Refused:
    return Refused(413, f"At most {PATHS_PER_CALL} paths in one call")


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
    attached = flag(request, "download")
    headers = {"X-Repo-Commit": sha, "Content-Security-Policy": "sandbox", **disposition(path, attached=attached)}
    if pointer is None:  # never HTML: a repository's page would act in the name of this server
        return deliver(request, content, {**headers, "ETag": f'"{oid}"'}, "text/plain; charset=utf-8")
    linked = {"ETag": f'"{pointer.oid}"', "X-Linked-Etag": f'"{pointer.oid}"', "X-Linked-Size": str(pointer.size)}
    if name := parts(request).xet.name(repo, pointer.oid):
        route = f"{base(request)}/api/{repo.kind}s/{repo.repo_id}/xet-read-token/{sha}"
        linked |= {"X-Xet-Hash": name, "Link": f'<{route}>; rel="xet-auth"'}
    file = repos.large_files.path(repo, pointer.oid)
    return deliver(request, file, {**headers, **linked}, "application/octet-stream")
