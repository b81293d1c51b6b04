"""A requirements file, read as pip reads it: frozen data, pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as Parsed
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from spaceops.distributions import normalized

MOST_LINES = 5000  # of a file that is looked into

_COMMENT = re.compile(r"(?:^|\s)#.*")
_VARIABLE = re.compile(r"\$\{[A-Z0-9_]+\}")
_OPTION_OF_LINE = re.compile(r"\s--?[A-Za-z]")
_OPTION = re.compile(r"(--?[A-Za-z][A-Za-z0-9-]*)(?:[\s=]+(.*))?", re.DOTALL)
_URL = re.compile(r"(?:git|hg|svn|bzr)\+|https?://|file:|ftp://", re.IGNORECASE)
_EGG = re.compile(r"[#&]egg=([A-Za-z0-9._-]+)(\[[^\]]*\])?")
_WHEEL = re.compile(r"([A-Za-z0-9_.]+)-([A-Za-z0-9_.+!]+)-[^/]*\.whl(?:[#?].*)?$")
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\])?\s*"
_PART = r"(?:[=<>!~]=|===|<|>)\s*[^\s=<>!~;,()@]+"
_LOOSE = re.compile(rf"{_NAME}{_PART}(?:\s*,\s*{_PART})*\s*(?:;.*)?")  # what old versions of pip took
_HASH = re.compile(r"--hash[=\s]")


@dataclass(frozen=True)
class Requirement:
    """One package that is asked for."""

    name: str  # as the index compares it
    specifier: str = ""  # ">=1,<2"
    extras: frozenset[str] = frozenset()
    path: str = ""
    line: int = 0
    text: str = ""  # as written
    applies: bool | None = True  # whether its marker holds in the image; None: not known
    url: str = ""
    is_hashed: bool = False
    is_certain: bool = True  # False: it stands in a command that may not run

    @property
    def where(self) -> str:
        """Its place, as `FILE:LINE`."""
        return f"{self.path}:{self.line}" if self.line else self.path

    @property
    def pin(self) -> Version | None:
        """The one version that it allows; None where it allows several."""
        for part in _specifiers(self.specifier):
            if part.operator == "==" and not part.version.endswith(".*"):
                return _version(part.version)
        return None

    def allows(self, version: str) -> bool:
        """Whether a version would do."""
        return _specifiers(self.specifier).contains(version, prereleases=True)

    @property
    def is_open(self) -> bool:
        """Whether nothing holds the newest version back."""
        holding = ("==", "===", "~=", "<", "<=")
        return not self.url and not any(part.operator in holding for part in _specifiers(self.specifier))


@dataclass(frozen=True)
class Reference:
    """A file that a file or a command names: `-r` or `-c`."""

    name: str
    path: str
    line: int
    is_constraint: bool = False


@dataclass(frozen=True)
class Problem:
    """A line that pip refuses. `is_certain`: every pip does."""

    text: str
    line: int
    reason: str
    is_certain: bool = True


@dataclass(frozen=True)
class RequirementsFile:
    """What stands in one file."""

    path: str
    requirements: tuple[Requirement, ...] = ()
    references: tuple[Reference, ...] = ()
    problems: tuple[Problem, ...] = ()
    options: tuple[tuple[str, str], ...] = ()  # ("--index-url", "https://…")
    unnamed: tuple[str, ...] = ()  # folders and addresses whose package is not known
    is_whole: bool = True  # False: not all of it was read
    is_constraint: bool = field(default=False, kw_only=True)

    def option(self, *names: str) -> tuple[str, ...]:
        """The values of some options."""
        return tuple(value for name, value in self.options if name in names)


def read(text: str, path: str, python: tuple[int, int] | None = None) -> RequirementsFile:
    """Read the text of a file; `python` is the version that markers are judged by."""
    file = RequirementsFile(path)
    for number, line in _logical_lines(text):
        if number > MOST_LINES:
            return replace(file, is_whole=False)
        file = _with(file, number, line, python)
    return file


def one(text: str, path: str, line: int, python: tuple[int, int] | None = None) -> Requirement | Problem | None:
    """A single requirement, as of a command line; None for a folder or an address that names no package."""
    main = _OPTION_OF_LINE.split(f" {text}", maxsplit=1)[0].strip().rstrip(";").strip()
    is_hashed = bool(_HASH.search(text))
    if _URL.match(main):
        return _of_address(main, path, line)
    try:
        parsed = Parsed(main)
    except InvalidRequirement as error:
        return None if _is_path(main) else Problem(text, line, _reason(main, error), not _LOOSE.fullmatch(main))
    return Requirement(
        normalized(parsed.name),
        str(parsed.specifier),
        frozenset(normalized(extra) for extra in parsed.extras),
        path,
        line,
        text,
        _applies(parsed, python),
        parsed.url or "",
        is_hashed,
    )


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their continuations, without comments; the number is that of the first."""
    parts, first = list[str](), 0
    for number, row in enumerate(text.splitlines(), start=1):
        first = first or number
        is_comment = row.lstrip().startswith("#")
        if row.endswith("\\") and not is_comment:
            parts.append(row[:-1])
            continue
        line = _COMMENT.sub("", "".join([*parts, f" {row}" if is_comment else row])).strip()
        if line:
            yield first, line
        parts, first = [], 0
    if rest := _COMMENT.sub("", "".join(parts)).strip():
        yield first, rest


def _with(file: RequirementsFile, number: int, line: str, python: tuple[int, int] | None) -> RequirementsFile:
    if line.startswith("-"):
        return _with_option(file, number, line)
    if _VARIABLE.search(line):
        return replace(file, unnamed=(*file.unnamed, line))
    found = one(line, file.path, number, python)
    if isinstance(found, Requirement):
        return replace(file, requirements=(*file.requirements, found))
    if found is None:
        return replace(file, unnamed=(*file.unnamed, line))
    return replace(file, problems=(*file.problems, found))


def _with_option(file: RequirementsFile, number: int, line: str) -> RequirementsFile:
    short = re.match(r"-([rceif])(?=[^\s=-])(.*)", line)
    found = None if short else _OPTION.match(line)
    name = f"-{short[1]}" if short else found[1] if found else line
    value = (short[2] if short else (found[2] or "") if found else "").strip().strip("\"'")
    if name in ("-r", "--requirement", "--requirements", "-c", "--constraint"):
        reference = Reference(value, file.path, number, name in ("-c", "--constraint"))
        return replace(file, references=(*file.references, reference))
    if name in ("-e", "--editable"):
        named = _of_address(value, file.path, number) if _URL.match(value) else None
        if named is None:
            return replace(file, unnamed=(*file.unnamed, value))
        return replace(file, requirements=(*file.requirements, named))
    return replace(file, options=(*file.options, (name, value)))


def _of_address(address: str, path: str, line: int) -> Requirement | None:
    """The package at an address: by `#egg=` or the name of a wheel; else None."""
    if egg := _EGG.search(address):
        return Requirement(normalized(egg[1]), path=path, line=line, text=address, url=address)
    if wheel := _WHEEL.search(address.rpartition("/")[2]):
        pin = f"=={wheel[2].replace('%2B', '+')}"
        specifier = pin if _specifiers(pin) else ""
        return Requirement(normalized(wheel[1]), specifier, path=path, line=line, text=address, url=address)
    return None


def _is_path(text: str) -> bool:
    return text.startswith((".", "/", "~")) or "/" in text or text.endswith((".whl", ".tar.gz", ".zip", ".tar.bz2"))


def _reason(text: str, error: InvalidRequirement) -> str:
    if re.match(r"[A-Za-z0-9._-]+(?:\[[^\]]*\])?\s*=[^=]", text):
        return "= is not an operator here, == is"
    if text.startswith(("```", "<<<<<<<", "=======", ">>>>>>>")):
        return "this is no requirement"
    if text.startswith(("pip ", "pip3 ", "python ", "import ", "from ")):
        return "this is a command, not a requirement"
    if " " in text.strip() and "==" not in text.partition(" ")[2].strip()[:3]:
        return "one line holds one requirement"
    return str(error).splitlines()[0]


def _applies(parsed: Parsed, python: tuple[int, int] | None) -> bool | None:
    if parsed.marker is None:
        return True
    text = str(parsed.marker)
    if python is None and "python" in text:
        return None
    version = ".".join(map(str, python or (3, 12)))
    environment = {
        "implementation_name": "cpython",
        "implementation_version": f"{version}.0",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{version}.9",
        "python_version": version,
        "sys_platform": "linux",
        "extra": "",
    }
    try:
        return parsed.marker.evaluate(environment)
    except (UndefinedComparison, UndefinedEnvironmentName, InvalidVersion):
        return None


def _specifiers(text: str) -> SpecifierSet:
    try:
        return SpecifierSet(text)
    except InvalidSpecifier:
        return SpecifierSet()


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None
