"""Who a token belongs to, and what it may do to a Space, in plain words: `Identity` and its `Rights`.

What is known of each kind of token comes from `whoami`: read and write tokens have a role, fine-grained ones have
permissions for users, organizations and repositories. Of an OAuth token (`hf auth login`) the Hub tells no scopes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

VERBS = ("read", "create", "push", "settings", "hardware", "restart")
OAUTH = "OAuth"
FINE_GRAINED = "fineGrained"
TOKENS = "https://huggingface.co/settings/tokens"

_CHANGES = frozenset(VERBS) - {"read", "create"}  # what the right to write to a Space covers
_SCOPES = {"read": "read-repos", "push": "write-repos"}  # of OAuth; manage-repos covers everything
_READS, _WRITES = frozenset({"repo.content.read", "repo.write"}), frozenset({"repo.write"})
_OWNERS = ("user", "org")
_PHRASES = {
    "read": "read it",
    "create": "create it",
    "push": "push to it",
    "settings": "change its settings",
    "hardware": "change its hardware",
    "restart": "restart it",
}


class Right(NamedTuple):
    """Whether a token may do something (None: it cannot be told beforehand), and why."""

    may: bool | None
    why: str


@dataclass(frozen=True)
class Grant:
    """What a fine-grained token may do to a user's or organization's repositories, or to one of them."""

    kind: str  # user, org, space, model, dataset, resourceGroup and so on
    name: str
    permissions: frozenset[str]

    def covers(self, repo_id: str, *, new: bool) -> bool:
        """Whether it is about this Space; about a new one only what is about its whole namespace is."""
        owner = repo_id.partition("/")[0]
        if self.kind in _OWNERS:
            return self.name.lower() == owner.lower()
        return self.kind == "space" and not new and self.name.lower() == repo_id.lower()


@dataclass(frozen=True)
class Rights:
    """What a token may do to one Space, verb by verb; `str()` is the table."""

    repo_id: str
    account: str
    verbs: Mapping[str, Right]

    def __getitem__(self, verb: str) -> Right:
        return self.verbs[verb]

    def is_open(self, verbs: Collection[str]) -> bool:
        """Whether a question about one of these is left that the Hub can answer for a Space that exists."""
        return any(self[verb].may is None for verb in _CHANGES & set(verbs))

    def settled(self, writes: bool | None) -> Rights:
        """With what the Hub said when it was asked whether the token may write there; None: there is no such Space."""
        if writes is None:
            return self
        answer = Right(writes, "the Hub says so" if writes else "the Hub says that it may not write there")
        open_ones = {verb for verb in _CHANGES if self[verb].may is None}
        return replace(self, verbs={verb: answer if verb in open_ones else right for verb, right in self.verbs.items()})

    def refusal(self, verbs: Collection[str]) -> str | None:
        """A sentence on what of these the token may surely not do, and why not; None where there is nothing."""
        refused = [verb for verb in VERBS if verb in verbs and self[verb].may is False]
        if not refused:
            return None
        reasons = "; ".join(dict.fromkeys(self[verb].why for verb in refused))
        what = " or ".join(_PHRASES[verb] for verb in refused)
        return f"{self.repo_id}: the token of {self.account} may not {what}: {reasons}"

    def as_dict(self) -> dict[str, Any]:
        """The table for `--json`; `may` is null for what cannot be told beforehand."""
        return {verb: right._asdict() for verb, right in self.verbs.items()}

    def __str__(self) -> str:
        shown = {True: "yes", False: "no", None: "?"}
        lines = (f"  {verb:<9} {shown[right.may]:<4} {right.why}".rstrip() for verb, right in self.verbs.items())
        return "\n".join((self.repo_id, *lines))


@dataclass(frozen=True)
class Identity:
    """The account that a token belongs to, and what is known of the token."""

    name: str
    token: str  # read, write, fineGrained, OAuth, or what else the Hub calls it
    label: str | None = None  # the token's own name
    expires: str | None = None  # ISO 8601
    orgs: Mapping[str, str | None] = field(default_factory=dict)  # name -> role there, None where it is not told
    grants: tuple[Grant, ...] | None = None  # of a fine-grained token; None where they are not told
    paid: Mapping[str, bool] = field(default_factory=dict)  # whether user and organizations have a paid plan, if told

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Identity:
        """Read the answer of `whoami`."""
        auth = raw.get("auth") or {}
        access = auth.get("accessToken") or {}
        orgs = raw.get("orgs") or ()
        names = {one.get("id"): one["name"] for one in (raw, *orgs)}
        fine = access.get("fineGrained")
        return cls(
            name=str(raw["name"]),
            token=access.get("role") or OAUTH,
            label=access.get("displayName"),
            expires=auth.get("expiresAt") or access.get("expiration"),
            orgs={org["name"]: org.get("roleInOrg") for org in orgs},
            grants=tuple(_grant(scope, names) for scope in fine.get("scoped") or ()) if fine else None,
            paid={one["name"]: paid for one in (raw, *orgs) if (paid := _is_paid(one)) is not None},
        )

    def rights(self, repo_id: str) -> Rights:
        """What the token may do to a Space, as far as it tells by itself."""
        return Rights(repo_id, self.name, {verb: self._right(verb, repo_id) for verb in VERBS})

    def as_dict(self) -> dict[str, Any]:
        """The account for `--json`."""
        token = {"kind": self.token, "name": self.label, "expires": self.expires}
        return {"name": self.name, "token": token, "orgs": dict(self.orgs)}

    def __str__(self) -> str:
        kinds = {FINE_GRAINED: "fine-grained"}
        label = f" {self.label!r}" if self.label else ""
        until = f", until {self.expires}" if self.expires else ""
        orgs = ", ".join(f"{name} ({role})" if role else name for name, role in self.orgs.items())
        lines = [self.name, f"  token     {kinds.get(self.token, self.token)}{label}{until}"]
        return "\n".join(lines + ([f"  orgs      {orgs}"] if orgs else []))

    def _right(self, verb: str, repo_id: str) -> Right:
        """The token and its owner must both be allowed to; what one of them surely may not decides."""
        token, owner = self._of_token(verb, repo_id), self._of_owner(verb, repo_id.partition("/")[0])
        order = {False: 0, None: 1, True: 2}
        return min((token, owner), key=lambda right: order[right.may])

    def _of_token(self, verb: str, repo_id: str) -> Right:
        if self.token in ("write", "god"):
            return Right(True, "")
        if self.token == "read":  # noqa: S105
            return Right(True, "") if verb == "read" else Right(False, "a read token changes nothing")
        if self.token == FINE_GRAINED and self.grants is not None:
            return self._of_grants(verb, repo_id, self.grants)
        if self.token == OAUTH:
            return Right(None, f"of an OAuth token the Hub tells no scopes; this needs {_scope(verb)}")
        return Right(None, "the Hub does not tell what this token may do")

    def _of_grants(self, verb: str, repo_id: str, grants: tuple[Grant, ...]) -> Right:
        enough = _READS if verb == "read" else _WRITES
        fitting = [grant for grant in grants if enough & grant.permissions]
        if any(grant.covers(repo_id, new=verb == "create") for grant in fitting):
            return Right(True, "")
        if verb == "read":
            return Right(None, "only while it is public")
        if groups := [grant.name for grant in fitting if grant.kind == "resourceGroup"]:
            return Right(None, f"if it is in the resource group {groups[0]}".rstrip())
        owner = repo_id.partition("/")[0]
        where = owner if verb == "create" else f"{owner} or spaces/{repo_id}"
        return Right(False, f"the token has no repo.write for {where}")

    def _of_owner(self, verb: str, owner: str) -> Right:
        """What the account itself may do in a namespace; a resource group may allow more than the role says."""
        roles = {self.name.lower(): "admin"} | {name.lower(): role for name, role in self.orgs.items()}
        if owner.lower() not in roles:
            known = "only while it is public" if verb == "read" else "as far as this token shows"
            return Right(None, f"{owner} is neither {self.name} nor an organization of theirs: {known}")
        role = roles[owner.lower()]
        if verb == "read" or role in ("admin", "write") or (role == "contributor" and verb == "create"):
            return Right(True, "")
        if role == "contributor":
            return Right(None, f"a contributor of {owner} changes only what they made")
        said = f"{self.name} has the role {role} in {owner}" if role else f"the role in {owner} is not told"
        return Right(None, f"{said}; a resource group may allow more" if role else said)


def _is_paid(one: Mapping[str, Any]) -> bool | None:
    """Whether a user or an organization pays for a plan; None where that is not told."""
    if one.get("isPro") or one.get("isEnterprise"):
        return True
    if one.get("plan"):
        return bool(one["plan"] != "free")
    return False if one.get("isPro") is False else None


def _grant(scope: Mapping[str, Any], names: Mapping[str | None, str]) -> Grant:
    entity = scope.get("entity") or {}
    name = entity.get("name") or names.get(entity.get("_id")) or ""
    return Grant(entity.get("type") or "", name, frozenset(scope.get("permissions") or ()))


def _scope(verb: str) -> str:
    return f"{_SCOPES[verb]} or manage-repos" if verb in _SCOPES else "manage-repos"
