"""What an image's Python has installed, read from the commands of its Dockerfile and the files that they name."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from spaceops.distributions import closure, provides
from spaceops.image import Copied, Image, Line
from spaceops.pipcommands import (
    EDITORS,
    HARMLESS,
    INDEX_OPTIONS,
    OPAQUE,
    PIP,
    PYTHON,
    arguments,
    filled_by,
    is_local,
)
from spaceops.requirements.lines import Problem, Reference, Requirement, RequirementsFile, one
from spaceops.requirements.lines import read as read_requirements
from spaceops.requirements.projectfiles import asked, locked, metadata
from spaceops.requirements.scripts import may_install
from spaceops.shell import UNKNOWN, Command
from spaceops.wrappers import innermost

Reader = Callable[[str], str | None]  # the text of a file of the Space

# Images that files are copied from for a tool that installs no Python packages.
TOOL_IMAGES = ("ghcr.io/astral-sh/uv", "node", "golang", "rust", "denoland/deno", "oven/bun", "caddy", "ollama/ollama")
BARE = ("debian", "ubuntu", "nvidia/cuda")  # images that have no Python but the one that apt installs
_NO_MODULES = re.compile(r"python3-(dev|distutils|full|minimal|pip|setuptools|venv|wheel)")
MOST_STAGES = 20
_BUILT_IN_EXTRAS = frozenset({"all"})


@dataclass(frozen=True)
class Install:
    """One command that installs Python packages."""

    line: Line
    command: Command
    tool: str  # "pip", "uv", "poetry", …
    indexes: tuple[str, ...] = ()  # addresses that it names, of any kind

    @property
    def where(self) -> str:
        """Its line of the Dockerfile."""
        return f"Dockerfile:{self.line.number + self.command.line - 1}"


@dataclass(frozen=True)
class Missing:
    """A file that a command names and the image does not have when the command runs."""

    reference: Reference
    candidates: tuple[str, ...]  # files of the Space of this name
    is_certain: bool


@dataclass(frozen=True)
class Requirements:
    """What is asked for, and how sure it is that nothing else is there.

    `gaps` name what installs packages that cannot be seen; with one nothing can be called missing. `doubts` name
    commands that hardly do.
    """

    wanted: tuple[Requirement, ...] = ()
    files: tuple[RequirementsFile, ...] = ()
    installs: tuple[Install, ...] = ()
    missing: tuple[Missing, ...] = ()
    problems: tuple[tuple[str, Problem], ...] = ()  # with the file
    gaps: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    brings_local: bool = False  # `pip install .`: the Space's own packages are installed
    projects: tuple[str, ...] = ()  # the folders of the image where those lie
    python: tuple[int, int] | None = None
    locked: frozenset[str] = frozenset()  # of a lock file: everything that is installed
    scripted: tuple[Requirement, ...] = ()  # what a script of the build may install

    @cached_property
    def applying(self) -> tuple[Requirement, ...]:
        """What is asked for on the image's system and Python; what cannot be known counts."""
        return tuple(one for one in self.wanted if one.applies is not False)

    @cached_property
    def installed(self) -> frozenset[str]:
        """Every distribution that may be there, as far as the tables tell."""
        return self._closure[0]

    @cached_property
    def unknown(self) -> frozenset[str]:
        """Distributions that no table has: they may bring others along."""
        return frozenset() if self.locked else self._closure[1]

    @property
    def is_complete(self) -> bool:
        """Whether nothing unseen installs packages."""
        return not self.gaps

    @property
    def is_certain(self) -> bool:
        """Whether what is not in `installed` is certainly not there."""
        return not self.gaps and not self.doubts and not self.unknown and not self.brings_local

    def has(self, *distributions: str) -> bool:
        """Whether one of them may be installed."""
        return any(name in self.installed for name in distributions)

    def brings(self, module: str) -> bool:
        """Whether something that may be installed brings a module."""
        return any(provides(name, module) for name in self.installed)

    def named(self, *distributions: str) -> Requirement | None:
        """Where one of them is asked for by name."""
        return next((one for one in self.applying if one.name in distributions), None)

    @cached_property
    def _closure(self) -> tuple[frozenset[str], frozenset[str]]:
        built_in = ["pip"] if self.python and self.python >= (3, 12) else ["pip", "setuptools", "wheel"]
        asked = [with_extras for one in (*self.applying, *self.scripted) for with_extras in _with_extras(one)]
        return closure([*asked, *self.locked, *built_in])


def follow(
    images: Iterable[Image], read: Reader, stage: Callable[[str], Image | None] = lambda _: None
) -> Requirements:
    """What is installed by the commands of an image, the first, and of those that it copies from."""
    images = list(images)
    found = _base(images[0], stage)
    for image in images:
        steps = _Walk(image, read, found.python)
        found = _joined(found, steps.walk())
    return found


def built_from(image: Image, stage: Callable[[str], Image | None]) -> list[Image]:
    """The image, and the stages whose files it takes, and those whose files they take."""
    found, waiting = [image], list(sources_of(image))
    for name in waiting:
        if (other := stage(name)) is not None and len(found) < MOST_STAGES:
            found.append(other)
            waiting += [source for source in sources_of(other) if source not in waiting]
    return found


def sources_of(image: Image) -> tuple[str, ...]:
    """The stages and images that an image copies files from, but for those that hold only a tool."""
    named = dict.fromkeys(one.line.step.flag("from") or "a URL" for one in image.copied if one.is_foreign)
    return tuple(name for name in named if not name.removeprefix("docker.io/").startswith(TOOL_IMAGES))


def _with_extras(requirement: Requirement) -> list[str]:
    extras = requirement.extras | _BUILT_IN_EXTRAS if _is_whole_fastapi(requirement) else requirement.extras
    return [requirement.name, *(f"{requirement.name}[{extra}]" for extra in extras)]


def _is_whole_fastapi(requirement: Requirement) -> bool:
    """FastAPI 0.111 alone brings uvicorn, python-multipart and the like without being asked for an extra."""
    is_it = requirement.name == "fastapi" and any(requirement.allows(f"0.111.{patch}") for patch in (0, 1))
    return is_it and not requirement.allows("0.112.0")


def _has_no_python(image: Image | None) -> bool:
    """Whether a stage is one of Node.js or the like that nobody fills with Python packages."""
    if image is None or image.base.repository not in TOOL_IMAGES or sources_of(image):
        return False
    names = [command.name for _, command in image.runs]
    return not any(PIP.fullmatch(name) or PYTHON.fullmatch(name) or name in ("uv", "poetry") for name in names)


def _is_plain(image: Image) -> bool:
    """Whether the base image has Python, and no packages but its own."""
    return image.base.repository == "python" or image.base.repository.startswith("ghcr.io/astral-sh/uv")


def _is_followed(image: Image | None, stage: Callable[[str], Image | None]) -> bool:
    """Whether all that a stage may hand on is read from its own commands, or is no package."""
    if image is None or not _is_plain(image):
        return _has_no_python(image)
    return all(_is_followed(stage(name), stage) for name in sources_of(image))


def _base(image: Image, stage: Callable[[str], Image | None]) -> Requirements:
    gaps, doubts = list[str](), list[str]()
    if image.base.repository in BARE:
        gaps += [f"the package {name}" for name in _system_packages(image)]
        doubts += ["the system's own Python"]
    elif not _is_plain(image):
        gaps += [f"the base image {image.base.name}"]
    gaps += [f"COPY --from={name}" for name in sources_of(image) if not _is_followed(stage(name), stage)]
    return Requirements(gaps=tuple(gaps), doubts=tuple(doubts), python=image.base.python)


def _system_packages(image: Image) -> Iterator[str]:
    """The packages of the system that bring modules for its Python."""
    for _, command in image.runs:
        if command.name in ("apt-get", "apt"):
            named = [re.split("[=/:]", word)[0] for word in command.words if word.startswith("python3-")]
            yield from (name for name in named if not _NO_MODULES.fullmatch(name))


def _joined(first: Requirements, second: Requirements) -> Requirements:
    return replace(
        first,
        wanted=(*first.wanted, *second.wanted),
        files=(*first.files, *second.files),
        installs=(*first.installs, *second.installs),
        missing=(*first.missing, *second.missing),
        problems=(*first.problems, *second.problems),
        gaps=tuple(dict.fromkeys((*first.gaps, *second.gaps))),
        doubts=tuple(dict.fromkeys((*first.doubts, *second.doubts))),
        brings_local=first.brings_local or second.brings_local,
        projects=(*first.projects, *second.projects),
        python=second.python if second.python == first.python else None,
        locked=first.locked | second.locked,
        scripted=(*first.scripted, *second.scripted),
    )


@dataclass
class _Walk:
    """A walk through the commands of one image."""

    image: Image
    read: Reader
    python: tuple[int, int] | None
    found: Requirements = field(default_factory=Requirements)
    folder: str = "/"
    line: Line | None = None
    command: Command | None = None
    made: bool = False  # whether a command before may have made files
    mentioned: str = ""  # the words of commands that are no installers
    written: str = ""  # those of them that may name a file which the command makes
    trees: tuple[str, ...] = ()  # folders that were filled with files of elsewhere

    def walk(self) -> Requirements:
        """Look at each command of each RUN, in order."""
        self.found = replace(self.found, python=self.python)
        for line in self.image.lines:
            self.line, self.folder = line, line.workdir
            for command in line.commands:
                self.command = command
                self._take(innermost(command.words).words)
        return self.found

    def _take(self, words: tuple[str, ...]) -> None:
        name = words[0].rpartition("/")[2] if words else ""
        if PYTHON.fullmatch(name) and words[1:2] == ("-m",):
            words, name = words[2:], words[2] if len(words) > 2 else ""
        if not words or UNKNOWN in name:
            self._doubt("a command that is not known")
        elif name == "cd":
            self.folder = posixpath.normpath(posixpath.join(self.folder, words[1] if len(words) > 1 else "/"))
        elif PIP.fullmatch(name):
            self._pip(words[1:], "pip")
        elif name == "uv":
            self._uv(words[1:])
        elif name in ("poetry", "pipenv", "pdm"):
            self._project_tool(name, words[1:])
        else:
            self._other(name, words)

    def _script(self, path: str) -> None:
        if script := self._file(path):
            found = may_install(script, self.image.in_context, self.read)
            self.found = replace(self.found, scripted=(*self.found.scripted, *found))

    def _other(self, name: str, words: tuple[str, ...]) -> None:
        if PYTHON.fullmatch(name) and words[1:]:
            self._script(words[1])
        if name not in HARMLESS or (self.command and self.command.redirects):
            self._may_make(words)
        if name in OPAQUE:
            self._gap(" ".join(words[:2]))
        elif name not in HARMLESS:
            self._doubt(name)

    def _may_make(self, words: tuple[str, ...]) -> None:
        """A command that may write files, those that it names above all."""
        redirects = self.command.redirects if self.command else ()
        text = " ".join(("", *words, *redirects))
        self.mentioned += text
        self.written += "" if words[:1] and words[0] in EDITORS else text
        tree = filled_by(words, self.folder)
        self.trees += (tree,) if tree is not None else ()
        self.made = True

    def _gap(self, reason: str) -> None:
        self.found = replace(self.found, gaps=(*self.found.gaps, reason))

    def _doubt(self, reason: str) -> None:
        self.found = replace(self.found, doubts=(*self.found.doubts, reason))

    def _pip(self, words: tuple[str, ...], tool: str) -> None:
        if "install" in words:
            self._install(words[words.index("install") + 1 :], tool)
        elif words[:1] == ("wheel",):
            self._install(words[1:], tool)  # what it makes is installed later, from there
        elif words[:1] and words[0] in ("sync", "uninstall"):
            self._gap(f"{tool} {words[0]}")

    def _uv(self, words: tuple[str, ...]) -> None:
        rest = tuple(word for word in words if not word.startswith("-"))
        if rest[:2] == ("pip", "install"):
            self._install(words[words.index("install") + 1 :], "uv")
        elif rest[:2] == ("pip", "sync"):
            self._install(("-r", *words[words.index("sync") + 1 :]), "uv")
        elif rest[:1] in (("sync",), ("run",)):
            self._note("uv", ())
            self._project(words, "uv.lock")
        elif rest[:1] == ("venv",):
            self._of_other_python(words)
        elif rest[:1] in (("add",), ("export",), ("tool",), ("python",), ("build",)):
            self._may_make(words)
            self._gap(f"uv {rest[0]}")

    def _of_other_python(self, words: tuple[str, ...]) -> None:
        """`uv venv --python 3.11` fetches another Python than the image's."""
        if any(word.startswith(("--python", "-p")) for word in words) or self._file(".python-version"):
            self.found = replace(self.found, python=None)

    def _project_tool(self, name: str, words: tuple[str, ...]) -> None:
        rest = [word for word in words if not word.startswith("-")]
        if rest[:1] in (["install"], ["sync"]):
            self._note(name, ())
            self._project(words, {"poetry": "poetry.lock", "pipenv": "Pipfile.lock", "pdm": "pdm.lock"}[name])
        elif rest[:1] != ["config"]:
            self._may_make(words)
            self._gap(f"{name} {' '.join(rest[:1])}")

    def _note(self, tool: str, indexes: tuple[str, ...]) -> None:
        if self.line is not None and self.command is not None:
            install = Install(self.line, self.command, tool, indexes)
            self.found = replace(self.found, installs=(*self.found.installs, install))

    def _install(self, words: tuple[str, ...], tool: str) -> None:
        given = arguments(words)
        env = self.line.step.build_env if self.line else {}
        addresses = [value for name, value in given if name in INDEX_OPTIONS]
        addresses += [
            value for name, value in env.items() if name.endswith(("INDEX_URL", "FIND_LINKS", "TORCH_BACKEND"))
        ]
        self._note(tool, tuple(addresses))
        if any(name in ("--python", "-p", "--target", "-t", "--prefix", "--root") for name, _ in given):
            self._doubt("packages that go to a folder of their own")
        for name, value in given:
            if name in ("-r", "--requirement", "--requirements"):
                self._requirements_file(Reference(value, "Dockerfile", self._at), set())
            elif name in ("-e", "--editable", "") and is_local(value):
                self._local(value)
            elif name in ("", "-e", "--editable"):
                self._single(value)
            elif name == "--group":
                self._gap("pip install --group")

    @property
    def _at(self) -> int:
        """The line of the Dockerfile."""
        return self.line.number + self.command.line - 1 if self.line and self.command else 0

    @property
    def _decides(self) -> bool:
        """Whether the build surely fails where the command does."""
        return self.command is not None and self.command.decides

    def _single(self, text: str) -> None:
        found = None if UNKNOWN in text or "$" in text else one(text, "Dockerfile", self._at, self.python)
        if isinstance(found, Requirement):
            self._want([found])
        elif found is None:
            self._gap(f"pip install {text}" if UNKNOWN not in text else "pip install of a variable")
        else:
            self.found = replace(self.found, problems=(*self.found.problems, ("Dockerfile", self._judged(found))))

    def _judged(self, problem: Problem) -> Problem:
        return replace(problem, is_certain=problem.is_certain and self._decides)

    def _want(self, wanted: Iterable[Requirement]) -> None:
        made = [one if self._decides else replace(one, is_certain=False) for one in wanted]
        self.found = replace(self.found, wanted=(*self.found.wanted, *made))

    def _local(self, value: str) -> None:
        """`pip install .`: what the project's metadata ask for, and its own packages."""
        if self._is_of_stage(value):
            return
        path, _, extras = value.partition("[")
        folder = posixpath.normpath(posixpath.join(self.folder, path))
        self._brings(folder)
        text = self._file(posixpath.join(folder, "pyproject.toml"))
        project = metadata(text) if text is not None else None
        if project is None:
            self._gap(f"pip install {value}")
            return
        where = self._source(posixpath.join(folder, "pyproject.toml")) or "pyproject.toml"
        chosen = frozenset(extra.strip() for extra in extras.rstrip("]").split(",") if extra)
        self._want(asked(project, text or "", where, self.python, chosen))

    def _brings(self, folder: str) -> None:
        self.found = replace(self.found, brings_local=True, projects=(*self.found.projects, folder))

    def _is_of_stage(self, value: str) -> bool:
        """Whether wheels are installed that another stage has made: what is in them was asked for there."""
        folder, name = posixpath.split(posixpath.normpath(posixpath.join(self.folder, value)))
        names = self._image_before.names_in(folder)
        if name not in ("*", "*.whl") or any(one.endswith(".whl") for one in names):
            return False
        return any(one.is_foreign and folder == one.target for one in self._copied_before)

    def _project(self, words: tuple[str, ...], lock: str) -> None:
        """`uv sync`, `poetry install` and the like: everything that the lock file names."""
        self._brings(self.folder)
        self._of_other_python(words)
        text = self._file(lock)
        names = None if text is None else locked(text, lock)
        if names is None:
            self._gap(f"{words[0] if words else 'install'} without {lock}")
            return
        self.found = replace(self.found, locked=self.found.locked | names)

    def _requirements_file(self, reference: Reference, seen: set[str]) -> None:
        if UNKNOWN in reference.name or not reference.name or "://" in reference.name or "$" in reference.name:
            self._gap(f"pip install -r {reference.name.replace(UNKNOWN, '…')}")
            return
        folder = self.folder
        if reference.path != "Dockerfile":
            folder = posixpath.dirname(self._targets.get(reference.path, self.folder))
        target = posixpath.normpath(posixpath.join(folder, reference.name))
        path = self._source(target)
        if path is None:
            self._lacks(reference, target)
        elif path not in seen:
            self._targets[path] = target
            self._known_file(path, reference, {*seen, path})

    def _known_file(self, path: str, reference: Reference, seen: set[str]) -> None:
        text = self.read(path)
        if text is None:
            self._gap(path)
            return
        if posixpath.basename(path) in self.mentioned:
            self._gap(f"{path}, which a command may have changed")
        if path.endswith("pyproject.toml"):
            self._gap(path)
            return
        file = replace(read_requirements(text, path, self.python), is_constraint=reference.is_constraint)
        known = path in {one.path for one in self.found.files}
        self.found = replace(
            self.found,
            files=self.found.files if known else (*self.found.files, file),
            problems=self.found.problems
            if known
            else (*self.found.problems, *((path, self._judged(one)) for one in file.problems)),
        )
        if not file.is_constraint:
            self._want(() if known else file.requirements)
        for name in [] if file.is_whole else ["a very long file"]:
            self._gap(name)
        for problem in () if file.is_constraint else file.problems:
            self._gap(f"{path}:{problem.line}, which pip cannot read")
        for name in () if file.is_constraint else file.unnamed:
            if is_local(name):  # pip takes such a path from where it runs
                self._local(name.partition(" ")[0])
            else:
                self._gap(f"{name} in {path}")
        for nested in file.references:
            self._requirements_file(nested, seen)

    def _lacks(self, reference: Reference, target: str) -> None:
        """A file that is not there when the command runs; certain only if nothing can have made it."""
        self._gap(f"{reference.name}, which is not there")
        name = posixpath.basename(target)
        candidates = sorted(
            path for path in self.image.in_context if posixpath.basename(path) == name and path.count("/") < 4
        )
        copied = self._copied_before
        is_fetched = any(f"{target}/".startswith(f"{tree.rstrip('/')}/") for tree in self.trees)
        if is_fetched or name in self.written or any(one.is_broken for one in copied):
            return
        is_certain = (
            not self.made
            and self.image.base.is_known
            and self.image.base.repository == "python"
            and not any(one.is_foreign or not one.sources for one in copied)
            and UNKNOWN not in target
            and self._decides
        )
        missing = Missing(reference, tuple(candidates), is_certain)
        self.found = replace(self.found, missing=(*self.found.missing, missing))

    @cached_property
    def _targets(self) -> dict[str, str]:
        """Where in the image the files lie that were read."""
        return {}

    @property
    def _copied_before(self) -> tuple[Copied, ...]:
        return self._image_before.copied

    @property
    def _image_before(self) -> Image:
        """The image as it is when the command runs."""
        lines = self.image.lines
        before = lines[: lines.index(self.line)] if self.line is not None else lines
        return replace(self.image, copied=tuple(one for one in self.image.copied if one.line in before))

    def _source(self, path: str) -> str | None:
        """The file of the Space that the command sees at a path."""
        absolute = posixpath.normpath(posixpath.join(self.folder, path))
        return self._mounted(absolute) or self._image_before.source_of(absolute)

    def _mounted(self, path: str) -> str | None:
        """A file of the build context that `RUN --mount=type=bind` shows to this command."""
        for name, value in self.line.step.flags if self.line else ():
            pairs = dict(part.partition("=")[::2] for part in value.split(",")) if name == "mount" else {}
            target = pairs.get("target") or pairs.get("dst") or pairs.get("destination")
            if pairs.get("type", "bind") != "bind" or target is None or "from" in pairs:
                continue
            target = posixpath.normpath(posixpath.join(self.line.workdir if self.line else "/", target))
            source = posixpath.normpath(pairs.get("source") or pairs.get("src") or ".").lstrip("/").removeprefix("./")
            inside = (
                "" if path == target else path.removeprefix(f"{target}/") if path.startswith(f"{target}/") else None
            )
            if inside is not None:
                candidate = posixpath.normpath(posixpath.join(source, inside)).removeprefix("./")
                if candidate in self.image.in_context:
                    return candidate
        return None

    def _file(self, path: str) -> str | None:
        source = self._source(path)
        return None if source is None else self.read(source)
