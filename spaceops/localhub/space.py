"""One Space: its stages, from a pushed commit to a running app and back."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from spaceops.card import Card
from spaceops.errors import BadInput
from spaceops.localhub.hardware import BY_NAME
from spaceops.localhub.logbook import Logbook
from spaceops.localhub.proxy import HOST, Page, Proxy, bind
from spaceops.localhub.runners import BuildFailed, Image, Source
from spaceops.localhub.runners.paths import remove

if TYPE_CHECKING:
    from pathlib import Path

    from spaceops.localhub.logbook import Writer
    from spaceops.localhub.repos import Repos
    from spaceops.localhub.runners.process import App, ProcessRunner
    from spaceops.localhub.store import Repo, State, Store

MINUTE = 60.0
TAIL = 12  # lines of the run log in an errorMessage
DURATION = re.compile(r"(\d+)\s*([smhd]?)")
UNITS = {"": 1.0, "s": 1.0, "m": MINUTE, "h": 60 * MINUTE, "d": 24 * 60 * MINUTE}
ANNOUNCED = re.compile(r"(?:running|listening|serving|available|url|local)\b.{0,60}?:(\d{2,5})\b", re.IGNORECASE)
log = logging.getLogger(__name__)

STARTING_PAGE = Page(
    HTTPStatus.SERVICE_UNAVAILABLE, "Your space is starting", "This page reloads by itself.", refresh=2
)
BUILDING_PAGE = Page(
    HTTPStatus.SERVICE_UNAVAILABLE, "Your space is building", "This page reloads by itself.", refresh=2
)
PAUSED_PAGE = Page(HTTPStatus.SERVICE_UNAVAILABLE, "The space is paused, ask a maintainer to restart it")
ERROR_PAGE = Page(HTTPStatus.SERVICE_UNAVAILABLE, "Your space is in error, check its status on hf.co")
EMPTY_PAGE = Page(HTTPStatus.SERVICE_UNAVAILABLE, "This space has no app file yet")


@dataclass(frozen=True)
class Patience:
    """How long a Space waits, in seconds."""

    startup: float = 30 * MINUTE  # for an app to answer, unless the README says otherwise
    mismatch: float = 20.0  # for an app that listens on another port to listen on its own
    quiet: float = 0.25  # for further changes of settings before a restart
    wake: float = 60.0  # of a visitor, for a sleeping app
    poll: float = 0.03  # between two attempts to reach an app that starts


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What all Spaces of a Hub share."""

    store: Store
    repos: Repos
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
    """The state machine of one Space. All methods belong to the server's loop."""

    def __init__(self, repo: Repo, around: Surroundings) -> None:
        self._id, self._known, self._around = repo.id, repo, around
        self.folder = around.folder / repo.id
        self.build_log = Logbook(self.folder / "logs/build.log")
        self.run_log = Logbook(self.folder / "logs/run.log")
        self.state: State = around.store.state(repo)
        self.serving: Serving | None = None
        self._proxy = Proxy(bind(self.state.port), self)
        self._lock = asyncio.Lock()
        self._work: asyncio.Task[None] | None = None
        self._building = False
        self._watching: set[asyncio.Task[None]] = set()
        self._settled = asyncio.Event()
        self._idle_timer: asyncio.TimerHandle | None = None
        self._last_visit = 0.0
        if self._proxy.port != self.state.port:
            self._save(port=self._proxy.port)
        self._opening = asyncio.ensure_future(self._proxy.serve())

    # what the owner does

    def pushed(self, sha: str) -> None:
        """The branch that is built has a new commit."""
        self._save(wanted_sha=sha)
        if self.state.stage != "PAUSED":
            self._build_soon(sha)

    def settings_changed(self) -> None:
        """Settings that need a restart changed; several changes in a row make one restart."""
        if self.state.stage == "CONFIG_ERROR" and self.state.wanted_sha:
            self._build_soon(self.state.wanted_sha)
        elif self._building or self.state.stage in ("PAUSED", "SLEEPING") or self._newest() is None:
            return  # whoever starts next reads the settings then
        else:
            self._save(stage="RUNNING_APP_STARTING" if self.serving else "APP_STARTING", error_message=None)
            self._begin(self._restart, after=self._around.patience.quiet)

    def sleep_time_changed(self) -> None:
        """From now on another time without a visit counts."""
        self._watch_idleness()

    def pause(self) -> None:
        """Stop, until somebody restarts."""
        self._save(stage="PAUSED", error_message=None, sha=None, hardware=None)
        self._begin(self._halt)

    def restart(self, *, factory: bool = False) -> None:
        """Start the newest commit: a build where there is none of it, or for a factory restart; else only a start."""
        newest, wanted = self._newest(), self.state.wanted_sha
        if wanted and (factory or newest is None or newest[0].sha != wanted):
            self._build_soon(wanted, use_cache=not factory)
        elif newest is not None:
            self._save(stage="APP_STARTING", error_message=None, sha=None)
            self._begin(self._restart_from_nothing)

    # what the server does

    async def resume(self) -> None:
        """After a start of the server: be again what the Space was."""
        await self._opening
        await asyncio.to_thread(self._tidy)
        stage, wanted = self.state.stage, self.state.wanted_sha
        if stage in ("BUILDING", "RUNNING_BUILDING") and wanted:
            self._begin(lambda: self._resume_then_build(wanted), building=True)
        elif stage != "SLEEPING" and (self.state.sha or stage in ("APP_STARTING", "RUNNING_APP_STARTING")):
            self._begin(lambda: self._resume_serving(stage))

    async def close(self) -> None:
        """Stop everything; the state stays as it is, for the next start of the server."""
        if self._idle_timer:
            self._idle_timer.cancel()
        if self._work:
            self._work.cancel()
            await asyncio.wait([self._work])
        await self._opening
        await self._proxy.close()
        await self._stop_serving()
        self.build_log.close()
        self.run_log.close()

    async def delete(self) -> None:
        """Stop everything and remove what is on disk."""
        await self.close()
        await asyncio.to_thread(remove, self.folder)

    @property
    def host(self) -> str:
        """The Space's address without the scheme."""
        return f"{HOST}:{self._proxy.port}"

    @property
    def repo(self) -> Repo:
        """The repository as it is now: its visibility may have changed."""
        self._known = self._around.store.by_id(self._id) or self._known
        return self._known

    def runtime(self) -> dict[str, Any]:
        """The runtime as the wire has it."""
        settings, state = self._around.store.settings(self.repo), self.state
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
            self._begin(self._wake)
            try:
                async with asyncio.timeout(self._around.patience.wake):
                    await self._settled.wait()
            except TimeoutError:
                return STARTING_PAGE
        return self.serving.port if self.serving else self._page()

    def _page(self) -> Page:
        pages = {"PAUSED": PAUSED_PAGE, "NO_APP_FILE": EMPTY_PAGE, "BUILDING": BUILDING_PAGE}
        waiting = STARTING_PAGE if self.state.stage == "APP_STARTING" else ERROR_PAGE
        return pages.get(self.state.stage, waiting)

    # the work: one task at a time, and a new one replaces the one before

    def _begin(self, job: Callable[[], Awaitable[None]], *, after: float = 0.0, building: bool = False) -> None:
        if self._work:
            self._work.cancel()
        self._building = building
        self._settled.clear()
        self._work = asyncio.ensure_future(self._run(job, after))

    async def _run(self, job: Callable[[], Awaitable[None]], after: float) -> None:
        await asyncio.sleep(after)
        async with self._lock:  # the one before may still be stopping its processes
            try:
                await job()
            except Failed as failed:
                self._save(stage=failed.stage, error_message=failed.message)
            except Exception as error:
                log.exception("%s", self.repo.repo_id)
                self._save(stage="RUNTIME_ERROR", error_message=f"The local Hub failed: {error!r}")
            self._settled.set()

    def _build_soon(self, sha: str, *, use_cache: bool = True) -> None:
        self._save(stage="RUNNING_BUILDING" if self.serving else "BUILDING", error_message=None)
        self._begin(lambda: self._build_and_start(sha, use_cache=use_cache), building=True)

    async def _build_and_start(self, sha: str, *, use_cache: bool = True) -> None:
        card, has_dockerfile = await asyncio.to_thread(self._read, sha)
        if card is None or not card.sdk:
            raise Failed("CONFIG_ERROR", "Missing configuration in README")
        if card.sdk != "docker":
            raise Failed("CONFIG_ERROR", f"The local Hub runs Docker Spaces; README.md says sdk: {card.sdk}")
        if not has_dockerfile:
            raise Failed("NO_APP_FILE", None)
        self._check_settings()
        image, folder = await self._build(sha, card.app_port, use_cache=use_cache)
        self._building = False
        await self._launch(image, folder, card)
        await asyncio.to_thread(self._tidy)

    async def _build(self, sha: str, app_port: int, *, use_cache: bool) -> tuple[Image, Path]:
        number = len(list(self.folder.glob("builds/*")))
        folder = self.folder / f"builds/{sha}-{number}"
        while folder.exists():
            number += 1
            folder = self.folder / f"builds/{sha}-{number}"
        settings = self._around.store.settings(self.repo)
        source = Source(
            sha=sha,
            context=self.folder / "context",
            folder=folder,
            app_port=app_port,
            variables={name: entry.value for name, entry in settings.variables.items()},
            secrets={name: entry.value for name, entry in settings.secrets.items()},
            use_cache=use_cache,
        )
        self._save(rebuilds=self.state.rebuilds + 1)
        writer = self.build_log.open()
        writer.write(f"===== Build Queued at {_now()} / Commit SHA: {sha[:7]} =====\n")
        try:
            await asyncio.to_thread(self._export, sha, source.context)
            return await self._around.runner.build(source, writer), folder
        except BuildFailed as failed:
            raise Failed("BUILD_ERROR", f"Job failed with exit code: 1. Reason: {failed.reason}") from failed
        finally:
            writer.close()
            await asyncio.to_thread(remove, source.context)

    def _export(self, sha: str, context: Path) -> None:
        remove(context)
        self._around.repos.export(self.repo, sha, context)

    def _read(self, sha: str) -> tuple[Card | None, bool]:
        readme = self._around.repos.read(self.repo, sha, "README.md")
        has_dockerfile = self._around.repos.read(self.repo, sha, "Dockerfile") is not None
        try:
            card = Card.read(readme.decode(errors="replace")) if readme is not None else None
            if card:
                card.app_port  # noqa: B018 - raises for a wrong one
        except BadInput as error:
            raise Failed("CONFIG_ERROR", error.message) from error
        return card, has_dockerfile

    def _check_settings(self) -> None:
        settings = self._around.store.settings(self.repo)
        if set(settings.variables) & set(settings.secrets):
            raise Failed("CONFIG_ERROR", "Collision on variables and secrets names")

    async def _restart(self) -> None:
        newest, wanted = self._newest(), self.state.wanted_sha
        if wanted and (newest is None or newest[0].sha != wanted):
            self._building = True
            self._save(stage="RUNNING_BUILDING" if self.serving else "BUILDING")
            await self._build_and_start(wanted)
        elif newest is not None:
            self._check_settings()
            self._save(restarts=self.state.restarts + 1)
            await self._launch(*newest, await self._card_of(newest[0].sha))

    async def _restart_from_nothing(self) -> None:
        await self._stop_serving()
        await self._restart()

    async def _halt(self) -> None:
        await self._stop_serving()
        self.run_log.close()

    async def _wake(self) -> None:
        newest = self._newest()
        if newest is None:
            raise Failed("RUNTIME_ERROR", "The build is gone; restart the Space")
        await self._launch(*newest, await self._card_of(newest[0].sha))

    async def _resume_serving(self, stage: str) -> None:
        """Start what served when the server ended, without a build if that build is intact."""
        image = self._image_of(self.state.sha) if self.state.sha else self._newest()
        if image is None:
            wanted = self.state.wanted_sha
            if wanted:
                self._save(stage="BUILDING")
                await self._build_and_start(wanted)
            return
        failed, message = stage.endswith("_ERROR"), self.state.error_message
        if not failed:
            self._save(stage="APP_STARTING", error_message=None)
        await self._launch(*image, await self._card_of(image[0].sha))
        if failed:
            self._save(stage=stage, error_message=message)

    async def _resume_then_build(self, wanted: str) -> None:
        if self.state.sha and (image := self._image_of(self.state.sha)):
            await self._launch(*image, await self._card_of(image[0].sha))
            self._save(stage="RUNNING_BUILDING")
        else:
            self._save(stage="BUILDING", sha=None)
        await self._build_and_start(wanted)

    async def _card_of(self, sha: str) -> Card:
        card, _ = await asyncio.to_thread(self._read, sha)
        return card or Card()

    # starting and stopping the app

    async def _launch(self, image: Image, folder: Path, card: Card) -> None:
        """Start a version; once it answers it serves, and the version before it is stopped."""
        self._save(stage="RUNNING_APP_STARTING" if self.serving else "APP_STARTING", error_message=None)
        writer = self.run_log.open()
        writer.write(f"===== Application Startup at {_now()} =====\n")
        settings = self._around.store.settings(self.repo)
        for volume in settings.volumes:
            writer.write(f"note: {volume.get('source')} is not mounted at {volume.get('mountPath')} by this runner")
        port = free_port()
        app = await self._around.runner.start(
            image, folder, port=port, settings=self._environment(card), feed=writer.feed
        )
        try:
            await self._until_it_answers(app, port, image, writer, _duration(card) or self._around.patience.startup)
        except BaseException:
            await asyncio.shield(app.stop())
            writer.close()
            raise
        former, self.serving = self.serving, Serving(app, port, image.sha)
        self._watch(self.serving, writer)
        self._save(stage="RUNNING", error_message=None, sha=image.sha, hardware=settings.hardware)
        self.visited()
        self._watch_idleness()
        if former:
            await former.app.stop()

    async def _until_it_answers(self, app: App, port: int, image: Image, writer: Writer, patience: float) -> None:
        loop = asyncio.get_running_loop()
        over = asyncio.ensure_future(app.wait())
        started, mismatch_since = loop.time(), None
        next_look = started + 1.0
        while not await _answers(port):
            if over.done():
                raise Failed("RUNTIME_ERROR", self._exit_message(over.result()))
            now = loop.time()
            if now - started > patience:
                minutes = f"{patience / MINUTE:g}"
                raise Failed("RUNTIME_ERROR", f"Launch timed out, workload was not healthy after {minutes} min")
            if now > next_look:
                next_look = now + 1.0
                other = await asyncio.to_thread(self._announced_port, app, port)
                if other and mismatch_since is None:
                    mismatch_since = now
                    writer.write(_mismatch(other, image.app_port, port))
                if not other:
                    mismatch_since = None
                elif mismatch_since is not None and now - mismatch_since > self._around.patience.mismatch:
                    message = f"it listens on port {other}, not on app_port {image.app_port}"
                    raise Failed("RUNTIME_ERROR", f"Launch timed out, workload was not healthy: {message}")
            await asyncio.wait([over], timeout=self._around.patience.poll)

    def _announced_port(self, app: App, port: int) -> int | None:
        """A port that the app listens on, and its log tells of, while it does not listen on its own."""
        listening = app.listening_ports()
        if port in listening:
            return None
        announced = {int(number) for number in ANNOUNCED.findall("\n".join(self.run_log.tail(200)))}
        return min(listening & announced, default=None)

    def _watch(self, serving: Serving, writer: Writer) -> None:
        async def watch() -> None:
            code = await serving.app.wait()
            writer.close()
            if self.serving is serving:
                await self._crashed(code)

        task = asyncio.ensure_future(watch())
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)

    async def _crashed(self, code: int) -> None:
        """The version that served ended by itself."""
        await self._stop_serving()
        if self.state.stage.startswith("RUNNING_"):
            self._save(stage=self.state.stage.removeprefix("RUNNING_"), sha=None)
        elif self.state.stage == "RUNNING":
            self._save(stage="RUNTIME_ERROR", error_message=self._exit_message(code), sha=None)
        else:
            self._save(sha=None)

    def _exit_message(self, code: int) -> str:
        return f"Exit code: {code}. Reason: " + "\n".join(self.run_log.tail(TAIL)[-TAIL:])

    async def _stop_serving(self) -> None:
        serving, self.serving = self.serving, None
        if serving:
            await serving.app.stop()

    def _environment(self, card: Card) -> dict[str, str]:
        """The variables that the Hub injects, with the Space's own variables and secrets."""
        repo, settings = self.repo, self._around.store.settings(self.repo)
        flavor = BY_NAME[settings.hardware if settings.hardware in BY_NAME else "cpu-basic"]
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
        if self._idle_timer:
            self._idle_timer.cancel()
            self._idle_timer = None
        patience = self._around.store.settings(self.repo).sleep_time
        if patience is None or self.serving is None:
            return
        loop = asyncio.get_running_loop()
        left = self._last_visit + patience - loop.time()
        if left > 0 or self._proxy.is_busy:
            self._idle_timer = loop.call_later(max(left, 1.0), self._watch_idleness)
        elif self.state.stage == "RUNNING":
            self._save(stage="SLEEPING")
            self._begin(self._halt)

    # what is kept

    def _save(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)
        self._around.store.save_state(self.repo, self.state)

    def _images(self) -> list[tuple[Image, Path]]:
        folders = sorted(self.folder.glob("builds/*"), key=lambda folder: folder.stat().st_mtime_ns)
        return [(image, folder) for folder in folders if (image := Image.load(folder))]

    def _newest(self) -> tuple[Image, Path] | None:
        return next(reversed(self._images()), None)

    def _image_of(self, sha: str | None) -> tuple[Image, Path] | None:
        return next((found for found in reversed(self._images()) if found[0].sha == sha), None)

    def _tidy(self) -> None:
        """Remove unfinished builds, former runs, and builds that are neither newest nor running."""
        images = self._images()
        kept = {folder for image, folder in images if self.serving and image.sha == self.serving.sha}
        kept |= {folder for image, folder in images if image.sha == self.state.sha}
        kept |= {folder for _, folder in images[-1:]}
        remove(self.folder / "context", *(folder for folder in self.folder.glob("builds/*") if folder not in kept))
        if not self.serving:
            remove(*self.folder.glob("builds/*/run-*"))


def _values(entries: Mapping[str, Any]) -> dict[str, str]:
    return {name: entry.value for name, entry in entries.items()}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _duration(card: Card) -> float | None:
    """`startup_duration_timeout` in seconds: `30m`, `1h`."""
    found = DURATION.fullmatch(str(card.fields.get("startup_duration_timeout", "")).strip())
    return int(found[1]) * UNITS[found[2]] if found else None


def _mismatch(other: int, app_port: int, port: int) -> str:
    if other == app_port:
        return (
            f"note: the app listens on port {other}, fixed in its code. Here each start gets a private port "
            f"(now {port}) in place of app_port, so that versions can run side by side: name it in CMD or ENV"
        )
    return f"note: the app listens on port {other}, but the Hub sends traffic to app_port {app_port}"


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


async def _answers(port: int) -> bool:
    """Whether anything that speaks HTTP answers there, with whatever status."""
    try:
        async with asyncio.timeout(5.0):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                writer.write(f"GET / HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n".encode())
                return (await reader.read(5)).startswith(b"HTTP/")
            finally:
                writer.close()
                await writer.wait_closed()
    except (OSError, TimeoutError):
        return False
