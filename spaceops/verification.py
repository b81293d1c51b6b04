"""Whether what was deployed runs: followed from the commit to answers of the app, to the first sign that it cannot."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from spaceops import errors
from spaceops.diagnosis import GENERIC, conclude
from spaceops.diagnosis.cases import of_release, with_events
from spaceops.events import BUILD, RUN, Event, follow, happened, logs, visible
from spaceops.evidence import WIDEST, cause, harmless, last_start, last_step
from spaceops.findings import Severity
from spaceops.hub import Hub
from spaceops.hub.border import lacks_hardware
from spaceops.logstream import Timing, is_passing
from spaceops.observed import Observed, Runtime
from spaceops.spec import Health, short

if TYPE_CHECKING:
    from spaceops.findings import Finding
    from spaceops.history import Release

KEPT_EVENTS = 2000
ASKED_FOR = 200  # lines of a log that was not followed
APP_PATIENCE = 10.0  # seconds for an answer of the app
MOST_ASKED = 5  # commits of others after which main is asked: a build may print anything
SERVING = ("RUNNING", "SLEEPING")
UNBUILT = ("BUILD_ERROR", "CONFIG_ERROR", "NO_APP_FILE")
AT_REST = ("PAUSED", "STOPPED", "SLEEPING")
PASSING = frozenset({0, 408, 425, 429, 502, 503, 504})  # what an app answers that is not ready yet; 0: nothing

# Failures that the new version itself is the cause of, so that an older one may cure them.
CURABLE = frozenset({"build-error", "runtime-error", "config-error", "no-app-file", "unhealthy", "timed-out"})

_CODES = {
    "BUILD_ERROR": "build-error",
    "RUNTIME_ERROR": "runtime-error",
    "CONFIG_ERROR": "config-error",
    "NO_APP_FILE": "no-app-file",
}
_HINTS = {
    "PAUSED": "spaceops restart {repo_id}",
    "STOPPED": "spaceops restart {repo_id}",
    "NO_APP_FILE": "Put a file named Dockerfile at the root of the source, then: spaceops deploy",
    "CONFIG_ERROR": "Mend README.md's front matter and deploy; a name that is a variable and a secret: "
    "spaceops variables delete {repo_id} NAME",
    "BUILD_ERROR": "spaceops logs {repo_id} --build shows the whole build.",
    "RUNTIME_ERROR": "spaceops logs {repo_id} shows the whole log of the app.",
}
_LOG_OF = dict.fromkeys(("BUILDING", "RUNNING_BUILDING", "BUILD_ERROR", "CONFIG_ERROR"), BUILD)  # else the run log
_TIMING = Timing()
_QUEUED = re.compile(r"===== Build Queued at .*Commit SHA: ([0-9a-f]{7,40})\b")

Watcher = Callable[[Event], None]


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What must be seen for a release to have succeeded."""

    repo_id: str
    sha: str | None  # the commit that must serve
    health: Health
    visibility: str | None  # None: whatever the Hub gives to a new Space
    is_new: bool  # whether something was changed, so that what runs now may still be the version before
    runtime: Runtime  # as it was last seen
    host: str | None
    timeout: float  # seconds


def verify(
    goal: Goal, hub: Hub, watch: Watcher, *, release: Release | None = None, timing: Timing = _TIMING
) -> str | None:
    """Follow until the wanted commit serves and its health path answers; the app's address.

    Where nothing was changed nothing is followed: the app is asked once as configured, and a Space that its owner has
    paused, or that sleeps, stays so and has no address. (A release that nobody has seen run yet must run, even so.)
    Raises `DeployFailed` at the first sign that it will not, with the end of the log that explains it, `NotFound` when
    the Space was deleted, `TimedOut`, and `Unreachable` when the Hub did not answer at the end of the time.
    """
    if _is_left_at_rest(goal, release):
        how = "a visit wakes it" if goal.runtime.stage == "SLEEPING" else f"spaceops restart {goal.repo_id} starts it"
        watch(happened("step", f"{goal.runtime.stage}, and left so: {how}"))
        return None
    attempt = _Attempt(goal, hub, watch, release, timing)
    try:
        return attempt.run()
    except (errors.DeployFailed, errors.TimedOut):
        attempt.refuse_if_overtaken()
        raise


def settled(observed: Observed, hub: Hub, *, timeout: float | None, watch: Watcher) -> None:
    """Wait until nothing is built or started any more. Raises `DeployFailed` when the Space ends in an error."""
    runtime, following = observed.runtime, _Following(observed.repo_id, hub, watch)
    if runtime.is_busy:
        runtime = following.to_the_end(observed.sha, timeout)
    if runtime.stage not in SERVING:
        raise following.failure(runtime)


def evidence_of(error: errors.SpaceopsError) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The codes of a failure, and the redacted lines that prove it."""
    codes = error.codes if isinstance(error, errors.DeployFailed) else (error.code,)
    return codes, tuple(error.log_tail)


def _is_left_at_rest(goal: Goal, release: Release | None) -> bool:
    is_proven = release is None or release.record is None
    by_its_owner = goal.runtime.stage in AT_REST and not goal.runtime.error_message
    return not goal.is_new and is_proven and by_its_owner


def _tail(kind: str, lines: Iterable[Event]) -> list[str]:
    """The end of a log: what explains how it ended."""
    shown = harmless([event.text for event in lines])
    return last_step(shown) if kind == BUILD else last_start(shown)


def _certain(findings: Sequence[Finding]) -> Finding | None:
    """The cause, if it is known: not what the log alone shows by its structure."""
    first = next(iter(findings), None)
    return first if first and first.severity is Severity.ERROR and first.code not in GENERIC else None


def _told(found: Finding, said: str) -> str:
    """The cause, after what the Hub said where that is the cause itself, and not where it only points to a log."""
    return f"{said}. {found.message}" if found.evidence == (said,) else found.message


class _Following:
    """A Space that is followed: its newest events, and since when it is in its stage."""

    def __init__(
        self, repo_id: str, hub: Hub, watch: Watcher, release: Release | None = None, timing: Timing = _TIMING
    ) -> None:
        self.repo_id, self.hub, self.release, self.timing = repo_id, hub, release, timing
        self._watch = watch
        self._log = deque[Event](maxlen=KEPT_EVENTS)
        self._runtime = Runtime("NONE")
        self._since = self._heard = time.monotonic()  # when the stage began, and its log last said something

    def tell(self, text: str) -> None:
        """Say what was found."""
        self._watch(happened("step", text))

    def to_the_end(self, sha: str | None, timeout: float | None, look: Watcher = lambda _: None) -> Runtime:
        """Follow; the runtime in which it ended. `look` sees each event and may raise."""
        began = time.monotonic()
        try:
            with closing(follow(self.repo_id, self.hub, sha, timeout=timeout, timing=self.timing)) as events:
                for event in events:
                    self._watch(event)
                    self._note(event)
                    look(event)
        except errors.TimedOut as error:
            raise self.late(time.monotonic() - began) from error
        except errors.NotFound as error:
            raise self.gone() from error
        if self._runtime.stage == "DELETING":
            raise self.gone()
        return self._runtime

    def _note(self, event: Event) -> None:
        self._log.append(event)
        if event.runtime:
            if event.runtime.stage != self._runtime.stage:
                self._since = time.monotonic()
            self._runtime = event.runtime
        self._heard = time.monotonic()

    def failure(self, runtime: Runtime) -> errors.DeployFailed:
        """The error for a Space that has come to an end: what the Hub says, and the log that explains it."""
        stage, code, said = runtime.stage, _CODES.get(runtime.stage, "stopped"), runtime.error_message or ""
        hint = _HINTS.get(stage, "spaceops status {repo_id}")
        if lacks_hardware(said):
            code = "no-capacity"
            hint = "spaceops restart {repo_id} tries again; `hardware` in space.toml may be a list to choose from."
        elif stage == "PAUSED" and said:  # by the Hub, for the reason that it says
            hint = "spaceops status {repo_id}"
        first, rest = cause(said), said.strip().splitlines()[1:]
        kind = _LOG_OF.get(stage, RUN)
        lines = self.lines(kind) if code in CURABLE else []
        findings = self.findings(runtime, lines)
        found = _certain(findings) if code in CURABLE else None
        told = _told(found, first) if found else first
        return errors.DeployFailed(
            f"{self.repo_id}: {stage}" + (f": {told}" if told else ""),
            release=self.release,
            log_tail=(_tail(kind, lines) or last_start(harmless(rest))) if code in CURABLE else (),
            built=stage not in UNBUILT,
            hint=found.hint if found else hint.format(repo_id=self.repo_id),
            codes=(code, found.code) if found else (code,),
            findings=findings,
        )

    def findings(self, runtime: Runtime, lines: Sequence[Event]) -> tuple[Finding, ...]:
        """What is wrong, by what was followed and the files that were pushed; nothing more is asked."""
        try:
            case = of_release(self.repo_id, self.release)
            return conclude(with_events(replace(case, runtime=runtime), lines)).findings
        except Exception as error:  # it reads text of others: a slip in that must not hide the failure itself
            self.tell(f"the failure could not be diagnosed: {type(error).__name__} in spaceops; please report it")
            return ()

    def late(self, seconds: float) -> errors.TimedOut:
        """The error at the end of the time: how long which stage has lasted, and what its log said last."""
        stage, now = self._runtime.stage, time.monotonic()
        kind = _LOG_OF.get(stage, RUN)
        lines = self.lines(kind, ask=False)
        findings, tail = self.findings(self._runtime, lines), _tail(kind, lines)
        found = _certain(findings)
        silent = f"has said nothing for {now - self._heard:.3g} s" if tail else "is empty"
        return errors.TimedOut(
            f"{self.repo_id} is still {stage} after {seconds:.3g} s, "
            f"{now - self._since:.3g} s of them in that stage; its {kind} log {silent}"
            + (f". {found.message}" if found else ""),
            hint=found.hint if found else f"spaceops wait {self.repo_id} waits on; the Space goes on by itself.",
            log_tail=tail,
            findings=findings,
        )

    def gone(self) -> errors.NotFound:
        """The error for a Space that was deleted meanwhile."""
        said = f"{self.repo_id} is gone: it was deleted meanwhile, or this token may not see it any more"
        return errors.NotFound(said, hint="spaceops deploy makes it anew.")

    def lines(self, kind: str, *, ask: bool = True) -> list[Event]:
        """A log as it was followed, or if `ask` the end of it as the Hub has it now, if it can be had."""
        lines = [event for event in self._log if event.kind == kind]
        if not lines and ask:
            with suppress(errors.HubError):
                return [
                    event
                    for event in logs(self.repo_id, self.hub, build=kind == BUILD, tail=ASKED_FOR, timing=self.timing)
                    if event.kind == kind
                ]
        return lines

    def forget(self) -> None:
        """What the app says from now on is what counts."""
        self._log.clear()


class _Attempt:
    """One release on its way to be verified."""

    def __init__(self, goal: Goal, hub: Hub, watch: Watcher, release: Release | None, timing: Timing) -> None:
        self._goal, self._hub, self._release, self._timing = goal, hub, release, timing
        self._following = _Following(goal.repo_id, hub, watch, release, timing)
        self._deadline = time.monotonic() + goal.timeout
        self._foreign: set[str] = set()  # commits that were seen, and are not what moved main
        self._trouble: errors.HubError | None = None  # why the Hub could not be asked the last time

    @cached_property
    def _is_private(self) -> bool:
        """Whether the app answers only with the token."""
        known = self._goal.visibility or self._hub.observe(self._goal.repo_id, settings=False).visibility
        return known == "private"

    def run(self) -> str:
        """Follow and ask until it runs and answers; the app's address."""
        goal, runtime = self._goal, self._goal.runtime
        follows = goal.is_new or runtime.is_busy
        while True:
            if follows:
                runtime = self._followed(self._sign() if runtime is goal.runtime else goal.sha)
            self._refuse(runtime)
            host = runtime.host or goal.host
            if host is None:
                raise self._failed(f"is {runtime.stage}, and the Hub names no address of the app", "no-address")
            if self._answers(host, is_starting=follows) and (not follows or self._still_serves()):
                self._following.tell(f"{goal.health.path} answers {goal.health.status}")
                return host
            follows = True

    def _sign(self) -> str | None:
        """The commit whose running shows that the release runs; None where the one before runs with the same one."""
        goal, plan = self._goal, self._release.plan if self._release else None
        same = goal.runtime.stage == "RUNNING" and goal.runtime.sha == goal.sha
        return None if same and plan is not None and plan.restarts else goal.sha

    def _followed(self, sha: str | None) -> Runtime:
        left = max(self._deadline - time.monotonic(), 0.0)
        return self._following.to_the_end(sha, left, self._look_for_others)

    def _look_for_others(self, event: Event) -> None:
        """A build or a version of a commit that is neither ours nor the one before: perhaps main has moved."""
        before, ours = self._goal.runtime.sha or "", self._goal.sha or ""
        queued = _QUEUED.match(event.text) if event.kind == BUILD else None
        runs = event.runtime.sha if event.runtime and event.runtime.stage == "RUNNING" else None
        seen = queued[1] if queued else runs
        is_new = seen not in self._foreign and len(self._foreign) < MOST_ASKED
        if seen and is_new and not ours.startswith(seen) and not before.startswith(seen):
            self.refuse_if_overtaken()
            self._foreign.add(seen)

    def refuse_if_overtaken(self) -> None:
        """Raise if main has moved on: whatever became of ours, what is built and runs is somebody else's commit."""
        goal = self._goal
        observed = Observed(goal.repo_id, exists=True, sha=goal.sha)
        with suppress(errors.HubError):  # what became of ours is known, and is said then
            observed = self._hub.observe(goal.repo_id, settings=False) if goal.sha else observed
        if not observed.exists:
            raise self._following.gone()
        if observed.sha != goal.sha:
            said = (
                f"was overtaken: somebody pushed after it, and main is at {short(observed.sha)}, not {short(goal.sha)}"
            )
            raise self._failed(said, "overtaken", hint=f"spaceops plan {goal.repo_id} --drift shows what they changed.")

    def _refuse(self, runtime: Runtime) -> None:
        """Raise unless the wanted commit serves."""
        goal = self._goal
        if runtime.stage not in SERVING:
            raise self._following.failure(runtime)
        if goal.sha is not None and runtime.sha not in (None, goal.sha):
            self.refuse_if_overtaken()
            said = f"still serves {short(runtime.sha)}, although {short(goal.sha)} was pushed and nothing more happens"
            raise self._failed(said, "old-version", hint=f"spaceops restart {goal.repo_id}")

    def _answers(self, host: str, *, is_starting: bool) -> bool:
        """Whether the health path answers as it should `health.times` in a row; False when the Space starts again.

        The first wrong answer after the grace ends it; one that says "not yet" does only at the end of the time.
        """
        health, began = self._goal.health, time.monotonic()
        grace = health.grace_seconds if is_starting else 0.0
        self._following.forget()
        in_a_row, looked = 0, began
        while True:
            status, wrong = self._answer(host.rstrip("/") + health.path)
            in_a_row = 0 if wrong else in_a_row + 1
            if in_a_row >= health.times:
                return True
            now = time.monotonic()
            late = now >= self._deadline
            is_final = status not in PASSING and (late or now - began > grace)
            if wrong and (late or is_final or now - looked >= self._timing.request):
                looked = now
                if self._serves() is False:
                    return False
                self._refuse_answer(wrong, late=late, is_final=is_final)
            if wrong or is_starting:
                time.sleep(self._timing.app)

    def _answer(self, url: str) -> tuple[int, str]:
        """The status of an answer, 0 while nobody answers, and what is wrong with it."""
        health, left = self._goal.health, self._deadline - time.monotonic()
        patience = min(max(left, 1.0), APP_PATIENCE)
        try:
            status, said = self._hub.ask_app(url, private=self._is_private, holds=health.body, patience=patience)
        except errors.Unreachable:
            return 0, "does not answer"
        if status != health.status:
            words = visible(" ".join(said[:WIDEST].split()))
            return status, f"answers {status}, not {health.status}" + (f": {words}" if words else "")
        missing = health.body is not None and health.body not in said
        return status, f"answers {status} without {health.body!r}" if missing else ""

    def _refuse_answer(self, wrong: str, *, late: bool, is_final: bool) -> None:
        goal, lines = self._goal, self._following.lines(RUN) if is_final or late else []
        findings = self._following.findings(Runtime("RUNNING"), lines) if lines else ()
        said = f"runs, but {goal.health.path} {wrong}"
        if is_final:
            hint = f"spaceops logs {goal.repo_id}; [health] in space.toml says what is asked and expected."
            raise self._failed(said, "unhealthy", hint=hint, log_tail=_tail(RUN, lines), findings=findings)
        if late and self._trouble:
            raise errors.Unreachable(self._trouble.message, hint=f"spaceops wait {goal.repo_id}") from self._trouble
        if late:
            hint = f"spaceops wait {goal.repo_id} waits longer; spaceops logs {goal.repo_id} shows what the app says."
            what = f"{goal.repo_id} {said}, after {goal.timeout:g} s"
            raise errors.TimedOut(what, hint=hint, log_tail=_tail(RUN, lines), findings=findings)

    def _still_serves(self) -> bool:
        """Whether it still runs after its last answer: an app may crash, another commit may come."""
        while (serves := self._serves()) is None:
            if self._trouble and time.monotonic() >= self._deadline:
                raise self._trouble
            time.sleep(self._timing.request)
        return serves

    def _serves(self) -> bool | None:
        """Whether it runs, or is built, started or woken again; None when the Hub cannot tell. Raises if it failed."""
        runtime = self._runtime()
        if runtime is not None and runtime.is_final:
            self._refuse(runtime)
        return None if runtime is None else runtime.stage == "RUNNING"

    def _runtime(self) -> Runtime | None:
        """The runtime now; None when the Hub cannot tell just now."""
        try:
            runtime, self._trouble = self._hub.runtime(self._goal.repo_id), None
        except errors.NotFound as error:
            raise self._following.gone() from error
        except errors.HubError as error:
            if not is_passing(error):
                raise
            self._trouble = error
            return None
        if runtime.stage == "DELETING":
            raise self._following.gone()
        return runtime

    def _failed(
        self,
        said: str,
        code: str,
        *,
        hint: str | None = None,
        log_tail: Iterable[str] = (),
        findings: Sequence[Finding] = (),
    ) -> errors.DeployFailed:
        return errors.DeployFailed(
            f"{self._goal.repo_id} {said}",
            release=self._release,
            built=True,
            hint=hint or f"spaceops status {self._goal.repo_id}",
            codes=(code,),
            log_tail=list(log_tail),
            findings=findings,
        )
