"""What is said about the code that runs: which code, how bad, where. Most of all what must not be said."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaceops.findings import Severity
from spaceops.preflight import check
from spaceops.rules.examples import GOOD, write

EXAMPLES = int(os.environ.get("SPACEOPS_EXAMPLES", "20"))
APP = GOOD["main.py"]
FASTAPI = GOOD["requirements.txt"]
START = 'CMD ["uvicorn", "main:app", "--host", "0.0.0.0", "--port", "7860"]'
MODULES = ("syntax-error", "module-not-found", "import-name-error", "stdlib-module-removed", "audioop-313")
COMPANIONS = ("python-multipart-missing", "jinja2-missing", "companion-missing")
ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


def found(folder, codes, main=APP, **changes):
    """The codes and severities of some rules."""
    named = {name.replace("__", "/").replace("_", "."): content for name, content in changes.items()}
    return {(one.code, one.severity) for one in check(write(folder, {"main.py": main, **named}), select=codes)}


def with_first(line):
    return f"{line}\n{APP}"


MISSING = {
    "at the top": "import numpy",
    "a part of it": "from sklearn.linear_model import Ridge",
    "under another name": "import yaml as settings",
    "in a with": "with open(__file__):\n    import numpy",
    "in a class": "class Model:\n    import numpy",
    "after an else of a try that catches nothing": "try:\n    import numpy\nfinally:\n    pass",
    "in a file of the Space": "import helper",
    "in a package of the Space": "from tools import text",
    "by a relative import": "from tools.deep import near",
}
HELPERS = {
    "helper.py": "import numpy\n",
    "tools/__init__.py": "",
    "tools/text.py": "import numpy\n",
    "tools/deep/__init__.py": "",
    "tools/deep/near.py": "from . import far\n",
    "tools/deep/far.py": "from .. import text\n",
}


@pytest.mark.parametrize("code", MISSING.values(), ids=MISSING)
def test_a_module_that_nothing_installs_is_an_error(code, tmp_path):
    report = check(write(tmp_path, {"main.py": with_first(code), **HELPERS}), select=MODULES)

    assert {("module-not-found", ERROR)} == {(one.code, one.severity) for one in report}


MAYBE = {
    "a try": "try:\n    import numpy\nexcept ImportError:\n    numpy = None",
    "a condition": "import os\nif os.environ.get('X'):\n    import numpy",
    "types": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import numpy",
    "a version": "import sys\nif sys.version_info < (3, 11):\n    import tomli as tomllib",
    "suppressed": "import contextlib\nwith contextlib.suppress(ImportError):\n    import numpy",
    "a loop": "for _ in ():\n    import numpy",
    "a program": "if __name__ == '__main__':\n    try:\n        import numpy\n    except ImportError:\n        pass",
    "a part of Python": "import xml.etree.ElementTree, zoneinfo, tomllib, __future__, _thread",
    "what FastAPI brings": "import starlette.routing, pydantic, anyio, typing_extensions, h11, click",
    "a file of the Space": "import lib.tools, other",
    "a folder": "from lib import tools",
    "a compiled module": "import fast",
    "only for a notebook": "import google.colab",
    "a module in a string": "numpy = 'import numpy'",
    "a try around a file of the Space": "try:\n    import broken\nexcept Exception:\n    pass",
}


@pytest.mark.parametrize("code", MAYBE.values(), ids=MAYBE)
def test_an_import_that_may_work_or_may_fail_gives_nothing(code, tmp_path):
    files = {
        "lib/tools.py": "",
        "other.py": "",
        "fast.cpython-313-x86_64-linux-gnu.so": b"\x7fELF",
        "broken.py": "import numpy\n",
    }
    report = check(write(tmp_path, {"main.py": with_first(code), **files}), select=MODULES)

    assert not report.findings


def test_an_import_in_a_function_is_a_warning_because_it_fails_only_when_it_is_called(tmp_path):
    code = with_first("def work():\n    import numpy\n")

    assert {("module-not-found", WARNING)} == found(tmp_path, MODULES, code)


BROUGHT = {
    "by name": "FROM|RUN pip install numpy",
    "in a variable": "FROM|ARG PACKAGES\nRUN pip install $PACKAGES",
    "by a script": "FROM|RUN bash setup.sh",
    "by conda": "FROM|RUN conda install -y numpy",
    "from another stage": "FROM|COPY --from=python:3.13-slim /usr/local/lib /usr/local/lib",
    "from a clone": "FROM|RUN git clone https://example.com/numpy.git /home/user/app/numpy",
    "from an address": "FROM|RUN pip install https://example.com/pack.zip",
    "by the app's own metadata": "FROM|RUN pip install .",
    "by uv": "FROM|RUN uv sync",
    "at the start": f"{START}|CMD pip install numpy && uvicorn main:app --host 0.0.0.0 --port 7860",
    "in another image": "FROM python:3.13-slim|FROM acme/science:1",
    "in an image for torch": "FROM python:3.13-slim|FROM pytorch/pytorch:2.6.0-cuda12.4-cudnn9-runtime",
}


@pytest.mark.parametrize("change", BROUGHT.values(), ids=BROUGHT)
def test_what_may_come_in_another_way_is_not_called_missing(change, tmp_path):
    old, new = change.split("|")
    dockerfile = ("USER user\n", f"USER user\n{new}\n") if old == "FROM" else (old, new)

    assert set() == found(tmp_path, MODULES, with_first("import numpy"), Dockerfile=dockerfile)


PAGES = "FROM node:22-slim AS pages\nWORKDIR /web\nCOPY . .\nRUN npm install && npm run build\n"


def with_pages(copy, build=PAGES):
    return build + GOOD["Dockerfile"].replace("USER user\n", f"USER user\n{copy}\n", 1)


def test_pages_that_another_stage_builds_bring_no_python_package(tmp_path):
    dockerfile = with_pages("COPY --from=pages /web/dist /home/user/app/static")

    assert {("module-not-found", ERROR)} == found(tmp_path, MODULES, with_first("import numpy"), Dockerfile=dockerfile)


STAGES = {
    "into the app's folder": with_pages("COPY --from=pages /web /home/user/app"),
    "of a stage that installs": with_pages(
        "COPY --from=pages /opt/venv /opt/venv",
        PAGES + "RUN python3 -m venv /opt/venv && /opt/venv/bin/pip install x\n",
    ),
    "of a stage that copies from another": with_pages(
        "COPY --from=pages /usr/local/lib /usr/local/lib", PAGES + "COPY --from=python:3.13 /usr/local /usr/local\n"
    ),
    "of a stage that is not known": with_pages(
        "COPY --from=pages /web/dist /home/user/app/static", PAGES.replace("node:22-slim", "acme/builder")
    ),
}


@pytest.mark.parametrize("dockerfile", STAGES.values(), ids=STAGES)
def test_what_another_stage_may_bring_is_not_called_missing(dockerfile, tmp_path):
    assert set() == found(tmp_path, MODULES, with_first("import numpy"), Dockerfile=dockerfile)


DOUBTS = {
    "the app changes where it looks": ("import sys\nsys.path.append('vendor')\nimport streamlit", FASTAPI),
    "a package that nobody knows": ("import streamlit", FASTAPI + "acme-toolbox==1.0\n"),
}


@pytest.mark.parametrize(("code", "requirements"), DOUBTS.values(), ids=DOUBTS)
def test_a_doubt_makes_a_warning(code, requirements, tmp_path):
    assert {("module-not-found", WARNING)} == found(tmp_path, MODULES, with_first(code), requirements_txt=requirements)


def test_a_package_that_nobody_knows_may_bring_what_others_bring_too(tmp_path):
    files = {"requirements.txt": FASTAPI + "acme-toolbox==1.0\n", "main.py": with_first("import numpy, acme_toolbox")}

    assert not check(write(tmp_path, files), select=MODULES).findings


def test_code_that_installs_packages_itself_is_believed(tmp_path):
    code = with_first(
        "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'pip', 'install', 'numpy'])\nimport numpy"
    )

    assert set() == found(tmp_path, MODULES, code)


def test_the_hint_names_what_pip_calls_it(tmp_path):
    [one] = check(write(tmp_path, {"main.py": with_first("import cv2\nfrom PIL import Image")})).errors[:1]

    assert "main.py:1" == one.where
    assert "Nothing installs the module cv2, and main.py imports it" == one.message
    assert "Add a line opencv-python-headless to requirements.txt." == one.hint
    assert one.fix is not None and not one.fix.safe


def test_a_file_of_the_space_that_is_not_pushed_is_missed(tmp_path):
    files = {"main.py": with_first("from tools.text import cut"), "tools/__init__.py": ""}
    [one] = check(write(tmp_path, files), select=MODULES)

    assert ("module-not-found", ERROR, "main.py:1") == (one.code, one.severity, one.where)
    assert "tools/text.py" in one.hint


@pytest.mark.parametrize("command", [
    "uvicorn main:app --host 0.0.0.0 --port ${PORT:-7860}",
    "gunicorn -k uvicorn.workers.UvicornWorker --bind=0.0.0.0:${PORT:-7860} main:app",
])  # fmt: skip
def test_a_port_that_a_variable_may_change_makes_no_import_less_sure(command, tmp_path):
    dockerfile = GOOD["Dockerfile"].replace(START, f"CMD {command}")
    requirements = f"{FASTAPI}gunicorn==23.0.0\n"

    assert {("module-not-found", ERROR)} == found(
        tmp_path, MODULES, with_first("import numpy"), Dockerfile=dockerfile, requirements_txt=requirements
    )


def test_an_app_that_a_variable_may_change_is_not_sure_to_be_imported(tmp_path):
    dockerfile = GOOD["Dockerfile"].replace(START, "CMD uvicorn ${APP:-main:app} --host 0.0.0.0 --port 7860")

    assert ERROR not in {
        severity for _, severity in found(tmp_path, MODULES, with_first("import numpy"), Dockerfile=dockerfile)
    }


UNKNOWN = f"{FASTAPI}a-package-that-no-table-has==1.0\n"


def test_nothing_else_brings_a_module_into_a_package_of_the_space(tmp_path):
    files = {"main.py": with_first("from tools.text import cut"), "requirements.txt": UNKNOWN}
    closed = check(write(tmp_path / "closed", {**files, "tools/__init__.py": ""}), select=MODULES)
    is_open = check(write(tmp_path / "open", {**files, "tools/other.py": ""}), select=MODULES)

    assert [("module-not-found", ERROR)] == [(one.code, one.severity) for one in closed]
    assert () == is_open.findings


def test_a_file_in_other_capitals_is_named(tmp_path):
    files = {"main.py": with_first("import helper"), "Helper.py": ""}
    [one] = check(write(tmp_path, files), select=MODULES)

    assert "main.py imports helper, and the Space has Helper.py: capital letters count on Linux" == one.message
    assert "Rename it: git mv Helper.py helper.py; or import it as it is named." == one.hint


def test_a_file_of_a_package_in_other_capitals_is_named(tmp_path):
    files = {"main.py": with_first("import tools.text"), "tools/__init__.py": "", "tools/Text.py": ""}
    [one] = check(write(tmp_path, files), select=MODULES)

    assert "the Space has tools/Text.py" in one.message


@pytest.mark.parametrize("line", ["tools", "tools/", "**/*.py", "tools/*"])
@pytest.mark.parametrize(("requirements", "severity"), [(FASTAPI, ERROR), (UNKNOWN, WARNING)])
def test_a_folder_that_dockerignore_keeps_back_is_named(line, requirements, severity, tmp_path):
    files = {"main.py": with_first("from tools.text import cut"), "tools/text.py": "def cut(): ...\n"}
    ignored = {".dockerignore": f"{line}\n!main.py\n", "requirements.txt": requirements}
    [one] = check(write(tmp_path, {**files, **ignored}), select=["module-not-found"])

    assert severity == one.severity
    assert f"The line {line} of .dockerignore keeps tools out of the image, and main.py imports it" == one.message


def test_a_file_in_a_folder_where_python_does_not_look_is_named(tmp_path):
    files = {
        "main.py": None,
        "src/main.py": with_first("import tools"),
        "src/tools.py": "",
        "Dockerfile": ("main:app", "src.main:app"),
    }
    [one] = check(write(tmp_path, files), select=MODULES)

    assert ERROR == one.severity
    assert "Add ENV PYTHONPATH=/home/user/app/src to the Dockerfile, or write src.tools in the import." == one.hint


@pytest.mark.parametrize(
    "change",
    [
        ("USER user\n", "USER user\nENV PYTHONPATH=/home/user/app/src\n"),
        (START, 'CMD ["uvicorn", "--app-dir", "src", "main:app", "--host", "0.0.0.0", "--port", "7860"]'),
        (START, 'CMD ["python", "src/main.py"]'),
        (START, "CMD cd src && uvicorn main:app --host 0.0.0.0 --port 7860"),
    ],
)
def test_the_folders_where_python_looks_are_known(change, tmp_path):
    old, new = change
    start = new.replace("main:app", "src.main:app") if "PYTHONPATH" in new else new
    dockerfile = GOOD["Dockerfile"].replace(old, start)
    if "PYTHONPATH" in new:
        dockerfile = dockerfile.replace("main:app", "src.main:app")
    files = {"main.py": None, "src/main.py": with_first("import tools"), "src/tools.py": "", "Dockerfile": dockerfile}

    assert not check(write(tmp_path, files), select=MODULES).findings


GONE = {
    "telnetlib in 3.13": ("import telnetlib", "3.13", "stdlib-module-removed"),
    "distutils in 3.12": ("from distutils.util import strtobool", "3.12", "stdlib-module-removed"),
    "audioop in 3.13": ("import audioop", "3.13", "audioop-313"),
    "Mapping in collections": ("from collections import Mapping", "3.12", "import-name-error"),
    "a module that is newer": ("import tomllib", "3.10", "module-not-found"),
}


@pytest.mark.parametrize(("code", "python", "rule"), GONE.values(), ids=GONE)
def test_a_module_that_this_python_lacks_is_an_error(code, python, rule, tmp_path):
    assert {(rule, ERROR)} == found(tmp_path, MODULES, with_first(code), Dockerfile=("3.13", python))


@pytest.mark.parametrize(
    ("code", "python", "requirements"),
    [
        ("import telnetlib", "3.12", FASTAPI),
        ("import distutils.util", "3.11", FASTAPI),
        ("import distutils.util", "3.13", FASTAPI + "setuptools==80.0.0\n"),
        ("import audioop", "3.13", FASTAPI + "audioop-lts==0.2.2\n"),
        ("try:\n    import audioop\nexcept ImportError:\n    audioop = None", "3.13", FASTAPI),
        ("from collections import OrderedDict, Counter", "3.13", FASTAPI),
        ("import tomllib", "3.11", FASTAPI),
    ],
)
def test_a_module_that_this_python_has_gives_nothing(code, python, requirements, tmp_path):
    files = {"main.py": with_first(code), "requirements.txt": requirements, "Dockerfile": ("3.13", python)}

    assert not check(write(tmp_path, files), select=MODULES).findings


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("def f(:\n    pass\n", 1),
        ("x = 1\n  y = 2\n", 2),
        ("<<<<<<< HEAD\nx = 1\n=======\n", 1),
        ("print 'hello'\n", 1),
        ("x = [1, 2\n", 1),
        ("x = 1\nawait x\n", 2),
    ],
)
def test_a_reached_file_that_is_no_python_is_an_error(text, line, tmp_path):
    [one] = check(write(tmp_path, {"main.py": with_first("import helper"), "helper.py": text}), select=MODULES)

    assert ("syntax-error", ERROR, f"helper.py:{line}") == (one.code, one.severity, one.where)


NEWER = {
    "quotes in an f-string": "x = {'a': 1}\ny = f'{x['a']}'\n",
    "type aliases": "type Text = str\n",
    "generic functions": "def first[T](xs: list[T]) -> T:\n    return xs[0]\n",
    "a template string": "name = 'x'\ny = t'hello {name}'\n",
}


@pytest.mark.parametrize("text", NEWER.values(), ids=NEWER)
def test_syntax_of_a_newer_python_is_no_error(text, tmp_path):
    report = check(
        write(tmp_path, {"main.py": with_first("import helper"), "helper.py": text, "Dockerfile": ("3.13", "3.14")})
    )

    assert not report.errors


def test_a_file_that_nothing_imports_may_be_anything(tmp_path):
    assert set() == found(tmp_path, MODULES, notes_py="this is no Python (\n")


def test_a_name_that_a_file_of_the_space_lacks_is_an_error(tmp_path):
    files = {"main.py": with_first("from helper import greet, cut"), "helper.py": "def cut(): ...\n"}
    [one] = check(write(tmp_path, files), select=MODULES)

    assert ("import-name-error", ERROR) == (one.code, one.severity)
    assert "There is no greet in helper.py, which main.py imports it from" == one.message


BINDINGS = """
def greet(): ...
class greet: ...
greet = 1
greet: int = 1
from os import path as greet
import os as greet
for greet in (): ...
with open('x') as greet: ...
if x:|    greet = 1
try:|    a|except E:|    greet = 1
(greet := 1)
a, (greet, *b) = 1, (2, 3)
from os import *
def __getattr__(name): ...
globals()['greet'] = 1
def f():|    global greet|    greet = 1
async def greet(): ...
match x:|    case greet: ...
""".strip().split("\n")


@pytest.mark.parametrize("binding", BINDINGS)
def test_every_way_to_make_a_name_is_known(binding, tmp_path):
    files = {"main.py": with_first("from helper import greet"), "helper.py": binding.replace("|", "\n") + "\n"}

    assert not check(write(tmp_path, files), select=["import-name-error"]).findings


@pytest.mark.parametrize("file", ["tools/greet.py", "tools/greet/__init__.py", "tools/greet/deep.py", "tools/greet.so"])
def test_a_name_may_be_a_module_of_its_package(file, tmp_path):
    files = {"main.py": with_first("from tools import greet"), "tools/__init__.py": "", file: ""}

    assert not check(write(tmp_path, files), select=MODULES).findings


def test_a_file_named_as_a_part_of_python_is_not_taken_for_it(tmp_path):
    files = {"main.py": with_first("from http import HTTPStatus"), "http.py": "x = 1\n"}

    assert not check(write(tmp_path, files), select=MODULES).findings


ROUTE = '@app.post("/upload")\ndef upload({}): ...\n'
FORMS = {
    "an upload": ("from fastapi import UploadFile", "file: UploadFile"),
    "several": ("from fastapi import UploadFile", "files: list[UploadFile]"),
    "a form": ("from fastapi import Form", "name: str = Form(...)"),
    "an annotated form": ("from typing import Annotated\nfrom fastapi import Form", "name: Annotated[str, Form()]"),
    "another name": ("from fastapi import UploadFile as U", "file: U"),
    "by the module": ("import fastapi", "file: fastapi.UploadFile"),
    "bytes": ("from fastapi import File", "data: bytes = File()"),
}


@pytest.mark.parametrize(("line", "parameter"), FORMS.values(), ids=FORMS)
def test_forms_need_python_multipart(line, parameter, tmp_path):
    main = f"{line}\n{APP}\n\n{ROUTE.format(parameter)}"

    assert {("python-multipart-missing", ERROR)} == found(tmp_path, COMPANIONS, main)


@pytest.mark.parametrize("package", ["python-multipart==0.0.20", "fastapi[standard]==0.116.1", "gradio==5.0.0"])
def test_python_multipart_may_come_along(package, tmp_path):
    main = f"from fastapi import UploadFile\n{APP}\n\n{ROUTE.format('file: UploadFile')}"

    assert set() == found(tmp_path, COMPANIONS, main, requirements_txt=f"fastapi\nuvicorn\n{package}\n")


@pytest.mark.parametrize("fastapi", ["fastapi==0.111.0", "fastapi~=0.111.0", "fastapi>=0.100,<0.112"])
def test_fastapi_0_111_brings_all_that_it_may_use(fastapi, tmp_path):
    main = f"from fastapi import UploadFile\n{APP}\n\n{ROUTE.format('file: UploadFile')}"

    assert set() == found(tmp_path, (*COMPANIONS, "command-not-found"), main, requirements_txt=f"{fastapi}\n")


@pytest.mark.parametrize("fastapi", ["fastapi==0.110.3", "fastapi==0.112.0", "fastapi>=0.111", "fastapi<0.116"])
def test_any_other_fastapi_brings_no_server_and_no_form_parser(fastapi, tmp_path):
    main = f"from fastapi import UploadFile\n{APP}\n\n{ROUTE.format('file: UploadFile')}"

    assert {("python-multipart-missing", ERROR), ("command-not-found", ERROR)} == found(
        tmp_path, (*COMPANIONS, "command-not-found"), main, requirements_txt=f"{fastapi}\n"
    )


def test_a_line_that_pip_cannot_read_may_ask_for_what_seems_missing(tmp_path):
    requirements = FASTAPI + "numpy=2.3.0\n"

    report = check(write(tmp_path, {"main.py": with_first("import numpy"), "requirements.txt": requirements}))

    assert ["requirements-invalid"] == [one.code for one in report.errors]


@given(st.one_of(st.text(max_size=300), st.binary(max_size=300)))
@settings(max_examples=EXAMPLES)
def test_no_source_makes_the_check_fail(tmp_path_factory, text):
    check(write(tmp_path_factory.mktemp("any"), {"main.py": text}))


DEEP = ["(" * 5000, "[" * 150 + "]" * 150, "-" * 20_000 + "1", "a" + ".b" * 20_000, "x = " * 5000 + "1", "if 1:\n" * 90]


@pytest.mark.parametrize("text", DEEP, ids=range(len(DEEP)))
def test_deep_nesting_does_not_make_the_check_fail(text, tmp_path):
    check(write(tmp_path, {"main.py": text}))
