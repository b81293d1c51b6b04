"""What git knows of a folder, for the rules about a plain `git push`: which files go to LFS, and what history holds."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from spaceops.ignorerules import Pattern

TIMEOUT = 3  # seconds for all that git is asked
LARGEST_LISTING = 20_000_000  # bytes of git's answer
_HUB_URL = re.compile(r"^\s*url\s*=\s*\S*(?:huggingface\.co|hf\.co)[:/]", re.MULTILINE)
_SAFE = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")  # the folder may be anybody's
_ENVIRONMENT = {"GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


class Blob(NamedTuple):
    """A file in some commit."""

    path: str
    size: int  # bytes


class Attributes:
    """Which paths the `.gitattributes` files, by the folders that they lie in, give to LFS.

    The nearest file that says something decides, and in it the last line that matches.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._rules = {folder: list(_rules(text))[::-1] for folder, text in texts.items()}

    def is_lfs(self, path: str) -> bool:
        """Whether git hands the file to LFS."""
        folder, name = path, os.fsencode(path.rpartition("/")[2])
        while folder:
            folder = folder.rpartition("/")[0]
            below = os.fsencode(path[len(folder) + 1 :] if folder else path)
            for pattern, is_lfs in self._rules.get(folder, ()):
                if pattern.matches(below, 0, name):
                    return is_lfs
        return False


def _rules(text: str) -> Iterator[tuple[Pattern, bool]]:
    """The lines that say something about a filter."""
    for line in text.splitlines():
        glob, *attributes = line.split() or ["#"]
        filters = [word for word in attributes if re.fullmatch(r"[-!]?filter(=.*)?", word)]
        usual = glob.replace("[[:space:]]", "?")
        pattern = None if glob.startswith(("#", "!", "[attr]")) else Pattern.read(os.fsencode(usual))
        if pattern and filters and not pattern.folders_only:
            yield pattern, filters[-1] == "filter=lfs"


def is_pushed_to_the_hub(root: Path) -> bool:
    """Whether the folder is a git repository with a remote on the Hub."""
    try:
        return _HUB_URL.search((root / ".git" / "config").read_text("utf-8", "replace")) is not None
    except OSError:
        return False


def unpushed(root: Path) -> Iterator[Blob]:
    """The files of all commits that no remote has; nothing where git is missing, or takes too long."""
    listing = _git(root, "rev-list", "--objects", "HEAD", "--not", "--remotes")
    if not listing:
        return
    names = dict(line.split(" ", 1) for line in listing.decode(errors="replace").splitlines() if " " in line)
    asked = "".join(f"{name}\n" for name in names).encode()
    sizes = _git(root, "cat-file", "--batch-check=%(objecttype) %(objectname) %(objectsize)", given=asked)
    for line in (sizes or b"").decode().splitlines():
        kind, oid, size = [*line.split(), "", "", ""][:3]
        if kind == "blob" and size.isdecimal():
            yield Blob(names[oid], int(size))


def _git(root: Path, *words: str, given: bytes = b"") -> bytes | None:
    """What git answers; None where it fails."""
    command = ["git", *_SAFE, f"--git-dir={root / '.git'}", *words]
    environment = {**os.environ, **_ENVIRONMENT}
    try:
        done = subprocess.run(command, input=given, capture_output=True, env=environment, timeout=TIMEOUT, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if len(done.stdout) <= LARGEST_LISTING else None


def with_removed_file(place: Path, size: int) -> None:
    """Make an example: the `.git` of a clone from the Hub, with a commit of a file and one that removes it again."""
    who = "committer A <a@example.com> 1 +0000\ndata 0\n"
    commits = f"commit refs/heads/main\n{who}M 644 inline model.bin\ndata {size}\n{'x' * size}\n"
    commits += f"commit refs/heads/main\n{who}D model.bin\n"
    make = ["git", "init", "--quiet", "--bare", "--initial-branch=main", str(place)]
    subprocess.run(make, check=True, env={**os.environ, **_ENVIRONMENT})
    _git(place.parent, "fast-import", "--quiet", given=commits.encode())
    with (place / "config").open("a", encoding="utf-8") as config:
        config.write('[remote "origin"]\n\turl = https://huggingface.co/spaces/acme/hello\n')
