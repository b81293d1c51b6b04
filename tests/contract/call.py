"""A call of the contract: a name, and what makes it. The calls are in `repo_calls.py` and `space_calls.py`.

They are the words of `HfApi`, `hf` and git that 2.x and the last 1.x share; `raw` is for what those do not say. All
that is made is private, has a random name and costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.contract.session import Session


class Call(NamedTuple):
    """One call, and the one without whose success it makes no sense."""

    name: str
    make: Callable[[Session], object]
    needs: str | None


CALLS: list[Call] = []
Maker = Callable[[Session], object]


def call(needs: str | None = None) -> Callable[[Maker], Maker]:
    """Add a function to the contract, under its name."""

    def add(make: Maker) -> Maker:
        CALLS.append(Call(make.__name__.replace("_", " "), make, needs))
        return make

    return add
