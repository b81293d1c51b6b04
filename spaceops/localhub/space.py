"""One Space: its stages, from a pushed commit to a running app and back."""

from __future__ import annotations

import asyncio
import logging
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from spaceops.localhub.broadcast import Broadcast
from spaceops.localhub.idleness import Idleness
from spaceops.localhub.pages import AT_STAGE, IN_ERROR, STARTING
from spaceops.localhub.proxy import Proxy, bind
from spaceops.localhub.runners.paths import remove
from spaceops.localhub.startup import LaunchFailed, exit_message
from spaceops.localhub.threads import in_thread
from spaceops.localhub.versions import Failed, Versions
from spaceops.localhub.visits import HOST
from spaceops.localhub.volumes import shown_volumes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from spaceops.localhub.faults import Kind
    from spaceops.localhub.logbook import Logbook, Writer
    from spaceops.localhub.pages import Page
    from spaceops.localhub.store import Repo, State
    from spaceops.localhub.versions import Built, Serving, Surroundings

logger = logging.getLogger(__name__)

KEEP_ALIVE = 15.0  # seconds without a change until those who listen hear that somebody is there


class Space:
    """The state machine of one Space. All methods belong to the server's loop.

    Work is one task at a time: whatever happens later replaces it, and waits until its processes are gone.
    """

    def __init__(self, repo: Repo, around: Surroundings) -> None:
        self._known, self._around = repo, around
        self._versions = Versions(repo, around)
        self.state: State = around.store.state(repo)
        self.serving: Serving | None = None  # the version that answers now
        self.changes: Broadcast[dict[str, Any]] = Broadcast()
        self._idleness = Idleness(around.clock, self._look_whether_idle)
        self.proxy = Proxy(bind(self.state.port), self)
        if self.proxy.port != self.state.port:
            self._save(port=self.proxy.port)
        self._lock = asyncio.Lock()
        self._work: asyncio.Task[None] | None = None
        self._building = self._closed = False
        self._settled = asyncio.Event()
        self._aside: set[asyncio.Task[None]] = set()
        self._stopping: set[asyncio.Task[None]] = set()
        self._opening = asyncio.ensure_future(self.proxy.serve())

    # what the owner does

    def pushed(self, sha: str) -> None:
        """The branch that is built has a new commit."""
        self._save(wanted_sha=sha)
        if self.state.stage == "SLEEPING":
            self._save(sha=None)  # what slept does not wake any more
        if self.state.stage != "PAUSED":
            self._build_soon(sha)

    def settings_changed(self) -> None:
        """Settings that need a restart changed; several changes in a row make one restart."""
        quiet = self._around.patience.quiet
        if self.state.stage == "CONFIG_ERROR" and self.state.wanted_sha:
            self._build_soon(self.state.wanted_sha, after=quiet)
        elif self._building or self.state.stage in ("PAUSED", "SLEEPING") or self._versions.images.newest() is None:
            self._tell()  # who starts next reads the settings then
        else:
            self._save(stage=self._stage("APP_STARTING"), error_message=None)
            self._begin(self._restart, after=quiet)

    def wishes_changed(self) -> None:
        """Settings that restart nothing changed. The owner's change is a visit itself: the sleep time counts anew."""
        self.visited()
        self._look_whether_idle()
        self._tell()

    def pause(self) -> None:
        """Stop, until somebody restarts."""
        self._save(stage="PAUSED", error_message=None, sha=None, hardware=None)
        self._stop_serving()
        self._begin(self._halt)

    def restart(self, *, factory: bool = False) -> None:
        """Start the newest commit: a build where there is none of it, or for a factory restart; else only a start."""
        wanted = self.state.wanted_sha
        if wanted and (factory or self._is_unbuilt()):
            self._build_soon(wanted, use_cache=not factory)
        elif self._versions.images.newest() is not None:
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
            log = self._versions.queue(wanted)
            self._begin(lambda: self._serve_again_and_build(wanted, log), building=True)
        elif stage in ("APP_STARTING", "RUNNING_APP_STARTING"):
            self._begin(self._serve_again_and_start)
        elif stage == "RUNNING":
            self._begin(self._serve_again)
        elif self.state.sha and stage != "SLEEPING":
            self._begin(self._serve_beside)

    async def close(self) -> None:
        """Stop everything; the state stays as it is, for the next start of the server. No work begins any more."""
        self._closed = True
        self._idleness.close()
        self.changes.close()
        if self._work:
            self._work.cancel()
        await self._opening
        await self.proxy.close()
        async with self._lock:  # whoever was cancelled has stopped its processes
            self._stop_serving()
        while everything := self._aside | self._stopping:
            await asyncio.wait(everything)
        self.log("build").close()
        self.log("run").close()

    async def delete(self) -> None:
        """Stop everything and remove what is on disk."""
        self._save(stage="DELETING", error_message=None)
        await self.close()
        await in_thread(remove, self._versions.folder)

    # what is

    def log(self, which: str) -> Logbook:
        """The `build` or the `run` log."""
        return self._versions.build_log if which == "build" else self._versions.run_log

    @property
    def host(self) -> str:
        """The Space's address without the scheme."""
        return f"{HOST}:{self.proxy.port}"

    def runtime(self) -> dict[str, Any]:
        """The runtime as the wire has it."""
        settings, state = self._versions.settings, self.state
        runtime: dict[str, Any] = {
            "stage": state.stage,
            "hardware": {"current": state.hardware, "requested": settings.hardware},
            "storage": settings.storage,
            "gcTimeout": settings.sleep_time,
            "replicas": {"current": settings.replicas, "requested": settings.replicas},
            "devMode": settings.dev_mode,
            "domains": [{"domain": self.host, "stage": "READY"}],
        }
        if self._known.sdk == "static":  # no machine serves it, and nothing that could sleep
            runtime["hardware"] = {"current": None, "requested": None}
            del runtime["gcTimeout"]
        optional = {"volumes": shown_volumes(settings.volumes), "errorMessage": state.error_message, "sha": state.sha}
        return runtime | {name: value for name, value in optional.items() if value}

    def runtimes(self) -> AsyncIterator[dict[str, Any] | None]:
        """The runtime now and after each change; None after some seconds without one."""
        return self.changes.listen(self.runtime, KEEP_ALIVE)

    # what visitors do

    def is_private(self) -> bool:
        """Whether the app needs a token: `protected` hides the source only."""
        return self._versions.repo.visibility == "private"

    def lets_in(self, token: str | None) -> bool:
        """Whether somebody with this token may use the app."""
        return self._around.may_read(self._versions.repo, token)

    def visited(self) -> None:
        """Somebody uses the app: it does not go to sleep."""
        self._idleness.visited()

    async def upstream(self) -> int | Page:
        """The port of the version that serves; a sleeping Space is woken first."""
        if self.state.stage == "SLEEPING":
            self._save(stage="APP_STARTING")
            self._begin(self._start_newest)
        if self.state.sha and self.serving is None:  # it is just waking, or the server was started again
            try:
                async with asyncio.timeout(self._around.patience.wake):
                    await self._settled.wait()
            except TimeoutError:
                return STARTING
        return self.serving.port if self.serving else AT_STAGE.get(self.state.stage, IN_ERROR)

    # the work

    def _begin(self, job: Callable[[], Awaitable[None]], *, after: float = 0.0, building: bool = False) -> None:
        if self._closed:
            self.log("build").close()
            return
        if self._work:
            self._work.cancel()
        if self._building and not building:
            self.log("build").close(f"===== Build Canceled at {self._versions.time()} =====")
        if self.serving is None:
            self.log("run").expect()
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
                logger.exception("The Space %s", self._known.repo_id)
                self._fail("RUNTIME_ERROR", f"The local Hub itself failed: {error!r}")
            if self.serving is None:
                self.log("run").close()  # nothing was started: nobody waits any longer
            self._building = False
            self._settled.set()

    def _fail(self, stage: str, message: str | None) -> None:
        sha, hardware = (self.serving.sha, self.state.hardware) if self.serving else (None, None)
        self._save(stage=stage, error_message=message, sha=sha, hardware=hardware)

    def _build_soon(self, sha: str, *, use_cache: bool = True, after: float = 0.0) -> None:
        self._save(stage=self._stage("BUILDING"), error_message=None)
        log = self._versions.queue(sha)
        self._begin(lambda: self._build_and_launch(sha, log, use_cache=use_cache), after=after, building=True)

    async def _build_and_launch(self, sha: str, log: Writer, *, use_cache: bool = True) -> None:
        self._save(stage=self._stage("BUILDING"))
        with closing(log):
            built = await self._build(sha, log, use_cache=use_cache)
        self._building = False
        await self._launch(built)
        if self._stopping:  # the version before still needs its folder
            await asyncio.wait(self._stopping)
        await in_thread(self._tidy)

    async def _build(self, sha: str, log: Writer, *, use_cache: bool) -> Built:
        if self._strikes("stuck-building"):
            await _for_ever()
        card = await self._versions.check(sha, log)
        self._save(rebuilds=self.state.rebuilds + 1)
        if self._strikes("build-hangs"):
            log.write("--> Restoring cache")
            await _for_ever()
        return await self._versions.build(sha, card, log, use_cache=use_cache)

    def _strikes(self, fault: Kind) -> bool:
        return self._around.faults.strike(fault, repo_id=self._versions.repo.repo_id) is not None

    def _is_unbuilt(self) -> bool:
        """Whether there is no build of the commit that was last asked for."""
        newest = self._versions.images.newest()
        return self.state.wanted_sha is not None and (newest is None or newest[0].sha != self.state.wanted_sha)

    async def _restart(self) -> None:
        self._save(restarts=self.state.restarts + (not self._is_unbuilt()))
        await self._start_wanted()

    async def _restart_from_nothing(self) -> None:
        self._stop_serving()
        self.log("run").expect()
        await self._restart()

    async def _start_wanted(self) -> None:
        """Start the newest commit; if there is no build of it, build it first."""
        if self.state.wanted_sha and self._is_unbuilt():
            self._building = True
            await self._build_and_launch(self.state.wanted_sha, self._versions.queue(self.state.wanted_sha))
        else:
            self._versions.check_settings()
            await self._start_newest()

    async def _start_newest(self) -> None:
        await self._launch(await self._versions.found(self._versions.images.newest()))

    async def _halt(self) -> None:
        self._stop_serving()
        self.log("run").close()

    # after a start of the server

    async def _serve_again(self) -> None:
        """Start what served, without a build if its build is intact."""
        images = self._versions.images
        found = images.of(self.state.sha) if self.state.sha else images.newest()
        if found is not None:
            await self._launch(await self._versions.found(found))
        else:
            self._save(sha=None)
            await self._start_wanted()

    async def _serve_beside(self) -> None:
        """Start what served, beside another version that is to come, or failed: the stage stays as it is."""
        found = self._versions.images.of(self.state.sha) if self.state.sha else None
        try:
            if found is not None:
                await self._launch(await self._versions.found(found), quietly=True)
        except (Failed, LaunchFailed) as error:
            logger.warning("The Space %s does not serve its former version: %s", self._known.repo_id, error)
        if self.serving is None:
            self._save(sha=None)  # the other version is what counts

    async def _serve_again_and_build(self, wanted: str, log: Writer) -> None:
        await self._serve_beside()
        await self._build_and_launch(wanted, log)

    async def _serve_again_and_start(self) -> None:
        newest = self._versions.images.newest()
        if newest is None or newest[0].sha != self.state.sha:
            await self._serve_beside()
        await self._start_wanted()

    # the app

    async def _launch(self, built: Built, *, quietly: bool = False) -> None:
        """Start a version. Once it answers it serves, and the version before it is stopped.

        `quietly`: without a change of the stage.
        """
        if self._stopping and self.serving is None:  # nobody waits for the new version, and ports get free
            await asyncio.wait(self._stopping)
        if not quietly:
            self._save(stage=self._stage("APP_STARTING"), error_message=None)
        serving = await self._start(built)
        former = self.serving
        if former and former.sha != serving.sha and self._strikes("old-sha"):
            await serving.stop()
        else:
            self._serve(serving)
        if not quietly:
            self._save(stage="RUNNING", error_message=None)
        self.visited()
        self._look_whether_idle()

    async def _start(self, built: Built) -> Serving:
        try:
            return await self._versions.start(built, self.host)
        except LaunchFailed as failed:
            former = self.serving
            if not (failed.port_taken and former and former.port == built.image.app_port):
                raise
            self._stop_serving()  # it has the port that the app's code asks for
            await asyncio.wait(self._stopping)
            return await self._versions.start(built, self.host)

    def _serve(self, serving: Serving) -> None:
        self._stop_serving()
        self.serving = serving
        _keep(self._watch(serving), self._aside)
        _keep(serving.startup.tell_reach(), self._aside)
        self._settled.set()
        self._save(sha=serving.sha, hardware=self._versions.settings.hardware)

    async def _watch(self, serving: Serving) -> None:
        """Wait for the end of a version that serves; if nobody stopped it, it crashed."""
        code = await serving.app.wait()
        serving.log.close()
        if self.serving is not serving:
            return
        self._stop_serving()
        if self.state.stage == "RUNNING":
            self._fail("RUNTIME_ERROR", exit_message(code, self.log("run")))
        else:  # a newer version is under way, or failed
            self._save(stage=self.state.stage.removeprefix("RUNNING_"), sha=None)

    def _stop_serving(self) -> None:
        serving, self.serving = self.serving, None
        if serving:
            _keep(serving.app.stop(), self._stopping)

    # sleeping

    def _look_whether_idle(self) -> None:
        """Go to sleep when nobody came for the sleep time, else look again when that may be so."""
        patience = self._versions.settings.sleep_time
        if patience is None or self.state.stage != "RUNNING":
            self._idleness.rest()
            return
        if self.proxy.traffic.underway:
            self.visited()
            self._idleness.look_in(max(patience, 1.0))
        elif (left := patience - self._idleness.seconds) > 0:
            self._idleness.look_in(left)
        else:
            self._save(stage="SLEEPING")
            self._stop_serving()
            self._begin(self._halt)

    # what is kept

    def _stage(self, stage: str) -> str:
        """The stage, as it is called while an older version serves."""
        return f"RUNNING_{stage}" if self.serving else stage

    def _save(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)
        self._around.store.save_state(self._known, self.state)
        self._tell()

    def _tell(self) -> None:
        if self.changes.is_heard:
            self.changes.tell(self.runtime())

    def _tidy(self) -> None:
        self._versions.images.tidy({self.serving.sha if self.serving else None, self.state.sha})


def _keep(work: Awaitable[None], tasks: set[asyncio.Task[None]]) -> None:
    """Do something beside the work; `tasks` holds it until it is done."""
    task = asyncio.ensure_future(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


async def _for_ever() -> None:
    """Wait for nothing: until something else replaces this work."""
    await asyncio.Event().wait()
