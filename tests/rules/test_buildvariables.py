"""The rules about variables, secrets and volumes during the build."""

from __future__ import annotations

from pathlib import Path

import pytest

from spaceops.findings import Finding
from spaceops.preflight import check
from spaceops.rules.examples import write

BUILD = (
    "arg-before-from", "variable-not-arg", "secret-at-build-unmounted", "secret-mount-unreadable", "data-at-build",
)  # fmt: skip
SPEC = (
    'repo_id = "acme/hello"\n[variables]\nSTYLE = "plain"\n[secrets]\nDATABASE = "env:DATABASE"\n'
    '[[volumes]]\nsource = "hf://buckets/acme/state"\nmount = "/state"\n'
)


def found(folder: Path, text: str, spec: str | None = SPEC) -> list[Finding]:
    """What is said about a Dockerfile; without FROM, about lines below the usual one."""
    text = text if "FROM" in text else f"FROM python:3.13-slim\n{text}\nCMD x\n"
    return list(check(write(folder, {"Dockerfile": text, "space.toml": spec}), select=BUILD))


def codes(findings: list[Finding]) -> list[tuple[str, int | None]]:
    return [(finding.code, finding.line) for finding in findings]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ARG V=1\nFROM python:3.13\nRUN echo $V\nCMD x\n", [("arg-before-from", 3)]),
        ("ARG V=1\nFROM python:3.13\nRUN a && \\\n b ${V}\nCMD x\n", [("arg-before-from", 4)]),
        ("ARG V=1\nFROM python:3.13\nENV A=$V\nRUN echo $V\nCMD x\n", [("arg-before-from", 3)]),
        ("ARG V=1\nFROM python:3.13\nCOPY x$V /y\nCMD x\n", [("arg-before-from", 3)]),
        ("ARG V=1\nFROM python:3.13\nARG V\nRUN echo $V\nCMD x\n", []),
        ("ARG V=1\nFROM python:3.13\nENV V=2\nRUN echo $V\nCMD x\n", []),
        ("ARG V=1\nFROM python:3.13\nRUN V=2 && echo $V\nCMD x\n", []),
        ("ARG V=1\nFROM python:3.13\nRUN echo ${V:-3}\nCMD x\n", []),
        ("ARG V=1\nFROM python:3.13\nRUN echo '$V' \\$V\nCMD x\n", []),
        ("ARG V=1\nFROM acme/own\nRUN echo $V\nCMD x\n", []),
        ("ARG V=1\nFROM python:$V\nCMD x $V\n", []),
        ("ARG V=1\nFROM python:3.13 AS a\nARG V\nFROM a\nRUN echo $V\nCMD x\n", [("arg-before-from", 5)]),
    ],
)
def test_an_arg_above_from(tmp_path: Path, text: str, expected: list[tuple[str, int | None]]) -> None:
    assert codes(found(tmp_path, text)) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("RUN echo $STYLE", [("variable-not-arg", 2)]),
        ("ENV COLOUR=$STYLE", [("variable-not-arg", 2)]),
        ("WORKDIR /srv/$STYLE", [("variable-not-arg", 2)]),
        ("ARG STYLE\nRUN echo $STYLE", []),
        ("ENV STYLE=$STYLE", [("variable-not-arg", 2)]),
        ("RUN echo $OTHER $HOME $PATH $(pwd) $1", []),
        ("RUN for STYLE in a b; do echo $STYLE; done", []),
    ],
)
def test_a_variable_of_the_space(tmp_path: Path, lines: str, expected: list[tuple[str, int | None]]) -> None:
    assert codes(found(tmp_path, lines)) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("RUN x --token $HF_TOKEN", [("secret-at-build-unmounted", 2)]),
        ("RUN x $DATABASE", [("secret-at-build-unmounted", 2)]),
        ("ARG HF_TOKEN\nRUN x --token $HF_TOKEN", [("secret-at-build-unmounted", 3)]),
        ("RUN x $(cat /run/secrets/HF_TOKEN)", [("secret-at-build-unmounted", 2)]),
        ("RUN x < /run/secrets/HF_TOKEN && y /run/secrets/HF_TOKEN", [("secret-at-build-unmounted", 2)]),
        ("RUN --mount=type=secret,id=HF_TOKEN x $(cat /run/secrets/HF_TOKEN)", []),
        ("RUN --mount=type=secret,id=HF_TOKEN,env=HF_TOKEN x $HF_TOKEN", []),
        ("RUN --mount=type=secret,id=HF_TOKEN TOKEN=$(cat /run/secrets/HF_TOKEN) && x $TOKEN", []),
        ("RUN --mount=type=secret,id=a,target=/run/secrets/b x /run/secrets/b", []),
        ("ENV SECRET_KEY=build\nRUN x $SECRET_KEY", []),
        ("ARG SECRET_KEY=build\nRUN x $SECRET_KEY", []),
        ("RUN x ${HF_TOKEN:-none}", []),
        ("CMD x $HF_TOKEN", []),
    ],
)
def test_a_secret_at_build(tmp_path: Path, lines: str, expected: list[tuple[str, int | None]]) -> None:
    assert codes(found(tmp_path, lines)) == expected


def test_the_sentence_gives_the_line_to_write(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, "RUN x --token $HF_TOKEN")

    assert finding.hint == (
        "Write RUN --mount=type=secret,id=HF_TOKEN,mode=0444,required=true before the command, and"
        " $(cat /run/secrets/HF_TOKEN) for the value."
    )


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("USER 1000\nRUN --mount=type=secret,id=A x", [("secret-mount-unreadable", 3)]),
        ("USER 1000\nRUN --mount=type=secret,id=A,mode=0444 x", []),
        ("USER 1000\nRUN --mount=type=secret,id=A,uid=1000 x", []),
        ("USER root\nRUN --mount=type=secret,id=A x", []),
        ("USER 1000\nRUN --mount=type=cache,target=/x x", []),
    ],
)
def test_who_may_read_a_mounted_secret(tmp_path: Path, lines: str, expected: list[tuple[str, int | None]]) -> None:
    assert codes(found(tmp_path, lines)) == expected


@pytest.mark.parametrize(
    ("lines", "spec", "expected"),
    [
        ("COPY main.py /state/", SPEC, [("data-at-build", 2)]),
        ("RUN a && \\\n curl -o /state/x https://x.org", SPEC, [("data-at-build", 3)]),
        ("RUN echo hi > /state/x", SPEC, [("data-at-build", 2)]),
        ("RUN x --dir=/state/x", SPEC, [("data-at-build", 2)]),
        ("RUN mkdir -p /state && chown -R 1000 /state", SPEC, []),
        ("RUN x --dir=/statement", SPEC, []),
        ("COPY main.py /data/", SPEC, []),
        ("RUN curl -o /data/x https://x.org", SPEC, []),
        ("RUN curl -o /data/x https://x.org", None, [("data-at-build", 2)]),
        ("COPY main.py /data/", None, []),
    ],
)
def test_what_a_volume_hides(
    tmp_path: Path, lines: str, spec: str | None, expected: list[tuple[str, int | None]]
) -> None:
    assert codes(found(tmp_path, lines, spec)) == expected
