"""`check`, `diagnose` and `explain` as commands: what they print, and with which exit code."""

from __future__ import annotations

import json
import re

import pytest

from spaceops.rules.examples import write

BROKEN = {"README.md": "# Hello\n"}  # no front matter: the Hub shows a configuration error


@pytest.fixture
def run(terminal, monkeypatch, tmp_path):
    """Run a command; its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)

    return terminal


@pytest.fixture
def broken(tmp_path):
    return write(tmp_path / "broken", BROKEN)


def test_a_good_folder_has_no_findings(run, tmp_path):
    good = write(tmp_path / "good", {})

    assert (0, f"{good}: no findings.\n", "") == run("check", "good")


def test_errors_are_shown_with_place_reason_and_fix_and_give_exit_code_6(run, broken):
    code, out, err = run("check", "broken")

    assert 6 == code
    assert re.match(r"error\[front-matter-missing\] README.md(:1)?\n  [A-Z].+\n  fix: .+", out)
    assert out.endswith(f"{broken}: 1 error.\n")
    assert "hint: spaceops explain front-matter-missing" in err


def test_a_folder_without_a_space_toml_is_checked_too(run, broken):
    (broken / "space.toml").unlink()

    assert 6 == run("check", "broken")[0]


def test_json_and_sarif_are_data_on_stdout(run, broken):
    code, out, _ = run("check", "broken", "--json")
    findings = json.loads(out)["findings"]

    assert 6 == code
    assert ["front-matter-missing"] == [finding["code"] for finding in findings]

    code, out, _ = run("check", "broken", "--sarif")
    (result,) = json.loads(out)["runs"][0]["results"]

    assert 6 == code
    assert "front-matter-missing" == result["ruleId"]
    assert "broken/README.md" == result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]


def test_codes_are_selected_and_ignored(run, broken):
    assert 0 == run("check", "broken", "--ignore", "front-matter-missing")[0]
    assert 0 == run("check", "broken", "--select", "color-invalid,emoji-invalid")[0]
    assert 6 == run("check", "broken", "--select", "front-matter-missing")[0]

    code, _, err = run("check", "broken", "--ignore", "no-such-rule")

    assert 2 == code
    assert "There is no rule 'no-such-rule'" in err


def test_an_exception_in_space_toml_is_shown_with_its_reason(run, broken):
    with (broken / "space.toml").open("a") as file:
        file.write('[ignore]\nfront-matter-missing = "written by another job"\n')

    code, out, _ = run("check", "broken")

    assert 0 == code
    assert "ignored[front-matter-missing]" in out
    assert "because: written by another job" in out


def test_an_exception_from_a_rule_that_there_is_not_is_refused(run, broken):
    with (broken / "space.toml").open("a") as file:
        file.write('[ignore]\nfront-mater-missing = "a slip"\n')

    code, _, err = run("check", "broken")

    assert 2 == code
    assert "front-mater-missing" in err


def test_in_github_actions_findings_become_annotations(run, broken, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")

    _, out, err = run("check", "broken", "--json")

    assert json.loads(out)
    assert re.search(r"^::error file=broken/README.md,(line=1,)?title=front-matter-missing::", err, re.MULTILINE)


def test_hadolint_is_shown_beside_ours(run, tmp_path):
    write(tmp_path / "app", {"Dockerfile": ("FROM python:3.13-slim\n", "FROM python:3.13-slim\nRUN cd /tmp\n")})

    _, out, _ = run("check", "app", "--hadolint", "--json")
    codes = {finding["code"]: finding for finding in json.loads(out)["findings"]}

    assert "DL3003" in codes
    assert 2 == codes["DL3003"]["line"]


def test_what_is_no_folder_is_said(run):
    code, _, err = run("check", "nowhere")

    assert 2 == code
    assert "nowhere" in err


def test_fix_makes_the_safe_edits_and_shows_them(run, tmp_path):
    app = write(tmp_path / "app", {"README.md": ("---\ntitle", "\ufeff---\ntitle")})
    found = run("check", "app")[1]

    assert "front-matter-not-first" in found
    assert "Would fix:\n~ README.md" in run("check", "app", "--diff")[2]
    assert found == run("check", "app")[1]

    code, out, err = run("check", "app", "--fix")

    assert (0, f"{app}: no findings.\n") == (code, out)
    assert "Fixed:\n~ README.md" in err
    assert (app / "README.md").read_bytes().startswith(b"---\n")
    assert "Nothing to fix." in run("check", "app", "--fix")[2]


def test_explain_says_what_a_code_means_in_check_and_in_diagnose(run):
    code, out, _ = run("explain", "app-port-mismatch")

    assert 0 == code
    assert "check: error" in out
    assert "wrong, Dockerfile:" in out

    _, out, _ = run("explain", "module-not-found", "--json")

    assert {"check", "diagnose"} <= json.loads(out).keys()


def test_explain_names_the_nearest_code(run):
    code, _, err = run("explain", "app-port-mismatched")

    assert 2 == code
    assert "Did you mean app-port-mismatch?" in err


def test_explain_lists_all_codes(run):
    out = run("explain")[1]

    assert {"app-port-mismatch", "rolled-back", "cache-miss-not-a-cause"} <= {
        line.split()[0] for line in out.splitlines()
    }
