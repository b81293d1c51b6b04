"""The app that the server imports: whether it is where the server looks for it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import TYPE_CHECKING

from spaceops.findings import Finding, Severity
from spaceops.rules import rule
from spaceops.rules.examples import SERVE
from spaceops.startup.apps import (
    GENERIC,
    App,
    apps,
    binds,
    is_missing,
    is_shadowed,
    located,
    made_apps,
    suggestion,
)
from spaceops.startup.places import elsewhere

if TYPE_CHECKING:
    from spaceops.context import Context
    from spaceops.startup import Startup, World

_GUNICORN = {"requirements.txt": "fastapi==0.116.1\nuvicorn==0.35.0\ngunicorn==23.0.0\n"}


def _served(ctx: Context) -> Iterator[tuple[Startup, App]]:
    if ctx.startup is not None:
        for app in apps(ctx.startup.processes):
            yield ctx.startup, app


@rule(
    Severity.ERROR,
    bad={"Dockerfile": ('"main:app"', '"app.main:app"')},
    good={"Dockerfile": ('"main:app"', '"app.main:app"'), "main.py": None, "app/main.py": "from .made import app\n"},
)
def asgi_module_missing(ctx: Context) -> Iterator[Finding]:
    """A server such as uvicorn is told what to import: `main:app` is the name `app` in the file `main.py`.

    It looks in its working directory (`WORKDIR` in the Dockerfile), and `pkg.main:app` means the file `pkg/main.py`.
    Where there is no such file it ends at once with "Could not import module".
    """
    yield from (found for startup, app in _served(ctx) if not app.is_gunicorn for found in _missing(ctx, startup, app))


@rule(
    Severity.ERROR,
    bad={
        **_GUNICORN,
        "Dockerfile": (SERVE, 'CMD ["gunicorn", "-k", "uvicorn.workers.UvicornWorker", "-b", ":7860", "wsgi:app"]'),
    },
    good={
        **_GUNICORN,
        "Dockerfile": (SERVE, 'CMD ["gunicorn", "-k", "uvicorn.workers.UvicornWorker", "-b", ":7860", "main:app"]'),
    },
)
def gunicorn_module(ctx: Context) -> Iterator[Finding]:
    """The server gunicorn is told what to import: `main:app` is the name `app` in the file `main.py`.

    It looks in its working directory. Where there is no such file its workers end with "ModuleNotFoundError" and
    "Worker failed to boot".
    """
    yield from (found for startup, app in _served(ctx) if app.is_gunicorn for found in _missing(ctx, startup, app))


def _missing(ctx: Context, startup: Startup, app: App) -> Iterator[Finding]:
    world = startup.world
    if not is_missing(world, app):
        return
    severity = _severity(ctx, world, app)
    if severity is not None:
        file = app.module.replace(".", "/") + ".py"
        yield Finding(
            f"The server ({app.server}) is told to import {app.text}, but there is no {file} in {app.roots[0]}, where "
            "it looks",
            hint=_hint(world, app, file),
            where=app.process.where,
            severity=severity if startup.is_vital(app.process) else Severity.WARNING,
        )


def _severity(ctx: Context, world: World, app: App) -> Severity | None:
    """How certain it is that no installed package is meant; None where one may be."""
    needs = ctx.requirements
    if is_shadowed(world, app) or not app.module.replace(".", "").isidentifier():
        return Severity.ERROR
    if needs is None or needs.brings_local or needs.brings(app.top):
        return None
    if needs.is_certain:
        return Severity.ERROR
    if not needs.is_complete:
        return Severity.WARNING if app.top in GENERIC else None
    if any(name.replace("-", "_").startswith(app.top.lower()) for name in needs.installed):
        return None
    file = app.module.replace(".", "/") + ".py"
    is_here = any(path == file or path.endswith(f"/{file}") for path in elsewhere(world, posixpath.basename(file)))
    return Severity.ERROR if app.top in GENERIC or is_here else Severity.WARNING


def _hint(world: World, app: App, file: str) -> str:
    better = suggestion(world, app)
    if better:
        return f"Write {better} in place of {app.text}."
    there = elsewhere(world, file.rpartition("/")[2])
    if there and world.source_of(f"{app.roots[0]}/{there[0]}") is None:
        return f"{there[0]} is in the Space and not in the image: let a COPY line bring it to {app.roots[0]}."
    return f"Add {file}, or name the file that holds your app: main:app is app = FastAPI() in main.py."


@rule(
    Severity.ERROR,
    bad={"main.py": ("app = FastAPI()\n\n\n@app", "api = FastAPI()\n\n\n@api")},
    good={"main.py": "from fastapi import FastAPI\n\nif True:\n    app: FastAPI = FastAPI()\n"},
)
def asgi_attr_missing(ctx: Context) -> Iterator[Finding]:
    """`main:app` tells a server to take the name `app` from the file `main.py`.

    Where the file has no such name, the server ends at once with "Attribute "app" not found in module "main"".
    """
    for startup, app in _served(ctx):
        found = located(startup.world, app)
        certainty = None if startup.is_vital(app.process) else Severity.WARNING
        if found is None:
            continue
        if not app.attribute:
            yield Finding(
                f"The server ({app.server}) is told to import {app.text}, which does not say which name in it is the "
                "app",
                hint=f"Write {app.module}:{(made_apps(found) or ['app'])[0]}",
                where=app.process.where,
                severity=certainty,
            )
        elif not binds(startup.world, app, found):
            names = made_apps(found)
            yield Finding(
                f"The server ({app.server}) takes the name {app.attribute} from {found.path}, and the file has no such "
                "name",
                hint=f"Write {app.module}:{names[0]}"
                if names
                else f"Name the app in {found.path}: {app.attribute} = …",
                where=app.process.where,
                severity=certainty,
            )
