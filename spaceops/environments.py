"""`[env.NAME]`: staging and production from one file, each a Space of its own.

`-e NAME`, `SPACEOPS_ENV` or `Space.load(path, env=NAME)` chooses one; without any the top level counts, which is a mere
base where it has no `repo_id`. An environment takes every key of the top level, and inherits what it does not say:

- a key with a value or a list (`hardware`, `exclude`, `[[env.NAME.volumes]]`) replaces the inherited one;
- the tables `variables`, `secrets`, `health` and `limits` are merged key by key; `""` is a value like any other;
- `without = ["NAME"]` leaves out inherited variables and secrets;
- `repo_id` is never inherited, and no two are the same: a secret of production must not reach staging.

All environments are checked whenever the file is read, not the chosen one only.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spaceops.errors import SpecError

KEY = "env"
WITHOUT = "without"
WITHOUT_MEANS = "Names of inherited variables and secrets that this environment does not have."

_MERGED = ("variables", "secrets", "health", "limits")
_ITS_OWN = "Each environment is a Space of its own: a secret must not reach another one's."
_NAMED = ("variables", "secrets")  # the tables that `without` is about


def tables(data: Mapping[str, Any], file: str) -> dict[str, dict[str, Any]]:
    """The environments of a space.toml, as they are written there. Raises `SpecError` where they are no tables."""
    found = data.get(KEY, {})
    hint = "[env.staging] begins one; a variable belongs in [variables], and a secret's reference in [secrets]."
    if not isinstance(found, dict):
        raise SpecError(KEY, got=_kind(found), want="tables", hint=hint, file=file)
    for name, table in found.items():
        if not isinstance(table, dict):
            raise SpecError(f"{KEY}.{name}", got=_kind(table), want="a table", hint=hint, file=file)
    return found


def references(data: Mapping[str, Any], file: str) -> Iterator[str]:
    """The references to secrets of the whole file: what they read is pushed from no environment."""
    for table in (data, *tables(data, file).values()):
        secrets = table.get("secrets")
        yield from (value for value in secrets.values() if isinstance(value, str)) if isinstance(secrets, dict) else ()


def merged(data: Mapping[str, Any], name: str, file: str) -> dict[str, Any]:
    """The data of the environment `name`: the top level without its `repo_id`, and over it what the environment says.

    Raises `SpecError` for an environment that does not exist or has no `repo_id`, and for a name in `without` that is
    not inherited.
    """
    known = tables(data, file)
    if name not in known:
        raise _unknown(name, list(known), file)
    table = known[name]
    if "repo_id" not in table:
        raise SpecError(f"{KEY}.{name}.repo_id", got=None, want="a value", hint=_ITS_OWN, file=file)
    base = _without(
        {key: value for key, value in data.items() if key not in (KEY, "repo_id")},
        table.get(WITHOUT, []),
        where=f"{KEY}.{name}.{WITHOUT}",
        file=file,
    )
    own = {key: value for key, value in table.items() if key != WITHOUT}
    for key in _MERGED:
        if isinstance(base.get(key), dict) and isinstance(own.get(key), dict):
            own[key] = base[key] | own[key]
    return base | own


def refuse_shared(data: Mapping[str, Any], file: str) -> None:
    """Raise `SpecError` where two environments, or one and the top level, are the same Space."""
    owners = {str(data["repo_id"]).lower(): "the top level"} if "repo_id" in data else {}
    for name, table in tables(data, file).items():
        repo_id = table.get("repo_id")
        if (other := owners.setdefault(str(repo_id).lower(), f"[{KEY}.{name}]")) != f"[{KEY}.{name}]":
            want = f"another than {other} has"
            raise SpecError(f"{KEY}.{name}.repo_id", got=repo_id, want=want, hint=_ITS_OWN, file=file)


def _without(base: dict[str, Any], names: object, *, where: str, file: str) -> dict[str, Any]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise SpecError(where, got=names, want="a list of names", hint=WITHOUT_MEANS, file=file)
    kept = {key: dict(base[key]) for key in _NAMED if isinstance(base.get(key), dict)}
    inherited = sorted({name for table in kept.values() for name in table})
    for name in names:
        if name not in inherited:
            want = f"one of {', '.join(inherited)}" if inherited else "nothing: no variable or secret is inherited"
            raise SpecError(where, got=name, want=want, hint=_near(name, inherited), file=file)
        for table in kept.values():
            table.pop(name, None)
    return base | kept


def _unknown(name: str, known: Sequence[str], file: str) -> SpecError:
    want = f"one of {', '.join(known)}" if known else f"none: {file} has no [{KEY}.…]"
    choice = f"-e {known[0]} chooses one." if known else f"[{KEY}.{name}] with a repo_id of its own begins one."
    return SpecError(KEY, got=name, want=want, hint=_near(name, known, "-e ") or choice, file=file)


def _kind(value: object) -> str:
    """The kind of a value, which may be a secret that somebody wrote into the wrong place."""
    return "text" if isinstance(value, str) else type(value).__name__


def _near(name: str, known: Sequence[str], prefix: str = "") -> str | None:
    near = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {prefix}{near[0]}?" if near else None
