"""A server of one small application, on connections as the local Hub has them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import uvicorn

from spaceops.localhub.connections import Protocol

if TYPE_CHECKING:
    from starlette.types import ASGIApp


@contextmanager
def serving(app: ASGIApp, **limits: float) -> Iterator[int]:
    """Serve on a free port, with other limits of connections where they are given."""
    http = partial(Protocol, **limits)
    config = uvicorn.Config(
        app,
        loop="asyncio",  # as the local Hub's, also where uvloop is installed
        http=http,  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
    )
    server = uvicorn.Server(config)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()
