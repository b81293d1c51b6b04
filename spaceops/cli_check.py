"""`check`, `diagnose` and `explain`: what is wrong before a push and after it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spaceops import __version__
from spaceops.console import chosen_env, connect, endpoint_option, env_option, hint, json_option, path_argument, show
from spaceops.errors import BadInput

if TYPE_CHECKING:
    from spaceops.findings import Report

FAILED = 6  # the exit code where check found errors


def _codes(_ctx: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(code.strip() for codes in given for code in codes.split(",") if code.strip())


@click.command("check")
@path_argument
@click.option("--fix", is_flag=True, help="Make the edits that are safe, and show them.")
@click.option("--diff", is_flag=True, help="Show the edits that --fix would make, and make none.")
@click.option("--online", is_flag=True, help="Ask the Hub too: token and plan, names, models, volumes, storage.")
@endpoint_option
@click.option("--select", multiple=True, callback=_codes, metavar="CODES", help="Only these, separated by commas.")
@click.option("--ignore", multiple=True, callback=_codes, metavar="CODES", help="Not these, separated by commas.")
@click.option("--hadolint", is_flag=True, help="Show beside ours what hadolint finds in the Dockerfile.")
@click.option("--sarif", is_flag=True, help="The findings as SARIF 2.1.0 on stdout.")
@json_option
def check_command(
    path: str,
    fix: bool,
    diff: bool,
    online: bool,
    endpoint: str | None,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    hadolint: bool,
    sarif: bool,
    as_json: bool,
) -> None:
    """Find what would fail before it is pushed; changes nothing without --fix. Exit code 6 where there are errors.

    PATH may be any folder with a Dockerfile, with or without a space.toml.
    """
    if fix or diff:
        _fix(path, select, ignore, write=fix)
    from spaceops.preflight import check

    hub = connect(endpoint) if online else None
    report = check(path, hub=hub, env=chosen_env(), select=select, ignore=ignore, hadolint=hadolint)
    _show_report(report, sarif=sarif, as_json=as_json)
    if report.errors:
        sys.exit(FAILED)


def _fix(path: str, select: tuple[str, ...], ignore: tuple[str, ...], *, write: bool) -> None:
    from spaceops.fixes import fix
    from spaceops.secret import redact

    done = fix(path, env=chosen_env(), select=select, ignore=ignore, write=write)
    click.echo(redact(str(done)), err=True)


def _show_report(report: Report, *, sarif: bool, as_json: bool) -> None:
    from spaceops.rules import all_rules
    from spaceops.sarif import as_sarif, workflow_commands

    show(as_sarif(report, __version__) if sarif else report.as_dict(), as_json or sarif, report)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in workflow_commands(report):
            click.echo(line, err=True)
    explained = [finding.code for finding in report if finding.code in all_rules()]
    if explained and not (as_json or sarif):
        hint(f"spaceops explain {explained[0]}")


@click.command("diagnose")
@click.argument("subject", required=False, metavar="[SPACE]")
@env_option
@endpoint_option
@click.option("--build-log", type=click.Path(path_type=Path), metavar="FILE", help="A build log that was saved.")
@click.option("--run-log", type=click.Path(path_type=Path), metavar="FILE", help="A log of the app that was saved.")
@click.option("--runtime", type=click.Path(path_type=Path), metavar="FILE", help="The Hub's runtime, saved as JSON.")
@click.option("--report", "as_report", is_flag=True, help="Markdown without secrets, for a forum or an issue.")
@json_option
def diagnose_command(
    subject: str | None,
    endpoint: str | None,
    build_log: Path | None,
    run_log: Path | None,
    runtime: Path | None,
    as_report: bool,
    as_json: bool,
) -> None:
    """Say why a Space does not run: the cause, whose fault it is, the fix, and the lines that prove it.

    SPACE is owner/name, or a PATH; with saved logs and nothing else, no Hub is asked. Without either, the Space of the
    working directory.
    """
    from spaceops.diagnosis import diagnose

    saved = build_log or run_log or runtime
    subject = subject or (None if saved else ".")
    if as_report and as_json:
        raise BadInput("--report and --json exclude each other", hint="Leave out one of them.")
    found = diagnose(
        subject,
        None if saved else connect(endpoint),
        build_log=build_log,
        run_log=run_log,
        runtime=runtime,
        env=chosen_env(),
    )
    show(found.as_dict(), as_json, found.as_markdown() if as_report else found)


@click.command("explain")
@click.argument("code", required=False)
@json_option
def explain_command(code: str | None, as_json: bool) -> None:
    """Say what a code means: of an error, of a finding of check, of a diagnosis. Without CODE list them all."""
    from spaceops.explanations import as_text, codes, explain

    facts = explain(code) if code else None
    show(facts or codes(), as_json, as_text(facts) if facts else None)
