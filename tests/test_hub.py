"""The border to the Hub: what it answers as our data, what it refuses as our errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from spaceops import Hub, Secret
from spaceops.comparison import volumes_wanted
from spaceops.errors import (
    BadInput,
    Conflict,
    Forbidden,
    HubError,
    NoCapacity,
    NotFound,
    PaymentRequired,
    RateLimited,
    Unreachable,
)
from spaceops.hub.border import lacks_hardware
from spaceops.spec import volume_of
from tests.scripted_server import Answer, scripted


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
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
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


# a token that is not accepted, and a Space that is not there

MISSING = Answer(404, b'{"error": "Repository not found"}', {"X-Error-Code": "RepoNotFound"})
REFUSED = Answer(401, b'{"error": "Invalid username or password."}', {"X-Error-Code": "RepoNotFound"})
UNKNOWN = Answer(401, b'{"error": "Invalid credentials in Authorization header"}')


@pytest.fixture
def server():
    with scripted() as running:
        yield running


CALLS = {
    "observe": lambda hub: hub.observe("ada/app"),
    "runtime": lambda hub: hub.runtime("ada/app"),
    "files": lambda hub: hub.files("ada/app", "main"),
    "read": lambda hub: hub.read("ada/app", "README.md"),
    "history": lambda hub: hub.history("ada/app"),
    "ledger": lambda hub: hub.branch("ada/app", "spaceops").read("ledger.json"),
    "variables": lambda hub: hub.variables.ls("ada/app"),
    "secrets": lambda hub: hub.secrets.ls("ada/app"),
    "pause": lambda hub: hub.pause("ada/app"),
    "logs": lambda hub: hub.stream("/api/spaces/ada/app/logs/run").__enter__(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_401_in_spite_of_a_token_is_never_a_space_that_is_missing(server, call):
    server.answers["/"] = REFUSED

    with pytest.raises(Forbidden, match="does not accept the token") as caught:
        call(Hub(server.url, token="hf_x"))

    assert (401, 4) == (caught.value.status, caught.value.exit_code)
    assert "OAuth token without the scope" in caught.value.hint


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_token_that_nobody_has_is_told_how_to_log_in(server, call):
    server.answers["/"] = UNKNOWN

    with pytest.raises(Forbidden, match="Invalid credentials") as caught:
        call(Hub(server.url, token="hf_x"))

    assert "hf auth login" in caught.value.hint


def test_a_space_that_is_missing_is_missing_whether_there_is_a_token_or_not(server):
    server.answers["/"] = MISSING
    assert not Hub(server.url, token="hf_x").observe("ada/app").exists
    assert Hub(server.url, token="hf_x").branch("ada/app", "spaceops").read("ledger.json").content is None

    server.answers["/"] = REFUSED
    assert not Hub(server.url).observe("ada/app").exists
    with pytest.raises(NotFound, match="there is no token"):
        Hub(server.url).runtime("ada/app")


# whose token it is, remembered


def whoami(server) -> list[str]:
    return [path for _, path, _ in server.asked if path == "/api/whoami-v2"]


@pytest.fixture
def remembering(server, monkeypatch, tmp_path):
    monkeypatch.setenv("SPACEOPS_CACHE", str(tmp_path / "cache"))
    server.answers["/api/whoami-v2"] = Answer(body=b'{"name": "ada"}')
    return server


def test_whose_token_it_is_is_asked_once_an_hour(remembering, tmp_path):
    names = {Hub(remembering.url, token="hf_x").account for _ in range(3)}
    (place,) = (tmp_path / "cache" / "accounts").iterdir()
    kept = json.loads(place.read_text())
    place.write_text(json.dumps({**kept, "at": kept["at"] - 3601}))
    names.add(Hub(remembering.url, token="hf_x").account)

    assert {"ada"} == names
    assert 2 == len(whoami(remembering))


def test_each_token_and_each_server_is_remembered_by_itself(remembering, tmp_path):
    with scripted() as other:
        other.answers["/api/whoami-v2"] = Answer(body=b'{"name": "bob"}')
        names = [Hub(url, token=token).account for url in (remembering.url, other.url) for token in ("hf_x", "hf_y")]

    assert ["ada", "ada", "bob", "bob"] == names
    assert 4 == len(list((tmp_path / "cache" / "accounts").iterdir()))


def test_nothing_of_a_token_is_written_down(remembering, tmp_path):
    token = "hf_" + "a1B2" * 8
    _ = Hub(remembering.url, token=token).account

    files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert 1 == len(files)
    assert 0o600 == files[0].stat().st_mode & 0o777
    assert not [path for path in files if token in path.read_text() + str(path) or token[3:] in path.read_text()]


def test_a_token_that_was_revoked_is_not_remembered_any_more(remembering):
    _ = Hub(remembering.url, token="hf_x").account
    remembering.answers["/"] = remembering.answers["/api/whoami-v2"] = UNKNOWN

    with pytest.raises(Forbidden):
        Hub(remembering.url, token="hf_x").runtime("ada/app")
    with pytest.raises(Forbidden):
        _ = Hub(remembering.url, token="hf_x").account


@pytest.mark.parametrize(
    "damage", [b"", b"[]", b"{}", b'{"name": "eve", "at": "now"}', b'{"name": "eve", "at": 9e99}', b"\xff"]
)
def test_a_damaged_memory_is_none(remembering, tmp_path, damage):
    _ = Hub(remembering.url, token="hf_x").account
    (place,) = (tmp_path / "cache" / "accounts").iterdir()
    place.write_bytes(damage)

    assert "ada" == Hub(remembering.url, token="hf_x").account


# hardware that there is not


@pytest.mark.parametrize(
    "said",
    [
        "Scheduling failure: not enough hardware capacity",
        "Scheduling failure: unable to schedule",
        "There is no capacity for a10g-small at the moment",
    ],
)
def test_a_runtime_that_has_no_hardware_is_understood(said):
    assert lacks_hardware(said)


@pytest.mark.parametrize(
    "said",
    [
        None,
        "",
        "Launch timed out, workload was not healthy after 30 min",
        "Exit code: 1. Reason: RuntimeError: No CUDA GPUs are available",
        " Exit code: 1. Reason: the queue is at capacity, unable to schedule the job",
        "Exit code: 1. Reason: stopped\nScheduling failure: said by the app",
        "You've reached your hardware quota limit across all your Spaces!",
        "Memory limit exceeded (16Gi)",
    ],
)
def test_what_is_the_apps_fault_or_the_accounts_limit_is_no_lack_of_hardware(said):
    assert not lacks_hardware(said)


REFUSALS = [
    (400, "Insufficient resources for this flavor"),
    (409, "No GPU is available at the moment"),
    (422, "a10g-small: flavor not available in this region"),
    (500, "This hardware is currently unavailable, try another one"),
    (503, "Scheduling failure: not enough hardware capacity"),
]


@pytest.mark.parametrize(("status", "said"), REFUSALS)
@pytest.mark.parametrize("call", ["set", "create"])
def test_a_refusal_for_lack_of_hardware_is_no_capacity_however_it_is_said(server, status, said, call):
    server.answers["/"] = Answer(status, json.dumps({"error": said}).encode())
    hub = Hub(server.url, token="hf_x")

    with pytest.raises(NoCapacity) as caught:
        if call == "set":
            hub.hardware.set("ada/app", "a10g-small")
        else:
            hub.create("ada/app", visibility=None, settings={"space_hardware": "a10g-small"})

    assert (status, 75) == (caught.value.status, caught.value.exit_code)
    assert said in caught.value.message
    assert caught.value.hint
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    ("status", "said", "error"),
    [
        (402, "Not enough capacity in your plan", PaymentRequired),
        (403, "You have no rights to this hardware", Forbidden),
        (503, "Service Unavailable", HubError),
        (400, '"flavor" must be one of [cpu-basic]', HubError),
    ],
)
def test_other_refusals_of_hardware_stay_what_they_are(server, status, said, error):
    server.answers["/"] = Answer(status, json.dumps({"error": said}).encode())

    with pytest.raises(error) as caught:
        Hub(server.url, token="hf_x").hardware.set("ada/app", "a10g-small")

    assert error is type(caught.value)


# no request waits for ever


def test_every_call_of_ours_has_a_time_out_and_the_calls_of_others_keep_theirs(server):
    from huggingface_hub.utils import get_session

    server.answers["/"] = Answer()
    hub = Hub(server.url, token="hf_x")
    hub.variables.ls("ada/app")
    hub.variables.ls("ada/app")

    ours = {"User-Agent": server.asked[-1][2]["user-agent"]}
    limits = {
        name: get_session().get(server.url, headers=headers, **given).request.extensions["timeout"]["read"]
        for name, headers, given in (("ours", ours, {}), ("given", ours, {"timeout": 7}), ("theirs", {}, {}))
    }

    assert {"ours": 120.0, "given": 7, "theirs": None} == limits
    hooks = get_session().event_hooks["request"]
    assert len(hooks) == len(set(hooks))


# what was, and what is on another revision


def test_the_history_of_main_is_one_request_and_ends_where_it_is_told(hub, repo_id, localhub, tmp_path):
    shas = [hub.observe(repo_id).sha]
    for number in range(3):
        (tmp_path / "a").write_text(str(number))
        shas.append(hub.commit(repo_id, add={"a": str(tmp_path / "a")}, remove=[], message=f"n{number}", parent=None))
    localhub.requests.clear()

    found = hub.history(repo_id)

    assert [("GET", f"/api/spaces/{repo_id}/commits/main")] == list(localhub.requests)
    assert ["n2", "n1", "n0", "initial commit"] == [commit.title for commit in found]
    assert shas == [commit.sha for commit in reversed(found)]
    assert ("demo",) == found[0].authors
    assert found[0].date.endswith("Z")
    assert ["n2"] == [commit.title for commit in hub.history(repo_id, since=shas[2])]
    assert [] == hub.history(repo_id, since=shas[3])
    assert 4 == len(hub.history(repo_id, since="0" * 40))
    assert ["n2", "n1"] == [commit.title for commit in hub.history(repo_id, count=2)]
    assert b"1" == hub.read(repo_id, "a", revision=shas[2])
    assert b"2" == hub.read(repo_id, "a")
    assert {"a", "README.md", ".gitattributes"} == set(hub.files(repo_id, shas[1]) | hub.files(repo_id, shas[3]))


def test_setting_a_variable_can_keep_its_description(hub, repo_id):
    hub.variables.set(repo_id, "A", "1", description="one")
    words = hub.variables.described(repo_id)["A"][1]
    hub.variables.set(repo_id, "A", "2", description=words)

    assert {"A": ("2", "one")} == hub.variables.described(repo_id)
    assert {"A": "one"} == hub.observe(repo_id).descriptions


def test_secrets_tell_when_they_were_set(hub, repo_id):
    hub.secrets.set(repo_id, "A", Secret("the value of a", "A"))
    updated = datetime.fromisoformat(hub.secrets.ls(repo_id)["A"].updated)

    assert timedelta() <= datetime.now(UTC) - updated < timedelta(minutes=1)


def test_prices_are_those_of_the_list(hub):
    assert {flavor.name: flavor.hourly_cost for flavor in hub.hardware.ls()} == hub.hardware.prices()
