"""Shell scripts among the files of an image: where they name its own paths and its port, they get those of a run.

Only shell scripts: in other languages `/app` may be something else than a path, and 7860 something else than a port.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from spaceops.localhub.runners.paths import SMALL, rewrite
from spaceops.localhub.runners.ports import LISTENING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from spaceops.localhub.runners.paths import ImagePaths
    from spaceops.localhub.runners.ports import PortAdapter

SHEBANG = re.compile(rb"#!\s*\S*/(env\s+(-S\s+)?)?(ba|da|z|a|k)?sh\s")
LONGEST_SHEBANG = 128  # bytes


def with_own_paths(paths: ImagePaths) -> list[str]:
    """The image paths of the scripts that `place` would change, sorted; blocks."""
    root = paths.folder / "root"
    stage = paths.folder
    return sorted(f"/{file.relative_to(root)}" for file in _scripts(root) if _placed(file, paths, stage) is not None)


def place(paths: ImagePaths, stage: Path) -> None:
    """Change the scripts of a copy of `stage`; blocks."""
    for file in _scripts(paths.folder / "root"):
        text = _placed(file, paths, stage)
        if text is not None:
            rewrite(file, text.encode())


def adapt_ports(paths: ImagePaths, words: Sequence[str], workdir: str, adapt: PortAdapter) -> None:
    """Change the port in the scripts that a command names, which start the app, and for nginx; blocks."""
    changed = {path: (text, adapt(text)) for path, text in starting(paths, words, workdir).items()}
    changed |= {path: (text, adapt.in_nginx(text)) for path, text in of_nginx(paths, workdir).items()}
    for path, (text, adapted) in changed.items():
        if adapted != text:
            rewrite(paths.inside(path), adapted.encode(errors="surrogateescape"))


def starting(paths: ImagePaths, words: Sequence[str], workdir: str) -> dict[str, str]:
    """The scripts that a command names, by their image paths; blocks."""
    parts = [part.strip("'\";&()") for word in words for part in word.split()]
    named = dict.fromkeys(posixpath.normpath(posixpath.join(workdir, part)) for part in parts)
    files = {path: paths.inside(path) for path in named}
    own = {path: file for path, file in files.items() if file.is_relative_to(paths.folder / "root")}
    return {path: file.read_text(errors="surrogateescape") for path, file in own.items() if _is_small_script(file)}


def of_nginx(paths: ImagePaths, workdir: str) -> dict[str, str]:
    """The image's own files that tell nginx where to listen, by their image paths; blocks."""
    root = paths.folder / "root"
    walked = os.walk(paths.inside("/etc/nginx"))  # which follows no symlink
    files = [Path(place, name) for place, _, names in walked for name in names]
    found: dict[str, str] = {}
    for file in (*files, *paths.inside(workdir).glob("*.conf")):
        if file.is_file() and not file.is_symlink() and file.is_relative_to(root) and file.stat().st_size < SMALL:
            text = file.read_text(errors="surrogateescape")
            found |= {f"/{file.relative_to(root)}": text} if re.search(LISTENING, text, re.MULTILINE) else {}
    return found


def _placed(file: Path, paths: ImagePaths, stage: Path) -> str | None:
    """A script with its paths where they lie; None when nothing changes.

    A line that a RUN wrote names the place of the stage: it was translated then, and only moves along.
    """
    try:
        text = file.read_bytes().decode()
    except UnicodeDecodeError:
        return None
    built, here = str(stage), str(paths.folder)
    placed = "".join(
        line.replace(built, here) if built in line else paths.translate(line, in_shell=True)
        for line in text.splitlines(keepends=True)
    )
    return placed if placed != text else None


def _scripts(root: Path) -> Iterator[Path]:
    for place, _, names in os.walk(root):
        for name in names:
            file = Path(place, name)
            if not file.is_symlink() and _is_small_script(file):
                yield file


def _is_small_script(file: Path) -> bool:
    if not file.is_file() or file.stat().st_size >= SMALL:
        return False
    if file.suffix == ".sh":
        return True
    with file.open("rb") as stream:
        return SHEBANG.match(stream.read(LONGEST_SHEBANG)) is not None
