"""The evidence: what is asked of a Hub and what is not, and what could not be looked at."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from spaceops import deploy, errors
from spaceops.comparison import compare
from spaceops.diagnosis.cases import READ_THERE, Case, gather, of_release, with_events
from spaceops.errors import BadInput, NotFound
from spaceops.events import Event
from spaceops.history import Release
from spaceops.hub import Hub
from spaceops.observed import Observed
from spaceops.plans import FileChanges
from spaceops.rules.examples import write
from spaceops.symptoms import Place
from tests.log_server import Answer, LogServer, Said, frame
from tests.test_releases import changed

SPACE = "demo/app"
TIME = "2026-01-31T00:00:00Z"


@pytest.fixture
def server():
    with LogServer() as server:
        yield server


@pytest.fixture
def far(server):
    """A Hub of which only stage, logs and head can be had, and whose settings are not for us."""
    return Hub(server.url, token="hf_" + "a" * 30)


def stage(name: str, **more) -> deque:
    return deque([{"stage": name, **more}])


def tail(case: Case, place: Place) -> tuple[str, ...]:
    return case.sections[place].tail


@pytest.mark.parametrize(
    ("name", "place", "other"),
    [
        ("BUILD_ERROR", Place.BUILD, "run"),
        ("BUILDING", Place.BUILD, "run"),
        ("RUNTIME_ERROR", Place.RUN, "build"),
        ("RUNNING", Place.RUN, "build"),
        ("APP_STARTING", Place.RUN, "build"),
    ],
)
def test_the_log_of_the_stage_is_read_and_no_other(server, far, name, place, other):
    server.runtimes = stage(name)
    server.write("build", [frame("of the build", TIME)])
    server.write("run", [frame("of the app", TIME)])

    case = gather(SPACE, far)

    assert ("of the build" if place is Place.BUILD else "of the app",) == tail(case, place)
    assert not server.paths(f"/logs/{other}")


def test_a_log_that_cannot_be_read_is_noted_and_the_rest_goes_on(server, far):
    server.runtimes = stage("RUNTIME_ERROR", errorMessage="Exit code: 1.")
    server.answers["run"] = deque([Answer(status=403)])

    case = gather(SPACE, far)

    assert "RUNTIME_ERROR" == case.stage
    assert [note.partition(":")[0] for note in case.notes] == ["the run log cannot be read"]


def test_a_space_that_is_not_there_is_told(server, far):
    server.heads = deque([None])

    with pytest.raises(NotFound, match="demo/app does not exist"):
        gather(SPACE, far)


@pytest.mark.parametrize(("said", "answers"), [(Said(405), 405), (Said(503), 503), (Said(body=None), None)])
def test_an_app_that_starts_is_asked_whether_it_answers(server, far, said, answers):
    server.runtimes = stage("APP_STARTING", domains=[{"domain": server.url}])
    server.app = deque([said])

    assert answers == gather(SPACE, far).app_answers


def test_an_app_in_another_stage_is_not_asked(server, far):
    server.runtimes = stage("RUNTIME_ERROR", domains=[{"domain": server.url}])

    assert gather(SPACE, far).app_answers is None


def test_saved_logs_take_the_place_of_the_hub(server, far, tmp_path):
    (tmp_path / "run.log").write_text("of the file\n")

    case = gather(SPACE, far, run_log=tmp_path / "run.log")

    assert (("of the file",), []) == (tail(case, Place.RUN), server.requests)


def test_settings_come_from_space_toml_where_no_hub_is_asked(tmp_path):
    (tmp_path / "run.log").write_text("x\n")
    toml = 'repo_id = "acme/hello"\n[variables]\nLEVEL = "1"\n[secrets]\nAPI_KEY = "env:API_KEY"\n'

    case = gather(write(tmp_path / "app", {"space.toml": toml}), run_log=tmp_path / "run.log")

    assert ("acme/hello", {"LEVEL"}, {"API_KEY"}) == (case.repo_id, case.variables, case.secrets)
    assert 7860 == case.files.app_port


def test_of_a_bare_folder_neither_name_nor_settings_are_known(tmp_path):
    (tmp_path / "run.log").write_text("x\n")

    case = gather(write(tmp_path / "app", {"space.toml": None}), run_log=tmp_path / "run.log")

    assert (None, None, None, True) == (case.repo_id, case.variables, case.secrets, "Dockerfile" in case.paths)


@pytest.mark.parametrize("subject", ["no/such/folder/at/all", "./nowhere", "nonsense"])
def test_what_is_neither_a_space_nor_a_folder_is_told(subject, far):
    with pytest.raises(BadInput):
        gather(subject, far)


def test_a_log_that_is_not_there_is_told(tmp_path):
    with pytest.raises(BadInput, match=r"no\.log cannot be read"):
        gather(build_log=tmp_path / "no.log")


def test_events_of_both_logs_are_told_apart():
    events = [Event("stage", "BUILDING", TIME), Event("build", "one", TIME), Event("run", "two", TIME)]

    case = with_events(Case("x"), events)

    assert (("one",), ("two",)) == (tail(case, Place.BUILD), tail(case, Place.RUN))


def test_of_a_space_on_the_hub_few_files_are_read_and_all_are_known(space, hub):
    done = deploy(changed(space, variables={"LEVEL": "1"}), hub)

    case = gather(space.repo_id, hub)

    assert ({"app.py", "Dockerfile", "README.md"} <= case.paths, done.sha) == (True, case.head)
    assert (frozenset({"LEVEL"}), frozenset()) == (case.variables, case.secrets)
    assert case.files.dockerfile is not None
    assert case.files.text("app.py") is None
    assert len(READ_THERE) < 10


def test_a_release_brings_its_files_and_settings_and_asks_nothing(space, tmp_path: Path):
    wanted = changed(space, variables={"LEVEL": "1"}, secrets={"API_KEY": "env:API_KEY"})
    before = Observed(space.repo_id, exists=True, variables={"OLD": "1"})
    plan = compare(wanted, before, FileChanges(), account="demo", endpoint="x", secrets={}, prices={})
    release = Release(space.repo_id, "x", "applied", None, plan=plan)
    moved = msgspec.structs.replace(plan.space, source=str(tmp_path / "gone"))

    case = of_release(space.repo_id, release)
    gone = of_release(space.repo_id, replace(release, plan=replace(plan, space=moved)))

    assert ({"OLD", "LEVEL"}, {"API_KEY"}) == (case.variables, case.secrets)
    assert "app.py" in case.paths
    assert (None, {"API_KEY"}) == (gone.files, gone.secrets)
    assert Case(SPACE, SPACE) == of_release(SPACE, None)


def test_the_hubs_own_refusal_is_not_hidden(server, far):
    server.runtimes = deque([500])

    with pytest.raises(errors.HubError):
        gather(SPACE, far)


def test_a_runtime_with_a_mark_of_windows_is_read(tmp_path):
    (tmp_path / "runtime.json").write_bytes(b"\xef\xbb\xbf" + json.dumps({"stage": "PAUSED"}).encode())

    assert "PAUSED" == gather(runtime=tmp_path / "runtime.json").stage
