"""`check`: which folder is looked at, which rules speak, and what the report holds."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaceops import Space, check
from spaceops.errors import BadInput, SpecError
from spaceops.rules import all_rules
from spaceops.rules.examples import GOOD, write

EXAMPLES = int(os.environ.get("SPACEOPS_EXAMPLES", "20"))
NO_CARD = {"README.md": "# Hello\n"}


def codes(report) -> list[str]:
    return [finding.code for finding in report]


def test_a_folder_its_space_toml_and_a_space_are_the_same(tmp_path):
    folder = write(tmp_path, NO_CARD)

    found = [codes(check(what)) for what in (folder, str(folder), folder / "space.toml", Space.load(folder))]

    assert [["front-matter-missing"]] * 4 == found


def test_a_folder_without_space_toml_is_itself_even_below_one_that_has_one(tmp_path, monkeypatch):
    write(tmp_path, {})
    bare = write(tmp_path / "bare", {**NO_CARD, "space.toml": None})
    monkeypatch.chdir(tmp_path)

    assert ["front-matter-missing"] == codes(check("bare"))
    assert str(bare) == check("bare").subject


def test_the_source_of_a_space_is_what_is_checked(tmp_path):
    write(tmp_path / "app", {"space.toml": None})
    (tmp_path / "space.toml").write_text('repo_id = "acme/hello"\nsource = "app"\n')

    assert () == check(tmp_path).findings


def test_what_is_not_pushed_is_not_checked(tmp_path):
    folder = write(tmp_path, {"notes/README.md": "\ufeff", ".gitignore": "notes/\n"})

    assert () == check(folder).findings


def test_a_wrong_space_toml_is_an_error_of_its_own(tmp_path):
    folder = write(tmp_path, {"space.toml": "repo_id = 3\n"})

    with pytest.raises(SpecError):
        check(folder)


def test_a_folder_that_does_not_exist_is_said(tmp_path):
    with pytest.raises(BadInput):
        check(tmp_path / "nowhere")


def test_environments_have_exceptions_of_their_own(tmp_path):
    spec = (
        GOOD["space.toml"] + '[env.test]\nrepo_id = "acme/test"\n[env.test.ignore]\nfront-matter-missing = "a test"\n'
    )
    folder = write(tmp_path, {**NO_CARD, "space.toml": spec})

    assert ["front-matter-missing"] == codes(check(folder))
    assert [] == codes(check(folder, env="test"))
    assert "a test" == check(folder, env="test").ignored[0][1]


def test_every_rule_has_a_code_of_its_own_and_belongs_to_a_subject():
    rules = all_rules()

    assert all(code == rule.code == rule.body.__name__.replace("_", "-") for code, rule in rules.items())
    assert len(rules) > 100


NAMES = st.sampled_from(
    [
        "README.md",
        "Dockerfile",
        ".dockerignore",
        "requirements.txt",
        "main.py",
        "start.sh",
        "nginx.conf",
        "package.json",
    ]
)


@settings(max_examples=EXAMPLES)
@given(st.dictionaries(NAMES, st.binary(max_size=400), max_size=3))
def test_no_file_makes_a_rule_stumble(tmp_path_factory, files):
    folder = write(tmp_path_factory.mktemp("random"), files)

    assert () == check(folder).notes


@settings(max_examples=EXAMPLES)
@given(st.data())
def test_no_slip_of_the_hand_makes_a_rule_stumble(tmp_path_factory, data):
    """A file of the good Space, with a piece cut out or put in."""
    name = data.draw(st.sampled_from(sorted(GOOD.keys() - {"space.toml"})))
    text = GOOD[name]
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 10))
    piece = data.draw(st.text(alphabet="\\\"'`${}[]()<>|&;:#=\n\t -~!*%0aA\0é", max_size=8))

    folder = write(tmp_path_factory.mktemp("slip"), {name: text[:at] + piece + text[at + cut :]})

    assert () == check(folder).notes


def test_a_dockerfile_that_the_hub_does_not_look_at_is_no_error(tmp_path):
    change = {"README.md": ("sdk: docker", "sdk: static"), "Dockerfile": "FORM python\n", "index.html": "<p>Hello\n"}

    without = check(write(tmp_path / "bare", {**change, "space.toml": None}))

    assert () == without.errors
    assert "dockerfile-parse-error" in codes(check(write(tmp_path / "ours", change)))
