"""The gate: closed, nobody is inside."""

from __future__ import annotations

import asyncio
import threading

import pytest

from spaceops.localhub.gate import READERS_GRACE, Gate
from spaceops.localhub.threads import Threads


class Visitor:
    """A request that stays inside until it is told to go."""

    def __init__(self, gate: Gate, method: str = "POST") -> None:
        self.inside, self.go, self.cancelled = asyncio.Event(), asyncio.Event(), False
        self.task = asyncio.create_task(self._visit(gate, method))

    async def _visit(self, gate: Gate, method: str) -> None:
        await gate.enter(method)
        try:
            self.inside.set()
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled = True
        finally:
            gate.leave()


async def settle() -> None:
    """Let everything happen that can."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_an_open_gate_lets_everybody_in() -> None:
    async def scene() -> None:
        gate = Gate()
        visitors = [Visitor(gate) for _ in range(3)]
        await settle()

        assert all(visitor.inside.is_set() for visitor in visitors)
        for visitor in visitors:
            visitor.go.set()
            await visitor.task

    asyncio.run(scene())


def test_a_closing_gate_waits_for_those_inside_and_holds_the_others_back() -> None:
    async def scene() -> None:
        gate = Gate()
        early = Visitor(gate)
        await early.inside.wait()
        closed = asyncio.Event()
        open_again = asyncio.Event()

        async def close() -> None:
            async with gate.closed():
                closed.set()
                await open_again.wait()

        closing = asyncio.create_task(close())
        await settle()
        late = Visitor(gate)
        await settle()
        assert not closed.is_set()
        early.go.set()
        await closed.wait()
        assert not late.inside.is_set()
        open_again.set()
        await late.inside.wait()
        late.go.set()
        await asyncio.gather(closing, late.task)
        assert not early.cancelled

    asyncio.run(scene())


def test_who_does_not_go_in_time_is_cancelled() -> None:
    async def scene() -> None:
        gate = Gate()
        stubborn = Visitor(gate)
        await stubborn.inside.wait()
        async with gate.closed(grace=0.05):
            assert stubborn.cancelled
            assert stubborn.task.done()

    asyncio.run(scene())


def test_streams_without_end_hold_nobody_up_for_long() -> None:
    async def scene() -> None:
        gate = Gate()
        reader, writer = Visitor(gate, "GET"), Visitor(gate, "POST")
        await reader.inside.wait()
        asyncio.get_running_loop().call_later(READERS_GRACE + 0.2, writer.go.set)
        async with gate.closed():
            assert reader.cancelled
            assert not writer.cancelled

    asyncio.run(scene())


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_readers_come_and_go_if_it_is_not_closed_for_them(method: str) -> None:
    async def scene() -> None:
        gate = Gate()
        before = Visitor(gate, method)
        await before.inside.wait()
        async with gate.closed(for_readers=False, grace=0.05):
            reader, writer = Visitor(gate, method), Visitor(gate, "POST")
            await reader.inside.wait()
            assert not writer.inside.is_set()
        assert not before.cancelled
        await writer.inside.wait()
        for visitor in (before, reader, writer):
            visitor.go.set()
            await visitor.task

    asyncio.run(scene())


def test_it_is_closed_by_one_at_a_time_and_open_after_an_error() -> None:
    async def scene() -> None:
        gate = Gate()
        inside = 0

        async def close() -> None:
            nonlocal inside
            async with gate.closed():
                inside += 1
                await settle()
                assert 1 == inside
                inside -= 1
                raise LookupError

        found = await asyncio.gather(close(), close(), close(), return_exceptions=True)
        assert [LookupError] * 3 == [type(error) for error in found]
        visitor = Visitor(gate)
        await visitor.inside.wait()
        visitor.go.set()
        await visitor.task

    asyncio.run(scene())


def test_what_a_cancelled_request_began_in_a_thread_is_waited_for() -> None:
    async def scene() -> None:
        threads, gate = Threads(), Gate()
        asyncio.get_running_loop().set_default_executor(threads)
        begun, go_on, done = threading.Event(), threading.Event(), []

        def work() -> None:
            begun.set()
            go_on.wait(10)
            done.append(True)

        async def request() -> None:
            await gate.enter("POST")
            try:
                await asyncio.to_thread(work)
            finally:
                gate.leave()

        task = asyncio.create_task(request())
        aside = asyncio.create_task(asyncio.to_thread(go_on.wait, 10))  # for no request
        await asyncio.to_thread(begun.wait, 10)
        async with gate.closed(grace=0.05):
            assert task.cancelled()
            asyncio.get_running_loop().call_later(0.05, go_on.set)
            await threads.settled()
            assert done
        await aside

    asyncio.run(scene())
