"""The documentation is current, and what it says is run."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from spaceops.cli import cli
from spaceops.errors import BadInput
from spaceops.explanations import codes, explain
from spaceops.reference import render
from spaceops.spec import Space

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("section", ["space", "errors", "checks", "symptoms", "commands", "coverage"])
def test_the_rendered_reference_is_current(section):
    written = (ROOT / "docs" / f"{section}.md").read_text(encoding="utf-8")

    assert render(section, cli).rstrip() == written.rstrip(), f"spaceops docs {section} > docs/{section}.md"


def test_every_code_can_be_explained():
    for code, said in codes().items():
        assert said
        assert explain(code)
    with pytest.raises(BadInput, match="nope"):
        explain("nope")


def test_every_target_that_the_readme_names_is_in_the_makefile():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert set(re.findall(r"`make (\w+)`", (ROOT / "README.md").read_text())) <= targets
    assert {"demo", "test", "check", "bench", "lab", "help"} <= targets


def test_constraints_are_names_and_versions_only():
    lines = (ROOT / "constraints.txt").read_text().splitlines()

    assert all(re.match(r"[\w.-]+==[\w.]+( ;.*)?$", line) for line in lines)


def blocks(language: str) -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_the_readmes_program_runs_as_it_stands(tmp_path):
    (program,) = blocks("python")

    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stderr
    assert "demo/my-app is new" in done.stdout
    assert "demo/my-app running at" in done.stdout


def test_the_readmes_space_toml_is_a_valid_one():
    (text,) = blocks("toml")

    assert "acme/sentiment" == Space.parse(tomllib.loads(text)).repo_id


def test_every_command_that_the_documents_name_exists():
    text = "".join(
        (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
    )
    named = set(re.findall(r"(?:^|`|\$ |; do )spaceops ([a-z]+)", text, re.MULTILINE))

    assert named
    assert named <= set(cli.commands)


def test_the_readme_links_to_what_is_there():
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))

    assert links
    assert all((ROOT / link).exists() for link in links)
