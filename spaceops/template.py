"""A new Space's folder: the bundled app and the overlays of its task and extras, put together from whole files.

An overlay is a folder in `overlays/`, laid out as the app. `summarize` holds what that task has of its own, `gpu+nginx`
what the two extras need together; a file of a later overlay replaces that of an earlier one.
"""

from __future__ import annotations

import difflib
import shutil
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from spaceops.bundled import bundled
from spaceops.errors import BadInput
from spaceops.secret import expanded
from spaceops.spec import repo_id_of
from spaceops.tasks import DEFAULT_TASK, EXTRAS, TASKS

OVERLAYS = Path(__file__).parent / "overlays"
_REPO_ID = "demo/sentiment"  # in space.toml, whatever the overlay


_ONE_OF = {"bucket", "dataset"}  # a Space keeps its state in one place
_CACHES = shutil.ignore_patterns("__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache", ".venv", ".hypothesis")


def new(
    path: str | Path, *, task: str = DEFAULT_TASK, extras: Collection[str] = (), repo_id: str | None = None
) -> Path:
    """Write the app of one of `TASKS`, with any of `EXTRAS`, into a new or empty folder; `repo_id` names its Space.

    Raises `BadInput` for a task or an extra that there is not, for extras that exclude each other, and for a folder
    that holds something already or cannot be written; then nothing was changed.
    """
    _refuse_unknown("task", [task], TASKS)
    _refuse_unknown("extra", extras, EXTRAS)
    if set(extras) >= _ONE_OF:
        raise BadInput("The extras bucket and dataset exclude each other", hint="Name one of them: state has one home.")
    repo_id = repo_id_of(f"demo/{task}" if repo_id is None else repo_id)
    folder = expanded(path).absolute()
    try:
        _refuse_used(folder)
        _write(folder, task, extras, repo_id)
    except OSError as error:
        raise BadInput(f"{folder} cannot be written: {_reason(error)}", hint="Name another folder.") from error
    return folder


def _refuse_unknown(kind: str, names: Collection[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(known)}."
            raise BadInput(f"There is no {kind} {name!r}", hint=hint)


def _refuse_used(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder} exists and is not an empty folder", hint="Name a folder that does not exist yet.")


def _write(folder: Path, task: str, extras: Collection[str], repo_id: str) -> None:
    """Complete the folder beside its place, then put it there, so that a failure leaves nothing half done."""
    exists = folder.is_dir()
    scratch_parent = folder if exists else folder.parent
    scratch_parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".spaceops-new-", dir=scratch_parent) as scratch:
        draft = Path(scratch, "app")
        for layer in _layers(task, extras):
            shutil.copytree(layer, draft, ignore=_CACHES, dirs_exist_ok=True)
            if layer.name == "app_template":
                _leave_out(draft, TASKS[task].without)
        _name_space(draft / "space.toml", repo_id)
        if exists:  # moved in, not replaced: it may be some shell's working directory
            for entry in sorted(draft.iterdir()):
                entry.rename(folder / entry.name)
        else:
            draft.rename(folder)


def _layers(task: str, extras: Collection[str]) -> Iterator[Path]:
    """The base, then the overlays whose words were all asked for: those of one word before those of two."""
    yield bundled("app_template")
    wanted = [*TASKS[task].shares, task, *(extra for extra in EXTRAS if extra in extras)]
    overlays = [(folder.name.split("+"), folder) for folder in OVERLAYS.iterdir()]
    chosen = [(words, folder) for words, folder in overlays if set(words) <= set(wanted)]
    for _, folder in sorted(chosen, key=lambda one: (len(one[0]), [wanted.index(word) for word in one[0]])):
        yield folder


def _leave_out(folder: Path, names: Collection[str]) -> None:
    for name in names:
        for file in (folder / name, *folder.rglob(f"{name}.*"), folder / "tests" / f"test_{name}.py"):
            file.unlink(missing_ok=True)


def _reason(error: OSError) -> str:
    """What the system said; `copytree` collects an error for each file, of which the first will do."""
    return str(error.args[0][0][2]) if isinstance(error, shutil.Error) else str(error.strerror)


def _name_space(file: Path, repo_id: str) -> None:
    """Put the Space's name where the template's own stands: into `repo_id`, and the names of what belongs to it."""
    file.write_text(file.read_text("utf-8").replace(_REPO_ID, repo_id), "utf-8")
