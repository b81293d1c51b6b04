"""The store: what was saved is there again, also for the next server."""

from __future__ import annotations

import stat
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from spaceops.localhub.clock import wire_time
from spaceops.localhub.store import Entry, Repo, Settings, State, Store, connect, new_id
from spaceops.localhub.vault import Vault

NOW = "2026-01-31T12:00:00.000Z"


def repo(name: str = "demo", **changes: str) -> Repo:
    known = {"kind": "space", "namespace": "Ada", "visibility": "public", "sdk": "docker", "creator": "ada"}
    return Repo(id=new_id(), name=name, created_at=NOW, **{**known, **changes})


def opened(folder: Path) -> Store:
    """The store of a data folder."""
    folder.mkdir(exist_ok=True)
    return Store(connect(folder / "hub.sqlite3"), Vault(folder))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return opened(tmp_path)


def test_a_repository_is_found_whatever_the_case_of_its_name(store: Store) -> None:
    made = repo()
    store.add(made)

    assert made == store.find("space", "ada/DEMO")
    assert made == store.by_id(made.id)
    assert "Ada/demo" == made.repo_id


def test_kinds_do_not_mix(store: Store) -> None:
    space, model = repo(), repo(kind="model")
    store.add(space)
    store.add(model)

    assert [space] == store.spaces()
    assert [model] == store.all("model")
    assert store.find("dataset", "Ada/demo") is None


def test_settings_and_state_survive_the_store_that_wrote_them(tmp_path: Path) -> None:
    made = repo()
    entry = Entry(value="s3cret", description="for tests", updated_at=NOW)
    settings = Settings(hardware="t4-small", sleep_time=None, secrets={"KEY": entry}, volumes=({"source": "a/b"},))
    first = opened(tmp_path)
    first.add(made, settings)
    first.save_state(made, State(stage="RUNNING", sha="a" * 40, port=4242, restarts=3))

    second = opened(tmp_path)

    assert settings == second.settings(made)
    assert State(stage="RUNNING", sha="a" * 40, port=4242, restarts=3) == second.state(made)


def test_a_new_space_has_the_defaults_of_the_hub(store: Store) -> None:
    made = repo()
    store.add(made)

    assert ("cpu-basic", 172_800) == (store.settings(made).hardware, store.settings(made).sleep_time)
    assert "NO_APP_FILE" == store.state(made).stage


def test_what_is_removed_is_gone_and_a_late_save_brings_nothing_back(store: Store) -> None:
    made = repo()
    store.add(made)
    store.remove(made)
    store.save_state(made, State(stage="RUNNING"))

    assert store.find("space", made.repo_id) is None
    assert State() == store.state(made)


def test_visibility_and_sdk_can_change(store: Store) -> None:
    made = repo()
    store.add(made)
    store.update(replace(made, visibility="private", sdk="static"))

    found = store.by_id(made.id)

    assert found is not None
    assert ("private", "static") == (found.visibility, found.sdk)


def test_a_former_name_leads_to_the_repository_until_it_is_taken_or_gone(store: Store) -> None:
    made = repo()
    store.add(made)
    store.rename(made, "Acme", "new")

    for former in ("ada/DEMO", "Ada/demo"):
        assert store.find("space", former) is None
        assert replace(made, namespace="Acme", name="new") == store.moved("space", former)
    assert store.moved("model", "Ada/demo") is None
    another = repo()
    store.add(another)
    store.remove(another)
    assert store.moved("space", "Ada/demo") is None


def test_a_name_that_a_repository_takes_back_is_no_former_one(store: Store) -> None:
    made = repo()
    store.add(made)
    store.rename(made, "Acme", "new")
    store.rename(replace(made, namespace="Acme", name="new"), "Ada", "Demo")

    assert "Ada/Demo" == (store.find("space", "ada/demo") or made).repo_id
    assert store.moved("space", "ada/demo") is None
    assert store.moved("space", "acme/new") is not None
    store.remove(made)
    assert store.moved("space", "acme/new") is None


def test_a_constant_is_made_once_for_a_data_folder(tmp_path: Path) -> None:
    first, second = opened(tmp_path), opened(tmp_path)

    assert first.constant("key") == second.constant("key")
    assert first.constant("key") != first.constant("other")
    assert first.constant("key") != opened(tmp_path / "another").constant("key")


def test_only_the_owner_may_read_the_file_with_the_secrets(store: Store, tmp_path: Path) -> None:
    assert 0o600 == stat.S_IMODE((tmp_path / "hub.sqlite3").stat().st_mode)


def test_a_value_is_not_in_what_python_prints_of_an_entry() -> None:
    settings = Settings(secrets={"KEY": Entry(value="s3cret", updated_at=NOW)})

    assert "s3cret" not in repr(settings)


def test_times_are_as_the_wire_wants_them() -> None:
    moment = datetime(2026, 1, 31, 22, 54, 36, 123_000, tzinfo=timezone(timedelta(hours=1)))

    assert "2026-01-31T21:54:36.123Z" == wire_time(moment)
