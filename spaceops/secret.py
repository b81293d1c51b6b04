"""Values that must never be seen: typed, resolved from references, compared by fingerprint, redacted everywhere."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import shlex
import subprocess
import threading
from html import escape
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote, quote_plus

from spaceops.errors import BadInput, SecretMissing

SHORTEST_REDACTED = 6  # a shorter value would black out ordinary words
COMMAND_SECONDS = 60

_HUB_TOKEN = re.compile(r"hf_[A-Za-z0-9]{20,}")
_FINGERPRINT = re.compile(r" ?\[spaceops:1:([0-9a-f]{16}):([0-9a-f]{32})\]$")
_known: dict[str, str] = {}  # every form of every value that was ever held here -> its name
_forms_known: tuple[str, ...] = ()  # the longest first
_held: dict[str, list[Secret]] = {}  # all of a name
_remembering = threading.Lock()


class Secret:
    """A value that prints as `[REDACTED:NAME]`; from its making on, `redact()` finds it in any text."""

    __slots__ = ("_value", "name")

    def __init__(self, value: str, name: str) -> None:
        self._value = value
        self.name = name
        _remember(value, name)
        if self not in _held.setdefault(name, []):
            _held[name].append(self)

    def reveal(self) -> str:
        """The value itself: for the request that sends it, and nothing else."""
        return self._value

    def __repr__(self) -> str:
        return f"[REDACTED:{self.name}]"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{self!r} is not for storing")


def redact(text: str) -> str:
    """Replace every known secret in `text`, also encoded or escaped, and whatever looks like a Hub token."""
    for form in _forms_known:
        if form in text:
            text = text.replace(form, f"[REDACTED:{_known[form]}]")
    return _HUB_TOKEN.sub("[REDACTED:HF_TOKEN]", text) if "hf_" in text else text


def is_redacted(name: str, description: str | None) -> bool:
    """Whether the secret with this description on the Hub was ever held in this process, and `redact()` finds it."""
    held = (secret for secret in tuple(_held.get(name, ())) if len(secret.reveal()) >= SHORTEST_REDACTED)
    return any(matches(secret, description) for secret in held)


def resolve(key: str, reference: str, folder: Path) -> Secret:
    """The secret `key` that `reference` leads to; relative paths start at `folder`.

    A reference is `env:NAME`, `file:PATH`, `dotenv:FILE#NAME` or `cmd:COMMAND` (run without a shell, its output
    stripped). Raises `SecretMissing` when it leads nowhere, or to nothing.
    """
    if not is_reference(reference):  # perhaps the value itself: it must not be shown
        raise SecretMissing(key, "what stands there", hint=_HINTS[""].format(key=key))
    kind, _, rest = reference.partition(":")
    value = _READERS[kind](rest, folder)
    if not value:
        raise SecretMissing(key, reference, hint=_HINTS[kind].format(rest=rest))
    return Secret(value, key)


def expanded(path: str | Path) -> Path:
    """The path with `~` replaced. Raises `BadInput` for the home of a user who does not exist."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise BadInput(f"{path}: {error}", hint="Write the whole path.") from error


def local_file(reference: str, folder: Path) -> Path | None:
    """The file that a `file:` or `dotenv:` reference reads; None for the other kinds."""
    kind, _, rest = reference.partition(":")
    place = {"file": rest, "dotenv": rest.rpartition("#")[0]}.get(kind)
    return (folder / expanded(place)).resolve() if place else None


def described(words: str | None, secret: Secret) -> str:
    """A description with the user's own words and the secret's fingerprint."""
    return f"{without_fingerprint(words)} {fingerprint(secret)}".strip()


def is_reference(text: str) -> bool:
    """Whether `text` has the form of a reference (and so is safe to show)."""
    kind, colon, rest = text.partition(":")
    return bool(colon and rest) and kind in _READERS


def fingerprint(secret: Secret, *, salt: str | None = None) -> str:
    """`[spaceops:1:SALT:HASH]`, from which the value cannot be found, but against which it can be compared.

    scrypt with N = 2^14, r = 8, p = 1: 16 MiB and some 40 ms for every guess.
    """
    salt = salt or secrets.token_hex(8)
    digest = hashlib.scrypt(secret.reveal().encode(), salt=bytes.fromhex(salt), n=2**14, r=8, p=1, dklen=16)
    return f"[spaceops:1:{salt}:{digest.hex()}]"


def matches(secret: Secret, description: str | None) -> bool | None:
    """Whether the fingerprint in `description` is this secret's; None when there is no fingerprint."""
    found = _FINGERPRINT.search(description or "")
    return None if found is None else found.group().strip() == fingerprint(secret, salt=found[1])


def without_fingerprint(description: str | None) -> str:
    """The user's own words in a secret's description."""
    return _FINGERPRINT.sub("", description or "")


def _remember(value: str, name: str) -> None:
    global _forms_known
    if len(value) < SHORTEST_REDACTED:
        return
    with _remembering:
        for form in _forms(value):
            _known[form] = name
        _forms_known = tuple(sorted(_known, key=len, reverse=True))


def _forms(value: str) -> set[str]:
    """The value as it might appear: plain, line by line, base64, URL-encoded, escaped for JSON or HTML."""
    raw = value.encode()
    lines = {line for line in value.splitlines() if len(line) >= SHORTEST_REDACTED}
    encoded = {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    encoded |= {form.rstrip("=") for form in encoded}
    escaped = {
        quote(value, safe=""),
        quote_plus(value),
        json.dumps(value)[1:-1],
        escape(value),
        escape(value, quote=False),
    }
    return {value} | escaped | lines | encoded


def _from_env(name: str, _folder: Path) -> str | None:
    return os.environ.get(name)


def _from_file(path: str, folder: Path) -> str | None:
    try:
        return (folder / expanded(path)).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):  # not there, not readable, not text
        return None


def _from_dotenv(place: str, folder: Path) -> str | None:
    path, _, name = place.rpartition("#")
    text = _from_file(path, folder)
    for line in (text or "").splitlines():
        key, equals, value = line.removeprefix("export ").partition("=")
        if equals and key.strip() == name:
            return _unquoted(value.strip())
    return None


def _unquoted(value: str) -> str:
    """The value without its quotes, and without a comment behind it."""
    if value[:1] in ("'", '"') and (closing := value.find(value[0], 1)) > 0:
        return value[1:closing]
    return value.partition(" #")[0].rstrip()


def _from_command(command: str, folder: Path) -> str | None:
    try:
        done = subprocess.run(
            shlex.split(command), cwd=folder, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=True
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None  # its output may hold the value: nothing of it goes into the error
    return done.stdout.strip()


_READERS: dict[str, Any] = {"env": _from_env, "file": _from_file, "dotenv": _from_dotenv, "cmd": _from_command}
_HINTS = {
    "env": "export {rest}=… and run the command again.",
    "file": "Put the value into the file {rest}.",
    "dotenv": "Write the line NAME=value for {rest}.",
    "cmd": "Run the command yourself and look why it prints nothing: {rest}",
    "": '{key} = "env:{key}" takes the value from the environment; file:, dotenv: and cmd: work too.',
}
