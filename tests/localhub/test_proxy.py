"""A Space's own port: whatever a client sends reaches the app, unless it must not."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from spaceops.localhub.store import Repo
from tests.localhub.workshop import PATIENT, Workshop, eventually, exchange, small_app, workshop

# an app that does by hand what frameworks do: keep-alive, chunked bodies, an upgraded connection, a stream of events
APP = """
import asyncio, sys

REQUESTS = 0
NEXT = asyncio.Semaphore(0)

async def body(reader, head):
    if "transfer-encoding" in head:
        data = b""
        while size := int(await reader.readline(), 16):
            data += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
        return data
    return await reader.readexactly(int(head.get("content-length", 0)))

async def serve(reader, writer):
    global REQUESTS
    while line := await reader.readline():
        method, path, _ = line.decode().split(" ", 2)
        head = {}
        while (row := (await reader.readline()).decode().strip()):
            name, _, value = row.partition(":")
            head[name.lower()] = value.strip()
        REQUESTS += 1
        if head.get("upgrade") == "echo":
            writer.write(b"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: echo\\r\\nConnection: Upgrade\\r\\n\\r\\n")
            while data := await reader.read(1000):
                writer.write(data.upper())
            break
        if path == "/events":
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Type: text/event-stream\\r\\n\\r\\n")
            for number in range(3):
                writer.write(b"data: %d\\n\\n" % number)
                await writer.drain()
                await NEXT.acquire()
            break
        if path == "/next":
            NEXT.release()
        if path == "/broken":
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 100\\r\\n\\r\\nnot so much")
            break
        if path == "/silent":
            break
        if path == "/garbage":
            writer.write(b"what is this\\r\\n\\r\\n")
            break
        if path == "/flood":
            writer.write(b"HTTP/1.1 200 OK\\r\\n\\r\\n")
            while True:
                writer.write(b"x" * 1_000_000)
                await writer.drain()
        data = await body(reader, head)
        answer = f"{method} {path} {len(data)} {head.get('authorization')} {REQUESTS}".encode()
        writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(answer) + answer)
        if head.get("connection") == "close":
            break
    writer.close()

async def main():
    server = await asyncio.start_server(serve, sys.argv[1], int(sys.argv[2]))
    await server.serve_forever()

asyncio.run(main())
"""
Scenario = Callable[[Workshop, Repo], Awaitable[None]]


def run(folder: Path, scenario: Scenario, *, visibility: str = "public") -> None:
    """Have the app run in a Space, public or private, and play the scenario."""

    def may_read(_repo: Repo, token: str | None) -> bool:
        return token == "hf_right"

    async def play() -> None:
        async with workshop(folder, may_read=may_read) as shop:
            repo = shop.new_space(visibility)
            assert (await shop.deploy(repo, small_app() | {"app.py": APP}))["stage"] == "RUNNING"
            await scenario(shop, repo)

    asyncio.run(play())


async def read(reader: asyncio.StreamReader, until: bytes) -> bytes:
    async with asyncio.timeout(PATIENT):
        return await reader.readuntil(until)


def test_a_connection_carries_many_requests(tmp_path: Path) -> None:
    async def scenario(shop: Workshop, repo: Repo) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", shop.port(repo))
        for number in range(3):
            writer.write(f"GET /{number} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer of-the-app\r\n\r\n".encode())
            await read(reader, b"\r\n\r\n")
            assert (await read(reader, b"app")).decode().startswith(f"GET /{number} 0 Bearer of-the-app")
            await reader.read(2)
        writer.close()

    run(tmp_path, scenario)


def test_large_and_chunked_bodies_pass(tmp_path: Path) -> None:
    async def scenario(shop: Workshop, repo: Repo) -> None:
        status, body = await shop.ask(repo, "/sized")
        assert (status, body.split()[:3]) == (200, ["GET", "/sized", "0"])

        data = b"x" * 5_000_000
        head = f"POST /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(data)}\r\n\r\n".encode()
        assert b"POST /big 5000000" in await exchange(shop.port(repo), head + data)

        chunks = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
        head = b"PUT /chunked HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert b"PUT /chunked 11" in await exchange(shop.port(repo), head + chunks)

    run(tmp_path, scenario)


@pytest.mark.parametrize("visibility", ["public", "private"])
def test_an_upgraded_connection_passes_both_ways(tmp_path: Path, visibility: str) -> None:
    async def scenario(shop: Workshop, repo: Repo) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", shop.port(repo))
        writer.write(
            b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer hf_right\r\n"
            b"Upgrade: echo\r\nConnection: Upgrade\r\n\r\n"
        )
        assert b" 101 " in await read(reader, b"\r\n\r\n")
        for word in (b"one", b"two"):
            writer.write(word)
            assert await read(reader, word.upper()) == word.upper()
        writer.close()

    run(tmp_path, scenario, visibility=visibility)


def test_events_arrive_one_by_one(tmp_path: Path) -> None:
    async def scenario(shop: Workshop, repo: Repo) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", shop.port(repo))
        writer.write(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"Transfer-Encoding: chunked" in await read(reader, b"\r\n\r\n")
        for number in range(3):  # the app sends the next one only when it hears of the last one's arrival
            assert (await read(reader, b"\n\n")).endswith(f"data: {number}\n\n".encode())
            await shop.ask(repo, "/next")
        assert (await read(reader, b"0\r\n\r\n")).endswith(b"0\r\n\r\n")
        writer.close()

    run(tmp_path, scenario)


def test_a_private_space_is_a_404_without_the_right_to_read(tmp_path: Path) -> None:
    async def scenario(shop: Workshop, repo: Repo) -> None:
        for headers in ({}, {"Authorization": "Bearer hf_wrong"}, {"Authorization": "Basic aGZfcmlnaHQ="}):
            status, page = await shop.ask(repo, "/", **headers)
            assert status == 404
            assert "we can't find the page you are looking for" in page
        status, body = await shop.ask(repo, "/x", Authorization="Bearer hf_right")
        assert (status, body) == (200, "GET /x 0 None 2"), "the Hub's token is not for the app, which was asked twice"

        shop.store.update(replace(repo, visibility="protected"))
        assert (await shop.ask(repo))[0] == 200, "protected hides the source, not the app"
        shop.store.update(replace(repo, visibility="private"))
        assert (await shop.ask(repo))[0] == 404

    run(tmp_path, scenario, visibility="private")


@pytest.mark.parametrize("body", [b"", b"hello"])
def test_each_request_of_a_private_connection_is_checked(tmp_path: Path, body: bytes) -> None:
    async def scenario(shop: Workshop, repo: Repo) -> None:
        right = (
            b"POST /first HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer hf_right\r\nContent-Length: %d\r\n\r\n"
            % len(body)
        )
        answer = await exchange(shop.port(repo), (right + body) * 2 + b"GET /third HTTP/1.1\r\nHost: x\r\n\r\n")
        assert re.findall(rb"(?:GET|POST) /\w+ \d", answer) == [b"POST /first %d" % len(body)] * 2
        assert answer.count(b" 200 OK") == 2
        assert answer.count(b" 404 Not Found") == 1

    run(tmp_path, scenario, visibility="private")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00 a TLS hello, perhaps \xff\xfe\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", 431),
        (b"no end", 400),
        (b"", None),
    ],
)
def test_garbage_is_refused_and_harms_nobody(tmp_path: Path, data: bytes, status: int | None) -> None:
    async def play() -> None:
        async with workshop(tmp_path) as shop:
            port = shop.port(shop.new_space())
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(data)
            writer.write_eof()
            async with asyncio.timeout(PATIENT):
                answer = await reader.read()
            writer.close()
            assert answer.startswith(f"HTTP/1.1 {status} ".encode() if status else b"")
            assert bool(answer) == bool(status)
            assert (await exchange(port, b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")).endswith(b"close\r\n\r\n"), (
                "it goes on; no body for HEAD"
            )

    asyncio.run(play())


def test_a_building_space_says_so_and_asks_the_browser_to_come_again(tmp_path: Path) -> None:
    async def play() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            shop.push(repo, small_app(Dockerfile="FROM python:3.11\nRUN sleep 600\n"))
            answer = await exchange(
                shop.port(repo), b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n123456789"
            )
            assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
            assert b"Your space is building" in answer
            assert b'<meta http-equiv="refresh" content="2">' in answer
            assert b"Retry-After: 2\r\n" in answer

    asyncio.run(play())


def test_open_connections_do_not_hold_up_the_end(tmp_path: Path) -> None:
    async def scenario(shop: Workshop, repo: Repo) -> None:
        silent = await asyncio.open_connection("127.0.0.1", shop.port(repo))
        idle = await asyncio.open_connection("127.0.0.1", shop.port(repo))
        idle[1].write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await read(idle[0], b"\r\n\r\n")
        deaf = await asyncio.open_connection("127.0.0.1", shop.port(repo), limit=1000)
        deaf[1].write(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
        await read(deaf[0], b"\r\n\r\n")
        async with asyncio.timeout(5):
            await shop.spaces.stop()
        deaf[1].transport.abort()
        for reader, writer in (silent, idle):
            async with asyncio.timeout(PATIENT):
                await reader.read()
            writer.close()

    run(tmp_path, scenario)


def test_one_connection_outlives_the_version_that_it_began_with(tmp_path: Path) -> None:
    async def scenario(shop: Workshop, repo: Repo) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", shop.port(repo))

        async def ask() -> bytes:
            writer.write(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", await read(reader, b"\r\n\r\n"))
            assert length
            return await reader.readexactly(int(length[1]))

        assert b"GET /version 0" in await ask()
        shop.push(repo, small_app(2))
        while shop.spaces.runtime(repo)["stage"] != "RUNNING":
            await ask()  # none of them fails
        assert b'"version": 2' in await ask()
        writer.close()

    run(tmp_path, scenario)


@pytest.mark.parametrize(("path", "status"), [("/silent", 502), ("/garbage", 502)])
def test_an_app_that_does_not_answer_is_a_bad_gateway(tmp_path: Path, path: str, status: int) -> None:
    async def scenario(shop: Workshop, repo: Repo) -> None:
        assert (await shop.ask(repo, path))[0] == status

    run(tmp_path, scenario)


def test_an_answer_that_breaks_off_is_not_passed_for_a_whole_one(tmp_path: Path) -> None:
    async def scenario(shop: Workshop, repo: Repo) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", shop.port(repo))
        writer.write(b"GET /broken HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await read(reader, b"there is no such end")
        writer.close()

    run(tmp_path, scenario)


def test_an_old_client_is_answered_too(tmp_path: Path) -> None:
    async def scenario(shop: Workshop, repo: Repo) -> None:
        answer = await exchange(shop.port(repo), b"GET /old HTTP/1.0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"GET /old 0" in answer

    run(tmp_path, scenario)


def test_an_app_hears_of_it_when_its_visitor_leaves(tmp_path: Path) -> None:
    async def scenario(shop: Workshop, repo: Repo) -> None:
        with socket.create_connection(("127.0.0.1", shop.port(repo))) as visitor:
            visitor.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
            await eventually(lambda: shop.traffic(repo).underway == 1)
        await eventually(lambda: shop.traffic(repo).underway == 0)
        assert shop.traffic(repo).sent > 0

    run(tmp_path, scenario)
