"""`.gitattributes`, as far as it says which files are large files."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from spaceops.localhub.patterns import Pattern, lines

if TYPE_CHECKING:
    from collections.abc import Mapping

EXTENSIONS = (
    "7z arrow bin bz2 ckpt ftz gz h5 joblib mlmodel model msgpack npy npz onnx ot parquet pb pickle pkl pt pth rar "
    "safetensors tar tflite tgz wasm xz zip zst"
)
TRACKED = "filter=lfs diff=lfs merge=lfs -text"
# What a new repository starts with; source: the real Hub's `.gitattributes` of new Spaces (August 2026).
INITIAL = "".join(
    f"{pattern} {TRACKED}\n"
    for pattern in [
        *(f"*.{extension}" for extension in EXTENSIONS.split()),
        "*.tar.*",
        "saved_model/**/*",
        "*tfevents*",
    ]
)


class Rule(NamedTuple):
    """A line: what it names, and whether that is a large file."""

    pattern: Pattern
    is_lfs: bool


class Attributes:
    """Which paths the `.gitattributes` files of a repository give to LFS.

    The nearest file that says something decides, and in it the last line that matches: `text` is the one at the root,
    `below` are those of other folders.
    """

    def __init__(self, text: str, below: Mapping[str, str] = MappingProxyType({})) -> None:
        self._rules = {
            folder: [rule for line in lines(content) if (rule := _rule(line))][::-1]
            for folder, content in {**below, "": text}.items()
        }

    def is_lfs(self, path: str) -> bool:
        """Whether a file of that path is a large file."""
        folder = path
        while folder:
            folder = folder.rpartition("/")[0]
            below = path.removeprefix(f"{folder}/") if folder else path
            for rule in self._rules.get(folder, ()):
                if rule.pattern.matches(below):
                    return rule.is_lfs
        return False


def track(path: str) -> str:
    """The line that gives one path to LFS."""
    literal = re.sub(r"([*?\[\]\\#!\"])", r"\\\1", path)
    return re.sub(r"\s", "[[:space:]]", literal) + f" {TRACKED}\n"


def _rule(line: str) -> Rule | None:
    pattern, *attributes = line.split() or ["#"]
    filters = [word for word in attributes if re.fullmatch(r"[-!]?filter(=.*)?", word)]
    if pattern.startswith(("#", "[attr]", "!")) or pattern.endswith("/") or not filters:
        return None
    return Rule(Pattern(pattern.replace("[[:space:]]", " ")), filters[-1] == "filter=lfs")
