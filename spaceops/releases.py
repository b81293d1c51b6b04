"""Apply, deploy, roll back, wait: each change of a Space's code and settings is a release, recorded and undoable."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import msgspec

from spaceops import errors, ledger
from spaceops.execution import Execution, Watcher, refuse_unready, step, timed
from spaceops.files import Source, look
from spaceops.findings import Severity
from spaceops.history import Release, Releases
from spaceops.hub import Hub
from spaceops.lifecycle import pause, status
from spaceops.observed import Observed
from spaceops.planning import plan, plan_rollback
from spaceops.plans import Plan
from spaceops.preflight import check
from spaceops.records import Record
from spaceops.secret import is_redacted, resolve
from spaceops.spec import Health, Space, repo_id_of
from spaceops.structs import convert
from spaceops.verification import CURABLE, Goal, evidence_of, settled, verify

Approver = Callable[[Plan], None]


def apply(plan: Plan, hub: Hub, *, dry_run: bool = False, watch: Watcher | None = None) -> Release:
    """Do what the plan says, under the lock of the Space, and record it as a release.

    Interrupted anywhere, a new plan finds what is missing, and goes on with the same release. Raises before anything
    changes: `SecretMissing`, `Forbidden` for what the token may not do, `OverLimit`, `Locked` while somebody else
    deploys, `PlanStale` when somebody was faster.
    """
    release = _unreleased(plan, hub, "planned" if dry_run else "unchanged")
    if dry_run:
        return release
    _refuse_unresolved(plan)
    if not plan and plan.ledger.index.outcome != "deploying":
        return release
    refuse_unready(plan)
    hub.check_may(plan.space.repo_id, plan.verbs)
    execution = Execution(plan, hub, watch or _nobody)
    try:
        record = execution.run()
    except errors.Conflict as error:
        raise errors.PlanStale(
            f"{plan.space.repo_id} changed since the plan was made: {error.message}", hint="Plan again and look."
        ) from error
    return replace(release, outcome="applied", sha=record.sha, seconds=execution.seconds, record=record)


def deploy(
    space: Space,
    hub: Hub,
    *,
    dry_run: bool = False,
    only: Collection[str] | None = None,
    prune: bool | None = None,
    overwrite: bool = False,
    rotate: Collection[str] = (),
    detach: bool = False,
    approve: Approver | None = None,
    watch: Watcher | None = None,
) -> Release:
    """Check, plan, apply, follow, verify. It has succeeded when the pushed commit runs and the health path answers.

    `approve` sees the plan before anything changes and may raise; `watch` is called with every event; `detach`
    returns without following. Raises `CheckFailed` where the files cannot work, `DeployFailed` with the end of the log
    when the build fails or the app does not come up, `TimedOut` after `health.timeout`; where `on_failure` says so and
    an earlier release ran, that one is restored first, and the error is `RolledBack`.
    """
    seconds: dict[str, float] = {}
    source = None
    if only is None or "files" in only:
        with timed(seconds, "check"):
            source = _checked(space, watch or _nobody)
    with timed(seconds, "plan"):
        proposal = plan(space, hub, only, prune=prune, overwrite=overwrite, rotate=rotate, source=source)
    return _deploy(proposal, hub, seconds, dry_run=dry_run, detach=detach, approve=approve, watch=watch)


def rollback(
    space: Space | str,
    hub: Hub,
    number: int | None = None,
    *,
    dry_run: bool = False,
    detach: bool = False,
    approve: Approver | None = None,
    watch: Watcher | None = None,
) -> Release:
    """Make a new release with the content and settings of an old one: of `number`, else the last that ran before.

    The visibility stays as it is, and so do secrets: their old values are nowhere. The plan says which those are.
    Raises `NotFound` where there is no such release.
    """
    seconds: dict[str, float] = {}
    with timed(seconds, "plan"):
        proposal = plan_rollback(space, hub, number)
    return _deploy(proposal, hub, seconds, dry_run=dry_run, detach=detach, approve=approve, watch=watch)


def list_releases(space: Space | str, hub: Hub, *, count: int = 10) -> Releases:
    """The newest releases of a Space, the newest first."""
    repo_id = space.repo_id if isinstance(space, Space) else repo_id_of(space)
    newest = ledger.read(repo_id, hub).index.last
    found = ledger.records(repo_id, hub, newest=newest, count=count)
    return Releases(_of_record(record, repo_id, hub) for record in found)


def get_release(space: Space | str, hub: Hub, number: int) -> Release:
    """One release of a Space. Raises `NotFound`."""
    repo_id = space.repo_id if isinstance(space, Space) else repo_id_of(space)
    return _of_record(ledger.record_of(repo_id, hub, number), repo_id, hub)


def wait(space: Space | str, hub: Hub, *, timeout: float | None = None, watch: Watcher | None = None) -> Observed:
    """Wait until nothing is built or started any more; return what is then.

    A release that was applied and not followed, or failed, is verified, and its outcome recorded, as `deploy` does it.
    Raises `DeployFailed` when the Space ends in an error, `TimedOut` after `timeout` seconds: that is then no outcome.
    """
    repo_id = space.repo_id if isinstance(space, Space) else repo_id_of(space)
    observed = status(repo_id, hub)
    known = ledger.read(repo_id, hub)
    if known.index.outcome == "applied" or (known.index.outcome == "failed" and known.index.sha == observed.sha):
        record = ledger.record_of(repo_id, hub, known.index.last)
        _settle(_of_record(record, repo_id, hub), observed, hub, watch or _nobody, timeout=timeout)
    else:
        settled(observed, hub, timeout=timeout, watch=watch or _nobody)
    return status(repo_id, hub)


def _checked(space: Space, watch: Watcher) -> Source:
    """The files, in which nothing is certain to fail; what may, is told and no more."""
    source = look(space)
    report = check(space, source=source).raise_for_errors()
    if report.of(Severity.WARNING):
        watch(step(f"check: {report.summary} spaceops check {space.folder} shows what may fail"))
    return source


def _deploy(
    proposal: Plan,
    hub: Hub,
    seconds: dict[str, float],
    *,
    dry_run: bool = False,
    detach: bool = False,
    approve: Approver | None = None,
    watch: Watcher | None = None,
) -> Release:
    if approve:
        approve(proposal)
    done = apply(proposal, hub, dry_run=dry_run, watch=watch)
    done = replace(done, seconds={**seconds, **done.seconds})
    if dry_run or detach or not _runs_something(proposal):
        return done
    return _settle(_with_open_record(done, hub), proposal.observed, hub, watch or _nobody)


def _with_open_record(done: Release, hub: Hub) -> Release:
    """A release that changed nothing stands for the newest one, if nobody has seen that run yet."""
    known = done.plan.ledger.index if done.plan is not None else None
    if known is None or done.record or known.outcome not in ("applied", "failed") or known.sha != done.sha:
        return done
    return replace(done, record=ledger.record_of(done.repo_id, hub, known.last))


def _settle(done: Release, observed: Observed, hub: Hub, watch: Watcher, *, timeout: float | None = None) -> Release:
    """Follow a release until it runs and answers, or does not; record that, and on failure do what it asks for."""
    goal = _goal(done, observed, timeout)
    seconds = dict(done.seconds)
    try:
        with timed(seconds, "verify"):
            host = verify(goal, hub, watch, release=done)
    except (errors.DeployFailed, errors.TimedOut) as error:
        if timeout is not None and isinstance(error, errors.TimedOut):
            raise  # whoever waits had no more time: the release may still come up
        failed = _recorded(replace(done, seconds=seconds), error, hub, watch)
        if other := _on_other_hardware(failed, hub, watch):
            return other
        _after_failure(failed, error, hub, watch)
        raise
    return _concluded(replace(done, seconds=seconds, host=host), hub, outcome="running", codes=(), evidence=())


def _goal(done: Release, observed: Observed, timeout: float | None) -> Goal:
    """What must be seen of a release; its record says so where it was not planned here."""
    record, plan = done.record, done.plan
    recorded = convert(record.health, Health) if record else Health()
    health = recorded if plan is None else plan.space.health
    return Goal(
        repo_id=done.repo_id,
        sha=done.sha,
        health=health,
        visibility=(record.settings.visibility if record else None) or observed.visibility,
        is_new=done.outcome == "applied",
        runtime=observed.runtime,
        host=observed.host,
        timeout=health.seconds if timeout is None else timeout,
    )


def _recorded(failed: Release, error: errors.SpaceopsError, hub: Hub, watch: Watcher) -> Release:
    """Write down why a release failed; a Hub that cannot be reached for it does not hide the failure itself."""
    codes, lines = evidence_of(error)
    if failed.record and failed.record.outcome == "failed" and codes == ("stopped",):
        return failed  # and was paused for it: why it had failed stays written there
    try:
        shown = lines if failed.record and lines and _may_keep_lines(failed.repo_id, hub) else ()
        return _concluded(failed, hub, outcome="failed", codes=codes, evidence=shown)
    except errors.HubError as second:
        watch(step(f"the failure could not be recorded: {second.message}"))
        return failed


def _may_keep_lines(repo_id: str, hub: Hub) -> bool:
    """Whether lines of the log may stand in the ledger, as the Space is now.

    Only where nobody reads them who may not read the source, and each of its secrets, also one that space.toml does not
    name, is known here and so redacted. Three requests.
    """
    try:
        now = hub.observe(repo_id)
    except errors.Forbidden:  # the names of its secrets are not for this token
        return False
    known = (is_redacted(key, secret.description) for key, secret in now.secrets.items())
    return now.visibility in ("private", "protected") and all(known)


def _concluded(done: Release, hub: Hub, **came_out: Any) -> Release:
    """Write down how a release came out; what changed nothing is none."""
    if done.record is None:
        return done
    record = msgspec.structs.replace(done.record, seconds={**done.record.seconds, **done.seconds}, **came_out)
    ledger.conclude(done.repo_id, hub, record)
    return replace(done, outcome=record.outcome, record=record)


def _on_other_hardware(failed: Release, hub: Hub, watch: Watcher) -> Release | None:
    """Where the Hub found no such machine after all: a release with the next one in order of preference."""
    record, plan = failed.record, failed.plan
    if record is None or plan is None or "no-capacity" not in record.codes:
        return None
    flavors, tried = plan.space.flavors, record.settings.hardware
    rest = flavors[flavors.index(tried) + 1 :] if tried in flavors else ()
    if not rest or ledger.read(failed.repo_id, hub).index.last != record.number:
        return None
    watch(step(f"the Hub has no {tried} free: trying {rest[0]}"))
    return deploy(msgspec.structs.replace(plan.space, hardware=rest), hub, only={"hardware"}, watch=watch)


def _after_failure(failed: Release, error: errors.SpaceopsError, hub: Hub, watch: Watcher) -> None:
    """Do what `on_failure` says, where the new version itself is the cause. Raises `RolledBack`.

    What cannot be done is told and no more: the failure itself is what counts.
    """
    record, (codes, _) = failed.record, evidence_of(error)
    if record is None or record.restores is not None or not _curable(record) & set(codes):
        return
    try:
        restored = _answered(record, failed.repo_id, hub, watch)
    except errors.SpaceopsError as second:
        what = "paused" if record.on_failure == "pause" else "rolled back"
        watch(step(f"it could not be {what}: {second.message}"))
        return
    if restored and restored.outcome == "running":
        raise errors.RolledBack(error, release=failed, restored=restored) from error


def _answered(record: Record, repo_id: str, hub: Hub, watch: Watcher) -> Release | None:
    """Pause the Space, or restore what ran before; neither where somebody has made a release since: that is theirs."""
    index = ledger.read(repo_id, hub).index if record.on_failure != "keep" else None
    if index is None:
        return None
    if index.last != record.number:
        watch(step(f"release {index.last} was made meanwhile, and stays"))
        return None
    if record.on_failure == "pause":
        pause(repo_id, hub)
        watch(step(f"paused {repo_id}"))
    elif index.good is not None:
        watch(step(f"release {record.number} failed: rolling back to release {index.good}"))
        return rollback(repo_id, hub, index.good, approve=lambda proposal: _say_what_goes(proposal, watch), watch=watch)
    return None


def _say_what_goes(proposal: Plan, watch: Watcher) -> None:
    """Nobody looks at the plan of a rollback that comes by itself: name the files of others that it takes away."""
    for change in proposal.changes:
        if change.subject == "files" and not change.counts:
            watch(step(f"{change.text}: {change.note}"))


def _curable(record: Record) -> frozenset[str]:
    """The codes of failures that the release before would not have: a lack of machines only where it had another."""
    asked = any(change.partition(" ")[2].startswith("hardware") for change in record.changes)
    return CURABLE | ({"no-capacity"} if asked else set())


def _refuse_unresolved(plan: Plan) -> None:
    for key in plan.unresolved:
        resolve(key, plan.space.secrets[key], plan.space.folder)  # says where it looked
        raise errors.PlanStale(f"The secret {key} can be resolved now, and is not in the plan", hint="Plan again.")


def _unreleased(plan: Plan, hub: Hub, outcome: str) -> Release:
    page = hub.url(plan.space.repo_id)
    return Release(plan.space.repo_id, page, outcome, plan.observed.sha, plan.observed.host, plan=plan)


def _of_record(record: Record, repo_id: str, hub: Hub) -> Release:
    page = hub.url(repo_id)
    return Release(repo_id, page, record.outcome, record.sha, seconds=record.seconds, record=record)


def _runs_something(plan: Plan) -> bool:
    return bool(plan.files) or (plan.observed.exists and plan.observed.stage != "NO_APP_FILE")


def _nobody(_event: object) -> None:
    """Whoever does not watch."""
