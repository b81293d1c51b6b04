"""Logs on disk: in order, complete, followed by several, quick."""

from __future__ import annotations

import asyncio
import re
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest

from spaceops.localhub.clock import Clock
from spaceops.localhub.logbook import FULL, Line, Logbook


async def read_all(book: Logbook) -> list[Line]:
    return [line async for lines in book.lines() for line in lines]


async def replay(book: Logbook) -> list[Line]:
    """What is there now."""
    found: list[Line] = []
    async for lines in book.lines():
        found += lines
        if not lines:
            break
    return found


def test_lines_come_back_with_their_newline_and_strictly_rising_times(tmp_path: Path) -> None:
    async def scenario() -> None:
        book = Logbook(tmp_path / "logs/run.log", Clock())
        writer = book.open()
        writer.write("first")
        writer.feed(b"sec")
        writer.feed(b"ond\nthird\n" + "vierte: ü\n".encode() + b"\xff\n\n10%\r20%\nlast, without newline")
        writer.close()
        lines = await read_all(book)

        texts = ["first", "second", "third", "vierte: ü", "\ufffd", "", "10%\r20%", "last, without newline"]
        assert [line.text for line in lines] == [f"{text}\n" for text in texts]
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line.timestamp) for line in lines)
        assert all(one.timestamp < other.timestamp for one, other in pairwise(lines))

    asyncio.run(scenario())


def test_several_readers_follow_and_each_gets_every_line_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        book = Logbook(tmp_path / "run.log", Clock())
        writer = book.open()
        writer.write("0")
        readers = [asyncio.create_task(read_all(book)) for _ in range(3)]
        for number in range(1, 500):
            writer.write(str(number))
            if number % 7 == 0:
                await asyncio.sleep(0)
        readers.append(asyncio.create_task(read_all(book)))
        await asyncio.sleep(0)
        writer.close()

        for lines in await asyncio.gather(*readers):
            assert [line.text for line in lines] == [f"{number}\n" for number in range(500)]

    asyncio.run(scenario())


def test_an_empty_batch_marks_the_end_of_what_was_there(tmp_path: Path) -> None:
    async def scenario() -> None:
        book = Logbook(tmp_path / "run.log", Clock())
        writer = book.open()
        writer.write("before")
        reader = book.lines()
        assert [line.text for line in await anext(reader)] == ["before\n"]
        assert await anext(reader) == []
        waiting = asyncio.ensure_future(anext(reader))
        await asyncio.sleep(0)
        assert not waiting.done()
        writer.write("after")
        assert [line.text for line in await waiting] == ["after\n"]
        writer.close()
        with pytest.raises(StopAsyncIteration):
            await anext(reader)

    asyncio.run(scenario())


def test_silence_is_kept_alive(tmp_path: Path) -> None:
    async def scenario() -> None:
        book = Logbook(tmp_path / "run.log", Clock(), keep_alive=0.02)
        writer = book.open()
        reader = book.lines()
        assert [await anext(reader) for _ in range(3)] == [[], [], []]
        writer.close()
        assert [lines async for lines in reader] == []

    asyncio.run(scenario())


def test_a_log_that_was_never_written_is_empty_and_ends(tmp_path: Path) -> None:
    book = Logbook(tmp_path / "run.log", Clock())
    assert asyncio.run(read_all(book)) == []
    assert book.tail(3) == []


def test_a_log_survives_its_writer(tmp_path: Path) -> None:
    async def scenario() -> None:
        writer = Logbook(tmp_path / "run.log", Clock()).open()
        writer.write("one")
        writer.feed(b"two\nhalf a li")
        found = Logbook(tmp_path / "run.log", Clock())  # by the next server, were this one killed now
        lines = await read_all(found)
        assert [line.text for line in lines] == ["one\n", "two\n"]
        writer.close()

    asyncio.run(scenario())


def test_beginning_anew_ends_the_readers_of_the_former_log(tmp_path: Path) -> None:
    async def scenario() -> None:
        book = Logbook(tmp_path / "run.log", Clock())
        former = book.open()
        former.write("old")
        reader = asyncio.create_task(read_all(book))
        await asyncio.sleep(0)
        fresh = book.open()
        former.feed(b"an old process goes on printing\n")
        fresh.write("new")
        fresh.close()

        assert [line.text for line in await reader] == ["old\n"]
        assert [line.text for line in await read_all(book)] == ["new\n"]

    asyncio.run(scenario())


def test_the_tail_has_the_last_lines_also_of_a_long_log(tmp_path: Path) -> None:
    async def scenario() -> None:
        book = Logbook(tmp_path / "run.log", Clock())
        writer = book.open()
        writer.feed(b"".join(b"line %d\n" % number for number in range(50_000)) + b"and a half")
        assert book.tail(3) == ["line 49998", "line 49999", "and a half"]
        writer.close()

    asyncio.run(scenario())


def test_a_line_without_end_is_cut(tmp_path: Path) -> None:
    async def scenario() -> None:
        book = Logbook(tmp_path / "run.log", Clock())
        writer = book.open()
        for _ in range(5):
            writer.feed(b"x" * 50_000)
        writer.close()
        lines = await read_all(book)
        assert len(lines) == 3
        assert sum(len(line.text) - 1 for line in lines) == 250_000

    asyncio.run(scenario())


def test_200_000_lines_are_replayed_in_little_memory(tmp_path: Path) -> None:
    async def scenario() -> None:
        book = Logbook(tmp_path / "run.log", Clock())
        writer = book.open()
        for start in range(0, 200_000, 1000):
            writer.feed(
                b"".join(b"INFO: 127.0.0.1 - GET /analyze %d\n" % number for number in range(start, start + 1000))
            )
        writer.close()
        tracemalloc.start()
        count = 0
        async for lines in book.lines():
            count += len(lines)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert count == 200_000
        assert peak < 5_000_000

    asyncio.run(scenario())


def test_readers_of_a_log_that_is_to_come_wait_for_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        book = Logbook(tmp_path / "run.log", Clock(), keep_alive=0.02)
        book.open().write("former")
        book.expect()
        reader = book.lines()
        assert [await anext(reader) for _ in range(3)] == [[], [], []], "the first at once, for those who do not follow"
        fresh = book.open()
        fresh.write("new")
        assert [line.text for line in await anext(reader)] == ["new\n"]
        fresh.close()
        assert [lines async for lines in reader] == [[]]

    asyncio.run(scenario())


def test_a_log_that_does_not_come_ends_those_who_wait_without_the_former_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        book = Logbook(tmp_path / "run.log", Clock())
        former = book.open()
        former.write("former")
        former.close()
        book.expect()
        reader = asyncio.create_task(read_all(book))
        await asyncio.sleep(0)
        book.close()
        assert await reader == []
        assert [line.text for line in await read_all(book)] == ["former\n"]

    asyncio.run(scenario())


def test_a_log_may_be_closed_with_a_last_line(tmp_path: Path) -> None:
    async def scenario() -> None:
        book = Logbook(tmp_path / "build.log", Clock())
        book.open().write("begun")
        book.close("given up")
        book.close("twice")
        assert book.tail(9) == ["begun", "given up"]

    asyncio.run(scenario())


def test_looking_at_the_end_changes_nothing(tmp_path: Path) -> None:
    """A line that is half printed when somebody looks stays one line."""

    async def scenario() -> None:
        book = Logbook(tmp_path / "run.log", Clock())
        writer = book.open()
        writer.feed(b"first\nLoading model ... ")

        assert await asyncio.to_thread(book.tail, 5) == ["first", "Loading model ... "]
        writer.feed(b"done\n")
        writer.close()

        assert book.tail(5) == ["first", "Loading model ... done"]

    asyncio.run(scenario())


@pytest.mark.parametrize("tail", [0, 1, 2, 99, 100, 101, 10**9])
def test_only_the_last_lines_are_replayed_and_then_all_that_comes(tmp_path: Path, tail: int) -> None:
    async def scenario() -> None:
        book = Logbook(tmp_path / "run.log", Clock())
        writer = book.open()
        for number in range(100):
            writer.write(f"{number} " + "x" * 9000)  # more than is read at once
        reader = book.lines(tail)
        replayed = []
        while lines := await anext(reader):
            replayed += lines
        writer.write("new")
        assert [line.text for line in await anext(reader)] == ["new\n"]
        await reader.aclose()  # type: ignore[attr-defined]
        writer.close()
        assert [line.text.split()[0] for line in replayed] == [
            str(number) for number in range(100)[max(0, 100 - tail) :]
        ]

    asyncio.run(scenario())


def test_who_waits_for_a_log_gets_all_of_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        book = Logbook(tmp_path / "run.log", Clock())
        book.expect()
        reader = book.lines(1)
        assert await anext(reader) == []
        writer = book.open()
        writer.feed(b"one\ntwo\n")
        writer.close()
        assert [line.text async for lines in reader for line in lines] == ["one\n", "two\n"]

    asyncio.run(scenario())


def test_a_log_that_is_full_says_so_once_and_grows_no_more(tmp_path: Path) -> None:
    async def scenario() -> None:
        book = Logbook(tmp_path / "run.log", Clock(), largest=1000)
        writer = book.open()
        for number in range(200):
            writer.write(f"line {number}")
        writer.close()
        lines = await read_all(book)

        assert lines[-1].text == f"{FULL.decode()}\n"
        assert [line.text for line in lines[:-1]] == [f"line {number}\n" for number in range(len(lines) - 1)]
        assert book.file.stat().st_size < 1200

    asyncio.run(scenario())
