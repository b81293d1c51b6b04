"""The commands that look at one setting of a Space or change it, with hf's words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spaceops.console import (
    Group,
    announced,
    confirm,
    connect,
    endpoint_option,
    json_option,
    named_space_argument,
    repo_id_from,
    show,
    space_argument,
    yes_option,
)
from spaceops.errors import BadInput
from spaceops.tables import age, table

if TYPE_CHECKING:
    from spaceops.observed import RemoteSecret


@click.group("variables", cls=Group)
def variables_group() -> None:
    """Environment variables of a Space; everybody who sees it sees them."""


@variables_group.command("ls")
@space_argument
@endpoint_option
@json_option
def variables_ls(space: str, endpoint: str | None, as_json: bool) -> None:
    """List the variables."""
    found = connect(endpoint).variables.ls(repo_id_from(space))
    show(found, as_json, table(("KEY", "VALUE"), sorted(found.items())))


@variables_group.command("set")
@named_space_argument
@click.argument("pairs", nargs=-1, required=True, metavar="KEY=VALUE...")
@endpoint_option
@json_option
def variables_set(space: str, pairs: tuple[str, ...], endpoint: str | None, as_json: bool) -> None:
    """Set variables; the app restarts."""
    wanted = dict(_pair(pair) for pair in pairs)
    hub, repo_id = announced(endpoint, space)
    _refuse_both(repo_id, wanted, hub.secrets.ls(repo_id), "secret")
    there = hub.variables.described(repo_id)
    for key, value in wanted.items():
        words = there[key][1] if key in there else None  # sent without it, the Hub would drop it
        hub.variables.set(repo_id, key, value, description=words)
    show(wanted, as_json, f"set {', '.join(wanted)}")


@variables_group.command("delete")
@named_space_argument
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@endpoint_option
@yes_option
@json_option
def variables_delete(space: str, keys: tuple[str, ...], endpoint: str | None, yes: bool, as_json: bool) -> None:
    """Delete variables; the app restarts."""
    hub, repo_id = announced(endpoint, space)
    confirm(f"Delete {', '.join(keys)} of {repo_id}?", yes)
    for key in keys:
        hub.variables.delete(repo_id, key)
    show({"deleted": keys}, as_json, f"deleted {', '.join(keys)}")


@click.group("secrets", cls=Group)
def secrets_group() -> None:
    """Secrets of a Space: written, never read back."""


@secrets_group.command("ls")
@space_argument
@endpoint_option
@json_option
def secrets_ls(space: str, endpoint: str | None, as_json: bool) -> None:
    """List the secrets: names, descriptions, ages. One without our fingerprint counts as set by hand."""
    secrets = connect(endpoint).secrets.ls(repo_id_from(space))
    found = {key: _shown(secret) for key, secret in sorted(secrets.items())}
    rows = (
        (
            key,
            facts["description"],
            age(facts["updated"]) if facts["updated"] else "?",
            "spaceops" if facts["fingerprint"] else "by hand",
        )
        for key, facts in found.items()
    )
    show(found, as_json, table(("KEY", "DESCRIPTION", "AGE", "SET BY"), rows))


@secrets_group.command("set")
@named_space_argument
@click.argument("names", nargs=-1, required=True, metavar="NAME[=REFERENCE]...")
@endpoint_option
@json_option
def secrets_set(space: str, names: tuple[str, ...], endpoint: str | None, as_json: bool) -> None:
    """Set secrets from references; NAME alone means env:NAME. The app restarts.

    A value is never an argument: everybody on the machine could read it there.
    """
    from spaceops.secret import described, resolve
    from spaceops.spec import variable_name

    parts = [name.partition("=") for name in names]
    values = {variable_name(key): resolve(key, reference or f"env:{key}", Path.cwd()) for key, _, reference in parts}
    hub, repo_id = announced(endpoint, space)
    _refuse_both(repo_id, values, hub.variables.ls(repo_id), "variable")
    words = {key: found.description for key, found in hub.secrets.ls(repo_id).items()}
    for key, value in values.items():
        hub.secrets.set(repo_id, key, value, description=described(words.get(key), value))
    show({"set": list(values)}, as_json, f"set {', '.join(values)}")


@secrets_group.command("delete")
@named_space_argument
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@endpoint_option
@yes_option
@json_option
def secrets_delete(space: str, keys: tuple[str, ...], endpoint: str | None, yes: bool, as_json: bool) -> None:
    """Delete secrets; the app restarts."""
    hub, repo_id = announced(endpoint, space)
    confirm(f"Delete {', '.join(keys)} of {repo_id}? Their values cannot be read back.", yes)
    for key in keys:
        hub.secrets.delete(repo_id, key)
    show({"deleted": keys}, as_json, f"deleted {', '.join(keys)}")


@click.group("hardware", cls=Group)
def hardware_group() -> None:
    """The machine under a Space."""


@hardware_group.command("ls")
@endpoint_option
@json_option
def hardware_ls(endpoint: str | None, as_json: bool) -> None:
    """List what the Hub offers, with prices."""
    found = connect(endpoint).hardware.ls()
    rows = [(f.name, f.cpu, f.memory, f.accelerator or "-", f"${f.hourly_cost:.2f}/h") for f in found]
    show([f.as_dict() for f in found], as_json, table(("NAME", "CPU", "MEMORY", "ACCELERATOR", "PRICE"), rows))


@hardware_group.command("set")
@named_space_argument
@click.argument("flavor")
@click.option("--sleep-time", help="Sleep after so much idle time: 30m, 2h, never.")
@endpoint_option
@yes_option
@json_option
def hardware_set(
    space: str, flavor: str, sleep_time: str | None, endpoint: str | None, yes: bool, as_json: bool
) -> None:
    """Ask for another machine; the app restarts on it."""
    from spaceops.spec import NEVER, seconds

    idle = None if sleep_time is None else NEVER if sleep_time == "never" else seconds("--sleep-time", sleep_time)
    hub, repo_id = announced(endpoint, space)
    prices = {item.name: item.hourly_cost for item in hub.hardware.ls()}
    if flavor not in prices:
        raise BadInput(f"There is no hardware {flavor!r}", hint=f"One of {', '.join(prices)}.")
    if idle is not None and not prices[flavor]:
        raise BadInput(f"{flavor} keeps its own sleep time", hint="Leave out --sleep-time, or choose paid hardware.")
    if prices[flavor]:
        confirm(f"{flavor} costs ${prices[flavor]:.2f} an hour. Go on?", yes)
    hub.hardware.set(repo_id, flavor, sleep_time=idle)
    show({"hardware": flavor}, as_json, f"asked for {flavor}")


@hardware_group.command("delete")
@named_space_argument
@endpoint_option
@json_option
def hardware_delete(space: str, endpoint: str | None, as_json: bool) -> None:
    """Go back to the free machine."""
    hub, repo_id = announced(endpoint, space)
    runtime = hub.hardware.delete(repo_id)
    show({"hardware": runtime.requested_hardware}, as_json, f"asked for {runtime.requested_hardware}")


@click.group("volumes", cls=Group)
def volumes_group() -> None:
    """Buckets and repositories that the app sees as folders."""


@volumes_group.command("ls")
@space_argument
@endpoint_option
@json_option
def volumes_ls(space: str, endpoint: str | None, as_json: bool) -> None:
    """List the volumes."""
    found = connect(endpoint).volumes.ls(repo_id_from(space))
    rows = [(v["type"], v["source"], v["mountPath"], "ro" if v.get("readOnly") else "rw") for v in found]
    show(found, as_json, table(("TYPE", "SOURCE", "MOUNT", "MODE"), rows))


@volumes_group.command("set")
@named_space_argument
@click.argument("volumes", nargs=-1, required=True, metavar="hf://[TYPE/]SOURCE:/MOUNT[:ro]...")
@endpoint_option
@json_option
def volumes_set(space: str, volumes: tuple[str, ...], endpoint: str | None, as_json: bool) -> None:
    """Replace all volumes; the app restarts."""
    from spaceops.comparison import volumes_wanted
    from spaceops.spec import volume_of

    wanted = volumes_wanted(tuple(volume_of(text) for text in volumes))
    hub, repo_id = announced(endpoint, space)
    hub.volumes.set(repo_id, wanted)
    show(wanted, as_json, f"set {len(wanted)} volumes")


@volumes_group.command("delete")
@named_space_argument
@endpoint_option
@yes_option
@json_option
def volumes_delete(space: str, endpoint: str | None, yes: bool, as_json: bool) -> None:
    """Take all volumes away; the app restarts. What is in them stays."""
    hub, repo_id = announced(endpoint, space)
    confirm(f"Take all volumes from {repo_id}?", yes)
    hub.volumes.delete(repo_id)
    show({"volumes": []}, as_json, "no volumes")


def _shown(secret: RemoteSecret) -> dict[str, Any]:
    from spaceops.secret import without_fingerprint

    words = without_fingerprint(secret.description)
    return {"description": words, "updated": secret.updated, "fingerprint": words != (secret.description or "")}


def _refuse_both(repo_id: str, keys: Iterable[str], taken: Mapping[str, object], kind: str) -> None:
    """A name that is a variable and a secret would stop the app."""
    for key in keys:
        if key in taken:
            hint = f"spaceops {kind}s delete {repo_id} {key}"
            raise BadInput(f"{key} is a {kind} of {repo_id} already, and a name cannot be both", hint=hint)


def _pair(text: str) -> tuple[str, str]:
    from spaceops.spec import variable_name

    key, equals, value = text.partition("=")
    if not equals or not key:
        raise BadInput(f"{text!r} is not KEY=VALUE", hint="spaceops variables set SPACE LOG_LEVEL=info")
    return variable_name(key), value
