"""Steering the server of a data folder from another process; what concerns the data is done without one, too."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from spaceops.errors import BadInput, InUse, NotFound, Unreachable
from spaceops.localhub.datafolder import LOCK, held, prepare, running
from spaceops.localhub.snapshots import DATABASE, nothing, pack, replace_data, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_SERVER = "No local Hub works in {folder}"


def ask(folder: Path, method: str, path: str, body: Any = None) -> Any:
    """What the server of a folder answers to `/_hub/{path}`. Raises `Unreachable` if there is none."""
    folder = folder.expanduser().resolve()
    if not (folder / LOCK).exists():
        raise Unreachable(NO_SERVER.format(folder=folder), hint="spaceops hub serve")
    with contextlib.suppress(InUse), held(folder):
        raise Unreachable(NO_SERVER.format(folder=folder), hint="spaceops hub serve")
    address = running(folder)
    headers = {"Authorization": f"Bearer {address['control']}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = Request(f"{address['url']}/_hub/{path}", data, headers, method=method)  # noqa: S310  http, and ours
    try:
        with build_opener(ProxyHandler({})).open(request) as answer:
            return json.load(answer)
    except HTTPError as error:
        raise _error(error) from None  # it holds the request
    except URLError as error:
        raise Unreachable(f"The local Hub at {address['url']} does not answer", hint="spaceops hub serve") from error


def snapshot(folder: Path, file: Path, *, with_secrets: bool = True) -> Path:
    """Write all data to a new file. Raises `BadInput`, `NotFound`."""
    folder, file = folder.expanduser().resolve(), file.expanduser().resolve()
    _look_for(folder)
    try:
        with _scratch(folder) as scratch:
            copy = scratch / DATABASE
            if not (folder / DATABASE).exists():
                raise NotFound(f"There is no data in {folder}", hint="--data DIR")
            with (
                contextlib.closing(sqlite3.connect(folder / DATABASE)) as source,
                contextlib.closing(sqlite3.connect(copy)) as target,
            ):
                source.backup(target)
            pack(folder, copy, file, with_secrets=with_secrets)
    except InUse:
        ask(folder, "POST", "snapshot", {"file": str(file), "with_secrets": with_secrets})
    return file


def restore(folder: Path, file: Path) -> None:
    """Have what a snapshot holds in place of all data. Raises `BadInput`, and then nothing was changed."""
    folder, file = folder.expanduser().resolve(), file.expanduser().resolve()
    try:
        with _scratch(folder) as scratch:
            unpack(file, scratch, folder)
            replace_data(folder, scratch)
    except InUse:
        ask(folder, "POST", "restore", {"file": str(file)})


def reset(folder: Path) -> None:
    """Have no data. Raises `NotFound`."""
    folder = folder.expanduser().resolve()
    _look_for(folder)
    try:
        with _scratch(folder) as scratch:
            nothing(scratch, folder)
            replace_data(folder, scratch)
    except InUse:
        ask(folder, "POST", "reset")


@contextlib.contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Hold the folder, and have a folder in it for what comes and goes. Raises `InUse` when a server works there."""
    with held(folder):
        prepare(folder)
        with tempfile.TemporaryDirectory(dir=folder / "tmp") as scratch:
            yield Path(scratch)


def _look_for(folder: Path) -> None:
    if not (folder / LOCK).exists():
        raise NotFound(f"There is no data of a local Hub in {folder}", hint="--data DIR")


def _error(answer: HTTPError) -> BadInput | NotFound | Unreachable:
    """The error that a server told of."""
    with answer, contextlib.suppress(ValueError, KeyError):
        told = json.load(answer)
        kind = NotFound if answer.code == 404 else BadInput
        return kind(told["message"], hint=told["hint"])
    return Unreachable(f"The local Hub answers with {answer.code}", hint="Look at what it prints.")
