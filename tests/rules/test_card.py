"""The front matter as a whole: whether the Hub finds it, can read it, and takes the Space for a Docker one."""

from __future__ import annotations

import pytest

from spaceops.findings import Severity
from spaceops.preflight import check
from spaceops.rules.examples import GOOD, write

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
README = GOOD["README.md"]
BLOCK, BODY = README[: README.index("\n\n") + 1], README[README.index("\n\n") + 1 :]
CAFE = README.replace("emoji: \U0001f44b\n", "").replace("Hello", "Caf\u00e9").encode("latin-1")
BARE = {"space.toml": None}


def found(folder, change):
    """What the rules about the front matter find: code and severity."""
    return [(finding.code, finding.severity) for finding in check(write(folder, change))]


def only(folder, change):
    """The one finding that there is."""
    (finding,) = check(write(folder, change))
    return finding


def mended(finding):
    """README.md after the finding's fix."""
    return finding.fix.files["README.md"].decode()


# missing


@pytest.mark.parametrize(
    "readme",
    [
        None,
        "",
        "\n",
        "# Hello\n",
        "# Hello\n\n---\n\nA line above and one below.\n\n---\n",
        "---\n\n---\n",
        "---\ntitle: Hello\nsdk: docker\n",
        "---\ntitle: Hello\n---\n",
        "---\ntitle: Hello\nsdk:\n---\n",
        "----\ntitle: Hello\nsdk: docker\n----\n",
        "+++\ntitle = 'Hello'\n+++\n",
    ],
)
def test_a_readme_without_a_block_that_says_sdk_is_an_error(readme, tmp_path):
    assert [("front-matter-missing", ERROR)] == found(tmp_path, {"README.md": readme})


@pytest.mark.parametrize(
    "readme",
    [
        "---\nsdk: docker\ntitle: a\n---",
        "---\r\ntitle: a\r\nsdk: docker\r\n---\r\n",
        "---  \ntitle: a\nsdk: docker\n---  \n# Hello\n---\n",
        '---\n"title": a\n"sdk": "docker"\n---\n',
        "---\n{title: a, sdk: docker}\n---\n",
        "---\n# the configuration\n\nsdk: docker # of course\ntitle: >-\n  a\n  b: c\n---\n",
        "---\nsdk: docker\ntitle: a\nlicense:\n- mit\n- apache-2.0\nmodels: []\nlanguage:\n- en\n---\n",
        "---\nsdk: docker\ntitle: a\nreleased: 2020-99-99\n---\n",
    ],
)
def test_front_matter_in_any_form_that_the_hub_reads_is_fine(readme, tmp_path):
    assert [] == found(tmp_path, {"README.md": readme})


def test_a_missing_block_is_proposed_with_the_heading_as_title(tmp_path):
    finding = only(tmp_path, {"README.md": "# Bread: a baker's guide\n\nHow to bake.\n"})

    assert not finding.fix.safe
    assert '---\ntitle: "Bread: a baker\'s guide"\nsdk: docker\n---\n\n# Bread' in mended(finding)


def test_a_block_that_is_never_closed_is_told_apart(tmp_path):
    finding = only(tmp_path, {"README.md": "---\ntitle: Hello\nsdk: docker\n\n# Hello\n"})

    assert "never closed" in finding.message
    assert "three dashes" in finding.hint


def test_a_readme_that_is_ignored_is_told_apart_from_one_that_is_not_there(tmp_path):
    finding = only(tmp_path, {".gitignore": "README.md\n"})

    assert "left out of what is pushed" in finding.message
    assert "There is no README.md" in only(tmp_path / "other", {"README.md": None}).message


# not first


@pytest.mark.parametrize(
    ("before", "severity", "words"),
    [
        ("\ufeff", WARNING, "byte order mark"),
        ("\n", WARNING, "a blank line"),
        ("  \r\n\n", WARNING, "a blank line"),
        ("\ufeff\n", WARNING, "byte order mark"),
        ("<!-- the configuration -->\n", ERROR, "a comment"),
        ("# Hello\n\n", ERROR, "text"),
        ("```yaml\n", ERROR, "a code fence"),
    ],
)
def test_what_stands_above_the_front_matter_is_named(before, severity, words, tmp_path):
    finding = only(tmp_path, {"README.md": before + README})

    assert ("front-matter-not-first", severity) == (finding.code, finding.severity)
    assert words in finding.message


@pytest.mark.parametrize("before", ["\ufeff", "\n\n", "\ufeff\n \n"])
def test_space_above_the_front_matter_is_taken_away(before, tmp_path):
    finding = only(tmp_path, {"README.md": before + README})

    assert finding.fix.safe
    assert mended(finding) == README


def test_a_comment_above_the_front_matter_moves_below_it(tmp_path):
    finding = only(tmp_path, {"README.md": "<!-- a -->\n<!-- b -->\n" + README})

    assert finding.fix.safe
    assert mended(finding) == f"{BLOCK}\n<!-- a -->\n<!-- b -->\n{BODY}"


def test_text_above_the_front_matter_is_only_proposed_to_move(tmp_path):
    assert not only(tmp_path, {"README.md": "# Hello\n" + README}).fix.safe


def test_the_rest_of_a_front_matter_that_is_not_first_is_checked_too(tmp_path):
    change = {"README.md": "\n" + README.replace("blue", "orange")}

    assert {"front-matter-not-first", "color-invalid"} == {code for code, _ in found(tmp_path, change)}


@pytest.mark.parametrize("name", ["readme.md", "ReadMe.md", "README.MD", "docs/README.md"])
def test_a_front_matter_in_another_file_is_found(name, tmp_path):
    finding = only(tmp_path, {"README.md": None, name: README})

    assert ("front-matter-not-first", ERROR, name) == (finding.code, finding.severity, finding.where)
    assert finding.hint == f"Move it: git mv {name} README.md"


# YAML


@pytest.mark.parametrize(
    ("line", "words", "fixed"),
    [
        ("title: Bread: a guide", "a colon and a space", 'title: "Bread: a guide"'),
        ("title: @home", "begins with @", 'title: "@home"'),
        ("title: `code`", "begins with `", 'title: "`code`"'),
        ("title: %done", "begins with %", 'title: "%done"'),
        ("title: *bold*", "undefined alias", 'title: "*bold*"'),
        ("title: [WIP] Bread", "", 'title: "[WIP] Bread"'),
        ("title: 'it's bread'", "", 'title: "it\'s bread"'),
        ('title: "Bread" and butter', "", 'title: "\\"Bread\\" and butter"'),
        ("title: - Bread", "", 'title: "- Bread"'),
        ("title: Bread: a guide # to bake", "", 'title: "Bread: a guide" # to bake'),
        ("title: !important Bread", "", 'title: "!important Bread"'),
    ],
)
def test_a_value_that_needs_quotes_gets_them(line, words, fixed, tmp_path):
    finding = only(tmp_path, {"README.md": ("title: Hello", line)})

    assert ("front-matter-yaml-error", ERROR, "README.md:2") == (finding.code, finding.severity, finding.where)
    assert words in finding.message
    assert finding.hint.endswith(fixed)
    assert finding.fix.safe
    assert mended(finding) == README.replace("title: Hello", fixed)


def test_a_key_that_is_there_twice_is_named_at_the_second(tmp_path):
    finding = only(tmp_path, {"README.md": ("sdk: docker", "sdk: docker\ntitle: Bread")})

    assert ("README.md:7", "The front matter of README.md sets title twice, which the Hub refuses") == (
        finding.where,
        finding.message,
    )
    assert finding.fix is None


@pytest.mark.parametrize("line", ["title:\tHello", "title: Hello\t# greets", "title: Hello\n\t"])
def test_a_tab_may_be_read_by_the_hub_and_is_replaced(line, tmp_path):
    finding = only(tmp_path, {"README.md": ("title: Hello", line)})

    assert ("front-matter-yaml-error", WARNING) == (finding.code, finding.severity)
    assert finding.fix.safe
    assert "\t" not in mended(finding)


def test_a_block_that_is_text_is_an_error(tmp_path):
    assert [("front-matter-yaml-error", ERROR)] == found(tmp_path, {"README.md": "---\nHello there\n---\n"})


@pytest.mark.parametrize(
    ("block", "is_found"),
    [
        ("[" * 2000, False),
        ("x: " + "9" * 5000, False),
        ("released: 2020-99-99", False),
        ("? [a]\n: 1", False),
        ("a: &x 1\nb: &x 2", False),
        ("a: &a [x]\n<<: *a", True),
        ("- " * 5000, True),
        ("\0", True),
    ],
)
def test_yaml_is_an_error_only_where_the_parser_of_the_hub_stops_too(block, is_found, tmp_path):
    codes = dict(found(tmp_path, {"README.md": f"---\nsdk: docker\n{block}\n---\n"}))

    assert ({"front-matter-yaml-error": ERROR} if is_found else {}) == {
        code: severity for code, severity in codes.items() if code != "title-missing"
    }


# encoding


def test_utf16_is_an_error_and_is_stored_anew(tmp_path):
    finding = only(tmp_path, {"README.md": README.encode("utf-16")})

    assert ("readme-not-utf8", ERROR) == (finding.code, finding.severity)
    assert mended(finding) == README


@pytest.mark.parametrize(("change", "severity"), [({}, ERROR), (BARE, WARNING)])
def test_other_bytes_stop_spaceops_but_not_git(change, severity, tmp_path):
    assert [("readme-not-utf8", severity)] == found(tmp_path, {"README.md": CAFE, **change})


def test_no_edit_is_made_to_a_file_whose_bytes_are_not_known(tmp_path):
    change = {"README.md": CAFE.replace(b"blue", b"Blue")}
    fixes = [finding.fix for finding in check(write(tmp_path, change))]

    assert [None, None] == fixes


# the SDK


@pytest.mark.parametrize(
    ("sdk", "change", "expected"),
    [
        ("docker", {}, None),
        ('"docker"', {}, None),
        ("Docker", {}, ("sdk-invalid", WARNING)),
        ("flask", {}, ("sdk-invalid", ERROR)),
        ("[docker]", {}, ("sdk-invalid", ERROR)),
        ("streamlit", {}, ("sdk-invalid", ERROR)),
        ("streamlit", BARE, ("sdk-invalid", ERROR)),
        ("streamlit", {**BARE, "app.py": ""}, ("sdk-invalid", WARNING)),
        ("gradio", {}, ("sdk-not-docker", ERROR)),
        ("gradio", BARE, ("sdk-not-docker", ERROR)),
        ("gradio", {**BARE, "app.py": ""}, ("sdk-not-docker", WARNING)),
        ("static", {**BARE, "index.html": ""}, ("sdk-not-docker", WARNING)),
        ("static", {**BARE, "index.html": "", "Dockerfile": None}, ("sdk-not-docker", INFO)),
        ("gradio", {**BARE, "Dockerfile": None}, ("sdk-not-docker", INFO)),
    ],
)
def test_a_space_of_another_sdk_is_an_error_only_where_it_cannot_run(sdk, change, expected, tmp_path):
    assert ([expected] if expected else []) == found(tmp_path, {"README.md": ("sdk: docker", f"sdk: {sdk}"), **change})


def test_the_app_file_of_another_sdk_may_have_any_name(tmp_path):
    change = {**BARE, "README.md": ("sdk: docker", "sdk: gradio\napp_file: main.py")}

    assert [("sdk-not-docker", WARNING)] == found(tmp_path, change)


# keys


@pytest.mark.parametrize("key", ["app-port", "appPort", "App_Port", "app port"])
def test_a_misspelt_key_is_spelt_right(key, tmp_path):
    finding = only(tmp_path, {"README.md": ("app_port", key)})

    assert "front-matter-key-misspelt" == finding.code
    assert finding.fix.safe
    assert mended(finding) == README


@pytest.mark.parametrize("line", ["library_name: x", "port: 8000", "language: en", "app-port: 80\napp_port: 7860"])
def test_other_keys_are_left_alone(line, tmp_path):
    change = {"README.md": ("app_port: 7860", f"{line}")}

    assert "front-matter-key-misspelt" not in {code for code, _ in found(tmp_path, change)}


def test_a_space_without_a_title_gets_advice(tmp_path):
    assert [("title-missing", INFO)] == found(tmp_path, {"README.md": "---\nsdk: docker\n---\n"})


@pytest.mark.parametrize("space", ["\t", "  "])
def test_a_key_that_is_indented_is_told_as_such(space, tmp_path):
    change = {"README.md": ("sdk: docker", f"{space}sdk: docker")}

    [one] = [each for each in check(write(tmp_path, change)) if each.code == "front-matter-yaml-error"]

    assert "a line is indented" in one.message
    assert "Take away the space or tab at the beginning of the line." == one.hint
