"""space.toml: read, checked, and wrong in one clear way."""

from __future__ import annotations

import tomllib

import jsonschema
import pytest

from spaceops.errors import BadInput, SpecError
from spaceops.observed import Observed, Runtime
from spaceops.reference import EXAMPLE
from spaceops.spec import Space, find, repo_id_of, schema, volume_of

FULL = """
repo_id = "acme/sentiment"
source = "app"
visibility = "private"
hardware = "t4-small"
sleep_time = "2h"
transport = "git"

[variables]
MODEL_ID = "acme/small"
WORKERS = 2
DEBUG = false

[secrets]
HF_TOKEN = "env:HF_TOKEN"

[[volumes]]
source = "hf://buckets/acme/state"
mount = "/data"

[health]
path = "/ready"
timeout = "15m"
"""


def test_every_key_is_read(tmp_path):
    (tmp_path / "space.toml").write_text(FULL)

    space = Space.load(tmp_path)

    assert ("acme/sentiment", "private", "t4-small", "git") == (
        space.repo_id,
        space.visibility,
        space.hardware,
        space.transport,
    )
    assert tmp_path / "app" == space.root
    assert {"MODEL_ID": "acme/small", "WORKERS": "2", "DEBUG": "false"} == space.environment
    assert {"HF_TOKEN": "env:HF_TOKEN"} == space.secrets
    assert (7200, 900, "/ready") == (space.sleep_seconds, space.health.seconds, space.health.path)
    assert ("hf://buckets/acme/state", "/data") == (space.volumes[0].source, space.volumes[0].mount)


def test_changes_replace_what_the_file_says_and_none_leaves_it(tmp_path):
    (tmp_path / "space.toml").write_text(FULL)

    space = Space.load(tmp_path, repo_id="acme/other", hardware=None)

    assert ("acme/other", "t4-small") == (space.repo_id, space.hardware)


def test_a_relative_path_is_looked_for_from_here_and_then_from_the_parents(tmp_path, monkeypatch):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "space.toml").write_text('repo_id = "a/b"')
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")

    assert tmp_path / "app" / "space.toml" == find("app")
    assert tmp_path / "app" / "space.toml" == find("app/space.toml")


def test_a_folder_without_a_file_says_how_to_get_one(tmp_path):
    with pytest.raises(BadInput, match="spaceops new"):
        Space.load(tmp_path)


def test_malformed_toml_says_where(tmp_path):
    (tmp_path / "space.toml").write_text('repo_id = "a/b"\nhardware = \n')

    with pytest.raises(SpecError, match="line 2"):
        Space.load(tmp_path)


@pytest.mark.parametrize(
    ("data", "field", "message"),
    [
        ({}, "repo_id", "got None, wants a value"),
        ({"repo_id": 3}, "repo_id", "got 3, wants text"),
        ({"repo_id": "alone"}, "repo_id", "wants owner/name"),
        ({"repo_id": "a/b--c"}, "repo_id", "wants owner/name"),
        ({"repo_id": "a/b", "hardwar": "x"}, "hardwar", "Did you mean hardware?"),
        ({"repo_id": "a/b", "health": {"pth": "/"}}, "health.pth", "Did you mean health.path?"),
        ({"repo_id": "a/b", "health": {"path": "ready"}}, "health.path", "starts with /"),
        ({"repo_id": "a/b", "health": {"times": 0}}, "health.times", "got 0, wants a whole number >= 1"),
        ({"repo_id": "a/b", "health": {"times": 0}}, "health.times", "How many answers in a row"),
        ({"repo_id": "a/b", "health": 3}, "health", "got 3"),
        ({"repo_id": "a/b", "sleep_time": -5}, "sleep_time", "or never"),
        ({"repo_id": "a/b", "visibility": "secret"}, "visibility", "public, protected"),
        ({"repo_id": "a/b", "sleep_time": "soon"}, "sleep_time", "a duration"),
        ({"repo_id": "a/b", "transport": "ftp"}, "transport", "api (the Hub's commit API) or git"),
        ({"repo_id": "a/b", "variables": {"1X": "y"}}, "variables.1X", "no digit first"),
        ({"repo_id": "a/b", "variables": {"K": "1"}, "secrets": {"K": "env:K"}}, "secrets.K", "not a variable too"),
        ({"repo_id": "a/b", "hardware": 3}, "hardware", "got 3, wants text or a list"),
        ({"repo_id": "a/b", "hardware": []}, "hardware", "wants the name of a flavor, or several"),
        ({"repo_id": "a/b", "hardware": ""}, "hardware", "spaceops hardware ls"),
        ({"repo_id": "a/b", "hardware": ["t4-small", 4]}, "hardware[1]", "got 4, wants text"),
        ({"repo_id": "a/b", "hardware": ["x", "y", "x"]}, "hardware[2]", "got 'x', wants each flavor once"),
        ({"repo_id": "a/b", "exclude": "*.csv"}, "exclude", "wants a list"),
        ({"repo_id": "a/b", "exclude": ["*.csv", 1]}, "exclude[1]", "Patterns, as in .gitignore"),
        ({"repo_id": "a/b", "exclude": ["*.csv", "!"]}, "exclude[1]", "wants a pattern of .gitignore"),
        ({"repo_id": "a/b", "keep": [""]}, "keep[0]", "wants a pattern of .gitignore"),
        ({"repo_id": "a/b", "keep": ["[a"]}, "keep[0]", "wants a pattern of .gitignore"),
        ({"repo_id": "a/b", "keep": ["# a comment"]}, "keep[0]", "wants a pattern of .gitignore"),
        ({"repo_id": "a/b", "keep": ["a\nb"]}, "keep[0]", "wants a pattern of .gitignore"),
        ({"repo_id": "a/b", "prune": 1}, "prune", "got 1, wants true or false"),
        ({"repo_id": "a/b", "prunes": True}, "prunes", "Did you mean prune?"),
        ({"repo_id": "a/b", "on_failure": "stop"}, "on_failure", "wants one of rollback, pause, keep"),
        ({"repo_id": "a/b", "limits": 3}, "limits", "got 3, wants a table"),
        ({"repo_id": "a/b", "limits": {"max_cost": 1}}, "limits.max_cost", "Did you mean limits.max_hourly_cost?"),
        ({"repo_id": "a/b", "limits": {"max_hourly_cost": -1}}, "limits.max_hourly_cost", "wants a number >= 0"),
        ({"repo_id": "a/b", "limits": {"max_hourly_cost": float("nan")}}, "limits.max_hourly_cost", "got nan"),
        ({"repo_id": "a/b", "limits": {"max_hourly_cost": "1"}}, "limits.max_hourly_cost", "Dollars an hour"),
        ({"repo_id": "a/b", "health": {"body": 3}}, "health.body", "got 3, wants text"),
        ({"repo_id": "a/b", "health": {"grace": "long"}}, "health.grace", "a duration"),
        ({"repo_id": "a/b", "health": {"timeout": "0s"}}, "health.timeout", "got '0s', wants a duration"),
        ({"repo_id": "a/b", "variables": {"A": "x", "B": ["y"]}}, "variables.B", "got ['y'], wants"),
        ({"repo_id": "a/b", "variables": {"A": "x", "3": ["y"]}}, "variables.3", "got ['y'], wants"),
        ({"repo_id": "a/b", "volumes": 3}, "volumes", "got 3, wants a list"),
        ({"repo_id": "a/b", "volumes": [3]}, "volumes[0]", "got 3, wants a table"),
        ({"repo_id": "a/b", "volumes": [{"source": 1, "mount": "/x"}]}, "volumes[0].source", "got 1, wants text"),
        ({"repo_id": "a/b", "volumes": [{"source": "hf://buckets/x", "mount": "/x"}]}, "volumes[0].source", "NS/NAME"),
        (
            {"repo_id": "a/b", "volumes": [{"source": "hf://a/b@v1", "mount": "/x"}]},
            "volumes[0].source",
            "under `revision`",
        ),
        ({"repo_id": "a/b", "volumes": [{"source": "x"}]}, "volumes[0].mount", "wants a value"),
        ({"repo_id": "a/b", "volumes": [{"source": "x", "mount": "/x"}]}, "volumes[0]", "hf://"),
        ({"repo_id": "a/b", "volumes": [{"sorce": "x"}]}, "volumes.sorce", "Did you mean volumes.source?"),
    ],
)
def test_a_wrong_file_names_the_field_the_value_and_what_is_wanted(data, field, message):
    with pytest.raises(SpecError) as caught:
        Space.parse(data)

    assert field == caught.value.field
    assert message in str(caught.value)
    assert 2 == caught.value.exit_code


def test_two_volumes_cannot_be_at_one_place():
    volumes = [{"source": "hf://a/b", "mount": "/data"}, {"source": "hf://buckets/a/c", "mount": "/data/"}]

    with pytest.raises(
        SpecError, match=r"volumes\[1\].mount: got '/data/', wants another folder than volumes\[0\] has"
    ):
        Space.parse({"repo_id": "a/b", "volumes": volumes})


@pytest.mark.parametrize(
    "source",
    [
        "hf://gpt2",
        "hf://acme/small",
        "hf://models/gpt2",
        "hf://datasets/acme/texts",
        "hf://spaces/a/b",
        "hf://buckets/a/b",
    ],
)
def test_sources_of_volumes_are_written_as_on_the_hub(source):
    space = Space.parse({"repo_id": "a/b", "volumes": [{"source": source, "mount": "/x"}]})

    assert source == space.volumes[0].source


def test_hardware_is_one_flavor_or_several_in_order_of_preference():
    assert ("l4x1", "t4-small") == Space.parse({"repo_id": "a/b", "hardware": ["l4x1", "t4-small"]}).flavors
    assert ("t4-small",) == Space.parse({"repo_id": "a/b", "hardware": "t4-small"}).flavors
    assert () == Space.parse({"repo_id": "a/b"}).flavors


@pytest.mark.parametrize("value", ["sk-live-4242-abcdef", 4242424242, ["sk-live-4242-abcdef"]])
def test_a_secret_written_into_the_file_is_refused_and_not_repeated(value):
    with pytest.raises(SpecError) as caught:
        Space.parse({"repo_id": "a/b", "secrets": {"API_KEY": value}})

    assert "4242" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "acme/demo",
        "spaces/acme/demo",
        "https://huggingface.co/spaces/acme/demo",
        "https://huggingface.co/spaces/acme/demo/",
        "http://127.0.0.1:7777/spaces/acme/demo",
        "hf://spaces/acme/demo",
    ],
)
def test_a_space_may_be_named_as_users_name_it(text):
    assert "acme/demo" == repo_id_of(text)


@pytest.mark.parametrize(
    "text", ["acme", "acme/demo/tree", "acme/../x", "a/b--c", "a/" + "b" * 96, "acme/dä", "a/b-", "-a/b"]
)
def test_what_is_no_name_of_a_space_is_refused(text):
    with pytest.raises(SpecError):
        repo_id_of(text)


def test_volumes_are_written_as_hf_writes_them():
    volume = volume_of("hf://datasets/acme/data:/data:ro")

    assert ("hf://datasets/acme/data", "/data", True) == (volume.source, volume.mount, volume.read_only)
    with pytest.raises(SpecError):
        volume_of("acme/data:/data")


def test_the_schema_describes_every_key_and_not_our_own_fields():
    defined = schema()["$defs"]

    for name in ("Space", "Environment"):
        keys = defined[name]["properties"]
        assert not {"folder", "file", "env_name", "references"} & keys.keys()
        assert all("description" in key for key in keys.values())
    assert {"env"} == defined["Space"]["properties"].keys() - defined["Environment"]["properties"].keys()
    assert {"without"} == defined["Environment"]["properties"].keys() - defined["Space"]["properties"].keys()


@pytest.mark.parametrize(
    ("data", "is_valid"),
    [
        (tomllib.loads(EXAMPLE), True),
        ({"repo_id": "a/b"}, True),
        ({}, False),
        ({"variables": {"X": 1}, "env": {"staging": {"repo_id": "a/b", "without": ["X"]}}}, True),
        ({"env": {"staging": {"hardware": "t4-small"}}}, False),
        ({"repo_id": "a/b", "hardware": 3}, False),
        ({"repo_id": "a/b", "hardwrae": "x"}, False),
        ({"repo_id": "a/b", "env": {"staging": {"repo_id": "a/c", "env": {}}}}, False),
        ({"repo_id": "a/b", "limits": {"max_hourly_cost": -1}}, False),
    ],
)
def test_an_editor_with_the_schema_says_what_the_reader_says(data, is_valid):
    assert is_valid == jsonschema.Draft202012Validator(schema()).is_valid(data)
    if is_valid:
        assert Space.parse(data, env=next(iter(data.get("env", {})), None))
    else:
        with pytest.raises(SpecError):
            Space.parse(data)


def test_the_example_of_the_reference_says_every_key():
    example = tomllib.loads(EXAMPLE)
    keys = schema()["$defs"]

    assert keys["Space"]["properties"].keys() == example.keys()
    for table in ("health", "limits"):
        assert keys[table.capitalize()]["properties"].keys() == example[table].keys()
    assert keys["Volume"]["properties"].keys() == {key for volume in example["volumes"] for key in volume}


def test_what_is_prints_without_any_value_of_a_secret():
    observed = Observed(
        "a/b", exists=True, sha="3f2a91c" + "0" * 33, runtime=Runtime("RUNNING"), secrets={"K": "x [spaceops:1:a:b]"}
    )

    assert "3f2a91c" in str(observed)
    assert ["K"] == observed.as_dict()["secrets"]
    assert "a/b does not exist" == str(Observed("a/b"))
