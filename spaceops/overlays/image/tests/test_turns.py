"""Whoever sends many pictures waits for them; others hardly do."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from fastapi import FastAPI, Request
from PIL import Image
from test_app import encoded

from inference.cpus import cpu_count
from main import answered, create_app, prepared
from serving.batching import Batcher, Full
from turns import Turns


class Held:
    """Prepares pictures, which it tells apart by their widths, each only when allowed to."""

    side = 8

    def __init__(self) -> None:
        self.widths: list[int] = []
        self.allowed = threading.Semaphore(0)

    def pixels(self, image: Image.Image) -> np.ndarray:
        self.widths.append(image.width)
        assert self.allowed.acquire(timeout=30)
        return np.asarray(image)


def send(app: FastAPI, held: Held, client: str, width: int) -> asyncio.Task:
    request = Request({"type": "http", "app": app, "client": (client, 1)})
    return asyncio.create_task(prepared(request, held, encoded(Image.new("L", (width, 1)))))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.001)


def test_a_picture_of_somebody_else_is_prepared_before_the_rest_of_a_heap():
    async def scenario():
        app, held = create_app({}), Held()
        at_once = cpu_count()
        heap = [send(app, held, "198.51.100.1", 1) for _ in range(at_once + 2)]
        await until(lambda: len(held.widths) == at_once)
        other = send(app, held, "198.51.100.2", 2)
        await until(lambda: app.state.turns.waiting == 1)
        held.allowed.release(len(heap) + 1)
        await asyncio.gather(*heap, other)
        assert 2 in held.widths[at_once : 2 * at_once]

    asyncio.run(scenario())


def test_a_quarter_of_the_places_is_for_one_and_all_are_for_all():
    async def scenario():
        app, held = create_app({"MAX_WAITING": "4"}), Held()
        taken = [send(app, held, "198.51.100.1", 1) for _ in range(cpu_count() + 1)]
        await until(lambda: len(held.widths) == cpu_count())
        for number in range(2, 6):
            with pytest.raises(Full, match="Too many requests are waiting"):
                await send(app, held, "198.51.100.1", 1)
            taken.append(send(app, held, f"198.51.100.{number}", number))
            await until(lambda waiting=number - 1: app.state.turns.waiting == waiting)
        with pytest.raises(Full, match="Too many requests are waiting"):
            await send(app, held, "198.51.100.6", 6)
        held.allowed.release(len(taken))
        await asyncio.gather(*taken)

    asyncio.run(scenario())


def test_who_is_refused_is_told_how_long_the_others_will_take():
    async def scenario():
        turns, go = Turns(max_waiting=6 * cpu_count()), threading.Event()
        await turns.take(lambda: time.sleep(0.4), "198.51.100.1")  # so long do they take
        waiting = [
            asyncio.create_task(turns.take(go.wait, f"198.51.100.{number}")) for number in range(7 * cpu_count())
        ]
        await until(lambda: turns.waiting == 6 * cpu_count())
        with pytest.raises(Full) as full:
            await turns.take(go.wait, "203.0.113.1")
        go.set()
        await asyncio.gather(*waiting)
        return full.value.retry_after

    assert 6 * 0.4 <= asyncio.run(scenario()) < 60


def test_the_model_looks_at_the_pictures_of_all_in_turn():
    async def scenario():
        app, began, allowed, seen = create_app({}), threading.Event(), threading.Event(), []

        def look(pictures):
            began.set()
            assert allowed.wait(30)
            seen.extend(pictures)
            return pictures

        app.state.batcher = Batcher(look, max_batch=1, max_waiting=9)
        await app.state.batcher.start()
        greedy, other = (
            Request({"type": "http", "app": app, "client": (f"198.51.100.{number}", 1)}) for number in (1, 2)
        )
        tasks = [asyncio.create_task(answered(greedy, "first"))]
        assert await asyncio.to_thread(began.wait, 30)
        tasks += [
            asyncio.create_task(answered(who, what)) for who, what in ((greedy, "a"), (greedy, "b"), (other, "x"))
        ]
        await asyncio.sleep(0)
        allowed.set()
        await asyncio.gather(*tasks)
        await app.state.batcher.close()
        assert ["first", "a", "x", "b"] == seen

    asyncio.run(scenario())
