"""The whole job on an embedded local Hub: create, configure, push, watch, call, be checked, break, be rolled back."""

from __future__ import annotations

import json
import secrets
import shutil
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from spaceops.bundled import bundled
from spaceops.errors import BadInput, NotebookFailed, SpaceopsError
from spaceops.notebooks import run_notebook, table
from spaceops.preflight import check
from spaceops.secret import expanded
from spaceops.template import new

if TYPE_CHECKING:
    from spaceops.events import Event
    from spaceops.localhub import LocalHub

FOLDER = "spaceops-demo"
REPO_ID = "demo/sentiment"
ANSWER_SECONDS = 10
BAR = 12  # characters

SENTENCES = (
    "I love this place!",
    "The soup was cold and the waiter did not care.",
    "The train to Lyon leaves at seven.",
    "What a wonderful surprise, thank you so much!",
    "This is the worst phone I have ever owned.",
    "The package came early, and it works perfectly.",
    "I waited an hour, and the staff were rude.",
    "The meeting is in room twelve.",
    "Her new book is brilliant and very funny.",
    "The update broke my favourite feature.",
    "It was not bad at all.",
    "He is honest, kind and always ready to help.",
    "The hotel was dirty, and the bed was terrible.",
    "They sell bread, milk and newspapers.",
    "I am so proud of our team!",
    "Unfortunately the concert was cancelled.",
    "The view from the top is absolutely stunning.",
    "Do not buy this, it is a complete waste of money.",
    "The museum opens on Tuesday.",
    "Best coffee in town, and the staff are lovely.",
)


@dataclass(frozen=True)
class Step:
    """One step of the demo: what it did, how long it took, and the executed notebook if it was one."""

    name: str
    done: str
    seconds: float
    notebook: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The step for `--json`."""
        return {"step": self.name, "seconds": self.seconds, "done": self.done, "notebook": self.notebook}


@dataclass(frozen=True)
class Demo:
    """What the demo did and saw."""

    folder: Path
    endpoint: str
    app: str
    steps: tuple[Step, ...]
    answers: tuple[Mapping[str, Any], ...]
    stopped: str  # what check found in a file that could not start
    failure: str  # of the broken commit's deploy: why it did not come up
    survived: Mapping[str, Any]  # what the app answered after it
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """The demo for `--json`."""
        return {
            "schema": 1,
            "folder": str(self.folder),
            "endpoint": self.endpoint,
            "app": self.app,
            "seconds": self.seconds,
            "steps": [step.as_dict() for step in self.steps],
            "answers": [dict(answer) for answer in self.answers],
            "stopped": self.stopped,
            "failure": self.failure,
            "survived": dict(self.survived),
        }

    def __str__(self) -> str:
        steps = table({"step": step.name, "seconds": f"{step.seconds:7.1f}", "done": step.done} for step in self.steps)
        survived = "{text!r} is {label} ({score})".format(**self.survived)
        return "\n".join(
            (
                str(table(self.answers)),
                "",
                "An import of a name that is not there, which check finds before the push:",
                self.stopped,
                "",
                "A commit that cannot start, which nobody can know before:",
                self.failure,
                f"The release before was restored, and answers: {survived}",
                "",
                str(steps),
                "",
                f"{self.seconds:.1f} s in all. The app and the executed notebooks: {self.folder}",
            )
        )


def demo(folder: str | Path | None = None, *, keep: bool = False, show: Callable[[Demo], None] | None = None) -> Demo:
    """Play the demo on a local Hub of its own, which needs no account and sends nothing off this machine.

    The app and the executed notebooks go into `folder`, which must be new or empty (`./spaceops-demo`, or the next
    free name). Progress goes to stderr. `show` gets the outcome; after that, `keep` serves until Ctrl-C.
    """
    from spaceops.localhub import LocalHub

    place = place_of(folder)
    with tempfile.TemporaryDirectory(prefix="spaceops-demo-") as data, LocalHub(data) as hub:
        done = Play(place, hub, Progress(sys.stderr)).play()
        if show:
            show(done)
        if keep:
            _serve(done, hub)
    return done


class Play:
    """The steps, in their order; each returns what it has done."""

    def __init__(self, folder: Path, hub: LocalHub, progress: Progress) -> None:
        self.folder, self.hub, self.progress = folder, hub, progress
        self.app = folder / "app"
        self.host = ""
        self.answers: list[Mapping[str, Any]] = []
        self.stopped = self.failure = ""
        self.survived: Mapping[str, Any] = {}
        self._key = secrets.token_hex(16)
        self._notebook: str | None = None  # that the step has run

    def play(self) -> Demo:
        """Take all steps."""
        start = time.monotonic()
        self.progress.say(f"A local Hub serves at {self.hub.url}. The demo's folder is {self.folder}")
        acts = (
            self.new,
            self.create,
            self.variables_and_secrets,
            self.hardware,
            self.push,
            self.monitor,
            self.ask,
            self.check,
            self.break_and_survive,
            self.releases,
        )
        steps = tuple(self._step(act, number, len(acts)) for number, act in enumerate(acts, 1))
        return Demo(
            folder=self.folder,
            endpoint=self.hub.url,
            app=self.host,
            steps=steps,
            answers=tuple(self.answers),
            stopped=self.stopped,
            failure=self.failure,
            survived=self.survived,
            seconds=round(time.monotonic() - start, 1),
        )

    def new(self) -> str:
        """Copy the app template."""
        new(self.app, repo_id=REPO_ID)
        return f"a FastAPI app with Dockerfile and space.toml in {self.app}"

    def create(self) -> str:
        """Create the Space."""
        return self._release("01_create")

    def variables_and_secrets(self) -> str:
        """Change a variable, and add a secret by reference."""
        self._edit("space.toml", 'LOG_LEVEL = "info"', 'LOG_LEVEL = "debug"')
        self._edit("space.toml", "[health]", '[secrets]\nDEMO_KEY = "env:SPACEOPS_DEMO_KEY"\n\n[health]')
        return self._release("02_variables_and_secrets")

    def hardware(self) -> str:
        """Ask for better hardware, which costs nothing here."""
        self._edit("space.toml", 'hardware = "cpu-basic"', 'hardware = "cpu-upgrade"')
        return self._release("03_hardware")

    def push(self) -> str:
        """Push the code, and follow it until the app answers."""
        return self._release("04_push")

    def monitor(self) -> str:
        """Look at stage and logs."""
        seen = self._run("05_monitor")
        self.host = seen["host"]
        return f"{seen['stage']} at {self.host}, " + ", ".join(
            f"{count} {kind} lines" for kind, count in seen["events"].items() if kind != "stage"
        )

    def ask(self) -> str:
        """Send sentences to the app."""
        self.answers = [analyze(self.host, sentence) for sentence in SENTENCES]
        return f"{len(self.answers)} sentences to {self.host}/analyze"

    def check(self) -> str:
        """Make a mistake that can be known before the push."""
        with self._broken("from models import a_name_that_is_not_there"):
            errors = check(self.app).errors
        if not errors:
            raise SpaceopsError("check found nothing wrong, which it should", hint="Please report this.")
        self.stopped = "\n".join(map(str, errors))
        return f"{', '.join(error.code for error in errors)}: nothing is pushed"

    def break_and_survive(self) -> str:
        """Push a commit that cannot start: it is rolled back, and the version before answers again."""
        with self._broken("open('/a/file/that/does/not/exist')"):
            try:
                self._run("04_push", copy="06_push_broken")
            except NotebookFailed as error:
                self.failure = error.message
            else:
                raise SpaceopsError("The broken commit came up, which it never should", hint="Please report this.")
        self.survived = analyze(self.host, SENTENCES[0])
        return "the deploy failed as it should, and the release before was restored and answers"

    def releases(self) -> str:
        """List what was released."""
        listed = self._run("06_releases")["releases"]
        return ", ".join(f"{release['number']} {release['outcome']}" for release in reversed(listed))

    def _step(self, act: Callable[[], str], number: int, count: int) -> Step:
        self._notebook, name, start = None, act.__name__, time.monotonic()
        self.progress.begin(f"[{number}/{count}] {name}")
        done = act()
        seconds = round(time.monotonic() - start, 1)
        self.progress.end(done, seconds)
        return Step(name, done, seconds, self._notebook)

    def _release(self, notebook: str) -> str:
        release = self._run(notebook)
        rows = [row for row in release["plan"]["changes"] if row["action"] not in ("none", "keep")]
        changes = ", ".join(f"{row['subject']} {row['text']}" for row in rows)
        return f"{release['outcome']}: {changes or 'no changes'}"

    def _run(self, notebook: str, copy: str | None = None) -> Any:
        output = self.folder / "notebooks" / f"{copy or notebook}.ipynb"
        self._notebook = str(output)
        return run_notebook(
            bundled("notebooks") / f"{notebook}.ipynb",
            {"space_file": str(self.app / "space.toml"), "endpoint": self.hub.url, "dry_run": False},
            output=output,
            env=self._environment(),
            watch=self.progress.cell,
        ).result

    @contextmanager
    def _broken(self, line: str) -> Iterator[None]:
        """The app with one more line, which breaks it; afterwards as it was."""
        main = self.app / "main.py"
        good = main.read_text("utf-8")
        self._edit("main.py", "import os\n", f"import os\n{line}\n")
        try:
            yield
        finally:
            main.write_text(good, "utf-8")

    def _environment(self) -> dict[str, str]:
        """For the kernels alone: whatever the user's settings for the real Hub are, they count for nothing here."""
        return {
            "HF_ENDPOINT": self.hub.url,
            "HF_TOKEN": self.hub.token,
            "HF_HUB_OFFLINE": "0",
            "SPACEOPS_DEMO_KEY": self._key,
        }

    def _edit(self, file: str, old: str, new: str) -> None:
        path = self.app / file
        text = path.read_text("utf-8")
        if old not in text:
            raise SpaceopsError(f"{path} has no {old}", hint="The demo and the app template do not fit together.")
        path.write_text(text.replace(old, new, 1), "utf-8")


class Progress:
    """Talk: on a terminal one live line with a bar of cells, elsewhere a line when a step is done."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._step = ""

    def say(self, text: str) -> None:
        """Write a line."""
        self._write(f"{text}\n")

    def begin(self, step: str) -> None:
        """Show that a step has begun."""
        self._step = step
        self._show("")

    def cell(self, event: Event) -> None:
        """Show which cell of a notebook runs: `[2/5] its title`."""
        place, _, title = event.text.partition("] ")
        number, _, count = place.strip("[").partition("/")
        full = BAR * (int(number) - 1) // int(count)
        self._show(f"|{'#' * full}{'.' * (BAR - full)}| {title}")

    def end(self, done: str, seconds: float) -> None:
        """Leave a line of what the step did."""
        self._show("")
        self._write(f"{'' if self._live else self._step}  {seconds:.1f} s  {done}\n")

    def _show(self, text: str) -> None:
        if self._live:
            line = f"{self._step} {text}".rstrip()
            self._write(f"\r\x1b[K{line[: shutil.get_terminal_size().columns - 1]}")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def analyze(host: str, text: str) -> dict[str, Any]:
    """What the app says of a text: the text, its label and score."""
    request = urllib.request.Request(  # noqa: S310  the address is our own Hub's
        f"{host}/analyze", json.dumps({"text": text}).encode(), {"Content-Type": "application/json"}
    )
    straight = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy is for the world outside
    with straight.open(request, timeout=ANSWER_SECONDS) as answer:
        said = json.load(answer)
    return {"text": text, "label": said["label"], "score": said["score"]}


def place_of(folder: str | Path | None) -> Path:
    """The folder for everything that stays: the given one, or the first free name here."""
    try:
        return _first_free() if folder is None else _made(expanded(folder))
    except OSError as error:
        where = folder or "the working directory"
        raise BadInput(f"{where} cannot be written: {error.strerror}", hint="spaceops demo -o DIR") from error


def _made(folder: Path) -> Path:
    place = folder.absolute()
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise BadInput(f"{place} exists and is not an empty folder", hint="Name one that does not exist yet.")
    place.mkdir(parents=True, exist_ok=True)
    return place


def _first_free() -> Path:
    number = 1
    while True:
        place = Path(FOLDER if number == 1 else f"{FOLDER}-{number}").absolute()
        with suppress(FileExistsError):
            place.mkdir()
            return place
        number += 1


def _serve(done: Demo, hub: LocalHub) -> None:
    """Say what to open, and wait for Ctrl-C."""
    say = Progress(sys.stderr).say
    with suppress(KeyboardInterrupt):  # it may come as soon as it is spoken of
        say(f"\nThe app      {done.app}\nIts API      {done.app}/docs\nThe Hub      {hub.url}")
        say(f"To use it    export HF_ENDPOINT={hub.url} HF_TOKEN={hub.token}\nCtrl-C stops it.")
        threading.Event().wait()
