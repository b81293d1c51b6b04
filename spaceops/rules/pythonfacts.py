"""What the rules about Python code share: which modules and names are missing, and how sure that is."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from spaceops.context import Context
from spaceops.distributions import (
    distribution_of,
    is_brought,
    is_famous,
    is_judged,
    is_standard,
)
from spaceops.distributions.tables import ELSEWHERE, REMOVED_MODULES
from spaceops.findings import Fix, Severity
from spaceops.pipcommands import installs
from spaceops.pythoncode import Code, Reach, Unresolved
from spaceops.pythonmodule import Call, Function, Import, Module
from spaceops.requirements import Requirements
from spaceops.shell import UNKNOWN
from spaceops.startup.places import is_absent, may_be_edited

_ROUTE_METHODS = frozenset({"get", "post", "put", "delete", "patch", "api_route"})
DATABASES = (
    "sqlite3.connect",
    "aiosqlite.connect",
    "sqlalchemy.create_engine",
    "sqlalchemy.ext.asyncio.create_async_engine",
    "sqlmodel.create_engine",
    "create_engine",
)
_SQLITE_URL = re.compile(r"sqlite(?:\+\w+)?:///([^?]+)(?:\?.*)?")
_FORMS = ("Form", "File", "UploadFile")
_DYNAMIC = frozenset({"globals", "vars", "exec", "setattr", "locals", "importlib.import_module", "__import__"})


@dataclass(frozen=True)
class Missing:
    """A module that the code imports and the image does not have."""

    one: Unresolved
    message: str
    hint: str
    severity: Severity
    distribution: str = ""  # what would bring it


def certainty(ctx: Context, is_run: bool, *, exact: bool = False) -> Severity:
    """An error where something surely runs and nothing can have installed what it lacks; else a warning.

    `exact`: what is installed does not matter.
    """
    requirements = ctx.requirements or Requirements()
    return Severity.ERROR if is_run and (exact or requirements.is_certain) else Severity.WARNING


def is_edited(ctx: Context, path: str) -> bool:
    """Whether a RUN may have changed a file after it was copied."""
    return ctx.startup is None or may_be_edited(ctx.startup.world, path)


def place_of_requirements(ctx: Context) -> str:
    """Where packages are to be added, to name it in a hint."""
    files = ctx.requirements.files if ctx.requirements else ()
    return next((file.path for file in files if not file.is_constraint), "the pip install")


def proposal(ctx: Context, distribution: str) -> Fix | None:
    """The proposal of one more line of the requirements."""
    path = place_of_requirements(ctx)
    text = ctx.text(path)
    return Fix.text(path, f"{text.rstrip()}\n{distribution}\n", safe=False) if text is not None else None


def missing_modules(ctx: Context) -> Iterator[Missing]:
    """The modules that are missing, each once, where it is surest."""
    code, requirements = ctx.python, ctx.requirements
    if code is None or requirements is None or not requirements.is_complete or _installs_later(ctx, code):
        return
    seen = set[str]()
    for one in sorted(code.unresolved, key=lambda each: -each.reach):
        key = one.module if one.is_inside else _package(one.module)
        if one.reach is not Reach.GUARDED and key not in seen:
            found = _inside(ctx, code, one) if one.is_inside else _outside(ctx, code, requirements, one)
            if found is not None:
                seen.add(key)
                yield found


def _installs_later(ctx: Context, code: Code) -> bool:
    """Whether what starts may install packages, or fetch code."""
    scripts = ctx.startup.scripts if ctx.startup else ()
    commands = [command for script in scripts for command in script.commands]
    begins = [one for one in (ctx.image.entrypoint, ctx.image.cmd) if one is not None] if ctx.image else []
    words = [*(one.words for one in commands), *(tuple(" ".join(one.words).split()) for one in begins)]
    return any(module.installs for module in code.modules.values()) or any(map(installs, words))


def _package(module: str) -> str:
    return distribution_of(module) if is_famous(module) else module.partition(".")[0]


def _inside(ctx: Context, code: Code, one: Unresolved) -> Missing | None:
    """A module that a package of the Space lacks."""
    requirements = ctx.requirements or Requirements()
    may_be_added = not one.is_closed and bool(requirements.unknown)
    if requirements.brings(one.module) or may_be_added or not _absent(ctx, one):
        return None
    is_sure = one.reach is Reach.SURE and not code.edits_path and not requirements.brings_local
    path = one.module.replace(".", "/")
    said, hint = _kept_back(ctx, path, one) or (
        f"The file of the module {one.module} is not among those that are pushed, and {one.path} imports it",
        f"Add {path}.py; if you have it, a line of .gitignore or .dockerignore keeps it back.",
    )
    return Missing(one, said, hint, Severity.ERROR if is_sure and not is_edited(ctx, one.path) else Severity.WARNING)


def _outside(ctx: Context, code: Code, requirements: Requirements, one: Unresolved) -> Missing | None:
    """A module that is no part of Python, and that nothing installs."""
    top = one.module.partition(".")[0]
    is_known = top.startswith("_") or top in REMOVED_MODULES or one.module in ELSEWHERE or top in ELSEWHERE
    if is_known or not is_judged(one.module) or is_standard(one.module, requirements.python):
        return None
    if requirements.brings(one.module) or not _absent(ctx, one):
        return None
    lies, kept_back = _lies(ctx, top), _kept_back(ctx, top, one)
    distribution = distribution_of(one.module)
    if not kept_back and requirements.unknown and (lies or not is_famous(one.module) or is_brought(distribution)):
        return None  # another package may bring it
    is_sure = one.reach is Reach.SURE and requirements.is_certain and not code.edits_path
    severity = Severity.ERROR if is_sure and not is_edited(ctx, one.path) else Severity.WARNING
    if kept_back is not None:
        return Missing(one, *kept_back, Severity.WARNING if requirements.unknown else severity)
    if lies is not None:
        return None if code.edits_path or requirements.brings_local else _misplaced(ctx, one, top, lies, severity)
    return Missing(
        one,
        f"Nothing installs the module {top if '.' not in distribution else one.module}, and {one.path} imports it",
        f"Add a line {distribution} to {place_of_requirements(ctx)}.",
        severity,
        distribution,
    )


def _kept_back(ctx: Context, path: str, one: Unresolved) -> tuple[str, str] | None:
    """Why Python does not find a module that the Space has beside the importing file or at the top, and the remedy."""
    for folder in dict.fromkeys(("", posixpath.dirname(one.path))):
        place = posixpath.join(folder, path)
        name, file = _of_any_capitals(ctx, place)
        pattern = ctx.dockerignore.deciding(file) if file else None
        if name and name.removesuffix(".py") != place:
            return (
                f"{one.path} imports {one.module}, and the Space has {name}: capital letters count on Linux",
                f"Rename it: git mv {name} {place}{name[len(place) :]}; or import it as it is named.",
            )
        if pattern is not None and pattern.excludes:
            return (
                f"The line {pattern.text} of .dockerignore keeps {name} out of the image, and {one.path} imports it",
                f"Take line {pattern.line} out of .dockerignore.",
            )
    return None


def _of_any_capitals(ctx: Context, place: str) -> tuple[str, str]:
    """The Python file or folder of that name, small or capital letters, and a file in it; empty where there is none."""
    found = {
        file[: len(place)] if file[len(place)] == "/" else file: file
        for file in ctx.source.files
        if file.endswith(".py") and file.lower().startswith((f"{place}.py".lower(), f"{place}/".lower()))
    }
    name = next((name for name in found if name.startswith(place)), next(iter(found), ""))
    return name, found.get(name, "")


def _misplaced(ctx: Context, one: Unresolved, top: str, lies: str, severity: Severity) -> Missing:
    folder, module = posixpath.dirname(lies), lies.removesuffix(".py").replace("/", ".")
    root = one.roots[0] if one.roots else "/"
    if any(path.endswith("gunicorn.conf.py") for path in ctx.source.files):  # it may name more folders
        severity = Severity.WARNING
    return Missing(
        one,
        f"Python looks for {top} in {', '.join(one.roots)} and does not find {lies} there, which {one.path} imports",
        f"Add ENV PYTHONPATH={posixpath.join(root, folder)} to the Dockerfile, or write {module} in the import.",
        severity,
    )


def _absent(ctx: Context, one: Unresolved) -> bool:
    """Whether nothing that is not seen here can have brought the module to where it is looked for."""
    if ctx.startup is None:
        return False
    parts = one.module.split(".")
    names = [posixpath.join(*parts)] if one.is_inside else [parts[0]]
    places = [posixpath.join(root, name) for root in one.roots for name in names]
    world = ctx.startup.world
    return all(is_absent(world, place) and is_absent(world, f"{place}.py") for place in places)


def _lies(ctx: Context, top: str) -> str | None:
    """A file or folder of the Space that has the module's name, wherever it lies."""
    for path in ctx.source.files:
        if path.endswith(".py"):
            folder, _, name = path.rpartition("/")
            if name == f"{top}.py":
                return path
            parts = folder.split("/")
            if top in parts:
                return "/".join(parts[: parts.index(top) + 1])
    return None


def missing_names(ctx: Context) -> Iterator[tuple[Module, Import, str, str, Reach]]:
    """Names that are imported from files of the Space that do not have them: module, import, name, file, reach."""
    code = ctx.python
    for module in code.modules.values() if code is not None else ():
        for one in module.imports:
            reach = code.reach_of(module, one.place) if code is not None else Reach.GUARDED
            for name, local in zip(one.names, one.bound, strict=False):
                source, wanted = code.targets.get((module.path, local), ("", "")) if code is not None else ("", "")
                is_ours = bool(one.level) or not _may_be_foreign(ctx, one.module)
                if wanted == name and is_ours and reach is not Reach.GUARDED and _lacks(ctx, source, name):
                    yield module, one, name, source, reach


def _may_be_foreign(ctx: Context, module: str) -> bool:
    """Whether a module of this name may have been loaded before the Space's: the server has loaded some."""
    return is_standard(module, None) or (ctx.requirements or Requirements()).brings(module)


def _lacks(ctx: Context, source: str, name: str) -> bool:
    module = ctx.python.modules.get(source) if ctx.python else None
    if module is None or module.fault or not module.is_read or module.has_star or name == "*":
        return False
    if name in module.names or name.startswith("__") or any(call.name in _DYNAMIC for call in module.calls):
        return False
    beside = posixpath.join(posixpath.dirname(source), name)
    return not any(path.startswith((f"{beside}/", f"{beside}.")) for path in ctx.source.files)


def form_parameter(module: Module, call: Call, function: Function) -> str | None:
    """The parameter of a FastAPI route that is read from a form; None where it has none."""
    if call.name.rpartition(".")[2] not in _ROUTE_METHODS or not call.receiver:
        return None
    names = {
        local
        for local, dotted in module.aliases.items()
        if dotted.startswith("fastapi") and dotted.rpartition(".")[2] in _FORMS
    }
    for parameter in function.parameters:
        words = _words(f"{parameter.annotation} {parameter.default or ''}")
        if words & names or ("fastapi" in words and words & set(_FORMS)):
            return parameter.name
    return None


def _words(text: str) -> set[str]:
    return set("".join(char if char.isidentifier() or char.isdecimal() else " " for char in text).split())


def database_of(call: Call) -> str | None:
    """The file of SQLite that a call opens for writing; None where it opens none, or it is not known which."""
    value = call.argument(0, "database") or call.argument(0, "url") if call.name in DATABASES else None
    if not isinstance(value, str) or ":memory:" in value or "mode=ro" in value or UNKNOWN in value:
        return None
    if call.name.endswith("connect"):
        return None if value.startswith("file:") else value
    found = _SQLITE_URL.fullmatch(value)
    return found[1] if found else None
