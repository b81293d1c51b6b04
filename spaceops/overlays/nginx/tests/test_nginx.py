"""nginx itself, as nginx.conf has it but for the port and the folder of the sockets, in front of a small server."""

from __future__ import annotations

import http.client
import http.server
import json
import os
import re
import shutil
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx2
import pytest

from serving.settings import Settings
from serving.web import HEADERS

FOLDER = Path(__file__).parents[1]
PAGE, PROGRAM = {"Accept": "text/html,*/*"}, {"Accept": "*/*"}

if not shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin"):
    pytest.skip("nginx is not installed", allow_module_level=True)


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with the headers that came; /stream says one word, and the next when it may; /crash says nothing."""

    protocol_version = "HTTP/1.1"
    may_go_on = threading.Event()
    crashed = None  # the id of the request that got no answer

    def do_GET(self):
        if self.path == "/crash":
            Echo.crashed, self.close_connection = self.headers["X-Request-ID"], True
            return
        self.send_response(200)
        if self.path == "/stream":
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(b"data: one\n\n")
            self.may_go_on.wait(30)
            self.wfile.write(b"data: two\n\n")
            return
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.send_response(413)
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, *_):
        """Nothing."""


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Like an app behind a socket."""

    daemon_threads = True

    def get_request(self):
        request, _ = super().get_request()
        return request, ("nginx", 0)


@contextmanager
def served(path: Path) -> Iterator[None]:
    with Server(str(path), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in place of /tmp."""
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def nginx(run: Path) -> Iterator[httpx2.Client]:
    """A client of a running nginx."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = (FOLDER / "nginx.conf").read_text("utf-8").replace("/tmp/", f"{run}/")
    (run / "nginx.conf").write_text(config.replace("listen 7860", f"listen 127.0.0.1:{port}"))
    user = ["-g", "user root;"] if os.geteuid() == 0 else []  # so that its workers may read the files of the tests
    words = ["nginx", "-e", "stderr", "-p", str(FOLDER), "-c", str(run / "nginx.conf"), *user]
    environ = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin"}
    with (
        subprocess.Popen(words, env=environ) as process,
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        wait_for(port)
        yield client
        process.terminate()


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        else:
            return


@pytest.fixture
def app(run: Path) -> Iterator[None]:
    """The small server in place of the app."""
    with served(run / "app.sock"):
        yield
    (run / "app.sock").unlink()


def test_before_the_app_listens_people_get_a_page_that_tries_again(nginx):
    answer = nginx.get("/", headers=PAGE)

    assert (503, "text/html; charset=utf-8") == (answer.status_code, answer.headers["content-type"])
    assert '<meta http-equiv="refresh"' in answer.text
    assert "frame-ancestors 'self' https://huggingface.co" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/analyze", "/ops/status"])
def test_before_the_app_listens_programs_get_a_problem_and_are_told_when_to_come_back(nginx, path):
    answer = nginx.post(path, json={}, headers=PROGRAM)

    assert (503, "application/problem+json", "2") == (
        answer.status_code,
        answer.headers["content-type"],
        answer.headers["retry-after"],
    )
    assert {"type", "title", "status", "detail", "request_id"} == set(answer.json())


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "title"),
    [
        ("GET", "/static/none.css", {}, 404, "Not Found"),
        ("POST", "/ops/", {}, 405, "Method Not Allowed"),
        ("GET", "/x", {"Host": "a b"}, 400, "Bad Request"),
        ("GET", "/x", {"X-Long": "x" * 9000}, 431, "Request Header Fields Too Large"),
        ("GET", f"/{'x' * 9000}", {}, 414, "URI Too Long"),
    ],
)
def test_what_nginx_refuses_is_a_problem_too(nginx, method, path, headers, status, title):
    answer = nginx.request(method, path, headers=headers)
    problem = answer.json()

    assert (status, "application/problem+json") == (answer.status_code, answer.headers["content-type"])
    assert (status, title) == (problem["status"], problem["title"])


def test_what_is_too_large_is_a_problem_too(nginx):
    """It is refused before it is sent."""
    with closing(http.client.HTTPConnection(nginx.base_url.host, nginx.base_url.port)) as connection:
        connection.putrequest("POST", "/analyze")
        connection.putheader("Content-Length", str(101 << 20))
        connection.endheaders()
        answer = connection.getresponse()
        problem = json.load(answer)

    assert (413, 413, "application/problem+json") == (answer.status, problem["status"], answer.headers["content-type"])


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        (None, "127.0.0.1"),
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1, 10.1.2.3", "192.0.2.1"),
        ("2001:db8::1, fd00::5, 100.64.0.5", "2001:db8::1"),
        ("192.0.2.9, 192.0.2.1, 10.1.2.3", "192.0.2.1"),  # the first is what the client says of itself
    ],
)
def test_the_app_is_told_who_asks_as_the_hubs_proxy_saw_it(nginx, app, forwarded, client):
    answer = nginx.get("/", headers={"X-Forwarded-For": forwarded} if forwarded else {})

    assert client == answer.json()["x-forwarded-for"]


def test_a_request_is_handed_on_as_it_is(nginx, app):
    headers = {
        "X-Request-ID": "abc",
        "Authorization": "Bearer x",
        "Host": "localhost:7860",
        "X-Forwarded-Proto": "https",
    }
    found = nginx.get("/x?text=a", headers=headers).json()

    assert {name.lower(): value for name, value in headers.items()}.items() <= found.items()
    assert "connection" not in found


@pytest.mark.parametrize("given", [None, "", "a.b-c_1", "x" * 64, "x" * 65, 'a", "b', "ä"])
def test_a_request_has_one_id_for_nginx_and_for_the_app(nginx, app, given):
    answer = nginx.get("/crash", headers=PROGRAM | ({} if given is None else {"X-Request-ID": given.encode()}))

    assert (503, Echo.crashed) == (answer.status_code, answer.json()["request_id"])
    assert (Echo.crashed == given) is (given in {"a.b-c_1", "x" * 64})
    assert re.fullmatch("[A-Za-z0-9._-]{1,64}", Echo.crashed)


def test_a_websocket_can_begin(nginx, app):
    found = nginx.get("/live", headers={"Upgrade": "websocket", "Connection": "Upgrade"}).json()

    assert ("websocket", "upgrade") == (found["upgrade"], found["connection"])


def test_nothing_else_is_upgraded(nginx, app):
    """The app's server would lose the body of such a request, which some clients send when they would like HTTP/2."""
    assert "connection" not in nginx.get("/x", headers={"Upgrade": "h2c", "Connection": "Upgrade"}).json()


def test_a_body_is_handed_on_as_it_comes(nginx, app):
    """So that the app can refuse it at once."""
    with closing(http.client.HTTPConnection(nginx.base_url.host, nginx.base_url.port, timeout=10)) as connection:
        connection.putrequest("POST", "/x")
        connection.putheader("Content-Length", str(1 << 20))
        connection.endheaders()
        answer = connection.getresponse()

    assert 413 == answer.status


def test_the_app_gives_up_before_nginx_does():
    """So that a client who is too slow, or whose answer is, is told so by the app."""
    config = (FOLDER / "nginx.conf").read_text("utf-8")
    waits = {name: int(seconds) for name, seconds in re.findall(r"(\w+_timeout) (\d+)s;", config)}

    assert Settings.request_timeout < min(waits["client_body_timeout"], waits["proxy_read_timeout"])


def test_streams_arrive_word_by_word(nginx, app):
    with nginx.stream("GET", "/stream") as answer:
        words = answer.iter_lines()
        first = next(words)
        Echo.may_go_on.set()  # not before: the first word did not wait for the second
        rest = list(words)

    assert ("data: one", ["", "data: two", ""]) == (first, rest)


def test_the_pages_files_come_from_nginx_compressed_and_guarded(nginx):
    answer = nginx.get("/static/style.css", headers={"Accept-Encoding": "gzip"})

    assert (200, "gzip") == (answer.status_code, answer.headers["content-encoding"])
    assert (FOLDER / "static/style.css").read_text("utf-8") == answer.text
    assert {
        name.decode(): value.decode() for name, value in HEADERS
    }.items() <= answer.headers.items()  # as the app's own
    assert "no-cache" == answer.headers["cache-control"]
    assert 304 == nginx.get("/static/style.css", headers={"If-None-Match": answer.headers["etag"]}).status_code


def test_the_operators_page_is_there_when_nothing_else_is(nginx):
    answer = nginx.get("/ops/")

    assert (200, "text/html; charset=utf-8") == (answer.status_code, answer.headers["content-type"])
    assert 'src="../static/ops.js"' in answer.text


def test_its_address_is_found_without_the_last_slash(nginx):
    """Outside of the container the port is another one."""
    assert "/ops/" == nginx.get("/ops").headers["location"]


@pytest.mark.parametrize("path", ["/static/../main.py", "/static../main.py", "/static/%2e%2e/main.py"])
def test_no_other_file_is_sent(nginx, path):
    assert 200 != nginx.get(path, headers=PROGRAM).status_code
