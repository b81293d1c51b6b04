"""How the Hub says no: a status, a code that clients tell cases apart by, and a sentence."""

from __future__ import annotations


class Refused(Exception):
    """An answer that is not what was asked for."""

    def __init__(self, status: int, message: str, code: str | None = None, **headers: str) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def bad_request(message: str) -> Refused:
    """The request makes no sense."""
    return Refused(400, message)


def no_revision(revision: str) -> Refused:
    """There is no such branch, tag or commit."""
    return Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")


def no_entry(message: str, sha: str) -> Refused:
    """There is no such file in that commit."""
    return Refused(404, message, "EntryNotFound", X_Repo_Commit=sha)


def stale_parent() -> Refused:
    """Somebody else was faster."""
    return Refused(412, "The branch was updated since you opened this page. Please refresh and try again.")
