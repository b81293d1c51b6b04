"""Logs read for symptoms, in one pass and bounded memory: what matches, the step that failed, what was raised.

A block of the log is looked at as a set of words. Where a word of a needle is among them its lines are looked for, and
only those meet the patterns. What counts is the last build and the last start; what stands above them are the words of
the Hub that somebody copied along.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import islice

from spaceops.diagnosis.logtext import plain
from spaceops.diagnosis.tracebacks import CRASHES, Raised, crash, traceback
from spaceops.symptoms import Place, Symptom, all_symptoms

BEFORE, AFTER = 1 << 14, 1 << 16  # bytes kept before and after what is looked at, for what belongs together
WIDEST = 4000  # characters of a line that the patterns see
AROUND = 12  # lines in which `near` is looked for
OFTEN, MOST_KNOWN = 8, 4096  # times that a line is looked at, and lines that are remembered
MANY = 16  # tracebacks of a block that are read from its begin and from its end, each
SMALL = 1 << 18  # bytes of a block in which every line with a needle is looked at
LOOKS, FEWEST = 600, 1  # of a larger block: lines looked at from its begin, and of each needle at least
KEPT = 4  # hits of a symptom that are kept from the begin and from the end, each
LAST = 60  # lines at the end of a log
HEAD = 40  # lines above the log in which the Hub's own words may stand

_LETTERS = bytes(code if chr(code).isalpha() and code < 128 else 32 for code in range(256))
_BUILDKIT = re.compile(r"#(\d{1,6}) +(?:\d{1,7}\.\d{1,4} +)?")


@dataclass(frozen=True)
class Hit:
    """A line that shows a symptom. `number` is the line's, from 1; `step` that of the build it was printed in."""

    symptom: Symptom
    groups: Mapping[str, str]
    line: str
    number: int
    step: int = -1


@dataclass(frozen=True)
class Failure:
    """What failed a build: the error's own line, the step's command, its exit status, what it printed last."""

    line: str
    number: int
    step: int
    command: str = ""
    exit: int | None = None
    printed: tuple[str, ...] = ()


@dataclass
class Section:
    """What was found in one log: of the last build, of the last start, or in the words of the Hub above them."""

    place: Place
    number: int = 0  # of its first line
    last: int = 0  # of its last line
    hits: dict[str, list[Hit]] = field(default_factory=dict)  # by code, in their order
    steps: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=500))  # their ids and commands
    failure: Failure | None = None
    source_line: int | None = None  # of the Dockerfile, where BuildKit shows it
    made: int | None = None  # the line that says that the image was made
    raised: list[Raised] = field(default_factory=list)
    tail: tuple[str, ...] = ()

    def add(self, hit: Hit) -> None:
        """Keep a hit, or forget one from the middle for it."""
        hits = self.hits.setdefault(hit.symptom.code, [])
        hits.append(hit)
        if len(hits) > 2 * KEPT:
            del hits[KEPT]

    def all_hits(self) -> Iterator[Hit]:
        """The hits of all codes."""
        for hits in self.hits.values():
            yield from hits


def scan(pieces: Iterable[bytes], place: Place) -> dict[Place, Section]:
    """Read a log; what was found in it. `place` is what it is until it says otherwise."""
    return _Scan(place).run(plain(pieces))


def scan_text(text: str, place: Place) -> list[Hit]:
    """Every hit in a text, of the symptoms of that place."""
    section = scan([text.encode(errors="replace")], place).get(place)
    return list(section.all_hits()) if section else []


def clean(raw: bytes) -> str:
    """A line as patterns see it."""
    text = raw[:WIDEST].decode(errors="replace").strip()
    return _BUILDKIT.sub("", text, count=1) if text.startswith("#") else text


# What divides a log: a text by which a line is found, and what it means.
_SECTION, _STEP, _FAILED, _RAISED, _CRASHED, _LINE, _DONE = range(7)
_NUMBERED = b"\n#"
_BUILDKIT_STEP = re.compile(rb"#\d{1,6} \[")
_WORDLESS: tuple[tuple[bytes, int], ...] = ((b"===== ", _SECTION), (b"--> ", _STEP), (_NUMBERED, _STEP))
_MARKS: tuple[tuple[bytes, int], ...] = (
    (b"Step ", _STEP),
    (b"STEP ", _STEP),
    (b"did not complete successfully", _FAILED),
    (b"--> ERROR:", _FAILED),
    (b"failed to solve", _FAILED),
    (b"returned a non-zero code", _FAILED),
    (b"building at STEP", _FAILED),
    (b"error building image", _FAILED),
    (b"Dockerfile:", _LINE),
    (b"Pushing image", _DONE),
    (b"naming to ", _DONE),
    (b"Successfully built ", _DONE),
    (b"Traceback (most recent call last)", _RAISED),
    *((needle, _CRASHED) for needle in CRASHES),
)
_BEGINS = re.compile(r"===== (?P<build>Build Queued)|===== (?P<run>Application Startup)")
_STEP_LINE = re.compile(
    r"(?:-->|\[(?:[\w./-]{1,80} +)?\d{1,3}/\d{1,3}\]|Step \d{1,3}/\d{1,3} ?:|STEP \d{1,3}(?:/\d{1,3})?:) *"
    r"(?P<command>(?!ERROR\b)[A-Za-z].*)"
)
_SHELL = r"(?:/bin/(?:ba|a)?sh(?: -[a-z]{1,9}(?: pipefail)?){1,4} )?"
_FAILURES = tuple(
    map(
        re.compile,
        (
            _SHELL.join(('process "', r'(?P<command>.{0,3500}?)" did not complete successfully: '))
            + r"(?:exit code: (?P<exit>\d{1,3}))?",
            _SHELL.join(("The command '", r"(?P<command>.{0,3500}?)' returned a non-zero code: (?P<exit>\d{1,3})")),
            r'building at STEP "(?P<command>.{0,3500}?)": .{0,200}?(?:exit status (?P<exit>\d{1,3})|$)',
            r"error building image: .{0,300}?(?:exit status (?P<exit>\d{1,3})|$)",
            r"^(?:--> )?ERROR: (?!failed to solve)",
            r"^(?:ERROR|error): failed to solve: ",
            r"failed to solve",
        ),
    )
)
_SOURCE_LINE = re.compile(r"Dockerfile:(\d{1,6})$")


_ANY = b""  # stands for the word of a needle that has none: it is looked for in each block


@cache
def _needles() -> dict[bytes, dict[bytes, list[int | Symptom]]]:
    """What is looked for by the word by which a block is asked for it: its longest."""
    found: dict[bytes, dict[bytes, list[int | Symptom]]] = {}
    of_symptoms: list[tuple[bytes, int | Symptom]] = [
        (needle.encode(), symptom)
        for symptoms in all_symptoms().values()
        for symptom in symptoms
        for needle in symptom.needles
    ]
    for needle, wanted in (*_MARKS, *of_symptoms):
        word = max(needle.translate(_LETTERS).split(), key=len, default=_ANY)
        found.setdefault(word, {}).setdefault(needle, []).append(wanted)
    return found


@cache
def _words() -> frozenset[bytes]:
    return frozenset(_needles())


class _Scan:
    """One log on its way through."""

    def __init__(self, place: Place) -> None:
        self.sections: dict[Place, Section] = {}
        self._head = Section(Place.SAID, number=1) if place is not Place.SAID else None
        self._section = Section(place, number=1)
        self._buffer = b"\n"  # so that each line has one before it
        self._done = 1  # bytes of the buffer that were looked at
        self._start = 1  # where in the buffer the section begins, if it does there
        self._number = 1  # of the line at that place
        self._known: dict[bytes, tuple[int, list[Symptom]]] = {}  # lines that came: how often, and what they show
        self._step = -1

    def run(self, blocks: Iterable[bytes]) -> dict[Place, Section]:
        """Read to the end."""
        for block in blocks:
            self._buffer += block
            if len(self._buffer) - self._done > 2 * AFTER:
                self._look(self._buffer.rfind(b"\n", self._done, len(self._buffer) - AFTER) + 1)
        self._look(len(self._buffer))
        self._close(len(self._buffer))
        return self.sections

    def _look(self, limit: int) -> None:
        """Look at the lines up to there, and forget those that are far behind."""
        if limit <= self._done:
            return
        at, number = self._done, self._number
        for start, wanted in sorted(self._found(limit).items()):
            number += self._buffer.count(b"\n", at, start)
            at, end = start, self._buffer.find(b"\n", start)
            self._meet(wanted, start, len(self._buffer) if end < 0 else end, number)
        self._number += self._buffer.count(b"\n", self._done, limit)
        cut = max(0, limit - BEFORE)
        self._buffer, self._done, self._start = self._buffer[cut:], limit - cut, max(0, self._start - cut)

    def _found(self, limit: int) -> dict[int, list[int | Symptom]]:
        """The lines with a mark or a needle, by where they begin, and which."""
        found: dict[int, list[int | Symptom]] = {}
        words = self._buffer[self._done : limit].translate(_LETTERS).split()
        wanted: list[tuple[bytes, list[int | Symptom]]] = [(needle, [mark]) for needle, mark in _WORDLESS]
        wanted += [pair for word in (_ANY, *_words().intersection(words)) for pair in _needles().get(word, {}).items()]
        most = max(FEWEST, LOOKS // len(wanted)) if limit - self._done > SMALL else SMALL
        for needle, those in wanted:
            kinds = {one if isinstance(one, int) else None for one in those}
            for start in self._starts(needle, limit, MANY if kinds & {_RAISED, _CRASHED} else most, kinds):
                found.setdefault(start, []).extend(those)
        return found

    def _starts(self, needle: bytes, limit: int, most: int, kinds: set[int | None]) -> list[int]:
        """Where the lines begin that hold this: all that divide the log, of others some of the first and of the last.

        What decides stands at the end, and a text that nearly every line holds tells little by itself.
        """
        if kinds & {_SECTION, _STEP, _FAILED, _LINE, _DONE}:
            return list(self._lines(needle, limit))
        first = list(islice(self._lines(needle, limit), most))
        if len(first) < most:
            return first
        return first + list(
            islice(self._lines_back(needle, first[-1], limit), most if _RAISED in kinds else 2 * most - 1)
        )

    def _lines_back(self, needle: bytes, start: int, limit: int) -> Iterator[int]:
        """The same from the end, down to the line at `start`."""
        buffer, at = self._buffer, limit
        floor = buffer.find(b"\n", start, limit) + 1
        while floor and (at := buffer.rfind(needle, floor, at)) >= 0:
            at = buffer.rfind(b"\n", 0, at) + 1
            yield at

    def _lines(self, needle: bytes, limit: int) -> Iterator[int]:
        """Where the lines begin that hold this."""
        buffer, at = self._buffer, self._done
        if needle == _NUMBERED:
            at = max(at - 1, 0)
            while (at := buffer.find(needle, at, limit)) >= 0:
                at += 1
                if _BUILDKIT_STEP.match(buffer, at):
                    yield at
            return
        while (at := buffer.find(needle, at, limit)) >= 0:
            yield buffer.rfind(b"\n", 0, at) + 1
            at = buffer.find(b"\n", at, limit) + 1
            if at == 0:
                return

    # what divides

    def _mark(self, mark: int, text: str, start: int, end: int, number: int) -> None:
        if mark == _SECTION:
            self._begin(text, start, number)
        elif mark == _STEP:
            self._note_step(text, start, end)
        elif mark == _FAILED:
            self._note_failure(text, start, number)
        elif mark == _LINE and (found := _SOURCE_LINE.fullmatch(text)):
            self._section.source_line = self._section.source_line or int(found[1])
        elif mark == _DONE and self._section.failure is None:
            self._section.made = number
        elif mark == _RAISED and not (self._section.raised and self._section.raised[-1].last >= number):
            self._raise(traceback(self._buffer, start, number))
        elif mark == _CRASHED:
            self._raise(crash(self._buffer, start, end, number))

    def _begin(self, text: str, start: int, number: int) -> None:
        """A build is queued, or an app starts: what was before counts no more."""
        begins = _BEGINS.match(text)
        if begins is None:
            return
        place = Place.BUILD if begins["build"] else Place.RUN
        self._keep_words(number)
        if self._section.number < number:
            self._close(start)
        self._section, self._step, self._start = Section(place, number=number), -1, start
        self._known.clear()

    def _keep_words(self, number: int) -> None:
        """What stands above the first build or start and shows what the Hub says is its words, not that log's."""
        if self._head is None or number > HEAD + 1:
            return
        for hit in self._section.all_hits():
            if Place.SAID in hit.symptom.places:
                self._head.add(hit)

    def _close(self, end: int) -> None:
        """The section ends there."""
        section = self._section
        section.tail = self._above(end)
        section.last = self._number + self._buffer.count(b"\n", self._done, end)
        is_silent = section.place is Place.RUN and all(line.startswith("=====") for line in section.tail)
        if not is_silent or section.place not in self.sections:  # of a start that said nothing yet the one before tells
            self.sections[section.place] = section
        if self._head is not None:
            self.sections[Place.SAID], self._head = self._head, None

    def _above(self, end: int) -> tuple[str, ...]:
        """The lines of the section up to there, the last ones."""
        lines = self._buffer[max(0, self._start, end - BEFORE) : end].splitlines()[-LAST:]
        return tuple(text for line in lines if (text := clean(line)))

    def _note_step(self, text: str, start: int, end: int) -> None:
        if numbered := _BUILDKIT.match(self._buffer[start : min(end, start + 40)].decode(errors="replace")):
            self._step = int(numbered[1])
        if found := _STEP_LINE.match(text):
            self._step = self._step if numbered else len(self._section.steps)
            self._section.steps.append((self._step, found["command"]))

    def _note_failure(self, text: str, start: int, number: int) -> None:
        """The first that names an exit status tells most; else the first."""
        found = next((match for pattern in _FAILURES if (match := pattern.search(text))), None)
        known = self._section.failure
        if found is None or (known is not None and known.exit is not None):
            return
        facts = found.groupdict()
        status = int(facts["exit"]) if facts.get("exit") else None
        if known is not None and status is None:
            return
        command = " ".join((facts.get("command") or "").split())
        step = self._step_of(command)
        self._section.failure = Failure(text, number, step, command, status, self._above(start))

    def _step_of(self, command: str) -> int:
        """The step with this command, the last one where none has it."""
        wanted = "".join(command.split()).replace("\\", "")
        for step, text in reversed(self._section.steps):
            if wanted and wanted in "".join(text.split()).replace("\\", ""):
                return step
        return self._step

    def _raise(self, raised: Raised | None) -> None:
        if raised is None:
            return
        known = self._section.raised
        if known and known[-1].last >= raised.last:
            return
        known.append(raised)
        if len(known) > 2 * KEPT:
            del known[1]

    # symptoms

    def _meet(self, wanted: list[int | Symptom], start: int, end: int, number: int) -> None:
        """Look at one line for each mark and symptom that it may be, the marks first.

        A line that came often is not looked at again: what it was is known.
        """
        raw = self._buffer[start : min(end, start + 4 * WIDEST)]
        times, shown = self._known.get(raw, (0, []))
        if times < OFTEN:
            text = clean(raw)
            for mark in sorted({one for one in wanted if isinstance(one, int)}):
                self._mark(mark, text, start, end, number)
            shown = [one for one in dict.fromkeys(wanted) if isinstance(one, Symptom)]
            shown = [one for one in shown if self._shows(one, text, start, end, number)]
            if len(self._known) > MOST_KNOWN:
                self._known.clear()
            is_mark = any(isinstance(one, int) for one in wanted)
            self._known[raw] = (0 if is_mark else times + 1), shown
        if shown:
            self._note_hits(shown, clean(raw), start, number)

    def _shows(self, symptom: Symptom, text: str, start: int, end: int, number: int) -> bool:
        is_here = self._section_of(symptom, number) is not None
        return is_here and symptom.regex.search(text) is not None and self._is_near(symptom, start, end)

    def _note_hits(self, symptoms: Iterable[Symptom], text: str, start: int, number: int) -> None:
        step = self._step_at(start)
        for symptom in symptoms:
            section, found = self._section_of(symptom, number), symptom.regex.search(text)
            if section is not None and found is not None:
                groups = {name: value for name, value in found.groupdict().items() if value is not None}
                section.add(Hit(symptom, groups, text, number, step))

    def _section_of(self, symptom: Symptom, number: int) -> Section | None:
        if self._section.place in symptom.places:
            return self._section
        is_above = self._head is not None and number <= HEAD
        return self._head if is_above and Place.SAID in symptom.places else None

    def _step_at(self, start: int) -> int:
        """The step that printed a line: what BuildKit writes in front of it, else the last that began."""
        numbered = _BUILDKIT.match(self._buffer[start : start + 40].decode(errors="replace"))
        return int(numbered[1]) if numbered else self._step

    def _is_near(self, symptom: Symptom, start: int, end: int) -> bool:
        """Whether what must stand near it does, and what must not does not."""
        if not symptom.near and not symptom.unless:
            return True
        lines = [clean(line) for line in self._around(start, end)]
        if symptom.unless and any(map(symptom.unless_regex.search, lines)):
            return False
        return not symptom.near or any(map(symptom.near_regex.search, lines))

    def _around(self, start: int, end: int) -> Iterator[bytes]:
        """The lines before and after the one from `start` to `end`."""
        first, last = start, end
        for _ in range(AROUND):
            newline = self._buffer.rfind(b"\n", max(0, first - BEFORE), max(0, first - 1))
            first = max(newline + 1, self._start) if newline >= 0 else first
            following = self._buffer.find(b"\n", last + 1, last + BEFORE)
            last = following if following >= 0 else last
        yield from self._buffer[first:start].split(b"\n")
        yield from self._buffer[end:last].split(b"\n")
