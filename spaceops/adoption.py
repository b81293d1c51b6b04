"""Take over a Space that exists: its space.toml is written, its files come down, and the following plan is empty."""

from __future__ import annotations

import json
import os
import shutil
import tomllib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any
from urllib.parse import quote

from spaceops import ledger
from spaceops.card import Card
from spaceops.errors import BadInput, HubError, NotFound
from spaceops.files import CHUNK, LocalFile
from spaceops.hub import Hub
from spaceops.observed import Observed, RemoteFile
from spaceops.secret import expanded
from spaceops.spec import FILE_NAME, FREE_HARDWARE, Space, idle, repo_id_of, volume_as_written

AT_ONCE = 8  # downloads
UNFINISHED = ".spaceops-pull-"  # how the folder begins that holds downloads until they are whole

_CARD = "README.md"
_VOLUME_KINDS = ("bucket", "model", "dataset", "space")

Watcher = Callable[[str], None]  # told the path of each file that arrived


def pull(
    repo_id: str,
    hub: Hub,
    path: str | Path = ".",
    *,
    files: bool = True,
    force: bool = False,
    watch: Watcher = lambda _path: None,
) -> Space:
    """Write a space.toml for a Space that exists into the folder `path`, and download its `files` beside it.

    Files that are there and differ, and another space.toml, are replaced only with `force`. space.toml is written last:
    interrupted, the same call goes on with what is missing. Secrets cannot be read back: they stand there as comments.
    Raises `NotFound`, and `BadInput` for a Space that is no Docker Space.
    """
    observed = hub.observe(repo_id_of(repo_id))
    if not observed.exists:
        hint = "Look at the name; spaceops new PATH begins a new one."
        raise NotFound(f"{repo_id} does not exist on {hub.endpoint}", hint=hint)
    _refuse_other_sdks(observed, hub)
    text = space_toml(observed, _health(observed.repo_id, hub))
    with _disk_errors():
        folder = expanded(path).absolute()
        space = Space.parse(tomllib.loads(text), folder=folder)
        missing = _missing(observed, folder) if files else {}
        if not force:
            _refuse_overwriting(folder, text, missing)
        folder.mkdir(parents=True, exist_ok=True)
        with _unfinished(folder) as parts:
            _download(missing, observed, folder, parts, hub, watch)
            (parts / FILE_NAME).write_text(text, encoding="utf-8", newline="\n")
            (parts / FILE_NAME).replace(folder / FILE_NAME)
    return space


def _health(repo_id: str, hub: Hub) -> Mapping[str, Any]:
    """[health] of the newest release; nothing where there is none."""
    newest = ledger.read(repo_id, hub).index.last
    return ledger.record_of(repo_id, hub, newest).health if newest else {}


def space_toml(observed: Observed, health: Mapping[str, Any] | None = None) -> str:
    """The space.toml from which a plan for `observed` is empty; its `health` is a guess unless a release tells it."""
    hardware, sleep_time = observed.hardware, observed.runtime.sleep_time
    lines = [
        "# Written by `spaceops pull`; `spaceops docs space` explains each key.",
        f"repo_id = {_quoted(observed.repo_id)}",
        *([f"visibility = {_quoted(observed.visibility)}"] if observed.visibility else []),
        f"hardware = {_quoted(hardware)}",
        *([f"sleep_time = {_quoted(idle(sleep_time))}"] if hardware != FREE_HARDWARE else []),
        *_variables(observed),
        *_secrets(observed),
        *_volumes(observed.runtime.volumes),
        "",
        "[health]",
        *_health_lines(health or {}),
    ]
    return "\n".join(lines) + "\n"


def _health_lines(health: Mapping[str, Any]) -> Iterator[str]:
    if "path" not in health:
        yield 'path = "/"  # a guess: what answers 200 once the app is up'
    for key, value in health.items():
        if value is not None:
            yield f"{key} = {_quoted(value) if isinstance(value, str) else value}"


def _variables(observed: Observed) -> Iterator[str]:
    if observed.variables:
        yield from ("", "[variables]")
    for key, value in sorted(observed.variables.items()):
        if _is_name(key) and _is_text(value):
            yield f"{key} = {_quoted(value)}"
        else:
            yield f"# {key!a} is left alone: space.toml cannot say it"


def _secrets(observed: Observed) -> Iterator[str]:
    names = sorted(filter(_is_name, observed.secrets))
    if names:
        yield from ("", "[secrets]")
        yield "# Values cannot be read back: these are left alone until you take the # away, having the value."
    yield from (f'# {name} = "env:{name}"' for name in names)


def _volumes(volumes: tuple[Mapping[str, Any], ...]) -> Iterator[str]:
    """All of them or none: what space.toml does not mention is left alone, but of volumes only as a whole."""
    for kind in {volume["type"] for volume in volumes} - set(_VOLUME_KINDS):
        yield from ("", f"# The volumes are left alone: space.toml cannot say a source of the kind {kind!a}.")
        return
    for wanted in map(volume_as_written, volumes):
        yield from ("", "[[volumes]]", f"source = {_quoted(wanted.source)}", f"mount = {_quoted(wanted.mount)}")
        if wanted.read_only:
            yield "read_only = true"
        yield from (f"{key} = {_quoted(value)}" for key in ("revision", "path") if (value := getattr(wanted, key)))


def _is_name(key: str) -> bool:
    return key.isascii() and key.isidentifier()


def _is_text(value: str) -> bool:
    """Whether it is Unicode: half of a surrogate pair can come out of JSON, and go into no file."""
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _quoted(value: str) -> str:
    """A basic string of TOML: one of JSON, but that DEL is escaped too."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _refuse_other_sdks(observed: Observed, hub: Hub) -> None:
    if _CARD in observed.files:
        sdk = Card.read(hub.read(observed.repo_id, _CARD).decode(errors="replace")).sdk
        if sdk not in (None, "docker"):
            hint = "A Dockerfile and `sdk: docker` in README.md make it one; then pull again."
            raise BadInput(f"{observed.repo_id} is a {sdk} Space, and spaceops deploys Docker Spaces", hint=hint)


def _missing(observed: Observed, folder: Path) -> dict[str, RemoteFile]:
    """The files of the Space that `folder` lacks, or has with another content; space.toml is written, not read."""
    found = {}
    for path, remote in observed.files.items():
        refuse_outside(path, folder)
        local = folder / path
        is_here = local.is_file() and LocalFile(local, local.stat().st_size).is_same_as(remote)
        if path != FILE_NAME and not is_here:
            found[path] = remote
    return found


def refuse_outside(path: str, folder: Path) -> None:
    """A name is the Hub's word only: none may lead out of the folder, through a link or not, or into .git."""
    names = PurePosixPath(path).parts
    inside = "\0" not in path and (folder / path).parent.resolve().is_relative_to(folder.resolve())
    if not inside or ".." in names or any(name.lower() == ".git" for name in names):
        hint = "--no-files writes space.toml only."
        raise BadInput(f"The Space has a file {path!a}, which would be written outside of {folder}", hint=hint)


def _refuse_overwriting(folder: Path, text: str, missing: Mapping[str, RemoteFile]) -> None:
    ours = folder / FILE_NAME
    differing = [path for path in missing if os.path.lexists(folder / path)]
    if os.path.lexists(ours) and not (ours.is_file() and ours.read_bytes() == text.encode()):
        differing.insert(0, FILE_NAME)
    if differing:
        names = ", ".join(differing[:3]) + (f" and {len(differing) - 3} more" if len(differing) > 3 else "")
        hint = "--force overwrites; or pull into an empty folder."
        raise BadInput(f"{folder} has other contents than the Space in {names}", hint=hint)


def _download(
    missing: Mapping[str, RemoteFile], observed: Observed, folder: Path, parts: Path, hub: Hub, watch: Watcher
) -> None:
    """Fetch the files side by side; each takes its place when it is whole."""
    stop = Event()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        under_way = {}
        for number, path in enumerate(missing):
            part = parts / str(number)
            under_way[pool.submit(_fetch, hub, observed, path, part, stop)] = path, part
        try:
            for done in as_completed(under_way):
                path, part = under_way[done]
                done.result()
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                part.replace(folder / path)
                watch(path)
        except BaseException:  # Ctrl-C above all: what is under way would hold up the end
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _fetch(hub: Hub, observed: Observed, path: str, part: Path, stop: Event) -> None:
    place = f"/spaces/{observed.repo_id}/resolve/{observed.sha}/{quote(path)}"
    with hub.stream(place) as answer, part.open("wb") as file:
        for chunk in answer.iter_bytes(CHUNK):
            if stop.is_set():
                return
            file.write(chunk)
    if not LocalFile(part, part.stat().st_size).is_same_as(observed.files[path]):
        raise HubError(f"{observed.repo_id}: {path} arrived damaged", hint="Run the same command again.")


@contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    """A folder on the same disk for what is not whole yet, without what a killed pull has left."""
    for left in folder.glob(f"{UNFINISHED}*"):
        shutil.rmtree(left)
    with TemporaryDirectory(prefix=UNFINISHED, dir=folder) as parts:
        yield Path(parts)


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = f"{error.filename2 or error.filename}: " if error.filename else ""
        raise BadInput(f"{where}{error.strerror or error}", hint="Mend it and run the same command again.") from error
