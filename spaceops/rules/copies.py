"""COPY and ADD: whether what they name is there when the Hub builds."""

from __future__ import annotations

import difflib
import posixpath
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from spaceops.findings import Finding, Severity
from spaceops.image import ADDRESS, froms, shell_word, tree_of
from spaceops.image.tags import STAGE_NAMES
from spaceops.rules import rule
from spaceops.shell import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spaceops.context import Context
    from spaceops.dockerfile import Dockerfile, Instruction, Stage
    from spaceops.image import Line

GLOB = re.compile(r"[*?\[]")
ALIKE = 0.75


def _copies(ctx: Context) -> list[Line]:
    """The COPYs and ADDs of the stages that are built."""
    found = {line.number: line for image in ctx.built for line in image.lines if line.keyword in ("COPY", "ADD")}
    return [found[number] for number in sorted(found)]


def _sources(ctx: Context) -> Iterator[tuple[Line, str, str]]:
    """Every file or folder of the build context that a COPY or ADD names: as written, and its path in the Space."""
    for line in _copies(ctx):
        if line.step.flag("from") is not None or shell_word(line):
            continue
        for source in line.step.args[:-1]:
            if not (UNKNOWN in source or source.startswith("<<") or GLOB.search(source) or ADDRESS.match(source)):
                yield line, source, posixpath.normpath(posixpath.join("/", source)).lstrip("/")


def _missing(ctx: Context) -> Iterator[tuple[Line, str, str]]:
    """Those of them that are not in the build context."""
    for line, source, path in _sources(ctx):
        if path and path not in ctx.in_context and ctx.image and path not in ctx.image.tree:
            yield line, source, path


def _is_certain(ctx: Context, line: Line, path: str) -> bool:
    """Not where a variable may name something else, or a submodule or a link may bring it."""
    below = {path, *(path[:at] for at, char in enumerate(path) if char == "/")}
    is_linked = any(skipped in below for skipped in ctx.source.skipped)
    return "$" not in line.instruction.args and not is_linked and ".gitmodules" not in ctx.source.files


@rule(
    Severity.ERROR,
    bad={"Dockerfile": ("COPY --chown=user . .", "COPY --chown=user . . 2>/dev/null || true")},
    good={"Dockerfile": ("COPY --chown=user . .", "COPY --chown=user . .\nRUN cp -r static /tmp 2>/dev/null || true")},
)
def copy_shell_syntax(ctx: Context) -> Iterator[Finding]:
    """`COPY` and `ADD` are not run by a shell: every word but the last is a file to copy.

    So `COPY static ./static || true` looks for files named `||` and `./static`, and the build ends.
    """
    for line in _copies(ctx):
        word = shell_word(line)
        if word is None:
            continue
        plain = re.split(r"\s+(?:#|\|\|?|&&|;|\d?>)", str(line.instruction))[0]
        what = "takes the comment for files" if word == "#" else f"takes {word} for a file: no shell reads it"
        hint = (
            "Give the comment a line of its own"
            if word == "#"
            else f"Write {plain}, and make sure that it is there (an empty folder keeps a file named .gitkeep)"
        )
        yield Finding(f"{line.keyword} {what}, so the build ends", hint=f"{hint}.", where=line.where())


@rule(
    Severity.ERROR,
    bad={"Dockerfile": ("COPY --chown=user . .", "COPY --chown=user app ./app\nCOPY --chown=user . .")},
    good={"Dockerfile": ("COPY --chown=user . .", "COPY --chown=user stat[i]c ./static\nCOPY --chown=user . .")},
)
def copy_source_missing(ctx: Context) -> Iterator[Finding]:
    """`COPY` takes files of the Space, named from its top folder, with the same capitals. A missing one ends the build.

    Files that an ignore file keeps from the Hub are missing there too, and folders without a file are never pushed.
    """
    missing = list(_missing(ctx))
    all_paths = tree_of(ctx.source.files) if missing else {}
    for line, source, path in missing:
        if _leaves(source) or path in ctx.source.files or path in all_paths:
            continue
        message, hint = _why_missing(ctx, path, all_paths)
        yield Finding(
            f"{line.keyword} wants {source}, {message}",
            hint=hint,
            where=line.where(),
            severity=None if _is_certain(ctx, line, path) else Severity.WARNING,
        )


def _why_missing(ctx: Context, path: str, all_paths: Mapping[str, set[str]]) -> tuple[str, str]:
    near = _near(path, [*ctx.source.files, *all_paths])
    if near and near.lower() == path.lower():
        return f"but the Space has {near}: capitals matter", f"Write {near} in the Dockerfile, or rename the file."
    on_disk = ctx.source.root / path
    if on_disk.is_dir() and not any(on_disk.iterdir()):
        return "an empty folder: those are never pushed", f"Put a file into it: touch {path}/.gitkeep"
    if on_disk.exists():
        return (
            "which is here but is not pushed: an ignore file (.gitignore, .hfignore) names it, or it holds secrets",
            f"Write !/{path} as the last line of that ignore file, or let a RUN make it during the build.",
        )
    if near:
        return f"which the Space does not have; it has {near}", f"Write {near}, or add {path} to the folder."
    return "which the Space does not have", f"Add {path} to the folder, or remove the line."


def _near(path: str, paths: list[str]) -> str | None:
    """The path that was probably meant: another spelling, or the same name in another folder."""
    for one in paths:
        if one and one.lower() == path.lower():
            return one
    name = posixpath.basename(path)
    elsewhere = [one for one in paths if posixpath.basename(one) == name]
    if len(elsewhere) == 1:
        return elsewhere[0]
    beside = [one for one in paths if one and posixpath.dirname(one) == posixpath.dirname(path)][:1000]
    return next(iter(difflib.get_close_matches(path, beside, n=1, cutoff=ALIKE)), None)


@rule(
    Severity.ERROR,
    bad={".dockerignore": ".git\n*.txt\n"},
    good={".dockerignore": ".git\n*.txt\n!requirements.txt\n"},
)
def dockerignore_excludes(ctx: Context) -> Iterator[Finding]:
    """What `.dockerignore` names does not exist for `COPY`: the build ends as if the file were missing.

    Its last matching line decides, and `!` at the beginning of a line takes a file back in.
    """
    missing = list(_missing(ctx))
    all_paths = tree_of(ctx.source.files) if missing else {}
    for line, source, path in missing:
        is_there = path in ctx.source.files or path in all_paths
        pattern = ctx.dockerignore.deciding(path) if is_there and not _leaves(source) else None
        if pattern is not None and pattern.excludes:
            name = "Dockerfile.dockerignore" if ctx.text("Dockerfile.dockerignore") else ".dockerignore"
            yield Finding(
                f"{line.keyword} wants {source}, but the line {pattern.text} of {name} hides it from the build",
                hint=f"Write !{path} as the last line of {name}, or remove line {pattern.line}.",
                where=f"{name}:{pattern.line}",
                severity=None if _is_certain(ctx, line, path) else Severity.WARNING,
            )


def _leaves(source: str) -> bool:
    """Whether a path climbs out of the folder."""
    return posixpath.normpath(source.lstrip("/") or ".").startswith("..")


@rule(
    Severity.ERROR,
    bad={"Dockerfile": ("COPY --chown=user . .", "COPY --chown=user ../shared ./shared\nCOPY --chown=user . .")},
    good={"Dockerfile": ("COPY --chown=user . .", "COPY --chown=user app/../main.py .\nCOPY --chown=user . .")},
)
def copy_outside_context(ctx: Context) -> Iterator[Finding]:
    """The build sees only the files of the Space. `COPY ../shared` cannot reach the folder above: it is not there."""
    missing = {(line.number, source) for line, source, _ in _missing(ctx)}
    for line, source, path in _sources(ctx):
        if not _leaves(source):
            continue
        is_missing = (line.number, source) in missing
        why = "which the build cannot see" if is_missing else f"and gets {path or 'all files'} of the Space instead"
        yield Finding(
            f"{line.keyword} {source} names something above the Space's folder, {why}",
            hint=f"Copy it into the folder and write {path}." if is_missing else f"Write {path or '.'} without ../",
            where=line.where(),
            severity=None if is_missing and _is_certain(ctx, line, path) else Severity.WARNING,
        )


@rule(
    Severity.ERROR,
    bad={"Dockerfile": ("CMD [", "COPY --from=builder /app /app\nCMD [")},
    good={"Dockerfile": ("CMD [", "COPY --from=nginx:stable /etc/nginx/mime.types /etc/\nCMD [")},
)
def copy_from_stage_missing(ctx: Context) -> Iterator[Finding]:
    """`COPY --from=NAME` takes files from a stage, which begins at `FROM image AS NAME` further up, or from an image.

    A name that is neither ends the build: Docker looks for an image of that name and finds none. So does a path that
    the stage has not made, such as `.next/standalone` of a Next.js that is not told to make it.
    """
    numbers = {line.number for image in ctx.built for line in image.lines}
    if ctx.dockerfile is not None:
        for stage in ctx.dockerfile.stages:
            for one in stage.instructions:
                for name in froms(one) if one.line in numbers else ():
                    yield from _reference(ctx.dockerfile, stage, one, name)
    yield from _without_standalone(ctx)


_CONFIG = re.compile(r"(?:.*/)?next\.config\.(?:[cm]?js|ts|mts)")


def _without_standalone(ctx: Context) -> Iterator[Finding]:
    """Copies of the folder that Next.js makes only where its configuration asks for it."""
    configs = [path for path in ctx.in_context if _CONFIG.fullmatch(path)]
    texts = [ctx.text(path) or "standalone" for path in configs]
    texts += [text for path in ctx.in_context if path.endswith("package.json") and (text := ctx.text(path))]
    lines = {line.number: line for image in ctx.built for line in image.lines}
    texts += [one.instruction.args for one in lines.values() if one.keyword in ("RUN", "ENV", "ARG")]
    if len(configs) != 1 or any(word in text for text in texts for word in ("standalone", "STANDALONE", "next.config")):
        return
    for line in lines.values():
        source = line.step.flag("from") if line.keyword == "COPY" else None
        if source and ctx.dockerfile and ctx.dockerfile.stage(source) and ".next/standalone" in line.instruction.args:
            yield Finding(
                f"next build makes no folder .next/standalone, because {configs[0]} does not ask for it",
                hint=f'Write output: "standalone" into the configuration in {configs[0]}.',
                where=line.where(),
                severity=Severity.WARNING
                if re.search(r"\brequire\(|^import (?!type)", texts[0], re.MULTILINE)
                else None,
            )
            return


def _reference(dockerfile: Dockerfile, stage: Stage, one: Instruction, name: str) -> Iterator[Finding]:
    if UNKNOWN in name or "$" in name or dockerfile.stage(name, before=stage) is not None:
        return
    where = f"Dockerfile:{one.line}"
    later = dockerfile.stage(name)
    if later is not None and later.index == stage.index:
        yield Finding(f"--from={name} names the stage that it stands in", hint="Name an earlier stage.", where=where)
    elif later is not None:
        yield Finding(
            f"--from={name} names a stage that begins only in line {later.line}, below: its files are not there yet",
            hint=f"Move the stage {name} above this one.",
            where=where,
            severity=Severity.WARNING,
        )
    elif name.isdecimal():
        yield Finding(
            f"--from={name} wants the stage number {name}, but they are counted from 0 to {len(dockerfile.stages) - 1}",
            hint="Name the stage: FROM image AS build, and --from=build.",
            where=where,
        )
    else:
        yield from _no_image(dockerfile, stage, name, where)


def _no_image(dockerfile: Dockerfile, stage: Stage, name: str, where: str) -> Iterator[Finding]:
    """A name that is probably no image; what has a maker or a tag may be one."""
    names = [one.name for one in dockerfile.stages[: stage.index] if one.name]
    near = difflib.get_close_matches(name.lower(), names, n=1)
    if set(name) & set("/:@.") or not (near or name.lower() in STAGE_NAMES):
        return
    known = f"there are {', '.join(names)}" if names else "no earlier stage has a name"
    hint = f"Write --from={near[0]}." if near else f"Write FROM image AS {name} above, where that stage begins."
    yield Finding(f"--from={name} names no stage ({known}) and no image", hint=hint, where=where)
