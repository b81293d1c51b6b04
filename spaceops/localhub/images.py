"""The builds of one Space that are kept on disk: `builds/<start of the sha>-<n>`, the highest n the newest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaceops.localhub.runners import Image
from spaceops.localhub.runners.paths import remove

if TYPE_CHECKING:
    from collections.abc import Callable, Container
    from pathlib import Path


SHORT = 12  # digits: the paths of sockets may not be longer than 107 bytes, and a RUN may make some in its /tmp


class Images:
    """What is in the folder of a Space's builds."""

    def __init__(self, folder: Path, fits: Callable[[Image], bool]) -> None:
        """`fits` says whether an image can still be started."""
        self._folder, self._fits = folder, fits

    def newest(self) -> tuple[Image, Path] | None:
        """The last build that was finished and is intact."""
        return next(reversed(self._all()), None)

    def of(self, sha: str) -> tuple[Image, Path] | None:
        """The last such build of a commit."""
        return next((found for found in reversed(self._all()) if found[0].sha == sha), None)

    def new_folder(self, sha: str) -> Path:
        """Where the next build goes."""
        numbers = [_number(folder) for folder in self._folder.glob("*-*")]
        return self._folder / f"{sha[:SHORT]}-{max(numbers, default=0) + 1}"

    def tidy(self, shas: Container[str | None]) -> None:
        """Remove unfinished builds, and all but the newest one and those of `shas`; blocks."""
        found = self._all()
        kept = {folder for image, folder in found if image.sha in shas} | {folder for _, folder in found[-1:]}
        remove(*(folder for folder in self._folder.glob("*") if folder not in kept))

    def _all(self) -> list[tuple[Image, Path]]:
        folders = sorted(self._folder.glob("*-*"), key=_number)
        return [(image, folder) for folder in folders if (image := Image.load(folder)) and self._fits(image)]


def _number(folder: Path) -> int:
    number = folder.name.rpartition("-")[2].partition(".")[0]
    return int(number) if number.isdecimal() else 0
