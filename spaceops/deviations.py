"""What differs: a Space from its newest release (`drift`), and one release from another (`difference`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html import escape
from typing import TYPE_CHECKING, Any

from spaceops import errors, ledger
from spaceops.comparison import compare_trees
from spaceops.history import Difference, listed, names_of, secret_rows, settings_rows
from spaceops.plans import Change, FileChanges, harmless
from spaceops.records import BRANCH, Record, Settings
from spaceops.secret import without_fingerprint
from spaceops.spec import FREE_HARDWARE, NEVER, Space, repo_id_of, short
from spaceops.tables import age

if TYPE_CHECKING:
    from spaceops.hub import Hub
    from spaceops.hub.branch import Commit
    from spaceops.observed import Observed, RemoteSecret

COMMITS = 50  # of the newest on main and on our branch that are looked at
A_SECOND = timedelta(seconds=1)  # commits are dated to the second


@dataclass(frozen=True)
class Drift:
    """What somebody changed on the Hub since the newest release; `release` is None where nothing was released."""

    repo_id: str
    release: Record | None
    changes: tuple[Change, ...] = ()
    files: FileChanges = field(default_factory=FileChanges)
    commits: tuple[Commit, ...] = ()  # on main after the release, the newest first
    now: datetime | None = None  # when it was looked at, by the server's clock

    def __bool__(self) -> bool:
        return any(change.counts for change in self.changes)

    def as_dict(self) -> dict[str, Any]:
        """The drift for `--json`."""
        return {
            "schema": 1,
            "repo_id": self.repo_id,
            "release": self.release.number if self.release else None,
            "drifted": bool(self),
            "changes": [change.as_dict() for change in self.changes],
            "files": names_of(self.files),
            "commits": [
                {"sha": commit.sha, "title": commit.title, "authors": list(commit.authors), "date": commit.date}
                for commit in self.commits
            ],
        }

    def __str__(self) -> str:
        if self.release is None:
            return f"{self.repo_id} has no releases yet: there is nothing that it could differ from."
        commits = (
            f"      {short(commit.sha)} {commit.title} ({', '.join(commit.authors)}, {age(commit.date, self.now)} ago)"
            for commit in self.commits
        )
        count = sum(change.counts for change in self.changes)
        total = f"{count} change{'s' * (count > 1)} since then." if count else "Nothing was changed since then."
        return "\n".join(
            [
                _title(self.repo_id, self.release, self.now),
                *map(str, self.changes),
                *map(harmless, commits),
                *listed(self.files),
                total,
            ]
        )

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """The same text in a notebook without a front end."""
        printer.text(str(self))

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def drift(space: Space | str, hub: Hub) -> Drift:
    """What somebody changed on the Hub since the newest release: settings, secrets, files. Changes nothing.

    Variables and secrets that no release knows count when they were set after it. Five requests, and up to four
    more where something differs. Raises `NotFound` for a Space that does not exist.
    """
    repo_id = space.repo_id if isinstance(space, Space) else repo_id_of(space)
    known = ledger.read(repo_id, hub)
    index = known.index
    observed = hub.observe(repo_id)
    if not observed.exists:
        raise errors.NotFound(f"{repo_id} does not exist on {hub.endpoint}", hint="spaceops deploy creates it.")
    if not index.last:
        return Drift(repo_id, None)
    record = ledger.record_of(repo_id, hub, index.last)
    rows = [*_settings(record, observed, hub), *_secrets(record, observed, hub, known.now)]
    if index.sha in (None, observed.sha):
        return Drift(repo_id, record, tuple(rows), now=known.now)
    row, files = _moved(repo_id, hub, str(index.sha), observed)
    commits = tuple(hub.history(repo_id, since=index.sha, count=COMMITS))
    return Drift(repo_id, record, (*rows, row), files, commits, known.now)


def difference(space: Space | str, hub: Hub, number: int, other: int) -> Difference:
    """How the release `other` differs from the release `number`, whichever is older. Raises `NotFound`.

    Two requests, and two more where they have different commits.
    """
    repo_id = space.repo_id if isinstance(space, Space) else repo_id_of(space)
    before, after = (ledger.record_of(repo_id, hub, wanted) for wanted in (number, other))
    rows = [
        *settings_rows(before.settings, after.settings),
        *secret_rows(before.settings.secrets, after.settings.secrets),
    ]
    files = FileChanges()
    if before.sha and after.sha and before.sha != after.sha:
        files = compare_trees(hub.files(repo_id, after.sha), hub.files(repo_id, before.sha))
    if files:
        rows.append(Change("~", "files", str(files), note=f"{short(before.sha)} -> {short(after.sha)}"))
    return Difference(repo_id, before, after, tuple(rows), files)


def _title(repo_id: str, record: Record, now: datetime | None) -> str:
    unfinished = ", which was not finished" if record.outcome == "deploying" else ""
    by = f"by {harmless(record.by)}, {age(record.started, now)} ago"
    return f"{repo_id} against release {record.number} ({by}{unfinished})"


def _settings(record: Record, observed: Observed, hub: Hub) -> Iterator[Change]:
    """What differs of the settings; of variables that no release knows, those that were set after this one."""
    strange = observed.variables.keys() - record.settings.variables.keys()
    updated = hub.variables.updated(observed.repo_id) if strange else {}
    old = {key for key in strange if not _is_after(updated.get(key), record.started)}
    known = {key: value for key, value in observed.variables.items() if key not in old}
    yield from settings_rows(record.settings, _as_settings(observed, known))


def _as_settings(observed: Observed, variables: Mapping[str, str]) -> Settings:
    idle = observed.runtime.sleep_time
    return Settings(
        visibility=observed.visibility,
        hardware=observed.hardware,
        sleep_time=None if observed.hardware == FREE_HARDWARE else NEVER if idle is None else idle,  # it has its own
        variables=variables,
        volumes=tuple(map(dict, observed.runtime.volumes)),
    )


def _secrets(record: Record, observed: Observed, hub: Hub, now: datetime) -> Iterator[Change]:
    """The secrets that came, went, or were set after the release had sent its own."""
    sent = [key for key, number in record.settings.secrets.items() if number == record.number]
    late = [key for key in sent if _is_after(_updated(observed, key), record.started)]
    applied = _applied_at(record, observed.repo_id, hub) if late else None
    for key in sorted(record.settings.secrets.keys() | observed.secrets.keys()):
        found = observed.secrets.get(key)
        since = applied if key in late else record.started
        if found is None:
            yield Change("-", "secret", key, note="deleted on the Hub", key=key)
        elif since and _is_after(found.updated, since):
            known = key in record.settings.secrets
            yield Change("~" if known else "+", "secret", key, note=_told(found, now), key=key)


def _told(secret: RemoteSecret, now: datetime) -> str:
    by_hand = without_fingerprint(secret.description) == (secret.description or "")
    return f"set {age(secret.updated or '', now)} ago{', by hand' if by_hand else ''}"


def _applied_at(record: Record, repo_id: str, hub: Hub) -> str | None:
    """When the last change of a release was made, by the commit that says so; None where it is not to be found."""
    title = f"Release {record.number}: applied"
    for commit in hub.branch(repo_id, BRANCH).history(COMMITS):
        if commit.title == title:
            return (datetime.fromisoformat(commit.date) + A_SECOND).isoformat()
    return None


def _moved(repo_id: str, hub: Hub, sha: str, observed: Observed) -> tuple[Change, FileChanges]:
    """What differs of the files; without the release's commit, whose history somebody rewrote, only that."""
    moved = f"main moved from {short(sha)} to {short(observed.sha)}"
    with suppress(errors.NotFound):
        files = compare_trees(observed.files, hub.files(repo_id, sha))
        return Change("~", "files", str(files) or "the same content", note=moved), files
    return Change("~", "files", "the history was rewritten", note=moved), FileChanges()


def _updated(observed: Observed, key: str) -> str | None:
    return observed.secrets[key].updated if key in observed.secrets else None


def _is_after(time: str | None, other: str) -> bool:
    return time is not None and datetime.fromisoformat(time) > datetime.fromisoformat(other)
