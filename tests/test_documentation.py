"""The documentation is current, and what it says is run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spaceops.errors import BadInput
from spaceops.reference import error_codes, explain, render

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("section", ["space", "errors", "commands"])
def test_the_rendered_reference_is_current(section):
    written = (ROOT / "docs" / f"{section}.md").read_text(encoding="utf-8")

    assert render(section).rstrip() == written.rstrip(), f"spaceops docs {section} > docs/{section}.md"


def test_every_code_can_be_explained():
    for code in error_codes():
        assert explain(code)["meaning"]
    with pytest.raises(BadInput, match="nope"):
        explain("nope")


def test_every_target_that_the_readme_names_is_in_the_makefile():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert set(re.findall(r"`make (\w+)`", (ROOT / "README.md").read_text())) <= targets
    assert {"demo", "test", "check", "bench", "lab", "help"} <= targets


def test_constraints_are_names_and_versions_only():
    lines = (ROOT / "constraints.txt").read_text().splitlines()

    assert all(re.match(r"[\w.-]+==[\w.]+( ;.*)?$", line) for line in lines)
