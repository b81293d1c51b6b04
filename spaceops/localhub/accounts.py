"""Who may do what: users, organisations and their tokens, read from a TOML file when the server starts."""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from spaceops.errors import BadInput
from spaceops.structs import convert

if TYPE_CHECKING:
    from spaceops.localhub.store import Repo

NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?")
ENTITY = re.compile(r"[\w.-]+|(?:(models|datasets|spaces|buckets)/)?[\w.-]+/[\w.-]+")
EXAMPLE = 'A user is [[users]] with name = "ada" and token = "hf_...".'
MAIL = "@users.noreply.localhost"  # follows the name of whom a commit is by
READ, WRITE = "repo.content.read", "repo.write"  # the permissions that mean something here; the Hub has more
DISCUSS = "discussion.write"
# The scopes of an OAuth token that allow each of them; what is new needs one of CREATES.
READS, WRITES, CREATES = (
    {"read-repos", "write-repos", "manage-repos"},
    {"write-repos", "manage-repos"},
    {"manage-repos"},
)
SCOPES = {READ: READS, WRITE: WRITES, DISCUSS: {"write-discussions"}}


class Scope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a fine-grained token may do where.

    `entity` is a user or an organisation (`acme`), which stands for all its repositories; or one repository
    (`spaces/acme/demo`), without the kind every one of that name.
    """

    entity: str
    permissions: tuple[str, ...]

    def covers(self, namespace: str, repo: Repo | None = None) -> bool:
        """Whether it is about this repository, or without one about what is new in that namespace."""
        wanted = self.entity.lower()
        names = (repo.repo_id, f"{repo.kind}s/{repo.repo_id}") if repo else ()
        return wanted in (namespace.lower(), *(name.lower() for name in names))


class User(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"everywhere": "global"}):
    """Somebody with one token."""

    name: str
    token: str
    fullname: str = ""
    role: Literal["read", "write", "fineGrained", "oauth"] = "write"  # of the token
    plan: Literal["free", "pro"] = "free"
    orgs: tuple[str, ...] = ()
    scoped: tuple[Scope, ...] = ()  # of a fine-grained token
    everywhere: tuple[str, ...] = ()  # its permissions that are about no repository
    scopes: tuple[str, ...] = ()  # of an OAuth token; those about repositories are about the user's own

    def __repr__(self) -> str:
        return f"User({self.name})"  # never the token

    @property
    def id(self) -> str:
        """The id that the Hub shows in place of the name."""
        return identity(self.name)

    @property
    def mail(self) -> str:
        """The address that stands in commits made here for the user."""
        return f"{self.name}{MAIL}"

    @property
    def is_blind(self) -> bool:
        """Whether the token is for other things than repositories: whoever asks with it is told what nobody is told."""
        return self.role == "oauth" and READS.isdisjoint(self.scopes)

    def grants(self, permission: str, namespace: str, repo: Repo | None = None) -> bool:
        """Whether the token may be used for that, if its owner may do it. What may write may read."""
        if self.role == "oauth":
            needed = CREATES if permission == WRITE and repo is None else SCOPES.get(permission, set())
            is_own = permission == DISCUSS or namespace.lower() == self.name.lower()
            return is_own and not needed.isdisjoint(self.scopes)
        if self.role != "fineGrained":
            return self.role == "write" or permission == READ
        enough = {permission, WRITE} if permission == READ else {permission}
        return any(scope.covers(namespace, repo) and enough & set(scope.permissions) for scope in self.scoped)


class Org(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An organisation; who is in it stands with the users."""

    name: str
    fullname: str = ""
    plan: Literal["free", "team", "enterprise"] = "team"
    default_visibility: Literal["public", "private"] = "public"  # of new repositories


class _File(msgspec.Struct, forbid_unknown_fields=True):
    users: list[User]
    orgs: list[Org] = []


DEMO = User(name="demo", fullname="Demo", plan="pro", token="hf_local")  # noqa: S106  opens nothing but this machine's own Hub


@dataclass(frozen=True)
class Accounts:
    """The users and organisations of one server."""

    users: tuple[User, ...] = (DEMO,)
    orgs: tuple[Org, ...] = ()

    @classmethod
    def load(cls, file: Path) -> Accounts:
        """Read an accounts file; raises `BadInput` that names what is wrong, and never shows a token."""
        try:
            found = convert(tomllib.loads(file.read_text("utf-8")), _File)
        except OSError as error:
            raise BadInput(f"{file}: {error.strerror}", hint=EXAMPLE) from error
        except UnicodeDecodeError as error:
            raise BadInput(f"{file}: it is not UTF-8 text", hint=EXAMPLE) from error
        except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
            raise BadInput(f"{file}: {error}", hint=EXAMPLE) from error
        _check(file, found)
        return cls(tuple(found.users), tuple(found.orgs))

    @property
    def built_in(self) -> bool:
        """Whether these are the accounts of a server that was given none."""
        return self.users == (DEMO,)

    def user(self, token: str | None) -> User | None:
        """Whose token it is."""
        return next((user for user in self.users if token and user.token == token), None)

    def org(self, name: str) -> Org | None:
        """The organisation of that name, whatever the case of its letters."""
        return next((org for org in self.orgs if org.name.lower() == name.lower()), None)

    def namespace(self, name: str) -> str | None:
        """A user's or organisation's name as it is written, whatever the case it was asked for in."""
        names = [user.name for user in self.users] + [org.name for org in self.orgs]
        return next((known for known in names if known.lower() == name.lower()), None)

    def may_see(self, user: User | None, repo: Repo) -> bool:
        """Whether somebody may know of a repository; a protected Space's source is private."""
        return repo.visibility == "public" or reads(user, repo)

    def may_read(self, user: User | None, repo: Repo) -> bool:
        """Whether somebody may read a repository's files; of a gated one only those may who it belongs to."""
        return self.may_see(user, repo) and (repo.gated is None or reads(user, repo))

    def may_visit(self, repo: Repo, token: str | None) -> bool:
        """Whether the bearer of a token may open a Space's app."""
        return repo.visibility != "private" or reads(self.user(token), repo)

    def pays(self, namespace: str, user: User) -> bool:
        """Whether a plan covers what is not free."""
        org = self.org(namespace)
        return org.plan != "free" if org else user.plan == "pro"


def belongs(user: User | None, namespace: str) -> bool:
    """Whether a namespace is the user's own or an organisation of theirs."""
    return user is not None and namespace.lower() in {user.name.lower(), *(org.lower() for org in user.orgs)}


def reads(user: User | None, repo: Repo) -> bool:
    """Whether a user may read what of a repository is not for everybody: it is theirs, and their token reads it."""
    return user is not None and belongs(user, repo.namespace) and user.grants(READ, repo.namespace, repo)


def may_write(user: User | None, namespace: str, repo: Repo | None = None) -> bool:
    """Whether a user may create in a namespace, or change a repository in it: it is theirs, and their token writes."""
    return user is not None and belongs(user, namespace) and user.grants(WRITE, namespace, repo)


def identity(name: str) -> str:
    """24 hex digits that stay the same for a name."""
    return hashlib.sha256(name.lower().encode()).hexdigest()[:24]


def _check(file: Path, found: _File) -> None:
    names = [user.name for user in found.users] + [org.name for org in found.orgs]
    if not found.users:
        raise BadInput(f"{file}: there is no user in it", hint=EXAMPLE)
    for name in names:
        if not NAME.fullmatch(name):
            raise BadInput(f"{file}: {name!r} cannot be a name", hint="Letters, digits, '-', '_' and '.' only.")
    lowered = [name.lower() for name in names]
    if twice := next((name for name in names if lowered.count(name.lower()) > 1), None):
        raise BadInput(f"{file}: there are two accounts named {twice}", hint="Rename one of them.")
    tokens = [user.token for user in found.users]
    if any(not token or token != token.strip() for token in tokens) or len(set(tokens)) < len(tokens):
        raise BadInput(f"{file}: every user needs a token of their own", hint='For instance token = "hf_ada".')
    for user in found.users:
        if lost := set(user.orgs) - {org.name for org in found.orgs}:
            raise BadInput(f"{file}: {user.name} is in {min(lost)}, which is no [[orgs]]", hint="Add it.")
        _check_scopes(file, user, {name.lower() for name in names})
        if user.scopes and user.role != "oauth":
            raise BadInput(f"{file}: {user.name} has OAuth scopes and no role for them", hint='Add role = "oauth".')


def _check_scopes(file: Path, user: User, names: set[str]) -> None:
    if (user.scoped or user.everywhere) and user.role != "fineGrained":
        raise BadInput(f"{file}: {user.name} has scopes and no role for them", hint='Add role = "fineGrained".')
    for scope in user.scoped:
        kind = ENTITY.fullmatch(scope.entity)
        if not kind or scope.entity.removeprefix(f"{kind[1]}/").partition("/")[0].lower() not in names:
            hint = 'A user or organisation ("acme"), or a repository ("spaces/acme/demo").'
            raise BadInput(f"{file}: {user.name} has a scope for {scope.entity!r}, which is nothing here", hint=hint)
