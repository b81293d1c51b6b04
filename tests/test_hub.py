"""The border to the Hub: what it answers as our data, what it refuses as our errors."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from spaceops import Hub, Secret
from spaceops.errors import (
    BadInput,
    Conflict,
    Forbidden,
    HubError,
    NotFound,
    PaymentRequired,
    RateLimited,
    Unreachable,
)
from spaceops.comparison import volumes_wanted
from spaceops.spec import volume_of


@pytest.fixture
def repo_id(space, hub):
    hub.create(space.repo_id, visibility=None, settings={})
    return space.repo_id


class Refusing(BaseHTTPRequestHandler):
    """Answers every request with the status in its path's user name."""

    def do_GET(self):
        status = int(self.server.status)
        self.send_response(status)
        self.send_header("RateLimit", '"api";r=0;t=55')
        self.send_header("RateLimit-Policy", '"fixed window";"api";q=500;w=300')
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"error": "said by the server"}')

    def log_message(self, *args):
        pass


@pytest.fixture
def refusing():
    server = HTTPServer(("127.0.0.1", 0), Refusing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "error", "exit_code"),
    [
        (400, HubError, 1),
        (401, Forbidden, 4),
        (402, PaymentRequired, 4),
        (403, Forbidden, 4),
        (404, NotFound, 3),
        (409, Conflict, 5),
        (412, Conflict, 5),
        (429, RateLimited, 75),
        (500, HubError, 1),
    ],
)
def test_every_refusal_has_its_class_its_status_and_a_hint(refusing, status, error, exit_code):
    refusing.status = status
    hub = Hub(f"http://127.0.0.1:{refusing.server_port}", token="hf_x")

    with pytest.raises(HubError) as caught:
        hub.runtime("demo/x")

    assert error is type(caught.value)
    assert (status, exit_code) == (caught.value.status, caught.value.exit_code)
    assert caught.value.hint
    assert caught.value.__cause__ is not None
    if status == 429:
        assert "56 seconds" in caught.value.hint


def test_nobody_there_is_unreachable_and_names_the_address():
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9 does not answer"):
        Hub("http://127.0.0.1:9", token="hf_x").runtime("demo/x")


@pytest.mark.parametrize("endpoint", ["huggingface.co", "http://", "http://[bad", "http://127.0.0.1:99999", "ftp://x"])
def test_an_endpoint_that_is_no_url_is_refused(endpoint):
    with pytest.raises(BadInput, match="not a URL"):
        Hub(endpoint)


def test_a_password_in_the_endpoint_is_refused_and_not_repeated():
    with pytest.raises(BadInput) as caught:
        Hub("http://ada:topsecret@127.0.0.1:9")

    assert "topsecret" not in str(caught.value)


def test_a_token_with_foreign_characters_is_refused():
    with pytest.raises(Forbidden, match="no token has"):
        Hub("http://127.0.0.1:9", token="hf_zürich")


def test_a_server_that_is_no_hub_is_named_as_such(refusing):
    refusing.status = 200

    with pytest.raises(HubError, match="not as a Hub does"):
        _ = Hub(f"http://127.0.0.1:{refusing.server_port}", token="hf_x").account


def test_an_app_whose_page_never_ends_is_healthy():
    class Endless(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                while True:
                    self.wfile.write(b"more " * 1000)

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Endless) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        status, said = Hub("http://127.0.0.1:9", token="hf_x").ask_app(
            f"http://127.0.0.1:{server.server_port}/", private=False
        )
        thread.join(timeout=10)

    assert (200, "", False) == (status, said, thread.is_alive())


def test_debug_output_of_the_client_is_redacted(localhub, repo_id):
    script = (
        f"from spaceops import Hub, Secret; "
        f"Hub({localhub.url!r}, token={localhub.token!r}).secrets.set({repo_id!r}, 'K', Secret('zebra-crossing', 'K'))"
    )
    env = {**os.environ, "HF_DEBUG": "1"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=env)

    assert "[REDACTED:K]" in done.stderr
    assert "zebra" not in done.stderr + done.stdout


def test_without_a_token_the_account_says_how_to_log_in(localhub, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    script = f"from spaceops import Hub; Hub({localhub.url!r}).account"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert "hf auth login" in done.stderr


def test_a_space_that_does_not_exist_is_observed_as_such(hub):
    observed = hub.observe("demo/nothing")

    assert not observed.exists
    assert "demo/nothing does not exist" == str(observed)


def words_of(secrets) -> dict[str, str | None]:
    return {key: secret.description for key, secret in secrets.items()}


def test_the_one_create_call_carries_all_settings(space, hub):
    hub.create(
        space.repo_id,
        visibility="private",
        settings={
            "space_hardware": "t4-small",
            "space_sleep_time": 3600,
            "space_variables": [{"key": "A", "value": "1"}],
            "space_secrets": [{"key": "S", "value": "never shown", "description": "mine"}],
        },
    )

    found = hub.observe(space.repo_id)

    assert ("private", "t4-small", 3600) == (
        found.visibility,
        found.runtime.requested_hardware,
        found.runtime.sleep_time,
    )
    assert ({"A": "1"}, {"S": "mine"}) == (found.variables, words_of(found.secrets))
    assert {"README.md", ".gitattributes"} == set(found.files)


def test_creating_what_exists_is_a_conflict(hub, repo_id):
    with pytest.raises(Conflict):
        hub.create(repo_id, visibility=None, settings={})


def test_variables_are_set_listed_and_deleted(hub, repo_id):
    hub.variables.set(repo_id, "A", "1")
    hub.variables.set(repo_id, "B", "2", description="two")
    hub.variables.delete(repo_id, "A")
    hub.variables.delete(repo_id, "A")

    assert {"B": "2"} == hub.variables.ls(repo_id)


def test_secrets_are_set_listed_and_deleted_and_never_shown(hub, repo_id):
    hub.secrets.set(repo_id, "A", Secret("the value of a", "A"), description="mine")
    hub.secrets.set(repo_id, "B", Secret("the value of b", "B"))
    hub.secrets.delete(repo_id, "B")

    assert {"A": "mine"} == words_of(hub.secrets.ls(repo_id))


def test_hardware_has_prices_and_can_be_asked_for_and_given_back(hub, repo_id):
    flavors = {flavor.name: flavor for flavor in hub.hardware.ls()}

    asked = hub.hardware.set(repo_id, "t4-small", sleep_time=1800)
    back = hub.hardware.delete(repo_id)

    assert (0.4, 0.0) == (flavors["t4-small"].hourly_cost, flavors["cpu-basic"].hourly_cost)
    assert "T4" in (flavors["t4-small"].accelerator or "")
    assert ("t4-small", 1800, "cpu-basic") == (asked.requested_hardware, asked.sleep_time, back.requested_hardware)


def test_volumes_are_replaced_and_taken_away(hub, repo_id):
    hub.volumes.set(repo_id, volumes_wanted((volume_of(f"hf://spaces/{repo_id}:/data"),)))
    attached = hub.volumes.ls(repo_id)
    hub.volumes.delete(repo_id)

    assert [("space", repo_id, "/data")] == [(v["type"], v["source"], v["mountPath"]) for v in attached]
    assert [] == hub.volumes.ls(repo_id)


def test_a_card_that_the_hub_refuses_is_bad_input_with_its_words(hub, repo_id, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("---\nsdk: docker\ncolorFrom: orange\n---\n")

    with pytest.raises(BadInput, match="colorFrom"):
        hub.commit(repo_id, add={"README.md": str(readme)}, remove=[], message="m", parent=None)


def test_the_token_prints_nowhere(localhub):
    token = "hf_" + "a1B2" * 8

    hub = Hub(localhub.url, token=token)

    assert token not in repr(hub) + repr(vars(hub))


def in_a_process_of_its_own(localhub, **environment) -> subprocess.CompletedProcess:
    script = f"from spaceops import Hub; print(Hub({localhub.url!r}, token={localhub.token!r}).identity().name)"
    env = {**os.environ, **environment}
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, env=env)


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "socks5://127.0.0.1:9"])
@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("no_proxy", ["", "127.0.0.1,localhost,::1", "example.com"])
def test_a_proxy_in_the_environment_does_not_break_loopback(localhub, name, address, no_proxy):
    done = in_a_process_of_its_own(localhub, **{name: address, "NO_PROXY": no_proxy, "no_proxy": no_proxy})

    assert "demo" == done.stdout.strip(), done.stderr


def test_offline_mode_is_named_as_the_reason(localhub):
    done = in_a_process_of_its_own(localhub, HF_HUB_OFFLINE="1")

    assert "HF_HUB_OFFLINE is set" in done.stderr
