"""Whether what was deployed runs: followed from the commit to answers of the app, to the first sign that it cannot."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from spaceops import errors
from spaceops.events import Event, follow, happened, logs
from spaceops.hub import Hub
from spaceops.observed import Observed, Runtime
from spaceops.spec import Health, short

LOG_TAIL = 20  # lines of the log that an error shows
KEPT_EVENTS = 2000
APP_PAUSE, HUB_PAUSE = 0.2, 1.0  # seconds between two questions to the app, and to the Hub about it
SERVING = ("RUNNING", "SLEEPING")

# Failures that the new version itself is the cause of, so that an older one may cure them.
CURABLE = frozenset({"build-error", "runtime-error", "config-error", "unhealthy", "timed-out"})

_CODES = {"BUILD_ERROR": "build-error", "RUNTIME_ERROR": "runtime-error", "CONFIG_ERROR": "config-error"}
_HINTS = {
    "PAUSED": "spaceops restart {repo_id}",
    "NO_APP_FILE": "Push a Dockerfile: spaceops deploy",
    "CONFIG_ERROR": "Mend README.md's front matter and deploy; a name that is a variable and a secret: "
    "spaceops variables delete {repo_id} NAME",
    "BUILD_ERROR": "spaceops logs {repo_id} --build shows the whole build.",
    "RUNTIME_ERROR": "spaceops logs {repo_id} shows the whole log of the app.",
}

Watcher = Callable[[Event], None]


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What must be seen for a release to have succeeded."""

    repo_id: str
    sha: str | None  # the commit that must serve
    health: Health
    visibility: str
    is_new: bool  # whether something was changed, so that what runs now may still be the version before
    runtime: Runtime  # as it was last seen
    host: str | None
    timeout: float  # seconds

    @property
    def is_private(self) -> bool:
        """Whether the app answers only with the token."""
        return self.visibility == "private"

    @property
    def source_is_private(self) -> bool:
        """Whether only those see the repository who may."""
        return self.visibility in ("private", "protected")


def verify(goal: Goal, hub: Hub, watch: Watcher, *, release: Any = None) -> str:
    """Follow until the wanted commit serves and its health path answers; the app's address.

    Raises `DeployFailed` at the first sign that it will not, with the end of the log that explains it, and `TimedOut`.
    """
    deadline = time.monotonic() + goal.timeout
    runtime, host = goal.runtime, goal.host
    if goal.is_new or runtime.is_busy:
        runtime, log = _followed(goal.repo_id, hub, goal.sha, goal.timeout, watch)
        if runtime.stage not in SERVING:
            raise failure(goal.repo_id, runtime, log, release=release)
        if goal.sha is not None and runtime.sha not in (None, goal.sha):
            raise _overtaken(goal, runtime.sha, release)
        host = runtime.host or host
    elif runtime.stage not in SERVING:
        raise failure(goal.repo_id, runtime, None, hub=hub, release=release)
    if host is None:
        raise errors.DeployFailed(
            f"{goal.repo_id}: {runtime.stage}, and the Hub names no address of the app", release=release, built=True
        )
    _healthy(goal, hub, host, deadline, release)
    watch(happened("step", f"{goal.health.path} answers {goal.health.status}"))
    return host


def settled(observed: Observed, hub: Hub, *, timeout: float | None, watch: Watcher) -> None:
    """Wait until nothing is built or started any more. Raises `DeployFailed` when the Space ends in an error."""
    runtime, log = observed.runtime, None
    if runtime.is_busy:
        runtime, log = _followed(observed.repo_id, hub, observed.sha, timeout, watch)
    if runtime.stage not in SERVING:
        raise failure(observed.repo_id, runtime, log, hub=hub)


def evidence_of(error: errors.SpaceopsError) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The codes of a failure, and the redacted lines that prove it."""
    if isinstance(error, errors.DeployFailed):
        return error.codes, tuple(error.log_tail)
    return (error.code,), ()


def failure(
    repo_id: str, runtime: Runtime, log: Sequence[Event] | None, *, hub: Hub | None = None, release: Any = None
) -> errors.DeployFailed:
    """The error for a Space in an error stage: what the Hub says, and the last step of the log that explains it."""
    built = runtime.stage != "BUILD_ERROR"
    kind = "run" if built else "build"
    if log is None and hub is not None:
        log = list(logs(repo_id, hub, build=not built))
    lines = [event.text for event in log or () if event.kind == kind]
    said = ": " + runtime.error_message.strip().splitlines()[0] if runtime.error_message else ""  # the log has the rest
    return errors.DeployFailed(
        f"{repo_id}: {runtime.stage}{said}",
        release=release,
        log_tail=last_step(lines),
        built=built,
        hint=_HINTS.get(runtime.stage, "spaceops status {repo_id}").format(repo_id=repo_id),
        codes=(_CODES.get(runtime.stage, "stopped"),),
    )


def last_step(lines: Sequence[str]) -> list[str]:
    """The end of a log: from the last build step on that printed something, 20 lines at most."""
    steps = [number for number, line in enumerate(lines) if line.startswith("-->") and "ERROR" not in line]
    return list(lines[steps[-1] :] if steps else lines)[-LOG_TAIL:]


def _followed(
    repo_id: str, hub: Hub, sha: str | None, timeout: float | None, watch: Watcher
) -> tuple[Runtime, list[Event]]:
    """The runtime in which it ended, and the newest events."""
    runtime, log = Runtime("NONE"), list[Event]()
    for event in follow(repo_id, hub, sha, timeout=timeout):
        watch(event)
        log.append(event)
        runtime = event.runtime or runtime
        del log[:-KEPT_EVENTS]
    return runtime, log


def _healthy(goal: Goal, hub: Hub, host: str, deadline: float, release: Any) -> None:
    """Return once the health path has answered as it should `health.times` in a row."""
    url, health = host.rstrip("/") + goal.health.path, goal.health
    started = asked = time.monotonic()
    in_a_row = 0
    while in_a_row < health.times:
        code, said = _answer(hub, url, private=goal.is_private)
        in_a_row = in_a_row + 1 if code == health.status else 0
        if in_a_row:
            continue
        now = time.monotonic()
        if now >= deadline:
            hint = f"spaceops wait {goal.repo_id} waits longer; spaceops logs {goal.repo_id} shows what the app says."
            what = f"{url} answers {code or 'nothing'} after {goal.timeout:g} s"
            raise errors.TimedOut(f"{goal.repo_id}: {what}", hint=hint)
        if code and code < 500 and now - started > health.grace_seconds:
            raise _unhealthy(goal, f"{health.path} answers {code}, not {health.status}: {said}", release)
        if now - asked >= HUB_PAUSE:
            _still_well(goal, hub, release)
            asked = now
        time.sleep(APP_PAUSE)


def _still_well(goal: Goal, hub: Hub, release: Any) -> None:
    runtime = hub.runtime(goal.repo_id)
    if runtime.is_final and runtime.stage not in SERVING:
        raise failure(goal.repo_id, runtime, None, hub=hub, release=release)


def _answer(hub: Hub, url: str, *, private: bool) -> tuple[int, str]:
    """Status and beginning of the answer; 0 while nobody answers."""
    try:
        return hub.ask_app(url, private=private)
    except errors.Unreachable:
        return 0, ""


def _unhealthy(goal: Goal, said: str, release: Any) -> errors.DeployFailed:
    hint = "Set [health] path and status in space.toml to what the app answers when it is ready."
    return errors.DeployFailed(
        f"{goal.repo_id} runs, but {said}", release=release, built=True, hint=hint, codes=("unhealthy",)
    )


def _overtaken(goal: Goal, sha: str | None, release: Any) -> errors.DeployFailed:
    what = f"{goal.repo_id} runs {short(sha)}, not {short(goal.sha)}"
    said = f"{what}: somebody pushed after it, or it never started"
    return errors.DeployFailed(
        said, release=release, built=True, hint=f"spaceops status {goal.repo_id}", codes=("overtaken",)
    )
