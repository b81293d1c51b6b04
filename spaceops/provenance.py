"""Where the source comes from: the commit of the user's own git repository, if it lies in one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from spaceops.records import Origin

_COMMIT, _NO_COMMIT = "# branch.oid ", "(initial)"  # in what `git status` says
SECONDS = 30  # that git may take
# What a repository's own settings could make git start, or do beyond reading; ours come before them.
_HARMLESS = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "protocol.allow": "never",  # a partial clone fetches nothing
    "safe.bareRepository": "explicit",
}
_LARGE_FILES = {"git-lfs clean -- %f", "git-lfs filter-process"}
# Of the caller's own, where a hook or a script runs us; git's other variables would lead it to another repository.
_KEPT = {"GIT_CEILING_DIRECTORIES", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_SYSTEM", "GIT_EXEC_PATH"}


def origin_of(root: Path) -> Origin | None:
    """The commit that the folder is at, and whether files in it differ from that, new ones included.

    None outside of a repository, in one without a commit, in a folder that it ignores, without git, and where git
    refuses: in a repository of somebody else, for one. Nothing that the repository says is run.
    """
    try:
        ignored = _git(root, "check-ignore", "--quiet", "--no-index", ".").returncode == 0
        return None if ignored else _origin_of(root)
    except (OSError, subprocess.SubprocessError):  # there is no git, or no such folder, or it takes too long
        return None


def _origin_of(root: Path) -> Origin | None:
    disabled = dict.fromkeys(_programs(root), "")
    status = ["status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal", "--ignore-submodules=dirty"]
    said = _git(root, *status, "--", ".", disabled=disabled)
    if said.returncode:
        return None
    lines = said.stdout.split("\0")
    commit = next((line.removeprefix(_COMMIT) for line in lines if line.startswith(_COMMIT)), _NO_COMMIT)
    dirty = any(line and not line.startswith("# ") for line in lines) or any(map(_is_dirty, _submodules(root)))
    return None if commit == _NO_COMMIT else Origin(commit=commit, dirty=dirty)


def _is_dirty(submodule: Path) -> bool:
    found = _origin_of(submodule)
    return found is None or found.dirty


def _submodules(root: Path) -> Iterator[Path]:
    """The submodules in the folder. Each has settings of its own, so that each is looked at by itself."""
    for line in _git(root, "ls-files", "--stage", "-z", "--", ".").stdout.split("\0"):
        place = root / line.partition("\t")[2]
        if line.startswith("160000 ") and (place / ".git").exists():
            yield place


def _programs(root: Path) -> Iterator[str]:
    """The filters that the repository itself names, those of LFS excepted: git would run them to compare a file.

    Raises `CalledProcessError` where git is too old to tell.
    """
    named = r"^filter\..*\.(clean|process|required)$"
    said = _git(root, "config", "--show-scope", "--includes", "-z", "--get-regexp", named)
    if said.returncode > 1:  # 1: there are none
        said.check_returncode()
    parts = said.stdout.split("\0")
    for scope, setting in zip(parts[::2], parts[1::2], strict=False):
        key, _, value = setting.partition("\n")
        if scope in ("local", "worktree") and value not in _LARGE_FILES:
            yield key


def _git(root: Path, *words: str, disabled: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_") or key in _KEPT}
    settings = {**_HARMLESS, **(disabled or {})}
    environment["GIT_CONFIG_COUNT"] = str(len(settings))
    for number, (key, value) in enumerate(settings.items()):
        environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return subprocess.run(
        ["git", "--no-optional-locks", "-C", root, *words],
        env={**environment, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=SECONDS,
        check=False,
    )
