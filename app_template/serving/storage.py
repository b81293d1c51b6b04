"""Where the app keeps things: a folder of its own, which goes when the app ends. STORAGE.md says how to keep more."""

from __future__ import annotations

import errno
import json
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from serving.scratch import scratch

log = logging.getLogger(__name__)


class Storage:
    """A temporary folder. A record of NAME is a line of NAME.jsonl in it."""

    persistent = False
    message = "Temporary: everything that is kept here is lost when the app restarts."

    def __init__(self) -> None:
        self._end = ExitStack()
        self.folder = self._end.enter_context(scratch())
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
        self._end.close()


def open_storage(_environ: Mapping[str, str]) -> Storage:
    """A new, empty storage."""
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
