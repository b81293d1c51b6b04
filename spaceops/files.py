"""What would be pushed: the files of a folder after the ignore rules, with the hashes that git and LFS use."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pathspec import GitIgnoreSpec

from spaceops.card import Card
from spaceops.errors import BadInput
from spaceops.observed import RemoteFile
from spaceops.spec import FILE_NAME, Space

IGNORE_FILES = (".gitignore", ".hfignore")
CHUNK = 1 << 20  # bytes

# Not pushed unless an ignore file brings them back with "!".
_IGNORED = GitIgnoreSpec.from_lines(
    [
        ".venv/",
        "__pycache__/",
        "*.py[cod]",
        ".ipynb_checkpoints/",
        ".pytest_cache/",
        ".mypy_cache/",
        ".ruff_cache/",
        ".cache/huggingface/",
        ".DS_Store",
    ]
)
# Not pushed whatever any ignore file says: they hold secrets, references to secrets, or another repository.
_NEVER = GitIgnoreSpec.from_lines([".git", FILE_NAME, ".env", ".env.*", "!.env.example"])


@dataclass(frozen=True)
class LocalFile:
    """A file that would be pushed."""

    path: Path
    size: int  # bytes

    def is_same_as(self, remote: RemoteFile) -> bool:
        """Whether the Hub has this content; reads the file only if the sizes agree."""
        if self.size != remote.size:
            return False
        if remote.sha256:
            return self._hash(hashlib.sha256()) == remote.sha256
        return self._hash(hashlib.sha1(f"blob {self.size}\0".encode(), usedforsecurity=False)) == remote.oid

    def _hash(self, digest: hashlib._Hash) -> str:
        with self.path.open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
        return digest.hexdigest()


@dataclass(frozen=True)
class Source:
    """The files under `root` that would be pushed, by their paths in the Space."""

    root: Path
    files: Mapping[str, LocalFile] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()  # links to folders, out of the root, or to nothing


def scan(space: Space) -> Source:
    """Find what would be pushed of the Space's source.

    Raises `BadInput` for a folder that cannot become a Docker Space: before anything is created, not after.
    """
    root, private = space.root, space.private_files
    if not root.is_dir():
        raise BadInput(f"{root} is not a folder", hint="`source` in space.toml names the folder with the app.")
    found = dict(_walk(root, root, [("", _IGNORED)]))
    files = {path: file for path, file in sorted(found.items()) if file and file.path.resolve() not in private}
    _check(root, files)
    return Source(root, files, tuple(sorted(path for path, file in found.items() if file is None)))


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


def _walk(folder: Path, root: Path, rules: list[tuple[str, GitIgnoreSpec]]) -> Iterator[tuple[str, LocalFile | None]]:
    """Each file that no rule ignores, by its path in the Space; None for a link that is not followed."""
    base = folder.relative_to(root).as_posix()
    base = "" if base == "." else f"{base}/"
    rules = [*rules, *((base, spec) for spec in _specs(folder))]
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path = base + entry.name
        is_folder = entry.is_dir(follow_symlinks=False)
        if _is_ignored(f"{path}/" if is_folder else path, rules):
            continue
        if is_folder:
            yield from _walk(Path(entry.path), root, rules)
        elif entry.is_file() and _stays_inside(entry, root):
            yield path, LocalFile(Path(entry.path), entry.stat().st_size)
        elif entry.is_symlink():
            yield path, None


def _specs(folder: Path) -> Iterator[GitIgnoreSpec]:
    for name in IGNORE_FILES:
        if (folder / name).is_file():
            yield GitIgnoreSpec.from_lines((folder / name).read_text(encoding="utf-8", errors="replace").splitlines())


def _is_ignored(path: str, rules: list[tuple[str, GitIgnoreSpec]]) -> bool:
    """The last rule that speaks wins, and those of inner folders speak last; each sees paths from its own folder."""
    if _NEVER.match_file(path):
        return True
    spoken = (spec.check_file(path.removeprefix(base)).include for base, spec in rules)
    return next((said for said in reversed(list(spoken)) if said is not None), False)


def _stays_inside(entry: os.DirEntry[str], root: Path) -> bool:
    return not entry.is_symlink() or Path(entry.path).resolve().is_relative_to(root.resolve())
