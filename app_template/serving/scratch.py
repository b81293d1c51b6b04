"""Folders that go with the process that made them."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

PREFIX = "app-scratch-"  # of their names, by which leftovers are found


@contextmanager
def scratch() -> Iterator[Path]:
    """A new folder for this process alone, removed at the end. What killed ones left behind is removed before."""
    temporary = Path(os.environ.get("TMPDIR") or "/tmp")  # noqa: S108  not `gettempdir`, which fails on a full disk
    for leftover in temporary.glob(f"{PREFIX}*"):
        with suppress(OSError), _locked(leftover):
            shutil.rmtree(leftover, ignore_errors=True)
    with ExitStack() as end:
        folder = _new(end)
        end.callback(shutil.rmtree, folder, ignore_errors=True)
        yield folder


def _new(end: ExitStack) -> Path:
    """A folder that is locked until the end."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        with suppress(BlockingIOError, FileNotFoundError):  # another process took it for a leftover meanwhile
            end.enter_context(_locked(folder))
            return folder


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock a folder of ours; the system drops the lock with the process, however that ends.

    Raises `OSError` if somebody else holds it, or it is gone, or another user's, or no folder.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if folder.lstat().st_uid != os.getuid():
            raise PermissionError
        yield
    finally:
        os.close(handle)
