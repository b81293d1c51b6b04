"""One question to the app of a Space: what it answers, whatever it answers, and however long it goes on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from spaceops.hub.border import our_errors
from spaceops.secret import redact
from spaceops.spec import LOOPBACK

if TYPE_CHECKING:
    from spaceops.hub.client import httpx

BEGINNING = 300  # bytes of an answer that is no success
LONGEST = 1024 * 1024  # bytes in which a text is looked for


def ask(url: str, headers: Mapping[str, str], *, holds: str | None, patience: float) -> tuple[int, str]:
    """GET `url` without following a redirect: the status, and what was read of the answer, without secrets.

    That is nothing of a success, else its beginning; with `holds` all up to this text, and at most 1 MiB or what comes
    within `patience` seconds. Raises `Unreachable` when nobody answers for so long.
    """
    from spaceops.hub.client import httpx

    wanted = {**headers, "Accept-Encoding": "identity"}  # else a small answer may become a large one
    by_proxy = urlsplit(url).hostname not in LOOPBACK
    until = time.monotonic() + patience
    with (
        our_errors(url),
        httpx.Client(timeout=patience, follow_redirects=False, trust_env=by_proxy) as client,
        client.stream("GET", url, headers=wanted) as response,
    ):
        if response.is_redirect:
            return response.status_code, redact(f"it leads to {_without_query(response.headers.get('Location', ''))}")
        if holds is None and response.is_success:
            return response.status_code, ""
        said = bytearray()
        with suppress(httpx.RequestError):  # what was said before it broke, or fell silent, counts
            _read(response, said, holds.encode() if holds else b"", until)
        return response.status_code, redact(said.decode(errors="replace"))


def _read(response: httpx.Response, said: bytearray, wanted: bytes, until: float) -> None:
    """Read into `said` until `wanted` is in it, or enough is."""
    enough = LONGEST if wanted else BEGINNING
    for piece in response.iter_bytes():
        seen = max(0, len(said) - len(wanted))
        said += piece[: enough - len(said)]
        if len(said) >= enough or (wanted and wanted in said[seen:]) or time.monotonic() >= until:
            return


def _without_query(location: str) -> str:
    """Where a redirect leads; its query may hold what nobody else is to see."""
    return location.partition("?")[0].partition("#")[0] or "nowhere"
