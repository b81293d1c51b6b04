"""From a folder with a FastAPI app to a running, verified, watched Hugging Face Docker Space.

>>> from spaceops import Hub, Space, deploy, plan
>>> hub = Hub("local")                      # or https://huggingface.co
>>> space = Space.load("app_template")
>>> print(plan(space, hub))                 # doctest: +SKIP
>>> deploy(space, hub)                      # doctest: +SKIP

Names are loaded when they are first used, so that `import spaceops` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spaceops.adoption import pull
    from spaceops.deviations import drift
    from spaceops.diagnosis import diagnose
    from spaceops.errors import CheckFailed, DeployFailed, RolledBack, SpaceopsError
    from spaceops.events import Event, follow, logs
    from spaceops.findings import Finding, Report
    from spaceops.fixes import fix
    from spaceops.history import Release
    from spaceops.hub import Hub
    from spaceops.lifecycle import delete, pause, restart, status
    from spaceops.localhub import LocalHub
    from spaceops.notebooks import run_notebook
    from spaceops.observed import Observed
    from spaceops.planning import plan
    from spaceops.plans import SETTINGS, Plan
    from spaceops.preflight import check
    from spaceops.releases import apply, deploy, get_release, list_releases, rollback, wait
    from spaceops.secret import Secret
    from spaceops.spec import Space
    from spaceops.template import new

__version__ = "0.1.0"
__all__ = [
    "SETTINGS",
    "CheckFailed",
    "DeployFailed",
    "Event",
    "Finding",
    "Hub",
    "LocalHub",
    "Observed",
    "Plan",
    "Release",
    "Report",
    "RolledBack",
    "Secret",
    "Space",
    "SpaceopsError",
    "apply",
    "check",
    "delete",
    "deploy",
    "diagnose",
    "drift",
    "fix",
    "follow",
    "get_release",
    "list_releases",
    "logs",
    "new",
    "pause",
    "plan",
    "pull",
    "restart",
    "rollback",
    "run_notebook",
    "status",
    "wait",
]

_HOMES = {
    "adoption": ("pull",),
    "deviations": ("drift",),
    "diagnosis": ("diagnose",),
    "errors": ("CheckFailed", "DeployFailed", "RolledBack", "SpaceopsError"),
    "events": ("Event", "follow", "logs"),
    "findings": ("Finding", "Report"),
    "fixes": ("fix",),
    "hub": ("Hub",),
    "lifecycle": ("delete", "pause", "restart", "status"),
    "localhub": ("LocalHub",),
    "notebooks": ("run_notebook",),
    "observed": ("Observed",),
    "planning": ("plan",),
    "plans": ("SETTINGS", "Plan"),
    "history": ("Release",),
    "preflight": ("check",),
    "releases": ("apply", "deploy", "get_release", "list_releases", "rollback", "wait"),
    "secret": ("Secret",),
    "spec": ("Space",),
    "template": ("new",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'spaceops' has no attribute {name!r}")
    value = getattr(import_module(f"spaceops.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
