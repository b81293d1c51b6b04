"""What secrets are locked with before they are written: a key that lies in a file of its own.

Who has a copy of the data folder without `secrets.key` has no secret of it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, InvalidToken

from spaceops.errors import BadInput

if TYPE_CHECKING:
    from pathlib import Path

KEY_FILE = "secrets.key"


class Vault:
    """Locks and unlocks short texts with the key of one data folder."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / KEY_FILE
        self._fernet = Fernet(_key(self._file))

    def lock(self, text: str) -> str:
        """The text as it can be written anywhere."""
        return self._fernet.encrypt(text.encode()).decode()

    def unlock(self, locked: str) -> str:
        """The text again; raises `BadInput` when another key has locked it."""
        try:
            return self._fernet.decrypt(locked.encode()).decode()
        except InvalidToken as error:
            raise BadInput(
                f"{self._file} is not the key that locked the secrets of this data folder",
                hint="Put the right key file back, or begin anew: spaceops hub reset",
            ) from error


def _key(file: Path) -> bytes:
    """The key in the file; where there is none, a new one, which is whole before it has its name."""
    if not file.exists():
        fresh = file.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as writing:
            writing.write(Fernet.generate_key())
        fresh.replace(file)
    return file.read_bytes()
