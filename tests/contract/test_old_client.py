"""The last 1.x of the client, in an environment of its own: `pytest -m old_client -n 0`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from spaceops.localhub import LocalHub
from tests.contract.compare import differences, table
from tests.contract.expected import expected
from tests.contract.recording import Outcome
from tests.contract.test_contract import ROOT, outcomes

pytestmark = pytest.mark.old_client


@pytest.fixture(scope="module")
def old_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python with the newest client before 2."""
    folder = tmp_path_factory.mktemp("old") / "venv"
    uv = str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    python = str(folder / "bin" / "python")
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, "huggingface_hub<2"], check=True)
    return python


@pytest.fixture(scope="module")
def made(old_python: str, localhub: LocalHub) -> dict[str, Outcome]:
    """What the old client made of the contract."""
    return outcomes(localhub.url, localhub.token, python=old_python)


def test_the_local_hub_keeps_the_contract_with_the_old_client(made: dict[str, Outcome]) -> None:
    assert not [line for row in expected() for line in row.misses(made.get(row.call))]


def test_the_old_and_the_new_client_meet_the_same_hub(made: dict[str, Outcome], localhub: LocalHub) -> None:
    found = differences(outcomes(localhub.url, localhub.token), made)

    assert not (told := [one for one in found if one.what != "says"]), table(told)  # `hf` changed some of its words


def test_words_that_only_the_old_client_has(old_python: str, localhub: LocalHub, tmp_path: Path) -> None:
    env = {**os.environ, "HF_TOKEN": localhub.token, "HF_HOME": str(tmp_path), "PYTHONWARNINGS": "ignore"}
    command = [old_python, "-m", "tests.contract.old_words", localhub.url]

    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stderr
