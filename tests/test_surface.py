"""The public surface: exactly these names, each of which is there and says what it is."""

from __future__ import annotations

import inspect

import pytest

import spaceops

PUBLIC = [
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


def test_these_names_are_public_and_no_others():
    assert PUBLIC == spaceops.__all__


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there_and_documented(name):
    value = getattr(spaceops, name)

    assert name in dir(spaceops)
    assert inspect.getdoc(value)


def test_a_module_and_a_function_never_share_a_name():
    assert all(not inspect.ismodule(getattr(spaceops, name)) for name in PUBLIC)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="deplyo"):
        spaceops.deplyo  # noqa: B018
