"""The batcher with a model that is held and released by hand, so that each test knows what waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from serving.batching import Batcher, Full
from serving.metrics import REGISTRY


class Held:
    """A model that says a text in capitals, cannot read "?", and starts each pass only when allowed to."""

    def __init__(self) -> None:
        self.passes: list[list[str]] = []
        self.began, self.allowed = threading.Semaphore(0), threading.Semaphore(0)

    def run(self, texts: Sequence[str]) -> list[str]:
        self.passes.append(list(texts))
        self.began.release()
        assert self.allowed.acquire(timeout=30)
        if any("?" in text for text in texts):
            raise ValueError(texts[0])
        return [text.upper() for text in texts]

    def go(self, passes: int = 1000) -> None:
        self.allowed.release(passes)

    async def is_busy(self) -> None:
        """Return when a pass has begun."""
        assert await asyncio.to_thread(self.began.acquire, timeout=30)


class Batching:
    """A batcher of such a model, busy with "first", and closed at the end."""

    def __init__(self, **options) -> None:
        self.model = Held()
        self.batcher = Batcher(self.model.run, **{"max_batch": 4, "max_waiting": 10, "longest_pass": 60} | options)

    async def __aenter__(self):
        await self.batcher.start()
        self.first = self.submit("first")
        await self.model.is_busy()
        return self

    async def __aexit__(self, *_):
        self.model.go()
        await self.batcher.close()

    def submit(self, text: str, client: str = "") -> asyncio.Task:
        return asyncio.create_task(self.batcher.submit(text, client))

    async def line_up(self, *texts: str, client: str = "") -> list[asyncio.Task]:
        tasks = [self.submit(text, client) for text in texts]
        await asyncio.sleep(0)  # each task runs up to where it waits
        return tasks

    async def finish(self) -> list[list[str]]:
        """The passes after the first."""
        self.model.go()
        await self.batcher.close()
        return self.model.passes[1:]


def test_an_idle_model_starts_at_once_and_alone():
    async def scenario():
        async with Batching() as batching:
            assert [["first"]] == batching.model.passes

    asyncio.run(scenario())


def test_what_arrives_during_a_pass_goes_together_in_the_next_and_each_gets_its_own_answer():
    async def scenario():
        async with Batching() as batching:
            tasks = await batching.line_up("bb", "a", "dddd", "ccc")
            assert [["bb", "a", "dddd", "ccc"]] == await batching.finish()
            assert ["BB", "A", "DDDD", "CCC"] == [task.result() for task in tasks]

    asyncio.run(scenario())


def test_a_pass_takes_no_more_than_the_largest_batch():
    async def scenario():
        async with Batching() as batching:
            await batching.line_up(*"abcdefghi")
            assert [4, 4, 1] == [len(texts) for texts in await batching.finish()]

    asyncio.run(scenario())


def test_passes_that_take_too_long_become_smaller_until_they_are_short_again():
    async def scenario():
        async with Batching(longest_pass=0.1, max_waiting=40) as batching:
            await batching.line_up(*"a" * 40)
            batching.model.go(1)
            await batching.model.is_busy()
            await asyncio.sleep(0.11)
            sizes = [len(texts) for texts in await batching.finish()]
            assert [4, 2] == sizes[:2]
            assert 4 == max(sizes[2:])

    asyncio.run(scenario())


def test_clients_take_turns_however_much_one_of_them_sends():
    async def scenario():
        async with Batching(max_batch=2) as batching:
            await batching.line_up(*"abcdef", client="greedy")
            await batching.line_up("x", client="modest")
            assert ["a", "x"] == (await batching.finish())[0]

    asyncio.run(scenario())


def test_one_bad_item_fails_alone():
    async def scenario():
        async with Batching() as batching:
            tasks = await batching.line_up("a", "b?", "c", "d")
            await batching.finish()
            await asyncio.wait(tasks)
            assert "b?" == str(tasks[1].exception())
            assert ["A", "C", "D"] == [tasks[n].result() for n in (0, 2, 3)]

    asyncio.run(scenario())


class Panic(BaseException):
    """What a library in Rust raises when it gives up; it is no Exception."""


@pytest.mark.parametrize("error", [Panic, StopIteration, asyncio.CancelledError, SystemExit, KeyboardInterrupt])
def test_whatever_an_item_makes_the_model_raise_the_others_are_answered(error):
    def run(texts: Sequence[str]) -> Sequence[str]:
        if "?" in texts:
            raise error
        return texts

    async def scenario():
        batcher = Batcher(run, max_batch=3, max_waiting=3)
        await batcher.start()
        outcomes = await asyncio.gather(*map(batcher.submit, "a?b"), return_exceptions=True)
        await batcher.close()
        assert ["a", RuntimeError, "b"] == [outcomes[0], type(outcomes[1]), outcomes[2]]

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_a_model_that_loses_an_answer_fails_instead_of_mixing_them_up():
    async def scenario():
        batcher = Batcher(lambda _texts: [], max_batch=4, max_waiting=4)
        await batcher.start()
        with pytest.raises(ValueError, match="shorter"):
            await batcher.submit("a")
        await batcher.close()

    asyncio.run(scenario())


def test_a_full_line_refuses_and_says_when_to_come_back():
    async def scenario():
        async with Batching(max_waiting=2) as batching:
            await batching.line_up("a", "b")
            with pytest.raises(Full, match="Too many requests are waiting") as full:
                await batching.batcher.submit("c")
            assert full.value.retry_after >= 1

    asyncio.run(scenario())


def test_when_to_come_back_is_when_those_that_wait_will_be_answered():
    async def scenario():
        async with Batching(max_waiting=60) as batching:
            await asyncio.sleep(0.05)  # so long, at least, does the model take for the first
            batching.model.go(1)
            await batching.first
            batching.submit("second")
            await batching.model.is_busy()
            await batching.line_up(*"a" * 60)
            with pytest.raises(Full) as full:
                await batching.batcher.submit("one too many")
            assert 60 * 0.05 <= full.value.retry_after < 60

    asyncio.run(scenario())


@pytest.mark.parametrize(("seconds", "told"), [(0, 1), (0.3, 1), (1, 1), (1.1, 2), (59.9, 60)])
def test_nobody_is_told_to_come_back_too_early(seconds, told):
    full = Full(seconds)

    assert told == full.retry_after
    assert str(full).endswith(f"Try again in {told} s.")


def test_who_holds_most_places_gives_up_the_newest_for_somebody_with_fewer():
    async def scenario():
        async with Batching(max_waiting=3) as batching:
            greedy = await batching.line_up("a", "b", "c", client="greedy")
            [modest] = await batching.line_up("x", client="modest")
            await asyncio.wait([greedy[2]])
            assert isinstance(greedy[2].exception(), Full)
            with pytest.raises(Full):  # with two and one, another would only change places
                await batching.batcher.submit("y", "modest")
            await batching.finish()
            assert ["A", "B", "X"] == [await task for task in (*greedy[:2], modest)]

    asyncio.run(scenario())


def test_each_of_two_that_come_at_once_gets_a_place_of_its_own():
    async def scenario():
        async with Batching(max_waiting=3) as batching:
            greedy = await batching.line_up("a", "b", "c", client="greedy")
            batching.submit("x", "modest")
            await batching.line_up("y", client="shy")
            await asyncio.wait(greedy[1:], timeout=30)
            assert [False, True, True] == [task.done() for task in greedy]
            assert 3 == batching.batcher.waiting

    asyncio.run(scenario())


@pytest.mark.parametrize("client", ["", "another"])
def test_a_cancelled_item_leaves_its_place_and_never_reaches_the_model(client):
    async def scenario():
        async with Batching(max_waiting=2) as batching:
            [gone] = await batching.line_up("gone", client=client)
            await batching.line_up("a")
            gone.cancel()
            await asyncio.wait([gone])
            assert 1 == batching.batcher.waiting
            await batching.line_up("b")
            assert [["a", "b"]] == await batching.finish()

    asyncio.run(scenario())


def test_a_client_that_goes_away_during_its_pass_harms_nobody():
    async def scenario():
        async with Batching() as batching:
            [after] = await batching.line_up("after")
            batching.first.cancel()
            await batching.finish()
            assert "AFTER" == await after

    asyncio.run(scenario())


def test_closing_answers_what_was_accepted_and_accepts_nothing_more():
    async def scenario():
        async with Batching() as batching:
            tasks = await batching.line_up("a", "b")
            closing = asyncio.create_task(batching.batcher.close())
            await asyncio.sleep(0)
            with pytest.raises(Full):
                await batching.batcher.submit("late")
            batching.model.go()
            await closing
            assert ["FIRST", "A", "B"] == [await task for task in (batching.first, *tasks)]

    asyncio.run(scenario())


def test_closing_goes_on_when_who_began_it_gives_up():
    async def scenario():
        async with Batching() as batching:
            [waiting] = await batching.line_up("a")
            given_up, other = (asyncio.create_task(batching.batcher.close()) for _ in range(2))
            await asyncio.sleep(0)
            given_up.cancel()
            await asyncio.wait([given_up])
            assert not other.done()
            batching.model.go()
            await other
            assert ["FIRST", "A"] == [await batching.first, await waiting]

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_the_metrics_tell_what_waits_and_how_much_goes_together():
    async def scenario():
        before = REGISTRY.get_sample_value("model_batch_items_sum")
        async with Batching() as batching:
            await batching.line_up("a", "b", "c")
            assert 3 == REGISTRY.get_sample_value("model_waiting_items")
            assert before + 1 == REGISTRY.get_sample_value("model_batch_items_sum")
            await batching.finish()
            assert 0 == REGISTRY.get_sample_value("model_waiting_items")
            assert before + 4 == REGISTRY.get_sample_value("model_batch_items_sum")

    asyncio.run(scenario())


def test_it_can_be_started_again():
    async def scenario(batcher):
        await batcher.start()
        assert "A" == await batcher.submit("a")
        await batcher.close()
        await batcher.close()  # a second time does nothing
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("model")]

    batcher = Batcher(lambda texts: [text.upper() for text in texts], max_batch=1, max_waiting=1)
    for _ in range(2):
        asyncio.run(scenario(batcher))
