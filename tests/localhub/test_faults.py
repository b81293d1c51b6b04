"""Faults of requests: what goes wrong on demand, where, how often; and that it went wrong on the wire."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx2 as httpx
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

from spaceops.errors import BadInput
from spaceops.localhub import LocalHub
from spaceops.localhub.faults import Fault, Faults
from tests.localhub.conftest import NUMBERS, Asker


@pytest.fixture(autouse=True)
def _nothing_is_left(localhub: LocalHub) -> Iterator[None]:
    yield
    localhub.faults.clear()


def new_name() -> str:
    return f"ada/fault-{next(NUMBERS)}"


# which


def test_a_fault_happens_as_often_as_it_was_asked_for() -> None:
    faults = Faults()
    faults.add("slow", times=2)

    assert [True, True, False] == [faults.strike("slow") is not None for _ in range(3)]
    assert () == faults.list()


def test_a_fault_without_a_number_of_times_goes_on() -> None:
    faults = Faults()
    faults.add("slow")

    assert all(faults.strike("slow") for _ in range(100))


def test_a_probability_is_one() -> None:
    faults = Faults(seed=1)
    faults.add("slow", probability=0.3)

    assert 200 < sum(faults.strike("slow") is not None for _ in range(1000)) < 400


@pytest.mark.parametrize(
    ("facts", "method", "path", "happens"),
    [
        ({}, "GET", "/api/whoami-v2", True),
        ({"method": "POST"}, "GET", "/api/whoami-v2", False),
        ({"path": "/api/spaces/*"}, "GET", "/api/spaces/a/b/runtime", True),
        ({"path": "/api/spaces/*"}, "GET", "/api/models/a/b", False),
        ({"path": "/api/spaces"}, "GET", "/api/spaces/a", False),
        ({"repo_id": "Ada/App"}, "GET", "/api/spaces/ada/app/runtime", True),
        ({"repo_id": "ada/app"}, "GET", "/spaces/ada/app/resolve/main/x", True),
        ({"repo_id": "ada/app"}, "GET", "/api/spaces/ada/app", True),
        ({"repo_id": "ada/app"}, "GET", "/api/spaces/ada/app-2", False),
        ({"repo_id": "ada/app"}, "GET", "/api/whoami-v2", False),
    ],
)
def test_a_fault_is_for_some_requests(facts: dict[str, str], method: str, path: str, happens: bool) -> None:
    faults = Faults()
    faults.add("status", **facts)

    assert happens == (faults.strike("status", method=method, path=path) is not None)


def test_a_fault_of_a_space_happens_to_that_space() -> None:
    faults = Faults()
    faults.add("stuck-building", repo_id="ada/app")

    assert faults.strike("stuck-building", repo_id="ada/other") is None
    assert faults.strike("build-hangs", repo_id="ada/app") is None
    assert faults.strike("stuck-building", "build-hangs", repo_id="Ada/App")


def test_the_first_fault_that_fits_happens() -> None:
    faults = Faults()
    faults.add("status", path="/other")
    faults.add("status", status=500, times=1)
    faults.add("status", status=502)

    found = [faults.strike("status", path="/api") for _ in range(2)]

    assert [500, 502] == [fault and fault.status for fault in found]


def test_faults_are_cleared_one_by_one_or_all() -> None:
    faults = Faults()
    one, two, three = (faults.add("slow") for _ in range(3))
    two.clear()

    assert (one, three) == faults.list()
    assert 0 == faults.clear(two.id)
    assert 2 == faults.clear()


def test_a_fault_ends_with_its_block_however_often_it_happened() -> None:
    faults = Faults()
    with faults.add("slow", times=3) as fault:
        faults.strike("slow")
        assert fault.id == faults.list()[0].id
        assert 2 == faults.list()[0].times
    assert () == faults.list()


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"kind": "magic"}, "no fault 'magic'"),
        ({"kind": "slow", "probability": 2}, "probability"),
        ({"kind": "slow", "times": 0}, "times"),
        ({"kind": "status", "status": 200}, "status"),
        ({"kind": "slow", "seconds": -1}, "negative"),
        ({"kind": "slow", "colour": "red"}, "no 'colour'"),
        ({"kind": "slow", "id": 7}, "no 'id'"),
    ],
)
def test_what_cannot_be_a_fault_is_said(facts: dict[str, object], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        Faults().add(**facts)  # type: ignore[arg-type]


def test_a_fault_is_data() -> None:
    fault = Faults().add("status", status=429, path="/api/*")

    assert Fault(**fault.as_dict()).as_dict() == fault.as_dict()
    assert "clear" not in repr(fault)


# on the wire


def test_a_status_is_answered_and_nothing_happened(localhub: LocalHub, api: HfApi, ask: Asker) -> None:
    name = new_name()
    with localhub.faults.add("status", status=503, retry_after=7, path="/api/repos/*"):
        answer = ask("POST", "/api/repos/create", json={"name": name.partition("/")[2]})

    assert (503, "7") == (answer.status_code, answer.headers["Retry-After"])
    assert {"error": "Service Unavailable"} == answer.json()
    assert answer.headers["X-Request-Id"]
    assert not api.repo_exists(name)


def test_an_answer_can_be_lost_after_its_request_took_effect(localhub: LocalHub, api: HfApi, ask: Asker) -> None:
    name = new_name()
    with localhub.faults.add("status", status=502, lose_answer=True, method="POST"):
        answer = ask("POST", "/api/repos/create", json={"name": name.partition("/")[2]})

    assert 502 == answer.status_code
    assert api.repo_exists(name)


def test_a_reset_is_one_on_the_wire(localhub: LocalHub, api: HfApi, ask: Asker) -> None:
    name = new_name()
    with (
        localhub.faults.add("reset", lose_answer=True, method="POST"),
        pytest.raises(httpx.ReadError, match="reset by peer"),
    ):
        ask("POST", "/api/repos/create", json={"name": name.partition("/")[2]})
    assert api.repo_exists(name)

    with localhub.faults.add("reset", method="DELETE"), pytest.raises(httpx.ReadError):
        ask("DELETE", "/api/repos/delete", json={"name": name.partition("/")[2]})
    assert api.repo_exists(name)


def test_the_answer_of_a_stream_can_be_lost_too(localhub: LocalHub, space: str, ask: Asker) -> None:
    with localhub.faults.add("status", status=504, lose_answer=True, path="*/events"):
        answer = ask("GET", f"/api/spaces/{space}/events")

    assert (504, "Gateway Timeout") == (answer.status_code, answer.json()["error"])


def test_an_answer_can_come_late(localhub: LocalHub, ask: Asker) -> None:
    for lose_answer in (False, True):
        begin = time.monotonic()
        with localhub.faults.add("slow", seconds=0.3, lose_answer=lose_answer):
            assert 200 == ask("GET", "/api/whoami-v2").status_code
        assert 0.3 <= time.monotonic() - begin < 3


def test_a_429_says_how_long_to_wait_as_the_hub_does(localhub: LocalHub, api: HfApi, ask: Asker) -> None:
    with localhub.faults.add("status", status=429, retry_after=20):
        answer = ask("GET", "/api/whoami-v2")
        assert '"api";r=0;t=20' == answer.headers["RateLimit"]
        assert "20" == answer.headers["Retry-After"]
        with pytest.raises(HfHubHTTPError, match="Retry after 20 seconds"):
            api.model_info("ada/any")


@pytest.mark.parametrize("status", [400, 401, 404, 418, 429, 451, 499, 500, 520, 599])
def test_every_status_can_be_asked_for(localhub: LocalHub, ask: Asker, status: int) -> None:
    with localhub.faults.add("status", status=status):
        answer = ask("GET", "/api/whoami-v2")

    assert status == answer.status_code
    assert answer.json()["error"]


def test_the_client_comes_through_what_it_tries_again(localhub: LocalHub, api: HfApi, model: str) -> None:
    localhub.faults.add("status", status=503, retry_after=0, path="*/preupload/*", times=2)

    api.upload_file(path_or_fileobj=b"text", path_in_repo="x.txt", repo_id=model)

    assert () == localhub.faults.list()
    assert api.file_exists(model, "x.txt")


def test_requests_that_met_a_fault_are_counted(localhub: LocalHub, ask: Asker) -> None:
    localhub.requests.clear()
    with localhub.faults.add("status", times=1):
        ask("GET", "/api/whoami-v2")
        ask("GET", "/api/whoami-v2")

    assert [("GET", "/api/whoami-v2")] * 2 == list(localhub.requests)
