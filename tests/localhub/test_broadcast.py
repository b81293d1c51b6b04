"""What is told to several, each at their own pace."""

from __future__ import annotations

import asyncio

from spaceops.localhub.broadcast import BEHIND, Broadcast

LONG = 60.0


def test_everybody_hears_what_is_and_each_change_once() -> None:
    async def scenario() -> None:
        news: Broadcast[str] = Broadcast()
        listeners = [news.listen(lambda: "now", LONG) for _ in range(2)]
        assert not news.is_heard
        assert [await anext(one) for one in listeners] == ["now", "now"]
        assert news.is_heard
        for value in ("now", "a", "a", "b", "a"):
            news.tell(value)
        news.close()
        for one in listeners:
            assert [value async for value in one] == ["a", "b", "a"]
        assert not news.is_heard

    asyncio.run(scenario())


def test_silence_is_told_too() -> None:
    async def scenario() -> None:
        news: Broadcast[str] = Broadcast()
        listener = news.listen(lambda: "now", 0.01)
        assert [await anext(listener) for _ in range(3)] == ["now", None, None]
        news.tell("then")
        assert await anext(listener) == "then"
        news.close()
        assert [value async for value in listener] == []

    asyncio.run(scenario())


def test_who_comes_after_the_end_hears_what_is_and_the_end() -> None:
    async def scenario() -> None:
        news: Broadcast[str] = Broadcast()
        news.close()
        assert [value async for value in news.listen(lambda: "last", LONG)] == ["last"]

    asyncio.run(scenario())


def test_who_does_not_listen_loses_the_oldest() -> None:
    async def scenario() -> None:
        news: Broadcast[int] = Broadcast()
        listener = news.listen(lambda: -1, LONG)
        await anext(listener)
        for number in range(BEHIND + 10):
            news.tell(number)
        assert await anext(listener) == 10
        news.close()
        await listener.aclose()  # type: ignore[attr-defined]
        assert not news.is_heard

    asyncio.run(scenario())
