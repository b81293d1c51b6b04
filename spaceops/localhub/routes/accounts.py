"""Routes about the caller, and the few that concern no repository."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from spaceops.localhub.accounts import identity
from spaceops.localhub.metadata import problems, warnings
from spaceops.localhub.wire import Json, body_of, member, parts

if TYPE_CHECKING:
    from starlette.requests import Request

    from spaceops.localhub.accounts import User


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
            "orgs": [_org(request, user, name) for name in user.orgs],
            "auth": {"type": "access_token", "accessToken": {"displayName": "local", "role": user.role}},
        }
    )


def _org(request: Request, user: User, name: str) -> dict[str, Any]:
    org = parts(request).accounts.org(name)
    return {
        "type": "org",
        "id": identity(name),
        "name": name,
        "fullname": (org and org.fullname) or name,
        "isEnterprise": org is not None and org.plan == "enterprise",
        "canPay": org is not None and org.plan != "free",
        "plan": org and org.plan,
        "roleInOrg": user.role,
        "avatarUrl": "",
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
