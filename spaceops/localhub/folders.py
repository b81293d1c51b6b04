"""A folder that others write to at the same time: the files of a bucket, while an app has it as a volume.

Nobody vouches for what lies there. So only plain files are seen, no link is ever followed (not even one that appears
between two steps), and whoever puts a file there does so in one step.
"""

from __future__ import annotations

import contextlib
import os
import stat
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

LONGEST_PATH, LONGEST_NAME = 1024, 255  # bytes
NO_NAMES = ("", ".", "..")
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
PLAIN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # opening a pipe would wait for its writer


class WrongPath(Exception):
    """No file can have that path; the message says why."""


class Found(NamedTuple):
    """A plain file."""

    path: str
    size: int  # bytes
    mtime_ns: int


class Folder:
    """The plain files below a folder, by their paths in it. Every call blocks."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._writing = Lock()  # one clears empty folders away while another makes them
        root.mkdir(parents=True, exist_ok=True)

    def files(self, prefix: str = "", after: str = "") -> Iterator[Found]:
        """All files whose paths begin so, sorted by path; only those that come after one, if wanted."""
        waiting = [iter(self._inside(prefix.rpartition("/")[0], prefix, after))]
        while waiting:
            entry = next(waiting[-1], None)
            if entry is None:
                waiting.pop()
            elif isinstance(entry, Found):
                yield entry
            else:
                waiting.append(iter(self._inside(entry, prefix, after)))

    def level(self, prefix: str = "", after: str = "") -> Iterator[Found | str]:
        """The same, but of each folder that is further down only its path, which is sorted with a slash behind it."""
        folder, _, name = prefix.rpartition("/")
        for entry in self._inside(folder, prefix, after):
            if isinstance(entry, str) and name and entry == prefix:
                yield from self.level(f"{entry}/", after)
            elif isinstance(entry, Found) or (f"{entry}/" > after and next(self.files(f"{entry}/"), None)):
                yield entry

    def _inside(self, folder: str, prefix: str, after: str) -> list[Found | str]:
        """The files in a folder, and the paths of folders in it, as far as they may hold what is looked for."""
        found: dict[str, Found | str] = {}
        start = f"{folder}/" if folder else ""
        with contextlib.suppress(OSError), self._scanned(folder) as entries:
            for entry in entries:
                path = start + entry.name
                if not _has_place(path):
                    continue
                if entry.is_dir(follow_symlinks=False) and _may_hold(f"{path}/", prefix, after):
                    found[f"{path}/"] = path
                elif entry.is_file(follow_symlinks=False) and path > after and path.startswith(prefix):
                    with contextlib.suppress(FileNotFoundError):
                        found[path] = _found(path, entry.stat(follow_symlinks=False))
        return [found[path] for path in sorted(found)]

    @contextlib.contextmanager
    def _scanned(self, folder: str) -> Iterator[Iterator[os.DirEntry[str]]]:
        with self._opened(folder.split("/") if folder else []) as place, os.scandir(place) as entries:
            yield entries

    def find(self, path: str) -> Found | None:
        """The file of that path, None if there is none."""
        try:
            with self.open(path) as file:
                return facts_of(path, file)
        except (FileNotFoundError, WrongPath):
            return None

    def open(self, path: str) -> BinaryIO:
        """Read a file; raises `FileNotFoundError` if there is no plain one of that path, `WrongPath` if none can be."""
        *folders, name = names_of(path)
        try:
            with self._opened(folders) as place:
                file = open(os.open(name, PLAIN_FILE, dir_fd=place), "rb")  # noqa: SIM115, PTH123
        except OSError as error:
            raise FileNotFoundError(path) from error
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return file
        file.close()
        raise FileNotFoundError(path)

    def put(self, path: str, arrived: Path, mtime_ns: int) -> Found:
        """Move a finished file (on the same disk) to its path; raises `WrongPath` where something stands in its way."""
        *folders, name = names_of(path)
        arrived.chmod(0o644)
        os.utime(arrived, ns=(mtime_ns, mtime_ns))
        found = _found(path, arrived.stat())
        with self._writing, _told(), self._opened(folders, create=True) as place:
            with contextlib.suppress(OSError):  # a folder without files is no folder
                os.rmdir(name, dir_fd=place)
            os.rename(arrived, name, dst_dir_fd=place)
        return found

    def make(self, path: str) -> Path:
        """Have a folder of that path, and return where it is; raises `WrongPath` where something stands in its way."""
        with self._writing, _told(), self._opened(names_of(path), create=True):
            return self.root / path

    def remove(self, path: str) -> bool:
        """Remove a file; False if there was no such file."""
        *folders, name = names_of(path)
        try:
            with self._opened(folders) as place:
                there = stat.S_ISREG(os.stat(name, dir_fd=place, follow_symlinks=False).st_mode)
                if there:
                    os.unlink(name, dir_fd=place)
        except OSError:
            return False
        return there

    def clear(self, paths: Iterable[str], keep: Collection[str] = ()) -> None:
        """Remove the folders that are empty now that files are gone from these paths, but for those to keep."""
        with self._writing:
            for path in {path.rpartition("/")[0] for path in paths}:
                self._clear(path.split("/") if path else [], keep)

    def _clear(self, folders: list[str], keep: Collection[str]) -> None:
        """Remove a folder, the one that it is in, and so on, as long as nothing is in them."""
        with contextlib.suppress(OSError):
            while folders and "/".join(folders) not in keep:
                name = folders.pop()
                with self._opened(folders) as place:
                    os.rmdir(name, dir_fd=place)

    @contextlib.contextmanager
    def _opened(self, folders: Sequence[str], *, create: bool = False) -> Iterator[int]:
        """A folder below the root, reached step by step, so that no step goes through a link."""
        place = os.open(self.root, DIRECTORY)
        try:
            for name in folders:
                if name in NO_NAMES or "\0" in name:
                    raise FileNotFoundError(name)
                if create:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(name, 0o755, dir_fd=place)
                inner = os.open(name, DIRECTORY, dir_fd=place)
                os.close(place)
                place = inner
            yield place
        finally:
            os.close(place)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Say of what the disk refuses that it is the path's fault."""
    try:
        yield
    except IsADirectoryError as error:
        raise WrongPath("There is a folder of that name") from error
    except OSError as error:
        raise WrongPath(f"A part of the path stands in the way: {error.strerror}") from error


def facts_of(path: str, file: BinaryIO) -> Found:
    """The facts about a file that is open."""
    return _found(path, os.fstat(file.fileno()))


def names_of(path: str) -> list[str]:
    """The names that a path is made of; raises `WrongPath` for one that leads elsewhere, or that no disk can hold."""
    names = path.split("/")
    if any(name in NO_NAMES for name in names) or ".." in path.split("\\"):
        raise WrongPath("A path is relative, and none of its parts is empty, '.' or '..'")
    if "\0" in path or not _is_text(path):
        raise WrongPath("The path has a character that no name can have")
    if len(path.encode()) > LONGEST_PATH or any(len(name.encode()) > LONGEST_NAME for name in names):
        raise WrongPath(f"A path has at most {LONGEST_PATH} bytes, and each of its names {LONGEST_NAME}")
    return names


def _may_hold(start: str, prefix: str, after: str) -> bool:
    """Whether paths that start so can be what is looked for."""
    return (start.startswith(prefix) or prefix.startswith(start)) and (start > after or after.startswith(start))


def _has_place(path: str) -> bool:
    """Whether the wire has a place for it; apps make what they like."""
    return len(path) <= LONGEST_PATH and _is_text(path)


def _is_text(name: str) -> bool:
    """Whether it can be written as UTF-8."""
    try:
        return name.isascii() or bool(name.encode())
    except UnicodeEncodeError:
        return False


def _found(path: str, facts: os.stat_result) -> Found:
    return Found(path, facts.st_size, facts.st_mtime_ns)
