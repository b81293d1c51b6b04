"""What secrets are locked with before they are written: keys that lie in a file of their own, one a line.

The first is the folder's own; the others came with snapshots, and only unlock what came with them. Who has a copy of
the data folder without `secrets.key` has no secret of it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from spaceops.errors import BadInput

if TYPE_CHECKING:
    from pathlib import Path

KEY_FILE = "secrets.key"


class Vault:
    """Locks and unlocks short texts with the keys of one data folder."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / KEY_FILE
        self._own = own_key(folder)
        try:
            self._fernet = MultiFernet([Fernet(key) for key in self._file.read_bytes().split()])
        except ValueError as error:
            raise BadInput(f"{self._file} holds no keys", hint=_HINT) from error

    def lock(self, text: str) -> str:
        """The text as it can be written anywhere."""
        return self._fernet.encrypt(text.encode()).decode()

    def unlock(self, locked: str) -> str:
        """The text again; raises `BadInput` when another key has locked it."""
        try:
            return self._fernet.decrypt(locked.encode()).decode()
        except InvalidToken as error:
            message = f"{self._file} is not the key that locked the secrets of this data folder"
            raise BadInput(message, hint=_HINT) from error

    def derive(self, purpose: str) -> str:
        """64 hex digits for a purpose, always the same, which are written nowhere."""
        return hmac.new(self._own, purpose.encode(), hashlib.sha256).hexdigest()


_HINT = "Put the right key file back, or begin anew: spaceops hub reset"


def own_key(folder: Path) -> bytes:
    """The folder's own key; where there is none, a new one."""
    file = folder / KEY_FILE
    if not file.exists():
        join_keys(file, Fernet.generate_key(), b"")
    return (file.read_bytes().split() or [b""])[0]


def join_keys(file: Path, own: bytes, others: bytes) -> None:
    """Write a key file with these keys; it is whole before it has its name."""
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as writing:
        writing.write(b"\n".join(dict.fromkeys([own, *others.split()])) + b"\n")
    fresh.replace(file)
