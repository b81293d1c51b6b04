"""The Dockerfile's form: whether BuildKit takes it, and what it takes for something else than was meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from spaceops.dockerfile import Dockerfile
from spaceops.errors import DockerfileError
from spaceops.findings import Finding, Fix, Severity
from spaceops.rules import rule

if TYPE_CHECKING:
    from spaceops.context import Context
    from spaceops.dockerfile import Instruction

OUR_FRONTEND = re.compile(r"(?:docker\.io/)?docker/dockerfile(?:[:@].*)?")
# Not a test of the shell, which begins with `[ ` or `[[` and holds no comma after its first word.
MEANT_AS_LIST = re.compile(r"\[(?![\s\[]).*\]|\[\s+(?:\"[^\"]*\"|'[^']*'|[^\s,\"']+)\s*,.*\]", re.DOTALL)
SMART_QUOTES = str.maketrans("\u201c\u201d\u201e\u00ab\u00bb\u2018\u2019", '"""""\'\'')


@rule(
    Severity.ERROR,
    bad={"Dockerfile": ("RUN pip install --no-cache-dir", "pip install --no-cache-dir")},
    good={"Dockerfile": ("RUN pip install --no-cache-dir", "# Packages\nrun \\\n  # of the app\n  pip install")},
)
def dockerfile_parse_error(ctx: Context) -> Iterator[Finding]:
    """The Hub reads the Dockerfile line by line: each begins with an instruction such as `FROM`, `RUN` or `CMD`.

    A line that goes on in the next ends with a backslash and nothing after it. A line that cannot be read ends the
    build before it begins.
    """
    error = _parse_error(ctx.text("Dockerfile")) if ctx.dockerfile is None and ctx.is_docker else None
    if error is not None:
        line = _line(ctx.text("Dockerfile") or "", error.line)
        yield Finding(
            f"The Hub cannot read line {error.line} of the Dockerfile: {_plain(error.problem)}{_quoted(line)}",
            hint=error.hint or f"Mend line {error.line}.",
            where=f"Dockerfile:{error.line}",
        )


def _parse_error(text: str | None) -> DockerfileError | None:
    if text is None or _is_of_another_frontend(text):
        return None
    try:
        Dockerfile.parse(text)
    except DockerfileError as error:
        return error
    return None


def _is_of_another_frontend(text: str) -> bool:
    """Whether a `# syntax=` line names a program that reads the file in its own way."""
    found = re.match(r"\s*#\s*syntax\s*=\s*(\S+)", text, re.IGNORECASE)
    return found is not None and not OUR_FRONTEND.fullmatch(found[1])


def _plain(problem: str) -> str:
    kind, _, rest = problem.partition(": ")
    if kind == "unknown instruction":
        return f"{rest} is no instruction"
    if problem == "no build stage in current context":
        return "it stands above the first FROM, where only ARG may stand"
    if problem == "file with no instructions":
        return "there is no instruction in it"
    return problem


def _line(text: str, number: int) -> str:
    lines = text.split("\n")
    return lines[number - 1].strip() if 0 < number <= len(lines) else ""


def _quoted(line: str) -> str:
    short = line if len(line) <= 80 else f"{line[:77]}…"
    return f" (`{short}`)" if short else ""


@rule(
    Severity.ERROR,
    bad={"Dockerfile": 'FROM python:3.13-slim\nCMD ["python", "-m", "http.server", "7860"]\n'.encode("utf-16")},
    good={"Dockerfile": ("FROM", "\ufeffFROM")},
)
def dockerfile_not_utf8(ctx: Context) -> Iterator[Finding]:
    """The Hub reads the Dockerfile as UTF-8. PowerShell and Notepad may save UTF-16, which it takes for nonsense."""
    content = ctx.content("Dockerfile") or b""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content[:1000]:
        text = ctx.text("Dockerfile")
        yield Finding(
            "The Dockerfile is not saved as UTF-8: the Hub cannot read its first line",
            hint="Save it as UTF-8, in PowerShell: (Get-Content Dockerfile) | Set-Content -Encoding utf8 Dockerfile",
            where="Dockerfile",
            fix=Fix.text("Dockerfile", text) if text else None,
        )


@rule(
    Severity.WARNING,
    bad={"Dockerfile": 'FROM python:3.13-slim\r\nCMD ["python", "-m", "http.server", "7860"]\r\n'},
    good={"notes.txt": "of\r\nWindows\r\n"},
)
def dockerfile_crlf(ctx: Context) -> Iterator[Finding]:
    """Windows ends lines with two characters, Linux with one.

    BuildKit takes both, but the text of a here-document (`RUN <<EOF`) keeps the extra character, and then commands
    such as `cd /app` look for a folder that is named with it.
    """
    text = ctx.text("Dockerfile")
    if text is None or "\r\n" not in text:
        return
    is_kept = ctx.dockerfile is None or any(one.heredocs for one in ctx.dockerfile.instructions)
    yield Finding(
        "The lines of the Dockerfile end as on Windows (CRLF), which breaks commands in here-documents"
        if is_kept
        else "The lines of the Dockerfile end as on Windows (CRLF), which would break a here-document (RUN <<EOF)",
        hint="Save it with LF: sed -i 's/\\r$//' Dockerfile, and `Dockerfile text eol=lf` in .gitattributes.",
        where="Dockerfile",
        fix=Fix.text("Dockerfile", text.replace("\r\n", "\n")),
        severity=None if is_kept else Severity.INFO,
    )


@rule(
    Severity.ERROR,
    bad={"Dockerfile": ('"--host", "0.0.0.0"', "'--host', '0.0.0.0'")},
    good={"Dockerfile": ('CMD ["uvicorn",', 'CMD [ "uvicorn" ,')},
)
def json_form_invalid(ctx: Context) -> Iterator[Finding]:
    """`CMD ["program", "argument"]` is a list in JSON: double quotes, commas between, none at the end.

    Where it is anything else, Docker hands the whole line to a shell, which looks for a program named `[program,`.
    """
    for line in _lines_that_count(ctx):
        args = line.args.strip()
        if line.exec is None and MEANT_AS_LIST.fullmatch(args):
            mended = _mended(args)
            yield Finding(
                f"{line.keyword} {_short(args)} is no list in JSON: a shell gets it as a command that does not exist",
                hint=f"Write {line.keyword} {mended}"
                if mended
                else "Put every word between double quotes, with commas between the words and none after the last.",
                where=f"Dockerfile:{line.line}",
                fix=_replaced(ctx, args, mended),
            )


def _lines_that_count(ctx: Context) -> list[Instruction]:
    """RUNs of the stages that are built, and the ENTRYPOINT and CMD that the container starts with."""
    if ctx.image is None:
        return []
    starts = {start.line for start in (ctx.image.entrypoint, ctx.image.cmd) if start is not None}
    found = {line.number: line.instruction for image in ctx.built for line in image.lines}
    return [one for _, one in sorted(found.items()) if one.keyword == "RUN" or one.line in starts]


def _mended(args: str) -> str | None:
    """The list with straight double quotes, where that makes it one."""
    straight = args.translate(SMART_QUOTES)
    for text in (straight, straight.replace("'", '"')):
        tidy = re.sub(r",\s*\]$", "]", text)
        try:
            found = Dockerfile.parse(f"FROM scratch\nCMD {tidy}").instructions[1]
        except DockerfileError:
            continue
        if found.exec is not None:
            return tidy
    return None


def _replaced(ctx: Context, old: str, new: str | None) -> Fix | None:
    text = ctx.text("Dockerfile") or ""
    if new is None or text.count(old) != 1:
        return None
    return Fix.text("Dockerfile", text.replace(old, new))


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}…"


@rule(
    Severity.WARNING,
    bad={"Dockerfile": ("USER user", "USER user\nENV STYLE = plain")},
    good={"Dockerfile": ("USER user", "USER user\nENV STYLE plain")},
)
def env_equals_spaced(ctx: Context) -> Iterator[Finding]:
    """`ENV NAME = value` gives the variable the value `= value`: an equals sign takes no spaces around it."""
    for one in ctx.dockerfile.instructions if ctx.dockerfile else ():
        words = one.args.split(None, 2)
        if one.keyword in ("ENV", "LABEL") and len(words) > 1 and words[1].startswith("=") and "=" not in words[0]:
            value = one.args.split("=", 1)[1].strip()
            yield Finding(
                f"{one.keyword} {words[0]} gets the value `= {_short(value)}`, with the equals sign",
                hint=f"Write {one.keyword} {words[0]}={_short(value)} without spaces around the equals sign.",
                where=f"Dockerfile:{one.line}",
                fix=_replaced(ctx, one.args, f"{words[0]}={value}") if " " not in value else None,
            )


@rule(
    Severity.WARNING,
    bad={"Dockerfile": ("CMD [", 'CMD ["python", "worker.py"]\nCMD [')},
    good={"Dockerfile": "FROM python:3.13-slim AS one\nCMD [\"python\"]\nFROM one\nCMD [\"python\", \"-m\", "
          "\"http.server\", \"7860\"]\n"},
)  # fmt: skip
def several_commands(ctx: Context) -> Iterator[Finding]:
    """A container starts one command. Of several `CMD` lines only the last counts, and so of `ENTRYPOINT`."""
    for stage in ctx.dockerfile.stages if ctx.dockerfile else ():
        for keyword in ("CMD", "ENTRYPOINT"):
            lines = [one.line for one in stage.instructions if one.keyword == keyword]
            if len(lines) > 1:
                yield Finding(
                    f"Line {lines[0]} starts nothing: of the {len(lines)} {keyword} lines only the last, line"
                    f" {lines[-1]}, counts",
                    hint='Start both programs from one script (`COPY start.sh .`, `CMD ["bash", "start.sh"]`), or'
                    f" remove line {lines[0]}.",
                    where=f"Dockerfile:{lines[0]}",
                )


@rule(
    Severity.INFO,
    bad={"Dockerfile": ("COPY --chown=user . .", "ONBUILD RUN python prepare.py\nCOPY --chown=user . .")},
    good={"Dockerfile": "FROM python:3.13-slim AS base\nONBUILD COPY main.py /srv/\nFROM base\nCMD [\"python\", "
          "\"/srv/main.py\"]\n"},
)  # fmt: skip
def onbuild_useless(ctx: Context) -> Iterator[Finding]:
    """`ONBUILD` waits until another image is built from this one. No image is built from that of a Space."""
    last = ctx.dockerfile.stages[-1] if ctx.dockerfile else None
    for one in last.instructions if last else ():
        if one.keyword == "ONBUILD":
            yield Finding(
                f"{_short(str(one))} is never carried out: nothing is built from the image of a Space",
                hint=f"Write it without ONBUILD: {_short(one.args)}",
                where=f"Dockerfile:{one.line}",
            )


@rule(
    Severity.INFO,
    bad={"Dockerfile": ("COPY --chown=user requirements.txt .\n", "COPY --chown=user . .\n")},
    good={"Dockerfile": ("COPY --chown=user . .", "COPY --chown=user main.py README.md ./")},
)
def dependencies_after_code(ctx: Context) -> Iterator[Finding]:
    """Docker keeps the result of each line until something above it changes.

    Where the whole folder is copied before the packages are installed, every change of the code installs all of them
    again: minutes, for each push.
    """
    copied_all: int | None = None
    for line in ctx.image.lines if ctx.image else ():
        if line.keyword in ("COPY", "ADD") and not line.step.flag("from") and line.step.args[:-1] in ((".",), ("./",)):
            copied_all = copied_all or line.number
        for command in line.commands if copied_all else ():
            name = _requirements_of(command.words)
            if name and name in ctx.in_context:
                yield Finding(
                    f"Line {copied_all} copies all files before {name} is installed: each change of the code installs"
                    " everything again",
                    hint=f"Above line {copied_all} write COPY {name} . and move line {line.number} below that.",
                    where=line.where(command),
                )
                return


def _requirements_of(words: tuple[str, ...]) -> str | None:
    """The file that a `pip install -r` or `npm ci` installs from."""
    text = " ".join(words)
    if found := re.search(r"\bpip3?\b.* install\b.*(?:-r|--requirement)[ =]?(\S+\.txt)", text):
        return found[1].removeprefix("./")
    return "package.json" if re.fullmatch(r"npm (?:ci|i|install)(?: --\S+)*", text) else None
