"""The local Hub that `local` means: the one that runs on a data folder, or one of this program's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from spaceops.errors import InUse
from spaceops.localhub.datafolder import running
from spaceops.localhub.exposure import own_token
from spaceops.localhub.server import LocalHub

if TYPE_CHECKING:
    from pathlib import Path

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
