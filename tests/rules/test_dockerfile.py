"""The rules about the Dockerfile's form."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spaceops.findings import Finding, Severity
from spaceops.preflight import check
from spaceops.rules.examples import GOOD, Change, write

EXAMPLES = int(os.environ.get("SPACEOPS_EXAMPLES", "20"))
OURS = (
    "dockerfile-parse-error", "dockerfile-not-utf8", "dockerfile-crlf", "json-form-invalid", "several-commands",
    "onbuild-useless", "dependencies-after-code",
)  # fmt: skip


def found(folder: Path, text: str | bytes | tuple[str, str], **more: Change) -> list[Finding]:
    """Our findings about a Dockerfile, or about the good one with a replacement."""
    change: dict[str, Change] = {"Dockerfile": text, **more}
    return list(check(write(folder, change), select=OURS))


def codes(findings: list[Finding]) -> list[tuple[str, int | None]]:
    return [(finding.code, finding.line) for finding in findings]


@pytest.mark.parametrize(
    ("lines", "line", "said", "hint"),
    [
        ("pip install x", 2, "pip is no instruction", "Write RUN before a command: RUN pip install x"),
        ("RUN a && /\n    b", 3, "b is no instruction", "End line 2 with \\ and not with /"),
        ("RUN a \\ # why\n    && b", 3, "&& is no instruction", "Nothing may follow the \\ at the end of line 2"),
        ("RUN a\n    && b", 3, "&& is no instruction", "end line 2 with \\"),
        ('CMD ["a",\n     "b"]', 3, '"b"] is no instruction', "Write the list on one line"),
        ("```dockerfile", 2, "```dockerfile is no instruction", "Markdown fence"),
        ("<<<<<<< HEAD", 2, "<<<<<<< is no instruction", "merge conflict"),
        ("COPPY a b", 2, "COPPY is no instruction", "Did you mean COPY?"),
        ("PORT=7860", 2, "PORT=7860 is no instruction", "Write ENV before a variable: ENV PORT=7860"),
        ("ENV A=1 B", 2, "can't find =", "Write NAME=value without spaces around ="),
        ("ENV A=1 # why", 2, 'can\'t find = in "#"', "A comment needs a line of its own"),
        ("EXPOSE 7860 # why", 2, "invalid containerPort: #", "A comment needs a line of its own"),
        ("EXPOSE http", 2, "invalid containerPort: http", "Write port numbers only"),
        ("COPY --owner=user a b", 2, "unknown flag: --owner", "Did you mean --chown?"),
        ("WORKDIR --x /a", 2, "unknown flag: --x", "WORKDIR takes no flags."),
        ("COPY a", 2, "at least two arguments", None),
        ("SHELL bash", 2, "JSON form", 'SHELL ["/bin/bash", "-c"]'),
        ("CMD [7860]", 2, "comprised of strings", "Put every entry between double quotes"),
        ("FROM python 3.12", 2, "either one or three arguments", "Write FROM image:tag"),
        ("LABEL a=it's", 2, "matching single-quote", "Close the quote"),
        ("ENV A=${B", 2, "missing '}'", "Close the quote or the brace"),
        ("HEALTHCHECK curl x", 2, 'Unknown type "CURL"', "HEALTHCHECK [OPTIONS] CMD"),
        ("HEALTHCHECK --interval=30 CMD x", 2, 'invalid duration "30"', None),
        ("RUN <<EOF\nls", 2, "unterminated heredoc EOF", "Write EOF alone"),
        ("RUN --mount=type=secrets,id=X y", 2, "unsupported mount type", None),
        ("COPY --from=$X a b", 2, "not supported for --from", "COPY --from=source"),
    ],
)
def test_a_line_that_cannot_be_read_is_explained(
    tmp_path: Path, lines: str, line: int, said: str, hint: str | None
) -> None:
    findings = found(tmp_path, f"FROM python:3.13-slim\n{lines}\n")

    assert codes(findings) == [("dockerfile-parse-error", line)]
    assert said in findings[0].message
    assert (hint or findings[0].hint) in findings[0].hint


def test_the_sentence_shows_the_line(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, "FROM x\napt-get install curl\n")

    assert finding.message == (
        "The Hub cannot read line 2 of the Dockerfile: apt-get is no instruction (`apt-get install curl`)"
    )
    assert finding.hint == "Write RUN before a command: RUN apt-get install curl"


@pytest.mark.parametrize(
    "text",
    [
        "# syntax=acme/own-language:1\nanything goes\n",
        "from python:3.13-slim\nrun ls \\\n\n# comment\n -l\ncmd python",
        "FROM python:3.13-slim\nMAINTAINER O'Neil\nRUN echo it's \\\n fine'\nCMD python\n",
        "\ufeffFROM python:3.13-slim\nCMD [ \"python\" ]",
        "# escape=`\nFROM python:3.13-slim\nRUN a `\n b\nCMD python",
        "ARG A=1\nFROM python:3.13-slim AS Build-1.x\nCMD python",
        "FROM python:3.13-slim\nRUN\nCMD python",
        "FROM python:3.13-slim\nEXPOSE 7860/TCP $PORT 8000-8010\nHEALTHCHECK NONE\nSTOPSIGNAL 9\nCMD python",
        "FROM python:3.13-slim\nENV A 1 2\nLABEL a=\"b c\" d=e\nVOLUME [\"/a\"] \nCMD python",
        "FROM python:3.13-slim\nRUN python - <<'E O'\nx\nE O\nCMD python",
        "FROM python:3.13-slim\nRUN echo $((1 << 2)) && cat <<<x\nCMD python",
    ],
)  # fmt: skip
def test_what_buildkit_reads_is_read(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, text) == []


def test_windows_line_ends_are_mended(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, GOOD["Dockerfile"].replace("\n", "\r\n"))

    assert (finding.code, finding.fix and finding.fix.files) == (
        "dockerfile-crlf",
        {"Dockerfile": GOOD["Dockerfile"].encode()},
    )


@pytest.mark.parametrize(
    ("step", "severity"),
    [("RUN echo hello", Severity.INFO), ("RUN <<EOF\ncd /srv\nEOF", Severity.WARNING)],
)
def test_windows_line_ends_matter_in_here_documents_only(tmp_path: Path, step: str, severity: Severity) -> None:
    text = f"FROM python:3.13-slim\n{step}\n".replace("\n", "\r\n")

    assert [one.severity for one in found(tmp_path, text) if one.code == "dockerfile-crlf"] == [severity]


def test_utf16_is_named_and_mended(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, GOOD["Dockerfile"].encode("utf-16"))

    assert (finding.code, finding.fix and finding.fix.files) == (
        "dockerfile-not-utf8",
        {"Dockerfile": GOOD["Dockerfile"].encode()},
    )


@pytest.mark.parametrize(
    ("command", "mended"),
    [
        ("CMD ['python', 'main.py']", 'Write CMD ["python", "main.py"]'),
        ("CMD [“python”, “main.py”]", 'Write CMD ["python", "main.py"]'),
        ('CMD ["python", "main.py",]', 'Write CMD ["python", "main.py"]'),
        ("ENTRYPOINT [python, main.py]", "Put every word between double quotes, with commas between the words"),
        ("CMD [ 'python' , main.py ]", "Put every word between double quotes"),
        ("CMD [python main.py]", "Put every word between double quotes"),
        ("RUN ['ls']\nCMD x", 'Write RUN ["ls"]'),
    ],
)
def test_a_list_that_is_no_json_is_mended(tmp_path: Path, command: str, mended: str) -> None:
    (finding,) = found(tmp_path, f"FROM python:3.13-slim\n{command}\n")

    assert (finding.code, finding.severity) == ("json-form-invalid", "error")
    assert finding.hint.startswith(mended)


@pytest.mark.parametrize(
    "text",
    [
        'FROM python:3.13-slim\nRUN [ -f x ] && ls || [ 1 ]\nCMD ["python"]',
        "FROM python:3.13-slim\nRUN [[ -f x ]]\nCMD python",
        "FROM python:3.13-slim\nRUN [ \"$A\" = 'b, c' ]\nCMD python",
        "FROM python:3.13-slim\nCMD ['python']\nCMD python main.py",
        "FROM python:3.13-slim AS a\nRUN ['unused']\nFROM python:3.13-slim\nCMD python",
    ],
)
def test_brackets_of_a_shell_and_lines_that_do_not_count_are_no_lists(tmp_path: Path, text: str) -> None:
    assert "json-form-invalid" not in {finding.code for finding in found(tmp_path, text)}


def test_packages_before_the_code(tmp_path: Path) -> None:
    text = "FROM node:22\nWORKDIR /a\nCOPY . .\nRUN npm ci --omit=dev\nCMD node x\n"

    assert codes(found(tmp_path / "node", text, **{"package.json": "{}"})) == [("dependencies-after-code", 4)]
    assert found(tmp_path / "none", text) == []
    text = "FROM python:3.13\nCOPY app app\nRUN pip install -r requirements.txt\nCMD x\n"
    assert found(tmp_path / "part", text) == []


WORDS = r"""
    FROM RUN COPY CMD ENV ARG python:3 AS a [ ] " ' \ $ { } <<EOF EOF # = --from= --mount=type= , && ` é ( ) | .. * /
"""
PIECES = st.sampled_from([*WORDS.split(), "\n", " ", "\r\n", "\t"])


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES, max_size=60).map("".join) | st.text(max_size=80), st.binary(max_size=40))
def test_no_dockerfile_makes_check_fail(tmp_path: Path, text: str, tail: bytes) -> None:
    write(tmp_path, {"Dockerfile": b"FROM python:3.13-slim AS a\n" + text.encode(errors="replace") + tail})

    assert check(tmp_path) is not None


@pytest.mark.parametrize("piece", ["RUN a \\\n", "RUN (\n", "ENV A=$A\n", "COPY a b\n", 'RUN "', "ENV ${A:-"])
def test_a_huge_dockerfile_is_done_soon(tmp_path: Path, piece: str) -> None:
    text = "FROM python:3.13-slim\n" + piece * (60_000 // len(piece))
    began = time.process_time()

    check(write(tmp_path, {"Dockerfile": text}), select=OURS)

    assert time.process_time() - began < 10
