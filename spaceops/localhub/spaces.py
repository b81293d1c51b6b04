"""All Spaces of the local Hub, as its routes use them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from spaceops.errors import BadInput
from spaceops.localhub.gauges import Gauge
from spaceops.localhub.hardware import BY_NAME
from spaceops.localhub.refusals import Refused
from spaceops.localhub.runners.paths import remove
from spaceops.localhub.runners.process import ProcessRunner
from spaceops.localhub.space import Space
from spaceops.localhub.startup import Patience
from spaceops.localhub.threads import in_thread
from spaceops.localhub.versions import Surroundings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Container, Sequence
    from pathlib import Path

    from spaceops.localhub.clock import Clock
    from spaceops.localhub.faults import Faults
    from spaceops.localhub.logbook import Line
    from spaceops.localhub.repos import Repos
    from spaceops.localhub.runners import Mount
    from spaceops.localhub.store import Repo, Store
    from spaceops.localhub.visits import Traffic


METRIC_EVERY = 1.0  # seconds
RESTARTS_NOTHING = {"sleep_time", "replicas"}


def _everybody(_repo: Repo, _token: str | None) -> bool:
    return True


async def _nothing(_repo: Repo) -> Sequence[Mount]:
    return ()


class Spaces:
    """The Spaces of one data folder. All methods belong to the server's loop; plain ones return at once."""

    def __init__(
        self,
        *,
        store: Store,
        repos: Repos,
        clock: Clock,
        faults: Faults,
        folder: Path,
        runner: str = "process",
        creator_id: Callable[[Repo], str],
        may_read: Callable[[Repo, str | None], bool] = _everybody,
        mounts: Callable[[Repo], Awaitable[Sequence[Mount]]] = _nothing,
        patience: Patience | None = None,
    ) -> None:
        if runner != "process":
            raise BadInput(f"There is no runner {runner!r}", hint="Use --runner process.")
        self._runner = ProcessRunner(folder / "envs")
        self._around = Surroundings(
            store=store,
            repos=repos,
            clock=clock,
            faults=faults,
            runner=self._runner,
            folder=folder / "spaces",
            creator_id=creator_id,
            may_read=may_read,
            mounts=mounts,
            patience=patience or Patience(),
        )
        self._spaces: dict[str, Space] = {}

    async def start(self) -> None:
        """Open every Space's port; what ran runs again, and what was being built is built."""
        await in_thread(self._tidy, self._around.store.ids())
        for repo in self._around.store.spaces():
            self.created(repo)
        await asyncio.gather(*(space.resume() for space in self._spaces.values()))

    def _tidy(self, known: Container[str]) -> None:
        """Remove what the last server left: of builds, of apps, and of Spaces that it was just deleting. Blocks."""
        self._runner.tidy()
        remove(*(folder for folder in self._around.folder.glob("*") if folder.name not in known))

    async def stop(self) -> None:
        """Stop every process; nothing is left when this returns. What is asked for later, the next server does."""
        await asyncio.gather(*(space.close() for space in self._spaces.values()))

    def created(self, repo: Repo) -> None:
        """Give a new Space its port."""
        if repo.id not in self._spaces:
            self._spaces[repo.id] = Space(repo, self._around)

    async def deleted(self, repo: Repo) -> None:
        """Stop a Space and remove what it had on disk."""
        await self._spaces.pop(repo.id).delete()

    def pushed(self, repo: Repo, sha: str) -> None:
        """The main branch has a new commit: build it, unless the Space is paused."""
        self._of(repo).pushed(sha)

    def changed(self, repo: Repo, *what: str) -> None:
        """Settings changed; all but the sleep time and the replicas restart the app."""
        if set(what) - RESTARTS_NOTHING:
            self._of(repo).settings_changed()
        if RESTARTS_NOTHING & set(what):
            self._of(repo).wishes_changed()

    def pause(self, repo: Repo) -> None:
        """Stop a Space until it is restarted."""
        self._of(repo).pause()

    def restart(self, repo: Repo, *, factory: bool = False) -> None:
        """Start a Space anew; `factory` builds it without the cache first."""
        self._of(repo).restart(factory=factory)

    def runtime(self, repo: Repo) -> dict[str, Any]:
        """The Space's runtime as the wire has it."""
        return self._of(repo).runtime()

    def host(self, repo: Repo) -> str:
        """The address of the Space's app."""
        return f"http://{self._of(repo).host}"

    def counters(self, repo: Repo) -> dict[str, int]:
        """How often the app was started without a build, and how often it was built."""
        state = self._of(repo).state
        return {"restarts": state.restarts, "rebuilds": state.rebuilds}

    def log(self, repo: Repo, which: str, tail: int | None = None) -> AsyncIterator[list[Line]]:
        """The `build` or `run` log from its start or its last lines, then as it grows, until the build or the app ends.

        An empty list comes after what was there already, and then after each 15 s of silence.
        """
        return self._of(repo).log(which).lines(tail)

    def is_serving(self, repo: Repo) -> bool:
        """Whether an app answers."""
        return self._of(repo).serving is not None

    def traffic(self, repo: Repo) -> Traffic:
        """What goes through the Space's port."""
        return self._of(repo).proxy.traffic

    async def metrics(self, repo: Repo) -> AsyncIterator[dict[str, Any]]:
        """What the app uses, once a second, until none runs."""
        space = self._of(repo)
        measured, gauge = None, None
        while (serving := space.serving) is not None:
            if gauge is None or measured is not serving:
                flavor = BY_NAME[self._around.store.settings(repo).hardware]
                measured, gauge = serving, await in_thread(Gauge, serving.app.pid, flavor, space.proxy.traffic)
            await asyncio.sleep(METRIC_EVERY)
            if space.serving is serving:
                yield await in_thread(gauge.read, f"{serving.app.pid:05}"[-5:])

    def runtimes(self, repo: Repo) -> AsyncIterator[dict[str, Any] | None]:
        """The runtime now and after each change, until the Space is deleted; None after each 15 s without one."""
        return self._of(repo).runtimes()

    def _of(self, repo: Repo) -> Space:
        """The Space, which may have been deleted since its repository was found."""
        if repo.id not in self._spaces:
            raise Refused(404, "Repository not found", "RepoNotFound")
        return self._spaces[repo.id]
