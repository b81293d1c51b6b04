"""The command line: data on stdout, talk on stderr, the published exit codes, one clear error for bad input."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys

import pytest

from spaceops import Hub, Secret, wait


@pytest.fixture
def run(terminal, monkeypatch, localhub, tmp_path):
    """Run a command as a user of the local Hub; its exit code, stdout and stderr."""
    monkeypatch.setenv("HF_ENDPOINT", localhub.url)
    monkeypatch.setenv("HF_TOKEN", localhub.token)
    monkeypatch.chdir(tmp_path)

    return terminal


@pytest.fixture
def app(space, tmp_path):
    """The small app with a space.toml, as PATH."""
    (space.root / "space.toml").write_text(f'repo_id = "{space.repo_id}"\n[health]\ntimeout = "60s"\n')
    return space.root


def test_the_whole_way_from_plan_to_delete(run, app, space):
    assert run("plan", str(app))[1].startswith(f"{space.repo_id} is new\n")

    code, out, err = run("deploy", str(app), "--yes", "--json")
    release = json.loads(out)
    assert (0, "running") == (code, release["outcome"])
    assert f"as demo on {os.environ['HF_ENDPOINT']}: {space.repo_id}" in err

    code, out, _ = run("status", space.repo_id, "--json")
    assert ("RUNNING", release["sha"]) == (json.loads(out)["stage"], json.loads(out)["running_sha"])
    assert "serving version 1\n" in run("logs", space.repo_id)[1]
    assert "--> FROM docker.io/library/python:3.11-slim" in run("logs", str(app), "--build")[1]
    assert "No changes." in run("plan", str(app))[1]
    assert "PAUSED" in run("pause", space.repo_id)[1]
    assert 0 == run("restart", space.repo_id)[0]
    assert "RUNNING" in run("wait", space.repo_id)[1]

    assert 0 == run("delete", space.repo_id, "--yes")[0]
    code, _, err = run("status", space.repo_id)
    assert 3 == code
    assert ["Error:", "hint:", "more:"] == [line.split()[0] for line in err.splitlines()]


def test_logs_can_be_cut_filtered_and_read_by_machines(run, app, space):
    run("deploy", str(app), "--yes")

    lines = [json.loads(line) for line in run("logs", space.repo_id, "--build", "--json")[1].splitlines()]
    assert {"ts", "event", "text"} == set(lines[0])
    assert lines[-1]["text"] == run("logs", space.repo_id, "--build", "-n", "1")[1].rstrip("\n")
    assert all("COPY" in line for line in run("logs", space.repo_id, "--build", "--grep", "COPY")[1].splitlines())


def test_settings_with_hfs_words(run, space, monkeypatch):
    Hub().create(space.repo_id, visibility=None, settings={})
    monkeypatch.setenv("API_KEY", "correct horse battery")

    assert 0 == run("variables", "set", space.repo_id, "A=1", "B=x=y")[0]
    assert "A    1\nB    x=y" in run("variables", "ls", space.repo_id)[1]
    assert 0 == run("variables", "delete", space.repo_id, "A", "--yes")[0]
    assert {"B": "x=y"} == json.loads(run("variables", "ls", space.repo_id, "--json")[1])

    code, out, err = run("secrets", "set", space.repo_id, "API_KEY", "OTHER=env:API_KEY")
    assert 0 == code
    assert "correct horse" not in out + err
    listed = json.loads(run("secrets", "ls", space.repo_id, "--json")[1])
    assert {"API_KEY": "", "OTHER": ""} == {key: found["description"] for key, found in listed.items()}
    assert 0 == run("secrets", "delete", space.repo_id, "OTHER", "--yes")[0]

    assert "t4-small" in run("hardware", "ls")[1]
    assert 0 == run("hardware", "set", space.repo_id, "t4-small", "--sleep-time", "1h", "--yes")[0]
    assert 0 == run("hardware", "delete", space.repo_id)[0]
    assert 0 == run("volumes", "set", space.repo_id, f"hf://spaces/{space.repo_id}:/data:ro")[0]
    assert f"space  {space.repo_id}  /data  ro" in run("volumes", "ls", space.repo_id)[1]
    assert 0 == run("volumes", "delete", space.repo_id, "--yes")[0]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["status", "demo/nothing"], 3, "demo/nothing does not exist"),
        (["status", "no-owner"], 2, "wants owner/name"),
        (["wait", "demo/x", "--timeout", "soon"], 2, "the command line: --timeout"),
        (["new", "~nobody-of-this-name/x"], 2, "~nobody-of-this-name"),
        (["variables", "set", "demo/nothing", "1A=x"], 2, "no digit first"),
        (["hardware", "set", "demo/nothing", "cpu-basic", "--sleep-time", "2h"], 2, "keeps its own sleep time"),
        (["demo", "-o", "/proc/1/here"], 2, "cannot be written"),
        (["plan", "nowhere"], 2, "No space.toml at nowhere"),
        (["plan", "--endpoint", "http://127.0.0.1:9", "APP"], 75, "does not answer"),
        (["plan", "--endpoint", "huggingface", "APP"], 2, "not a URL"),
        (["plan", "APP", "--only", "secerts"], 2, "secerts"),
        (["deploy", "APP", "--bogus"], 2, "--bogus"),
        (["delete", "demo/nothing"], 2, "Use --yes"),
        (["delete", "demo/nothing", "--yes"], 3, "no such Space"),
        (["variables", "set", "demo/nothing", "NOVALUE"], 2, "KEY=VALUE"),
        (["secrets", "set", "demo/nothing", "SPACEOPS_NO_SUCH"], 10, "SPACEOPS_NO_SUCH"),
        (["hardware", "set", "demo/nothing", "t4-smal"], 2, "t4-smal"),
        (["logs", "demo/nothing"], 3, "no such Space"),
        (["explain", "nope"], 2, "no code 'nope'"),
        (["run", "nowhere.ipynb"], 2, "nowhere.ipynb"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else None,
)
def test_bad_input_gets_one_error_with_a_hint_and_its_exit_code(run, app, arguments, code, message):
    arguments = [str(app) if argument == "APP" else argument for argument in arguments]

    got, out, err = run(*arguments)

    assert (code, "") == (got, out)
    assert message in err
    assert "Traceback" not in err
    assert "hint: " in err or "Try " in err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("repo_id = \n", "line 1"),
        ('repo_id = "a/b"\nhardwar = "x"', "Did you mean hardware?"),
        ('repo_id = "a/b"\n[secrets]\nK = "sk-4242424242"', "a reference, never the value"),
    ],
)
def test_a_wrong_space_toml_is_one_error(run, app, text, message):
    (app / "space.toml").write_text(text)

    code, _, err = run("deploy", str(app))

    assert 2 == code
    assert message in err
    assert "4242" not in err


def test_a_folder_without_a_dockerfile_is_one_error(run, app):
    (app / "Dockerfile").unlink()

    code, _, err = run("plan", str(app))

    assert 2 == code
    assert "has no Dockerfile" in err

    code, _, err = run("deploy", str(app))

    assert 6 == code
    assert "error[app-file-missing]" in err


def test_a_wrong_token_is_one_error_that_does_not_show_it(run, app, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_" + "wrong" * 6)

    code, out, err = run("deploy", str(app))

    assert 4 == code
    assert "wrongwrong" not in out + err
    assert "hf auth login" in err


def test_an_unresolved_secret_changes_nothing(run, app, space):
    (app / "space.toml").write_text(f'repo_id = "{space.repo_id}"\n[secrets]\nK = "env:SPACEOPS_NO_SUCH"\n')

    assert 10 == run("deploy", str(app), "--yes")[0]
    assert 3 == run("status", space.repo_id)[0]


@pytest.mark.parametrize("visibility", ["", 'visibility = "public"'])
def test_publishing_is_asked_for_and_never_without_a_terminal(run, app, space, visibility):
    (app / "space.toml").write_text(f'repo_id = "{space.repo_id}"\n{visibility}\n')

    code, _, err = run("deploy", str(app))

    assert 2 == code
    assert f"makes {space.repo_id} public" in err
    assert 3 == run("status", space.repo_id)[0]


def test_a_dry_run_asks_nothing_and_shows_the_plan(run, app, space):
    code, out, err = run("deploy", str(app), "--dry-run")

    assert 0 == code
    assert out.startswith(f"{space.repo_id} is new\n")
    assert out.endswith("Dry run: nothing was changed.\n")
    assert f"as demo on {os.environ['HF_ENDPOINT']}: {space.repo_id}\n" == err


def test_a_failed_deploy_has_its_exit_code_and_shows_the_log(run, app):
    (app / "Dockerfile").write_text("FROM python:3.11-slim\nRUN python -c 'import nonexistent_module'\nCMD [\"x\"]\n")

    code, out, err = run("deploy", str(app), "--yes", "--json")

    assert 7 == code
    assert "deploy-failed" == json.loads(out)["error"]["code"]
    assert any("nonexistent_module" in line for line in json.loads(out)["error"]["log_tail"])
    assert "hint: Write a line into requirements.txt" in err


def test_every_command_explains_itself(run):
    commands = re.findall(r"^  (\w+)  ", run("--help")[1].partition("Commands:")[2], re.MULTILINE)

    assert len(commands) >= 19
    for command in commands:
        assert f"Usage: spaceops {command}" in run(command, "--help")[1]


def test_new_writes_an_app_that_can_be_planned(run):
    code, out, err = run("new", "my app", "--repo-id", "demo/mine")

    assert (0, "hint: spaceops plan 'my app'\n") == (code, err)
    assert out.strip().endswith("my app")
    assert "demo/mine is new" in run("plan", "my app")[1]


def command(*arguments: str, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "spaceops", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def test_ctrl_c_stops_following_says_how_to_resume_and_leaves_the_space(localhub, app, space, hub):
    text = (app / "app.py").read_text()
    (app / "app.py").write_text("print('here I am', flush=True)\nimport time\ntime.sleep(3)\n" + text)
    with command("deploy", str(app), "--yes", HF_ENDPOINT=localhub.url, HF_TOKEN=localhub.token) as process:
        for line in process.stderr:
            if "pushed" in line:
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()

    assert 130 == process.returncode
    assert f"hint: spaceops wait {space.repo_id}" in rest
    assert "Traceback" not in rest
    assert "RUNNING" == wait(space, hub, timeout=60).stage


def test_offline_mode_is_one_error(localhub, app):
    with command("plan", str(app), HF_ENDPOINT=localhub.url, HF_TOKEN="hf_local", HF_HUB_OFFLINE="1") as process:
        out, err = process.communicate(timeout=60)

    assert (75, "") == (process.returncode, out)
    assert "unset HF_HUB_OFFLINE" in err
    assert "Traceback" not in err


def test_serving_says_ready_and_a_port_in_use_is_one_error(tmp_path):
    with command("hub", "serve", "--port", "0", "--data", str(tmp_path / "one")) as first:
        address = first.stdout.readline().split()[1]
        port = address.rpartition(":")[2]
        with command("hub", "serve", "--port", port, "--data", str(tmp_path / "two")) as second:
            _, err = second.communicate(timeout=60)
        with command("hub", "serve", "--port", "0", "--data", str(tmp_path / "one")) as third:
            _, said = third.communicate(timeout=60)
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=60)

    assert address.startswith("http://127.0.0.1:")
    assert (5, 5, 0) == (second.returncode, third.returncode, first.returncode)
    assert f"Port {port} is in use" in err
    assert "Another local Hub works in" in said


def test_output_into_a_closed_pipe_ends_quietly():
    done = subprocess.run(
        f"{sys.executable} -m spaceops docs commands | head -1", shell=True, capture_output=True, text=True, check=False
    )

    assert ("# Commands\n", "") == (done.stdout, done.stderr)


def test_the_local_hub_of_one_command_is_there_for_the_next_and_says_how_to_keep_it(app, space, tmp_path):
    """`local` is the Hub of the data folder: a command starts it where none runs, and finds what the last one did."""
    environment = {"SPACEOPS_DATA": str(tmp_path / "data"), "HF_ENDPOINT": "local"}
    with command("deploy", str(app), "--yes", **environment) as process:
        out, err = process.communicate(timeout=120)
    with command("status", space.repo_id, "--endpoint", "local", "--json", **environment) as process:
        told, _ = process.communicate(timeout=120)

    assert f"{space.repo_id} running at" in out
    assert "hint: spaceops hub serve" in err
    assert json.loads(told)["sha"]


def test_a_name_of_the_other_kind_is_refused_before_the_app_stops(run, space, monkeypatch):
    Hub().create(space.repo_id, visibility=None, settings={})
    monkeypatch.setenv("BOTH", "a value of both")
    run("variables", "set", space.repo_id, "BOTH=x")

    code, _, err = run("secrets", "set", space.repo_id, "BOTH")

    assert (2, True) == (code, f"hint: spaceops variables delete {space.repo_id} BOTH" in err)


def test_setting_a_secret_keeps_the_users_words(run, space, monkeypatch):
    Hub().create(space.repo_id, visibility=None, settings={})
    monkeypatch.setenv("API_KEY", "correct horse battery")
    Hub().secrets.set(space.repo_id, "API_KEY", Secret("another value", "API_KEY"), description="ask Ada")

    run("secrets", "set", space.repo_id, "API_KEY")

    assert "ask Ada" == json.loads(run("secrets", "ls", space.repo_id, "--json")[1])["API_KEY"]["description"]


def test_a_path_is_found_from_a_subfolder_by_every_command(run, app, space, monkeypatch):
    run("deploy", str(app), "--yes", "--detach")
    (app / "sub").mkdir()
    monkeypatch.chdir(app / "sub")

    assert space.repo_id == json.loads(run("status", app.name, "--json")[1])["repo_id"]
    assert space.repo_id == json.loads(run("plan", app.name, "--json")[1])["repo_id"]


def test_status_says_nothing_of_what_it_did_not_ask(run, app, space):
    run("deploy", str(app), "--yes", "--detach")

    assert not {"variables", "secrets"} & set(json.loads(run("status", space.repo_id, "--json")[1]))


@pytest.mark.parametrize("section", ["space", "errors", "commands"])
def test_the_reference_is_data_too(run, section):
    assert json.loads(run("docs", section, "--json")[1])


def test_serving_can_say_ready_to_machines(tmp_path):
    with command("hub", "serve", "--port", "0", "--data", str(tmp_path / "data"), "--json") as server:
        said = json.loads(server.stdout.readline())
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)

    assert ("ready", True) == (said["event"], said["url"].startswith("http://127.0.0.1:"))
