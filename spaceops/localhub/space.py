"""One Space: its stages, from a pushed commit to a running app and back."""

from __future__ import annotations

import asyncio
import logging
from contextlib import closing
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from spaceops.card import Card
from spaceops.errors import BadInput
from spaceops.localhub.hardware import BY_NAME
from spaceops.localhub.images import Images
from spaceops.localhub.logbook import Logbook
from spaceops.localhub.proxy import HOST, Page, Proxy, bind
from spaceops.localhub.runners import BuildFailed, Image, Source
from spaceops.localhub.runners.paths import remove
from spaceops.localhub.runners.ports import free_port
from spaceops.localhub.startup import LaunchFailed, Patience, Startup, exit_message
from spaceops.localhub.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from spaceops.localhub.clock import Clock
    from spaceops.localhub.faults import Faults
    from spaceops.localhub.logbook import Writer
    from spaceops.localhub.repos import Repos
    from spaceops.localhub.runners.process import App, ProcessRunner
    from spaceops.localhub.store import Repo, Settings, State, Store

logger = logging.getLogger(__name__)

UNAVAILABLE = HTTPStatus.SERVICE_UNAVAILABLE
RELOADS = "This page reloads by itself."
STARTING_PAGE = Page(UNAVAILABLE, "Your space is starting", RELOADS, refresh=2)
ERROR_PAGE = Page(UNAVAILABLE, "Your space is in error, check its status on hf.co")
PAGES = {
    "BUILDING": Page(UNAVAILABLE, "Your space is building", RELOADS, refresh=2),
    "APP_STARTING": STARTING_PAGE,
    "PAUSED": Page(UNAVAILABLE, "The space is paused, ask a maintainer to restart it"),
    "NO_APP_FILE": Page(UNAVAILABLE, "This space has no app file yet"),
}


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
    patience: Patience


@dataclass(frozen=True)
class Serving:
    """The version that answers now."""

    app: App
    port: int
    sha: str


class Failed(Exception):
    """The Space cannot go on: the stage that it ends in, and its errorMessage."""

    def __init__(self, stage: str, message: str | None) -> None:
        super().__init__(message)
        self.stage, self.message = stage, message


class Space:
    """The state machine of one Space. All methods belong to the server's loop.

    Work is one task at a time: whatever happens later replaces it, and waits until its processes are gone.
    """

    def __init__(self, repo: Repo, around: Surroundings) -> None:
        self._known, self._around = repo, around
        self.folder = around.folder / repo.id
        self.build_log = Logbook(self.folder / "logs/build.log", around.clock)
        self.run_log = Logbook(self.folder / "logs/run.log", around.clock)
        self.state: State = around.store.state(repo)
        self._images = Images(self.folder / "builds")
        self._serving: Serving | None = None
        self._proxy = Proxy(bind(self.state.port), self)
        if self._proxy.port != self.state.port:
            self._save(port=self._proxy.port)
        self._lock = asyncio.Lock()
        self._work: asyncio.Task[None] | None = None
        self._building = False
        self._settled = asyncio.Event()
        self._aside: set[asyncio.Task[None]] = set()
        self._stopping: set[asyncio.Task[None]] = set()
        self._idle_timer: asyncio.TimerHandle | None = None
        self._last_visit = 0.0
        self._opening = asyncio.ensure_future(self._proxy.serve())

    # what the owner does

    def pushed(self, sha: str) -> None:
        """The branch that is built has a new commit."""
        self._save(wanted_sha=sha)
        if self.state.stage != "PAUSED":
            self._build_soon(sha)

    def settings_changed(self) -> None:
        """Settings that need a restart changed; several changes in a row make one restart."""
        quiet = self._around.patience.quiet
        if self.state.stage == "CONFIG_ERROR" and self.state.wanted_sha:
            self._build_soon(self.state.wanted_sha, after=quiet)
        elif self._building or self.state.stage in ("PAUSED", "SLEEPING") or self._images.newest() is None:
            return  # who starts next reads the settings then
        else:
            self._save(stage=self._stage("APP_STARTING"), error_message=None)
            self._begin(self._restart, after=quiet)

    def sleep_time_changed(self) -> None:
        """From now on another time without a visit counts; the owner's change is a visit itself."""
        self.visited()
        self._watch_idleness()

    def pause(self) -> None:
        """Stop, until somebody restarts."""
        self._save(stage="PAUSED", error_message=None, sha=None, hardware=None)
        self._stop_serving()
        self._begin(self._halt)

    def restart(self, *, factory: bool = False) -> None:
        """Start the newest commit: a build where there is none of it, or for a factory restart; else only a start."""
        newest, wanted = self._images.newest(), self.state.wanted_sha
        if wanted and (factory or newest is None or newest[0].sha != wanted):
            self._build_soon(wanted, use_cache=not factory)
        elif newest is not None:
            self._save(stage="APP_STARTING", error_message=None, sha=None)
            self._begin(self._restart_from_nothing)
        else:
            self._save(stage="NO_APP_FILE", error_message=None)

    # what the server does

    async def resume(self) -> None:
        """After a start of the server: be again what the Space was."""
        await self._opening
        await in_thread(self._tidy)
        stage, wanted = self.state.stage, self.state.wanted_sha
        if stage in ("BUILDING", "RUNNING_BUILDING") and wanted:
            log = self._open_build_log(wanted)
            self._begin(lambda: self._serve_again_and_build(wanted, log), building=True)
        elif stage in ("RUNNING", "APP_STARTING", "RUNNING_APP_STARTING"):
            self._begin(lambda: self._serve_again(beside=False))
        elif self.state.sha and stage != "SLEEPING":
            self._begin(lambda: self._serve_again(beside=True))

    async def close(self) -> None:
        """Stop everything; the state stays as it is, for the next start of the server."""
        if self._idle_timer:
            self._idle_timer.cancel()
        if self._work:
            self._work.cancel()
        await self._opening
        await self._proxy.close()
        async with self._lock:  # whoever was cancelled has stopped its processes
            self._stop_serving()
        while everything := self._aside | self._stopping:
            await asyncio.wait(everything)
        self.build_log.close()
        self.run_log.close()

    async def delete(self) -> None:
        """Stop everything and remove what is on disk."""
        await self.close()
        await in_thread(remove, self.folder)

    @property
    def host(self) -> str:
        """The Space's address without the scheme."""
        return f"{HOST}:{self._proxy.port}"

    @property
    def repo(self) -> Repo:
        """The repository as it is now: its visibility may have changed."""
        self._known = self._around.store.by_id(self._known.id) or self._known
        return self._known

    @property
    def _settings(self) -> Settings:
        return self._around.store.settings(self._known)

    def runtime(self) -> dict[str, Any]:
        """The runtime as the wire has it."""
        settings, state = self._settings, self.state
        runtime: dict[str, Any] = {
            "stage": state.stage,
            "hardware": {"current": state.hardware, "requested": settings.hardware},
            "storage": None,
            "gcTimeout": settings.sleep_time,
            "replicas": {"current": 1, "requested": 1},
            "devMode": False,
            "domains": [{"domain": self.host, "stage": "READY"}],
        }
        optional = {"volumes": [*settings.volumes], "errorMessage": state.error_message, "sha": state.sha}
        return runtime | {name: value for name, value in optional.items() if value}

    # what visitors do

    def is_private(self) -> bool:
        """Whether the app needs a token: `protected` hides the source only."""
        return self.repo.visibility == "private"

    def lets_in(self, token: str | None) -> bool:
        """Whether somebody with this token may use the app."""
        return self._around.may_read(self.repo, token)

    def visited(self) -> None:
        """Somebody uses the app: it does not go to sleep."""
        self._last_visit = asyncio.get_running_loop().time()

    async def upstream(self) -> int | Page:
        """The port of the version that serves; a sleeping Space is woken first."""
        if self.state.stage == "SLEEPING":
            self._save(stage="APP_STARTING")
            self._begin(self._start_newest)
        if self.state.sha and self._serving is None:  # it is just waking, or the server was started again
            try:
                async with asyncio.timeout(self._around.patience.wake):
                    await self._settled.wait()
            except TimeoutError:
                return STARTING_PAGE
        return self._serving.port if self._serving else PAGES.get(self.state.stage, ERROR_PAGE)

    # the work

    def _begin(self, job: Callable[[], Awaitable[None]], *, after: float = 0.0, building: bool = False) -> None:
        if self._work:
            self._work.cancel()
        if self._building and not building:
            self.build_log.close(f"===== Build Canceled at {self._now()} =====")
        if self._serving is None:
            self.run_log.expect()
        self._building = building
        self._settled.clear()
        self._work = asyncio.ensure_future(self._run(job, after))

    async def _run(self, job: Callable[[], Awaitable[None]], after: float) -> None:
        await asyncio.sleep(after)
        async with self._lock:
            try:
                await job()
            except Failed as failed:
                self._fail(failed.stage, failed.message)
            except LaunchFailed as failed:
                self._fail("RUNTIME_ERROR", failed.message)
            except Exception as error:
                logger.exception("The Space %s", self.repo.repo_id)
                self._fail("RUNTIME_ERROR", f"The local Hub itself failed: {error!r}")
            if self._serving is None:
                self.run_log.close()  # nothing was started: nobody waits any longer
            self._building = False
            self._settled.set()

    def _fail(self, stage: str, message: str | None) -> None:
        self._save(stage=stage, error_message=message, sha=self._serving.sha if self._serving else None)

    def _build_soon(self, sha: str, *, use_cache: bool = True, after: float = 0.0) -> None:
        self._save(stage=self._stage("BUILDING"), error_message=None)
        log = self._open_build_log(sha)
        self._begin(lambda: self._build_and_launch(sha, log, use_cache=use_cache), after=after, building=True)

    def _open_build_log(self, sha: str) -> Writer:
        """Begin it as soon as a build is to come: who follows it from now on follows this build."""
        log = self.build_log.open()
        log.write(f"===== Build Queued at {self._now()} / Commit SHA: {sha[:7]} =====")
        return log

    async def _build_and_launch(self, sha: str, log: Writer, *, use_cache: bool = True) -> None:
        self._save(stage=self._stage("BUILDING"))
        with closing(log):
            card = await self._card_to_build(sha, log)
            image, folder = await self._build(sha, card.app_port, log, use_cache=use_cache)
        self._building = False
        await self._launch(image, folder, card)
        if self._stopping:  # the version before still needs its folder
            await asyncio.wait(self._stopping)
        await in_thread(self._tidy)

    async def _card_to_build(self, sha: str, log: Writer) -> Card:
        """The card of a commit that can be built. Raises `Failed`, and the log says why."""
        try:
            return await self._checked_card(sha)
        except Failed as failed:
            log.write(f"--> ERROR: {failed.message or 'There is no Dockerfile'}")
            raise

    async def _checked_card(self, sha: str) -> Card:
        card, has_dockerfile = await in_thread(self._read, sha)
        if not card.sdk:
            raise Failed("CONFIG_ERROR", "Missing configuration in README")
        if card.sdk != "docker":
            raise Failed("CONFIG_ERROR", f"The local Hub runs Docker Spaces; README.md says sdk: {card.sdk}")
        self._check_settings()
        if not has_dockerfile:
            raise Failed("NO_APP_FILE", None)
        return card

    async def _build(self, sha: str, app_port: int, log: Writer, *, use_cache: bool) -> tuple[Image, Path]:
        source = self._source(sha, app_port, use_cache=use_cache)
        self._save(rebuilds=self.state.rebuilds + 1)
        try:
            await in_thread(self._around.repos.export, self.repo, sha, source.context)
            return await self._around.runner.build(source, log), source.folder
        except BuildFailed as failed:
            raise Failed("BUILD_ERROR", f"Job failed with exit code: 1. Reason: {failed.reason}") from failed
        finally:
            await in_thread(remove, source.context)

    def _source(self, sha: str, app_port: int, *, use_cache: bool) -> Source:
        settings = self._settings
        folder = self._images.new_folder(sha)
        return Source(
            sha=sha,
            context=folder.with_suffix(".context"),
            folder=folder,
            app_port=app_port,
            variables=_values(settings.variables),
            secrets=_values(settings.secrets),
            use_cache=use_cache,
        )

    def _read(self, sha: str) -> tuple[Card, bool]:
        """The card of a commit, and whether it has a Dockerfile; blocks. Raises `Failed` for a card that is wrong."""
        repos, repo = self._around.repos, self.repo
        readme = repos.read(repo, sha, "README.md") or b""
        try:
            card = Card.read(readme.decode(errors="replace"))
            card.app_port  # noqa: B018 - raises for a wrong one
        except BadInput as error:
            raise Failed("CONFIG_ERROR", error.message) from error
        return card, repos.read(repo, sha, "Dockerfile") is not None

    def _check_settings(self) -> None:
        if self._settings.variables.keys() & self._settings.secrets.keys():
            raise Failed("CONFIG_ERROR", "Collision on variables and secrets names")

    async def _restart(self) -> None:
        newest, wanted = self._images.newest(), self.state.wanted_sha
        if wanted and (newest is None or newest[0].sha != wanted):
            self._building = True
            await self._build_and_launch(wanted, self._open_build_log(wanted))
        else:
            self._check_settings()
            self._save(restarts=self.state.restarts + 1)
            await self._start_newest()

    async def _restart_from_nothing(self) -> None:
        self._stop_serving()
        self.run_log.expect()
        await self._restart()

    async def _start_newest(self) -> None:
        newest = self._images.newest()
        if newest is None:
            raise Failed("RUNTIME_ERROR", "The build is gone from the data folder; restart the Space")
        card, _ = await in_thread(self._read, newest[0].sha)
        await self._launch(*newest, card)

    async def _halt(self) -> None:
        self._stop_serving()
        self.run_log.close()

    async def _serve_again(self, *, beside: bool) -> None:
        """Start what served when the server ended, without a build if that build is intact.

        `beside` another version that is being built, or failed, it does not change the stage.
        """
        found = self._images.of(self.state.sha) if self.state.sha else self._images.newest()
        if found is not None:
            card, _ = await in_thread(self._read, found[0].sha)
            await self._launch(*found, card, quietly=beside)
        elif self.state.wanted_sha and not beside:
            wanted = self.state.wanted_sha
            await self._build_and_launch(wanted, self._open_build_log(wanted))
        else:
            self._save(sha=None)

    async def _serve_again_and_build(self, wanted: str, log: Writer) -> None:
        if self.state.sha:
            try:
                await self._serve_again(beside=True)
            except LaunchFailed:
                self._save(sha=None)  # the newer version is what counts
        await self._build_and_launch(wanted, log)

    # the app

    async def _launch(self, image: Image, folder: Path, card: Card, *, quietly: bool = False) -> None:
        """Start a version. Once it answers it serves, and the version before it is stopped.

        `quietly`: without a change of the stage.
        """
        try:
            await self._start(image, folder, card, quietly=quietly)
        except LaunchFailed as failed:
            former = self._serving
            if not (failed.port_taken and former and former.port == image.app_port):
                raise
            self._stop_serving()  # it has the port that the app's code asks for
            await self._start(image, folder, card, quietly=quietly)

    async def _start(self, image: Image, folder: Path, card: Card, *, quietly: bool) -> None:
        if self._stopping and self._serving is None:  # nobody waits for the new version, and ports get free
            await asyncio.wait(self._stopping)
        if not quietly:
            self._save(stage=self._stage("APP_STARTING"), error_message=None)
        settings, patience = self._settings, self._around.patience
        log = self._open_run_log(settings)
        port = free_port()
        environment = self._environment(card, settings)
        app = await self._around.runner.start(image, folder, port=port, settings=environment, feed=log.feed)
        try:
            startup = Startup(app, port, image.app_port, self.run_log, log.write, patience)
            await startup.wait(patience.of(card))
        except BaseException:
            await asyncio.shield(app.stop())
            log.close()
            raise
        self._stop_serving()
        self._serving = Serving(app, startup.port, image.sha)
        _keep(self._watch(self._serving, log), self._aside)
        _keep(startup.tell_reach(), self._aside)
        self._settled.set()
        self._save(sha=image.sha, hardware=settings.hardware)
        if not quietly:
            self._save(stage="RUNNING", error_message=None)
        self.visited()
        self._watch_idleness()

    def _open_run_log(self, settings: Settings) -> Writer:
        log = self.run_log.open()
        log.write(f"===== Application Startup at {self._now()} =====")
        for volume in settings.volumes:
            log.write(f"note: this runner does not mount {volume.get('source')} at {volume.get('mountPath')}")
        return log

    async def _watch(self, serving: Serving, log: Writer) -> None:
        """Wait for the end of a version that serves; if nobody stopped it, it crashed."""
        code = await serving.app.wait()
        log.close()
        if self._serving is not serving:
            return
        self._stop_serving()
        if self.state.stage == "RUNNING":
            self._fail("RUNTIME_ERROR", exit_message(code, self.run_log))
        else:  # a newer version is under way, or failed
            self._save(stage=self.state.stage.removeprefix("RUNNING_"), sha=None)

    def _stop_serving(self) -> None:
        serving, self._serving = self._serving, None
        if serving:
            _keep(serving.app.stop(), self._stopping)

    def _environment(self, card: Card, settings: Settings) -> dict[str, str]:
        """The variables that the Hub injects, with the Space's own variables and secrets."""
        repo, flavor = self.repo, BY_NAME.get(settings.hardware, BY_NAME["cpu-basic"])
        built_in = {
            "SPACE_ID": repo.repo_id,
            "SPACE_HOST": self.host,
            "SPACE_AUTHOR_NAME": repo.namespace,
            "SPACE_REPO_NAME": repo.name,
            "SPACE_TITLE": card.title or repo.name,
            "SPACE_CREATOR_USER_ID": self._around.creator_id(repo),
            "CPU_CORES": flavor.cores,
            "MEMORY": f"{flavor.memory}Gi",
            "ACCELERATOR": flavor.accelerator,
        }
        return built_in | _values(settings.variables) | _values(settings.secrets)

    # sleeping

    def _watch_idleness(self) -> None:
        """Go to sleep when nobody came for the sleep time, else look again when that may be so."""
        if self._idle_timer:
            self._idle_timer.cancel()
        patience = self._settings.sleep_time
        if patience is None or self._serving is None:
            return
        loop = asyncio.get_running_loop()
        left = self._last_visit + patience - loop.time()
        if left <= 0 and self.state.stage == "RUNNING" and not self._proxy.is_busy:
            self._save(stage="SLEEPING")
            self._begin(self._halt)
        else:
            self._idle_timer = loop.call_later(max(left, 1.0), self._watch_idleness)

    # what is kept

    def _stage(self, stage: str) -> str:
        """The stage, as it is called while an older version serves."""
        return f"RUNNING_{stage}" if self._serving else stage

    def _save(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)
        self._around.store.save_state(self._known, self.state)

    def _now(self) -> str:
        return self._around.clock.now().strftime("%Y-%m-%d %H:%M:%S")

    def _tidy(self) -> None:
        self._images.tidy({self._serving.sha if self._serving else None, self.state.sha})


def _keep(work: Awaitable[None], tasks: set[asyncio.Task[None]]) -> None:
    """Do something beside the work; `tasks` holds it until it is done."""
    task = asyncio.ensure_future(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


def _values(entries: Mapping[str, Any]) -> dict[str, str]:
    return {name: entry.value for name, entry in entries.items()}
