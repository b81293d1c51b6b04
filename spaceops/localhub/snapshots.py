"""Snapshots: all data of a folder in one file, and back, all or nothing.

A snapshot is a tar: first `snapshot.json` with what it is, then the database, the key of the secrets, and the folders
of data. What can be made again is not in it (builds of Spaces, exported volumes, environments).
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import sqlite3
import stat
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, cast

from spaceops.errors import BadInput
from spaceops.localhub.vault import KEY_FILE, join_keys, own_key

if TYPE_CHECKING:
    from collections.abc import Iterator

DATABASE = "hub.sqlite3"
FORMAT = 1
MANIFEST = "snapshot.json"
FOLDERS = ("git", "lfs", "buckets", "spaces")
BESIDE = (f"{DATABASE}-wal", f"{DATABASE}-shm", "mounts")  # gone with the data that they belong to
DATA = (DATABASE, KEY_FILE, *FOLDERS, *BESIDE)
BUILDS = "builds"  # of a Space
DEEPEST = 600  # folders in folders
PLAIN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # opening a pipe would wait for its writer
DECIDED, ARRIVED = "restoring", "restored"


def pack(folder: Path, database: Path, file: Path, *, with_secrets: bool) -> None:
    """Write a snapshot with that copy of the database; it is whole when it has its name. Raises `BadInput`."""
    if file.exists():
        raise BadInput(f"{file} is there already", hint="Give another name, or remove it.")
    _forget(database, with_secrets=with_secrets)
    try:
        with _fresh(file) as stream, tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
            manifest = json.dumps({"format": FORMAT, "secrets": with_secrets}).encode()
            _add(tar, MANIFEST, BytesIO(manifest), len(manifest))
            _add_file(tar, database, DATABASE)
            if with_secrets:
                _add_file(tar, folder / KEY_FILE, KEY_FILE)
            for name in FOLDERS:
                _add_folder(tar, folder, name)
    except OSError as error:
        raise BadInput(f"{file} cannot be written: {error.strerror}", hint="Give another place.") from error


def unpack(file: Path, scratch: Path, folder: Path) -> None:
    """Write what a snapshot holds to `scratch`, as it will lie in the data folder. Raises `BadInput`."""
    try:
        with tarfile.open(file, "r:") as tar:
            _check(file, tar)
            for member in tar:
                _extract(tar, member, scratch)
        _check_database(scratch / DATABASE)
    except (tarfile.TarError, sqlite3.Error, EOFError, KeyError, ValueError) as error:
        raise BadInput(f"{file} is no snapshot, or not a whole one", hint="Take another.") from error
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror}", hint="Look for it, or at the disk.") from error
    _own(scratch, folder)


def nothing(scratch: Path, folder: Path) -> None:
    """What a data folder begins with."""
    _own(scratch, folder)


def replace_data(folder: Path, scratch: Path) -> None:
    """Put what is in `scratch` in place of the data in the folder. Killed at any moment, it is done or not done, once
    `finish` was called.
    """
    inside = scratch / DECIDED
    inside.mkdir()
    for entry in list(scratch.iterdir()):
        if entry != inside:
            entry.rename(inside / entry.name)
    inside.rename(folder / DECIDED)  # from here on it is decided
    finish(folder)


def finish(folder: Path) -> None:
    """Finish what another server had decided when it died."""
    decided, arrived = folder / DECIDED, folder / ARRIVED
    if decided.exists():  # the data in the folder is old
        for name in DATA:
            _remove(folder / name)
        decided.rename(arrived)
    if arrived.exists():  # the data in the folder is new, and perhaps not all of it
        for entry in list(arrived.iterdir()):
            entry.rename(folder / entry.name)
        arrived.rmdir()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _own(scratch: Path, folder: Path) -> None:
    """Have the folder's own key come first: what is signed with it stays good."""
    brought = (scratch / KEY_FILE).read_bytes() if (scratch / KEY_FILE).exists() else b""
    join_keys(scratch / KEY_FILE, own_key(folder), brought)


def _forget(database: Path, *, with_secrets: bool) -> None:
    """Take from a copy of the database what shall not travel."""
    with contextlib.closing(sqlite3.connect(database)) as db:
        if not with_secrets:
            db.execute("UPDATE repos SET settings = json_remove(settings, '$.secrets')")
        db.execute("DELETE FROM hub WHERE name = 'instance'")  # clients remember what they sent to the former one
        db.commit()
        db.execute("PRAGMA journal_mode = DELETE")  # one file
        db.execute("VACUUM")


@contextlib.contextmanager
def _fresh(file: Path) -> Iterator[IO[bytes]]:
    """A file that has its name at the end of the block."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink()
        raise


def _add_folder(tar: tarfile.TarFile, folder: Path, top: str) -> None:
    """The plain files and folders; what else an app may have left in a bucket is not data, and no link is followed."""
    if not (folder / top).is_dir():
        return
    for at, folders, files, place in os.fwalk(folder / top, follow_symlinks=False):
        name = str(Path(at).relative_to(folder))
        left_out = {BUILDS} if top == "spaces" else set()
        folders[:] = [one for one in folders if one not in left_out and name.count("/") < DEEPEST]
        info = tarfile.TarInfo(name)
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(info)
        for file in files:
            _add_file(tar, file, f"{name}/{file}", place)


def _add_file(tar: tarfile.TarFile, path: Path | str, name: str, place: int | None = None) -> None:
    try:
        stream = os.fdopen(os.open(path, PLAIN_FILE, dir_fd=place), "rb")
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENXIO):
            return  # it went a moment ago, or is a link or a socket
        raise
    with stream:
        info = tar.gettarinfo(arcname=name, fileobj=stream)
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        info.pax_headers = {"mtime": _decimal(os.fstat(stream.fileno()).st_mtime_ns)}
        if info.isreg() or info.islnk():  # a second name of a file that is in it already
            tar.addfile(info, cast("IO[bytes]", _Exactly(stream, info.size)))


def _add(tar: tarfile.TarFile, name: str, stream: IO[bytes], size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size = size
    tar.addfile(info, stream)


class _Exactly:
    """So many bytes of a file that an app may be writing to: where it has become shorter, zeros."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream, self._left = stream, size

    def read(self, size: int) -> bytes:
        """The next bytes."""
        wanted = min(size, self._left)
        self._left -= wanted
        return self._stream.read(wanted).ljust(wanted, b"\0")


def _check(file: Path, tar: tarfile.TarFile) -> None:
    first = tar.next()
    if first is None or first.name != MANIFEST or first.size > 1 << 16:
        raise BadInput(f"{file} is no snapshot of a local Hub", hint="spaceops hub snapshot FILE makes one.")
    manifest: Any = json.load(tar.extractfile(first) or BytesIO())
    if manifest["format"] != FORMAT:
        raise BadInput(f"{file} was made by another version of spaceops", hint="Use that version.")


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, scratch: Path) -> None:
    """Write one member; only plain files and folders, and only where data is."""
    target = scratch / _inside(member.name)
    if member.name == MANIFEST:
        return
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if member.islnk():
        os.link(scratch / _inside(member.linkname), target, follow_symlinks=False)
        return
    source = tar.extractfile(member) if member.isreg() else None
    if source is None:
        raise ValueError(member.name)
    with source, target.open("xb") as stream:
        shutil.copyfileobj(source, stream, 1 << 20)
        os.fchmod(stream.fileno(), stat.S_IMODE(member.mode) & 0o755)
    whole, _, rest = member.pax_headers.get("mtime", "0").partition(".")
    moment = int(whole) * 10**9 + int(rest or 0)
    os.utime(target, ns=(moment, moment))


def _decimal(nanoseconds: int) -> str:
    """Seconds, all digits of them: a bucket knows its files by that time, and tarfile would round it."""
    return f"{nanoseconds // 10**9}.{nanoseconds % 10**9:09d}"


def _inside(name: str) -> str:
    """The name of a member, which must lead to data."""
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or parts[0] not in (MANIFEST, DATABASE, KEY_FILE, *FOLDERS):
        raise ValueError(name)
    return name


def _check_database(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True)) as db:
        if db.execute("PRAGMA quick_check").fetchone() != ("ok",):
            raise ValueError(file)
    file.chmod(0o600)
