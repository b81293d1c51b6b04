"""What is said about requirements: which code, how bad, where, and what to write instead."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaceops.findings import Severity
from spaceops.preflight import check
from spaceops.rules.examples import GOOD, write

EXAMPLES = int(os.environ.get("SPACEOPS_EXAMPLES", "20"))
FASTAPI = GOOD["requirements.txt"]
INSTALL = "RUN pip install --no-cache-dir -r requirements.txt"
SUBJECTS = ("pip", "requirements", "sklearn", "numpy", "incompatible", "libgl", "torch")


def found(folder, requirements, **changes):
    """Codes of this subject with their severities."""
    named = {name.replace("_", "."): content for name, content in changes.items()}
    report = check(write(folder, {"requirements.txt": requirements, **named}))
    return {(one.code, one.severity) for one in report if one.code.startswith(SUBJECTS)}


def finding(folder, requirements, code, **changes):
    named = {name.replace("_", "."): content for name, content in changes.items()}
    [one] = check(write(folder, {"requirements.txt": requirements, **named}), select=[code])
    return one


SURELY = {
    "one equals sign": ("requests=2.32.3\n", "requirements-invalid"),
    "a command": ("pip install requests\n", "requirements-invalid"),
    "a Markdown fence": ("```\nrequests==2.32.3\n```\n", "requirements-invalid"),
    "two on one line": ("requests==2.32.3 httpx==0.28.1\n", "requirements-invalid"),
    "what a merge left": ("<<<<<<< HEAD\nrequests==2.32.3\n", "requirements-invalid"),
    "conda's form": ("numpy=2.3.0=py313h0\n", "requirements-invalid"),
    "a part of Python": ("os==1.0\n", "pip-no-version"),
    "the name of the import": ("cv2==4.11\n", "pip-no-version"),
    "a package for Windows": ("pywin32==306\n", "pip-no-version"),
    "what Debian's pip freeze adds": ("pkg-resources==0.0.0\n", "pip-no-version"),
    "a version of the publisher's index": ("torch==2.6.0+cu124\n", "pip-no-version"),
    "scikit-learn's wrong name": ("sklearn\n", "sklearn-deprecated"),
    "a friend of another pydantic": ("fastapi==0.99.1\npydantic==2.5.0\n", "pip-resolution-impossible"),
    "a starlette that is too old": ("fastapi==0.111.0\nstarlette==0.36.3\n", "pip-resolution-impossible"),
    "two versions": ("numpy==2.2.0\nnumpy==2.3.0\n", "pip-resolution-impossible"),
    "torch's friends of another age": (
        "--extra-index-url https://download.pytorch.org/whl/cpu\ntorch==2.6.0\ntorchvision==0.20.1\n",
        "pip-resolution-impossible",
    ),
    "a folder of conda's": ("attrs @ file:///home/conda/work/attrs\n", "requirements-local-file"),
    "no wheel and no source": (
        "--extra-index-url https://download.pytorch.org/whl/cpu\ntorch==2.0.1\n",
        "pip-wheel-build-failed",
    ),
}


@pytest.mark.parametrize(("lines", "code"), SURELY.values(), ids=SURELY)
def test_what_pip_certainly_refuses_is_an_error(lines, code, tmp_path):
    assert (code, Severity.ERROR) in found(tmp_path, FASTAPI + lines)


FINE = {
    "comments, blanks and continuations": "# a list\n\nrequests \\\n  ==2.32.3  # why\n",
    "extras and markers": "httpx[http2]==0.28.1 ; python_version >= '3.9' and sys_platform == 'linux'\n",
    "another case and separators": "Python_Multipart==0.0.20\nPyYAML==6.0.2\n",
    "options": "--index-url https://pypi.org/simple\n--prefer-binary\n-f https://example.com/wheels\n",
    "an option behind a requirement, which pip ignores": "orjson==3.11.0 -f https://example.com/wheels\n",
    "a semicolon without a marker": "orjson==3.11.0;\n",
    "an address": "git+https://example.com/greet.git@v1#egg=greet\n",
    "a named address": "greet @ git+https://example.com/greet.git@v1\n",
    "a wheel's address": "https://example.com/greet-1.0-py3-none-any.whl\n",
    "not for this Python": "dataclasses==0.8 ; python_version < '3.7'\nsqlite3 ; python_version < '2.5'\n",
    "not for this system": "pywin32==306 ; sys_platform == 'win32'\n",
    "a dependency twice": "anyio==4.9.0\nanyio==4.9.0\n",
    "Windows line ends": "anyio==4.9.0\r\nidna==3.10\r\n",
}


@pytest.mark.parametrize("lines", FINE.values(), ids=FINE)
def test_what_pip_takes_gives_nothing(lines, tmp_path):
    assert set() == found(tmp_path, FASTAPI + lines)


def test_an_old_form_of_version_is_only_a_warning_because_older_pips_take_it(tmp_path):
    assert {("requirements-invalid", Severity.WARNING)} == found(tmp_path, FASTAPI + "anyio>=4.0,<5.*\n")


def test_a_command_that_may_fail_makes_a_warning(tmp_path):
    install = (INSTALL, f"{INSTALL} || true")

    assert {("requirements-invalid", Severity.WARNING)} == found(tmp_path, FASTAPI + "a=1\n", Dockerfile=install)


def test_another_index_may_have_what_the_public_one_has_not(tmp_path):
    lines = "--extra-index-url https://packages.example.com/simple\n" + FASTAPI + "sqlite3==1.0\n"

    assert {("pip-no-version", Severity.WARNING)} == found(tmp_path, lines)


MAY_FAIL = {
    "made for NumPy 1": ("opencv-python-headless==4.8.1.78\n", ("3.13", "3.11"), "numpy-abi"),
    "an old friend of a werkzeug that is pinned": (
        "flask==2.0.3\nwerkzeug==3.0.4\n",
        ("3.13", "3.11"),
        "incompatible-packages",
    ),
    "an old friend of a new werkzeug": ("flask==2.0.3\n", ("3.13", "3.11"), "incompatible-packages"),
    "an old openai": ("openai==1.30.0\n", ("3.13", "3.11"), "incompatible-packages"),
    "no wheel for this Python": ("pandas==2.0.3\nnumpy==1.26.4\n", ("3.13", "3.12"), "pip-wheel-build-failed"),
    "windows": ("opencv-python==4.13.0.90\nnumpy==2.3.0\n", ("3.13", "3.12"), "libgl-missing"),
    "CUDA": ("torch==2.9.0\n", ("3.13", "3.12"), "torch-cuda-on-cpu"),
    "another package of that name": ("fitz==0.0.0\n", ("3.13", "3.12"), "pip-no-version"),
}


@pytest.mark.parametrize(("lines", "python", "code"), MAY_FAIL.values(), ids=MAY_FAIL)
def test_what_may_fail_is_a_warning(lines, python, code, tmp_path):
    assert {(code, Severity.WARNING)} == found(tmp_path, FASTAPI + lines, Dockerfile=python)


HELD = {
    "a ceiling": "opencv-python-headless==4.8.1.78\nnumpy<2\n",
    "a pin": "opencv-python-headless==4.8.1.78\nnumpy==1.26.4\n",
    "a package that asks for NumPy 1": "opencv-python-headless==4.8.1.78\nscipy==1.11.4\n",
}


@pytest.mark.parametrize("lines", HELD.values(), ids=HELD)
def test_numpy_is_left_alone_where_something_holds_it_back(lines, tmp_path):
    assert "numpy-abi" not in {code for code, _ in found(tmp_path, FASTAPI + lines, Dockerfile=("3.13", "3.11"))}


@pytest.mark.parametrize("package", ["libgl1", "ffmpeg", "python3-opencv"])
def test_a_system_package_may_bring_libgl(package, tmp_path):
    lines = FASTAPI + "opencv-python==4.11.0.86\nnumpy==2.3.0\n"
    apt = f"RUN apt-get update && apt-get install -y {package}\nRUN useradd"

    assert set() == found(tmp_path, lines, Dockerfile=("RUN useradd", apt))


def test_a_version_that_wants_a_newer_python_names_both(tmp_path):
    one = finding(tmp_path, FASTAPI + "numpy==2.3.0\n", "pip-no-version", Dockerfile=("3.13", "3.10"))

    assert "Version 2.3.0 of numpy wants Python 3.11, and the image has 3.10" == one.message
    assert "requirements.txt:3" == one.where


def test_gpu_hardware_wants_the_cuda_build(tmp_path):
    toml = 'repo_id = "acme/hello"\nhardware = "t4-small"\n'

    assert set() == found(tmp_path, FASTAPI + "torch==2.9.0\n", space_toml=toml)


@pytest.mark.parametrize("install", ["--extra-index-url https://download.pytorch.org/whl/cpu ", "--torch-backend cpu "])
def test_the_index_of_cpu_builds_may_stand_in_the_command(install, tmp_path):
    dockerfile = ("--no-cache-dir -r", f"{install}-r")

    assert set() == found(tmp_path, FASTAPI + "torch==2.9.0\n", Dockerfile=dockerfile)


def test_a_file_that_is_copied_too_late_is_missed_with_the_line_to_write(tmp_path):
    dockerfile = ("COPY --chown=user requirements.txt .\n", "")
    one = finding(tmp_path, FASTAPI, "requirements-missing", Dockerfile=dockerfile)

    assert Severity.ERROR == one.severity
    assert "Dockerfile:6" == one.where
    assert "Write COPY requirements.txt . above this line." == one.hint


PRESENT = {
    "at another place": ("COPY --chown=user requirements.txt .\nRUN pip install --no-cache-dir -r requirements.txt",
                         "COPY requirements.txt /tmp/r.txt\nRUN pip install -r /tmp/r.txt"),
    "mounted": ("COPY --chown=user requirements.txt .\nRUN pip",
                "RUN --mount=type=bind,source=requirements.txt,target=requirements.txt pip"),
    "made by a command": ("COPY --chown=user requirements.txt .\n", "RUN echo fastapi > requirements.txt\n"),
    "fetched": ("COPY --chown=user requirements.txt .\n", "ADD https://example.com/requirements.txt .\n"),
    "of another folder": ("COPY --chown=user requirements.txt .\nRUN pip install --no-cache-dir -r requirements.txt",
                          "COPY requirements.txt ./a/\nRUN cd a && pip install -r requirements.txt"),
}  # fmt: skip


@pytest.mark.parametrize("change", PRESENT.values(), ids=PRESENT)
def test_a_file_that_is_there_in_another_way_is_not_missed(change, tmp_path):
    assert ("requirements-missing", Severity.ERROR) not in found(tmp_path, FASTAPI, Dockerfile=change)


@pytest.mark.parametrize("made", [
    "echo fastapi > requirements.txt",
    "uv export --frozen --no-dev -o requirements.txt",
    "poetry export -f requirements.txt --output requirements.txt",
    "curl -fsSL -o requirements.txt https://example.com/all.txt",
])  # fmt: skip
def test_a_file_that_a_command_before_names_may_be_made_by_it(made, tmp_path):
    dockerfile = ("COPY --chown=user requirements.txt .\nRUN ", f"RUN {made} && ")

    assert "requirements-missing" not in {code for code, _ in found(tmp_path, FASTAPI, Dockerfile=dockerfile)}


FETCHED = {
    "cloned here": ("git clone https://github.com/acme/bot.git .", False),
    "cloned to a folder of its own": ("git clone https://github.com/acme/bot.git && cd bot", False),
    "cloned to a named folder": ("git clone --depth 1 https://github.com/acme/bot /srv/x && cd /srv/x", False),
    "unpacked": ("curl -fsSL https://example.com/bot.tar.gz | tar xz --strip-components=1", False),
    "cloned elsewhere": ("git clone https://github.com/acme/bot.git /opt/bot", True),
}


@pytest.mark.parametrize(("fetch", "is_missed"), FETCHED.values(), ids=FETCHED)
def test_a_file_may_come_with_a_folder_that_a_command_fetches(fetch, is_missed, tmp_path):
    dockerfile = ("COPY --chown=user requirements.txt .\nRUN ", f"RUN {fetch} && ")

    codes = {code for code, _ in found(tmp_path, FASTAPI, Dockerfile=dockerfile)}

    assert is_missed == ("requirements-missing" in codes)


def test_a_file_that_sed_is_to_change_must_be_there_before(tmp_path):
    dockerfile = ("COPY --chown=user requirements.txt .\nRUN ", "RUN sed -i /torch/d requirements.txt && ")

    assert ("requirements-missing", Severity.WARNING) in found(tmp_path, FASTAPI, Dockerfile=dockerfile)


def test_a_file_that_a_file_names_is_looked_for_beside_it(tmp_path):
    report = check(write(tmp_path, {"requirements.txt": "-r base.txt\n", "base.txt": "sklearn\n"}))
    copied = check(
        write(
            tmp_path / "both",
            {
                "requirements.txt": "-r base.txt\n",
                "base.txt": "sklearn\n",
                "Dockerfile": ("requirements.txt .", "*.txt ./"),
            },
        )
    )

    assert {"requirements-missing"} == {one.code for one in report.errors}
    assert [("sklearn-deprecated", "base.txt:1")] == [
        (one.code, one.where) for one in copied if one.code.startswith("sklearn")
    ]


def test_sklearn_is_mended_safely_and_only_where_it_stands_alone(tmp_path):
    one = finding(tmp_path, "fastapi==0.116.1  # web\nsklearn  # models\nuvicorn==0.35.0\n", "sklearn-deprecated")

    assert one.fix is not None and one.fix.safe
    assert {"requirements.txt": b"fastapi==0.116.1  # web\nscikit-learn  # models\nuvicorn==0.35.0\n"} == one.fix.files


def test_utf16_is_mended_to_the_same_text_in_utf8(tmp_path):
    one = finding(tmp_path, "fastapi==0.116.1\r\n# grün\r\n".encode("utf-16"), "requirements-utf16")

    assert one.fix is not None and one.fix.safe
    assert {"requirements.txt": "fastapi==0.116.1\n# grün\n".encode()} == one.fix.files


def test_unpinned_packages_are_one_finding_for_a_file(tmp_path):
    one = finding(tmp_path, "fastapi\nuvicorn[standard]\nhttpx==0.28.1\nidna<4\n", "requirements-unpinned")

    assert (Severity.INFO, "requirements.txt:1") == (one.severity, one.where)
    assert "2 of 4 packages may change with every build: fastapi, uvicorn" == one.message


def test_a_constraints_file_pins_too(tmp_path):
    files = {
        "requirements.txt": "-c pins.txt\nfastapi\nuvicorn\n",
        "pins.txt": FASTAPI,
        "Dockerfile": ("requirements.txt .", "*.txt ./"),
    }

    assert not check(write(tmp_path, files), select=["requirements-unpinned"]).findings


@given(st.one_of(st.binary(max_size=400), st.text(max_size=400).map(str.encode)))
@settings(max_examples=EXAMPLES)
def test_no_requirements_file_makes_the_check_fail(tmp_path_factory, content):
    check(write(tmp_path_factory.mktemp("any"), {"requirements.txt": content}))


PIECES = st.sampled_from(
    [
        *("fastapi", "==1.0", "\\\n", "\n", "-r ", "-e ", "--hash=sha256:0", " ; ", "python_version", "[", "]", "@ "),
        *(
            "a.txt",
            "${X}",
            "'",
            "#",
            "git+https://h/x#egg=y",
            "-",
            "\0",
            "é",
            "<2",
            ",",
            "pip install ",
            "--index-url=",
        ),
    ]
)


@given(st.lists(PIECES, max_size=40).map("".join))
@settings(max_examples=EXAMPLES)
def test_pieces_of_requirements_in_any_order_make_no_check_fail(tmp_path_factory, text):
    check(write(tmp_path_factory.mktemp("any"), {"requirements.txt": text, "a.txt": text}))
