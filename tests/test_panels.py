"""The views: a board of stages and lines, the display that shows it, and the buttons, all on a real local Hub."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from spaceops import Event, deploy, run_notebook, status, wait
from spaceops.errors import NotFound
from spaceops.observed import Runtime
from spaceops.panels import LINES, WIDTH, Board, Screen, controls, live, monitor

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
AT = "2026-01-31T21:54:{:02d}.000000Z"


def line(text: str, second: int = 0, kind: str = "run") -> Event:
    return Event(kind, text, AT.format(second))


def stage(name: str, second: int = 0, error: str | None = None) -> Event:
    text = f"{name}: {error}" if error else name
    return Event("stage", text, AT.format(second), Runtime(name, error_message=error))


def board(*events: Event, **fields: object) -> Board:
    made = Board(**fields)
    for event in events:
        made.feed(event)
    return made


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


# the board


def test_a_board_shows_the_way_through_the_stages_and_the_lines():
    shown = board(
        stage("BUILDING"),
        line("--> FROM x", 1, "build"),
        stage("RUNNING", 2),
        line("serving", 3),
        title="a/b on http://x",
    )

    assert str(shown) == (
        "a/b on http://x\n21:54:00 BUILDING > 21:54:02 RUNNING\n21:54:01 build --> FROM x\n21:54:03 run   serving"
    )
    assert "RUNNING" == shown.runtime.stage


def test_build_and_run_lines_are_put_in_the_order_of_time():
    shown = board(line("later", 5), line("earlier", 1, "build"))

    assert ["earlier", "later"] == [event.text for event in shown.shown]


def test_a_line_or_stage_that_comes_again_is_shown_once():
    shown = board(*[stage("RUNNING"), line("same"), line("same", 1), line("same")] * 2)

    assert {"stage": 1, "run": 2} == shown.counts
    assert 2 == len(shown.shown)


def test_a_board_is_bounded_and_counts_all():
    shown = board(*(line("x" * 2 * WIDTH, number % 60, f"k{number}") for number in range(LINES + 50)))

    assert LINES == len(shown.shown)
    assert LINES + 50 == shown.counts.total()
    assert WIDTH + 1 == max(len(event.text) for event in shown.shown)


@pytest.mark.parametrize(
    ("kind", "search", "expected"),
    [
        ("all", "", ["made", "served", "asked"]),
        ("run", "", ["served", "asked"]),
        ("build", "", ["made"]),
        ("all", "ED", ["served", "asked"]),
        ("run", "ask", ["asked"]),
        ("build", "ask", []),
    ],
)
def test_the_filter_chooses_by_kind_and_text(kind, search, expected):
    events = (line("made", 0, "build"), line("served", 1), line("asked", 2))

    assert expected == [event.text for event in board(*events, kind=kind, search=search).shown]


def test_stages_alone_can_be_shown():
    shown = board(stage("RUNNING"), line("a line"), kind="stage")

    assert "21:54:00 RUNNING" == str(shown)
    assert "a line" not in shown.html()


def test_what_an_app_prints_cannot_break_out_of_the_page_or_the_terminal():
    shown = board(line("<script>alert(1)</script> \x1b[31mred\x1b[0m \x1b]0;title\x07"), stage("RUNNING", error="<b>"))

    assert "<script>" not in shown.html()
    assert "<b>" not in shown.html()
    assert "&lt;script&gt;" in shown.html()
    assert "\x1b" not in str(shown)
    assert "red \\x1b]0;title" in str(shown)


def test_the_page_tells_build_from_run_and_good_from_bad():
    html = board(
        line("a", 0, "build"), line("b", 1), stage("BUILDING"), stage("RUNTIME_ERROR", 1, "Exit code: 1"), note="Oh"
    ).html()

    colours = {part.partition(";")[0].partition("'")[0] for part in html.split("solid ")[1:]}
    assert 4 == len(colours), "build (and building), error, the frame, run"
    assert "nowrap'>21:54:00 BUILDING" in html
    assert "color:#fff'>21:54:01 RUNTIME_ERROR</span> Exit code: 1" in html
    assert "role='status'" in html


def test_outside_of_a_notebook_events_are_lines_on_stderr(capsys):
    screen = Screen(Board())
    screen(line("serving"))
    screen.draw()
    live()(stage("RUNNING"))

    assert ("", "21:54:00 run   serving\n21:54:00 stage RUNNING\n") == capsys.readouterr()


def test_in_a_notebook_all_that_comes_is_one_display_complete_though_it_is_drawn_now_and_then(tmp_path):
    cells = (
        "from spaceops import Event, panels\nview = panels.live()\n"
        "for number in range(500):\n    view(Event('run', f'line {number}', '2026-01-31T21:54:00Z' + str(number)))\n"
        "timer = view._timer",
        "timer.join()  # it draws what came after the last drawing",
    )
    notebook = new_notebook(cells=[*map(new_code_cell, cells)], metadata=KERNEL)
    nbformat.write(notebook, tmp_path / "live.ipynb")

    ran = nbformat.read(run_notebook(tmp_path / "live.ipynb", output=tmp_path / "out.ipynb").path, as_version=4)

    (shown,) = ran.cells[0].outputs
    assert shown.data["text/plain"].endswith("run   line 499")
    assert LINES == len(shown.data["text/plain"].splitlines())
    assert "line 499</div>" in shown.data["text/html"]


# monitor


def test_monitor_shows_a_settled_space_and_ends(space, hub):
    release = deploy(space, hub)

    seen = monitor(space, hub)

    assert ("RUNNING", release.sha, release.host) == (seen.stage, seen.sha, seen.host)
    assert seen.events["build"] > 3
    assert seen.events["run"] >= 1
    assert seen.as_dict()["repo_id"] == space.repo_id
    assert seen.seconds < 20


def test_monitor_follows_a_build_to_its_end(space, hub, capsys):
    deploy(space, hub, detach=True)

    seen = monitor(space.repo_id, hub)

    said = capsys.readouterr().err
    assert ("RUNNING", status(space, hub).sha) == (seen.stage, seen.sha)
    assert seen.events["stage"] >= 2
    assert "build --> FROM" in said
    assert "run   serving version 1" in said


def test_monitor_for_some_seconds_ends_on_time_and_its_threads_end_too(space, hub):
    deploy(space, hub)

    start = time.monotonic()
    seen = monitor(space, hub, seconds=1.5)
    took = time.monotonic() - start

    assert 1.4 < took < 5
    assert "RUNNING" == seen.stage
    wait_for(lambda: not following(space))


def test_monitor_of_a_space_in_an_error_says_what_it_is(space, hub):
    app = space.root / "app.py"
    app.write_text("raise SystemExit(3)")
    deploy(space, hub, detach=True)

    seen = monitor(space, hub)

    assert "RUNTIME_ERROR" == seen.stage
    assert "Exit code: 3" in seen.error_message


def test_monitor_of_nothing_is_not_found(hub):
    with pytest.raises(NotFound):
        monitor("demo/nothing", hub)


def following(space) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == f"follow {space.repo_id}"]


# controls


def test_the_buttons_pause_and_restart_the_app_and_the_view_follows(space, hub):
    deploy(space, hub)
    panel = controls(space, hub)
    seen = panel.screen.board

    panel.pause.click()
    assert "PAUSED" == status(space, hub).stage
    assert "PAUSED" == seen.runtime.stage
    panel.restart.click()
    wait_for(lambda: seen.runtime.stage == "RUNNING" and status(space, hub).stage == "RUNNING")
    wait_for(lambda: seen.counts["run"] > 0)
    panel.follow.value = False

    assert not panel.pause.disabled
    wait_for(lambda: not following(space))


def test_a_button_goes_back_to_the_release_before(space, hub):
    first = deploy(space, hub)
    (space.root / "app.py").write_text((space.root / "app.py").read_text().replace("VERSION = 1", "VERSION = 2"))
    deploy(space, hub)
    panel = controls(space, hub)

    panel.back.click()

    wait(space, hub)
    panel.close()
    files = hub.files(space.repo_id, "main")
    assert hub.files(space.repo_id, first.sha) == files
    assert "" == panel.screen.board.note


def test_what_goes_wrong_with_a_button_is_said_in_the_view(space, hub):
    deploy(space, hub, detach=True)
    panel = controls(space, hub)
    panel.close()
    hub.delete(space.repo_id)

    panel.pause.click()

    assert "no such Space" in panel.screen.board.note
    assert "hint:" in str(panel.screen.board)
    assert not panel.pause.disabled


def test_what_ends_following_is_said_in_the_view(space, hub):
    deploy(space, hub, detach=True)
    panel = controls(space, hub)

    hub.delete(space.repo_id)
    wait_for(lambda: "no such Space" in panel.screen.board.note)

    assert panel.screen.board.note.startswith("Following ended. ")
    panel.close()


def test_the_filter_widgets_choose_what_is_shown(space, hub):
    deploy(space, hub, detach=True)
    panel = controls(space, hub)
    panel.close()
    for event in (line("made", 0, "build"), line("served", 1)):
        panel.screen.board.feed(event)

    panel.kind.value = "run"
    only_run = [event.text for event in panel.screen.board.shown]
    panel.kind.value, panel.search.value = "all", "mad"

    assert "made" not in only_run
    assert ["made"] == [event.text for event in panel.screen.board.shown]


def test_on_a_dry_run_nothing_can_be_pressed_that_changes_something(space, hub):
    deploy(space, hub, detach=True)
    panel = controls(space, hub, dry_run=True)
    panel.close()

    pressed = (panel.pause, panel.restart, panel.back, panel.follow)
    assert [True, True, True, False] == [button.disabled for button in pressed]


def test_controls_shown_again_take_the_place_of_the_former(space, hub):
    deploy(space, hub, detach=True)
    first = controls(space, hub)
    second = controls(space, hub)

    assert (False, True) == (first.follow.value, second.follow.value)
    second.close()


def test_without_a_front_end_the_controls_are_a_line_of_text(space, hub):
    deploy(space, hub, detach=True)
    panel = controls(space, hub)
    panel.close()

    bundle = panel._repr_mimebundle_()

    assert "[Follow] [Pause] [Restart] [Roll back] Show: all Filter: '' (not following)" == bundle["text/plain"]
    assert panel.box.model_id == bundle["application/vnd.jupyter.widget-view+json"]["model_id"]
