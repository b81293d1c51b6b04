"""What well-known base images bring: their distribution, languages, users and start command.

Sources: the official images' Dockerfiles and tag lists (docker-library, nvidia/cuda and the other makers'), November
2026. Only what is certain is said: a tag that may mean something else today leaves its facts open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from spaceops.image.tags import tag_problem
from spaceops.shell import UNKNOWN


@dataclass(frozen=True)
class Base:
    """An image that FROM names. What is not known is None, and then nothing may be concluded from it."""

    name: str  # as FROM has it, variables filled in
    repository: str  # "python", "node", "nvidia/cuda", "ghcr.io/owner/name"; "library/" and "docker.io/" are left out
    tag: str  # "" where only a digest is given, "latest" where nothing is
    digest: str = ""
    distribution: str | None = None  # "debian", "ubuntu", "alpine", …; "scratch": nothing but what is copied
    release: str | None = None  # "trixie", "bookworm", "24.04", "3.22", …
    python: tuple[int, int] | None = None  # of `python` on PATH
    node: int | None = None
    is_slim: bool = False
    user: str | None = None  # who runs; None: not known
    workdir: str | None = None
    uids: Mapping[int, str] | None = None  # users from 1000 on; None: not known
    env: Mapping[str, str] | None = None  # None: not known
    command: tuple[str, ...] | None = None  # what starts where no CMD follows; (): nothing; None: not known
    entrypoint: tuple[str, ...] | None = None  # (): it has none; None: not known
    facts: Mapping[str, bool] = field(default_factory=dict)  # programs: whether they are there, where that is known

    @property
    def is_known(self) -> bool:
        """Whether it is an image that these tables describe."""
        return self.distribution is not None

    def has(self, program: str) -> bool | None:
        """Whether a program is there; None where that is not known."""
        return self.facts.get(program)


Facts = dict[str, Any]  # fields of Base
Family = Callable[[str], Facts]  # what a tag brings

_PARTS = re.compile(r"(?P<repository>[^@]*?)(?::(?P<tag>[^:/@]+))?(?:@(?P<digest>[^@]+))?")
_MIRRORS = (
    "docker.io/", "index.docker.io/", "registry-1.docker.io/", "registry.hub.docker.com/", "mirror.gcr.io/",
    "public.ecr.aws/docker/",
)  # fmt: skip
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEBIAN = {"9": "stretch", "10": "buster", "11": "bullseye", "12": "bookworm", "13": "trixie"}
UBUNTU = {
    "xenial": "16.04", "bionic": "18.04", "focal": "20.04", "jammy": "22.04", "lunar": "23.04", "mantic": "23.10",
    "noble": "24.04", "oracular": "24.10", "plucky": "25.04", "questing": "25.10", "resolute": "26.04",
}  # fmt: skip
_USER_UBUNTU_SINCE = (23, 4)  # the images of Ubuntu have the user `ubuntu`, 1000, from that release on

# Programs of the images as they are published: surely there, surely not.
_EVERYWHERE = ("sh", "cat", "cp", "mkdir", "chmod", "chown", "sed", "grep", "tar", "find", "env", "sleep")
_FULL = (  # buildpack-deps
    "curl", "wget", "git", "gcc", "g++", "cc", "make", "unzip", "xz", "ssh", "patch", "python3", "ps",
)  # fmt: skip
_NOT_SLIM = (
    "curl", "wget", "git", "gcc", "g++", "cc", "make", "unzip", "zip", "ssh", "ps", "nano", "vim", "ffmpeg", "nginx",
    "cmake", "jq", "rsync", "tini",
)  # fmt: skip
_NOT_FULL = ("sudo", "cmake", "ffmpeg", "nginx", "jq", "nano", "vim", "zip", "rsync", "tini")
_OF_DEBIAN = ("bash", "apt-get", "apt", "dpkg", "perl", "useradd", "groupadd", "usermod", "userdel", "su")
_NOT_ON_DEBIAN = ("apk", "yum", "dnf", "dumb-init", "gosu", "su-exec")
_OF_ALPINE = ("apk", "wget", "unzip", "adduser", "addgroup", "ps", "vi")
_NOT_ON_ALPINE = (
    "bash", "curl", "git", "gcc", "g++", "cc", "make", "apt-get", "apt", "useradd", "groupadd", "usermod", "tini",
    "dumb-init", "gosu", "su-exec", "jq", "ffmpeg",
)  # fmt: skip
_LANGUAGES = ("python", "python3", "pip", "pip3", "node", "npm", "npx", "yarn", "java", "go", "cargo", "ruby", "php")
_NEVER = ("sudo", "nvidia-smi", "uv", "poetry", "pipenv", "conda", "pnpm", "bun", "deno")


def _facts(there: tuple[str, ...], missing: tuple[str, ...]) -> dict[str, bool]:
    return dict.fromkeys(missing, False) | dict.fromkeys(there, True)


def _bare(distribution: str) -> dict[str, bool]:
    """The programs of a distribution's own image."""
    if distribution == "alpine":
        return _facts((*_EVERYWHERE, *_OF_ALPINE), (*_NOT_ON_ALPINE, *_LANGUAGES, *_NEVER))
    missing = set(_NOT_SLIM) - ({"ps"} if distribution == "ubuntu" else set())
    return _facts((*_EVERYWHERE, *_OF_DEBIAN), (*missing, *_NOT_ON_DEBIAN, *_LANGUAGES, *_NEVER))


def _built_on_debian(is_slim: bool) -> dict[str, bool]:
    """The programs of a language's image on Debian, without the language: full ones are built on buildpack-deps."""
    return _bare("debian") | ({} if is_slim else _facts(_FULL, _NOT_FULL))


def base_of(name: str) -> Base:
    """What is known of the image that a FROM line names."""
    found = _PARTS.fullmatch(name)
    repository = found["repository"] if found else name
    for mirror in _MIRRORS:
        repository = repository.removeprefix(mirror)
    repository = repository.removeprefix("library/")
    digest = (found["digest"] or "") if found else ""
    tag = (found["tag"] or ("" if digest else "latest")) if found else ""
    base = Base(name, repository, tag, digest)
    family = FAMILIES.get(repository)
    if UNKNOWN in name or family is None or not (tag or repository == "scratch") or tag_problem(repository, tag):
        return base
    return replace(base, **family(tag))


def _system_of(tag: str) -> Facts:
    """The distribution that a tag names."""
    for part in tag.split("-"):
        if part in DEBIAN.values():
            return {"distribution": "debian", "release": part}
        if part in UBUNTU:
            return {"distribution": "ubuntu", "release": UBUNTU[part]}
        if found := re.fullmatch(r"ubuntu(\d\d\.\d\d)", part):
            return {"distribution": "ubuntu", "release": found[1]}
        if found := re.fullmatch(r"alpine(3\.\d+)?", part):
            return {"distribution": "alpine", "release": found[1]}
        if part.startswith(("windowsservercore", "nanoserver")):
            return {"distribution": "windows"}
        if found := re.fullmatch(r"(?:ubi|rockylinux|centos)(\d+)(?:\.\d+)?", part):
            return {"distribution": part.rstrip("0123456789."), "release": found[1]}
    return {}


def _users_of(system: Facts) -> dict[int, str] | None:
    """The users from 1000 on that a distribution's own image has."""
    if system.get("distribution") != "ubuntu":
        return {} if system.get("distribution") else None
    if system.get("release") is None:
        return None
    year, _, month = system["release"].partition(".")
    return {1000: "ubuntu"} if (int(year), int(month)) >= _USER_UBUNTU_SINCE else {}


_ROOT: Facts = {"user": "root", "workdir": "/", "entrypoint": ()}

# Python: the Debian release of a tag without one is the newest of the day on which its image was last built. Per
# minor version the last patch that was made on a release (None: it was made on none, or that day is not known).
_LAST_PATCH_ON = {
    6: {"buster": 13, "bullseye": 15},
    7: {"buster": 10, "bullseye": 16},
    8: {"buster": 10, "bullseye": 16, "bookworm": 20},
    9: {"buster": 5, "bullseye": 16, "bookworm": 22, "trixie": 25},
    10: {"bullseye": 11, "bookworm": 17, "trixie": 99},
    11: {"bullseye": 3, "bookworm": 12, "trixie": 99},
    12: {"bookworm": 10, "trixie": 99},
    13: {"bookworm": 5, "trixie": 99},
    14: {"trixie": 99},
    15: {"trixie": 99},
}
_NOT_SURE = {(6, 14), (7, 11), (7, 17), (8, 11), (9, 6), (13, 6)}  # built in the weeks when Debian's release changed
_UNSURE_WHERE_LAST = 7  # Debian 12 came in the weeks of its last build
_PYTHON_TAG = re.compile(r"3\.(\d{1,2})(?:\.(\d{1,2}))?((?:a|b|rc)\d+|-rc)?(?:-(.+))?")
_PYTHON_FACTS = {"python": True, "python3": True, "pip": True, "pip3": True}


def python_release(minor: int, patch: int | None) -> str | None:
    """The Debian release of `python:3.MINOR` or `python:3.MINOR.PATCH`, full or slim."""
    lasts = _LAST_PATCH_ON.get(minor, {})
    if patch is None:
        newest = list(lasts)[-1] if lasts else None
        return None if minor == _UNSURE_WHERE_LAST else newest
    if (minor, patch) in _NOT_SURE:
        return None
    return next((release for release, last in lasts.items() if patch <= last), None)


def _python(tag: str) -> Facts:
    found = _PYTHON_TAG.fullmatch(tag)
    variant = (found[4] or "") if found else tag
    is_floating = tag in ("latest", "3") or re.match(r"(3-)?(slim|alpine|trixie|bookworm|bullseye)", tag)
    if not (found or is_floating):
        return {}
    release = python_release(int(found[1]), int(found[2]) if found[2] else None) if found else "trixie"
    system = _system_of(variant) or {"distribution": "debian", "release": release}
    if system["distribution"] == "windows":
        return system
    is_slim = "slim" in variant
    programs = _bare("alpine") if system["distribution"] == "alpine" else _built_on_debian(is_slim)
    return system | _ROOT | {
        "python": (3, int(found[1])) if found else None,
        "is_slim": is_slim,
        "uids": {},
        "env": {"PATH": f"/usr/local/bin:{SYSTEM_PATH}", "PYTHON_VERSION": UNKNOWN, "LANG": UNKNOWN, "GPG_KEY": UNKNOWN,
                "PYTHON_SHA256": UNKNOWN},
        "command": ("python3",),
        "facts": programs | _PYTHON_FACTS | ({} if is_slim or system["distribution"] == "alpine" else {"unzip": True}),
    }  # fmt: skip


NODE_NAMES = {
    "argon": 4, "boron": 6, "carbon": 8, "dubnium": 10, "erbium": 12, "fermium": 14, "gallium": 16, "hydrogen": 18,
    "iron": 20, "jod": 22, "krypton": 24,
}  # fmt: skip
_NODE_ON_BOOKWORM = (18, 20, 22)  # without a release in the tag
_NODE_TAG = re.compile(r"(?:(\d{1,2})(?:\.\d+){0,2}|([a-z]+))(?:-(.+))?")


def _node(tag: str) -> Facts:
    found = _NODE_TAG.fullmatch(tag)
    if not found:
        return {}
    named = found[2] in NODE_NAMES or found[2] in ("lts", "current", "latest")
    variant: str = (found[3] or "") if found[1] or named else tag
    major = int(found[1]) if found[1] else NODE_NAMES.get(found[2])
    system = _system_of(variant)
    if not (system or found[1] or named or variant.startswith("slim")):
        return {}
    system = system or {"distribution": "debian", "release": "bookworm" if major in _NODE_ON_BOOKWORM else None}
    is_alpine, is_slim = system["distribution"] == "alpine", "slim" in variant
    programs = _bare("alpine") if is_alpine else _built_on_debian(is_slim)
    programs.pop("yarn")  # in most of them
    return system | _ROOT | {
        "node": major,
        "is_slim": is_slim,
        "uids": {1000: "node"},
        "env": {"PATH": SYSTEM_PATH, "NODE_VERSION": UNKNOWN, "YARN_VERSION": UNKNOWN},
        "command": ("node",),
        "entrypoint": ("docker-entrypoint.sh",),
        "facts": programs | {"node": True, "npm": True, "npx": True},
    }  # fmt: skip


def _debian(tag: str) -> Facts:
    name = tag.split("-")[0]
    named = "trixie" if name in ("latest", "stable") else DEBIAN.get(name.partition(".")[0], name)
    release = named if named in DEBIAN.values() else None
    env = {"PATH": SYSTEM_PATH}
    facts = {"distribution": "debian", "release": release, "is_slim": tag.endswith("-slim"), "uids": {}, "env": env}
    return _ROOT | facts | {"command": ("bash",), "facts": _bare("debian")}


def _ubuntu(tag: str) -> Facts:
    name = tag.split("-")[0]
    named = UBUNTU.get(name, name)
    release = named if re.fullmatch(r"\d\d\.(04|10)", named) else None
    system: Facts = {"distribution": "ubuntu", "release": release}
    users = {1000: "ubuntu"} if tag in ("latest", "rolling", "devel") else _users_of(system)
    command = {"env": {"PATH": SYSTEM_PATH}, "command": ("/bin/bash",), "facts": _bare("ubuntu")}
    return system | _ROOT | {"uids": users} | command


def _alpine(tag: str) -> Facts:
    found = re.match(r"3\.\d+", tag)
    system = {"distribution": "alpine", "release": found[0] if found else None}
    env = {"PATH": SYSTEM_PATH}
    return system | _ROOT | {"uids": {}, "env": env, "command": ("/bin/sh",), "facts": _bare("alpine")}


def _scratch(_tag: str) -> Facts:
    nothing: Facts = {"uids": {}, "env": {"PATH": SYSTEM_PATH}, "command": (), "facts": _facts((), ("sh", "bash"))}
    return {"distribution": "scratch"} | _ROOT | nothing


_CUDA_ENV = {
    "PATH": f"/usr/local/nvidia/bin:/usr/local/cuda/bin:{SYSTEM_PATH}",
    "LD_LIBRARY_PATH": UNKNOWN,
    "NVIDIA_VISIBLE_DEVICES": "all",
    "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
} | dict.fromkeys(("CUDA_VERSION", "NVARCH", "NVIDIA_REQUIRE_CUDA", "LIBRARY_PATH", "NV_CUDNN_VERSION"), UNKNOWN)


def _cuda(tag: str) -> Facts:
    system = _system_of(tag)
    if not system:
        return {}
    is_ubuntu = system["distribution"] == "ubuntu"
    facts = _bare("ubuntu") if is_ubuntu else dict.fromkeys(("apt-get", "apt", "node", "npm"), False)
    of_devel = ("gcc", "g++", "cc", "make", "python", "python3") if "devel" in tag else ()
    facts = {program: there for program, there in facts.items() if program not in of_devel}
    # Its entrypoint shows a banner and starts the command that it is given: to who follows the start there is none.
    common = _ROOT | {"env": _CUDA_ENV, "uids": _users_of(system), "facts": facts}
    return system | common | {"command": ("/bin/bash",) if is_ubuntu else None}


def _language(
    command: tuple[str, ...] | None, programs: tuple[str, ...], *, workdir: str | None = "/", adds: str = ""
) -> Family:
    """A language's image of docker-library, on Debian or Alpine. The Debian release is known where the tag has it.

    `adds` are programs of which some tags have more than their base.
    """

    def facts_of(tag: str) -> Facts:
        system = _system_of(tag) or ({"distribution": "debian"} if re.match(r"\d|latest$|slim$", tag) else {})
        if system.get("distribution") not in ("debian", "alpine"):
            return system
        is_slim = "slim" in tag
        there = _bare("alpine") if system["distribution"] == "alpine" else _built_on_debian(is_slim)
        facts = {name: there[name] for name in there if name not in adds.split()} | dict.fromkeys(programs, True)
        known: Facts = {"user": "root", "workdir": workdir, "uids": {}, "is_slim": is_slim, "command": command}
        return system | known | {"facts": facts}

    return facts_of


def _java(tag: str) -> Facts:
    """Images on eclipse-temurin: Ubuntu, unless the tag names something else."""
    system = _system_of(tag) or {"distribution": "ubuntu"}
    facts = dict.fromkeys(("python", "pip", "node", "npm"), False) | {"java": True}
    if system["distribution"] == "alpine":
        return system | {"user": "root", "uids": {}, "facts": facts | {"bash": False, "apt-get": False, "apk": True}}
    if system["distribution"] != "ubuntu":
        return system | {"facts": facts}
    users = _users_of(system) if system.get("release") else {1000: "ubuntu"}
    return system | {"user": "root", "uids": users, "facts": facts | {"apt-get": True, "bash": True, "apk": False}}


def _maven(tag: str) -> Facts:
    if "temurin" not in tag and re.search(r"[a-z]", tag.replace("latest", "")):
        return {}
    return _java(tag)


def _server(command: tuple[str, ...], *, user: str = "root", workdir: str = "/", entrypoint: str = "") -> Family:
    """A web server's image, on Debian or Alpine."""

    def facts_of(tag: str) -> Facts:
        system = _system_of(tag) or {"distribution": "debian"}
        facts = _bare(system["distribution"]) | {"nginx": command[0] == "nginx"}
        facts = {name: there for name, there in facts.items() if name not in ("curl", "tini")}
        start = {"command": command, "entrypoint": (entrypoint,) if entrypoint else ()}
        return system | {"user": user, "workdir": workdir, "uids": {}, "facts": facts} | start

    return facts_of


def _fixed(**facts: Any) -> Family:
    """An image whose tags differ in nothing that matters here, but for the system that they name."""
    return lambda tag: {"distribution": "debian"} | facts | _system_of(tag)


def _uv(tag: str) -> Facts:
    if re.fullmatch(r"latest|\d+(\.\d+){0,2}", tag):  # the program and nothing else
        return {"distribution": "scratch", "user": "root", "command": (), "facts": _facts((), ("sh", "bash"))}
    found, system = re.search(r"python3\.(\d+)", tag), _system_of(tag)
    if not system:
        return {}
    facts = _bare(system["distribution"]) | {"uv": True} | (_PYTHON_FACTS if found else {})
    is_slim = "slim" in tag
    facts |= {} if is_slim or system["distribution"] == "alpine" else _facts(_FULL, _NOT_FULL)
    python = (3, int(found[1])) if found else None
    known: Facts = {"user": "root", "workdir": "/", "uids": {}, "command": ("/usr/local/bin/uv",), "entrypoint": ()}
    return system | known | {"python": python, "is_slim": is_slim, "facts": facts}


def _tiangolo(tag: str) -> Facts:
    found = re.match(r"python3\.(\d+)", tag)
    if not found:
        return {}
    known: Facts = {"distribution": "debian", "user": "root", "workdir": "/app", "command": ("/start.sh",), "uids": {}}
    facts = {"python": True, "pip": True, "gunicorn": True, "uvicorn": True, "bash": True, "apt-get": True}
    return known | {"python": (3, int(found[1])), "facts": facts}


def _playwright(tag: str) -> Facts:
    system = _system_of(tag)
    if system.get("distribution") != "ubuntu":
        return {}
    users = {1000: "pwuser"} if system["release"] in ("20.04", "22.04") else {1000: "ubuntu", 1001: "pwuser"}
    return system | {"user": "root", "workdir": "/", "uids": users, "facts": {"bash": True, "apt-get": True}}


def _redhat(distribution: str, *missing: str) -> Family:
    facts = _facts((*_EVERYWHERE[:4], "bash"), ("apt-get", "apt", "apk", "node", "npm", "pip", *missing))

    def facts_of(tag: str) -> Facts:
        found = re.match(r"\d+", tag)
        system = {"distribution": distribution, "release": found[0] if found else None}
        return system | _ROOT | {"uids": {}, "env": {"PATH": SYSTEM_PATH}, "facts": facts}

    return facts_of


_WITH_APT = {"bash": True, "apt-get": True, "apk": False}
_JUPYTER = _fixed(
    distribution="ubuntu", user="1000", workdir="/home/jovyan", uids={1000: "jovyan"},
    command=("start-notebook.py",), entrypoint=("tini", "-g", "--"),
    facts=_WITH_APT | {"python": True, "pip": True, "conda": True},
)  # fmt: skip
_JUPYTER_NAMES = ("base", "minimal", "scipy", "datascience", "tensorflow", "pytorch", "pyspark", "all-spark", "r")
_SELENIUM = _fixed(distribution="ubuntu", user="1200", facts=_WITH_APT)

_TOOLS = "gcc g++ cc make git curl wget unzip xz ssh patch python3 ps jq zip"

FAMILIES: Mapping[str, Family] = {
    "scratch": _scratch,
    "python": _python,
    "node": _node,
    "debian": _debian,
    "ubuntu": _ubuntu,
    "alpine": _alpine,
    "nvidia/cuda": _cuda,
    "golang": _language(("bash",), ("go",), workdir="/go", adds=f"{_TOOLS} bash"),
    "rust": _language(("bash",), ("cargo", "rustc"), adds=_TOOLS),
    "ruby": _language(("irb",), ("ruby", "gem", "bundle")),
    "php": _language(None, ("php",), workdir=None, adds=f"{_TOOLS} bash"),
    "perl": _language(("perl", "-de0"), ("perl",), adds=_TOOLS),
    "buildpack-deps": _fixed(user="root", workdir="/", uids=None, command=("bash",)),
    "eclipse-temurin": _java,
    "maven": _maven,
    "gradle": lambda tag: _java(tag) | {"uids": {1000: "gradle"}},
    "nginx": _server(("nginx", "-g", "daemon off;"), entrypoint="/docker-entrypoint.sh"),
    "nginxinc/nginx-unprivileged": _server(
        ("nginx", "-g", "daemon off;"), user="101", entrypoint="/docker-entrypoint.sh"
    ),
    "httpd": _server(("httpd-foreground",), workdir="/usr/local/apache2"),
    "caddy": _fixed(
        distribution="alpine", user="root", workdir="/srv", entrypoint=(),
        command=("caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"),
        facts={"apt-get": False, "bash": False},
    ),
    "r-base": _fixed(user="root", uids={1000: "docker"}, command=("R",), facts=_WITH_APT),
    "continuumio/miniconda3": _fixed(user="root", workdir="/", command=("/bin/bash",),
                                     facts=_WITH_APT | {"python": True, "pip": True, "conda": True}),
    "continuumio/anaconda3": _fixed(user="root", workdir="/", command=("/bin/bash",),
                                    facts=_WITH_APT | {"python": True, "pip": True, "conda": True}),
    "mambaorg/micromamba": _fixed(user="mambauser", command=("/bin/bash",),
                                  entrypoint=("/usr/local/bin/_entrypoint.sh",)),
    "pytorch/pytorch": _fixed(distribution="ubuntu", user="root", workdir="/workspace",
                              facts=_WITH_APT | {"python": True, "pip": True}),
    "tensorflow/tensorflow": _fixed(distribution="ubuntu", user="root",
                                    facts=_WITH_APT | {"python": True, "pip": True}),
    "ghcr.io/astral-sh/uv": _uv,
    "oven/bun": _fixed(user="root", workdir="/home/bun/app", uids={1000: "bun"}, facts={"bun": True, "python": False,
                                                                                        "pip": False}),
    "denoland/deno": _fixed(user="root", facts={"deno": True, "python": False, "pip": False}),
    "ollama/ollama": _fixed(distribution="ubuntu", user="root", workdir="/", command=("serve",),
                            entrypoint=("/bin/ollama",), facts=_WITH_APT | {"ollama": True, "python": False,
                                                                            "pip": False}),
    "mcr.microsoft.com/playwright": _playwright,
    "mcr.microsoft.com/playwright/python": _playwright,
    "tiangolo/uvicorn-gunicorn-fastapi": _tiangolo,
    "tiangolo/uvicorn-gunicorn": _tiangolo,
    "tiangolo/meinheld-gunicorn-flask": _tiangolo,
    **{f"selenium/standalone-{browser}": _SELENIUM for browser in ("chrome", "firefox", "edge", "chromium")},
    **{f"{place}jupyter/{name}-notebook": _JUPYTER for place in ("", "quay.io/") for name in _JUPYTER_NAMES},
    "amazonlinux": _redhat("amazonlinux"),
    "fedora": _redhat("fedora"),
    "rockylinux": _redhat("rockylinux"),
    "almalinux": _redhat("almalinux"),
    "centos": _redhat("centos"),
    "oraclelinux": _redhat("oraclelinux"),
}  # fmt: skip
