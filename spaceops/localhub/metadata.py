"""What the Hub refuses in README.md's front matter, in its words (those seen in public reports, August 2026)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spaceops.card import Card
from spaceops.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COLORS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
SDKS = ("gradio", "docker", "static")
LONGEST_DESCRIPTION = 60  # characters


def problems(readme: str, kind: str) -> list[str]:
    """Why the Hub would refuse this README.md; an empty list if it would not."""
    try:
        fields = Card.read(readme).fields
    except BadInput as error:
        return [error.message.removeprefix("README.md: ")]
    except RecursionError:
        return ["the front matter is nested too deeply"]
    return list(_space_problems(fields)) if kind == "space" else []


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
