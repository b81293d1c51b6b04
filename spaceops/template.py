"""A new Space's folder: the bundled app, copied."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from spaceops.bundled import bundled
from spaceops.errors import BadInput
from spaceops.secret import expanded
from spaceops.spec import repo_id_of

_CACHES = shutil.ignore_patterns("__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache", ".venv")


def new(path: str | Path, *, repo_id: str | None = None) -> Path:
    """Copy the app template into a new or empty folder, and name its Space `repo_id` if given.

    Raises `BadInput` for a folder that holds something already or cannot be written; then nothing was changed.
    """
    repo_id = None if repo_id is None else repo_id_of(repo_id)
    folder = expanded(path).absolute()
    try:
        _refuse_used(folder)
        _copy(folder, repo_id)
    except OSError as error:
        raise BadInput(f"{folder} cannot be written: {_reason(error)}", hint="Name another folder.") from error
    return folder


def _refuse_used(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder} exists and is not an empty folder", hint="Name a folder that does not exist yet.")


def _copy(folder: Path, repo_id: str | None) -> None:
    """Complete the copy beside its place, then put it there, so that a failure leaves nothing half done."""
    exists = folder.is_dir()
    scratch_parent = folder if exists else folder.parent
    scratch_parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".spaceops-new-", dir=scratch_parent) as scratch:
        copy = Path(shutil.copytree(bundled("app_template"), Path(scratch, "app"), ignore=_CACHES))
        if repo_id is not None:
            _name_space(copy / "space.toml", repo_id)
        if exists:  # moved in, not replaced: it may be some shell's working directory
            for entry in sorted(copy.iterdir()):
                entry.rename(folder / entry.name)
        else:
            copy.rename(folder)


def _reason(error: OSError) -> str:
    """What the system said; `copytree` collects an error for each file, of which the first will do."""
    return str(error.args[0][0][2]) if isinstance(error, shutil.Error) else str(error.strerror)


def _name_space(file: Path, repo_id: str) -> None:
    """Replace the value of the line `repo_id = …`; every other character stays."""
    text = file.read_text("utf-8")
    file.write_text(re.sub(r'^repo_id = "[^"]*"', f'repo_id = "{repo_id}"', text, count=1, flags=re.MULTILINE), "utf-8")
