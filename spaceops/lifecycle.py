"""A Space that exists: its status, waiting for it, pausing, restarting and deleting it, and whether its app is well."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from spaceops import errors
from spaceops.events import Event, follow, logs
from spaceops.hub import Hub
from spaceops.spec import Observed, Runtime, Space, repo_id_of

LOG_TAIL = 20  # lines of the log that an error shows
APP_PAUSE, HUB_PAUSE = 0.2, 1.0  # seconds between two questions to the app, and to the Hub about it
HOPELESS_SECONDS = 30.0  # how long an answer that only a change can mend (404, a redirect) is taken for start-up

_HINTS = {
    "PAUSED": "spaceops restart {repo_id}",
    "NO_APP_FILE": "Push a Dockerfile: spaceops deploy",
    "CONFIG_ERROR": "Mend README.md's front matter and deploy; a name that is a variable and a secret: "
    "spaceops variables delete {repo_id} NAME",
    "BUILD_ERROR": "spaceops logs {repo_id} --build shows the whole build.",
    "RUNTIME_ERROR": "spaceops logs {repo_id} shows the whole log of the app.",
}


def status(space: Space | str, hub: Hub) -> Observed:
    """What the Space is now. Raises `NotFound` when it does not exist. One request."""
    repo_id = _repo_id(space)
    observed = hub.observe(repo_id, settings=False)
    if not observed.exists:
        hint = "Look at the name; a private Space is visible only to a token that may read it."
        raise errors.NotFound(f"{repo_id} does not exist on {hub.endpoint}", hint=hint)
    return observed


def wait(space: Space | str, hub: Hub, *, timeout: float | None = None) -> Observed:
    """Wait until nothing is built or started any more; return what is then.

    Raises `DeployFailed` when the Space ends in an error, `TimedOut` after `timeout` seconds.
    """
    observed = status(space, hub)
    runtime, log = observed.runtime, list[Event]()
    if runtime.is_busy:
        for event in follow(observed.repo_id, hub, observed.sha, timeout=timeout):
            log.append(event)
            runtime = event.runtime or runtime
            del log[:-2000]
        observed = status(space, hub)
    if observed.stage not in ("RUNNING", "SLEEPING"):
        raise failure(observed.repo_id, observed.runtime, log or None, hub=hub)
    return observed


def pause(space: Space | str, hub: Hub) -> Observed:
    """Stop the app; it costs nothing until it is restarted."""
    hub.pause(_repo_id(space))
    return status(space, hub)


def restart(space: Space | str, hub: Hub, *, factory: bool = False) -> Observed:
    """Start the app again; with `factory` it is built anew, without any cache."""
    hub.restart(_repo_id(space), factory=factory)
    return status(space, hub)


def delete(space: Space | str, hub: Hub) -> None:
    """Delete the Space with its code, settings and secrets. There is no way back."""
    hub.delete(_repo_id(space))


def healthy(space: Space, hub: Hub, host: str, *, private: bool, deadline: float, release: Any = None) -> None:
    """Return once the health path has answered as it should `health.times` in a row.

    Raises `DeployFailed` as soon as the Hub reports an error or the answer cannot become right by waiting, `TimedOut`
    at `deadline` (of `time.monotonic()`).
    """
    url, health = host.rstrip("/") + space.health.path, space.health
    started = asked = time.monotonic()
    in_a_row = 0
    while in_a_row < health.times:
        code, said = _answer(hub, url, private=private)
        in_a_row = in_a_row + 1 if code == health.status else 0
        if in_a_row:
            continue
        now = time.monotonic()
        if now >= deadline:
            hint = f"spaceops wait {space.repo_id} waits longer; spaceops logs {space.repo_id} shows what the app says."
            what = f"{url} answers {code or 'nothing'} after {health.timeout}"
            raise errors.TimedOut(f"{space.repo_id}: {what}", hint=hint)
        if code and code < 500 and now - started > HOPELESS_SECONDS:
            raise _unhealthy(space, f"{health.path} answers {code}, not {health.status}: {said}", release)
        if now - asked >= HUB_PAUSE:
            _still_well(space, hub, release)
            asked = now
        time.sleep(APP_PAUSE)


def _still_well(space: Space, hub: Hub, release: Any) -> None:
    runtime = hub.runtime(space.repo_id)
    if runtime.is_final and runtime.stage not in ("RUNNING", "SLEEPING"):
        raise failure(space.repo_id, runtime, None, hub=hub, release=release)


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
    hint = _HINTS.get(runtime.stage, "spaceops status {repo_id}").format(repo_id=repo_id)
    return errors.DeployFailed(
        f"{repo_id}: {runtime.stage}{said}", release=release, log_tail=last_step(lines), built=built, hint=hint
    )


def last_step(lines: Sequence[str]) -> list[str]:
    """The end of a log: from the last build step on that printed something, 20 lines at most."""
    steps = [number for number, line in enumerate(lines) if line.startswith("-->") and "ERROR" not in line]
    return list(lines[steps[-1] :] if steps else lines)[-LOG_TAIL:]


def _answer(hub: Hub, url: str, *, private: bool) -> tuple[int, str]:
    """Status and beginning of the answer; 0 while nobody answers."""
    try:
        return hub.ask_app(url, private=private)
    except errors.Unreachable:
        return 0, ""


def _unhealthy(space: Space, said: str, release: Any) -> errors.DeployFailed:
    hint = "Set [health] path and status in space.toml to what the app answers when it is ready."
    return errors.DeployFailed(f"{space.repo_id} runs, but {said}", release=release, built=True, hint=hint)


def _repo_id(space: Space | str) -> str:
    return space.repo_id if isinstance(space, Space) else repo_id_of(space)
