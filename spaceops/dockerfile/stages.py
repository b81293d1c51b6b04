"""A Dockerfile: its stages, and a walk through one of them with the variables filled in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from spaceops.dockerfile.instructions import (
    WITH_PAIRS,
    WITH_WORDS,
    Heredoc,
    Instruction,
    pairs_of,
    words_of,
)
from spaceops.dockerfile.lines import directives_of, instructions_of, lines_of
from spaceops.dockerfile.words import expand, split_white, split_words
from spaceops.errors import DockerfileError

LONGEST_NUMBER = 6  # digits of a stage's
PLATFORM = {  # what BuildKit sets, and an ARG without a default takes in
    "BUILDPLATFORM": "linux/amd64", "BUILDOS": "linux", "BUILDARCH": "amd64", "BUILDVARIANT": "",
    "TARGETPLATFORM": "linux/amd64", "TARGETOS": "linux", "TARGETARCH": "amd64", "TARGETVARIANT": "",
}  # fmt: skip


@dataclass(frozen=True)
class Stage:
    """From one FROM to the next. `base` is written with variables, see `Dockerfile.base`."""

    index: int
    name: str | None
    base: str
    line: int
    instructions: tuple[Instruction, ...]
    flags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Dockerfile:
    """A parsed Dockerfile."""

    instructions: tuple[Instruction, ...]
    escape: str = "\\"
    directives: tuple[tuple[str, str], ...] = ()
    stages: tuple[Stage, ...] = field(default=())

    @classmethod
    def parse(cls, text: str) -> Dockerfile:
        """Parse the text; raises `DockerfileError` with the line where BuildKit would."""
        lines = lines_of(text)
        directives = directives_of(lines)
        escape = dict(directives).get("escape", "\\")
        if escape not in ("\\", "`"):
            raise DockerfileError(1, f"invalid ESCAPE '{escape}'. Must be ` or \\")
        instructions = tuple(instructions_of(lines, escape))
        if not instructions:
            raise DockerfileError(1, "file with no instructions")
        return cls(instructions, escape, directives, tuple(_stages(instructions)))

    def stage(self, reference: str, *, before: Stage | None = None) -> Stage | None:
        """The stage that `FROM x` or `--from=x` means: by name (case ignored), or by number.

        With `before`, only among those above that stage.
        """
        stages = self.stages[: before.index] if before else self.stages
        named = [stage for stage in stages if stage.name is not None and stage.name == reference.lower()]
        if named:
            return named[-1]
        is_number = reference.isascii() and reference.isdecimal() and len(reference) < LONGEST_NUMBER
        number = int(reference) if is_number else len(stages)
        return stages[number] if number < len(stages) else None

    def global_args(self, build_args: Mapping[str, str]) -> dict[str, str]:
        """The ARGs above the first FROM: visible to FROM lines, and to an `ARG NAME` that repeats the name."""
        known = dict(PLATFORM)
        for instruction in self.instructions:
            if instruction.keyword == "FROM":
                break
            for name, default in _arguments(instruction.args, known, self.escape):
                value = build_args.get(name, default)
                if value is not None:
                    known[name] = value
        return known

    def base(self, stage: Stage, build_args: Mapping[str, str]) -> str:
        """What a stage is made from, expanded: an image, or the name of an earlier stage."""
        return expand(stage.base, self.global_args(build_args), self.escape)

    def steps(self, stage: Stage, env: Mapping[str, str], build_args: Mapping[str, str]) -> Iterator[Step]:
        """Walk a stage, whose base has the environment `env`, with variables expanded."""
        scope = Scope(dict(env), {}, self.global_args(build_args), build_args, self.escape)
        for instruction in stage.instructions:
            yield scope.step(instruction)


@dataclass(frozen=True)
class Step:
    """An instruction with its variables expanded, and the variables that hold after it."""

    instruction: Instruction
    args: tuple[str, ...]  # words; for ENV, LABEL and ARG `NAME=value`; one raw string for RUN, CMD and the like
    flags: tuple[tuple[str, str], ...]
    heredocs: tuple[Heredoc, ...]  # of RUN they stay as they are: its shell expands them
    env: Mapping[str, str]  # what ENV set: part of the image
    build_env: Mapping[str, str]  # and with the ARGs: what RUN sees

    def flag(self, name: str) -> str | None:
        """The value of a flag, "" when it has none, None when the flag is absent."""
        return dict(self.flags).get(name)


@dataclass
class Scope:
    """The variables while a stage is walked. An ENV always wins over an ARG of the same name."""

    env: dict[str, str]
    args: dict[str, str]
    global_args: Mapping[str, str]
    build_args: Mapping[str, str]
    escape: str = "\\"
    image_env: Mapping[str, str] = field(default_factory=dict)  # the last copies of what is known: steps share them
    build_env: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._keep()

    def _keep(self) -> None:
        self.image_env, self.build_env = dict(self.env), self.args | self.env

    def step(self, instruction: Instruction) -> Step:
        """Take one instruction in."""
        known = self.build_env
        flags = tuple((name, expand(value, known, self.escape)) for name, value in instruction.flags)
        heredocs = instruction.heredocs
        if instruction.keyword != "RUN":
            heredocs = tuple(self._filled_in(heredoc, known) for heredoc in heredocs)
        args = self._args(instruction, known)
        if instruction.keyword in ("ENV", "ARG"):
            self._keep()
        return Step(instruction, args, flags, heredocs, self.image_env, self.build_env)

    def _filled_in(self, heredoc: Heredoc, known: Mapping[str, str]) -> Heredoc:
        """Variables in the content of a file are expanded, quotes stay."""
        if not heredoc.expand:
            return heredoc
        return replace(heredoc, content=expand(heredoc.content, known, quotes=False))

    def _args(self, instruction: Instruction, known: Mapping[str, str]) -> tuple[str, ...]:
        keyword = instruction.keyword
        if keyword == "ARG":
            return self._declare(instruction, known)
        if keyword in WITH_PAIRS:
            pairs = {
                expand(name, known, self.escape): expand(value, known, self.escape)
                for name, value in pairs_of(instruction, self.escape)
            }
            self.env |= pairs if keyword == "ENV" else {}
            return tuple(f"{name}={value}" for name, value in pairs.items())
        if keyword in WITH_WORDS:
            return tuple(expand(word, known, self.escape) for word in words_of(instruction))
        if keyword in ("WORKDIR", "USER", "STOPSIGNAL"):
            return (expand(instruction.args, known, self.escape),)
        return instruction.exec if instruction.exec is not None else (instruction.args,)

    def _declare(self, instruction: Instruction, known: Mapping[str, str]) -> tuple[str, ...]:
        declared = []
        for name, default in _arguments(instruction.args, known, self.escape):
            value = self.build_args.get(name, self.global_args.get(name) if default is None else default)
            if value is not None:
                self.args[name] = value
                declared.append(f"{name}={value}")
        return tuple(declared)


def _arguments(text: str, known: Mapping[str, str], escape: str) -> Iterator[tuple[str, str | None]]:
    """The names of an ARG with their defaults; each may name those before it."""
    seen = dict(known)
    for word in split_words(text, escape):
        name, equals, default = word.partition("=")
        value = expand(default, seen, escape) if equals else None
        if value is not None:
            seen[name] = value
        yield name, value


def _stages(instructions: Sequence[Instruction]) -> Iterator[Stage]:
    starts = [number for number, instruction in enumerate(instructions) if instruction.keyword == "FROM"]
    first = starts[0] if starts else len(instructions)
    for instruction in instructions[:first]:
        if instruction.keyword != "ARG":
            raise DockerfileError(instruction.line, "no build stage in current context")
    if not starts:
        raise DockerfileError(instructions[0].line, "no build stage in current context")
    for index, (start, end) in enumerate(zip(starts, [*starts[1:], len(instructions)], strict=True)):
        words = split_white(instructions[start].args)
        name = words[2].lower() if len(words) > 1 else None
        of_stage = tuple(instructions[start + 1 : end])
        yield Stage(index, name, words[0], instructions[start].line, of_stage, instructions[start].flags)
