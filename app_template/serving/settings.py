"""What the owner sets by variables and secrets, checked once, before anything starts."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

LOG_LEVELS = ("debug", "info", "warning", "error")
ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?|\*")
TOKEN = re.compile(r"[!-~]{8,}")  # visible ASCII, as a header can carry it


class BadSetting(SystemExit):
    """Ends the start with one line instead of a traceback."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings that every request meets, whatever the route; each is named as its variable, in small letters."""

    api_token: str | None = field(default=None, repr=False)  # a secret
    rate_limit: int = 0  # requests a minute and client; 0 lets everybody ask as often as they like
    request_timeout: float = 30.0  # seconds until an answer must begin
    cors_origins: tuple[str, ...] = ()  # other sites whose pages may call the API
    log_level: str = "info"

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Read them; a value that makes no sense ends the program and says what would."""
        return cls(
            api_token=_token(environ),
            rate_limit=whole(environ, "RATE_LIMIT", cls.rate_limit, least=0),
            request_timeout=_seconds(environ, "REQUEST_TIMEOUT", cls.request_timeout),
            cors_origins=_origins(environ),
            log_level=_level(environ),
        )


def _token(environ: Mapping[str, str]) -> str | None:
    """An empty token is refused: whoever set the secret meant to lock the door."""
    token = environ.get("API_TOKEN")
    if token is not None and not TOKEN.fullmatch(token):
        raise BadSetting("API_TOKEN must have at least 8 characters: letters, digits and signs, no spaces")
    return token


def whole(environ: Mapping[str, str], name: str, default: int, *, least: int) -> int:
    """A variable that is a whole number; any other value ends the program."""
    value = environ.get(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,9}", value) or int(value) < least:
        _refuse(name, value, f"a whole number from {least}")
    return int(value)


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    value = environ.get(name) or str(default)
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        _refuse(name, value, "a number of seconds above 0")
    return seconds


def _origins(environ: Mapping[str, str]) -> tuple[str, ...]:
    origins = tuple(part.strip() for part in environ.get("CORS_ORIGINS", "").split(",") if part.strip())
    for origin in origins:
        if not ORIGIN.fullmatch(origin):
            _refuse("CORS_ORIGINS", origin, "origins such as https://example.com, with commas between them")
    return origins


def _level(environ: Mapping[str, str]) -> str:
    level = (environ.get("LOG_LEVEL") or "info").lower()
    if level not in LOG_LEVELS:
        _refuse("LOG_LEVEL", level, f"one of {', '.join(LOG_LEVELS)}")
    return level


def _refuse(name: str, value: str, wanted: str) -> NoReturn:
    raise BadSetting(f"{name} is {value!r}, but must be {wanted}")
