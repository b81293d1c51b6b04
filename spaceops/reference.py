"""The reference, rendered from the code that it describes: space.toml, errors, commands, the local Hub's calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from inspect import cleandoc
from typing import Any

import click

from spaceops.explanations import exit_codes, explain, kinds_of_error, rules_as_text, symptoms_as_text
from spaceops.rules import all_rules
from spaceops.symptoms import all_symptoms

HELP = ["-h", "--help"]
EXAMPLE = """
repo_id = "acme/sentiment"
source = "."
visibility = "private"               # public, protected, private
hardware = ["l4x1", "t4-small"]      # the first that the Hub has free; or one: "t4-small"
sleep_time = "2h"
transport = "api"                    # or "git"
exclude = ["notes/", "*.csv"]        # in the source, not pushed
keep = ["data/"]                     # on the Hub, never removed
prune = false
on_failure = "rollback"              # or "pause", "keep"
fingerprints = true

[variables]                          # everybody can read them
MODEL_ID = "acme/sentiment-small"
LOG_LEVEL = "info"

[secrets]                            # references, never values
HF_TOKEN = "env:HF_TOKEN"
API_KEY = "dotenv:.env#API_KEY"

[[volumes]]
source = "hf://buckets/acme/state"
mount = "/data"

[[volumes]]
source = "hf://models/acme/sentiment-small"
mount = "/model"
read_only = true                     # as repositories always are
revision = "v1"
path = "models"                      # the folder of the repository that is mounted

[health]
path = "/ready"
status = 200
times = 3
body = "ok"
grace = "30s"
timeout = "15m"

[limits]
max_hourly_cost = 1.0                # dollars

[ignore]                             # findings of `spaceops check` that are right here, and why
app-port-mismatch = "nginx listens in front"

[env.staging]                        # spaceops deploy -e staging
repo_id = "acme/sentiment-staging"
hardware = "cpu-basic"
volumes = []
without = ["API_KEY"]

[env.staging.variables]
LOG_LEVEL = "debug"
"""
_CODES: Mapping[str, Callable[[], Iterable[str]]] = {
    "errors": lambda: (kind.code for kind in kinds_of_error()),
    "checks": all_rules,
    "symptoms": all_symptoms,
}
_HEAD = ("| key | default | meaning |", "|---|---|---|")


def render(section: str, cli: click.Group) -> str:
    """One section as Markdown: space, errors, checks, symptoms, coverage of the local Hub, or commands of `cli`."""
    if section == "coverage":
        from spaceops.localhub import calls_as_text

        return calls_as_text()
    made = {"space": _space, "errors": _errors, "checks": rules_as_text, "symptoms": symptoms_as_text}
    return _commands(cli) if section == "commands" else made[section]()


def data(section: str, cli: click.Group) -> Any:
    """The same section as data: the JSON Schema of space.toml, each error, each call, the tree of commands."""
    if section == "space":
        from spaceops.spec import schema

        return schema()
    if section in ("errors", "checks", "symptoms"):
        return [explain(code) for code in _CODES[section]()]
    if section == "coverage":
        from spaceops.localhub import calls

        return [call.as_dict() for call in calls()]
    return cli.to_info_dict(click.Context(cli, info_name="spaceops", help_option_names=HELP))


def _space() -> str:
    from spaceops import environments
    from spaceops.spec import Health, Limits, Space, Volume

    parts = ["# space.toml", "", "One file beside the app says what the Space should be. Unknown keys are errors.", ""]
    for title, kind in (
        ("Top level", Space),
        ("[[volumes]]", Volume),
        ("[health]", Health),
        ("[limits]", Limits),
    ):
        parts += [f"## {title}", "", *_HEAD, *_rows(kind), ""]
    row = f"| `{environments.WITHOUT}` | none | {environments.WITHOUT_MEANS} |"
    parts += ["## [env.NAME]", "", cleandoc(environments.__doc__ or ""), "", *_HEAD, row, ""]
    return "\n".join([*parts, "## A whole file", "", "```toml", EXAMPLE.strip(), "```", ""])


def _rows(kind: Any) -> Iterator[str]:
    import msgspec

    from spaceops.fields import description

    for item in msgspec.structs.fields(kind):
        if meaning := description(kind, item.name):
            yield f"| `{item.name}` | {_default(item, of_a_space='repo_id' in kind.__struct_fields__)} | {meaning} |"


def _default(item: Any, *, of_a_space: bool) -> str:
    value = item.default
    if item.required:
        return "required"
    if value is None:
        return "left alone" if of_a_space else "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`" if isinstance(value, str | int) else "none"


def _errors() -> str:
    rows = [
        f"| `{kind.code}` | {', '.join(map(str, exit_codes(kind)))} | {' '.join((kind.__doc__ or '').split())} |"
        for kind in kinds_of_error()
    ]
    other = [
        "| - | 0 | It worked. |",
        "| - | 2 | Wrong usage of a command; of `plan --detailed-exitcode`: something would change. |",
        "| - | 130 | Interrupted with Ctrl-C. |",
    ]
    head = ["# Errors and exit codes", "", "| code | exit code | meaning |", "|---|---|---|"]
    return "\n".join([*head, *rows, *other, ""])


def _commands(cli: click.Group) -> str:
    def pages(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
        context = click.Context(command, info_name=name, parent=parent, help_option_names=HELP, terminal_width=100)
        yield f"## {context.command_path}\n\n```\n{command.get_help(context)}\n```\n"
        if isinstance(command, click.Group):
            for child in command.list_commands(context):
                yield from pages(command.commands[child], child, context)

    return "\n".join(["# Commands\n", *pages(cli, "spaceops", None)])
