"""A saved log as plain lines, in each form in which logs are kept."""

from __future__ import annotations

import json
import os
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaceops.diagnosis.logtext import LONGEST, plain, read
from spaceops.errors import BadInput

LINES = ["--> RUN pip install x", "", "ERROR: No matching distribution found for x", "äöü"]
TEXT = "".join(f"{line}\n" for line in LINES)
STAMP = "2026-01-31T21:54:36.123456Z"
EXAMPLES = int(os.environ.get("SPACEOPS_EXAMPLES", 20))


def entries(begin: str, key: str, **more: str) -> str:
    """The lines as JSON."""
    return "".join(f"{begin}{json.dumps({key: line + chr(10), **more})}\n\n" for line in LINES)


def lines(*pieces: bytes) -> list[str]:
    return b"".join(plain(pieces)).decode().splitlines()


@pytest.mark.parametrize(
    "saved",
    [
        TEXT,
        TEXT.replace("\n", "\r\n"),
        entries("data: ", "data", timestamp=STAMP),
        entries("", "data", timestamp=STAMP),
        entries("", "text", ts=STAMP, event="build"),
        entries("", "log", stream="stdout", time=STAMP),
        "".join(f"{STAMP} {line}\n" for line in LINES),
        "".join(f"21:54:36 build {line}\n" for line in LINES),
        "".join(f"build\tBuild the image\t{STAMP} {line}\n" for line in LINES),
        "".join(f"app-1  | {line}\n" for line in LINES),
        "".join(f"\x1b[31m{line}\x1b[0m\x1b]0;title\x07\n" for line in LINES),
    ],
    ids=["text", "CRLF", "SSE", "JSON", "ours", "docker", "stamped", "spaceops logs", "gh", "compose", "colours"],
)
def test_every_form_of_a_log_holds_the_same_lines(saved):
    assert [line.strip() for line in LINES if line] == [line.strip() for line in lines(saved.encode()) if line.strip()]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_what_powershell_writes_is_read_too(encoding):
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    saved = mark + TEXT.encode(encoding)

    assert LINES == lines(saved[:7], saved[7:])


def test_each_step_of_a_progress_bar_is_a_line():
    assert ["10%", "99%", "ERROR: no"] == [line for line in lines(b"10%\r99%\rERROR: no\r\n") if line]


def test_a_line_without_end_goes_on_as_several():
    assert [LONGEST, LONGEST, 1] == [len(line) for line in lines(b"x" * LONGEST, b"x" * (LONGEST + 1))]


def test_keep_alives_say_nothing_and_a_line_that_is_no_json_stays():
    saved = b'data: {"data": "one\\n"}\n\ndata:\n\ndata: {"data": "two\\n"}\nhalf a line {\n'

    assert ["one", "two", "half a line {"] == [line for line in lines(saved) if line]


def test_times_that_only_some_lines_begin_with_are_of_the_app():
    saved = f"{STAMP} one\ntwo\nthree\nfour\n"

    assert f"{STAMP} one" == lines(saved.encode())[0]


@given(saved=st.binary(max_size=2000), cuts=st.lists(st.integers(0, 2000), max_size=5))
@settings(max_examples=EXAMPLES)
def test_it_does_not_matter_where_a_text_is_cut(saved, cuts):
    saved = b"begin " + saved.replace(b"\r", b"\n")
    places = [0, *sorted(cut for cut in cuts if cut < len(saved)), len(saved)]
    pieces = [saved[a:b] for a, b in pairwise(places)]

    whole = b"".join(plain([saved]))

    assert whole == b"".join(plain(pieces)) or b"\x1b" in saved


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        list(read(tmp_path / "no.log"))


@pytest.mark.parametrize("begins", [b"\x1f\x8b\x08", b"PK\x03\x04", b"\x28\xb5\x2f\xfd"])
def test_a_packed_file_is_called_so(tmp_path, begins: bytes):
    packed = tmp_path / "run.log.gz"
    packed.write_bytes(begins + b"\0" * 9)

    with pytest.raises(BadInput, match="is packed") as raised:
        list(read(packed))
    assert "run.log.gz > log.txt" in raised.value.hint


def test_only_exceptions_are_taken_out_of_their_line():
    folded = rb'{"msg": "a\nb \"c\""}'

    assert ["{" + r'"msg": "a', 'b "c""}', r"C:\new\name"] == lines(folded + b"\n" + rb"C:\new\name")
