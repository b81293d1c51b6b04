"""Where the app keeps things: a folder whose files are committed to a private dataset. STORAGE.md says how."""

from __future__ import annotations

import errno
import json
import logging
import os
import secrets
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, RepositoryNotFoundError
from huggingface_hub.utils import disable_progress_bars, validate_repo_id

from inference.hub import limit_silence
from serving.scratch import scratch
from serving.settings import BadSetting

log = logging.getLogger(__name__)

LAST_COMMIT = 20  # seconds that the end of the app waits for it
FOLDER = "app"  # in the dataset; its other files are none of our business

disable_progress_bars()
limit_silence()


class Refused(Exception):
    """The dataset cannot be used as it is, and will not be without somebody's doing; the message says why."""


class Dataset:
    """A private dataset on the Hub, and the folder that it mirrors: read once, then committed to."""

    def __init__(self, api: HfApi, repo_id: str, folder: Path) -> None:
        self.repo_id = repo_id
        self._api, self._folder = api, folder
        self._committed: dict[str, tuple[int, int]] = {}  # path: size and time of change

    def fetch(self) -> None:
        """Make the dataset unless it is there, and read what it holds. Raises `Refused`."""
        try:
            validate_repo_id(self.repo_id)
            self._make_unless_there()
            there = self._there()
        except HfHubHTTPError as error:
            if error.response.status_code in (400, 401, 402, 403, 404):
                raise Refused(f"HF_TOKEN may not write the dataset {self.repo_id}") from error
            raise
        except HFValidationError as error:
            raise Refused(f"{self.repo_id} cannot be the name of a dataset") from error
        if there:
            self._api.snapshot_download(
                self.repo_id, repo_type="dataset", local_dir=self._folder.parent, allow_patterns=f"{FOLDER}/**"
            )
        self._committed = {path: state for path, state in self._files().items() if f"{FOLDER}/{path}" in there}

    def _make_unless_there(self) -> None:
        try:
            self._api.auth_check(self.repo_id, repo_type="dataset", write=True)
        except RepositoryNotFoundError:
            self._api.create_repo(self.repo_id, repo_type="dataset", private=True, exist_ok=True)

    def _there(self) -> set[str]:
        """The files of ours that the dataset has. Raises `Refused` if what people send would be there for everybody."""
        info = self._api.dataset_info(self.repo_id)
        if not info.private:
            raise Refused(f"the dataset {self.repo_id} is not private")
        return {file.rfilename for file in info.siblings or [] if file.rfilename.startswith(f"{FOLDER}/")}

    def commit(self) -> None:
        """Bring the dataset to what the folder holds now. Raises `Refused` if it has been made public meanwhile."""
        files = self._files()
        changed = [path for path, state in files.items() if state != self._committed.get(path)]
        gone = [path for path in self._committed if path not in files]
        if not changed and not gone:
            return
        there = self._there()
        deleted = [path for path in (f"{FOLDER}/{one}" for one in gone) if path in there]
        with tempfile.TemporaryDirectory(dir=self._folder.parent) as links:
            added = list(self._added(changed, Path(links)))
            self._api.create_commit(
                self.repo_id,
                [*added, *map(CommitOperationDelete, deleted)],
                commit_message=f"Keep {len(added)} files, delete {len(deleted)}",
                repo_type="dataset",
            )
        if gone:  # or they could still be read in the history
            self._api.super_squash_history(self.repo_id, repo_type="dataset")
        self._committed = files

    def _added(self, paths: Iterable[str], links: Path) -> Iterator[CommitOperationAdd]:
        """These files, but for those that are gone by now."""
        for number, path in enumerate(paths):
            with suppress(FileNotFoundError):
                yield CommitOperationAdd(f"{FOLDER}/{path}", _content(self._folder / path, links / str(number)))

    def _files(self) -> dict[str, tuple[int, int]]:
        """The size of each file and when it was changed; what goes meanwhile is left out."""
        found = {}
        for folder, _, names in os.walk(self._folder):  # `rglob` fails when a folder goes
            for file in (Path(folder, name) for name in names):
                with suppress(FileNotFoundError):
                    state = file.stat()
                    found[file.relative_to(self._folder).as_posix()] = state.st_size, state.st_mtime_ns
        return found


def _content(file: Path, link: Path) -> Path | bytes:
    """What to commit of a file. Records may grow meanwhile: what is in them now. Others may go: a link keeps them."""
    if file.suffix == ".jsonl":
        return file.read_bytes()
    link.hardlink_to(file)
    return link


class Storage:
    """A temporary folder that a thread mirrors in a dataset. A record of NAME is a line of a file in the folder NAME.

    Every run of the app has files of its own, so that two instances never overwrite what the other keeps.
    """

    def __init__(self, api: HfApi, repo_id: str, *, minutes: float) -> None:
        self._end = ExitStack()
        self._folder = self._end.enter_context(scratch()) / FOLDER
        self._folder.mkdir()
        self._file = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}.jsonl"
        self._one_at_a_time = threading.Lock()
        self._dataset, self._minutes = Dataset(api, repo_id, self._folder), minutes
        self._fetched = False
        self._tried, self._closing = threading.Event(), threading.Event()
        self._mirror = threading.Thread(target=self._run, name="mirror", daemon=True)
        self.persistent = True
        self.message = f"The dataset {repo_id} is being read."

    def start(self) -> None:
        """Begin to read the dataset, in the background."""
        self._mirror.start()

    def give_up(self, reason: str) -> None:
        """Keep things as long as the app runs, and no longer."""
        self.persistent = False
        self.message = f"Temporary, because {reason}: everything that is kept here is lost when the app restarts."
        log.warning("storage: %s", self.message)
        self._tried.set()

    @property
    def folder(self) -> Path:
        """The folder, once what earlier runs have kept is in it, or could not be had."""
        self._tried.wait()
        return self._folder

    def append(self, name: str, record: Mapping[str, object]) -> None:
        """Keep one record; it is in the folder when this returns. Any thread may call it."""
        file = self._folder / name / self._file
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        with self._one_at_a_time:
            file.parent.mkdir(parents=True, exist_ok=True)
            _append(file, line)

    def records(self, name: str) -> Iterator[dict[str, Any]]:
        """All records of that name, oldest first, also those of earlier runs: it waits for them."""
        files = sorted((self.folder / name).glob("*.jsonl"))
        with self._one_at_a_time:
            texts = [file.read_text("utf-8") for file in files]
        for line in (line for text in texts for line in text.splitlines()):
            try:
                record = json.loads(line)
            except ValueError:
                log.warning("a record of %s is cut off: the app was killed while it wrote it", name)
            else:
                yield record

    def close(self) -> None:
        """Commit what is new, and remove the folder."""
        self._closing.set()
        if self._mirror.is_alive():
            self._mirror.join(LAST_COMMIT)
        if self._mirror.is_alive():
            log.error("storage: the last commit took too long")
        self._end.close()

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                self._take_turn()
                self._closing.wait(60 * self._minutes)
            self._take_turn()
        except Refused as reason:
            self.give_up(str(reason))

    def _take_turn(self) -> None:
        """Commit, having fetched before. What fails may well succeed at the next turn."""
        name = self._dataset.repo_id
        try:
            if not self._fetched:
                self._dataset.fetch()
                self._fetched = True
            self._dataset.commit()
            self.message = f"Kept in the private dataset {name}, to which it goes every {self._minutes:g} minutes."
        except Refused:
            raise
        except Exception as error:  # the border to foreign code, and to the network
            self.message = (
                f"The dataset {name} cannot be reached. What is new is lost if the app restarts before it can."
            )
            log.warning("storage: %s %s", self.message, type(error).__name__)
        self._tried.set()


def _append(file: Path, line: bytes) -> None:
    """Add a line to a file; or nothing at all where the disk is full, for a half line would spoil the next one."""
    with file.open("ab", buffering=0) as stream:
        end = stream.tell()
        if stream.write(line) < len(line):
            stream.truncate(end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def open_storage(environ: Mapping[str, str]) -> Storage:
    """A storage that is mirrored in DATASET_ID, by default the Space's name and "-data"."""
    token = environ.get("HF_TOKEN")
    repo_id = environ.get("DATASET_ID") or (f"{environ['SPACE_ID']}-data" if "SPACE_ID" in environ else "")
    api = HfApi(endpoint=environ.get("HF_ENDPOINT"), token=token or False)
    storage = Storage(api, repo_id, minutes=_minutes(environ))
    if not repo_id:
        storage.give_up("neither DATASET_ID nor SPACE_ID is set")
    elif not token:
        storage.give_up("the secret HF_TOKEN is not set")
    else:
        storage.start()
    return storage


def _minutes(environ: Mapping[str, str]) -> float:
    """COMMIT_EVERY: more often than once a minute is more than the Hub takes."""
    value = environ.get("COMMIT_EVERY") or "5"
    try:
        minutes = float(value)
    except ValueError:
        minutes = 0
    if not 1 <= minutes <= 60:
        raise BadSetting(f"COMMIT_EVERY is {value!r}, but must be a number of minutes from 1 to 60")
    return minutes
