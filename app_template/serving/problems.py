"""Every error in one shape, `application/problem+json` of RFC 9457, which never repeats what was sent."""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as AnyHTTPException

MEDIA_TYPE = "application/problem+json"
NAME = "Problem"  # of the shape in the description of the API
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # what the system says where the disk is full
ANYWHERE = (400, 401, 403, 413, 422, 429, 504)  # what any route may answer: see web.py
SCHEMA = {
    "title": NAME,
    "type": "object",
    "description": "Whatever fails is told in this shape, that of RFC 9457.",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string", "description": "Always about:blank: the status says what kind it is"},
        "title": {"type": "string", "description": "The name of the status"},
        "status": {"type": "integer", "description": "That of the response"},
        "detail": {"type": "string", "description": "What is wrong, in a sentence for people"},
        "request_id": {"type": ["string", "null"], "description": "By which the log names this request"},
        "errors": {
            "type": "array",
            "description": "What is wrong with which field",
            "items": {
                "type": "object",
                "required": ["loc", "msg"],
                "properties": {
                    "loc": {
                        "type": "array",
                        "items": {"type": ["string", "integer"]},
                        "description": "The way to it, from the body, the path or the query",
                    },
                    "msg": {"type": "string", "description": "What is wrong with it"},
                },
            },
        },
    },
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses=`: it may answer these errors, and those that any route may."""
    content = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{NAME}"}}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in sorted({*ANYWHERE, *statuses})
    }


def problem(
    scope: Mapping[str, Any],
    status: int,
    detail: str,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[Mapping[str, Any]] = (),
) -> Response:
    """The response for a request that failed."""
    content: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "request_id": scope.get("state", {}).get("request_id"),
    }
    if errors:
        content["errors"] = list(errors)
    return Response(json.dumps(content), status, headers, MEDIA_TYPE)


def answer_with_problems(app: FastAPI) -> None:
    """Bring what routes raise, and what they refuse to read, into the shape, and describe that once for the API."""
    app.add_exception_handler(AnyHTTPException, _raised)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(OSError, _unkept)
    describe = app.openapi

    def describe_with_problems() -> dict[str, Any]:
        description = describe()
        description.setdefault("components", {}).setdefault("schemas", {})[NAME] = SCHEMA
        return description

    app.openapi = describe_with_problems  # type: ignore[method-assign]  # as FastAPI's manual does it


async def _raised(request: Request, error: Exception) -> Response:
    """What a route raised, and also 404 and 405 for what there is not."""
    assert isinstance(error, AnyHTTPException)  # noqa: S101  for the type checker: it is registered for that
    if isinstance(error.__cause__, OSError) and error.__cause__.errno in NO_ROOM:  # FastAPI takes it for a bad body
        return await _unkept(request, error.__cause__)
    return problem(request.scope, error.status_code, str(error.detail), error.headers)


async def _unkept(request: Request, error: Exception) -> Response:
    """A full disk is told; whatever else the system refuses is a fault of the app, as any other error."""
    assert isinstance(error, OSError)  # noqa: S101
    if error.errno not in NO_ROOM:
        raise error
    return problem(request.scope, 507, f"This cannot be kept: {error.strerror}.")


async def _unreadable(request: Request, error: Exception) -> Response:
    """Which fields are wrong and why, without their values, which may be long, private or not even valid Unicode."""
    assert isinstance(error, RequestValidationError)  # noqa: S101
    if isinstance(error.body, bytes):  # which FastAPI has not tried to read
        return problem(request.scope, 422, "The body must be JSON, and the header Content-Type application/json.")
    errors = [{"loc": list(one["loc"]), "msg": one["msg"].removeprefix("Value error, ")} for one in error.errors()]
    return problem(request.scope, 422, "; ".join(_sentence(one) for one in errors), errors=errors)


def _sentence(error: Mapping[str, Any]) -> str:
    place = ".".join(str(part) for part in error["loc"][1:] if isinstance(part, str))
    return f"{place}: {error['msg']}" if place else error["msg"]
