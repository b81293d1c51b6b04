"""The folder in which a server keeps everything: whose it is, how others find the server, what must be in it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spaceops.errors import BadInput, InUse
from spaceops.localhub.routes.git import install_hook
from spaceops.localhub.snapshots import finish

if TYPE_CHECKING:
    from collections.abc import Iterator

ADDRESS, LOCK = "address.json", "lock"
START_SECONDS = 30.0


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that goes with the block."""
    folder = Path(tempfile.mkdtemp(prefix="spaceops-hub-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the data folder, so that no second server works in it; the kernel lets go of it however this one ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _check(folder)
        folder.chmod(0o700)
        lock = (folder / LOCK).open("w")
    except OSError as error:
        raise BadInput(f"{folder} cannot be the data folder: {error.strerror}", hint="--data DIR") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InUse(
                f"Another local Hub works in {folder}", hint="Stop it, or take another folder: --data DIR"
            ) from error
        yield


def _check(folder: Path) -> None:
    """Refuse a folder of somebody else's: a reset would remove what is in it."""
    if not (folder / LOCK).exists() and any(folder.iterdir()):
        raise BadInput(f"{folder} is not empty, and no data folder of a local Hub", hint="Take another: --data DIR")


def prepare(folder: Path) -> None:
    """The folders that there must be; what was arriving when an earlier server died is gone, or there."""
    finish(folder)
    _empty(folder / "tmp")
    install_hook(folder)


def _empty(scratch: Path) -> None:
    """Put a new folder into the place of the old: a git of the server that died may still be writing there."""
    with contextlib.suppress(FileNotFoundError):
        scratch.rename(scratch.with_name(f"{scratch.name}-{secrets.token_hex(8)}"))
    scratch.mkdir()
    for left in scratch.parent.glob(f"{scratch.name}-*"):
        shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def address_file(folder: Path, address: dict[str, Any]) -> Iterator[None]:
    """Say in the folder where its server is; who finds no file, or a folder without lock, finds no server."""
    file = folder / ADDRESS
    fresh = file.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(address), "utf-8")
    fresh.replace(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def running(folder: Path) -> dict[str, Any]:
    """The address of the server that holds a folder; it may just be starting. Raises `InUse` if it never says so."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        with contextlib.suppress(FileNotFoundError):
            found: dict[str, Any] = json.loads((folder / ADDRESS).read_text("utf-8"))
            return found
        time.sleep(0.02)
    raise InUse(f"The local Hub that works in {folder} does not come up", hint="Stop it, or set SPACEOPS_DATA.")


def default_folder() -> Path:
    """Where the local Hub keeps its data unless told otherwise: `SPACEOPS_DATA`, else the user's data folder."""
    if given := os.environ.get("SPACEOPS_DATA"):
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "spaceops" / "hub"
