"""The command `spaceops`: a few lines for each function; nothing is decided here."""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from shlex import quote

import click

from spaceops import __version__, cli_releases
from spaceops.cli_adoption import pull_command
from spaceops.cli_check import check_command, diagnose_command, explain_command
from spaceops.cli_hub import hub_group
from spaceops.cli_settings import hardware_group, secrets_group, variables_group, volumes_group
from spaceops.cli_whoami import whoami_command
from spaceops.console import (
    INTERRUPTED,
    Group,
    announced,
    confirm,
    connect,
    endpoint_option,
    hint,
    json_option,
    named_space_argument,
    repo_id_from,
    show,
    show_observed,
    space_argument,
    yes_option,
)
from spaceops.errors import SpaceopsError
from spaceops.tasks import DEFAULT_TASK, EXTRAS, TASKS, described


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="spaceops %(version)s")
def cli() -> None:
    """From a folder with a FastAPI app to a running, verified, watched Hugging Face Docker Space.

    PATH is a folder with a space.toml; SPACE is owner/name, or such a PATH.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with one of the published codes."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        cli.main(arguments, prog_name="spaceops", standalone_mode=False)
    except SpaceopsError as error:
        _fail(error, as_json="--json" in arguments)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("\nInterrupted.", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader of our output has gone, `| head` for one
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _fail(error: SpaceopsError, *, as_json: bool) -> None:
    from spaceops.secret import redact

    if as_json:
        click.echo(redact(json.dumps({"error": error.as_dict()}, default=str)))
    click.echo(click.style("Error: ", fg="red") + redact(str(error)), err=True)
    if os.environ.get("HF_DEBUG") == "1":
        click.echo(redact("".join(traceback.format_exception(error))), err=True)
    sys.exit(error.exit_code)


# the main job


@cli.command(
    "new", help=f"Write an app into a new folder PATH, to run, to deploy and to make your own.\n\n\b\n{described()}"
)
@click.argument("path")
@click.option(
    "--task", type=click.Choice(list(TASKS)), default=DEFAULT_TASK, show_default=True, help="What the app does."
)
@click.option(
    "--with", "extras", type=click.Choice(list(EXTRAS)), multiple=True, help="What it gets besides; may be repeated."
)
@click.option("--repo-id", help="owner/name of the Space, for space.toml.")
@json_option
def new_command(path: str, task: str, extras: tuple[str, ...], repo_id: str | None, as_json: bool) -> None:
    """Write the folder."""
    from spaceops.template import new

    folder = new(path, task=task, extras=extras, repo_id=repo_id)
    show({"path": str(folder)}, as_json, str(folder))
    hint(f"spaceops plan {quote(path)}")


cli.add_command(check_command)
for command in cli_releases.COMMANDS:
    cli.add_command(command)


@cli.command("status")
@space_argument
@endpoint_option
@json_option
def status_command(space: str, endpoint: str | None, as_json: bool) -> None:
    """Show what the Space is and what runs in it."""
    from spaceops.lifecycle import status

    show_observed(status(repo_id_from(space), connect(endpoint), releases=True), as_json)


@cli.command("logs")
@space_argument
@endpoint_option
@click.option("--build", is_flag=True, help="The log of the build instead of the app's.")
@click.option("-f", "--follow", "following", is_flag=True, help="Go on as lines come.")
@click.option("-n", "--tail", type=click.IntRange(0), help="Only the last N lines.")
@click.option("--since", help="Only the last 90s, 15m, 2h; or from a time on (ISO 8601).")
@click.option("--grep", help="Only lines that this regular expression finds.")
@json_option
def logs_command(
    space: str,
    endpoint: str | None,
    build: bool,
    following: bool,
    tail: int | None,
    since: str | None,
    grep: str | None,
    as_json: bool,
) -> None:
    """Print the log of the app or of its build."""
    from spaceops.events import logs

    found = logs(
        repo_id_from(space), connect(endpoint), build=build, follow=following, tail=tail, since=since, grep=grep
    )
    for event in found:
        click.echo(json.dumps(event.as_dict()) if as_json else event.line, err=event.kind == "gap" and not as_json)


cli.add_command(diagnose_command)


@cli.command("pause")
@space_argument
@endpoint_option
@json_option
def pause_command(space: str, endpoint: str | None, as_json: bool) -> None:
    """Stop the app; it costs nothing until it is restarted."""
    from spaceops.lifecycle import pause

    hub, repo_id = announced(endpoint, space)
    show_observed(pause(repo_id, hub), as_json)


@cli.command("restart")
@space_argument
@endpoint_option
@click.option("--factory", is_flag=True, help="Build it anew, without any cache.")
@json_option
def restart_command(space: str, endpoint: str | None, factory: bool, as_json: bool) -> None:
    """Start the app again."""
    from spaceops.lifecycle import restart

    hub, repo_id = announced(endpoint, space)
    show_observed(restart(repo_id, hub, factory=factory), as_json)
    hint(f"spaceops wait {repo_id}")


@cli.command("delete")
@named_space_argument
@endpoint_option
@yes_option
@json_option
def delete_command(space: str, endpoint: str | None, yes: bool, as_json: bool) -> None:
    """Delete the Space with its code, settings and secrets. There is no way back."""
    from spaceops.lifecycle import delete

    hub, repo_id = announced(endpoint, space)
    confirm(f"Delete {repo_id}, with its code, settings and secrets?", yes)
    delete(repo_id, hub)
    show({"repo_id": repo_id, "deleted": True}, as_json, f"{repo_id} is deleted")


cli.add_command(pull_command)
cli.add_command(variables_group, "variables")
cli.add_command(secrets_group, "secrets")
cli.add_command(hardware_group, "hardware")
cli.add_command(volumes_group, "volumes")
cli.add_command(whoami_command)

# notebooks, the local Hub, the demo, the documentation


@cli.command("run")
@click.argument("notebook", type=click.Path())
@click.option("-p", "--parameter", "pairs", nargs=2, multiple=True, metavar="NAME VALUE", help="One parameter.")
@click.option("-f", "--file", "file", type=click.Path(path_type=Path), help="Parameters from a YAML or JSON file.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the executed notebook goes.")
@json_option
def run_command(
    notebook: str, pairs: tuple[tuple[str, str], ...], file: Path | None, output: Path | None, as_json: bool
) -> None:
    """Run a notebook with parameters; print its result."""
    from spaceops.notebooks import read_parameters, run_notebook

    parameters = {**(read_parameters(file) if file else {}), **dict(pairs)}
    done = run_notebook(notebook, parameters, output=output, watch=lambda text: click.echo(text, err=True))
    show(done.as_dict(), as_json, done)


cli.add_command(hub_group, "hub")


@cli.command("demo")
@click.option("--keep", is_flag=True, help="Leave the Hub running, and print what to open.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the app and the executed notebooks go.")
@json_option
def demo_command(keep: bool, output: Path | None, as_json: bool) -> None:
    """The whole job on an embedded local Hub: create, configure, push, verify, call, check, break, survive."""
    from spaceops.demo import demo

    demo(output, keep=keep, show=lambda done: show(done.as_dict(), as_json, done))


cli.add_command(explain_command)


@cli.command("docs")
@click.argument("section", type=click.Choice(["space", "errors", "checks", "symptoms", "commands", "coverage"]))
@json_option
def docs_command(section: str, as_json: bool) -> None:
    """Print a part of the reference: space.toml, errors, what check finds, what diagnose recognizes, commands, or the
    calls that the local Hub answers.

    As JSON, `space` is the JSON Schema of space.toml.
    """
    from spaceops.reference import data, render

    show(data(section, cli) if as_json else None, as_json, None if as_json else render(section, cli))
