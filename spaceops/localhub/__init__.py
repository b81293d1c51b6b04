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
    from spaceops.localhub.datafolder import default_folder
    from spaceops.localhub.nearby import embedded
    from spaceops.localhub.server import LocalHub, serve

__all__ = ["LocalHub", "default_folder", "embedded", "serve"]
ROOMS = {"LocalHub": "server", "default_folder": "datafolder", "embedded": "nearby", "serve": "server"}
EXTRA = ("starlette", "uvicorn", "lz4")


def __getattr__(name: str) -> Any:
    if name not in ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"spaceops.localhub.{ROOMS[name]}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in EXTRA:
            raise ExtraMissing("local", for_what="The local Hub") from error
        raise
