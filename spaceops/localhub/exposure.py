"""Whose tokens open a server: the well-known one only where nobody but this machine reaches it."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from pathlib import Path

import msgspec

from spaceops.errors import BadInput
from spaceops.localhub.accounts import DEMO, Accounts
from spaceops.localhub.vault import Vault


def is_exposed(host: str) -> bool:
    """Whether other machines may reach what listens on that address."""
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


@lru_cache(maxsize=64)
def names_this_machine(host: str) -> bool:
    """Whether a Host header holds an address or `localhost`; any other name a web page may have led here."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name.lower() in ("", "localhost") or name.lower().endswith(".localhost")
    return True


def known_accounts(file: Path | str | None, host: str) -> Accounts:
    """The accounts of a file, else the built-in ones. Raises `BadInput`."""
    if not file:
        return Accounts()
    accounts = Accounts.load(Path(file))
    if is_exposed(host) and accounts.user(DEMO.token):
        raise BadInput(
            f"{file}: everybody knows the token {DEMO.token}, and other machines reach {host}",
            hint="Give every user a long random token, or listen on 127.0.0.1.",
        )
    return accounts


def own_accounts(folder: Path) -> Accounts:
    """The built-in user with a token that is this data folder's alone."""
    return Accounts((msgspec.structs.replace(DEMO, token=own_token(folder)),))


def own_token(folder: Path) -> str:
    """The token that a data folder made for its built-in user; it is written nowhere."""
    return f"hf_{Vault(folder).derive('token')[:40]}"
