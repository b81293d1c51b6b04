"""Every task with every set of extras: whole files of the overlays, which keep the Hub's rules, and no leftovers."""

from __future__ import annotations

import ast
import itertools
import re
import sys
from collections.abc import Callable, Iterable
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from spaceops.card import Card
from spaceops.errors import BadInput
from spaceops.preflight import check
from spaceops.spec import Space
from spaceops.tasks import EXTRAS, TASKS
from spaceops.template import OVERLAYS, new

STATE = [(), ("bucket",), ("dataset",)]
EXTRA_SETS = [(*gpu, *nginx, *state) for gpu in [(), ("gpu",)] for nginx in [(), ("nginx",)] for state in STATE]
DISTRIBUTIONS = packages_distributions()
# python NAME.py, uvicorn NAME:app, uvicorn --http NAME:LimitedProtocol, python -m NAME
STARTED = re.compile(r'([\w.]+)(?:\.py|:app|:LimitedProtocol)\b|"-m", "([\w.]+)"')
KILLED, COMMIT = 30, 8  # seconds after SIGTERM at which the Hub ends a container; for the dataset's last commit
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}  # what the Hub accepts


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """Each variant's folder, written once."""
    root = tmp_path_factory.mktemp("rendered")
    return {
        (task, extras): new(root / "-".join([task, *extras]), task=task, extras=extras)
        for task in TASKS
        for extras in EXTRA_SETS
    }


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


VARIANT = pytest.mark.parametrize(
    ("task", "extras"),
    list(itertools.product(TASKS, EXTRA_SETS)),
    ids=lambda words: words if isinstance(words, str) else "+".join(words),
)


@VARIANT
def test_it_passes_check_without_a_finding(rendered, task, extras):
    assert [] == [str(finding) for finding in check(Space.load(rendered[task, extras])).findings]


@VARIANT
def test_every_file_is_one_whole_file_of_the_template(rendered, task, extras):
    sources = {
        path.read_bytes()
        for root in (OVERLAYS, OVERLAYS.parents[1] / "app_template")
        for path in root.rglob("*")
        if path.is_file()
    }

    assert [] == [
        name
        for name, content in files(rendered[task, extras]).items()
        if name != "space.toml" and content not in sources
    ]


@VARIANT
def test_every_module_that_is_imported_is_there(rendered, task, extras):
    folder = rendered[task, extras]
    there = modules(folder).keys()
    ours = set().union(*map(modules, [OVERLAYS.parents[1] / "app_template", *OVERLAYS.iterdir()]))

    assert [] == [
        (file.name, name) for file in folder.rglob("*.py") for name in imported(file.read_bytes()) & ours - there
    ]


@VARIANT
def test_every_module_is_used_by_another_that_is_no_test(rendered, task, extras):
    folder = rendered[task, extras]
    app = {name: file for name, file in modules(folder).items() if "tests" not in file.parts}
    used = {name for file in app.values() for name in imported(file.read_bytes()) - {dotted(file, folder)}}
    texts = [path.read_text("utf-8") for path in (folder / "Dockerfile", *app.values())]
    started = {name for text in texts for names in STARTED.findall(text) for name in names}

    assert set() == app.keys() - used - started


@VARIANT
def test_every_script_and_every_style_is_named_by_another_file(rendered, task, extras):
    folder = rendered[task, extras]
    pages = [*folder.glob("static/*.js"), *folder.glob("static/*.css")]
    texts = {path: path.read_text("utf-8") for path in folder.rglob("*.*") if "tests" not in path.parts}

    assert [] == [
        page.name for page in pages if not any(page.name in text for path, text in texts.items() if path != page)
    ]


def modules(folder: Path) -> dict[str, Path]:
    """The modules of an app by their dotted names."""
    return {dotted(file, folder): file for file in folder.rglob("*.py") if file.name != "__init__.py"}


def dotted(file: Path, folder: Path) -> str:
    return ".".join(file.relative_to(folder).with_suffix("").parts)


@cache  # the variants share most of their files
def imported(source: bytes) -> set[str]:
    """The dotted names of all that a module of this text imports, wherever it does."""
    return names_in(ast.walk(ast.parse(source)))


@VARIANT
def test_what_is_imported_at_the_start_is_pinned(rendered, task, extras):
    """What is imported within functions may come with a model: requirements-torch.txt and the like have that."""
    folder = rendered[task, extras]
    lines = (folder / "requirements.txt").read_text("utf-8").splitlines()
    pinned = {canonicalize_name(line.partition("==")[0]) for line in lines if "==" in line}
    needed = {
        canonicalize_name(DISTRIBUTIONS[name][0])
        for file in started(folder)
        for name in (dotted.partition(".")[0] for dotted in imported_first(file.read_bytes()))
        if name not in sys.stdlib_module_names and not any(folder.glob(name)) and not (folder / f"{name}.py").is_file()
    }

    assert set() == needed - pinned


def started(folder: Path) -> set[Path]:
    """The files of the app that its start reads."""
    found: set[Path] = set()
    waiting = {folder / "main.py", *folder.glob("supervise.py"), *folder.glob("ops.py")}
    while waiting:
        found |= waiting
        names = {name.replace(".", "/") for file in waiting for name in imported_first(file.read_bytes())}
        waiting = {file for name in names if (file := folder / f"{name}.py").is_file()} - found
    return found


@cache  # the variants share most of their files
def imported_first(source: bytes) -> set[str]:
    """The dotted names of all modules that a module of this text imports when it is itself imported."""
    return names_in(ast.parse(source).body)


def names_in(nodes: Iterable[ast.AST]) -> set[str]:
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {f"{node.module}"}
    return found - {"__future__"}


@VARIANT
def test_it_says_nothing_of_its_maker_outside_of_space_toml(rendered, task, extras):
    assert [] == [
        name
        for name, content in files(rendered[task, extras]).items()
        if name != "space.toml" and b"spaceops" in content
    ]


@pytest.mark.parametrize("task", [task for task in TASKS if "jobs" in TASKS[task].shares])
def test_a_stop_leaves_time_for_the_last_commit(rendered, task):
    """However long somebody waits for a job: first the requests end, then the job, then what is new is committed."""
    folder = rendered[task, ("nginx", "dataset")]
    jobs, nginx = number(folder, "serving/jobs.py"), number(folder, "nginx.conf")
    requests, job, recording = jobs(r"LONGEST_WAIT = (\d+)"), jobs(r"DRAIN = (\d+)"), jobs(r"_worker.join\((\d+)\)")
    killed = number(folder, "supervise.py")(r"GRACE = [\d.]+, ([\d.]+)")

    assert requests < nginx(r"worker_shutdown_timeout (\d+)s")
    assert requests + job + recording + COMMIT <= killed < KILLED


def number(folder: Path, name: str) -> Callable[[str], float]:
    """What reads a number in a file where a pattern finds it."""
    text = (folder / name).read_text("utf-8")
    return lambda pattern: float(re.search(pattern, text)[1])


@pytest.mark.parametrize("task", TASKS)
def test_the_card_keeps_the_rules_of_the_hub(rendered, task):
    card = Card.read((rendered[task, ()] / "README.md").read_text("utf-8"))

    assert ("docker", 7860) == (card.sdk, card.app_port)
    assert {card.fields["colorFrom"], card.fields["colorTo"]} <= COLOURS
    assert len(card.fields["short_description"]) <= 60
    assert re.fullmatch(r"[\U0001F300-\U0001FAFF]", card.fields["emoji"])


def test_the_tasks_differ_in_name(rendered):
    assert len(TASKS) == len({Card.read((rendered[task, ()] / "README.md").read_text("utf-8")).title for task in TASKS})


def test_the_extras_show_in_space_toml(rendered):
    gpu = Space.load(rendered["chat", ("gpu", "nginx", "bucket")])
    dataset = Space.load(rendered["csv", ("dataset",)])

    assert ("demo/chat", "t4-small", "/data") == (gpu.repo_id, gpu.hardware, gpu.volumes[0].mount)
    assert "hf://buckets/demo/chat-data" == gpu.volumes[0].source
    assert ("demo/csv-data", "env:HF_TOKEN") == (dataset.variables["DATASET_ID"], dataset.secrets["HF_TOKEN"])


def test_every_overlay_belongs_to_a_task_or_an_extra():
    known = {*TASKS, *EXTRAS, *(name for task in TASKS.values() for name in task.shares)}

    assert [] == [folder.name for folder in OVERLAYS.iterdir() if not set(folder.name.split("+")) <= known]


@pytest.mark.parametrize(
    ("wanted", "message", "hint"),
    [
        ({"task": "sumarize"}, "There is no task 'sumarize'", "Did you mean summarize?"),
        ({"task": ""}, "There is no task ''", "There are sentiment, summarize, image, chat, csv, ensemble."),
        ({"extras": ["ngnix"]}, "There is no extra 'ngnix'", "Did you mean nginx?"),
        ({"extras": ["bucket", "dataset"]}, "The extras bucket and dataset exclude each other", "Name one of them"),
    ],
)
def test_what_there_is_not_is_refused_and_nothing_is_made(tmp_path, wanted, message, hint):
    with pytest.raises(BadInput) as raised:
        new(tmp_path / "app", **wanted)

    assert message == raised.value.message
    assert raised.value.hint.startswith(hint)
    assert [] == list(tmp_path.iterdir())
