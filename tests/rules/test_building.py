"""What RUN lines do: programs that are missing, users, servers, and what is gone with the next line."""

from __future__ import annotations

import pytest

from spaceops.findings import Severity
from spaceops.preflight import check
from spaceops.rules.examples import write

CODES = (
    "build-command-missing",
    "useradd-uid-taken",
    "gpu-at-build",
    "server-at-build",
    "run-without-effect",
    "playwright-path",
    "playwright-libraries",
    "build-oom-137",
    "build-no-space",
)
UPDATE = "RUN apt-get update && apt-get install -y"


def report(folder, dockerfile):
    """What these rules say of a Dockerfile."""
    return check(write(folder, {"Dockerfile": dockerfile}), select=CODES)


FAILS = {
    "curl": ("FROM python:3.13-slim\nRUN curl -fsSL https://x.example/y -o y", "build-command-missing"),
    "git with other packages": (
        f"FROM python:3.13-slim\n{UPDATE} curl ffmpeg\nRUN git clone https://x.example/y",
        "build-command-missing",
    ),
    "git for pip": (
        "FROM python:3.13-slim\nRUN pip install git+https://github.com/huggingface/transformers",
        "build-command-missing",
    ),
    "pip on node": ("FROM node:22-slim\nRUN pip install fastapi", "build-command-missing"),
    "npm on python": ("FROM python:3.13\nRUN npm install", "build-command-missing"),
    "sudo": ("FROM python:3.13\nRUN sudo chmod 777 /opt", "build-command-missing"),
    "useradd on Alpine": ("FROM python:3.13-alpine\nRUN useradd -m -u 1000 user", "build-command-missing"),
    "bash on Alpine": ("FROM node:22-alpine\nRUN bash setup.sh", "build-command-missing"),
    "make": ("FROM python:3.13-slim\nRUN make all", "build-command-missing"),
    "1000 on node": ("FROM node:22\nRUN useradd -m -u 1000 user", "useradd-uid-taken"),
    "1000 on Ubuntu": ("FROM ubuntu:24.04\nRUN useradd -ms /bin/bash -u1000 user", "useradd-uid-taken"),
    "1000 with adduser": (
        "FROM ubuntu:24.04\nRUN adduser --disabled-password --gecos '' --uid 1000 user",
        "useradd-uid-taken",
    ),
    "1000 on Alpine's node": ("FROM node:22-alpine\nRUN adduser -D -u 1000 user", "useradd-uid-taken"),
    "twice": (
        "FROM python:3.13-slim\nRUN useradd -u 1000 a\nRUN useradd --uid=1000 b",
        "useradd-uid-taken",
    ),
    "the same name": ("FROM node:22\nRUN useradd -m node", "useradd-uid-taken"),
    "nvidia-smi": ("FROM nvidia/cuda:12.8.1-runtime-ubuntu22.04\nRUN nvidia-smi && echo ok", "gpu-at-build"),
    "uvicorn": ("FROM python:3.13-slim\nRUN uvicorn main:app --port 7860", "server-at-build"),
    "a module": ("FROM python:3.13-slim\nRUN python -m http.server 7860", "server-at-build"),
    "streamlit": ("FROM python:3.13-slim\nRUN pip install streamlit && streamlit run app.py", "server-at-build"),
}


@pytest.mark.parametrize(("dockerfile", "code"), FAILS.values(), ids=FAILS)
def test_what_is_certain_to_fail_is_an_error(dockerfile, code, tmp_path):
    found = report(tmp_path, dockerfile)

    assert [(code, Severity.ERROR)] == [(finding.code, finding.severity) for finding in found], found


RUNS = {
    "a full image": "FROM python:3.13\nRUN git clone https://x.example/y && curl x && wget y && make",
    "an image of somebody": "FROM acme/base\nRUN git clone https://x.example/y",
    "installed with something that brings it": f"FROM python:3.13-slim\n{UPDATE} git-lfs\nRUN git clone https://x.example/y",
    "installed with something unknown": f"FROM python:3.13-slim\n{UPDATE} devscripts\nRUN curl x",
    "a compiler by its meta-package": f"FROM python:3.13-slim\n{UPDATE} build-essential\nRUN gcc x.c && make",
    "copied from another stage": "FROM node:22 AS node\nFROM python:3.13-slim\nCOPY --from=node /usr /usr\nRUN npm ci",
    "linked": "FROM python:3.13-slim\nRUN ln -s /opt/x/curl /usr/bin/curl && curl x",
    "asked for first": "FROM python:3.13-slim\nRUN if command -v git; then git pull; fi",
    "a pipe whose end decides": "FROM python:3.13-slim\nRUN curl x | cat",
    "installed by a script": "FROM python:3.13-slim\nRUN sh setup.sh\nRUN git pull",
    "removed before": "FROM ubuntu:24.04\nRUN userdel -r ubuntu\nRUN useradd -m -u 1000 user",
    "removed in the same line": "FROM ubuntu:24.04\nRUN userdel -r ubuntu && useradd -m -u 1000 user",
    "removed where it is there": "FROM node:22\nRUN userdel -r node || true\nRUN useradd -m -u 1000 user",
    "renamed": "FROM node:22\nRUN usermod -l user -d /home/user -m node && groupmod -n user node",
    "with -o": "FROM node:22\nRUN useradd -o -u 1000 user",
    "only where it is not there": "FROM node:20-slim\nRUN id -u 1000 >/dev/null 2>&1 || useradd -m -u 1000 user",
    "allowed to fail": "FROM node:22\nRUN useradd -m -u 1000 user || true",
    "another number": "FROM node:22\nRUN useradd -m -u 1001 user && useradd other",
    "no number": "FROM node:22\nRUN useradd -m user && useradd -r worker",
    "an older Ubuntu": "FROM ubuntu:22.04\nRUN useradd -m -u 1000 user",
    "a number that is not known": "FROM node:22\nARG UID\nRUN useradd -m -u $UID user",
    "a script that may have removed it": "FROM node:22\nCOPY . .\nRUN ./setup.sh\nRUN useradd -m -u 1000 user",
    "each stage has its own users": "FROM python:3.13-slim AS a\nRUN useradd -u 1000 user\n"
    "FROM python:3.13-slim\nCOPY --from=a /x /x\nRUN useradd -u 1000 user",
    "a server in the background": "FROM python:3.13\nRUN ollama serve & sleep 5 && ollama pull tinyllama",
    "a server that stops": "FROM python:3.13\nRUN timeout 10 uvicorn main:app || true",
    "a configuration that is looked at": "FROM python:3.13\nRUN gunicorn --check-config main:app",
    "a server that is installed": "FROM python:3.13\nRUN pip install uvicorn gunicorn",
    "nvidia-smi that may fail": "FROM python:3.13\nRUN nvidia-smi || echo none",
    "variables for the same line": "FROM python:3.13\nRUN export A=1 && pip install x",
    "a folder for the same line": "FROM python:3.13\nRUN cd /opt && pip install x",
    "a service for the same line": "FROM python:3.13\nRUN service postgresql start && psql -c 'create database x'",
    "sqlite": "FROM python:3.13-slim\nRUN python -c 'import sqlite3'",
}


@pytest.mark.parametrize("dockerfile", RUNS.values(), ids=RUNS)
def test_what_may_work_gets_no_finding(dockerfile, tmp_path):
    found = report(tmp_path, dockerfile)

    assert not found.findings, found


WARNS = {
    "torch in the build": ('RUN python -c "import torch; assert torch.cuda.is_available()"', "gpu-at-build", "warning"),
    "export alone": ("RUN export HF_HOME=/tmp/x", "run-without-effect", "warning"),
    "activation alone": ("RUN . /opt/venv/bin/activate", "run-without-effect", "warning"),
    "cd alone": ("RUN cd /opt/app", "run-without-effect", "info"),
    "a service": ("RUN service nginx start", "run-without-effect", "warning"),
    "flash-attn": ("RUN pip install flash-attn --no-build-isolation", "build-oom-137", "warning"),
    "llama.cpp": ("RUN python -m pip install llama-cpp-python==0.3.2", "build-oom-137", "warning"),
}


@pytest.mark.parametrize(("line", "code", "severity"), WARNS.values(), ids=WARNS)
def test_what_may_go_wrong_is_no_error(line, code, severity, tmp_path):
    found = report(tmp_path, f"FROM python:3.12\n{line}\n")

    assert [(code, severity, 2)] == [(one.code, str(one.severity), one.line) for one in found], found


HINTS = {
    "export": ("RUN export HF_HOME=/tmp/x", "Write ENV HF_HOME=/tmp/x"),
    "cd": ("RUN cd /opt/app", "Write WORKDIR /opt/app"),
    "activation": ("RUN . /opt/venv/bin/activate", "Write ENV PATH=/opt/venv/bin:$PATH"),
    "missing": ("RUN git pull", "Put RUN apt-get update && apt-get install -y git above this line."),
    "sudo": ("RUN sudo rm -rf /x", "Leave sudo out: the lines of a Dockerfile are root's until USER."),
}


@pytest.mark.parametrize(("line", "hint"), HINTS.values(), ids=HINTS)
def test_the_hint_is_the_line_to_write(line, hint, tmp_path):
    assert [hint] == [finding.hint for finding in report(tmp_path, f"FROM python:3.12-slim\n{line}\n")]


def test_a_wheel_of_its_own_index_is_not_compiled(tmp_path):
    line = "RUN pip install llama-cpp-python --extra-index-url https://abetlen.github.io/llama-cpp-python/whl/cpu"

    assert not report(tmp_path, f"FROM python:3.12\n{line}\n").findings


def test_the_taken_number_names_the_user_that_has_it(tmp_path):
    (finding,) = report(tmp_path, "FROM node:22-slim\nRUN useradd -m -u 1000 user\n")

    assert "useradd fails: node:22-slim has a user with the number 1000 already: node" == finding.message
    assert finding.hint.startswith("Take this line out and write USER node,")


def test_a_missing_program_is_said_once(tmp_path):
    found = report(tmp_path, "FROM python:3.13-slim\nRUN git clone a && git clone b\nRUN git pull\n")

    assert 1 == len(found.errors)
