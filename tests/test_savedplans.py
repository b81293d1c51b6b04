"""A plan as a file: applied only if the same plan comes out again, from anywhere, and never with a secret in it."""

from __future__ import annotations

import base64
import json
import os
import shutil
import stat
import time

import msgspec
import pytest

from spaceops import Hub, LocalHub, Space, apply, deploy
from spaceops.errors import BadInput, PlanStale
from spaceops.hub import LOCAL
from spaceops.savedplans import Asked, goes_along, plan_again, propose, save, saved_plan, space_path
from tests.test_releases import edit

CANARY = "canary-4242-of-saved-plans"


@pytest.fixture
def app(space, monkeypatch) -> Space:
    """The small app with a space.toml of its own, a variable and a secret."""
    monkeypatch.setenv("API_KEY", CANARY)
    (space.root / "space.toml").write_text(
        f'repo_id = "{space.repo_id}"\n[variables]\nLEVEL = "info"\n[secrets]\nAPI_KEY = "env:API_KEY"\n'
    )
    return Space.load(space.root)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "plan.json"


def saved_now(app, hub, file, asked: Asked | None = None):
    asked = asked or Asked()
    return save(propose(app, hub, asked, file=file), asked, file)


def planned_again(app, hub, file):
    return plan_again(saved_plan(file), app, hub, file)


def test_a_saved_plan_is_applied_while_nothing_has_moved(app, hub, file):
    saved_now(app, hub, file)

    release = apply(planned_again(app, hub, file), hub)

    assert ("applied", 1) == (release.outcome, release.number)


def test_the_file_is_ours_alone_and_holds_no_secret(app, hub, file):
    file.write_text("was readable by all")
    file.chmod(0o644)

    saved_now(app, hub, file)

    assert 0o600 == stat.S_IMODE(file.stat().st_mode)
    text = file.read_text()
    assert "API_KEY" in text
    assert not [form for form in (CANARY, base64.b64encode(CANARY.encode()).decode()) if form in text]
    assert [] == [path.name for path in file.parent.iterdir() if path.name.startswith("tmp")]


def test_the_file_holds_the_plan_as_json_prints_it(app, hub, file):
    saved = saved_now(
        app, hub, file, Asked(only=("variables", "secrets", "hardware", "sleep_time", "volumes", "visibility"))
    )

    written = json.loads(file.read_text())

    assert saved == saved_plan(file)
    assert ("app/space.toml", None, hub.endpoint) == (written["space_file"], written["env"], written["endpoint"])
    assert {"schema", "effects", "hourly_cost", "account"} <= set(written["plan"])
    assert "files" not in {row["subject"] for row in written["plan"]["changes"]}


def change_variable(app, hub, api=None):
    text = (app.folder / "space.toml").read_text()
    (app.folder / "space.toml").write_text(text.replace("info", "debug"))


def change_file(app, hub):
    edit(app, "VERSION = 1", "VERSION = 7")


def add_file(app, hub):
    (app.root / "new.txt").write_text("new")


def change_secret(app, hub):
    os.environ["API_KEY"] = "another value of it"


def set_variable_by_hand(app, hub):
    hub.variables.set(app.repo_id, "LEVEL", "by hand")


def set_unmanaged_variable(app, hub):
    hub.variables.set(app.repo_id, "THEIRS", "1")


def push_by_hand(app, hub):
    hub.commit(app.repo_id, add={"theirs.txt": str(app.root / "app.py")}, remove=[], message="theirs", parent=None)


def release_in_between(app, hub):
    deploy(Space.load(app.folder), hub, detach=True)


@pytest.mark.parametrize(
    ("move", "said"),
    [
        (change_variable, "now: update variable LEVEL = info -> debug"),
        (change_file, "the same rows; but a file's content"),
        (add_file, "now: new.txt: added"),
        (change_secret, "now: update secret API_KEY"),
        (set_variable_by_hand, "now: update variable LEVEL = by hand -> info"),
        (set_unmanaged_variable, "now: keep variable THEIRS"),
        (push_by_hand, "sha: "),
        (release_in_between, "was: update files 1 changed"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_has_moved_since_is_said_and_nothing_is_done(app, hub, file, move, said, monkeypatch):
    monkeypatch.setenv("API_KEY", CANARY)  # so that it is put back
    deploy(app, hub, detach=True)
    edit(app, "VERSION = 1", "VERSION = 2")
    saved_now(app, hub, file)
    if move is change_file:
        edit(app, "VERSION = 2", "VERSION = 1")
    move(app, hub)

    with pytest.raises(PlanStale) as caught:
        planned_again(Space.load(app.folder), hub, file)

    assert said in caught.value.message
    assert 5 == caught.value.exit_code
    assert f"--out {file}" in str(caught.value.hint)


def test_many_differences_are_cut(app, hub, file):
    saved_now(app, hub, file)
    for number in range(30):
        (app.root / f"{number}.txt").write_text("new")

    with pytest.raises(PlanStale, match=r"and \d+ more"):
        planned_again(app, hub, file)


def test_it_is_the_same_plan_while_the_space_starts_and_stops(app, hub, localhub, file):
    with localhub.faults.add("build-hangs", repo_id=app.repo_id):
        deploy(app, hub, detach=True)
        edit(app, "VERSION = 1", "VERSION = 2")
        saved_now(app, hub, file)
        building = planned_again(app, hub, file)
        hub.pause(app.repo_id)

        paused = planned_again(app, hub, file)

    assert ("BUILDING", "PAUSED") == (building.observed.stage, paused.observed.stage)
    assert (1, 0) == (building.rebuilds, paused.rebuilds)


def test_what_was_asked_for_is_asked_again(app, hub, file, monkeypatch):
    deploy(app, hub, detach=True)
    saved_now(app, hub, file, Asked(only=("secrets",), rotate=("API_KEY",)))

    proposal = planned_again(app, hub, file)

    assert ({"API_KEY"}, {"secrets"}) == (set(proposal.secrets), {f"{row.subject}s" for row in proposal.changes})


def test_it_works_in_another_checkout_by_another_time_of_the_files(app, hub, tmp_path):
    """A pipeline plans on one machine and applies on another: the times of the files say nothing there."""
    deploy(app, hub, detach=True)
    edit(app, "VERSION = 1", "VERSION = 2")
    saved_now(app, hub, app.folder.parent / "plan.json")
    elsewhere = tmp_path / "elsewhere" / "deep"
    elsewhere.mkdir(parents=True)
    shutil.copytree(app.folder, elsewhere / app.folder.name)
    for path in (elsewhere / app.folder.name).iterdir():
        os.utime(path, (time.time() - 1000,) * 2)
    copied = shutil.copy(app.folder.parent / "plan.json", elsewhere)

    saved = saved_plan(elsewhere / "plan.json")
    there = Space.load(space_path(saved, elsewhere / "plan.json"))

    assert elsewhere / app.folder.name == there.folder
    assert plan_again(saved, there, hub, elsewhere / "plan.json")
    assert copied


def test_who_applies_may_be_somebody_else(app, hub, file):
    proposal = msgspec.json.decode(json.dumps(propose(app, hub, Asked()).as_dict()))
    saved_now(app, hub, file)
    written = json.loads(file.read_text())
    written["plan"]["account"] = "ada"
    file.write_text(json.dumps(written))

    assert "demo" == proposal["account"] == planned_again(app, hub, file).account


def test_the_local_hub_may_have_another_address_next_time(app, tmp_path, file):
    """The endpoint `local` is a data folder: each command that finds no server there starts one, wherever it can."""
    with LocalHub(tmp_path / "data") as first:
        save(propose(app, Hub(first.url, token=first.token), Asked()), Asked(), file, endpoint=LOCAL)
    with LocalHub(tmp_path / "data", port=0) as second:
        proposal = planned_again(app, Hub(second.url, token=second.token), file)

    assert first.url != second.url == proposal.endpoint
    assert LOCAL == saved_plan(file).endpoint


def test_another_hub_is_refused(app, hub, file):
    saved_now(app, hub, file)
    written = json.loads(file.read_text())
    file.write_text(json.dumps(written | {"endpoint": "https://huggingface.co", "digest": "0" * 64}))

    with pytest.raises(PlanStale, match=r"endpoint: https://huggingface\.co -> http://127"):
        planned_again(app, hub, file)


def test_a_file_in_the_source_is_no_part_of_its_own_plan(app, hub):
    """`cd app; spaceops plan --out plan.json` is what people type first."""
    file = app.root / "[my] plan#1!.json"

    for _ in range(2):
        saved_now(app, hub, file)
    proposal = planned_again(app, hub, file)

    assert file.name not in proposal.files.added
    assert goes_along(file, app)
    (app.root / ".gitignore").write_text("*.json\n")
    assert not goes_along(file, app)
    assert not goes_along(app.root.parent / "plan.json", app)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no saved plan"),
        (b"{", "no saved plan"),
        (b"\xff\xfe", "no saved plan"),
        (b"[]", "no saved plan"),
        (b'{"format": 1}', "no saved plan"),
        (b'{"format": 2}', "format 2, and this spaceops knows formats up to 1"),
        (None, "cannot be read"),
    ],
)
def test_what_is_no_saved_plan_is_refused(file, content, said):
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(BadInput, match=said):
        saved_plan(file)


def test_a_file_that_is_not_beside_the_checkout_says_so(app, hub, file, tmp_path):
    saved = saved_now(app, hub, file)

    with pytest.raises(BadInput, match="from there that is nowhere") as caught:
        space_path(saved, tmp_path / "deep" / "down" / "plan.json")

    assert "spaceops apply PATH --plan" in str(caught.value.hint)


@pytest.mark.parametrize("place", ["nowhere/plan.json", "."])
def test_where_nothing_can_be_written_that_is_said(app, hub, tmp_path, place):
    with pytest.raises(BadInput, match=r"cannot be written|is not a file"):
        saved_now(app, hub, tmp_path / place)
