"""Builds and runs Docker Spaces without containers: a Python environment and a folder in place of the image.

What an environment and a folder can do is done, what has no meaning here is skipped and the build log says so, and
what would be a lie fails the build. The app itself is started in a fresh copy of the image's files, so that what it
writes is gone after a restart, as in a container. How far all that is kept from this machine: see `isolation.py`.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from functools import cached_property
from typing import TYPE_CHECKING

from spaceops.errors import BadInput
from spaceops.localhub.runners import BuildFailed, Image, Source, scripts
from spaceops.localhub.runners.builder import Build
from spaceops.localhub.runners.child import Child
from spaceops.localhub.runners.environments import IMAGE_PATH, search_path, user_packages
from spaceops.localhub.runners.isolation import Isolation, Open, Task
from spaceops.localhub.runners.layers import Layers
from spaceops.localhub.runners.paths import TEMPORARY, ImagePaths, remove
from spaceops.localhub.runners.ports import PortAdapter
from spaceops.localhub.runners.sandbox import find_sandbox
from spaceops.localhub.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from spaceops.localhub.logbook import Writer
    from spaceops.localhub.runners import Mount

logger = logging.getLogger(__name__)

MINUTE = 60
BUILD_TIME = 60 * MINUTE  # seconds


class ProcessRunner:
    """The runner without containers; `folder` holds the build cache, and `run` beside it what apps are started in.

    That path is short: those of sockets may not be longer than 107 bytes, and apps make some in their home or in /tmp.
    """

    def __init__(self, folder: Path, *, confine: bool | None = None, build_time: float = BUILD_TIME) -> None:
        """`confine`: in a sandbox, or not; None: where there is one. A build may take `build_time` seconds."""
        self._layers, self._runs = Layers(folder), folder.with_name("run")
        self._confine, self._build_time = confine, build_time

    @cached_property
    def isolation(self) -> Isolation:
        """How commands are run; blocks the first time. Raises `BadInput` if a sandbox is wanted and there is none."""
        sandbox, missing = (None, "") if self._confine is False else find_sandbox()
        if sandbox is None and self._confine:
            raise BadInput(f"Spaces cannot be confined here: {missing}", hint="Install bubblewrap.")
        return sandbox or Open()

    def tidy(self) -> None:
        """Remove what interrupted builds and earlier apps left, and layers that nothing used for long; blocks.

        Only while nothing is built and no app runs.
        """
        if isinstance(self.isolation, Open):
            logger.warning("Spaces run without a sandbox (install bubblewrap): %s", self.isolation.gaps)
        self._layers.tidy()
        remove(self._runs)

    def fits(self, image: Image) -> bool:
        """Whether an image was built in the way that it would be started in."""
        return image.isolation == self.isolation.key

    async def build(self, source: Source, log: Writer) -> Image:
        """Build a commit into `source.folder`; raises `BuildFailed`. Cancelled or failed, it leaves nothing."""
        isolation = await in_thread(lambda: self.isolation)
        try:
            async with asyncio.timeout(self._build_time):
                image = await Build(source, log, self._layers, isolation).run()
        except BaseException as error:
            await in_thread(remove, source.folder)
            if not isinstance(error, TimeoutError):
                raise
            reason = f"the build was stopped after {self._build_time / MINUTE:g} min"
            log.write(f"--> ERROR: {reason}")
            raise BuildFailed(reason) from error
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
        isolation = await in_thread(lambda: self.isolation)
        run, adapt = self._runs / uuid.uuid4().hex[:8], PortAdapter(image.app_port, port)
        if isinstance(isolation, Open):
            feed(f"note: no sandbox: {isolation.gaps}\n".encode())
        try:
            stage = isolation.paths(folder / image.stage, image.prefixes, image.python)
            stage.fixed = tuple(image.fixed)
            stage.know(*(mount.target for mount in mounts))
            paths = await in_thread(isolation.fresh_copy, stage, run)
            await in_thread(scripts.adapt_ports, paths, image.words, image.workdir, adapt)
            task = Task(
                words=_command(image, paths, adapt),
                env=await in_thread(_environment, image, paths, adapt, settings),
                workdir=image.workdir,
                uid=image.uid,
                mounts=mounts,
            )
            child = Child(await in_thread(isolation.order, paths, task), folder=run, feed=feed)
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


def _environment(image: Image, paths: ImagePaths, adapt: PortAdapter, settings: Mapping[str, str]) -> dict[str, str]:
    """The variables of the app; makes the folders that they name."""
    for needed in (image.home, image.workdir, TEMPORARY):
        paths.inside(needed).mkdir(parents=True, exist_ok=True)
    env = {"LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
    env |= {name: adapt(paths.translate(value)) for name, value in image.env.items()}
    env |= {name: adapt.whole(value) for name, value in settings.items()}
    env["HOME"] = paths.seen(image.home)
    if not paths.literal:
        env.setdefault("TMPDIR", paths.seen(TEMPORARY))
    env["PATH"] = search_path(paths, image.env.get("PATH", IMAGE_PATH))
    return env | user_packages(paths, image.home, env.get("PYTHONPATH"))


def _command(image: Image, paths: ImagePaths, adapt: PortAdapter) -> list[str]:
    """The words to execute. The last one of `/bin/sh -c TEXT` is shell text, where places may need quotes."""
    words = image.words
    is_shell = [number > 0 and words[number - 1] == "-c" for number in range(len(words))]
    return [adapt(paths.translate(word, in_shell=shell)) for word, shell in zip(words, is_shell, strict=True)]
