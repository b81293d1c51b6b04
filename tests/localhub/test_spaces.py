"""The stages of a Space, with real builds and processes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from spaceops.errors import BadInput
from spaceops.localhub.clock import Clock
from spaceops.localhub.faults import Faults
from spaceops.localhub.refusals import Refused
from spaceops.localhub.runners.ports import free_port
from spaceops.localhub.spaces import Spaces
from spaceops.localhub.store import Repo
from tests.localhub.workshop import CARD, DOCKERFILE, Workshop, eventually, processes_in, small_app, workshop

BROKEN_BUILD = {"Dockerfile": "FROM python:3.11\nRUN echo before && exit 7\n"}
BROKEN_START = {"app.py": "print('on the way'); raise SystemExit(5)\n"}


def test_a_push_builds_starts_and_serves(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            assert shop.spaces.runtime(repo)["stage"] == "NO_APP_FILE"
            assert shop.spaces.runtime(repo)["hardware"] == {"current": None, "requested": "cpu-basic"}

            sha = shop.push(repo, small_app())
            assert shop.spaces.runtime(repo)["stage"] == "BUILDING", "already when the push returns"
            runtime = await shop.until(repo, "RUNNING")

            assert runtime["sha"] == sha
            assert runtime["hardware"] == {"current": "cpu-basic", "requested": "cpu-basic"}
            assert runtime["domains"] == [{"domain": f"127.0.0.1:{shop.port(repo)}", "stage": "READY"}]
            assert (await shop.facts(repo))["version"] == 1
            assert shop.spaces.counters(repo) == {"restarts": 0, "rebuilds": 1}
            log = await shop.log(repo, "run")
            assert log.startswith("===== Application Startup at 20")
            assert "serving version 1\n" in log

    asyncio.run(scenario())


def test_the_app_finds_its_variables_and_nothing_of_the_servers_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_user")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")

    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            shop.set(repo, variables={"COLOUR": "blue"}, secrets={"KEY": "geheim"})
            await shop.deploy(repo, small_app())
            env = (await shop.facts(repo))["env"]

            assert {"COLOUR": "blue", "KEY": "geheim", "PYTHONUNBUFFERED": "1"}.items() <= env.items()
            assert env["SPACE_ID"] == "demo/small-0"
            assert env["SPACE_HOST"] == f"127.0.0.1:{shop.port(repo)}"
            assert (env["SPACE_AUTHOR_NAME"], env["SPACE_REPO_NAME"], env["SPACE_TITLE"]) == (
                "demo",
                "small-0",
                "Small",
            )
            assert (env["CPU_CORES"], env["MEMORY"], env["ACCELERATOR"]) == ("2", "16Gi", "none")
            assert env["SPACE_CREATOR_USER_ID"] == "5f" * 12
            assert env["HOME"].endswith("/root")
            assert set(env) - {"LC_CTYPE", "TMPDIR"} == {
                *("COLOUR", "KEY", "PYTHONUNBUFFERED", "PATH", "HOME", "LANG"),
                *("CPU_CORES", "MEMORY", "ACCELERATOR"),
                *("SPACE_ID", "SPACE_HOST", "SPACE_AUTHOR_NAME", "SPACE_REPO_NAME", "SPACE_TITLE"),
                "SPACE_CREATOR_USER_ID",
            }

    asyncio.run(scenario())


def test_a_new_version_builds_while_the_old_one_serves(tmp_path: Path) -> None:
    slow = DOCKERFILE.replace("COPY", "RUN while [ ! -e /app/go ]; do sleep 0.02; done\nCOPY")

    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            first = (await shop.deploy(repo, small_app(1)))["sha"]
            second = shop.push(repo, small_app(2, Dockerfile=slow))

            assert shop.spaces.runtime(repo)["stage"] == "RUNNING_BUILDING"
            await eventually(lambda: any(tmp_path.glob("spaces/*/builds/*-2/stage-0/root/app")))
            assert (await shop.facts(repo))["version"] == 1
            assert shop.spaces.runtime(repo)["sha"] == first

            next(tmp_path.glob("spaces/*/builds/*-2/stage-0/root/app")).joinpath("go").touch()
            assert (await shop.until(repo, "RUNNING"))["sha"] == second
            assert (await shop.facts(repo))["version"] == 2
            await eventually(lambda: len(list(tmp_path.glob("spaces/*/builds/*"))) == 1)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("files", "stage", "message"),
    [
        (
            BROKEN_BUILD,
            "BUILD_ERROR",
            'Job failed with exit code: 1. Reason: process "/bin/sh -c echo before && exit 7"',
        ),
        ({"Dockerfile": "FROM python:3.11\nRUM x\n"}, "BUILD_ERROR", "parse error on line 2: unknown instruction: RUM"),
        (BROKEN_START, "RUNTIME_ERROR", "Exit code: 5. Reason: "),
        ({"README.md": "# No front matter\n"}, "CONFIG_ERROR", "Missing configuration in README"),
        ({"README.md": "---\nsdk: docker\napp_port: x\n---\n"}, "CONFIG_ERROR", "app_port"),
        ({"README.md": CARD.replace("docker", "gradio")}, "CONFIG_ERROR", "sdk: gradio"),
    ],
)
def test_a_version_that_fails_leaves_the_old_one_serving(
    tmp_path: Path, files: dict[str, str], stage: str, message: str
) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            first = (await shop.deploy(repo, small_app()))["sha"]
            runtime = await shop.deploy(repo, small_app(2) | files)

            assert runtime["stage"] == stage
            assert message in runtime["errorMessage"]
            assert runtime["sha"] == first
            assert (await shop.facts(repo))["version"] == 1

            shop.push(repo, small_app(3))
            assert "errorMessage" not in await shop.until(repo, "RUNNING")
            assert (await shop.facts(repo))["version"] == 3

    asyncio.run(scenario())


def test_a_first_version_that_fails_leaves_a_page_that_says_so(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            runtime = await shop.deploy(repo, small_app() | BROKEN_START)

            assert "sha" not in runtime
            assert runtime["errorMessage"].endswith("on the way")
            status, page = await shop.ask(repo)
            assert status == 503
            assert "Your space is in error, check its status on hf.co" in page

    asyncio.run(scenario())


def test_without_a_dockerfile_nothing_is_built(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            runtime = await shop.deploy(repo, {"README.md": CARD})

            assert runtime["stage"] == "NO_APP_FILE"
            assert shop.spaces.counters(repo)["rebuilds"] == 0
            assert (await shop.ask(repo))[0] == 503

    asyncio.run(scenario())


def test_a_newer_push_replaces_a_running_build(tmp_path: Path) -> None:
    endless = DOCKERFILE + "RUN sleep 600\n"

    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            shop.push(repo, small_app(1, Dockerfile=endless))
            await eventually(lambda: bool(processes_in(tmp_path)))
            sleeper = processes_in(tmp_path)
            sha = shop.push(repo, small_app(2))

            assert (await shop.until(repo, "RUNNING"))["sha"] == sha
            assert not set(sleeper) & set(processes_in(tmp_path))
            assert len(list(tmp_path.glob("spaces/*/builds/*"))) == 1

    asyncio.run(scenario())


def test_a_build_that_is_given_up_or_never_begins_says_so_in_its_log(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            runtime = await shop.deploy(repo, {"README.md": "# No front matter\n"})
            assert (await shop.log(repo, "build")).endswith(f"--> ERROR: {runtime['errorMessage']}\n")

            for number in range(2):  # while it runs, and before it begins
                sha = shop.push(repo, small_app(number, Dockerfile=DOCKERFILE + "RUN sleep 600\n"))
                if number == 0:
                    await eventually(lambda: bool(processes_in(tmp_path)))
                shop.spaces.pause(repo)
                log = await shop.log(repo, "build")
                assert f"Commit SHA: {sha[:7]} =====\n" in log
                assert log.splitlines()[-1].startswith("===== Build Canceled at ")
                await eventually(lambda: not processes_in(tmp_path))
                shop.spaces.restart(repo)
                await eventually(lambda: bool(processes_in(tmp_path)))

            last = shop.push(repo, small_app(3))
            await shop.until(repo, "RUNNING")
            assert f"Commit SHA: {last[:7]} =====\n" in await shop.log(repo, "build")

    asyncio.run(scenario())


def test_settings_that_change_in_a_row_make_one_restart(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            await shop.deploy(repo, small_app())
            for number in range(5):
                shop.set(repo, variables={f"V{number}": "x"}, secrets={f"S{number}": "y"})
                shop.spaces.changed(repo, "variables", "secrets")
                assert shop.spaces.runtime(repo)["stage"] == "RUNNING_APP_STARTING"
            shop.store.save_settings(repo, replace(shop.store.settings(repo), hardware="t4-small"))
            shop.spaces.changed(repo, "hardware")
            assert (await shop.facts(repo))["version"] == 1, "the app answers meanwhile"
            runtime = await shop.until(repo, "RUNNING")

            env = (await shop.facts(repo))["env"]
            assert {f"V{number}" for number in range(5)} | {f"S{number}" for number in range(5)} <= set(env)
            assert (env["ACCELERATOR"], env["CPU_CORES"]) == ("t4", "4")
            assert runtime["hardware"] == {"current": "t4-small", "requested": "t4-small"}
            assert shop.spaces.counters(repo) == {"restarts": 1, "rebuilds": 1}

    asyncio.run(scenario())


def test_a_push_right_after_a_setting_makes_no_extra_restart(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            await shop.deploy(repo, small_app())
            shop.set(repo, variables={"NEW": "1"})
            shop.spaces.changed(repo, "variables")
            shop.push(repo, small_app(2))
            await shop.until(repo, "RUNNING")

            assert (await shop.facts(repo))["env"]["NEW"] == "1"
            assert shop.spaces.counters(repo) == {"restarts": 0, "rebuilds": 2}

    asyncio.run(scenario())


def test_settings_of_a_space_without_a_build_and_sleep_time_restart_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            shop.spaces.changed(repo, "variables")
            assert shop.spaces.runtime(repo)["stage"] == "NO_APP_FILE"

            started = (await _running(shop, repo))["started"]
            shop.store.save_settings(repo, replace(shop.store.settings(repo), sleep_time=3600))
            shop.spaces.changed(repo, "sleep_time")
            assert shop.spaces.runtime(repo)["gcTimeout"] == 3600
            assert (await shop.facts(repo))["started"] == started

    asyncio.run(scenario())


async def _running(shop: Workshop, repo: Repo) -> dict[str, Any]:
    await shop.deploy(repo, small_app())
    return await shop.facts(repo)


def test_a_variable_and_a_secret_of_one_name_collide(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            shop.set(repo, variables={"A": "1"}, secrets={"A": "2"})
            runtime = await shop.deploy(repo, small_app())
            assert (runtime["stage"], runtime["errorMessage"]) == (
                "CONFIG_ERROR",
                "Collision on variables and secrets names",
            )

            shop.store.save_settings(repo, replace(shop.store.settings(repo), variables={}))
            shop.spaces.changed(repo, "variables")
            await shop.until(repo, "RUNNING")

    asyncio.run(scenario())


def test_a_paused_space_stays_so_until_it_is_restarted(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            await shop.deploy(repo, small_app())
            shop.spaces.pause(repo)

            assert shop.spaces.runtime(repo)["stage"] == "PAUSED"
            assert (await shop.ask(repo))[0] == 503
            assert "The space is paused, ask a maintainer to restart it" in (await shop.ask(repo))[1]
            await eventually(lambda: not processes_in(tmp_path))

            sha = shop.push(repo, small_app(2))
            shop.spaces.changed(repo, "variables")
            assert shop.spaces.runtime(repo)["stage"] == "PAUSED"
            shop.spaces.restart(repo)
            assert shop.spaces.runtime(repo)["stage"] == "BUILDING", "there is a newer commit"
            assert (await shop.until(repo, "RUNNING"))["sha"] == sha

            shop.spaces.pause(repo)
            shop.spaces.restart(repo)
            assert shop.spaces.runtime(repo)["stage"] == "APP_STARTING", "nothing new to build"
            await shop.until(repo, "RUNNING")
            assert shop.spaces.counters(repo) == {"restarts": 1, "rebuilds": 2}

    asyncio.run(scenario())


def test_a_space_without_a_commit_may_be_paused_and_restarted(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            shop.spaces.pause(repo)
            assert (await shop.until(repo, "PAUSED"))["stage"] == "PAUSED"
            shop.spaces.restart(repo)
            assert shop.spaces.runtime(repo)["stage"] == "NO_APP_FILE"

    asyncio.run(scenario())


def test_a_fixed_secret_brings_a_crashed_app_back(tmp_path: Path) -> None:
    app = small_app()["app.py"]

    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            runtime = await shop.deploy(repo, small_app() | {"app.py": "import os\nos.environ['KEY']\n" + app})
            assert runtime["errorMessage"].endswith("KeyError: 'KEY'")
            shop.set(repo, secrets={"KEY": "geheim"})
            shop.spaces.changed(repo, "secrets")
            assert shop.spaces.runtime(repo)["stage"] == "APP_STARTING"
            await shop.until(repo, "RUNNING")
            assert shop.spaces.counters(repo) == {"restarts": 1, "rebuilds": 1}

    asyncio.run(scenario())


def test_an_old_version_that_crashes_while_a_new_one_is_built(tmp_path: Path) -> None:
    waits = DOCKERFILE + "RUN while [ ! -e /app/go ]; do sleep 0.02; done\n"
    place = "spaces/*/builds/*-2/stage-0/root/app"

    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            await shop.deploy(repo, small_app())
            sha = shop.push(repo, small_app(2, Dockerfile=waits))
            await eventually(lambda: any(tmp_path.glob(place)))
            await shop.ask(repo, "/crash")
            assert "sha" not in await shop.until(repo, "BUILDING")
            assert "Your space is building" in (await shop.ask(repo))[1]
            next(tmp_path.glob(place)).joinpath("go").touch()
            assert (await shop.until(repo, "RUNNING"))["sha"] == sha

    asyncio.run(scenario())


def test_a_build_that_is_gone_is_made_again_when_the_server_starts(tmp_path: Path) -> None:
    async def first() -> None:
        async with workshop(tmp_path) as shop:
            await shop.deploy(shop.new_space(), small_app())

    async def second() -> None:
        async with workshop(tmp_path) as shop:
            (repo,) = shop.store.spaces()
            await eventually(lambda: shop.spaces.counters(repo)["rebuilds"] == 2)
            await shop.until(repo, "RUNNING")
            assert (await shop.facts(repo))["version"] == 1

    asyncio.run(first())
    for record in tmp_path.glob("spaces/*/builds/*/image.json"):
        record.write_text("{")
    asyncio.run(second())


def test_a_sleeping_space_sleeps_on_when_the_server_starts(tmp_path: Path) -> None:
    async def first() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            await shop.deploy(repo, small_app())
            shop.store.save_settings(repo, replace(shop.store.settings(repo), sleep_time=0))
            shop.spaces.changed(repo, "sleep_time")
            await shop.until(repo, "SLEEPING")
            shop.store.save_settings(repo, replace(shop.store.settings(repo), sleep_time=None))

    async def second() -> None:
        async with workshop(tmp_path) as shop:
            (repo,) = shop.store.spaces()
            assert shop.spaces.runtime(repo)["stage"] == "SLEEPING"
            assert (await shop.facts(repo))["version"] == 1

    asyncio.run(first())
    asyncio.run(second())


def test_several_spaces_run_side_by_side(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repos = [shop.new_space() for _ in range(3)]
            for number, repo in enumerate(repos):
                shop.push(repo, small_app(number))
            for number, repo in enumerate(repos):
                await shop.until(repo, "RUNNING")
                assert (await shop.facts(repo))["version"] == number
            assert len({shop.port(repo) for repo in repos}) == 3

    asyncio.run(scenario())


def test_a_factory_restart_builds_without_the_cache(tmp_path: Path) -> None:
    dockerfile = DOCKERFILE.replace("COPY", "RUN echo built here\nCOPY")

    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            await shop.deploy(repo, small_app(Dockerfile=dockerfile))
            await shop.deploy(repo, small_app(2, Dockerfile=dockerfile))
            assert "CACHED" in await shop.log(repo, "build")

            shop.spaces.restart(repo, factory=True)
            await shop.until(repo, "RUNNING")
            log = await shop.log(repo, "build")
            assert "CACHED" not in log
            assert "built here\n" in log

    asyncio.run(scenario())


def test_a_running_app_that_ends_is_a_runtime_error(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            await shop.deploy(repo, small_app())
            status, page = await shop.ask(repo, "/crash")
            assert (status, "The app did not answer" in page) == (502, True)
            runtime = await shop.until(repo, "RUNTIME_ERROR")

            assert runtime["errorMessage"].startswith("Exit code: 3. Reason: ")
            assert runtime["errorMessage"].endswith("about to crash")
            assert "sha" not in runtime
            assert (await shop.ask(repo))[0] == 503
            assert "about to crash\n" in await shop.log(repo, "run")

    asyncio.run(scenario())


def listening_elsewhere(port: str, *, announced: bool) -> dict[str, str]:
    """An app whose port stands in a script, where nobody replaces it."""
    says = f'print("running on http://0.0.0.0:{port}", flush=True); ' if announced else ""
    runs = f'import runpy, sys; {says}sys.argv = ["app.py", "127.0.0.1", "{port}"]; runpy.run_path("app.py")'
    dockerfile = DOCKERFILE.replace('["python", "app.py", "0.0.0.0", "7860"]', '["python", "start.py"]')
    return small_app(Dockerfile=dockerfile) | {"start.py": runs}


@pytest.mark.parametrize("announced", [True, False])
def test_an_app_that_listens_on_another_port_is_told_so(tmp_path: Path, announced: bool) -> None:
    port = str(free_port())
    said = f"the app listens on port {port}, but the Hub sends traffic to app_port 7860"
    card = CARD.replace("sdk", "startup_duration_timeout: 5s\nsdk")

    async def scenario() -> None:
        async with workshop(tmp_path, mismatch=0.5) as shop:
            repo = shop.new_space()
            runtime = await shop.deploy(repo, listening_elsewhere(port, announced=announced) | {"README.md": card})

            assert runtime["stage"] == "RUNTIME_ERROR"
            why = (
                f": {said}" if announced else " after 5 s"
            )  # what the app does not speak of may be no server of its own
            assert runtime["errorMessage"] == f"Launch timed out, workload was not healthy{why}"
            assert (await shop.log(repo, "run")).count(f"note: {said}\n") == 1

    asyncio.run(scenario())


def test_an_app_whose_code_fixes_app_port_is_reached_there(tmp_path: Path) -> None:
    port = str(free_port())
    files = listening_elsewhere(port, announced=False) | {"README.md": CARD.replace("sdk", f"app_port: {port}\nsdk")}

    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            for version in (1, 2):  # the second one gets the port from the first
                runtime = await shop.deploy(repo, files | {"app.py": small_app(version)["app.py"]})
                assert runtime["stage"] == "RUNNING", runtime
                assert (await shop.facts(repo))["version"] == version
            shop.spaces.restart(repo)
            assert (await shop.until(repo, "RUNNING"))["sha"] == runtime["sha"]
            assert f"note: port {port} is fixed in the app's code" in await shop.log(repo, "run")
            assert f"note: neither CMD nor ENV names {port}: " in await shop.log(repo, "build")

    asyncio.run(scenario())


def test_an_app_that_others_can_reach_says_so(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            await shop.deploy(repo, small_app(Dockerfile=DOCKERFILE.replace("0.0.0.0", "")))
            assert "0.0.0.0" not in await shop.log(repo, "build"), "nothing was replaced"
            async with asyncio.timeout(10):
                async for lines in shop.spaces.log(repo, "run"):
                    if any(line.text.startswith("note: the app listens on all addresses") for line in lines):
                        return
            raise AssertionError("the log ended without a note")

    asyncio.run(scenario())


def test_a_port_that_is_fixed_and_taken_is_explained(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        async def scenario() -> None:
            async with workshop(tmp_path) as shop:
                repo = shop.new_space()
                files = listening_elsewhere(port, announced=False)
                runtime = await shop.deploy(repo, files | {"README.md": CARD.replace("sdk", f"app_port: {port}\nsdk")})

                assert "ddress already in use" in runtime["errorMessage"]
                assert f"(If port {port} is fixed in the app's code" in runtime["errorMessage"]

        asyncio.run(scenario())


def test_an_app_that_never_answers_times_out_as_the_readme_says(tmp_path: Path) -> None:
    files = small_app() | {
        "README.md": CARD.replace("sdk", "startup_duration_timeout: 1s\nsdk"),
        "app.py": "import signal; signal.pause()\n",
    }

    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            runtime = await shop.deploy(repo, files)

            assert runtime["stage"] == "RUNTIME_ERROR"
            assert runtime["errorMessage"] == "Launch timed out, workload was not healthy after 1 s"
            await eventually(lambda: not processes_in(tmp_path))

    asyncio.run(scenario())


def test_an_idle_space_sleeps_and_a_visit_wakes_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            sha = (await shop.deploy(repo, small_app()))["sha"]
            shop.store.save_settings(repo, replace(shop.store.settings(repo), sleep_time=0))
            shop.spaces.changed(repo, "sleep_time")
            assert (await shop.until(repo, "SLEEPING"))["sha"] == sha
            await eventually(lambda: not processes_in(tmp_path))

            shop.store.save_settings(repo, replace(shop.store.settings(repo), sleep_time=600))
            answers = await asyncio.gather(shop.facts(repo), shop.facts(repo))
            assert [answer["version"] for answer in answers] == [1, 1]
            assert shop.spaces.runtime(repo)["stage"] == "RUNNING"
            assert shop.spaces.counters(repo) == {"restarts": 0, "rebuilds": 1}

    asyncio.run(scenario())


def test_other_hardware_with_a_sleep_time_restarts_a_space_that_was_idle_longer(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            await shop.deploy(repo, small_app())
            shop.store.save_settings(repo, replace(shop.store.settings(repo), hardware="t4-small", sleep_time=0))
            shop.spaces.changed(repo, "sleep_time", "hardware")

            assert shop.spaces.runtime(repo)["stage"] == "RUNNING_APP_STARTING"
            runtime = await shop.until(repo, "SLEEPING")
            assert runtime["hardware"] == {"current": "t4-small", "requested": "t4-small"}

    asyncio.run(scenario())


def test_what_an_app_writes_is_gone_after_a_restart(tmp_path: Path) -> None:
    writes = 'open("written.txt", "w").close()\n'

    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            files = small_app()
            await shop.deploy(
                repo, files | {"app.py": files["app.py"].replace('print("serving', writes + 'print("serving')}
            )
            facts = await shop.facts(repo)
            assert "written.txt" in facts["files"]
            next(tmp_path.glob("run/*/root/app")).joinpath("more.txt").touch()
            shop.spaces.restart(repo)
            await shop.until(repo, "RUNNING")

            assert "more.txt" not in (await shop.facts(repo))["files"]
            assert shop.spaces.counters(repo) == {"restarts": 1, "rebuilds": 1}

    asyncio.run(scenario())


def test_a_server_that_starts_again_runs_what_ran_without_building(tmp_path: Path) -> None:
    async def first() -> tuple[str, int]:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            await shop.deploy(repo, small_app())
            runtime = await shop.deploy(repo, small_app(2) | BROKEN_BUILD)
            paused = shop.new_space()
            await shop.deploy(paused, small_app())
            shop.spaces.pause(paused)
            return runtime["sha"], shop.port(repo)

    async def second(sha: str, port: int) -> None:
        async with workshop(tmp_path) as shop:
            repo, paused = shop.store.spaces()
            await eventually(lambda: shop.spaces.runtime(repo)["stage"] == "BUILD_ERROR")
            assert (await shop.facts(repo))["version"] == 1
            assert shop.spaces.runtime(repo)["sha"] == sha
            assert shop.spaces.runtime(repo)["errorMessage"].startswith("Job failed with exit code: 1.")
            assert shop.port(repo) == port, "a Space keeps its port"
            assert shop.spaces.runtime(paused)["stage"] == "PAUSED"
            assert shop.spaces.counters(repo) == {"restarts": 0, "rebuilds": 2}
            assert "--> ERROR: process" in await shop.log(repo, "build"), "logs survive"

    sha, port = asyncio.run(first())
    assert not processes_in(tmp_path)
    asyncio.run(second(sha, port))


def test_a_build_that_the_servers_end_interrupted_is_made_again(tmp_path: Path) -> None:
    waits = DOCKERFILE + "RUN while [ ! -e /app/go ]; do sleep 0.02; done\n"
    app = "spaces/*/builds/*-2/stage-0/root/app"

    async def first() -> str:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            await shop.deploy(repo, small_app())
            sha = shop.push(repo, small_app(2, Dockerfile=waits))
            await eventually(lambda: any(tmp_path.glob(app)))
            return sha

    async def second(sha: str) -> None:
        async with workshop(tmp_path) as shop:
            (repo,) = shop.store.spaces()
            await shop.until(repo, "RUNNING_BUILDING")
            assert (await shop.facts(repo))["version"] == 1
            await eventually(lambda: any(tmp_path.glob(app)))
            next(tmp_path.glob(app)).joinpath("go").touch()
            assert (await shop.until(repo, "RUNNING"))["sha"] == sha

    sha = asyncio.run(first())
    asyncio.run(second(sha))


def test_a_port_that_somebody_took_is_replaced_and_remembered(tmp_path: Path) -> None:
    async def scenario(taken: socket.socket | None) -> int:
        async with workshop(tmp_path) as shop:
            repo = shop.store.spaces()[0] if shop.store.spaces() else shop.new_space()
            return shop.port(repo)

    port = asyncio.run(scenario(None))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        other = asyncio.run(scenario(taken))

    assert other != port
    assert asyncio.run(scenario(None)) == other


def test_a_deleted_space_leaves_no_process_port_or_file(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            await shop.deploy(repo, small_app())
            port = shop.port(repo)
            shop.store.remove(repo)
            await shop.spaces.deleted(repo)

            assert not processes_in(tmp_path)
            assert not (tmp_path / "spaces" / repo.id).exists()
            with socket.socket() as probe:
                assert probe.connect_ex(("127.0.0.1", port))

    asyncio.run(scenario())


def test_whoever_asks_about_a_space_that_was_just_deleted_hears_so(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            shop.store.remove(repo)
            await shop.spaces.deleted(repo)
            with pytest.raises(Refused, match="Repository not found"):
                shop.spaces.runtime(repo)

    asyncio.run(scenario())


def test_what_a_killed_server_was_just_deleting_is_gone_with_the_next_one(tmp_path: Path) -> None:
    async def first() -> Repo:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            await shop.deploy(repo, small_app())
            shop.store.remove(repo)
            return repo

    async def second() -> None:
        async with workshop(tmp_path):
            assert not list((tmp_path / "spaces").glob("*"))

    repo = asyncio.run(first())
    assert (tmp_path / "spaces" / repo.id).exists()
    asyncio.run(second())


def test_what_is_asked_of_a_server_that_ends_the_next_one_does(tmp_path: Path) -> None:
    async def first() -> str:
        async with workshop(tmp_path) as shop:
            repo = shop.new_space()
            await shop.deploy(repo, small_app())
            await shop.spaces.stop()
            sha = shop.push(repo, small_app(2))
            assert shop.spaces.runtime(repo)["stage"] == "BUILDING"
            assert not processes_in(tmp_path)
            return sha

    async def second(sha: str) -> None:
        async with workshop(tmp_path) as shop:
            (repo,) = shop.store.spaces()
            assert (await shop.until(repo, "RUNNING"))["sha"] == sha

    asyncio.run(second(asyncio.run(first())))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_server_that_is_killed_leaves_no_process(tmp_path: Path) -> None:
    """kill -9 while one Space runs (with a daemon of its own) and another is being built."""
    program = f"""
import asyncio, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pathlib import Path
from tests.localhub.workshop import *
DAEMON = "import os, subprocess; subprocess.Popen(['sh', '-c', 'setsid sleep 600 & setsid sleep 600'])\\n"
async def main():
    async with workshop(Path({str(tmp_path)!r})) as shop:
        one, two = shop.new_space(), shop.new_space()
        app = small_app()
        await shop.deploy(one, app | {{"app.py": DAEMON + app["app.py"]}})
        shop.push(two, small_app(2, Dockerfile=DOCKERFILE + "RUN setsid sleep 600 & sleep 600\\n"))
        await eventually(lambda: len(processes_in(Path({str(tmp_path)!r}))) >= 7)
        print("ready", flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""

    async def scenario() -> None:
        server = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, cwd="/"
        )
        assert server.stdout
        assert await server.stdout.readline() == b"ready\n"
        assert len(processes_in(tmp_path)) >= 7
        os.kill(server.pid, signal.SIGKILL)
        await server.wait()
        await eventually(lambda: not processes_in(tmp_path))

    asyncio.run(scenario())


def test_an_unknown_runner_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with workshop(tmp_path) as shop:
            with pytest.raises(BadInput, match="no runner 'podman'"):
                Spaces(
                    store=shop.store,
                    repos=shop.repos,
                    clock=Clock(),
                    faults=Faults(),
                    folder=tmp_path,
                    runner="podman",
                    creator_id=str,
                )

    asyncio.run(scenario())
