"""What well-known base images bring: their distribution, languages, users and start command.

Sources: the official images' Dockerfiles and tag lists (docker-library, nvidia/cuda), November 2026.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Base:
    """An image that FROM names. What is not known is None, and then nothing may be concluded from it."""

    name: str  # as FROM has it, variables filled in
    repository: str  # "python", "node", "nvidia/cuda", "ghcr.io/owner/name"; "library/" and "docker.io/" are left out
    tag: str  # "" where only a digest is given, "latest" where nothing is
    digest: str = ""
    distribution: str | None = None  # "debian", "ubuntu", "alpine", …
    release: str | None = None  # "trixie", "bookworm", "24.04", "3.22", …
    python: tuple[int, int] | None = None  # of `python` on PATH
    node: int | None = None
    is_slim: bool = False
    user: str | None = None  # who runs; None: not known
    workdir: str | None = None
    uids: Mapping[int, str] | None = None  # users from 1000 on; None: not known
    env: Mapping[str, str] | None = None  # None: not known
    command: tuple[str, ...] | None = None  # what starts where no CMD follows; None: not known
    facts: Mapping[str, bool] = field(default_factory=dict)  # programs: whether they are there, where that is known

    @property
    def is_known(self) -> bool:
        """Whether it is an image that these tables describe."""
        return self.distribution is not None

    def has(self, program: str) -> bool | None:
        """Whether a program is there; None where that is not known."""
        return self.facts.get(program)


_PARTS = re.compile(r"(?P<repository>[^@]*?)(?::(?P<tag>[^:/@]+))?(?:@(?P<digest>[^@]+))?")
_PYTHON_TAG = re.compile(r"(3)\.(\d+)(?:\.\d+)?(?:-(.+))?")


def base_of(name: str) -> Base:
    """What is known of the image that a FROM line names."""
    found = _PARTS.fullmatch(name)
    repository = (found["repository"] if found else name).removeprefix("docker.io/").removeprefix("library/")
    tag = (found["tag"] or ("" if found["digest"] else "latest")) if found else ""
    base = Base(name, repository, tag, (found["digest"] or "") if found else "")
    return _python(base) if repository == "python" else base


def _python(base: Base) -> Base:
    found = _PYTHON_TAG.fullmatch(base.tag)
    if not found:
        return base
    return Base(
        base.name,
        base.repository,
        base.tag,
        base.digest,
        distribution="alpine" if "alpine" in base.tag else "debian",
        release=next((name for name in ("trixie", "bookworm", "bullseye", "buster") if name in base.tag), None),
        python=(int(found[1]), int(found[2])),
        is_slim="slim" in base.tag,
        user="root",
        workdir="/",
        uids={},
        env={"PATH": "/usr/local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        command=("python3",),
    )
