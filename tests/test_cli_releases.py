"""The commands about releases: what they print, which code they end with, what they say comes next."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from huggingface_hub import HfApi

from spaceops import LocalHub, Space, ledger, status, wait
from tests.test_releases import edit

VALUE = "correct horse battery"


@pytest.fixture
def run(terminal, monkeypatch, localhub, tmp_path):
    """Run a command as a user of the local Hub; its exit code, stdout and stderr."""
    monkeypatch.setenv("HF_ENDPOINT", localhub.url)
    monkeypatch.setenv("HF_TOKEN", localhub.token)
    monkeypatch.delenv("SPACEOPS_ENV", raising=False)
    monkeypatch.chdir(tmp_path)

    return terminal


@pytest.fixture
def api(localhub: LocalHub) -> HfApi:
    """Somebody who changes the Space without spaceops."""
    return HfApi(endpoint=localhub.url, token=localhub.token)


@pytest.fixture
def app(space: Space, monkeypatch) -> Path:
    """The small app with a space.toml, as PATH: private, so that no command asks, with a variable and a secret."""
    monkeypatch.setenv("API_KEY", VALUE)
    monkeypatch.setenv("OTHER_KEY", "another horse")
    (space.root / "space.toml").write_text(
        f'repo_id = "{space.repo_id}"\nvisibility = "private"\n'
        '[variables]\nLEVEL = "info"\n[secrets]\nAPI_KEY = "env:API_KEY"\nOTHER_KEY = "env:OTHER_KEY"\n'
        '[health]\ntimeout = "60s"\n'
    )
    return space.root


@pytest.fixture
def released(app: Path, run) -> Path:
    assert 0 == run("deploy", app, "--detach")[0]
    return app


def rewrite(app: Path, old: str, new: str) -> None:
    file = app / "space.toml"
    file.write_text(file.read_text().replace(old, new))


# plan


def test_the_exit_code_can_tell_whether_something_would_change(run, app, space):
    assert (0, 2) == (run("plan", app)[0], run("plan", app, "--detailed-exitcode")[0])

    run("deploy", app, "--detach")
    code, out, err = run("plan", app, "--detailed-exitcode")

    assert (0, "No changes.") == (code, out.splitlines()[-1])
    assert err.endswith(f"hint: spaceops wait {space.repo_id}\n")  # nobody has seen it run yet
    assert 75 == run("plan", app, "--detailed-exitcode", "--endpoint", "http://127.0.0.1:9")[0]


def test_a_plan_says_how_to_go_on(run, app):
    assert run("plan", app)[2].endswith(f"hint: spaceops deploy {app}\n")
    assert run("plan", app, "--prune")[2].endswith(f"hint: spaceops deploy {app}   with the same options\n")


def test_a_plan_that_apply_would_refuse_says_what_to_do_first(run, released, space, monkeypatch):
    monkeypatch.delenv("API_KEY")
    _, out, err = run("plan", released)
    assert "No changes that can be seen here: 1 secret cannot be resolved." == out.splitlines()[-1]
    assert "hint: give API_KEY a value here" in err

    monkeypatch.setenv("API_KEY", VALUE)
    rewrite(released, "[variables]", 'hardware = "t4-small"\n[limits]\nmax_hourly_cost = 0.1\n[variables]')
    assert "hint: Choose other hardware" in run("plan", released)[2]


def test_a_plan_shows_what_changes_inside_of_files(run, released, space):
    edit(space, "VERSION = 1", "VERSION = 2")

    _, out, _ = run("plan", released, "--diff")
    _, data, _ = run("plan", released, "--diff", "--json")

    assert {"-VERSION = 1", "+VERSION = 2"} <= set(out.splitlines())
    assert ["app.py"] == [diff["path"] for diff in json.loads(data)["diffs"]]
    assert "diffs" not in json.loads(run("plan", released, "--json")[1])


def test_a_saved_plan_is_applied_once_and_is_stale_then(run, released, space, tmp_path):
    edit(space, "VERSION = 1", "VERSION = 2")
    code, out, err = run("plan", released, "--out", "plan.json")
    file = tmp_path / "plan.json"
    assert (0, 0o600) == (code, stat.S_IMODE(file.stat().st_mode))
    assert "files" in out
    assert err.endswith("hint: spaceops apply --plan plan.json\n")
    assert VALUE not in file.read_text()

    code, out, err = run("apply", "--plan", "plan.json", "--json")
    assert (0, "applied", 2) == (code, json.loads(out)["outcome"], json.loads(out)["number"])
    assert err.endswith(f"hint: spaceops wait {space.repo_id}\n")

    code, out, err = run("apply", "--plan", "plan.json", "--json")
    assert (5, "plan-stale") == (code, json.loads(out)["error"]["code"])
    assert "was: update files 1 changed" in err


def test_a_saved_plan_can_be_looked_at_first(run, app, space, tmp_path):
    run("plan", app, "--out", tmp_path / "plan.json")

    code, out, _ = run("apply", "--plan", tmp_path / "plan.json", "--dry-run")

    assert (0, "Dry run: nothing was changed.") == (code, out.splitlines()[-1])
    assert 3 == run("status", space.repo_id)[0]


def test_a_saved_plan_is_found_from_anywhere_and_its_source_too(run, app, tmp_path, monkeypatch):
    (tmp_path / "plans").mkdir()
    run("plan", app, "--out", "plans/plan.json")
    monkeypatch.chdir("/")
    moved = app.rename(app.parent / "elsewhere")

    lost, _, err = run("apply", "--plan", tmp_path / "plans" / "plan.json")
    found, _, _ = run("apply", moved, "--plan", tmp_path / "plans" / "plan.json")

    assert (2, 0) == (lost, found)
    assert "hint: Say where it is: spaceops apply PATH --plan" in err


def test_a_plan_that_is_saved_into_the_source_says_that_it_would_be_pushed(run, app, monkeypatch):
    monkeypatch.chdir(app)

    _, _, err = run("plan", "--out", "plan.json")

    assert "plan.json lies in the folder that is pushed" in err
    assert 0 == run("apply", "--plan", "plan.json")[0]


def test_a_saved_plan_of_an_environment_is_applied_there(run, app, space, monkeypatch):
    (app / "space.toml").write_text(
        f'repo_id = "{space.repo_id}"\nvisibility = "private"\n[env.staging]\nrepo_id = "{space.repo_id}-staging"\n'
    )
    run("plan", app, "-e", "staging", "--out", "plan.json")
    run("plan", app, "--out", "top.json")

    assert f"{space.repo_id}-staging" == json.loads(run("apply", "--plan", "plan.json", "--json")[1])["repo_id"]
    monkeypatch.setenv("SPACEOPS_ENV", "staging")
    assert space.repo_id == json.loads(run("apply", "--plan", "top.json", "--json")[1])["repo_id"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["apply", "--plan", "nowhere.json"], "nowhere.json cannot be read"),
        (["apply", "--plan", "broken.json"], "broken.json is no saved plan"),
        (["apply", "--plan", "broken.json", "--only", "files"], "The saved plan says what is applied"),
        (["apply", "--plan", "broken.json", "--no-prune"], "The saved plan says what is applied"),
        (["apply", "--plan", "broken.json", "-e", "staging"], "The saved plan says what is applied"),
        (["plan", "APP", "--drift", "--out", "x.json"], "--drift looks at the Hub only"),
        (["plan", "APP", "-e", "staging"], "staging"),
        (["status", "demo/x", "-e", "staging"], "-e chooses an environment of a space.toml"),
        (["delete", "APP", "-e", "staging", "--yes"], "staging"),
        (["plan", "APP", "--rotate", "API_KEI"], "API_KE"),
        (["rollback", "demo/x", "1", "2"], "one number, not 2"),
        (["rollback", "demo/x", "demo/y"], "one Space at a time"),
        (["releases", "demo/x", "7"], "too few or too many numbers"),
        (["releases", "demo/x", "show", "1", "2"], "too few or too many numbers"),
        (["releases", "demo/x", "diff"], "too few or too many numbers"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else None,
)
def test_wrong_usage_is_one_error_and_changes_nothing(run, app, space, tmp_path, arguments, message):
    (tmp_path / "broken.json").write_text("{}")

    code, out, err = run(*[str(app) if argument == "APP" else argument for argument in arguments])

    assert (2, "") == (code, out)
    assert message in err
    assert "hint: " in err
    assert 3 == run("status", space.repo_id)[0]


# drift


def test_drift_is_told_and_has_its_exit_code(run, released, space, api, localhub):
    clean = run("plan", released, "--drift", "--detailed-exitcode")
    localhub.clock.advance(5)
    api.add_space_variable(space.repo_id, "LEVEL", "debug")

    by_path = run("plan", released, "--drift", "--detailed-exitcode")
    by_name = run("plan", space.repo_id, "--drift", "--json")

    assert (0, "Nothing was changed since then.") == (clean[0], clean[1].splitlines()[-1])
    assert 2 == by_path[0]
    assert "  ~ variable   LEVEL = info -> debug" in by_path[1].splitlines()
    assert (0, True) == (by_name[0], json.loads(by_name[1])["drifted"])


# environments


def test_an_environment_is_chosen_by_an_option_or_by_a_variable(run, app, space, monkeypatch):
    (app / "space.toml").write_text(
        f'repo_id = "{space.repo_id}"\nvisibility = "private"\n[env.staging]\nrepo_id = "{space.repo_id}-staging"\n'
    )

    assert run("plan", app, "-e", "staging")[2].endswith(f"hint: spaceops deploy {app} -e staging\n")
    by_option = json.loads(run("plan", app, "-e", "staging", "--json")[1])["repo_id"]
    without = json.loads(run("plan", app, "--json")[1])["repo_id"]
    monkeypatch.setenv("SPACEOPS_ENV", "staging")
    by_variable = json.loads(run("plan", app, "--json")[1])["repo_id"]

    assert [f"{space.repo_id}-staging", space.repo_id, f"{space.repo_id}-staging"] == [by_option, without, by_variable]
    run("deploy", app, "--detach")
    assert f"{space.repo_id}-staging" == json.loads(run("status", app, "--json")[1])["repo_id"]
    assert 3 == run("status", app, "-e", "")[0]
    assert f"demo/{app.name}" not in run("variables", "set", app, "A=1")[2]
    assert {"A": "1"} == json.loads(run("variables", "ls", app, "--json")[1])


# rotating


def test_rotating_sends_all_secrets_or_those_named(run, released, space, hub):
    one = run("rotate", released, "API_KEY", "--detach", "--json")
    every = run("rotate", released, "--detach")

    assert ["~ secret API_KEY"] == json.loads(one[1])["record"]["changes"]
    assert {"API_KEY": 2, "OTHER_KEY": 1} == json.loads(one[1])["record"]["settings"]["secrets"]
    assert "sent again" in every[2]
    assert {"API_KEY": 3, "OTHER_KEY": 3} == json.loads(run("releases", released, "show", "--json")[1])["record"][
        "settings"
    ]["secrets"]
    assert VALUE not in str(one) + str(every)


def test_rotating_in_the_folder_itself_takes_names_only(run, released, monkeypatch):
    monkeypatch.chdir(released)

    _, out, _ = run("rotate", "OTHER_KEY", "--detach", "--json")

    assert ["~ secret OTHER_KEY"] == json.loads(out)["record"]["changes"]


def test_rotating_what_is_no_secret_is_refused(run, released):
    code, _, err = run("rotate", released, "API_KEI")

    assert (2, True) == (code, "API_KEY" in err)


def test_rotating_without_secrets_is_refused(run, app):
    (app / "space.toml").write_text('repo_id = "demo/none"\n')

    code, _, err = run("rotate", app)

    assert (2, True) == (code, "has no secrets to send" in err)


# releases


@pytest.fixture
def history(released: Path, run, space) -> Path:
    """Two releases: a variable and a file differ."""
    rewrite(released, '"info"', '"debug"')
    edit(space, "VERSION = 1", "VERSION = 2")
    assert 0 == run("deploy", released, "--detach")[0]
    return released


def test_releases_are_listed_the_newest_first(run, history, space):
    code, out, err = run("releases", history)

    head, second, first = out.splitlines()
    assert 0 == code
    assert ["NUMBER", "OUTCOME", "AGE", "BY", "SHA", "SOURCE", "CHANGES"] == head.split()
    assert ("2", "applied", "demo", "1") == (*second.split()[:2], second.split()[3], first.split()[0])
    assert second.endswith("~ variable LEVEL, ~ files")
    assert f"hint: spaceops releases {space.repo_id} show\n" == err
    assert 2 == len(run("releases", space.repo_id, "-n", "1")[1].splitlines())
    assert [2, 1] == [item["number"] for item in json.loads(run("releases", history, "--json")[1])["releases"]]


@pytest.mark.parametrize("words", [("SPACE", "show", "1"), ("show", "SPACE", "1"), ("show", "1", "PATH")])
def test_a_release_is_shown_in_full_in_either_order_of_words(run, history, space, words):
    arguments = [{"SPACE": space.repo_id, "PATH": str(history)}.get(word, word) for word in words]

    code, out, err = run("releases", *arguments)

    assert (0, f"{space.repo_id}: release 1, applied") == (code, out.splitlines()[0])
    assert {"    LEVEL = info", "    API_KEY  sent by release 1"} <= set(out.splitlines())
    assert f"hint: spaceops rollback {space.repo_id} 1\n" == err


def test_after_the_newest_release_comes_the_way_back_from_it(run, history, space):
    assert f"hint: spaceops rollback {space.repo_id}\n" == run("releases", space.repo_id, "show")[2]


def test_nobody_is_told_to_go_back_to_a_release_that_failed(run, history, space, hub):
    record = msgspec.structs.replace(ledger.record_of(space.repo_id, hub, 2), outcome="failed", codes=("unhealthy",))
    ledger.conclude(space.repo_id, hub, record)

    _, _, err = run("releases", "show", space.repo_id, "2")

    assert f"hint: spaceops releases {space.repo_id} diff 1 2\n" == err


def test_without_a_number_the_newest_release_is_shown(run, history, monkeypatch):
    monkeypatch.chdir(history)

    assert 2 == json.loads(run("releases", "show", "--json")[1])["number"]


def test_two_releases_are_compared(run, history, space):
    _, out, _ = run("releases", space.repo_id, "diff", "1", "2")
    _, backward, _ = run("releases", "diff", space.repo_id, "2", "1")
    newest = json.loads(run("releases", space.repo_id, "diff", "1", "--json")[1])

    assert "  ~ variable   LEVEL = info -> debug" in out.splitlines()
    assert "      ~ app.py" in out.splitlines()
    assert "LEVEL = debug -> info" in backward
    assert (1, 2) == (newest["before"], newest["after"])


def test_what_has_no_releases_says_so(run, hub, space):
    hub.create(space.repo_id, visibility=None, settings={})

    assert (0, "No releases yet.\n") == run("releases", space.repo_id)[:2]
    assert 3 == run("releases", space.repo_id, "show")[0]
    assert 3 == run("releases", space.repo_id, "show", "1")[0]
    assert 3 == run("rollback", space.repo_id)[0]


@pytest.mark.parametrize("words", [[], ["show"], ["diff", "1"]])
def test_a_space_that_does_not_exist_has_no_releases(run, words):
    assert 3 == run("releases", "demo/nothing", *words)[0]


# rolling back


def test_a_rollback_shows_what_it_does_and_what_stays_then_does_it_without_asking(run, history, space, monkeypatch):
    monkeypatch.setenv("API_KEY", "a better horse battery")
    run("rotate", history, "API_KEY", "--detach")

    code, out, err = run("rollback", space.repo_id, "1")

    assert 0 == code
    assert f"{space.repo_id} running at" in out.splitlines()[0]
    assert "roll back to release 1" in err
    assert "LEVEL = debug -> info" in err
    assert re.search(r"! secret +API_KEY +.*gone", err)
    assert "Step" not in out
    assert f"hint: spaceops logs {space.repo_id} -f\n" in err


def test_a_rollback_that_only_is_planned_changes_nothing(run, history, space):
    code, out, _ = run("rollback", history, "1", "--dry-run")

    assert (0, "Dry run: nothing was changed.") == (code, out.splitlines()[-1])
    assert 2 == json.loads(run("releases", space.repo_id, "show", "--json")[1])["number"]


def test_a_rollback_to_what_costs_more_asks(run, app, space):
    rewrite(app, "[variables]", 'hardware = "t4-small"\n[variables]')
    assert 0 == run("deploy", app, "--detach", "--yes")[0]
    rewrite(app, "t4-small", "cpu-basic")
    assert 0 == run("deploy", app, "--detach")[0]

    code, _, err = run("rollback", space.repo_id, "1")

    assert (2, True) == (code, "costs $0.40 an hour more" in err)
    assert 0 == run("rollback", space.repo_id, "1", "--detach", "--yes")[0]


def test_a_deploy_that_is_rolled_back_has_its_exit_code(run, app, space):
    assert 0 == run("deploy", app)[0]
    edit(space, "VERSION = ", "raise SystemExit('no such model')\nVERSION = ")

    code, out, err = run("deploy", app, "--json")

    assert (9, "rolled-back") == (code, json.loads(out)["error"]["code"])
    assert "release 1 was restored and runs" in err


# asking


def test_removing_a_file_that_a_release_wrote_asks_nothing(run, released, space):
    (space.root / "new.txt").write_text("new")
    run("deploy", released, "--detach")
    (space.root / "new.txt").unlink()

    code, out, _ = run("deploy", released, "--detach", "--json")

    assert (0, ["new.txt"]) == (code, json.loads(out)["plan"]["files"]["removed"])


def test_pruning_asks_for_what_is_lost(run, app, space, api, hub):
    hub.create(space.repo_id, visibility="private", settings={})
    api.add_space_secret(space.repo_id, "THEIRS", "somebody's own")
    api.upload_file(path_or_fileobj=b"x", path_in_repo="theirs.txt", repo_id=space.repo_id, repo_type="space")

    code, _, err = run("deploy", app, "--prune", "--detach")

    assert 2 == code
    assert "destroys secret THEIRS and removes 1 files. Go on?" in err
    assert 0 == run("deploy", app, "--prune", "--detach", "--yes")[0]
    assert {"API_KEY", "OTHER_KEY"} == set(json.loads(run("secrets", "ls", app, "--json")[1]))


def test_what_somebody_else_changed_is_overwritten_only_when_told_so(run, released, space, api):
    api.upload_file(path_or_fileobj=b"theirs", path_in_repo="app.py", repo_id=space.repo_id, repo_type="space")

    refused = run("deploy", released, "--detach")
    done = run("deploy", released, "--detach", "--overwrite")

    assert (5, 0) == (refused[0], done[0])
    assert "--overwrite" in refused[2]


# by the real command


def command(*arguments: object, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "spaceops", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def test_ctrl_c_during_a_saved_plan_says_how_to_go_on(localhub, run, app, space, hub):
    run("plan", app, "--out", app.parent / "plan.json")
    localhub.faults.add("slow", path=f"*/{space.repo_id}/commit/main", seconds=2, times=1)
    with command("apply", "--plan", app.parent / "plan.json") as process:
        for line in process.stderr:
            if "created" in line:
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()

    assert 130 == process.returncode
    assert "Traceback" not in rest
    assert f"hint: spaceops wait {space.repo_id}" in rest
    assert 0 == run("deploy", app, "--detach")[0]
    assert "NO_APP_FILE" != status(space, hub).stage


def test_waiting_shows_what_happens_and_records_how_it_came_out(run, app, space, hub):
    run("deploy", app, "--detach")

    with command("wait", space.repo_id) as process:
        out, err = process.communicate(timeout=60)

    assert (0, True) == (process.returncode, "RUNNING" in out)
    assert "answers 200" in err
    assert err.endswith(f"hint: spaceops logs {space.repo_id} -f\n")
    assert "running" == json.loads(run("releases", space.repo_id, "show", "--json")[1])["outcome"]
    assert "RUNNING" == wait(space, hub).stage


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_a_diff_has_colours_on_a_terminal_only(run, released, space, no_color, coloured):
    edit(space, "VERSION = 1", "VERSION = 2")
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        try:
            done = subprocess.run(
                [sys.executable, "-m", "spaceops", "plan", str(released), "--diff"],
                stdout=theirs,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "NO_COLOR": no_color},
                check=True,
            )
        finally:
            os.close(theirs)
        shown = screen.read(20_000).decode()

    assert 0 == done.returncode
    assert coloured == ("\x1b[32m+VERSION = 2" in shown)
    assert "+VERSION = 2" in shown
    assert "\x1b[" not in run("plan", released, "--diff")[1]
