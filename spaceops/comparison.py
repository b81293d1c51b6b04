"""How a Space that is differs from one that is wanted. `compare()` is pure: nothing is asked, nothing happens."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from spaceops.errors import BadInput
from spaceops.files import Source
from spaceops.ignorerules import Rules
from spaceops.observed import Observed, RemoteFile
from spaceops.plans import NOTHING, PARTS, Change, Effect, FileChanges, Plan, money
from spaceops.records import Ledger, Record
from spaceops.secret import Secret, matches, without_fingerprint
from spaceops.spec import FREE_HARDWARE, NEVER, Space, Volume, idle

KEPT = frozenset({".gitattributes"})  # the Hub writes it, and large files depend on it
NAMED = 3  # files that a row names; the others it counts

_URI_KINDS = {"buckets": "bucket", "models": "model", "datasets": "dataset", "spaces": "space"}

# What variables, secrets, hardware and volumes do to a Space at each stage, and what a commit does. At all other
# stages the ones restart it, and the other rebuilds it.
_LATER = (Effect.NONE, "at the next start")
_MEANWHILE = (Effect.NONE, "with the build under way")
_SETTING_AT = {
    "NONE": (Effect.NONE, ""),  # a new Space starts once, with all its settings
    "NO_APP_FILE": (Effect.NONE, ""),
    "PAUSED": _LATER,
    "STOPPED": _LATER,
    "SLEEPING": _LATER,
    "BUILDING": _MEANWHILE,
    "RUNNING_BUILDING": _MEANWHILE,
}
_COMMIT_AT = {
    "NONE": (Effect.REBUILD, "builds"),
    "NO_APP_FILE": (Effect.REBUILD, "builds"),
    "PAUSED": (Effect.NONE, "built at the next start"),
    "STOPPED": (Effect.NONE, "built at the next start"),
}


def compare(
    space: Space,
    observed: Observed,
    files: FileChanges,
    *,
    account: str,
    endpoint: str,
    secrets: Mapping[str, Secret | None],
    prices: Mapping[str, float],
    ledger: Ledger | None = None,
    parts: Collection[str] = PARTS,
    prune: bool = False,
    rotate: Collection[str] = (),
    skipped: Sequence[str] = (),
    overwrites: tuple[str, ...] = (),
    restores: Record | None = None,
    added_since: Collection[str] = (),
) -> Plan:
    """The plan that takes `observed` to `space`, with `files` as `compare_files` or `compare_trees` found them.

    `secrets` are the resolved ones, None where a reference leads nowhere; `prices` are dollars an hour by flavor;
    `parts` limits the plan; `prune` removes variables and secrets that are on the Hub only; `rotate` names secrets that
    are sent although they are unchanged; `skipped` are files that cannot be pushed, `overwrites` those that somebody
    else changed on the Hub; a rollback `restores` a release and removes the variables `added_since`. Raises `BadInput`
    for a name to rotate that is no secret.
    """
    _refuse_unknown(rotate, space.secrets)
    between = _Between(
        space=space,
        observed=observed,
        files=files,
        secrets=secrets if "secrets" in parts else {},
        prices=prices,
        ledger=ledger or Ledger(),
        parts=parts,
        prune=prune,
        rotate=rotate,
        skipped=skipped,
        overwrites=overwrites,
        restores=restores,
        added_since=added_since,
    )
    return Plan(
        space,
        observed,
        account,
        endpoint,
        tuple(between.rows()),
        files,
        between.to_send,
        tuple(key for key, secret in between.secrets.items() if secret is None),
        ledger=between.ledger,
        restores=restores,
        overwrites=overwrites,
        over_limit=between.over_limit,
    )


def compare_files(
    source: Source,
    observed: Observed,
    *,
    keep: Sequence[str] = (),
    prune: bool = False,
    written: Callable[[], Collection[str]] = frozenset,
) -> FileChanges:
    """What a push of `source` would write and remove.

    Of the files that are on the Hub only, it removes those that an earlier release wrote (`written` is asked for them
    only if there are any), and with `prune` all; never those that a pattern of `keep` matches.
    """
    same = source.same_as(observed.files)
    added = {path: file for path, file in source.files.items() if path not in observed.files}
    changed = {path: file for path, file in source.files.items() if path in observed.files and path not in same}
    kept = Rules.of(*keep)
    others = [path for path in observed.files.keys() - source.files.keys() - KEPT if not kept.covers(path)]
    ours = set(others) if prune or not others else set(others) & set(written())
    return FileChanges(added, changed, tuple(sorted(ours)), tuple(sorted(set(others) - ours)))


def compare_trees(then: Mapping[str, RemoteFile], now: Mapping[str, RemoteFile]) -> FileChanges:
    """What bringing back the files of `then` would write and remove."""
    added = {path: file for path, file in then.items() if path not in now}
    changed = {path: file for path, file in then.items() if path in now and now[path] != file}
    return FileChanges(added, changed, tuple(sorted(now.keys() - then.keys())))


def volumes_wanted(volumes: tuple[Volume, ...]) -> list[dict[str, Any]]:
    """The volumes of space.toml in the Hub's form: type, source, mountPath, readOnly, and what else is given."""
    return [_volume(volume) for volume in volumes]


def _volume(volume: Volume) -> dict[str, Any]:
    path = volume.source.removeprefix("hf://")
    kind, _, source = path.partition("/")
    if kind not in _URI_KINDS:  # hf://owner/name is a model
        kind, source = "models", path
    read_only = volume.read_only or kind != "buckets"
    more = {key: value for key, value in (("revision", volume.revision), ("path", volume.path)) if value}
    return {"type": _URI_KINDS[kind], "source": source, "mountPath": volume.mount, "readOnly": read_only, **more}


@dataclass(frozen=True, kw_only=True)
class _Between:
    """What is wanted and what is, with all that lies between: each method finds the rows of one part."""

    space: Space
    observed: Observed
    files: FileChanges
    secrets: Mapping[str, Secret | None]
    prices: Mapping[str, float]
    ledger: Ledger
    parts: Collection[str]
    prune: bool
    rotate: Collection[str]
    skipped: Sequence[str]
    overwrites: Sequence[str]
    restores: Record | None
    added_since: Collection[str]

    def rows(self) -> Iterator[Change]:
        """All of them, in the order in which a plan shows them."""
        parts: dict[str, Callable[[], Iterator[Change]]] = {
            "visibility": self.visibility,
            "hardware": self.hardware,
            "sleep_time": self.sleep_time,
            "variables": self.variables,
            "secrets": self.secret_rows,
            "volumes": self.volumes,
            "files": self.file_rows,
        }
        yield from self.creation()
        for part, rows in parts.items():
            if part in self.parts:
                yield from rows()
        yield from self.obstacles()

    def setting(self, sign: str, subject: str, text: str, key: str | None = None, *, said: str = "") -> Change:
        """A row about something that the app sees when it starts."""
        effect, note = self._of_settings
        return Change(sign, subject, text, _set(effect), ", ".join(filter(None, [said, note])), key)

    @cached_property
    def _of_settings(self) -> tuple[Effect, str]:
        stage = self.observed.stage
        if stage == "CONFIG_ERROR":  # settings cure one cause of it: a name that is both a variable and a secret
            return (Effect.REBUILD, "rebuilds") if self._cures_a_collision else (Effect.NONE, "with the next build")
        if stage == "BUILD_ERROR":  # who would start an app finds that the newest commit is not built
            was_built = self.observed.runtime.sha or self.ledger.index.good
            return (Effect.REBUILD, "builds again") if was_built else (Effect.NONE, "with the next build")
        return _SETTING_AT.get(stage, (Effect.RESTART, "restarts"))

    @property
    def _cures_a_collision(self) -> bool:
        both = self.observed.variables.keys() & self.observed.secrets.keys()
        variables = self.space.variables.keys() | self.added_since if "variables" in self.parts else frozenset()
        pruned = both if self.prune and {"variables", "secrets"} & set(self.parts) else frozenset()
        return bool(both) and both <= variables | self.secrets.keys() | pruned

    @property
    def _foreign(self) -> str:
        """Why something on the Hub only is none of ours."""
        return f"not of release {self.restores.number}" if self.restores else "not in space.toml"

    # the Space itself

    def creation(self) -> Iterator[Change]:
        """The row of a Space that is new."""
        if not self.observed.exists:
            yield Change("+", "space", f"docker, {self.space.visibility or 'default visibility'}")

    def visibility(self) -> Iterator[Change]:
        """Who may see it. That is never rolled back: a release may have been made private for a reason."""
        was, wanted = self.observed.visibility, self.space.visibility
        then = self.restores.settings.visibility if self.restores else None
        if self.restores and then and then != was:
            yield Change("!", "visibility", str(was), note=f"was {then} at release {self.restores.number}, stays")
        elif self.observed.exists and wanted and wanted != was:
            effects = _set(Effect.DOWNTIME) if wanted == "private" else NOTHING
            yield Change("~", "visibility", f"{was} -> {wanted}", effects, _VISIBILITY[wanted])

    @property
    def _flavor(self) -> str:
        """The hardware from then on; one further down the list of choices is kept: the first may not be there."""
        now, flavors = self.observed.hardware, self.space.flavors
        stays = self.observed.exists and (now in flavors or "hardware" not in self.parts)
        return now if stays or not flavors else flavors[0]

    def hardware(self) -> Iterator[Change]:
        """The machine, and what it costs more or less."""
        now, wanted, is_new = self.observed.hardware, self._flavor, not self.observed.exists
        if wanted == now:
            if now not in self.space.flavors[:1] and self.space.flavors:
                yield Change("=", "hardware", now, note=f"{self.space.flavors[0]} is the first choice")
            return
        cost = round(self.prices.get(wanted, 0.0) - (0.0 if is_new else self.prices.get(now, 0.0)), 4)
        text = wanted if is_new else f"{now} -> {wanted}"
        row = self.setting("+" if is_new else "~", "hardware", text, said=money(cost) if cost else "")
        yield replace(row, hourly_cost=cost, effects=row.effects | (_set(Effect.MONEY) if cost else NOTHING))

    def sleep_time(self) -> Iterator[Change]:
        """When it goes to sleep. That restarts nothing, and the Hub forgets it with a change of the hardware."""
        if self.space.sleep_seconds is None:
            return
        wanted = None if self.space.sleep_seconds == NEVER else self.space.sleep_seconds
        was, moves = self.observed.runtime.sleep_time, self._flavor != self.observed.hardware
        if self._flavor == FREE_HARDWARE:
            yield Change("!", "sleep_time", idle(wanted), note=f"{FREE_HARDWARE} sleeps after 2d, whatever is asked")
        elif not self.observed.exists:
            yield Change("+", "sleep_time", idle(wanted))
        elif wanted != was:
            yield Change("~", "sleep_time", f"{idle(was)} -> {idle(wanted)}")
        elif wanted and moves and "hardware" in self.parts:
            yield Change("~", "sleep_time", idle(wanted), note="kept on the new hardware")

    # variables and secrets: the Hub refuses a name that is both

    def variables(self) -> Iterator[Change]:
        """The variables that are wanted, then those that are on the Hub only."""
        there, ours = self.observed.variables, self.space.environment
        for key, value in ours.items():
            if key not in there:
                yield self.setting("+", "variable", f"{key} = {value}", key)
            elif there[key] != value:
                yield self.setting("~", "variable", f"{key} = {there[key]} -> {value}", key)
        for key in sorted(there.keys() - ours.keys() - self.space.secrets.keys()):
            if self.restores and key in self.added_since:
                yield self.setting("-", "variable", key, key, said=f"came after release {self.restores.number}")
            else:
                yield self._unmanaged("variable", key)
        for key in sorted(self.observed.secrets.keys() & ours.keys()):
            yield _destroying(self.setting("-", "secret", key, key, said="becomes a variable"))

    def secret_rows(self) -> Iterator[Change]:
        """The secrets that are wanted, then those that are on the Hub only."""
        if self.restores:
            yield from self._restored_secrets(self.restores)
            return
        for key, secret in self.secrets.items():
            yield self._secret(key, secret)
        for key in sorted(self.observed.secrets.keys() - self.secrets.keys() - self.space.variables.keys()):
            yield self._unmanaged("secret", key)
        for key in sorted(self.observed.variables.keys() & self.secrets.keys()):
            yield self.setting("-", "variable", key, key, said="becomes a secret")

    @cached_property
    def _same(self) -> Mapping[str, bool | None]:
        """Whether each resolved secret is the one on the Hub, None where nothing tells."""
        resolved = {key: secret for key, secret in self.secrets.items() if secret is not None}
        return _fingerprints(resolved, self.observed, enabled=self.space.fingerprints)

    @property
    def to_send(self) -> dict[str, Secret]:
        """The secrets that are not there, or are others there, or are to be sent again."""
        resolved = ((key, secret) for key, secret in self.secrets.items() if secret is not None)
        there = self.observed.secrets
        return {k: secret for k, secret in resolved if k not in there or not self._same[k] or k in self.rotate}

    def _secret(self, key: str, secret: Secret | None) -> Change:
        is_there = key in self.observed.secrets
        if secret is None:
            known = "unknown" if is_there else "missing"
            return Change("!", "secret", key, note=f"{known}: cannot be resolved here", key=key)
        if not is_there:
            return self.setting("+", "secret", key, key)
        if not self._same[key]:
            return self.setting("~", "secret", key, key, said=self._unknown(key) if self._same[key] is None else "")
        if key in self.rotate:
            return self.setting("~", "secret", key, key, said="sent again")
        age = _days(self.observed.secrets[key].updated, self.ledger.now)
        return Change("=", "secret", key, note=f"unchanged, {age}d old" if age else "unchanged", key=key)

    def _unknown(self, key: str) -> str:
        """What is known of a secret without a fingerprint: a Hub that shows no descriptions never has one."""
        sent = self.ledger.index.secrets.get(key)
        is_ours = sent is not None and not self.observed.secrets[key].description
        return f"the fingerprint of release {sent} is not there, sent again" if is_ours else "set by hand"

    def _unmanaged(self, subject: str, key: str) -> Change:
        if self.prune:
            return _destroying(self.setting("-", subject, key, key, said=self._foreign))
        return Change("!", subject, key, note=f"{self._foreign}, left alone", key=key)

    def _restored_secrets(self, release: Record) -> Iterator[Change]:
        """What becomes of the secrets in a rollback: their old values are nowhere, so they all stay as they are."""
        there = self.observed.secrets.keys() - self.space.variables.keys()
        for key, version in release.settings.secrets.items():
            yield (
                self._restored(key, version, release)
                if key in there
                else Change("!", "secret", key, note="cannot be restored: spaceops secrets set", key=key)
            )
        for key in sorted(there - release.settings.secrets.keys()):
            came = f"came after release {release.number}, stays"
            note = came if key in self.ledger.index.secrets else f"{self._foreign}, left alone"
            yield Change("!", "secret", key, note=note, key=key)

    def _restored(self, key: str, version: int, release: Record) -> Change:
        """A secret that is there: of the same version, of a newer one, or nobody knows."""
        newest, remote = self.ledger.index.secrets.get(key, 0), self.observed.secrets[key]
        if newest != version:
            set_by = f"as release {newest} set it" if newest else "as it is"
            gone = f"its value of release {release.number} is gone; it stays {set_by}"
            return Change("!", "secret", key, note=gone, key=key)
        if version < release.number and remote.updated and _moment(remote.updated) > _moment(release.started):
            note = f"set by hand since release {release.number}: that value is gone; it stays as it is"
            return Change("!", "secret", key, note=note, key=key)
        if without_fingerprint(remote.description) == (remote.description or ""):
            note = "stays as it is: without a fingerprint nothing tells whether it was changed"
            return Change("!", "secret", key, note=note, key=key)
        return Change("=", "secret", key, note="unchanged", key=key)

    # volumes and files

    def volumes(self) -> Iterator[Change]:
        """The folders; none in space.toml leaves them alone, none in a release that is restored takes them away."""
        wanted, there = volumes_wanted(self.space.volumes), list(self.observed.runtime.volumes)
        if _comparable(wanted) == _comparable(there):
            return
        gone = [volume for volume in there if volume.get("mountPath") not in {new["mountPath"] for new in wanted}]
        if wanted:
            said = f"detaches {_places(gone)}" if gone else ""
            yield self.setting("~" if there else "+", "volumes", _places(wanted), said=said)
        elif self.restores:
            said = f"came after release {self.restores.number}, detached, keeps its content"
            yield self.setting("-", "volumes", _places(there), said=said)

    def file_rows(self) -> Iterator[Change]:
        """What is pushed, and what is to be known of files that are not."""
        files = self.files
        for path in self.skipped:
            yield Change("!", "files", path, note="a link that leads nowhere or elsewhere, not pushed")
        if files:
            effect, note = _COMMIT_AT.get(self.observed.stage, (Effect.REBUILD, "rebuilds"))
            yield Change("~" if self.observed.exists else "+", "files", str(files), _set(effect), note)
        if files.foreign and self.observed.exists:
            said = "of no release, goes; the history of main keeps it" if self.restores else _LEFT
            yield Change("!", "files", _some(files.foreign), note=said)
        if self.overwrites:
            note = "changed on the Hub by somebody else: take that over, or use --overwrite"
            yield Change("!", "files", _some(self.overwrites), note=note)

    # what stands in the way

    def obstacles(self) -> Iterator[Change]:
        """What apply refuses, or does first."""
        index, now = self.ledger.index, self.ledger.now
        if self.over_limit:
            yield Change("!", "limits", "max_hourly_cost", note=f"{self.over_limit}: apply refuses")
        if index.lock:
            until = _moment(index.lock.until).strftime("%H:%M UTC")
            note = f"is deploying, until {until} or the end of the process"
            if index.lock.is_over(now):
                note = f"has left a lock at {until}: apply takes it over"
            yield Change("!", "lock", index.lock.by, note=note)
        elif index.outcome == "deploying":
            yield Change("!", "release", str(index.last), note="was not finished: apply completes it")

    @property
    def over_limit(self) -> str | None:
        """Why the hardware costs more than [limits] allows: what it has, or whatever may be asked for."""
        most, now, flavors = self.space.limits.max_hourly_cost, self.observed.hardware, self.space.flavors
        if most is None or "hardware" not in self.parts:
            return None
        asked = (now,) if self._flavor == now else flavors
        cost, flavor = max((self.prices.get(flavor, 0.0), flavor) for flavor in asked)
        return f"{flavor} costs ${cost:.2f}/h, more than ${most:.2f}/h" if cost > most else None


_LEFT = "not in the source, left there (--prune removes)"
_VISIBILITY = {
    "private": "only with a token from then on",
    "protected": "everybody can use the app",
    "public": "everybody can read its files, variables and releases",
}


def _refuse_unknown(rotate: Collection[str], secrets: Mapping[str, str]) -> None:
    for name in rotate:
        if name not in secrets:
            near = difflib.get_close_matches(name, secrets, n=1) or sorted(secrets)
            hint = f"Did you mean {' or '.join(near)}?" if near else "Secrets stand under [secrets] in space.toml."
            raise BadInput(f"rotate: space.toml has no secret {name}", hint=hint)


def _set(effect: Effect) -> frozenset[Effect]:
    return frozenset({effect}) if effect is not Effect.NONE else NOTHING


def _destroying(change: Change) -> Change:
    return replace(change, effects=change.effects | {Effect.DESTROYS}, note=f"{change.note}, destroys its value")


def _days(updated: str | None, now: datetime) -> int:
    return max(0, (now - _moment(updated)).days) if updated else 0


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _some(paths: Sequence[str]) -> str:
    more = len(paths) - NAMED
    return ", ".join(paths[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _places(volumes: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{volume.get('source')} at {volume.get('mountPath')}" for volume in volumes)


def _fingerprints(secrets: Mapping[str, Secret], observed: Observed, *, enabled: bool) -> dict[str, bool | None]:
    """Whether each secret is the one on the Hub, None where nothing tells; without fingerprints what is there is."""
    if not enabled:
        return dict.fromkeys(secrets, True)
    with ThreadPoolExecutor() as pool:  # scrypt is slow by design, and leaves the interpreter free
        return dict(
            zip(secrets, pool.map(lambda key: matches(secrets[key], _description(observed, key)), secrets), strict=True)
        )


def _description(observed: Observed, key: str) -> str | None:
    return observed.secrets[key].description if key in observed.secrets else None


def _comparable(volumes: list[Mapping[str, Any]] | list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What makes volumes the same: repositories are read-only, whether the Hub says so or not."""
    return sorted(
        (
            volume.get("type"),
            volume.get("source"),
            volume.get("mountPath"),
            _is_read_only(volume),
            volume.get("revision") or "main",
            (volume.get("path") or "").strip("/"),
        )
        for volume in volumes
    )


def _is_read_only(volume: Mapping[str, Any]) -> bool:
    return volume.get("type") != "bucket" or bool(volume.get("readOnly"))
