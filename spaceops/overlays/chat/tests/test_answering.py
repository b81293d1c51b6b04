"""The line, with a model that is held and released by hand, so that each test knows who waits."""

from __future__ import annotations

import asyncio
import threading
import weakref
from contextlib import asynccontextmanager

import pytest

from answering import Full, Line, Message, Reply


class Panic(BaseException):
    """As a library in Rust raises it."""


class Held:
    """Repeats the question, a token for each of its letters, when it is allowed to; fails on "?", worse on "!"."""

    name, device = "held", "cpu"

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self.turns: list[list[str]] = []
        self.began, self.allowed = threading.Semaphore(0), threading.Semaphore(0)

    def load(self) -> None:
        pass

    def answer(self, replies) -> None:
        self.turns.append([reply.messages[-1]["content"] for reply in replies])
        self.began.release()
        assert self.allowed.acquire(timeout=30)
        for reply in replies:
            for letter in reply.messages[-1]["content"]:
                if letter == "?":
                    raise ValueError(letter)
                if letter == "!":
                    raise Panic
                if not reply.over:
                    reply.write(letter)
            reply.done("stop", prompt_tokens=1)

    async def is_busy(self) -> None:
        assert await asyncio.to_thread(self.began.acquire, timeout=30)


def reply_to(text, seconds=60.0):
    return Reply([Message(role="user", content=text)], 100, 0.0, seconds)


@asynccontextmanager
async def line_of(*, at_once=1, max_batch=8, max_waiting=10):
    """A line whose model is busy with "first"; everybody is served in the end."""
    model = Held(at_once)
    line = Line(model, at_once=max_batch, max_waiting=max_waiting)
    line.start()
    first = reply_to("first")
    line.join(first)
    await model.is_busy()
    try:
        yield line, model, first
    finally:
        model.allowed.release(1000)
        await line.close()


async def told(reply):
    return [(event.name, event.data) async for event in reply.events()]


async def text_of(reply):
    return "".join(data["text"] for name, data in await told(reply) if name == "token")


def test_a_reply_comes_in_pieces_and_ends_with_the_facts():
    async def scenario():
        async with line_of() as (_, model, first):
            model.allowed.release()
            return await told(first)

    position, *tokens, (name, facts) = asyncio.run(scenario())
    assert ("position", {"position": 1}) == position
    assert [("token", {"text": letter}) for letter in "first"] == tokens
    assert ("done", "stop", 1, 5, 0, None) == (
        name,
        *(facts[key] for key in ("finish", "prompt_tokens", "new_tokens", "left_out", "source")),
    )
    assert 0 <= facts["seconds"] < 30


def test_who_waits_is_told_each_step_forward():
    async def scenario():
        async with line_of() as (line, model, _):
            replies = [reply_to(text) for text in "abc"]
            for reply in replies:
                line.join(reply)
            model.allowed.release(1000)
            return [[data["position"] for name, data in await told(reply) if name == "position"] for reply in replies]

    assert [[1], [2, 1], [3, 2, 1]] == asyncio.run(scenario())


@pytest.mark.parametrize(("model_can", "wanted"), [(3, 8), (8, 3)])
def test_as_many_are_answered_at_once_as_the_model_can_and_the_owner_wants(model_can, wanted):
    async def scenario():
        async with line_of(at_once=model_can, max_batch=wanted) as (line, model, _):
            for text in "abcde":
                line.join(reply_to(text))
        return model.turns

    assert [["first"], ["a", "b", "c"], ["d", "e"]] == asyncio.run(scenario())


def test_who_gives_up_leaves_the_line():
    async def scenario():
        async with line_of() as (line, model, _):
            gone, stays = reply_to("gone"), reply_to("stays")
            line.join(gone)
            line.join(stays)
            reading = asyncio.create_task(told(gone))
            await asyncio.sleep(0)
            reading.cancel()
            await asyncio.wait([reading])
        return model.turns, await text_of(stays)

    assert ([["first"], ["stays"]], "stays") == asyncio.run(scenario())


def test_one_client_cannot_take_all_places():
    async def scenario():
        async with line_of(max_waiting=8) as (line, _, _):
            for text in "ab":
                line.join(reply_to(text), "greedy")
            with pytest.raises(Full):
                line.join(reply_to("c"), "greedy")
            line.join(reply_to("d"), "somebody else")

    asyncio.run(scenario())


def test_when_the_line_is_full_the_next_is_told_when_to_come_back():
    async def scenario():
        async with line_of(max_waiting=2) as (line, _, _):
            gone = reply_to("gone")
            line.join(gone)
            line.join(reply_to("a"))
            with pytest.raises(Full, match="Too many questions are waiting") as full:
                line.join(reply_to("b"))
            gone.given_up = True
            line.join(reply_to("c"))
            return full.value.retry_after

    assert 3 == asyncio.run(scenario())  # turns of a second, as long as none was measured
    assert (1, 2) == (Full(0.2).retry_after, Full(1.2).retry_after)


def test_a_long_silence_is_broken():
    async def scenario():
        async with line_of() as (_, model, first):
            names = []
            async for event in first.events(quiet=0.01):
                names.append(event.name)
                if names.count("nothing") == 3:
                    model.allowed.release(1000)
            return names

    names = asyncio.run(scenario())
    assert names.index("nothing") < names.index("token")
    assert "done" == names[-1]


def test_a_failure_is_told_to_those_whose_answer_it_ended():
    async def scenario():
        async with line_of(at_once=2) as (line, model, first):
            whole, broken, later = reply_to("ok"), reply_to("x?"), reply_to("later")
            for reply in (whole, broken, later):
                line.join(reply)
            model.allowed.release(1000)
            with pytest.raises(ValueError, match=r"\?"):
                await told(broken)
            return [await text_of(reply) for reply in (first, whole, later)]

    assert ["first", "ok", "later"] == asyncio.run(scenario())


def test_a_panic_of_a_library_does_not_end_the_line():
    async def scenario():
        async with line_of() as (line, model, _):
            broken, later = reply_to("x!"), reply_to("later")
            line.join(broken)
            line.join(later)
            model.allowed.release(1000)
            with pytest.raises(RuntimeError, match="Panic"):
                await told(broken)
            return await text_of(later)

    assert "later" == asyncio.run(scenario())


def test_what_a_failed_answer_needed_is_let_go_at_once():
    """An error that is handed from thread to thread would keep it until somebody looks for such cycles."""

    class Broken(Held):
        def answer(self, replies) -> None:
            needed = set(replies)
            self.needed = weakref.ref(needed)
            raise MemoryError

    async def scenario(model):
        line = Line(model, at_once=1, max_waiting=1)
        line.start()
        reply = reply_to("x")
        line.join(reply)
        with pytest.raises(MemoryError):
            await told(reply)
        await line.close()

    model = Broken(1)
    asyncio.run(scenario(model))
    assert model.needed() is None


def test_the_time_of_an_answer_counts_from_its_turn():
    async def scenario():
        async with line_of() as (line, model, first):
            waits, late = reply_to("waits", seconds=60), reply_to("late", seconds=0)
            line.join(waits)
            line.join(late)
            model.allowed.release(1000)
            return [await text_of(reply) for reply in (first, waits, late)]

    assert ["first", "waits", ""] == asyncio.run(scenario())


def test_closing_answers_who_was_taken_and_takes_nobody_more():
    async def scenario():
        async with line_of() as (line, _, first):
            last = reply_to("last")
            line.join(last)
        with pytest.raises(Full):
            line.join(reply_to("late"))
        return await text_of(first), await text_of(last)

    assert ("first", "last") == asyncio.run(scenario())
