"""What starts with the container, and where it listens: read from ENTRYPOINT, CMD and the files that they name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from spaceops.startup.facts import EVERYWHERE, LOOPBACK, Listener, Process, Script, Startup, World
from spaceops.startup.following import follow
from spaceops.startup.servers import listeners

__all__ = ["EVERYWHERE", "LOOPBACK", "Listener", "Process", "Script", "Startup", "World", "start"]


def start(world: World) -> Startup:
    """Follow the image's start. Never raises; what cannot be known makes it incomplete."""
    found = follow(world)
    world = replace(world, edits_nginx=_edits_nginx(world, found.scripts))
    listening, is_complete = list[Listener](), found.is_complete
    for process in found.processes:
        those = listeners(process, world)
        is_complete = is_complete and those is not None
        listening += those or ()
    return Startup(
        world, tuple(found.processes), tuple(listening), tuple(found.scripts), is_complete, tuple(found.missing)
    )


_EDITS_NGINX = re.compile(r"(?:\b(?:envsubst|sed|cp|mv|ln|tee|rm|python3?)\b|>)[^\n]{0,300}?(?:/etc/nginx|nginx\.conf)")


def _edits_nginx(world: World, scripts: Iterable[Script]) -> bool:
    """Whether nginx reads what is written only when the container starts."""
    texts = [script.text for script in scripts]
    texts += [" ".join(one.words) for one in (world.image.entrypoint, world.image.cmd) if one is not None]
    return any(_EDITS_NGINX.search(text) for text in texts)
