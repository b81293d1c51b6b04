"""A plan as a file: made now, read by people, and applied later if the same plan comes out again.

What is applied is never read from the file: it is planned again, and refused unless the digests are the same. So the
file holds no secret, and is no use to whoever changes it.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from shlex import quote
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from spaceops.errors import BadInput, PlanStale
from spaceops.files import scan
from spaceops.hub import LOCAL, Hub
from spaceops.planning import plan
from spaceops.plans import Plan, harmless
from spaceops.secret import redact
from spaceops.spec import LOOPBACK, Space
from spaceops.structs import convert

FORMAT = 1
SHOWN = 8  # differences that the error for a stale plan names


class Asked(Struct, frozen=True, kw_only=True):
    """What a plan was asked for, beside space.toml: the arguments of `spaceops.plan`."""

    only: tuple[str, ...] | None = None
    prune: bool | None = None
    overwrite: bool = False
    rotate: tuple[str, ...] = ()


class Row(Struct, frozen=True):
    """A change, as far as it is compared: notes are not, since ages are in them."""

    action: str
    subject: str
    text: str


class Shown(Struct, frozen=True):
    """What came out, as far as it is compared; the file holds all that `spaceops plan --json` prints."""

    repo_id: str
    sha: str | None
    changes: tuple[Row, ...]
    files: Mapping[str, tuple[str, ...]]


class SavedPlan(Struct, frozen=True, kw_only=True):
    """The file: where space.toml is (seen from the file), what was asked for, and what came out."""

    format: int
    space_file: str
    env: str | None
    endpoint: str  # `local`, or a URL
    asked: Asked
    digest: str
    plan: Shown


def propose(space: Space, hub: Hub, asked: Asked, *, file: Path | None = None) -> Plan:
    """The plan for what was asked; `file`, where it will be saved, is not pushed by it."""
    wanted = _without(space, file.resolve()) if file else space
    return plan(wanted, hub, asked.only, prune=asked.prune, overwrite=asked.overwrite, rotate=asked.rotate)


def save(proposal: Plan, asked: Asked, file: Path, *, endpoint: str | None = None) -> SavedPlan:
    """Write a plan to a file that only we can read; `endpoint` is `local` where the address may be another next time.

    Raises `BadInput` where it cannot be written.
    """
    file, space = file.resolve(), proposal.space
    named = LOCAL if endpoint == LOCAL else proposal.endpoint
    saved = SavedPlan(
        format=FORMAT,
        space_file=os.path.relpath(space.folder.resolve() / space.file, file.parent),
        env=space.env_name,
        endpoint=named,
        asked=asked,
        digest=_digest(proposal, named),
        plan=_shown(proposal),
    )
    written = {**msgspec.to_builtins(saved), "plan": proposal.as_dict()}
    _write(file, redact(json.dumps(written, indent=2)) + "\n")
    return saved


def saved_plan(file: Path) -> SavedPlan:
    """Read a saved plan. Raises `BadInput` for what is none, or is of a newer spaceops."""
    hint = "spaceops plan --out FILE writes one."
    try:
        written = msgspec.json.decode(file.read_bytes())
        if isinstance(written, dict) and isinstance(written.get("format"), int) and written["format"] > FORMAT:
            said = f"{file} has format {written['format']}, and this spaceops knows formats up to {FORMAT}"
            raise BadInput(said, hint="pip install --upgrade spaceops")
        return convert(written, SavedPlan)
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}", hint=hint) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} is no saved plan: {error}", hint=hint) from error


def space_path(saved: SavedPlan, file: Path) -> Path:
    """The space.toml of a saved plan. Raises `BadInput` where there is none, as in a checkout of another shape."""
    path = (file.resolve().parent / saved.space_file).resolve()
    if not path.is_file():
        hint = f"Say where it is: spaceops apply PATH --plan {file}"
        raise BadInput(f"{file} was made from {saved.space_file}, and from there that is nowhere", hint=hint)
    return path


def plan_again(saved: SavedPlan, space: Space, hub: Hub, file: Path) -> Plan:
    """The same plan as the saved one, made now. Raises `PlanStale` with what moved when it is another one.

    Who applies it may be somebody else than who planned it.
    """
    proposal = propose(space, hub, saved.asked, file=file)
    is_local = saved.endpoint == LOCAL and urlsplit(hub.endpoint).hostname in LOOPBACK
    endpoint = LOCAL if is_local else hub.endpoint
    if _digest(proposal, endpoint) != saved.digest:
        addresses = {"endpoint": (saved.endpoint, endpoint)}
        moved = "".join(f"\n  {line}" for line in _moved(saved.plan, _shown(proposal), addresses))
        env = f" -e {space.env_name}" if space.env_name else ""
        hint = f"Plan again and look: spaceops plan {quote(str(space.folder))}{env} --out {quote(str(file))}"
        raise PlanStale(f"{file} is not what would be done now:{moved}", hint=hint)
    return proposal


def goes_along(file: Path, space: Space) -> bool:
    """Whether the next push would take the file along: it lies in the source, and no rule ignores it."""
    found = file.resolve()
    return found.is_relative_to(space.root) and found.relative_to(space.root).as_posix() in scan(space).files


def _digest(proposal: Plan, endpoint: str) -> str:
    return replace(proposal, account="", endpoint=endpoint).digest


def _shown(proposal: Plan) -> Shown:
    return convert(proposal.as_dict(), Shown)


def _without(space: Space, file: Path) -> Space:
    """The Space without that file, if it lies in the source."""
    if not file.is_relative_to(space.root):
        return space
    pattern = re.sub(r"([\\*?\[\]!# ])", r"\\\1", file.relative_to(space.root).as_posix())
    return msgspec.structs.replace(space, exclude=(*space.exclude, f"/{pattern}"))


def _write(file: Path, text: str) -> None:
    """Write it whole or not at all, readable by us alone."""
    hint = "Name a file in a folder that exists and that you may write to."
    if file.exists() and not file.is_file():
        raise BadInput(f"{file} is not a file", hint=hint)
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=file.parent, delete=False) as made:
            made.write(text)
        Path(made.name).replace(file)
    except OSError as error:
        raise BadInput(f"{file} cannot be written: {error.strerror}", hint=hint) from error


def _moved(then: Shown, now: Shown, others: Mapping[str, tuple[str, str]]) -> list[str]:
    """How the plan that comes out now differs from the saved one, in a few lines."""
    facts = {"repo_id": (then.repo_id, now.repo_id), "sha": (then.sha, now.sha), **others}
    lines = [f"{name}: {was} -> {is_now}" for name, (was, is_now) in facts.items() if was != is_now]
    before, after = Counter(_lines(then)), Counter(_lines(now))
    lines += [f"was: {line}" for line in before - after] + [f"now: {line}" for line in after - before]
    hidden = "the same rows; but a file's content, a secret, a setting that stays, or a release in between"
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return [*map(harmless, lines[:SHOWN]), *more] or [hidden]


def _lines(shown: Shown) -> Iterator[str]:
    """The rows and the files of a plan, as text."""
    yield from (f"{row.action} {row.subject} {row.text}" for row in shown.changes)
    yield from (f"{path}: {kind}" for kind, paths in shown.files.items() for path in paths)
