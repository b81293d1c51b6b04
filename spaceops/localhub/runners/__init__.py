"""What turns a commit into a running app. `process` does it without containers."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

IMAGE_FILE = "image.json"


class BuildFailed(Exception):
    """A step failed. The build log says so already; `reason` is the one line for `errorMessage`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Mount:
    """A folder or file of this machine that an app finds at a path of its image."""

    source: Path
    target: str
    read_only: bool


@dataclass(frozen=True, kw_only=True)
class Source:
    """What is built: the commit's files, and what the Space's settings add."""

    sha: str
    context: Path  # the files of the commit
    folder: Path  # where the result is left; does not exist yet
    app_port: int
    variables: Mapping[str, str]  # build arguments
    secrets: Mapping[str, str] = field(repr=False)  # only for RUN --mount=type=secret
    use_cache: bool = True


@dataclass(frozen=True, kw_only=True)
class Image:
    """What a build leaves: all that a start needs, also after the server itself was started again."""

    sha: str
    app_port: int
    stage: str  # the folder with the files and the environment, within the build's folder
    workdir: str  # this and what follows as the Dockerfile has it: paths of the image
    home: str
    env: dict[str, str]
    entrypoint: list[str]
    command: list[str]
    prefixes: list[str]  # image paths that lie in the build's folder
    uid: int  # the user's number
    python: str  # the interpreter of this machine that the environment was made from
    isolation: str  # the way it was built in, which is the one it can be started in
    fixed: list[str] = field(default_factory=list)  # folders that the app can read and not change

    @property
    def words(self) -> list[str]:
        """What is executed."""
        return [*self.entrypoint, *self.command]

    def save(self, folder: Path) -> None:
        """Write the record; a build's folder without it is not finished."""
        unfinished = folder / f"{IMAGE_FILE}.new"
        unfinished.write_text(json.dumps(asdict(self), indent=1))
        unfinished.replace(folder / IMAGE_FILE)

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """The record in a build's folder; None when the build is not finished or not intact."""
        file = folder / IMAGE_FILE
        if not file.exists():
            return None
        try:
            image = cls(**json.loads(file.read_text()))
        except (TypeError, ValueError):  # of another version of spaceops, or cut off by a power cut
            return None
        is_intact = Path(image.python).exists() and os.path.lexists(folder / image.stage / "env/bin/python")
        return image if is_intact else None
