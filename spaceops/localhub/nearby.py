"""The local Hub that `local` means: the one that runs on a data folder, or one of this program's own."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from spaceops.errors import InUse
from spaceops.localhub.datafolder import ADDRESS
from spaceops.localhub.exposure import own_token
from spaceops.localhub.server import LocalHub

if TYPE_CHECKING:
    from pathlib import Path

START_SECONDS = 30.0
_embedded: dict[Path, LocalHub] = {}


class Found(NamedTuple):
    """A local Hub that answers; `here` if it ends with this program. With accounts of its own it tells no token."""

    url: str
    token: str | None
    here: bool


def embedded(folder: Path) -> Found:
    """The local Hub of a folder: the one that runs, else one started here until this program ends."""
    folder = folder.expanduser().resolve()
    try:
        if folder not in _embedded:
            _embedded[folder] = LocalHub(folder).start()
        return Found(_embedded[folder].url, _embedded[folder].token, here=True)
    except InUse:
        address = running(folder)
        token = own_token(folder) if address.get("own_token") else address.get("token")
        return Found(address["url"], token, here=False)


def running(folder: Path) -> dict[str, Any]:
    """The address of the server that holds a folder; it may just be starting."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        with contextlib.suppress(FileNotFoundError):
            found: dict[str, Any] = json.loads((folder / ADDRESS).read_text("utf-8"))
            return found
        time.sleep(0.02)
    raise InUse(f"The local Hub that works in {folder} does not come up", hint="Stop it, or set SPACEOPS_DATA.")
