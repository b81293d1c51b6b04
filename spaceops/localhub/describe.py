"""A repository as the wire describes it: one function for each field, so that `expand` can ask for any of them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from spaceops.localhub.refusals import bad_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from spaceops.localhub.repos import Repos, Snapshot
    from spaceops.localhub.store import Repo


class Facts:
    """A repository at one commit; what a field needs is read when the field is asked for. Reading blocks on git."""

    def __init__(self, repos: Repos, repo: Repo, sha: str, space: Mapping[str, Any], *, blobs: bool = False) -> None:
        self.repos, self.repo, self.sha, self.blobs = repos, repo, sha, blobs
        self.space = space  # of a Space: its host and its runtime

    @cached_property
    def snapshot(self) -> Snapshot:
        """The files."""
        return self.repos.snapshot(self.repo, self.sha)

    @property
    def card(self) -> Mapping[str, Any]:
        """README.md's front matter; empty when there is none, or none that can be read."""
        return self.repos.card(self.repo, self.sha)

    @property
    def sdk(self) -> str | None:
        """What a Space is built with: what its card says, else what it was created for."""
        return self.first("sdk") or self.repo.sdk

    def stated(self, key: str) -> list[str]:
        """What the card says there, if that is text or a list of texts."""
        value = self.card.get(key)
        found = value if isinstance(value, list) else [value]
        return [text for text in found if isinstance(text, str)]

    def first(self, key: str) -> str | None:
        """What the card says there, if that is text."""
        return next(iter(self.stated(key)), None)

    def tags(self) -> list[str]:
        """What a repository is found by: what it is made for, then the tags of its card, then what else that says."""
        own = [self.sdk] if self.repo.kind == "space" else [self.first(key) for key in ("pipeline_tag", "library_name")]
        more = [f"{start}{text}" for key, start in TAGGED[self.repo.kind].items() for text in self.stated(key)]
        return list(dict.fromkeys(filter(None, [*own, *self.stated("tags"), *more, "region:us"])))

    def last_modified(self) -> str | None:
        """When the commit was made."""
        commit = self.repos.commit(self.repo, self.sha)
        return commit.date if commit else None

    def siblings(self) -> list[dict[str, Any]]:
        """The files; with `blobs` their sizes and hashes."""
        return [self._sibling(path) for path, node in self.snapshot.nodes.items() if not node.is_folder]

    def used_storage(self) -> int:
        """Bytes of all files."""
        return sum(self.snapshot.size(path) for path in self.snapshot.nodes)

    def _sibling(self, path: str) -> dict[str, Any]:
        if not self.blobs:
            return {"rfilename": path}
        file = {"rfilename": path, "size": self.snapshot.size(path), "blobId": self.snapshot.nodes[path].oid}
        if pointer := self.snapshot.pointers.get(path):
            stored = self.snapshot.nodes[path].size
            file["lfs"] = {"sha256": pointer.oid, "size": pointer.size, "pointerSize": stored}
        return file


# The fields of a card that are tags too, and what the tag begins with.
TAGGED: dict[str, dict[str, str]] = {
    "model": {"language": "", "license": "license:", "datasets": "dataset:", "base_model": "base_model:"},
    "dataset": {
        "language": "language:",
        "license": "license:",
        "task_categories": "task_categories:",
        "task_ids": "task_ids:",
        "size_categories": "size_categories:",
    },
    "space": {"license": "license:"},
}
COMMON: dict[str, Callable[[Facts], Any]] = {
    "author": lambda facts: facts.repo.namespace,
    "sha": lambda facts: facts.sha,
    "lastModified": Facts.last_modified,
    "createdAt": lambda facts: facts.repo.created_at,
    "private": lambda facts: facts.repo.visibility != "public",
    "visibility": lambda facts: facts.repo.visibility,
    "gated": lambda facts: facts.repo.gated or False,
    "disabled": lambda _: False,
    "likes": lambda _: 0,
    "trendingScore": lambda _: 0,
    "tags": Facts.tags,
    "cardData": lambda facts: facts.card,
    "usedStorage": Facts.used_storage,
    "siblings": Facts.siblings,
    "resourceGroup": lambda _: None,
    "xetEnabled": lambda _: True,
}
SPACE: dict[str, Callable[[Facts], Any]] = {
    **COMMON,
    "sdk": lambda facts: facts.sdk,
    "subdomain": lambda facts: facts.repo.repo_id.lower().replace("/", "-").replace("_", "-").replace(".", "-"),
    "host": lambda facts: facts.space["host"],
    "runtime": lambda facts: facts.space["runtime"],
    "models": lambda facts: facts.stated("models"),
    "datasets": lambda facts: facts.stated("datasets"),
    "region": lambda _: "us",
}
DOWNLOADED: dict[str, Callable[[Facts], Any]] = {
    **COMMON,
    "downloads": lambda _: 0,
    "downloadsAllTime": lambda _: 0,
}
MODEL: dict[str, Callable[[Facts], Any]] = {
    **DOWNLOADED,
    "pipeline_tag": lambda facts: facts.first("pipeline_tag"),
    "library_name": lambda facts: facts.first("library_name"),
    "model-index": lambda facts: facts.card.get("model-index"),
}
FIELDS = {"space": SPACE, "model": MODEL, "dataset": DOWNLOADED}
# What the Hub finds out about files, or nobody has here: it may be asked for, and is never there.
NEVER_THERE: dict[str, tuple[str, ...]] = {
    "space": (),
    "model": (
        "baseModels",
        "childrenModelCount",
        "config",
        "evalResults",
        "gguf",
        "inference",
        "inferenceProviderMapping",
        "mask_token",
        "safetensors",
        "spaces",
        "transformersInfo",
        "widgetData",
    ),
    "dataset": ("citation", "description", "mainSize", "paperswithcode_id"),
}
LISTED = (
    *("author", "lastModified", "createdAt", "private", "visibility", "gated", "likes", "trendingScore", "tags"),
    *("sdk", "downloads", "pipeline_tag", "library_name"),
)


def fields_of(kind: str, expand: Iterable[str], otherwise: Iterable[str]) -> list[str]:
    """The fields to show: those asked for, else the usual ones; refuses one that there is not."""
    known = FIELDS[kind]
    asked = list(expand)
    valid = sorted([*known, *NEVER_THERE[kind]])
    if unknown := [field for field in asked if field not in valid]:
        raise bad_request(f'"expand" must be one of [{", ".join(valid)}], got {unknown[0]}')
    return asked or [field for field in otherwise if field in known]


def describe(facts: Facts, fields: Iterable[str]) -> dict[str, Any]:
    """The repository with these fields, those left out that have no value; blocks on git."""
    known = FIELDS[facts.repo.kind]
    identity = {"_id": facts.repo.id, "id": facts.repo.repo_id}
    found = {field: known[field](facts) for field in fields if field in known}
    return {**identity, **{field: value for field, value in found.items() if value is not None}}
