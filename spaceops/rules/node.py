"""Rules about npm: lock files, and packages that are compiled."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from spaceops.context import Context
from spaceops.findings import Finding, Severity
from spaceops.image import Image
from spaceops.image.bases import Base
from spaceops.image.runs import Run
from spaceops.rules import rule
from spaceops.rules.examples import NODE_SERVER
from spaceops.shell import UNKNOWN

# Packages of npm that are compiled where no ready-made build fits.
_COMPILED = frozenset(
    ("argon2", "bcrypt", "better-sqlite3", "canvas", "isolated-vm", "node-pty", "node-sass", "re2", "robotjs",
     "sqlite3", "zeromq")
)  # fmt: skip
_IS_NO_FILE = re.compile(r"\btype=(?:cache|secret|ssh|tmpfs)\b")  # of a mount: it brings no file of the Space
_COMPILERS = frozenset({"build-essential", "build-base", "g++", "gcc-c++", "clang"})
_MOST_PROJECTS = 20  # of which the packages are looked at
_NODE = "FROM node:22-slim\nWORKDIR /app\nCOPY package.json .\n"
_NODE_END = 'COPY . .\nCMD ["node", "server.js"]\n'


@rule(
    Severity.ERROR,
    bad={
        "Dockerfile": f"{_NODE}RUN npm ci\n{_NODE_END}",
        "package.json": '{"name": "hello", "dependencies": {"express": "5.1.0"}}',
        "server.js": NODE_SERVER,
    },
    good={
        "Dockerfile": f"{_NODE}RUN npm install\n{_NODE_END}",
        "package.json": '{"name": "hello", "dependencies": {"express": "5.1.0"}}',
        "server.js": NODE_SERVER,
    },
)
def npm_ci_no_lock(ctx: Context) -> Iterator[Finding]:
    """`npm ci` installs what package-lock.json says, and stops where there is none, or where it says something else
    than package.json. Run `npm install` on your machine and push the package-lock.json that it writes.
    """
    for run in ctx.runs:
        words = [word for word in run.words[1:] if not word.startswith("-")]
        if run.name != "npm" or words[:1] not in (["ci"], ["clean-install"]) or not run.is_certain:
            continue
        if (problem := _lock_problem(ctx, run)) is not None:
            has_lock, folder = problem.endswith("not copied before it"), posixpath.dirname(problem.split()[0])
            yield Finding(
                f"npm ci stops: {problem}",
                hint=f"Put COPY {posixpath.join(folder, 'package*.json')} ./ above this line."
                if has_lock
                else "Run npm install, push package-lock.json and copy it before this line; or write RUN npm install.",
                where=run.where,
            )


def _lock_problem(ctx: Context, run: Run) -> str | None:
    """What is wrong with the lock file where npm runs; None where that cannot be known."""
    then = _where_it_runs(run)
    if then is None or any(_makes_lock(one) for one in _before(ctx, run)):
        return None
    package = then.source_of("package.json")
    lock = then.source_of("package-lock.json") or then.source_of("npm-shrinkwrap.json")
    if package is None:
        is_known = lock is None and "package.json" in ctx.in_context and not _may_write(ctx, run)
        return "package.json and package-lock.json are not copied before it" if is_known else None
    if lock is not None:
        return _disagreement(_json(ctx.text(package)), _json(ctx.text(lock)))
    exists = posixpath.join(posixpath.dirname(package), "package-lock.json")
    if exists in ctx.source.files and exists not in ctx.in_context:
        return f"{exists} is left out by .dockerignore"
    return f"{exists} is not copied before it" if exists in ctx.in_context else "there is no package-lock.json"


def _where_it_runs(run: Run) -> Image | None:
    """The image that npm finds; None where its folder, or what lies in it, cannot be known."""
    copied = tuple(one for one in run.image.copied if one.line.number < run.line.number)
    is_moved = run.command.has("-C", "--prefix", "-w", "--workspace") or re.search(r"\bcd\b", run.line.instruction.args)
    is_foreign = any(one.is_foreign and not one.target.endswith("/node_modules") for one in copied)
    is_unsure = is_foreign or not run.known.is_charted
    if is_moved or is_unsure or UNKNOWN in run.line.workdir:
        return None
    return replace(run.image, copied=copied, workdir=run.line.workdir)


def _before(ctx: Context, run: Run) -> list[Run]:
    return [one for one in ctx.runs if one.line.number < run.line.number]


def _may_write(ctx: Context, run: Run) -> bool:
    """Whether package.json may be there, or say something else, though no COPY tells so."""
    is_mounted = any(name == "mount" and not _IS_NO_FILE.search(value) for name, value in run.line.instruction.flags)
    earlier = [*_before(ctx, run), *(one for one in ctx.runs if one.line is run.line)]
    return (
        is_mounted
        or not run.image.base.is_known
        or any(one.is_broken or one.texts for one in run.image.copied)
        or any(one.command.redirects or not {"package.json", "pkg"}.isdisjoint(one.words) for one in earlier)
    )


def _makes_lock(run: Run) -> bool:
    return run.name == "npm" and not {"install", "i", "init"}.isdisjoint(run.words)


def _disagreement(package: dict[str, Any], lock: dict[str, Any]) -> str | None:
    """A package that package.json asks for and the lock file does not know."""
    locked = lock.get("packages")
    if not isinstance(locked, dict) or lock.get("lockfileVersion") not in (2, 3) or "workspaces" in package:
        return None
    for kind in ("dependencies", "devDependencies"):
        wanted = package.get(kind)
        for name in wanted if isinstance(wanted, dict) else ():
            if f"node_modules/{name}" not in locked:
                return f"package.json asks for {name}, and package-lock.json does not know it"
    return None


def dependencies(ctx: Context) -> Iterator[tuple[str, str]]:
    """The packages that a package.json of the image asks for to run, with their places."""
    for path in sorted(one for one in ctx.in_context if posixpath.basename(one) == "package.json")[:_MOST_PROJECTS]:
        text = ctx.text(path)
        wanted = _json(text).get("dependencies") if "node_modules/" not in path else None
        for name in wanted if isinstance(wanted, dict) else ():
            at = (text or "").find(f'"{name}"')
            yield name, f"{path}:{(text or '').count(chr(10), 0, max(at, 0)) + 1}"


def _json(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


@rule(
    Severity.ERROR,
    bad={
        "Dockerfile": f"{_NODE}RUN npm install\nRUN npm run build\n{_NODE_END}",
        "package.json": '{"name": "hello", "scripts": {"bundle": "esbuild server.js"}}',
        "server.js": NODE_SERVER,
    },
    good={
        "Dockerfile": f"{_NODE}RUN npm install\nRUN npm run build --if-present\n{_NODE_END}",
        "package.json": '{"name": "hello", "scripts": {"bundle": "esbuild server.js"}}',
        "server.js": NODE_SERVER,
    },
)
def npm_build_script_missing(ctx: Context) -> Iterator[Finding]:
    """`npm run NAME` runs a line of the `scripts` in package.json, and the build ends where it has no such line:
    *Missing script*.
    """
    for run in ctx.runs:
        name = _script(run)
        then = _where_it_runs(run) if name and run.is_certain else None
        path = then.source_of("package.json") if then else None
        package = _json(ctx.text(path)) if path and not _may_write(ctx, run) else {}
        scripts = package.get("scripts", {})
        if package and isinstance(scripts, dict) and name not in scripts:
            there = ", ".join(scripts) or "none"
            yield Finding(
                f"The build runs the script {name} of {path}, and the file has no such script",
                hint=f'Add "{name}" to "scripts", or run one that is there ({there}).',
                where=run.where,
            )


def _script(run: Run) -> str:
    """The script of package.json that a command runs, if it must be there."""
    words = [word for word in run.words[1:] if not word.startswith("-")]
    is_run = run.name in ("npm", "pnpm") and words[:1] in (["run"], ["run-script"]) and len(words) > 1
    if not is_run or run.command.has("--if-present", "-r", "--recursive", "--filter", "-F") or UNKNOWN in words[1]:
        return ""
    return "" if words[1] == "env" else words[1]  # that one npm has itself


@rule(
    Severity.WARNING,
    bad={
        "Dockerfile": f"{_NODE}RUN npm install\n{_NODE_END}",
        "package.json": '{"name": "hello", "dependencies": {"node-pty": "1.0.0"}}',
        "server.js": NODE_SERVER,
    },
    good={
        "Dockerfile": "FROM node:22-slim\nRUN apt-get update && apt-get install -y python3 make g++\nWORKDIR /app\n"
        f"COPY package.json .\nRUN npm install\n{_NODE_END}",
        "package.json": '{"name": "hello", "dependencies": {"node-pty": "1.0.0"}}',
        "server.js": NODE_SERVER,
    },
)
def node_gyp_no_compiler(ctx: Context) -> Iterator[Finding]:
    """Some packages of npm hold C++ code, which npm compiles with node-gyp where their authors offer no ready-made
    build for the image. That needs python3, make and g++, and the slim and alpine images have none of them.
    """
    for run in ctx.runs:
        base = run.image.base
        if not _installs(run) or base.has("g++") is not False or not run.known.is_charted:
            continue
        package = replace(run.image, workdir=run.line.workdir).source_of("package.json")
        asked = _json(ctx.text(package)).get("dependencies") if package else None
        names = sorted(_COMPILED & set(asked)) if isinstance(asked, dict) else []
        if names and _COMPILERS.isdisjoint(run.known.packages):
            yield Finding(
                f"{', '.join(names)} may have to be compiled, and {base.name} has no compiler",
                hint=f"Put RUN {_with_compiler(base)} above this line.",
                where=run.where,
            )
            return


def _installs(run: Run) -> bool:
    return run.name in ("npm", "yarn", "pnpm") and (
        len(run.words) == 1 or not {"ci", "install", "i"}.isdisjoint(run.words)
    )


def _with_compiler(base: Base) -> str:
    if base.distribution == "alpine":
        return "apk add --no-cache python3 make g++"
    return "apt-get update && apt-get install -y python3 make g++"
