"""Making plans: what a deploy or a rollback would change, seen without changing anything."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

from spaceops import errors, ledger
from spaceops.comparison import compare, compare_files, compare_trees
from spaceops.files import LocalFile, Source, scan
from spaceops.hub import Hub
from spaceops.hub.attributes import TRACKED
from spaceops.observed import Observed, RemoteFile
from spaceops.plans import PARTS, SETTINGS, FileChanges, Plan
from spaceops.records import Ledger, Record
from spaceops.secret import Secret, resolve
from spaceops.spec import FREE_HARDWARE, Health, Space, repo_id_of, volume_as_written
from spaceops.structs import convert

ATTRIBUTES = ".gitattributes"
HISTORY = 50  # releases that are looked through for one to go back to


def plan(
    space: Space,
    hub: Hub,
    only: Collection[str] | None = None,
    *,
    prune: bool | None = None,
    overwrite: bool = False,
    rotate: Collection[str] = (),
    source: Source | None = None,
) -> Plan:
    """What would change, without changing anything; `only` limits it to some of `spaceops.plans.PARTS`.

    `source` are the files, where they were looked up before. `prune` (of space.toml unless given) removes what is on
    the Hub only; `overwrite` allows to lose what somebody else changed there since the last release; `rotate` names
    secrets to send although they are unchanged. Four requests and who we are: the ledger, the Space, its variables, its
    secrets; the prices too when the hardware changes.
    """
    parts = _parts(only)
    prunes = space.prune if prune is None else prune
    source = scan(space, source) if "files" in parts else None
    secrets = {key: _resolved(key, space) for key in space.secrets} if "secrets" in parts else {}
    account, known, observed = _look(space.repo_id, hub)
    if not observed.exists and not parts >= SETTINGS:
        hint = "Create it with all its settings first: spaceops deploy, or the notebook 01_create."
        raise errors.NotFound(f"{space.repo_id} does not exist on {hub.endpoint}", hint=hint)
    prices = hub.hardware.prices() if _needs_prices(space, observed, parts) else {}
    for flavor in space.flavors if prices else ():
        if flavor not in prices:
            raise errors.SpecError("hardware", got=flavor, want=f"one of {', '.join(prices)}")
    files = FileChanges()
    overwrites: tuple[str, ...] = ()
    if source is not None:
        files = compare_files(
            source,
            observed,
            keep=space.keep,
            prune=prunes,
            written=lambda: ledger.files_written(space.repo_id, hub, known),
        )
        files = _with_attributes_of_hub(files, space.repo_id, hub)
        overwrites = () if overwrite else _overwrites(space.repo_id, hub, known, observed, files)
    return compare(
        space,
        observed,
        files,
        account=account,
        endpoint=hub.endpoint,
        secrets=secrets,
        prices=prices,
        parts=parts,
        prune=prunes,
        rotate=rotate,
        ledger=known,
        skipped=source.skipped if source else (),
        overwrites=overwrites,
    )


def plan_rollback(space: Space | str, hub: Hub, number: int | None = None) -> Plan:
    """What `rollback` would change, without changing anything."""
    repo_id = space.repo_id if isinstance(space, Space) else repo_id_of(space)
    account, known, observed = _look(repo_id, hub)
    current, target = _target(repo_id, hub, known, number)
    wanted = _space_of(target, repo_id)
    prices = hub.hardware.prices() if _needs_prices(wanted, observed, PARTS) else {}
    then = hub.files(repo_id, target.sha) if target.sha and target.sha != observed.sha else observed.files
    files = compare_trees(then, observed.files)
    if files.removed:
        others = set(files.removed) - ledger.files_written(repo_id, hub, known)
        files = replace(files, foreign=tuple(sorted(others)))
    return compare(
        wanted,
        observed,
        files,
        account=account,
        endpoint=hub.endpoint,
        secrets={},
        prices=prices,
        ledger=known,
        restores=target,
        added_since=_variables_of(current, repo_id, hub) - target.settings.variables.keys(),
    )


def _look(repo_id: str, hub: Hub) -> tuple[str, Ledger, Observed]:
    """Who we are, the ledger, and then the Space: were it observed first, a release in between would go unseen."""
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(ledger.read, repo_id, hub)
        account = hub.account  # a token that is not accepted is told as that, not as a missing Space
        known = reading.result()
    observed = hub.observe(repo_id)
    if observed.repo_id.lower() != repo_id.lower():  # its old name leads there, for reading; and perhaps not to us
        hint = f'Write repo_id = "{observed.repo_id}" into space.toml, if that is the Space you mean.'
        raise errors.NotFound(f"{repo_id} has another name now: {observed.repo_id}", hint=hint)
    return account, known, observed


def _target(repo_id: str, hub: Hub, known: Ledger, number: int | None) -> tuple[Record, Record]:
    """The newest release, and the one to go back to: `number`, else the last that ran before what runs now."""
    if not known.index.last:
        raise errors.NotFound(f"{repo_id} has no releases to go back to", hint="spaceops deploy makes the first one.")
    found = ledger.records(repo_id, hub, newest=known.index.last, count=1 if number else HISTORY)
    if not found:
        raise errors.NotFound(f"{repo_id}: release {known.index.last} is not in the ledger", hint="spaceops releases")
    newest = found[0]
    if number is not None:
        return newest, _finished(ledger.record_of(repo_id, hub, number), repo_id)
    if newest.outcome in ("deploying", "applied") and newest.restores is not None:  # it was interrupted
        return newest, ledger.record_of(repo_id, hub, newest.restores)
    before = newest.restores or newest.number
    for record in found:
        if record.outcome == "running" and record.number < before:
            return newest, record
    back = f", which went back to {before}" if newest.restores else ""
    said = f"{repo_id} is at release {newest.number}{back}, and no release before {before} was seen running"
    raise errors.NotFound(said, hint=f"spaceops releases {repo_id}; spaceops rollback {repo_id} N takes any of them.")


def _finished(record: Record, repo_id: str) -> Record:
    """A release to go back to: one that was interrupted never was what its record says."""
    if record.outcome == "deploying":
        hint = f"The command that began it completes it; spaceops releases {repo_id} shows the others."
        raise errors.NotFound(f"{repo_id}: release {record.number} was not finished", hint=hint)
    return record


def _variables_of(newest: Record, repo_id: str, hub: Hub) -> set[str]:
    """The variables of the newest release; of one that was interrupted those too that it may not have removed yet."""
    before = ledger.records(repo_id, hub, newest=newest.number - 1, count=newest.outcome == "deploying")
    return {key for record in (newest, *before) for key in record.settings.variables}


def _space_of(record: Record, repo_id: str) -> Space:
    """The Space as an old release wanted it, but for its visibility, and its secrets, whose values are nowhere."""
    settings = record.settings
    return Space(
        repo_id=repo_id,
        hardware=settings.hardware,
        sleep_time=None if settings.hardware == FREE_HARDWARE else settings.sleep_time,
        variables=dict(settings.variables),
        volumes=tuple(map(volume_as_written, settings.volumes)),
        health=convert(record.health, Health),
        on_failure="keep",
    )


def _with_attributes_of_hub(files: FileChanges, repo_id: str, hub: Hub) -> FileChanges:
    """With the lines that the Hub has added for large files, our `.gitattributes` is still ours."""
    ours = files.changed.get(ATTRIBUTES)
    if not isinstance(ours, LocalFile):
        return files
    content, there = ours.path.read_bytes(), hub.read(repo_id, ATTRIBUTES)
    added = there[len(content) :].decode(errors="replace").split("\n")
    if not there.startswith(content) or not all(line.endswith(TRACKED) for line in added if line):
        return files
    return replace(files, changed={path: file for path, file in files.changed.items() if path != ATTRIBUTES})


def _overwrites(repo_id: str, hub: Hub, known: Ledger, observed: Observed, files: FileChanges) -> tuple[str, ...]:
    """The files that somebody else changed on main since the last release, and that this plan would lose.

    Where that release's commit is gone, its history rewritten, nothing tells whose any of them is.
    """
    if known.index.sha in (None, observed.sha) or not (files.changed or files.removed):
        return ()
    then: Mapping[str, RemoteFile] = {}
    with suppress(errors.NotFound):
        then = hub.files(repo_id, _pushed_last(repo_id, hub, known))
    lost = files.changed.keys() | (then.keys() & set(files.removed))  # what came since is removed by --prune alone
    return tuple(sorted(path for path in lost if observed.files.get(path) != then.get(path)))


def _pushed_last(repo_id: str, hub: Hub, known: Ledger) -> str:
    """The newest commit of ours on main: that of a release which was interrupted is not in the ledger yet."""
    if known.index.outcome == "deploying":
        trailer = f"Spaceops-Release: {known.index.last}"
        for commit in hub.branch(repo_id, "main").history(HISTORY):
            if commit.sha == known.index.sha:
                break
            if trailer in commit.message.splitlines():
                return commit.sha
    return str(known.index.sha)


def _parts(only: Collection[str] | None) -> frozenset[str]:
    parts = PARTS if only is None else frozenset(only)
    if unknown := parts - PARTS:
        raise errors.BadInput(f"only: there is no part {min(unknown)!r}", hint=f"One of {', '.join(sorted(PARTS))}.")
    return parts


def _needs_prices(space: Space, observed: Observed, parts: Collection[str]) -> bool:
    changes = bool(space.flavors) and observed.hardware not in space.flavors
    return "hardware" in parts and (changes or space.limits.max_hourly_cost is not None)


def _resolved(key: str, space: Space) -> Secret | None:
    try:
        return resolve(key, space.secrets[key], space.folder)
    except errors.SecretMissing:
        return None  # a plan can be read without it; apply says where it looked
