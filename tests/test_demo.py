"""The demo, played once as a user does who has settings for the real Hub; and the talk beside it."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import urllib.error
from pathlib import Path

import pytest

from spaceops import Event
from spaceops.demo import SENTENCES, Demo, Progress, Step, analyze, demo, place_of
from spaceops.errors import BadInput

USERS_TOKEN = "hf_" + "theusersowntoken" * 2
HOSTILE = {
    "HF_TOKEN": USERS_TOKEN,
    "HF_ENDPOINT": "http://127.0.0.1:9",
    "HF_HUB_OFFLINE": "1",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
    "SPACEOPS_DATA": "/nonexistent/folder",
}


class Played:
    """A demo with `--keep --json`, up to the moment in which it waits for Ctrl-C, and after it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        environment = os.environ | HOSTILE | {"TMPDIR": str(folder / "tmp")}
        (folder / "tmp").mkdir()
        with subprocess.Popen(
            [sys.executable, "-m", "spaceops", "demo", "--keep", "--json"],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as running:
            self.talk = ""
            while "Ctrl-C" not in self.talk and (line := running.stderr.readline()):
                self.talk += line
            self.kept = analyze(self._address(), "It is still a great day!") if "Ctrl-C" in self.talk else None
            running.send_signal(signal.SIGINT)
            self.data, rest = running.communicate(timeout=60)
            self.talk += rest
        self.exit_code = running.returncode
        self.outcome = json.loads(self.data)

    def _address(self) -> str:
        return next(line.split()[-1] for line in self.talk.splitlines() if line.startswith("The app "))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return Played(tmp_path_factory.mktemp("demo"))


def test_it_takes_every_step_whatever_is_set_for_the_real_hub(played):
    assert 0 == played.exit_code, played.talk
    assert [
        "new",
        "create",
        "variables_and_secrets",
        "hardware",
        "push",
        "monitor",
        "ask",
        "check",
        "break_and_survive",
        "releases",
    ] == [step["step"] for step in played.outcome["steps"]]
    done = {step["step"]: step["done"] for step in played.outcome["steps"]}
    assert "variable LOG_LEVEL = info -> debug, secret DEMO_KEY" in done["variables_and_secrets"]
    assert "hardware cpu-basic -> cpu-upgrade" in done["hardware"]
    assert done["push"].startswith("running: files ")
    assert done["monitor"].startswith("RUNNING at http://127.0.0.1:")
    assert done["releases"].endswith("4 running, 5 failed, 6 running")


def test_the_app_judges_twenty_sentences(played):
    answers = played.outcome["answers"]

    assert list(SENTENCES) == [answer["text"] for answer in answers]
    assert 20 == len(answers)
    assert {"POSITIVE", "NEGATIVE", "NEUTRAL"} == {answer["label"] for answer in answers}
    assert all(0 <= answer["score"] <= 1 for answer in answers)


def test_the_broken_commit_fails_with_its_reason_and_the_version_before_answers(played):
    failure = played.outcome["failure"]

    assert "RUNTIME_ERROR" in failure
    assert "/a/file/that/does/not/exist" in failure
    assert "hint: " in failure
    assert played.outcome["answers"][0] == played.outcome["survived"]
    assert "does_not_exist" not in (played.folder / "spaceops-demo" / "app" / "main.py").read_text()


def test_check_finds_what_can_be_known_before_the_push(played):
    assert "error[import-name-error] main.py:6\n" in played.outcome["stopped"]
    assert "a_name_that_is_not_there" in played.outcome["stopped"]


def test_the_executed_notebooks_lie_where_it_says(played):
    notebooks = [Path(step["notebook"]) for step in played.outcome["steps"] if step["notebook"]]

    assert 7 == len(notebooks)
    assert all(path.is_file() and path.is_relative_to(played.folder / "spaceops-demo") for path in notebooks)
    assert str(played.folder / "spaceops-demo") == played.outcome["folder"]


def test_no_secret_is_in_anything_that_it_leaves_or_says(played):
    left = [path.read_bytes() for path in (played.folder / "spaceops-demo").rglob("*") if path.is_file()]

    assert all(USERS_TOKEN.encode() not in content and b"hf_local" not in content for content in left)
    assert USERS_TOKEN not in played.talk + played.data


def test_kept_it_serves_until_ctrl_c_and_leaves_nothing_behind(played):
    assert "POSITIVE" == played.kept["label"]
    with pytest.raises(urllib.error.URLError):
        analyze(played.outcome["app"], "Is anybody there?")
    assert not [path for path in (played.folder / "tmp").iterdir() if path.name.startswith("spaceops")]


def test_every_step_is_told_in_a_line(played):
    for number in range(1, 11):
        assert f"\n[{number}/10] " in played.talk
    assert "[5/10] push  " in played.talk


def test_it_shows_a_table_what_failed_and_what_it_took():
    answer = {"text": "I love this place!", "label": "POSITIVE", "score": 0.8348}
    steps = (Step("push", "running", 3.26, "x.ipynb"), Step("ask", "asked", 0.0))

    shown = str(
        Demo(Path("there"), "http://hub", "http://app", steps, (answer,), "Not there", "It broke", answer, 12.34)
    )

    assert shown == "\n".join(
        (
            "TEXT                LABEL     SCORE",
            "I love this place!  POSITIVE  0.8348",
            "",
            "An import of a name that is not there, which check finds before the push:",
            "Not there",
            "",
            "A commit that cannot start, which nobody can know before:",
            "It broke",
            "The release before was restored, and answers: 'I love this place!' is POSITIVE (0.8348)",
            "",
            "STEP  SECONDS  DONE",
            "push      3.3  running",
            "ask       0.0  asked",
            "",
            "12.3 s in all. The app and the executed notebooks: there",
        )
    )


@pytest.mark.parametrize("there", ["file", "folder"])
def test_a_place_that_is_taken_is_left_alone(tmp_path, there):
    place = tmp_path / "place"
    if there == "folder":
        place.mkdir()
        (place / "mine").write_text("precious")
    else:
        place.write_text("precious")

    with pytest.raises(BadInput, match="not an empty folder"):
        demo(place)

    assert "precious" == (place / "mine" if there == "folder" else place).read_text()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def told(stream: io.StringIO) -> str:
    progress = Progress(stream)
    progress.begin("[5/8] push")
    progress.cell(Event("cell", "[1/4] import", ""))
    progress.cell(Event("cell", "[3/4] push", ""))
    progress.end("running", 3.26)
    return stream.getvalue()


def test_on_a_terminal_a_bar_moves_in_one_line(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    frames = told(Terminal()).split("\r\x1b[K")

    assert ["", "[5/8] push", "[5/8] push |............| import", "[5/8] push |######......| push"] == frames[:4]
    assert "[5/8] push  3.3 s  running\n" == frames[4]


def test_the_bar_never_wraps(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")

    assert 19 == max(len(frame.rstrip("\n")) for frame in told(Terminal()).split("\r\x1b[K")[:-1])


def test_without_a_folder_each_demo_takes_the_next_free_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    places = [place_of(None).name for _ in range(3)]

    assert ["spaceops-demo", "spaceops-demo-2", "spaceops-demo-3"] == places


def test_an_empty_folder_or_a_new_name_can_be_given(tmp_path):
    (tmp_path / "empty").mkdir()

    assert [tmp_path / "empty", tmp_path / "a" / "b"] == [place_of(tmp_path / "empty"), place_of(tmp_path / "a" / "b")]
    assert (tmp_path / "a" / "b").is_dir()


def test_elsewhere_a_step_is_one_plain_line():
    assert "[5/8] push  3.3 s  running\n" == told(io.StringIO())
