"""The streams of Spaces: logs, events and metrics, as clients read them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2 as httpx
import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from spaceops.localhub import LocalHub
from tests.localhub.conftest import NUMBERS, Asker

APP = """
import http.server, sys
ballast = b"x" * 50_000_000
for number in range(1000):
    print("line", number, flush=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()
        if self.path == "/say":
            print("said", flush=True)
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer(("0.0.0.0", 7860), Handler).serve_forever()
"""
FILES = {"Dockerfile": 'FROM python:3.11\nWORKDIR /app\nCOPY . .\nCMD ["python", "app.py"]\n'}


def push(api: HfApi, name: str, app: str) -> str:
    files = {**FILES, "app.py": app.replace("7860", "int(sys.argv[1])")}
    files["Dockerfile"] = files["Dockerfile"].replace('"app.py"', '"app.py", "7860"')
    operations = [CommitOperationAdd(path, text.encode()) for path, text in files.items()]
    return api.create_commit(name, operations, repo_type="space", commit_message="app").oid


@pytest.fixture(scope="module")
def running(localhub: LocalHub) -> str:
    """A Space that runs and has printed a thousand lines."""
    api = HfApi(endpoint=localhub.url, token="hf_ada")
    name = api.create_repo("ada/talkative", repo_type="space", space_sdk="docker", visibility="private").repo_id
    push(api, name, APP)
    assert "RUNNING" == api.wait_for_space(name).stage
    return name


class Stream:
    """Events as they arrive."""

    def __init__(self, rows: Iterator[str]) -> None:
        self._rows = rows

    def event(self) -> dict[str, str]:
        """The fields of the next one."""
        fields = {}
        for row in self._rows:
            if not row:
                return fields
            name, _, value = row.partition(":")
            fields[name] = value.strip()
        raise EOFError

    def data(self) -> Any:
        """The data of the next one that has any."""
        while not (text := self.event().get("data")):
            pass
        return json.loads(text)

    def replay(self) -> list[Any]:
        """The data of all that is there, up to the event that says so."""
        found = []
        while text := self.event()["data"]:
            found.append(json.loads(text))
        return found

    def until(self, holds: Callable[[Any], bool]) -> list[Any]:
        """All data up to the first for which that holds."""
        found = [self.data()]
        while not holds(found[-1]):
            found.append(self.data())
        return found

    def rest(self) -> list[Any]:
        """All data up to the end."""
        found = []
        try:
            while True:
                found.append(self.data())
        except EOFError:
            return found


@contextmanager
def stream(localhub: LocalHub, path: str, token: str = "hf_ada") -> Iterator[Stream]:
    with (
        httpx.Client(base_url=localhub.url, timeout=20, trust_env=False) as client,
        client.stream("GET", f"/api/spaces/{path}", headers={"Authorization": f"Bearer {token}"}) as answer,
    ):
        assert 200 == answer.status_code
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield Stream(answer.iter_lines())


@pytest.mark.parametrize("tail", [0, 1, 300, 1000])
def test_the_last_lines_of_a_log_and_then_what_comes(localhub: LocalHub, running: str, api: HfApi, tail: int) -> None:
    with stream(localhub, f"{running}/logs/run") as log:
        whole = log.replay()
    with stream(localhub, f"{running}/logs/run?tail={tail}") as log:
        assert whole[len(whole) - tail :] == log.replay()
        say(api, running)
        assert "said\n" == log.data()["data"]


def say(api: HfApi, name: str) -> None:
    """Have the app print something."""
    host = str(api.space_info(name).host)
    httpx.get(f"{host}/say", headers={"Authorization": "Bearer hf_ada"}, trust_env=False)


def test_more_lines_than_there_are_is_all(localhub: LocalHub, running: str) -> None:
    with stream(localhub, f"{running}/logs/run?tail=100000") as log:
        assert log.data()["data"].startswith("===== Application Startup at ")


@pytest.mark.parametrize("tail", ["-1", "x", "1e3", ""])
def test_a_tail_that_is_no_number_is_refused(ask: Asker, running: str, tail: str) -> None:
    assert 400 == ask("GET", f"/api/spaces/{running}/logs/run?tail={tail}").status_code


def test_events_tell_the_runtime_at_once_and_each_change(localhub: LocalHub, api: HfApi) -> None:
    name = api.create_repo(f"ada/watched-{next(NUMBERS)}", repo_type="space", space_sdk="docker").repo_id
    with stream(localhub, f"{name}/events") as events:
        assert api.get_space_runtime(name).raw == events.data()

        sha = push(api, name, APP)
        runtimes = events.until(lambda runtime: runtime["stage"] == "RUNNING")
        assert ["BUILDING", "APP_STARTING", "RUNNING"] == list(dict.fromkeys(one["stage"] for one in runtimes))
        assert (sha, "cpu-basic") == (runtimes[-1]["sha"], runtimes[-1]["hardware"]["current"])

        api.request_space_hardware(name, "t4-small", sleep_time=600)  # type: ignore[arg-type]
        changed = events.until(
            lambda runtime: runtime["hardware"]["current"] == "t4-small" and runtime["stage"] == "RUNNING"
        )
        assert "RUNNING_APP_STARTING" in {one["stage"] for one in changed}
        api.set_space_sleep_time(name, 700)
        assert 700 == events.data()["gcTimeout"]
        localhub.clock.advance(701)
        assert "SLEEPING" == events.data()["stage"]
        api.pause_space(name)
        assert "PAUSED" == events.data()["stage"]
        api.delete_repo(name, repo_type="space")
        assert ["DELETING"] == [one["stage"] for one in events.rest()]


def test_several_listen_and_no_change_is_no_event(localhub: LocalHub, api: HfApi, space: str) -> None:
    with stream(localhub, f"{space}/events") as one, stream(localhub, f"{space}/events") as other:
        assert one.data() == other.data()
        api.pause_space(space)
        api.pause_space(space)
        api.restart_space(space)
        assert ["PAUSED", "NO_APP_FILE"] == [one.data()["stage"] for _ in range(2)]
        assert ["PAUSED", "NO_APP_FILE"] == [other.data()["stage"] for _ in range(2)]


def test_metrics_are_the_real_figures_once_a_second(localhub: LocalHub, running: str, api: HfApi) -> None:
    with stream(localhub, f"{running}/metrics") as metrics:
        event = metrics.event()
        assert "metric" == event["event"]
        metric = json.loads(event["data"])
        assert {
            "cpu_usage_pct",
            "cpu_millicores",
            "memory_used_bytes",
            "memory_total_bytes",
            "rx_bps",
            "tx_bps",
            "gpus",
            "replica",
        } == set(metric)
        assert (2000, 16 << 30, {}) == (metric["cpu_millicores"], metric["memory_total_bytes"], metric["gpus"])
        assert 50_000_000 < metric["memory_used_bytes"] < 500_000_000
        assert 0 <= metric["cpu_usage_pct"] <= 100
        say(api, running)
        busy = metrics.until(lambda one: one["tx_bps"] > 0)[-1]
        assert busy["rx_bps"] > 0
        assert metric["replica"] == busy["replica"]


def test_where_nothing_runs_nothing_is_measured(localhub: LocalHub, ask: Asker, api: HfApi, space: str) -> None:
    assert 406 == ask("GET", f"/api/spaces/{space}/metrics").status_code
    push(api, space, APP)
    api.wait_for_space(space)
    with stream(localhub, f"{space}/metrics") as metrics:
        metrics.data()
        api.pause_space(space)
        assert len(metrics.rest()) <= 1, "it ends with the app"


def test_who_may_read_which_stream(ask: Asker, running: str, space: str) -> None:
    for path in ("events", "metrics", "logs/run"):
        statuses = [ask("GET", f"/api/spaces/{running}/{path}", token=token).status_code for token in (None, "hf_bob")]
        assert [401, 404] == statuses, "a private Space is nobody else's"
    for path in ("metrics", "logs/run"):
        assert 403 == ask("GET", f"/api/spaces/{space}/{path}", token="hf_bob").status_code


@pytest.mark.parametrize("count", [0, 1, 500])
def test_a_log_that_is_cut_breaks_off_after_so_many_lines(localhub: LocalHub, running: str, count: int) -> None:
    localhub.faults.add("log-cut", repo_id=running, events=count, times=1)
    found = []
    with stream(localhub, f"{running}/logs/run") as log, pytest.raises(httpx.RemoteProtocolError):
        while True:
            found.append(log.data())
    assert count == len(found)
    with stream(localhub, f"{running}/logs/run") as log:
        assert len(log.replay()) > 1000


def test_the_client_takes_up_a_log_that_was_cut(localhub: LocalHub, api: HfApi, running: str) -> None:
    localhub.faults.add("log-cut", repo_id=running, events=400, times=2)
    lines = []
    for line in api.fetch_space_logs(running, follow=True):
        lines.append(line)
        if line == "line 999\n":
            break

    assert [f"line {number}\n" for number in range(1000)] == [line for line in lines if line.startswith("line")]
    assert not localhub.faults.list()
