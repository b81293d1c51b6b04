"""The local Hub: a server that speaks the Hub's wire protocol and really builds and runs what is pushed to it.

>>> from spaceops.localhub import LocalHub
>>> with LocalHub() as hub:                 # doctest: +SKIP
...     print(hub.url, hub.token)

What the server needs is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from spaceops.errors import ExtraMissing

if TYPE_CHECKING:
    from spaceops.localhub.coverage import calls, calls_as_text
    from spaceops.localhub.datafolder import default_folder
    from spaceops.localhub.nearby import embedded
    from spaceops.localhub.server import LocalHub, serve
    from spaceops.localhub.steering import ask, reset, restore, snapshot

__all__ = [
    "LocalHub",
    "ask",
    "calls",
    "calls_as_text",
    "default_folder",
    "embedded",
    "reset",
    "restore",
    "serve",
    "snapshot",
]
ROOMS = {
    "server": ("LocalHub", "serve"),
    "nearby": ("embedded",),
    "datafolder": ("default_folder",),
    "steering": ("ask", "reset", "restore", "snapshot"),
    "coverage": ("calls", "calls_as_text"),
}
EXTRA = ("starlette", "uvicorn", "lz4")


def __getattr__(name: str) -> Any:
    room = next((room for room, names in ROOMS.items() if name in names), None)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"spaceops.localhub.{room}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in EXTRA:
            raise ExtraMissing("local", for_what="The local Hub") from error
        raise
