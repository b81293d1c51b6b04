"""Whose token it is, remembered for an hour in the cache folder: an unchanged deploy need not ask again."""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import suppress
from urllib.parse import urlsplit

from spaceops.cachefolder import cache_folder, load, save

SECONDS = 3600


def remembered(endpoint: str, token: str) -> str | None:
    """The name that the Hub told within the last hour."""
    with suppress(ValueError, KeyError, TypeError):  # not of our making: as good as nothing
        known = json.loads(load(_place(endpoint, token)) or b"{}")
        if 0 <= time.time() - known["at"] < SECONDS:
            return str(known["name"])
    return None


def remember(endpoint: str, token: str, name: str) -> None:
    """Keep the name; of the token nothing."""
    save(_place(endpoint, token), json.dumps({"name": name, "at": time.time()}).encode())


def forget(url: str, token: str) -> None:
    """Drop the name: the server of `url` does not accept the token any more."""
    with suppress(OSError):
        (cache_folder() / _place(url, token)).unlink(missing_ok=True)


def _place(url: str, token: str) -> str:
    """A file for each server and token, whose name tells neither."""
    parts = urlsplit(url)
    digest = hashlib.sha256(f"{parts.scheme}://{parts.netloc} {token}".encode()).hexdigest()
    return f"accounts/{digest}.json"
