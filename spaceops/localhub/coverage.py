"""What the local Hub answers and what not, told from the table that it answers by."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from spaceops.localhub.app import ABSENT, CALLS, CONTROL, PAGES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from spaceops.localhub.app import Call

GROUPS = {  # the first that fits; printed from the last
    "Jobs": r"/api/(scheduled-)?jobs/",
    "Webhooks": r"/api/settings/webhooks",
    "Collections and papers": r"/api/(collections|papers|daily_papers)|/papers/",
    "Spaces": r"/api/spaces/(\{ns\}/\{name\}/(?!xet-)|hardware|zero-gpu|templates|semantic-search)",
    "Buckets": r"(/api)?/buckets/",
    "Large files": r"/(cas|lfs)/|.*/(xet-\w+-token|lfs-files|info/lfs)",
    "git": r".*/(info/refs|git-\w+-pack)$",
    "Pull requests and discussions": r".*/discussions|/uploads$",
    "Files": r".*/\{name\}/(tree|paths-info|preupload|commit|resolve|raw)(/|$)",
    "Branches, tags, commits": r".*/\{name\}/(refs|branch|tag|commits|super-squash)(/|$)",
    "Repositories": r"/api/(repos|(models|datasets|kernels)\b|\{models)|.*/settings/repositories$",
    "Accounts": r"/(api|oauth)/",
}
OURS = "Control of the local Hub itself"
WORDS = {"{kinds:kinds}": "{models|datasets|spaces}", "{namespace}": "{ns}"}
ELSEWHERE = (
    "Inference Endpoints and the dataset viewer are other hosts of the real Hub: the client asks them, whatever its "
    "endpoint is."
)


@dataclass(frozen=True, kw_only=True)
class Covered:
    """One call of the Hub, and what it does here."""

    group: str
    method: str
    path: str
    state: str  # works, partial, not there
    missing: str  # what of it is not there
    guess: str  # what could not be seen of the real Hub, and how it is here

    def as_dict(self) -> dict[str, Any]:
        """The call as data."""
        return asdict(self)


def calls() -> list[Covered]:
    """All calls, by their groups."""
    pages = (page._replace(path=f"/[datasets/|spaces/]{{namespace}}/{{name}}{page.path}") for page in PAGES)
    rows = [_covered(call) for call in (*CALLS, *pages, *ABSENT)]
    order = [*reversed(GROUPS)]
    ours = [_covered(call, OURS) for call in CONTROL]
    return [*sorted(rows, key=lambda row: order.index(row.group)), *ours]


def calls_as_text() -> str:
    """All calls as Markdown."""
    rows = calls()
    states = [row.state for row in rows if row.group != OURS]
    works, partial, absent = (states.count(state) for state in ("works", "partial", "not there"))
    head = [
        "# What the local Hub answers",
        "",
        f"Of {len(states)} calls {works} work, {partial} work in part, and {absent} are not there: those answer 501.",
        "`?` is what could not be seen of the real Hub, and how it is here.",
        "",
    ]
    return "\n".join([*head, *_tables(rows), ELSEWHERE, ""])


def _tables(rows: Iterable[Covered]) -> Iterator[str]:
    group = None
    for row in rows:
        if row.group != group:
            yield from ([] if group is None else [""])
            yield from (f"## {row.group}", "", "| call | here | |", "|---|---|---|")
            group = row.group
        notes = "; ".join(filter(None, (row.missing, row.guess and f"? {row.guess}"))).replace("|", "\\|")
        path = row.path.replace("|", "\\|")
        yield f"| `{row.method} {path}` | {row.state} | {notes} |"
    yield ""


def _covered(call: Call, group: str | None = None) -> Covered:
    path = call.path
    for ours, theirs in WORDS.items():
        path = path.replace(ours, theirs)
    path = re.sub(r"\{(\w+):\w+\}", r"{\1}", path)
    state = "not there" if call.answer is None else "partial" if call.partial else "works"
    group = group or next(title for title, pattern in GROUPS.items() if re.match(pattern, path))
    return Covered(group=group, method=call.method, path=path, state=state, missing=call.partial, guess=call.guess)
