"""Builds and runs Docker Spaces without containers: a Python environment and a folder in place of the image.

Nothing is isolated. What an environment and a folder can do is done, what has no meaning here is skipped and the build
log says so, and what would be a lie fails the build. The app itself is started in a fresh copy of the image's files, so
that what it writes is gone after a restart, as in a container.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from spaceops.localhub.runners import Image, Source, scripts
from spaceops.localhub.runners.builder import Build
from spaceops.localhub.runners.child import Child
from spaceops.localhub.runners.environments import IMAGE_PATH, search_path, user_packages
from spaceops.localhub.runners.layers import Layers
from spaceops.localhub.runners.paths import TEMPORARY, ImagePaths, clone, relocate, remove
from spaceops.localhub.runners.ports import PortAdapter
from spaceops.localhub.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from spaceops.localhub.logbook import Writer
    from spaceops.localhub.runners import Mount


class ProcessRunner:
    """The runner without containers; `folder` holds the build cache, and `run` beside it what apps are started in.

    That path is short: those of sockets may not be longer than 107 bytes, and apps make some in their home or in /tmp.
    """

    def __init__(self, folder: Path) -> None:
        self._layers, self._runs = Layers(folder), folder.with_name("run")

    def tidy(self) -> None:
        """Remove what interrupted builds and earlier apps left, and layers that nothing used for long; blocks.

        Only while nothing is built and no app runs.
        """
        self._layers.tidy()
        remove(self._runs)

    async def build(self, source: Source, log: Writer) -> Image:
        """Build a commit into `source.folder`; raises `BuildFailed`. Cancelled or failed, it leaves nothing."""
        try:
            image = await Build(source, log, self._layers).run()
        except BaseException:
            await in_thread(remove, source.folder)
            raise
        image.save(source.folder)
        await in_thread(self._layers.prune)
        return image

    async def start(
        self,
        image: Image,
        folder: Path,
        *,
        port: int,
        settings: Mapping[str, str],
        feed: Callable[[bytes], None],
        mounts: Sequence[Mount] = (),
    ) -> App:
        """Start the image that lies in `folder`; the app is to listen on 127.0.0.1:`port`. `settings` win over ENV."""
        run = self._runs / uuid.uuid4().hex[:8]
        paths = ImagePaths(run, set(image.prefixes))
        paths.know(*(mount.target for mount in mounts))
        try:
            await in_thread(_fresh_copy, folder / image.stage, paths, image)
            await in_thread(_link, paths, mounts)
            env = _environment(image, paths, PortAdapter(image.app_port, port), settings)
            command = _command(image, paths, PortAdapter(image.app_port, port))
            child = Child(command, cwd=paths.real(image.workdir), env=env, feed=feed)
        except BaseException:
            await in_thread(remove, run)
            raise
        return App(child, run)


class App:
    """A started image: its processes and its copy of the files, which go together."""

    def __init__(self, child: Child, folder: Path) -> None:
        self._child, self._folder = child, folder
        self.pid = child.pid

    async def wait(self) -> int:
        """Wait for its end and return the exit code."""
        return await self._child.wait()

    async def stop(self) -> None:
        """End it, if it has not ended, and remove its files."""
        await self._child.stop()
        await in_thread(remove, self._folder)


def _fresh_copy(stage: Path, paths: ImagePaths, image: Image) -> None:
    clone(stage, paths.folder)
    relocate(paths.folder, str(stage), str(paths.folder))
    scripts.place(paths, stage)
    for needed in (image.home, image.workdir, TEMPORARY):
        paths.real(needed).mkdir(parents=True, exist_ok=True)


def _link(paths: ImagePaths, mounts: Sequence[Mount]) -> None:
    """Put symlinks where the mounts are to be."""
    for mount in mounts:
        place = paths.real(mount.target)
        if place.exists() and not place.is_symlink():
            remove(place)
        place.unlink(missing_ok=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(mount.source)


def _environment(image: Image, paths: ImagePaths, adapt: PortAdapter, settings: Mapping[str, str]) -> dict[str, str]:
    env = {"LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
    env |= {name: adapt(paths.translate(value)) for name, value in image.env.items()}
    env |= {name: adapt.whole(value) for name, value in settings.items()}
    env["HOME"] = str(paths.real(image.home))
    env.setdefault("TMPDIR", str(paths.real(TEMPORARY)))
    env["PATH"] = search_path(paths, image.env.get("PATH", IMAGE_PATH))
    return env | user_packages(paths, image.home, env.get("PYTHONPATH"))


def _command(image: Image, paths: ImagePaths, adapt: PortAdapter) -> list[str]:
    """The words to execute. The last one of `/bin/sh -c TEXT` is shell text, where places may need quotes."""
    words = [*image.entrypoint, *image.command]
    is_shell = [number > 0 and words[number - 1] == "-c" for number in range(len(words))]
    return [adapt(paths.translate(word, in_shell=shell)) for word, shell in zip(words, is_shell, strict=True)]
