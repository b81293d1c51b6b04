"""The command that takes over a Space that exists."""

from __future__ import annotations

import click

from spaceops.console import connect, endpoint_option, hint, json_option, show


@click.command("pull")
@click.argument("space")
@click.argument("path", default=".")
@click.option("--no-files", is_flag=True, help="Write space.toml only.")
@click.option("--force", is_flag=True, help="Replace files that are there and differ.")
@endpoint_option
@json_option
def pull_command(space: str, path: str, no_files: bool, force: bool, endpoint: str | None, as_json: bool) -> None:
    """Write a space.toml for a Space that exists, and download its files.

    Both go into the folder PATH, and the plan after it is empty. Values of secrets cannot be read back: they are
    named in comments, and left alone.
    """
    from spaceops.adoption import pull
    from spaceops.spec import repo_id_of

    repo_id = repo_id_of(space)
    hub = connect(endpoint)
    click.echo(f"as {hub.account} on {hub.endpoint}: {repo_id}", err=True)
    pulled = pull(repo_id, hub, path, files=not no_files, force=force, watch=lambda name: click.echo(name, err=True))
    show({"repo_id": pulled.repo_id, "path": str(pulled.folder)}, as_json, str(pulled.folder / pulled.file))
    hint(f"spaceops plan {path}")
