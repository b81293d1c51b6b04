"""Requests that no well-meaning client sends: each gets an answer or a closed connection, and the server lives."""

from __future__ import annotations

import json
import logging
import re
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2 as httpx
import pytest
from huggingface_hub import HfApi
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spaceops.localhub import LocalHub
from spaceops.localhub.app import CALLS
from spaceops.localhub.front import LONGEST_PATH
from spaceops.localhub.wire import LARGEST_BODY
from tests.localhub.asgi import serving
from tests.localhub.conftest import Asker
from tests.localhub.test_server import served

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        yield line


def port_of(hub: LocalHub) -> int:
    return int(hub.url.rpartition(":")[2])


def until_closed(line: socket.socket) -> bytes:
    received = b""
    try:
        while piece := line.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def say(hub: LocalHub, raw: bytes, *, no_more: bool = False) -> bytes:
    """Send bytes; what came back until the connection was closed."""
    with connected(port_of(hub)) as line:
        try:
            line.sendall(raw)
            if no_more:
                line.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it was closed while we spoke
        return until_closed(line)


def request(target: str, *headers: str, method: str = "GET", version: str = "1.1", host: bool = True) -> bytes:
    lines = [f"{method} {target} HTTP/{version}", *(["Host: x"] if host else []), *headers, "Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1")


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def body_of(answer: bytes) -> dict[str, str]:
    found: dict[str, str] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return found


@pytest.fixture(autouse=True)
def _the_server_lives(localhub: LocalHub, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.WARNING):
        yield
    assert "ada" == HfApi(endpoint=localhub.url, token="hf_ada").whoami()["name"]
    assert [] == [record.getMessage() for record in caplog.records]


# what is no HTTP, or too much of it


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"GET\r\n\r\n",
        b"GET / HTTP/x\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA\x00: b\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_http_is_a_400_in_json(localhub: LocalHub, raw: bytes) -> None:
    answer = say(localhub, raw)

    assert 400 == status_of(answer)
    assert {"error": "Invalid HTTP request received."} == body_of(answer)


def test_a_huge_head_is_a_431(localhub: LocalHub) -> None:
    assert 431 == status_of(say(localhub, request("/", f"X-Much: {'x' * 200_000}")))
    assert 431 == status_of(say(localhub, request("/" + "x" * 200_000)))


def test_of_a_huge_path_only_the_beginning_is_kept(localhub: LocalHub) -> None:
    assert 501 == status_of(say(localhub, request("/" + "x" * 60_000)))
    assert LONGEST_PATH == len(localhub.requests[-1][1])


@pytest.mark.parametrize("call", ["branch/new", "discussions/1/merge"])
def test_a_body_that_need_not_be_there_has_its_limit_too(ask: Asker, model: str, call: str) -> None:
    assert 413 == ask("POST", f"/api/models/{model}/{call}", content=b" " * (LARGEST_BODY + 1)).status_code


@pytest.mark.timeout(10)
def test_a_form_of_many_fields_holds_nobody_up(ask: Asker, model: str) -> None:
    answer = ask("POST", f"/api/models/{model}/paths-info/main", token=None, content=b"a=1&" * (LARGEST_BODY // 4))

    assert (413, "At most 1000 paths in one call") == (answer.status_code, answer.json()["error"])


def test_an_unknown_coding_of_the_body_is_refused(localhub: LocalHub) -> None:
    answer = say(localhub, request("/api/repos/create", "Transfer-Encoding: gzip", method="POST"))

    assert status_of(answer) in (400, 501)


def test_a_request_has_one_length_so_none_hides_behind_another(localhub: LocalHub) -> None:
    localhub.requests.clear()
    hidden = "GET /api/hidden HTTP/1.1\r\nHost: x\r\n\r\n"
    head = f"POST /api/x HTTP/1.1\r\nHost: x\r\nContent-Length: {len(hidden) + 5}\r\nTransfer-Encoding: chunked\r\n\r\n"

    answer = say(localhub, f"{head}0\r\n\r\n{hidden}".encode())

    assert 400 == status_of(answer)
    assert 1 == answer.count(b"HTTP/1.1")
    assert "/api/hidden" not in [path for _, path in localhub.requests]


def test_two_requests_at_once_are_answered_in_order(localhub: LocalHub) -> None:
    first = b"GET /api/agent-harnesses HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = say(localhub, first + request("/api/whoami-v2"))

    assert answer.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 401" in answer


# targets


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/api/agent-harnesses", 200),
        ("http://anywhere.example/api/agent-harnesses", 200),
        ("HTTP://x/api/agent-harnesses?a=b", 200),
        ("http://x", 501),
        ("*", 400),
        ("x:443", 400),
        ("api/agent-harnesses", 400),
        ("//api/agent-harnesses", 501),
        ("/api/agent-harnesses/", 501),
        ("/api/%61gent-harnesses", 501),
        ("/%", 501),
        ("/api/models/ada/%2e%2e", 404),
        ("/api/models/%2e%2e/%2e%2e/tree/main", 404),
        ("/api/models/ada/%00/tree/main", 404),
        ("/api/models/ada/%ff%fe/tree/main", 404),
        ("/../../etc/passwd", 501),
        ("/ada/x/resolve/main/../../../../etc/passwd", 404),
        ("/ada/x/resolve/main/%2e%2e%2f%2e%2e%2fetc%2fpasswd", 404),
    ],
)
def test_every_target_has_an_answer(localhub: LocalHub, target: str, status: int) -> None:
    answer = say(localhub, request(target, "Authorization: Bearer hf_ada"))

    assert status == status_of(answer), answer
    assert body_of(answer) is not None


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "OPTIONS", "PROPFIND", "get", "X" * 30])
def test_methods_that_nobody_asked_for_are_not_there(localhub: LocalHub, method: str) -> None:
    answer = say(localhub, request("/api/whoami-v2", method=method))

    assert 501 == status_of(answer)


def test_http_1_0_without_a_host_is_served(localhub: LocalHub) -> None:
    answer = say(localhub, request("/api/agent-harnesses", version="1.0", host=False))

    assert 200 == status_of(answer)


def test_there_are_no_websockets(localhub: LocalHub) -> None:
    headers = ("Upgrade: websocket", "Sec-WebSocket-Key: x", "Sec-WebSocket-Version: 13")
    raw = request("/api/agent-harnesses", *headers).replace(b"Connection: close", b"Connection: upgrade, close")

    assert 200 == status_of(say(localhub, raw))


def test_an_unknown_call_is_a_501_that_names_it(ask: Asker) -> None:
    answer = ask("POST", "/api/nothing/like/that")

    assert (501, "NotImplemented") == (answer.status_code, answer.headers["X-Error-Code"])
    assert {"error": "The local Hub has no POST /api/nothing/like/that"} == answer.json()


# connections


def test_a_client_that_goes_in_the_middle_leaves_nothing_behind(localhub: LocalHub) -> None:
    for raw in (b"", b"GET", request("/api/repos/create", "Content-Length: 1000", method="POST") + b"{"):
        with connected(port_of(localhub)) as line:
            line.sendall(raw)


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """The smallest application, which takes its request whole."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def test_a_head_that_never_ends_ends_the_connection() -> None:
    with serving(hello, head_seconds=0.2) as port:
        for raw in (b"", b"GET / HT"):
            with connected(port) as line:
                line.sendall(raw)
                assert b"" == until_closed(line)


def test_a_second_head_that_never_ends_does_so_too() -> None:
    with serving(hello, head_seconds=0.2) as port, connected(port) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = line.recv(1000)
        assert answer.endswith(b"ok") or line.recv(1000) == b"ok"
        line.sendall(b"GET / HT")

        assert b"" == until_closed(line)


def test_a_body_may_take_longer_than_a_head() -> None:
    with serving(hello, head_seconds=0.1) as port, connected(port) as line:
        line.sendall(request("/", "Content-Length: 2", method="POST") + b"a")
        line.settimeout(0.4)
        with pytest.raises(TimeoutError):
            line.recv(1)
        line.settimeout(10)
        line.sendall(b"b")

        assert 200 == status_of(until_closed(line))


def test_the_connection_that_was_idle_for_longest_makes_room() -> None:
    with serving(hello, most=20) as port, ExitStack() as stack:
        lines = [stack.enter_context(connected(port)) for _ in range(30)]
        lines[-1].sendall(request("/"))

        assert 200 == status_of(until_closed(lines[-1]))
        assert b"" == until_closed(lines[0])


def test_a_thousand_idle_connections_keep_nobody_out(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 2048)), hard))
    try:
        with served(tmp_path / "data") as (_, url), ExitStack() as stack:
            port = int(url.rpartition(":")[2])
            for _ in range(1000):
                stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            api = HfApi(endpoint=url, token="hf_local")

            assert "demo/x" == api.create_repo("demo/x").repo_id  # git needs files too
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# whatever

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
TARGETS = st.lists(st.sampled_from(["api", "models", "spaces", "ada", "x", "resolve", "main", "..", "%2e", "%00", ""]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
)
FIELDS = ["name", "organization", "type", "key", "value", "files", "path", "operation", "objects", "volumes", "tag"]
POSTS = sorted({(call.method, call.path) for call in CALLS if call.method != "GET" and call.answer})


@QUICK
@given(st.binary(max_size=200))
def test_any_bytes(localhub: LocalHub, raw: bytes) -> None:
    answer = say(localhub, raw, no_more=True)

    assert answer == b"" or status_of(answer) < 500


@QUICK
@given(st.sampled_from(["GET", "POST", "PUT", "DELETE"]), TARGETS, st.binary(max_size=30))
def test_any_target(localhub: LocalHub, method: str, parts: list[str], body: bytes) -> None:
    headers = ("Authorization: Bearer hf_ada", f"Content-Length: {len(body)}")
    answer = say(localhub, request("/" + "/".join(parts), *headers, method=method) + body)

    assert status_of(answer) < 500 or status_of(answer) == 501, answer


@QUICK
@given(st.sampled_from(POSTS), st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4) | JSON)
def test_any_body(localhub: LocalHub, model: str, call: tuple[str, str], content: object) -> None:
    path = call[1].replace("{kinds:kinds}", "models").replace("{namespace}/{name}", model)
    path = re.sub(r"\{(\w+)(:\w+)?\}", r"\1", path.replace("{revision}", "main"))
    body = json.dumps(content)
    answer = httpx.request(
        call[0], localhub.url + path, content=body, headers={"Authorization": "Bearer hf_ada"}, trust_env=False
    )

    assert answer.status_code < 500 or answer.status_code == 501, answer.text
