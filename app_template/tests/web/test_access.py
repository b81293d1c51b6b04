"""Who may ask: with a token, and from other sites' pages."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

TOKEN = "correct-horse"


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", TOKEN, "Bearer wrong-token", f"Basic {TOKEN}", "Bearer ü".encode()]
)
def test_without_the_token_there_is_nothing_but_the_open_paths(guarded, authorization):
    client = TestClient(guarded(api_token=TOKEN))
    headers = {} if authorization is None else {"Authorization": authorization}

    assert 200 == client.get("/health", headers=headers).status_code
    for method, path in [("GET", "/things/1"), ("POST", "/echo"), ("POST", "/health"), ("GET", "/nothing")]:
        refused = client.request(method, path, headers=headers)
        assert (401, "Bearer") == (refused.status_code, refused.headers["WWW-Authenticate"])
        assert TOKEN not in refused.text


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER "])
def test_the_token_opens_everything(guarded, scheme):
    client = TestClient(guarded(api_token=TOKEN))

    assert 1 == client.get("/things/1", headers={"Authorization": f"{scheme} {TOKEN}"}).json()


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_pages_of_other_sites_cannot_make_their_visitors_send_something(client, site):
    browser = {"Sec-Fetch-Site": site, "Origin": "https://example.org", "Content-Type": "text/plain"}
    refused = client.post("/length", content=b"x", headers=browser)

    assert (403, 0) == (refused.status_code, client.post("/length").json())
    assert "CORS_ORIGINS" in refused.json()["detail"]
    assert 1 == client.get("/things/1", headers=browser).json()


@pytest.mark.parametrize("site", ["same-origin", "none", None])
def test_its_own_pages_and_programs_send_what_they_like(client, site):
    assert 1 == client.post("/length", content=b"x", headers={"Sec-Fetch-Site": site} if site else {}).json()


@pytest.mark.parametrize(
    ("origins", "status"), [(("https://example.com",), 200), (("*",), 200), (("http://x.y",), 403)]
)
def test_pages_of_the_sites_that_the_owner_names_may_send(guarded, origins, status):
    client = TestClient(guarded(cors_origins=origins))
    browser = {"Sec-Fetch-Site": "cross-site", "Origin": "https://example.com"}

    assert status == client.post("/length", content=b"x", headers=browser).status_code


def test_other_sites_may_call_only_where_the_owner_says_so(guarded):
    headers = {"Origin": "https://example.com"}
    closed, opened = TestClient(guarded()), TestClient(guarded(cors_origins=("https://example.com",), api_token=TOKEN))
    preflight = {**headers, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}

    assert "Access-Control-Allow-Origin" not in closed.get("/health", headers=headers).headers
    assert "https://example.com" == opened.get("/health", headers=headers).headers["Access-Control-Allow-Origin"]
    assert 200 == opened.options("/echo", headers=preflight).status_code
    refused = opened.get("/things/1", headers=headers)
    assert (401, "https://example.com") == (refused.status_code, refused.headers["Access-Control-Allow-Origin"])
    other = opened.get("/health", headers={"Origin": "https://example.org"})
    assert "Access-Control-Allow-Origin" not in other.headers
