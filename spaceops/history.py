"""Releases as people see them: one, a list of them, and how two differ. Data that shows itself, no effects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

import msgspec

from spaceops.plans import Plan
from spaceops.records import Record
from spaceops.spec import short


@dataclass(frozen=True)
class Release:
    """What a deploy did, or what the ledger says that one did.

    `outcome`: planned (a dry run), unchanged, deploying (claimed, not finished), applied (not followed), running
    (verified), failed. `plan` and `host` only of one that was made just now.
    """

    repo_id: str
    url: str  # the Space's page
    outcome: str
    sha: str | None = None  # main's commit that it runs with
    host: str | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)  # by step
    plan: Plan | None = field(default=None, repr=False)
    record: Record | None = field(default=None, repr=False)

    @property
    def number(self) -> int | None:
        """Its number in the ledger; None where nothing was released."""
        return self.record.number if self.record else None

    def as_dict(self) -> dict[str, Any]:
        """The release for `--json`."""
        return {
            "schema": 1,
            "repo_id": self.repo_id,
            "number": self.number,
            "outcome": self.outcome,
            "sha": self.sha,
            "url": self.url,
            "host": self.host,
            "seconds": dict(self.seconds),
            "record": msgspec.to_builtins(self.record) if self.record else None,
            "plan": None if self.plan is None else self.plan.as_dict(),
        }

    def __str__(self) -> str:
        if self.outcome == "planned":
            return f"{self.plan}\nDry run: nothing was changed."
        took = ", ".join(f"{step} {spent:.1f} s" for step, spent in self.seconds.items())
        number = f", release {self.number}" if self.number else ""
        at = f" at {short(self.sha)}" if self.sha else ""
        lines = [f"{self.repo_id} {self.outcome}{at}{number}", f"  app   {self.host}", f"  page  {self.url}"]
        return "\n".join(lines if self.host else [lines[0], lines[2]]) + (f"\n  took  {took}" if took else "")

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """The same text in a notebook without a front end."""
        printer.text(str(self))

    def _repr_html_(self) -> str:
        if self.plan is not None and self.outcome == "planned":
            return self.plan._repr_html_() + "<p>Dry run: nothing was changed.</p>"
        app = f' <a href="{escape(self.host)}">{escape(self.host)}</a>' if self.host else ""
        number = f", release {self.number}" if self.number else ""
        at = f" at <code>{short(self.sha)}</code>" if self.sha else ""
        return f"<p><b>{escape(self.repo_id)}</b> {self.outcome}{at}{number}{app}</p>"
