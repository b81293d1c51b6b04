"""Routes of our own, for who may read the data folder: faults, time and counters of this server, and its data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from spaceops.errors import NotFound, SpaceopsError
from spaceops.localhub.faults import Fault
from spaceops.localhub.refusals import Refused
from spaceops.localhub.wire import Json, body_of, now, param, token_of
from spaceops.structs import convert

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from spaceops.localhub.control import Control


class _File(msgspec.Struct):
    file: str
    with_secrets: bool = True


class _Step(msgspec.Struct):
    seconds: float


def for_owner(answer: Callable[[Request, Control], Awaitable[Any]]) -> Callable[[Request], Awaitable[Json]]:
    """For the owner of the server only, who also learns what to do about an error."""

    async def checked(request: Request) -> Json:
        control: Control = request.app.state.control
        if not control.opens(token_of(request)):
            raise Refused(401, "Only who may read the data folder may ask for that")
        try:
            return Json(await answer(request, control))
        except SpaceopsError as error:
            return Json(error.as_dict(), 404 if isinstance(error, NotFound) else 400)

    checked.__doc__ = answer.__doc__
    return checked


@for_owner
async def list_faults(_request: Request, control: Control) -> Any:
    """`GET /_hub/faults`."""
    return [fault.as_dict() for fault in control.life.parts.faults.list()]


@for_owner
async def add_fault(request: Request, control: Control) -> Any:
    """`POST /_hub/faults`: the fields of a `Fault`."""
    facts = await body_of(request, dict[str, Any])
    convert(facts, Fault)  # of the right types
    return control.life.parts.faults.add(**facts).as_dict()


@for_owner
async def clear_faults(request: Request, control: Control) -> Any:
    """`DELETE /_hub/faults` and `/_hub/faults/{number}`."""
    number = request.path_params.get("number")
    cleared = control.life.parts.faults.clear(number)
    if number is not None and not cleared:
        raise NotFound(f"There is no fault {number}", hint="spaceops hub fault list")
    return {"cleared": cleared}


@for_owner
async def advance_clock(request: Request, control: Control) -> Any:
    """`POST /_hub/clock`: put the clock forward by some seconds."""
    control.life.parts.clock.advance((await body_of(request, _Step)).seconds)
    return {"now": now(request)}


@for_owner
async def counters(request: Request, control: Control) -> Any:
    """`GET /_hub/counters/{namespace}/{name}`: of a Space."""
    return await control.counters(f"{param(request, 'namespace')}/{param(request, 'name')}")


@for_owner
async def snapshot(request: Request, control: Control) -> Any:
    """`POST /_hub/snapshot`: everything into one file of this machine."""
    wanted = await body_of(request, _File)
    await control.life.snapshot(Path(wanted.file), with_secrets=wanted.with_secrets)
    return {"file": wanted.file}


@for_owner
async def restore(request: Request, control: Control) -> Any:
    """`POST /_hub/restore`: what a file holds, in place of everything."""
    wanted = await body_of(request, _File)
    await control.life.restore(Path(wanted.file))
    return {"file": wanted.file}


@for_owner
async def reset(request: Request, control: Control) -> Any:  # noqa: ARG001
    """`POST /_hub/reset`: nothing, in place of everything."""
    await control.reset()
    return {}
