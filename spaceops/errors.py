"""Everything that can go wrong, as one tree; each class has a code (`spaceops explain CODE`) and an exit code.

::

    SpaceopsError           1   failed
    ├── BadInput            2   bad-input          a path, an option or a file cannot be used as it is
    │   ├── SpecError       2   spec-invalid       space.toml is wrong
    │   └── DockerfileError 2   dockerfile-invalid a Dockerfile that does not parse
    ├── HubError            1   hub-error          the Hub refused for a reason that has no class of its own
    │   ├── NotFound        3   not-found          no such Space, file or revision, or this token may not see it
    │   ├── Forbidden       4   not-allowed        401 and 403
    │   ├── PaymentRequired 4   payment-required   402
    │   ├── Conflict        5   conflict           409 and 412
    │   ├── RateLimited    75   rate-limited       429
    │   ├── NoCapacity     75   no-capacity        the Hub has no such hardware free at the moment
    │   └── Unreachable    75   hub-unreachable    nobody answers there, or HF_HUB_OFFLINE is set
    ├── PlanStale           5   plan-stale         the Space changed since the plan was made
    ├── Locked              5   locked             somebody else is deploying to this Space now
    ├── LedgerTooNew        1   ledger-too-new     a newer spaceops wrote the releases of this Space
    ├── OverLimit           4   over-limit         it would cost more than [limits] allows
    ├── InUse               5   in-use             a port or a data folder belongs to another process
    ├── CheckFailed         6   check-failed       `check` found errors: what would be pushed is certain to fail
    ├── SecretMissing      10   secret-missing     a reference to a secret leads nowhere on this machine
    ├── DeployFailed      7, 8  deploy-failed      the build failed (7), or the app does not come up (8)
    │   └── RolledBack      9   rolled-back        it did not come up, and the release before it runs again
    ├── TimedOut          124   timed-out          it did not happen within the time allowed
    ├── NotebookFailed 1, 138   notebook-failed    a cell raised (1), or the kernel died (138)
    └── ExtraMissing        1   extra-missing      an optional part of spaceops is not installed

An error prints as three lines: what happened, ``hint:`` the next command or edit, ``more:`` where to read on.
Facts stay attributes; the foreign exception, if there was one, stays ``__cause__``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spaceops.findings import Finding, Report

_EXCEPTION = 'Mend them; or write under [ignore] in space.toml why one is right: CODE = "the reason".'


class SpaceopsError(Exception):
    """Something failed. The message says what; the hint says what to do about it."""

    code: ClassVar[str] = "failed"
    exit_code: int = 1
    log_tail: Sequence[str] = ()  # the last lines of the log that explains it, redacted
    findings: Sequence[Finding] = ()  # what `diagnose` says of it, the cause first

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        tail = "".join(f"\n  | {line}" for line in self.log_tail)
        hint = f"\nhint: {self.hint}" if self.hint else ""
        return f"{self.message}{tail}{hint}\nmore: spaceops explain {self.topic}"

    @property
    def topic(self) -> str:
        """The code that explains most."""
        return self.code

    def as_dict(self) -> dict[str, Any]:
        """The error as it appears under ``error`` in ``--json`` output."""
        return {"code": self.code, "exit_code": self.exit_code, "message": self.message, "hint": self.hint}

    def _render_traceback_(self) -> list[str]:
        """IPython asks for this: in a notebook the error is these lines, not forty frames."""
        return str(self).splitlines()


class BadInput(SpaceopsError):
    """A path, an option or a file cannot be used as it is. Nothing was changed."""

    code = "bad-input"
    exit_code = 2


class SpecError(BadInput):
    """`space.toml` is wrong: the field, what it got and what it wants. Nothing was changed."""

    code = "spec-invalid"

    def __init__(
        self, field: str, *, got: object, want: str, hint: str | None = None, file: str = "space.toml"
    ) -> None:
        super().__init__(f"{file}: {field}: got {got!r}, wants {want}", hint=hint)
        self.field, self.got, self.want, self.file = field, got, want, file


class DockerfileError(BadInput):
    """A Dockerfile that BuildKit would not parse; `problem` in BuildKit's words, `line` from 1."""

    code = "dockerfile-invalid"

    def __init__(self, line: int, problem: str, *, hint: str | None = None) -> None:
        super().__init__(f"dockerfile parse error on line {line}: {problem}", hint=hint or f"Mend line {line}.")
        self.line, self.problem = line, problem


class HubError(SpaceopsError):
    """The Hub refused. `status` is the HTTP status, `request_id` what its support asks for."""

    code = "hub-error"

    def __init__(
        self, message: str, *, hint: str | None = None, status: int | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.status, self.request_id = status, request_id


class NotFound(HubError):
    """No such Space, file or revision; the Hub says the same of private ones that this token may not see."""

    code = "not-found"
    exit_code = 3


class Forbidden(HubError):
    """The Hub does not accept the token (401), or the token may not do this (403)."""

    code = "not-allowed"
    exit_code = 4


class PaymentRequired(HubError):
    """The account's plan does not include this (402): Docker Spaces need PRO, Team or Enterprise."""

    code = "payment-required"
    exit_code = 4


class Conflict(HubError):
    """Somebody else changed it first (409, 412), or it exists already. Plan again and look at what changed."""

    code = "conflict"
    exit_code = 5


class RateLimited(HubError):
    """Too many requests in five minutes (429). The same command works after the pause that the Hub names."""

    code = "rate-limited"
    exit_code = 75


class NoCapacity(HubError):
    """The Hub has no such hardware free at the moment. Another one, or the same command later, may work."""

    code = "no-capacity"
    exit_code = 75


class Unreachable(HubError):
    """Nobody answers at the endpoint, the network is down, or HF_HUB_OFFLINE forbids to try."""

    code = "hub-unreachable"
    exit_code = 75


class PlanStale(SpaceopsError):
    """The Space changed between plan and apply. Nothing was changed; plan again."""

    code = "plan-stale"
    exit_code = 5


class Locked(SpaceopsError):
    """Somebody else is deploying to this Space: `by` whom, until when their lease lasts (server's time, UTC)."""

    code = "locked"
    exit_code = 5

    def __init__(self, repo_id: str, *, by: str, since: str, until: str) -> None:
        super().__init__(
            f"{repo_id}: {by} has been deploying since {since}, and holds the lock until {until}",
            hint="Run the same command again then; a lock that outlives its lease is taken over.",
        )
        self.by, self.since, self.until = by, since, until


class LedgerTooNew(SpaceopsError):
    """The releases of this Space were written by a newer spaceops than this one. Nothing was changed."""

    code = "ledger-too-new"

    def __init__(self, where: str, found: int, known: int) -> None:
        super().__init__(
            f"{where} has format {found}, and this spaceops knows formats up to {known}",
            hint="pip install --upgrade spaceops",
        )
        self.found, self.known = found, known


class OverLimit(SpaceopsError):
    """What the Space would cost is more than `[limits]` in space.toml allows. Nothing was changed."""

    code = "over-limit"
    exit_code = 4


class InUse(SpaceopsError):
    """A port or a data folder belongs to another process."""

    code = "in-use"
    exit_code = 5


class CheckFailed(SpaceopsError):
    """`check` found errors in what would be pushed. Nothing was changed; `report` holds them."""

    code = "check-failed"
    exit_code = 6

    def __init__(self, report: Report) -> None:
        found = "\n".join(map(str, report.errors))
        super().__init__(f"{found}\n{report.summary}", hint=_EXCEPTION)
        self.report = report

    def as_dict(self) -> dict[str, Any]:
        """The error with all findings of the report."""
        return super().as_dict() | {"report": self.report.as_dict()}


class SecretMissing(SpaceopsError):
    """A reference to a secret leads nowhere on this machine: `key` is the secret, `looked_in` the reference."""

    code = "secret-missing"
    exit_code = 10

    def __init__(self, key: str, looked_in: str, *, hint: str | None = None) -> None:
        super().__init__(f"The secret {key} cannot be resolved: {looked_in} leads nowhere", hint=hint)
        self.key, self.looked_in = key, looked_in


class DeployFailed(SpaceopsError):
    """The Space did not come up with the new version: the build failed (exit code 7), or the app is not healthy (8).

    `codes` say how: build-error, runtime-error, config-error, no-app-file and unhealthy, which another version may
    cure, and after these the code of the cause that `diagnose` found; old-version (ours was built, and the one before
    goes on serving), overtaken (somebody pushed after it), no-capacity (the Hub has no such hardware free), stopped
    (paused or stopped meanwhile), no-address.
    """

    code = "deploy-failed"

    def __init__(
        self,
        message: str,
        *,
        release: Any,
        log_tail: Sequence[str] = (),
        built: bool = False,
        hint: str | None = None,
        codes: Sequence[str] = (),
        findings: Sequence[Finding] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.release, self.log_tail, self.built, self.codes = release, list(log_tail), built, tuple(codes)
        self.findings = tuple(findings)
        self.exit_code = 8 if built else 7

    @property
    def topic(self) -> str:
        """The code of the cause, where it is known."""
        return next((found.code for found in self.findings if found.code in self.codes), self.code)

    def as_dict(self) -> dict[str, Any]:
        """The error with its codes, what was found, and the last lines of the log that explains it."""
        return super().as_dict() | {"codes": list(self.codes), **_proof(self)}


def _proof(error: SpaceopsError) -> dict[str, Any]:
    return {"findings": [found.as_dict() for found in error.findings], "log_tail": list(error.log_tail)}


class RolledBack(DeployFailed):
    """The new version did not come up, and an earlier release was restored and runs: `restored`. `release` failed."""

    code = "rolled-back"
    exit_code = 9

    def __init__(self, cause: SpaceopsError, *, release: Any, restored: Any) -> None:
        super().__init__(
            f"{cause.message}; release {restored.record.restores} was restored and runs",
            release=release,
            log_tail=cause.log_tail,
            hint=f"spaceops releases {release.repo_id} diff {restored.record.restores} {release.number} shows what it "
            "had changed; correct that and deploy again.",
            codes=getattr(cause, "codes", (cause.code,)),
            findings=cause.findings,
        )
        self.restored = restored
        self.exit_code = 9


class TimedOut(SpaceopsError):
    """It did not happen within the time allowed. The Space goes on by itself; `spaceops wait` waits longer."""

    code = "timed-out"
    exit_code = 124

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        log_tail: Sequence[str] = (),
        findings: Sequence[Finding] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.log_tail, self.findings = list(log_tail), tuple(findings)

    def as_dict(self) -> dict[str, Any]:
        """The error with what was found, and the last lines of the log that was being written."""
        return super().as_dict() | _proof(self)


class NotebookFailed(SpaceopsError):
    """A cell of a notebook raised (exit code 1), or its kernel died (138).

    `cell` is its number, `output` the executed notebook, complete up to there.
    """

    code = "notebook-failed"

    def __init__(self, message: str, *, cell: int | None, output: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.cell, self.output = cell, output


class ExtraMissing(SpaceopsError):
    """An optional part of spaceops is not installed."""

    code = "extra-missing"

    def __init__(self, extra: str, *, for_what: str) -> None:
        super().__init__(f"{for_what} needs the extra '{extra}'", hint=f"pip install 'spaceops[{extra}]'")
        self.extra = extra
