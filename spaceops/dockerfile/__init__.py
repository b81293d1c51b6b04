"""The Dockerfile, parsed as BuildKit does (docs.docker.com/reference/dockerfile): frozen data, pure functions.

`Dockerfile.parse(text)` gives instructions and stages as they are written; `steps()` walks a stage with its variables
expanded; `Ignore.parse(text)` reads a `.dockerignore`.
"""

from spaceops.dockerfile.ignoring import Ignore, glob_pattern
from spaceops.dockerfile.instructions import Heredoc, Instruction, pairs_of
from spaceops.dockerfile.stages import PLATFORM, Dockerfile, Stage, Step
from spaceops.dockerfile.words import expand, names_in

__all__ = [
    "PLATFORM",
    "Dockerfile",
    "Heredoc",
    "Ignore",
    "Instruction",
    "Stage",
    "Step",
    "expand",
    "glob_pattern",
    "names_in",
    "pairs_of",
]
