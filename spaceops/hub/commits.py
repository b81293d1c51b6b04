"""Commits on a Space's main branch by the Hub's API: large files go up first, then one request makes the commit."""

from __future__ import annotations

import base64
import json
import logging
import math
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from spaceops import errors
from spaceops.hub.attributes import tracked_by
from spaceops.hub.border import client_errors, our_errors

if TYPE_CHECKING:
    from huggingface_hub import HfApi

    from spaceops.hub.client import httpx

COMMIT_SECONDS = 180.0  # without a word from the Hub, which gives up on a commit after 60
ASK_SECONDS = 40.0
ASKED_AT_ONCE = 256  # files in one question
SAMPLE = 512  # bytes of a file that the Hub wants to see
LOOKED_AT = 8000  # bytes; git calls a file binary by a NUL among these, and the Hub takes none from it
LARGEST_PLAIN = 10_000_000  # bytes of a file that is part of the commit itself
STREAMED = 16 << 20  # bytes; what is new and larger has nothing to save by chunks, and goes up as a stream
GROUP, GROUP_SIZE = 64, 64 << 20  # files that go up together, and bytes by chunks
_NO_XET = re.compile(r"\((404|501)\b.*/xet-write-token/", re.DOTALL)
AGAIN = "Run the same command again: it finds out whether the commit has arrived, and goes on from there."


class Named(Protocol):
    """A file of ours that is to become one of the Space's."""

    @property
    def path(self) -> Path:
        """Where it is."""

    @property
    def size(self) -> int:
        """Its bytes."""


@dataclass(frozen=True)
class Plain:
    """A file that is part of a commit with its content."""

    path: Path
    size: int  # bytes


@dataclass(frozen=True)
class Large:
    """A file whose content lies beside the commits. Without a size it is one that the repository has already."""

    sha256: str
    size: int | None = None  # bytes


Content = Plain | Large


@dataclass(frozen=True)
class Upload:
    """What a commit can be made of: each file as the Hub wants it, and main's head when it was asked."""

    content: Mapping[str, Content] = field(default_factory=dict)
    head: str | None = None


def folders_of(path: str) -> Iterator[str]:
    """The folders that a path is in."""
    while path := path.rpartition("/")[0]:
        yield path


def in_the_way(repo_id: str, path: str, other: str) -> errors.BadInput:
    """For a path that would be a file and a folder at once."""
    hint = "spaceops plan shows what is there; --prune removes what is not in the source."
    return errors.BadInput(f"{repo_id}: {path} cannot be written while {other} is on the Hub", hint=hint)


class Commits:
    """The way to commits on the main branch of one Space; `seconds` without an answer are given to each."""

    def __init__(self, api: HfApi, headers: Mapping[str, str], repo_id: str, *, seconds: float = COMMIT_SECONDS):
        self._api, self._headers, self.repo_id, self._seconds = api, headers, repo_id, seconds
        self._place = f"{api.endpoint}/api/spaces/{repo_id}"

    def upload(self, files: Mapping[str, Named], *, parent: str | None, at_most: int | None = None) -> Upload:
        """Ask how each file is to come, and upload the large ones. What is there already is not sent again.

        Raises `Conflict` when main is not at `parent` (None: wherever it is), `BadInput` for a README.md that the Hub
        refuses and for more than `at_most` bytes that do not go as large files; nothing is uploaded then.
        """
        if not files:
            return Upload(head=parent)
        with client_errors(self.repo_id):
            if "README.md" in files:
                self._check_card(files["README.md"])
            answers, head = self._ask(files)
        if parent and head and head != parent:
            raise errors.Conflict(f"{self.repo_id}: main moved from {parent[:7]} to {head[:7]}", hint="spaceops plan")
        filled = {path: file for path, file in files.items() if file.size}  # LFS knows no empty file
        large = {path: file for path, file in filled.items() if _is_large(file, answers[path])}
        large |= {path: files[path] for path in tracked_by(_attributes_in(files), filled.keys() - large.keys())}
        plain = {path: Plain(file.path, file.size) for path, file in files.items() if path not in large}
        if at_most is not None:
            self._refuse_too_much(plain, at_most)
        with client_errors(self.repo_id):
            sent = self._send(large, known={path for path, answer in answers.items() if answer.get("oid")})
        return Upload({path: plain.get(path) or sent[path] for path in files}, head or parent)

    def make(self, content: Mapping[str, Content], remove: Sequence[str], message: str, parent: str | None) -> str:
        """Make one commit: files written and removed, on top of `parent`; its sha. One request, sent as it is read.

        Raises `Conflict` when main is not at `parent` any more, `Unreachable` when no answer came: the commit may have
        been made then, or not.
        """
        from spaceops.hub.client import get_session, hf_raise_for_status, httpx

        body = _Body(content, self._deletions(content, remove, parent), message, parent)
        headers = {**self._headers, "Content-Type": "application/x-ndjson", "Content-Length": str(body.size)}
        timeout = httpx.Timeout(ASK_SECONDS, read=self._seconds, write=self._seconds)
        try:
            with our_errors(self.repo_id):
                answer = get_session().post(
                    f"{self._place}/commit/main", content=body, headers=headers, timeout=timeout
                )
                hf_raise_for_status(answer, endpoint_name="commit")
        except errors.Unreachable as error:
            raise errors.Unreachable(error.message, hint=AGAIN) from error
        return str(answer.json()["commitOid"])

    def _deletions(self, content: Mapping[str, Content], remove: Sequence[str], parent: str | None) -> list[str]:
        """What is to go, with a slash behind folders: one that becomes a file must go as a folder, the Hub wants.

        Raises `BadInput` where something would go along that nobody named.
        """
        gone = set(remove)
        becoming = {folder for path in remove for folder in folders_of(path)} & content.keys()
        for folder in sorted(becoming):
            with our_errors(f"{self.repo_id}: {folder}"):
                inside = self._api.list_repo_tree(
                    self.repo_id, folder, recursive=True, revision=parent, repo_type="space"
                )
                there = {one.path for one in inside if hasattr(one, "blob_id")}
            if stays := sorted(there - gone):
                raise in_the_way(self.repo_id, folder, stays[0])
            gone -= there
        return [*(f"{folder}/" for folder in sorted(becoming)), *sorted(gone)]

    def fetch(self, paths: Iterable[str], revision: str, folder: Path) -> dict[str, Plain]:
        """Write files of a revision into a folder, under names that say nothing; one request each, side by side."""

        def fetch(numbered: tuple[int, str]) -> tuple[str, Plain]:
            number, path = numbered
            place = f"{self._api.endpoint}/spaces/{self.repo_id}/resolve/{revision}/{quote(path)}"
            target = folder / str(number)
            return path, Plain(target, target.write_bytes(self._request("GET", place, follow_redirects=True).content))

        with our_errors(f"{self.repo_id} at {revision[:7]}"), ThreadPoolExecutor(8) as pool:
            return dict(pool.map(fetch, enumerate(paths)))

    # before the commit

    def _check_card(self, readme: Named) -> None:
        """Raise `ValueError` for a README.md that the Hub refuses: before anything is sent, not after."""
        from huggingface_hub.errors import HfHubHTTPError

        question = {"content": readme.path.read_text(encoding="utf-8"), "repoType": "space"}
        try:
            self._request("POST", f"{self._api.endpoint}/api/validate-yaml", json=question)
        except HfHubHTTPError as error:
            if error.response.status_code != 400:
                raise
            found = error.response.json().get("errors", ())
            reasons = "; ".join(str(one.get("message")) for one in found) or str(error)
            raise ValueError(f"Invalid metadata in README.md: {reasons}") from error

    def _ask(self, files: Mapping[str, Named]) -> tuple[dict[str, dict[str, Any]], str | None]:
        """What the Hub says of each file, and main's head, if it says that."""

        def ask(paths: Sequence[str]) -> dict[str, Any]:
            question = {"files": [_sample(path, files[path]) for path in paths]}
            answer: dict[str, Any] = self._request("POST", f"{self._place}/preupload/main", json=question).json()
            return answer

        paths = list(files)
        parts = [paths[start : start + ASKED_AT_ONCE] for start in range(0, len(paths), ASKED_AT_ONCE)]
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(ask, parts))
        return {one["path"]: one for answer in answers for one in answer["files"]}, answers[0].get("commitOid")

    def _refuse_too_much(self, plain: Mapping[str, Plain], at_most: int) -> None:
        total = sum(file.size for file in plain.values())
        if total <= at_most:
            return
        largest = max(plain, key=lambda path: plain[path].size)
        said = f"{total / 1e6:.0f} MB of files without LFS are more than one commit takes ({at_most / 1e6:.0f} MB)"
        hint = f'The largest is {largest}: give such files to LFS in .gitattributes, or set transport = "git".'
        raise errors.BadInput(f"{self.repo_id}: {said}", hint=hint)

    def _send(self, files: Mapping[str, Named], *, known: set[str]) -> dict[str, Large]:
        """Upload large files: new ones above `STREAMED` through LFS, as streams; the others through Xet, by chunks.

        Xet sends of a changed file only what changed, and holds hundreds of MB in memory for it.
        """
        streamed = {path: file for path, file in files.items() if file.size > STREAMED and path not in known}
        others = {path: file for path, file in files.items() if path not in streamed}
        sent: dict[str, Large] = {}
        for group in _groups(others, GROUP_SIZE):
            sent |= self._send_chunks(group)
        for group in _groups(streamed, math.inf):
            sent |= self._send_group(group, streamed=True)
        return sent

    def _send_chunks(self, files: Mapping[str, Named]) -> dict[str, Large]:
        """Through Xet; as streams where the Hub has none, which the client takes for a failure of the network."""
        try:
            return self._send_group(files, streamed=False)
        except ConnectionError as error:  # of hf_xet, which has no class of its own
            if not _NO_XET.search(str(error)):
                raise
        return self._send_group(files, streamed=True)

    def _send_group(self, files: Mapping[str, Named], *, streamed: bool) -> dict[str, Large]:
        from huggingface_hub import CommitOperationAdd

        with ExitStack() as stack:
            operations = []
            for path, file in files.items():
                place = os.path.abspath(file.path)  # noqa: PTH100  the client expands ~ in any other
                source = stack.enter_context(open(place, "rb")) if streamed else place  # noqa: PTH123
                operation = CommitOperationAdd(path, source)
                operation._upload_mode = "lfs"  # what we know it need not ask again
                operations.append(operation)
            stack.enter_context(_no_advice_on_xet())
            self._api.preupload_lfs_files(
                self.repo_id, operations, repo_type="space", free_memory=False, gitignore_content=""
            )
            return {one.path_in_repo: Large(one.upload_info.sha256.hex(), one.upload_info.size) for one in operations}

    def _request(self, method: Any, url: str, **more: Any) -> httpx.Response:
        """Ask what may be asked twice, and ask again when the Hub is in trouble."""
        from spaceops.hub.client import hf_raise_for_status, http_backoff

        answer = http_backoff(method, url, headers=dict(self._headers), timeout=ASK_SECONDS, **more)
        hf_raise_for_status(answer)
        return answer


class _Body:
    """The body of a commit: lines of JSON, of which one is in memory at a time."""

    def __init__(self, content: Mapping[str, Content], remove: Sequence[str], message: str, parent: str | None) -> None:
        summary, _, description = message.partition("\n\n")
        header = {"summary": summary, "description": description, **({"parentCommit": parent} if parent else {})}
        self._first = [_line("header", header), *map(_deletion, remove)]
        self._content = content
        self.size = sum(map(len, self._first)) + sum(_size(path, one) for path, one in content.items())  # bytes

    def __iter__(self) -> Iterator[bytes]:
        yield from self._first  # files go before a folder of that name comes
        for path, one in self._content.items():
            if isinstance(one, Large):
                yield _large(path, one)
            else:
                yield from _plain(path, one)


def _line(key: str, value: Mapping[str, Any]) -> bytes:
    return json.dumps({"key": key, "value": value}).encode() + b"\n"


def _deletion(path: str) -> bytes:
    return _line("deletedFolder" if path.endswith("/") else "deletedFile", {"path": path})


def _large(path: str, large: Large) -> bytes:
    size = {} if large.size is None else {"size": large.size}
    return _line("lfsFile", {"path": path, "algo": "sha256", "oid": large.sha256, **size})


def _plain(path: str, plain: Plain) -> tuple[bytes, bytes, bytes]:
    content = plain.path.read_bytes()
    if len(content) != plain.size:
        raise errors.PlanStale(f"{path} changed while it was pushed; nothing was committed", hint="Plan again.")
    begin, _, end = _line("file", {"path": path, "encoding": "base64", "content": "*"}).rpartition(b"*")
    return begin, base64.b64encode(content), end


def _size(path: str, one: Content) -> int:
    """The bytes that a file takes in the body."""
    if isinstance(one, Large):
        return len(_large(path, one))
    return len(_line("file", {"path": path, "encoding": "base64", "content": ""})) + 4 * ((one.size + 2) // 3)


def _is_large(file: Named, answer: Mapping[str, Any]) -> bool:
    """Whether a file goes the way of large ones: the Hub wants it so, or would not take it from git otherwise."""
    return answer["uploadMode"] == "lfs" or file.size > LARGEST_PLAIN or b"\0" in _beginning(file, LOOKED_AT)


def _sample(path: str, file: Named) -> dict[str, Any]:
    return {"path": path, "size": file.size, "sample": base64.b64encode(_beginning(file, SAMPLE)).decode()}


def _beginning(file: Named, count: int) -> bytes:
    with file.path.open("rb") as opened:
        return opened.read(count)


def _attributes_in(files: Mapping[str, Named]) -> dict[str, str]:
    """The `.gitattributes` among the files, by their folders: the Hub has not seen them when it is asked."""
    named = [path for path in files if path.rpartition("/")[2] == ".gitattributes"]
    return {path.rpartition("/")[0]: files[path].path.read_text(errors="replace") for path in named}


def _groups(files: Mapping[str, Named], most: float) -> Iterator[dict[str, Named]]:
    group: dict[str, Named] = {}
    for path, file in files.items():
        if group and (len(group) >= GROUP or sum(one.size for one in group.values()) + file.size > most):
            yield group
            group = {}
        group[path] = file
    if group:
        yield group


@contextmanager
def _no_advice_on_xet() -> Iterator[None]:
    """The client warns of what we chose, that an open file goes up as a stream, and of how it does that itself."""
    log = logging.getLogger("huggingface_hub._commit_api")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        log.setLevel(before)
