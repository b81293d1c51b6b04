"""A Space that exists: its status, pausing, restarting and deleting it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from spaceops import errors, ledger
from spaceops.hub import Hub
from spaceops.observed import Observed
from spaceops.spec import Space, repo_id_of


def status(space: Space | str, hub: Hub, *, releases: bool = False) -> Observed:
    """What the Space is now; with `releases` also how the newest one came out. Raises `NotFound`.

    One request, two with `releases`. A ledger that cannot be read does not hide what the Space is.
    """
    repo_id = _repo_id(space)
    observed = hub.observe(repo_id, settings=False)
    if not observed.exists:
        hint = "Look at the name; a private Space is visible only to a token that may read it."
        raise errors.NotFound(f"{repo_id} does not exist on {hub.endpoint}", hint=hint)
    with suppress(errors.SpaceopsError):
        index = ledger.read(repo_id, hub).index if releases else None
        return replace(observed, releases=index) if index and index.last else observed
    return observed


def pause(space: Space | str, hub: Hub) -> Observed:
    """Stop the app; it costs nothing until it is restarted."""
    hub.pause(_repo_id(space))
    return status(space, hub)


def restart(space: Space | str, hub: Hub, *, factory: bool = False) -> Observed:
    """Start the app again; with `factory` it is built anew, without any cache."""
    hub.restart(_repo_id(space), factory=factory)
    return status(space, hub)


def delete(space: Space | str, hub: Hub) -> None:
    """Delete the Space with its code, settings and secrets. There is no way back."""
    hub.delete(_repo_id(space))


def _repo_id(space: Space | str) -> str:
    return space.repo_id if isinstance(space, Space) else repo_id_of(space)
