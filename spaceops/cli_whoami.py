"""The command that says who we are on a Hub, and what our token may do."""

from __future__ import annotations

import click

from spaceops.console import connect, endpoint_option, json_option, repo_id_from, show


@click.command("whoami")
@click.argument("space", required=False)
@endpoint_option
@json_option
def whoami_command(space: str | None, endpoint: str | None, as_json: bool) -> None:
    """Say whose token is used, of which kind, and with SPACE what it may do there."""
    hub = connect(endpoint)
    identity = hub.identity()
    rights = hub.rights(repo_id_from(space), identity) if space else None
    data = {**identity.as_dict(), "endpoint": hub.endpoint}
    if rights:
        data |= {"repo_id": rights.repo_id, "rights": rights.as_dict()}
    text = f"{identity}\n  endpoint  {hub.endpoint}" + (f"\n{rights}" if rights else "")
    show(data, as_json, text)
