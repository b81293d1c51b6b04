"""Failures as people save them: which cause comes first, and that an app that serves is not blamed."""

from __future__ import annotations

import pytest

from spaceops.diagnosis import Diagnosis, conclude
from spaceops.diagnosis.cases import Case, with_log
from spaceops.findings import Severity
from spaceops.observed import Runtime
from spaceops.symptoms import Place

TIMED_OUT = "Launch timed out, workload was not healthy after 30 min"
ENDED = "Exit code: 1. Reason: "
ASKED = 'INFO:     10.1.2.3:50000 - "GET / HTTP/1.1" 200 OK\n'
ASKED_INSIDE = 'INFO:     127.0.0.1:50000 - "GET / HTTP/1.1" 200 OK\n'
UVICORN = "INFO:     Uvicorn running on http://0.0.0.0:{} (Press CTRL+C to quit)\n"


def failed(command: str, status: int = 1) -> str:
    return f'--> ERROR: process "/bin/sh -c {command}" did not complete successfully: exit code: {status}\n'


def step(command: str, printed: str, status: int = 1) -> str:
    return f"===== Build Queued at 2026-01-31 21:54:36 / Commit SHA: d16a857 =====\n--> RUN {command}\n{printed}\n" + (
        failed(command, status)
    )


def told(build: str = "", run: str = "", said: str = "") -> Diagnosis:
    raw = {"stage": "RUNTIME_ERROR", "errorMessage": said}
    case = Case("acme/hello", "acme/hello", runtime=Runtime.read(raw) if said else None)
    for place, log in ((Place.BUILD, build), (Place.RUN, run)):
        case = with_log(case, place, [log.encode()]) if log else case
    return conclude(case)


def first(**logs: str) -> tuple[str, Severity | None]:
    finding = next(iter(told(**logs)), None)
    return (finding.code, finding.severity) if finding else ("", None)


BUILDS = [
    ("program-missing", "pip install -r r.txt", "ERROR: Cannot find command 'git' - do you have 'git' installed?"),
    ("file-missing", "chmod +x /srv/run.sh", "chmod: cannot access '/srv/run.sh': No such file or directory"),
    ("file-missing", "cp dist/index.html /srv", "cp: cannot stat 'dist/index.html': No such file or directory"),
    (
        "index-unreachable",
        "pip install flask",
        "WARNING: Retrying (Retry(total=0, connect=None)) after connection broken by 'NewConnectionError: [Errno -3] "
        "Temporary failure in name resolution': /simple/flask/\nERROR: No matching distribution found for flask",
    ),
    (
        "pip-no-version",
        "pip install -r r.txt",
        "WARNING: Retrying (Retry(total=4, connect=None)) after connection broken by 'ProtocolError': /simple/numpy/\n"
        "ERROR: No matching distribution found for nunpy",
    ),
    (
        "pip-no-version",
        "pip install a.whl",
        "ERROR: acme-1.0-cp39-cp39-win_amd64.whl is not a supported wheel on this platform.",
    ),
    (
        "requirements-invalid",
        "pip install -r r.txt",
        "ERROR: Could not install packages due to an OSError: [Errno 2] No such file or directory: '/croot/six/work'",
    ),
    (
        "project-files-missing",
        "pip install .",
        "OSError: Readme file does not exist: README.md\nerror: metadata-generation-failed",
    ),
    ("project-files-missing", "go build", "go: go.mod file not found in current directory or any parent directory"),
    (
        "header-missing",
        "cargo build",
        "Could not find directory of OpenSSL installation, and this crate cannot proceed",
    ),
    ("compile-error", "./gradlew build", "/src/Main.java:4: error: cannot find symbol"),
    ("compile-error", "./gradlew build", "e: file:///src/App.kt:3:1 Unresolved reference: get"),
    ("user-missing", "x", "--> ERROR: can't find uid for user app: no such user: app"),
]


@pytest.mark.parametrize(("code", "command", "printed"), BUILDS)
def test_the_cause_of_a_failed_step_comes_first(code: str, command: str, printed: str):
    assert (code, Severity.ERROR) == first(build=step(command, printed))


ENDS = [
    ("package-versions-conflict", "TypeError: Descriptors cannot not be created directly.\n"),
    ("database-unreachable", "ConfigurationError: The DNS query name does not exist: _mongodb._tcp.c0.mongodb.net.\n"),
    ("missing-secret", "start.sh: line 2: DB_URL: unbound variable\n"),
    ("missing-secret", "ImproperlyConfigured: Set the APP_KEY environment variable\n"),
    ("missing-secret", "2026/03/01 10:00:00 API_TOKEN is not set\nexit status 1\n"),
    (
        "missing-secret",
        '    limit = int(os.getenv("MAX_ROWS"))\nTypeError: int() argument must be a string, a bytes-like object or a '
        "real number, not 'NoneType'\n",
    ),
    ("missing-secret", "Error: Invalid environment variables\n    at x (/app/env.js:3:1)\n\nNode.js v22.1.0\n"),
    ("database-unreachable", "panic: failed to connect database\n\ngoroutine 1 [running]:\n"),
    ("database-unreachable", "dial tcp 10.0.0.1:5432: connect: connection refused\nexit status 1\n"),
    ("exec-not-found-crlf", "start.sh: line 2: $'\\r': command not found\n"),
    ("start-file-missing", "     error   Path does not exist main.py\n"),
    ("file-missing", "ValueError: Model path does not exist: /models/a.gguf\n"),
    ("migration-failed", "  FAILED: Multiple head revisions are present for given argument 'head'\n"),
    ("appdir-permission", "OSError: [Errno 30] Read-only file system: '/models/x'\n"),
    ("rate-limited-429", "HfHubHTTPError: 429 Client Error: Too Many Requests for url: https://huggingface.co/api/x\n"),
    ("bot-runs-twice", "telegram.error.Conflict: Conflict: terminated by other getUpdates request; only one\n"),
]


@pytest.mark.parametrize(("code", "run"), ENDS)
def test_what_an_app_dies_of_is_an_error_whatever_its_kind(code: str, run: str):
    assert (code, Severity.ERROR) == first(run=run, said=ENDED)


LISTENS = [
    (1337, "To access the server, go to:\nhttp://localhost:1337"),
    (5678, "n8n ready on ::, port 5678"),
    (8000, "uWSGI http bound on :8000 fd 4"),
    (8000, "INFO     Listening on TCP address 0.0.0.0:8000"),
    (3000, "[api] Running in production mode on port 3000"),
    (8080, "2026/03/01 10:00:00 books listening on :8080"),
    (8080, "[GIN-debug] Listening and serving HTTP on :8080"),
    (4000, "Playground ready at http://localhost:4000/graphql"),
    (
        8888,
        "[I 10:00:00 ServerApp] Jupyter Server 2.14.2 is running at:\n[I 10:00:00 ServerApp] http://x:8888/lab?token=a",
    ),
]


@pytest.mark.parametrize(("port", "line"), LISTENS)
def test_the_port_is_read_from_the_words_of_many_servers(port: int, line: str):
    finding = next(iter(told(run=f"{line}\n", said=TIMED_OUT)))

    assert ("port-mismatch", ("launch-timeout",)) == (finding.code, finding.explains)
    assert f"port {port}" in finding.message


@pytest.mark.parametrize(
    "line",
    ["Connected to the Redis server on port 6379", "waiting for http://localhost:8000/health", "metrics on port 9090"],
)
def test_a_port_that_is_asked_is_none_that_is_listened_on(line: str):
    assert "launch-timeout" == first(run=f"{line}\n", said=TIMED_OUT)[0]


SERVING = [
    UVICORN.format(8000) + ASKED,
    UVICORN.format("8000").replace("0.0.0.0", "127.0.0.1") + ASKED,
    "psycopg2.OperationalError: connection to server at \"db.acme.co\", port 5432 failed\n" + ASKED * 3,
    ASKED + "ERROR:    Exception in ASGI application\nTraceback (most recent call last):\n"
    '  File "/app/main.py", line 4, in predict\nIndexError: list index out of range\n',
    "ModuleNotFoundError: No module named 'xformers'\n" + UVICORN.format(7860),
]  # fmt: skip


@pytest.mark.parametrize("run", SERVING)
def test_a_log_alone_of_an_app_that_serves_shows_no_error(run: str):
    assert Severity.ERROR not in [finding.severity for finding in told(run=run)]


def test_requests_from_inside_do_not_show_that_the_space_serves():
    assert "port-mismatch" == first(run=UVICORN.format(8000) + ASKED_INSIDE)[0]


def test_an_app_that_served_and_then_ended_is_not_up():
    died = 'Traceback (most recent call last):\n  File "/app/a.py", line 4, in run\nValueError: no more rows\n'

    assert ("app-crashed", Severity.ERROR) == first(run=ASKED + died)


def test_of_a_log_alone_a_port_is_a_warning_because_nobody_says_what_readme_holds():
    assert ("port-mismatch", Severity.WARNING) == first(run=UVICORN.format(8000))
    assert ("port-mismatch", Severity.ERROR) == first(run=UVICORN.format(8000), said=TIMED_OUT)


def test_what_went_wrong_before_the_server_listened_is_not_the_cause():
    run = "ModuleNotFoundError: No module named 'xformers'\n" + UVICORN.format(8000)

    assert [("port-mismatch", Severity.ERROR), ("module-not-found", Severity.WARNING)] == [
        (finding.code, finding.severity) for finding in told(run=run, said=TIMED_OUT)
    ]


def test_the_words_of_the_hub_that_were_copied_with_the_log_count():
    page = "build error\nJob failed with exit code: 137\n\n===== Build Queued at 2026-01-31 21:54:36 =====\n\n"

    assert "build-oom-137" == first(build=f"{page}--> Pushing image\nDONE 8s\n\n--> Exporting cache\n")[0]


def test_an_exception_in_a_line_of_json_is_read():
    folded = (
        r'{"level": "error", "exception": "Traceback (most recent call last):\n  File \"/app/a.py\", line 2, in f\n'
    )
    folded += r"    k = os.environ['MAIL_KEY']\nKeyError: 'MAIL_KEY'"

    assert "missing-secret" == first(run=folded + '"}\n')[0]


def test_a_step_without_a_command_says_what_buildkit_said():
    (finding,) = told(build="--> ERROR: failed to prepare extraction snapshot: max depth exceeded\n")

    assert "max depth exceeded" in finding.message


@pytest.mark.parametrize(
    ("log", "words"), [(b"", "the run log is empty"), (bytes(range(128, 256)) * 9, "no readable text")]
)
def test_a_log_that_says_nothing_is_called_so(log: bytes, words: str):
    report = conclude(with_log(Case("acme/hello"), Place.RUN, [log]))

    assert not report.findings
    assert any(words in note for note in report.notes)
