"""README.md's front matter as the Hub sees it: what it shows, and what it refuses.

Source of its words: public reports (August 2026).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from spaceops.card import Card
from spaceops.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

COLORS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
SDKS = ("gradio", "docker", "static")
LONGEST_DESCRIPTION = 60  # characters
LARGEST_CARD = 10_000  # values; a card that unfolds into more (YAML has aliases) is not shown


def problems(readme: str, kind: str) -> list[str]:
    """Why the Hub would refuse this README.md; an empty list if it would not."""
    try:
        fields = Card.read(readme).fields
    except BadInput as error:
        return [error.message.removeprefix("README.md: ")]
    except RecursionError:
        return ["the front matter is nested too deeply"]
    return list(_space_problems(fields)) if kind == "space" else []


def shown_card(readme: str) -> dict[str, Any]:
    """The front matter as JSON can say it; empty when there is none, or none that can be read."""
    try:
        return dict(_plain(Card.read(readme).fields, iter(range(LARGEST_CARD))))
    except (BadInput, RecursionError, StopIteration):
        return {}


def warnings(readme: str) -> list[str]:
    """What the Hub would have said better."""
    return [] if readme.startswith("---") else ["empty or missing yaml metadata in repo card"]


def _space_problems(fields: dict[str, Any]) -> Iterator[str]:
    for key, allowed in (("colorFrom", COLORS), ("colorTo", COLORS), ("sdk", SDKS)):
        if key in fields and fields[key] not in allowed:
            yield f'"{key}" must be one of [{", ".join(allowed)}]'
    for key, rule, text in RULES:
        if key in fields and not rule(fields[key]):
            yield f'"{key}" {text}'


def _is_short(value: object) -> bool:
    return not isinstance(value, str) or len(value) <= LONGEST_DESCRIPTION


def _is_port(value: object) -> bool:
    try:
        return Card({"app_port": value}).app_port > 0
    except BadInput:
        return False


def _is_text(value: object) -> bool:
    return isinstance(value, str | int | float)


RULES: list[tuple[str, Callable[[object], bool], str]] = [
    ("title", _is_text, "must be a string"),
    ("short_description", _is_short, f"length must be less than or equal to {LONGEST_DESCRIPTION} characters long"),
    ("app_port", _is_port, "must be a number from 1 to 65535"),
]


def _plain(value: Any, budget: Iterable[int]) -> Any:
    """A YAML value as JSON can say it."""
    next(iter(budget))
    if isinstance(value, dict):
        return {str(key): _plain(inner, budget) for key, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(inner, budget) for inner in value]
    if isinstance(value, bool | int | str) or value is None:
        return value if not isinstance(value, int) or abs(value) < 2**63 else str(value)
    return value if isinstance(value, float) and math.isfinite(value) else str(value)
