"""What the Hub says of a Space before the push: `Remote`, asked for by `check --online`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from spaceops.errors import Forbidden, HubError, NotFound, Unreachable

if TYPE_CHECKING:
    from spaceops.hub import Hub, Identity, Rights
    from spaceops.hub.inquiry import Access
    from spaceops.observed import Observed
    from spaceops.spec import Space

AT_ONCE = 8  # requests
T = TypeVar("T")


class Repo(NamedTuple):
    """A repository or bucket that the Space needs."""

    kind: str  # model, dataset, space, bucket
    name: str


@dataclass(frozen=True)
class Remote:
    """What was asked and answered. What was not answered is None or empty, and then no rule speaks of it."""

    endpoint: str
    identity: Identity | None = None
    refused: str | None = None  # why the Hub does not accept the token
    rights: Rights | None = None
    observed: Observed | None = None  # None: nothing is known; one that does not exist says so
    card_errors: tuple[str, ...] = ()  # the Hub's own words
    used_storage: int | None = None  # bytes, with the history
    hardware: frozenset[str] = frozenset()  # what is offered
    access: Mapping[Repo, Access] = field(default_factory=dict)
    shadows_a_login: bool = False
    notes: tuple[str, ...] = ()  # questions that nobody answered

    @property
    def settings(self) -> frozenset[str] | None:
        """The names of the variables and secrets that are there; None where that is not known."""
        if self.observed is None or not self.observed.has_settings:
            return None
        return frozenset(self.observed.variables) | frozenset(self.observed.secrets)

    @property
    def volumes(self) -> tuple[Mapping[str, Any], ...]:
        """The volumes that are mounted now, in the Hub's form."""
        return self.observed.runtime.volumes if self.observed else ()


def ask(space: Space, hub: Hub, *, readme: str | None = None, repos: Iterable[Repo] = (), named: bool = True) -> Remote:
    """Ask the Hub about a Space and the repositories that it needs, side by side; changes nothing.

    A folder that is not `named` is no Space, and only what concerns its files is asked. What is not answered is a note
    of the result, and no error.
    """
    from spaceops.hub.inquiry import shadows_a_login

    asking = _Asking(hub)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        about = pool.submit(asking.about, space.repo_id) if named else None
        errors = pool.submit(asking.card_errors, readme) if readme is not None else None
        offered = pool.submit(asking.hardware) if space.flavors else None
        access = {repo: pool.submit(asking.access, repo) for repo in repos}
        remote = about.result() if about else Remote(hub.endpoint)
        return replace(
            remote,
            card_errors=errors.result() if errors else (),
            hardware=offered.result() if offered else frozenset(),
            access={repo: found for repo, doing in access.items() if (found := doing.result())},
            shadows_a_login=shadows_a_login(),
            notes=tuple(dict.fromkeys(asking.notes)),
        )


class _Asking:
    """One question a method; what goes wrong is noted."""

    def __init__(self, hub: Hub) -> None:
        self.hub, self.notes = hub, list[str]()

    def about(self, repo_id: str) -> Remote:
        """Who we are, what the Space is, and what we may do to it."""
        remote = Remote(self.hub.endpoint)
        try:
            remote = replace(remote, identity=self.hub.identity())
        except Forbidden as error:
            return replace(remote, refused=error.message)
        except HubError as error:
            self._note(error)
            return remote
        return replace(
            remote,
            observed=self._or_none(lambda: self._observe(repo_id)),
            rights=self._or_none(lambda: self.hub.rights(repo_id, remote.identity)),
            used_storage=self._or_none(lambda: self.hub.inquiry.used_storage(repo_id), missing=True),
        )

    def card_errors(self, readme: str) -> tuple[str, ...]:
        """The Hub's view of README.md."""
        return self._or_none(lambda: self.hub.inquiry.card_errors(readme)) or ()

    def hardware(self) -> frozenset[str]:
        """What the Hub offers."""
        return frozenset(self._or_none(self.hub.hardware.prices) or ())

    def access(self, repo: Repo) -> Access | None:
        """Whether a repository can be read."""
        return self._or_none(lambda: self.hub.inquiry.access(*repo))

    def _observe(self, repo_id: str) -> Observed:
        try:
            return self.hub.observe(repo_id)
        except Forbidden:  # the names of secrets are for those who may set them
            return self.hub.observe(repo_id, settings=False)

    def _or_none(self, question: Callable[[], T], *, missing: bool = False) -> T | None:
        try:
            return question()
        except NotFound as error:
            self.notes += [] if missing else [f"Not asked for: {error.message}"]
        except HubError as error:
            self._note(error)
        return None

    def _note(self, error: HubError) -> None:
        unreachable = f"The Hub at {self.hub.endpoint} does not answer: only what can be known without it was looked at"
        self.notes.append(
            unreachable if isinstance(error, Unreachable) else f"The Hub was asked in vain: {error.message}"
        )
