"""Rules about the Python code that runs when the container starts: what it imports, and what that needs."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.version import Version

from spaceops.context import Context
from spaceops.distributions import distribution_of
from spaceops.distributions.compatibility import COMPANIONS, GONE, Gone
from spaceops.distributions.tables import IMPORTS_REMOVED, REMOVED_MODULES
from spaceops.findings import Finding, Severity
from spaceops.pythoncode import Code, Reach
from spaceops.pythonmodule import Call, Import, Module
from spaceops.requirements import Requirements
from spaceops.rules import rule
from spaceops.rules.examples import IMPORT, PINS
from spaceops.rules.pythonfacts import (
    certainty,
    form_parameter,
    is_edited,
    missing_modules,
    missing_names,
    place_of_requirements,
    proposal,
)

_PAGES = f"{IMPORT}\nfrom fastapi.templating import Jinja2Templates\n\npages = Jinja2Templates('.')"
_UPLOAD = """\
from fastapi import FastAPI, UploadFile

app = FastAPI()


@app.get("/")
def hello() -> str:
    return "hello"


@app.post("/upload")
def upload(file: UploadFile) -> int:
    return file.size
"""


@rule(
    Severity.ERROR,
    bad={"main.py": ("app = FastAPI()", "app = FastAPI(")},
    good={"notes.py": "print 'an old example that nobody imports'\n"},
)
def syntax_error(ctx: Context) -> Iterator[Finding]:
    """A file that is no valid Python cannot be imported, and the app ends as soon as it starts: *SyntaxError*.

    Frequent reasons: a bracket that is never closed, indentation, marks that a merge has left, Python 2.
    """
    code = ctx.python or Code()
    for module in code.modules.values():
        fault = module.fault
        if fault is not None:
            reach = code.reached[module.path]
            is_sure = fault.is_certain and reach is Reach.SURE and not is_edited(ctx, module.path)
            yield Finding(
                f"Python cannot read {module.path}: {fault.message}",
                hint=f"Mend line {fault.line}, or the one before; python -m py_compile {module.path} tells more.",
                where=f"{module.path}:{fault.line}",
                severity=None if is_sure else Severity.WARNING,
            )


@rule(
    Severity.ERROR,
    bad={"main.py": (IMPORT, f"import numpy as np\n{IMPORT}")},
    good={"main.py": (IMPORT, f"try:\n    import numpy as np\nexcept ImportError:\n    np = None\n{IMPORT}")},
)
def module_not_found(ctx: Context) -> Iterator[Finding]:
    """Each module that the code imports must be in the image: a part of Python, a file of yours, or a package.

    The name for pip is not always the name of the import: `PIL` is in `pillow`, `cv2` in `opencv-python-headless`,
    `sklearn` in `scikit-learn`. A file of yours is found from the folder where the app starts, and in `PYTHONPATH`.
    """
    for missing in missing_modules(ctx):
        yield Finding(
            missing.message,
            missing.hint,
            missing.one.where,
            severity=missing.severity,
            fix=proposal(ctx, missing.distribution) if missing.distribution else None,
        )


@rule(
    Severity.ERROR,
    bad={"main.py": (IMPORT, f"from helper import greet\n{IMPORT}"), "helper.py": "def welcome() -> None: ...\n"},
    good={"main.py": (IMPORT, f"from helper import greet\n{IMPORT}"), "helper.py": "if True:\n    greet = print\n"},
)
def import_name_error(ctx: Context) -> Iterator[Finding]:
    """`from X import Y` needs a Y in X. Without it the app ends as it starts: *ImportError: cannot import name*.

    Either X is a file of yours, or a package whose newer versions have lost or moved the name.
    """
    for module, one, name, source, reach in missing_names(ctx):
        yield Finding(
            f"There is no {name} in {source}, which {module.path} imports it from",
            hint=f"Write {name} as it is spelled in {source}, or define it there.",
            where=f"{module.path}:{one.line}",
            severity=certainty(ctx, reach is Reach.SURE and not is_edited(ctx, source), exact=True),
        )
    code, requirements = ctx.python or Code(), ctx.requirements or Requirements()
    for module in code.modules.values():
        for one in module.imports:
            for gone in GONE if one.level == 0 else ():
                if _is_gone(one, gone) and code.reach_of(module, one.place) is not Reach.GUARDED:
                    yield from _gone(ctx, requirements, module, one, gone)


def _is_gone(one: Import, gone: Gone) -> bool:
    return one.module == gone.module and (not gone.name or gone.name in one.names)


def _gone(ctx: Context, requirements: Requirements, module: Module, one: Import, gone: Gone) -> Iterator[Finding]:
    code = ctx.python or Code()
    is_run = code.is_run(module, one)
    if not gone.distribution:
        python = requirements.python
        sure, owner = is_run, f"Python {gone.since}"
        applies = python is not None and python >= tuple(map(int, gone.since.split(".")))
    else:
        wanted = requirements.named(gone.distribution)
        owner = f"{gone.distribution} {gone.since}"
        applies = wanted is not None and (wanted.pin >= Version(gone.since) if wanted.pin else wanted.is_open)
        sure = is_run and wanted is not None and wanted.pin is not None
    if applies:
        yield Finding(
            f"Since {owner} there is no {gone.name or gone.module}, and {module.path} imports it from there",
            hint=f"Instead: {gone.instead}.",
            where=f"{module.path}:{one.line}",
            severity=Severity.ERROR if sure else Severity.WARNING,
        )


@rule(
    Severity.ERROR,
    bad={"main.py": (IMPORT, f"import telnetlib\n{IMPORT}")},
    good={"main.py": (IMPORT, f"import telnetlib\n{IMPORT}"), "Dockerfile": ("3.13", "3.12")},
)
def stdlib_module_removed(ctx: Context) -> Iterator[Finding]:
    """Python has dropped old modules: `distutils`, `imp` and `asyncore` with 3.12, some twenty with 3.13.

    Code that imports one fails with *ModuleNotFoundError*. Some live on as packages (`standard-telnetlib`).
    """
    for module, line, name, reach in _removed(ctx):
        if name != "audioop":
            since, package = REMOVED_MODULES[name]
            advice = f"add {package} to {place_of_requirements(ctx)}, or " if package else ""
            yield Finding(
                f"Python has no module {name} any more since {since[0]}.{since[1]}, and {module.path} imports it",
                hint=f"Do without {name}, {advice}take FROM python:{since[0]}.{since[1] - 1}-slim.",
                where=f"{module.path}:{line}",
                severity=certainty(ctx, reach is Reach.SURE),
            )


@rule(
    Severity.ERROR,
    bad={
        "main.py": (IMPORT, f"from pydub import AudioSegment\n{IMPORT}"),
        "requirements.txt": PINS + "pydub==0.25.1\n",
    },
    good={
        "main.py": (IMPORT, f"from pydub import AudioSegment\n{IMPORT}"),
        "requirements.txt": PINS + "pydub==0.25.1\naudioop-lts==0.2.2\n",
    },
)
def audioop_313(ctx: Context) -> Iterator[Finding]:
    """Python 3.13 has no `audioop` any more, which `pydub` and others import; `audioop-lts` brings it back."""
    for module, line, name, reach in _removed(ctx):
        if name == "audioop":
            yield Finding(
                "Python has no module audioop any more since 3.13, and this import needs it",
                hint=f"Add a line audioop-lts to {place_of_requirements(ctx)}, or take FROM python:3.12-slim.",
                where=f"{module.path}:{line}",
                severity=certainty(ctx, reach is Reach.SURE),
                fix=proposal(ctx, "audioop-lts"),
            )


def _removed(ctx: Context) -> Iterator[tuple[Module, int, str, Reach]]:
    """The first import of each module that the image's Python no longer has."""
    code, requirements = ctx.python or Code(), ctx.requirements or Requirements()
    python, seen = requirements.python, set[str]()
    for module in code.modules.values() if python and requirements.is_complete else ():
        for one in module.imports:
            top = one.module.partition(".")[0]
            name = IMPORTS_REMOVED.get(top, top)
            reach = code.reach_of(module, one.place)
            is_local = (module.path, one.bound[0] if one.bound else "") in code.targets
            if name not in REMOVED_MODULES or name in seen or reach is Reach.GUARDED or one.level or is_local:
                continue
            if python is not None and python >= REMOVED_MODULES[name][0] and not requirements.brings(name):
                seen.add(name)
                yield module, one.line, name, reach


@rule(
    Severity.ERROR,
    bad={"main.py": _UPLOAD},
    good={"main.py": _UPLOAD, "requirements.txt": PINS + "python-multipart==0.0.20\n"},
)
def python_multipart_missing(ctx: Context) -> Iterator[Finding]:
    """FastAPI reads forms and uploads (`Form`, `File`, `UploadFile`) with the package `python-multipart`.

    It does not install it by itself, and without it the app ends as soon as it starts: *Form data requires
    "python-multipart" to be installed*.
    """
    code, requirements = ctx.python or Code(), ctx.requirements or Requirements()
    if not requirements.is_complete or requirements.has("python-multipart"):
        return
    for module in code.modules.values():
        for call in module.calls:
            function = module.functions.get(call.decorates)
            parameter = form_parameter(module, call, function) if function else None
            if parameter is not None and function is not None:
                yield Finding(
                    f"The form data of {function.name}({parameter}) needs python-multipart, which nothing installs",
                    hint=f"Add a line python-multipart to {place_of_requirements(ctx)}.",
                    where=f"{module.path}:{function.line}",
                    severity=certainty(ctx, code.is_run(module, call) and not is_edited(ctx, module.path)),
                    fix=proposal(ctx, "python-multipart"),
                )
                return


@rule(
    Severity.ERROR,
    bad={"main.py": (IMPORT, _PAGES)},
    good={
        "main.py": (IMPORT, _PAGES),
        "requirements.txt": PINS + "Jinja2==3.1.6\n",
    },
)
def jinja2_missing(ctx: Context) -> Iterator[Finding]:
    """`Jinja2Templates` needs the package `jinja2`, which FastAPI does not install by itself.

    The start ends with *jinja2 must be installed to use Jinja2Templates*.
    """
    calls = ("fastapi.templating.Jinja2Templates", "starlette.templating.Jinja2Templates")
    yield from _companions(ctx, calls, ("jinja2",), "jinja2")


@rule(
    Severity.ERROR,
    bad={
        "main.py": (IMPORT, f"import pandas as pd\n{IMPORT}\n\ntable = pd.read_excel('prices.xlsx')"),
        "requirements.txt": PINS + "pandas==2.3.3\n",
    },
    good={
        "main.py": (IMPORT, f"import pandas as pd\n{IMPORT}\n\ntable = pd.read_excel('prices.xlsx')"),
        "requirements.txt": PINS + "pandas==2.3.3\nopenpyxl==3.1.5\n",
    },
)
def companion_missing(ctx: Context) -> Iterator[Finding]:
    """Some functions need a package that their own does not bring: `transformers.pipeline` wants `torch`,
    `pandas.read_excel` wants `openpyxl`.
    """
    for companion in COMPANIONS:
        yield from _companions(ctx, (companion.call,), companion.needs, companion.advice)


def _companions(ctx: Context, calls: tuple[str, ...], needs: tuple[str, ...], advice: str) -> Iterator[Finding]:
    code, requirements = ctx.python or Code(), ctx.requirements or Requirements()
    if not requirements.is_complete or requirements.unknown or requirements.has(*needs):
        return
    if not requirements.has(distribution_of(calls[0])):
        return
    found: list[tuple[Module, Call]] = [
        (module, call) for module, call in code.calls(*calls) if code.reach_of(module, call.place) is not Reach.GUARDED
    ]
    for module, call in found[:1]:
        yield Finding(
            f"The call of {call.name.rpartition('.')[2]} needs the package {advice}, which nothing installs",
            hint=f"Add a line {advice} to {place_of_requirements(ctx)}.",
            where=f"{module.path}:{call.line}",
            severity=certainty(ctx, code.is_run(module, call) and not is_edited(ctx, module.path)),
            fix=proposal(ctx, advice),
        )
