"""Blocking work beside the loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")
MOST_THREADS = 32  # most of them wait for git or for another commit to the same repository, not for a processor
FOR_REQUEST: ContextVar[bool] = ContextVar("FOR_REQUEST", default=False)


class Threads(ThreadPoolExecutor):
    """The threads of one server, which know what they do for requests: that goes on when the request was cancelled."""

    def __init__(self) -> None:
        super().__init__(MOST_THREADS, thread_name_prefix="localhub-work")
        self._for_requests: set[Future[Any]] = set()

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call it in a thread."""
        future = super().submit(function, *args, **kwargs)
        if FOR_REQUEST.get():
            self._for_requests.add(future)
            future.add_done_callback(self._for_requests.discard)
        return future

    async def settled(self) -> None:
        """Wait for what is done for requests at this moment."""
        if doing := [asyncio.wrap_future(future) for future in tuple(self._for_requests)]:
            await asyncio.wait(doing)


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call it in a thread. A cancelled caller still waits for its end: nobody may meet a half-written folder."""
    work = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise
