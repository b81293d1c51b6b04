"""Where a table's columns lie: nothing stays, not even of a process that was killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tables.scratch import scratch

MEASURE = """
from tables.scratch import scratch
with scratch() as folder:
    (folder / "0").write_text("cells")
    print(folder, flush=True)
    input()
"""


@pytest.fixture
def other(tmp_path, monkeypatch):
    """Another process which measures a table, and its folder."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    command = [sys.executable, "-c", MEASURE]
    environ = os.environ | {"TMPDIR": str(tmp_path)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=Path(__file__).parents[1], env=environ, **pipes) as process:
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def test_two_tables_have_folders_of_their_own_which_go_with_them(other):
    process, folder = other
    with scratch() as ours:
        assert ours.parent == folder.parent
        assert {ours, folder} == set(folder.parent.iterdir())
    assert ["0"] == [file.name for file in folder.iterdir()]

    process.communicate("\n")

    assert [] == list(folder.parent.iterdir())


def test_what_a_killed_process_left_is_removed(other):
    process, folder = other
    process.kill()
    process.wait()
    assert folder.is_dir()

    with scratch() as ours:
        assert [ours] == list(folder.parent.iterdir())


def test_a_table_that_fails_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    with pytest.raises(InterruptedError), scratch() as ours:
        (ours / "0").write_text("cells")
        raise InterruptedError

    assert [] == list(tmp_path.glob("*/*"))
