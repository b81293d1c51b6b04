"""A stage of a Dockerfile while it is built: where it lies, and what the next instruction starts from."""

from __future__ import annotations

import posixpath
import re
import shlex
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from spaceops.dockerfile import Step
    from spaceops.localhub.runners.paths import ImagePaths
    from spaceops.localhub.runners.shell import Script

SHELL = ("/bin/sh", "-c")
UID = 1000  # what the Hub starts apps as
LONGEST_UID = 10  # digits
USERADD = re.compile(r"(?:useradd|adduser)\s[^;&|]*?(?:-u|--uid)[ =]?(\d+)([^;&|]*)")
NAMES_A_FOLDER = re.compile(r"\w*(_HOME|_DIR|_DIRECTORY|_FOLDER|_CACHE)|HOME|PYTHONPATH")


@dataclass
class Stand:
    """How far a stage has come. Paths are those of the image, but for `paths`, which knows where they lie."""

    paths: ImagePaths
    env: dict[str, str]
    key: str  # over everything that made it so
    workdir: str = "/"
    user: str = "root"
    shell: tuple[str, ...] = SHELL
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ("python3",)
    names: dict[str, str] = field(default_factory=dict)  # users by their numbers, as useradd named them
    is_settled: bool = False  # no RUN follows: what lies there is replaced at most, never changed
    of_root: set[str] = field(default_factory=set)  # what was copied from another stage after that, for root

    def successor(self, folder: Path) -> Stand:
        """Where a stage stands that is made `FROM` this one."""
        paths = replace(self.paths, folder=folder, prefixes=set(self.paths.prefixes))
        return replace(self, paths=paths, env=dict(self.env), names=dict(self.names), of_root=set())

    @property
    def uid(self) -> int:
        """The number of the user; of one that only a program could know, the one that the Hub starts apps as."""
        user = self.user.partition(":")[0]
        by_name = {name: number for number, name in self.names.items()}
        number = "0" if user == "root" else by_name.get(user, user)
        return int(number) if number.isdecimal() and len(number) < LONGEST_UID else UID

    @property
    def home(self) -> str:
        """HOME: as ENV has it, or as /etc/passwd would have it for the user."""
        user = self.user.partition(":")[0]
        name = self.names.get(user, user)
        default = "/root" if name in ("root", "0", "") else "/" if name.isdecimal() else f"/home/{name}"
        return self.env.get("HOME", default)

    @property
    def fixed(self) -> list[str]:
        """The Python environments that the user of the image can read and not change; blocks."""
        own = (self.workdir, self.home)
        return [
            path
            for path in sorted(self.of_root)
            if (self.paths.real(path) / "pyvenv.cfg").is_file()
            and self.paths.inside(path) == self.paths.real(path)
            and self.uid != 0
            and not any(posixpath.commonpath([path, one]) == path for one in own)
        ]

    def take_in(self, step: Step) -> None:
        """What an instruction that touches no files changes."""
        self.env = dict(step.env)
        match step.instruction.keyword:
            case "WORKDIR":
                self.workdir = posixpath.normpath(posixpath.join(self.workdir, step.args[0]))
                self.paths.know(self.workdir)
            case "ENV":
                self._know_folders(step)
            case "USER":
                self.user = step.args[0]
            case "SHELL":
                self.shell = step.args
            case "VOLUME":
                self.paths.know(*step.args)
            case "ENTRYPOINT":
                self.entrypoint, self.command = self._words(step), ()
            case "CMD":
                self.command = self._words(step)
        self.paths.know(self.home)

    def take_in_copy(self, step: Step) -> None:
        """Where nobody but root can write after an instruction COPY: no later RUN can change that either."""
        if self.is_settled and step.flag("from") and step.flag("chown") is None:
            self.of_root.add(posixpath.normpath(posixpath.join(self.workdir, step.args[-1])))

    def take_in_run(self, step: Step) -> Script:
        """What a RUN names as the image's own, and what of it is left to do; raises `Refused`."""
        text = _shell_text(step)
        script = self.paths.read(text)
        for number, rest in USERADD.findall(text):
            words = [word for word in rest.split() if not word.startswith("-")]
            self.names.update({number: words[-1]} if words else {})
        self.paths.know(self.home, *script.paths)
        return script

    def _know_folders(self, step: Step) -> None:
        """`ENV HF_HOME=/data/hf` names a folder of the image; `ENV ROOT_PATH=/api` does not."""
        for pair in step.args:
            name, _, value = pair.partition("=")
            if NAMES_A_FOLDER.fullmatch(name) and value.startswith("/"):
                self.paths.know(*self.paths.read(": " + " ".join(value.split(":"))).paths)

    def _words(self, step: Step) -> tuple[str, ...]:
        """The words to execute: the JSON form as it is, the shell form through the shell."""
        return step.args if step.instruction.exec is not None else (*self.shell, *step.args)


def _shell_text(step: Step) -> str:
    """A RUN as a shell would get it. A here-document without a command is itself the script."""
    if step.instruction.exec is not None:
        return shlex.join(step.args)
    text = step.args[0]
    for heredoc in step.heredocs:
        alone = re.fullmatch(r"<<-?\s*['\"]?\w+['\"]?", text.strip())
        text = heredoc.content if alone else f"{text}\n{heredoc.content}{heredoc.name}\n"
    return text
