"""The border: what `huggingface_hub` and its HTTP client raise becomes our errors, and what they log is redacted."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from spaceops import errors
from spaceops.hub.account import forget
from spaceops.secret import redact
from spaceops.spec import LOOPBACK

if TYPE_CHECKING:
    from spaceops.hub.client import httpx

_ERRORS: dict[int, type[errors.HubError]] = {
    401: errors.Forbidden,
    402: errors.PaymentRequired,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Conflict,
    412: errors.Conflict,
    429: errors.RateLimited,
}
LOGIN = "hf auth login, or set HF_TOKEN; HF_TOKEN takes precedence over a login."
_HINTS = {
    401: LOGIN,
    402: "Docker Spaces need a PRO account or a Team or Enterprise organization: https://huggingface.co/pricing",
    403: "spaceops whoami OWNER/NAME tells what this token may do; others: https://huggingface.co/settings/tokens",
    404: "Look at the name, and whether this token may see it: spaceops status OWNER/NAME",
    409: "spaceops plan shows what is there now.",
    412: "spaceops plan shows what is there now.",
}
# What a server says to a token that nobody has; any other 401 may be about what an accepted token has no scope for.
_UNKNOWN_TOKEN = "Invalid credentials in Authorization header"  # noqa: S105
_NO_SCOPE = (
    "It may have expired, or be an OAuth token without the scope read-repos, write-repos or manage-repos: "
    "spaceops whoami tells; hf auth login makes a new one."
)
# In answers to requests the words are the Hub's alone; in a runtime's errorMessage the app's may follow the first line.
_REFUSED_HARDWARE = re.compile(
    r"capacity|unable to schedule|scheduling failure|out of stock"
    r"|\b(no|not enough|insufficient)\b[^.]*\b(hardware|gpus?|machines?|nodes?|resources)\b"
    r"|\b(hardware|gpus?|flavou?r|machines?)\b[^.]*\b(unavailable|(not|n't) (currently )?available)\b",
    re.IGNORECASE,
)
_NO_HARDWARE = re.compile(r"(?!\s*exit code)\s*.*(scheduling failure|unable to schedule|capacity)", re.IGNORECASE)
OUR_CLIENT = "spaceops"  # the name of our `HfApi` in its User-Agent
CONNECT_SECONDS, ANSWER_SECONDS = 10.0, 120.0  # the Hub takes up to a minute for a commit


@contextmanager
def our_errors(subject: str) -> Iterator[None]:
    """Turn what `huggingface_hub` and its HTTP client raise into our errors about `subject`."""
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled

    from spaceops.hub.client import httpx

    try:
        yield
    except HfHubHTTPError as error:
        raise _http_error(subject, error) from error
    except OfflineModeIsEnabled as error:
        hint = "unset HF_HUB_OFFLINE; it blocks the local Hub too."
        raise errors.Unreachable(f"{subject}: HF_HUB_OFFLINE is set, so nothing is asked", hint=hint) from error
    except LocalTokenNotFoundError as error:
        raise errors.Forbidden(f"{subject}: there is no token", hint=LOGIN, status=401) from error
    except httpx.TransportError as error:
        raise _unreachable(subject, error) from error
    except httpx.InvalidURL as error:
        raise errors.BadInput(f"{subject}: {error}", hint="Look at the endpoint.") from error


@contextmanager
def answers_of_a_hub(endpoint: str) -> Iterator[None]:
    """For the first question to an endpoint: what is no JSON, or JSON of another kind, does not come from a Hub."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        hint = "Look at --endpoint or HF_ENDPOINT: the address of a Hub, without a path."
        raise errors.HubError(f"{endpoint} answers, but not as a Hub does", hint=hint) from error


@contextmanager
def client_errors(subject: str) -> Iterator[None]:
    """What the client raises of its own accord while it creates or uploads."""
    try:
        with our_errors(subject), quiet():
            yield
    except ConnectionError as error:  # of hf_xet, which has no class of its own
        raise errors.HubError(f"{subject}: {redact(str(error))}", hint="Run the same command again.") from error
    except ValueError as error:  # it refuses before it asks: a card, a name
        raise errors.BadInput(f"{subject}: {redact(str(error))}", hint="Mend it and run the command again.") from error


@contextmanager
def hardware_errors() -> Iterator[None]:
    """Around `our_errors` of a call that asks for hardware: raises `NoCapacity` where there is none of it now."""
    try:
        yield
    except errors.HubError as error:
        refuses = error.status is not None and (error.status >= 500 or error.status in (400, 409, 422))
        if not refuses or not _REFUSED_HARDWARE.search(getattr(error.__cause__, "server_message", None) or ""):
            raise
        hint = "Choose other hardware, or a list of it in space.toml; or run the same command again later."
        raise errors.NoCapacity(
            error.message, hint=hint, status=error.status, request_id=error.request_id
        ) from error.__cause__


def lacks_hardware(error_message: str | None) -> bool:
    """Whether the `errorMessage` of a runtime says that there is no such hardware now, and the app has no part in it.

    There is no code for it; "Scheduling failure: not enough hardware capacity" and "unable to schedule" are known. What
    an app said before it ended comes after "Exit code: 1. Reason:".
    """
    return bool(_NO_HARDWARE.match(error_message or ""))


def limit_time() -> None:
    """Most calls of the client have no time-out; those of the `HfApi` named `OUR_CLIENT` get one.

    The session is everybody's in this process, and is made anew now and then: a hook looks whose request it is.
    """
    from spaceops.hub.client import get_session

    session = get_session()
    hooks = session.event_hooks
    if _limit not in hooks["request"]:
        session.event_hooks = {**hooks, "request": [*hooks["request"], _limit]}


def _limit(request: httpx.Request) -> None:
    given = request.extensions.get("timeout") or {}
    if request.headers.get("User-Agent", "").startswith(f"{OUR_CLIENT}/") and not any(given.values()):
        waits = dict.fromkeys(("read", "write", "pool"), ANSWER_SECONDS)
        request.extensions["timeout"] = {"connect": CONNECT_SECONDS, **waits}


def _http_error(subject: str, error: Any) -> errors.HubError:
    status = error.response.status_code
    token = _token_sent(error.response)
    if status == 401 and token:
        return _not_accepted(subject, error, token)
    kind = _ERRORS.get(status, errors.HubError)
    said = error.server_message or str(error).partition("\n")[0] or f"HTTP {status}"
    trouble = "Try again; https://status.huggingface.co tells whether the Hub has trouble."
    hint = _HINTS.get(status, "Mend what it names; trying again does not help." if status < 500 else trouble)
    if error.response.headers.get("X-Error-Code") == "RepoNotFound":
        kind, said = errors.NotFound, "no such Space, or this token may not see it"
        hint = _HINTS[404]
        if not token:
            said, hint = "no such Space, or it is private, and there is no token", LOGIN
    if status == 429:
        hint = f"Try again in {_pause(error.response.headers)} seconds."
    message = redact(f"{subject}: {' '.join(said.split())}")
    return kind(message, hint=hint, status=status, request_id=error.request_id)


def _not_accepted(subject: str, error: Any, token: str) -> errors.Forbidden:
    """A 401 in spite of a token, which the client shows as a repository that is not found."""
    forget(str(error.response.request.url), token)
    said = error.server_message or str(error).partition("\n")[0]
    is_unknown = said.startswith((_UNKNOWN_TOKEN, "Invalid user token"))
    message = redact(f"{subject}: the Hub does not accept the token ({' '.join(said.split()).rstrip('.')})")
    return errors.Forbidden(message, hint=LOGIN if is_unknown else _NO_SCOPE, status=401, request_id=error.request_id)


def _token_sent(response: httpx.Response) -> str | None:
    """The token that came with the request, or with the one that was redirected from it."""
    asked = [step.request.headers.get("Authorization", "") for step in (*response.history, response)]
    return next((value.removeprefix("Bearer ") for value in asked if value), None)


def _pause(headers: Mapping[str, str]) -> int:
    """Seconds to wait, from `Retry-After` or the `t` of `RateLimit`."""
    from spaceops.hub.client import parse_ratelimit_headers

    if (after := headers.get("Retry-After", "")).isdecimal():
        return int(after)
    limit = parse_ratelimit_headers(headers)
    return limit.reset_in_seconds + 1 if limit else 60


def _unreachable(subject: str, error: Exception) -> errors.Unreachable:
    request = getattr(error, "_request", None)
    where = f"{request.url.scheme}://{request.url.netloc.decode()}" if request else subject
    hint = "spaceops hub serve starts a local one." if any(host in where for host in LOOPBACK) else None
    said = " ".join(str(error).split()) or type(error).__name__
    return errors.Unreachable(
        redact(f"{subject}: {where} does not answer ({said})"), hint=hint or "Look at the network, then try again."
    )


def redact_debug_log() -> None:
    """With HF_DEBUG=1 the client logs each request as a curl command, with the secrets that it sends."""
    for handler in logging.getLogger("huggingface_hub").handlers:
        if not any(isinstance(found, _Redacting) for found in handler.filters):
            handler.addFilter(_Redacting())


class _Redacting(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        return True


@contextmanager
def quiet() -> Iterator[None]:
    """The client warns about sleep times and prints bars; our plan has said it already."""
    import warnings

    from spaceops.hub.client import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    shown = not are_progress_bars_disabled()
    if shown:
        disable_progress_bars()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        if shown:
            enable_progress_bars()
