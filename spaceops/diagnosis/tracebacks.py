"""What a program said when it died of an exception: Python's tracebacks, and how other languages put it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

USUAL, MOST = 1 << 12, 1 << 16  # bytes of a traceback that are read, the second where the first do not hold its end
_LINES = 12  # lines of what was raised that are kept
_FRAME = re.compile(r'File "(?P<file>[^"\n]{1,500})", line (?P<line>\d{1,7})(?:, in (?P<within>.{1,200}))?')
_ERROR = re.compile(
    r"(?!(?:DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL|FATAL)\b)(?P<type>[A-Za-z_][\w.]{0,200})(?:: (?P<said>.*))?$"
)
_FOREIGN = re.compile(
    r"site-packages|dist-packages|/lib(?:64)?/python\d|^<frozen|^<string>|/opt/conda/|/usr/lib/|/\.venv/|/\.local/lib/"
)
_CAUSED = "direct cause of the following"
_MEANWHILE = "During handling of the above exception"


@dataclass(frozen=True)
class Frame:
    """A place in the code, as the log names it."""

    file: str
    line: int
    within: str = ""

    @property
    def is_own(self) -> bool:
        """Whether it is the app's own code, and not of a package or of the language."""
        return not _FOREIGN.search(self.file)


@dataclass(frozen=True)
class Raised:
    """An exception as a log shows it. `number` and `last` are its first and its last line, from 1."""

    kind: str  # the type, with its module
    said: str
    number: int
    last: int
    frames: tuple[Frame, ...] = ()
    lines: tuple[str, ...] = ()  # the frame in the app's own code and the exception, as they stand there
    before: Raised | None = None  # the one of which it came, or that was being handled
    is_caused: bool = False  # whether `before` is its cause

    @property
    def own(self) -> Frame | None:
        """The last place in the app's own code that it passed, or that the one before it did."""
        frame = next((frame for frame in reversed(self.frames) if frame.is_own), None)
        return frame or (self.before.own if self.before else None)

    @property
    def root(self) -> Raised:
        """The first of a chain of causes."""
        return self.before.root if self.before and self.is_caused else self


def traceback(buffer: bytes, start: int, number: int) -> Raised | None:
    """The exception whose traceback begins in the line at `start`, with all that follow of it; None where it is cut."""
    usual = buffer[start : start + USUAL].rpartition(b"\n")[0]
    found = _traceback(usual, number)
    is_whole = found is not None and found.last - number + 12 < usual.count(b"\n")
    return found if is_whole else _traceback(buffer[start : start + MOST], number)


def _traceback(text: bytes, number: int) -> Raised | None:
    lines = text.decode(errors="replace").splitlines()
    found: Raised | None = None
    at, is_caused = 0, False
    while (one := _one(lines, at)) is not None:
        raised, at = one
        raised = replace(raised, number=number + raised.number, last=number + raised.last)
        link = next((line for line in lines[at : at + 3] if line.strip()), "")
        found = replace(raised, before=found, is_caused=is_caused) if found else raised
        is_caused = _CAUSED in link
        header = next((n for n, line in enumerate(lines[at : at + 6], start=at) if "Traceback (most" in line), None)
        if header is None or not (is_caused or _MEANWHILE in link):
            break
        at = header
    return found


def _one(lines: list[str], at: int) -> tuple[Raised, int] | None:
    """The traceback whose header is the line `at`, and the line after it; numbers count from 0."""
    lines = _without_prefix(lines, at)
    header = lines[at]
    indent = _indent(header)
    frames: list[Frame] = []
    kept: list[str] = []
    for number in range(at + 1, len(lines)):
        line = lines[number]
        text = line.strip(" \t|")
        if frame := _FRAME.match(text):
            frames.append(Frame(frame["file"], int(frame["line"]), frame["within"] or ""))
            kept = [text] if frames[-1].is_own else kept
        elif text and len(line) - len(line.lstrip(" \t|")) <= indent and (error := _ERROR.match(text)):
            more = _continued(lines, number + 1)
            raised = Raised(error["type"], error["said"] or "", at, number, tuple(frames), (*kept, text, *more))
            return raised, number + 1 + len(more)
        elif text and kept and len(kept) == 1 and not text.startswith(("^", "~")):
            kept.append(text)
    return None


def _indent(header: str) -> int:
    """How far the lines of a traceback stand in; those of a group of exceptions stand behind a line that is drawn."""
    text = header.lstrip(" \t|+")
    return len(header) - len(text) if text.startswith(("Traceback", "Exception Group Traceback")) else 0


def _without_prefix(lines: list[str], at: int) -> list[str]:
    """The lines without what a supervisor writes in front of each."""
    prefix, _, _ = lines[at].partition("Traceback (most")
    follows = lines[at + 1] if at + 1 < len(lines) else ""
    if not prefix.strip() or not follows.startswith(prefix):
        return lines
    return [*lines[:at], *(line.removeprefix(prefix) for line in lines[at:])]


def _continued(lines: list[str], at: int) -> list[str]:
    """The lines that go on with what an exception says, such as the fields that pydantic names."""
    more: list[str] = []
    for line in lines[at : at + _LINES]:
        if not line.startswith((" ", "\t")) and not (more == [] and re.fullmatch(r"[A-Za-z_]\w{0,80}", line)):
            break
        if line.strip(" \t|").startswith(("File ", "Traceback", "+-")):
            break
        more.append(line.strip())
    return [line for line in more if line]


# How other languages say what killed the program: a text by which the line is found, and the line.
CRASHES: dict[bytes, re.Pattern[str]] = {
    needle: re.compile(pattern)
    for needle, pattern in {
        b"Exception in thread ": r'Exception in thread "[^"]{0,80}" (?P<type>[\w.$]{1,200})(?:: (?P<said>.*))?',
        b"panic: ": r"^(?P<type>panic): (?P<said>.+)",
        b"panicked at ": r"thread '[^']{0,80}'(?: \(\d+\))? (?P<type>panicked) at (?P<said>.+)",
        b"Fatal error: ": r"PHP (?P<type>Fatal error):\s+(?P<said>.+)",
        b"Uncaught ": r"^(?:\[?ERR\]? ?)?Uncaught (?:\w+ )?(?P<type>\w*(?:Error|Exception))\b:? ?(?P<said>.*)",
        b"Unhandled exception. ": r"^Unhandled exception\. (?P<type>[\w.]{1,200}): (?P<said>.+)",
        b"terminate called after throwing": r"throwing an instance of '(?P<type>[^']{1,200})'(?P<said>)",
    }.items()
}
_NODE = re.compile(r"^(?:Uncaught )?(?P<type>[A-Za-z]*Error(?: \[\w+\])?): (?P<said>.+)")
CRASHES[b"Node.js v"] = re.compile(r"^Node\.js v\d{1,3}\.\d")


def crash(buffer: bytes, start: int, end: int, number: int) -> Raised | None:
    """What the line from `start` to `end` says of the end of a program that is not of Python."""
    line = buffer[start : min(end, start + 4000)].decode(errors="replace").strip()
    found = next(
        (
            match
            for needle, pattern in CRASHES.items()
            if needle in buffer[start:end] and (match := pattern.search(line))
        ),
        None,
    )
    if found is None:
        return None
    if "type" not in found.groupdict():
        return _of_node(buffer, start, number)
    return Raised(found["type"], found["said"] or "", number, number, lines=(line,))


def _of_node(buffer: bytes, start: int, number: int) -> Raised | None:
    """Node prints its version last; what was raised stands above the calls that led there."""
    above = buffer[max(0, start - MOST // 4) : start].decode(errors="replace").splitlines()[-80:]
    for back, line in enumerate(reversed(above), start=1):
        if found := _NODE.match(line.strip()):
            calls = [text for text in map(str.strip, above[len(above) - back :]) if text.startswith("at ")]
            own = next((call for call in calls if "node_modules" not in call and "node:" not in call), "")
            return Raised(
                found["type"],
                found["said"],
                number - back,
                number,
                _frames(own),
                (line.strip(), *([own] if own else [])),
            )
    return None


def _frames(call: str) -> tuple[Frame, ...]:
    place = re.search(r"\(?((?:file://)?/[^():\n]{1,300}):(\d{1,7}):\d{1,7}\)?$", call)
    return (Frame(place[1].removeprefix("file://"), int(place[2])),) if place else ()
