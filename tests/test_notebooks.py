"""Notebooks as programs: strict parameters, a result, redacted copies, failures explained; and the six of ours."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import nbformat
import papermill
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from spaceops import Hub, LocalHub, run_notebook, status
from spaceops.bundled import bundled
from spaceops.errors import BadInput, NotebookFailed, NotFound
from spaceops.notebooks import Parameter, convert, declared, last_result, read_parameters, table

NOTEBOOKS = sorted(bundled("notebooks").glob("*.ipynb"))
HUB_TOKEN = "hf_" + "abcdefghij" * 3
PARAMETERS = """\
name: str = "you"  # whom
count: int = 1  # how often
share: float = 0.5
wanted: bool = False
words: list[str] = []
limit: int | None = None
where = "here"  # of no written type
anything = None
"""


def write(path: Path, *cells: str, parameters: str = "") -> Path:
    """A notebook of code cells."""
    first = [new_code_cell(parameters, metadata={"tags": ["parameters"]})] if parameters else []
    notebook = new_notebook(cells=[new_markdown_cell("# A notebook"), *first, *map(new_code_cell, cells)])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
    return path


def read(path: str | Path) -> nbformat.NotebookNode:
    return nbformat.read(Path(path), as_version=4)


def outputs(path: str | Path) -> dict[str, list[nbformat.NotebookNode]]:
    """The outputs of an executed notebook's code cells, by the cells' ids."""
    return {cell.id: cell.outputs for cell in read(path).cells if cell.cell_type == "code"}


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


# a notebook that runs


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory):
    """One run, of which the tests below look at one thing each; its events, and the environment that it left."""
    folder = tmp_path_factory.mktemp("a {strange} folder")
    source = write(
        folder / "good.ipynb",
        "import os, sys\nfrom spaceops.notebooks import result",
        "sys.stdout.write(os.environ['SERVICE_PASSWORD'][:7])\nsys.stdout.flush()\n"
        "sys.stdout.write(os.environ['SERVICE_PASSWORD'][7:])",
        f"# papermill_description=summing_up\nresult({{'seen': [name, count, share, wanted, words, limit], "
        f"'token': {HUB_TOKEN[:9]!r} + {HUB_TOKEN[9:]!r}}})",
        parameters=PARAMETERS,
    )
    given = {"name": "1", "count": "7", "share": "2", "wanted": "true", "words": '["a", "b"]', "limit": 3}
    events: list[str] = []

    async def inside_a_running_loop():
        env = {"SERVICE_PASSWORD": "correct horse battery"}
        return run_notebook(source, given, output=folder / "out.ipynb", env=env, watch=lambda e: events.append(e.text))

    return asyncio.run(inside_a_running_loop()), events


def test_text_becomes_what_the_parameters_cell_says(good):
    assert ["1", 7, 2.0, True, ["a", "b"], 3] == good[0].result["seen"]


def test_the_run_names_its_copy_and_shows_itself(good):
    run, _ = good

    assert run.path == run.path.parent / "out.ipynb"
    assert {"schema", "path", "seconds", "result"} == set(run.as_dict())
    assert str(run).startswith(f"{run.path}  ")
    assert run.result == last_result(read(run.path))


def test_every_cell_that_does_something_is_announced(good):
    _, events = good

    assert ["[1/3] import os, sys", "[2/3]", "[3/3] summing_up"] == [events[0], events[1][:5], events[2]]


def test_the_environment_is_the_kernels_alone(good):
    assert "SERVICE_PASSWORD" not in os.environ


def test_no_secret_is_in_the_copy(good):
    run, _ = good
    text = run.path.read_text()

    assert "correct horse" not in text
    assert "horse battery" not in text
    assert HUB_TOKEN not in text
    assert "[REDACTED:SERVICE_PASSWORD]" in text
    assert "[REDACTED:HF_TOKEN]" == run.result["token"]


# notebooks that do not come to their end


def test_a_cell_that_raises_is_shown_with_its_number_and_its_lines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    secret = f"'{HUB_TOKEN[:9]}' + '{HUB_TOKEN[9:]}'"
    source = write(tmp_path / "bad.ipynb", "x = 1", f"raise ValueError({secret})", "print('never')")

    with pytest.raises(NotebookFailed) as caught:
        run_notebook(source)

    error, copy = caught.value, read(caught.value.output)
    assert (1, 2) == (error.exit_code, error.cell)
    assert error.message.startswith("bad.ipynb: cell 2 raised ValueError\n")
    assert error.message.endswith("ValueError: [REDACTED:HF_TOKEN]")
    assert HUB_TOKEN not in Path(error.output).read_text()
    assert Path(error.output).is_relative_to(tmp_path / "runs")
    assert ["completed", "failed", "pending"] == [
        cell.metadata.papermill.status for cell in copy.cells if cell.cell_type == "code"
    ]


def test_an_error_of_ours_is_its_few_lines(tmp_path):
    source = write(tmp_path / "ours.ipynb", "from spaceops import Space", "Space.load('/no/such/folder')")

    with pytest.raises(NotebookFailed) as caught:
        run_notebook(source, output=tmp_path / "out.ipynb")

    assert caught.value.message == dedent(
        """\
        ours.ipynb: cell 2 raised BadInput
          No space.toml at /no/such/folder
          hint: spaceops new /no/such/folder writes an app with one.
          more: spaceops explain bad-input"""
    )
    assert str(tmp_path / "out.ipynb") in (caught.value.hint or "")


def test_a_dead_kernel_has_an_exit_code_of_its_own(tmp_path):
    source = write(tmp_path / "dead.ipynb", "import os", "os._exit(9)")

    with pytest.raises(NotebookFailed, match="the kernel died") as caught:
        run_notebook(source, output=tmp_path / "out.ipynb")

    assert 138 == caught.value.exit_code
    assert ["completed", "failed"] == [cell.metadata.papermill.status for cell in read(caught.value.output).cells[1:]]


def test_interrupted_it_saves_what_there_is_and_leaves_no_kernel(tmp_path):
    source = write(
        tmp_path / "long.ipynb",
        "import os, pathlib, time\nprint(os.getpid(), flush=True)\n"
        "pathlib.Path('pid.part').write_text(str(os.getpid()))",
        "pathlib.Path('pid.part').rename('pid')\ntime.sleep(600)",
    )
    code = f"from spaceops import run_notebook; run_notebook({str(source)!r}, output='out.ipynb', watch=print)"
    with subprocess.Popen(
        [sys.executable, "-u", "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert "[1/2]" in running.stdout.readline()
        assert "[2/2]" in running.stdout.readline()
        wait_for((tmp_path / "pid").exists)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)

    kernel = int(outputs(tmp_path / "out.ipynb")[read(tmp_path / "out.ipynb").cells[1].id][0].text)
    assert "KeyboardInterrupt" in said
    assert ["completed", "failed"] == [
        cell.metadata.papermill.status for cell in read(tmp_path / "out.ipynb").cells[1:]
    ]
    with pytest.raises(ProcessLookupError):
        os.kill(kernel, 0)


# parameters


@pytest.fixture
def known(tmp_path: Path) -> dict[str, Parameter]:
    return declared(read(write(tmp_path / "some.ipynb", "pass", parameters=PARAMETERS)))


def test_parameters_are_read_with_their_types(known):
    assert {
        "name": str,
        "count": int,
        "share": float,
        "wanted": bool,
        "words": list[str],
        "limit": int | None,
        "where": str,
    } == {name: parameter.kind for name, parameter in known.items() if name != "anything"}


@pytest.mark.parametrize("value", ["text", 5, None, [1]])
def test_a_parameter_of_no_known_type_takes_anything(known, value):
    assert {"anything": value} == convert(known, {"anything": value})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"cuont": 1}, "no parameter 'cuont'\nhint: Did you mean count?"),
        ({"zzz": 1}, "hint: It has name, count"),
        ({"count": "many"}, "count got 'many', wants int"),
        ({"count": 1.5}, "count got 1.5, wants int"),
        ({"wanted": "perhaps"}, "wanted got 'perhaps', wants bool"),
        ({"name": 5}, "name got 5, wants str"),
        ({"words": "[1]"}, "words got '[1]', wants list[str]"),
        ({"limit": "x"}, "limit got 'x', wants int | None"),
    ],
)
def test_what_does_not_fit_is_refused_and_explained(known, given, said):
    with pytest.raises(BadInput) as caught:
        convert(known, given)

    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["token", "api_key", "HF_TOKEN", "db_password", "client_secret", "KEY"])
def test_a_secret_is_taken_as_a_reference_only(name):
    known = {name: Parameter(name, str, "str")}

    with pytest.raises(BadInput, match="looks like a secret") as caught:
        convert(known, {name: "s3cr3t-value"})

    assert "s3cr3t-value" not in str(caught.value)
    assert {name: "env:NAME"} == convert(known, {name: "env:NAME"})


@pytest.mark.parametrize("name", ["monkey", "tokenizer", "keyboard", "passenger"])
def test_a_name_that_only_sounds_like_a_secret_is_none(name):
    assert {name: "value"} == convert({name: Parameter(name, str, "str")}, {name: "value"})


def test_nothing_runs_and_nothing_is_written_for_a_wrong_parameter(tmp_path):
    source = write(tmp_path / "some.ipynb", "open('ran', 'w')", parameters=PARAMETERS)

    with pytest.raises(BadInput):
        run_notebook(source, {"count": "many"}, output=tmp_path / "out" / "out.ipynb")

    assert [source] == list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "text"), [("p.yaml", "a: 1\nb: [x]\n"), ("p.json", '{"a": 1, "b": ["x"]}')])
def test_parameters_come_from_files(tmp_path, name, text):
    (tmp_path / name).write_text(text)

    assert {"a": 1, "b": ["x"]} == read_parameters(tmp_path / name)


@pytest.mark.parametrize("text", ["- a\n- b\n", "1: a\n", "{", "\tx"])
def test_a_file_of_anything_else_is_refused(tmp_path, text):
    (tmp_path / "p.yaml").write_text(text)

    with pytest.raises(BadInput, match=r"p\.yaml"):
        read_parameters(tmp_path / "p.yaml")


# files that are no notebooks


@pytest.mark.parametrize("text", [None, "no JSON", "{}", '{"cells": 1, "nbformat": 4, "metadata": {}}'])
def test_what_is_no_notebook_is_refused(tmp_path, text):
    if text is not None:
        (tmp_path / "x.ipynb").write_text(text)

    with pytest.raises(BadInput, match=r"x\.ipynb"):
        run_notebook(tmp_path / "x.ipynb")


def test_the_notebook_itself_is_never_written(tmp_path):
    source = write(tmp_path / "some.ipynb", "pass")
    before = source.read_bytes()

    with pytest.raises(BadInput, match="the notebook itself"):
        run_notebook(source, output=source)

    assert before == source.read_bytes()


def test_an_unknown_kernel_is_named(tmp_path):
    source = write(tmp_path / "some.ipynb", "pass")
    notebook = read(source)
    notebook.metadata.kernelspec.name = "cobol"
    nbformat.write(notebook, source)

    with pytest.raises(BadInput, match="no kernel 'cobol'"):
        run_notebook(source, output=tmp_path / "out.ipynb")


def test_without_the_extra_the_error_says_what_to_install():
    code = (
        "import sys; sys.modules['nbformat'] = None\n"
        "from spaceops import SpaceopsError, run_notebook\n"
        "try:\n    run_notebook('x.ipynb')\nexcept SpaceopsError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "pip install 'spaceops[notebook]'" in done.stdout


def test_a_table_is_text_and_html():
    shown = table([{"name": "<a>", "price": 1.5}, {"name": "bcd", "price": None}])

    assert "NAME  PRICE\n<a>   1.5\nbcd" == str(shown)
    assert "&lt;a&gt;" in shown._repr_mimebundle_()["text/html"]
    assert "" == str(table([]))


# our notebooks


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_keeps_the_conventions(path):
    notebook = read(path)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    parameters = papermill.inspect_notebook(path)

    assert (4, 5, "python3") == (notebook.nbformat, notebook.nbformat_minor, notebook.metadata.kernelspec.name)
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert notebook.cells[0].source.startswith("# ")
    assert "**Changes:**" in notebook.cells[0].source
    assert [notebook.cells[1]] == [cell for cell in code if "parameters" in cell.metadata.get("tags", [])]
    assert all(each["help"] and each["inferred_type_name"] != "None" for each in parameters.values())
    assert {"space_file", "endpoint", "repo_id"} <= set(parameters)
    assert path.stem == "00_quickstart" or "True" == parameters["dry_run"]["default"]
    assert not any(word in cell.source for cell in code for word in ("def ", "for ", "while ", "try:", "lambda"))
    assert code[-1].source.startswith("notebooks.result(")


def test_they_are_these():
    setting_up = ["00_quickstart", "01_create", "02_variables_and_secrets", "03_hardware"]
    expected = [*setting_up, "04_push", "05_monitor", "06_releases", "07_check_and_diagnose"]

    assert expected == [path.stem for path in NOTEBOOKS]


def test_plain_papermill_takes_a_space_from_nothing_to_running(tmp_path, monkeypatch):
    """As by hand: `papermill notebooks/NAME.ipynb OUT -p endpoint URL -p dry_run False`, one after the other."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "Dockerfile").write_text(
        "FROM python:3.11-slim\nWORKDIR /app\nCMD python -m http.server 7860\n"
    )
    (tmp_path / "app" / "README.md").write_text("---\ntitle: Small\nsdk: docker\n---\n")
    (tmp_path / "app" / "space.toml").write_text(
        'repo_id = "demo/by-hand"\n[variables]\nGREETING = "hello"\n[secrets]\nPIN = "env:PIN"\n'
    )
    monkeypatch.chdir(tmp_path)
    with LocalHub() as server:
        monkeypatch.setenv("HF_TOKEN", server.token)
        monkeypatch.setenv("PIN", "not-1234-but-longer")
        hub = Hub(server.url)
        given = {"space_file": str(tmp_path / "app"), "endpoint": server.url, "hardware": "cpu-upgrade"}
        found = {"planned": run_notebook(NOTEBOOKS[1], {k: given[k] for k in ("space_file", "endpoint")}).result}
        with pytest.raises(NotFound):
            status("demo/by-hand", hub)
        for path in NOTEBOOKS[1:]:
            parameters = {name: given[name] for name in papermill.inspect_notebook(path) if name in given}
            ran = papermill.execute_notebook(
                path, tmp_path / path.name, {**parameters, "dry_run": False}, progress_bar=False
            )
            found[path.stem] = last_result(ran)
        observed = hub.observe("demo/by-hand")

    assert ["planned", "applied", "unchanged", "applied", "running"] == [
        each["outcome"] for each in list(found.values())[:5]
    ]
    assert [3, 2, 1] == [release["number"] for release in found["06_releases"]["releases"]]
    assert ("RUNNING", observed.sha) == (found["05_monitor"]["stage"], found["05_monitor"]["sha"])
    assert ({"GREETING": "hello"}, ["PIN"]) == (observed.variables, list(observed.secrets))
    assert "cpu-upgrade" == observed.runtime.requested_hardware
    assert not [path.name for path in tmp_path.rglob("*.ipynb") if "not-1234" in path.read_text()]
    shown = outputs(tmp_path / "04_push.ipynb")["push"]
    assert {"text/plain", "text/html"} <= set(shown[0].data)
    assert "> " in shown[0].data["text/plain"], "one display, updated from stage to stage"
    assert "RUNNING" in shown[0].data["text/plain"]
    buttons, view = outputs(tmp_path / "05_monitor.ipynb")["controls"]
    assert buttons.data["text/plain"].startswith("[Follow] [Pause] [Restart]")
    assert "RUNNING" in view.data["text/html"]


def test_the_quickstart_needs_nothing_but_the_hub_in_its_own_kernel(tmp_path):
    env = {"SPACEOPS_DATA": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "0"}

    run = run_notebook(
        NOTEBOOKS[0],
        {"space_file": str(bundled("app_template") / "space.toml"), "text": "What a wonderful day!"},
        output=tmp_path / "out.ipynb",
        env=env,
    )

    assert "running" == run.result["outcome"]
    assert "POSITIVE" == run.result["answer"]["label"]
    assert not (tmp_path / "hub" / "address.json").exists(), "the Hub ended with the kernel"


def test_papermill_itself_can_use_the_engine_that_redacts(tmp_path):
    source = write(tmp_path / "in.ipynb", f"print({HUB_TOKEN[:9]!r} + {HUB_TOKEN[9:]!r})")

    command = [sys.executable, "-m", "papermill", "--engine", "spaceops", str(source), str(tmp_path / "out.ipynb")]
    subprocess.run(command, check=True, capture_output=True)

    assert "[REDACTED:HF_TOKEN]" in (tmp_path / "out.ipynb").read_text()
    assert HUB_TOKEN not in (tmp_path / "out.ipynb").read_text()
