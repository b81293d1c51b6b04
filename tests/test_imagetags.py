"""Names of images that certainly do not exist."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaceops.image.lifetimes import end_of
from spaceops.image.tags import cuda_problem, cuda_version, name_problem, tag_problem


@pytest.mark.parametrize(
    ("repository", "tag", "instead"),
    [
        ("python", "3.1", "3.10"),
        ("python", "3.1-slim", "3.10-slim"),
        ("python", "3.9.99", "3.9.25"),
        ("python", "3.11-bookworm-slim", "3.11-slim-bookworm"),
        ("python", "3.11-slm", "3.11-slim"),
        ("python", "3.11-slim-bulseye", "3.11-slim-bullseye"),
        ("python", "3.12-buster", "3.12-slim"),
        ("python", "3.12-slim-alpine", "3.12-alpine"),
        ("python", "4", ""),
        ("node", "20-slim-bookworm", "20-bookworm-slim"),
        ("node", "v20", "20"),
        ("node", "3", "22-slim"),
        ("ubuntu", "22", "22.04"),
        ("ubuntu", "24.05", "24.04"),
        ("ubuntu", "22.04-slim", "22.04"),
        ("debian", "slim", "bookworm-slim"),
        ("debian", "slim-bookworm", "bookworm-slim"),
        ("golang", "1.22-slim", "1.22-alpine"),
    ],
)
def test_a_tag_that_never_was(repository: str, tag: str, instead: str) -> None:
    problem = tag_problem(repository, tag)
    assert problem is not None
    assert problem.instead == instead


ALONE = """
    python:3 python:3.10 python:3.11-slim-bookworm python:3.15-rc-slim python:3.16 python:3.13.99-slim python:latest
    python:3.14-alpine3.22 python:alpine python:slim-trixie python:3.12-windowsservercore python:3.9.25 python:2.7-slim
    python:3.13t python:3.8-buster python:3.11-buster python:rc node:20 node:99 node:20-bookworm-slim node:lts-alpine
    node:current node:22.11.0-alpine3.20 node:jod node:slim ubuntu:22.04 ubuntu:24.10 ubuntu:jammy ubuntu:latest
    ubuntu:jammy-20240530 debian:12 debian:bookworm-slim debian:stable-slim debian:testing golang:1.22
    golang:1.22-alpine alpine:3.20 acme/x:slm rust:1-slim-bookworm
"""


@pytest.mark.parametrize("name", ALONE.split())
def test_a_tag_that_exists_or_may_come_is_left_alone(name: str) -> None:
    repository, _, tag = name.partition(":")
    assert (name_problem(name), tag_problem(repository, tag)) == (None, None)


@pytest.mark.parametrize(
    ("tag", "instead"),
    [
        ("11.8-runtime-ubuntu20.04", "11.8.0-runtime-ubuntu20.04"),
        ("12.1", "12.1.0-runtime-ubuntu22.04"),
        ("latest", "12.8.1-runtime-ubuntu24.04"),
        ("12.1.0", ""),
        ("12.1.0-ubuntu22.04", ""),
        ("12.1.0-runtime", ""),
    ],
)
def test_a_cuda_tag_that_is_none(tag: str, instead: str) -> None:
    problem = cuda_problem(tag)
    assert problem is not None
    assert (problem.instead, cuda_version(tag)) == (instead, None)


@pytest.mark.parametrize(
    "tag",
    ["11.8.0-runtime-ubuntu20.04", "12.4.1-cudnn-devel-ubuntu22.04", "12.2.2-cudnn8-base-ubi8", "13.0.1-base-ubi10"],
)
def test_a_cuda_tag_that_is_one(tag: str) -> None:
    assert cuda_problem(tag) is None
    assert cuda_version(tag) is not None


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("Python:3.11", "python:3.11"),
        ("ghcr.io/Acme/x:1", "ghcr.io/acme/x:1"),
        ("python:", ""),
        ("python:-x", ""),
        ("-x", ""),
        ("https://ghcr.io/acme/x", "ghcr.io/acme/x"),
        ("a//b", ""),
    ],
)
def test_what_is_no_name(name: str, instead: str) -> None:
    problem = name_problem(name)
    assert problem is not None
    assert problem.instead == instead


@pytest.mark.parametrize(
    "name",
    ["python", "a/b/c:d", "localhost:5000/x", "GHCR.io/acme/x", "x@sha256:ab", "a__b.c-d/e:T.a_g", "r.hf.space/a-b"],
)  # fmt: skip
def test_what_is_a_name(name: str) -> None:
    assert name_problem(name) is None


@given(st.text(max_size=60))
def test_any_text_is_judged(text: str) -> None:
    name_problem(text)
    for repository in ("python", "node", "ubuntu", "debian", "golang"):
        tag_problem(repository, text)
    assert cuda_problem(text) is None or cuda_version(text) is None


def test_languages_end() -> None:
    assert end_of("python", "3.9") == date(2025, 10, 31)
    assert end_of("node", "20") == date(2026, 4, 30)
    assert (end_of("python", "3.99"), end_of("cobol", "1")) == (None, None)
