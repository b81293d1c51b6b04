"""The versions of one Space: a commit is checked, built and started. When that is done, `space.py` decides."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spaceops.card import Card
from spaceops.errors import BadInput
from spaceops.localhub.hardware import BY_NAME
from spaceops.localhub.images import Images
from spaceops.localhub.logbook import Logbook
from spaceops.localhub.runners import BuildFailed, Image, Source
from spaceops.localhub.runners.paths import remove
from spaceops.localhub.runners.ports import free_port
from spaceops.localhub.startup import Startup
from spaceops.localhub.threads import in_thread
from spaceops.localhub.volumes import NotMounted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from spaceops.localhub.clock import Clock
    from spaceops.localhub.faults import Faults
    from spaceops.localhub.logbook import Writer
    from spaceops.localhub.repos import Repos
    from spaceops.localhub.runners import Mount
    from spaceops.localhub.runners.process import App, ProcessRunner
    from spaceops.localhub.startup import Patience
    from spaceops.localhub.store import Repo, Settings, Store

NO_CAPACITY = "Scheduling failure: not enough hardware capacity"
NO_MOUNT = "Initialization step 'hf-mount' failed with exit code: 1"


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What all Spaces of a Hub share."""

    store: Store
    repos: Repos
    clock: Clock
    faults: Faults
    runner: ProcessRunner
    folder: Path
    creator_id: Callable[[Repo], str]
    may_read: Callable[[Repo, str | None], bool]
    mounts: Callable[[Repo], Awaitable[Sequence[Mount]]]
    patience: Patience


@dataclass(frozen=True)
class Built:
    """A version that can be started: what is known of it, and the folder that it lies in."""

    image: Image
    folder: Path
    card: Card


@dataclass(frozen=True)
class Serving:
    """A version that answers, and the log that it writes to."""

    app: App
    port: int
    sha: str
    log: Writer
    startup: Startup

    async def stop(self) -> None:
        """End it, and its log."""
        await asyncio.shield(self.app.stop())
        self.log.close()


class Failed(Exception):
    """The Space cannot go on: the stage that it ends in, and its errorMessage."""

    def __init__(self, stage: str, message: str | None) -> None:
        super().__init__(message)
        self.stage, self.message = stage, message


class Versions:
    """From a commit to an app that answers. What is done with it is up to the Space. Only the server's loop calls."""

    def __init__(self, repo: Repo, around: Surroundings) -> None:
        self._known, self._around = repo, around
        self.folder = around.folder / repo.id
        self.build_log = Logbook(self.folder / "logs/build.log", around.clock)
        self.run_log = Logbook(self.folder / "logs/run.log", around.clock)
        self.images = Images(self.folder / "builds", around.runner.fits)

    @property
    def repo(self) -> Repo:
        """The repository as it is now: its name and its visibility may have changed."""
        self._known = self._around.store.by_id(self._known.id) or self._known
        return self._known

    @property
    def settings(self) -> Settings:
        """What the owner asks for now."""
        return self._around.store.settings(self._known)

    # from a commit to a build

    def queue(self, sha: str) -> Writer:
        """Begin the build log as soon as a build is to come: who follows it from now on follows this build."""
        log = self.build_log.open()
        log.write(f"===== Build Queued at {self.time()} / Commit SHA: {sha[:7]} =====")
        return log

    async def check(self, sha: str, log: Writer) -> Card:
        """The card of a commit that can be built. Raises `Failed`, and the log says why."""
        try:
            return await self._checked_card(sha)
        except Failed as failed:
            log.write(f"--> ERROR: {failed.message or 'There is no Dockerfile'}")
            raise

    async def _checked_card(self, sha: str) -> Card:
        card = await self.card(sha)
        if not card.sdk:
            raise Failed("CONFIG_ERROR", "Missing configuration in README")
        if card.sdk != "docker":
            raise Failed("CONFIG_ERROR", f"The local Hub runs Docker Spaces; README.md says sdk: {card.sdk}")
        self.check_settings()
        if await in_thread(self._around.repos.read, self.repo, sha, "Dockerfile") is None:
            raise Failed("NO_APP_FILE", None)
        return card

    async def card(self, sha: str) -> Card:
        """The card of a commit. Raises `Failed` for one that is wrong."""
        readme = await in_thread(self._around.repos.read, self.repo, sha, "README.md")
        try:
            card = Card.read((readme or b"").decode(errors="replace"))
            card.app_port  # noqa: B018 - raises for a wrong one
        except BadInput as error:
            raise Failed("CONFIG_ERROR", error.message) from error
        return card

    def check_settings(self) -> None:
        """Raise `Failed` when nothing can be started with the settings as they are."""
        if self.settings.variables.keys() & self.settings.secrets.keys():
            raise Failed("CONFIG_ERROR", "Collision on variables and secrets names")

    async def build(self, sha: str, card: Card, log: Writer, *, use_cache: bool) -> Built:
        """Build a commit. Raises `Failed`; then nothing of it is left."""
        source = self._source(sha, card.app_port, use_cache=use_cache)
        try:
            await in_thread(self._around.repos.export, self.repo, sha, source.context)
            return Built(await self._around.runner.build(source, log), source.folder, card)
        except BuildFailed as failed:
            raise Failed("BUILD_ERROR", f"Job failed with exit code: 1. Reason: {failed.reason}") from failed
        finally:
            await in_thread(remove, source.context)

    def _source(self, sha: str, app_port: int, *, use_cache: bool) -> Source:
        settings = self.settings
        folder = self.images.new_folder(sha)
        return Source(
            sha=sha,
            context=folder.with_suffix(".context"),
            folder=folder,
            app_port=app_port,
            variables=_values(settings.variables),
            secrets=_values(settings.secrets),
            use_cache=use_cache,
        )

    # from a build to an app

    async def found(self, found: tuple[Image, Path] | None) -> Built:
        """A build of earlier, to be started again. Raises `Failed` when there is none."""
        if found is None:
            raise Failed("RUNTIME_ERROR", "The build is gone from the data folder; restart the Space")
        return Built(*found, await self.card(found[0].sha))

    async def start(self, built: Built, host: str) -> Serving:
        """Start it, and return when it answers. Raises `Failed` or `LaunchFailed`; then nothing of it is left."""
        if self._around.faults.strike("no-capacity", repo_id=self.repo.repo_id):
            raise Failed("RUNTIME_ERROR", NO_CAPACITY)
        log = self._open_run_log()
        mounts = await self._mounts(log)
        port = free_port()
        environment = self._environment(built.card, host)
        app = await self._around.runner.start(
            built.image, built.folder, port=port, settings=environment, feed=log.feed, mounts=mounts
        )
        patience = self._around.patience
        startup = Startup(app, port, built.image.app_port, self.run_log, log.write, patience)
        try:
            await startup.wait(patience.of(built.card))
        except BaseException:
            await asyncio.shield(app.stop())
            log.close()
            raise
        return Serving(app, startup.port, built.image.sha, log, startup)

    def _open_run_log(self) -> Writer:
        log = self.run_log.open()
        log.write(f"===== Application Startup at {self.time()} =====")
        return log

    async def _mounts(self, log: Writer) -> Sequence[Mount]:
        """The folders of the Space's volumes. Raises `Failed` when one cannot be had any more."""
        try:
            return await self._around.mounts(self.repo)
        except NotMounted as error:
            log.write(f"error: {error}")
            log.close()
            raise Failed("RUNTIME_ERROR", f"{NO_MOUNT}. Reason: {error}") from error

    def _environment(self, card: Card, host: str) -> dict[str, str]:
        """The variables that the Hub injects, with the Space's own variables and secrets."""
        repo, settings = self.repo, self.settings
        flavor = BY_NAME.get(settings.hardware, BY_NAME["cpu-basic"])
        built_in = {
            "SPACE_ID": repo.repo_id,
            "SPACE_HOST": host,
            "SPACE_AUTHOR_NAME": repo.namespace,
            "SPACE_REPO_NAME": repo.name,
            "SPACE_TITLE": card.title or repo.name,
            "SPACE_CREATOR_USER_ID": self._around.creator_id(repo),
            "CPU_CORES": flavor.cores,
            "MEMORY": f"{flavor.memory}Gi",
            "ACCELERATOR": flavor.accelerator,
        }
        return built_in | _values(settings.variables) | _values(settings.secrets)

    def time(self) -> str:
        """The time as logs have it."""
        return self._around.clock.now().strftime("%Y-%m-%d %H:%M:%S")


def _values(entries: Mapping[str, Any]) -> dict[str, str]:
    return {name: entry.value for name, entry in entries.items()}
