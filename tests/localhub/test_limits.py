"""Rate limits: windows of five minutes by the server's clock, counted always, and enforced when asked to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

from spaceops.localhub import LocalHub
from spaceops.localhub.accounts import Accounts, Org, User
from spaceops.localhub.clock import Clock
from spaceops.localhub.limits import Limits, resource_of
from spaceops.localhub.refusals import Refused
from tests.localhub.conftest import ACCOUNTS

ADDRESS = "127.0.0.1"


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[LocalHub]:
    """A server that enforces the limits."""
    (tmp_path / "accounts.toml").write_text(ACCOUNTS)
    with LocalHub(accounts=tmp_path / "accounts.toml", rate_limit=True) as hub:
        hub.clock.advance(300 - hub.clock.now().timestamp() % 300)  # a new window
        yield hub


def get(hub: LocalHub, path: str, token: str | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.get(hub.url + path, headers=headers, trust_env=False)


def spend(hub: LocalHub, path: str, times: int) -> None:
    with httpx.Client(base_url=hub.url, trust_env=False) as client:
        for _ in range(times):
            client.get(path)


@pytest.mark.parametrize(
    ("path", "resource"),
    [
        ("/api/whoami-v2", "api"),
        ("/api/models/ada/x/tree/main", "api"),
        ("/ada/x/resolve/main/y", "resolvers"),
        ("/datasets/ada/x/resolve/main/y", "resolvers"),
        ("/buckets/ada/x/resolve/y", "resolvers"),
        ("/ada/x.git/info/refs", "resolvers"),
        ("/ada/x.git/info/lfs/objects/batch", "resolvers"),
        ("/spaces/ada/x/git-upload-pack", "resolvers"),
        ("/", "pages"),
        ("/ada/x", "pages"),
        ("/apifoo", "pages"),
    ],
)
def test_there_are_three_kinds_of_requests(path: str, resource: str) -> None:
    assert resource == resource_of(path)


@pytest.mark.parametrize(
    ("plan", "org_plan", "quota"),
    [("free", None, 1000), ("pro", None, 2500), ("free", "free", 1000), ("free", "team", 3000), ("pro", "team", 3000)],
)
def test_the_best_plan_counts(plan: str, org_plan: str | None, quota: int) -> None:
    user = User(name="eve", token="hf_eve", plan=plan, orgs=("acme",) if org_plan else ())
    orgs = (Org(name="acme", plan=org_plan),) if org_plan else ()

    assert quota == Limits(Accounts((user,), orgs), Clock()).count(user, ADDRESS, "/api/x").quota


def test_each_caller_and_each_kind_of_request_has_its_own_count() -> None:
    one, two = User(name="one", token="1"), User(name="two", token="2")
    limits = Limits(Accounts((one, two)), Clock())

    assert [1, 2] == [limits.count(one, ADDRESS, "/api/x").used for _ in range(2)]
    assert 3 == limits.count(one, "192.0.2.7", "/api/x").used
    assert 1 == limits.count(two, ADDRESS, "/api/x").used
    assert 1 == limits.count(None, ADDRESS, "/api/x").used
    assert 1 == limits.count(None, "192.0.2.7", "/api/x").used
    assert 1 == limits.count(one, ADDRESS, "/x/y/resolve/main/z").used


def test_a_window_ends_by_the_clock_and_all_is_forgotten() -> None:
    clock = Clock()
    limits = Limits(Accounts(), clock)
    clock.advance(300 - clock.now().timestamp() % 300)
    first = [limits.count(None, ADDRESS, "/api/x") for _ in range(3)][-1]
    clock.advance(first.seconds)

    assert (3, 497) == (first.used, first.left)
    assert 1 == limits.count(None, ADDRESS, "/api/x").used


def test_who_has_used_up_the_quota_is_refused_only_where_that_is_enforced() -> None:
    lax, strict = Limits(Accounts(), Clock()), Limits(Accounts(), Clock(), enforced=True)
    for limits in (lax, strict):
        spent = [limits.count(None, ADDRESS, "/api/x") for _ in range(501)]
        limits.check(spent[499])
    lax.check(spent[500])
    with pytest.raises(Refused, match="500 api requests in 300 seconds") as refused:
        strict.check(spent[500])

    assert 429 == refused.value.status
    assert str(spent[500].seconds) == refused.value.headers["Retry-After"]


def test_every_answer_counts_down(strict: LocalHub) -> None:
    left = [re.search(r"r=(\d+);t=", get(strict, path).headers["RateLimit"])[1] for path in ("/api/x", "/api/y", "/")]  # type: ignore[index]

    assert ["499", "498", "99"] == left


def test_the_client_meets_a_429_and_is_served_in_the_next_window(strict: LocalHub) -> None:
    spend(strict, "/nothing/here", 100)
    answer = get(strict, "/nothing/here")

    assert 429 == answer.status_code
    assert re.fullmatch(r'"pages";r=0;t=\d+', answer.headers["RateLimit"])
    assert '"fixed window";"pages";q=100;w=300' == answer.headers["RateLimit-Policy"]
    assert 401 == get(strict, "/api/whoami-v2").status_code
    strict.clock.advance(int(answer.headers["Retry-After"]))
    assert 501 == get(strict, "/nothing/here").status_code


def test_the_client_tells_what_the_limit_was(strict: LocalHub) -> None:
    spend(strict, "/api/whoami-v2", 500)

    with pytest.raises(HfHubHTTPError, match=r"(?s)rate limit.*Retry after \d+ seconds \(0/500 requests remaining"):
        HfApi(endpoint=strict.url, token=False).model_info("ada/x")
    assert "ada" == HfApi(endpoint=strict.url, token="hf_ada").whoami()["name"]


def test_what_is_another_host_there_is_not_counted(strict: LocalHub) -> None:
    answer = get(strict, "/lfs/download/1/2")

    assert "RateLimit" not in answer.headers


def test_nobody_is_refused_unless_asked_to(localhub: LocalHub) -> None:
    spend(localhub, "/nothing/here", 110)

    answer = get(localhub, "/nothing/here")
    assert 501 == answer.status_code
    assert '"pages";r=0;' in answer.headers["RateLimit"]
