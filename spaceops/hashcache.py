"""Hashes of the files of a folder, kept between runs: what has not changed since is not read again.

A file is taken for unchanged when its size, its inode and both its times are as they were; the time of the last change
to the inode cannot be set by anybody. A file that was changed just before it was read is not kept: it may change
once more within the same tick of the file system's clock.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

import msgspec
from msgspec import Struct

from spaceops.cachefolder import load, save, sweep

FOLDER, FORMAT = "hashes", 1
SETTLED = 2_000_000_000  # nanoseconds; as coarse as the clock of any file system

Kind = Literal["oid", "sha256"]


class Stamp(Struct, frozen=True, array_like=True):
    """What tells whether a file is still the same."""

    size: int  # bytes
    modified: int  # nanoseconds, as the next
    changed: int
    inode: int

    @classmethod
    def of(cls, stat: os.stat_result) -> Self:
        """The stamp in what the system says of a file."""
        modified, changed = stat.st_mtime_ns, stat.st_ctime_ns
        return cls(stat.st_size, modified, modified if modified == changed else changed, stat.st_ino)  # one number

    def is_settled(self, now: int) -> bool:
        """Whether a change at `now` (nanoseconds) or later would show."""
        return max(self.modified, self.changed) < now - SETTLED


class _Known(Struct, array_like=True):
    stamp: Stamp
    oid: bytes | None = None
    sha256: bytes | None = None


class _Written(Struct):
    format: int
    root: bytes
    files: dict[str, _Known]


class HashCache:
    """The hashes that are known of the files under `root`; `keep()` writes them down for the next run."""

    def __init__(self, root: Path) -> None:
        self._root = os.fsencode(root)
        self._start = len(str(root)) + 1
        self._name = f"{FOLDER}/{hashlib.sha256(self._root).hexdigest()[:32]}"
        self._files = self._load()
        self._has_news = False

    def _load(self) -> dict[str, _Known]:
        try:
            written = msgspec.msgpack.decode(load(self._name) or b"", type=_Written)
        except msgspec.DecodeError:  # there is none, or it is broken, or of another version
            return {}
        return written.files if (written.format, written.root) == (FORMAT, self._root) else {}

    def find(self, path: Path, stamp: Stamp, kind: Kind) -> str | None:
        """The hash of a file that is as it was."""
        known = self._files.get(str(path)[self._start :])
        found = getattr(known, kind) if known and known.stamp == stamp else None
        return found.hex() if found else None

    def note(self, path: Path, stamp: Stamp, hashes: Mapping[Kind, str], *, began: int) -> None:
        """Know what was read of a file from `began` (nanoseconds) on, with the stamp it had all the while."""
        if not stamp.is_settled(began):
            return
        name = str(path)[self._start :]
        known = self._files.get(name)
        if known is None or known.stamp != stamp:
            known = self._files[name] = _Known(stamp)
        for kind, digest in hashes.items():
            setattr(known, kind, bytes.fromhex(digest))
        self._has_news = True

    def keep(self) -> None:
        """Write down what has become known; files that are gone are forgotten."""
        if not self._has_news:
            return
        there = {
            name: known for name, known in self._files.items() if os.path.lexists(self._root + b"/" + os.fsencode(name))
        }
        save(self._name, msgspec.msgpack.encode(_Written(FORMAT, self._root, there)))
        sweep(FOLDER)
        self._has_news = False
