"""What `spaceops new` writes passes its own tests, alone in a folder, as its new owner would run them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from spaceops.tasks import TASKS
from spaceops.template import new

pytestmark = [pytest.mark.apps, pytest.mark.timeout(300)]
VARIANTS = [*((task,) for task in TASKS), ("sentiment", "nginx"), ("sentiment", "bucket"), ("sentiment", "dataset")]


WITH_PYTORCH = ("image", "chat", "summarize")


@pytest.mark.parametrize("variant", VARIANTS, ids="+".join)
def test_a_new_folder_passes_its_own_tests(tmp_path, variant):
    task, *extras = variant

    own_tests(new(tmp_path / "app", task=task, extras=extras))


@pytest.mark.model
@pytest.mark.parametrize("task", WITH_PYTORCH)
def test_with_pytorch_those_that_need_it_are_run_too(tmp_path, task):
    said = own_tests(new(tmp_path / "app", task=task))

    assert not [reason for reason in ("could not import", "PyTorch is not installed") if reason in said], said


def own_tests(folder: Path) -> str:
    """Run them as their owner would; what pytest said, with the reasons of what it skipped."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "HF_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rs", "-W", "error", "-p", "no:cacheprovider"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert 0 == done.returncode, done.stdout[-4000:]
    return done.stdout
