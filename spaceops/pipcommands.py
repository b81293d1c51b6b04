"""The words of commands that install Python packages: options with their values, and what other commands do."""

from __future__ import annotations

import posixpath
import re

from spaceops.shell import UNKNOWN

# Commands of RUN that install nothing into Python, whatever their words are.
_HARMLESS = """
[ [[ : addgroup adduser apk apt apt-get cat cd chmod chown command corepack date dnf dpkg echo env exit export fc-cache
find gem getent groupadd groupmod grep head hostname id install ldconfig locale-gen ls microdnf mkdir node npm npx
pnpm printf pwd rm rmdir set shopt sleep stat tail tee test touch true umask uname update-alternatives
update-ca-certificates useradd userdel usermod venv virtualenv which whoami yarn yum
"""
HARMLESS = frozenset(_HARMLESS.split())
# Commands that may bring packages or code that nobody can see here.
_OPAQUE = "conda mamba micromamba git pixi pyenv easy_install make cmake bash sh . source rsync mv cp tar unzip"
OPAQUE = frozenset(_OPAQUE.split())
EDITORS = ("sed", "dos2unix")  # what they name must be there already
PIP = re.compile(r"pip(?:3(?:\.\d+)?)?")
_OWN = re.compile(r"(?:^|//)(?:localhost|127\.0\.0\.1|0\.0\.0\.0)(?::|/|$)")
PYTHON = re.compile(r"python(?:3(?:\.\d+)?)?")
INDEX_OPTIONS = ("-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--torch-backend", "--index")
_WITH_VALUE = """
--abi --cache-dir --cert --config-settings --default-timeout --exclude-newer --exists-action --extra --extra-index-url
--find-links --group --implementation --index --index-strategy --index-url --keyring-provider --link-mode --log
--no-binary --no-binary-package --only-binary --platform --prefix --progress-bar --proxy --python --python-version
--report --resolution --retries --root --root-user-action --src --target --timeout --torch-backend --trusted-host
--upgrade-package --upgrade-strategy --use-feature --with --without --only --no-group --only-group --package
--requirement --requirements --constraint --editable --wheel-dir -C -P -f -i -p -t -w
"""
WITH_VALUE = frozenset(_WITH_VALUE.split())
_UNPACKERS = frozenset({"tar", "unzip", "bsdtar", "7z", "rsync", "hf", "huggingface-cli"})
_SHORT = re.compile(r"-[A-Za-z]*?([rcei])(.*)")


def installs(words: tuple[str, ...]) -> bool:
    """Whether a command may install Python packages, or fetch code."""
    names = {word.rpartition("/")[2] for word in words}
    if names & {"pip", "pip3", "uv", "poetry", "pipenv", "conda", "mamba", "pdm"}:
        return bool(names & {"install", "sync", "add", "update", "run"})
    fetchers = {"git", "unzip", "tar", "rsync", "hf", "huggingface-cli"} | (
        set() if _asks_itself(words) else {"curl", "wget"}
    )
    return bool(names & fetchers)


def _asks_itself(words: tuple[str, ...]) -> bool:
    """Whether the only addresses that are named are the container's own: what waits for a server does that."""
    addresses = [word for word in words if "://" in word or UNKNOWN in word or _OWN.search(word)]
    return bool(addresses) and all(_OWN.search(word) and UNKNOWN not in word for word in addresses)


def arguments(words: tuple[str, ...]) -> list[tuple[str, str]]:
    """Options with their values, and what is to be installed under the name ""."""
    found, rest = list[tuple[str, str]](), iter(words)
    for word in rest:
        short = None if word.startswith("--") else _SHORT.fullmatch(word)
        name, equals, value = word.partition("=")
        if short:
            found.append((f"-{short[1]}", short[2] or next(rest, "")))
        elif word.startswith("--") and equals:
            found.append((name, value))
        elif word in WITH_VALUE:
            found.append((word, next(rest, "")))
        elif word.startswith("-"):
            found.append((word, ""))
        else:
            found.append(("", word))
    return found


def is_local(value: str) -> bool:
    """Whether pip would take it for a folder or a file."""
    return value.startswith((".", "/", "~")) and "://" not in value


def filled_by(words: tuple[str, ...], folder: str) -> str | None:
    """The folder that a command fills with files which nobody can see here; None where it is no such command."""
    name = words[0].rpartition("/")[2] if words else ""
    given = [word for word in words[1:] if not word.startswith("-")]
    if name == "git" and given[:1] == ["clone"]:
        address = given[1] if len(given) > 1 else ""
        last = given[-1] if len(given) > 2 else posixpath.basename(address.rstrip("/")).removesuffix(".git")
        return posixpath.normpath(posixpath.join(folder, last)) if UNKNOWN not in last else "/"
    return "/" if name in _UNPACKERS else None
