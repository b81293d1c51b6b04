"""The sandbox: bubblewrap gives each command namespaces of its own, in which an image's paths are what they are.

What a command finds there: the image's files, which it may change; of this machine the system (`/usr`, parts of
`/etc`), the interpreters and what was lent, to be read only; a `/proc` of its own and the harmless devices. It has no
rights but those over its own files. It shares the network with this machine, since somebody must reach the app's port.

Nothing in here follows a symlink that an image brings: see `RootFolder`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, ClassVar

from spaceops.localhub.runners import Mount
from spaceops.localhub.runners.child import WARDEN, Order
from spaceops.localhub.runners.environments import (
    CACHES,
    SHIMS,
    Tools,
    base_python,
    find_uv,
    lent_paths,
    lent_to_builds,
    make_environment,
)
from spaceops.localhub.runners.isolation import ETC_FOLDERS, ETC_OF_BUILDS, LIMITS, Task, pythons_of
from spaceops.localhub.runners.paths import PYTHON_PREFIX, ImagePaths, copy_around, relocate
from spaceops.localhub.runners.rootfolder import HUB, LOCAL, RootFolder
from spaceops.localhub.runners.shell import Script

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

NAMESPACES = ("user", "pid", "ipc", "uts")
KERNEL_FOLDERS = ("acpi", "bus", "driver", "fs", "irq", "scsi", "sys")  # of /proc: root may write there, even without
KERNEL_FILES = ("mtrr", "sysrq-trigger", "timer_list")  # rights, and inside the sandbox the files are root's own
LENT = f"{HUB}/lent"
HARDWARE = ("/sys/devices/system", "/sys/fs/cgroup")  # processors and limits, which libraries ask for
PROCESSES = 4096  # at once
PROOF = "it works"
NOT_ROOT = 1000  # the user that the Hub starts apps as


@dataclass
class LiteralPaths(ImagePaths):
    """Paths that commands find under their own names. For a run, env and shims lie in the image's folder, `stage`."""

    stage: Path | None = None
    literal: ClassVar[bool] = True

    @property
    def environment(self) -> Path:
        """The Python environment."""
        return (self.stage or self.folder) / "env"

    @property
    def shims(self) -> str:
        """Where commands find those that mean something else here."""
        return f"{HUB}/shims"

    @property
    def last_on_path(self) -> list[str]:
        """Where commands find what else this machine has."""
        return [f"{LOCAL}/bin"]

    def seen(self, path: str) -> str:
        """Where commands find an absolute image path: there."""
        return path

    def translate(self, text: str, *, in_shell: bool = False, mounted: Mapping[str, Path] | None = None) -> str:
        """Nothing has another name."""
        del in_shell, mounted
        return text

    def read(self, text: str) -> Script:
        """What of a shell text can be done: all of it, whatever it tries."""
        return Script(text)


class Sandbox:
    """Runs commands in bubblewrap."""

    key = "sandbox"
    gaps = "of this machine it shares the network and, to be read only, /usr"

    def __init__(self, program: str) -> None:
        self._program = program
        said = subprocess.run([program, "--help"], capture_output=True, text=True, check=False).stdout
        self._nested = [] if "--disable-userns" not in said else ["--disable-userns"]  # since bubblewrap 0.8

    def paths(self, folder: Path, prefixes: Iterable[str], python: str) -> LiteralPaths:
        """The paths of a stage in this folder, whose environment is made from that interpreter."""
        return LiteralPaths(folder, set(prefixes), python)

    def make_environment(self, paths: ImagePaths, *, with_uv: bool) -> None:
        """Make the environment and the shims of a stage; raises `BuildFailed`."""
        uv = f"{HUB}/uv" if find_uv() else ""
        tools = Tools(_within(base_python()), f"{HUB}/shims.py", PYTHON_PREFIX, uv)
        make_environment(paths.folder, paths.python, tools, with_uv=with_uv)
        relocate(paths.folder / "env", PYTHON_PREFIX, LOCAL)
        relocate(paths.folder / "env", str(paths.environment), PYTHON_PREFIX)

    def relocate(self, folder: Path, old: str, new: str) -> None:
        """Nothing names its own place in this machine."""

    def fresh_copy(self, stage: ImagePaths, folder: Path) -> LiteralPaths:
        """What an app is started in: its own copy of the files. The environment is not copied: it is read only."""
        root = stage.folder / "root"
        copy_around(root, folder / "root", [stage.real(path) for path in stage.fixed])
        return LiteralPaths(folder, set(stage.prefixes), stage.python, stage.fixed, stage.folder)

    def order(self, paths: ImagePaths, task: Task) -> Order:
        """What to tell the warden; prepares the folder."""
        limits = {"NPROC": PROCESSES}
        return Order(
            command=task.words,
            env=task.env | _lent_within(task),
            cwd="/",
            sandbox=[self._program, *self._arguments(paths, task)],
            again=[_within(base_python()), "-I", "-S", f"{HUB}/warden.py"],
            limits=LIMITS,
            limits_within=limits,
        )

    def _arguments(self, paths: ImagePaths, task: Task) -> list[str]:
        root = RootFolder(paths.folder / "root")
        mounts = list(_mounts(paths, task))
        own = [mount for mount in mounts if not mount.target.startswith(f"{HUB}/")]
        hardware = [Mount(Path(place), place, read_only=True) for place in HARDWARE if Path(place).exists()]
        system = root.prepare(task.uid, task.env.get("HOME", "/"), [*own, *hardware])
        return [
            *(f"--unshare-{name}" for name in NAMESPACES),
            *self._nested,
            *("--cap-drop", "ALL", "--new-session", "--die-with-parent"),
            *("--uid", str(task.uid), "--gid", str(task.uid)),
            *("--bind", str(root.folder), "/"),
            *("--tmpfs", HUB),
            *(word for mount in [*system, *mounts, *hardware] for word in _bound(mount)),
            *("--remount-ro", HUB),
            *("--proc", "/proc"),
            *_kernels(),
            *("--dev", "/dev"),
            *("--chdir", task.workdir),
        ]


def _mounts(paths: ImagePaths, task: Task) -> Iterator[Mount]:
    """What is to be found beside the files of the image and the system."""
    yield Mount(paths.environment, PYTHON_PREFIX, read_only=not task.builds)
    for fixed in paths.fixed:
        yield Mount(paths.environment.with_name("root") / fixed.lstrip("/"), fixed, read_only=True)
    yield Mount(paths.environment.with_name("shims"), f"{HUB}/shims", read_only=True)
    for file in (SHIMS, WARDEN):
        yield Mount(file, f"{HUB}/{file.name}", read_only=True)
    if uv := find_uv():
        yield Mount(Path(uv), f"{HUB}/uv", read_only=True)
    yield Mount(Path(PYTHON_PREFIX), LOCAL, read_only=True)
    for folder in _elsewhere(pythons_of(paths)):
        yield Mount(folder, str(folder), read_only=True)
    if task.builds:
        for name in CACHES:
            yield Mount(_cache(name), f"{HUB}/{name}", read_only=False)
        for path in _elsewhere(lent_paths(lent_to_builds())):
            yield Mount(path, f"{LENT}{path}", read_only=True)
        for path in (Path("/etc", name) for name in ETC_OF_BUILDS):
            if path.exists():
                yield Mount(path, str(path), read_only=True)
    yield from task.mounts


def _elsewhere(places: Iterable[Path]) -> Iterator[Path]:
    """The places that are not there anyway."""
    system = [Path("/usr"), Path("/nix"), *(Path("/etc", name) for name in ETC_FOLDERS)]
    for place in places:
        if not any(place.is_relative_to(folder) for folder in system):
            yield place


def _bound(mount: Mount) -> tuple[str, str, str]:
    return ("--ro-bind" if mount.read_only else "--bind", str(mount.source), mount.target)


def _kernels() -> Iterator[str]:
    """The parts of /proc that are about the machine, to be read only."""
    for name in (*KERNEL_FOLDERS, *KERNEL_FILES):
        place = Path("/proc", name)
        if place.exists():
            yield from ("--ro-bind", str(place), str(place))


def _within(path: str) -> str:
    """Where a program of this machine is found in the sandbox, in which /usr/local is the image's."""
    return f"{LOCAL}{path[len(PYTHON_PREFIX) :]}" if path.startswith(f"{PYTHON_PREFIX}/") else path


def _lent_within(task: Task) -> dict[str, str]:
    """The variables of a RUN that name what was lent to it, as it finds that.

    uv cannot make hard links from its cache there, and would say so each time.
    """
    if not task.builds:
        return {}
    lent = lent_to_builds()
    places = [str(path) for path in _elsewhere(lent_paths(lent))]
    named = re.compile("|".join(map(re.escape, sorted(places, key=len, reverse=True))) or "(?!)")
    kept = {name: value for name, value in lent.items() if task.env.get(name) == value}
    found = {name: named.sub(lambda place: LENT + place[0], value) for name, value in kept.items()}
    return {**found, **{name: f"{HUB}/{name}" for name in CACHES}, "UV_LINK_MODE": "copy"}


def _cache(name: str) -> Path:
    """A cache of packages that all builds in sandboxes share.

    The user's own cache is not for them: what they left in it, the user would run outside of any sandbox.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "spaceops/builds" / name.partition("_")[0].lower()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@cache
def find_sandbox() -> tuple[Sandbox | None, str]:
    """The sandbox, if there is one that works here, else why not; blocks for some hundredths of a second."""
    program = which("bwrap")
    if program is None:
        return None, "bubblewrap is not installed (bwrap)"
    sandbox = Sandbox(program)
    with tempfile.TemporaryDirectory() as name:
        said = _try(sandbox, Path(name))
    return (sandbox, "") if said == PROOF else (None, said)


def _try(sandbox: Sandbox, folder: Path) -> str:
    """Say something in a sandbox. The warden's input stays open until it has ended."""
    paths = sandbox.paths(folder, (), base_python())
    for name in ("root", "env", "shims"):
        (folder / name).mkdir()
    order = sandbox.order(paths, Task(words=["echo", PROOF], env={"PATH": "/bin"}, workdir="/", uid=NOT_ROOT))
    words, pipe = [sys.executable, "-I", "-S", str(WARDEN)], subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT) as warden:
        assert warden.stdin  # noqa: S101 - for the type checker: they are pipes
        assert warden.stdout  # noqa: S101
        warden.stdin.write(order.told(grace=0))
        warden.stdin.flush()
        return warden.stdout.read().decode(errors="replace").strip().rpartition("\n")[2]
