"""space.toml: read, checked, and wrong in one clear way."""

from __future__ import annotations

import pytest

from spaceops.errors import BadInput, SpecError
from spaceops.observed import Observed, Runtime
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


def test_the_schema_describes_every_key_and_not_our_own_field():
    keys = schema()["$defs"]["Space"]["properties"]

    assert "folder" not in keys
    assert all("description" in key for key in keys.values())


def test_what_is_prints_without_any_value_of_a_secret():
    observed = Observed(
        "a/b", exists=True, sha="3f2a91c" + "0" * 33, runtime=Runtime("RUNNING"), secrets={"K": "x [spaceops:1:a:b]"}
    )

    assert "3f2a91c" in str(observed)
    assert ["K"] == observed.as_dict()["secrets"]
    assert "a/b does not exist" == str(Observed("a/b"))
