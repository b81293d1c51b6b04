"""Where a table's columns lie while it is measured."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def scratch() -> Iterator[Path]:
    """A new folder, removed at the end. What a process left that was killed goes as soon as no other table is measured.

    Whoever measures shares a lock, which the system drops with the process, however that ends.
    """
    root = Path(tempfile.gettempdir()) / f"app-tables-{os.getuid()}"
    root.mkdir(exist_ok=True)
    held = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        with suppress(BlockingIOError):
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for leftover in root.iterdir():
                shutil.rmtree(leftover, ignore_errors=True)
        fcntl.flock(held, fcntl.LOCK_SH)
        with tempfile.TemporaryDirectory(dir=root) as folder:
            yield Path(folder)
    finally:
        os.close(held)
