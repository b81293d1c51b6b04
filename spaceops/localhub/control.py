"""What can be asked of a server itself rather than of the Hub that it plays: faults, time, counters, its data."""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING

from spaceops.errors import NotFound

if TYPE_CHECKING:
    from spaceops.localhub.front import Front
    from spaceops.localhub.life import Life


class Control:
    """The server as its owner sees it. It belongs to the server's loop."""

    def __init__(self, life: Life, front: Front, token: str) -> None:
        self.life, self.front, self._token = life, front, token

    def opens(self, token: str | None) -> bool:
        """Whether this is the token that only who may read the data folder knows."""
        return hmac.compare_digest((token or "").encode(), self._token.encode())

    async def reset(self) -> None:
        """Have nothing: no repository, no fault, no request counted."""
        await self.life.reset()
        self.front.requests.clear()

    async def counters(self, repo_id: str) -> dict[str, int]:
        """How often a Space was restarted, rebuilt and asked for. Raises `NotFound`."""
        repo = self.life.parts.store.find("space", repo_id)
        if repo is None:
            raise NotFound(f"There is no Space {repo_id}", hint="Look at its name.")
        path = re.compile(rf"(/api)?/spaces/{re.escape(repo.repo_id)}(\.git)?(/|$)", re.IGNORECASE)
        requests = sum(path.match(asked) is not None for _, asked in self.front.requests)
        return {**self.life.parts.spaces.counters(repo), "requests": requests}
