"""What can be known before the push: `check` puts the question to every rule."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from spaceops.context import Context
from spaceops.errors import BadInput
from spaceops.files import look
from spaceops.findings import Finding, Report, in_order
from spaceops.rules import Rule, all_rules
from spaceops.spec import FILE_NAME, Space, find

if TYPE_CHECKING:
    from spaceops.files import Source
    from spaceops.hub import Hub

UNNAMED = "owner/name"  # the Space of a folder without a space.toml


def check(
    space: Space | str | Path,
    *,
    hub: Hub | None = None,
    source: Source | None = None,
    env: str | None = None,
    select: Collection[str] = (),
    ignore: Collection[str] = (),
    hadolint: bool = False,
) -> Report:
    """Everything that can be known about a Space before it is pushed; changes nothing.

    `space` may be a folder, with or without a space.toml; `source` are its files, where they were looked up before;
    `select` and `ignore` are codes. Without `hub` nobody is asked. Raises `BadInput` for a folder that does not exist,
    and for a code that no rule has.
    """
    rules = chosen(select, ignore)
    ctx = context(space, source=source, env=env)
    _refuse_unknown(ctx.space.ignore)
    ctx = asked(ctx, hub) if hub else ctx
    found, slips = looked(rules, ctx)
    notes = [*(ctx.remote.notes if ctx.remote else ()), *slips]
    if hadolint:
        from spaceops.hadolint import findings

        found += findings(ctx.source.root)
    reasons = ctx.space.ignore
    return Report(
        str(ctx.source.root),
        in_order(finding for finding in found if finding.code not in reasons),
        tuple((finding, reasons[finding.code]) for finding in in_order(found) if finding.code in reasons),
        tuple(notes),
    )


def looked(rules: Iterable[Rule], ctx: Context) -> tuple[list[Finding], list[str]]:
    """What the rules find, and which of them could not look."""
    found, slips = list[Finding](), list[str]()
    for rule in rules:
        try:
            found += rule.findings(ctx)
        except Exception as error:  # rules guess about text of others: a slip in one must not stop a deploy
            slips.append(f"{rule.code} could not look at this: {type(error).__name__} in spaceops; please report it")
    return found, slips


def context(space: Space | str | Path, *, source: Source | None = None, env: str | None = None) -> Context:
    """What the rules look at."""
    space, has_spec = (space, True) if isinstance(space, Space) else _space_of(Path(space), env)
    return Context(space, source or look(space), has_spec)


def asked(ctx: Context, hub: Hub) -> Context:
    """The same with what the Hub says of it."""
    from spaceops.remote import ask
    from spaceops.rules.online import needed

    remote = ask(ctx.space, hub, readme=ctx.text("README.md"), repos=needed(ctx), named=ctx.has_spec)
    return replace(ctx, remote=remote)


def chosen(select: Iterable[str], ignore: Iterable[str]) -> list[Rule]:
    """The rules that are asked for: all, or those selected, without those ignored."""
    rules, select, ignore = all_rules(), list(select), list(ignore)
    _refuse_unknown([*select, *ignore])
    return [rules[code] for code in rules if (not select or code in select) and code not in ignore]


def _refuse_unknown(codes: Iterable[str]) -> None:
    for code in codes:
        if code not in all_rules():
            raise BadInput(f"There is no rule {code!r}", hint="spaceops docs checks lists all of them.")


def _space_of(path: Path, env: str | None) -> tuple[Space, bool]:
    """The Space that a path describes, and whether a space.toml does."""
    if _is_bare(path):
        return Space.parse({"repo_id": UNNAMED}, folder=path.resolve()), False
    return Space.load(path, env=env), True


def _is_bare(path: Path) -> bool:
    """Whether it is an app's folder without a space.toml of its own."""
    if not path.is_dir() or (path / FILE_NAME).is_file():
        return False
    try:
        find(path)
    except BadInput:
        return True
    return any((path / name).is_file() for name in ("Dockerfile", "README.md"))
