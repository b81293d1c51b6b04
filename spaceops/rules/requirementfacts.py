"""What the rules about requirements share: what pip finds, what excludes what, and edits of a requirements file."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from spaceops.context import Context
from spaceops.distributions.compatibility import (
    CONFLICTS,
    NOT_FOR_LINUX,
    NOT_INSTALLABLE,
    ON_THE_INDEX_TOO,
    WANTS_PYTHON,
    WHEELS,
    Wheels,
)
from spaceops.findings import Fix, Severity
from spaceops.requirements import Requirements
from spaceops.requirements.lines import Requirement

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
_APT = frozenset(["apt", "apt-get", "apk", "dnf", "yum", "microdnf", "dpkg", "conda", "mamba"])
# System packages that certainly bring no libGL.
_WITHOUT_LIBGL = """
build-essential ca-certificates cmake cron curl fonts-dejavu g++ gcc gfortran git git-lfs gnupg gosu jq libc6-dev
libffi-dev libgomp1 libglib2.0-0 libjpeg-dev libmagic1 libopenblas-dev libpq-dev libpq5 libsm6 libsndfile1 libssl-dev
libxext6 libxrender1 make nano net-tools netcat-openbsd nginx openssl pkg-config poppler-utils procps python3-dev
redis-server sqlite3 sudo supervisor tesseract-ocr tesseract-ocr-eng tini tzdata unzip vim wget xz-utils zip zlib1g-dev
"""


def allows_sklearn(ctx: Context) -> bool:
    """Whether the build lets the package sklearn be installed."""
    lines = ctx.image.lines if ctx.image else ()
    return any("SKLEARN_ALLOW_DEPRECATED" in f"{line.instruction.args}{line.step.build_env}" for line in lines)


def requirements_of(ctx: Context) -> Requirements:
    """What is installed; nothing where there is no image."""
    return ctx.requirements or Requirements()


def from_index(requirements: Requirements) -> Iterator[Requirement]:
    """What pip looks for on the index."""
    return (one for one in requirements.applying if not one.url and one.applies)


def certainty(one: Requirement, requirements: Requirements) -> Severity:
    """An error, unless the command may not run, or another index may have it."""
    return Severity.ERROR if one.is_certain and not has_indexes(requirements) else Severity.WARNING


def indexes(requirements: Requirements) -> list[str]:
    """Every address beside the public index that packages may come from."""
    options = ("-i", "--index-url", "--extra-index-url", "-f", "--find-links")
    return [
        *(address for install in requirements.installs for address in install.indexes),
        *(value for file in requirements.files for value in file.option(*options)),
    ]


def has_indexes(requirements: Requirements) -> bool:
    """Whether packages may come from elsewhere than from the public index."""
    public = ("pypi.org", "download.pytorch.org")
    return any(not any(host in address for host in public) for address in indexes(requirements))


def unfindable(one: Requirement, requirements: Requirements) -> tuple[str, str] | None:
    """Why pip will not find it, and what to write instead; None where it will, or that is not known."""
    module = one.name.replace("-", "_")
    if one.name in NOT_INSTALLABLE:
        instead = NOT_INSTALLABLE[one.name]
        said = f"Nothing that pip can install is named {one.name}"
        return said, f"Write {instead} for {one.name}." if instead else "Take it out."
    if one.name in NOT_FOR_LINUX:
        return f"The package {one.name} is for {NOT_FOR_LINUX[one.name]} only, and a Space runs Linux", "Take it out."
    if module in sys.stdlib_module_names and module not in ON_THE_INDEX_TOO:
        return f"Nothing that pip can install is named {module}: it is a part of Python", f"Take {module} out."
    if one.pin is not None and one.pin.local and not indexes(requirements):
        public = one.pin.public
        return (
            f"Version {one.pin} of {one.name} is not on the package index: those with + are on the publisher's own",
            f"Write {one.name}=={public}, or name the index with --extra-index-url.",
        )
    return _of_other_python(one, requirements.python)


def _of_other_python(one: Requirement, python: tuple[int, int] | None) -> tuple[str, str] | None:
    pin = one.pin
    for since, wants in reversed(WANTS_PYTHON.get(one.name, ())):
        if pin is not None and python is not None and pin >= Version(since):
            if python >= wants:
                return None
            said = f"Version {pin} of {one.name} wants Python {dotted(wants)}, and the image has {dotted(python)}"
            return said, f"Take FROM python:{dotted(wants)}-slim or newer, or {one.name}<{since}."
    return None


def exclude_each_other(one: Requirement, other: Requirement) -> str | None:
    """Why two requirements cannot be met together; None where they can, or that is not known."""
    if one.name == other.name and one.pin and other.pin and one.pin != other.pin:
        return f"Two versions of {one.name} are asked for: {other.pin} and {one.pin}"
    for conflict in CONFLICTS:
        for first, second in ((one, other), (other, one)):
            if (first.name, second.name) != (conflict.one, conflict.other) or not first.pin or not second.pin:
                continue
            if first.pin in SpecifierSet(conflict.versions) and second.pin not in SpecifierSet(conflict.wants):
                return f"Version {first.pin} of {first.name} wants {second.name}{conflict.wants}, not {second.pin}"
    return None


def missing_wheels(one: Requirement, python: tuple[int, int] | None) -> Wheels | None:
    """From which version on there are packages for the image's Python; None where the pin has some."""
    pin = one.pin
    if pin is None or python is None or (one.name == "pydantic" and pin < Version("2")):
        return None
    fitting = [wheels for wheels in WHEELS.get(one.name, ()) if wheels.python <= python and pin < Version(wheels.first)]
    sure = [wheels for wheels in fitting if wheels.is_certain]
    return (sure or fitting)[-1] if fitting else None


def dotted(python: tuple[int, int]) -> str:
    """A version of Python as people write it."""
    return f"{python[0]}.{python[1]}"


def holds_back(ctx: Context, name: str, since: str) -> bool:
    """Whether the requirements keep the newer versions of a package out."""
    requirements = requirements_of(ctx)
    constraints = [one for file in requirements.files if file.is_constraint for one in file.requirements]
    named = [one for one in (*requirements.applying, *constraints) if one.name == name]
    older = [one for one in named if one.pin is None or one.pin < Version(since)]
    return any(one.url for one in named) or any(not (one.is_open or one.allows(since)) for one in older)


def runs_cv2(ctx: Context) -> bool:
    """Whether OpenCV is surely imported at the start."""
    code = ctx.python
    return code is not None and any(
        code.is_run(module, one)
        for module in code.modules.values()
        for one in module.imports
        if one.module.partition(".")[0] == "cv2"
    )


def brings_libgl(ctx: Context) -> bool:
    """Whether a system package may bring libGL: anything but a few that do not."""
    harmless = frozenset(_WITHOUT_LIBGL.split())
    for _, command in ctx.image.runs if ctx.image else ():
        if command.name == "apk" or (command.name in _APT and "install" in command.words):
            packages = [word for word in command.words[2:] if not word.startswith("-") and word != "install"]
            if any(package.partition("=")[0] not in harmless for package in packages):
                return True
    return bool(requirements_of(ctx).gaps)


def is_of_conda(address: str) -> bool:
    """Whether an address is a folder that only the author's machine has."""
    return any(folder in address for folder in ("/home/conda/", "/croot/", "/Users/", "C:/", "feedstock_root"))


def shortened(text: str) -> str:
    """A line, cut where it is long."""
    return text if len(text) <= 60 else f"{text[:59]}…"


def with_requirement(ctx: Context, one: Requirement, new: str, *, safe: bool = True) -> Fix | None:
    """The file with another text in a requirement's line; None where it does not stand alone in one."""
    text = ctx.text(one.path)
    lines = text.splitlines(keepends=True) if text is not None else []
    if not 0 < one.line <= len(lines) or one.text not in lines[one.line - 1] or not one.text:
        return None
    lines[one.line - 1] = lines[one.line - 1].replace(one.text, new, 1)
    return Fix.text(one.path, "".join(lines), safe=safe) if one.path != "Dockerfile" else None


def with_line(ctx: Context, line: str, path: str) -> Fix | None:
    """The proposal of one more line."""
    text = ctx.text(path)
    if text is None or path == "Dockerfile":
        return None
    return Fix.text(path, f"{text.rstrip()}\n{line}\n", safe=False)


def with_index(ctx: Context, path: str) -> Fix | None:
    """The proposal to take torch from the index of its CPU builds."""
    text = ctx.text(path)
    if text is None or path == "Dockerfile":
        return None
    return Fix.text(path, f"--extra-index-url {CPU_INDEX}\n{text}", safe=False)
