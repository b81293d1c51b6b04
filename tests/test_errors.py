"""Errors: three lines, an exit code, and the same in a notebook."""

from __future__ import annotations

import pytest

from spaceops import errors
from spaceops.errors import DeployFailed, NotebookFailed, SecretMissing, SpaceopsError, SpecError


def every_error() -> list[type[SpaceopsError]]:
    found, queue = [], [SpaceopsError]
    while queue:
        kind = queue.pop()
        found.append(kind)
        queue += kind.__subclasses__()
    return found


def test_an_error_is_what_happened_the_hint_and_where_to_read_on():
    error = SpecError("app_port", got="seven", want="a number", hint="Usually 7860.")

    assert [
        "space.toml: app_port: got 'seven', wants a number",
        "hint: Usually 7860.",
        "more: spaceops explain spec-invalid",
    ] == str(error).splitlines()


def test_a_notebook_shows_the_same_lines():
    error = SecretMissing("API_KEY", "env:API_KEY", hint="export it")

    assert str(error).splitlines() == error._render_traceback_()


def test_a_failed_deploy_shows_the_end_of_the_log_and_tells_build_from_start():
    build = DeployFailed("a/b: BUILD_ERROR", release=None, log_tail=["--> RUN false"], hint="look")
    start = DeployFailed("a/b: RUNTIME_ERROR", release=None, built=True)

    assert "a/b: BUILD_ERROR\n  | --> RUN false\nhint: look\nmore: spaceops explain deploy-failed" == str(build)
    assert (7, 8) == (build.exit_code, start.exit_code)
    assert ["--> RUN false"] == build.as_dict()["log_tail"]


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_every_error_stands_in_the_tree_with_its_codes(kind):
    drawn = [line for line in (errors.__doc__ or "").splitlines() if f" {kind.__name__} " in line]

    assert 1 == len(drawn)
    assert kind.code in drawn[0]
    assert {DeployFailed: "7, 8", NotebookFailed: "1, 138"}.get(kind, f" {kind.exit_code} ") in drawn[0]
    assert kind.__doc__


def test_no_two_errors_share_a_code():
    codes = [kind.code for kind in every_error()]

    assert len(codes) == len(set(codes))
