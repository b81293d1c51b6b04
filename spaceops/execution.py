"""Carrying a plan out, under the lock of the Space: in the order and number of calls that restart it least."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from spaceops import errors
from spaceops.comparison import volumes_wanted
from spaceops.events import Event, happened
from spaceops.files import remember
from spaceops.ledger import Hold, files_written, held, record_of
from spaceops.provenance import origin_of
from spaceops.push import TRANSPORTS, Land, restoring
from spaceops.records import Origin, Record, Settings
from spaceops.secret import Secret, described, without_fingerprint
from spaceops.spec import FREE_HARDWARE, NEVER, short

if TYPE_CHECKING:
    from spaceops.hub import Hub
    from spaceops.plans import Change, Plan

Watcher = Callable[[Event], None]

AT_ONCE = 4  # variables and secrets that are sent side by side: the closer they come, the fewer restarts they make
SETTINGS_ROWS = frozenset({"visibility", "hardware", "sleep_time", "variable", "secret", "volumes"})


@dataclass
class Execution:
    """A plan on its way: what is known of the release while it is made."""

    plan: Plan
    hub: Hub
    tell: Watcher
    seconds: dict[str, float] = field(default_factory=dict)
    flavor: str | None = None  # the hardware that the Hub had
    begun: Record | None = None  # the same release, as one who was interrupted has left it
    written: frozenset[str] = frozenset()  # the files that releases before this one have written

    def __post_init__(self) -> None:
        self.flavor = self.plan.flavor

    def run(self) -> Record:
        """Do it all; the record of the release as it was applied.

        A new Space is created first, in one call with all its settings. Content goes up before the lock is taken,
        where nobody sees it; then come the settings, back to back, and at once the one commit, which rebuilds anyway.
        """
        plan = self.plan
        hold = Hold(plan.space.repo_id, self.hub, plan.ledger, plan.account)
        hold.check()
        self._read_before()
        origin = None if plan.restores else origin_of(plan.space.root)
        descriptions = self._descriptions()
        with ExitStack() as stack:
            if plan.creates:
                with timed(self.seconds, "settings"):
                    self._create(descriptions)
            land = stack.enter_context(self._prepared()) if plan.files else None
            stack.enter_context(held(hold))
            record = self._claimed(hold, origin)
            may_write = {*self.written, *plan.files.written} if plan.files else None
            hold.claim(record, start=plan.observed.sha, files=may_write, secrets=self._versions())
            self._say_whose_lock(hold)
            if not plan.creates:
                with timed(self.seconds, "settings"):
                    self._change_settings(hold, descriptions)
            sha = plan.observed.sha
            if land:
                with timed(self.seconds, "push"):
                    hold.keep()
                    sha = land(self._message(hold.number, origin))
                self.tell(step(f"pushed {short(sha)}: {plan.files}"))
            record = replace(record, outcome="applied", sha=sha, settings=self._settings(), seconds=dict(self.seconds))
            hold.finish(record, self._files(), sha=sha, secrets=self._versions())
        remember(plan.files.written.values())
        return record

    def _read_before(self) -> None:
        """What an interrupted one has left of this release, and whose files are whose."""
        repo_id, known = self.plan.space.repo_id, self.plan.ledger
        if known.index.outcome == "deploying":
            with suppress(errors.NotFound):
                self.begun = record_of(repo_id, self.hub, known.index.next)
        if self.plan.files or self.begun:
            self.written = files_written(repo_id, self.hub, known)

    def _say_whose_lock(self, hold: Hold) -> None:
        if lock := hold.taken_from:
            self.tell(step(f"took over the lock that {lock.by} has left since {lock.since}"))

    # a new Space

    def _create(self, descriptions: Mapping[str, str]) -> None:
        plan, space = self.plan, self.plan.space
        settings: dict[str, Any] = {
            "space_sleep_time": space.sleep_seconds if plan.has("sleep_time") else None,
            "space_variables": [{"key": key, "value": value} for key, value in space.environment.items()],
            "space_secrets": [
                {"key": key, "value": secret.reveal(), "description": descriptions[key]}
                for key, secret in plan.secrets.items()
            ],
            "space_volumes": volumes_wanted(space.volumes),
        }
        given = {key: value for key, value in settings.items() if value}

        def create(flavor: str | None) -> None:
            hardware = {"space_hardware": flavor} if flavor else {}
            self.hub.create(space.repo_id, visibility=space.visibility, settings=given | hardware)

        self._with_hardware(create)
        variables, secrets = len(space.variables), len(plan.secrets)
        counts = f"{variables} variable{'s' * (variables != 1)} and {secrets} secret{'s' * (secrets != 1)}"
        self.tell(step(f"created {space.repo_id} with {counts}"))

    # one that exists

    def _change_settings(self, hold: Hold, descriptions: Mapping[str, str]) -> None:
        """What goes first: names must be free before they are used, and variables and secrets come close together."""
        changers: dict[tuple[str, bool], Callable[[str], None]] = {
            ("visibility", False): lambda _: self._set_visibility(hold),
            ("hardware", False): self._set_hardware,
            ("sleep_time", False): self._set_sleep_time,
            ("variable", False): self._set_variable,
            ("variable", True): self._delete_variable,
            ("secret", False): lambda key: self._set_secret(key, descriptions[key]),
            ("secret", True): self._delete_secret,
            ("volumes", False): self._set_volumes,
            ("volumes", True): self._delete_volumes,
        }

        def make(change: Change) -> None:
            changers[change.subject, change.sign == "-"](change.key or "")

        due = [change for change in self.plan.changes if change.counts and change.subject in SETTINGS_ROWS]
        together = [change for change in due if change.key and change.sign != "-"]
        for change in sorted((change for change in due if change not in together), key=lambda one: one.sign != "-"):
            hold.keep()
            make(change)
            self._say_changed(change)
        hold.keep()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for change, _ in zip(together, pool.map(make, together), strict=True):
                self._say_changed(change)
                hold.keep()

    def _say_changed(self, change: Change) -> None:
        done = "deleted" if change.sign == "-" else "set"
        is_other = change.subject == "hardware" and self.flavor != self.plan.flavor  # than the one that was planned
        self.tell(step(f"{done} {change.subject} {self.flavor if is_other else change.key or change.text}"))

    def _set_visibility(self, hold: Hold) -> None:
        wanted = self.plan.space.visibility
        if wanted == "public":  # everybody can read the ledger from then on
            hold.forget_evidence()
        if wanted:
            self.hub.set_visibility(self.plan.space.repo_id, wanted)

    def _set_hardware(self, _key: str) -> None:
        repo_id, idle = self.plan.space.repo_id, self._idle()
        self._with_hardware(lambda flavor: self.hub.hardware.set(repo_id, flavor or FREE_HARDWARE, sleep_time=idle))

    def _with_hardware(self, ask: Callable[[str | None], object]) -> None:
        """Ask for the hardware of the plan, and where the Hub has none of it, for the next in order of preference."""
        flavors = self.plan.space.flavors or (self.flavor,)
        for flavor in flavors:
            try:
                ask(flavor)
            except errors.NoCapacity as error:
                if flavor == flavors[-1]:
                    raise
                self.tell(step(f"{error.message}: trying the next"))
            else:
                self.flavor = flavor
                return

    def _set_sleep_time(self, _key: str) -> None:
        seconds = self.plan.space.sleep_seconds
        if seconds is not None and not self.plan.has("hardware"):  # else it went along with the hardware
            self.hub.hardware.set_sleep_time(self.plan.space.repo_id, seconds)

    def _set_variable(self, key: str) -> None:
        space, words = self.plan.space, self.plan.observed.descriptions.get(key)
        self.hub.variables.set(space.repo_id, key, space.environment[key], description=words)

    def _delete_variable(self, key: str) -> None:
        self.hub.variables.delete(self.plan.space.repo_id, key)

    def _set_secret(self, key: str, description: str) -> None:
        self.hub.secrets.set(self.plan.space.repo_id, key, self.plan.secrets[key], description=description)

    def _delete_secret(self, key: str) -> None:
        self.hub.secrets.delete(self.plan.space.repo_id, key)

    def _set_volumes(self, _key: str) -> None:
        self.hub.volumes.set(self.plan.space.repo_id, volumes_wanted(self.plan.space.volumes))

    def _delete_volumes(self, _key: str) -> None:
        self.hub.volumes.delete(self.plan.space.repo_id)

    # the commit

    @contextmanager
    def _prepared(self) -> Iterator[Land]:
        """The commit, ready to land: what can go up before the lock is taken has gone up."""
        plan, parent = self.plan, self.plan.observed.sha
        landing: AbstractContextManager[Land]
        if plan.restores and plan.restores.sha and parent:
            landing = restoring(self.hub, plan.space.repo_id, commit=plan.restores.sha, parent=parent)
        else:
            transport = TRANSPORTS[plan.space.transport]
            files = plan.files
            landing = transport(self.hub, plan.space.repo_id, write=files.written, remove=files.removed, parent=parent)
        with ExitStack() as stack:
            with timed(self.seconds, "upload"):
                land = stack.enter_context(landing)
            yield land

    def _message(self, number: int, origin: Origin | None) -> str:
        what = f"Roll back to release {self.plan.restores.number}" if self.plan.restores else "Deploy"
        trailers = [f"Spaceops-Release: {number}"]
        if origin:
            trailers += [f"Source-Commit: {origin.commit}", f"Source-Dirty: {str(origin.dirty).lower()}"]
        return f"{what}: {self.plan.files}\n\n" + "\n".join(trailers)

    # the record

    def _claimed(self, hold: Hold, origin: Origin | None) -> Record:
        """The release as it is about to be made, with what an interrupted one has made of it."""
        plan, space, begun = self.plan, self.plan.space, self.begun
        done = [*(begun.changes if begun else ()), *(change.brief for change in plan.changes if change.counts)]
        changes = dict[str, str]()
        for change in done:
            changes.setdefault(change[2:], change)  # of the same thing the first
        return Record(
            number=hold.number,
            outcome="deploying",
            by=plan.account,
            started=begun.started if begun else hold.now.isoformat(),
            sha=plan.observed.sha,
            restores=plan.restores.number if plan.restores else None,
            origin=origin,
            settings=self._settings(),
            health=msgspec.to_builtins(space.health),
            on_failure=space.on_failure,
            changes=tuple(changes.values()),
        )

    def _settings(self) -> Settings:
        """What the Space is left with, of variables and secrets those that space.toml names."""
        plan, space, observed = self.plan, self.plan.space, self.plan.observed
        set_now = {change.key for change in plan.changes if change.subject == "variable" and change.counts}
        there = {key for key in space.environment if key in observed.variables or key in set_now}
        versions = self._versions()
        known = plan.restores.settings.secrets if plan.restores else space.secrets
        hardware = self.flavor if plan.has("hardware") else observed.hardware
        return Settings(
            visibility=(space.visibility if plan.has("visibility") or plan.creates else None) or observed.visibility,
            hardware=hardware,
            sleep_time=self._sleep_time(hardware),
            variables={
                key: space.environment[key] if key in set_now else observed.variables[key] for key in sorted(there)
            },
            secrets={key: versions.get(key, 0) for key in known if key in plan.secrets or key in observed.secrets},
            volumes=tuple(
                volumes_wanted(space.volumes) if plan.has("volumes") else map(dict, observed.runtime.volumes)
            ),
        )

    def _sleep_time(self, hardware: str | None) -> int | None:
        """The sleep time it is left with; the free hardware has its own."""
        idle = self._idle() if self.plan.has("hardware") else self.plan.observed.runtime.sleep_time
        if self.plan.has("sleep_time"):
            idle = self.plan.space.sleep_seconds
        return None if hardware == FREE_HARDWARE else NEVER if idle is None else idle

    def _idle(self) -> int | None:
        """The sleep time that goes along with other hardware: without one the Hub begins anew with never."""
        plan, runtime = self.plan, self.plan.observed.runtime
        if plan.has("sleep_time"):
            return plan.space.sleep_seconds
        paid = plan.observed.exists and plan.observed.hardware != FREE_HARDWARE
        return runtime.sleep_time if paid and plan.flavor != FREE_HARDWARE else None

    def _versions(self) -> dict[str, int]:
        """The release that last sent each secret; of one whose sender is unknown, the first that finds it there."""
        plan, index = self.plan, self.plan.ledger.index
        gone = {change.key for change in plan.changes if change.subject == "secret" and change.sign == "-"}
        same = {change.key: index.next for change in plan.changes if change.subject == "secret" and change.sign == "="}
        kept = {key: number for key, number in (same | dict(index.secrets)).items() if key and key not in gone}
        return kept | dict.fromkeys(plan.secrets, index.next)

    def _files(self) -> list[str] | None:
        """The files on main that releases wrote; None where that stays as it was claimed."""
        files = self.plan.files
        if not files and not self.begun:
            return None
        there = (self.plan.observed.files.keys() | files.written) - set(files.removed)
        now = (self.written | files.written.keys()) & there
        return sorted(now) if now != self.written | files.written.keys() else None

    def _descriptions(self) -> dict[str, str]:
        """The description for each secret that is sent. Fingerprints are slow by design: they are made side by side."""

        def make(item: tuple[str, Secret]) -> str:
            key, secret = item
            found = self.plan.observed.secrets.get(key)
            words = found.description if found else None
            return described(words, secret) if self.plan.space.fingerprints else without_fingerprint(words)

        with ThreadPoolExecutor() as pool:
            return dict(zip(self.plan.secrets, pool.map(make, self.plan.secrets.items()), strict=True))


def refuse_unready(plan: Plan) -> None:
    """Raise what stands against applying a plan, before anything changes: a limit, another's commits."""
    if plan.over_limit:
        hint = "Choose other hardware, or raise [limits] max_hourly_cost in space.toml."
        raise errors.OverLimit(f"{plan.space.repo_id}: {plan.over_limit}", hint=hint)
    if plan.overwrites:
        files = ", ".join(plan.overwrites[:5]) + (" …" if len(plan.overwrites) > 5 else "")
        said = f"{plan.space.repo_id}: somebody else has changed {files} on the Hub since the last release"
        hint = f"spaceops plan {plan.space.repo_id} --drift shows it; take the changes over, or use --overwrite."
        raise errors.Conflict(said, hint=hint)


def step(text: str) -> Event:
    """Something that a deploy did."""
    return happened("step", text)


@contextmanager
def timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Note how long a step took."""
    start = time.monotonic()
    try:
        yield
    finally:
        seconds[name] = round(seconds.get(name, 0.0) + time.monotonic() - start, 2)
