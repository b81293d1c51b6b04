"""The reference, rendered from the code that it describes: space.toml, errors, commands, the local Hub's calls."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc
from typing import Any, get_type_hints

import click

from spaceops import errors
from spaceops.errors import BadInput, SpaceopsError

HELP = ["-h", "--help"]


def render(section: str, cli: click.Group) -> str:
    """One section as Markdown: `space`, `errors`, `coverage` of the local Hub, or the `commands` of `cli`."""
    if section == "coverage":
        from spaceops.localhub import calls_as_text

        return calls_as_text()
    return _commands(cli) if section == "commands" else {"space": _space, "errors": _errors}[section]()


def data(section: str, cli: click.Group) -> Any:
    """The same section as data: the JSON Schema of space.toml, each error, each call, the tree of commands."""
    if section == "space":
        from spaceops.spec import schema

        return schema()
    if section == "errors":
        return [explain(code) for code in error_codes()]
    if section == "coverage":
        from spaceops.localhub import calls

        return [call.as_dict() for call in calls()]
    return cli.to_info_dict(click.Context(cli, info_name="spaceops", help_option_names=HELP))


def error_codes() -> dict[str, str]:
    """Each code with the first sentence about it."""
    return {kind.code: cleandoc(kind.__doc__ or "").splitlines()[0] for kind in _kinds(SpaceopsError)}


def explain(code: str) -> dict[str, Any]:
    """What a code means. Raises `BadInput` for one that does not exist."""
    for kind in _kinds(SpaceopsError):
        if kind.code == code:
            return {"code": code, "exit_codes": _exit_codes(kind), "meaning": cleandoc(kind.__doc__ or "")}
    raise BadInput(f"There is no code {code!r}", hint="spaceops explain lists all of them.")


def _space() -> str:
    from spaceops.spec import Health, Space, Volume

    parts = ["# space.toml", "", "One file beside the app says what the Space should be. Unknown keys are errors.", ""]
    for title, kind in (("Top level", Space), ("[health]", Health), ("[[volumes]]", Volume)):
        parts += [f"## {title}", "", "| key | default | meaning |", "|---|---|---|", *_rows(kind), ""]
    return "\n".join(parts)


def _rows(kind: Any) -> Iterator[str]:
    import msgspec

    hints = get_type_hints(kind, include_extras=True)
    for item in msgspec.structs.fields(kind):
        meaning = next((meta.description for meta in getattr(hints[item.name], "__metadata__", ())), None)
        if meaning:
            yield f"| `{item.name}` | {_default(item)} | {meaning} |"


def _default(item: Any) -> str:
    value = item.default
    if item.required:
        return "required"
    if value is None:
        return "left alone"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`" if isinstance(value, str | int) else "none"


def _errors() -> str:
    rows = [
        f"| `{kind.code}` | {', '.join(map(str, _exit_codes(kind)))} | {' '.join((kind.__doc__ or '').split())} |"
        for kind in _kinds(SpaceopsError)
    ]
    other = [
        "| - | 0 | It worked. |",
        "| - | 2 | Wrong usage of a command. |",
        "| - | 130 | Interrupted with Ctrl-C. |",
    ]
    head = ["# Errors and exit codes", "", "| code | exit code | meaning |", "|---|---|---|"]
    return "\n".join([*head, *rows, *other, ""])


def _exit_codes(kind: type[SpaceopsError]) -> list[int]:
    return {errors.DeployFailed: [7, 8], errors.NotebookFailed: [1, 138]}.get(kind, [kind.exit_code])


def _kinds(kind: type[SpaceopsError]) -> Iterator[type[SpaceopsError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _kinds(child)


def _commands(cli: click.Group) -> str:
    def pages(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
        context = click.Context(command, info_name=name, parent=parent, help_option_names=HELP, terminal_width=100)
        yield f"## {context.command_path}\n\n```\n{command.get_help(context)}\n```\n"
        if isinstance(command, click.Group):
            for child in command.list_commands(context):
                yield from pages(command.commands[child], child, context)

    return "\n".join(["# Commands\n", *pages(cli, "spaceops", None)])
