"""Where we keep what is only quicker to have at hand: nothing in it is ever needed, and all of it may be deleted."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

KEPT = 90 * 86400  # seconds that a file stays which nobody writes again


def cache_folder() -> Path:
    """`SPACEOPS_CACHE`, else the user's cache folder."""
    if given := os.environ.get("SPACEOPS_CACHE"):
        return Path(given).expanduser()
    usual = "~/Library/Caches" if sys.platform == "darwin" else os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(usual).expanduser() / "spaceops"


def load(name: str) -> bytes | None:
    """A file of the cache; None where there is none that can be read, or somebody else wrote it."""
    with suppress(OSError), (cache_folder() / name).open("rb") as file:
        if os.fstat(file.fileno()).st_uid == os.geteuid():
            return file.read()
    return None


def save(name: str, content: bytes) -> None:
    """Write a file of the cache, whole or not at all, readable by us alone; a folder that takes nothing is no error."""
    place = cache_folder() / name
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as file:
            try:
                file.write(content)
                file.flush()
                Path(file.name).replace(place)
            except OSError:
                Path(file.name).unlink()
                raise


def sweep(folder: str) -> None:
    """Delete what nobody has written for `KEPT` seconds from a folder of the cache."""
    oldest = time.time() - KEPT
    with suppress(OSError), os.scandir(cache_folder() / folder) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_mtime < oldest:
                Path(entry.path).unlink(missing_ok=True)
