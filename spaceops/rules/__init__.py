"""The rules of `check`: what can be known about a Space before it is pushed.

A rule is a generator over one `Context`. Its name with `-` for `_` is its code, its docstring is its documentation, and
a rule whose subject is missing yields nothing. Its examples are changes of the good Space in `rules/examples.py`: with
`bad` it must be found, and nothing else; with `good` it must not be found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from inspect import cleandoc
from typing import TYPE_CHECKING

from spaceops.findings import Finding, Severity
from spaceops.rules.examples import Change

if TYPE_CHECKING:
    from spaceops.context import Context

SUBJECTS = (
    "card",
    "configuration",
    "files",
    "secrets",
    "dockerfile",
    "copies",
    "baseimages",
    "buildvariables",
    "packages",
    "building",
    "node",
    "permissions",
    "requirements",
    "python",
    "pythonapps",
    "start",
    "listening",
    "apps",
    "nginx",
    "settings",
    "online",
)

Example = Mapping[str, Change]
Body = Callable[["Context"], Iterator[Finding]]


@dataclass(frozen=True)
class Rule:
    """One rule: its code, the severity of its findings unless one has its own, and what it shows as examples."""

    code: str
    severity: Severity
    meaning: str  # Markdown
    body: Body
    bad: Example
    good: Example

    def findings(self, ctx: Context) -> Iterator[Finding]:
        """What it finds, with its code and severity."""
        for finding in self.body(ctx):
            yield replace(finding, code=self.code, severity=finding.severity or self.severity)


_RULES: dict[str, Rule] = {}


def rule(severity: Severity, *, bad: Example | None = None, good: Example | None = None) -> Callable[[Body], Body]:
    """Register a rule. Those that need the Hub (`ctx.remote`) have no examples here, but tests against a Hub."""

    def register(body: Body) -> Body:
        code = body.__name__.replace("_", "-")
        if code in _RULES:
            raise ValueError(f"two rules are named {code}")
        _RULES[code] = Rule(code, severity, cleandoc(body.__doc__ or ""), body, bad or {}, good or {})
        return body

    return register


def all_rules() -> Mapping[str, Rule]:
    """Every rule by its code, in the order of `SUBJECTS`."""
    for subject in SUBJECTS:
        import_module(f"spaceops.rules.{subject}")
    return _RULES
