"""What an image's Python has installed, and how sure that is."""

from __future__ import annotations

import pytest

from spaceops.preflight import context
from spaceops.requirements.lines import Problem, Requirement, one, read
from spaceops.rules.examples import GOOD, write

INSTALL = "RUN pip install --no-cache-dir -r requirements.txt\n"


def installed(folder, **changes):
    named = {name.replace("__", "/").replace("_", "."): content for name, content in changes.items()}
    found = context(write(folder, named)).requirements
    assert found is not None
    return found


def with_run(run):
    return {"Dockerfile": GOOD["Dockerfile"].replace(INSTALL, f"{run}\n")}


RUNS = {
    "a list": "RUN pip install fastapi uvicorn",
    "versions": "RUN pip3 install --no-cache-dir 'fastapi>=0.100' uvicorn==0.35.0",
    "a module": "RUN python -m pip install fastapi uvicorn",
    "a full path": "RUN /opt/venv/bin/pip install fastapi uvicorn",
    "one after the other": "RUN pip install --upgrade pip && pip install fastapi && pip install uvicorn",
    "uv": "RUN uv pip install --system fastapi uvicorn",
    "words of JSON": 'RUN ["pip", "install", "fastapi", "uvicorn"]',
    "a short option": "RUN pip install -qr requirements.txt",
    "glued": "RUN pip install -rrequirements.txt",
    "with an equals sign": "RUN pip install --requirement=requirements.txt",
    "a mounted file": "RUN --mount=type=bind,source=requirements.txt,target=/tmp/r.txt pip install -r /tmp/r.txt",
    "a heredoc": "RUN <<EOF\npip install fastapi\npip install uvicorn\nEOF",
}


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_every_way_to_install_is_read(run, tmp_path):
    found = installed(tmp_path, **with_run(run))

    assert {"fastapi", "uvicorn"} <= {one.name for one in found.wanted}
    assert found.is_complete


GAPS = {
    "a variable": "RUN pip install $PACKAGES",
    "an archive": "RUN pip install https://example.com/pack.zip",
    "a script": "RUN ./install.sh",
    "conda": "RUN conda install -y numpy",
    "a clone": "RUN git clone https://example.com/x.git",
    "uv without a lock": "RUN uv sync --frozen",
    "poetry without a lock": "RUN poetry install",
    "itself": "RUN pip install .",
    "another list": "RUN pip install -r https://example.com/requirements.txt",
    "a list that a command changed": "RUN sed -i s/a/b/ requirements.txt && pip install -r requirements.txt",
}


@pytest.mark.parametrize("run", GAPS.values(), ids=GAPS)
def test_what_cannot_be_seen_is_a_gap_or_a_doubt(run, tmp_path):
    assert not installed(tmp_path, **with_run(run)).is_certain


PROJECT = """\
[project]
name = "hello"
version = "1"
dependencies = ["fastapi>=0.100", "uvicorn[standard]"]
[project.optional-dependencies]
web = ["httpx"]
"""


def test_the_projects_own_metadata_are_read(tmp_path):
    run = (
        GOOD["Dockerfile"]
        .replace("requirements.txt .", "pyproject.toml .")
        .replace(INSTALL, "RUN pip install .[web]\n")
    )
    found = installed(tmp_path, Dockerfile=run, pyproject_toml=PROJECT)

    assert ["fastapi", "uvicorn", "httpx"] == [one.name for one in found.wanted]
    assert "pyproject.toml:4" == found.wanted[0].where
    assert found.is_complete
    assert not found.is_certain  # the project's own modules are installed too


LOCK = """\
version = 1
[[package]]
name = "fastapi"
version = "0.116.1"
[[package]]
name = "Starlette"
version = "0.47.0"
"""


@pytest.mark.parametrize(
    ("tool", "lock"), [("uv sync --frozen", "uv.lock"), ("poetry install --no-root", "poetry.lock")]
)
def test_a_lock_file_names_all_that_is_installed(tool, lock, tmp_path):
    dockerfile = GOOD["Dockerfile"].replace("requirements.txt .", "*.lock ./").replace(INSTALL, f"RUN {tool}\n")
    found = installed(tmp_path, Dockerfile=dockerfile, **{lock.replace(".", "_"): LOCK})

    assert {"fastapi", "starlette"} == found.locked
    assert found.has("starlette")
    assert found.is_complete


def test_the_stages_that_files_come_from_count_too(tmp_path):
    dockerfile = (
        "FROM python:3.13-slim AS build\nCOPY requirements.txt .\n"
        "RUN pip install --prefix /install -r requirements.txt\n"
        "FROM python:3.13-slim\nCOPY --from=build /install /usr/local\nCOPY . .\n"
    )
    found = installed(tmp_path, Dockerfile=dockerfile)

    assert {"fastapi", "uvicorn"} == {one.name for one in found.wanted}
    assert found.is_complete
    assert not found.is_certain


@pytest.mark.parametrize("line", ["FROM acme/build AS build", "FROM python:3.13 AS build\nRUN bash install.sh"])
def test_a_stage_whose_packages_cannot_be_seen_is_a_gap(line, tmp_path):
    dockerfile = f"{line}\nFROM python:3.13-slim\nCOPY --from=build /opt/venv /opt/venv\n"

    assert not installed(tmp_path, Dockerfile=dockerfile).is_complete


def test_wheels_that_a_stage_has_made_are_what_was_asked_for_there(tmp_path):
    dockerfile = (
        "FROM python:3.13 AS build\nWORKDIR /build\nCOPY requirements.txt .\n"
        "RUN pip wheel --no-cache-dir -w /wheels -r requirements.txt\n"
        "FROM python:3.13-slim\nCOPY --from=build /wheels /wheels\nRUN pip install --no-cache-dir /wheels/*.whl\n"
    )

    assert installed(tmp_path, Dockerfile=dockerfile).is_certain


@pytest.mark.parametrize(
    ("package", "is_complete"), [("python3-venv", True), ("python3-numpy", False), ("python3-opencv=4.6", False)]
)
def test_the_systems_own_packages_are_a_gap(package, is_complete, tmp_path):
    dockerfile = f"FROM ubuntu:24.04\nRUN apt-get update && apt-get install -y python3 {package}\n"
    found = installed(tmp_path, Dockerfile=dockerfile)

    assert is_complete is found.is_complete
    assert not found.is_certain


def test_a_tool_from_another_image_is_no_gap(tmp_path):
    dockerfile = GOOD["Dockerfile"].replace(
        INSTALL, "COPY --from=ghcr.io/astral-sh/uv:0.8 /uv /bin/\nRUN uv pip install --system -r requirements.txt\n"
    )

    assert installed(tmp_path, Dockerfile=dockerfile).is_certain


def test_a_marker_is_judged_by_the_images_python(tmp_path):
    lines = (
        "numpy==1.26.4 ; python_version < '3.12'\nnumpy==2.3.0 ; python_version >= '3.12'\n"
        "pywin32 ; sys_platform == 'win32'\n"
    )
    old = installed(tmp_path / "old", requirements_txt=lines, Dockerfile=("3.13", "3.11"))
    new = installed(tmp_path / "new", requirements_txt=lines)

    assert ["==1.26.4"] == [one.specifier for one in old.applying]
    assert ["==2.3.0"] == [one.specifier for one in new.applying]


def test_a_python_that_uv_may_fetch_is_not_known(tmp_path):
    assert (3, 13) == installed(tmp_path / "a", **with_run("RUN uv venv && uv pip install fastapi")).python
    assert installed(tmp_path / "b", **with_run("RUN uv venv --python 3.11 && uv pip install fastapi")).python is None


LINES = {
    "fastapi": ("fastapi", ""),
    "Fast_API.x[all] >= 1 , < 2 # why": ("fast-api-x", "<2,>=1"),
    "torch==2.6.0+cpu": ("torch", "==2.6.0+cpu"),
    "pip @ https://example.com/pip.zip": ("pip", ""),
    "https://example.com/greet-1.0-py3-none-any.whl": ("greet", "==1.0"),
    "git+https://example.com/x.git#egg=Greet[web]": ("greet", ""),
    "idna==3.10 --hash=sha256:00": ("idna", "==3.10"),
}


@pytest.mark.parametrize(("line", "expected"), LINES.items())
def test_a_line_is_read_as_pip_reads_it(line, expected):
    [found] = read(f"{line}\n", "requirements.txt").requirements

    assert expected == (found.name, found.specifier)


def test_a_pin_is_one_version_and_nothing_else():
    def pinned(text):
        found = one(text, "r", 1)
        assert isinstance(found, Requirement)
        return str(found.pin) if found.pin else None

    assert ["1.0", None, None, None] == [pinned("a==1.0"), pinned("a==1.*"), pinned("a>=1.0"), pinned("a")]


@pytest.mark.parametrize(("text", "is_certain"), [("a=1", True), ("a b", True), ("import a", True), ("a>=1.*", False)])
def test_a_line_that_pip_refuses_is_a_problem(text, is_certain):
    found = one(text, "r", 1)

    assert isinstance(found, Problem)
    assert is_certain == found.is_certain


def test_the_line_of_a_requirement_is_where_it_begins():
    found = read("# first\n\na==1\\\n --hash=sha256:00\nb\n", "r.txt")

    assert [("a", "r.txt:3", True), ("b", "r.txt:5", False)] == [
        (one.name, one.where, one.is_hashed) for one in found.requirements
    ]


def test_a_script_of_the_build_may_install_the_lists_that_it_names(tmp_path):
    """And what else it does is unknown, so that what is missing is no error."""
    files = {
        "prepare.py": "import subprocess\nsubprocess.run(['pip', 'install', '-r', 'requirements-torch.txt'])\n",
        "requirements-torch.txt": "transformers==5.0.0\n",
        "requirements-dev.txt": "pytest==9.0.0\n",
        "Dockerfile": GOOD["Dockerfile"].replace(
            "COPY --chown=user . .\n", "COPY --chown=user . .\nRUN python prepare.py\n"
        ),
    }
    found = context(write(tmp_path, files)).requirements

    assert found.brings("transformers")
    assert not found.brings("pytest")
    assert "transformers" not in {one.name for one in found.wanted}
    assert (True, False) == (found.is_complete, found.is_certain)
