"""What the commands share: options, the Hub and the Space they mean, questions, and output.

Data goes to stdout, talk to stderr.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spaceops.errors import BadInput, SecretMissing, SpecError

if TYPE_CHECKING:
    from spaceops.hub import Hub
    from spaceops.observed import Observed
    from spaceops.spec import Space

INTERRUPTED = 130  # the exit code after Ctrl-C

_ENV = "spaceops.env"  # where the chosen environment stands in click's context


def _choose(ctx: click.Context, _option: click.Parameter, env: str | None) -> None:
    ctx.meta[_ENV] = env


json_option = click.option("--json", "as_json", is_flag=True, help="Data as JSON on stdout.")
yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
endpoint_option = click.option(
    "--endpoint", envvar="HF_ENDPOINT", help="The Hub: a URL, or `local`. Default: HF_ENDPOINT, then the real Hub."
)
only_option = click.option(
    "--only", multiple=True, metavar="PART", help="Only hardware, variables, secrets, files, … (again for more)."
)
prune_option = click.option(
    "--prune/--no-prune",
    default=None,
    help="Remove the variables, secrets and files that are on the Hub only. Default: prune of space.toml.",
)
overwrite_option = click.option(
    "--overwrite", is_flag=True, help="Lose what somebody else changed on the Hub since the last release."
)
rotate_option = click.option(
    "--rotate", multiple=True, metavar="NAME", help="Send this secret although it is unchanged (again for more)."
)
env_option = click.option(
    "-e",
    "--env",
    metavar="NAME",
    expose_value=False,
    callback=_choose,
    help="The environment [env.NAME] of space.toml. Default: SPACEOPS_ENV.",
)
dry_run_option = click.option("--dry-run", is_flag=True, help="Show the plan, change nothing.")


def path_argument(command: Callable[..., None]) -> Callable[..., None]:
    """PATH, and which of its environments."""
    return click.argument("path", default=".")(env_option(command))


def space_argument(command: Callable[..., None]) -> Callable[..., None]:
    """SPACE, and if it is a PATH which of its environments."""
    return click.argument("space", default=".")(env_option(command))


def named_space_argument(command: Callable[..., None]) -> Callable[..., None]:
    """SPACE, for what must not happen to whatever lies in the working directory."""
    return click.argument("space")(env_option(command))


class Group(click.Group):
    """Commands in the order in which they are written; every one ends with one of the published exit codes."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """The commands, unsorted."""
        return list(self.commands)


def chosen_env() -> str | None:
    """The environment of space.toml that `-e` names; None where it was not given."""
    context = click.get_current_context(silent=True)
    return context.meta.get(_ENV) if context else None


def load_space(path: str | Path, env: str | None = None) -> Space:
    """The Space that a PATH describes; its secrets are known from here on: a log that repeats one is redacted."""
    from spaceops.secret import resolve
    from spaceops.spec import Space

    space = Space.load(path, env=chosen_env() if env is None else env)
    for key, reference in space.secrets.items():
        if not reference.startswith("cmd:"):  # a command may ask for a password: only what needs the value runs it
            with suppress(SecretMissing):
                resolve(key, reference, space.folder)
    return space


def repo_id_from(space: str) -> str:
    """The `owner/name` that SPACE means: itself, a URL, or a PATH with a space.toml, as other commands find it."""
    from spaceops.spec import find, repo_id_of

    with suppress(SpecError):
        if not Path(space).exists():
            return _without_env(repo_id_of(space))
    try:
        find(space)
    except BadInput:
        return _without_env(repo_id_of(space))
    return load_space(space).repo_id


def _without_env(repo_id: str) -> str:
    if env := chosen_env():
        hint = f"Name the folder with the space.toml, or leave out -e {env}."
        raise BadInput(f"-e chooses an environment of a space.toml, and {repo_id} is a Space itself", hint=hint)
    return repo_id


def connect(endpoint: str | None) -> Hub:
    """The Hub at `endpoint`."""
    from spaceops.hub import Hub

    return Hub(endpoint)


def announced(endpoint: str | None, space: str) -> tuple[Hub, str]:
    """The Hub and the Space's id, named before anything changes."""
    repo_id = repo_id_from(space)
    hub = connect(endpoint)
    click.echo(f"as {hub.account} on {hub.endpoint}: {repo_id}", err=True)
    return hub, repo_id


def confirm(question: str, yes: bool) -> None:
    """Ask, unless `yes`; where nobody can answer, refuse with `BadInput`."""
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise BadInput(f"Not done without being asked: {question}", hint="Use --yes.")
    click.confirm(question, abort=True, err=True)


def show_observed(observed: Observed, as_json: bool) -> None:
    """Print a Space as it is."""
    show(observed.as_dict(), as_json, observed)


def show(data: Any, as_json: bool, text: object) -> None:
    """Print `data` as JSON, else `text`, else `data` as lines; secrets are blacked out."""
    from spaceops.secret import redact

    if as_json:
        click.echo(redact(json.dumps(data, indent=2, default=str)))
    elif text is not None:
        click.echo(redact(str(text)))
    else:
        show(data, False, _lines(data))


def _lines(data: Mapping[str, Any]) -> str:
    width = max(map(len, data), default=0)
    return "\n".join(f"{key:<{width}}  {value}" for key, value in data.items())


def hint(text: str) -> None:
    """Say which command comes next."""
    click.echo(f"hint: {text}", err=True)
