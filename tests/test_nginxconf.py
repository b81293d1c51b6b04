"""Configuration of nginx is read as nginx reads it."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaceops.nginxconf import listens, parse

EXAMPLES = int(os.environ.get("SPACEOPS_EXAMPLES", 20))

TEXT = """\
# The app, and what is in front of it.
events {}
http {
    log_format main '$remote_addr "$request"; {';  # a { in quotes
    server {
        listen 7860;
        listen [::]:7860 default_server;
        location ~ \\.php$ { proxy_pass http://127.0.0.1:8000/${path}; }
    }
}
"""


def test_directives_have_their_words_their_lines_and_their_blocks():
    config = parse(TEXT)

    assert config.broken is None
    assert ["events", "http"] == [one.name for one in config.directives]
    (log,) = config.find("log_format")
    assert (("main", '$remote_addr "$request"; {'), 4) == (log.args, log.line)
    (location,) = config.find("location")
    assert ("~", "\\.php$") == location.args
    assert ("http://127.0.0.1:8000/${path}",) == next(location.find("proxy_pass")).args


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("listen 7860;", [("*", 7860)]),
        ("listen 80; listen 443 ssl;", [("*", 80), ("*", 443)]),
        ("listen [::]:80;", [("*", 80)]),
        ("listen 127.0.0.1:8080;", [("127.0.0.1", 8080)]),
        ("listen *:81;", [("*", 81)]),
        ("listen 127.0.0.1;", [("127.0.0.1", 80)]),
        ("listen unix:/tmp/x.sock;", []),
        ("listen ${PORT};", []),
        ("listen 99999;", []),
        ("server_name x;", [("*", 80)]),
    ],
)
def test_a_server_listens_where_it_says_and_else_on_port_80(lines, expected):
    (server,) = parse(f"server {{ {lines} }}").find("server")

    assert expected == [(one.host, one.port) for one in listens(server)]


@pytest.mark.parametrize(
    ("text", "problem", "line"),
    [
        ("events {\n", 'unexpected end of file, expecting "}"', 1),
        ("a b\n", 'unexpected end of file, expecting ";" or "}"', 1),
        ("a {\n  b c\n}\n", '"b" does not end with ";"', 2),
        ("a;\n}\n", 'unexpected "}"', 2),
        (";", 'unexpected ";"', 1),
        ("a { {} }", 'unexpected "{"', 1),
        ("a {" * 60, "too many blocks within blocks", 1),
    ],
)
def test_what_nginx_refuses_is_named_with_its_line(text, problem, line):
    broken = parse(text).broken

    assert broken is not None
    assert (problem, line) == (broken.problem, broken.line)


def test_blocks_of_lua_are_left_alone():
    config = parse("content_by_lua_block { if x then }")

    assert (None, ()) == (config.broken, config.directives)


PIECES = ["server", "{", "}", ";", "listen 80", '"', "'", "\\", "#", "\n", "${", "$x", "location /", " "]


@given(st.lists(st.sampled_from(PIECES), max_size=60) | st.lists(st.text(max_size=3), max_size=20))
@settings(max_examples=EXAMPLES)
def test_no_text_makes_it_fail_and_each_line_is_one_of_the_text(pieces):
    text = "".join(pieces)
    config = parse(text)
    lines = [one.line for one in config.find("server", "listen", "location")]

    assert all(1 <= line <= text.count("\n") + 1 for line in lines)


@pytest.mark.parametrize(
    "text", ["${" * 60_000, '"' * 60_001, "\\" * 60_001, "a" * 200_000, "{" * 60_000, "a;" * 60_000]
)
@pytest.mark.timeout(5)
def test_a_long_text_is_read_in_one_pass(text):
    assert len(parse(text).directives) <= len(text)
