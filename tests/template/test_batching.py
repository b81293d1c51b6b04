"""The template's batcher under any arrival, order, cancellation, failure and size that hypothesis thinks of."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[2] / "app_template"))

from serving.batching import Batcher, Full

clients = st.sampled_from("abcd")


@dataclass(frozen=True)
class Item:
    number: int
    client: str = ""
    bad: bool = False
    pauses: int = 0  # turns of the event loop before it arrives
    cancelled_after: int | None = None  # turns of the event loop

    @property
    def answer(self) -> str:
        return f"answer {self.number}"


class BadItem(Exception):
    pass


@dataclass
class Model:
    """Answers one by one what it could answer together; a batch with a bad item fails as a whole."""

    held: bool = False
    passes: list[list[Item]] = field(default_factory=list)

    def __post_init__(self):
        self.began, self.released = threading.Event(), threading.Event()
        if not self.held:
            self.released.set()

    def run(self, items):
        self.passes.append(list(items))
        self.began.set()
        assert self.released.wait(30)
        if bad := [item for item in items if item.bad]:
            raise BadItem(bad[0].number)
        return [item.answer for item in items]


@st.composite
def arrivals(draw):
    turns = st.integers(0, 5)
    item = st.tuples(clients, st.integers(0, 9).map(lambda n: n == 0), turns, st.none() | turns)
    return [Item(number, *rest) for number, rest in enumerate(draw(st.lists(item, max_size=40)))]


async def turns(number):
    for _ in range(number):
        await asyncio.sleep(0)


def batcher_of(model, **options):
    return Batcher(model.run, longest_pass=60, **options)


async def send(batcher, item):
    await turns(item.pauses)
    sending = asyncio.create_task(batcher.submit(item, item.client))
    if item.cancelled_after is not None:
        await turns(item.cancelled_after)
        sending.cancel()
    [outcome] = await asyncio.gather(sending, return_exceptions=True)
    return outcome


def fits(item, outcome):
    """Whether the outcome is one that this item can have."""
    if isinstance(outcome, asyncio.CancelledError):
        return item.cancelled_after is not None
    return str(outcome) == str(item.number) and isinstance(outcome, BadItem) if item.bad else outcome == item.answer


@settings(max_examples=150, deadline=None)
@given(arrivals(), st.integers(1, 8))
def test_everybody_gets_the_answer_for_the_own_item_alone(items, max_batch):
    async def scenario():
        model = Model()
        batcher = batcher_of(model, max_batch=max_batch, max_waiting=40)
        await batcher.start()
        outcomes = await asyncio.gather(*(send(batcher, item) for item in items))
        await batcher.close()

        assert all(map(fits, items, outcomes))
        assert 0 == batcher.waiting
        for batch in model.passes:
            assert len(batch) <= max_batch

    asyncio.run(scenario())


steps = st.tuples(clients, st.sampled_from(["submit", "submit", "cancel"]))


@settings(max_examples=100, deadline=None)
@given(st.lists(steps, max_size=40), st.integers(1, 10))
def test_as_many_wait_as_there_are_places_and_who_has_most_makes_room(steps, places):
    async def scenario():
        model = Model(held=True)
        batcher = batcher_of(model, max_batch=4, max_waiting=places)
        await batcher.start()
        first = asyncio.create_task(batcher.submit(Item(-1)))
        assert await asyncio.to_thread(model.began.wait, 30)
        lines: dict[str, list[tuple[int, asyncio.Task]]] = {client: [] for client in "abcd"}
        for number, (client, step) in enumerate(steps):
            if step == "submit":
                task = asyncio.create_task(batcher.submit(Item(number), client))
                await turns(2)
                make_room(lines, client, places, refused=task.done())
                lines[client] += [] if task.done() else [(number, task)]
            elif lines[client]:
                lines[client].pop()[1].cancel()
                await turns(2)
            assert sum(map(len, lines.values())) == batcher.waiting <= places
        closing = asyncio.create_task(batcher.close())
        model.released.set()
        await closing

        assert "answer -1" == await first
        for number, task in chain(*lines.values()):
            assert f"answer {number}" == await task

    asyncio.run(scenario())


def make_room(lines, client, places, *, refused):
    """Take the newest out of a longest line, where it must have gone for a client that has at least two fewer."""
    most = max(map(len, lines.values()))
    full = places == sum(map(len, lines.values()))
    gone = [line for line in lines.values() if any(task.done() for _, task in line)]
    assert refused == (full and most < len(lines[client]) + 2)
    assert [most] * (full and not refused) == [len(line) for line in gone]
    for line in gone:
        assert isinstance(line.pop()[1].exception(), Full)


@settings(max_examples=100, deadline=None)
@given(st.lists(clients, min_size=1, max_size=60), st.integers(1, 8))
def test_clients_take_turns_and_every_pass_is_full(senders, max_batch):
    async def scenario():
        model = Model(held=True)
        batcher = batcher_of(model, max_batch=max_batch, max_waiting=100)
        await batcher.start()
        first = asyncio.create_task(batcher.submit(Item(-1)))
        assert await asyncio.to_thread(model.began.wait, 30)
        items = [Item(number, client) for number, client in enumerate(senders)]
        sent = [asyncio.create_task(batcher.submit(item, item.client)) for item in items]
        await turns(1)
        model.released.set()
        await asyncio.gather(first, *sent)
        await batcher.close()

        order = in_turn(items)
        assert [order[n : n + max_batch] for n in range(0, len(order), max_batch)] == model.passes[1:]

    asyncio.run(scenario())


def in_turn(items):
    """The first of each client, then the second of each, and so on."""
    lines = defaultdict(list)
    for item in items:
        lines[item.client].append(item)
    return [item for rank in zip_longest(*lines.values()) for item in rank if item]
