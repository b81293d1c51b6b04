"""How a Space that is differs from one that is wanted. `compare()` is pure: nothing is asked, nothing happens."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pathspec import GitIgnoreSpec

from spaceops.files import Source
from spaceops.observed import Observed, RemoteFile
from spaceops.plans import PARTS, Change, Effect, FileChanges, Plan, money
from spaceops.records import Ledger, Record
from spaceops.secret import Secret, matches
from spaceops.spec import FREE_HARDWARE, NEVER, Space, Volume, idle

KEPT = frozenset({".gitattributes"})  # the Hub writes it, and large files depend on it

_URI_KINDS = {"buckets": "bucket", "models": "model", "datasets": "dataset", "spaces": "space"}


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
    are sent although they are unchanged; `skipped` are files that cannot be pushed; a rollback `restores` a release
    and removes the variables `added_since`.
    """
    resolved = {key: secret for key, secret in secrets.items() if secret is not None and "secrets" in parts}
    same = _fingerprints(resolved, observed, enabled=space.fingerprints)
    changes: list[Change] = []
    if not observed.exists:
        changes.append(Change("+", "space", f"docker, {space.visibility or 'default visibility'}"))
    for part, rows in (
        ("visibility", _visibility(space, observed)),
        ("hardware", _hardware(space, observed, prices)),
        ("sleep_time", _sleep_time(space, observed)),
        ("variables", _variables(space, observed)),
        ("secrets", _secrets(space, secrets, observed, same)),
        ("volumes", _volumes(space, observed)),
        ("files", _file_rows(files, observed, skipped)),
    ):
        if part in parts:
            changes.extend(rows)
    to_send = {
        key: secret for key, secret in resolved.items() if key not in observed.secrets or not same[key] or key in rotate
    }
    unresolved = tuple(key for key, secret in secrets.items() if secret is None and "secrets" in parts)
    return Plan(
        space,
        observed,
        account,
        endpoint,
        tuple(changes),
        files,
        to_send,
        unresolved,
        ledger=ledger or Ledger(),
        restores=restores,
        overwrites=overwrites,
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
    added, changed = {}, {}
    for path, file in source.files.items():
        remote = observed.files.get(path)
        if remote is None:
            added[path] = file
        elif not file.is_same_as(remote):
            changed[path] = file
    kept = GitIgnoreSpec.from_lines(keep)
    others = [path for path in observed.files.keys() - source.files.keys() - KEPT if not kept.match_file(path)]
    ours = set(others) if prune or not others else set(others) & set(written())
    return FileChanges(added, changed, tuple(sorted(ours)), tuple(sorted(set(others) - ours)))


def compare_trees(then: Mapping[str, RemoteFile], now: Mapping[str, RemoteFile]) -> FileChanges:
    """What bringing back the files of `then` would write and remove."""
    added = {path: file for path, file in then.items() if path not in now}
    changed = {path: file for path, file in then.items() if path in now and now[path] != file}
    return FileChanges(added, changed, tuple(sorted(now.keys() - then.keys())))


def volumes_wanted(volumes: tuple[Volume, ...]) -> list[dict[str, Any]]:
    """The volumes of space.toml in the Hub's form: type, source, mountPath, readOnly."""
    return [_volume(volume) for volume in volumes]


def _volume(volume: Volume) -> dict[str, Any]:
    path = volume.source.removeprefix("hf://")
    kind, _, source = path.partition("/")
    if kind not in _URI_KINDS:  # hf://owner/name is a model
        kind, source = "models", path
    read_only = volume.read_only or kind != "buckets"
    return {"type": _URI_KINDS[kind], "source": source, "mountPath": volume.mount, "readOnly": read_only}


def _note(effect: Effect, observed: Observed) -> str:
    """A new Space starts once, with all its settings: they restart nothing."""
    if effect is Effect.REBUILD:
        return "rebuilds" if observed.exists else "builds"
    return "restarts" if effect is Effect.RESTART and observed.exists else ""


def _row(sign: str, subject: str, text: str, effect: Effect, observed: Observed, key: str | None = None) -> Change:
    effect = effect if observed.exists or effect is Effect.REBUILD else Effect.NONE
    return Change(sign, subject, text, effect, _note(effect, observed), key)


def _visibility(space: Space, observed: Observed) -> Iterator[Change]:
    if observed.exists and space.visibility and space.visibility != observed.visibility:
        yield Change("~", "visibility", f"{observed.visibility} -> {space.visibility}")


def _hardware(space: Space, observed: Observed, prices: Mapping[str, float]) -> Iterator[Change]:
    now = observed.hardware
    if not space.flavors or (observed.exists and now in space.flavors):
        return
    wanted = space.flavors[0]
    if not observed.exists and wanted == FREE_HARDWARE:
        return
    cost = prices.get(wanted, 0.0) - (prices.get(now, 0.0) if observed.exists else 0.0)
    effect = Effect.RESTART if observed.exists else Effect.NONE
    note = ", ".join(filter(None, [money(cost) if cost else "", _note(effect, observed)]))
    text = f"{now} -> {wanted}" if observed.exists else wanted
    yield Change("~" if observed.exists else "+", "hardware", text, effect, note, hourly_cost=cost)


def _sleep_time(space: Space, observed: Observed) -> Iterator[Change]:
    if space.sleep_seconds is None:
        return
    wanted = None if space.sleep_seconds == NEVER else space.sleep_seconds
    if (*space.flavors, observed.hardware)[0] == FREE_HARDWARE:
        yield Change("!", "sleep_time", idle(wanted), note=f"{FREE_HARDWARE} sleeps after 2d, whatever is asked")
    elif not observed.exists:
        yield Change("+", "sleep_time", idle(wanted))
    elif wanted != observed.runtime.sleep_time:
        yield Change("~", "sleep_time", f"{idle(observed.runtime.sleep_time)} -> {idle(wanted)}")


def _variables(space: Space, observed: Observed) -> Iterator[Change]:
    for key, value in space.environment.items():
        before = observed.variables.get(key)
        if before is None:
            yield _row("+", "variable", f"{key} = {_one_line(value)}", Effect.RESTART, observed, key)
        elif before != value:
            yield _row(
                "~", "variable", f"{key} = {_one_line(before)} -> {_one_line(value)}", Effect.RESTART, observed, key
            )
    for key in sorted(observed.variables.keys() - space.variables.keys() - space.secrets.keys()):
        yield Change("!", "variable", key, note="not in space.toml, left alone", key=key)
    for key in sorted(observed.secrets.keys() & space.variables.keys()):  # the Hub refuses a name that is both
        yield Change("-", "secret", key, Effect.RESTART, "becomes a variable", key)


def _one_line(value: str) -> str:
    return value.replace("\n", "\\n")


def _secrets(
    space: Space, secrets: Mapping[str, Secret | None], observed: Observed, same: Mapping[str, bool | None]
) -> Iterator[Change]:
    for key, secret in secrets.items():
        if secret is None:
            yield Change("!", "secret", key, note="cannot be resolved here", key=key)
        elif key not in observed.secrets:
            yield _row("+", "secret", key, Effect.RESTART, observed, key)
        elif same[key]:
            yield Change("=", "secret", key, note="unchanged", key=key)
        else:
            change = _row("~", "secret", key, Effect.RESTART, observed, key)
            was = "set by hand, " if same[key] is None else ""
            yield Change("~", "secret", key, change.effect, was + change.note, key)
    for key in sorted(observed.secrets.keys() - secrets.keys() - space.variables.keys()):
        yield Change("!", "secret", key, note="not in space.toml, left alone", key=key)
    for key in sorted(observed.variables.keys() & secrets.keys()):  # the Hub refuses a name that is both
        yield Change("-", "variable", key, Effect.RESTART, "becomes a secret", key)


def _volumes(space: Space, observed: Observed) -> Iterator[Change]:
    wanted = volumes_wanted(space.volumes)
    if wanted and _comparable(wanted) != _comparable(list(observed.runtime.volumes)):
        text = ", ".join(f"{volume['source']} at {volume['mountPath']}" for volume in wanted)
        yield _row("~" if observed.runtime.volumes else "+", "volumes", text, Effect.RESTART, observed)


def _file_rows(files: FileChanges, observed: Observed, skipped: Sequence[str]) -> Iterator[Change]:
    for path in skipped:
        yield Change("!", "files", path, note="a link that leads nowhere or elsewhere, not pushed")
    if files:
        yield _row("~" if observed.exists else "+", "files", str(files), Effect.REBUILD, observed)
    if files.foreign and observed.exists:
        names = ", ".join(files.foreign[:3]) + (f" and {len(files.foreign) - 3} more" if len(files.foreign) > 3 else "")
        yield Change("!", "files", names, note="not in the source, left there (--prune removes)")


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
    return sorted(
        (volume.get("type"), volume.get("source"), volume.get("mountPath"), bool(volume.get("readOnly")))
        for volume in volumes
    )
