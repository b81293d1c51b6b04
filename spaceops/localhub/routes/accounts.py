"""Routes about the caller and other people, and the few that concern no repository."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from spaceops.localhub.accounts import identity
from spaceops.localhub.metadata import problems, warnings
from spaceops.localhub.refusals import Refused
from spaceops.localhub.wire import KINDS, Json, body_of, caller, member, page, param, parts

if TYPE_CHECKING:
    from starlette.requests import Request

    from spaceops.localhub.accounts import Org, Scope, User

PEOPLE_PER_PAGE = 1000


async def whoami(request: Request) -> Json:
    """`GET /api/whoami-v2`."""
    user = member(request)
    return Json(
        {
            "type": "user",
            "id": user.id,
            "name": user.name,
            "fullname": user.fullname or user.name,
            "email": None,
            "emailVerified": True,
            "canPay": user.plan == "pro",
            "isPro": user.plan == "pro",
            "periodEnd": None,
            "avatarUrl": "",
            "orgs": [_org(request, name) for name in user.orgs],
            "auth": _auth(user),
        }
    )


def _org(request: Request, name: str) -> dict[str, Any]:
    org = parts(request).accounts.org(name)
    return {
        "type": "org",
        "id": identity(name),
        "name": name,
        "fullname": (org and org.fullname) or name,
        "isEnterprise": org is not None and org.plan == "enterprise",
        "canPay": org is not None and org.plan != "free",
        "plan": org and org.plan,
        "roleInOrg": "write",  # there are no other members here
        "avatarUrl": "",
    }


def _auth(user: User) -> dict[str, Any]:
    """How the caller is known; the Hub tells nobody which scopes an OAuth token has."""
    if user.role == "oauth":
        return {"type": "app_token_as_user"}
    token: dict[str, Any] = {"displayName": "local", "role": user.role}
    if user.role == "fineGrained":
        scoped = [shown for scope in user.scoped for shown in _scopes(scope, user)]
        token["fineGrained"] = {"canReadGatedRepos": False, "global": user.everywhere, "scoped": scoped}
    return {"type": "access_token", "accessToken": token}


def _scopes(scope: Scope, user: User) -> list[dict[str, Any]]:
    """A scope as the wire has it; a repository without its kind stands for one of every kind."""
    kinds, _, name = scope.entity.rpartition("/")[0].rpartition("/")
    if not name:
        owner = "user" if scope.entity.lower() == user.name.lower() else "org"
        return [_scope(owner, scope.entity, scope)]
    shown = scope.entity.removeprefix(f"{kinds}/") if kinds else scope.entity
    every = [KINDS.get(kinds) or kinds.removesuffix("s")] if kinds else [*KINDS.values(), "bucket"]
    return [_scope(kind, shown, scope) for kind in every]


def _scope(kind: str, name: str, scope: Scope) -> dict[str, Any]:
    entity = {"_id": identity(scope.entity), "type": kind, "name": name}
    return {"entity": entity, "permissions": scope.permissions}


async def user_overview(request: Request) -> Json:
    """`GET /api/users/{name}/overview`."""
    accounts, name = parts(request).accounts, param(request, "name")
    user = next((user for user in accounts.users if user.name.lower() == name.lower()), None)
    if user is None:
        raise Refused(404, "This user does not exist")
    orgs = [{"name": name, "fullname": name, "avatarUrl": ""} for name in user.orgs]
    return Json({**_person(user), **_numbers(request, user.name), "orgs": orgs})


async def org_overview(request: Request) -> Json:
    """`GET /api/organizations/{name}/overview`."""
    org = _known_org(request)
    about = {"_id": identity(org.name), "name": org.name, "fullname": org.fullname or org.name, "avatarUrl": ""}
    users = len(_members(request, org))
    return Json({**about, "type": "org", "plan": org.plan, "numUsers": users, **_numbers(request, org.name)})


async def org_members(request: Request) -> Json:
    """`GET /api/organizations/{name}/members`."""
    return page(request, [_person(user) for user in _members(request, _known_org(request))], PEOPLE_PER_PAGE)


def _known_org(request: Request) -> Org:
    org = parts(request).accounts.org(param(request, "name"))
    if org is None:
        raise Refused(404, "This organization does not exist")
    return org


def _members(request: Request, org: Org) -> list[User]:
    return [user for user in parts(request).accounts.users if org.name in user.orgs]


def _person(user: User) -> dict[str, Any]:
    about = {"_id": user.id, "user": user.name, "fullname": user.fullname or user.name, "avatarUrl": ""}
    return {**about, "type": "user", "isPro": user.plan == "pro"}


def _numbers(request: Request, namespace: str) -> dict[str, int]:
    """How many repositories of each kind the caller sees there."""
    accounts, user = parts(request).accounts, caller(request)
    every = {kinds: parts(request).store.all(kind) for kinds, kind in KINDS.items()}
    return {
        f"num{kinds.title()}": sum(repo.namespace == namespace and accounts.may_see(user, repo) for repo in repos)
        for kinds, repos in every.items()
    }


async def agent_harnesses(request: Request) -> Json:  # noqa: ARG001
    """`GET /api/agent-harnesses`: the client asks once a day which coding agents there are. None."""
    return Json({"standardEnvVars": [], "harnesses": {}})


class _Readme(msgspec.Struct, rename="camel"):
    content: str
    repo_type: str = "model"


async def validate_yaml(request: Request) -> Json:
    """`POST /api/validate-yaml`: the client asks before it uploads a README.md."""
    readme = await body_of(request, _Readme)
    found = await asyncio.to_thread(problems, readme.content, readme.repo_type)  # YAML takes its time
    errors = [{"message": message} for message in found]
    said = [{"message": message} for message in warnings(readme.content)]
    return Json({"errors": errors, "warnings": said}, 400 if errors else 200)
