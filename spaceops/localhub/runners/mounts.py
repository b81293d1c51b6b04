"""`RUN --mount=…`: secrets as files or variables, and files of the context, for the time of one RUN."""

from __future__ import annotations

import os
import posixpath
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spaceops.localhub.runners import BuildFailed
from spaceops.localhub.runners.copying import Tree, copy
from spaceops.localhub.runners.paths import remove

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from spaceops.dockerfile import Instruction
    from spaceops.localhub.runners.stages import Stand


@dataclass
class Mounted:
    """What a RUN finds: secret files by image path, and variables."""

    files: dict[str, Path] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)


def mounts(instruction: Instruction) -> list[dict[str, str]]:
    """The mounts of a RUN as their options; `target` and `source` under these names."""
    aliases = {"dst": "target", "destination": "target", "src": "source"}
    found = []
    for name, text in instruction.flags:
        if name == "mount":
            pairs = [part.partition("=") for part in text.split(",")]
            found.append({aliases.get(option, option): value for option, _, value in pairs})
    return found


def bound(instruction: Instruction) -> list[dict[str, str]]:
    """The mounts that show files of the build context, which is the default type."""
    return [mount for mount in mounts(instruction) if mount.get("type", "bind") == "bind" and "from" not in mount]


@contextmanager
def mounted(
    instruction: Instruction, stand: Stand, tree: Tree, secrets: Mapping[str, str], folder: Path
) -> Iterator[Mounted]:
    """Mount, and undo it afterwards: secret files lie in `folder` no longer than the RUN takes."""
    found = Mounted()
    with ExitStack() as undo:
        folder.mkdir(mode=0o700)
        undo.callback(remove, folder)
        for mount in mounts(instruction):
            kind = mount.get("type", "bind")
            if kind == "secret":
                _mount_secret(mount, secrets, folder, found)
            elif kind == "bind" and "from" not in mount:
                _bind(mount, stand, tree, undo)
            elif kind in ("cache", "tmpfs"):
                stand.paths.inside(_target(mount, stand)).mkdir(parents=True, exist_ok=True)
            else:
                raise BuildFailed(
                    f"RUN --mount=type={kind}: this runner cannot mount it; that needs a container engine"
                )
        yield found


def _target(mount: dict[str, str], stand: Stand) -> str:
    target = posixpath.join(stand.workdir, mount.get("target", "."))
    stand.paths.know(target)
    return target


def _mount_secret(mount: dict[str, str], secrets: Mapping[str, str], folder: Path, found: Mounted) -> None:
    name = mount.get("id") or posixpath.basename(mount.get("target", ""))
    value = secrets.get(name)
    if value is None:
        if mount.get("required", "false").lower() in ("", "true", "1"):
            raise BuildFailed(f"secret {name}: not found")
        return
    if "env" in mount:
        found.env[mount["env"]] = value
    if "env" not in mount or "target" in mount:
        place = folder / str(len(found.files))
        place.touch(mode=0o600)
        place.write_text(value)
        found.files[posixpath.normpath(posixpath.join("/", mount.get("target") or f"/run/secrets/{name}"))] = place


def _bind(mount: dict[str, str], stand: Stand, tree: Tree, undo: ExitStack) -> None:
    """Copy the files to where the mount shows them, and take those away again that were not there before."""
    target = _target(mount, stand)
    items = tree.gather(mount.get("source", "."))
    into = not any(item.is_root for item in items)
    for item in items:
        path = posixpath.join(target, item.target) if into else target
        place = stand.paths.inside(posixpath.dirname(path)) / posixpath.basename(path)
        if not os.path.lexists(place):
            undo.callback(_take_away, stand, path)
            copy([item], path, stand.paths.inside, into=False, mode=None)


def _take_away(stand: Stand, path: str) -> None:
    """Remove a file at an image path, wherever the RUN has left that."""
    place = stand.paths.inside(posixpath.dirname(path)) / posixpath.basename(path)
    if place.is_dir() and not place.is_symlink():
        remove(place)
    else:
        place.unlink(missing_ok=True)
