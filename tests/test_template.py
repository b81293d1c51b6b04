"""`new` copies the app template, wherever spaceops is installed; and the template keeps the Hub's rules."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import spaceops
from spaceops.bundled import bundled
from spaceops.card import Card
from spaceops.errors import BadInput, SpaceopsError, SpecError
from spaceops.spec import Space
from spaceops.template import new

TEMPLATE = bundled("app_template")
CACHES = {"__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache", ".venv"}
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}  # what the Hub accepts


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and not CACHES & set(path.parts))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# new


def test_a_new_folder_is_the_template(tmp_path):
    folder = new(tmp_path / "deep" / "app")

    assert tmp_path / "deep" / "app" == folder
    assert contents(TEMPLATE) == contents(folder)
    assert ["app"] == names(folder.parent)


def test_the_template_is_complete():
    assert {".dockerignore", ".gitignore", "Dockerfile", "README.md", "requirements.txt", "space.toml"} <= set(
        names(TEMPLATE)
    )
    assert {"index.html", "app.js", "docs.html", "docs.js", "common.js", "style.css"} <= set(names(TEMPLATE / "static"))


def test_a_path_may_be_text_relative_to_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert tmp_path / "app" == new("app")


def test_an_empty_folder_is_filled_and_stays_the_same_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = tmp_path.stat().st_ino
    new(".")

    assert before == tmp_path.stat().st_ino
    assert contents(TEMPLATE) == contents(tmp_path)
    assert names(tmp_path) == sorted({name.partition("/")[0] for name in contents(TEMPLATE)})


@pytest.mark.parametrize("extras", [[], ["bucket"], ["dataset", "gpu"]])
def test_only_the_name_of_the_space_changes(tmp_path, extras):
    before = (new(tmp_path / "before", extras=extras) / "space.toml").read_text("utf-8")
    after = (new(tmp_path / "after", extras=extras, repo_id="acme/tone_1.2") / "space.toml").read_text("utf-8")

    assert before.replace("demo/sentiment", "acme/tone_1.2") == after
    assert "acme/tone_1.2" == Space.load(tmp_path / "after").repo_id


@pytest.mark.parametrize("repo_id", ["tone", "", "acme/", "a/b/c", 'acme/"x', "acme/-x"])
def test_a_repo_id_that_is_none_is_refused_and_nothing_is_made(tmp_path, repo_id):
    with pytest.raises(SpecError, match="repo_id"):
        new(tmp_path / "app", repo_id=repo_id)

    assert [] == names(tmp_path)


def test_a_folder_with_something_in_it_is_refused_and_kept(tmp_path):
    (tmp_path / ".hidden").write_text("mine")
    with pytest.raises(BadInput, match="not an empty folder"):
        new(tmp_path)

    assert [".hidden"] == names(tmp_path)


def test_a_file_is_refused_and_kept(tmp_path):
    (tmp_path / "app").write_text("mine")
    for path in (tmp_path / "app", tmp_path / "app" / "below"):
        with pytest.raises(BadInput):
            new(path)

    assert "mine" == (tmp_path / "app").read_text()


@pytest.mark.parametrize("existing", [True, False])
def test_a_copy_that_fails_midway_leaves_nothing(tmp_path, existing):
    """The process may write no file over 2,000 bytes, so that the copy breaks off as on a full disk."""
    folder = tmp_path / "app"
    if existing:
        folder.mkdir()
    program = """if True:
        import resource, sys
        from spaceops.errors import BadInput
        from spaceops.template import new
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
        try:
            new(sys.argv[1])
        except BadInput as error:
            print(error)
    """
    output = run("-c", program, str(folder))

    assert f"{folder} cannot be written: " in output
    assert "File too large" in output
    assert (["app"] if existing else []) == names(tmp_path)
    assert not existing or [] == names(folder)


# where the template lies


@pytest.mark.parametrize("place", ["app_template", "spaceops/_bundled/app_template"])
def test_the_template_is_found_in_a_checkout_and_in_an_installation_without_caches(tmp_path, place):
    source = Path(spaceops.__file__).parent
    (tmp_path / "spaceops" / "overlays").mkdir(parents=True)
    needed = (
        "errors",
        "secret",
        "fields",
        "structs",
        "environments",
        "ignorerules",
        "spec",
        "bundled",
        "tasks",
        "template",
    )
    for module in ("__init__", *needed):
        shutil.copy(source / f"{module}.py", tmp_path / "spaceops")
    for name in ("space.toml", "__pycache__/x.pyc", "tests/__pycache__/x.pyc", ".pytest_cache/x", ".venv/bin/python"):
        (tmp_path / place / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place / name).write_text("")
    (tmp_path / place / "tests/test_x.py").write_text("")
    run("-c", "from spaceops.template import new; new('out')", cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})

    assert ["space.toml", "tests/test_x.py"] == sorted(
        path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()
    )


def test_the_notebooks_are_found():
    assert bundled("notebooks").is_dir()


def test_a_folder_that_was_not_bundled_is_an_error_with_a_hint():
    with pytest.raises(SpaceopsError, match="nothing is missing") as raised:
        bundled("nothing")

    assert raised.value.hint


# what the template holds


def test_a_copy_passes_its_own_tests(tmp_path):
    """Outside this repository, with nothing of it on the path: as its new owner would run them."""
    folder = new(tmp_path / "app")

    output = run("-m", "pytest", "-q", "-W", "error", "tests/test_app.py", "tests/test_models.py", cwd=folder)

    assert " passed" in output.splitlines()[-1]


def test_the_app_does_not_know_spaceops():
    modules = set()
    for file in TEMPLATE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add((node.module or "").partition(".")[0])

    assert "fastapi" in modules
    assert "spaceops" not in modules | set((TEMPLATE / "requirements.txt").read_text().split("=="))


def test_the_card_keeps_the_rules_of_the_hub():
    card = Card.read((TEMPLATE / "README.md").read_text("utf-8"))

    assert ("Sentiment", "docker", 7860) == (card.title, card.sdk, card.app_port)
    assert {card.fields["colorFrom"], card.fields["colorTo"]} <= COLOURS
    assert len(card.fields["short_description"]) <= 60
    assert re.fullmatch(r"[\U0001F300-\U0001FAFF]", card.fields["emoji"])


def test_the_dockerfile_listens_where_the_card_says_as_user_1000():
    text = (TEMPLATE / "Dockerfile").read_text("utf-8")

    assert 'CMD ["uvicorn", "main:app", "--host", "0.0.0.0", "--port", "7860", ' in text
    assert text.index("useradd -m -u 1000 user") < text.index("USER user") < text.index("COPY --chown=user . .")


def test_the_space_is_ready_when_the_model_is():
    space = Space.load(TEMPLATE)

    assert ("demo/sentiment", "/ready", TEMPLATE.resolve()) == (space.repo_id, space.health.path, space.root)
    assert {"LOG_LEVEL"} == set(space.variables)
    assert {} == space.secrets


def test_requirements_are_the_versions_that_are_tested_here():
    constraints = TEMPLATE.parent / "constraints.txt"
    if not constraints.is_file():
        pytest.skip("no checkout")
    wanted = pins_of(TEMPLATE / "requirements.txt")

    assert {"fastapi", "uvicorn"} <= {pin.partition("==")[0] for pin in wanted}
    assert wanted <= pins_of(constraints)


def pins_of(file: Path) -> set[str]:
    return set(re.findall(r"^[\w-]+==[\w.]+", file.read_text().lower().replace("_", "-"), re.MULTILINE))


def run(*arguments: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run Python and return what it printed; a failure shows that, too."""
    environ = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | (env or {})
    done = subprocess.run([sys.executable, *arguments], cwd=cwd, env=environ, text=True, capture_output=True)
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout
