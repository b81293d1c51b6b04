"""Configuration of nginx, read as nginx reads it: directives, blocks, quotes and comments. Pure functions.

Source: nginx.org/en/docs (beginner's guide, ngx_http_core_module, ngx_http_proxy_module), November 2026.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  what is read, not what we bind
_DEEPEST = 50  # blocks within blocks
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)|(?P<comment>\#[^\n]*)|(?P<mark>[;{}])"""
    r"""|"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)'"""
    r"""|(?P<word>(?:\$\{[^}\n$]{0,200}\}|\\.|[^\s;{}\\])+)|(?P<other>.)""",
    re.DOTALL,
)
_SIMPLE = """
access_log add_header alias client_max_body_size daemon default_type
error_log gzip include index keepalive_timeout listen
pid proxy_buffering proxy_cache_bypass proxy_http_version proxy_pass proxy_read_timeout proxy_set_header return root
sendfile server_name try_files user worker_connections worker_processes
"""
_WITHOUT_BLOCK = frozenset(_SIMPLE.split())
_LISTEN = re.compile(r"(?:(?P<host>\*|\[[^\]]*\]|[^:\s]+):)?(?P<port>\d+)")


@dataclass(frozen=True)
class Directive:
    """`name args;` or `name args { … }`."""

    name: str
    args: tuple[str, ...]
    line: int  # from 1
    block: tuple[Directive, ...] | None = None  # None: it has none

    def find(self, *names: str) -> Iterator[Directive]:
        """The directives of these names directly in its block."""
        return (one for one in self.block or () if one.name in names)

    def within(self, *names: str) -> Iterator[Directive]:
        """The directives of these names at any depth of its block."""
        return find(self.block or (), *names)


@dataclass(frozen=True)
class Listen:
    """One `listen` of a server: where it takes connections."""

    host: str  # "*" for every address
    port: int
    line: int


@dataclass(frozen=True)
class Broken:
    """What nginx refuses to read, and where."""

    problem: str
    line: int


@dataclass(frozen=True)
class Config:
    """One file. `broken` is the first thing that nginx refuses; the directives are then those before it."""

    directives: tuple[Directive, ...]
    broken: Broken | None = None

    def find(self, *names: str) -> Iterator[Directive]:
        """The directives of these names at any depth."""
        return find(self.directives, *names)

    def top(self, *names: str) -> tuple[Directive, ...]:
        """The directives of these names outside of any block."""
        return tuple(one for one in self.directives if one.name in names)


def parse(text: str) -> Config:
    """Read a file. Never raises."""
    if "_by_lua" in text:  # the blocks hold Lua, whose words are none of nginx's
        return Config(())
    reader = _Reader(list(_tokens(text.removeprefix("\ufeff"))))
    directives = reader.block(0)
    return Config(directives, reader.broken)


def find(directives: Sequence[Directive], *names: str) -> Iterator[Directive]:
    """The directives of these names, at any depth."""
    for one in directives:
        if one.name in names:
            yield one
        yield from find(one.block or (), *names)


def listens(server: Directive) -> tuple[Listen, ...]:
    """Where a `server` block listens: port 80 where it does not say; sockets and variables are left out."""
    given = list(server.find("listen"))
    if not given:
        return (Listen("*", 80, server.line),)
    return tuple(found for one in given if (found := _listen(one)))


def _listen(directive: Directive) -> Listen | None:
    address = directive.args[0] if directive.args else ""
    if address.startswith("unix:") or "$" in address:
        return None
    found = _LISTEN.fullmatch(address)
    if found and 0 < int(found["port"]) <= 65535:
        host = (found["host"] or "*").strip("[]")
        return Listen("*" if host in _EVERYWHERE else host, int(found["port"]), directive.line)
    return None if found else Listen(address.strip("[]"), 80, directive.line)


@dataclass(frozen=True)
class _Token:
    text: str
    line: int
    is_mark: bool = False


def _tokens(text: str) -> Iterator[_Token]:
    line = 1
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup or ""
        if kind == "mark":
            yield _Token(found[0], line, is_mark=True)
        elif kind in ("double", "single", "word", "other"):
            yield _Token(found[kind], line)
        line += found[0].count("\n")


class _Reader:
    def __init__(self, tokens: Sequence[_Token]) -> None:
        self.tokens, self.at = tokens, 0
        self.broken: Broken | None = None

    def block(self, depth: int) -> tuple[Directive, ...]:
        """The directives up to the `}` that ends this block, or to the end."""
        found, words = list[Directive](), list[_Token]()
        while self.at < len(self.tokens) and not self.broken:
            token = self.tokens[self.at]
            self.at += 1
            if not token.is_mark:
                words.append(token)
            elif token.text == "}":
                self._close(words, token, depth)
                return tuple(found)
            elif not words:
                self.broken = Broken(f'unexpected "{token.text}"', token.line)
            else:
                self._check(words, token)
                inner = self._inner(token, depth)
                found.append(Directive(words[0].text, tuple(word.text for word in words[1:]), words[0].line, inner))
                words = []
        if not self.broken and (words or depth):
            last = self.tokens[-1].line
            self.broken = Broken("unexpected end of file, expecting " + ('";" or "}"' if words else '"}"'), last)
        return tuple(found)

    def _check(self, words: Sequence[_Token], end: _Token) -> None:
        """Whether a `;` was forgotten: a directive goes on in a later line with the name of another, or has a block."""
        first = words[0]
        has_another = any(word.line > first.line and word.text in _WITHOUT_BLOCK for word in words[1:])
        if has_another or (end.text == "{" and first.text in _WITHOUT_BLOCK):
            self.broken = Broken(f'"{first.text}" does not end with ";"', first.line)

    def _close(self, words: Sequence[_Token], token: _Token, depth: int) -> None:
        if words:
            self.broken = Broken(f'"{words[0].text}" does not end with ";"', words[0].line)
        elif not depth:
            self.broken = Broken('unexpected "}"', token.line)

    def _inner(self, token: _Token, depth: int) -> tuple[Directive, ...] | None:
        if token.text == ";":
            return None
        if depth >= _DEEPEST:
            self.broken = Broken("too many blocks within blocks", token.line)
            return ()
        return self.block(depth + 1)
