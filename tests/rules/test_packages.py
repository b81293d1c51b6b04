"""What apt, apk and pip are told while an image is built: what surely fails, and what only looks like it."""

from __future__ import annotations

import pytest

from spaceops.findings import Severity
from spaceops.preflight import check
from spaceops.rules.examples import GOOD, write

CODES = (
    "apt-after-user",
    "apt-package-renamed",
    "apt-package-unknown",
    "apk-package-unknown",
    "apt-no-yes",
    "debian-eol-apt",
    "package-manager-missing",
    "externally-managed",
)
UPDATE = "RUN apt-get update && apt-get install -y"


def report(folder, dockerfile, **files):
    """What these rules say of a Dockerfile."""
    return check(write(folder, {"Dockerfile": dockerfile, **files}), select=CODES)


def codes(folder, dockerfile, **files):
    return [finding.code for finding in report(folder, dockerfile, **files)]


FAILS = {
    "the name of an older release": (f"FROM python:3.12\n{UPDATE} libgl1-mesa-glx", "apt-package-renamed"),
    "on Ubuntu 24.04": (f"FROM ubuntu:24.04\n{UPDATE} libasound2", "apt-package-renamed"),
    "with a version": (f"FROM python:3.13-slim\n{UPDATE} libtiff5=4.2.0-1", "apt-package-renamed"),
    "in a stage that is copied from": (
        f"FROM node:22-trixie AS web\n{UPDATE} netcat\nFROM python:3.13-slim\nCOPY --from=web /x /x",
        "apt-package-renamed",
    ),
    "in the stage that the last is made from": (
        f"FROM python:3.13-slim AS base\n{UPDATE} libncurses5\nFROM base\nRUN true",
        "apt-package-renamed",
    ),
    "by apt, over several lines": (
        "FROM python:3.13-slim\nRUN apt update && \\\n    apt install -y \\\n        curl \\\n        neofetch",
        "apt-package-renamed",
    ),
    "under set -e in a here-document": (
        "FROM python:3.13-slim\nRUN <<EOF\nset -e\napt-get update\napt-get install -y python3-distutils\nEOF",
        "apt-package-renamed",
    ),
    "given to bash": (
        'FROM python:3.13-slim\nRUN bash -c "apt-get update && apt-get install -y libssl1.1"',
        "apt-package-renamed",
    ),
    "a PPA's tool": (f"FROM python:3.13-slim\n{UPDATE} software-properties-common", "apt-package-unknown"),
    "Alpine's name": (f"FROM python:3.13-slim\n{UPDATE} build-base", "apt-package-unknown"),
    "another maker's package": (f"FROM node:22-bookworm-slim\n{UPDATE} google-chrome-stable", "apt-package-unknown"),
    "another Python": (f"FROM debian:bookworm\n{UPDATE} python3.10-dev", "apt-package-unknown"),
    "non-free": (f"FROM debian:trixie-slim\n{UPDATE} unrar", "apt-package-unknown"),
    "no lists": ("FROM python:3.13-slim\nRUN apt-get install -y ffmpeg", "apt-package-unknown"),
    "lists that were removed": (
        f"FROM python:3.13-slim\n{UPDATE} curl && rm -rf /var/lib/apt/lists/*\nRUN apt-get install -y git",
        "apt-package-unknown",
    ),
    "Debian's name on Alpine": ("FROM python:3.13-alpine\nRUN apk add build-essential", "apk-package-unknown"),
    "no -y": ("FROM python:3.13-slim\nRUN apt-get update && apt-get install git", "apt-no-yes"),
    "one q": ("FROM python:3.13-slim\nRUN apt-get update && apt-get install -q git", "apt-no-yes"),
    "after USER": (f"FROM python:3.13-slim\nUSER 1000\n{UPDATE} git", "apt-after-user"),
    "apk after USER": ("FROM node:22-alpine\nUSER node\nRUN apk add git", "apt-after-user"),
    "an archived release": (f"FROM python:3.7-buster\n{UPDATE} git", "debian-eol-apt"),
    "apt on Alpine": (f"FROM node:22-alpine\n{UPDATE} git", "package-manager-missing"),
    "apk on Debian": ("FROM python:3.13-slim\nRUN apk add --no-cache git", "package-manager-missing"),
    "apt on Fedora": (f"FROM fedora:42\n{UPDATE} git", "package-manager-missing"),
    "pip of Ubuntu": (f"FROM ubuntu:24.04\n{UPDATE} python3-pip\nRUN pip install fastapi", "externally-managed"),
    "pip of Debian, as a module": (
        f"FROM node:22-bookworm-slim\n{UPDATE} python3-pip\nRUN python3 -m pip install fastapi",
        "externally-managed",
    ),
    "pip of Ubuntu, with the PATH of a user": (
        f"FROM ubuntu:24.04\nENV PATH=/home/user/.local/bin:$PATH\n{UPDATE} python3-pip\nRUN pip install fastapi",
        "externally-managed",
    ),
    "pip of Debian for the user": (
        f"FROM debian:trixie\n{UPDATE} python3-pip\nRUN pip install --user fastapi",
        "externally-managed",
    ),
}


@pytest.mark.parametrize(("dockerfile", "code"), FAILS.values(), ids=FAILS)
def test_what_is_certain_to_fail_is_an_error(dockerfile, code, tmp_path):
    found = report(tmp_path, dockerfile)

    assert [(code, Severity.ERROR)] == [(finding.code, finding.severity) for finding in found], found


RUNS = {
    "the release has it": f"FROM python:3.12-bookworm\n{UPDATE} libgl1-mesa-glx software-properties-common",
    "it is virtual, and one package provides it": f"FROM python:3.13-slim\n{UPDATE} libglib2.0-0 libasound2 git-core",
    "no release is known": f"FROM debian:sid\n{UPDATE} libgl1-mesa-glx",
    "an image of somebody": f"FROM ghcr.io/acme/base\nRUN apt-get install libgl1-mesa-glx\n{UPDATE} unrar",
    "a failure is allowed": f"FROM python:3.13-slim\n{UPDATE} libgl1-mesa-glx || true",
    "a second try": f"FROM python:3.13-slim\n{UPDATE} libgl1-mesa-glx || apt-get install -y libgl1",
    "what follows decides": "FROM python:3.13-slim\nRUN apt-get update; apt-get install -y libtiff5; echo done",
    "a condition": "FROM python:3.13-slim\nRUN if [ -f x ]; then apt-get update && apt-get install netcat; fi",
    "a stage that nobody needs": f"FROM python:3.13-slim AS old\n{UPDATE} netcat\nFROM python:3.13-slim\nRUN true",
    "NVIDIA's own packages": f"FROM nvidia/cuda:12.8.1-base-ubuntu22.04\n{UPDATE} libcudnn8 cuda-toolkit",
    "the sources of somebody's image": f"FROM mcr.microsoft.com/playwright:v1-noble\n{UPDATE} google-chrome-stable",
    "a repository was added": "FROM python:3.13-slim\n"
    "RUN echo 'deb http://deb.debian.org/debian bookworm main' > /etc/apt/sources.list.d/old.list\n"
    f"{UPDATE} software-properties-common",
    "sources were copied": f"FROM python:3.13-slim\nCOPY sources.list /etc/apt/sources.list\n{UPDATE} unrar",
    "sources were edited": "FROM debian:trixie\nRUN sed -i 's/main/main contrib non-free/' "
    f"/etc/apt/sources.list.d/debian.sources\n{UPDATE} unrar nvidia-driver",
    "a script of somebody": "FROM ubuntu:22.04\nRUN apt-get update && apt-get install -y curl && "
    "curl -fsSL https://deb.nodesource.com/setup_20.x | bash - && apt-get install -y nodejs docker-ce",
    "a PPA": "FROM ubuntu:22.04\nRUN apt-get update && apt-get install -y software-properties-common && "
    f"add-apt-repository -y ppa:deadsnakes/ppa\n{UPDATE} python3.13",
    "a file": f"FROM python:3.13-slim\nCOPY x.deb /tmp/x.deb\n{UPDATE} /tmp/x.deb ./y.deb",
    "a variable": f"FROM python:3.13-slim\nARG PACKAGES\n{UPDATE} $PACKAGES",
    "it is removed": f"FROM python:3.13-slim\n{UPDATE} git netcat-",
    "an old release from its archive": "FROM python:3.7-buster\n"
    "RUN sed -i s/deb.debian.org/archive.debian.org/ /etc/apt/sources.list && apt-get update && apt-get install -y git",
    "an archived release without apt": "FROM python:3.7-buster\nRUN pip install fastapi",
    "lists of an earlier line": "FROM python:3.13-slim\nRUN apt-get update\nRUN apt-get install -y git",
    "lists in a cache": "FROM python:3.13-slim\nRUN --mount=type=cache,target=/var/lib/apt apt-get install -y git",
    "-y before the verb": "FROM python:3.9\nRUN apt-get -y update && apt-get -y install whois",
    "-y among others": "FROM python:3.13-slim\nRUN apt-get update && apt-get install -yqq git",
    "two q": "FROM python:3.13-slim\nRUN apt-get update -qq && apt-get install -qq git",
    "yes": "FROM python:3.13-slim\nRUN apt-get update && yes | apt-get install git",
    "told in its configuration": "FROM python:3.13-slim\nRUN echo 'APT::Get::Assume-Yes \"true\";' "
    "> /etc/apt/apt.conf.d/90yes && apt-get update && apt-get install git",
    "told by an option": "FROM python:3.12\nRUN apt-get update && apt-get -o APT::Get::Assume-Yes=true install git",
    "root again": f"FROM python:3.13-slim\nUSER 1000\nUSER root\n{UPDATE} git\nUSER 1000",
    "sudo": f"FROM python:3.13-slim\n{UPDATE} sudo\nUSER 1000\nRUN sudo apt-get install -y git",
    "asks only": "FROM python:3.13-slim\nUSER 1000\nRUN apt-get --version && apt list --installed",
    "a user that nobody knows": f"FROM python:3.13-slim\nARG WHO\nUSER $WHO\n{UPDATE} git",
    "apt from Alpine's own packages": f"FROM node:22-alpine\nRUN curl x | sh\n{UPDATE} git",
    "pip of the python image": "FROM python:3.13-slim\nRUN pip install fastapi",
    "pip of a release before the ban": f"FROM ubuntu:22.04\n{UPDATE} python3-pip\nRUN pip install fastapi",
    "pip of an environment": f"FROM debian:bookworm\n{UPDATE} python3-pip python3-venv\n"
    "RUN python3 -m venv /opt/venv\nENV PATH=/opt/venv/bin:$PATH\nRUN pip install fastapi",
    "pip of an environment, by its path": f"FROM debian:bookworm\n{UPDATE} python3-pip python3-venv\n"
    "RUN python3 -m venv /opt/venv && /opt/venv/bin/pip install fastapi",
    "an activated environment": f"FROM debian:bookworm\n{UPDATE} python3-pip python3-venv\n"
    "RUN python3 -m venv /v && . /v/bin/activate && pip install fastapi",
    "a variable of pip": f"FROM debian:bookworm\nENV PIP_BREAK_SYSTEM_PACKAGES=1\n{UPDATE} python3-pip\n"
    "RUN pip install fastapi",
    "the mark was removed": f"FROM debian:bookworm\n{UPDATE} python3-pip && rm /usr/lib/python3.11/EXTERNALLY-MANAGED\n"
    "RUN pip install fastapi",
    "into a folder": f"FROM debian:bookworm\n{UPDATE} python3-pip\nRUN pip install --target /opt/lib fastapi",
}


@pytest.mark.parametrize("dockerfile", RUNS.values(), ids=RUNS)
def test_what_may_work_gets_no_error(dockerfile, tmp_path):
    found = report(tmp_path, dockerfile, **{"sources.list": "deb x y z\n", "x.deb": "x"})

    assert not found.errors, found


def test_a_full_image_may_have_what_apt_is_asked_for_without_lists(tmp_path):
    found = report(tmp_path, "FROM python:3.13\nRUN apt-get install -y git")

    assert [("apt-package-unknown", Severity.WARNING)] == [(one.code, one.severity) for one in found]


def test_a_release_whose_maintenance_ended_is_a_warning(tmp_path):
    found = report(tmp_path, f"FROM python:3.11-bullseye\n{UPDATE} git")

    assert [("debian-eol-apt", Severity.WARNING, 1)] == [(one.code, one.severity, one.line) for one in found]


def test_a_finding_names_the_line_of_the_package(tmp_path):
    dockerfile = (
        "FROM python:3.13-slim\nRUN apt-get update && apt-get install -y \\\n    curl \\\n    libgl1-mesa-glx\n"
    )

    (finding,) = report(tmp_path, dockerfile)

    assert "Dockerfile:4" == finding.where
    assert "Debian trixie, which python:3.13-slim is made from, has no package libgl1-mesa-glx" == finding.message
    assert "Write libgl1 for libgl1-mesa-glx." == finding.hint


def test_the_new_name_is_proposed_and_not_written(tmp_path):
    (finding,) = report(tmp_path, f"FROM python:3.13-slim\n{UPDATE} libgl1-mesa-glx  # for cv2\n")

    assert finding.fix is not None
    assert not finding.fix.safe
    assert f"FROM python:3.13-slim\n{UPDATE} libgl1  # for cv2\n" == finding.fix.files["Dockerfile"].decode()


def test_the_missing_yes_is_written_where_it_belongs(tmp_path):
    (finding,) = report(tmp_path, "FROM python:3.13-slim\nRUN apt-get update \\\n && apt-get install git\n")

    assert finding.fix is not None
    assert finding.fix.safe
    fixed = finding.fix.files["Dockerfile"].decode()
    assert "FROM python:3.13-slim\nRUN apt-get update \\\n && apt-get install -y git\n" == fixed
    assert [] == codes(tmp_path, fixed)


def test_one_line_as_a_user_gives_one_finding_that_names_the_user(tmp_path):
    (finding,) = report(tmp_path, f"FROM python:3.13-slim\nRUN useradd -m app\nUSER app\n{UPDATE} git && apt-get clean")

    assert "apt-get update runs as the user 'app', and only root may install packages" == finding.message
    assert "Dockerfile:4" == finding.where


@pytest.mark.parametrize(
    ("base", "has_spec", "severity"),
    [
        ("python:3.13-slim", True, "error"),
        ("python:3.13-slim", False, "warning"),
        ("python:3.13-slim-trixie", False, "error"),
    ],
)
def test_a_space_that_was_built_before_its_base_moved_on_may_run_still(tmp_path, base, has_spec, severity):
    install = "RUN apt-get update && apt-get install -y libgl1-mesa-glx\nRUN useradd"
    change = {"Dockerfile": GOOD["Dockerfile"].replace("python:3.13-slim", base).replace("RUN useradd", install)}

    (finding,) = check(write(tmp_path, change if has_spec else {**change, "space.toml": None}))

    assert ("apt-package-renamed", severity) == (finding.code, finding.severity)
