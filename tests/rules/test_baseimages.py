"""The rules about FROM."""

from __future__ import annotations

from pathlib import Path

import pytest

from spaceops.findings import Finding, Severity
from spaceops.preflight import check
from spaceops.rules.examples import write

ABOUT_FROM = ("base-image-not-found", "cuda-tag-invalid", "cuda-tag-eol", "runtime-eol", "wrong-arch")
ERROR, WARNING = Severity.ERROR, Severity.WARNING


def found(folder: Path, text: str) -> list[Finding]:
    """What is said about a Dockerfile; one line is a FROM with a CMD below."""
    text = text if "\n" in text else f"FROM {text}\nCMD python main.py\n"
    return list(check(write(folder, {"Dockerfile": text}), select=ABOUT_FROM))


def codes(findings: list[Finding]) -> list[tuple[str, Severity | None]]:
    return [(finding.code, finding.severity) for finding in findings]


@pytest.mark.parametrize(
    "text",
    [
        "python:3.13-slim",
        "python:3.14",
        "python",
        "python@sha256:0123",
        "node:22-bookworm-slim",
        "nvidia/cuda:12.8.1-runtime-ubuntu24.04",
        "nvidia/cuda@sha256:0123",
        "scratch",
        "ghcr.io/acme/own:latest",
        "acme/tool:3.1",
        "registry.hf.space/acme-space:latest",
        "postgres",
        "--platform=linux/amd64 python:3.13",
        "--platform=$BUILDPLATFORM python:3.13",
        "ARG BASE\nFROM $BASE\nCMD x\n",
        "ARG V=3.13\nFROM python:${V}-slim\nCMD x\n",
        "FROM python:3.13 AS base\nFROM base\nCMD x\n",
        "FROM python:3.1 AS unused\nFROM python:3.13\nCMD x\n",
    ],
)
def test_an_image_that_may_exist_is_left_alone(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, text) == []


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("python:3.1", "There is no image python:3.1: there is no image of Python 3.1", "Write python:3.10"),
        ("docker.io/library/python:3.1-slim", "there is no image of Python 3.1", "library/python:3.10-slim"),
        ("python:3.12-bookworm-slim", "python has slim-bookworm", "Write python:3.12-slim-bookworm"),
        ("Python:3.12", "small letters", "Write python:3.12"),
        ("python:", "what follows the colon is no tag", "hub.docker.com"),
        ("pytorch:2.1", "Docker's library has none of that name", "Write pytorch/pytorch"),
        ("builder", "no stage above has that name", "hub.docker.com"),
        ("ubuntu:22", "has year and month", "Write ubuntu:22.04"),
        ("node:v20", "have no v", "Write node:20"),
        ("https://hub.docker.com/_/python", "it is an address", "Write"),
    ],
)
def test_an_image_that_cannot_exist(tmp_path: Path, text: str, said: str, hint: str) -> None:
    (finding,) = (one for one in found(tmp_path, text) if one.code == "base-image-not-found")

    assert (finding.severity, finding.where) == (ERROR, "Dockerfile:1")
    assert said in finding.message
    assert hint in finding.hint


def test_a_tag_from_a_variable_is_a_warning_as_the_space_may_set_it(tmp_path: Path) -> None:
    assert codes(found(tmp_path, "ARG V=3.1\nFROM python:$V\nCMD x\n")) == [("base-image-not-found", WARNING)]
    assert codes(found(tmp_path, "FROM $NOTHING\nCMD x\n")) == [("base-image-not-found", WARNING)]


def test_an_image_that_is_copied_from_is_looked_at_too(tmp_path: Path) -> None:
    text = "FROM python:3.13\nCOPY --from=node:20-slim-bookworm /a /b\nCMD x\n"
    (finding,) = found(tmp_path, text)

    assert (finding.code, finding.where) == ("base-image-not-found", "Dockerfile:2")


def test_a_better_tag_is_only_proposed(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, "python:3.1")

    assert finding.fix is not None
    assert not finding.fix.safe
    assert finding.fix.files == {"Dockerfile": b"FROM python:3.10\nCMD python main.py\n"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nvidia/cuda:11.8-runtime-ubuntu20.04", [("cuda-tag-invalid", ERROR)]),
        ("nvidia/cuda", [("cuda-tag-invalid", ERROR)]),
        ("nvidia/cuda:12.1.0-ubuntu22.04", [("cuda-tag-invalid", ERROR)]),
        ("ARG C=12.1\nFROM nvidia/cuda:$C-base-ubuntu22.04\nCMD x\n", [("cuda-tag-invalid", WARNING)]),
        ("nvidia/cuda:11.3.1-base-ubuntu20.04", [("cuda-tag-eol", WARNING)]),
        ("nvidia/cuda:11.7.1-base-ubuntu22.04", []),
    ],
)
def test_tags_of_cuda(tmp_path: Path, text: str, expected: list[tuple[str, Severity | None]]) -> None:
    assert codes(found(tmp_path, text)) == expected


@pytest.mark.parametrize(
    ("image", "newer"),
    [
        ("python:3.9-slim", "FROM python:3.13-slim"),
        ("python:3.8.12-slim-buster", "FROM python:3.13"),
        ("tiangolo/uvicorn-gunicorn-fastapi:python3.7", "FROM tiangolo/uvicorn-gunicorn-fastapi:3.13"),
        ("node:18-alpine", "FROM node:22-alpine"),
        ("node:hydrogen", "FROM node:22"),
        ("php:7.4-apache", "FROM php:8.4-apache"),
        ("ruby:2.7", "FROM ruby:3.4"),
    ],
)
def test_languages_that_get_no_fixes(tmp_path: Path, image: str, newer: str) -> None:
    (finding,) = found(tmp_path, image)

    assert (finding.code, finding.severity) == ("runtime-eol", WARNING)
    assert finding.hint.endswith(newer)


def test_one_version_in_several_stages_is_said_once(tmp_path: Path) -> None:
    text = "FROM node:18 AS a\nFROM node:18 AS b\nCOPY --from=a /x /y\nFROM b\nCMD x\n"
    assert codes(found(tmp_path, text)) == [("runtime-eol", WARNING)]


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("--platform=linux/arm64 python:3.13", ERROR),
        ("arm64v8/python:3.13", ERROR),
        ("python:3.13-windowsservercore", ERROR),
        ("FROM --platform=linux/arm64 node:22 AS web\nFROM python:3.13\nCOPY --from=web /a /b\nCMD x\n", WARNING),
    ],
)
def test_images_for_other_machines(tmp_path: Path, text: str, severity: Severity) -> None:
    assert codes(found(tmp_path, text)) == [("wrong-arch", severity)]
