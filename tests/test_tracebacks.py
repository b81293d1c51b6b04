"""What was raised, as the log of a program shows it."""

from __future__ import annotations

import textwrap

import pytest

from spaceops.diagnosis.tracebacks import Raised, traceback
from spaceops.symptoms import Place
from tests.test_scanning import scanned

PLAIN = """\
Traceback (most recent call last):
  File "/home/user/app/main.py", line 3, in <module>
    start(7)
    ~~~~~^^^
  File "/home/user/app/model.py", line 9, in start
    tools.load()
  File "/usr/local/lib/python3.13/site-packages/tools/__init__.py", line 1, in load
    raise ValueError("no level")
ValueError: no level
"""
CAUSED = (
    "Traceback (most recent call last):\n  File \"/app/a.py\", line 1, in f\n    x()\nKeyError: 'X'\n\n"
    "The above exception was the direct cause of the following exception:\n\n" + PLAIN
)


def raised(text: str) -> Raised:
    found = traceback(text.encode(), 0, 1)
    assert found is not None
    return found


def test_the_place_is_the_last_one_in_the_apps_own_code():
    found = raised(PLAIN)

    assert ("ValueError", "no level", 1, 9) == (found.kind, found.said, found.number, found.last)
    assert ("/home/user/app/model.py", 9, "start") == (found.own.file, found.own.line, found.own.within)
    assert ('File "/home/user/app/model.py", line 9, in start', "tools.load()", "ValueError: no level") == found.lines


def test_an_exception_knows_the_one_that_it_comes_of():
    found = raised(CAUSED)

    assert ("ValueError", "KeyError", True) == (found.kind, found.root.kind, found.is_caused)
    assert (8, 16) == (found.number, found.last)


def test_one_that_was_being_handled_is_no_cause():
    found = raised(
        CAUSED.replace(
            "The above exception was the direct cause of the following exception",
            "During handling of the above exception, another exception occurred",
        )
    )

    assert ("KeyError", found) == (found.before.kind, found.root)


@pytest.mark.parametrize("prefix", ["", "ERROR:    ", "  ", "app | ", "[2026-01-01 00:00:00] "], ids=repr)
def test_what_stands_in_front_of_it_does_not_matter(prefix):
    """uvicorn writes in front of the first line only, supervisors in front of each."""
    text = (
        PLAIN.replace("Traceback", f"{prefix}Traceback") if prefix == "ERROR:    " else textwrap.indent(PLAIN, prefix)
    )

    assert ("ValueError", 9) == (raised(text).kind, raised(text).own.line)


def test_what_an_exception_says_on_more_lines_belongs_to_it():
    text = PLAIN.replace(
        "ValueError: no level",
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings\napi_key\n  Field required",
    )

    assert raised(text).lines[-3:] == (
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings",
        "api_key",
        "Field required",
    )


def test_one_that_the_log_cuts_off_is_none():
    assert traceback(PLAIN.encode()[:150], 0, 1) is None


NODE = """\
/app/server.js:3
const x = process.env.URL.trim();
                          ^

TypeError: Cannot read properties of undefined (reading 'trim')
    at wrap (node:internal/x:1:1)
    at Object.<anonymous> (/app/server.js:3:38)

Node.js v18.20.8
"""


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        (NODE, "TypeError", "Cannot read properties of undefined (reading 'trim')"),
        ('Exception in thread "main" java.lang.RuntimeException: no\n', "java.lang.RuntimeException", "no"),
        (
            "panic: runtime error: index out of range\n\ngoroutine 1 [running]:\n",
            "panic",
            "runtime error: index out of range",
        ),
        ("thread 'main' panicked at src/main.rs:2:5:\nno\n", "panicked", "src/main.rs:2:5:"),
        ("PHP Fatal error:  Uncaught Exception: no\n", "Fatal error", "Uncaught Exception: no"),
        ("terminate called after throwing an instance of 'std::bad_alloc'\n", "std::bad_alloc", ""),
        ("Unhandled exception. System.Exception: no\n", "System.Exception", "no"),
    ],
)
def test_other_languages_are_understood(text, kind, said):
    found = scanned(text, Place.RUN)[Place.RUN].raised[-1]

    assert (kind, said) == (found.kind, found.said)


def test_node_names_the_place_too():
    found = scanned(NODE, Place.RUN)[Place.RUN].raised[-1]

    assert ("/app/server.js", 3) == (found.own.file, found.own.line)


def test_of_a_group_of_exceptions_the_last_within_is_told():
    group = (
        "  + Exception Group Traceback (most recent call last):\n"
        '  |   File "/app/main.py", line 3, in lifespan\n  |     async with TaskGroup() as tg:\n'
        "  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)\n"
        "  +-+---------------- 1 ----------------\n    | Traceback (most recent call last):\n"
        '    |   File "/app/db.py", line 9, in connect\n    |     open_it()\n    | OddError: no such thing\n'
        "    +------------------------------------\nERROR:    Application startup failed. Exiting.\n"
    )
    found = scanned(group, Place.RUN)[Place.RUN].raised

    assert ["ExceptionGroup", "OddError"] == [one.kind for one in found]
    assert ("/app/db.py", 9) == (found[-1].own.file, found[-1].own.line)


def test_a_level_of_a_log_is_no_exception():
    cut = 'Traceback (most recent call last):\n  File "/app/a.py", line 1, in f\nERROR: it goes on\n'

    assert [] == scanned(cut, Place.RUN)[Place.RUN].raised
