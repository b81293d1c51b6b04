"""What the Hub is asked before a push, and what is made of its answers, of none, and of refusals."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from huggingface_hub import constants

from spaceops import Hub, LocalHub, Space
from spaceops.hub import Identity
from spaceops.hub.inquiry import shadows_a_login
from spaceops.remote import Remote, Repo, ask

ACCOUNTS = """
[[users]]
name = "ada"
token = "hf_ada"
plan = "pro"

[[users]]
name = "ron"
token = "hf_ron"
role = "read"
"""
README = "---\ntitle: Hello\nsdk: docker\n---\n"


@pytest.fixture(scope="module")
def localhub(tmp_path_factory):
    accounts = tmp_path_factory.mktemp("accounts") / "accounts.toml"
    accounts.write_text(ACCOUNTS)
    with LocalHub(accounts=accounts) as server:
        hub = Hub(server.url, token="hf_ada")
        hub.create("ada/app", visibility="private", settings={})
        hub.variables.set("ada/app", "COLOR", "blue")
        yield server


def asked(localhub, name="ada", repo_id="ada/app", **more) -> Remote:
    return ask(Space.parse({"repo_id": repo_id, "hardware": "cpu-basic"}), Hub(localhub.url, f"hf_{name}"), **more)


def test_a_space_is_looked_at_with_its_settings_and_what_we_may_do(localhub):
    remote = asked(localhub, readme=README)

    assert remote.identity
    assert remote.rights
    assert ("ada", True) == (remote.identity.name, remote.rights["push"].may)
    assert frozenset({"COLOR"}) == remote.settings
    assert () == remote.card_errors
    assert "t4-small" in remote.hardware
    assert isinstance(remote.used_storage, int)
    assert () == remote.notes


def test_the_questions_change_nothing_and_are_few(localhub):
    localhub.requests.clear()
    asked(localhub, readme=README)
    changes = [path for method, path in localhub.requests if method != "GET"]

    assert ["/api/validate-yaml"] == changes
    assert len(localhub.requests) <= 8


def test_a_space_that_is_new_is_no_error(localhub):
    remote = asked(localhub, repo_id="ada/new")

    assert remote.observed
    assert not remote.observed.exists
    assert remote.used_storage is None
    assert () == remote.notes


def test_the_hub_says_in_its_own_words_what_it_refuses(localhub):
    (said,) = asked(localhub, readme=README.replace("sdk: docker", "sdk: docker\ncolorFrom: teal")).card_errors

    assert said.startswith('"colorFrom" must be one of')


def test_a_token_that_may_not_see_secrets_sees_the_rest(localhub):
    Hub(localhub.url, token="hf_ada").create("ada/open", visibility="public", settings={})
    remote = asked(localhub, "ron", "ada/open")

    assert remote.observed
    assert remote.observed.exists
    assert remote.settings is None
    assert () == remote.notes


@pytest.mark.parametrize("name", ["nobody"])
def test_a_token_that_is_not_accepted_is_told_and_ends_the_questions_about_the_space(name, localhub):
    remote = asked(localhub, name)

    assert remote.refused
    assert "does not accept the token" in remote.refused
    assert remote.observed is None


def test_a_hub_that_does_not_answer_is_one_note():
    space = Space.parse({"repo_id": "ada/app", "hardware": "cpu-basic"})
    remote = ask(space, Hub("http://127.0.0.1:9", "hf_ada"), readme=README, repos=[Repo("model", "a/b")])

    (note,) = remote.notes
    assert note.startswith("The Hub at http://127.0.0.1:9 does not answer: only what can be known without it")


def test_repositories_are_there_or_closed_or_missing(localhub):
    api = Hub(localhub.url, token="hf_ada")._api
    for name in ("open", "gated"):
        api.create_repo(f"ada/{name}-model", repo_type="model", visibility="public")
    api.update_repo_settings("ada/gated-model", gated="manual")
    api.create_bucket("ada/state")
    repos = [Repo("model", "ada/open-model"), Repo("model", "ada/gated-model"), Repo("model", "ada/no-model")]
    repos += [Repo("bucket", "ada/state"), Repo("bucket", "ada/no-state"), Repo("dataset", "ada/no-data")]

    access = asked(localhub, "ron", repos=repos).access

    assert ["open", "gated", "missing", "open", "missing", "missing"] == [access[repo] for repo in repos]


def test_a_folder_without_a_name_asks_only_about_its_files(localhub):
    remote = asked(localhub, named=False, readme=README)

    assert remote.identity is None
    assert remote.observed is None


@pytest.mark.parametrize(
    ("raw", "paid"),
    [
        ({"name": "ada", "isPro": True}, {"ada": True}),
        ({"name": "ada", "isPro": False}, {"ada": False}),
        ({"name": "ada"}, {}),
        ({"name": "ada", "orgs": [{"name": "acme", "isEnterprise": True}]}, {"acme": True}),
        ({"name": "ada", "orgs": [{"name": "acme", "isEnterprise": False, "plan": "team"}]}, {"acme": True}),
        ({"name": "ada", "orgs": [{"name": "acme", "plan": "free"}]}, {"acme": False}),
        ({"name": "ada", "orgs": [{"name": "acme", "isEnterprise": False}]}, {}),
    ],
)
def test_who_has_a_paid_plan_is_read_of_whoami(raw, paid):
    assert paid == Identity.read(raw).paid


@pytest.mark.parametrize(
    ("given", "stored", "shadows"),
    [("hf_a", "hf_b", True), ("hf_a", "hf_a\n", False), ("hf_a", None, False), ("", "hf_b", False)],
)
def test_a_variable_may_hide_a_login(given, stored, shadows, monkeypatch):
    place = Path(constants.HF_TOKEN_PATH)
    assert str(place).startswith(os.environ["HF_HOME"])  # that of the tests
    monkeypatch.setenv("HF_TOKEN", given)
    if stored is not None:
        place.write_text(stored)
    try:
        assert shadows == shadows_a_login()
    finally:
        place.unlink(missing_ok=True)
