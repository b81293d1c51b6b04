"""200 clients that read at once: runtime, info and logs of a Space, beside a bare starlette app with the same answers.

Server, peer and clients are three processes. The peer runs on uvicorn as the local Hub does; its answers were recorded
from the local Hub, so that the ratio is the price of being a Hub. A log is read to its last line, each time on a new
connection.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from spaceops import Hub, Space, deploy
from spaceops.testing import APP

CLIENTS, ROUNDS = 200, 10
LINES = 200  # of the log
TOKEN = "hf_local"
PEER = """
import asyncio, json, sys
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

answers = {path: body.encode() for path, body in json.load(sys.stdin).items()}

async def constant(request):
    return Response(answers[request.url.path], media_type="application/json")

async def log(request):
    async def lines():
        yield answers[request.url.path]
        await asyncio.sleep(3600)
    return StreamingResponse(lines(), media_type="text/event-stream")

routes = [Route(path, log if "/logs/" in path else constant) for path in answers]
config = uvicorn.Config(Starlette(routes=routes), port=0, log_level="warning", loop="asyncio", http="h11")
server = uvicorn.Server(config)

async def serve():
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print("ready http://127.0.0.1:%d" % server.servers[0].sockets[0].getsockname()[1], flush=True)
    await task

asyncio.run(serve())
"""


class Server(NamedTuple):
    """A server in a process of its own."""

    url: str
    seconds: float  # from its start to the first answer


class Speed(NamedTuple):
    """How fast one server answered."""

    rate: float  # requests per second
    slowest: float  # seconds
    failed: int


@contextmanager
def served(command: list[str], first: str, answers: dict[str, str] | None = None) -> Iterator[Server]:
    """Start a server, and time it to its first answer."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps(answers or {}))
        process.stdin.close()
        try:
            url = process.stdout.readline().split()[1]
            urllib.request.urlopen(url + first, timeout=30).close()
            yield Server(url, time.perf_counter() - began)
        finally:
            process.terminate()


def space_on(hub: Hub, folder: Path) -> str:
    """A Space that runs, with as many lines in its log as are wanted."""
    for name, text in APP.items():
        (folder / name).write_text(text)
    release = deploy(Space.parse({"repo_id": "demo/read", "visibility": "public"}, folder=folder), hub)
    for number in range(LINES):
        urllib.request.urlopen(f"{release.host}/{number}", timeout=30).close()
    return release.repo_id


@asynccontextmanager
async def connection(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a server."""
    to = urlsplit(url)
    reader, writer = await asyncio.open_connection(to.hostname, to.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> tuple[int, int]:
    """Send a request; the status, and the length of the body that comes."""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = next((line.split(":")[1] for line in head.split("\r\n") if line.startswith("content-length:")), "0")
    return int(head.split()[1]), int(length)


async def read_json(url: str, path: str, rounds: int, note: Callable[[float, bool], None]) -> None:
    """Ask again and again on one connection."""
    async with connection(url) as (reader, writer):
        for _ in range(rounds):
            began = time.perf_counter()
            status, length = await ask(reader, writer, path)
            body = await reader.readexactly(length)
            note(time.perf_counter() - began, status == 200 and len(body) > 0)


async def read_log(url: str, path: str, rounds: int, note: Callable[[float, bool], None]) -> None:
    """Read the log to the last line, each time on a new connection."""
    for _ in range(rounds):
        began = time.perf_counter()
        async with connection(url) as (reader, writer):
            status, _ = await ask(reader, writer, path)
            await reader.readuntil(f"GET /{LINES - 1}".encode())
        note(time.perf_counter() - began, status == 200)


async def together(readers: Callable[[Callable[[float, bool], None]], list[Awaitable[None]]]) -> Speed:
    """All readers at once."""
    times: list[float] = []
    failed = 0

    def note(seconds: float, good: bool) -> None:
        nonlocal failed
        times.append(seconds)
        failed += not good

    began = time.perf_counter()
    ended = await asyncio.gather(*readers(note), return_exceptions=True)
    spent = time.perf_counter() - began
    failed += sum(1 for end in ended if isinstance(end, BaseException))
    return Speed(len(times) / spent, max(times, default=0.0), failed)


def measure(url: str, paths: list[str]) -> Speed:
    """200 clients, divided among the paths."""

    def readers(note: Callable[[float, bool], None]) -> list[Awaitable[None]]:
        ways = [(read_log if "/logs/" in path else read_json, path) for path in paths]
        return [way(url, path, ROUNDS, note) for _ in range(CLIENTS // len(ways)) for way, path in ways]

    return asyncio.run(together(readers))


def recorded(url: str, paths: list[str]) -> dict[str, str]:
    """What the local Hub answers, for the peer to answer the same."""
    answers = {}
    for path in paths:
        request = urllib.request.Request(url + path, headers={"Authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(request, timeout=30) as response:
            answers[path] = to_last_line(response) if "/logs/" in path else response.read().decode()
    return answers


def to_last_line(response: Iterator[bytes]) -> str:
    """The events of a log up to the last request that we made."""
    text = ""
    for line in response:
        text += line.decode()
        if f"GET /{LINES - 1}" in text:
            break
    return text + "\n"


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as data, tempfile.TemporaryDirectory() as app:
        serve = [sys.executable, "-m", "spaceops", "hub", "serve", "--port", "0", "--data", data]
        with served(serve, "/api/spaces") as ours:
            repo_id = space_on(Hub(ours.url, token=TOKEN), Path(app))
            start = f"/api/spaces/{repo_id}"
            runtime, log = f"{start}/runtime", f"{start}/logs/run"
            answers = recorded(ours.url, [runtime, start, log])
            with served([sys.executable, "-c", PEER], runtime, answers) as peer:
                print(f"start to first answer: {ours.seconds:.2f} s, the peer {peer.seconds:.2f} s")
                print(f"{CLIENTS} clients       local Hub /s  slowest  failed    peer /s  slowest  ratio")
                rows = {"runtime": [runtime], "info": [start], "log": [log], "runtime and log": [runtime, log]}
                for name, paths in rows.items():
                    hub, bare = measure(ours.url, paths), measure(peer.url, paths)
                    left = f"{name:<17}{hub.rate:>14.0f}{hub.slowest:>7.2f} s{hub.failed:>8}"
                    print(f"{left}{bare.rate:>11.0f}{bare.slowest:>7.2f} s{hub.rate / bare.rate:>7.2f}", flush=True)


if __name__ == "__main__":
    main()
