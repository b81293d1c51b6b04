"""What starts with the container, and where it listens: read from ENTRYPOINT, CMD and the files that they name."""

from __future__ import annotations

from spaceops.startup.commandkinds import WORKERS
from spaceops.startup.facts import EVERYWHERE, LOOPBACK, Listener, Process, Script, Startup, World
from spaceops.startup.following import follow
from spaceops.startup.servers import listeners

__all__ = ["EVERYWHERE", "LOOPBACK", "Listener", "Process", "Script", "Startup", "World", "start"]


def start(world: World) -> Startup:
    """Follow the image's start. Never raises; what cannot be known makes it incomplete."""
    found = follow(world)
    listening, is_complete = list[Listener](), found.is_complete
    for process in found.processes:
        those = listeners(process, world)
        is_complete = is_complete and (those is not None or process.name in WORKERS)
        listening += those or ()
    return Startup(
        world, tuple(found.processes), tuple(listening), tuple(found.scripts), is_complete, tuple(found.missing)
    )
