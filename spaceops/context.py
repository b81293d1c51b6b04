"""What a rule may look at: the Space that is wanted, its files, and what follows from them. Each fact is made once."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from spaceops.card import Card, FrontMatter
from spaceops.dockerfile import Dockerfile, Ignore
from spaceops.errors import BadInput, DockerfileError
from spaceops.files import Source
from spaceops.findings import Severity
from spaceops.spec import FILE_NAME, Space

if TYPE_CHECKING:
    from spaceops.image import Image
    from spaceops.image.runs import Run
    from spaceops.pythoncode import Code
    from spaceops.remote import Remote
    from spaceops.requirements import Requirements
    from spaceops.startup import Startup

LARGEST_READ = 1 << 20  # bytes of a text file that a rule looks into


@dataclass(frozen=True)
class Context:
    """A Space before the push. A fact that cannot be known is None or empty, and then no rule speaks."""

    space: Space  # of a folder without space.toml, one that manages nothing
    source: Source
    has_spec: bool = True  # whether there is a space.toml, so that what it does not name is not set
    remote: Remote | None = None  # what the Hub said, where it was asked
    _read: dict[str, bytes | None] = field(default_factory=dict, repr=False, compare=False)

    def content(self, path: str) -> bytes | None:
        """The content of a file that would be pushed; None where there is none, or it is too large for a text."""
        if path not in self._read:
            file = self.source.files.get(path)
            is_small = file is not None and file.size <= LARGEST_READ
            self._read[path] = file.path.read_bytes() if file is not None and is_small else None
        return self._read[path]

    def text(self, path: str) -> str | None:
        """A file as text, in UTF-8 or in what its byte order mark says; None where there is none, or it is no text."""
        content = self.content(path)
        return None if content is None else decoded(content)

    @cached_property
    def front_matter(self) -> FrontMatter | None:
        """The block of YAML in README.md, wherever in it it stands; None where there is none."""
        content = self.content("README.md")
        return None if content is None else FrontMatter.anywhere(content.decode(errors="replace"))

    @cached_property
    def card(self) -> Card | None:
        """What README.md's front matter says; None where it is missing or no valid YAML."""
        return Card(self.front_matter.fields) if self.front_matter and self.front_matter.fields else None

    @cached_property
    def app_port(self) -> int | None:
        """The port that the Hub sends traffic to; None where README.md does not say it validly."""
        try:
            return self.card.app_port if self.card else None
        except BadInput:
            return None

    @cached_property
    def is_docker(self) -> bool:
        """Whether the Dockerfile is what runs: of a folder with space.toml it is to be, whatever README.md says."""
        return self.has_spec or self.card is None or self.card.sdk not in ("gradio", "static", "streamlit")

    @cached_property
    def dockerfile(self) -> Dockerfile | None:
        """The parsed Dockerfile; None where there is none, it does not parse, or the Hub does not look at it."""
        text = self.text("Dockerfile") if self.is_docker else None
        try:
            return None if text is None else Dockerfile.parse(text)
        except DockerfileError:
            return None

    @cached_property
    def dockerignore(self) -> Ignore:
        """What COPY does not see."""
        text = self.text("Dockerfile.dockerignore") or self.text(".dockerignore")
        return Ignore.parse(text or "")

    @cached_property
    def in_context(self) -> frozenset[str]:
        """The files that COPY sees."""
        return frozenset(path for path in self.source.files if not self.dockerignore.excludes(path))

    @cached_property
    def image(self) -> Image | None:
        """The image that runs, followed from its base to its last line; None without a Dockerfile that parses."""
        from spaceops.image import follow

        variables = self.space.environment
        return follow(self.dockerfile, variables, self.in_context) if self.dockerfile else None

    @cached_property
    def built(self) -> tuple[Image, ...]:
        """Every stage that is built, the one that runs at the end; empty where its variables cannot be filled in."""
        from spaceops.image import built

        return built(self.dockerfile, self.space.environment, self.in_context) if self.dockerfile else ()

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """The commands that the build runs, in order, each with what is known of the image then."""
        from spaceops.image.runs import runs

        return runs(self.built)

    @cached_property
    def requirements(self) -> Requirements | None:
        """What the image's Python has installed; None without an image."""
        from spaceops.image import follow
        from spaceops.requirements import built_from
        from spaceops.requirements import follow as follow_requirements

        if self.image is None or self.dockerfile is None:
            return None
        dockerfile, variables, in_context = self.dockerfile, self.space.environment, self.in_context

        def stage(name: str) -> Image | None:
            found = dockerfile.stage(name)
            return follow(dockerfile, variables, in_context, found) if found else None

        return follow_requirements(built_from(self.image, stage), self.text, stage)

    @cached_property
    def python(self) -> Code | None:
        """The Python code that runs when the container starts; None without an image."""
        from spaceops.pythoncode import follow
        from spaceops.startup.entries import entries

        if self.image is None or self.requirements is None or self.startup is None:
            return None
        world, projects = self.startup.world, self.requirements.projects
        started = [entry for process in self.startup.processes for entry in entries(process, world, projects)]
        return follow(started, self.image, self.text, self.requirements.python)

    @cached_property
    def startup(self) -> Startup | None:
        """What starts with the container, and where it listens; None without an image."""
        from spaceops.startup import World, start

        if self.image is None:
            return None
        space, source = self.space, self.source
        mounts = tuple(volume.mount for volume in space.volumes)
        is_partial = bool(source.skipped) or ".gitmodules" in source.files
        secrets = frozenset(space.secrets)
        return start(World(self.image, self.text, space.environment, secrets, mounts, source.files, is_partial))

    @cached_property
    def spec_lines(self) -> tuple[str, ...]:
        """The lines of space.toml, to point at; it is never pushed."""
        file = self.space.folder / self.space.file
        return tuple(file.read_text("utf-8").splitlines()) if self.has_spec and file.is_file() else ()

    @property
    def for_new_builds(self) -> Severity | None:
        """The severity of what fails only since the world changed: of a folder without a space.toml nobody knows
        whether it runs, from a build of before, or is to be built anew. None: that of the rule.
        """
        return None if self.has_spec else Severity.WARNING

    def spec_where(self, key: str) -> str:
        """Where space.toml sets a key, as `FILE:LINE`."""
        for number, line in enumerate(self.spec_lines, start=1):
            if line.partition("=")[0].strip() == key and "=" in line:
                return f"{self.space.file or FILE_NAME}:{number}"
        return self.space.file or FILE_NAME


def decoded(content: bytes) -> str | None:
    """The text in the bytes; None for anything that is no text."""
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig")):
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    try:
        return None if b"\0" in content else content.decode()
    except UnicodeDecodeError:
        return None
