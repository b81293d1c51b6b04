"""Builds and runs Docker Spaces without containers: a Python environment and a folder in place of the image.

Nothing is isolated. What an environment and a folder can do is done, what has no meaning here is skipped and the build
log says so, and what would be a lie fails the build. The app itself is started in a fresh copy of the image's files, so
that what it writes is gone after a restart, as in a container.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import posixpath
import re
import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spaceops.dockerfile import Dockerfile, DockerfileError, Stage, Step
from spaceops.localhub.runners import BuildFailed, Image, Source
from spaceops.localhub.runners.child import Child
from spaceops.localhub.runners.copying import Item, SourceMissing, Tree, copy, digest
from spaceops.localhub.runners.environments import (
    IMAGE_PATH,
    UV_IMAGE,
    find_python,
    lent_to_builds,
    make_environment,
    version_of,
    wanted_python,
)
from spaceops.localhub.runners.layers import Layers
from spaceops.localhub.runners.paths import ImagePaths, clone, is_within, relocate, remove
from spaceops.localhub.runners.shell import Refused, Script, adapt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from spaceops.localhub.logbook import Writer

WORTH_KEEPING = 3.0  # seconds after which a RUN becomes a layer although another RUN follows
SHELL = ("/bin/sh", "-c")
SKIPPED = {
    "USER": "everything runs as the user of this machine who started the Hub",
    "EXPOSE": "the Hub does not read it; app_port in README.md counts",
    "HEALTHCHECK": "the Hub does not read it",
    "STOPSIGNAL": "the app is stopped by SIGTERM",
    "ONBUILD": "nothing is built from this image",
}


@dataclass
class Stand:
    """A stage while it is built: where it lies, and what the next instruction starts from."""

    paths: ImagePaths
    env: dict[str, str]
    key: str = ""
    workdir: str = "/"
    user: str = "root"
    shell: tuple[str, ...] = SHELL
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ("python3",)
    names: dict[str, str] = field(default_factory=dict)  # numeric users that useradd gave a name

    @property
    def home(self) -> str:
        """HOME: as ENV has it, or as /etc/passwd would have it for the user."""
        name = self.user.partition(":")[0]
        name = self.names.get(name, name)
        default = "/root" if name in ("root", "0", "") else "/" if name.isdecimal() else f"/home/{name}"
        return self.env.get("HOME", default)


class ProcessRunner:
    """The runner without containers; `folder` holds the build cache."""

    def __init__(self, folder: Path) -> None:
        self.layers = Layers(folder)

    async def build(self, source: Source, log: Writer) -> Image:
        """Build a commit into `source.folder`; raises `BuildFailed`. Cancelled or failed, it leaves nothing."""
        try:
            image = await Build(source, log, self.layers).run()
        except BaseException:
            await asyncio.to_thread(remove, source.folder)
            raise
        image.save(source.folder)
        return image

    async def start(
        self, image: Image, folder: Path, *, port: int, settings: Mapping[str, str], feed: Callable[[bytes], None]
    ) -> App:
        """Start the image that lies in `folder`; the app is to listen on 127.0.0.1:`port`. `settings` win over ENV."""
        run = folder / f"run-{uuid.uuid4().hex[:8]}"
        paths = ImagePaths(run, set(image.prefixes))
        await asyncio.to_thread(_fresh_copy, folder / image.stage, run, paths, image)
        adapt_port = PortAdapter(image.app_port, port)
        env = {name: adapt_port(paths.translate(value)) for name, value in image.env.items()}
        env |= {name: adapt_port.whole(value) for name, value in settings.items()}
        env |= {"HOME": str(paths.real(image.home)), "PATH": _search_path(paths, image.env.get("PATH", IMAGE_PATH))}
        env = _with_user_packages({"LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", **env}, run)
        command = [adapt_port(paths.translate(word, shell=_is_shell(image, word))) for word in _words(image)]
        child = await Child.start(command, cwd=paths.real(image.workdir), env=env, feed=feed)
        return App(child, run)


class App:
    """A started image: its processes and its copy of the files, which go together."""

    def __init__(self, child: Child, folder: Path) -> None:
        self.child = child
        self._folder = folder

    async def wait(self) -> int:
        """Wait for its end and return the exit code."""
        return await self.child.wait()

    def listening_ports(self) -> set[int]:
        """The ports that its processes listen on."""
        import psutil  # type: ignore[import-untyped]  # only for an app that is slow to answer

        found: set[int] = set()
        with suppress(psutil.Error):
            for process in psutil.Process(self.child.pid).children(recursive=True):
                with suppress(psutil.Error):
                    listening = [one for one in process.net_connections("inet") if one.status == psutil.CONN_LISTEN]
                    found.update(one.laddr.port for one in listening)
        return found

    async def stop(self) -> None:
        """End it, if it has not ended, and remove its files."""
        await self.child.stop()
        await asyncio.to_thread(remove, self._folder)


class PortAdapter:
    """Puts the private port and loopback where a text names app_port and 0.0.0.0."""

    def __init__(self, app_port: int, port: int) -> None:
        self._app_port, self._port = str(app_port), str(port)

    def __call__(self, text: str) -> str:
        """Replace them wherever they stand."""
        text = re.sub(rf"(?<![\w.]){self._app_port}(?![\w.])", self._port, text)
        return re.sub(r"(?<![\d.])0\.0\.0\.0(?![\d.])", "127.0.0.1", text)

    def whole(self, text: str) -> str:
        """Replace only a text that is nothing else, such as the value of a variable PORT."""
        return {self._app_port: self._port, "0.0.0.0": "127.0.0.1"}.get(text, text)  # noqa: S104 - it is taken away


class Build:
    """One build, from the Dockerfile to the record of an image."""

    def __init__(self, source: Source, log: Writer, layers: Layers) -> None:
        self.source, self.log, self.layers = source, log, layers
        self.tree = Tree.context(source.context)
        self.done: dict[int, Stand] = {}

    async def run(self) -> Image:
        """Build the stages that the last one needs."""
        self.source.folder.mkdir(parents=True)
        self.dockerfile = self._parse()
        last = self.dockerfile.stages[-1]
        for stage in self.dockerfile.stages:
            if stage.index in self._needed(last):
                self.done[stage.index] = await self._stage(stage)
        stand = self.done[last.index]
        others = [one.paths.folder for one in self.done.values() if one is not stand]
        await asyncio.to_thread(remove, *others)
        self._say_what_changes(stand)
        return Image(
            sha=self.source.sha,
            app_port=self.source.app_port,
            stage=stand.paths.folder.name,
            workdir=stand.workdir,
            home=stand.home,
            env=stand.env,
            entrypoint=list(stand.entrypoint),
            command=list(stand.command),
            prefixes=sorted(stand.paths.prefixes | {stand.home} - {"/"}),
        )

    def _parse(self) -> Dockerfile:
        text = (self.source.context / "Dockerfile").read_text(errors="replace")
        try:
            return Dockerfile.parse(text)
        except DockerfileError as error:
            for number, line in enumerate(text.splitlines(), start=1):
                if abs(number - error.line) <= 2:
                    mark = ">>>" if number == error.line else "   "
                    self.log.write(f"{number:4} | {mark} {line}")
            self.log.write(f"error: failed to solve: {error.message}")
            raise BuildFailed(error.message) from error

    def _needed(self, stage: Stage) -> set[int]:
        references = [self.dockerfile.base(stage, self.source.variables)]
        references += [flag for one in stage.instructions if (flag := one.flag("from"))]
        found = [self.dockerfile.stage(reference) for reference in references]
        earlier = [other for other in found if other is not None and other.index < stage.index]
        return {stage.index}.union(*(self._needed(other) for other in earlier))

    def _earlier(self, reference: str) -> Stand | None:
        stage = self.dockerfile.stage(reference)
        return self.done.get(stage.index) if stage else None

    async def _stage(self, stage: Stage) -> Stand:
        stand, prepare = self._base(stage)
        steps = list(self.dockerfile.steps(stage, stand.env, self.source.variables))
        keys = self._keys(stand.key, steps)
        cached = max((n for n, key in enumerate(keys) if self._is_cached(key)), default=-1)
        if cached < 0:
            await asyncio.to_thread(prepare)
        else:
            await asyncio.to_thread(self.layers.restore, keys[cached], stand.paths.folder)
        for number, (step, key) in enumerate(zip(steps, keys, strict=True)):
            self.log.write(f"--> {step.instruction}")
            started = time.monotonic()
            script = self._take_in(stand, step)
            if number <= cached:
                self.log.write("CACHED\n")
                continue
            with self._errors():
                await self._perform(stand, step, script)
            took = time.monotonic() - started
            self.log.write(f"DONE {took:.1f}s\n")
            if self._is_worth_keeping(steps, number, took):
                await asyncio.to_thread(self.layers.save, key, stand.paths.folder)
        stand.key = keys[-1] if keys else stand.key
        return stand

    def _is_cached(self, key: str) -> bool:
        return self.source.use_cache and self.layers.has(key)

    def _is_worth_keeping(self, steps: list[Step], number: int, took: float) -> bool:
        following = steps[number + 1].instruction.keyword if number + 1 < len(steps) else ""
        return steps[number].instruction.keyword == "RUN" and (following != "RUN" or took > WORTH_KEEPING)

    def _base(self, stage: Stage) -> tuple[Stand, Callable[[], None]]:
        """What the stage starts from, and the work of making that."""
        base = self.dockerfile.base(stage, self.source.variables)
        folder = self.source.folder / f"stage-{stage.index}"
        if earlier := self._earlier(base):
            self.log.write(f"--> FROM {base}\n")
            stand = Stand(ImagePaths(folder, set(earlier.paths.prefixes)), dict(earlier.env), earlier.key)
            stand.workdir, stand.user, stand.shell = earlier.workdir, earlier.user, earlier.shell
            stand.entrypoint, stand.command, stand.names = earlier.entrypoint, earlier.command, dict(earlier.names)
            return stand, lambda: _clone_stage(earlier.paths.folder, folder)
        with self._errors():
            version, with_uv = wanted_python(base)
        python = find_python(version)
        found = version_of(python)
        self.log.write(f"--> FROM {base if '/' in base else f'docker.io/library/{base}'}")
        self.log.write(f"note: no container: a Python {found} environment stands for the image; nothing is isolated")
        if version not in (None, found):
            self.log.write(f"note: this machine has no Python {version}; Python {found} takes its place")
        self.log.write("")
        env = {"PATH": IMAGE_PATH, "LANG": "C.UTF-8"}
        return Stand(ImagePaths(folder), env, _hash(base, python, found)), lambda: _new_stage(
            folder, python, with_uv=with_uv
        )

    def _keys(self, key: str, steps: list[Step]) -> list[str]:
        keys = []
        for step in steps:
            keyword = step.instruction.keyword
            parts = [key, str(step.instruction), list(step.args), dict(step.flags)]
            parts += [[heredoc.name, heredoc.content] for heredoc in step.instruction.heredocs]
            if keyword == "RUN":
                parts.append(dict(step.build_env))
            if keyword in ("COPY", "ADD") and not self._provided_uv(step):
                parts.append(self._content_key(step))
            key = _hash(*parts)
            keys.append(key)
        return keys

    def _content_key(self, step: Step) -> str:
        """What the files of a COPY hash to; a missing one is reported when its turn comes."""
        reference = step.flags.get("from")
        if reference is not None:
            earlier = self._earlier(reference)
            return earlier.key if earlier else ""
        try:
            return digest([item for source in _sources(step) for item in self.tree.gather(source)])
        except SourceMissing:
            return ""

    def _take_in(self, stand: Stand, step: Step) -> Script | None:
        """What an instruction changes in the record; for RUN also what of it can be done here."""
        keyword, args = step.instruction.keyword, step.args
        stand.env = dict(step.env)
        if keyword == "WORKDIR":
            stand.workdir = posixpath.normpath(posixpath.join(stand.workdir, args[0]))
            stand.paths.know(stand.workdir)
        elif keyword == "USER":
            stand.user = args[0]
        elif keyword == "SHELL":
            stand.shell = args
        elif keyword == "VOLUME":
            stand.paths.know(*args)
        elif keyword == "ENTRYPOINT":
            stand.entrypoint, stand.command = _command(step, stand.shell), ()
        elif keyword == "CMD":
            stand.command = _command(step, stand.shell)
        elif keyword in ("COPY", "ADD"):
            stand.paths.know(*self._destinations(stand, step))
        elif keyword == "RUN":
            return self._script(stand, step)
        if stand.home != "/":
            stand.paths.know(stand.home)
        return None

    def _script(self, stand: Stand, step: Step) -> Script:
        text = step.args[0] if step.instruction.exec is None else ""
        for number, name in re.findall(r"useradd\s.*?-u\s*(\d+).*?\s([a-z_][\w-]*)\s*(?:$|[;&|])", text):
            stand.names[number] = name
        try:
            script = adapt(text, stand.paths.is_own)
        except Refused as refused:
            with self._errors():
                raise BuildFailed(str(refused)) from refused
        stand.paths.know(*script.paths)
        return script

    async def _perform(self, stand: Stand, step: Step, script: Script | None) -> None:
        keyword = step.instruction.keyword
        if note := SKIPPED.get(keyword):
            self.log.write(f"note: {keyword} is skipped: {note}")
        elif keyword == "WORKDIR":
            stand.paths.real(stand.workdir).mkdir(parents=True, exist_ok=True)
        elif keyword == "VOLUME":
            for path in step.args:
                stand.paths.real(path).mkdir(parents=True, exist_ok=True)
        elif keyword in ("COPY", "ADD"):
            await asyncio.to_thread(self._copy, stand, step)
        elif script is not None:
            for note in script.notes:
                self.log.write(f"note: {note}")
            await self._execute(stand, step, script)

    def _provided_uv(self, step: Step) -> bool:
        return step.flags.get("from", "").startswith(UV_IMAGE)

    def _copy(self, stand: Stand, step: Step) -> None:
        if self._provided_uv(step):
            (stand.paths.folder / "env/uv-is-provided").touch()
            self.log.write("note: uv is this machine's own")
            return
        place, into = self._place(stand, step)
        if not is_within(place, [stand.paths.folder]):
            raise BuildFailed(f"{step.args[-1]}: a symlink leads out of the image")
        mode = int(step.flags["chmod"], 8) if re.fullmatch("[0-7]+", step.flags.get("chmod", "")) else None
        for heredoc in step.instruction.heredocs:
            target = place / heredoc.name if into else place
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(heredoc.content)
        items = self._items(step)
        copy(items, place, into=into, mode=mode, unpack=step.instruction.keyword == "ADD" and "from" not in step.flags)
        if earlier := self._earlier(step.flags.get("from", "")):
            relocate(place if place.is_dir() else place.parent, str(earlier.paths.folder), str(stand.paths.folder))

    def _items(self, step: Step) -> list[Item]:
        reference = step.flags.get("from")
        try:
            if reference is None:
                return [item for source in _sources(step) for item in self.tree.gather(source)]
            earlier = self._earlier(reference)
            if earlier is None:
                raise BuildFailed(
                    f"{reference}: this runner has no other images to copy from; it would need containers"
                )
            return [item for source in _sources(step) for item in _gather_from(earlier.paths, source)]
        except SourceMissing as missing:
            raise BuildFailed(
                f'failed to calculate checksum of ref {self.source.sha[:12]}: "{missing.source}": not found'
            ) from missing

    def _place(self, stand: Stand, step: Step) -> tuple[Path, bool]:
        """Where a COPY goes, and whether that is a folder to copy into."""
        destination = step.args[-1]
        place = stand.paths.real(posixpath.join(stand.workdir, destination))
        sources = [*_sources(step), *step.instruction.heredocs]
        named = destination.endswith("/") or posixpath.basename(destination) in (".", "..", "")
        folders = [source for source in _sources(step) if self._is_folder(step, source)]
        return place, named or len(sources) > 1 or bool(folders) or place.is_dir()

    def _is_folder(self, step: Step, source: str) -> bool:
        earlier = self._earlier(step.flags.get("from", ""))
        if earlier:
            return earlier.paths.real(posixpath.join("/", source)).is_dir()
        return (self.source.context / posixpath.normpath(posixpath.join("/", source)).lstrip("/")).is_dir()

    def _destinations(self, stand: Stand, step: Step) -> list[str]:
        destination = posixpath.normpath(posixpath.join(stand.workdir, step.args[-1]))
        if destination != "/" or self._provided_uv(step):
            return [] if self._provided_uv(step) else [destination]
        with self._errors():
            return [f"/{item.target.partition('/')[0]}" for item in self._items(step)]

    async def _execute(self, stand: Stand, step: Step, script: Script) -> None:
        paths = stand.paths
        home, cwd = paths.real(stand.home), paths.real(stand.workdir)
        for folder in (home, cwd):
            folder.mkdir(parents=True, exist_ok=True)
        env = lent_to_builds() | {name: paths.translate(value) for name, value in step.build_env.items()}
        env.pop("UV_SYSTEM_PYTHON", None)  # it would mean this machine's Python
        env |= {"HOME": str(home), "PATH": _search_path(paths, stand.env.get("PATH", IMAGE_PATH))}
        env = _with_user_packages(
            {"PYTHONUNBUFFERED": "1", "VIRTUAL_ENV": str(paths.folder / "env"), **env}, paths.folder
        )
        with self._secrets(step) as (mounted, secret_env):
            command = _run_command(stand, step, script, mounted)
            child = await Child.start(command, cwd=cwd, env=env | secret_env, feed=self.log.feed, grace=1.0)
            try:
                code = await child.wait()
            finally:
                await child.stop()
        if code:
            shown = " ".join([*stand.shell, step.args[0]] if step.instruction.exec is None else step.args)
            raise BuildFailed(f'process "{shown}" did not complete successfully: exit code: {code}')

    @contextmanager
    def _secrets(self, step: Step) -> Iterator[tuple[dict[str, Path], dict[str, str]]]:
        """The secrets that a RUN mounts: files by image path, and variables. The files go when the RUN is over."""
        folder = self.source.folder / "secrets"
        files: dict[str, Path] = {}
        env: dict[str, str] = {}
        folder.mkdir(mode=0o700)
        try:
            for name, value in step.instruction.flags:
                mount = _mount(value) if name == "mount" else {}
                if mount.get("type") == "secret":
                    self._mount_secret(mount, folder, files, env)
            yield files, env
        finally:
            remove(folder)

    def _mount_secret(self, mount: dict[str, str], folder: Path, files: dict[str, Path], env: dict[str, str]) -> None:
        name = mount.get("id") or posixpath.basename(mount.get("target", ""))
        value = self.source.secrets.get(name)
        if value is None:
            if mount.get("required", "false").lower() in ("", "true", "1"):
                raise BuildFailed(f"secret {name}: not found")
            return
        if "env" in mount:
            env[mount["env"]] = value
        if "env" not in mount or "target" in mount:
            place = folder / f"{len(files)}"
            place.touch(mode=0o600)
            place.write_text(value)
            files[mount.get("target") or mount.get("dst") or f"/run/secrets/{name}"] = place

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """A failing step ends the log with the line that says why."""
        try:
            yield
        except BuildFailed as failed:
            self.log.write(f"--> ERROR: {failed.reason}")
            raise

    def _say_what_changes(self, stand: Stand) -> None:
        port = self.source.app_port
        probe = PortAdapter(port, 0)
        texts = {"CMD": [*stand.entrypoint, *stand.command], "ENV": list(stand.env.values())}
        for where, words in texts.items():
            if any(probe(word) != word for word in words):
                self.log.write(
                    f"note: in {where}, {port} becomes a private port at each start, and 0.0.0.0 becomes 127.0.0.1: "
                    f"the Space's address stands before them"
                )
        self.log.write("note: absolute paths in the app's own code are this machine's; a container would have others")


def _hash(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _sources(step: Step) -> list[str]:
    """The sources of a COPY or ADD that are files; raises `BuildFailed` for an address."""
    sources = [word for word in step.args[:-1] if not word.startswith("<<")]
    for source in sources:
        if re.match(r"\w+://|git@", source):
            raise BuildFailed(f"ADD {source}: this runner adds no addresses; RUN curl does it visibly")
    return sources


def _gather_from(paths: ImagePaths, source: str) -> list[Item]:
    """Files of another stage, named by their image path."""
    path = posixpath.normpath(posixpath.join("/", source))
    base = paths.folder / ("env" if paths.real(path).is_relative_to(paths.folder / "env") else "root")
    relative = paths.real(path).relative_to(base).as_posix()
    try:
        return Tree(base, Tree.context(base / ".none").ignore).gather(relative)
    except SourceMissing as missing:
        raise SourceMissing(path) from missing


def _command(step: Step, shell: tuple[str, ...]) -> tuple[str, ...]:
    """The words to execute: the JSON form as it is, the shell form through the shell."""
    return step.args if step.instruction.exec is not None else (*shell, *step.args)


def _words(image: Image) -> list[str]:
    return [*image.entrypoint, *image.command]


def _is_shell(image: Image, word: str) -> bool:
    return any(char.isspace() for char in word) and _words(image)[0].endswith("sh")


def _run_command(stand: Stand, step: Step, script: Script, mounted: Mapping[str, Path]) -> list[str]:
    """What to execute for a RUN, with the image's paths and the mounted secrets where they lie."""

    def place(text: str, *, shell: bool) -> str:
        for path, file in mounted.items():
            text = text.replace(path, str(file))
        return stand.paths.translate(text, shell=shell)

    if step.instruction.exec is not None:
        return [place(word, shell=False) for word in step.args]
    text = script.text
    for heredoc in step.instruction.heredocs:
        alone = re.fullmatch(r"<<-?\s*['\"]?\w+['\"]?", text.strip())
        text = heredoc.content if alone else f"{text}\n{heredoc.content}{heredoc.name}\n"
    return [*stand.shell, place(text, shell=True)]  # noqa: S604 - of quotes


def _mount(value: str) -> dict[str, str]:
    return {name: text for name, _, text in (part.partition("=") for part in value.split(","))}


def _search_path(paths: ImagePaths, path: str) -> str:
    """PATH: the shims first, then the image's, with the image's own folders where they lie."""
    return ":".join([str(paths.folder / "shims"), *(paths.translate(entry) for entry in path.split(":") if entry)])


def _with_user_packages(env: dict[str, str], folder: Path) -> dict[str, str]:
    """With `pip install --user` packages, which an environment would not see, on PYTHONPATH."""
    places = [
        env.get("PYTHONPATH", ""),
        *map(str, sorted((folder / "root").glob("home/*/.local/lib/python*/site-packages"))),
    ]
    places += map(str, sorted((folder / "root/root").glob(".local/lib/python*/site-packages")))
    joined = ":".join(place for place in places if place)
    return env | ({"PYTHONPATH": joined} if joined else {})


def _new_stage(folder: Path, python: str, *, with_uv: bool) -> None:
    (folder / "root").mkdir(parents=True)
    make_environment(folder, python, with_uv=with_uv)


def _clone_stage(source: Path, target: Path) -> None:
    clone(source, target)
    relocate(target, str(source), str(target))


def _fresh_copy(stage: Path, run: Path, paths: ImagePaths, image: Image) -> None:
    _clone_stage(stage, run)
    for path in (image.home, image.workdir):
        paths.real(path).mkdir(parents=True, exist_ok=True)
