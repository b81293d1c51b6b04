"""Stages as they were after a RUN, kept under a key over all that made them: the build cache."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

from spaceops.localhub.runners.paths import clone, remove

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEPT = 24  # layers; the least recently used go first
UNFINISHED = ".new-"


class Layers:
    """The cached layers of a data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def tidy(self) -> None:
        """Remove what an interrupted build left, and prune; only while nothing is built."""
        self.folder.mkdir(parents=True, exist_ok=True)
        remove(*self.folder.glob(f"{UNFINISHED}*"))
        self.prune()

    def prune(self) -> None:
        """Remove the layers that nothing used for longest."""
        layers = [folder for folder in self.folder.glob("*") if not folder.name.startswith(UNFINISHED)]
        by_use = sorted(layers, key=lambda layer: layer.stat().st_mtime, reverse=True)
        remove(*by_use[KEPT:])

    def has(self, key: str) -> bool:
        """Whether a layer is there."""
        return (self.folder / key).exists()

    def save(self, key: str, stage: Path, *, share: bool) -> None:
        """Keep a stage as it is now; `share` its environments if nothing will change them any more."""
        unfinished = self.folder / f"{UNFINISHED}{uuid.uuid4().hex}"
        clone(stage, unfinished, share=share)
        (unfinished / "origin").write_text(str(stage))
        try:
            unfinished.rename(self.folder / key)
        except OSError:  # another build was first
            remove(unfinished)

    def restore(self, key: str, stage: Path, relocate: Callable[[Path, str, str], None], *, share: bool) -> None:
        """Make a stage from a layer; `share` the environments if nothing will change them."""
        layer = self.folder / key
        os.utime(layer)
        clone(layer, stage, share=share)
        relocate(stage, (layer / "origin").read_text(), str(stage))
