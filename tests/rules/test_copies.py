"""The rules about COPY and ADD."""

from __future__ import annotations

from pathlib import Path

import pytest

from spaceops.findings import Finding, Severity
from spaceops.preflight import check
from spaceops.rules.examples import Change, write

COPIES = (
    "copy-shell-syntax", "copy-source-missing", "dockerignore-excludes", "copy-outside-context",
    "copy-from-stage-missing",
)  # fmt: skip
ERROR, WARNING = Severity.ERROR, Severity.WARNING
FILES: dict[str, Change] = {"app/api.py": "", "app/web/index.html": "", "Static/a.css": ""}


def found(folder: Path, line: str, **more: Change) -> list[Finding]:
    """What is said about one line of a Dockerfile whose other lines are good."""
    text = f"FROM python:3.13-slim\nWORKDIR /app\n{line}\nCMD python main.py\n"
    return list(check(write(folder, {**FILES, "Dockerfile": text, **more}), select=COPIES))


def codes(findings: list[Finding]) -> list[tuple[str, Severity | None]]:
    return [(finding.code, finding.severity) for finding in findings]


@pytest.mark.parametrize(
    "line",
    [
        "COPY . .",
        "COPY ./ /",
        "COPY app/ app/",
        "COPY /app /app",
        "COPY main.py app Static/a.css /x/",
        "COPY nothing* /x/",
        "COPY stat[i]c /x/",
        'COPY ["main.py", "/x/"]',
        "ADD https://x.org/a.tar.gz /x/",
        "ADD git@github.com:a/b.git /x/",
        "ADD https://github.com/a/b.git#main /x/",
        "COPY --from=nginx:stable /etc/nginx/mime.types /x/",
        "COPY --from=ghcr.io/astral-sh/uv /uv /bin/",
        "COPY --from=busybox /bin/x /bin/",
        "COPY app/../main.py .",
        "COPY <<EOF /x\nCOPY nothing /y\nEOF",
        "COPY --chown=user --chmod=755 main.py .",
        "ARG WHAT\nCOPY $WHAT .",
        "RUN cp x y || true",
        "ONBUILD COPY nothing .",
    ],
)
def test_a_copy_of_what_is_there_is_fine(tmp_path: Path, line: str) -> None:
    assert found(tmp_path, line) == []


@pytest.mark.parametrize(
    ("line", "said", "hint"),
    [
        ("COPY nothing .", "COPY wants nothing, which the Space does not have", "Add nothing to the folder"),
        ("ADD nothing /x", "ADD wants nothing", "or remove the line"),
        ("COPY Main.py .", "the Space has main.py: capitals matter", "Write main.py in the Dockerfile"),
        ("COPY static ./static", "the Space has Static: capitals matter", "Write Static"),
        ("COPY api.py .", "it has app/api.py", "Write app/api.py"),
        ("COPY requirement.txt .", "it has requirements.txt", "Write requirements.txt"),
        ("COPY main.py nothing /x/", "COPY wants nothing", "Add nothing"),
        ("COPY /home/me/app /app", "COPY wants /home/me/app", "Write app"),
        ("COPY /home/me/main.py /app", "it has main.py", "Write main.py"),
        ('COPY ["no thing", "/x"]', "COPY wants no thing", "Add no thing"),
    ],
)
def test_a_missing_source_is_named_with_what_may_be_meant(tmp_path: Path, line: str, said: str, hint: str) -> None:
    (finding,) = found(tmp_path, line)

    assert (finding.code, finding.severity, finding.where) == ("copy-source-missing", ERROR, "Dockerfile:3")
    assert said in finding.message
    assert hint in finding.hint


@pytest.mark.parametrize(
    ("line", "more"),
    [
        ("ARG NAME=nothing\nCOPY $NAME .", {}),
        ("COPY vendor/lib .", {".gitmodules": "[submodule]\npath = vendor/lib\n"}),
    ],
)
def test_what_may_be_there_after_all_is_a_warning(tmp_path: Path, line: str, more: dict[str, Change]) -> None:
    assert codes(found(tmp_path, line, **more)) == [("copy-source-missing", WARNING)]


def test_a_file_that_an_ignore_file_keeps_here_is_explained(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, "COPY model.bin .", **{".gitignore": "*.bin\n", "model.bin": "x"})

    assert finding.message.startswith("COPY wants model.bin, which is here but is not pushed")
    assert finding.hint.startswith("Write !/model.bin as the last line of that ignore file")


def test_an_empty_folder_is_explained(tmp_path: Path) -> None:
    (tmp_path / "uploads").mkdir()
    (finding,) = found(tmp_path, "COPY uploads uploads")

    assert finding.message == "COPY wants uploads, an empty folder: those are never pushed"
    assert finding.hint == "Put a file into it: touch uploads/.gitkeep"


@pytest.mark.parametrize(
    ("ignore", "line", "where"),
    [
        ("*\n!main.py\n", "COPY app app", ".dockerignore:1"),
        ("# x\n\n**/*.html\n", "COPY app/web/index.html .", ".dockerignore:3"),
        ("app/\n", "COPY app/api.py .", ".dockerignore:1"),
        ("/main.py", "COPY main.py .", ".dockerignore:1"),
    ],
)
def test_what_the_dockerignore_hides(tmp_path: Path, ignore: str, line: str, where: str) -> None:
    (finding,) = found(tmp_path, line, **{".dockerignore": ignore})

    assert (finding.code, finding.severity, finding.where) == ("dockerignore-excludes", ERROR, where)


@pytest.mark.parametrize(
    ("ignore", "line"),
    [
        ("app/*\n", "COPY app app"),
        ("app\n!app/api.py\n", "COPY app app"),
        ("*\n", "COPY . ."),
        ("*.py\n", "COPY app/api.py ."),
        ("Dockerfile\n.dockerignore\n", "COPY main.py ."),
    ],
)
def test_what_the_dockerignore_leaves(tmp_path: Path, ignore: str, line: str) -> None:
    assert found(tmp_path, line, **{".dockerignore": ignore}) == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("COPY ../shared .", [("copy-outside-context", ERROR)]),
        ("COPY ../main.py .", [("copy-outside-context", WARNING)]),
        ("COPY app/../../x .", [("copy-outside-context", ERROR)]),
    ],
)
def test_above_the_folder_there_is_nothing(
    tmp_path: Path, line: str, expected: list[tuple[str, Severity | None]]
) -> None:
    assert codes(found(tmp_path, line)) == expected


@pytest.mark.parametrize(
    ("line", "said", "hint"),
    [
        ("COPY static ./static || true", "takes || for a file", "Write COPY static ./static, and"),
        ("COPY static ./static 2>/dev/null || true", "takes 2>/dev/null for a file", "Write COPY static ./static, and"),
        ("COPY main.py . && ls", "takes && for a file", "Write COPY main.py ., and"),
        ("COPY main.py . # the app", "takes the comment for files", "Give the comment a line of its own."),
    ],
)
def test_a_shell_in_a_copy(tmp_path: Path, line: str, said: str, hint: str) -> None:
    (finding,) = found(tmp_path, line)

    assert (finding.code, finding.severity) == ("copy-shell-syntax", ERROR)
    assert said in finding.message
    assert hint in finding.hint


STAGES = "FROM node:22 AS frontend\nRUN a\nFROM python:3.13-slim\n{line}\nCMD x\n"


@pytest.mark.parametrize(
    ("line", "severity", "said"),
    [
        ("COPY --from=front /a /b", ERROR, "--from=front names no stage (there are frontend) and no image"),
        ("COPY --from=builder /a /b", ERROR, "--from=builder names no stage"),
        ("COPY --from=7 /a /b", ERROR, "they are counted from 0 to 1"),
        ("COPY --from=1 /a /b", ERROR, "names the stage that it stands in"),
        ("RUN --mount=type=bind,from=builder,target=/x ls", ERROR, "--from=builder names no stage"),
    ],
)  # fmt: skip
def test_a_stage_that_is_not_there(tmp_path: Path, line: str, severity: Severity, said: str) -> None:
    text = STAGES.format(line=line)
    (finding,) = check(write(tmp_path, {"Dockerfile": text}), select=["copy-from-stage-missing"])

    assert finding.severity == severity
    assert said in finding.message


def test_a_stage_further_down_has_no_files_yet(tmp_path: Path) -> None:
    text = "FROM python:3.13-slim AS a\nCOPY --from=b /x /y\nFROM python:3.13-slim AS b\nFROM a\nCMD x\n"
    (finding,) = check(write(tmp_path, {"Dockerfile": text}), select=["copy-from-stage-missing"])

    assert finding.severity == WARNING
    assert finding.message.startswith("--from=b names a stage that begins only in line 3, below")


@pytest.mark.parametrize("line", ["COPY --from=Frontend /a /b", "COPY --from=0 /a /b", "COPY --from=redis /a /b"])
def test_a_stage_or_an_image_that_is_there(tmp_path: Path, line: str) -> None:
    assert not list(check(write(tmp_path, {"Dockerfile": STAGES.format(line=line)}), select=COPIES))


def test_a_stage_that_is_not_built_is_not_looked_at(tmp_path: Path) -> None:
    text = "FROM python:3.13-slim AS unused\nCOPY nothing .\nCOPY --from=builder x y\nFROM python:3.13-slim\nCMD x\n"

    assert not list(check(write(tmp_path, {"Dockerfile": text}), select=COPIES))
