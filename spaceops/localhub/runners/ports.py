"""The app's port: found in what starts it and replaced, or found out from the processes."""

from __future__ import annotations

import re
import socket
from contextlib import suppress

ALL_ADDRESSES = ("0.0.0.0", "::")  # noqa: S104 - it is told of
LISTENING = r"^([ \t]*listen[ \t]+)"  # a directive of nginx
EVERYWHERE, LOOPBACK = "0.0.0.0", "127.0.0.1"  # noqa: S104 - it is taken away


class PortAdapter:
    """Puts a private port and loopback where a text names app_port and 0.0.0.0."""

    def __init__(self, app_port: int, port: int) -> None:
        self._whole = {str(app_port): str(port), EVERYWHERE: LOOPBACK}
        self._anywhere = re.compile(rf"(?<![\w.]){app_port}(?![\w.])|(?<![\d.])0\.0\.0\.0(?![\d.])")
        self._listen = re.compile(
            rf"{LISTENING}(?:\*:|0\.0\.0\.0:|(\[::\]:))?{app_port}(?=[\s;])([^;\n]*;)", re.MULTILINE
        )
        self._address = f"{LOOPBACK}:{port}"

    def __call__(self, text: str) -> str:
        """Replace them wherever they stand."""
        return self._anywhere.sub(lambda found: self._whole[found[0]], text)

    def in_nginx(self, text: str) -> str:
        """Replace them in nginx's `listen`, which can leave out the address; there is no second one for IPv6."""
        return self._listen.sub(lambda found: "" if found[2] else f"{found[1]}{self._address}{found[3]}", text)

    def whole(self, text: str) -> str:
        """Replace only a text that is nothing else, such as the value of a variable PORT."""
        return self._whole.get(text, text)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def listening(pid: int) -> set[tuple[str, int]]:
    """The addresses and ports that the descendants of a process listen on; blocks for some milliseconds."""
    import psutil  # type: ignore[import-untyped]  # not before the first app has started

    found: set[tuple[str, int]] = set()
    with suppress(psutil.Error):
        for process in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.Error):
                connections = process.net_connections("inet")
                found.update((one.laddr.ip, one.laddr.port) for one in connections if one.status == psutil.CONN_LISTEN)
    return found
