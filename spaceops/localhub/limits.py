"""The Hub's rate limits: so many requests in five minutes, for each caller and for each of three kinds of requests.

Source of the quotas: the Hub's documentation of August 2026.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from spaceops.localhub.refusals import Refused

if TYPE_CHECKING:
    from spaceops.localhub.accounts import Accounts, User
    from spaceops.localhub.clock import Clock

WINDOW = 300  # seconds
RESOURCES = ("api", "resolvers", "pages")
QUOTAS = {
    "anonymous": (500, 3_000, 100),
    "free": (1_000, 5_000, 200),
    "pro": (2_500, 12_000, 400),
    "team": (3_000, 20_000, 400),
    "enterprise": (6_000, 50_000, 600),
}
API = re.compile(r"/api(/|$)")
RESOLVER = re.compile(r"/[^/]+/[^/]+(/[^/]+)?/(resolve|raw|info|git-upload-pack|git-receive-pack)(/|$)")
TICKETED = re.compile(r"/(cas|lfs)/")  # another host than the Hub's, there


class Spent(NamedTuple):
    """What a caller has left of one resource: `left` of `quota` requests for the next `seconds`."""

    resource: str
    quota: int
    used: int
    seconds: int

    @property
    def left(self) -> int:
        """Requests that are still allowed."""
        return max(0, self.quota - self.used)

    def headers(self) -> dict[str, str]:
        """The headers that tell of it."""
        return {
            "RateLimit": f'"{self.resource}";r={self.left};t={self.seconds}',
            "RateLimit-Policy": f'"fixed window";"{self.resource}";q={self.quota};w={WINDOW}',
        }


class Limits:
    """What was asked in the present window of five minutes. They refuse only if told to; they always count."""

    def __init__(self, accounts: Accounts, clock: Clock, *, enforced: bool = False) -> None:
        self._accounts, self._clock, self._enforced = accounts, clock, enforced
        self._window = 0
        self._used: Counter[tuple[str, str]] = Counter()
        self._plans: dict[str, str] = {}

    def count(self, user: User | None, address: str, path: str) -> Spent:
        """One more request of somebody: a user wherever they are, else whoever is at that address."""
        seconds = self._clock.now().timestamp()
        window = int(seconds // WINDOW)
        if window != self._window:
            self._window = window
            self._used.clear()
        resource = resource_of(path)
        who = (user.name if user else f"@{address}", resource)
        self._used[who] += 1
        quota = QUOTAS[self._plan(user)][RESOURCES.index(resource)]
        return Spent(resource, quota, self._used[who], WINDOW - int(seconds % WINDOW))

    def check(self, spent: Spent) -> None:
        """Refuse who has asked too often, if limits are enforced."""
        if self._enforced and spent.used > spent.quota:
            raise too_many(spent)

    def _plan(self, user: User | None) -> str:
        """The plan that counts: the best of the user's own and their organisations'."""
        if user is None:
            return "anonymous"
        if user.name not in self._plans:
            orgs = (self._accounts.org(name) for name in user.orgs)
            plans = {user.plan, *(org.plan for org in orgs if org)}
            self._plans[user.name] = max(plans, key=list(QUOTAS).index)
        return self._plans[user.name]


def resource_of(path: str) -> str:
    """What kind of request it is."""
    if API.match(path):
        return "api"
    return "resolvers" if RESOLVER.match(path) else "pages"


def is_counted(path: str) -> bool:
    """Whether a request uses up anything: not what the real Hub leaves to its storage, which is another host."""
    return not TICKETED.match(path)


def too_many(spent: Spent) -> Refused:
    """The answer to who has used up the quota."""
    message = f"We had to rate limit your IP or account: {spent.quota} {spent.resource} requests in {WINDOW} seconds."
    return Refused(429, f"{message} Retry in {spent.seconds} s.", Retry_After=str(spent.seconds))
