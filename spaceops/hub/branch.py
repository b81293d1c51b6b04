"""A branch of a Space as a small store: what a file holds, at which commit, when; and a commit that must follow it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from spaceops import errors
from spaceops.hub.border import ANSWER_SECONDS, CONNECT_SECONDS, our_errors

if TYPE_CHECKING:
    from spaceops.hub.client import httpx

_NO_HEAD = ("RevisionNotFound", "RepoNotFound")


@dataclass(frozen=True)
class Reading:
    """What a file holds (None: there is none), the commit it was read at, and the server's time."""

    content: bytes | None
    head: str | None
    now: datetime


@dataclass(frozen=True)
class Commit:
    """A commit as the Hub lists it: its title is the first line of its message, its time ISO 8601, UTC."""

    sha: str
    title: str
    message: str
    authors: tuple[str, ...]
    date: str


class Branch:
    """One branch of one Space. Each call is one request, but for `make`, whose commit follows by `write`."""

    def __init__(self, endpoint: str, headers: Mapping[str, str], repo_id: str, name: str) -> None:
        self._endpoint, self._headers, self.repo_id, self.name = endpoint, headers, repo_id, name

    def read(self, path: str, revision: str | None = None) -> Reading:
        """A file at the branch's head or at `revision`; no content where file, branch or Space do not exist.

        Some servers do not tell the head along with the file, or not what it is that they did not find: these are asked
        for the head, one request more, and for the file as of it.
        """
        found, is_clear = self._read(path, revision)
        if is_clear or revision:
            return found
        head = self._head()
        return replace(found if head is None or found.content is None else self._read(path, head)[0], head=head)

    def _read(self, path: str, revision: str | None) -> tuple[Reading, bool]:
        """One request; also whether it tells the head, or that there is none."""
        from spaceops.hub.client import hf_raise_for_status

        place = f"/spaces/{self.repo_id}/resolve/{quote(revision or self.name, safe='')}/{quote(path)}"
        with our_errors(f"{self.repo_id}: {path} of the branch {self.name}"):
            answer = self._ask("GET", place, follow_redirects=True)
            heads = [step.headers.get("X-Repo-Commit") for step in (*answer.history, answer)]
            head = next(filter(None, heads), None)
            if answer.status_code == 404:
                is_clear = bool(head) or answer.headers.get("X-Error-Code") in _NO_HEAD
                return Reading(None, head, _date(answer)), is_clear
            hf_raise_for_status(answer)
        return Reading(answer.content, head, _date(answer)), head is not None

    def _head(self) -> str | None:
        """The branch's newest commit, None where there is no such branch. One request."""
        try:
            return self.history(1)[0].sha
        except errors.NotFound:
            return None

    def history(self, count: int) -> list[Commit]:
        """The last `count` commits, at most a page of the Hub's (50), the newest first."""
        with our_errors(f"{self.repo_id}: branch {self.name}"):
            place = f"/api/spaces/{self.repo_id}/commits/{quote(self.name, safe='')}"
            answer = self._ask("GET", place, params={"limit": count}, follow_redirects=True, check=True)
        return [_commit(found) for found in answer.json()[:count]]

    def make(self, start: str | None) -> None:
        """Let the branch begin at the commit `start`, or at the head of main. One that is there is a `Conflict`."""
        body = {"startingPoint": start} if start else {}
        with our_errors(f"{self.repo_id}: branch {self.name}"):
            self._ask("POST", f"/api/spaces/{self.repo_id}/branch/{quote(self.name, safe='')}", json=body, check=True)

    def write(self, files: Mapping[str, bytes], message: str, parent: str | None) -> str:
        """Make one commit of files written, on top of `parent`; its sha.

        Raises `Conflict` when the branch is not at `parent` any more.
        """
        lines = [{"key": "header", "value": {"summary": message, **({"parentCommit": parent} if parent else {})}}]
        lines += [_operation(path, content) for path, content in files.items()]
        with our_errors(f"{self.repo_id}: branch {self.name}"):
            answer = self._ask(
                "POST",
                f"/api/spaces/{self.repo_id}/commit/{quote(self.name, safe='')}",
                content="".join(json.dumps(line) + "\n" for line in lines).encode(),
                headers={"Content-Type": "application/x-ndjson"},
                check=True,
            )
        return str(answer.json()["commitOid"])

    def squash(self, message: str) -> None:
        """Let the branch have one commit only, with the files that it has now."""
        place = f"/api/spaces/{self.repo_id}/super-squash/{quote(self.name, safe='')}"
        with our_errors(f"{self.repo_id}: branch {self.name}"):
            self._ask("POST", place, json={"message": message}, check=True)

    def _ask(
        self,
        method: str,
        path: str,
        *,
        check: bool = False,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> httpx.Response:
        from spaceops.hub.client import get_session, hf_raise_for_status, httpx

        timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
        sent = {**self._headers, **(headers or {})}
        more = {"follow_redirects": method == "GET", **more}  # what is written to another name may land elsewhere
        answer = get_session().request(method, self._endpoint + path, headers=sent, timeout=timeout, **more)
        if answer.is_redirect:
            said = f"{self.repo_id} was moved: it has another name now"
            raise errors.NotFound(said, hint="Write its new name into space.toml.", status=answer.status_code)
        if check:
            hf_raise_for_status(answer)
        return answer


def _commit(found: Mapping[str, Any]) -> Commit:
    authors = tuple(author.get("user") or author.get("name") or "" for author in found.get("authors") or ())
    return Commit(found["id"], found["title"], found.get("message") or "", authors, found["date"])


def _operation(path: str, content: bytes) -> dict[str, Any]:
    encoded = base64.b64encode(content).decode()
    return {"key": "file", "value": {"path": path, "content": encoded, "encoding": "base64"}}


def _date(answer: httpx.Response) -> datetime:
    """The server's clock, whole seconds; ours for a server that does not tell."""
    said = answer.headers.get("Date")
    return parsedate_to_datetime(said).astimezone(UTC) if said else datetime.now(UTC)
