"""How long an app may take to start, and how its log gives away where it listens."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from spaceops.card import Card
from spaceops.localhub.clock import Clock
from spaceops.localhub.logbook import Logbook
from spaceops.localhub.runners.ports import PortAdapter, free_port, listening
from spaceops.localhub.startup import ANNOUNCED, Patience, exit_message


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30m", 1800),
        ("1h", 3600),
        ("90s", 90),
        ("45", 45),
        ("1d", 86400),
        (" 2 m ", 120),
        ("soon", 7),
        ("", 7),
        ("-1m", 7),
    ],
)
def test_the_readme_may_say_how_long_a_start_takes(text: str, seconds: float) -> None:
    assert Patience(startup=7).of(Card({"startup_duration_timeout": text})) == seconds
    assert Patience(startup=7).of(Card()) == 7


@pytest.mark.parametrize(
    ("line", "ports"),
    [
        ("INFO:     Uvicorn running on http://0.0.0.0:8000 (Press CTRL+C to quit)", ["8000"]),
        ("[INFO] Listening at: http://127.0.0.1:8000 (12)", ["8000"]),
        (" * Running on http://127.0.0.1:5000", ["5000"]),
        ("  Local URL: http://localhost:8501", ["8501"]),
        ("Running on local URL:  http://127.0.0.1:7861", ["7861"]),
        ("Server listening on port :3000", ["3000"]),
        ("connected to postgres at db:5432", []),
        ("2026-11-22 19:14:23 started", []),
    ],
)
def test_servers_announce_their_port(line: str, ports: list[str]) -> None:
    assert ANNOUNCED.findall(line) == ports


def test_the_reason_of_an_exit_is_the_end_of_the_log(tmp_path: Path) -> None:
    async def scenario() -> None:
        book = Logbook(tmp_path / "run.log", Clock())
        writer = book.open()
        writer.write("===== Application Startup at 2026-04-04 12:08:20 =====")
        assert exit_message(0, book) == "Exit code: 0. Reason: "
        for number in range(20):
            writer.write(f"line {number}")
        writer.close()
        assert exit_message(1, book) == "Exit code: 1. Reason: " + "\n".join(
            f"line {number}" for number in range(8, 20)
        )

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("text", "adapted"),
    [
        ("7860", "4321"),
        ("--port=7860", "--port=4321"),
        ("0.0.0.0:7860", "127.0.0.1:4321"),
        ("uvicorn a:b --host 0.0.0.0 --port ${PORT:-7860}", "uvicorn a:b --host 127.0.0.1 --port ${PORT:-4321}"),
        ("78600 17860 v7860 7860.5 1.7860", "78600 17860 v7860 7860.5 1.7860"),
        ("10.0.0.0 0.0.0.01", "10.0.0.0 0.0.0.01"),
    ],
)
def test_the_literal_port_and_host_are_replaced(text: str, adapted: str) -> None:
    assert PortAdapter(7860, 4321)(text) == adapted


def test_a_value_that_is_more_than_the_port_is_the_users_own() -> None:
    adapter = PortAdapter(7860, 4321)
    assert [adapter.whole(text) for text in ("7860", "0.0.0.0", "id-7860", "")] == ["4321", "127.0.0.1", "id-7860", ""]


def test_the_ports_of_a_process_are_those_of_its_descendants(tmp_path: Path) -> None:
    port = free_port()
    program = f"import socket; s = socket.create_server(('127.0.0.1', {port})); print('up', flush=True); input()"

    async def scenario() -> None:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_shell(f'python3 -c "{program}"; true', stdin=pipe, stdout=pipe)
        assert process.stdout
        await process.stdout.readline()
        assert listening(process.pid) == {("127.0.0.1", port)}
        await process.communicate(b"\n")
        assert listening(process.pid) == set()

    asyncio.run(scenario())
    with socket.socket() as again:
        again.bind(("127.0.0.1", port))
