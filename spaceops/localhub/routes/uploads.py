"""What a client asks before it uploads: how each file is to come."""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response

from spaceops.localhub.attributes import Attributes
from spaceops.localhub.git import contents
from spaceops.localhub.gitignore import GitIgnore
from spaceops.localhub.refusals import Refused, bad_request
from spaceops.localhub.routes.commits import check_upload
from spaceops.localhub.wire import Json, body_of, param, parts, repo_of, sha_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from spaceops.localhub.repos import Repos, Snapshot
    from spaceops.localhub.store import Repo

LARGEST_REGULAR = 10_000_000  # bytes; what is larger goes the way of large files
LARGEST_RULES = 1 << 20  # bytes of a .gitignore or .gitattributes; one that is larger is not read
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
    snapshot = repos.snapshot(repo, sha)
    attributes = _named(repos, repo, snapshot, ".gitattributes")
    ignored = _named(repos, repo, snapshot, ".gitignore")
    if body.git_ignore is not None:  # the one at the root that is about to come
        ignored[""] = body.git_ignore
    rules = Attributes(attributes.get("", ""), attributes), GitIgnore(ignored)
    return {"files": [_mode(file, *rules, snapshot) for file in body.files], "commitOid": sha}


def _named(repos: Repos, repo: Repo, snapshot: Snapshot, name: str) -> dict[str, str]:
    """The texts of all files of that name, by their folders."""
    nodes = [node for path, node in snapshot.nodes.items() if path.rpartition("/")[2] == name]
    files = [node for node in nodes if node.mode.startswith("100") and node.size <= LARGEST_RULES]
    texts = contents(repos.path(repo), [node.oid for node in files]) if files else ()
    found = zip(files, texts, strict=True)
    return {node.path.rpartition("/")[0]: text.decode(errors="replace") for node, text in found}


def _mode(file: Sample, attributes: Attributes, ignore: GitIgnore, snapshot: Snapshot) -> dict[str, Any]:
    large = file.size > 0 and (_looks_large(file) or attributes.is_lfs(file.path))
    mode = {
        "path": file.path,
        "uploadMode": "lfs" if large else "regular",
        "shouldIgnore": ignore.ignores(file.path),
    }
    node, pointer = snapshot.nodes.get(file.path), snapshot.pointers.get(file.path)
    if node is None or node.is_folder:
        return mode
    return {**mode, "oid": pointer.oid if pointer else node.oid}  # a client that has the same drops the file


def _looks_large(file: Sample) -> bool:
    try:
        return file.size > LARGEST_REGULAR or b"\0" in base64.b64decode(file.sample)
    except (binascii.Error, ValueError) as error:
        raise bad_request(f"{file.path}: the sample is not base64") from error
