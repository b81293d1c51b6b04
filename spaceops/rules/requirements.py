"""Rules about the requirements: whether pip can install them, and whether they work together."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.version import Version

from spaceops.context import Context
from spaceops.distributions.compatibility import (
    BRING_TORCH,
    FOR_NUMPY_1,
    HOLDS_NUMPY_1,
    LIBGL_SAFE_BELOW,
    MISTAKEN,
    PAIRS,
    WITH_LIBGL,
)
from spaceops.findings import Finding, Fix, Severity
from spaceops.requirements import Requirements
from spaceops.requirements.lines import Requirement
from spaceops.rules import rule
from spaceops.rules.examples import PINS
from spaceops.rules.requirementfacts import (
    CPU_INDEX,
    allows_sklearn,
    brings_libgl,
    certainty,
    dotted,
    exclude_each_other,
    from_index,
    has_indexes,
    holds_back,
    indexes,
    is_of_conda,
    missing_wheels,
    requirements_of,
    runs_cv2,
    shortened,
    unfindable,
    with_index,
    with_line,
    with_requirement,
)

_NAMES_SHOWN = 4


@rule(
    Severity.ERROR,
    bad={"requirements.txt": PINS + "requests=2.32.3\n"},
    good={"requirements.txt": PINS + "# requests=2.32.3\nrequests == 2.32.3 ; python_version >= '3.9'\n"},
)
def requirements_invalid(ctx: Context) -> Iterator[Finding]:
    """`pip install -r` reads one requirement a line, such as `requests==2.32.3`.

    A line of another form (a single `=`, a `pip install` command, Markdown, a merge's leftovers) ends the build at
    once: *Invalid requirement*.
    """
    for path, problem in requirements_of(ctx).problems:
        severity = None if problem.is_certain else Severity.WARNING
        yield Finding(
            f"The line {shortened(problem.text)!r} is none that pip understands: {problem.reason}",
            hint="Write one requirement a line, as name==version; take out what is none.",
            where=f"{path}:{problem.line}",
            severity=severity,
        )


@rule(
    Severity.ERROR,
    bad={"Dockerfile": ("COPY --chown=user requirements.txt .\n", "")},
    good={"Dockerfile": ("COPY --chown=user requirements.txt .", "COPY --chown=user requirements.txt ./")},
)
def requirements_missing(ctx: Context) -> Iterator[Finding]:
    """A `RUN pip install -r FILE` sees only what a COPY above it has brought into the image.

    The file's place counts from WORKDIR. Without it the build ends: *Could not open requirements file*.
    """
    for missing in requirements_of(ctx).missing:
        name, reference = missing.reference.name, missing.reference
        where = f"{reference.path}:{reference.line}"
        if missing.candidates and reference.path == "Dockerfile":
            said = f"No COPY above this line brings {name}, which pip is to read, into the image"
            hint = f"Write COPY {missing.candidates[0]} . above this line."
        else:
            said = f"Among the files that are pushed there is no {name}, which pip is to read"
            hint = f"Add {name} to the folder, or take it out of this line."
        yield Finding(said, hint, where, severity=None if missing.is_certain else Severity.WARNING)


@rule(
    Severity.ERROR,
    bad={"requirements.txt": PINS + "sqlite3\n"},
    good={"requirements.txt": PINS + "dataclasses ; python_version < '3.7'\ntyping-extensions==4.12.2\n"},
)
def pip_no_version(ctx: Context) -> Iterator[Finding]:
    """The package index is asked for each name. One that is not there ends the build: *No matching distribution found*.

    The usual reasons: a module of Python itself (`os`, `sqlite3`: nothing is to be installed), the name under which a
    package is imported instead of its own (`cv2`, `PIL`, `yaml`), a package for Windows, or a version that does not
    exist for the image's Python.
    """
    requirements = requirements_of(ctx)
    for one in from_index(requirements):
        problem = unfindable(one, requirements)
        if problem is not None:
            said, hint = problem
            yield Finding(said, hint, one.where, severity=certainty(one, requirements))
        elif one.name in MISTAKEN:
            yield Finding(
                f"The package {one.name} is not the one whose module has this name",
                hint=f"If the code says import {one.name}, write {MISTAKEN[one.name]} here.",
                where=one.where,
                severity=Severity.WARNING,
            )


@rule(
    Severity.ERROR,
    bad={"requirements.txt": PINS + "sklearn\n"},
    good={"requirements.txt": PINS + "scikit-learn==1.7.2\n"},
)
def sklearn_deprecated(ctx: Context) -> Iterator[Finding]:
    """The package `sklearn` is an empty one that refuses to be installed. The module `sklearn` is in `scikit-learn`."""
    requirements = requirements_of(ctx)
    for one in requirements.applying:
        if one.name == "sklearn" and not allows_sklearn(ctx):
            yield Finding(
                "The package sklearn cannot be installed: its name is scikit-learn",
                hint="Write scikit-learn for sklearn.",
                where=one.where,
                severity=Severity.WARNING if one.specifier else certainty(one, requirements) or ctx.for_new_builds,
                fix=with_requirement(ctx, one, "scikit-learn") if one.text.strip() == "sklearn" else None,
            )


@rule(
    Severity.ERROR,
    bad={"requirements.txt": PINS + "numpy==2.2.0\nnumpy==2.3.0\n"},
    good={
        "requirements.txt": PINS + "numpy==2.2.0 ; python_version < '3.12'\nnumpy==2.3.0 ; python_version >= '3.12'\n"
    },
)
def pip_resolution_impossible(ctx: Context) -> Iterator[Finding]:
    """Versions are looked for that satisfy all requirements together; two that exclude each other end the build:
    *ResolutionImpossible*, *these package versions have conflicting dependencies*.
    """
    requirements = requirements_of(ctx)
    applying = [one for one in requirements.applying if one.applies and not one.url]
    for number, one in enumerate(applying):
        for other in applying[:number]:
            is_together = one.path == other.path and (one.path != "Dockerfile" or one.line == other.line)
            said = exclude_each_other(one, other) if is_together else None
            if said is not None:
                hint = f"Keep one of them ({other.where} has the other), or give pip a range."
                yield Finding(said, hint, one.where, severity=certainty(one, requirements))


@rule(
    Severity.WARNING,
    bad={"requirements.txt": PINS + "pandas==2.0.3\nnumpy==1.26.4\n", "Dockerfile": ("3.13", "3.12")},
    good={"requirements.txt": PINS + "pandas==2.2.3\n", "Dockerfile": ("3.13", "3.12")},
)
def pip_wheel_build_failed(ctx: Context) -> Iterator[Finding]:
    """Packages with code in C are on the index ready-made (as *wheels*) for the Pythons of their time.

    For a newer Python pip has to build an old version from its source, which takes long and mostly fails: *Failed
    building wheel*. Take a newer version, or an older Python in FROM.
    """
    requirements = requirements_of(ctx)
    python = requirements.python
    for one in from_index(requirements) if python else ():
        wheels = missing_wheels(one, python)
        if wheels is not None and python is not None:
            certain = wheels.is_certain and not has_indexes(requirements)
            yield Finding(
                f"Version {one.pin} of {one.name} has no ready-made package for Python {dotted(python)}",
                hint=f"Write {one.name}>={wheels.first}, or take an older Python in FROM.",
                where=one.where,
                severity=certainty(one, requirements) if certain else Severity.WARNING,
            )


@rule(
    Severity.WARNING,
    bad={"requirements.txt": (PINS + "httpx==0.28.1\n").encode("utf-16")},
    good={"requirements.txt": PINS + "# grüß Gott\n"},
)
def requirements_utf16(ctx: Context) -> Iterator[Finding]:
    """PowerShell's `pip freeze > requirements.txt` writes UTF-16. pip reads it; uv, grep, sed and git's diff do not."""
    for path in dict.fromkeys(file.path for file in requirements_of(ctx).files):
        content = ctx.content(path) or b""
        if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
            yield Finding(
                f"The file {path} is stored as UTF-16, which few tools but pip can read",
                hint=f"Save {path} as UTF-8.",
                where=path,
                fix=Fix.text(path, (ctx.text(path) or "").replace("\r\n", "\n").removeprefix("\ufeff")),
            )


@rule(
    Severity.ERROR,
    bad={"requirements.txt": PINS + "attrs @ file:///home/conda/feedstock_root/work/attrs\n"},
    good={"requirements.txt": PINS + "attrs @ https://files.example.com/attrs-25.1.0-py3-none-any.whl\n"},
)
def requirements_local_file(ctx: Context) -> Iterator[Finding]:
    """`pip freeze` in a conda environment writes where each package lay on your machine.

    The image has no such folder: *No such file or directory*.
    """
    requirements = requirements_of(ctx)
    for one in requirements.applying:
        if one.url.lower().startswith("file:"):
            yield Finding(
                f"The package {one.name} is to come from a folder of the machine where this list was made",
                hint=f"Write {one.name}, or {one.name}==VERSION, without the @ and what follows.",
                where=one.where,
                severity=certainty(one, requirements) if is_of_conda(one.url) else Severity.WARNING,
            )


@rule(
    Severity.ERROR,
    bad={"requirements.txt": f"fastapi==0.116.1 --hash=sha256:{'0' * 64}\nuvicorn==0.35.0\n"},
    good={
        "requirements.txt": f"uvicorn==0.35.0 --hash=sha256:{'0' * 64}\n",
        "Dockerfile": ("-r requirements.txt", "--no-deps -r requirements.txt"),
    },
)
def requirements_hashes(ctx: Context) -> Iterator[Finding]:
    """As soon as one requirement has a `--hash`, pip wants one for every package: *In --require-hashes mode, all
    requirements must have their versions pinned with ==*, and a hash.
    """
    requirements = requirements_of(ctx)
    if any(install.tool != "pip" for install in requirements.installs):
        return
    for file in requirements.files:
        with_hash = [one for one in file.requirements if one.is_hashed and one.applies]
        without = [one for one in file.requirements if not (one.is_hashed or one.url) and one.applies]
        if with_hash and without and not file.is_constraint:
            yield Finding(
                f"The package {without[0].name} has no --hash, but {with_hash[0].name} has one: then all need one",
                hint="Make the list again with pip-compile --generate-hashes, or take all hashes out.",
                where=without[0].where,
                severity=certainty(without[0], requirements),
            )


@rule(
    Severity.WARNING,
    bad={"requirements.txt": PINS + "opencv-python-headless==4.8.1.78\n", "Dockerfile": ("3.13", "3.11")},
    good={
        "requirements.txt": PINS + "opencv-python-headless==4.8.1.78\nnumpy<2\n",
        "Dockerfile": ("3.13", "3.11"),
    },
)
def numpy_abi(ctx: Context) -> Iterator[Finding]:
    """Packages compiled for NumPy 1 do not work with NumPy 2, which pip takes unless it is told otherwise: *A module
    that was compiled using NumPy 1.x cannot be run in NumPy 2*, *numpy.dtype size changed*.
    """
    requirements = requirements_of(ctx)
    if (
        requirements.locked
        or any(requirements.named(name) for name in HOLDS_NUMPY_1)
        or holds_back(ctx, "numpy", "2.0")
    ):
        return
    for one in from_index(requirements):
        below = FOR_NUMPY_1.get(one.name)
        if below is not None and one.pin is not None and one.pin < Version(below):
            yield Finding(
                f"Version {one.pin} of {one.name} was made for NumPy 1, and pip will install NumPy 2 beside it",
                hint=f"Add a line numpy<2, or take {one.name}>={below}.",
                where=one.where,
                fix=with_line(ctx, "numpy<2", one.path),
            )


@rule(
    Severity.WARNING,
    bad={"requirements.txt": "flask==2.0.3\nuvicorn==0.35.0\nfastapi==0.116.1\n"},
    good={"requirements.txt": "flask==2.0.3\nwerkzeug==2.3.8\nuvicorn==0.35.0\nfastapi==0.116.1\n"},
)
def incompatible_packages(ctx: Context) -> Iterator[Finding]:
    """An old version of a package may take the newest version of another, which it was never tested with."""
    requirements = requirements_of(ctx)
    for pair in () if requirements.locked else PAIRS:
        old, new = requirements.named(pair.old), requirements.named(pair.new)
        is_old = old is not None and old.pin is not None and old.pin < Version(pair.below)
        if old is not None and is_old and not holds_back(ctx, pair.new, pair.since):
            yield Finding(
                f"Version {old.pin} of {pair.old} fails with {pair.new} {pair.since}, which pip takes: {pair.error}",
                hint=("Let the line be" if new else "Add a line")
                + f" {pair.new}<{pair.since}, or take {pair.old}>={pair.below}.",
                where=old.where,
                fix=None if new else with_line(ctx, f"{pair.new}<{pair.since}", old.path),
            )


@rule(
    Severity.WARNING,
    bad={
        "requirements.txt": PINS + "opencv-python==4.11.0.86\n",
        "main.py": ('"""Says hello."""\n', "import cv2\n"),
    },
    good={
        "requirements.txt": PINS + "opencv-python-headless==4.11.0.86\n",
        "main.py": ('"""Says hello."""\n', "import cv2\n"),
    },
)
def libgl_missing(ctx: Context) -> Iterator[Finding]:
    """`opencv-python` opens windows, and needs the system's libGL for that, which the `-slim` images do not have.

    The start ends with *ImportError: libGL.so.1: cannot open shared object file*. `opencv-python-headless` is the same
    without windows.
    """
    requirements = requirements_of(ctx)
    one = requirements.named(*WITH_LIBGL)
    if one is None or ctx.image is None or not ctx.image.base.is_slim:
        return
    if requirements.has("opencv-python-headless") or brings_libgl(ctx):
        return
    is_opencv = one.name.startswith("opencv")
    is_old = one.pin is not None and one.pin < Version(LIBGL_SAFE_BELOW)
    certain = is_opencv and is_old and requirements.is_complete and runs_cv2(ctx)
    headless = one.text.replace(one.name, f"{one.name}-headless", 1)
    yield Finding(
        f"The package {one.name} needs the system library libGL, which {ctx.image.base.name} does not have",
        hint=f"Write {headless}" if is_opencv else "Add RUN apt-get update && apt-get install -y libgl1 libglib2.0-0",
        where=one.where,
        severity=certainty(one, requirements) if certain else Severity.WARNING,
        fix=with_requirement(ctx, one, headless, safe=False) if is_opencv else None,
    )


@rule(
    Severity.WARNING,
    bad={"requirements.txt": PINS + "torch==2.8.0\n"},
    good={"requirements.txt": f"--extra-index-url {CPU_INDEX}\n" + PINS + "torch==2.8.0\n"},
)
def torch_cuda_on_cpu(ctx: Context) -> Iterator[Finding]:
    """The `torch` that pip takes for Linux is the one for NVIDIA cards: gigabytes of CUDA libraries.

    On CPU hardware nothing uses them: the build takes minutes longer, the image 5 GB more.
    """
    requirements = requirements_of(ctx)
    one = requirements.named(*BRING_TORCH)
    hardware = ctx.space.flavors
    if one is None or requirements.locked or any(not flavor.startswith("cpu") for flavor in hardware):
        return
    torch = requirements.named("torch")
    named = (f"{each.specifier}{each.url}" for each in requirements.applying if each.name == "torch")
    told = [*indexes(requirements), *named]
    if any("cpu" in text.lower() for text in told) or (ctx.image is not None and "torch" in ctx.image.base.name):
        return
    subject = "The package torch" if torch else f"The package {one.name} brings torch, which"
    place = "the pip install" if one.path == "Dockerfile" else f"the top of {one.path}, on a line of its own"
    yield Finding(
        f"{subject} comes with gigabytes of CUDA libraries that CPU hardware cannot use",
        hint=f"Add --extra-index-url {CPU_INDEX} to {place}.",
        where=(torch or one).where,
        fix=with_index(ctx, one.path),
    )


@rule(
    Severity.INFO,
    bad={"requirements.txt": "fastapi\nuvicorn==0.35.0\n"},
    good={"requirements.txt": "fastapi~=0.116.1\nuvicorn>=0.35,<0.36\n"},
)
def requirements_unpinned(ctx: Context) -> Iterator[Finding]:
    """Without a version pip takes the newest of the day, so that a rebuild months later may get other packages than the
    ones you tried.
    """
    requirements = requirements_of(ctx)
    held = {one.name for file in requirements.files if file.is_constraint for one in file.requirements}
    for file in () if requirements.locked else requirements.files:
        applying = [one for one in file.requirements if one.applies is not False]
        is_open = [one for one in applying if one.is_open and one.name not in held and not _is_wrong(one, requirements)]
        if is_open and not file.is_constraint:
            more = ", …" if len(is_open) > _NAMES_SHOWN else ""
            names = ", ".join(one.name for one in is_open[:_NAMES_SHOWN]) + more
            yield Finding(
                f"{len(is_open)} of {len(applying)} packages may change with every build: {names}",
                hint=f"Write the versions that work for you, as pip freeze shows them: {is_open[0].name}==VERSION",
                where=is_open[0].where,
            )


def _is_wrong(one: Requirement, requirements: Requirements) -> bool:
    """Whether another rule speaks of it already."""
    return one.name == "sklearn" or one.name in MISTAKEN or unfindable(one, requirements) is not None
