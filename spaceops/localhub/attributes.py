"""`.gitattributes`, as far as it says which files are large files."""

from __future__ import annotations

import re

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
TOKEN = re.compile(r"(?P<literal>\\.)|(?P<star>\*+)|(?P<any>\?)|(?P<set>\[[!^]?\]?[^]]*\])|(?P<char>.)", re.DOTALL)


class Attributes:
    """Which paths the `.gitattributes` at the root of a repository gives to LFS; the last line that matches decides."""

    def __init__(self, text: str) -> None:
        self._rules = [rule for line in text.splitlines() if (rule := _rule(line))]

    def is_lfs(self, path: str) -> bool:
        """Whether a file of that path is a large file."""
        matching = (lfs for pattern, lfs in reversed(self._rules) if pattern.fullmatch(path))
        return next(matching, False)


def track(path: str) -> str:
    """The line that gives one path to LFS."""
    literal = re.sub(r"([*?\[\]\\#!\"])", r"\\\1", path)
    return re.sub(r"\s", "[[:space:]]", literal) + f" {TRACKED}\n"


def _rule(line: str) -> tuple[re.Pattern[str], bool] | None:
    pattern, *attributes = line.split() or ["#"]
    filters = [word for word in attributes if re.fullmatch(r"[-!]?filter(=.*)?", word)]
    if pattern.startswith(("#", "[attr]")) or not filters:
        return None
    try:
        return re.compile(_regex(pattern.replace("[[:space:]]", " ")), re.DOTALL), filters[-1] == "filter=lfs"
    except re.error:  # a range like [z-a]: git matches nothing with it
        return None


def _regex(pattern: str) -> str:
    """gitignore's patterns, without its rule about folders: one without a slash looks at the file's name alone."""
    if "/" not in pattern:
        return rf"(?:.*/)?{_segment(pattern)}"
    *folders, name = pattern.removeprefix("/").split("/")
    start = "".join("(?:[^/]+/)*" if folder == "**" else f"{_segment(folder)}/" for folder in folders)
    return start + (".+" if name == "**" else _segment(name))


def _segment(part: str) -> str:
    """One part of a path as a regular expression; nothing in it goes past a slash."""
    return "".join(_token(match) for match in TOKEN.finditer(part))


def _token(match: re.Match[str]) -> str:
    text = match[0]
    if match.lastgroup == "set":
        inner = re.sub(r"([\\\[&~|]|--)", r"\\\1", text[1:-1])  # Python warns of what it may read as set operations
        return f"(?!/)[^{inner[1:]}]" if inner[:1] in ("!", "^") else f"(?!/)[{inner}]"
    wild = {"star": "[^/]*", "any": "[^/]", "literal": re.escape(text[1:])}
    return wild.get(match.lastgroup or "", re.escape(text))
