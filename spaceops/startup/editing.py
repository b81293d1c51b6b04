"""Edits of the line that starts a server, where it is one line of the Dockerfile in JSON form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from spaceops.findings import Fix
from spaceops.startup.facts import LOOPBACK, Listener

_WITH_HOST = ("uvicorn", "granian", "fastapi run", "fastapi dev", "flask run", "chainlit run", "vllm serve")
_EXEC = re.compile(r"(?P<before>[ \t]*(?:CMD|ENTRYPOINT)[ \t]+)(?P<words>\[.*\])(?P<after>[ \t]*\r?)", re.IGNORECASE)


def with_option(read: Callable[[str], str | None], server: Listener, option: str, value: str) -> Fix | None:
    """The Dockerfile in which the server's command has an option with a value; None where no edit is certain."""
    path, _, line = server.process.where.rpartition(":")
    text = read(path) if path == "Dockerfile" else None
    if text is None or server.where != server.process.where or server.server not in _WITH_HOST:
        return None
    rows = text.split("\n")
    found = _EXEC.fullmatch(rows[int(line) - 1]) if int(line) <= len(rows) else None
    words = _words(found["words"]) if found else None
    if found is None or words is None or server.process.words[0] not in words:
        return None
    edited = _edited(found["words"], words, option, value)
    if edited is None:
        return None
    rows[int(line) - 1] = found["before"] + edited + found["after"]
    return Fix.text(path, "\n".join(rows))


def _words(text: str) -> list[str] | None:
    try:
        words = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return words if isinstance(words, list) and all(isinstance(word, str) for word in words) else None


def _edited(text: str, words: list[str], option: str, value: str) -> str | None:
    """The JSON text with the option's value replaced, or the option added at its end."""
    if option not in words and not any(word.startswith(f"{option}=") for word in words):
        return text.rstrip()[:-1].rstrip() + f", {json.dumps(option)}, {json.dumps(value)}]"
    for old in LOOPBACK:
        pattern = rf'("{re.escape(option)}"\s*,\s*)"{re.escape(old)}"'
        edited, count = re.subn(pattern, rf'\g<1>"{value}"', text)
        if not count:
            edited, count = re.subn(rf'"{re.escape(option)}={re.escape(old)}"', f'"{option}={value}"', text)
        if count == 1:
            return edited
    return None
