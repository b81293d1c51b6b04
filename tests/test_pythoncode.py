"""The Python code that runs: where it begins, along which imports it goes, and what it asks for."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaceops.preflight import context
from spaceops.pythoncode import Reach
from spaceops.pythonmodule import parse
from spaceops.rules.examples import GOOD, write

EXAMPLES = int(os.environ.get("SPACEOPS_EXAMPLES", "20"))
START = 'CMD ["uvicorn", "main:app", "--host", "0.0.0.0", "--port", "7860"]'
FILES = {
    "app/__init__.py": "",
    "app/main.py": "from fastapi import FastAPI\nfrom .tools import cut\nfrom . import more\napp = FastAPI()\n",
    "app/tools.py": "import shared\n",
    "app/more/__init__.py": "from ..tools import cut\n",
    "shared.py": "",
    "run.py": "import shared\nif __name__ == '__main__':\n    import app.main\n",
}
ALL = {"app/__init__.py", "app/main.py", "app/tools.py", "app/more/__init__.py", "shared.py"}


def code_of(folder, start, **files):
    dockerfile = GOOD["Dockerfile"].replace(START, start)
    found = context(write(folder, {**FILES, **files, "Dockerfile": dockerfile})).python
    assert found is not None
    return found


STARTS = {
    "uvicorn": 'CMD ["uvicorn", "app.main:app", "--port", "7860"]',
    "the shell form": "CMD uvicorn app.main:app --host 0.0.0.0 --port 7860",
    "as a module": 'CMD ["python", "-m", "uvicorn", "app.main:app"]',
    "gunicorn": 'CMD ["gunicorn", "-k", "uvicorn.workers.UvicornWorker", "-b", "0.0.0.0:7860", "app.main:app"]',
    "fastapi": 'CMD ["fastapi", "run", "app/main.py", "--port", "7860"]',
    "another folder": "CMD cd / && uvicorn --app-dir /home/user/app app.main:app",
    "a path of its own": 'ENV PYTHONPATH=/home/user/app\nWORKDIR /\nCMD ["uvicorn", "app.main:app"]',
}


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_the_code_is_followed_from_what_starts(start, tmp_path):
    code = code_of(tmp_path, start)

    assert set(code.modules) >= {"app/main.py", "app/tools.py", "shared.py"}
    assert Reach.SURE == code.reached["app/main.py"]


def test_a_program_imports_what_stands_under_its_main_line(tmp_path):
    code = code_of(tmp_path, 'CMD ["python", "-u", "run.py"]')

    assert {*ALL, "run.py"} == set(code.modules)
    assert {"run.py"} == code.mains
    assert Reach.SURE == code.reached["shared.py"]
    assert Reach.SURE == code.reached["app/main.py"]


def test_what_is_imported_and_not_run_does_not_take_its_main_line(tmp_path):
    code = code_of(tmp_path, 'CMD ["uvicorn", "run:app"]')

    assert Reach.LATER == code.reached["app/main.py"]


def test_an_app_that_a_program_names_in_a_string_is_reached(tmp_path):
    code = code_of(
        tmp_path, 'CMD ["python", "serve.py"]', **{"serve.py": 'import uvicorn\nuvicorn.run("app.main:app")\n'}
    )

    assert Reach.LATER == code.reached["app/main.py"]


def test_a_package_is_run_by_its_main_file(tmp_path):
    code = code_of(tmp_path, 'CMD ["python", "-m", "app"]', **{"app/__main__.py": "import shared\n"})

    assert {"app/__main__.py"} == code.mains


def test_nothing_is_followed_where_python_does_not_start(tmp_path):
    assert {} == code_of(tmp_path, 'CMD ["node", "server.js"]').modules


ENV = """\
import os
from os import environ, getenv as read

A = os.environ["A"]
B = os.environ.get("B")
C = os.getenv("C", "x")
D = environ["D"] if A else ""
E = read("E")


def later():
    return os.environ["F"]


os.environ["G"] = "set"
os.environ.setdefault("H", "set")
PREFIX = "I"
J = os.environ[f"{PREFIX}_{A}"]
"""


def test_the_variables_that_the_code_asks_for():
    module = parse(ENV, "main.py")
    told = {one.name: (one.line, one.place.is_certain, one.has_default, one.is_required) for one in module.env_reads}

    assert {
        "A": (4, True, False, True),
        "B": (5, True, False, False),
        "C": (6, True, True, False),
        "D": (7, False, False, True),
        "E": (8, True, False, False),
        "F": (12, False, False, True),
    } == told
    assert {"G", "H"} == module.env_sets


SETTINGS = """\
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="APP_")
    token: str
    level: str = "info"
    size: int = Field(default=3)
    url: str = Field(..., validation_alias="DATABASE_URL")
"""


def test_the_fields_of_settings_are_variables():
    told = {one.name: one.is_required for one in parse(SETTINGS, "main.py").env_reads}

    assert {"APP_TOKEN": True, "APP_LEVEL": False, "APP_SIZE": False, "DATABASE_URL": True} == told


VALUES = """\
from pathlib import Path
import os.path
FOLDER = "/data"
save(f"{FOLDER}/x.txt")
save(os.path.join(FOLDER, "y"))
save(Path(FOLDER) / "z")
save(FOLDER + "/w")
save(unknown)
save(f"{unknown}/v")
save(size=3, names=["a", "b"])
"""


def test_the_values_of_arguments_are_worked_out_where_they_are_constant():
    calls = [one for one in parse(VALUES, "main.py").calls if one.name == "save"]

    assert [("/data/x.txt",), ("/data/y",), ("/data/z",), ("/data/w",), (None,), ("\0/v",), ()] == [
        one.args for one in calls
    ]
    assert {"size": 3, "names": ("a", "b")} == calls[-1].keywords


NAMES = """\
import torch as t
from torch import nn, cuda
import torch.hub
t.device("cuda")
nn.Linear(1)
cuda.is_available()
model.to("cuda")
make().cuda()
print()
"""


def test_calls_have_the_full_names_of_what_is_imported():
    told = [(one.name, one.receiver) for one in parse(NAMES, "main.py").calls]

    assert [
        ("torch.device", ""),
        ("torch.nn.Linear", ""),
        ("torch.cuda.is_available", ""),
        (".to", "model"),
        (".cuda", ""),
        ("make", ""),
        ("print", ""),
    ] == told


def test_a_large_file_is_not_read_but_said_to_be():
    assert not parse("x = 1\n" * 100_000, "main.py").is_read


@given(st.text(alphabet="abc()[]{}:=\n\t '\"\\#@.,0", max_size=200))
@settings(max_examples=EXAMPLES)
def test_no_text_makes_the_reader_fail(text):
    parse(text, "main.py", (3, 8))
