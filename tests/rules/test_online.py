"""`check --online` against a local Hub: token, plan, collisions, README.md, storage, volumes, models."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spaceops import Hub, LocalHub
from spaceops.findings import Report
from spaceops.observed import Observed, Runtime
from spaceops.preflight import asked, check, context
from spaceops.remote import Remote
from spaceops.rules import all_rules
from spaceops.rules.examples import GOOD, write

ACCOUNTS = """
[[users]]
name = "ada"
token = "hf_ada"
plan = "pro"
orgs = ["acme"]

[[users]]
name = "ron"
token = "hf_ron"
role = "read"

[[users]]
name = "eve"
token = "hf_eve"

[[orgs]]
name = "acme"
plan = "free"
"""
ONLINE = [rule.code for rule in all_rules().values() if rule.body.__module__.endswith(".online")]


@pytest.fixture(scope="module")
def localhub(tmp_path_factory):
    accounts = tmp_path_factory.mktemp("accounts") / "accounts.toml"
    accounts.write_text(ACCOUNTS)
    with LocalHub(accounts=accounts) as server:
        Hub(server.url, token="hf_ada").create("ada/app", visibility="private", settings={})
        yield server


def online(folder, localhub, change=None, *, name="ada", repo_id="ada/app", more="") -> Report:
    spec = {"space.toml": f'repo_id = "{repo_id}"\n{more}\n'}
    return check(write(folder, {**spec, **(change or {})}), hub=Hub(localhub.url, token=f"hf_{name}"))


def codes(report):
    return [finding.code for finding in report]


def test_where_all_is_well_the_hub_adds_nothing(localhub, tmp_path):
    report = online(tmp_path, localhub)

    assert () == report.findings
    assert () == report.notes


@pytest.mark.parametrize(
    ("name", "repo_id", "expected"),
    [
        ("ada", "ada/new", []),
        ("nobody", "ada/app", ["token-invalid-401"]),
        ("ron", "ron/new", ["pro-required-402", "token-no-write-403"]),
        ("eve", "eve/new", ["pro-required-402"]),
        ("ada", "acme/new", ["pro-required-402"]),
        ("ada", "elsewhere/new", []),
    ],
)
def test_who_may_create_a_space_and_has_a_plan_for_it(name, repo_id, expected, localhub, tmp_path):
    report = online(tmp_path, localhub, name=name, repo_id=repo_id)

    assert expected == codes(report)
    assert {"error"} >= {finding.severity for finding in report}


def test_paid_hardware_without_a_plan_may_be_taken(localhub, tmp_path):
    more = 'hardware = "cpu-upgrade"\nsleep_time = "1h"\n[limits]\nmax_hourly_cost = 1'
    (found,) = online(tmp_path, localhub, name="eve", repo_id="eve/new", more=more)

    assert ("pro-required-402", "warning") == (found.code, found.severity)


def test_the_hubs_own_words_about_the_card(localhub, tmp_path):
    change = {"README.md": GOOD["README.md"].replace("colorTo: green", "colorTo: teal")}
    report = online(tmp_path, localhub, change)
    (found,) = [finding for finding in report if finding.code == "readme-refused"]

    assert "README.md:5" == found.where
    assert found.message.startswith('The Hub refuses README.md: "colorTo" must be one of')


SERVER = """\
import os

from fastapi import FastAPI
{}
app = FastAPI()


@app.get("/")
def hello() -> str:
    return "hello"
"""


def test_a_secret_that_is_on_the_hub_only_is_not_missing_and_another_certainly_is(localhub, tmp_path):
    hub = Hub(localhub.url, token="hf_ada")
    hub.variables.set("ada/app", "REGION", "eu")
    change = {"main.py": SERVER.format('\nREGION, KEY = os.environ["REGION"], os.environ["WEATHER_KEY"]\n')}

    (found,) = online(tmp_path, localhub, change)

    assert ("missing-secret", "error") == (found.code, found.severity)
    assert "WEATHER_KEY" in found.message


@pytest.mark.parametrize(
    ("change", "more", "code", "where"),
    [
        ({}, '[[volumes]]\nsource = "hf://buckets/ada/none"\nmount = "/data"', "hf-mount-failed", "space.toml:3"),
        ({}, '[[volumes]]\nsource = "hf://ada/none"\nmount = "/model"', "hf-mount-failed", "space.toml:3"),
        ({}, '[variables]\nMODEL_ID = "ada/none"', "model-not-found", "space.toml:3"),
        ({}, '[variables]\nMODEL_ID = "ada/gated"', "gated-model-401", "space.toml:3"),
        ({}, '[variables]\nMODEL_ID = "ada/open"', None, ""),
        ({}, '[variables]\nMODEL_ID = "all-MiniLM-L6-v2"', None, ""),
        ({}, '[variables]\nMODEL_FILE = "ada/none"', None, ""),
        (
            {"README.md": GOOD["README.md"].replace("sdk: docker", "sdk: docker\npreload_from_hub:\n- ada/none a.txt")},
            "",
            "model-not-found",
            "README.md:7",
        ),
    ],
)
def test_what_the_space_needs_from_the_hub(change, more, code, where, localhub, tmp_path):
    api = Hub(localhub.url, token="hf_ada")._api
    for name in ("open", "gated"):
        api.create_repo(f"ada/{name}", visibility="public", exist_ok=True)
    api.update_repo_settings("ada/gated", gated="manual")
    write(tmp_path, {"space.toml": f'repo_id = "eve/app"\n{more}\n', **change})
    report = check(
        tmp_path,
        hub=Hub(localhub.url, token="hf_eve"),
        select=["hf-mount-failed", "model-not-found", "gated-model-401"],
    )

    assert [(code, where)] * bool(code) == [(found.code, found.where) for found in report]


@pytest.mark.parametrize(
    ("call", "is_found"),
    [
        ('AutoModel.from_pretrained("ada/none")', True),
        ('AutoModel.from_pretrained("./ada")', False),
        ('AutoModel.from_pretrained("models/small")', False),
        ('pipeline("sentiment-analysis", model="ada/none")', True),
        ('pipeline("sentiment-analysis")', False),
    ],
)
def test_models_that_the_code_loads(call, is_found, localhub, tmp_path):
    text = SERVER.format(f"from transformers import AutoModel, pipeline\n\nMODEL = {call}\n")
    change = {"main.py": text, "models/small/config.json": "{}"}
    report = online(tmp_path, localhub, change)

    assert is_found == ("model-not-found" in codes(report))


# what the local Hub does not come to


def said(folder, space_toml="", **facts) -> list[str]:
    """The codes of what is found when the Hub said this."""
    write(folder, {"space.toml": f'repo_id = "ada/app"\n{space_toml}\n'})
    ctx = replace(context(folder), remote=Remote("https://huggingface.co", **facts))
    rules = all_rules()
    return [found.code for code in ONLINE for found in rules[code].findings(ctx)]


def there(**facts) -> Observed:
    return Observed("ada/app", exists=True, **facts)


def test_a_name_that_is_both_on_the_hub(tmp_path):
    both = there(variables={"KEY": "x", "COLOR": "blue"}, secrets={"KEY": None})

    assert ["variable-secret-collision"] == said(tmp_path, observed=both)
    assert [] == said(tmp_path, '[secrets]\nKEY = "env:KEY"', observed=both)


def test_a_space_that_is_nearly_full(tmp_path):
    assert ["space-storage-full"] == said(tmp_path, used_storage=950_000_000)
    assert [] == said(tmp_path, used_storage=200_000_000)


def test_hardware_that_this_hub_does_not_offer(tmp_path):
    offered = frozenset({"cpu-basic", "t4-small"})

    assert ["hardware-not-offered"] == said(tmp_path, 'hardware = "l4x1"', hardware=offered)
    assert [] == said(tmp_path, 'hardware = "t4-small"', hardware=offered)
    assert [] == said(tmp_path, 'hardware = "l4x1"')


def test_a_token_in_the_environment_that_hides_the_login(tmp_path):
    assert ["token-env-shadow"] == said(tmp_path, shadows_a_login=True)


@pytest.mark.parametrize(("visibility", "severity"), [("private", "warning"), ("public", "error")])
def test_a_token_in_a_file_becomes_public_only_where_the_space_is(visibility, severity, tmp_path):
    token = "hf_" + "QmTzKvWcRyLpXnGdBsHfJwEaUoVtNiCqZk"
    ctx = context(write(tmp_path, {"main.py": GOOD["main.py"] + f'TOKEN = "{token}"\n'}))
    ctx = replace(ctx, remote=Remote("https://huggingface.co", observed=there(visibility=visibility)))

    assert [severity] == [found.severity for found in all_rules()["secret-in-files"].findings(ctx)]


@pytest.mark.parametrize(
    ("runs", "stage", "is_found"),
    [("a" * 40, "RUNNING", True), ("b" * 40, "RUNNING", False), ("a" * 40, "RUNNING_BUILDING", False)],
)
def test_a_space_that_runs_an_older_commit(runs, stage, is_found, tmp_path):
    observed = there(sha="b" * 40, runtime=Runtime(stage, sha=runs))

    assert ["stale-build"] * is_found == said(tmp_path, observed=observed)


def test_a_hub_that_does_not_answer_leaves_the_rest_as_it_is(tmp_path):
    write(tmp_path, {"README.md": GOOD["README.md"].replace("sdk: docker\n", "")})
    alone = check(tmp_path)
    report = check(tmp_path, hub=Hub("http://127.0.0.1:9", token="hf_ada"))

    assert alone.findings == report.findings
    assert 1 == len(report.notes)


def test_every_rule_of_the_hub_is_silent_when_nobody_was_asked(tmp_path):
    ctx = context(write(tmp_path, {}))
    rules = all_rules()

    assert [] == [found for code in ONLINE for found in rules[code].findings(ctx)]
    assert all(len(rules[code].meaning) > 20 for code in ONLINE)


def test_a_folder_without_space_toml_is_asked_about_its_files_only(localhub, tmp_path):
    localhub.requests.clear()
    ctx = asked(context(write(tmp_path, {"space.toml": None})), Hub(localhub.url, token="hf_ada"))

    assert ctx.remote
    assert ["/api/validate-yaml"] == [path for _, path in localhub.requests]
