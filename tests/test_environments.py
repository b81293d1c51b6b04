"""`[env.NAME]`: one file for staging and production, and never the secrets of one in the Space of the other."""

from __future__ import annotations

import string
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaceops import deploy, plan
from spaceops.errors import SpecError
from spaceops.files import scan
from spaceops.spec import Space

FILE = """
repo_id = "acme/sentiment"
source = "app"
hardware = ["l4x1", "t4-small"]
exclude = ["notes/"]

[variables]
LOG_LEVEL = "info"
EMPTY_LATER = "full"
ONLY_HERE = "x"

[secrets]
HF_TOKEN = "env:HF_TOKEN"
API_KEY = "env:API_KEY"

[[volumes]]
source = "hf://buckets/acme/state"
mount = "/data"

[health]
path = "/ready"
times = 5

[limits]
max_hourly_cost = 1.0

[env.staging]
repo_id = "acme/sentiment-staging"
hardware = "cpu-basic"
exclude = []
without = ["ONLY_HERE", "API_KEY"]

[env.staging.variables]
LOG_LEVEL = "debug"
EMPTY_LATER = ""
NEW = 1

[env.staging.secrets]
HF_TOKEN = "env:STAGING_TOKEN"

[[env.staging.volumes]]
source = "hf://buckets/acme/state-staging"
mount = "/data"

[env.staging.health]
times = 1

[env.bare]
repo_id = "acme/sentiment-bare"
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.delenv("SPACEOPS_ENV", raising=False)
    (tmp_path / "space.toml").write_text(FILE)
    return tmp_path / "space.toml"


def test_an_environment_replaces_values_and_lists_and_merges_tables(file):
    space = Space.load(file, env="staging")

    assert ("acme/sentiment-staging", "staging", "cpu-basic", ()) == (
        space.repo_id,
        space.env_name,
        space.hardware,
        space.exclude,
    )
    assert {"LOG_LEVEL": "debug", "EMPTY_LATER": "", "NEW": 1} == space.variables
    assert {"HF_TOKEN": "env:STAGING_TOKEN"} == space.secrets
    assert ["hf://buckets/acme/state-staging"] == [volume.source for volume in space.volumes]
    assert (1, "/ready", 1.0) == (space.health.times, space.health.path, space.limits.max_hourly_cost)


def test_an_environment_that_says_nothing_inherits_everything_but_the_repo_id(file):
    base, space = Space.load(file), Space.load(file, env="bare")

    assert "acme/sentiment-bare" == space.repo_id
    for field in set(Space.__struct_fields__) - {"repo_id", "env_name"}:
        assert getattr(base, field) == getattr(space, field), field


def test_without_a_choice_the_top_level_counts(file):
    space = Space.load(file)

    assert ("acme/sentiment", None, 3) == (space.repo_id, space.env_name, len(space.variables))


def test_the_variable_of_the_shell_chooses_and_an_argument_comes_first(file, monkeypatch):
    monkeypatch.setenv("SPACEOPS_ENV", "staging")
    assert "staging" == Space.load(file).env_name
    assert "bare" == Space.load(file, env="bare").env_name
    assert None is Space.load(file, env="").env_name

    monkeypatch.setenv("SPACEOPS_ENV", "")
    assert None is Space.load(file).env_name


def test_changes_replace_what_the_environment_says(file):
    assert "a10g-small" == Space.load(file, env="staging", hardware="a10g-small").hardware


def test_an_unknown_environment_names_the_nearest(file):
    with pytest.raises(SpecError, match=r"'stagin', wants one of staging, bare\nhint: Did you mean -e staging\?"):
        Space.load(file, env="stagin")


def test_a_file_without_environments_has_none_to_choose():
    with pytest.raises(SpecError, match=r"wants none: space.toml has no \[env"):
        Space.parse({"repo_id": "a/b"}, env="staging")


def test_a_base_without_repo_id_needs_a_choice():
    data = {"hardware": "t4-small", "env": {"staging": {"repo_id": "a/s"}, "production": {"repo_id": "a/p"}}}

    assert ("a/p", "t4-small") == (
        Space.parse(data, env="production").repo_id,
        Space.parse(data, env="staging").hardware,
    )
    with pytest.raises(SpecError, match=r"repo_id: got None.*\nhint: Choose one: -e staging, -e production\."):
        Space.parse(data)


@pytest.mark.parametrize(
    ("env", "field", "message"),
    [
        ({"staging": 3}, "env.staging", "[env.staging] begins one"),
        ({"staging": {}}, "env.staging.repo_id", "a secret must not reach another one's"),
        ({"staging": {"repo_id": 3}}, "env.staging.repo_id", "got 3, wants text"),
        (
            {"staging": {"repo_id": "a/s", "hardwrae": "x"}},
            "env.staging.hardwrae",
            "Did you mean env.staging.hardware?",
        ),
        ({"staging": {"repo_id": "a/s", "witout": []}}, "env.staging.witout", "Did you mean env.staging.without?"),
        ({"staging": {"repo_id": "a/s", "env": {}}}, "env.staging.env", "wants one of"),
        ({"staging": {"repo_id": "a/s", "folder": "/"}}, "env.staging.folder", "wants one of"),
        ({"staging": {"repo_id": "a/s", "hardware": []}}, "env.staging.hardware", "the name of a flavor"),
        ({"staging": {"repo_id": "a/s", "health": {"pth": "/"}}}, "env.staging.health.pth", "env.staging.health.path?"),
        ({"staging": {"repo_id": "a/s", "health": {"path": "x"}}}, "env.staging.health.path", "starts with /"),
        ({"staging": {"repo_id": "a/s", "health": 3}}, "env.staging.health", "got 3, wants a table"),
        ({"staging": {"repo_id": "a/s", "variables": {"X": ["y"]}}}, "env.staging.variables.X", "got ['y']"),
        (
            {"staging": {"repo_id": "a/s", "variables": {"TOKEN": "y"}}},
            "env.staging.secrets.TOKEN",
            "not a variable too",
        ),
        ({"staging": {"repo_id": "a/s", "without": "X"}}, "env.staging.without", "a list of names"),
        ({"staging": {"repo_id": "a/s", "without": ["TOKE"]}}, "env.staging.without", "Did you mean TOKEN?"),
    ],
)
def test_an_environment_that_is_not_chosen_is_checked_too(env, field, message):
    with pytest.raises(SpecError) as caught:
        Space.parse({"repo_id": "a/b", "secrets": {"TOKEN": "env:TOKEN"}, "env": {"fine": {"repo_id": "a/f"}, **env}})

    assert field == caught.value.field
    assert message in str(caught.value)


def test_environments_are_tables():
    with pytest.raises(SpecError, match="env: got 'int', wants tables"):
        Space.parse({"repo_id": "a/b", "env": 3})


def test_what_is_wrong_on_the_top_level_is_not_told_of_an_environment():
    with pytest.raises(SpecError) as caught:
        Space.parse({"sleep_time": "soon", "env": {"staging": {"repo_id": "a/s"}}}, env="staging")

    assert "sleep_time" == caught.value.field


def test_a_variable_becomes_a_secret_where_it_is_left_out_first():
    data = {"repo_id": "a/b", "variables": {"URL": "x"}}
    staging = {"repo_id": "a/s", "without": ["URL"], "secrets": {"URL": "env:URL"}}

    space = Space.parse(data | {"env": {"staging": staging}}, env="staging")

    assert ({}, {"URL": "env:URL"}) == (space.variables, space.secrets)


@pytest.mark.parametrize("value", ["sk-live-4242-abcdef", ["sk-live-4242-abcdef"]])
@pytest.mark.parametrize(
    "place", ["env = {!r}", "[env]\nAPI_KEY = {!r}", "[env.s]\nrepo_id='a/c'\nsecrets.API_KEY = {!r}"]
)
def test_a_secret_in_the_wrong_place_is_not_repeated(place, value):
    with pytest.raises(SpecError) as caught:
        Space.parse({"repo_id": "a/b"} | tomllib.loads(place.format(value)))

    assert "4242" not in str(caught.value)


# never a secret to the wrong Space


@pytest.mark.parametrize(
    ("top", "one", "other", "field"),
    [
        ("acme/demo", "acme/demo", "acme/x", "env.one.repo_id"),
        ("acme/demo", "Acme/DEMO", "acme/x", "env.one.repo_id"),
        ("acme/demo", "acme/x", "acme/X", "env.other.repo_id"),
        (None, "acme/x", "acme/x", "env.other.repo_id"),
    ],
)
def test_no_two_environments_are_the_same_space(top, one, other, field):
    data = {"env": {"one": {"repo_id": one}, "other": {"repo_id": other}}} | ({"repo_id": top} if top else {})

    with pytest.raises(SpecError, match="wants another than") as caught:
        Space.parse(data, env="one")

    assert field == caught.value.field


def test_what_the_secrets_of_any_environment_are_read_from_is_never_pushed(space, tmp_path):
    for name in ("base.key", "production.key", "staging.env"):
        (space.root / name).write_text("KEY=correct horse battery")
    data = {
        "source": str(space.root),
        "secrets": {"KEY": "file:app/base.key"},
        "env": {
            "staging": {"repo_id": "a/s", "secrets": {"KEY": "dotenv:app/staging.env#KEY"}},
            "production": {"repo_id": "a/p", "secrets": {"KEY": "file:app/production.key"}},
            "public": {"repo_id": "a/x", "without": ["KEY"]},
        },
    }

    for env in data["env"]:
        files = scan(Space.parse(data, env=env, folder=tmp_path)).files
        assert {"Dockerfile", "README.md", "app.py"} == set(files), env


NAMES = st.text(string.ascii_uppercase, min_size=1, max_size=2)
TABLES = st.dictionaries(NAMES, st.sampled_from(["", "x", "y"]), max_size=4)


@settings(max_examples=100, deadline=None)
@given(base=TABLES, own=TABLES, data=st.data())
def test_an_environment_has_its_own_names_and_the_inherited_ones_that_it_does_not_leave_out(base, own, data):
    without = data.draw(st.lists(st.sampled_from(sorted(base)), unique=True)) if base else []
    staging = {"repo_id": "a/s", "variables": own, "without": without}

    space = Space.parse({"repo_id": "a/b", "variables": base, "env": {"staging": staging}}, env="staging")

    assert {name: value for name, value in base.items() if name not in without} | own == space.variables
    assert base == Space.parse({"repo_id": "a/b", "variables": base, "env": {"staging": staging}}).variables


def test_staging_and_production_of_one_folder_are_two_spaces_with_their_own_settings(space, hub, monkeypatch):
    monkeypatch.setenv("STAGING_KEY", "of staging alone")
    monkeypatch.setenv("PRODUCTION_KEY", "of production alone")
    data = {
        "repo_id": space.repo_id,
        "source": str(space.root),
        "variables": {"STAGE": "production"},
        "secrets": {"KEY": "env:PRODUCTION_KEY"},
        "env": {
            "staging": {
                "repo_id": f"{space.repo_id}-staging",
                "variables": {"STAGE": "staging"},
                "secrets": {"KEY": "env:STAGING_KEY"},
            }
        },
    }
    production, staging = Space.parse(data), Space.parse(data, env="staging")

    deploy(production, hub, detach=True)
    deploy(staging, hub, detach=True)

    assert {"STAGE": "production"} == hub.variables.ls(space.repo_id)
    assert {"STAGE": "staging"} == hub.variables.ls(f"{space.repo_id}-staging")
    assert not plan(production, hub)
    assert not plan(staging, hub)
    monkeypatch.setenv("PRODUCTION_KEY", "of staging alone")
    assert plan(production, hub).has("secret")
