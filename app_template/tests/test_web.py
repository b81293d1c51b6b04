"""The guard before every route: who may ask, how often, how much, how long, and what is noted of it."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading

import httpx2
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, StreamingResponse
from fastapi.testclient import TestClient
from pydantic import BaseModel

from serving.metrics import REGISTRY
from serving.settings import Settings
from serving.web import RateLimit, protect

MAX_BODY = 100_000
TOKEN = "correct-horse"
GOOD = {"Authorization": f"Bearer {TOKEN}"}


class Body(BaseModel):
    text: str


def guarded(*, all_bodies: int = 10 * MAX_BODY, **settings) -> FastAPI:
    """A small app behind the guard."""
    app = FastAPI(docs_url=None)
    app.state.stuck, app.state.cancelled = threading.Event(), threading.Event()

    @app.get("/health")
    async def health() -> str:
        return "alive"

    @app.get("/things/{number}")
    async def thing(number: int) -> int:
        return number

    @app.get("/page")
    async def page() -> FileResponse:
        return FileResponse(__file__)

    @app.post("/length")
    async def length(request: Request) -> int:
        return len(await request.body())

    @app.post("/echo")
    async def echo(body: Body) -> Body:
        return body

    @app.post("/broken")
    async def broken(body: Body) -> None:
        raise ValueError(body.text)

    app.add_api_route("/never", never, methods=["GET", "POST"])

    @app.get("/stream")
    async def stream(fail: bool = False) -> StreamingResponse:
        return StreamingResponse(pieces(fail=fail))

    protect(app, Settings(**settings), max_body=MAX_BODY, all_bodies=all_bodies)
    return app


async def never(request: Request) -> None:
    if request.method == "POST":
        await request.body()
    request.app.state.stuck.set()
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        request.app.state.cancelled.set()
        raise


async def pieces(*, fail: bool):
    for number in range(5):
        await asyncio.sleep(0.1)
        if fail and number == 2:
            raise ValueError("secret")
        yield f"{number} "


@pytest.fixture
def client():
    return TestClient(guarded())


@pytest.fixture
def asked(serve):
    """Ask a served app with these settings as a client over the network does."""
    clients = []

    def start(**settings) -> httpx2.Client:
        app = guarded(**settings)
        clients.append(httpx2.Client(base_url=serve(app), trust_env=False, timeout=30))
        clients[-1].app = app
        return clients[-1]

    yield start
    for client in clients:
        client.close()


def lines_of(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]


# the id


@pytest.mark.parametrize("given", ["abc-123", "A" * 64])
def test_a_sane_id_is_kept(client, given):
    assert given == client.get("/health", headers={"X-Request-ID": given}).headers["X-Request-ID"]


@pytest.mark.parametrize("given", ["", "A" * 65, "a b", 'a"b', "ü".encode()])
def test_an_absurd_id_is_replaced(client, given):
    assert re.fullmatch("[0-9a-f]{16}", client.get("/health", headers={"X-Request-ID": given}).headers["X-Request-ID"])


def test_an_error_names_the_id_of_its_answer(client):
    response = client.get("/things/x")

    assert response.headers["X-Request-ID"] == response.json()["request_id"]


# how much


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_may_be_as_long_as_the_limit_and_no_longer(client, announced):
    def send(length: int):
        return client.post(
            "/length", content=b"x" * length if announced else (b"x" * 1000 for _ in range(length // 1000))
        )

    assert (200, MAX_BODY) == (send(MAX_BODY).status_code, send(MAX_BODY).json())
    refused = send(MAX_BODY + 1000)
    assert (413, "The request's body is larger than 100,000 bytes.") == (refused.status_code, refused.json()["detail"])


def test_a_body_that_is_too_long_is_not_kept_in_memory(asked, capsys):
    """A million bytes are sent; what came before the limit was reached is all that the app took."""
    client = asked()

    assert 413 == client.post("/length", content=(b"x" * 10_000 for _ in range(100))).status_code
    assert 200 == client.get("/health").status_code
    assert lines_of(capsys)[0]["received"] < 5 * MAX_BODY  # one read of the server may bring 256 kB beyond the limit


def test_the_bodies_of_all_requests_together_have_a_limit_too(asked):
    """Bodies that are begun and never finished do not fill the memory; those who send them lose their places."""
    client = asked(all_bodies=MAX_BODY)
    half = f"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: {MAX_BODY}\r\n\r\n".encode() + b"x" * (MAX_BODY // 2)
    with socket.create_connection((client.base_url.host, client.base_url.port)) as waiting:
        waiting.sendall(half)
        while (refused := client.post("/length", content=b"x" * (MAX_BODY // 2 + 1))).status_code == 200:
            pass  # the half has not arrived yet
        assert (503, "5") == (refused.status_code, refused.headers["Retry-After"])
        assert 200 == client.post("/length", content=b"x" * 1000).status_code
        waiting.sendall(b"x" * (MAX_BODY // 2))
        assert waiting.recv(100).startswith(b"HTTP/1.1 200 ")
    assert MAX_BODY == client.post("/length", content=b"x" * MAX_BODY).json()


# who


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", TOKEN, "Bearer wrong-token", f"Basic {TOKEN}", "Bearer ü".encode()]
)
def test_without_the_token_there_is_nothing_but_the_open_paths(authorization):
    client = TestClient(guarded(api_token=TOKEN))
    headers = {} if authorization is None else {"Authorization": authorization}

    assert 200 == client.get("/health", headers=headers).status_code
    for method, path in [("GET", "/things/1"), ("POST", "/echo"), ("POST", "/health"), ("GET", "/nothing")]:
        refused = client.request(method, path, headers=headers)
        assert (401, "Bearer") == (refused.status_code, refused.headers["WWW-Authenticate"])
        assert TOKEN not in refused.text


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER "])
def test_the_token_opens_everything(scheme):
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
def test_pages_of_the_sites_that_the_owner_names_may_send(origins, status):
    client = TestClient(guarded(cors_origins=origins))
    browser = {"Sec-Fetch-Site": "cross-site", "Origin": "https://example.com"}

    assert status == client.post("/length", content=b"x", headers=browser).status_code


# how often


def test_who_asks_too_often_is_told_when_to_come_back():
    client = TestClient(guarded(rate_limit=3))
    answers = [client.get("/things/1") for _ in range(4)]

    assert [200, 200, 200, 429] == [answer.status_code for answer in answers]
    assert "20" == answers[-1].headers["Retry-After"]
    assert "Too many requests. Try again in 20 s." == answers[-1].json()["detail"]
    assert 200 == client.get("/health").status_code


def test_others_may_still_ask():
    app = guarded(rate_limit=1)
    here, there = (TestClient(app, client=(address, 1)) for address in ("192.0.2.1", "192.0.2.2"))

    assert [200, 429, 200] == [client.get("/things/1").status_code for client in (here, here, there)]


def test_a_network_of_ipv6_counts_as_one_client():
    app = guarded(rate_limit=1)
    one, same, other = (TestClient(app, client=(f"2001:db8:0:{host}", 1)) for host in ("1::1", "1:2:3:4:5", "2::1"))

    assert [200, 429, 200] == [client.get("/things/1").status_code for client in (one, same, other)]


def test_guesses_of_the_token_are_counted_too():
    client = TestClient(guarded(api_token=TOKEN, rate_limit=2))

    assert [401, 401, 429] == [client.get("/things/1").status_code for _ in range(3)]
    assert 429 == client.get("/things/1", headers=GOOD).status_code


@pytest.mark.parametrize("per_minute", [1, 7, 60, 1000])
def test_who_waits_as_long_as_told_is_let_in(per_minute):
    limit, now = RateLimit(per_minute), 1000.0
    for _ in range(per_minute):
        assert 0 == limit.wait("a", now)
    wait = limit.wait("a", now)

    assert 0 < wait <= 60 / per_minute + 0.001
    assert 0 < limit.wait("a", now + wait * 0.9)
    assert 0 == limit.wait("a", now + wait)


def test_an_hour_has_no_more_requests_than_its_minutes_allow():
    limit = RateLimit(10)
    let_in = sum(limit.wait("a", second / 10) == 0 for second in range(36_000))

    assert 600 <= let_in <= 610


def test_not_more_than_so_many_clients_are_remembered():
    limit = RateLimit(60, most_clients=10)
    for number in range(100):
        assert 0 == limit.wait(str(number), 1000.0)
    before = len(limit._moments)
    limit.wait("late", 2000.0)

    assert (10, 1) == (before, len(limit._moments))


# how long


def test_an_answer_that_takes_too_long_is_given_up(asked):
    client = asked(request_timeout=0.2)
    answer = client.post("/never", json={"text": "x"})

    assert (504, "No answer within 0.2 s. Try again later, or ask for less.") == (
        answer.status_code,
        answer.json()["detail"],
    )
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
    assert client.app.state.cancelled.wait(10)


def test_who_sends_no_body_is_not_told_that_it_came_too_slowly():
    assert 504 == TestClient(guarded(request_timeout=0.05)).get("/never").status_code


def test_a_body_that_trickles_is_given_up(asked):
    client = asked(request_timeout=0.2)

    def trickle():
        while True:
            yield b"x"
            threading.Event().wait(0.02)

    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=10) as connection:
        connection.sendall(b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        refused = b""
        for piece in trickle():
            try:
                connection.sendall(piece)
                connection.setblocking(False)
                refused += connection.recv(10_000)
            except BlockingIOError:
                continue
            finally:
                connection.setblocking(True)
            break

    assert refused.startswith(b"HTTP/1.1 408 ")
    assert b"The request's body came too slowly." in refused


def test_a_long_body_has_the_time_it_needs(asked):
    """It takes longer than the time limit, but every part of it buys time for the next."""
    client = asked(request_timeout=0.3)

    def parts():
        for _ in range(8):
            threading.Event().wait(0.1)
            yield b"x" * 10_000

    assert 80_000 == client.post("/length", content=parts()).json()


def test_a_stream_that_has_begun_is_not_cut(asked):
    client = asked(request_timeout=0.3)

    assert "0 1 2 3 4 " == client.get("/stream").text


@pytest.mark.parametrize(("method", "body"), [("POST", b'{"text": "x"}'), ("GET", b"")])
def test_what_nobody_waits_for_is_cancelled(asked, capsys, method, body):
    client = asked()
    length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
    with socket.create_connection((client.base_url.host, client.base_url.port)) as connection:
        connection.sendall(f"{method} /never HTTP/1.1\r\nHost: x\r\n{length}\r\n".encode() + body)
        assert client.app.state.stuck.wait(10)

    assert client.app.state.cancelled.wait(10)
    while not (lines := lines_of(capsys)):
        threading.Event().wait(0.01)
    assert ("/never", 499) == (lines[0]["path"], lines[0]["status"])


# what goes wrong


def test_a_failure_is_told_without_anything_about_it(client, caplog):
    response = client.post("/broken", json={"text": "secret"})

    assert 500 == response.status_code
    assert "secret" not in response.text
    assert "ValueError" not in response.text
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]


def test_the_log_says_where_it_failed_but_not_what_was_sent(client, caplog):
    response = client.post("/broken", json={"text": "secret"})

    assert f"Request {response.headers['X-Request-ID']} failed: ValueError" in caplog.text
    assert "in broken" in caplog.text
    assert "secret" not in caplog.text


def test_an_answer_that_fails_on_the_way_breaks_off(asked):
    client = asked()

    with pytest.raises(httpx2.RemoteProtocolError):
        client.get("/stream", params={"fail": True})
    assert 200 == client.get("/health").status_code


# headers, methods


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/health"), ("GET", "/nothing"), ("POST", "/echo"), ("GET", "/page")]
)
def test_every_answer_tells_browsers_what_is_allowed(client, method, path):
    headers = client.request(method, path).headers

    assert "frame-ancestors 'self' https://huggingface.co https://*.hf.space" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert ("nosniff", "no-referrer") == (headers["X-Content-Type-Options"], headers["Referrer-Policy"])
    assert "X-Frame-Options" not in headers


def test_answers_are_not_kept_and_files_are_asked_for_again(client):
    assert "no-store" == client.get("/things/1").headers["Cache-Control"]
    assert "no-cache" == client.get("/page").headers["Cache-Control"]


def test_other_sites_may_call_only_where_the_owner_says_so():
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


def test_what_answers_get_answers_head_without_a_body(asked):
    client = asked()
    get, head = client.get("/things/1"), client.head("/things/1")

    assert (200, b"") == (head.status_code, head.content)
    assert get.headers["Content-Length"] == head.headers["Content-Length"]


def test_absurd_headers_do_no_harm(asked):
    client = asked(rate_limit=100)
    headers = {f"X-{number}": "x" * 100 for number in range(300)} | {"Forwarded": "for=_x", "X-Forwarded-For": ",,;,"}

    assert 1 == client.get("/things/1", headers=headers).json()


# what is noted


def test_a_request_is_a_line_of_json_without_query_and_text(client, capsys):
    client.post("/echo?text=secret", json={"text": "secret"}, headers={"X-Request-ID": "abc"})
    [line] = lines_of(capsys)

    assert ("abc", "POST", "/echo", 200) == (line["request_id"], line["method"], line["path"], line["status"])
    assert (17, 17) == (line["received"], line["sent"])
    assert 0 <= line["seconds"] < 30
    assert "secret" not in str(line)


def test_a_path_cannot_begin_a_line_of_its_own(client, capsys):
    client.get('/%0A{"status":200}' + "x" * 1000)
    [line] = lines_of(capsys)

    assert line["path"].startswith('/\n{"status":200}x')
    assert 200 == len(line["path"])


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/things/7", "/things/{number}"),
        ("/things/secret", "/things/{number}"),  # 422
        ("/things/7/", "/things/…"),  # a redirect
        ("/things/7/secret", "/things/…"),
        ("/static/nothing.css", "/static/nothing.css"),
        ("/nothing", "/nothing"),
    ],
)
def test_what_a_path_names_is_not_logged(client, capsys, path, logged):
    """The ids of jobs are keys to their results."""
    client.get(path, follow_redirects=False)
    [line] = lines_of(capsys)

    assert logged == line["path"]


def test_nor_is_it_logged_of_a_request_that_is_refused(capsys):
    TestClient(guarded(api_token=TOKEN)).get("/things/7")
    [line] = lines_of(capsys)

    assert (401, "/things/…") == (line["status"], line["path"])


def test_with_a_higher_level_only_failures_are_logged(capsys):
    client = TestClient(guarded(log_level="warning"))
    client.get("/things/1")
    client.post("/broken", json={"text": "x"})

    assert [500] == [line["status"] for line in lines_of(capsys)]


def test_requests_are_counted_by_route_so_that_nobody_can_make_up_labels(client):
    def counted(**labels) -> float:
        return REGISTRY.get_sample_value("http_requests_total", labels) or 0

    things = {"method": "GET", "route": "/things/{number}", "status": "200"}
    unknown = {"method": "other", "route": "other", "status": "404"}
    before = counted(**things), counted(**unknown)
    for number in range(3):
        client.get(f"/things/{number}")
        client.request(f"MAKE{number}", f"/made/up/{number}")

    assert (before[0] + 3, before[1] + 3) == (counted(**things), counted(**unknown))
