"""README.md's front matter, where the Hub reads a Space's title, SDK and port."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from spaceops.errors import BadInput

FENCE = "---"
DEFAULT_APP_PORT = 7860


@dataclass(frozen=True)
class Card:
    """What the front matter says; every field is empty or a default where it says nothing.

    Source: the Hub's Spaces configuration reference (August 2026).
    """

    fields: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> Card:
        """Read the block between the first two `---` lines; text without one gives an empty card.

        Raises `BadInput` when the block is not a YAML mapping.
        """
        block = _front_matter(text)
        if block is None:
            return cls()
        from ruamel.yaml import YAML  # 40 ms that only a reader of cards should pay
        from ruamel.yaml.error import YAMLError

        try:
            fields = YAML(typ="safe", pure=True).load(block)
        except YAMLError as error:
            raise BadInput(
                f"README.md: the front matter is not valid YAML: {_first_line(error)}",
                hint="Quote the value, or mend the line named.",
            ) from error
        if not isinstance(fields, dict):
            raise BadInput("README.md: the front matter must be `key: value` lines", hint="Start with `sdk: docker`.")
        return cls(fields)

    @property
    def title(self) -> str | None:
        """The title that the Hub shows."""
        return _text(self.fields.get("title"))

    @property
    def sdk(self) -> str | None:
        """`docker` for every Space that spaceops deploys."""
        return _text(self.fields.get("sdk"))

    @property
    def app_port(self) -> int:
        """The port that the Hub sends traffic to, 7860 unless set.

        Raises `BadInput` for anything but a number from 1 to 65535.
        """
        port = self.fields.get("app_port", DEFAULT_APP_PORT)
        if isinstance(port, str) and port.isdecimal():
            port = int(port)
        if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65535:
            raise BadInput(
                f"README.md: app_port: got {port!r}, wants a number from 1 to 65535",
                hint=f"The port your server listens on, usually {DEFAULT_APP_PORT}.",
            )
        return port


def _front_matter(text: str) -> str | None:
    lines = text.splitlines()
    if not lines or lines[0].rstrip() != FENCE:
        return None
    for number, line in enumerate(lines[1:], start=1):
        if line.rstrip() == FENCE:
            return "\n".join(lines[1:number])
    return None


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _first_line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{problem} (line {mark.line + 2})" if mark else problem
