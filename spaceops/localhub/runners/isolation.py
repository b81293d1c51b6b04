"""How the commands of an image are kept away from the rest of this machine, and what that makes of its paths.

Two ways: `Sandbox` (bubblewrap, see `sandbox.py`), in which an image's paths are what they are; and `Open`, for
machines that have no bubblewrap or forbid it, in which the image's paths lie in a folder, under other names.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from spaceops.localhub.runners import scripts
from spaceops.localhub.runners.child import Order
from spaceops.localhub.runners.environments import (
    CACHES,
    SHIMS,
    Tools,
    base_python,
    find_uv,
    lent_paths,
    lent_to_builds,
    make_environment,
    prefixes_of,
)
from spaceops.localhub.runners.paths import ImagePaths, copy_around, copy_tree, relocate, remove

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from spaceops.localhub.runners import Mount

LIMITS = {"CORE": 0, "FSIZE": 50 * 10**9}  # the Hub's own disk has as much
SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")  # beside /usr
STORES = ("/nix", "/gnu/store")  # where some systems keep everything
ETC_FILES = (
    *("hosts", "resolv.conf", "nsswitch.conf", "host.conf", "gai.conf", "services", "protocols", "mime.types"),
    *(f"nginx/{name}" for name in ("mime.types", "fastcgi_params", "fastcgi.conf", "proxy_params", "uwsgi_params")),
    *("ld.so.cache", "ld.so.conf", "localtime", "timezone", "os-release", "debian_version", "locale.alias"),
)
ETC_FOLDERS = (
    *("ssl", "ca-certificates", "pki", "crypto-policies", "alternatives", "ld.so.conf.d", "fonts", "terminfo"),
    *("ImageMagick-6", "ImageMagick-7"),
)
ETC_OF_BUILDS = ("pip.conf", "uv", "xdg/pip")  # the machine's own indexes
NEEDED_OPENLY = ("/usr", "/opt", "/proc", "/sys", "/var/lib/dpkg", "/run/systemd/resolve", "/run/resolvconf")
SHARED_OPENLY = ("/dev", "/tmp", "/var/tmp")  # noqa: S108 - where everybody writes


@dataclass(frozen=True, kw_only=True)
class Task:
    """A command of an image: what is to be done, in the image's own paths."""

    words: list[str]
    env: dict[str, str] = field(repr=False)
    workdir: str
    uid: int
    mounts: Sequence[Mount] = ()
    builds: bool = False  # a RUN: it may change the environment, and use package indexes and caches


class Isolation(Protocol):
    """A way to run commands. Its methods block."""

    key: str  # what was built in one way is not used in another
    gaps: str  # what is not isolated

    def paths(self, folder: Path, prefixes: Iterable[str], python: str) -> ImagePaths:
        """The paths of a stage in this folder, whose environment is made from that interpreter."""
        ...

    def make_environment(self, paths: ImagePaths, *, with_uv: bool) -> None:
        """Make the environment and the shims of a stage; raises `BuildFailed`."""
        ...

    def relocate(self, folder: Path, old: str, new: str) -> None:
        """Mend what names its own place, after a move."""
        ...

    def fresh_copy(self, stage: ImagePaths, folder: Path) -> ImagePaths:
        """What an app is started in: it may change its files, and the image stays as it is."""
        ...

    def order(self, paths: ImagePaths, task: Task) -> Order:
        """What to tell the warden; prepares the folder."""
        ...


class Open:
    """Without a sandbox. On Linux the kernel's Landlock keeps most files of this machine away nevertheless."""

    key = "open"

    def __init__(self) -> None:
        self.gaps = (
            "processes and the network are this machine's, and most of its files are kept away"
            if has_landlock()
            else "code of Spaces can do whatever you can do on this machine"
        )

    def paths(self, folder: Path, prefixes: Iterable[str], python: str) -> ImagePaths:
        """The paths of a stage in this folder, whose environment is made from that interpreter."""
        return ImagePaths(folder, set(prefixes), python)

    def make_environment(self, paths: ImagePaths, *, with_uv: bool) -> None:
        """Make the environment and the shims of a stage; raises `BuildFailed`."""
        tools = Tools(base_python(), str(SHIMS), str(paths.environment), find_uv() or "")
        make_environment(paths.folder, paths.python, tools, with_uv=with_uv)

    def relocate(self, folder: Path, old: str, new: str) -> None:
        """Mend what names its own place, after a move."""
        relocate(folder, old, new)

    def fresh_copy(self, stage: ImagePaths, folder: Path) -> ImagePaths:
        """What an app is started in: it may change its files, and the image stays as it is."""
        paths = replace(stage, folder=folder, prefixes=set(stage.prefixes))
        fixed = [stage.real(path) for path in stage.fixed]
        copy_around(stage.folder / "root", folder / "root", fixed)
        for place in (*fixed, stage.environment):
            copy_tree(place, folder / place.relative_to(stage.folder).parent, share=True)
        copy_tree(stage.folder / "shims", folder)
        relocate(folder, str(stage.folder), str(folder))
        scripts.place(paths, stage.folder)
        return paths

    def order(self, paths: ImagePaths, task: Task) -> Order:
        """What to tell the warden; volumes become symlinks."""
        for mount in task.mounts:
            _link(paths, mount)
        read, write = _allowed(paths, task)
        return Order(
            command=task.words,
            env=task.env,
            cwd=str(paths.inside(task.workdir)),
            limits=LIMITS,
            read=read,
            write=write,
        )


def _link(paths: ImagePaths, mount: Mount) -> None:
    """Put a symlink where a mount is to be."""
    above, _, name = mount.target.rstrip("/").rpartition("/")
    folder = paths.inside(above or "/")
    folder.mkdir(parents=True, exist_ok=True)
    remove(folder / name)
    (folder / name).symlink_to(mount.source)


def _allowed(paths: ImagePaths, task: Task) -> tuple[list[str], list[str]]:
    """What may be read, and what may be changed."""
    etc = [f"/etc/{name}" for name in (*ETC_FILES, *ETC_FOLDERS, "passwd", "group")]
    pythons = [str(folder) for folder in pythons_of(paths)]
    read = [*NEEDED_OPENLY, *(f"/{name}" for name in SYSTEM), *STORES, *etc, *pythons, str(SHIMS), find_uv() or ""]
    write = [*SHARED_OPENLY, str(paths.folder)]
    for mount in task.mounts:
        (read if mount.read_only else write).append(str(mount.source))
    if task.builds:
        lent = lent_to_builds()
        read += [*map(str, lent_paths(lent)), *(f"/etc/{name}" for name in ETC_OF_BUILDS)]
        for name in CACHES:
            Path(lent[name]).mkdir(parents=True, exist_ok=True)  # it cannot be made from there
            write.append(lent[name])
    return read, write


def pythons_of(paths: ImagePaths) -> list[Path]:
    """Where the interpreters lie that the image's environment and this server's own programs need."""
    return list(dict.fromkeys([*prefixes_of(paths.python), *prefixes_of(base_python())]))


@cache
def has_landlock() -> bool:
    """Whether the kernel can keep files away from a process and its descendants."""
    if sys.platform != "linux":
        return False
    from spaceops.localhub.runners import warden

    return warden.landlock(warden.CREATE_RULESET, None, 0, 1) >= warden.WITH_RENAMES
