"""space.toml against what the app asks for, what the Hub does, and what it costs."""

from __future__ import annotations

import pytest

from spaceops.preflight import check
from spaceops.rules.examples import GOOD, write

CODES = [
    "space-name-invalid",
    "missing-secret",
    "health-path-missing",
    "hub-write-no-token",
    "data-lost",
    "storage-removed",
    "hardware-unused",
    "never-sleeps",
    "no-cost-limit",
    "sleep-time-ignored",
    "variable-of-the-hub",
    "ignore-without-effect",
]
HUB = {"requirements.txt": GOOD["requirements.txt"] + "huggingface_hub==0.30.0\n"}


def found(folder, change):
    return [finding for finding in check(write(folder, change)) if finding.code in CODES]


def codes(folder, change):
    return [finding.code for finding in found(folder, change)]


def app(*lines: str, inside: str = "") -> dict[str, str]:
    """An app that does something when it is imported, and something when it is asked."""
    text = GOOD["main.py"].replace("app = FastAPI()", "\n".join([*lines, "", "app = FastAPI()"]))
    return {"main.py": text.replace('    return {"hello"', f'    {inside or "pass"}\n    return {{"hello"')}


def spec(text: str) -> dict[str, str]:
    return {"space.toml": f'repo_id = "acme/hello"\n{text}\n'}


KEY = ("import os", 'KEY = os.environ["WEATHER_API_KEY"]')


@pytest.mark.parametrize(
    ("change", "severities"),
    [
        (app(*KEY), ["warning"]),
        (app("import os", 'KEY = os.getenv("WEATHER_API_KEY")'), ["info"]),
        (app("import os", 'REGION = os.environ["REGION"]'), ["warning"]),
        (app("import os", inside='os.environ["REGION"]'), ["warning"]),
        (app("import os", 'KEY = os.getenv("WEATHER_API_KEY", "")'), []),
        (app("import os", 'REGION = os.getenv("REGION")'), []),
        (app("import os", 'ID = os.environ["SPACE_ID"]', 'HOME = os.environ["HOME"]'), []),
        (app("import os", 'os.environ["REGION"] = "eu"', 'print(os.environ["REGION"])'), []),
        (app("import os", 'if os.environ.get("REGION"):', '    print(os.environ["REGION"])'), []),
        (app(*KEY) | spec('[secrets]\nWEATHER_API_KEY = "env:WEATHER_API_KEY"'), []),
        (app(*KEY) | spec('[variables]\nWEATHER_API_KEY = "none"'), []),
        (app(*KEY) | {"Dockerfile": GOOD["Dockerfile"].replace("ENV ", "ENV WEATHER_API_KEY= ")}, []),
        (app(*KEY) | {"space.toml": None}, ["info"]),
        (app("import os", 'KEY = os.getenv("WEATHER_API_KEY")') | {"space.toml": None}, []),
        ({"unused.py": 'import os\nos.environ["REGION"]\n'}, []),
        (
            app("import os", 'ID = os.environ["OAUTH_CLIENT_ID"]')
            | {"README.md": GOOD["README.md"].replace("sdk: docker", "sdk: docker\nhf_oauth: true")},
            [],
        ),
    ],
)
def test_a_variable_that_nobody_sets(change, severities, tmp_path):
    findings = found(tmp_path, change)

    assert {"missing-secret"} >= {finding.code for finding in findings}
    assert severities == [finding.severity for finding in findings]


def test_a_missing_secret_is_named_with_the_line_to_write(tmp_path):
    (finding,) = found(tmp_path, app(*KEY))

    assert "main.py:6" == finding.where
    assert "needs the environment variable WEATHER_API_KEY" in finding.message
    assert finding.message.endswith("without it the app ends at its start")
    assert 'Write under [secrets] in space.toml WEATHER_API_KEY = "env:WEATHER_API_KEY".' == finding.hint


def test_each_name_is_told_once(tmp_path):
    assert ["missing-secret"] == codes(tmp_path, app(*KEY, KEY[1], inside=KEY[1]))


@pytest.mark.parametrize(
    ("path", "change", "is_found"),
    [
        ("/ready", {}, True),
        ("/ready?deep=1", {}, True),
        ("/", {}, False),
        ("/docs", {}, False),
        ("/ready", {"main.py": GOOD["main.py"].replace('get("/")', 'get("/ready")')}, False),
        ("/ready", {"main.py": GOOD["main.py"].replace('get("/")', 'get("/{name}")')}, False),
        ("/ready", {"main.py": GOOD["main.py"] + "\n\nadd_more(app)\n"}, False),
        ("/ready", {"Dockerfile": GOOD["Dockerfile"].replace("CMD [", 'CMD ["./start.sh", ')}, False),
    ],
)
def test_the_health_check_asks_for_a_path_that_there_is(path, change, is_found, tmp_path):
    assert ["health-path-missing"] * is_found == codes(tmp_path, spec(f'[health]\npath = "{path}"') | change)


UPLOAD = 'HfApi().upload_file(path_or_fileobj=b"", path_in_repo="x", repo_id="acme/log")'


@pytest.mark.parametrize(
    ("change", "is_found"),
    [
        (HUB | app("from huggingface_hub import HfApi", inside=UPLOAD), True),
        (HUB | app("from huggingface_hub import upload_folder", inside='upload_folder(folder_path="x")'), True),
        (HUB | app("from huggingface_hub import CommitScheduler", 'S = CommitScheduler(repo_id="a/b")'), True),
        (HUB | app("from huggingface_hub import HfApi", inside=UPLOAD) | spec('[secrets]\nHUB_TOKEN = "env:X"'), False),
        (HUB | app("from huggingface_hub import HfApi", inside=UPLOAD) | {"space.toml": None}, False),
        (HUB | app("from huggingface_hub import hf_hub_download", inside='hf_hub_download("a/b", "c")'), False),
        (app("import boto3", inside='boto3.client("s3").upload_file("x", "y", "z")'), False),
    ],
)
def test_who_uploads_needs_a_token(change, is_found, tmp_path):
    assert ["hub-write-no-token"] * is_found == codes(tmp_path, change)


@pytest.mark.parametrize(
    ("change", "severities"),
    [
        (app("import sqlite3", inside='sqlite3.connect("visits.db")'), ["warning"]),
        (app("import sqlite3", inside='sqlite3.connect("/data/visits.db")'), ["warning"]),
        (app("import sqlite3", inside='sqlite3.connect("visits.db")') | {"space.toml": None}, ["info"]),
        (app(inside='open("/data/log.txt", "a").write("x")'), ["warning"]),
        (app("import os", 'os.makedirs("/data/cache", exist_ok=True)'), ["warning"]),
        (spec('[variables]\nHF_HOME = "/data/hub"'), ["warning"]),
        (app("import sqlite3", inside='sqlite3.connect(":memory:")'), []),
        (app("import sqlite3", inside='sqlite3.connect("/tmp/visits.db")'), []),
        (app("import sqlite3", inside='sqlite3.connect("file:words.db?mode=ro", uri=True)'), []),
        (app(inside='open("/data/log.txt").read()'), []),
        (app("import os", inside='os.path.exists("/data")'), []),
        (
            app(inside='open("/data/log.txt", "a")')
            | spec('[[volumes]]\nsource = "hf://buckets/acme/state"\nmount = "/data"'),
            [],
        ),
        (
            app(inside='open("/data/log.txt", "a")')
            | spec('[[volumes]]\nsource = "hf://buckets/acme/state"\nmount = "/state"'),
            ["warning"],
        ),
    ],
)
def test_what_is_written_to_a_disk_that_is_not_kept(change, severities, tmp_path):
    findings = found(tmp_path, change)

    assert {"data-lost"} >= {finding.code for finding in findings}
    assert severities == [finding.severity for finding in findings]


def test_a_database_behind_sqlalchemy_is_a_file_too(tmp_path):
    change = app("from sqlalchemy import create_engine", 'ENGINE = create_engine("sqlite:///./visits.db")')
    change |= {"requirements.txt": GOOD["requirements.txt"] + "sqlalchemy==2.0.0\n"}
    (finding,) = found(tmp_path / "a", change)

    assert "./visits.db" in finding.message

    change["main.py"] = change["main.py"].replace("sqlite:///./visits.db", "postgresql://db/x")
    assert [] == codes(tmp_path / "b", change)


SLEEPS = 'sleep_time = "1h"\n[limits]\nmax_hourly_cost = 1'
CUDA = GOOD["Dockerfile"].replace("python:3.13-slim", "nvidia/cuda:12.6.3-runtime-ubuntu24.04")
TORCH = GOOD["requirements.txt"] + "torch==2.7.0\n"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (spec('hardware = "cpu-basic"'), []),
        (spec('hardware = "t4-small"\n' + SLEEPS), ["hardware-unused"]),
        (spec('hardware = "t4-small"\n' + SLEEPS) | {"requirements.txt": TORCH}, []),
        (
            spec('hardware = "t4-small"\n' + SLEEPS)
            | {"requirements.txt": f"--extra-index-url https://download.pytorch.org/whl/cpu\n{TORCH}"},
            ["hardware-unused"],
        ),
        (spec('hardware = "t4-small"\n' + SLEEPS) | {"requirements.txt": TORCH + "unheard-of-package\n"}, []),
        (spec('hardware = ["t4-small", "cpu-basic"]\n' + SLEEPS), []),
        (spec('hardware = "novel-gpu"\n' + SLEEPS), []),
        (spec('hardware = "cpu-basic"') | {"Dockerfile": CUDA}, ["hardware-unused"]),
        (spec("") | {"Dockerfile": CUDA}, []),
        (spec('hardware = "cpu-upgrade"'), ["never-sleeps", "no-cost-limit"]),
        (spec('hardware = "cpu-upgrade"\nsleep_time = "never"\n[limits]\nmax_hourly_cost = 1'), []),
        (spec('hardware = "cpu-basic"\nsleep_time = "1h"'), ["sleep-time-ignored"]),
        (spec('hardware = ["cpu-upgrade", "cpu-basic"]\n' + SLEEPS), []),
    ],
)
def test_hardware_and_what_it_costs(change, expected, tmp_path):
    assert expected == codes(tmp_path, change)


@pytest.mark.parametrize(
    ("name", "is_found"),
    [("SPACE_HOST", True), ("PATH", True), ("LD_PRELOAD", True), ("PORT", False), ("HOME", False), ("SPACES", False)],
)
def test_names_that_are_taken(name, is_found, tmp_path):
    assert ["variable-of-the-hub"] * is_found == codes(tmp_path, spec(f'[variables]\n{name} = "x"'))


def test_an_exception_that_is_needed_is_shown_with_its_reason_and_not_called_needless(tmp_path):
    report = check(
        write(tmp_path, spec('hardware = "cpu-basic"\nsleep_time = "1h"\n[ignore]\nsleep-time-ignored = "w"'))
    )

    assert () == report.findings
    assert [("sleep-time-ignored", "w")] == [(finding.code, reason) for finding, reason in report.ignored]


def test_an_exception_to_what_only_the_hub_knows_is_not_called_needless(tmp_path):
    assert [] == codes(tmp_path, spec('[ignore]\nstale-build = "we roll back often"'))


@pytest.mark.parametrize("repo_id", ["acme/hello", "acme/hello.gitter", "acme/git"])
def test_ordinary_names_are_taken(repo_id, tmp_path):
    assert [] == codes(tmp_path, {"space.toml": f'repo_id = "{repo_id}"\n'})
