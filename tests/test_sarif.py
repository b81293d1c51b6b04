"""SARIF and annotations: what machines get of a report."""

from __future__ import annotations

from spaceops.findings import Finding, Report, Severity
from spaceops.sarif import as_sarif, workflow_commands

FINDING = Finding(
    "No such colour: 50% orange, sadly.",
    hint="Write\ncolorTo: red",
    where="README.md:4",
    severity=Severity.ERROR,
    code="color-invalid",
)


def report(tmp_path, *findings: Finding, **more) -> Report:
    (tmp_path / "README.md").touch()
    return Report(str(tmp_path), findings, **more)


def test_a_result_names_rule_level_place_and_message(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path.parent)

    (run,) = as_sarif(report(tmp_path, FINDING), "1.2.3")["runs"]
    (result,) = run["results"]

    assert {"name": "spaceops", "version": "1.2.3"}.items() <= run["tool"]["driver"].items()
    assert "color-invalid" == run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"]
    assert ("color-invalid", "error") == (result["ruleId"], result["level"])
    assert "No such colour: 50% orange, sadly.\nWrite\ncolorTo: red" == result["message"]["text"]
    assert {
        "artifactLocation": {"uri": f"{tmp_path.name}/README.md"},
        "region": {"startLine": 4},
    } == result["locations"][0]["physicalLocation"]


def test_the_rule_says_what_it_is_about(tmp_path):
    (rule,) = as_sarif(report(tmp_path, FINDING), "1")["runs"][0]["tool"]["driver"]["rules"]

    assert "error" == rule["defaultConfiguration"]["level"]
    assert len(rule["shortDescription"]["text"]) > 20


def test_an_exception_is_a_suppressed_result(tmp_path):
    (result,) = as_sarif(report(tmp_path, ignored=((FINDING, "our colour"),)), "1")["runs"][0]["results"]

    assert [{"kind": "external", "justification": "our colour"}] == result["suppressions"]


def test_an_annotation_is_one_line_with_its_text_escaped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    (line,) = workflow_commands(report(tmp_path, FINDING))

    assert (
        "::error file=README.md,line=4,title=color-invalid::"
        "No such colour: 50%25 orange, sadly. Write%0AcolorTo: red" == line
    )


def test_a_finding_about_no_file_is_shown_at_the_readme(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    finding = Finding("The account cannot do this.", severity=Severity.WARNING, code="pro-required-402")

    assert ["::warning file=README.md,title=pro-required-402::The account cannot do this."] == list(
        workflow_commands(report(tmp_path, finding))
    )


def test_space_toml_beside_the_source_is_named_where_it_lies(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app").mkdir()
    (tmp_path / "space.toml").touch()
    finding = Finding("x", where="space.toml:2", severity=Severity.INFO, code="color-invalid")

    (line,) = workflow_commands(report(tmp_path / "app", finding))

    assert line.startswith("::notice file=space.toml,line=2,")
