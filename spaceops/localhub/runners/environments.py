"""The Python of an image: finding an interpreter, making an environment, and what the machine lends to a build."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from spaceops.localhub.runners import BuildFailed
from spaceops.localhub.runners.shims import NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spaceops.localhub.runners.paths import ImagePaths

OFFICIAL = (
    "",
    "docker.io/",
    "docker.io/library/",
    "library/",
    "public.ecr.aws/docker/library/",
    "mirror.gcr.io/library/",
)
BASE = re.compile(r"(?P<registry>.*?)python(?::(?P<tag>[\w.-]+))?(?:@sha256:[0-9a-f]+)?")
UV_BASE = re.compile(r"ghcr\.io/astral-sh/uv:(?:[\d.]+-)?python(?P<tag>3\.\d+)[\w.-]*(?:@sha256:[0-9a-f]+)?")
UV_IMAGE = "ghcr.io/astral-sh/uv"
CUDA_BASE = re.compile(
    r"(?:docker\.io/)?nvidia/cuda:\d+\.\d+\.\d+-[\w-]+-ubuntu(?P<release>\d\d\.\d\d)(?:@sha256:[0-9a-f]+)?"
)
UBUNTU_PYTHON = {"20.04": "3.8", "22.04": "3.10", "24.04": "3.12", "26.04": "3.14"}  # what apt-get installs there
RELEASED = {"2.7", *(f"3.{minor}" for minor in range(2, 16))}  # the minor versions that ever had an image
PIP_STUB = """import os, shutil, sys
os.execv(shutil.which("pip"), ["pip", *sys.argv[1:]])
"""
SHIMS = Path(__file__).with_name("shims.py")
IMAGE_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
LENT = re.compile(
    r"(PIP|UV)_\w+|(HTTPS?|ALL|NO|FTP)_PROXY|(https?|all|no|ftp)_proxy"
    r"|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|GIT_SSL_CAINFO|NODE_EXTRA_CA_CERTS|NIX_SSL_CERT_FILE"
)
CACHES = ("UV_CACHE_DIR", "PIP_CACHE_DIR")
NOT_LENT = re.compile(
    r"UV_(SYSTEM_PYTHON|PYTHON|PROJECT\w*|BREAK_SYSTEM_PACKAGES)|PIP_(USER|TARGET|PREFIX|PYTHON|ROOT)"
)
LOOPBACK = ("127.0.0.1", "localhost")


class Tools(NamedTuple):
    """Where the shims find what they need."""

    python: str
    program: str
    environment: str
    uv: str  # empty: there is none


def wanted_python(base: str) -> tuple[str | None, bool]:
    """The version (`3.11`; None: any) that a base image promises, and whether uv is part of it.

    Raises `BuildFailed` for every other image: an environment in its place would lie.
    """
    if found := UV_BASE.fullmatch(base):
        return found["tag"], True
    if found := CUDA_BASE.fullmatch(base):
        return UBUNTU_PYTHON.get(found["release"]), False
    found = BASE.fullmatch(base)
    if found is None or found["registry"] not in OFFICIAL:
        raise BuildFailed(
            f"{base}: this runner makes Python environments and has no other images; "
            "for this base the local Hub would need a container engine (docker or podman)"
        )
    version = re.match(r"(\d+\.\d+)", found["tag"] or "")
    if version and version[1] not in RELEASED:
        raise BuildFailed(f"docker.io/library/{base.removeprefix(found['registry'])}: not found")
    return (version[1] if version else None), False


@cache
def find_uv() -> str | None:
    """The program uv: the one installed beside us, or on the PATH."""
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else shutil.which("uv")


def base_python() -> str:
    """The interpreter that runs this server; of a virtual environment, the one below it."""
    return getattr(sys, "_base_executable", None) or sys.executable


def prefixes_of(python: str | Path) -> list[Path]:
    """The folders outside the system that an interpreter needs, by all the names that lead there."""
    names = dict.fromkeys(one.parent.parent for one in (Path(python), Path(python).resolve()))
    return [name for name in names if any(name.glob("lib/python*")) and name not in (Path("/"), Path("/usr"))]


@cache
def find_python(version: str | None) -> str:
    """An interpreter of that version, if the machine has one, else the running one."""
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    own = base_python()
    if version in (None, running):
        return own
    if uv := find_uv():
        asked = [uv, "python", "find", "--no-project", "--system", "--no-python-downloads", version]
        found = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
        return found or own
    candidate = shutil.which(f"python{version}")
    works = candidate and subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0
    return candidate if candidate and works else own


def version_of(python: str) -> str:
    """The minor version of an interpreter, `3.11`."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([python, "-I", "-S", "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def make_environment(stage: Path, python: str, tools: Tools, *, with_uv: bool) -> None:
    """Make `stage/env`, and `stage/shims` with the commands that stand before it on the PATH."""
    environment, uv = stage / "env", find_uv()
    if uv:
        made = [uv, "venv", "--quiet", "--no-project", "--python", python, str(environment)]
    else:
        made = [python, "-m", "venv", str(environment)]
    env = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(stage), "UV_PYTHON_DOWNLOADS": "never"}
    done = subprocess.run(made, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        raise BuildFailed(f"{python} makes no environment: {done.stderr.strip() or done.stdout.strip()}")
    if with_uv:
        (environment / "uv-is-provided").touch()
    _add_shims(stage, tools)


def _add_shims(stage: Path, tools: Tools) -> None:
    (stage / "shims").mkdir()
    for name in NAMES:
        shim = stage / "shims" / name
        words = [tools.python, "-I", "-S", tools.program, tools.environment, tools.uv, name]
        shim.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        shim.chmod(0o755)
    for packages in stage.glob("env/lib/python*/site-packages"):  # for `python -m pip`
        if not (packages / "pip").exists():
            (packages / "pip").mkdir()
            (packages / "pip/__init__.py").write_text("")
            (packages / "pip/__main__.py").write_text(PIP_STUB)


def lent_to_builds(machine: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a build gets of the machine's environment: package indexes, proxies, certificates; nothing else."""
    machine = os.environ if machine is None else machine
    lent = {name: value for name, value in machine.items() if LENT.fullmatch(name) and not NOT_LENT.fullmatch(name)}
    for name in ("NO_PROXY", "no_proxy"):
        present = [host for host in lent.get(name, "").split(",") if host]
        lent[name] = ",".join([*present, *(host for host in LOOPBACK if host not in present)])
    return _own_settings(machine) | lent | {"UV_PYTHON_DOWNLOADS": "never"}


def lent_paths(lent: Mapping[str, str]) -> list[Path]:
    """The files and folders that lent variables name, without the caches."""
    words = [word for name, value in lent.items() if name not in CACHES for word in re.split(r"[\s:]+", value)]
    return [Path(word) for word in dict.fromkeys(words) if word.startswith("/") and Path(word).exists()]


def _own_settings(machine: Mapping[str, str]) -> dict[str, str]:
    """The user's caches and settings of pip and uv, which a build with another HOME would not find."""
    home = Path(machine.get("HOME", "/"))
    caches = Path(machine.get("XDG_CACHE_HOME", home / ("Library/Caches" if sys.platform == "darwin" else ".cache")))
    config = Path(machine.get("XDG_CONFIG_HOME", home / ".config"))
    uv_caches = Path(machine.get("XDG_CACHE_HOME", home / ".cache"))
    found = {"UV_CACHE_DIR": str(uv_caches / "uv"), "PIP_CACHE_DIR": str(caches / "pip"), "UV_COMPILE_BYTECODE": "1"}
    for name, file in (("PIP_CONFIG_FILE", config / "pip/pip.conf"), ("UV_CONFIG_FILE", config / "uv/uv.toml")):
        if file.exists():
            found[name] = str(file)
    return found


def search_path(paths: ImagePaths, path: str) -> str:
    """PATH: the shims first, then the image's, with the image's own folders where they lie."""
    own = [paths.translate(entry) for entry in path.split(":") if entry]
    return ":".join([paths.shims, *own, *paths.last_on_path])


def user_packages(paths: ImagePaths, home: str, python_path: str | None) -> dict[str, str]:
    """PYTHONPATH with the packages of `pip install --user`, which an environment would not see."""
    place = paths.inside(home)
    found = sorted(packages.relative_to(place) for packages in place.glob(".local/lib/python*/site-packages"))
    joined = ":".join(filter(None, [python_path, *(f"{paths.seen(home)}/{packages}" for packages in found)]))
    return {"PYTHONPATH": joined} if joined else {}
