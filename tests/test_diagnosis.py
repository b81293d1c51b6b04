"""From the evidence to the cause: which hits count, in which order, and what is never claimed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaceops.diagnosis import Diagnosis, conclude, diagnose
from spaceops.diagnosis.cases import Case, with_log
from spaceops.errors import BadInput
from spaceops.findings import Fault, Severity
from spaceops.observed import Runtime
from spaceops.preflight import context
from spaceops.rules.examples import write
from spaceops.symptoms import BY_STRUCTURE, Place, all_symptoms

EXAMPLES = int(os.environ.get("SPACEOPS_EXAMPLES", 20))
QUEUED = "===== Build Queued at 2026-01-31 21:54:36 / Commit SHA: d16a857 =====\n"
STARTED = "===== Application Startup at 2026-04-04 12:08:20 =====\n"
PIP = "--> RUN pip install -r requirements.txt\n"
NO_VERSION = "ERROR: Could not find a version that satisfies the requirement foo==9 (from versions: none)\n"
RESOLVER = "ERROR: ResolutionImpossible: for help visit https://pip.pypa.io\n"
PIP_FAILED = (
    '--> ERROR: process "/bin/sh -c pip install -r requirements.txt" did not complete successfully: exit code: 1\n'
)
BUILD = f"{QUEUED}--> FROM docker.io/library/python:3.13-slim@sha256:aa\nDONE 1s\n{PIP}{NO_VERSION}{PIP_FAILED}"
KEY_ERROR = (
    "Traceback (most recent call last):\n"
    '  File "/home/user/app/main.py", line 3, in <module>\n    KEY = os.environ["API_KEY"]\n'
    "KeyError: 'API_KEY'\n"
)
OWN = (
    "Traceback (most recent call last):\n"
    '  File "/home/user/app/main.py", line 5, in f\n    g()\n'
    "OddError: no such thing\n"
)
MISSING = KEY_ERROR.replace("KeyError: 'API_KEY'", "ModuleNotFoundError: No module named 'yaml'")
MAKE_FAILED = PIP_FAILED.replace("pip install -r requirements.txt", "make")
MISSED = "Job failed with exit code: 1. Reason: cache miss: [x]"
NO_MACHINE = "Scheduling failure: unable to schedule"
ENDED = {"stage": "RUNTIME_ERROR", "said": "Exit code: 1."}
WORK = "INFO: at work\n" * 100


def case(build: str = "", run: str = "", *, stage: str = "", said: str = "", **facts) -> Case:
    raw = {"stage": stage, **({"errorMessage": said} if said else {}), **facts.pop("raw", {})}
    found = Case("acme/hello", "acme/hello", runtime=Runtime.read(raw) if stage else None, **facts)
    for place, log in ((Place.BUILD, build), (Place.RUN, run)):
        found = with_log(found, place, [log.encode()]) if log else found
    return found


def told(*logs: str, **facts) -> Diagnosis:
    return conclude(case(*logs, **facts))


def codes(report: Diagnosis) -> list[str]:
    return [finding.code for finding in report]


@pytest.fixture
def files(tmp_path: Path):
    """The context of the good Space with changes."""
    return lambda **change: context(write(tmp_path, {name.replace("__", "."): text for name, text in change.items()}))


# which cause, in which order


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        ({"build": BUILD}, ["pip-no-version"]),
        ({"build": BUILD, "stage": "BUILD_ERROR", "said": MISSED}, ["pip-no-version"]),
        ({"build": f"{QUEUED}{PIP}{NO_VERSION}DONE 1s\n--> RUN make\n{MAKE_FAILED}"}, ["build-step-failed"]),
        ({"build": f"{QUEUED}{PIP}{NO_VERSION}DONE 1s\n--> Pushing image\nDONE 1s\n"}, []),
        ({"build": f"{QUEUED}{PIP}{NO_VERSION}--> Pushing image\n", "stage": "BUILD_ERROR"}, ["pip-no-version"]),
        ({"build": f"{QUEUED}{PIP}--> Pushing image\n{NO_VERSION}"}, ["pip-no-version"]),
        ({"build": BUILD + STARTED + MISSING}, ["pip-no-version"]),
        ({"build": f"{QUEUED}{PIP}--> Pushing image\n{STARTED}{MISSING}"}, ["module-not-found"]),
        ({"build": BUILD, "run": STARTED + KEY_ERROR}, ["pip-no-version"]),
        ({"build": BUILD, "run": STARTED + KEY_ERROR, **ENDED}, ["missing-secret"]),
        ({"run": STARTED + OWN}, ["app-crashed"]),
        ({"run": STARTED + OWN + WORK}, []),
        ({"run": STARTED + MISSING + WORK + KEY_ERROR}, ["missing-secret", "module-not-found"]),
        ({"stage": "RUNTIME_ERROR", "said": f"Exit code: 1. Reason: {KEY_ERROR}"}, ["missing-secret"]),
        (ENDED, ["app-exited"]),
        ({"stage": "RUNTIME_ERROR", "said": "Exit code: ?. Reason: "}, []),
        ({**ENDED, "said": NO_MACHINE, "run": STARTED + OWN + WORK}, ["scheduling-failure"]),
        ({"stage": "BUILDING", "build": QUEUED}, ["stuck-build-queued"]),
        ({"stage": "BUILDING", "build": QUEUED + PIP}, []),
        ({"stage": "RUNNING", "run": STARTED + WORK}, []),
        ({"stage": "RUNNING", "head": "2" * 40, "raw": {"sha": "1" * 40}}, ["stale-build"]),
        ({"stage": "RUNNING", "head": "1" * 40, "raw": {"sha": "1" * 40}}, []),
        ({"stage": "APP_STARTING", "app_answers": 404}, ["stuck-starting"]),
        ({"stage": "APP_STARTING", "app_answers": 503}, []),
        ({"stage": "SOMETHING_NEW"}, []),
    ],
    ids=lambda value: ", ".join(value) or "nothing" if isinstance(value, list) else "",
)
def test_the_cause_comes_first_and_no_other_is_made_up(facts, wanted):
    assert wanted == codes(told(**facts))


def test_what_has_no_symptom_is_documented_too():
    facts = [{"build": f"{QUEUED}{MAKE_FAILED}"}, {"run": STARTED + OWN}, ENDED, {"stage": "BUILDING", "build": QUEUED}]
    facts += [{"stage": "APP_STARTING", "app_answers": 404}]
    facts += [{"stage": "RUNNING", "head": "2" * 40, "raw": {"sha": "1" * 40}}]

    assert set(BY_STRUCTURE) == {code for one in facts for code in codes(told(**one))}


def test_a_cause_stands_for_what_comes_of_it():
    gunicorn = f"{MISSING}[ERROR] Worker (pid:7) exited with code 3\n[ERROR] Reason: Worker failed to boot.\n"
    (finding,) = told(run=f"{STARTED}[INFO] Starting gunicorn 21.2.0\n{gunicorn}")

    assert ("module-not-found", ("worker-failed-to-boot",)) == (finding.code, finding.explains)


def test_what_an_app_got_over_is_no_more_than_a_warning():
    running = told(run=STARTED + MISSING, stage="RUNNING")
    building = told(QUEUED + PIP + NO_VERSION, stage="BUILDING")
    dead = told(run=STARTED + MISSING + WORK + KEY_ERROR)

    assert [Severity.WARNING] * 2 == [finding.severity for report in (running, building) for finding in report]
    assert [Severity.ERROR, Severity.WARNING] == [finding.severity for finding in dead]


def test_every_finding_says_whose_fault_it_is_and_proves_it():
    (finding,) = told(BUILD)

    assert Fault.YOURS is finding.fault
    assert (PIP.strip(), NO_VERSION.strip(), PIP_FAILED.strip()) == finding.evidence
    assert "foo==9" in finding.message


def test_without_a_known_cause_the_lines_that_tell_most_are_shown():
    report = told(run=f"{STARTED}loading\nERROR: the frobnicator is out of sorts\nbye\n")

    assert ([], "no findings") == (codes(report), report.summary[-12:-1])
    assert "none is made up" in report.notes[0]
    assert report.notes[1].endswith("\n  | ERROR: the frobnicator is out of sorts")


def test_a_step_that_nobody_knows_is_told_with_its_command_status_and_last_lines():
    failed = MAKE_FAILED.replace("make", "frobnicate --all").replace("code: 1", "code: 42")
    log = f"{QUEUED}--> RUN frobnicate --all\nwhirr\n{failed}"
    (finding,) = told(log)

    assert "The command `frobnicate --all` failed with exit status 42" in finding.message
    assert "whirr" in finding.evidence


def test_a_crash_that_nobody_knows_is_told_with_its_place():
    (finding,) = told(run=STARTED + OWN)

    assert ("/home/user/app/main.py:5", "OddError: no such thing") == (finding.where, finding.evidence[-1])
    assert "The app ended with OddError: no such thing" in finding.message


def test_a_crash_tells_what_it_comes_of():
    chain = (
        OWN + "\nThe above exception was the direct cause of the following exception:\n\n" + OWN.replace("Odd", "Even")
    )
    (finding,) = told(run=STARTED + chain)

    assert "ended with EvenError" in finding.message
    assert "it came of OddError: no such thing" in finding.message


# what the files add


def test_the_line_of_the_dockerfile_is_named(files):
    failed = PIP_FAILED.replace("pip install -r", "pip install --no-cache-dir -r")
    log = f"{QUEUED}{PIP.replace('install', 'install --no-cache-dir')}{NO_VERSION}{failed}"

    assert ["Dockerfile:7"] == [finding.where for finding in told(log, files=files())]


def test_a_place_in_the_code_is_named_by_its_path_in_the_space(files):
    assert ["main.py:5"] == [finding.where for finding in told(run=STARTED + OWN, files=files())]


@pytest.mark.parametrize(
    ("module", "change", "words"),
    [
        ("yaml", {}, "requirements.txt: pyyaml"),
        ("frobnicate_all", {}, "frobnicate-all (look on pypi.org"),
        ("models.load", {"src/models/load.py": ""}, "ENV PYTHONPATH=/the/folder/of/models"),
    ],
)
def test_a_missing_module_is_named_as_pip_knows_it(files, module, change, words):
    log = STARTED + MISSING.replace("yaml", module)
    (finding,) = told(run=log, files=files(**change))

    assert words.lower() in finding.hint.lower()


@pytest.mark.parametrize(
    ("variables", "secrets", "words"),
    [
        ((), (), "spaceops secrets set acme/hello API_KEY"),
        ((), ("API_KEY",), "spaceops restart acme/hello"),
        (("Api_Key",), (), "Read Api_Key in the code"),
        ((), ("APIKEY",), "Read APIKEY in the code"),
    ],
)
def test_a_missing_secret_is_compared_with_the_settings(variables, secrets, words):
    facts = {"variables": frozenset(variables), "secrets": frozenset(secrets)}
    (finding,) = told(run=STARTED + KEY_ERROR, **facts)

    assert words in finding.hint


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"Conf.json": "{}"}, "copy-source-missing", "named Conf.json"),
        ({"app/conf.json": "{}"}, "copy-source-missing", "It lies at app/conf.json"),
        ({"conf.json": "{}", "__dockerignore": "*.json\n"}, "dockerignore-excludes", "!conf.json"),
        ({}, "copy-source-missing", "Push the file"),
    ],
)
def test_why_copy_does_not_find_a_file_is_told(files, change, code, words):
    log = (
        f'{QUEUED}--> COPY conf.json .\n--> ERROR: failed to calculate checksum of ref 1::2: "/conf.json": not found\n'
    )
    (finding,) = told(log, files=files(**change))

    assert (code, True) == (finding.code, words in f"{finding.message} {finding.hint}")


LATE = {"stage": "RUNTIME_ERROR", "said": "Launch timed out, workload was not healthy after 30 min"}
LISTENS = STARTED + "INFO:     Uvicorn running on http://{} (Press CTRL+C to quit)\n"


@pytest.mark.parametrize(
    ("log", "command", "code", "words"),
    [
        (LISTENS.format("127.0.0.1:7860"), "7860", "bind-loopback", "127.0.0.1 only"),
        (LISTENS.format("0.0.0.0:8000"), "8000", "port-mismatch", "listens on port 8000"),
        (STARTED + "loading\n", "8000", "app-port-mismatch", "listens on port 8000"),
        (LISTENS.format("0.0.0.0:7860"), "7860", "launch-timeout", "the server began too late"),
        (STARTED + "loading\n", "7860", "launch-timeout", "no line of the log says that a server listens"),
    ],
)
def test_why_nothing_answered_in_time_is_seen_in_the_log_and_in_the_files(files, log, command, code, words):
    report = told(run=log, files=files(Dockerfile=('"7860"', f'"{command}"')), **LATE)

    assert [code] == codes(report)
    assert words in report.findings[0].message
    assert code == "launch-timeout" or "launch-timeout" in report.findings[0].explains
    assert ("Dockerfile:9" == report.findings[0].where) == (command == "8000")


@pytest.mark.parametrize(
    "log",
    [LISTENS.format("0.0.0.0:7860"), LISTENS.format("0.0.0.0:8000") + "Uvicorn running on http://0.0.0.0:7860\n"],
    ids=["the right port", "another one too"],
)
def test_a_server_on_the_right_port_is_no_failure(log):
    assert [] == codes(told(run=log))


@pytest.mark.parametrize(
    "log",
    [
        LISTENS.format("0.0.0.0:8000"),
        LISTENS.format("127.0.0.1:7860"),
        'INFO:     10.16.1.2:5023 - "HEAD / HTTP/1.1" 405 Method Not Allowed\n',
    ],
)
def test_of_an_app_that_is_up_nothing_keeps_it_from_being_ready(log):
    assert [] == codes(told(run=log, stage="RUNNING"))


# what the log is kept from showing


def test_no_credential_is_shown_of_any_log():
    token, password = "hf_" + "Ab1" * 12, "hunter2-hunter2"
    own = OWN.replace("no such thing", f"401 for {token}").replace(
        "g()", f'connect("postgres://me:{password}@db.example.com/x")'
    )
    report = told(run=STARTED + own)

    assert "[REDACTED" in str(report)
    for shown in (str(report), report.as_markdown(), json.dumps(report.as_dict()), report._repr_html_()):
        assert token not in shown
        assert password not in shown


def test_nothing_that_a_terminal_obeys_is_shown():
    assert "\x1b" not in str(told(run=f"{STARTED}{OWN.replace('no such', chr(27) + '[31mno' + chr(27) + 'c')}"))


# saved files


def test_saved_files_are_enough(tmp_path):
    (tmp_path / "build.log").write_text(BUILD)
    (tmp_path / "runtime.json").write_text(json.dumps({"stage": "BUILD_ERROR", "errorMessage": "Job failed"}))

    report = diagnose(build_log=tmp_path / "build.log", runtime=tmp_path / "runtime.json")

    assert (["pip-no-version"], "BUILD_ERROR") == (codes(report), report.case.stage)


@pytest.mark.parametrize(
    "saved",
    [
        {"stage": "RUNTIME_ERROR", "errorMessage": NO_MACHINE},
        {"id": "a/b", "sha": "1" * 40, "runtime": {"stage": "RUNTIME_ERROR", "errorMessage": NO_MACHINE}},
        {"stage": "RUNTIME_ERROR", "error_message": NO_MACHINE, "running_sha": None, "sha": "1" * 40},
        {"stage": "RUNTIME_ERROR", "errorMessage": NO_MACHINE, "hardware": "x", "domains": [1], "volumes": {}},
    ],
    ids=["runtime", "the whole Space", "spaceops status", "of odd types"],
)
def test_a_saved_runtime_is_read_in_each_form(tmp_path, saved):
    (tmp_path / "runtime.json").write_text(json.dumps(saved))

    assert ["scheduling-failure"] == codes(diagnose(runtime=tmp_path / "runtime.json"))


@pytest.mark.parametrize("saved", ["", "[]", "{}", '{"stage": 3}', "no JSON", "[" * 100_000])
def test_what_is_no_runtime_is_told(tmp_path, saved):
    (tmp_path / "runtime.json").write_text(saved)

    with pytest.raises(BadInput, match=r"runtime\.json"):
        diagnose(runtime=tmp_path / "runtime.json")


@pytest.mark.parametrize("subject", [None, "acme/hello"])
def test_without_logs_and_without_a_hub_there_is_nothing_to_diagnose(subject):
    with pytest.raises(BadInput, match="nothing to diagnose"):
        diagnose(subject)


def test_a_folder_beside_saved_logs_tells_more(tmp_path):
    log = tmp_path / "run.log"
    log.write_text(STARTED + OWN)

    (finding,) = diagnose(write(tmp_path / "app", {}), run_log=log)

    assert "main.py:5" == finding.where


# properties


@given(st.binary(max_size=3000), st.binary(max_size=3000), st.text(max_size=300))
@settings(max_examples=EXAMPLES)
def test_no_log_makes_it_crash(build, run, said):
    found = case(stage="RUNTIME_ERROR", said=said)
    for place, log in ((Place.BUILD, build), (Place.RUN, run)):
        found = with_log(found, place, [log])

    assert str(conclude(found))


LINES = [example for those in all_symptoms().values() for symptom in those for example in symptom.examples]
LINES += [QUEUED, STARTED, PIP, PIP_FAILED, KEY_ERROR, OWN, WORK]


@given(st.lists(st.sampled_from(LINES), max_size=25), st.sampled_from(["", "RUNNING", "BUILD_ERROR", "RUNTIME_ERROR"]))
@settings(max_examples=EXAMPLES)
def test_whatever_comes_together_each_code_is_told_once_and_errors_first(lines, stage):
    report = told("\n".join(lines), stage=stage)
    found = codes(report)
    ranks = [list(Severity).index(finding.severity) for finding in report]

    assert len(found) == len(set(found))
    assert ranks == sorted(ranks)
    assert not set(found) & {code for finding in report for code in finding.explains}
