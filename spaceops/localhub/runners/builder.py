"""One build: from a Dockerfile and its context to the record of an image, with a log in BuildKit's grammar."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
import time
import uuid
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from spaceops.dockerfile import Dockerfile, Ignore, Stage, Step
from spaceops.errors import BadInput, DockerfileError
from spaceops.localhub.runners import BuildFailed, Image, Mount, Source, flags, scripts
from spaceops.localhub.runners.child import Child
from spaceops.localhub.runners.copying import WILDCARDS, Item, SourceMissing, Tree, copy, digest, is_archive, write
from spaceops.localhub.runners.environments import (
    CUDA_BASE,
    IMAGE_PATH,
    UV_IMAGE,
    find_python,
    lent_to_builds,
    search_path,
    user_packages,
    version_of,
    wanted_python,
)
from spaceops.localhub.runners.isolation import Isolation, Task
from spaceops.localhub.runners.mounts import Mounted, bound, mounted
from spaceops.localhub.runners.paths import PYTHON_PREFIX, TEMPORARY, ImagePaths, clone, copy_as, copy_tree, remove
from spaceops.localhub.runners.ports import EVERYWHERE, LISTENING, LOOPBACK, PortAdapter
from spaceops.localhub.runners.shell import Refused, Script
from spaceops.localhub.runners.stages import UID, Stand
from spaceops.localhub.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from spaceops.localhub.logbook import Writer
    from spaceops.localhub.runners.layers import Layers

FORMAT = 3  # of the layers: another one makes all that were kept before unknown
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

    def __init__(self, source: Source, log: Writer, layers: Layers, isolation: Isolation) -> None:
        self.source, self.log, self.layers, self.isolation = source, log, layers, isolation
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
        await self._say_what_changes(stand)
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
            uid=stand.uid or UID,
            python=stand.paths.python,
            isolation=self.isolation.key,
            fixed=stand.fixed,
        )

    def _parse(self) -> Dockerfile:
        text = self.tree.text("Dockerfile")
        if text is None:
            reason = "failed to read dockerfile: open Dockerfile: no such file or directory"
            self._fail(reason, FileNotFoundError("Dockerfile"))
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
        except OSError as error:  # without the path, which is of this machine
            self._fail(f"the files of the image: {error.strerror or error}", error)
        except RecursionError as error:
            self._fail("the folders of the image are nested too deeply", error)

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
        last_run = max((n for n, step in enumerate(steps) if step.instruction.keyword == "RUN"), default=-1)
        if cached >= 0:
            await in_thread(self._restore, keys[cached], stand, share=cached >= last_run)
        else:
            await in_thread(prepare, share=last_run < 0)
        for number, (step, key) in enumerate(zip(steps, keys, strict=True)):
            stand.is_settled = number > last_run
            took = await self._step(stand, step, cached=number <= cached)
            following = steps[number + 1].instruction.keyword if number + 1 < len(steps) else ""
            ends_runs = step.instruction.keyword == "RUN" and (following != "RUN" or took > WORTH_KEEPING)
            if ends_runs and number > cached:
                await in_thread(self.layers.save, key, stand.paths.folder, share=number == last_run)
        stand.key = keys[-1] if keys else stand.key
        return stand

    def _restore(self, key: str, stand: Stand, *, share: bool) -> None:
        self.layers.restore(key, stand.paths.folder, self.isolation.relocate, share=share)

    async def _base(self, stage: Stage) -> tuple[Stand, Callable[..., None]]:
        """What a stage starts from, and the work of making that; with `share`, no RUN will change it."""
        base = self.dockerfile.base(stage, self.source.variables)
        folder = self.source.folder / f"stage-{stage.index}"
        if earlier := self._earlier(base):
            self.log.write(f"--> FROM {base}")
            return earlier.successor(folder), partial(self._clone_stage, earlier.paths.folder, folder)
        self.log.write(f"--> FROM {base if '/' in base else f'docker.io/library/{base}'}")
        version, with_uv = wanted_python(base)
        python = await in_thread(find_python, version)
        found = await in_thread(version_of, python)
        self._note(flags.notes(stage.flags))
        self.log.write(f"note: no container: a Python {found} environment stands for the image; {self.isolation.gaps}")
        if CUDA_BASE.fullmatch(base):
            self.log.write("note: there is no CUDA here, and Python is there before apt-get installs it")
        if version not in (None, found):
            self.log.write(f"note: this machine has no Python {version}; Python {found} takes its place")
        paths = self.isolation.paths(folder, {TEMPORARY}, python)
        key = _hash(FORMAT, self.isolation.key, base, python, found)
        stand = Stand(paths, {"PATH": IMAGE_PATH, "LANG": "C.UTF-8"}, key)
        return stand, partial(self._new_stage, paths, with_uv=with_uv)

    def _new_stage(self, paths: ImagePaths, *, with_uv: bool, share: bool) -> None:
        del share  # there is nothing to share
        for name in EMPTY_FOLDERS:
            (paths.folder / "root" / name).mkdir(parents=True)
        self.isolation.make_environment(paths, with_uv=with_uv)

    def _clone_stage(self, source: Path, target: Path, *, share: bool) -> None:
        clone(source, target, share=share)
        self.isolation.relocate(target, str(source), str(target))

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
            stand.take_in_copy(step)
        if not cached:
            await self._perform(stand, step, script)
        took = time.monotonic() - started
        self.log.write("CACHED" if cached else f"DONE {took:.1f}s")
        return took

    async def _perform(self, stand: Stand, step: Step, script: Script | None) -> None:
        keyword = step.instruction.keyword
        self._note(flags.notes(step.flags))
        if (note := SKIPPED.get(keyword)) and not (keyword == "USER" and stand.paths.literal):
            self.log.write(f"note: {keyword} is skipped: {note}")
        elif keyword in ("WORKDIR", "VOLUME"):
            for path in [stand.workdir] if keyword == "WORKDIR" else step.args:
                stand.paths.inside(path).mkdir(parents=True, exist_ok=True)
        elif _brings_uv(step):
            (stand.paths.folder / "env/uv-is-provided").touch()
            self.log.write("note: uv is this machine's own")
        elif keyword in ("COPY", "ADD"):
            if await in_thread(self._copy_folder, stand, step):
                return
            for archive in await in_thread(self._copy, stand, step):
                await self._unpack(stand, archive, step.args[-1])
        elif script is not None:
            self._note(script.notes)
            await self._execute(stand, step, script)

    def _copy_folder(self, stand: Stand, step: Step) -> bool:
        """Copy one whole folder of another stage to where nothing is yet, which is quick; blocks. False: not so."""
        earlier, sources = self._earlier(step.flag("from")), step.args[:-1]
        if earlier is None or len(sources) != 1 or {name for name, _ in step.flags} - {"from", "chown", "link"}:
            return False
        source = earlier.paths.inside(posixpath.join("/", sources[0]))
        target = stand.paths.inside(posixpath.join(stand.workdir, step.args[-1]))
        if not source.is_dir() or target.exists():
            return False
        copy_as(source, target, share=stand.is_settled)
        self.isolation.relocate(target, str(earlier.paths.folder), str(stand.paths.folder))
        return True

    def _copy(self, stand: Stand, step: Step) -> list[Path]:
        """Copy files; returns the archives that are to be unpacked instead; blocks."""
        items, heredocs, place = self._items(step), step.heredocs, stand.paths.inside
        destination = step.args[-1]
        target = posixpath.normpath(posixpath.join(stand.workdir, destination))
        named = destination.endswith("/") or posixpath.basename(destination) in (".", "..")
        several = len(items) + len(heredocs) > 1 or not all(item.is_root for item in items)
        into = named or several or place(target).is_dir()
        mode = step.flag("chmod")
        unpacks = step.instruction.keyword == "ADD" and step.flag("unpack") != "false"
        archives = [item.path for item in items if unpacks and item.is_root and is_archive(item.path)]
        copied = [item for item in _not_excluded(step, items) if item.path not in archives]
        if copied:
            copy(copied, target, place, into=into, mode=mode)
        for heredoc in heredocs:
            write(heredoc.content, posixpath.join(target, heredoc.name) if into else target, place, mode=mode)
        if earlier := self._earlier(step.flag("from")):
            folder = place(target) if place(target).is_dir() else place(target).parent
            self.isolation.relocate(folder, str(earlier.paths.folder), str(stand.paths.folder))
        return archives

    async def _unpack(self, stand: Stand, archive: Path, destination: str) -> None:
        """Unpack as a RUN would: whatever the archive holds, it comes no further than a command of the image does."""
        target = posixpath.normpath(posixpath.join(stand.workdir, destination))
        within = f"{TEMPORARY}/{uuid.uuid4().hex}"
        place = stand.paths.inside(within)
        try:
            await in_thread(copy_tree, archive, place)
            await in_thread(stand.paths.inside(target).mkdir, parents=True, exist_ok=True)
            words = ["tar", "--no-same-owner", "-xf", stand.paths.seen(within), "-C", stand.paths.seen(target)]
            code = await self._run(stand, Task(words=words, env={"PATH": IMAGE_PATH}, workdir="/", uid=UID))
        finally:
            place.unlink(missing_ok=True)
        if code:
            raise BuildFailed(f"ADD {archive.name}: tar did not complete successfully: exit code: {code}")

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
        for folder in (stand.home, stand.workdir):
            stand.paths.inside(folder).mkdir(parents=True, exist_ok=True)
        secrets = self.source.folder / "secrets"
        with mounted(step.instruction, stand, self.tree, self.source.secrets, secrets) as found:
            task = Task(
                words=_command(stand, step, script, found),
                env=_environment(stand, step) | found.env,
                workdir=stand.workdir,
                uid=stand.uid,
                mounts=[Mount(file, path, read_only=True) for path, file in found.files.items()],
                builds=True,
            )
            code = await self._run(stand, task)
        if code:
            words = step.args if step.instruction.exec is not None else (*stand.shell, *step.args)
            raise BuildFailed(f'process "{" ".join(words)}" did not complete successfully: exit code: {code}')

    async def _run(self, stand: Stand, task: Task) -> int:
        """Run a command in the stage, and return its exit code."""
        order = await in_thread(self.isolation.order, stand.paths, task)
        child = Child(order, folder=self.source.folder, feed=self.log.feed, grace=GRACE)
        try:
            return await child.wait()
        finally:
            await child.stop()

    async def _say_what_changes(self, stand: Stand) -> None:
        words = [*stand.entrypoint, *stand.command]
        starting = await in_thread(scripts.starting, stand.paths, words, stand.workdir)
        of_nginx = await in_thread(scripts.of_nginx, stand.paths, stand.workdir)
        listening = {path: re.findall(f"{LISTENING}(.*)", text, re.MULTILINE) for path, text in of_nginx.items()}
        self._say_ports(
            {
                "CMD": words,
                "ENV": [*stand.env.values()],
                **{path: [text] for path, text in starting.items()},
                **{path: [address for _, address in found] for path, found in listening.items()},
            }
        )
        if stand.paths.literal:
            return
        for script in await in_thread(scripts.with_own_paths, stand.paths):
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
                f"note: neither CMD nor ENV names {port}: a port that is fixed in code cannot be "
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
    fixed, pattern = path, ""
    while WILDCARDS & set(fixed):
        fixed, _, name = fixed.rpartition("/")
        pattern = posixpath.join(name, pattern) if pattern else name
    place = paths.inside(fixed or "/")
    base, wanted = (place, pattern) if pattern else (place.parent, place.name)
    try:
        return Tree(base, may_lead_out=True).gather(wanted)
    except SourceMissing as missing:
        raise SourceMissing(path) from missing


def _environment(stand: Stand, step: Step) -> dict[str, str]:
    """The variables of a RUN: what the machine lends, what the Dockerfile set, and where things lie."""
    paths = stand.paths
    env = lent_to_builds() | {name: paths.translate(value) for name, value in step.build_env.items()}
    if env.pop("UV_SYSTEM_PYTHON", None):  # uv would take this machine's Python
        env.setdefault("VIRTUAL_ENV", paths.seen(PYTHON_PREFIX))
    env |= {"PYTHONUNBUFFERED": "1", "HOME": paths.seen(stand.home), "TAR_OPTIONS": "--no-same-owner"}
    if not paths.literal:
        env.setdefault("TMPDIR", paths.seen(TEMPORARY))
    env["PATH"] = search_path(paths, stand.env.get("PATH", IMAGE_PATH))
    return env | user_packages(paths, stand.home, env.get("PYTHONPATH"))


def _command(stand: Stand, step: Step, script: Script, found: Mounted) -> list[str]:
    """What to execute for a RUN, with the image's paths and the mounted secrets where they lie."""

    def place(text: str, *, in_shell: bool) -> str:
        return stand.paths.translate(text, in_shell=in_shell, mounted=found.files)

    if step.instruction.exec is not None and not script.notes:
        return [place(word, in_shell=False) for word in step.args]
    return [*stand.shell, place(script.text, in_shell=True)]
