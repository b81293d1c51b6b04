"""What can be known before the push: `check` finds it, `fix` mends what is safe to mend."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from spaceops.context import Context
from spaceops.errors import BadInput
from spaceops.files import look
from spaceops.findings import Finding, Report, in_order
from spaceops.rules import Rule, all_rules
from spaceops.spec import FILE_NAME, Space, find

UNNAMED = "owner/name"  # the Space of a folder without a space.toml


def check(
    space: Space | str | Path, *, select: Collection[str] = (), ignore: Collection[str] = (), env: str | None = None
) -> Report:
    """Everything that can be known about a Space before it is pushed; changes nothing and asks nobody.

    `space` may be a folder, with or without a space.toml. `select` and `ignore` are codes. Raises `BadInput` for a
    folder that does not exist, and for a code that no rule has.
    """
    rules = chosen(select, ignore)
    ctx = context(space, env=env)
    found = [finding for rule in rules for finding in rule.findings(ctx)]
    reasons = ctx.space.ignore
    return Report(
        str(ctx.source.root),
        in_order(finding for finding in found if finding.code not in reasons),
        tuple((finding, reasons[finding.code]) for finding in in_order(found) if finding.code in reasons),
    )


def context(space: Space | str | Path, *, env: str | None = None) -> Context:
    """What the rules look at."""
    space, has_spec = (space, True) if isinstance(space, Space) else _space_of(Path(space), env)
    return Context(space, look(space), has_spec)


def chosen(select: Iterable[str], ignore: Iterable[str]) -> list[Rule]:
    """The rules that are asked for: all, or those selected, without those ignored."""
    rules, select, ignore = all_rules(), list(select), list(ignore)
    for code in (*select, *ignore):
        if code not in rules:
            raise BadInput(f"There is no rule {code!r}", hint="spaceops docs checks lists all of them.")
    return [rules[code] for code in rules if (not select or code in select) and code not in ignore]


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


def _findings(rules: Iterable[Rule], ctx: Context) -> Iterator[Finding]:
    for rule in rules:
        yield from rule.findings(ctx)
