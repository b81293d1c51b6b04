"""Folders that go with their process: nothing stays, not even of one that was killed, and nobody loses theirs."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serving.scratch import PREFIX, scratch

PROGRAM = """
from serving.scratch import scratch
with scratch() as folder:
    (folder / "file").write_text("something")
    print(folder, flush=True)
    input()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """Where the folders are made."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


@pytest.fixture
def other():
    """Another process that has a folder, and the folder."""
    command = [sys.executable, "-c", PROGRAM]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=Path(__file__).parents[1], **pipes) as process:
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def test_a_folder_is_there_until_the_end_and_for_nobody_else(temporary):
    with scratch() as folder:
        (folder / "file").write_text("something")
        assert 0o700 == folder.stat().st_mode & 0o777

    assert [] == list(temporary.iterdir())


def test_it_goes_too_when_something_fails(temporary):
    with pytest.raises(InterruptedError), scratch() as folder:
        (folder / "file").write_text("something")
        raise InterruptedError

    assert [] == list(temporary.iterdir())


def test_everybody_has_a_folder_and_those_of_killed_processes_go_with_the_next(other, temporary):
    process, theirs = other
    with scratch() as ours:
        with scratch() as another:
            assert {theirs, ours, another} == set(temporary.iterdir())
        process.kill()
        process.wait()
        assert {theirs, ours} == set(temporary.iterdir())
        with scratch() as another:
            assert {ours, another} == set(temporary.iterdir())


def test_what_is_left_goes_even_where_it_fills_the_disk(temporary):
    (temporary / f"{PREFIX}left").mkdir()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))  # bytes of a file, in place of a full disk
    try:
        with pytest.raises(OSError, match="No usable temporary directory"), scratch():
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert [] == list(temporary.iterdir())


def test_many_that_begin_at_once_leave_each_others_alone(temporary):
    def use(number: int) -> int:
        with scratch() as folder:
            (folder / "file").write_text(f"{number}")
            return int((folder / "file").read_text())

    with ThreadPoolExecutor(8) as pool:
        assert list(range(200)) == list(pool.map(use, range(200)))
    assert [] == list(temporary.iterdir())


def test_what_merely_looks_like_a_leftover_does_no_harm(temporary):
    target = temporary / "target"
    target.mkdir()
    (target / "file").write_text("something")
    (temporary / f"{PREFIX}link").symlink_to(target)
    (temporary / f"{PREFIX}file").write_text("something")
    os.mkfifo(temporary / f"{PREFIX}pipe")
    names = {path.name for path in temporary.iterdir()}
    with scratch():
        pass

    assert names == {path.name for path in temporary.iterdir()}
    assert (target / "file").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_the_folders_of_other_users_are_not_touched(temporary):
    theirs = temporary / f"{PREFIX}theirs"
    theirs.mkdir()
    os.chown(theirs, 12345, -1)
    with scratch():
        pass

    assert [theirs] == list(temporary.iterdir())
