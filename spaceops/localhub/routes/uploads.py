"""What a client asks before it uploads: how each file is to come."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from typing import TYPE_CHECKING, Any

import msgspec
from pathspec import GitIgnoreSpec
from starlette.responses import Response

from spaceops.localhub.attributes import Attributes
from spaceops.localhub.refusals import Refused, bad_request
from spaceops.localhub.routes.commits import check_upload
from spaceops.localhub.wire import Json, body_of, param, parts, repo_of, sha_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from spaceops.localhub.repos import Snapshot
    from spaceops.localhub.store import Repo

LARGEST_REGULAR = 10_000_000  # bytes; what is larger goes the way of large files
FILES_PER_CALL = 256


class Sample(msgspec.Struct):
    """A file that a client is about to upload: its size and its first 512 bytes."""

    path: str
    size: int
    sample: str = ""


class Samples(msgspec.Struct, rename="camel"):
    """What a client is about to upload."""

    files: list[Sample]
    git_ignore: str | None = None


async def preupload(request: Request) -> Response:
    """`POST …/preupload/{revision}`: how each file is to come, and which not at all."""
    repo = repo_of(request)
    check_upload(request, repo, param(request, "revision"))
    body = await body_of(request, Samples)
    if len(body.files) > FILES_PER_CALL:
        raise Refused(413, f"At most {FILES_PER_CALL} files in one call")
    return Json(await asyncio.to_thread(_modes, request, repo, body))


def _modes(request: Request, repo: Repo, body: Samples) -> dict[str, Any]:
    repos = parts(request).repos
    sha = sha_of(request, repo, param(request, "revision"))

    def text(path: str) -> str:
        return (repos.read(repo, sha, path) or b"").decode(errors="replace")

    attributes = Attributes(text(".gitattributes"))
    ignore = _ignore(text(".gitignore") if body.git_ignore is None else body.git_ignore)
    snapshot = repos.snapshot(repo, sha)
    return {"files": [_mode(file, attributes, ignore, snapshot) for file in body.files], "commitOid": sha}


def _mode(file: Sample, attributes: Attributes, ignore: GitIgnoreSpec, snapshot: Snapshot) -> dict[str, Any]:
    large = file.size > 0 and (_looks_large(file) or attributes.is_lfs(file.path))
    ignored = ignore.match_file(file.path)
    mode = {"path": file.path, "uploadMode": "lfs" if large else "regular", "shouldIgnore": ignored}
    node, pointer = snapshot.nodes.get(file.path), snapshot.pointers.get(file.path)
    if node is None or node.is_folder:
        return mode
    return {**mode, "oid": pointer.oid if pointer else node.oid}  # a client that has the same drops the file


def _ignore(text: str) -> GitIgnoreSpec:
    """The patterns of a .gitignore; like git it passes over those that make no sense."""
    return GitIgnoreSpec.from_lines(line for line in text.splitlines() if _is_pattern(line))


def _is_pattern(line: str) -> bool:
    try:
        GitIgnoreSpec.from_lines([line])
    except (ValueError, re.error):
        return False
    return True


def _looks_large(file: Sample) -> bool:
    try:
        return file.size > LARGEST_REGULAR or b"\0" in base64.b64decode(file.sample)
    except (binascii.Error, ValueError) as error:
        raise bad_request(f"{file.path}: the sample is not base64") from error
