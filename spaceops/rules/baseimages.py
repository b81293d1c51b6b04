"""FROM: whether the image exists, runs on the Hub's machines, and still gets fixes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

from spaceops.findings import Finding, Fix, Severity
from spaceops.image import build_args, froms
from spaceops.image.bases import base_of
from spaceops.image.lifetimes import NAMES, end_of
from spaceops.image.tags import (
    CUDA_DELETED,
    MISTAKEN,
    STAGE_NAMES,
    Problem,
    cuda_problem,
    cuda_version,
    name_problem,
    tag_problem,
)
from spaceops.rules import rule
from spaceops.shell import UNKNOWN

if TYPE_CHECKING:
    from spaceops.context import Context
    from spaceops.dockerfile import Stage
    from spaceops.image.bases import Base

FOREIGN = ("arm64v8/", "arm32v7/", "arm32v6/", "i386/", "ppc64le/", "s390x/", "riscv64/", "mips64le/")
KEPT = {"python": "3.13", "node": "22", "php": "8.4", "ruby": "3.4"}  # versions that get fixes for some time


def _bases(ctx: Context) -> list[tuple[Stage, Base, bool]]:
    """The images that the stages that are built begin with; and whether their names are certain, without variables."""
    if ctx.dockerfile is None:
        return []
    numbers = {number for image in ctx.built for number in image.stages}
    known, found = build_args(ctx.dockerfile, ctx.space.environment), []
    for stage in ctx.dockerfile.stages:
        name = ctx.dockerfile.base(stage, known) if stage.index in numbers else "scratch"
        is_image = name != "scratch" and UNKNOWN not in name and not ctx.dockerfile.stage(name, before=stage)
        found += [(stage, base_of(name), "$" not in stage.base)] if is_image else []
    return found


def _copied_from(ctx: Context) -> list[tuple[int, Base, bool]]:
    """The images that files are copied from, by the lines that do it."""
    lines = {line.number: line.instruction for image in ctx.built for line in image.lines}
    names = [(number, name) for number, one in lines.items() for name in froms(one)]
    return [(number, base_of(name), True) for number, name in names if set(name) & set("/:@") and "$" not in name]


@rule(
    Severity.ERROR,
    bad={"Dockerfile": ("python:3.13-slim", "python:3.1")},
    good={"Dockerfile": ("python:3.13-slim", "python:3.13-slim-trixie")},
)
def base_image_not_found(ctx: Context) -> Iterator[Finding]:
    """`FROM` names an image and, after the colon, its tag: a version and a variant that somebody has published.

    The build ends at once where there is no such tag. Which there are is listed at hub.docker.com.
    """
    places = [(stage.line, base, is_certain) for stage, base, is_certain in _bases(ctx)]
    for line, base, is_certain in [*places, *_copied_from(ctx)]:
        problem = _problem(base)
        if problem is None or base.repository == "nvidia/cuda":
            continue
        yield Finding(
            f"There is no image {base.name or 'without a name'}: {problem.why}",
            hint=f"Write {_instead(base, problem)}" if problem.instead else "Look up the name at hub.docker.com.",
            where=f"Dockerfile:{line}",
            fix=_tag_fix(ctx, base.name, _instead(base, problem)) if problem.instead else None,
            severity=None if is_certain else Severity.WARNING,
        )


def _problem(base: Base) -> Problem | None:
    if not base.name:
        return Problem("the variable that FROM names has no value there")
    malformed = name_problem(base.name)
    if malformed is not None or base.digest:
        return malformed
    if base.repository in MISTAKEN:
        return Problem("Docker's library has none of that name", MISTAKEN[base.repository])
    if base.repository in STAGE_NAMES:
        return Problem("no stage above has that name, and Docker's library has no such image")
    return tag_problem(base.repository, base.tag)


def _instead(base: Base, problem: Problem) -> str:
    """The whole name that was meant: a problem of the tag names only a tag."""
    is_tag = tag_problem(base.repository, base.tag) == problem
    if is_tag and base.name.endswith(f":{base.tag}"):
        return f"{base.name.removesuffix(base.tag)}{problem.instead}"
    return problem.instead


def _tag_fix(ctx: Context, old: str, new: str) -> Fix | None:
    text = ctx.text("Dockerfile") or ""
    if text.count(old) != 1 or new == old:
        return None
    return Fix.text("Dockerfile", text.replace(old, new), safe=False)


@rule(
    Severity.ERROR,
    bad={"Dockerfile": "FROM nvidia/cuda:11.8-runtime-ubuntu20.04\nCMD [\"sleep\", \"infinity\"]\n"},
    good={"Dockerfile": ("python:3.13-slim", "nvidia/cuda:12.8.1-runtime-ubuntu24.04")},
)  # fmt: skip
def cuda_tag_invalid(ctx: Context) -> Iterator[Finding]:
    """The tags of nvidia/cuda are `VERSION-FLAVOUR-SYSTEM`, as in `12.8.1-runtime-ubuntu24.04`.

    The version has three numbers, and there is no `latest`. The image holds no Python; PyTorch's own packages bring
    CUDA with them and run in `python:3.13-slim` too.
    """
    for stage, base, is_certain in _bases(ctx):
        problem = cuda_problem(base.tag) if base.repository == "nvidia/cuda" and base.tag else None
        if problem is not None:
            instead = f"nvidia/cuda:{problem.instead}" if problem.instead else "nvidia/cuda:12.8.1-runtime-ubuntu24.04"
            yield Finding(
                f"There is no image {base.name}: {problem.why}",
                hint=f"Write {instead}; or python:3.13-slim, where PyTorch's packages bring CUDA along.",
                where=f"Dockerfile:{stage.line}",
                fix=_tag_fix(ctx, base.name, instead) if problem.instead else None,
                severity=None if is_certain else Severity.WARNING,
            )


@rule(
    Severity.WARNING,
    bad={"Dockerfile": "FROM nvidia/cuda:11.3.1-runtime-ubuntu22.04\nCMD [\"sleep\", \"infinity\"]\n"},
    good={"Dockerfile": ("python:3.13-slim", "nvidia/cuda:11.8.0-runtime-ubuntu22.04")},
)  # fmt: skip
def cuda_tag_eol(ctx: Context) -> Iterator[Finding]:
    """NVIDIA deletes images six months after a version of CUDA ends; a build from one that is gone fails."""
    for stage, base, _ in _bases(ctx):
        version = cuda_version(base.tag) if base.repository == "nvidia/cuda" else None
        if version is not None and version < CUDA_DELETED:
            yield Finding(
                f"NVIDIA deletes old images, and CUDA {'.'.join(map(str, version))} ended long ago: {base.name} may be"
                " gone",
                hint="Take a version that is kept: nvidia/cuda:12.8.1-runtime-ubuntu24.04",
                where=f"Dockerfile:{stage.line}",
            )


@rule(
    Severity.WARNING,
    bad={"Dockerfile": ("python:3.13-slim", "python:3.9-slim")},
    good={"Dockerfile": ("python:3.13-slim", "python:3.12-slim")},
)
def runtime_eol(ctx: Context) -> Iterator[Finding]:
    """A version of Python or Node.js gets fixes for some years only.

    After that the image still works, but is not mended, and new versions of packages no longer support it: pip then
    takes old ones without a word.
    """
    seen = set[tuple[str, str]]()
    for stage, base, _ in _bases(ctx):
        language, version = _runtime(base)
        end = end_of(language, version)
        if end is not None and end < date.today() and (language, version) not in seen:
            seen.add((language, version))
            yield Finding(
                f"{NAMES[language]} {version} has had no fixes since {end:%B %Y}, and new packages do not support it",
                hint=f"Build from a newer one and try it: FROM {_newer(base, language, version)}",
                where=f"Dockerfile:{stage.line}",
                fix=_tag_fix(ctx, base.name, _newer(base, language, version)),
            )


def _newer(base: Base, language: str, version: str) -> str:
    """The image with a version that gets fixes; its variant stays where the newer one surely has it."""
    variant = re.fullmatch(re.escape(version) + r"(?:\.\d+)*((?:-(?:slim|alpine|apache|fpm|cli))?)", base.tag)
    name = base.name.removesuffix(f":{base.tag}").partition("@")[0]
    return f"{name}:{KEPT[language]}{variant[1] if variant else ''}"


def _runtime(base: Base) -> tuple[str, str]:
    """The language of an official image and its version, as far as fixes are counted by."""
    if base.python is not None:
        return "python", ".".join(map(str, base.python))
    if base.repository == "node" and base.node is not None:
        return "node", str(base.node)
    numbers = base.tag.split("-")[0].split(".")
    for count in (2, 1):
        version = ".".join(numbers[:count])
        if base.repository in NAMES and end_of(base.repository, version) is not None:
            return base.repository, version
    return "", ""


@rule(
    Severity.ERROR,
    bad={"Dockerfile": ("FROM python", "FROM --platform=linux/arm64 python")},
    good={"Dockerfile": ("FROM python", "FROM --platform=linux/amd64 python")},
)
def wrong_arch(ctx: Context) -> Iterator[Finding]:
    """The Hub's machines are linux/amd64. An image for ARM (a Mac) or Windows ends there with *exec format error*."""
    last = ctx.built[-1].stages if ctx.built else ()
    for stage, base, _ in _bases(ctx):
        platform = dict(stage.flags).get("platform", "").lower()
        is_foreign = (
            platform and "$" not in platform and platform not in ("linux/amd64", "linux", "amd64", "linux/x86_64")
        )
        named = platform if is_foreign else next((one for one in FOREIGN if base.repository.startswith(one)), "")
        named = named or ("Windows" if base.distribution == "windows" else "")
        if named:
            yield Finding(
                f"The image is for {named.rstrip('/')}, but the Hub's machines are linux/amd64: nothing in it starts",
                hint="Remove --platform."
                if is_foreign
                else f"Take the image for linux/amd64: the name without {named}"
                if named.endswith("/")
                else "Take an image for Linux.",
                where=f"Dockerfile:{stage.line}",
                severity=None if stage.index in last else Severity.WARNING,
            )
