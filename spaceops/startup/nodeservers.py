"""Where a server of Node listens, read from the one `.listen(…)` of a file."""

from __future__ import annotations

import re
from dataclasses import dataclass

from spaceops.startup.pythonservers import Given

_LISTEN = re.compile(
    r"\.listen\(\s*((?:parseInt|Number)\([^(){}]{1,120}\)|[^,(){}]{1,80}|\{[^{}]{1,200}\})?\s*([,)])\s*(['\"`][\w.:]*['\"`]|[\w.]{1,80})?"
)
_CONSTANT = r"(?:const|let|var)\s+{}\s*(?::\s*\w+\s*)?=\s*([^;\n]{{1,160}})"
_FALLBACK = re.compile(r"process\.env\.(\w+)\s*(?:\|\||\?\?)\s*['\"`]?([\w.:]{1,40})['\"`]?")
_VARIABLE = re.compile(r"process\.env\.(\w+)")
_WRAPPED = re.compile(r"\s*(?:parseInt|Number|\+)\s*\(?(.*?)(?:,\s*10\s*)?\)?\s*")
_LITERAL = re.compile(r"\s*['\"`]?(\d{2,5}|\d+\.\d+\.\d+\.\d+|localhost|::1?)['\"`]?\s*")


@dataclass(frozen=True)
class NodeServer:
    """What `.listen(…)` is told; None where it is not told."""

    host: Given | None
    port: Given
    line: int
    is_fastify: bool


def read(text: str) -> NodeServer | None:
    """The server of a file; None where it has none or several."""
    if len(text) > 300_000:
        return None
    found = [one for one in _LISTEN.finditer(text) if one[1] or one[2] == ")"]
    if len(found) != 1 or not found[0][1]:
        return None
    first, line = found[0][1].strip(), text.count("\n", 0, found[0].start()) + 1
    is_fastify = "fastify" in text
    if first.startswith("{"):
        port, host = _member(first, "port"), _member(first, "host")
        return NodeServer(_given(host, text) if host else None, _given(port, text), line, is_fastify) if port else None
    second = found[0][3] or ""
    host_given = _given(second, text) if second[:1] in "'\"`" and second else None
    if second and host_given is None and re.search(r"host", second, re.IGNORECASE):
        host_given = _given(second, text)
    return NodeServer(host_given, _given(first, text), line, is_fastify)


def _member(text: str, name: str) -> str | None:
    """What an object gives a key; `{ port }` is `{ port: port }`."""
    found = re.search(rf"\b{name}\b\s*(?::\s*([^,}}]+))?", text)
    return (found[1] or name).strip() if found else None


def _given(text: str | None, source: str, depth: int = 0) -> Given:
    if text is None or depth > 3:
        return Given()
    if literal := _LITERAL.fullmatch(text):
        return Given(literal[1])
    if fallback := _FALLBACK.search(text):
        value = _given(fallback[2], source, depth + 1) if not fallback[2][0].isdigit() else Given(fallback[2])
        return Given(value.value, fallback[1])
    if variable := _VARIABLE.search(text):
        return Given(None, variable[1])
    if re.fullmatch(r"[A-Za-z_$][\w$]*", text.strip()):
        found = re.findall(_CONSTANT.format(re.escape(text.strip())), source)
        return _given(found[0].strip(), source, depth + 1) if len(found) == 1 else Given()
    wrapped = _WRAPPED.fullmatch(text)
    return _given(wrapped[1], source, depth + 1) if wrapped and wrapped[1] != text else Given()
