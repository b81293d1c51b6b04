"""Rules about the packages that a build installs with apt, apk and npm, and about pip in the distribution's Python."""

from __future__ import annotations

import re
from collections.abc import Iterator

from spaceops.context import Context
from spaceops.findings import Finding, Fix, Severity
from spaceops.image.bases import SYSTEM_PATH, Base
from spaceops.image.runs import Packages, Run, packages_of
from spaceops.image.systempackages import Missing, missing
from spaceops.pipcommands import PIP, PYTHON
from spaceops.rules import rule
from spaceops.rules.examples import NODE_SERVE, NODE_SERVER
from spaceops.shell import UNKNOWN

_APT = frozenset({"apt-get", "apt", "aptitude"})
_AS_ROOT = frozenset({"update", "install", "reinstall", "upgrade", "dist-upgrade", "full-upgrade", "remove", "add"})
# Packages that no bare image has, and that bring others along: apt asks before it installs them.
_NEVER_THERE = frozenset(
    """
    build-essential chromium cmake curl default-jdk default-jre espeak-ng ffmpeg g++ gcc git git-lfs imagemagick libgl1
    libgl1-mesa-glx libmagic1 libpq-dev libsndfile1 nginx nodejs npm poppler-utils postgresql python3-dev python3-pip
    redis-server software-properties-common supervisor tesseract-ocr unzip vim wget
    """.split()  # noqa: SIM905
)
_OF_NVIDIA = re.compile(r"cuda|libcu|libnccl|libnv|nvidia|tensorrt")  # nvidia/cuda names NVIDIA's own sources
_ARCHIVED = ("jessie", "stretch", "buster")  # gone from the servers that their images name
_ENDING = {"bullseye": "2026-08-31"}
_MANAGED = {"debian": ("bookworm", "trixie"), "ubuntu": ("23.04", "23.10", "24.04", "24.10", "25.04", "25.10")}
_DEBIAN_END = 'COPY . .\nCMD ["python3", "-m", "http.server", "7860", "--bind", "0.0.0.0"]\n'
_LATE = "RUN pip install"  # a line of the good Dockerfile, after its USER


def _apt(ctx: Context) -> Iterator[tuple[Run, Packages]]:
    """What apt is told to install on Debian and Ubuntu, from the sources of the base image, where it must succeed."""
    for run in ctx.runs:
        asked = packages_of(run.command)
        is_install = asked is not None and asked.manager in _APT and asked.verb in ("install", "reinstall")
        if asked and is_install and run.is_certain and run.image.base.distribution in ("debian", "ubuntu"):
            yield run, asked


def _line_of(ctx: Context, run: Run, word: str) -> int:
    """The line on which a word of the command stands."""
    lines = (ctx.text("Dockerfile") or "").splitlines()
    first = run.line.number + run.command.line - 1
    later = [one.line for one in ctx.dockerfile.instructions if one.line > first] if ctx.dockerfile else []
    for number in range(first, min(later, default=len(lines) + 1)):
        if number <= len(lines) and word in re.split(r"[\s=;&|'\"]+", lines[number - 1]):
            return number
    return first


@rule(
    Severity.ERROR,
    bad={"Dockerfile": (_LATE, f"RUN apt-get update && apt-get install -y ffmpeg\n{_LATE}")},
    good={"Dockerfile": ("RUN useradd", "RUN apt-get update && apt-get install -y ffmpeg\nRUN useradd")},
)
def apt_after_user(ctx: Context) -> Iterator[Finding]:
    """Only root may install packages of the system, and after `USER name` the lines of a Dockerfile are not root's.

    The build stops with "Permission denied". Install the packages above `USER`, or write `USER root` before the line
    and `USER name` after it.
    """
    seen = set[int]()
    for run in ctx.runs:
        asked = packages_of(run.command)
        if not asked or asked.verb not in _AS_ROOT or run.is_root is not False or not run.is_certain:
            continue
        if run.line.number not in seen:
            seen.add(run.line.number)
            yield Finding(
                f"{asked.manager} {asked.verb} runs as the user {run.line.user!r}, and only root may install packages",
                hint=f"Move the line above USER {run.line.user}, or put USER root before it and USER {run.line.user} "
                "after it.",
                where=run.where,
            )


def _absent(ctx: Context) -> Iterator[tuple[Run, str, Missing]]:
    """The packages asked for that the base image's release surely does not have."""
    for run, asked in _apt(ctx):
        base = run.image.base
        if run.known.has_own_sources or not run.known.has_lists or base.release is None:
            continue
        for word in asked.names:
            name = word.partition("=")[0].partition("/")[0]
            if base.repository == "nvidia/cuda" and _OF_NVIDIA.match(name):
                continue
            if name and word[-1] != "-" and (gone := missing(name, base.distribution or "", base.release)):
                yield run, word, gone


def _is_renamed(gone: Missing) -> bool:
    return bool(gone.instead) and gone.was_there


def _severity(ctx: Context, base: Base) -> Severity | None:
    """A Space that runs may have been built before its base image moved to this release, and not been built since."""
    return None if (base.release or "") in base.tag else ctx.for_new_builds


def _release(base: Base) -> str:
    return f"{(base.distribution or '').capitalize()} {base.release}"


@rule(
    Severity.ERROR,
    bad={"Dockerfile": ("RUN useradd", "RUN apt-get update && apt-get install -y libgl1-mesa-glx\nRUN useradd")},
    good={
        "Dockerfile": (
            "FROM python:3.13-slim\n",
            "FROM python:3.13-slim-bookworm\nRUN apt-get update && apt-get install -y libgl1-mesa-glx\n",
        )
    },
)
def apt_package_renamed(ctx: Context) -> Iterator[Finding]:
    """Distributions rename and drop packages. A Dockerfile that worked stops with "has no installation candidate" when
    its base image moves to a newer release, as `python:3.13-slim` moved from Debian bookworm to trixie in August 2025.

    Write the new name, or keep the old release in the tag of the base image (`python:3.13-slim-bookworm`).
    """
    for run, word, gone in _absent(ctx):
        if _is_renamed(gone):
            base, number = run.image.base, _line_of(ctx, run, word)
            yield Finding(
                f"{_release(base)}, which {base.name} is made from, has no package {gone.name}",
                hint=f"Write {gone.instead} for {gone.name}.",
                where=f"Dockerfile:{number}",
                fix=_replaced(ctx, number, word, gone.instead),
                severity=_severity(ctx, base),
            )


def _replaced(ctx: Context, number: int, word: str, new: str) -> Fix | None:
    lines = (ctx.text("Dockerfile") or "").splitlines(keepends=True)
    pattern = re.compile(rf"(?<!\S){re.escape(word)}(?!\S)")
    line = lines[number - 1] if number <= len(lines) else ""
    if len(pattern.findall(line)) != 1:
        return None
    changed = pattern.sub(lambda _: new, line)
    return Fix.text("Dockerfile", "".join([*lines[: number - 1], changed, *lines[number:]]), safe=False)


@rule(
    Severity.ERROR,
    bad={
        "Dockerfile": (
            "RUN useradd",
            "RUN apt-get update && apt-get install -y software-properties-common\nRUN useradd",
        )
    },
    good={
        "Dockerfile": (
            "FROM python:3.13-slim\n",
            "FROM python:3.13-slim-bookworm\nRUN apt-get update && apt-get install -y software-properties-common\n",
        )
    },
)
def apt_package_unknown(ctx: Context) -> Iterator[Finding]:
    """`apt-get` stops with "Unable to locate package" where the release has none of that name, or where it has no lists
    of packages yet: the images come without them, so that `apt-get update` must come first, in the same RUN line.
    """
    for run, word, gone in _absent(ctx):
        if not _is_renamed(gone):
            where = f"Dockerfile:{_line_of(ctx, run, word)}"
            advice = gone.advice.removeprefix("leave it out; ")
            instead = f"and write {gone.instead}" if gone.instead else f"there: {advice}" if advice else "there"
            yield Finding(
                f"{_release(run.image.base)}, which {run.image.base.name} is made from, has no package {gone.name}",
                hint=f"Leave {gone.name} out {instead}.",
                where=where,
                severity=_severity(ctx, run.image.base),
            )
    for run, asked in _apt(ctx):
        if not run.known.has_lists and asked.names and not all("/" in name for name in asked.names):
            yield Finding(
                f"{asked.manager} install finds no package before `apt-get update` was run: {run.image.base.name} "
                "comes without the lists",
                hint=f"Write RUN apt-get update && {asked.manager} install …, in one line.",
                where=run.where,
                severity=None if _is_surely_missing(run.image.base, asked) else Severity.WARNING,
            )


def _is_surely_missing(base: Base, asked: Packages) -> bool:
    """Whether at least one package is surely not in the base image yet."""
    return (base.is_slim or base.repository in ("debian", "ubuntu")) and not _NEVER_THERE.isdisjoint(asked.names)


@rule(
    Severity.ERROR,
    bad={
        "Dockerfile": "FROM node:22-alpine\nRUN apk add --no-cache build-essential\nWORKDIR /app\nCOPY . .\n"
        + NODE_SERVE,
        "server.js": NODE_SERVER,
    },
    good={
        "Dockerfile": "FROM node:22-alpine\nRUN apk add --no-cache build-base\nWORKDIR /app\nCOPY . .\n" + NODE_SERVE,
        "server.js": NODE_SERVER,
    },
)
def apk_package_unknown(ctx: Context) -> Iterator[Finding]:
    """Alpine has packages of its own, and many have other names than Debian's. apk stops with "no such package"."""
    for run in ctx.runs:
        asked = packages_of(run.command)
        if not asked or asked.manager != "apk" or asked.verb != "add" or not run.is_certain:
            continue
        for gone in filter(None, (missing(name, "alpine", "") for name in asked.names)):
            instead = f"Write {gone.instead} for {gone.name}." if gone.instead else f"{gone.advice.capitalize()}."
            where = f"Dockerfile:{_line_of(ctx, run, gone.name)}"
            yield Finding(f"Alpine has no package {gone.name}: that is its name in Debian", hint=instead, where=where)


@rule(
    Severity.ERROR,
    bad={"Dockerfile": ("RUN useradd", "RUN apt-get update && apt-get install ffmpeg\nRUN useradd")},
    good={"Dockerfile": ("RUN useradd", "RUN apt-get update && apt-get install -qq ffmpeg\nRUN useradd")},
)
def apt_no_yes(ctx: Context) -> Iterator[Finding]:
    """`apt-get` asks "Do you want to continue?" before it installs more than it was asked for. In a build nobody
    answers, it takes that for a no, and the build stops with "Abort". `-y` answers the question.
    """
    for run, asked in _apt(ctx):
        if asked.names and not run.known.has_own_sources and not _is_answered(run, asked):
            yield Finding(
                f"{asked.manager} install asks whether it may go on, and in a build nobody answers: it stops",
                hint=f"Write {asked.manager} install -y",
                where=run.where,
                fix=_with_yes(ctx, run),
                severity=None if _is_surely_missing(run.image.base, asked) else Severity.WARNING,
            )


def _is_answered(run: Run, asked: Packages) -> bool:
    short = "".join(option[1:] for option in asked.options if re.fullmatch(r"-[A-Za-z]+", option))
    text = " ".join(asked.options)
    long = ("--yes", "--assume-yes", "--force-yes", "--quiet=2", "-q=2", "-s", "--simulate", "--dry-run", "-d")
    is_said = "y" in short or short.count("q") >= 2 or "Assume-Yes" in text or any(o in asked.options for o in long)
    return is_said or run.command.before == "|" or any("APT_CONFIG" in one for one in run.line.step.build_env)


def _with_yes(ctx: Context, run: Run) -> Fix | None:
    lines = (ctx.text("Dockerfile") or "").splitlines(keepends=True)
    number = run.line.number + run.command.line - 1
    line = lines[number - 1] if number <= len(lines) else ""
    pattern = re.compile(r"\b(apt(?:-get)?\s+install)\b(?!-)")
    if len(pattern.findall(line)) != 1:
        return None
    return Fix.text("Dockerfile", "".join([*lines[: number - 1], pattern.sub(r"\1 -y", line), *lines[number:]]))


@rule(
    Severity.ERROR,
    bad={"Dockerfile": f"FROM debian:buster-slim\nRUN apt-get update && apt-get install -y python3\n{_DEBIAN_END}"},
    good={"Dockerfile": f"FROM debian:bookworm-slim\nRUN apt-get update && apt-get install -y python3\n{_DEBIAN_END}"},
)
def debian_eol_apt(ctx: Context) -> Iterator[Finding]:
    """A release of Debian that is no longer maintained moves to an archive, and the servers that its image names answer
    404: `apt-get update` stops with "does not have a Release file". Take a base image on a newer release.
    """
    seen = set[str]()
    for run in ctx.runs:
        base, asked = run.image.base, packages_of(run.command)
        if not asked or asked.manager not in _APT or run.known.has_own_sources or not run.is_certain:
            continue
        release = base.release if base.distribution == "debian" else None
        if release in (*_ARCHIVED, *_ENDING) and base.name not in seen:
            seen.add(base.name)
            yield _eol(ctx, base, release or "", run)


def _eol(ctx: Context, base: Base, release: str, run: Run) -> Finding:
    lines = [stage.line for stage in ctx.dockerfile.stages if stage.base == base.name] if ctx.dockerfile else []
    where = f"Dockerfile:{lines[0]}" if lines else run.where
    hint = "Take a base image on Debian bookworm or trixie, such as python:3.13-slim or node:24-slim."
    if release in _ENDING:
        ended = f"Debian {release}, which {base.name} is made from, is maintained no more since {_ENDING[release]}: its"
        return Finding(f"{ended} packages move to an archive", hint, where, severity=Severity.WARNING)
    said = f"apt-get fails on {base.name}: the servers no longer have Debian {release}"
    return Finding(said, hint, where, severity=ctx.for_new_builds)


@rule(
    Severity.ERROR,
    bad={
        "Dockerfile": "FROM node:22-alpine\nRUN apt-get update && apt-get install -y git\nWORKDIR /app\nCOPY . .\n"
        + NODE_SERVE,
        "server.js": NODE_SERVER,
    },
    good={
        "Dockerfile": "FROM node:22-alpine\nRUN apk add --no-cache git\nWORKDIR /app\nCOPY . .\n" + NODE_SERVE,
        "server.js": NODE_SERVER,
    },
)
def package_manager_missing(ctx: Context) -> Iterator[Finding]:
    """Each distribution has a package manager of its own: Debian and Ubuntu have `apt-get`, Alpine `apk`, Fedora and
    Red Hat `dnf`. With another one the build stops with "not found".
    """
    seen = set[int]()
    for run in ctx.runs:
        asked, base = packages_of(run.command), run.image.base
        own = _manager_of(base)
        if not asked or not own or asked.manager in own or not run.is_certain or not run.known.is_charted:
            continue
        if base.has(asked.manager) is False and run.line.number not in seen:
            seen.add(run.line.number)
            verb = "add --no-cache" if own[0] == "apk" else "install -y"
            message = f"{base.name} has no {asked.manager}: it is made from {(base.distribution or '').capitalize()}"
            yield Finding(message, hint=f"Write {own[0]} {verb} with the packages' names there.", where=run.where)


def _manager_of(base: Base) -> tuple[str, ...]:
    if base.distribution in ("debian", "ubuntu"):
        return ("apt-get", "apt", "aptitude")
    if base.distribution == "alpine":
        return ("apk",)
    return ("dnf", "yum", "microdnf") if base.distribution in ("fedora", "rockylinux", "almalinux") else ()


@rule(
    Severity.ERROR,
    bad={
        "Dockerfile": "FROM debian:bookworm-slim\nRUN apt-get update && apt-get install -y python3-pip\n"
        f"RUN pip3 install httpie\n{_DEBIAN_END}"
    },
    good={
        "Dockerfile": "FROM debian:bookworm-slim\nRUN apt-get update && apt-get install -y python3-pip\n"
        f"RUN pip3 install --break-system-packages httpie\n{_DEBIAN_END}"
    },
)
def externally_managed(ctx: Context) -> Iterator[Finding]:
    """Since Debian 12 and Ubuntu 23.04, pip refuses to install into the Python of the distribution
    ("externally-managed-environment"). Take a `python:` base image, make a virtual environment, or say
    `--break-system-packages`, which does no harm in an image.
    """
    for run in ctx.runs:
        if run.is_certain and _is_managed(run) and _installs_with_pip(run):
            yield Finding(
                f"pip refuses to install into the Python of {_release(run.image.base)}: apt alone may change it",
                hint="Start FROM python:3.13-slim, or write pip install --break-system-packages",
                where=run.where,
            )


def _is_managed(run: Run) -> bool:
    """Whether the Python is surely the distribution's, with the file that forbids pip."""
    base, env = run.image.base, run.line.step.build_env
    folders = {one for one in env.get("PATH", "").split(":") if not re.search(r"\.local/bin$|/cuda/|/nvidia/", one)}
    folders -= {"", *SYSTEM_PATH.split(":")}
    return (
        base.python is None
        and base.release in _MANAGED.get(base.distribution or "", ())
        and base.has("pip") is False
        and run.known.is_charted
        and "python3-pip" in run.known.packages
        and not folders
        and not env.keys() & {"PIP_BREAK_SYSTEM_PACKAGES", "PIP_TARGET", "PIP_PREFIX", "PIP_CONFIG_FILE"}
        and not any("EXTERNALLY-MANAGED" in word or "pip.conf" in word for word in _words(run))
    )


def _words(run: Run) -> Iterator[str]:
    """Every word and file of the lines until this one."""
    for line in run.image.lines:
        if line.number <= run.line.number:
            yield line.instruction.args
            yield from (heredoc.content for heredoc in line.step.heredocs)


def _installs_with_pip(run: Run) -> bool:
    words = run.words
    if len(words) > 2 and PYTHON.fullmatch(words[0]) and words[1] == "-m":
        words = words[2:]
    if not words or not PIP.fullmatch(words[0]) or UNKNOWN in "".join(words):
        return False
    is_elsewhere = run.command.has(
        "--break-system-packages", "--target", "-t", "--prefix", "--root", "--dry-run", "--help"
    )
    is_told = any("BREAK_SYSTEM" in one for one in run.command.assigned) or ". " in run.line.instruction.args
    is_told = is_told or any(word in run.line.instruction.args for word in ("activate", "venv", "pip config"))
    return "install" in words[1:] and not is_elsewhere and not is_told
