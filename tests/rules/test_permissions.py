"""Users and what they may write: what surely fails, and the many ways in which it works."""

from __future__ import annotations

import pytest

from spaceops.findings import Severity
from spaceops.preflight import check
from spaceops.rules.examples import write

CODES = (
    "user-missing",
    "run-permission",
    "workdir-unreachable",
    "appdir-permission",
    "sqlite-readonly",
    "cache-permission",
    "matplotlib-cache",
    "model-cached-as-root",
    "tcache-deprecated",
)
USER = "FROM python:3.13-slim\nRUN useradd -m -u 1000 user\n"
CMD = 'CMD ["uvicorn", "main:app", "--host", "0.0.0.0", "--port", "7860"]\n'
INSTALL = "RUN pip install fastapi uvicorn\n"


def report(folder, dockerfile, **files):
    """What these rules say; `main` is the app, `requirements` its packages."""
    named = {"main": "main.py", "requirements": "requirements.txt", "space": "space.toml"}
    change = {"Dockerfile": dockerfile, **{named.get(name, name): text for name, text in files.items()}}
    return check(write(folder, change), select=CODES)


FAILS = {
    "nobody made the user": ("FROM python:3.13-slim\nUSER app", "user-missing"),
    "the user was removed": ("FROM node:22\nRUN userdel -r node\nUSER node", "user-missing"),
    "a folder at the top": (f"{USER}USER user\nRUN mkdir -p /data", "run-permission"),
    "a folder in root's": (f"{USER}WORKDIR /app\nUSER user\nRUN mkdir logs", "run-permission"),
    "below a copy of root's": (f"{USER}WORKDIR /app\nCOPY . .\nUSER 1000\nRUN mkdir -p /app/a/b", "run-permission"),
    "a file": (f"{USER}WORKDIR /srv/app\nUSER user\nRUN touch x", "run-permission"),
    "a redirection": (f"{USER}WORKDIR /app\nUSER user\nRUN echo x > conf.txt", "run-permission"),
    "chown": (f"{USER}WORKDIR /app\nCOPY . .\nUSER user\nRUN chown -R user:user /app", "run-permission"),
    "chmod": (f"{USER}WORKDIR /app\nUSER user\nRUN chmod -R 777 /app", "run-permission"),
    "useradd": (f"{USER}USER user\nRUN useradd -m other", "run-permission"),
    "npm for all": ("FROM node:22\nUSER node\nRUN npm install -g pnpm", "run-permission"),
    "npm in root's folder": ("FROM node:22\nWORKDIR /app\nCOPY . .\nUSER node\nRUN npm install", "run-permission"),
    "another user's home": (f"{USER}RUN useradd -m -u 1001 b\nUSER b\nRUN mkdir /home/user/x", "run-permission"),
    "no home": ("FROM python:3.13-slim\nRUN useradd app\nUSER app\nRUN mkdir -p /home/app/x", "run-permission"),
    "the mode of root's file": (f"{USER}WORKDIR /app\nCOPY . .\nUSER user\nRUN chmod +x main.py", "run-permission"),
}


@pytest.mark.parametrize(("dockerfile", "code"), FAILS.values(), ids=FAILS)
def test_what_is_certain_to_fail_is_an_error(dockerfile, code, tmp_path):
    found = report(tmp_path, dockerfile)

    assert [(code, Severity.ERROR)] == [(finding.code, finding.severity) for finding in found], found


RUNS = {
    "a number needs no user": "FROM python:3.13-slim\nUSER 1000",
    "a user of the distribution": "FROM python:3.13-slim\nUSER nobody",
    "a user of the image": "FROM node:22\nUSER node",
    "a group": f"{USER}USER user:user",
    "a user of an image of somebody": "FROM acme/base\nUSER app",
    "a user that a script makes": "FROM python:3.13-slim\nCOPY . .\nRUN ./setup.sh\nUSER app",
    "a user that is written into the list": "FROM python:3.13-slim\nRUN echo 'app:x:1:1::/:/bin/sh' >> /etc/passwd\n"
    "USER app",
    "a user that is copied": "FROM python:3.13-slim\nCOPY --from=acme/base /etc/passwd /etc/\nUSER app",
    "a user that a package brings": "FROM debian:trixie\nRUN apt-get update && apt-get install -y redis\nUSER redis",
    "adduser": "FROM python:3.12-slim\nRUN adduser --disabled-password --gecos '' app\nUSER app\nRUN mkdir ~/x",
    "adduser of Alpine": "FROM python:3.13-alpine\nRUN adduser -D app\nUSER app\nRUN mkdir /home/app/y",
    "one of several options": "FROM python:3\nRUN useradd -ms /bin/sh app\nUSER app\nRUN mkdir /home/app/y",
    "home": f"{USER}USER user\nRUN mkdir -p /home/user/a/b",
    "/tmp": f"{USER}USER user\nRUN mkdir -p /tmp/a && touch /tmp/a/x /dev/null > /dev/null",
    "the mode of one's own file": f"{USER}WORKDIR /app\nCOPY --chown=user . .\nUSER user\nRUN chmod +x main.py",
    "a user of an official image": "FROM php:8.4-fpm-alpine\nUSER www-data",
    "a link": f"{USER}WORKDIR /app\nCOPY --link --chown=user . /app\nUSER user\nRUN mkdir logs",
    "an archive": f"{USER}WORKDIR /app\nADD x.tar.gz /app\nUSER user\nRUN mkdir logs",
    "WORKDIR below USER is the user's": f"{USER}USER user\nWORKDIR /app\nRUN mkdir logs && touch logs/x",
    "COPY --chown makes the folder": f"{USER}COPY --chown=user . /app\nUSER user\nRUN mkdir /app/logs",
    "a number for the name": f"{USER}COPY --chown=1000:1000 . /app\nUSER user\nRUN mkdir /app/logs",
    "the name for a number": f"{USER}COPY --chown=user:user . /app\nUSER 1000\nRUN mkdir /app/logs",
    "chown -R": f"{USER}WORKDIR /app\nCOPY . .\nRUN chown -R user:user /app\nUSER user\nRUN mkdir logs",
    "chown by number": f"{USER}WORKDIR /app\nRUN chown -R 1000:1000 .\nUSER user\nRUN mkdir logs",
    "chown with a dot": f"{USER}WORKDIR /app\nRUN chown -R user.user /app\nUSER user\nRUN mkdir logs",
    "chown of a variable": f"{USER}ARG WHO\nWORKDIR /app\nRUN chown -R $WHO /app\nUSER user\nRUN mkdir logs",
    "chown of a group": f"{USER}WORKDIR /app\nRUN chgrp -R user /app && chmod -R g+w /app\nUSER user\nRUN mkdir logs",
    "chown in a loop": f"{USER}WORKDIR /app\nRUN for f in /app /x; do chown user $f; done\nUSER user\nRUN mkdir logs",
    "chmod 777": f"{USER}WORKDIR /app\nRUN chmod -R 777 /app\nUSER user\nRUN mkdir logs",
    "chmod a+rwX": f"{USER}WORKDIR /app\nRUN chmod a+rwX /app\nUSER user\nRUN mkdir logs",
    "chmod of the group": f"{USER}WORKDIR /app\nRUN chmod -R 775 /app\nUSER user\nRUN mkdir logs",
    "mkdir with a mode": f"{USER}RUN mkdir -m 777 /data\nUSER user\nRUN mkdir /data/x",
    "install": f"{USER}RUN install -d -o user /data\nUSER user\nRUN mkdir /data/x",
    "a script": f"{USER}WORKDIR /app\nCOPY . .\nRUN ./setup.sh\nUSER user\nRUN mkdir logs",
    "the folder is there": f"{USER}RUN mkdir -p /data\nUSER user\nRUN mkdir -p /data",
    "allowed to fail": f"{USER}USER user\nRUN mkdir /data || true",
    "sudo": f"{USER}USER user\nRUN sudo mkdir /data",
    "root again": f"{USER}USER user\nUSER root\nRUN mkdir /data\nUSER user",
    "an image of somebody's": "FROM acme/base\nUSER 1000\nRUN mkdir /data",
    "a group's number 0": "FROM python:3.13-slim\nWORKDIR /app\nRUN chmod g+w /app\nUSER 1000\nRUN mkdir x",
    "npm with a prefix": "FROM node:22\nUSER node\nENV NPM_CONFIG_PREFIX=/home/node/.npm\nRUN npm i -g pnpm",
    "npm in one's own folder": "FROM node:22\nUSER node\nWORKDIR /app\nCOPY --chown=node . .\nRUN npm ci",
    "npm in one's home": "FROM node:22\nWORKDIR /home/node/app\nRUN chown node:node .\nUSER node\nRUN npm i",
    "pip": f"{USER}USER user\nRUN pip install fastapi && pip install --upgrade pip",
    "the start of a hundred Spaces": f"{USER}USER user\nENV PATH=/home/user/.local/bin:$PATH\nWORKDIR /app\n"
    f"COPY --chown=user . /app\nRUN mkdir -p /app/models && chmod -R 777 /app/models\n{CMD}",
    "root's home, opened": f"{USER}RUN chmod 755 /root\nWORKDIR /root/app\nUSER user\n{CMD}",
    "root's home for root": f"FROM python:3.13-slim\nWORKDIR /root/app\n{CMD}",
}


@pytest.mark.parametrize("dockerfile", RUNS.values(), ids=RUNS)
def test_what_may_work_gets_no_finding(dockerfile, tmp_path):
    found = report(tmp_path, dockerfile)

    assert not found.findings, found


ROOT_OWNED = f"FROM python:3.13-slim\n{INSTALL}WORKDIR /app\nCOPY . .\nRUN useradd -m -u 1000 user\nUSER user\n{CMD}"
APP = "import os, sqlite3\nfrom fastapi import FastAPI\n{}\napp = FastAPI()\n"
WRITES = {
    "a folder, at the import": ("os.makedirs('uploads', exist_ok=True)", "appdir-permission", "error"),
    "a folder, with pathlib": ("from pathlib import Path\nPath('uploads').mkdir()", "appdir-permission", "warning"),
    "a folder, later": ("def save():\n    os.makedirs('uploads')", "appdir-permission", "warning"),
    "a file": ("def save():\n    open('x.log', 'a').write('x')", "appdir-permission", "warning"),
    "a folder, by its full path": ("os.makedirs('/app/uploads')", "appdir-permission", "error"),
    "a folder that may fail": ("try:\n    os.mkdir('x')\nexcept OSError:\n    pass", "appdir-permission", "warning"),
    "a file that is there": ("def save():\n    open('x.json', 'w').write('x')", "appdir-permission", "warning"),
    "a database": ("def db():\n    return sqlite3.connect('hello.db')", "sqlite-readonly", "warning"),
}


@pytest.mark.parametrize(("code_lines", "code", "severity"), WRITES.values(), ids=WRITES)
def test_what_the_app_writes_into_roots_folder_is_found(code_lines, code, severity, tmp_path):
    found = report(tmp_path, ROOT_OWNED, main=APP.format(code_lines), **{"x.json": "{}"})

    assert [(code, severity)] == [(one.code, str(one.severity)) for one in found], found
    assert "root's /app" in found.findings[0].message
    assert "Put RUN chown user /app above USER user." == found.findings[0].hint


def test_what_gives_the_folder_to_the_user_is_proposed_and_mends_it(tmp_path):
    main = APP.format("os.makedirs('uploads')")

    (finding,) = report(tmp_path, ROOT_OWNED, main=main)

    assert finding.fix is not None
    assert not finding.fix.safe
    fixed = finding.fix.files["Dockerfile"].decode()
    assert ROOT_OWNED.replace("USER user", "RUN chown user /app\nUSER user") == fixed
    assert not report(tmp_path, fixed, main=main).findings


HARMLESS = {
    "reads": "open('x.json').read() if os.path.exists('x.json') else None",
    "in /tmp": "os.makedirs('/tmp/x', exist_ok=True)",
    "a path that is not known": "os.makedirs(os.environ.get('X', 'y'))",
    "in memory": "sqlite3.connect(':memory:')",
    "in a volume": "os.makedirs('/data/x', exist_ok=True)",
    "a folder that is there": "os.makedirs('static', exist_ok=True)",
}


@pytest.mark.parametrize("lines", HARMLESS.values(), ids=HARMLESS)
def test_what_the_app_may_write_gets_no_finding(lines, tmp_path):
    space = 'repo_id = "acme/hello"\n[[volumes]]\nsource = "hf://buckets/acme/x"\nmount = "/data"\n'

    found = report(tmp_path, ROOT_OWNED, main=APP.format(lines), space=space, **{"static/x.css": "x"})

    assert not found.findings, found


@pytest.mark.parametrize("start", ["CMD cd /tmp && uvicorn main:app", 'CMD ["sh", "start.sh"]'])
def test_where_the_app_may_run_in_another_folder_its_writing_is_no_error(start, tmp_path):
    dockerfile = ROOT_OWNED.replace(CMD, start)

    assert not report(tmp_path, dockerfile, main=APP.format("os.makedirs('uploads')")).errors


def test_an_app_that_runs_as_root_may_write_everywhere(tmp_path):
    dockerfile = f"FROM python:3.13-slim\n{INSTALL}WORKDIR /app\nCOPY . .\n{CMD}"

    assert not report(tmp_path, dockerfile, main=APP.format("os.makedirs('uploads')")).findings


def test_a_working_directory_that_the_user_cannot_enter_is_a_warning(tmp_path):
    found = report(tmp_path, f"{USER}WORKDIR /root/app\nUSER user\n{CMD}")

    assert [("workdir-unreachable", Severity.WARNING, 3)] == [(one.code, one.severity, one.line) for one in found]


CACHES = {
    "a number without a home": ("FROM python:3.13-slim\n{0}USER 1000\n", 1),
    "root's home": ("FROM python:3.13-slim\n{0}RUN useradd -m user\nENV HOME=/root\nUSER user\n", 1),
    "a user without a home": ("FROM python:3.13-slim\n{0}RUN useradd user\nUSER user\n", 1),
    "a user with a home": ("FROM python:3.13-slim\n{0}RUN useradd -m user\nUSER user\n", 0),
    "a number with a user": ("FROM python:3.13-slim\n{0}RUN useradd -m -u 1000 user\nUSER 1000\n", 0),
    "HF_HOME": ("FROM python:3.13-slim\n{0}ENV HF_HOME=/tmp/hf\nUSER 1000\n", 0),
    "HOME that may be written": ("FROM python:3.13-slim\n{0}ENV HOME=/tmp\nUSER 1000\n", 0),
    "root": ("FROM python:3.13-slim\n{0}", 0),
    "an image of somebody": ("FROM acme/base\n{0}USER 1000\n", 0),
}


@pytest.mark.parametrize(("lines", "count"), CACHES.values(), ids=CACHES)
def test_a_cache_below_a_home_that_may_not_be_written_is_a_warning(lines, count, tmp_path):
    install = "RUN pip install fastapi uvicorn transformers\n"

    found = report(tmp_path, lines.format(install) + f"COPY . .\n{CMD}")

    assert [("cache-permission", Severity.WARNING)] * count == [(one.code, one.severity) for one in found], found


DOWNLOADS = {
    "the command": ("RUN hf download acme/x\n", 1),
    "its older name": ("RUN huggingface-cli download acme/x\n", 1),
    "code": ("RUN python -c \"from transformers import pipeline; pipeline('x')\"\n", 1),
    "into a folder": ("RUN hf download acme/x --local-dir /models\n", 0),
    "with HF_HOME": ("ENV HF_HOME=/models\nRUN hf download acme/x\n", 0),
    "with HF_HOME for the command": ("RUN HF_HOME=/models hf download acme/x\n", 0),
    "as the user": ("RUN useradd -m u\nUSER u\nRUN hf download acme/x\n", 0),
}


@pytest.mark.parametrize(("lines", "count"), DOWNLOADS.values(), ids=DOWNLOADS)
def test_a_model_that_root_downloads_is_not_found_by_the_user(lines, count, tmp_path):
    found = report(tmp_path, f"{USER.replace('user', 'one')}{lines}USER one\n")

    assert ["model-cached-as-root"] * count == [one.code for one in found], found


def test_a_variable_of_the_space_is_named_where_it_stands(tmp_path):
    space = 'repo_id = "acme/hello"\n\n[variables]\nTRANSFORMERS_CACHE = "/tmp/x"\n'

    (finding,) = report(tmp_path, f"{USER}USER user\n", space=space)

    assert ("tcache-deprecated", "space.toml:4") == (finding.code, finding.where)


def test_the_new_name_of_the_cache_is_proposed_in_its_line(tmp_path):
    dockerfile = f"{USER}USER user\nENV A=1 \\\n    TRANSFORMERS_CACHE=/tmp/x\n"

    (finding,) = report(tmp_path, dockerfile)

    assert finding.fix is not None
    assert not finding.fix.safe
    assert dockerfile.replace("TRANSFORMERS_CACHE", "HF_HOME") == finding.fix.files["Dockerfile"].decode()


def test_both_names_of_the_cache_are_fine(tmp_path):
    assert not report(tmp_path, f"{USER}USER user\nENV TRANSFORMERS_CACHE=/tmp/x HF_HOME=/tmp/x\n").findings
