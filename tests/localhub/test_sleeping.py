"""Sleeping and waking, by a clock that the tests put forward: nobody waits for a time to pass."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from spaceops.localhub.store import TWO_DAYS, Repo
from tests.localhub.workshop import Workshop, eventually, processes_in, small_app, workshop


def sleep_after(shop: Workshop, repo: Repo, seconds: int | None) -> None:
    """Let the owner choose another sleep time."""
    settings = replace(shop.store.settings(repo), hardware="t4-small", sleep_time=seconds)
    shop.store.save_settings(repo, settings)
    shop.spaces.changed(repo, "sleep_time")


def stage(shop: Workshop, repo: Repo) -> str:
    return str(shop.spaces.runtime(repo)["stage"])


def test_two_days_without_a_visit_are_one_step_of_the_clock(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            sha = (await shop.deploy(repo, small_app()))["sha"]

            shop.clock.advance(TWO_DAYS - 60)
            assert stage(shop, repo) == "RUNNING"
            shop.clock.advance(60)
            assert stage(shop, repo) == "SLEEPING", "at once"
            assert shop.spaces.runtime(repo)["sha"] == sha
            await eventually(lambda: not processes_in(tmp_path))

    asyncio.run(scenario())


def test_a_visit_counts_anew(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            await shop.deploy(repo, small_app())
            for _ in range(3):
                shop.clock.advance(TWO_DAYS - 60)
                await shop.facts(repo)
            assert stage(shop, repo) == "RUNNING"

    asyncio.run(scenario())


def test_a_visit_wakes_it_and_is_answered(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            await shop.deploy(repo, small_app())
            shop.clock.advance(TWO_DAYS)
            answers = await asyncio.gather(shop.facts(repo), shop.facts(repo))

            assert [answer["version"] for answer in answers] == [1, 1]
            assert stage(shop, repo) == "RUNNING"
            assert shop.spaces.counters(repo) == {"restarts": 0, "rebuilds": 1}
            shop.clock.advance(TWO_DAYS)
            assert stage(shop, repo) == "SLEEPING", "and again"

    asyncio.run(scenario())


def test_a_restart_wakes_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            await shop.deploy(repo, small_app())
            shop.clock.advance(TWO_DAYS)
            shop.spaces.restart(repo)

            assert stage(shop, repo) == "APP_STARTING"
            await shop.until(repo, "RUNNING")
            assert (await shop.facts(repo))["version"] == 1

    asyncio.run(scenario())


def test_a_push_wakes_it_with_the_new_version(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            await shop.deploy(repo, small_app())
            shop.clock.advance(TWO_DAYS)
            sha = shop.push(repo, small_app(2))

            assert stage(shop, repo) == "BUILDING"
            assert "Your space is building" in (await shop.ask(repo))[1]
            assert (await shop.until(repo, "RUNNING"))["sha"] == sha
            assert (await shop.facts(repo))["version"] == 2

    asyncio.run(scenario())


def test_a_pause_is_no_sleep(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            await shop.deploy(repo, small_app())
            shop.clock.advance(TWO_DAYS)
            shop.spaces.pause(repo)

            assert (await shop.ask(repo))[0] == 503
            assert stage(shop, repo) == "PAUSED"
            shop.clock.advance(TWO_DAYS)
            assert stage(shop, repo) == "PAUSED"

    asyncio.run(scenario())


@pytest.mark.parametrize(("seconds", "then"), [(600, "SLEEPING"), (None, "RUNNING")])
def test_the_owner_says_how_long(tmp_path: Path, seconds: int | None, then: str) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            await shop.deploy(repo, small_app())
            shop.clock.advance(TWO_DAYS - 1)
            sleep_after(shop, repo, seconds)

            shop.clock.advance(599)
            assert stage(shop, repo) == "RUNNING", "the change is a visit"
            shop.clock.advance(10 * TWO_DAYS)
            assert stage(shop, repo) == then

    asyncio.run(scenario())


def test_a_space_falls_asleep_by_itself_when_the_time_has_come(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            await shop.deploy(repo, small_app())
            sleep_after(shop, repo, 3600)
            shop.clock.advance(3599.8)
            assert stage(shop, repo) == "RUNNING"
            await shop.until(repo, "SLEEPING")

    asyncio.run(scenario())


def test_a_request_that_is_being_answered_keeps_it_awake(tmp_path: Path) -> None:
    app = small_app()
    app["app.py"] = app["app.py"].replace(
        'if self.path == "/crash"', 'while self.path == "/long": pass\n        if self.path == "/crash"'
    )

    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            await shop.deploy(repo, app)
            asking = asyncio.ensure_future(shop.ask(repo, "/long"))
            await eventually(lambda: shop.traffic(repo).underway == 1)
            shop.clock.advance(TWO_DAYS)
            assert stage(shop, repo) == "RUNNING"

            asking.cancel()
            await asyncio.wait([asking])
            await eventually(lambda: shop.traffic(repo).underway == 0)
            shop.clock.advance(TWO_DAYS)
            assert stage(shop, repo) == "SLEEPING"

    asyncio.run(scenario())


def test_a_connection_that_is_only_kept_does_not(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            await shop.deploy(repo, small_app())
            reader, writer = await asyncio.open_connection("127.0.0.1", shop.port(repo))
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            await eventually(lambda: shop.traffic(repo).underway == 0)
            shop.clock.advance(TWO_DAYS)
            assert stage(shop, repo) == "SLEEPING"
            writer.close()

    asyncio.run(scenario())


def test_a_version_that_failed_beside_the_old_one_is_not_put_to_sleep(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            await shop.deploy(repo, small_app())
            await shop.deploy(repo, small_app(2, Dockerfile="FROM python:3.11\nRUN false\n"))
            shop.clock.advance(2 * TWO_DAYS)
            assert stage(shop, repo) == "BUILD_ERROR"
            assert (await shop.facts(repo))["version"] == 1

    asyncio.run(scenario())


def test_a_closed_space_hears_no_more_of_the_clock(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            await shop.deploy(repo, small_app())
            shop.store.remove(repo)
            await shop.spaces.deleted(repo)
            shop.clock.advance(TWO_DAYS)

    asyncio.run(scenario())
