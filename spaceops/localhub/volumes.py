"""The volumes of Spaces: buckets, and the files of repositories at one commit, as folders of this machine."""

from __future__ import annotations

import tempfile
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from spaceops.localhub.folders import WrongPath
from spaceops.localhub.git import GitError
from spaceops.localhub.runners import Mount
from spaceops.localhub.runners.paths import remove
from spaceops.localhub.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from spaceops.localhub.buckets import Buckets
    from spaceops.localhub.repos import Repos
    from spaceops.localhub.store import Repo, Store


SOURCE_ID = "sourceId"  # what is kept with a volume and not shown: its source may be renamed


class NotMounted(Exception):
    """A volume cannot be had any more; the message says which and why."""


class Volumes:
    """Finds the folders for volumes. A repository's files are written out once for each commit and kept."""

    def __init__(self, store: Store, repos: Repos, buckets: Buckets, folder: Path) -> None:
        self._store, self._repos, self._buckets = store, repos, buckets
        self._folder, self._temporary = folder / "mounts", folder / "tmp"
        self._writing = Lock()

    async def mounts(self, space: Repo) -> list[Mount]:
        """What a Space's app is to find, and where; raises `NotMounted`."""
        return [await self._mount(volume) for volume in self._store.settings(space).volumes]

    async def _mount(self, volume: Mapping[str, Any]) -> Mount:
        source = self._store.by_id(volume.get(SOURCE_ID, ""))
        if source is None:
            raise NotMounted(f"{volume['type']} {volume['source']} does not exist any more")
        target, path = volume["mountPath"], (volume.get("path") or "").strip("/")
        try:
            if source.kind == "bucket":
                return Mount(await self._bucket(source, path), target, bool(volume.get("readOnly")))
            return Mount(await in_thread(self._written, source, volume.get("revision") or "main", path), target, True)
        except (WrongPath, NotADirectoryError) as error:
            raise NotMounted(f"{source.kind} {source.repo_id} has no folder {path}") from error

    async def _bucket(self, source: Repo, path: str) -> Path:
        folder = self._buckets.folder(source)
        if not path:
            return folder.root
        self._buckets.keep(source, path)
        return await in_thread(folder.make, path)

    def _written(self, source: Repo, revision: str, path: str) -> Path:
        """The folder with a repository's files, or one of its folders, written now unless it is there. Blocks."""
        sha = self._repos.resolve(source, revision)
        if sha is None:
            raise NotMounted(f"{source.kind} {source.repo_id} has no revision {revision}")
        target = self._folder / _name(source, sha)
        with self._writing:
            if not target.exists():
                self._write(source, sha, target)
        inside = target / path
        if not (inside.is_dir() and inside.resolve().is_relative_to(target.resolve())):
            raise NotADirectoryError(path)
        return inside

    def _write(self, source: Repo, sha: str, target: Path) -> None:
        with tempfile.TemporaryDirectory(dir=self._temporary) as scratch:
            fresh = Path(scratch) / "files"
            fresh.mkdir()
            try:
                self._repos.export(source, sha, fresh)
            except GitError as error:
                raise NotMounted(f"{source.kind} {source.repo_id} cannot be read") from error
            for file in fresh.rglob("*"):
                if file.is_file() and not file.is_symlink():
                    file.chmod(file.stat().st_mode & 0o555)  # where a runner cannot mount for reading only
            target.parent.mkdir(exist_ok=True)
            fresh.rename(target)

    def tidy(self) -> None:
        """Remove what was written for volumes that no Space has any more; when no app runs. Blocks on git."""
        volumes = [volume for space in self._store.spaces() for volume in self._store.settings(space).volumes]
        sources = [
            (self._store.by_id(volume.get(SOURCE_ID, "")), volume.get("revision") or "main") for volume in volumes
        ]
        repos = [(source, revision) for source, revision in sources if source and source.kind != "bucket"]
        wanted = {_name(source, self._repos.resolve(source, revision) or "") for source, revision in repos}
        remove(*(folder for folder in self._folder.glob("*") if folder.name not in wanted))


def shown_volumes(volumes: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Volumes as the wire has them."""
    return [{key: value for key, value in volume.items() if key != SOURCE_ID} for volume in volumes]


def _name(source: Repo, sha: str) -> str:
    return f"{source.id}-{sha}"
