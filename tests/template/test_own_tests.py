"""What `spaceops new` writes passes its own tests, alone in a folder, as its new owner would run them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from spaceops.tasks import TASKS
from spaceops.template import new

pytestmark = [pytest.mark.apps, pytest.mark.timeout(300)]
VARIANTS = [*((task,) for task in TASKS), ("sentiment", "nginx"), ("sentiment", "bucket"), ("sentiment", "dataset")]


@pytest.mark.parametrize("variant", VARIANTS, ids="+".join)
def test_a_new_folder_passes_its_own_tests(tmp_path, variant):
    task, *extras = variant
    folder = new(tmp_path / "app", task=task, extras=extras)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "HF_"))}

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    assert 0 == done.returncode, done.stdout[-4000:]
