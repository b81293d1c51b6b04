"""The commands about the local Hub: serving, steering what serves, and its data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spaceops.console import Group, confirm, hint, json_option, repo_id_from, show, yes_option
from spaceops.tables import table

if TYPE_CHECKING:
    from collections.abc import Callable

REQUESTS = ("status", "slow", "reset")
SPACES = ("log-cut", "stuck-building", "build-hangs", "old-sha", "no-capacity")


@click.group(cls=Group)
def hub_group() -> None:
    """The local Hub: the Hub's protocol on this machine, without an account.

    But for `serve` and `coverage` these commands are about a data folder, and the server that works in it.
    """


def data_option(command: Callable[..., None]) -> Callable[..., None]:
    """The data folder that a command is about."""
    text = "The data folder. Default: the one that `local` means."
    return click.option("--data", type=click.Path(path_type=Path), help=text)(command)


def _folder(data: Path | None) -> Path:
    from spaceops.localhub import default_folder

    return data or default_folder()


def _ask(data: Path | None, method: str, path: str, body: Any = None) -> Any:
    from spaceops.localhub import ask

    return ask(_folder(data), method, path, body)


@hub_group.command("serve")
@click.option("--port", default=7777, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="The address to listen on. Where other machines reach it, the token is a random one. Apps stay on 127.0.0.1.",
)
@data_option
@click.option("--accounts", type=click.Path(path_type=Path), help="Users and tokens (TOML). Default: user demo.")
@click.option("--runner", default="process", show_default=True, help="What builds and runs the Spaces.")
@click.option("--rate-limit", is_flag=True, help="Refuse who asks more often than the Hub allows.")
@json_option
def serve_command(data: Path | None, as_json: bool, **options: Any) -> None:
    """Serve until interrupted; prints `ready URL` once it answers."""
    from spaceops.localhub import serve

    serve(_folder(data), as_json=as_json, **options)


@hub_group.group("fault", cls=Group)
def fault_group() -> None:
    """Let something go wrong on demand, in a server that runs."""


@fault_group.command("add")
@click.argument("kind", type=click.Choice([*REQUESTS, *SPACES]))
@click.option("--path", help="Only requests to this path, * for anything: '/api/spaces/*'.")
@click.option("--method", help="Only requests with this method.")
@click.option("--repo-id", help="Only this Space, or requests about this repository.")
@click.option("--times", type=click.IntRange(1), help="How often. Default: until it is cleared.")
@click.option("--probability", type=click.FloatRange(0, 1), help="How likely each time, 0 to 1.")
@click.option("--status", type=click.IntRange(400, 599), help="The answer of `status`. Default: 503.")
@click.option("--retry-after", type=click.IntRange(0), help="Seconds that an answer of `status` asks to wait.")
@click.option("--seconds", type=click.FloatRange(0), help="How long `slow` takes. Default: 1.")
@click.option("--events", type=click.IntRange(0), help="After how many events `log-cut` cuts. Default: 0.")
@click.option("--lose-answer", is_flag=True, default=None, help="The request takes effect, and its answer is lost.")
@data_option
@json_option
def add_command(kind: str, data: Path | None, as_json: bool, **facts: Any) -> None:
    """Add a fault.

    Of requests: `status` answers with an error, `slow` answers late, `reset` resets the connection. Of Spaces:
    `log-cut` ends streams of logs, `stuck-building` never begins a build, `build-hangs` never ends one, `old-sha`
    goes on serving the version before, `no-capacity` has no such hardware.
    """
    given = {name: value for name, value in facts.items() if value is not None}
    fault = _ask(data, "POST", "faults", {"kind": kind, **given})
    show(fault, as_json, f"fault {fault['id']} is added")
    hint(f"spaceops hub fault clear {fault['id']}")


@fault_group.command("list")
@data_option
@json_option
def list_command(data: Path | None, as_json: bool) -> None:
    """List the faults that are still to happen."""
    faults = _ask(data, "GET", "faults")
    rows = ((fault["id"], fault["kind"], fault["times"] or "always", _where(fault)) for fault in faults)
    show(faults, as_json, table(("ID", "KIND", "TIMES", "WHERE"), rows))


@fault_group.command("clear")
@click.argument("number", type=click.IntRange(1), required=False, metavar="[ID]")
@data_option
@json_option
def clear_command(number: int | None, data: Path | None, as_json: bool) -> None:
    """Take one fault away, or all."""
    cleared = _ask(data, "DELETE", f"faults/{number}" if number else "faults")
    show(cleared, as_json, f"{cleared['cleared']} cleared")


def _where(fault: dict[str, Any]) -> str:
    path = None if fault["path"] == "*" else fault["path"]
    return " ".join(filter(None, (fault["method"], path, fault["repo_id"]))) or "everywhere"


@hub_group.command("advance")
@click.argument("duration")
@data_option
@json_option
def advance_command(duration: str, data: Path | None, as_json: bool) -> None:
    """Put the server's clock forward by DURATION (90s, 15m, 2h, 2d): Spaces go to sleep, limits begin anew."""
    from spaceops.spec import seconds

    moment = _ask(data, "POST", "clock", {"seconds": seconds("DURATION", duration)})
    show(moment, as_json, f"it is {moment['now']} there now")


@hub_group.command("counters")
@click.argument("space")
@data_option
@json_option
def counters_command(space: str, data: Path | None, as_json: bool) -> None:
    """Count how often a Space was restarted, rebuilt and asked for."""
    show(_ask(data, "GET", f"counters/{repo_id_from(space)}"), as_json, None)


@hub_group.command("snapshot")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--without-secrets", is_flag=True, help="Leave the secrets and their key out.")
@data_option
@json_option
def snapshot_command(file: Path, without_secrets: bool, data: Path | None, as_json: bool) -> None:
    """Write all data to a new FILE (tar), also while a server works; builds are left out, Spaces are built again."""
    from spaceops.localhub import snapshot

    written = snapshot(_folder(data), file, with_secrets=not without_secrets)
    show({"file": str(written), "secrets": not without_secrets}, as_json, str(written))
    if not without_secrets:
        hint("the file holds the secrets and their key: keep it as you would keep them")


@hub_group.command("restore")
@click.argument("file", type=click.Path(path_type=Path))
@data_option
@yes_option
@json_option
def restore_command(file: Path, data: Path | None, yes: bool, as_json: bool) -> None:
    """Put what a snapshot holds in place of all data, all or nothing; a server that runs goes on with it."""
    from spaceops.localhub import restore

    folder = _folder(data)
    confirm(f"Replace all data in {folder}?", yes)
    restore(folder, file)
    show({"folder": str(folder), "file": str(file)}, as_json, f"{folder} is as it was in {file}")


@hub_group.command("reset")
@data_option
@yes_option
@json_option
def reset_command(data: Path | None, yes: bool, as_json: bool) -> None:
    """Remove all repositories, Spaces and buckets; a server that runs goes on with nothing."""
    from spaceops.localhub import reset

    folder = _folder(data)
    confirm(f"Remove all data in {folder}?", yes)
    reset(folder)
    show({"folder": str(folder), "reset": True}, as_json, f"{folder} is empty")


@hub_group.command("coverage")
@json_option
def coverage_command(as_json: bool) -> None:
    """Print which calls of the Hub work here, which in part, and which are not there."""
    from spaceops.localhub import calls, calls_as_text

    show([call.as_dict() for call in calls()], as_json, None if as_json else calls_as_text())
