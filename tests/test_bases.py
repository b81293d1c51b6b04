"""Base images: what is surely in them."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaceops.image.bases import FAMILIES, base_of, python_release
from spaceops.shell import UNKNOWN

EXAMPLES = int(os.environ.get("SPACEOPS_EXAMPLES", "50"))


@pytest.mark.parametrize(
    ("name", "distribution", "release", "python"),
    [
        ("python:3.12-slim", "debian", "trixie", (3, 12)),
        ("python:3.11.4", "debian", "bookworm", (3, 11)),
        ("python:3.11.3-slim", "debian", "bullseye", (3, 11)),
        ("python:3.9", "debian", "trixie", (3, 9)),
        ("python:3.8-slim", "debian", "bookworm", (3, 8)),
        ("python:3.7", "debian", None, (3, 7)),
        ("python:3.10-slim-bullseye", "debian", "bullseye", (3, 10)),
        ("python:3.12-alpine3.20", "alpine", "3.20", (3, 12)),
        ("python:3.12-windowsservercore-ltsc2022", "windows", None, None),
        ("python", "debian", "trixie", None),
        ("python:slim", "debian", "trixie", None),
        ("docker.io/library/python:3.12", "debian", "trixie", (3, 12)),
        ("public.ecr.aws/docker/library/python:3.12", "debian", "trixie", (3, 12)),
        ("python@sha256:abc", None, None, None),
        ("python:nonsense", None, None, None),
        ("node:20", "debian", "bookworm", None),
        ("node:jod-alpine", "alpine", None, None),
        ("node:24-slim", "debian", None, None),
        ("ubuntu:24.04", "ubuntu", "24.04", None),
        ("ubuntu:jammy", "ubuntu", "22.04", None),
        ("ubuntu", "ubuntu", None, None),
        ("debian:12-slim", "debian", "bookworm", None),
        ("debian:stable", "debian", "trixie", None),
        ("nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04", "ubuntu", "22.04", None),
        ("nvidia/cuda:12.4.1-base-ubi9", "ubi", "9", None),
        ("ghcr.io/astral-sh/uv:python3.12-bookworm-slim", "debian", "bookworm", (3, 12)),
        ("ghcr.io/astral-sh/uv:0.5.1", "scratch", None, None),
        ("tiangolo/uvicorn-gunicorn-fastapi:python3.11", "debian", None, (3, 11)),
        ("eclipse-temurin:21-jre-alpine", "alpine", None, None),
        ("scratch", "scratch", None, None),
        ("acme/own:1", None, None, None),
        ("localhost:5000/python:3.12", None, None, None),
        (f"python:{UNKNOWN}", None, None, None),
    ],
)
def test_the_system_and_the_python_of_an_image(
    name: str, distribution: str | None, release: str | None, python: tuple[int, int] | None
) -> None:
    base = base_of(name)
    assert (base.distribution, base.release, base.python) == (distribution, release, python)
    assert base.is_known == (distribution is not None)


@pytest.mark.parametrize(
    ("minor", "patch", "release"),
    [(13, None, "trixie"), (13, 6, None), (13, 5, "bookworm"), (12, 11, "trixie"), (9, 5, "buster"), (5, 1, None)],
)
def test_a_python_is_on_the_debian_of_its_last_build(minor: int, patch: int | None, release: str | None) -> None:
    assert python_release(minor, patch) == release


@pytest.mark.parametrize(
    ("name", "there", "missing", "open_"),
    [
        ("python:3.12-slim", "python pip bash apt-get", "git curl gcc apk node sudo", "adduser"),
        ("python:3.12", "python git curl gcc unzip", "ffmpeg nginx sudo", "adduser"),
        ("python:3.12-alpine", "python apk wget", "bash git gcc apt-get useradd", "xyz"),
        ("node:20-slim", "node npm bash", "python3 git gcc pip", "yarn xyz"),
        ("node:20", "node python3 gcc git", "pip python", "xyz"),
        ("ubuntu:24.04", "bash apt-get", "python3 curl git", "ps xyz"),
        ("nvidia/cuda:12.4.1-devel-ubuntu22.04", "bash", "pip curl git", "gcc python3"),
        ("rust:1-slim", "cargo", "pip", "gcc curl"),
        ("acme/own", "", "", "bash"),
        ("scratch", "", "sh bash", "python"),
    ],
)
def test_programs_that_are_there_and_that_are_not(name: str, there: str, missing: str, open_: str) -> None:
    base = base_of(name)
    assert {program: base.has(program) for program in f"{there} {missing} {open_}".split()} == (
        dict.fromkeys(there.split(), True) | dict.fromkeys(missing.split(), False) | dict.fromkeys(open_.split())
    )


@pytest.mark.parametrize(
    ("name", "user", "uids"),
    [
        ("python:3.12", "root", {}),
        ("node:20", "root", {1000: "node"}),
        ("ubuntu:22.04", "root", {}),
        ("ubuntu:24.04", "root", {1000: "ubuntu"}),
        ("ubuntu", "root", {1000: "ubuntu"}),
        ("nvidia/cuda:12.8.1-base-ubuntu24.04", "root", {1000: "ubuntu"}),
        ("eclipse-temurin:21", "root", {1000: "ubuntu"}),
        ("eclipse-temurin:21-jdk-jammy", "root", {}),
        ("gradle:8-jdk21", "root", {1000: "gradle"}),
        ("nginxinc/nginx-unprivileged:stable", "101", {}),
        ("quay.io/jupyter/base-notebook:latest", "1000", {1000: "jovyan"}),
        ("acme/own", None, None),
    ],
)
def test_who_runs_and_which_numbers_are_taken(name: str, user: str | None, uids: dict[int, str] | None) -> None:
    assert (base_of(name).user, base_of(name).uids) == (user, uids)


def test_what_starts_where_nothing_else_is_said() -> None:
    assert [(base_of(name).entrypoint, base_of(name).command) for name in ("python:3.12", "nginx", "acme/own")] == [
        ((), ("python3",)),
        (("/docker-entrypoint.sh",), ("nginx", "-g", "daemon off;")),
        (None, None),
    ]


@settings(max_examples=EXAMPLES)
@given(
    st.sampled_from(sorted(FAMILIES)),
    st.text(alphabet="0123456789.-abcdlmnpstuxyz_", max_size=25),
)
def test_any_tag_is_looked_up(repository: str, tag: str) -> None:
    base = base_of(f"{repository}:{tag}")
    assert base.repository == repository or not tag


@given(st.text(max_size=40))
def test_any_name_is_looked_up(name: str) -> None:
    assert base_of(name).name == name
