"""What may go wrong with a Space on demand, and that it comes right again when the fault is cleared."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from spaceops.localhub.faults import Kind
from spaceops.localhub.store import Repo
from tests.localhub.workshop import Workshop, eventually, processes_in, small_app, workshop


async def comes_right(shop: Workshop, repo: Repo) -> None:
    """Without the fault a restart runs the newest version."""
    shop.faults.clear()
    shop.spaces.restart(repo)
    runtime = await shop.until(repo, "RUNNING")
    assert runtime["sha"] == shop.store.state(repo).wanted_sha
    assert "errorMessage" not in runtime


def test_stuck_in_building_nothing_begins(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            shop.faults.add("stuck-building", repo_id=repo.repo_id)
            sha = shop.push(repo, small_app())
            log = await shop.log(repo, "build")

            assert log.splitlines()[1:] == [], "the log has its first line"
            assert f"Commit SHA: {sha[:7]} =====\n" in log
            assert shop.spaces.runtime(repo)["stage"] == "BUILDING"
            assert shop.spaces.counters(repo)["rebuilds"] == 0
            await comes_right(shop, repo)

    asyncio.run(scenario())


def test_stuck_once_the_next_push_is_built(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            await shop.deploy(repo, small_app())
            shop.faults.add("stuck-building", times=1)
            shop.push(repo, small_app(2))
            await eventually(lambda: not shop.faults.list())
            assert shop.spaces.runtime(repo)["stage"] == "RUNNING_BUILDING"
            assert (await shop.facts(repo))["version"] == 1

            sha = shop.push(repo, small_app(3))
            assert (await shop.until(repo, "RUNNING"))["sha"] == sha

    asyncio.run(scenario())


def test_a_build_that_hangs_has_begun(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            shop.faults.add("build-hangs", repo_id=repo.repo_id)
            shop.push(repo, small_app())
            await eventually(lambda: shop.spaces.counters(repo)["rebuilds"] == 1)

            assert (await shop.log(repo, "build")).endswith("=====\n--> Restoring cache\n")
            assert shop.spaces.runtime(repo)["stage"] == "BUILDING"
            assert not processes_in(tmp_path)
            await comes_right(shop, repo)

    asyncio.run(scenario())


def test_the_old_version_goes_on_though_the_new_one_started(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            old = (await shop.deploy(repo, small_app()))["sha"]
            shop.faults.add("old-sha", repo_id=repo.repo_id)
            shop.push(repo, small_app(2))
            runtime = await shop.until(repo, "RUNNING")

            assert runtime["sha"] == old
            assert (await shop.facts(repo))["version"] == 1
            assert shop.spaces.counters(repo)["rebuilds"] == 2
            assert "serving version 2\n" in await shop.log(repo, "run")
            await comes_right(shop, repo)
            assert (await shop.facts(repo))["version"] == 2

    asyncio.run(scenario())


def test_a_first_version_cannot_be_old(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            shop.faults.add("old-sha")
            assert (await shop.deploy(repo, small_app()))["sha"] == shop.store.state(repo).wanted_sha

    asyncio.run(scenario())


def test_without_capacity_a_new_space_does_not_start(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            shop.faults.add("no-capacity", repo_id=repo.repo_id)
            runtime = await shop.deploy(repo, small_app())

            assert runtime["stage"] == "RUNTIME_ERROR"
            assert runtime["errorMessage"] == "Scheduling failure: not enough hardware capacity"
            assert runtime["hardware"] == {"current": None, "requested": "cpu-basic"}
            await comes_right(shop, repo)

    asyncio.run(scenario())


def test_without_capacity_other_hardware_is_not_had_and_the_app_goes_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            await shop.deploy(repo, small_app())
            shop.faults.add("no-capacity")
            shop.store.save_settings(repo, replace(shop.store.settings(repo), hardware="a100x8"))
            shop.spaces.changed(repo, "hardware")
            runtime = await shop.until(repo, "RUNTIME_ERROR")

            assert runtime["hardware"] == {"current": "cpu-basic", "requested": "a100x8"}
            assert (await shop.facts(repo))["version"] == 1
            await comes_right(shop, repo)
            assert shop.spaces.runtime(repo)["hardware"] == {"current": "a100x8", "requested": "a100x8"}

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", ["stuck-building", "build-hangs", "old-sha", "no-capacity"])
def test_other_spaces_are_spared(tmp_path: Path, kind: Kind) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            shop.faults.add(kind, repo_id="demo/another")
            repo = shop.new_space()
            await shop.deploy(repo, small_app())
            runtime = await shop.deploy(repo, small_app(2))
            assert (runtime["stage"], runtime["sha"]) == ("RUNNING", shop.store.state(repo).wanted_sha)

    asyncio.run(scenario())


def test_a_stuck_space_can_be_paused_and_deleted(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            shop.faults.add("stuck-building")
            shop.faults.add("build-hangs")
            repo = shop.new_space()
            shop.push(repo, small_app())
            shop.spaces.pause(repo)
            await shop.until(repo, "PAUSED")
            assert (await shop.log(repo, "build")).splitlines()[-1].startswith("===== Build Canceled at ")
            shop.spaces.restart(repo)
            await shop.until(repo, "BUILDING")
            shop.store.remove(repo)
            async with asyncio.timeout(5):
                await shop.spaces.deleted(repo)

    asyncio.run(scenario())
