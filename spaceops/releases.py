"""Plan, apply, deploy: the only module that changes a Space's code and settings."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

from spaceops import errors
from spaceops.events import Event, follow, happened
from spaceops.files import scan
from spaceops.hub import Hub, volumes_of
from spaceops.lifecycle import failure, healthy
from spaceops.plans import PARTS, SETTINGS, Plan, compare, volumes_wanted
from spaceops.push import TRANSPORTS
from spaceops.secret import Secret, described, resolve, without_fingerprint
from spaceops.spec import BUSY_STAGES, FREE_HARDWARE, Observed, Space, short

Watcher = Callable[[Event], None]


@dataclass(frozen=True)
class Release:
    """What a deploy did. `outcome`: planned (a dry run), unchanged, applied (not followed), or running (verified)."""

    plan: Plan = field(repr=False)
    outcome: str
    sha: str | None = None
    host: str | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)  # by step

    @property
    def repo_id(self) -> str:
        """The Space."""
        return self.plan.space.repo_id

    @property
    def url(self) -> str:
        """The Space's page."""
        return f"{self.plan.endpoint}/spaces/{self.repo_id}"

    def as_dict(self) -> dict[str, Any]:
        """The release for `--json`."""
        return {
            "schema": 1,
            "repo_id": self.repo_id,
            "outcome": self.outcome,
            "sha": self.sha,
            "url": self.url,
            "host": self.host,
            "seconds": dict(self.seconds),
            "plan": self.plan.as_dict(),
        }

    def __str__(self) -> str:
        if self.outcome == "planned":
            return f"{self.plan}\nDry run: nothing was changed."
        took = ", ".join(f"{step} {spent:.1f} s" for step, spent in self.seconds.items())
        at = f" at {short(self.sha)}" if self.sha else ""
        lines = [f"{self.repo_id} {self.outcome}{at}", f"  app   {self.host}", f"  page  {self.url}"]
        return "\n".join(lines if self.host else [lines[0], lines[2]]) + (f"\n  took  {took}" if took else "")

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """The same text in a notebook without a front end."""
        printer.text(str(self))

    def _repr_html_(self) -> str:
        if self.outcome == "planned":
            return self.plan._repr_html_() + "<p>Dry run: nothing was changed.</p>"
        app = f' <a href="{escape(self.host)}">{escape(self.host)}</a>' if self.host else ""
        at = f" at <code>{short(self.sha)}</code>" if self.sha else ""
        return f"<p><b>{escape(self.repo_id)}</b> {self.outcome}{at}{app}</p>"


def plan(space: Space, hub: Hub, only: set[str] | frozenset[str] | None = None, *, prune: bool = False) -> Plan:
    """What would change, without changing anything; `only` limits it to some of `spaceops.plans.PARTS`.

    Four requests: who we are, the Space, its variables, its secrets; the prices too when the hardware changes.
    """
    parts = PARTS if only is None else frozenset(only)
    if unknown := parts - PARTS:
        raise errors.BadInput(f"only: there is no part {min(unknown)!r}", hint=f"One of {', '.join(sorted(PARTS))}.")
    source = scan(space.root, private=space.private_files) if "files" in parts else None
    secrets = {key: _resolved(key, space) for key in space.secrets} if "secrets" in parts else {}
    with ThreadPoolExecutor(1) as pool:
        observing = pool.submit(hub.observe, space.repo_id)
        account = hub.account  # a token that is not accepted is told as that, not as a missing Space
        observed = observing.result()
    if not observed.exists and not parts >= SETTINGS:
        hint = "Create it with all its settings first: spaceops deploy, or the notebook 01_create."
        raise errors.NotFound(f"{space.repo_id} does not exist on {hub.endpoint}", hint=hint)
    prices = {flavor.name: flavor.hourly_cost for flavor in hub.hardware.ls()} if _needs_prices(space, observed) else {}
    if prices and space.hardware not in prices:
        raise errors.SpecError("hardware", got=space.hardware, want=f"one of {', '.join(prices)}")
    return compare(
        space,
        source,
        observed,
        account=account,
        endpoint=hub.endpoint,
        secrets=secrets,
        prices=prices,
        parts=parts,
        prune=prune,
    )


def apply(plan: Plan, hub: Hub, *, dry_run: bool = False, watch: Watcher | None = None) -> Release:
    """Do what the plan says: one create call for a new Space; else settings first, then the one commit.

    Interrupted anywhere, a new plan finds what is missing. Raises `SecretMissing` before anything changes,
    `PlanStale` when somebody else was faster.
    """
    release = Release(plan, "planned" if dry_run else "applied", plan.observed.sha, plan.observed.host)
    if dry_run:
        return release
    for key in plan.unresolved:
        resolve(key, plan.space.secrets[key], plan.space.folder)  # says where it looked
        raise errors.PlanStale(f"The secret {key} can be resolved now, and is not in the plan", hint="Plan again.")
    if not plan:
        return replace(release, outcome="unchanged")
    tell = watch or (lambda _event: None)
    seconds: dict[str, float] = {}
    try:
        with _timed(seconds, "settings"):
            _create(plan, hub, tell) if plan.creates else _change_settings(plan, hub, tell)
        sha = plan.observed.sha
        if plan.files:
            with _timed(seconds, "push"):
                sha = _push(plan, hub)
            tell(_step(f"pushed {short(sha)}: {plan.files}"))
    except errors.Conflict as error:
        raise errors.PlanStale(
            f"{plan.space.repo_id} changed since the plan was made: {error.message}", hint="Plan again and look."
        ) from error
    return replace(release, sha=sha, seconds=seconds)


def deploy(
    space: Space,
    hub: Hub,
    *,
    dry_run: bool = False,
    only: set[str] | frozenset[str] | None = None,
    prune: bool = False,
    detach: bool = False,
    approve: Callable[[Plan], None] | None = None,
    watch: Watcher | None = None,
) -> Release:
    """Plan, apply, follow, verify. It has succeeded when the pushed commit runs and the health path answers.

    `approve` sees the plan before anything changes and may raise; `watch` is called with every event; `detach`
    returns without following. Raises `DeployFailed` with the end of the
    log when the build fails or the app does not come up, `TimedOut` after `health.timeout`.
    """
    seconds: dict[str, float] = {}
    with _timed(seconds, "plan"):
        proposal = plan(space, hub, only, prune=prune)
    if approve:
        approve(proposal)
    release = apply(proposal, hub, dry_run=dry_run, watch=watch)
    release = replace(release, seconds={**seconds, **release.seconds})
    if dry_run or detach or not _runs_something(proposal):
        return release
    return _verify(release, hub, watch or (lambda _event: None))


def _verify(release: Release, hub: Hub, watch: Watcher) -> Release:
    """Follow until the wanted commit serves and answers."""
    space, seconds = release.plan.space, dict(release.seconds)
    deadline = time.monotonic() + space.health.seconds
    runtime = release.plan.observed.runtime
    host = release.host
    if release.outcome != "unchanged" or runtime.stage in BUSY_STAGES:
        log: list[Event] = []
        with _timed(seconds, "build and start"):
            for event in follow(space.repo_id, hub, release.sha, timeout=space.health.seconds):
                watch(event)
                log.append(event)
                runtime = event.runtime or runtime
                del log[:-2000]
        if runtime.stage != "RUNNING":
            raise failure(space.repo_id, runtime, log, release=release)
        if runtime.sha not in (None, release.sha):
            raise _overtaken(release, runtime.sha)
        host = runtime.host or host
    elif runtime.stage not in ("RUNNING", "SLEEPING"):
        raise failure(space.repo_id, runtime, None, hub=hub, release=release)
    private = (space.visibility or release.plan.observed.visibility) == "private"
    with _timed(seconds, "verify"):
        healthy(space, hub, host or release.url, private=private, deadline=deadline, release=release)
    watch(_step(f"{space.health.path} answers {space.health.status}"))
    outcome = "unchanged" if release.outcome == "unchanged" else "running"
    return replace(release, outcome=outcome, host=host, seconds=seconds)


def _overtaken(release: Release, sha: str | None) -> errors.DeployFailed:
    said = (
        f"{release.repo_id} runs {short(sha)}, not {short(release.sha)}: somebody pushed after it, or it never started"
    )
    return errors.DeployFailed(said, release=release, built=True, hint=f"spaceops status {release.repo_id}")


def _runs_something(plan: Plan) -> bool:
    return bool(plan.files) or (plan.observed.exists and plan.observed.stage != "NO_APP_FILE")


def _needs_prices(space: Space, observed: Observed) -> bool:
    return space.hardware is not None and space.hardware != observed.hardware


def _resolved(key: str, space: Space) -> Secret | None:
    try:
        return resolve(key, space.secrets[key], space.folder)
    except errors.SecretMissing:
        return None  # a plan can be read without it; apply says where it looked


def _create(plan: Plan, hub: Hub, tell: Watcher) -> None:
    space = plan.space
    settings: dict[str, Any] = {
        "space_hardware": space.hardware,
        "space_sleep_time": space.sleep_seconds if plan.has("sleep_time") else None,
        "space_variables": [{"key": key, "value": value} for key, value in space.environment.items()],
        "space_secrets": _secrets(plan),
        "space_volumes": volumes_of(volumes_wanted(space.volumes)),
    }
    hub.create(space.repo_id, visibility=space.visibility, settings={k: v for k, v in settings.items() if v})
    tell(_step(f"created {space.repo_id} with {len(space.variables)} variables and {len(plan.secrets)} secrets"))


def _secrets(plan: Plan) -> list[dict[str, str]]:
    """As the create call takes them. Fingerprints are slow by design: they are made side by side."""

    def entry(key: str) -> dict[str, str]:
        secret = plan.secrets[key]
        return {"key": key, "value": secret.reveal(), "description": _description(plan, key, secret)}

    with ThreadPoolExecutor() as pool:
        return list(pool.map(entry, plan.secrets))


def _change_settings(plan: Plan, hub: Hub, tell: Watcher) -> None:
    """Back to back, so that the Hub merges the restarts, and before the commit, which rebuilds anyway."""
    for change in sorted(plan.changes, key=lambda change: change.sign != "-"):  # a name must be free before it is used
        if change.counts and change.subject in _CHANGERS:
            change_it = _DELETERS[change.subject] if change.sign == "-" else _CHANGERS[change.subject]
            change_it(plan, hub, change.key or "")
            tell(_step(f"{'deleted' if change.sign == '-' else 'set'} {change.subject} {change.key or change.text}"))


def _set_visibility(plan: Plan, hub: Hub, _key: str) -> None:
    if plan.space.visibility:
        hub.set_visibility(plan.space.repo_id, plan.space.visibility)


def _set_hardware(plan: Plan, hub: Hub, _key: str) -> None:
    sleep_time = plan.space.sleep_seconds if plan.has("sleep_time") else None
    hub.hardware.set(plan.space.repo_id, plan.space.hardware or FREE_HARDWARE, sleep_time=sleep_time)


def _set_sleep_time(plan: Plan, hub: Hub, _key: str) -> None:
    if plan.space.sleep_seconds is not None and not plan.has("hardware"):  # else it went along with the hardware
        hub.hardware.set_sleep_time(plan.space.repo_id, plan.space.sleep_seconds)


def _set_variable(plan: Plan, hub: Hub, key: str) -> None:
    hub.variables.set(plan.space.repo_id, key, plan.space.environment[key])


def _set_secret(plan: Plan, hub: Hub, key: str) -> None:
    secret = plan.secrets[key]
    hub.secrets.set(plan.space.repo_id, key, secret, description=_description(plan, key, secret))


def _delete_variable(plan: Plan, hub: Hub, key: str) -> None:
    hub.variables.delete(plan.space.repo_id, key)


def _delete_secret(plan: Plan, hub: Hub, key: str) -> None:
    hub.secrets.delete(plan.space.repo_id, key)


def _set_volumes(plan: Plan, hub: Hub, _key: str) -> None:
    hub.volumes.set(plan.space.repo_id, volumes_wanted(plan.space.volumes))


_CHANGERS: dict[str, Callable[[Plan, Hub, str], None]] = {
    "visibility": _set_visibility,
    "hardware": _set_hardware,
    "sleep_time": _set_sleep_time,
    "variable": _set_variable,
    "secret": _set_secret,
    "volumes": _set_volumes,
}


_DELETERS = {"variable": _delete_variable, "secret": _delete_secret}


def _description(plan: Plan, key: str, secret: Secret) -> str:
    words = plan.observed.secrets.get(key)
    return described(words, secret) if plan.space.fingerprints else without_fingerprint(words)


def _push(plan: Plan, hub: Hub) -> str:
    return TRANSPORTS[plan.space.transport](
        hub,
        plan.space.repo_id,
        write=plan.files.written,
        remove=plan.files.removed,
        message=f"Deploy: {plan.files}",
        parent=plan.observed.sha,
    )


def _step(text: str) -> Event:
    return happened("step", text)


@contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    start = time.monotonic()
    try:
        yield
    finally:
        seconds[step] = round(time.monotonic() - start, 2)
