"""The front matter as the rules look at it: what it says, where, and how one line of it is edited."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from spaceops.card import FrontMatter
from spaceops.findings import Fix

if TYPE_CHECKING:
    from spaceops.context import Context

README = "README.md"
_LONGEST = 60  # characters of a value in a sentence


def where(ctx: Context, key: str) -> str:
    """The line that sets a key, else that where the front matter begins."""
    return f"{README}:{ctx.front_matter.line(key)}" if ctx.front_matter else README


def value_of(ctx: Context, key: str) -> Any:
    """What the front matter sets a key to; None where it says nothing, as for the Hub."""
    return ctx.front_matter.fields.get(key) if ctx.front_matter else None


def edit(ctx: Context, key: str, scalar: str, *, safe: bool = True) -> Fix | None:
    """The fix that gives a key another value, written as given."""
    front = ctx.front_matter
    if front is None or key not in front.entries or not is_whole(front.text):
        return None
    return Fix.text(README, front.with_value(key, scalar), safe=safe)


def addition(ctx: Context, key: str, scalar: str) -> Fix | None:
    """The fix, to be proposed only, that sets a key which the front matter does not set."""
    front = ctx.front_matter
    if front is None or front.problem or key in front.fields or not is_whole(front.text):
        return None
    text = front.with_block(f"{front.block}{key}: {scalar}{front.newline}")
    after = FrontMatter.anywhere(text)
    adds_a_line = after is not None and not after.problem and after.fields.keys() == {*front.fields, key}
    return Fix.text(README, text, safe=False) if adds_a_line else None


def removal(ctx: Context, key: str) -> Fix | None:
    """The fix, to be proposed only, that takes a key away."""
    front = ctx.front_matter
    if front is None or key not in front.entries or not is_whole(front.text):
        return None
    without = front.without(key)
    return None if without is None else Fix.text(README, without, safe=False)


def is_whole(text: str) -> bool:
    """Whether the text can be written back: bytes that are no UTF-8 are not lost in it."""
    return "\ufffd" not in text


def shown(value: object) -> str:
    """A value for a sentence: as JSON would write it, and not too long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def quoted(text: str, *, always: bool = False) -> str:
    """The text as a YAML value, in quotes if it needs them; quotes that were around it stay its own only inside."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    if not always and re.fullmatch(r"\w[\w ()!?.,/+-]*", text) and not re.fullmatch(r"[\d.]+|true|false|null", text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
