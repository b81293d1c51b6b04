"""One question to an app: what is read of the answer, and what is not."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import pytest

from spaceops import Hub, Secret
from spaceops.errors import Unreachable
from spaceops.hub.app import BEGINNING, LONGEST

HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
Talk = Callable[[socket.socket], None]


@pytest.fixture
def app() -> Iterator[Callable[[Talk], str]]:
    """An app that says to one visitor what it is told to say, on the bare connection; its address."""
    with closing(socket.create_server(("127.0.0.1", 0))) as door:
        threads = []

        def serve(talk: Talk) -> None:
            visitor, _ = door.accept()
            with visitor, suppress(OSError):  # the visitor may have heard enough
                visitor.recv(65536)
                talk(visitor)

        def start(talk: Talk) -> str:
            threads.append(threading.Thread(target=serve, args=[talk]))
            threads[-1].start()
            return f"http://127.0.0.1:{door.getsockname()[1]}/"

        yield start
        for thread in threads:
            thread.join(timeout=10)
        assert not any(thread.is_alive() for thread in threads)


@pytest.fixture
def hub() -> Hub:
    return Hub("http://127.0.0.1:9", token="hf_" + "a" * 30)


def saying(*pieces: bytes) -> Talk:
    def talk(visitor: socket.socket) -> None:
        for piece in pieces:
            visitor.sendall(piece)

    return talk


def endlessly(piece: bytes) -> Talk:
    def talk(visitor: socket.socket) -> None:
        visitor.sendall(HEAD + b"\r\n")
        while True:
            visitor.sendall(piece)

    return talk


def until_it_leaves(*pieces: bytes) -> Talk:
    """Say so much, and then nothing more on the open connection."""

    def talk(visitor: socket.socket) -> None:
        saying(*pieces)(visitor)
        visitor.recv(1)

    return talk


def test_of_a_success_nothing_is_read(hub, app):
    assert (200, "") == hub.ask_app(app(endlessly(b"more " * 1000)), private=False)


def test_a_text_is_found_wherever_the_answer_is_cut(hub, app):
    status, said = hub.ask_app(app(saying(HEAD + b"\r\n{'sta", b"tus': 'r", b"eady'}")), private=False, holds="ready")

    assert (200, True) == (status, "ready" in said)


def test_a_stream_is_left_as_soon_as_it_has_said_the_text(hub, app):
    began = time.monotonic()
    status, said = hub.ask_app(app(until_it_leaves(HEAD, b"\r\ndata: ready\n\n")), private=False, holds="ready")

    assert (200, True) == (status, "ready" in said)
    assert time.monotonic() - began < 5


def test_a_text_is_looked_for_in_so_much_and_no_more(hub, app):
    status, said = hub.ask_app(app(endlessly(b"more " * 1000)), private=False, holds="ready")

    assert (200, LONGEST) == (status, len(said))


@pytest.mark.parametrize("end", [saying, until_it_leaves], ids=["it breaks", "it falls silent"])
def test_an_answer_that_never_ends_counts_as_far_as_it_came(hub, app, end):
    address = app(end(HEAD + b"Content-Length: 1000\r\n\r\nstarting"))

    assert (200, "starting") == hub.ask_app(address, private=False, holds="ready", patience=0.3)


def test_an_app_that_takes_the_connection_and_says_nothing_does_not_answer(hub, app):
    with pytest.raises(Unreachable, match="does not answer"):
        hub.ask_app(app(until_it_leaves()), private=False, patience=0.3)


def test_of_a_failure_the_beginning_is_read_without_secrets(hub, app):
    Secret("correct horse", "API_KEY")
    body = b"no access with correct horse" + b"." * 10_000
    address = app(saying(b"HTTP/1.1 500 Oops\r\nConnection: close\r\n\r\n" + body))

    status, said = hub.ask_app(address, private=False)

    assert 500 == status
    assert said.startswith("no access with [REDACTED:API_KEY]...")
    assert len(said) <= BEGINNING + len("[REDACTED:API_KEY]")


def test_a_redirect_is_told_without_its_query_and_not_followed(hub, app):
    address = app(saying(b"HTTP/1.1 307 Go\r\nLocation: /login?token=abc#x\r\nContent-Length: 0\r\n\r\n"))

    assert (307, "it leads to /login") == hub.ask_app(address, private=True)


@pytest.mark.parametrize("private", [True, False])
def test_only_a_private_app_is_sent_the_token(hub, private):
    heard = []
    with closing(socket.create_server(("127.0.0.1", 0))) as door:

        def serve() -> None:
            visitor, _ = door.accept()
            with visitor:
                heard.append(visitor.recv(65536))
                visitor.sendall(HEAD + b"\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        hub.ask_app(f"http://127.0.0.1:{door.getsockname()[1]}/", private=private)
        thread.join(timeout=10)

    assert private == (b"Bearer hf_aaa" in heard[0])
