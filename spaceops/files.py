"""What would be pushed: the files of a folder after the ignore rules, with the hashes that git and LFS use."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from spaceops.card import Card
from spaceops.errors import BadInput
from spaceops.hashcache import HashCache, Kind, Stamp
from spaceops.ignorerules import Rules
from spaceops.observed import RemoteFile
from spaceops.spec import FILE_NAME, Space

GIT_IGNORE_FILES = (".gitignore",)
IGNORE_FILES = (".hfignore", ".gitignore")  # the stronger first
LARGEST_PLAIN_FILE = 10 << 20  # bytes; the Hub refuses larger ones outside of LFS
CHUNK = 1 << 20  # bytes

T = TypeVar("T")

# Not pushed unless an ignore file brings them back with "!".
_IGNORED = Rules.of(
    ".venv/",
    "__pycache__/",
    "*.py[cod]",
    ".ipynb_checkpoints/",
    ".pytest_cache/",
    ".mypy_cache/",
    ".ruff_cache/",
    ".cache/huggingface/",
    ".DS_Store",
)
# Not pushed whatever any ignore file says: they hold secrets, references to secrets, or another repository.
_NEVER = Rules.of(".git", FILE_NAME, ".env", ".env.*", "!.env.example")


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file that would be pushed. There may be 100,000 of them: it has slots, and shares its texts with the others."""

    place: str | Path  # as seen from `within`
    size: int  # bytes
    stamp: Stamp | None = field(default=None, compare=False, repr=False)  # as it was when it was found
    hashes: HashCache | None = field(default=None, compare=False, repr=False)
    within: str = ""

    @property
    def path(self) -> Path:
        """Where it lies."""
        return Path(self.within, self.place)

    def beginning(self, size: int) -> bytes:
        """At most its first `size` bytes; nothing of one that cannot be read: the push will say so."""
        try:
            file = os.open(f"{self.within}/{self.place}" if self.within else self.place, os.O_RDONLY)
        except OSError:
            return b""
        try:
            return os.read(file, min(size, self.size))
        finally:
            os.close(file)

    def oid(self) -> str:
        """The id that git gives the content as a blob; reads the file only if it has changed since the last time."""
        return self._hashed(["oid"])["oid"]

    def sha256(self) -> str:
        """The hash by which LFS knows the content; reads the file only if it has changed since the last time."""
        return self._hashed(["sha256"])["sha256"]

    def is_same_as(self, remote: RemoteFile) -> bool:
        """Whether the Hub has this content; looks into the file only if the sizes agree."""
        if self.size != remote.size:
            return False
        return self.sha256() == remote.sha256 if remote.sha256 else self.oid() == remote.oid

    def learn(self) -> None:
        """Know the hashes by which the Hub may name it, if it can be read: to the Hub small files too may be large."""
        with suppress(BadInput):
            self._hashed(["oid", "sha256"] if self.size <= LARGEST_PLAIN_FILE else ["sha256"])

    def _known(self, kind: Kind) -> str | None:
        return self.hashes.find(self.path, self.stamp, kind) if self.hashes and self.stamp else None

    def _hashed(self, kinds: Collection[Kind]) -> dict[Kind, str]:
        """The hashes asked for; those that are not known are made of one reading."""
        known = {kind: found for kind in kinds if (found := self._known(kind))}
        unknown = [kind for kind in kinds if kind not in known]
        return known | self._read(unknown) if unknown else known

    def _read(self, kinds: Iterable[Kind]) -> dict[Kind, str]:
        began = time.time_ns()
        with _reading(), self.path.open("rb", buffering=0) as file:
            before = Stamp.of(os.fstat(file.fileno()))
            digests = {kind: _digest(kind, before.size) for kind in kinds}
            while chunk := file.read(min(CHUNK, before.size + 1)):
                for digest in digests.values():
                    digest.update(chunk)
            after = Stamp.of(os.fstat(file.fileno()))
        found = {kind: digest.hexdigest() for kind, digest in digests.items()}
        if self.hashes and self.stamp == before == after:
            self.hashes.note(self.path, before, found, began=began)
        return found


def _digest(kind: Kind, size: int) -> hashlib._Hash:
    if kind == "sha256":
        return hashlib.sha256()
    return hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)


@dataclass(frozen=True)
class Source:
    """The files under `root` that would be pushed, by their paths in the Space."""

    root: Path
    files: Mapping[str, LocalFile] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()  # links to folders, out of the root, to nothing, or to what is never pushed
    withheld: tuple[str, ...] = ()  # files of secrets (.env) that no ignore file names: we never push them, git would

    def same_as(self, remote: Mapping[str, RemoteFile]) -> frozenset[str]:
        """The paths whose content the Hub has too. What was read before and has not changed is not read again."""
        there = {path: file for path, file in self.files.items() if path in remote}
        same = _side_by_side(there, lambda path: there[path].is_same_as(remote[path]))
        _keep(there.values())
        return frozenset(path for path, is_same in same.items() if is_same)


def scan(space: Space, source: Source | None = None) -> Source:
    """Find what would be pushed of the Space's source, unless it was found before.

    Raises `BadInput` for a folder that cannot become a Docker Space: before anything is created, not after.
    """
    source = source or look(space)
    _check(source.root, source.files)
    return source


def look(space: Space) -> Source:
    """The same, whether or not it can become a Docker Space."""
    root = space.root
    if not root.is_dir():
        raise BadInput(f"{root} is not a folder", hint="`source` in space.toml names the folder with the app.")
    walk = _Walk(space)
    with _reading():
        files = dict(walk.files())
    return Source(root, files, tuple(walk.skipped), tuple(walk.withheld))


def remember(files: Iterable[LocalFile]) -> None:
    """Know the hashes of files that were pushed, so that the next plan reads none of them.

    What has vanished since is left out: the push has succeeded, and nothing here may undo that.
    """
    pushed = {str(file.path): file for file in files}
    _side_by_side(pushed, lambda path: pushed[path].learn())
    _keep(pushed.values())


def _side_by_side(files: Mapping[str, LocalFile], work: Callable[[str], T]) -> dict[str, T]:
    """What `work` makes of each file; large ones go side by side, since hashing leaves the interpreter free."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        large = {path: pool.submit(work, path) for path, file in files.items() if file.size > CHUNK}
        small = {path: work(path) for path in files if path not in large}
        return small | {path: doing.result() for path, doing in large.items()}


def _keep(files: Iterable[LocalFile]) -> None:
    for hashes in {file.hashes for file in files if file.hashes}:
        hashes.keep()


def _check(root: Path, files: Mapping[str, LocalFile]) -> None:
    for needed, why in (("Dockerfile", "a Docker Space is built from it"), ("README.md", "the Hub reads sdk there")):
        if needed not in files:
            hint = f"Name it exactly {needed}, at the top of the folder; `spaceops new PATH` writes an example."
            raise BadInput(f"{root} has no {needed}: {why}", hint=hint)
    for path in files:
        if not path.isprintable():
            raise BadInput(f"{path!r}: the Hub takes no such file name", hint="Rename it, or write it into .gitignore.")
    try:
        Card.read(files["README.md"].path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise BadInput("README.md is not UTF-8 text, as the Hub wants it", hint="Save it as UTF-8.") from error


@dataclass(frozen=True)
class _Layer:
    """Rules, and where in a path from the top the part begins that they see."""

    rules: Rules
    start: int


class _Walk:
    """A walk through the source. Paths are seen from the top of the git work tree, as its ignore files see them."""

    def __init__(self, space: Space) -> None:
        self.root, self.private = str(space.root), {str(path) for path in space.private_files}
        self.hashes = HashCache(space.root)
        self.skipped: list[str] = []
        self.withheld: list[str] = []
        self.prefix, self.above = _rules_above(space.root)
        self.own = (_Layer(Rules.of(*space.exclude), len(self.prefix)),)

    def files(self) -> Iterator[tuple[str, LocalFile]]:
        """Each file that no rule ignores, by its path in the Space, in the order of the paths."""
        layers = (*self.above, _Layer(_IGNORED, len(self.prefix)))
        return self._folder(self.root, "", self.prefix, layers)

    def _folder(
        self, folder: str, base: str, path: bytes, layers: tuple[_Layer, ...]
    ) -> Iterator[tuple[str, LocalFile]]:
        layers = (*_layers(folder, len(path), IGNORE_FILES), *layers)
        strongest_first = self.own + layers
        for entry in _entries(folder):
            name = os.fsencode(entry.name)
            is_folder = entry.is_dir(follow_symlinks=False)
            if _is_ignored(path + name, name, strongest_first, is_folder=is_folder):
                continue
            if _is_never(name):
                self.withheld += [base + entry.name] if name.startswith(b".env") and not is_folder else []
                continue
            if is_folder:
                yield from self._folder(entry.path, f"{base}{entry.name}/", path + name + b"/", layers)
            elif entry.is_symlink():
                yield from self._link(entry, base + entry.name)
            elif entry.is_file() and entry.path not in self.private:
                yield self._file(entry, base + entry.name)

    def _link(self, entry: os.DirEntry[str], path: str) -> Iterator[tuple[str, LocalFile]]:
        target = os.path.realpath(entry.path)
        inside = target.startswith(f"{self.root}/") and not _is_never_pushed(target[len(self.root) + 1 :])
        if not inside or not entry.is_file():
            self.skipped.append(path)
        elif target not in self.private:
            yield self._file(entry, path)

    def _file(self, entry: os.DirEntry[str], path: str) -> tuple[str, LocalFile]:
        stat = entry.stat()
        return path, LocalFile(path, stat.st_size, Stamp.of(stat), self.hashes, self.root)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=_place_in_order)


def _place_in_order(entry: os.DirEntry[str]) -> str:
    """So that all paths of a walk come sorted: what lies in a folder comes where its name with the slash does."""
    return f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name


def _layers(folder: str, start: int, names: Iterable[str]) -> Iterator[_Layer]:
    """The ignore files of a folder, the strongest first."""
    for name in names:
        file = Path(folder, name)
        if file.is_file():
            yield _Layer(Rules.read(file.read_bytes()), start)


def _is_ignored(path: bytes, name: bytes, layers: Iterable[_Layer], *, is_folder: bool) -> bool:
    """The last rule that speaks wins, and those of inner folders speak last."""
    for layer in layers:
        said = layer.rules.verdict(path, layer.start, name, is_folder=is_folder)
        if said is not None:
            return said
    return False


def _is_never_pushed(path: str) -> bool:
    return any(_is_never(name) for name in os.fsencode(path).split(b"/"))


def _is_never(name: bytes) -> bool:
    return bool(_NEVER.verdict(name, 0, name, is_folder=True))


def _rules_above(root: Path) -> tuple[bytes, tuple[_Layer, ...]]:
    """The path of the folder from the top of its git work tree, and the rules that hold above it, the strongest first.

    A folder that the repository itself ignores (what a build left, an app below dotfiles) is no part of it: nobody who
    names such a folder as the source means to push nothing. Then no rule from outside holds.
    """
    top = next((folder for folder in (root, *root.parents) if _is_repository(folder / ".git")), None)
    if top is None:
        return b"", ()
    layers = tuple(_layers(str(_git_folder(top) / "info"), 0, ["exclude"]))
    path, folder = b"", top
    for part in root.relative_to(top).parts:
        layers = (*_layers(str(folder), len(path), GIT_IGNORE_FILES), *layers)
        name, folder = os.fsencode(part), folder / part
        if _is_never(name) or _is_ignored(path + name, name, layers, is_folder=True):
            return b"", ()
        path += name + b"/"
    return path, layers


def _is_repository(place: Path) -> bool:
    return place.is_file() or os.access(place / "HEAD", os.R_OK)


def _git_folder(top: Path) -> Path:
    """Where git keeps what all work trees share; of a submodule and of a second work tree, `.git` is a file."""
    place = top / ".git"
    if place.is_file():
        place = top / place.read_text(encoding="utf-8", errors="surrogateescape").removeprefix("gitdir:").strip()
    if (shared := place / "commondir").is_file():
        place /= shared.read_text(encoding="utf-8", errors="surrogateescape").strip()
    return place


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        said = f"{error.filename} cannot be read: {error.strerror}"
        raise BadInput(said, hint="Allow it to be read (chmod), or write it into .gitignore.") from error
