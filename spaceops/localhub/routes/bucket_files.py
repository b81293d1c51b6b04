"""Routes for what is in a bucket: the files by their paths, their content, and changes in batches."""

from __future__ import annotations

import asyncio
from datetime import datetime
from email.utils import format_datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from spaceops.localhub.batches import Batch, Impossible, Kept, Placing, Removal
from spaceops.localhub.buckets import BucketFile, open_file
from spaceops.localhub.content import Stored, deliver, disposition
from spaceops.localhub.folders import Found, WrongPath, names_of
from spaceops.localhub.refusals import Refused
from spaceops.localhub.routes.xet import issue_token
from spaceops.localhub.threads import in_thread
from spaceops.localhub.wire import (
    Json,
    base,
    body_of,
    caller,
    flag,
    next_page,
    now,
    number,
    param,
    parts,
    raw_body,
    repo_of,
)
from spaceops.localhub.xet import HASH
from spaceops.structs import decoder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from spaceops.localhub.batches import Outcome
    from spaceops.localhub.store import Repo

FILES_PER_PAGE, PATHS_PER_CALL, CHANGES_PER_CALL = 1000, 2000, 1000
LATEST_MTIME = 253_402_300_799_000  # milliseconds: the end of the year 9999


class Paths(msgspec.Struct):
    """Which files to describe."""

    paths: list[str] | str


class AddFile(msgspec.Struct, rename="camel", tag="addFile", tag_field="type"):
    """A file whose content was uploaded before."""

    path: str
    xet_hash: str
    mtime: float | None = None  # milliseconds
    content_type: str | None = None


class CopyFile(msgspec.Struct, rename="camel", tag="copyFile", tag_field="type"):
    """A file whose content is in another bucket, or a repository."""

    path: str
    xet_hash: str
    source_repo_type: Literal["bucket", "model", "dataset", "space"]
    source_repo_id: str
    mtime: float | None = None
    content_type: str | None = None


class DeleteFile(msgspec.Struct, tag="deleteFile", tag_field="type"):
    """A file that goes."""

    path: str


Change = AddFile | CopyFile | DeleteFile


async def tree(request: Request) -> Response:
    """`GET …/tree[/{prefix}]`: the files whose paths begin so; with `recursive=false` those further down as folders."""
    repo = repo_of(request, kind="bucket")
    prefix = param(request, "prefix") if "prefix" in request.path_params else ""
    whole = request.query_params.get("recursive", "true").lower() not in ("false", "0")
    limit = number(request, "limit", FILES_PER_PAGE, most=FILES_PER_PAGE) or FILES_PER_PAGE
    folder, after = parts(request).buckets.folder(repo), request.query_params.get("cursor", "")
    found = folder.files(prefix, after) if whole else folder.level(prefix, after)
    entries = await asyncio.to_thread(lambda: list(islice(found, limit + 1)))
    link = {"Link": next_page(request, _end_of(entries[limit - 1]))} if len(entries) > limit else {}
    return Json(_described(request, repo, entries[:limit]), headers=link)


def _end_of(entry: Found | str) -> str:
    """What all that comes after it is greater than."""
    return f"{entry}/" if isinstance(entry, str) else entry.path


def _described(request: Request, repo: Repo, entries: Sequence[Found | str]) -> list[dict[str, Any]]:
    """Files and folders as the wire has them."""
    buckets = parts(request).buckets
    known = iter(buckets.describe(repo, (entry for entry in entries if isinstance(entry, Found))))
    return [
        _folder(entry, buckets.last_upload(repo, entry)) if isinstance(entry, str) else _file(next(known))
        for entry in entries
    ]


def _folder(path: str, uploaded_at: str | None) -> dict[str, Any]:
    return {"type": "directory", "path": path, **({"uploadedAt": uploaded_at} if uploaded_at else {})}


def _file(file: BucketFile) -> dict[str, Any]:
    return {
        "type": "file",
        "path": file.path,
        "size": file.size,
        "xetHash": file.xet_hash,
        "mtime": file.mtime,
        "uploadedAt": file.uploaded_at,
        **({"contentType": file.content_type} if file.content_type else {}),
    }


async def paths_info(request: Request) -> Response:
    """`POST …/paths-info`: facts about some files; those that do not exist are left out, and so are folders."""
    repo = repo_of(request, kind="bucket")
    asked = (await body_of(request, Paths)).paths
    paths = [asked] if isinstance(asked, str) else asked
    if len(paths) > PATHS_PER_CALL:
        raise Refused(413, f"At most {PATHS_PER_CALL} paths in one call")
    folder = parts(request).buckets.folder(repo)
    found = await asyncio.to_thread(lambda: [file for path in paths if (file := folder.find(path))])
    return Json([_file(file) for file in parts(request).buckets.describe(repo, found)])


async def read_token(request: Request) -> Response:
    """`GET …/xet-read-token`: where the content of files comes from, and a token for it."""
    return issue_token(request, repo_of(request, kind="bucket"), write=False)


async def write_token(request: Request) -> Response:
    """`GET …/xet-write-token`: where the content of files goes, and a token for it."""
    return issue_token(request, repo_of(request, kind="bucket", write=True), write=True)


async def resolve(request: Request) -> Response:
    """`GET` and `HEAD /buckets/{bucket}/resolve/{path}`: a file's content, and where Xet has it."""
    repo, path = repo_of(request, kind="bucket"), param(request, "path")
    folder = parts(request).buckets.folder(repo)
    found = await asyncio.to_thread(folder.find, path)
    if found is None:
        raise Refused(404, "Entry not found", "EntryNotFound")
    file = parts(request).buckets.describe(repo, [found])[0]
    headers = {
        "ETag": f'"{file.xet_hash}"',
        "X-Xet-Hash": file.xet_hash,
        "X-Linked-Size": str(file.size),
        "X-Linked-Etag": f'"{file.xet_hash}"',
        "Link": f'<{base(request)}/api/buckets/{repo.repo_id}/xet-read-token>; rel="xet-auth"',
        "Last-Modified": format_datetime(datetime.fromisoformat(file.mtime), usegmt=True),
        "Content-Security-Policy": "sandbox",
    }
    headers |= disposition(path, attached=flag(request, "download"))
    stored = Stored(file.size, partial(open_file, folder, file))
    return deliver(request, stored, headers, "application/octet-stream")


async def change_files(request: Request) -> Response:
    """`POST …/batch`: files get their paths, files are copied, files go; 422 when nothing of it was possible."""
    repo = repo_of(request, kind="bucket", write=True)
    changes = _changes(await raw_body(request))
    buckets = parts(request).buckets
    async with buckets.changing(repo):
        awaited = buckets.claim(repo, [change.xet_hash for change in changes if isinstance(change, AddFile)])
        planned = [_planned(request, repo, change, awaited) for change in changes]
        # Known before it is done: who asks again, after this server was killed halfway, finds the content at its path.
        buckets.remember(repo, [file for change in planned if (file := _expected(change, now(request)))])
        batch = Batch(buckets.folder(repo), buckets.temporary, buckets.kept(repo))
        outcome = await in_thread(batch.apply, planned)
        buckets.remember(repo, [_file_of(placing, found, now(request)) for placing, found in outcome.placed])
    return _report(len(changes), outcome)


def _changes(body: bytes) -> list[Change]:
    """The changes that a batch asks for."""
    changes = [decoder(Change).decode(line) for line in body.splitlines() if line.strip()]
    if len(changes) > CHANGES_PER_CALL:
        raise Refused(413, f"At most {CHANGES_PER_CALL} changes in one call")
    kept = [isinstance(change, DeleteFile) for change in changes]
    if kept != sorted(kept):
        raise Refused(422, "All add and copy operations must come before all delete operations")
    return changes


def _planned(request: Request, repo: Repo, change: Change, awaited: set[str]) -> Placing | Removal | Impossible:
    """A change, and where the content for it is."""
    if isinstance(change, DeleteFile):
        return Removal(change.path)
    try:
        names_of(change.path)
    except WrongPath as error:
        return Impossible(change.path, str(error))
    if not HASH.fullmatch(change.xet_hash):
        return Impossible(change.path, "xetHash must have 64 hex digits")
    mtime = parts(request).clock.now().timestamp() * 1000 if change.mtime is None else change.mtime
    if not 0 <= mtime <= LATEST_MTIME:
        return Impossible(change.path, "mtime must be milliseconds since 1970")
    source = repo if isinstance(change, AddFile) else _source(request, change)
    if source is None:
        return Impossible(change.path, "The source does not exist, or you may not read it")
    uploaded = parts(request).xet.content(repo, change.xet_hash) if isinstance(change, AddFile) else None
    return Placing(
        path=change.path,
        xet_hash=change.xet_hash,
        mtime_ns=int(mtime * 1_000_000),
        content_type=change.content_type,
        uploaded=uploaded,
        awaited=change.xet_hash in awaited,
        others=_content(request, source, change.xet_hash),
    )


def _expected(change: Placing | Removal | Impossible, at: str) -> BucketFile | None:
    """The file that an upload will be when it was moved to its path."""
    if not isinstance(change, Placing) or change.uploaded is None:
        return None
    size = change.uploaded.stat().st_size
    return BucketFile(change.path, size, change.mtime_ns, change.xet_hash, at, change.content_type)


def _source(request: Request, change: CopyFile) -> Repo | None:
    """The bucket or repository to copy from, if the caller may read it."""
    accounts, store, user = parts(request).accounts, parts(request).store, caller(request)
    kind, name = change.source_repo_type, change.source_repo_id
    source = store.find(kind, name) or store.moved(kind, name)
    return source if source and accounts.may_see(user, source) and accounts.may_read(user, source) else None


def _content(request: Request, source: Repo, xet_hash: str) -> list[Kept | Path]:
    """Where something may have this content."""
    if source.kind == "bucket":
        buckets = parts(request).buckets
        return [Kept(buckets.folder(source), file) for file in buckets.with_hash(source, xet_hash)]
    found = parts(request).xet.content(source, xet_hash)
    return [found] if found else []


def _file_of(placing: Placing, found: Found, at: str) -> BucketFile:
    return BucketFile(*found, placing.xet_hash, at, placing.content_type)


def _report(count: int, outcome: Outcome) -> Json:
    """What came of a batch, as the wire has it."""
    failed = [{"path": path, "error": error} for path, error in outcome.failed]
    report = {"success": not failed, "processed": count, "succeeded": count - len(failed), "failed": failed}
    return Json(report, 422 if failed and len(failed) == count else 200)
