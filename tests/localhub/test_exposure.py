"""The well-known token opens a server that nobody but this machine reaches, and no other."""

from __future__ import annotations

import json
from pathlib import Path

import httpx2 as httpx
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

from spaceops.errors import BadInput
from spaceops.localhub import LocalHub, embedded
from spaceops.localhub.exposure import is_exposed, names_this_machine
from tests.localhub.conftest import ACCOUNTS


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1", "localhost"])
def test_loopback_is_not_exposed(host: str) -> None:
    assert not is_exposed(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "hub.example"])
def test_everything_else_is_exposed(host: str) -> None:
    assert is_exposed(host)


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("127.0.0.1:7777", True),
        ("[::1]:7777", True),
        ("192.0.2.1", True),
        ("LocalHost:80", True),
        ("hub.localhost", True),
        ("", True),
        ("evil.example:7777", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
    ],
)
def test_a_name_that_anybody_can_give_this_machine_is_none_of_its_own(host: str, known: bool) -> None:
    assert known == names_this_machine(host)


def test_a_web_page_that_had_its_name_lead_here_is_not_served_with_the_well_known_token() -> None:
    with LocalHub() as hub:
        headers = {"Authorization": f"Bearer {hub.token}", "Host": "evil.example"}
        answer = httpx.get(f"{hub.url}/api/whoami-v2", headers=headers, trust_env=False)

    assert 403 == answer.status_code


def test_an_exposed_server_has_a_token_of_its_own_and_no_other(tmp_path: Path) -> None:
    with LocalHub(tmp_path / "data", host="0.0.0.0") as hub:
        assert len(hub.token) > 40
        assert "demo" == HfApi(endpoint=hub.url, token=hub.token).whoami()["name"]
        with pytest.raises(HfHubHTTPError, match="Invalid user token"):
            HfApi(endpoint=hub.url, token="hf_local").whoami()


def test_the_token_stays_and_differs_between_data_folders(tmp_path: Path) -> None:
    with LocalHub(tmp_path / "one", host="0.0.0.0") as hub:
        first = hub.token
    with LocalHub(tmp_path / "one", host="0.0.0.0") as hub:
        assert first == hub.token
    with LocalHub(tmp_path / "two", host="0.0.0.0") as hub:
        assert first != hub.token


def test_the_token_is_written_nowhere_and_still_found_by_who_may_read_the_folder(tmp_path: Path) -> None:
    with LocalHub(tmp_path / "data", host="0.0.0.0") as hub:
        files = [file for file in (tmp_path / "data").rglob("*") if file.is_file()]

        assert not [file for file in files if hub.token.encode() in file.read_bytes()]
        assert "token" not in json.loads((tmp_path / "data" / "address.json").read_text())
        assert (hub.url, hub.token, False) == embedded(tmp_path / "data")


def test_an_accounts_file_with_the_well_known_token_is_for_this_machine_only(tmp_path: Path) -> None:
    accounts = tmp_path / "accounts.toml"
    accounts.write_text(ACCOUNTS.replace("hf_bob", "hf_local"))

    with pytest.raises(BadInput, match="everybody knows the token hf_local"):
        LocalHub(tmp_path / "data", host="0.0.0.0", accounts=accounts).start()
    with LocalHub(tmp_path / "data", accounts=accounts) as hub:
        assert "bob" == HfApi(endpoint=hub.url, token="hf_local").whoami()["name"]
