"""From which commit a source comes, whatever repository it lies in, and that looking runs nothing of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from spaceops.provenance import origin_of
from spaceops.records import Origin

WHO = {"user.name": "demo", "user.email": "demo@localhost", "protocol.file.allow": "always", "commit.gpgSign": "false"}


def git(folder: Path, *words: str | Path) -> str:
    settings = [part for key, value in WHO.items() for part in ("-c", f"{key}={value}")]
    done = subprocess.run(["git", "-C", folder, *settings, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repo(tmp_path) -> Path:
    """A repository with an app in a folder, and something beside it, committed."""
    top = tmp_path / "repo"
    for name in ("app/main.py", "app/part/other.py", "beside.py"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text("x = 1\n")
    (top / ".gitignore").write_text("*.log\nbuilt/\n")
    git(tmp_path, "init", "--quiet", "--initial-branch", "main", top)
    commit(top)
    return top


def commit(top: Path) -> str:
    git(top, "add", ".")
    git(top, "commit", "--quiet", "--message", "a commit")
    return head(top)


def head(top: Path) -> str:
    return git(top, "rev-parse", "HEAD")


def test_the_origin_is_the_commit_and_whether_files_of_the_folder_differ_from_it(repo):
    assert Origin(commit=head(repo)) == origin_of(repo / "app")

    (repo / "app" / "part" / "other.py").write_text("x = 2\n")

    assert Origin(commit=head(repo), dirty=True) == origin_of(repo / "app")


@pytest.mark.parametrize("change", ["staged", "deleted", "untracked", "untracked in a new folder", "executable"])
def test_what_makes_a_source_dirty(repo, change):
    app = repo / "app"
    if change == "staged":
        (app / "main.py").write_text("x = 3\n")
        git(repo, "add", ".")
    elif change == "deleted":
        (app / "main.py").unlink()
    elif change == "executable":
        (app / "main.py").chmod(0o755)
    else:
        new = app / "new.py" if change == "untracked" else app / "new" / "new.py"
        new.parent.mkdir(exist_ok=True)
        new.write_text("")

    assert origin_of(app) == Origin(commit=head(repo), dirty=True)


def test_ignored_files_and_files_beside_the_folder_do_not_make_it_dirty(repo):
    (repo / "app" / "a.log").write_text("")
    (repo / "beside.py").write_text("x = 2\n")

    assert origin_of(repo / "app") == Origin(commit=head(repo))
    assert origin_of(repo) == Origin(commit=head(repo), dirty=True)


def test_settings_that_hide_changes_do_not_hide_them(repo):
    git(repo, "config", "status.showUntrackedFiles", "no")
    (repo / "app" / "new.py").write_text("")

    assert origin_of(repo / "app") == Origin(commit=head(repo), dirty=True)


def test_outside_of_a_repository_there_is_no_origin(tmp_path):
    assert origin_of(tmp_path) is None
    assert origin_of(tmp_path / "nowhere") is None


def test_a_repository_without_a_commit_gives_no_origin(tmp_path):
    git(tmp_path, "init", "--quiet")
    (tmp_path / "main.py").write_text("")

    assert origin_of(tmp_path) is None


def test_a_bare_repository_gives_no_origin(repo, tmp_path):
    git(tmp_path, "clone", "--quiet", "--bare", repo, tmp_path / "bare.git")

    assert origin_of(tmp_path / "bare.git") is None


def test_a_folder_that_the_repository_ignores_is_no_part_of_it(repo):
    (repo / "built").mkdir()

    assert origin_of(repo / "built") is None


def test_a_shallow_clone_a_second_work_tree_and_a_detached_head_have_an_origin(repo, tmp_path):
    first = head(repo)
    (repo / "beside.py").write_text("x = 5\n")
    last = commit(repo)
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repo}", tmp_path / "shallow")
    git(repo, "worktree", "add", "--quiet", "--detach", tmp_path / "second", first)

    assert origin_of(tmp_path / "shallow" / "app") == Origin(commit=last)
    assert origin_of(tmp_path / "second" / "app") == Origin(commit=first)


def test_a_submodule_has_its_own_commit_and_counts_for_the_folder_that_holds_it(repo, tmp_path):
    outer = tmp_path / "outer"
    git(tmp_path, "init", "--quiet", outer)
    git(outer, "submodule", "--quiet", "add", repo, "inner")
    commit(outer)

    assert origin_of(outer / "inner" / "app") == Origin(commit=head(repo))
    assert origin_of(outer) == Origin(commit=head(outer))

    (outer / "inner" / "app" / "new.py").write_text("")

    assert origin_of(outer) == Origin(commit=head(outer), dirty=True)


def test_without_git_there_is_no_origin(repo, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    assert origin_of(repo / "app") is None


def test_a_hook_that_runs_us_does_not_lead_us_to_its_repository(repo, monkeypatch, tmp_path):
    other = tmp_path / "other"
    git(tmp_path, "init", "--quiet", other)
    (other / "file").write_text("")
    commit(other)
    expected = head(repo)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))

    assert origin_of(repo / "app") == Origin(commit=expected)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a repository to somebody else")
def test_a_repository_of_somebody_else_gives_no_origin(repo):
    os.chown(repo, 12345, 12345)
    os.chown(repo / ".git", 12345, 12345)

    assert origin_of(repo / "app") is None


class Trap:
    """A program that leaves a trace when it is run."""

    def __init__(self, folder: Path, *, then: str = "cat") -> None:
        self.trace, self.program = folder / "trace", folder / "trap"
        self.program.write_text(f'#!/bin/sh\necho "$0 $*" >> "{self.trace}"\n{then}\n')
        self.program.chmod(0o755)

    def set_in(self, repo: Path, *keys: str) -> None:
        for key in keys:
            git(repo, "config", key, self.program)


@pytest.fixture
def trap(tmp_path) -> Trap:
    return Trap(tmp_path)


def make_git_compare(repo: Path) -> None:
    """Change a file so that git must look into it: the size stays, the time does not."""
    (repo / "app" / "main.py").write_text("x = 2\n")
    os.utime(repo / "app" / "main.py", (1, 1))


@pytest.mark.parametrize("filter_name", ["evil", "e=vil", "e.vil"])
def test_filters_of_the_repository_are_not_run(repo, trap, filter_name):
    (repo / ".git" / "info" / "attributes").write_text(f"*.py filter={filter_name}\n")
    trap.set_in(repo, f"filter.{filter_name}.clean")
    git(repo, "config", f"filter.{filter_name}.required", "true")
    make_git_compare(repo)
    found = origin_of(repo / "app")

    assert not trap.trace.exists()
    assert found == Origin(commit=found.commit, dirty=True)

    git(repo, "status", "--porcelain")

    assert trap.trace.exists()  # else this test could not fail


def test_filters_in_a_file_that_the_repository_includes_and_of_its_submodules_are_not_run(repo, trap, tmp_path):
    outer = tmp_path / "outer"
    git(tmp_path, "init", "--quiet", outer)
    git(outer, "submodule", "--quiet", "add", repo, "inner")
    commit(outer)
    inner = outer / "inner"
    (tmp_path / "included").write_text(f'[filter "evil"]\n\tclean = {trap.program}\n')
    git(inner, "config", "include.path", tmp_path / "included")
    (outer / ".git" / "modules" / "inner" / "info" / "attributes").write_text("*.py filter=evil\n")
    (inner / "app" / "main.py").write_text("x = 2\n")
    found = origin_of(outer)

    assert not trap.trace.exists()
    assert found and found.dirty

    git(outer, "status", "--porcelain")

    assert trap.trace.exists()


def test_monitors_and_hooks_of_the_repository_are_not_run(repo, trap):
    trap.set_in(repo, "core.fsmonitor")
    shutil.copy(trap.program, repo / ".git" / "hooks" / "post-index-change")
    os.utime(repo / "app" / "main.py", (1, 1))

    assert origin_of(repo / "app") == Origin(commit=head(repo))
    assert not trap.trace.exists()

    git(repo, "status", "--porcelain")

    assert {"trap", "post-index-change"} == {Path(line.split()[0]).name for line in trap.trace.read_text().splitlines()}


def test_a_partial_clone_fetches_nothing(repo, tmp_path):
    trap = Trap(tmp_path, then="exit 1")
    git(repo, "config", "uploadpack.allowFilter", "true")
    partial = tmp_path / "partial"
    git(tmp_path, "clone", "--quiet", "--no-checkout", "--filter=blob:none", f"file://{repo}", partial)
    git(partial, "read-tree", "HEAD")
    git(partial, "config", "remote.origin.url", f"ext::{trap.program}")
    git(partial, "config", "protocol.ext.allow", "always")
    (partial / "app").mkdir()
    (partial / "app" / "moved.py").write_text("x = 1\ny = 2\n")
    git(partial, "rm", "--quiet", "--cached", "app/main.py")
    git(partial, "add", "app/moved.py")  # whether that is main.py under another name, only its content tells

    assert origin_of(partial / "app") in (None, Origin(commit=head(repo), dirty=True))
    assert not trap.trace.exists()

    subprocess.run(["git", "-C", partial, "status", "--porcelain"], capture_output=True, check=False)

    assert trap.trace.exists()
