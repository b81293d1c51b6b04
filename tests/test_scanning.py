"""Logs read for symptoms: which lines are found, what divides a log, and that memory stays bounded."""

from __future__ import annotations

import os
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaceops.diagnosis.scanning import AFTER, BEFORE, Section, scan, scan_text
from spaceops.symptoms import Place

EXAMPLES = int(os.environ.get("SPACEOPS_EXAMPLES", 20))
QUEUED = "===== Build Queued at 2026-01-31 21:54:36 / Commit SHA: d16a857 =====\n"
STARTED = "===== Application Startup at 2026-04-04 12:08:20 =====\n"
MISSING = "ModuleNotFoundError: No module named 'yaml'\n"
FAILED = '--> ERROR: process "/bin/sh -c pip install x" did not complete successfully: exit code: 1\n'
BUILD = (
    f"{QUEUED}--> FROM python\nDONE 1s\n--> RUN pip install x\nERROR: No matching distribution found for x\n{FAILED}"
)
PARTS = [QUEUED, STARTED, BUILD, FAILED, MISSING, "#7 [1/2] RUN x\n", "Traceback (most recent call last):\n"]
PARTS += ['  File "a", line 1\n', "Dockerfile:3\n", "Node.js v20.1\n", "\n", "x" * 5000 + "\n"]


def scanned(text: str, place: Place) -> dict[Place, Section]:
    return scan([text.encode()], place)


def codes(section: Section) -> set[str]:
    return set(section.hits)


def test_only_the_last_start_counts():
    section = scanned(f"{STARTED}{MISSING}{STARTED}all is well\n", Place.RUN)[Place.RUN]

    assert ({}, 3, (STARTED.strip(), "all is well")) == (section.hits, section.number, section.tail)


def test_of_a_start_that_said_nothing_yet_the_one_before_tells():
    assert {"module-not-found"} == codes(scanned(f"{STARTED}{MISSING}{STARTED}", Place.RUN)[Place.RUN])


def test_only_the_last_build_counts():
    section = scanned(f"{BUILD}{QUEUED}--> FROM python\n", Place.BUILD)[Place.BUILD]

    assert (set(), None) == (codes(section), section.failure)


def test_a_page_that_was_copied_whole_is_taken_apart():
    page = f"runtime error\nScheduling failure: unable to schedule\nContainer logs:\n{BUILD}{STARTED}{MISSING}"
    found = scanned(page, Place.RUN)

    assert "scheduling-failure" in codes(found[Place.SAID])
    assert 1 == found[Place.BUILD].failure.exit
    assert {"module-not-found"} == codes(found[Place.RUN])


def test_the_step_that_failed_is_known_with_its_command_and_status():
    failure = scanned(BUILD, Place.BUILD)[Place.BUILD].failure

    assert ("pip install x", 1, 1, 6) == (failure.command, failure.exit, failure.step, failure.number)
    assert "ERROR: No matching distribution found for x" == failure.printed[-1]


@pytest.mark.parametrize(
    ("line", "command", "status"),
    [
        ('#9 ERROR: process "/bin/sh -c npm ci" did not complete successfully: exit code: 254', "npm ci", 254),
        (
            'ERROR: failed to solve: process "/bin/bash -o pipefail -c x | y" did not complete successfully: '
            "exit code: 2",
            "x | y",
            2,
        ),
        ("The command '/bin/sh -c make' returned a non-zero code: 2", "make", 2),
        ('Error: building at STEP "RUN make all": while running runtime: exit status 2', "RUN make all", 2),
        ("error building image: error building stage: waiting for process to exit: exit status 3", "", 3),
        ('--> ERROR: failed to calculate checksum of ref 1::2: "/x": not found', "", None),
        ("error: failed to solve: dockerfile parse error on line 3: unknown instruction: FOO", "", None),
    ],
)
def test_the_end_of_a_build_is_told_in_the_words_of_every_builder(line, command, status):
    failure = scanned(f"{QUEUED}{line}\n", Place.BUILD)[Place.BUILD].failure

    assert (command, status) == (failure.command, failure.exit)


def test_of_steps_side_by_side_each_line_belongs_to_its_own():
    log = (
        "#7 [web 2/4] RUN npm ci\n#8 [api 2/4] RUN pip install x\n"
        "#8 1.5 ERROR: No matching distribution found for x\n#7 2.5 added 20 packages\n"
        '#8 ERROR: process "/bin/sh -c pip install x" did not complete successfully: exit code: 1\n'
    )
    section = scanned(log, Place.BUILD)[Place.BUILD]

    assert 8 == section.failure.step
    assert {8} == {hit.step for hit in section.all_hits()}


def test_buildkit_names_the_line_of_the_dockerfile():
    assert 12 == scanned(f"{BUILD}Dockerfile:12\n------\n", Place.BUILD)[Place.BUILD].source_line


@pytest.mark.parametrize("size", [AFTER - 40, AFTER, AFTER + BEFORE - 40, 3 * AFTER - 20, 1 << 20])
def test_what_lies_at_the_border_of_two_blocks_is_found(size):
    filler = "x" * 79 + "\n"
    log = (filler * (size // len(filler)) + f"{MISSING}{filler}").encode()
    pieces = [log[at : at + 4096] for at in range(0, len(log), 4096)]

    hits = list(scan(pieces, Place.RUN)[Place.RUN].all_hits())

    assert [("yaml", size // len(filler) + 1)] == [(hit.groups["module"], hit.number) for hit in hits]


def test_a_needle_in_a_line_without_end_is_found():
    assert [hit.groups["module"] for hit in scan_text("x" * 1000 + " " + MISSING.strip(), Place.RUN)] == ["yaml"]


def test_of_a_symptom_that_comes_often_the_first_and_the_last_stay():
    log = "".join(f"line {number}\n{MISSING}" for number in range(5000))
    hits = scan_text(log, Place.RUN)

    assert (2, 10_000) == (hits[0].number, hits[-1].number)
    assert len(hits) < 20


def test_a_log_of_any_size_needs_little_memory():
    block = (f"INFO: {'request ' * 12}\n" * 9000 + MISSING).encode()
    scan([block], Place.RUN)
    tracemalloc.start()
    section = scan((block for _ in range(50)), Place.RUN)[Place.RUN]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert 50 * 9001 == section.last - section.number
    assert peak < 20 * len(block) < 50 * len(block)


@given(st.binary(max_size=5000))
@settings(max_examples=EXAMPLES)
def test_random_bytes_are_read_like_any_log(noise):
    found = scan([noise, b"\n" + MISSING.encode(), noise], Place.RUN)

    assert found


@given(st.lists(st.sampled_from(PARTS), max_size=30))
@settings(max_examples=EXAMPLES)
def test_what_divides_a_log_may_come_in_any_order(parts):
    text = "".join(parts)
    lines = text.count("\n")

    for section in scanned(text, Place.BUILD).values():
        assert 1 <= section.number <= lines + 1
        assert all(1 <= hit.number <= lines for hit in section.all_hits())


def test_of_a_large_log_the_first_and_the_last_lines_with_a_needle_are_looked_at():
    filler = "".join(f"INFO client {number}: No module named x{number}\n" for number in range(20_000))

    section = scanned(f"{MISSING}{filler}{MISSING.replace('yaml', 'rich')}", Place.RUN)[Place.RUN]

    modules = [hit.groups["module"] for hit in section.hits["module-not-found"]]
    assert ("yaml", "rich") == (modules[0], modules[-1])
