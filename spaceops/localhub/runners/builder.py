"""One build: from a Dockerfile and its context to the record of an image, with a log in BuildKit's grammar."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from spaceops.dockerfile import Dockerfile, Ignore, Stage, Step
from spaceops.errors import BadInput, DockerfileError
from spaceops.localhub.runners import BuildFailed, Image, Source, flags
from spaceops.localhub.runners.child import Child
from spaceops.localhub.runners.copying import Item, SourceMissing, Tree, copy, digest, set_mode
from spaceops.localhub.runners.environments import (
    IMAGE_PATH,
    UV_IMAGE,
    find_python,
    lent_to_builds,
    make_environment,
    search_path,
    user_packages,
    version_of,
    wanted_python,
)
from spaceops.localhub.runners.mounts import Mounted, bound, mounted
from spaceops.localhub.runners.paths import TEMPORARY, ImagePaths, clone, is_within, relocate, remove
from spaceops.localhub.runners.ports import EVERYWHERE, LOOPBACK, PortAdapter
from spaceops.localhub.runners.scripts import scripts_with_own_paths
from spaceops.localhub.runners.shell import Refused, Script
from spaceops.localhub.runners.stages import Stand
from spaceops.localhub.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from spaceops.localhub.logbook import Writer
    from spaceops.localhub.runners.layers import Layers

FORMAT = 2  # of the layers: another one makes all that were kept before unknown
WORTH_KEEPING = 3.0  # seconds after which a RUN becomes a layer although another RUN follows
GRACE = 1.0  # seconds for the processes of a RUN when the build is cancelled
EMPTY_FOLDERS = ("home", "media", "mnt", "opt", "root", "run", "srv", "tmp", "var")  # that every image has
SNIPPET = 2  # lines shown around a mistake
SKIPPED = {
    "USER": "everything runs as the user of this machine who started the Hub",
    "EXPOSE": "the Hub does not read it; app_port in README.md counts",
    "HEALTHCHECK": "the Hub does not read it",
    "STOPSIGNAL": "the app is stopped by SIGTERM",
    "ONBUILD": "nothing is built from this image",
}


class Build:
    """One build. `run` does it; what it needs on the way lies in `source.folder`."""

    def __init__(self, source: Source, log: Writer, layers: Layers) -> None:
        self.source, self.log, self.layers = source, log, layers
        self.tree = Tree.context(source.context)
        self.done: dict[int, Stand] = {}

    async def run(self) -> Image:
        """Build the last stage and those that it needs; raises `BuildFailed`."""
        self.source.folder.mkdir(parents=True)
        self.dockerfile = self._parse()
        with self._errors():
            needed = self._needed(self.dockerfile.stages[-1])
            for stage in self.dockerfile.stages:
                if stage.index in needed:
                    self.done[stage.index] = await self._stage(stage)
        stand = self.done[self.dockerfile.stages[-1].index]
        await in_thread(remove, *(other.paths.folder for other in self.done.values() if other is not stand))
        self._say_what_changes(stand, await in_thread(scripts_with_own_paths, stand.paths))
        return self._image(stand)

    def _image(self, stand: Stand) -> Image:
        return Image(
            sha=self.source.sha,
            app_port=self.source.app_port,
            stage=stand.paths.folder.name,
            workdir=stand.workdir,
            home=stand.home,
            env=stand.env,
            entrypoint=list(stand.entrypoint),
            command=list(stand.command),
            prefixes=sorted(stand.paths.prefixes),
        )

    def _parse(self) -> Dockerfile:
        text = (self.source.context / "Dockerfile").read_text(errors="replace")
        try:
            return Dockerfile.parse(text)
        except DockerfileError as error:
            for number, line in enumerate(text.splitlines(), start=1):
                if abs(number - error.line) <= SNIPPET:
                    self.log.write(f"{number:4} | {'>>>' if number == error.line else '   '} {line}")
            self.log.write(f"error: failed to solve: {error.message}")
            raise BuildFailed(error.message) from error

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Whatever fails, the log's last line says why."""
        try:
            yield
        except SourceMissing as missing:
            reference = f"failed to calculate checksum of ref {self.source.sha[:12]}"
            self._fail(f'{reference}: "{missing.source}": not found', missing)
        except (Refused, BadInput) as error:
            self._fail(error.message if isinstance(error, BadInput) else str(error), error)
        except BuildFailed as failed:
            self._fail(failed.reason, failed)

    def _note(self, notes: Iterable[str]) -> None:
        for note in notes:
            self.log.write(f"note: {note}")

    def _fail(self, reason: str, cause: Exception) -> NoReturn:
        self.log.write(f"--> ERROR: {reason}")
        raise BuildFailed(reason) from cause

    # stages

    def _needed(self, stage: Stage) -> set[int]:
        references = [self.dockerfile.base(stage, self.source.variables)]
        references += [flag for one in stage.instructions if (flag := one.flag("from"))]
        found = [self.dockerfile.stage(reference) for reference in references]
        earlier = [other for other in found if other is not None and other.index < stage.index]
        return {stage.index}.union(*(self._needed(other) for other in earlier))

    def _earlier(self, reference: str | None) -> Stand | None:
        stage = self.dockerfile.stage(reference) if reference else None
        return self.done.get(stage.index) if stage else None

    async def _stage(self, stage: Stage) -> Stand:
        stand, prepare = await self._base(stage)
        steps = list(self.dockerfile.steps(stage, stand.env, self.source.variables))
        keys = await in_thread(self._keys, stand.key, steps)
        cached = max((n for n, key in enumerate(keys) if self.source.use_cache and self.layers.has(key)), default=-1)
        if cached >= 0:
            await in_thread(self.layers.restore, keys[cached], stand.paths.folder)
        else:
            await in_thread(prepare)
        for number, (step, key) in enumerate(zip(steps, keys, strict=True)):
            took = await self._step(stand, step, cached=number <= cached)
            following = steps[number + 1].instruction.keyword if number + 1 < len(steps) else ""
            is_last_run = step.instruction.keyword == "RUN" and (following != "RUN" or took > WORTH_KEEPING)
            if is_last_run and number > cached:
                await in_thread(self.layers.save, key, stand.paths.folder)
        stand.key = keys[-1] if keys else stand.key
        return stand

    async def _base(self, stage: Stage) -> tuple[Stand, Callable[[], None]]:
        """What a stage starts from, and the work of making that."""
        base = self.dockerfile.base(stage, self.source.variables)
        folder = self.source.folder / f"stage-{stage.index}"
        if earlier := self._earlier(base):
            self.log.write(f"--> FROM {base}")
            return earlier.successor(folder), lambda: _clone_stage(earlier.paths.folder, folder)
        self.log.write(f"--> FROM {base if '/' in base else f'docker.io/library/{base}'}")
        version, with_uv = wanted_python(base)
        python = await in_thread(find_python, version)
        found = await in_thread(version_of, python)
        self._note(flags.notes(stage.flags))
        self.log.write(f"note: no container: a Python {found} environment stands for the image; nothing is isolated")
        if version not in (None, found):
            self.log.write(f"note: this machine has no Python {version}; Python {found} takes its place")
        paths, env = ImagePaths(folder, {TEMPORARY}), {"PATH": IMAGE_PATH, "LANG": "C.UTF-8"}
        stand = Stand(paths, env, _hash(FORMAT, base, python, found))
        return stand, lambda: _new_stage(folder, python, with_uv=with_uv)

    def _keys(self, key: str, steps: list[Step]) -> list[str]:
        """A key for each step, over all that made the stage so far; blocks, as it reads what is copied."""
        keys = []
        for step in steps:
            parts: list[object] = [key, str(step.instruction), list(step.args), step.flags]
            parts += [[heredoc.name, heredoc.content] for heredoc in step.heredocs]
            parts += [dict(step.build_env)] if step.instruction.keyword == "RUN" else []
            key = _hash(*parts, self._content_key(step))
            keys.append(key)
        return keys

    def _content_key(self, step: Step) -> str:
        """What the files hash to that an instruction brings in; a missing one is reported when its turn comes."""
        if step.instruction.keyword == "RUN":
            sources = [mount.get("source", ".") for mount in bound(step.instruction)]
        elif step.instruction.keyword not in ("COPY", "ADD") or step.flag("from"):
            earlier = self._earlier(step.flag("from"))
            return earlier.key if earlier else ""
        else:
            sources = _sources(step)
        try:
            return digest(_not_excluded(step, [item for source in sources for item in self.tree.gather(source)]))
        except SourceMissing:
            return ""

    # steps

    async def _step(self, stand: Stand, step: Step, *, cached: bool) -> float:
        """Take one instruction in, and do its work unless a layer holds it; returns the seconds it took."""
        self.log.write(f"--> {step.instruction}")
        started = time.monotonic()
        keyword = step.instruction.keyword
        script = stand.take_in_run(step) if keyword == "RUN" else None
        stand.take_in(step)
        if keyword in ("COPY", "ADD"):
            stand.paths.know(*self._destinations(stand, step))
        if not cached:
            await self._perform(stand, step, script)
        took = time.monotonic() - started
        self.log.write("CACHED" if cached else f"DONE {took:.1f}s")
        return took

    async def _perform(self, stand: Stand, step: Step, script: Script | None) -> None:
        keyword = step.instruction.keyword
        self._note(flags.notes(step.flags))
        if note := SKIPPED.get(keyword):
            self.log.write(f"note: {keyword} is skipped: {note}")
        elif keyword in ("WORKDIR", "VOLUME"):
            for path in [stand.workdir] if keyword == "WORKDIR" else step.args:
                stand.paths.real(path).mkdir(parents=True, exist_ok=True)
        elif _brings_uv(step):
            (stand.paths.folder / "env/uv-is-provided").touch()
            self.log.write("note: uv is this machine's own")
        elif keyword in ("COPY", "ADD"):
            await in_thread(self._copy, stand, step)
        elif script is not None:
            self._note(script.notes)
            await self._execute(stand, step, script)

    def _copy(self, stand: Stand, step: Step) -> None:
        """Copy files; blocks."""
        items, heredocs = self._items(step), step.heredocs
        destination = step.args[-1]
        place = stand.paths.real(posixpath.join(stand.workdir, destination))
        if not is_within(place, [stand.paths.folder]):
            raise BuildFailed(f"{destination}: a symlink leads out of the image")
        named = destination.endswith("/") or posixpath.basename(destination) in (".", "..")
        into = named or len(items) + len(heredocs) > 1 or not all(item.is_root for item in items) or place.is_dir()
        mode = step.flag("chmod")
        unpack = step.instruction.keyword == "ADD" and step.flag("unpack") != "false"
        copy(_not_excluded(step, items), place, into=into, mode=mode, unpack=unpack)
        for heredoc in heredocs:
            target = place / heredoc.name if into else place
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(heredoc.content)
            set_mode(target, mode)
        if earlier := self._earlier(step.flag("from")):
            folder = place if place.is_dir() else place.parent
            relocate(folder, str(earlier.paths.folder), str(stand.paths.folder))

    def _items(self, step: Step) -> list[Item]:
        """The files that a COPY or ADD means; raises `SourceMissing`."""
        reference = step.flag("from")
        if reference is None:
            return [item for source in _sources(step) for item in self.tree.gather(source)]
        earlier = self._earlier(reference)
        if earlier is None:
            raise BuildFailed(f"{reference}: this runner has no images to copy from; that needs a container engine")
        return [item for source in _sources(step) for item in _gather_from(earlier.paths, source)]

    def _destinations(self, stand: Stand, step: Step) -> list[str]:
        """The image paths that a COPY or ADD makes the image's own; all that is copied, where that is to `/`."""
        if _brings_uv(step):
            return []
        destination = posixpath.normpath(posixpath.join(stand.workdir, step.args[-1]))
        if destination != "/":
            return [destination]
        return [f"/{item.target.partition('/')[0]}" for item in self._items(step)]

    async def _execute(self, stand: Stand, step: Step, script: Script) -> None:
        home, cwd = stand.paths.real(stand.home), stand.paths.real(stand.workdir)
        for folder in (home, cwd):
            folder.mkdir(parents=True, exist_ok=True)
        secrets = self.source.folder / "secrets"
        with mounted(step.instruction, stand, self.tree, self.source.secrets, secrets) as found:
            command = _command(stand, step, script, found)
            env = _environment(stand, step) | found.env
            child = Child(command, cwd=cwd, env=env, feed=self.log.feed, grace=GRACE)
            try:
                code = await child.wait()
            finally:
                await child.stop()
        if code:
            words = step.args if step.instruction.exec is not None else (*stand.shell, *step.args)
            raise BuildFailed(f'process "{" ".join(words)}" did not complete successfully: exit code: {code}')

    def _say_what_changes(self, stand: Stand, scripts: list[str]) -> None:
        self._say_ports({"CMD": [*stand.entrypoint, *stand.command], "ENV": [*stand.env.values()]})
        for script in scripts:
            self.log.write(f"note: in {script}, the image's own paths become the places where they lie at each start")
        self.log.write("note: absolute paths in the app's own code are this machine's; a container would have others")

    def _say_ports(self, places: Mapping[str, list[str]]) -> None:
        port, named = self.source.app_port, False
        adapted = PortAdapter(port, 0)
        for where, words in places.items():
            without_host = [word.replace(EVERYWHERE, "") for word in words]
            if any(adapted(word) != word for word in without_host):
                named = True
                host = f" and {EVERYWHERE} becomes {LOOPBACK}" if without_host != words else ""
                said = f"{port} becomes a private port at each start{host}: the Space's address stands before them"
                self.log.write(f"note: in {where}, {said}")
        if not named:
            self.log.write(
                f"note: neither CMD nor ENV names {port}: a port that is fixed in code or in a script cannot be "
                f"replaced here, and only one Space at a time can have it. Write it as ENV PORT={port} and read that"
            )


def _hash(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _brings_uv(step: Step) -> bool:
    return (step.flag("from") or "").startswith(UV_IMAGE)


def _not_excluded(step: Step, items: list[Item]) -> list[Item]:
    """What `--exclude` leaves; its patterns are those of a `.dockerignore`, from the source on."""
    ignore = Ignore.parse("\n".join(value for name, value in step.flags if name == "exclude"))
    return [item for item in items if not ignore.excludes(item.target)]


def _sources(step: Step) -> list[str]:
    """The sources of a COPY or ADD that are files; raises `BuildFailed` for an address."""
    sources = [word for word in step.args[:-1] if not word.startswith("<<")]
    for source in sources:
        if re.match(r"\w+://|git@", source):
            raise BuildFailed(f"ADD {source}: this runner adds no addresses; a RUN with curl does the same")
    return sources


def _gather_from(paths: ImagePaths, source: str) -> list[Item]:
    """Files of another stage, named by their image path."""
    path = posixpath.normpath(posixpath.join("/", source))
    base = paths.folder / ("env" if paths.real(path).is_relative_to(paths.folder / "env") else "root")
    try:
        return Tree(base, may_lead_out=True).gather(paths.real(path).relative_to(base).as_posix())
    except SourceMissing as missing:
        raise SourceMissing(path) from missing


def _environment(stand: Stand, step: Step) -> dict[str, str]:
    """The variables of a RUN: what the machine lends, what the Dockerfile set, and where things lie."""
    paths = stand.paths
    env = lent_to_builds() | {name: paths.translate(value) for name, value in step.build_env.items()}
    if env.pop("UV_SYSTEM_PYTHON", None):  # uv would take this machine's Python
        env.setdefault("VIRTUAL_ENV", str(paths.folder / "env"))
    env |= {"PYTHONUNBUFFERED": "1", "HOME": str(paths.real(stand.home))}
    env.setdefault("TMPDIR", str(paths.real(TEMPORARY)))
    env["PATH"] = search_path(paths, stand.env.get("PATH", IMAGE_PATH))
    return env | user_packages(paths, stand.home, env.get("PYTHONPATH"))


def _command(stand: Stand, step: Step, script: Script, found: Mounted) -> list[str]:
    """What to execute for a RUN, with the image's paths and the mounted secrets where they lie."""

    def place(text: str, *, in_shell: bool) -> str:
        return stand.paths.translate(text, in_shell=in_shell, mounted=found.files)

    if step.instruction.exec is not None and not script.notes:
        return [place(word, in_shell=False) for word in step.args]
    return [*stand.shell, place(script.text, in_shell=True)]


def _new_stage(folder: Path, python: str, *, with_uv: bool) -> None:
    for name in EMPTY_FOLDERS:
        (folder / "root" / name).mkdir(parents=True)
    make_environment(folder, python, with_uv=with_uv)


def _clone_stage(source: Path, target: Path) -> None:
    clone(source, target)
    relocate(target, str(source), str(target))
