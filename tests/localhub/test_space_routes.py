"""The settings, the runtime and the logs of Spaces, through the unmodified client."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from huggingface_hub import CommitOperationAdd, HfApi, Volume
from huggingface_hub.errors import BadRequestError, HfHubHTTPError
from huggingface_hub.utils import get_session

from spaceops.localhub import LocalHub
from tests.localhub.conftest import Asker

NAMES = (f"ada/setting-{number}" for number in itertools.count())
APP = """
import http.server, os, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = os.environ.get("COLOR", "none").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

print("serving", os.environ.get("COLOR"), flush=True)
http.server.ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), Handler).serve_forever()
"""
DOCKERFILE = 'FROM python:3.11\nWORKDIR /app\nCOPY . .\nCMD ["python", "app.py", "7860"]\n'


def push_app(api: HfApi, space: str, app: str = APP) -> str:
    files = {"Dockerfile": DOCKERFILE, "app.py": app}
    operations = [CommitOperationAdd(path, text.encode()) for path, text in files.items()]
    return api.create_commit(space, operations, repo_type="space", commit_message="app").oid


def ask_app(api: HfApi, space: str, **headers: str) -> tuple[int, str]:
    answer = get_session().get(str(api.space_info(space).host), headers=headers)
    return answer.status_code, answer.text


def test_all_settings_come_with_the_creation(api: HfApi, localhub: LocalHub) -> None:
    name = next(NAMES)
    api.create_bucket("ada/state", exist_ok=True)
    localhub.requests.clear()
    api.create_repo(
        name,
        repo_type="space",
        space_sdk="docker",
        space_hardware="t4-small",
        space_sleep_time=3600,
        space_variables=[{"key": "COLOR", "value": "blue", "description": "of the sky"}, {"key": "N", "value": "1"}],
        space_secrets=[{"key": "TOKEN", "value": "s3cret", "description": "to get in"}],
        space_volumes=[Volume(type="bucket", source="ada/state", mount_path="/data", read_only=True)],
    )
    assert [("POST", "/api/repos/create")] == list(localhub.requests)

    variables, secrets, runtime = (
        api.get_space_variables(name),
        api.get_space_secrets(name),
        api.get_space_runtime(name),
    )
    assert {"COLOR": ("blue", "of the sky"), "N": ("1", None)} == {
        key: (found.value, found.description) for key, found in variables.items()
    }
    assert {"TOKEN": "to get in"} == {key: found.description for key, found in secrets.items()}
    assert ("t4-small", 3600, "NO_APP_FILE") == (runtime.requested_hardware, runtime.sleep_time, runtime.stage)
    assert runtime.hardware is None
    assert [("ada/state", "/data", True)] == [(v.source, v.mount_path, v.read_only) for v in runtime.volumes or []]
    assert {"restarts": 0, "rebuilds": 0}.items() <= localhub.counters(name).items()


def test_a_variable_is_set_changed_and_deleted(api: HfApi, space: str) -> None:
    api.add_space_variable(space, "COLOR", "blue")
    found = api.add_space_variable(space, "COLOR", "red", description="of anger")

    assert ("red", "of anger") == (found["COLOR"].value, found["COLOR"].description)
    assert abs(found["COLOR"].updated_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert {} == api.delete_space_variable(space, "COLOR")
    assert {} == api.delete_space_variable(space, "COLOR")


def test_a_secret_is_never_shown(api: HfApi, ask: Asker, space: str) -> None:
    api.add_space_secret(space, "TOKEN", "s3cret-value", description="d")
    answers = [
        ask("GET", f"/api/spaces/{space}/secrets"),
        ask("POST", f"/api/spaces/{space}/secrets", json={"key": "TOKEN", "value": "s3cret-value"}),
        ask("GET", f"/api/spaces/{space}"),
        ask("DELETE", f"/api/spaces/{space}/secrets", json={"key": "OTHER"}),
    ]

    assert not any("s3cret-value" in answer.text for answer in answers)
    assert answers[1].json() == answers[3].json() == {}
    assert {"description", "updatedAt"} == set(answers[0].json()["TOKEN"])
    api.delete_space_secret(space, "TOKEN")
    assert {} == api.get_space_secrets(space)


def test_everybody_sees_variables_and_only_owners_see_secrets(ask: Asker, api: HfApi, space: str) -> None:
    api.add_space_variable(space, "COLOR", "blue")

    assert "blue" == ask("GET", f"/api/spaces/{space}/variables", token=None).json()["COLOR"]["value"]
    assert [401, 403] == [
        ask("GET", f"/api/spaces/{space}/secrets", token=token).status_code for token in (None, "hf_bob")
    ]


@pytest.mark.parametrize("key", ["", "A B", "1A", "A-B", "A" * 257, "Ä"])
def test_a_key_that_no_shell_could_hold_is_refused(ask: Asker, space: str, key: str) -> None:
    for what in ("variables", "secrets"):
        answer = ask("POST", f"/api/spaces/{space}/{what}", json={"key": key, "value": "hidden-value"})
        assert 400 == answer.status_code
        assert "hidden-value" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "variables", {"key": "A", "value": "1"}),
        ("DELETE", "variables", {"key": "A"}),
        ("POST", "secrets", {"key": "A", "value": "1"}),
        ("DELETE", "secrets", {"key": "A"}),
        ("POST", "hardware", {"flavor": "t4-small"}),
        ("POST", "sleeptime", {"seconds": 60}),
        ("POST", "replicas", {"replicas": 1}),
        ("POST", "dev-mode", {"enabled": False}),
        ("POST", "storage", {"tier": "small"}),
        ("DELETE", "storage", None),
        ("PUT", "volumes", {"volumes": []}),
        ("DELETE", "volumes", None),
        ("POST", "pause", None),
        ("POST", "restart", None),
    ],
)
def test_only_owners_change_a_space(ask: Asker, space: str, method: str, path: str, body: Any) -> None:
    answers = [ask(method, f"/api/spaces/{space}/{path}", token=token, json=body) for token in (None, "hf_bob")]

    assert [401, 403] == [answer.status_code for answer in answers]


def test_hardware_brings_its_own_sleep_time(api: HfApi, space: str) -> None:
    asked = api.request_space_hardware(space, "t4-small")  # type: ignore[arg-type]
    assert ("t4-small", None) == (asked.requested_hardware, asked.sleep_time)

    assert 900 == api.set_space_sleep_time(space, 900).sleep_time
    assert None is api.set_space_sleep_time(space, -1).sleep_time
    assert 60 == api.request_space_hardware(space, "t4-medium", sleep_time=60).sleep_time  # type: ignore[arg-type]


def test_free_hardware_sleeps_after_48_hours_whatever_is_asked(api: HfApi, space: str) -> None:
    with pytest.warns(UserWarning, match="not configurable"):
        asked = api.set_space_sleep_time(space, 60)

    assert 172_800 == asked.sleep_time


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("hardware", {"flavor": "h100"}, '"flavor" must be one of [cpu-basic'),
        ("hardware", {"flavor": "t4-small", "sleepTimeSeconds": 0}, "sleep time"),
        ("hardware", {"flavor": "zero-a10g"}, "ZeroGPU is for Gradio Spaces only"),
        ("replicas", {"replicas": 2}, "needs paid hardware, not cpu-basic"),
        ("replicas", {"replicas": 0}, "from 1 to 100"),
        ("replicas", {"replicas": 10**9}, "from 1 to 100"),
        ("storage", {"tier": "huge"}, "Invalid enum value"),
        ("variables", {"key": "A", "value": "x" * 70_000}, "at most 65536 bytes"),
        ("variables", {"key": "A", "value": "a\0b"}, "NUL"),
        ("dev-mode", {"enabled": "yes"}, "Expected `bool`"),
        ("sleeptime", {"seconds": -5}, "sleep time"),
        ("sleeptime", {"seconds": "soon"}, "Expected `int`"),
        ("sleeptime", {}, "seconds"),
    ],
)
def test_settings_that_cannot_be_are_refused(ask: Asker, space: str, path: str, body: Any, said: str) -> None:
    answer = ask("POST", f"/api/spaces/{space}/{path}", json=body)

    assert 400 == answer.status_code
    assert said in answer.json()["error"]


def test_without_a_plan_there_is_no_way_back_to_free_hardware(localhub: LocalHub, ask: Asker) -> None:
    bob = HfApi(endpoint=localhub.url, token="hf_bob")
    bob.create_repo("bob/paid", repo_type="space", space_sdk="docker", space_hardware="t4-small")

    with pytest.raises(HfHubHTTPError, match="can't downgrade this Space") as caught:
        bob.request_space_hardware("bob/paid", "cpu-basic")  # type: ignore[arg-type]
    assert 402 == caught.value.response.status_code


def test_volumes_are_replaced_as_a_whole(api: HfApi, space: str) -> None:
    api.create_repo("ada/texts", repo_type="dataset", exist_ok=True)
    api.create_bucket("ada/state", exist_ok=True)
    api.set_space_volumes(space, [Volume(type="dataset", source="ada/texts", mount_path="/texts")])
    api.set_space_volumes(space, [Volume(type="bucket", source="ada/state", mount_path="/data")])
    assert ["/data"] == [volume.mount_path for volume in api.get_space_runtime(space).volumes or []]

    api.delete_space_volumes(space)
    assert not api.get_space_runtime(space).volumes
    with pytest.raises(BadRequestError, match="no volumes"):
        api.delete_space_volumes(space)


@pytest.mark.parametrize(
    "volumes",
    [
        [{"type": "disk", "source": "a/b", "mountPath": "/x"}],
        [{"type": "bucket", "source": "a", "mountPath": "/x"}],
        [{"type": "bucket", "source": "a/b", "mountPath": "x"}],
        [{"type": "bucket", "source": "a/b", "mountPath": "/x/../../etc"}],
        [{"type": "bucket", "source": "a/b", "mountPath": "/proc/self"}],
        [{"type": "bucket", "source": "a/b", "mountPath": "/x"}] * 2,
    ],
)
def test_volumes_that_cannot_be_are_refused(ask: Asker, space: str, volumes: list[dict[str, str]]) -> None:
    assert 400 == ask("PUT", f"/api/spaces/{space}/volumes", json={"volumes": volumes}).status_code


def test_the_hardware_on_offer_has_prices(api: HfApi) -> None:
    offered = {flavor.name: flavor for flavor in api.list_spaces_hardware()}

    assert 0 == offered["cpu-basic"].unit_cost_micro_usd
    assert 6667 == offered["t4-small"].unit_cost_micro_usd


def test_a_space_from_push_to_pause(api: HfApi, localhub: LocalHub) -> None:
    name = next(NAMES)
    api.create_repo(name, repo_type="space", space_sdk="docker", space_variables=[{"key": "COLOR", "value": "blue"}])
    sha = push_app(api, name)
    assert "BUILDING" == api.get_space_runtime(name).stage

    running = api.wait_for_space(name)
    assert ("RUNNING", sha, "cpu-basic") == (running.stage, running.raw["sha"], running.hardware)
    assert (200, "blue") == ask_app(api, name)

    api.add_space_variable(name, "COLOR", "red")
    assert "RUNNING" == api.wait_for_space(name).stage
    assert (200, "red") == ask_app(api, name)
    assert {"restarts": 1, "rebuilds": 1}.items() <= localhub.counters(name).items()

    assert "PAUSED" == api.pause_space(name).stage
    assert 503 == ask_app(api, name)[0]
    api.restart_space(name)
    assert "RUNNING" == api.wait_for_space(name).stage


def test_logs_come_from_the_start_and_end_at_the_end(api: HfApi) -> None:
    name = next(NAMES)
    api.create_repo(name, repo_type="space", space_sdk="docker", space_variables=[{"key": "COLOR", "value": "blue"}])
    push_app(api, name)
    api.wait_for_space(name)

    build = list(api.fetch_space_logs(name, build=True))
    following = iter(api.fetch_space_logs(name, follow=True))

    assert build[0].startswith("===== Build Queued at ")
    assert any(line.startswith("--> COPY . .") for line in build)
    assert build == list(api.fetch_space_logs(name, build=True, follow=True))  # the build is over: it ends
    assert next(following).startswith("===== Application Startup at ")
    assert "serving blue\n" == next(following)
    api.pause_space(name)
    assert [] == [line for line in following if "serving" in line]


def test_events_have_the_shape_that_clients_read(api: HfApi, ask: Asker, localhub: LocalHub) -> None:
    name = next(NAMES)
    api.create_repo(name, repo_type="space", space_sdk="docker")
    push_app(api, name)
    api.wait_for_space(name)

    answer = ask("GET", f"/api/spaces/{name}/logs/build")

    assert answer.headers["Content-Type"].startswith("text/event-stream")
    events = answer.text.removesuffix("\n\n").split("\n\n")
    assert "data:" in events  # all that was there has been said
    assert all(event.startswith('data: {"data":"') for event in events if event != "data:")
    assert all(event.endswith('Z"}') for event in events if event != "data:")


def test_logs_are_for_those_to_whom_the_space_belongs(ask: Asker, space: str) -> None:
    path = f"/api/spaces/{space}/logs/run"

    assert [401, 403] == [ask("GET", path, token=token).status_code for token in (None, "hf_bob")]
    assert 400 == ask("GET", f"/api/spaces/{space}/logs/nope").status_code


def test_a_private_space_opens_its_app_to_the_token_only(api: HfApi) -> None:
    name = next(NAMES)
    api.create_repo(name, repo_type="space", space_sdk="docker", visibility="private")
    push_app(api, name)
    api.wait_for_space(name)

    assert 404 == ask_app(api, name)[0]
    assert 404 == ask_app(api, name, Authorization="Bearer hf_bob")[0]
    assert (200, "none") == ask_app(api, name, Authorization="Bearer hf_ada")

    api.update_repo_settings(name, repo_type="space", visibility="protected")
    assert (200, "none") == ask_app(api, name)


def test_a_deleted_space_answers_no_more(api: HfApi) -> None:
    name = next(NAMES)
    api.create_repo(name, repo_type="space", space_sdk="docker")
    push_app(api, name)
    api.wait_for_space(name)
    host = str(api.space_info(name).host)

    api.delete_repo(name, repo_type="space")

    with pytest.raises(Exception, match=r"refused|disconnect|reset"):
        get_session().get(host)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "pause", None),
        ("POST", "restart", None),
        ("POST", "hardware", {"flavor": "t4-small"}),
        ("POST", "sleeptime", {"seconds": 60}),
        ("POST", "replicas", {"replicas": 1}),
        ("POST", "dev-mode", {"enabled": True}),
        ("POST", "storage", {"tier": "small"}),
        ("PUT", "volumes", {"volumes": []}),
    ],
)
def test_static_spaces_have_nothing_that_runs(api: HfApi, ask: Asker, method: str, path: str, body: Any) -> None:
    api.create_repo("ada/static", repo_type="space", space_sdk="static", exist_ok=True)

    answer = ask(method, f"/api/spaces/ada/static/{path}", json=body)

    assert 400 == answer.status_code
    assert "static" in answer.json()["error"]


def test_replicas_are_shown_and_go_with_the_paid_hardware(api: HfApi, ask: Asker, space: str) -> None:
    api.request_space_hardware(space, "cpu-upgrade")  # type: ignore[arg-type]
    answer = ask("POST", f"/api/spaces/{space}/replicas", json={"replicas": 3})

    assert {"current": 3, "requested": 3} == answer.json()["replicas"]
    api.request_space_hardware(space, "cpu-basic")  # type: ignore[arg-type]
    assert {"current": 1, "requested": 1} == api.get_space_runtime(space).raw["replicas"]


def test_dev_mode_needs_a_plan_to_begin_and_none_to_end(api: HfApi, localhub: LocalHub, space: str) -> None:
    assert api.enable_space_dev_mode(space).dev_mode
    assert not api.disable_space_dev_mode(space).dev_mode

    bob = HfApi(endpoint=localhub.url, token="hf_bob")
    bob.create_repo("bob/dev", repo_type="space", space_sdk="docker", space_hardware="t4-small", exist_ok=True)
    with pytest.raises(HfHubHTTPError, match="Dev Mode requires") as caught:
        bob.enable_space_dev_mode("bob/dev")
    assert 402 == caught.value.response.status_code
    assert not bob.disable_space_dev_mode("bob/dev").dev_mode


def test_clients_before_2_0_may_ask_for_storage(ask: Asker, api: HfApi, space: str) -> None:
    path = f"/api/spaces/{space}/storage"

    assert "medium" == ask("POST", path, json={"tier": "medium"}).json()["storage"]
    assert 400 == ask("POST", path, json={"tier": "small"}).status_code
    assert "large" == ask("POST", path, json={"tier": "large"}).json()["storage"]
    assert None is ask("DELETE", path).json()["storage"]
    assert 400 == ask("DELETE", path).status_code
    made = ask("POST", "/api/repos/create", json=_of_1x("stored")).json()["name"]
    assert "small" == api.get_space_runtime(made).storage


def _of_1x(name: str) -> dict[str, Any]:
    """What a client before 2.0 sends."""
    return {"name": name, "type": "space", "sdk": "docker", "private": True, "storageTier": "small"}


def test_the_zero_gpu_quota_is_told_to_those_who_are_known(api: HfApi, ask: Asker) -> None:
    quota = api.get_zero_gpu_quota()

    assert (1500, 1500, None) == (quota.base, quota.remaining, quota.resets_at)
    assert 401 == ask("GET", "/api/spaces/zero-gpu/quota", token=None).status_code


def test_zero_gpu_needs_a_plan(localhub: LocalHub) -> None:
    bob = HfApi(endpoint=localhub.url, token="hf_bob")

    with pytest.raises(HfHubHTTPError, match="must be subscribed to PRO") as caught:
        bob.create_repo("bob/zero", repo_type="space", space_sdk="gradio", space_hardware="zero-a10g")
    assert 402 == caught.value.response.status_code


def test_all_variables_together_have_a_limit(ask: Asker, space: str) -> None:
    value = "x" * 65_000
    path = f"/api/spaces/{space}/variables"
    statuses = [ask("POST", path, json={"key": f"V{number}", "value": value}).status_code for number in range(17)]

    assert [200] * 16 + [400] == statuses
    assert 400 == ask("POST", path, json={"key": "V", "value": "", "description": value}).status_code


def test_whoever_follows_the_build_after_a_push_gets_that_build(api: HfApi) -> None:
    name = next(NAMES)
    api.create_repo(name, repo_type="space", space_sdk="docker")
    for number in range(3):
        sha = push_app(api, name, APP + f"# {number}\n")
        lines = list(api.fetch_space_logs(name, build=True, follow=True))

        assert f"/ Commit SHA: {sha[:7]} =====" in lines[0]
        assert any(line.startswith("--> CMD") for line in lines)


def test_whoever_follows_the_run_log_during_the_first_build_gets_the_app(api: HfApi) -> None:
    name = next(NAMES)
    api.create_repo(name, repo_type="space", space_sdk="docker", space_variables=[{"key": "COLOR", "value": "blue"}])
    push_app(api, name)
    following = iter(api.fetch_space_logs(name, follow=True))

    assert next(following).startswith("===== Application Startup at ")
    assert "serving blue\n" == next(following)


def test_lines_with_unusual_line_breaks_pass_the_client(api: HfApi) -> None:
    """It splits what comes at every character that Unicode calls a line break."""
    name = next(NAMES)
    api.create_repo(name, repo_type="space", space_sdk="docker")
    push_app(
        api,
        name,
        "print('next\\x85line\\u2028separator\\u2029paragraph\\x0b\\x0c\\x1c\\x1d\\x1e.', flush=True)\n" + APP,
    )
    api.wait_for_space(name)
    following = iter(api.fetch_space_logs(name, follow=True))

    assert next(following).startswith("===== Application Startup at ")
    assert "next\x85line\u2028separator\u2029paragraph\x0b\x0c\x1c\x1d\x1e.\n" == next(following)
