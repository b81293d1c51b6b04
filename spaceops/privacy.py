"""Text made fit for the eyes of others: without credentials, known or not, and without who and where somebody is."""

from __future__ import annotations

import re

from spaceops.credentials import KINDS
from spaceops.secret import redact

HIDDEN = "[REDACTED]"
_NAMED = re.compile(
    r"(?i)(?P<name>\b\w{0,40}(?:token(?!i[sz])|secret|passw(?:or)?d|(?:api|access|private)_?key|authorization)\w{0,20}"
    r"[\"']?\s{0,3}(?:=(?!=)|:|=>)\s{0,3}(?:b?[\"']|bearer |basic |token )?)"
    r"(?P<value>(?!\[REDACTED)[^\s\"',;&)\]}]{6,4000})"
)
_BEARER = re.compile(r"(?i)(?P<name>\b(?:bearer|basic)\s{1,3})(?P<value>[\w.+/=~-]{12,4000})")
_IN_URL = re.compile(r"(?P<name>\b[a-z][a-z0-9+.-]{1,30}://)(?P<value>[^\s/@'\"]{1,300})(?=@)")
_SIGNED = re.compile(
    r"(?i)(?P<name>[?&](?:sig|signature|x-amz-[a-z-]{1,30}|token|key|code)=)(?P<value>[^&\s\"']{6,4000})"
)
_NO_VALUE = re.compile(
    r"(?i)none|null|undefined|true|false|missing|required|<[^>]*>|\*+|str|string|must|not|is|for|\$.*|os\..*"
)
_MAIL = re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}\b")
_HOME = re.compile(r"(?P<root>/home/|/Users/|[A-Za-z]:\\+Users\\+)(?!user\b|runner\b|app\b|node\b)[^/\\\s:'\"]{1,64}")


def without_credentials(text: str) -> str:
    """The text with every credential hidden: those held here, those of a known shape, and what is named as one."""
    text = _without_shapes(redact(text))
    for pattern in (_IN_URL, _BEARER, _SIGNED, _NAMED):
        text = pattern.sub(_hide, text)
    return text


def without_persons(text: str) -> str:
    """The text without e-mail addresses and without the names of people's folders."""
    return _HOME.sub(lambda found: f"{found['root']}…", _MAIL.sub("…@…", text))


def _without_shapes(text: str) -> str:
    raw = text.encode(errors="replace")
    for kind in KINDS:
        if kind.mark in raw:
            for place in reversed(list(kind.places(raw))):
                start, end = place.span("value")
                raw = raw[:start] + HIDDEN.encode() + raw[end:]
    return raw.decode(errors="replace")


def _hide(found: re.Match[str]) -> str:
    return found.group() if _NO_VALUE.fullmatch(found["value"]) else f"{found['name']}{HIDDEN}"
