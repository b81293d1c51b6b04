"""git as the local Hub runs it: on bare repositories, with nothing of the user's own configuration."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from spaceops.localhub.refusals import Refused
from spaceops.localhub.trees import MOST_FILES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SHA = re.compile(r"[0-9a-f]{40}")
NOTHING = "0" * 40  # what git writes for "no such commit"
LONGEST_LINE = 8192  # bytes of what git says about one of them
READ_SIZE = 256 << 10  # bytes

CONFIG = {
    "safe.directory": "*",  # a data folder on a mounted volume may belong to somebody else
    "gc.auto": "0",  # nothing may run on after the request that started it
    "receive.autogc": "false",
    "receive.fsckObjects": "true",
    "http.receivepack": "true",
    "uploadpack.allowFilter": "true",
    "uploadpack.allowAnySHA1InWant": "true",
    "receive.maxInputSize": "4g",
    "pack.window": "0",  # what is sent stays on this machine: looking for what resembles what costs more than it saves
    "pack.compression": "1",
    "core.bigFileThreshold": "32m",  # what is larger never is in memory as a whole
}
LARGEST_OBJECT = "512m"  # a delta of some bytes can unfold into gigabytes: git gives up before


@dataclass(frozen=True)
class Node:
    """A file or folder of a commit."""

    path: str
    mode: str  # 100644, 100755, 120000 (symlink), 040000 (folder), 160000 (submodule)
    oid: str
    size: int  # bytes as git stores it; 0 for folders

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder; everything else is a file, symlinks too."""
        return self.mode == "040000"


class GitError(Exception):
    """git refused; the message is its own."""


def environment(**config: str) -> dict[str, str]:
    """The environment for git: the machine's PATH, our configuration, and no more."""
    settings = {**CONFIG, **config}
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.devnull,
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ALLOC_LIMIT": LARGEST_OBJECT,
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    for number, (key, value) in enumerate(settings.items()):
        env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return env


def git(folder: Path, *words: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> bytes:
    """Run one git command on a bare repository and return what it printed; raises `GitError`."""
    command = ["git", f"--git-dir={folder}", *words]
    done = subprocess.run(command, input=stdin, capture_output=True, env=env or environment(), check=False)
    if done.returncode:
        raise GitError(done.stderr.decode(errors="replace").strip())
    return done.stdout


def nodes(folder: Path, sha: str, env: Mapping[str, str] | None = None) -> Iterator[Node]:
    """All files and folders of a commit, folders before what is in them.

    Raises `GitError`, and `Refused` for one that holds too much: ten trees that hold the next one ten times each are
    small, and ten thousand million files.
    """
    command = ["git", f"--git-dir={folder}", "ls-tree", "-r", "-t", "-l", "-z", "--full-tree", sha]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, env=env or environment()) as process:
        assert process.stdout and process.stderr  # noqa: S101  for the type checker: both are pipes
        try:
            yield from map(_node, _bounded(_split(process.stdout)))
        except BaseException:
            process.kill()
            raise
        complaint = process.stderr.read()
    if process.returncode:
        raise GitError(complaint.decode(errors="replace").strip())


def _bounded(lines: Iterable[bytes]) -> Iterator[bytes]:
    for number, line in enumerate(lines):
        if number >= MOST_FILES or len(line) > LONGEST_LINE:
            raise Refused(413, f"The commit holds more than {MOST_FILES} files, or too many folders in each other")
        yield line


def _split(stream: IO[bytes]) -> Iterator[bytes]:
    """The pieces of a stream that end with NUL; one that is longer than a line may be comes cut."""
    rest = b""
    while piece := stream.read(READ_SIZE):
        *lines, rest = (rest + piece).split(b"\0")
        yield from lines
        if len(rest) > LONGEST_LINE:
            yield rest


def _node(line: bytes) -> Node:
    facts, _, path = line.partition(b"\t")
    mode, _, oid, size = facts.decode().split()
    return Node(path.decode(errors="replace"), mode, oid, int(size) if size.isdecimal() else 0)


def contents(folder: Path, oids: Iterable[str], env: Mapping[str, str] | None = None) -> Iterator[bytes]:
    """The content of objects, in the order asked for; raises `GitError` for one that does not exist."""
    command = ["git", f"--git-dir={folder}", "cat-file", "--batch"]
    pipe = subprocess.PIPE
    silent = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=silent, env=env or environment()) as process:
        assert process.stdin and process.stdout  # noqa: S101  for the type checker: both are pipes
        for oid in oids:
            process.stdin.write(f"{oid}\n".encode())
            process.stdin.flush()
            header = process.stdout.readline().split()
            if len(header) != 3:
                raise GitError(f"There is no object {oid}")
            yield process.stdout.read(int(header[2]))
            process.stdout.read(1)
        process.stdin.close()


def is_ancestor(folder: Path, old: str, new: str) -> bool:
    """Whether one commit is in the history of another."""
    try:
        git(folder, "merge-base", "--is-ancestor", old, new)
    except GitError:
        return False
    return True


def blob_sha(content: bytes) -> str:
    """The name that git gives to a file of that content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def is_ref_name(name: str) -> bool:
    """Whether git would take it as the name of a branch or tag (git-check-ref-format's rules)."""
    bad = r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|^[./-]|\.lock(/|$)|[./]$|^@$|^$"
    return re.search(bad, name) is None and len(name.encode()) <= 250
