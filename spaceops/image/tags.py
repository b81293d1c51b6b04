"""Names of images that certainly do not exist, told without asking a registry.

Only what never existed, was removed, or cannot be a name at all is told; a tag that may have come since is left alone.
Sources: the tag lists of docker-library and of nvidia/cuda, November 2026.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

_REFERENCE = re.compile(
    r"(?P<repository>(?:[A-Za-z0-9.-]+(?::\d+)?/)?[^:@\s]+)(?::(?P<tag>[^@/]*))?(?:@(?P<digest>\S*))?"
)
_PATH = re.compile(r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_CODENAMES = ("jessie", "stretch", "buster", "bullseye", "bookworm", "trixie", "forky")
_OLDEST_ON = {"bullseye": 6, "bookworm": 7, "trixie": 9}  # Python 3.x
_NEWEST_ON = {"jessie": 7, "stretch": 9, "buster": 11}
_FINAL_PATCH = {2: 6, 3: 7, 4: 10, 5: 10, 6: 15, 7: 17, 8: 20, 9: 25}  # of the Pythons 3.x that have ended
_PYTHON_OLDEST = 2  # 3.x in the registry
_NODE_NEVER = (1, 2, 3)
_CUDA = re.compile(
    r"(?P<version>\d+\.\d+\.\d+)-(?:(?:cudnn\d*|tensorrt\d*)-)?(?:base|runtime|devel)-"
    r"(?:ubuntu\d\d\.\d\d|ubi\d+|rockylinux\d+|centos\d+|opensuse\d+|oraclelinux\d+|azl\d+|amzn\d+|cm\d+|l4t\S*)"
)
CUDA_DELETED = (11, 7, 1)  # NVIDIA has deleted what is older
_TWO_NUMBERS = re.compile(r"(\d+\.\d+)(-\S+)?")

# Names without a maker that people take for images, and what they mean. None of them is in Docker's library.
MISTAKEN = {
    "pytorch": "pytorch/pytorch", "torch": "pytorch/pytorch", "tensorflow": "tensorflow/tensorflow",
    "cuda": "nvidia/cuda", "nvidia": "nvidia/cuda", "miniconda": "continuumio/miniconda3",
    "miniconda3": "continuumio/miniconda3", "anaconda": "continuumio/anaconda3",
    "anaconda3": "continuumio/anaconda3", "conda": "continuumio/miniconda3", "micromamba": "mambaorg/micromamba",
    "bun": "oven/bun", "deno": "denoland/deno", "uv": "ghcr.io/astral-sh/uv", "ollama": "ollama/ollama",
    "nodejs": "node", "node-js": "node", "python3": "python", "go": "golang", "jdk": "eclipse-temurin",
    "playwright": "mcr.microsoft.com/playwright", "fastapi": "python", "flask": "python", "streamlit": "python",
    "gradio": "python", "uvicorn": "python", "pip": "python", "npm": "node", "nextjs": "node",
    "react": "node", "vite": "node", "llama.cpp": "ghcr.io/ggml-org/llama.cpp", "huggingface": "python",
    "transformers": "huggingface/transformers-pytorch-gpu",
}  # fmt: skip
# Names that people give to stages; none of them is an image in Docker's library.
STAGE_NAMES = frozenset(
    f"{word}{tail}"
    for word in ("build", "builder", "base", "deps", "dependencies", "frontend", "backend", "runtime", "runner", "prod",
                 "production", "dev", "development", "test", "release", "compile", "compiler", "assets", "client",
                 "final", "install", "installer", "stage", "web", "ui", "app", "api", "prepare", "packages")
    for tail in ("", "er", "-stage", "_stage", "-builder", "-build", "-deps", "-env", "s", "1", "2", "0")
) - {"webs", "apis"}  # fmt: skip


@dataclass(frozen=True)
class Problem:
    """Why a name is none, and the name that was probably meant."""

    why: str
    instead: str = ""


def split(name: str) -> tuple[str, str, str]:
    """The repository, the tag and the digest of a name, "" for what it does not have."""
    found = _REFERENCE.fullmatch(name)
    return (found["repository"], found["tag"] or "", found["digest"] or "") if found else (name, "", "")


def name_problem(name: str) -> Problem | None:
    """What keeps a text from being the name of an image at all."""
    if re.match(r"https?://", name):
        return Problem("it is an address, and FROM wants the name of an image", name.partition("://")[2].rstrip("/"))
    repository, tag, _ = split(name)
    first, slash, rest = repository.partition("/")
    path = rest if slash and ("." in first or ":" in first or first == "localhost") else repository
    if path != path.lower():
        return Problem("the name of an image is written in small letters", name.replace(path, path.lower()))
    if not path or not all(_PATH.fullmatch(part) for part in path.split("/")):
        return Problem("that is no name of an image")
    if name.endswith(":") or (tag and not _TAG.fullmatch(tag)):
        return Problem("what follows the colon is no tag")
    return None


def tag_problem(repository: str, tag: str) -> Problem | None:
    """Why a tag of a well-known image certainly does not exist."""
    check = _CHECKS.get(repository)
    return check(tag) if check and tag else None


def cuda_version(tag: str) -> tuple[int, ...] | None:
    """The version that a tag of nvidia/cuda begins with; None where it is malformed."""
    found = _CUDA.fullmatch(tag)
    return tuple(int(part) for part in found["version"].split(".")) if found else None


def cuda_problem(tag: str) -> Problem | None:
    """Why a tag of nvidia/cuda is none: it wants three numbers, a flavour and a system."""
    if tag == "latest":
        return Problem("nvidia/cuda has no tag `latest`", "12.8.1-runtime-ubuntu24.04")
    if _CUDA.fullmatch(tag):
        return None
    if found := _TWO_NUMBERS.fullmatch(tag):
        return Problem("the version needs three numbers", f"{found[1]}.0{found[2] or '-runtime-ubuntu22.04'}")
    if re.fullmatch(r"\d+\.\d+\.\d+(?:-\S+)?", tag):
        return Problem("a tag is VERSION-FLAVOUR-SYSTEM, where FLAVOUR is base, runtime or devel")
    return None


def _python(tag: str) -> Problem | None:
    found = re.fullmatch(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?((?:a|b|rc)\d+)?(?:-(.+))?", tag)
    if not found:
        return _variant_problem(tag, tag, "python")
    major, minor, patch, early, variant = found.groups()
    if major not in ("2", "3"):
        return Problem(f"there is no Python {major}")
    if major == "3" and minor is not None and not early:
        problem = _python_version(int(minor), int(patch) if patch else None, variant or "")
        if problem:
            return problem
    return _variant_problem(variant or "", tag, "python")


def _python_version(minor: int, patch: int | None, variant: str) -> Problem | None:
    tail = f"-{variant}" if variant else ""
    if minor < _PYTHON_OLDEST:
        return Problem(f"there is no image of Python 3.{minor}", f"3.1{'0' if minor else '3'}{tail}")
    final = _FINAL_PATCH.get(minor)
    if patch is not None and final is not None and patch > final:
        return Problem(f"the last Python 3.{minor} is 3.{minor}.{final}", f"3.{minor}.{final}{tail}")
    for part in variant.split("-"):
        if minor > _NEWEST_ON.get(part, minor) or minor < _OLDEST_ON.get(part, minor):
            return Problem(f"Python 3.{minor} was never built on Debian {part}", f"3.{minor}-slim")
    return None


def _variant_problem(variant: str, tag: str, image: str) -> Problem | None:
    """A misspelt or misplaced part of `slim-bookworm` (python) or `bookworm-slim` (node)."""
    parts = variant.split("-") if variant else []
    known = ("slim", "alpine", *_CODENAMES)
    for part in parts:
        near = difflib.get_close_matches(part.lower(), known, n=1, cutoff=0.8)
        if near and near[0] != part and not re.fullmatch(r"alpine3\.\d+", part):
            return Problem(f"there is no variant {part}", tag.replace(part, near[0]))
    if "slim" in parts and any(part.startswith("alpine") for part in parts):
        return Problem("slim and alpine are two variants", tag.replace("-slim", "").replace("slim-", ""))
    release = next((part for part in parts if part in _CODENAMES), None)
    is_before = bool(release) and "slim" in parts and parts.index("slim") < parts.index(release or "")
    if release and "slim" in parts and is_before != (image == "python"):
        right = f"slim-{release}" if image == "python" else f"{release}-slim"
        wrong = f"{release}-slim" if image == "python" else f"slim-{release}"
        return Problem(f"{image} has {right}, not {wrong}", tag.replace(wrong, right))
    return None


def _node(tag: str) -> Problem | None:
    found = re.fullmatch(r"v?(\d+)(?:\.\d+){0,2}(?:-(.+))?", tag)
    if not found:
        return _variant_problem(tag, tag, "node")
    if tag.startswith("v"):
        return Problem("the tags of node have no v", tag[1:])
    if int(found[1]) in _NODE_NEVER:
        return Problem(f"there is no Node.js {found[1]}", "22-slim")
    return _variant_problem(found[2] or "", tag, "node")


def _ubuntu(tag: str) -> Problem | None:
    if found := re.fullmatch(r"(\d\d)(?:\.(\d+))?(?:\.\d+)?", tag):
        if found[2] is None:
            return Problem("a tag of ubuntu has year and month", f"{found[1]}.04")
        if found[2] not in ("04", "10"):
            return Problem("Ubuntu comes in April (04) and October (10)", f"{found[1]}.04")
    if tag.endswith("-slim"):
        return Problem("ubuntu has no slim variant", tag.removesuffix("-slim"))
    return None


def _debian(tag: str) -> Problem | None:
    if tag == "slim":
        return Problem("slim follows a release", "bookworm-slim")
    if tag.startswith("slim-"):
        return Problem("slim follows the release", f"{tag.removeprefix('slim-')}-slim")
    return None


def _golang(tag: str) -> Problem | None:
    if re.fullmatch(r"[\d.]+-slim(-\w+)?", tag):
        return Problem("golang has no slim variant", tag.replace("-slim", "-alpine") if tag.endswith("slim") else "")
    return None


_CHECKS = {
    "python": _python,
    "node": _node,
    "ubuntu": _ubuntu,
    "debian": _debian,
    "golang": _golang,
}
