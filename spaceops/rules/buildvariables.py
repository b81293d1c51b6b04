"""What a build is given: variables only by ARG, secrets only by a mount, and no volume."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from spaceops.dockerfile import names_in
from spaceops.findings import Finding, Severity
from spaceops.rules import rule
from spaceops.secretlooks import is_secret_name
from spaceops.shell import UNKNOWN

if TYPE_CHECKING:
    from spaceops.context import Context
    from spaceops.image import Line
    from spaceops.shell import Command

EXPANDED = frozenset({"ADD", "COPY", "ENV", "EXPOSE", "LABEL", "USER", "WORKDIR"})
HARMLESS = frozenset({
    "[", "test", "mkdir", "chown", "chmod", "chgrp", "install", "ls", "echo", "export", "ln", "rm", "rmdir", "touch",
    "useradd", "adduser", "usermod", "cd", "cat", "find", "du", "stat",
})  # fmt: skip
DATA = "/data"  # where a volume is mounted by custom
_DEFAULT = r"\$\{%s:?[-=+?]"


def _lines(ctx: Context) -> list[Line]:
    """The instructions of the stages that are built."""
    found = {line.number: line for image in ctx.built for line in image.lines}
    return [found[number] for number in sorted(found)]


def _unset(line: Line) -> Iterator[tuple[str, str]]:
    """The variables that an instruction reads and that nothing has set by then, with their places."""
    if line.keyword == "RUN":
        for command in line.commands:
            for name in sorted(command.assumed):
                if not _has_default(name, line):
                    yield name, line.where(command)
    elif line.keyword in EXPANDED:
        args, known = line.instruction.args, line.step.build_env
        for name in sorted(names_in(args)):
            is_made_here = re.search(rf"(?:^|\s){name}=", args)
            is_empty = _is_itself(name, args) and line.step.env.get(name) == "" if is_made_here else name not in known
            if is_empty and not _has_default(name, line):
                yield name, line.where()


def _is_itself(name: str, args: str) -> bool:
    """Whether an ENV gives a variable its own value: `ENV X=$X`."""
    return bool(re.search(rf"(?:^|\s){name}=[\"']?\$(?:{name}\b|\{{{name}\}})", args))


def _has_default(name: str, line: Line) -> bool:
    texts = [line.instruction.args, *(heredoc.content for heredoc in line.step.heredocs)]
    return any(re.search(_DEFAULT % name, text) for text in texts)


def _first_of_each(found: Iterator[tuple[str, str]]) -> list[tuple[str, str]]:
    """Each name once, where it is read first."""
    places = dict[str, str]()
    for name, where in found:
        places.setdefault(name, where)
    return list(places.items())


def _all_unset(ctx: Context) -> list[tuple[str, str]]:
    return _first_of_each(pair for line in _lines(ctx) for pair in _unset(line))


def _above_from(ctx: Context) -> dict[str, int]:
    """The ARGs above the first FROM, with their lines."""
    found = dict[str, int]()
    for one in ctx.dockerfile.instructions if ctx.dockerfile else ():
        if one.keyword == "FROM":
            break
        found |= {word.partition("=")[0]: one.line for word in one.args.split()}
    return found


@rule(
    Severity.WARNING,
    bad={"Dockerfile": "ARG APP=main\nFROM python:3.13-slim\nCOPY main.py /srv/$APP.py\nWORKDIR /srv\nCMD [\"python\","
         " \"-m\", \"http.server\", \"7860\"]\n"},
    good={"Dockerfile": "ARG APP=main\nFROM python:3.13-slim\nARG APP\nCOPY main.py /srv/$APP.py\nWORKDIR /srv\nCMD ["
          "\"python\", \"-m\", \"http.server\", \"7860\"]\n"},
)  # fmt: skip
def arg_before_from(ctx: Context) -> Iterator[Finding]:
    """An `ARG` above `FROM` counts for the FROM lines only; below, the variable is empty.

    A line `ARG NAME` below FROM, without a value, brings it in.
    """
    above = _above_from(ctx)
    for name, where in _all_unset(ctx):
        if name in above:
            yield Finding(
                f"${name} is empty here: the ARG {name} of line {above[name]} stands above FROM and counts only there",
                hint=f"Write ARG {name} below the FROM of this stage, without a value.",
                where=where,
            )


@rule(
    Severity.WARNING,
    bad={
        "Dockerfile": ("COPY --chown=user . .", "COPY --chown=user . .\nRUN echo $STYLE > style.txt"),
        "space.toml": 'repo_id = "acme/hello"\n[variables]\nSTYLE = "plain"\n',
    },
    good={
        "Dockerfile": ("COPY --chown=user . .", "COPY --chown=user . .\nARG STYLE\nRUN echo $STYLE > style.txt"),
        "space.toml": 'repo_id = "acme/hello"\n[variables]\nSTYLE = "plain"\n',
    },
)
def variable_not_arg(ctx: Context) -> Iterator[Finding]:
    """The running app sees a Space's variables; the build sees only those that an `ARG NAME` in the stage asks for."""
    above = _above_from(ctx)
    for name, where in _all_unset(ctx):
        if name in ctx.space.environment and name not in above:
            yield Finding(
                f"${name} is empty while the image is built: the Space's variable reaches the build only by an ARG",
                hint=f"Write ARG {name} above this line, in the same stage.",
                where=where,
            )


@rule(
    Severity.WARNING,
    bad={"Dockerfile": ("COPY --chown=user . .", "COPY --chown=user . .\nRUN python -m main --token $HF_TOKEN")},
    good={
        "Dockerfile": (
            "COPY --chown=user . .",
            "COPY --chown=user . .\nRUN --mount=type=secret,id=HF_TOKEN,mode=0444 python -m main "
            "--token $(cat /run/secrets/HF_TOKEN)",
        )
    },
)
def secret_at_build_unmounted(ctx: Context) -> Iterator[Finding]:
    """Secrets are not there while the image is built, neither as variables nor by `ARG`.

    Only a line that asks for one sees it, as the file /run/secrets/NAME: `RUN --mount=type=secret,id=NAME,mode=0444 …`.
    """
    for line in _lines(ctx):
        mounted = _mounted(line)
        for name, where in _first_of_each(_secrets_read(ctx, line)):
            if name not in mounted:
                yield Finding(
                    f"The secret {name} is not there while the image is built: this line sees an empty value",
                    hint=f"Write RUN --mount=type=secret,id={name},mode=0444,required=true before the command, and"
                    f" $(cat /run/secrets/{name}) for the value.",
                    where=where,
                )


def _secrets_read(ctx: Context, line: Line) -> Iterator[tuple[str, str]]:
    """The secrets that a RUN reads: as variables that nothing sets, as ARGs without a value, and as files."""
    if line.keyword != "RUN":
        return
    for name, where in _unset(line):
        if _is_secret(ctx, name):
            yield name, where
    for command in line.commands:
        for name in re.findall(r"/run/secrets/(\w+)", " ".join((*command.words, *command.redirects))):
            yield name, line.where(command)
    for name in re.findall(r"\bcat\s+/run/secrets/(\w+)", line.instruction.args):
        yield name, line.where()
    asked = {name for name in names_in(line.instruction.args) if UNKNOWN in line.step.build_env.get(name, "")}
    for name in sorted(asked & _arguments(ctx)):
        if _is_secret(ctx, name) and not _has_default(name, line):
            yield name, line.where()


def _is_secret(ctx: Context, name: str) -> bool:
    return name in ctx.space.secrets or (is_secret_name(name) and name not in ctx.space.environment)


def _arguments(ctx: Context) -> set[str]:
    """The names of ARGs without a value."""
    lines = ctx.dockerfile.instructions if ctx.dockerfile else ()
    return {word for one in lines if one.keyword == "ARG" for word in one.args.split() if "=" not in word}


def _mounted(line: Line) -> set[str]:
    """The secrets that a RUN mounts, by their ids and by the variables that they become."""
    found = set[str]()
    for name, value in line.step.flags:
        fields = dict(field.partition("=")[::2] for field in value.split(",")) if name == "mount" else {}
        if fields.get("type") == "secret":
            target = fields.get("target") or fields.get("dst") or fields.get("destination") or ""
            found |= {fields.get("id", ""), fields.get("env", ""), posixpath.basename(target)}
    return found


@rule(
    Severity.WARNING,
    bad={
        "Dockerfile": (
            "COPY --chown=user . .",
            "COPY --chown=user . .\nRUN --mount=type=secret,id=HF_TOKEN python -m main --file /run/secrets/HF_TOKEN",
        )
    },
    good={
        "Dockerfile": (
            "USER user",
            "RUN --mount=type=secret,id=HF_TOKEN python -m main --file /run/secrets/HF_TOKEN\nUSER user",
        )
    },
)
def secret_mount_unreadable(ctx: Context) -> Iterator[Finding]:
    """A mounted secret belongs to root and only root may read it. Below `USER`, ask for `mode=0444`."""
    for line in _lines(ctx):
        for name, value in line.step.flags if line.keyword == "RUN" and line.is_root is False else ():
            fields = dict(field.partition("=")[::2] for field in value.split(",")) if name == "mount" else {}
            if fields.get("type") == "secret" and not fields.keys() & {"mode", "uid", "env"}:
                yield Finding(
                    f"User {line.user.partition(':')[0]} may not read the mounted secret: it belongs to root",
                    hint=f"Write --mount={value},mode=0444",
                    where=line.where(),
                )


@rule(
    Severity.WARNING,
    bad={
        "Dockerfile": ("COPY --chown=user . .", "COPY --chown=user . .\nCOPY --chown=user main.py /data/main.py"),
        "space.toml": 'repo_id = "acme/hello"\n[[volumes]]\nsource = "hf://buckets/acme/state"\nmount = "/data"\n',
    },
    good={
        "Dockerfile": ("USER user", "RUN mkdir -p /data && chown user /data\nUSER user"),
        "space.toml": 'repo_id = "acme/hello"\n[[volumes]]\nsource = "hf://buckets/acme/state"\nmount = "/data"\n',
    },
)
def data_at_build(ctx: Context) -> Iterator[Finding]:
    """A volume is mounted when the container starts, not while the image is built, and hides what the image has there.

    So what a build writes to its folder is never seen again.
    """
    mounts = [volume.mount.rstrip("/") for volume in ctx.space.volumes]
    is_known = ctx.has_spec or bool(mounts)
    for line in _lines(ctx):
        for path, where in _written(line) if is_known or line.keyword == "RUN" else ():
            inside = [mount for mount in (mounts if is_known else [DATA]) if f"{path}/".startswith(f"{mount}/")]
            if inside:
                said = f"{'and' if is_known else 'where'} a volume that is mounted at {inside[0]} hides it"
                yield Finding(
                    f"{path} is written while the image is built, {said}",
                    hint="Write it when the app starts, or to another folder.",
                    where=where,
                    severity=None if is_known else Severity.INFO,
                )
                break


def _written(line: Line) -> Iterator[tuple[str, str]]:
    """The paths that an instruction may write to."""
    if line.keyword in ("COPY", "ADD") and line.step.args:
        yield posixpath.normpath(posixpath.join(line.workdir, line.step.args[-1])), line.where()
    for command in line.commands:
        for path in _paths(command):
            yield posixpath.normpath(path), line.where(command)


def _paths(command: Command) -> list[str]:
    words = [] if command.name in HARMLESS else command.words[1:]
    values = [word.partition("=")[2] if word.startswith("-") else word for word in words]
    return [word for word in (*values, *command.redirects) if word.startswith("/")]
