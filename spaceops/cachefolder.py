"""Where we keep what is only quicker to have at hand: nothing in it is ever needed, and all of it may be deleted."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path


def cache_folder() -> Path:
    """`SPACEOPS_CACHE`, else the user's cache folder."""
    if given := os.environ.get("SPACEOPS_CACHE"):
        return Path(given).expanduser()
    usual = "~/Library/Caches" if sys.platform == "darwin" else os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(usual).expanduser() / "spaceops"


def load(name: str) -> bytes | None:
    """A file of the cache; None where there is none that can be read."""
    with suppress(OSError):
        return (cache_folder() / name).read_bytes()
    return None


def save(name: str, content: bytes) -> None:
    """Write a file of the cache, whole or not at all, readable by us alone; a folder that takes nothing is no error."""
    place = cache_folder() / name
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as file:
            file.write(content)
        Path(file.name).replace(place)
