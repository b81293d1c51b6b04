"""Where the app keeps things: a Storage Bucket that is mounted as a folder. STORAGE.md says how to attach one."""

from __future__ import annotations

import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from serving.scratch import scratch

log = logging.getLogger(__name__)

MOUNTS = Path("/proc/self/mountinfo")  # of Linux; others have no such file


class Storage:
    """A folder, in which every record is a file of its own.

    A mounted bucket is no disk: a file is uploaded as a whole when it is closed, nothing can be added to it later,
    there are no locks, and another instance of the app may be writing too. So no file is ever written twice.
    """

    def __init__(self, folder: Path, problem: str | None) -> None:
        self._end = ExitStack()
        self.folder = self._end.enter_context(scratch()) if problem else folder
        self.persistent = problem is None
        self.message = (
            f"Temporary, because {problem}: everything that is kept here is lost when the app restarts."
            if problem
            else f"Kept in the volume at {folder}."
        )
        self._last = 0  # nanoseconds since the epoch
        self._one_at_a_time = threading.Lock()

    def append(self, name: str, record: Mapping[str, object]) -> None:
        """Keep one record; it is in the volume when this returns. Any thread may call it."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        place = folder / f"{self._now()}-{secrets.token_hex(4)}.json"
        try:
            with place.open("wb") as file:
                file.write(json.dumps(record, separators=(",", ":")).encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError:  # no half record is left where there is no more room
            place.unlink(missing_ok=True)
            raise

    def records(self, name: str) -> Iterator[dict[str, Any]]:
        """All records of that name, oldest first."""
        for file in sorted((self.folder / name).glob("*.json")):
            try:
                record = json.loads(file.read_bytes())
            except ValueError:
                log.warning("%s is cut off: the app was killed while it wrote it", file)
            else:
                yield record

    def close(self) -> None:
        """Remove the folder if it is a temporary one."""
        self._end.close()

    def _now(self) -> int:
        """A time that is later than all before, so that the names of the files sort as they were written."""
        with self._one_at_a_time:
            self._last = max(time.time_ns(), self._last + 1)
            return self._last


def open_storage(environ: Mapping[str, str]) -> Storage:
    """The volume mounted at DATA_DIR, by default /data; a temporary folder if there is none that can be written."""
    folder = Path(environ.get("DATA_DIR") or "/data")
    storage = Storage(folder, unfit(folder))
    log.log(logging.INFO if storage.persistent else logging.WARNING, "storage: %s", storage.message)
    return storage


def unfit(folder: Path) -> str | None:
    """Why nothing lasts in a folder, or None if it does. That it exists proves nothing: an image may bring it along."""
    if not is_mounted(folder):
        return f"no volume is mounted at {folder}"
    probe = folder / f".probe-{secrets.token_hex(8)}"
    try:
        try:
            probe.write_bytes(b"probe")
            same = probe.read_bytes() == b"probe"
        finally:
            probe.unlink(missing_ok=True)  # where there is no room, it is there and empty
    except OSError as error:
        return f"the volume at {folder} cannot be written ({error.strerror})"
    return None if same else f"the volume at {folder} does not keep what is written"


def is_mounted(folder: Path) -> bool:
    """Whether a folder is where something is mounted."""
    if folder.is_mount():
        return True
    # `is_mount` does not see a folder of the same disk, as a container engine may mount it.
    mounts = MOUNTS.read_text("utf-8").splitlines() if MOUNTS.exists() else []
    return str(folder) in {line.split()[4] for line in mounts}
