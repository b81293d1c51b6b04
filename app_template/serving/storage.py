"""Where the app keeps things: a folder of its own, which goes when the app ends. STORAGE.md says how to keep more."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

PREFIX = "app-storage-"  # of the folder's name, by which leftovers are found


class Storage:
    """A temporary folder. A record of NAME is a line of NAME.jsonl in it."""

    persistent = False
    message = "Temporary: everything that is kept here is lost when the app restarts."

    def __init__(self) -> None:
        self.folder, self._held = _own_folder()
        self._one_at_a_time = threading.Lock()

    def append(self, name: str, record: Mapping[str, object]) -> None:
        """Keep one record; it is in the file when this returns. Any thread may call it."""
        file = self.folder / f"{name}.jsonl"
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        with self._one_at_a_time:
            file.parent.mkdir(parents=True, exist_ok=True)
            _append(file, line)

    def records(self, name: str) -> Iterator[dict[str, Any]]:
        """All records of that name, oldest first."""
        file = self.folder / f"{name}.jsonl"
        with self._one_at_a_time:
            lines = file.read_text("utf-8").splitlines() if file.exists() else []
        yield from map(json.loads, lines)

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._held)


def open_storage(_environ: Mapping[str, str]) -> Storage:
    """A new, empty storage. What an app that was killed left behind is removed."""
    for leftover in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        _remove_unless_held(leftover)
    storage = Storage()
    log.info("storage: %s", storage.message)
    return storage


def _append(file: Path, line: bytes) -> None:
    """Add a line to a file; or nothing at all where the disk is full, for a half line would spoil the next one."""
    with file.open("ab", buffering=0) as stream:
        end = stream.tell()
        if stream.write(line) < len(line):
            stream.truncate(end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _own_folder() -> tuple[Path, int]:
    """A new folder, and the lock on it: the system drops it with the process, however that ends."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        held = _lock(folder)
        if held is not None and folder.exists():  # else another app took it for a leftover before it was locked
            return folder, held


def _lock(folder: Path) -> int | None:
    """Lock a folder; None if somebody else holds it, or it is gone, or is not ours."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _remove_unless_held(folder: Path) -> None:
    handle = _lock(folder)
    if handle is not None:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)
