"""The commands for single settings: what they list, and what they keep when they change it."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta

import pytest

from spaceops import Hub, Secret
from spaceops.cli import main
from spaceops.secret import described


@pytest.fixture
def run(capsys, monkeypatch, localhub, tmp_path):
    """Run a command as a user of the local Hub; its stdout."""
    monkeypatch.setenv("HF_ENDPOINT", localhub.url)
    monkeypatch.setenv("HF_TOKEN", localhub.token)
    monkeypatch.chdir(tmp_path)

    def runner(*arguments: str) -> str:
        main(list(arguments))
        return capsys.readouterr().out

    return runner


@pytest.fixture
def repo_id(space, hub: Hub) -> str:
    """A Space with one secret of ours and one that somebody set by hand."""
    hub.create(space.repo_id, visibility=None, settings={})
    ours = Secret("correct horse battery", "OURS")
    hub.secrets.set(space.repo_id, "OURS", ours, description=described("ask Ada", ours))
    hub.secrets.set(space.repo_id, "THEIRS", Secret("staple and more", "THEIRS"))
    return space.repo_id


def test_secrets_are_listed_with_description_age_and_who_set_them(run, repo_id) -> None:
    lines = run("secrets", "ls", repo_id).splitlines()

    assert ["KEY", "DESCRIPTION", "AGE", "SET BY"] == re.split(r"\s{2,}", lines[0])
    assert re.fullmatch(r"OURS    ask Ada      \d+s +spaceops", lines[1])
    assert re.fullmatch(r"THEIRS               \d+s +by hand", lines[2])


def test_the_list_of_secrets_as_json_has_times_and_no_fingerprint(run, repo_id) -> None:
    out = run("secrets", "ls", repo_id, "--json")
    found = json.loads(out)

    assert {"OURS": ("ask Ada", True), "THEIRS": ("", False)} == {
        key: (facts["description"], facts["fingerprint"]) for key, facts in found.items()
    }
    assert datetime.fromisoformat(found["OURS"]["updated"]).utcoffset() == timedelta()
    assert "[spaceops:" not in out


def test_setting_a_variable_keeps_its_description(run, repo_id, hub) -> None:
    hub.variables.set(repo_id, "A", "1", description="the first")

    run("variables", "set", repo_id, "A=2", "B=3")

    assert {"A": ("2", "the first"), "B": ("3", None)} == hub.variables.described(repo_id)
