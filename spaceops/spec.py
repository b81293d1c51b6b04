"""What a Space should be: `Space`, read from space.toml. Frozen data, no effects."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from spaceops import environments
from spaceops.errors import BadInput, SpecError
from spaceops.fields import read, refuse_unknown
from spaceops.ignorerules import is_pattern
from spaceops.secret import expanded, is_reference, local_file

FILE_NAME = "space.toml"
BUSY_STAGES = frozenset({"BUILDING", "APP_STARTING", "RUNNING_BUILDING", "RUNNING_APP_STARTING"})
FREE_HARDWARE = "cpu-basic"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
ENVIRONMENT = "SPACEOPS_ENV"  # the variable that chooses an environment
NEVER = -1  # the Hub's word for "does not sleep"

# The rules of `huggingface_hub.utils.validate_repo_id`, for a name with its owner.
_REPO_ID = re.compile(r"(?!.*(--|\.\.))(?=.{1,96}$)\w([\w.-]*\w)?/\w([\w.-]*\w)?", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_VOLUME = re.compile(r"(hf://[^:]+):(/[^:]+)(:ro)?")
# Whole buckets and repositories; of models and data sets some old ones have no owner, and `hf://NAME` is a model.
_NAME = r"[\w-][\w.-]*"
_KINDS = "models|datasets|buckets|spaces"
_SOURCE = re.compile(
    rf"hf://(((models|datasets)/|(?!({_KINDS})(/|$))){_NAME}(/{_NAME})?|(buckets|spaces)/{_NAME}/{_NAME})", re.ASCII
)
_DURATION = re.compile(r"(\d+)\s*([smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}

_OURS = frozenset({"folder", "file", "env_name", "references"})  # fields of Space that are no keys

Visibility = Literal["public", "protected", "private"]
Transport = Literal["api", "git"]
OnFailure = Literal["rollback", "pause", "keep"]


class Health(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[health]`: what must answer before a deploy has succeeded."""

    path: Annotated[str, Meta(description="The path that is asked for, with GET.")] = "/"
    status: Annotated[int, Meta(ge=100, le=599, description="The HTTP status that counts as healthy.")] = 200
    times: Annotated[int, Meta(ge=1, le=100, description="How many answers in a row make it healthy.")] = 3
    body: Annotated[str | None, Meta(description="Text that a healthy answer holds.")] = None
    grace: Annotated[
        str, Meta(description="How long after the start a wrong answer (404, a redirect) is taken for start-up.")
    ] = "30s"
    timeout: Annotated[str, Meta(description="How long the build and the start may take: 90s, 15m, 1h.")] = "30m"

    @property
    def seconds(self) -> int:
        """The time-out in seconds."""
        return seconds("health.timeout", self.timeout)

    @property
    def grace_seconds(self) -> int:
        """The grace in seconds."""
        return seconds("health.grace", self.grace)


class Limits(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[limits]`: what a deploy may not exceed."""

    max_hourly_cost: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(description="Dollars an hour that the hardware may cost; apply refuses more."),
    ] = None


class Volume(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[volumes]]`: a bucket or a repository that the app sees as a folder."""

    source: Annotated[str, Meta(description="hf://buckets/NS/NAME, hf://models/…, hf://datasets/… or hf://spaces/….")]
    mount: Annotated[str, Meta(description="The folder in the container, such as /data.")]
    read_only: Annotated[bool, Meta(description="Repositories are always read-only.")] = False
    revision: Annotated[str | None, Meta(description="Of a repository: branch, tag or commit; main without it.")] = None
    path: Annotated[str | None, Meta(description="The folder in the source that is mounted; all of it without.")] = None


class Space(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a Space should be. A field left out is left alone on a Space that exists."""

    repo_id: Annotated[str, Meta(description="owner/name of the Space.")]
    source: Annotated[str, Meta(description="The folder that is pushed, seen from space.toml.")] = "."
    visibility: Annotated[
        Visibility | None, Meta(description="public, protected (private source, public app) or private.")
    ] = None
    hardware: Annotated[
        str | tuple[str, ...] | None,
        Meta(description="A flavor of the Hub, such as t4-small, or a list: the first that the Hub has free is taken."),
    ] = None
    sleep_time: Annotated[
        str | int | None, Meta(description="Idle time before it sleeps: 30m, 2h, or never. Not on cpu-basic.")
    ] = None
    transport: Annotated[
        Transport, Meta(description="api (the Hub's commit API) or git: the same commit by either.")
    ] = "api"
    exclude: Annotated[
        tuple[str, ...], Meta(description="Patterns, as in .gitignore, of files in the source that are not pushed.")
    ] = ()
    keep: Annotated[
        tuple[str, ...], Meta(description="Patterns, as in .gitignore, of files on the Hub that are never removed.")
    ] = ()
    prune: Annotated[
        bool,
        Meta(description="Whether variables, secrets and files that are on the Hub only are removed, not just shown."),
    ] = False
    on_failure: Annotated[
        OnFailure,
        Meta(description="When a deploy does not come up: rollback to the last release that ran, pause, or keep."),
    ] = "rollback"
    fingerprints: Annotated[
        bool,
        Meta(description="Whether the descriptions of secrets carry a fingerprint, to tell changed from unchanged."),
    ] = True
    variables: Annotated[
        Mapping[str, str | int | float | bool], Meta(description="Environment variables. Everybody can read them.")
    ] = {}
    secrets: Annotated[
        Mapping[str, str],
        Meta(description="References, never values: env:NAME, file:PATH, dotenv:FILE#NAME, cmd:COMMAND."),
    ] = {}
    volumes: Annotated[tuple[Volume, ...], Meta(description="Buckets and repositories mounted as folders.")] = ()
    health: Annotated[Health, Meta(description="What must answer before a deploy has succeeded.")] = Health()
    limits: Annotated[Limits, Meta(description="What a deploy may not exceed.")] = Limits()
    ignore: Annotated[
        Mapping[str, Annotated[str, Meta(min_length=1)]],
        Meta(description="Findings of `check` that are right here: the code, and the reason, which `check` shows."),
    ] = {}
    # not keys of space.toml, but where it lies, which of its environments this is, and all that its secrets are read of
    folder: Path = msgspec.field(default_factory=Path)
    file: str = FILE_NAME
    env_name: str | None = None
    references: frozenset[str] = frozenset()

    @classmethod
    def load(cls, path: str | Path = ".", *, env: str | None = None, **changes: Any) -> Space:
        """Read `path` (a space.toml, or the folder with one); `changes` replace fields.

        `env` chooses one of its environments; without it SPACEOPS_ENV does; where that is empty too, the top level
        counts. A relative path is looked for from the working directory and then from its parents.
        Raises `BadInput` when there is no file and `SpecError` when it is wrong.
        """
        file = find(path)
        try:
            data = tomllib.loads(file.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            hint = "Mend the line named; spaceops docs space shows how each key is written."
            raise SpecError("syntax", got=str(error), want="valid TOML", hint=hint, file=file.name) from error
        env = os.environ.get(ENVIRONMENT) if env is None else env
        changes = {name: value for name, value in changes.items() if value is not None}
        return cls.parse(data, env=env or None, changes=changes, folder=file.parent, file=file.name)

    @classmethod
    def parse(
        cls,
        data: Mapping[str, Any],
        *,
        env: str | None = None,
        changes: Mapping[str, Any] | None = None,
        folder: Path = Path(),
        file: str = FILE_NAME,
    ) -> Space:
        """Make a `Space` of plain data, every field checked, in all environments; `changes` replace fields."""
        changes = changes or {}
        refuse_unknown(cls, {**data, **changes}, file=file, ours=_OURS, also=[environments.KEY])
        references = frozenset(environments.references(data, file))
        given = {"folder": folder, "file": file, "env_name": env, "references": references}
        known = environments.tables(data, file)
        top = {key: value for key, value in data.items() if key != environments.KEY}
        if known:
            _check_environments(cls, data, top, given)
        chosen = {**(environments.merged(data, env, file) if env else top), **changes}
        if known and "repo_id" not in chosen:
            hint = f"Choose one: {', '.join(f'-e {name}' for name in known)}."
            raise SpecError("repo_id", got=None, want="a value, or an environment with one", hint=hint, file=file)
        return _made(cls, chosen, given)

    @property
    def flavors(self) -> tuple[str, ...]:
        """The hardware in order of preference; empty where it is unmanaged."""
        if self.hardware is None:
            return ()
        return (self.hardware,) if isinstance(self.hardware, str) else self.hardware

    @property
    def root(self) -> Path:
        """The folder that is pushed."""
        return (self.folder / self.source).resolve()

    @property
    def private_files(self) -> frozenset[Path]:
        """Files that are never pushed: space.toml itself, and those that secrets are read from, in any environment."""
        found = (local_file(reference, self.folder) for reference in {*self.references, *self.secrets.values()})
        return frozenset({(self.folder / self.file).resolve(), *filter(None, found)})

    @property
    def environment(self) -> dict[str, str]:
        """The variables as the app will see them: numbers and booleans as text."""
        return {
            key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in self.variables.items()
        }

    @property
    def sleep_seconds(self) -> int | None:
        """The sleep time as the Hub counts it: seconds, -1 for never, None for unmanaged."""
        if self.sleep_time is None or isinstance(self.sleep_time, int):
            return self.sleep_time
        return NEVER if self.sleep_time == "never" else seconds("sleep_time", self.sleep_time)


def find(path: str | Path) -> Path:
    """The space.toml that `path` means: the file itself or in that folder; from here, then from each parent folder."""
    path = expanded(path)
    try:
        here = Path.cwd()
    except FileNotFoundError as error:
        raise BadInput("The working directory was deleted", hint="cd to a folder that exists.") from error
    for start in [here, *here.parents]:
        place = start / path
        if place.is_dir() and (place / FILE_NAME).is_file():
            return (place / FILE_NAME).resolve()
        if place.is_file() and place.suffix == ".toml":
            return place.resolve()
        if path.is_absolute():
            break
    raise BadInput(f"No {FILE_NAME} at {path}", hint=f"spaceops new {path} writes an app with one.")


def seconds(name: str, duration: str) -> int:
    """The seconds of `90s`, `15m`, `2h` or `1d`. Raises `SpecError` for anything else."""
    found = _DURATION.fullmatch(duration.strip())
    if not found:
        file = "the command line" if name.startswith("--") else FILE_NAME
        raise SpecError(name, got=duration, want="a duration", hint="90s, 15m, 2h, 1d", file=file)
    return int(found[1]) * _SECONDS[found[2]]


def idle(sleep_time: int | None) -> str:
    """A sleep time in seconds as people write it: `2h`, `never`."""
    if sleep_time is None:
        return "never"
    unit, size = next((unit, size) for unit, size in reversed(_SECONDS.items()) if sleep_time % size == 0)
    return f"{sleep_time // size}{unit}"


def repo_id_of(text: str) -> str:
    """The `owner/name` in what users write: `owner/name`, `spaces/owner/name`, a URL of the Space, `hf://spaces/…`."""
    name = re.sub(r"^(hf|https?)://([^/]*(?=/spaces/)/)?", "", text.strip()).removeprefix("spaces/").strip("/")
    if not _REPO_ID.fullmatch(name):
        hint = "owner/name, a URL of a Space, or a folder with a space.toml."
        want = "owner/name of letters, digits, '-', '_' and '.'"
        raise SpecError("repo_id", got=text, want=want, hint=hint, file="Space")
    return name


def variable_name(text: str) -> str:
    """The name of a variable or secret. Raises `SpecError` for what no environment takes."""
    if not _VARIABLE.fullmatch(text):
        want, hint = "letters, digits and '_', no digit first", "LOG_LEVEL is one."
        raise SpecError("name", got=text, want=want, hint=hint, file="the command line")
    return text


def volume_of(text: str) -> Volume:
    """The volume in `hf://[TYPE/]SOURCE:/MOUNT[:ro]`, as hf writes it."""
    found = _VOLUME.fullmatch(text)
    if not found:
        raise SpecError("volume", got=text, want="hf://[TYPE/]SOURCE:/MOUNT[:ro]", file="volumes")
    return Volume(source=found[1], mount=found[2], read_only=bool(found[3]))


def volume_as_written(volume: Mapping[str, Any]) -> Volume:
    """A volume in the Hub's form (type, source, mountPath, readOnly, revision, path) as space.toml has it."""
    kind = volume["type"]
    read_only = kind == "bucket" and bool(volume.get("readOnly"))  # repositories are read-only anyhow
    revision = volume.get("revision")
    return Volume(
        source=f"hf://{kind}s/{volume['source']}",
        mount=volume["mountPath"],
        read_only=read_only,
        revision=None if revision == "main" else revision,
        path=volume.get("path") or None,
    )


def short(sha: str | None) -> str:
    """The first seven digits of a commit."""
    return sha[:7] if sha else "nothing"


def schema() -> dict[str, Any]:
    """The JSON Schema of space.toml."""
    made = msgspec.json.schema(Space, schema_hook=lambda _: {"type": "string"})
    top = made["$defs"]["Space"]
    top["properties"] = {name: key for name, key in top["properties"].items() if name not in _OURS}
    names = {"type": "array", "items": {"type": "string"}, "description": environments.WITHOUT_MEANS}
    within = {**top, "title": "Environment", "properties": {**top["properties"], environments.WITHOUT: names}}
    within["description"] = "One environment: what it does not say, it inherits."
    tables = {"type": "object", "additionalProperties": {"$ref": "#/$defs/Environment"}}
    tables["description"] = "Environments such as staging and production, each a Space of its own."
    made["$defs"]["Environment"] = within
    top["properties"][environments.KEY] = tables
    top["anyOf"] = [{"required": [key]} for key in (*top.pop("required"), environments.KEY)]
    return made


def _check_environments(
    kind: type[Space], data: Mapping[str, Any], top: Mapping[str, Any], given: Mapping[str, Any]
) -> None:
    """Check the top level, which may be a mere base, and every environment over it: what is wrong there is theirs."""
    file = given["file"]
    _made(kind, {"repo_id": "owner/name", **top}, given)
    for name, table in environments.tables(data, file).items():
        where = f"{environments.KEY}.{name}."
        refuse_unknown(kind, table, file=file, where=where, ours=_OURS, also=[environments.WITHOUT])
        whole = environments.merged(data, name, file)
        try:
            _made(kind, whole, given)
        except SpecError as error:
            path = where + error.field
            raise SpecError(path, got=error.got, want=error.want, hint=error.hint, file=file) from error
    environments.refuse_shared(data, file)


def _made(kind: type[Space], data: Mapping[str, Any], given: Mapping[str, Any]) -> Space:
    space = read(kind, data, given=given, file=given["file"])
    for check in (_check_names, _check_secrets, _check_hardware, _check_patterns, _check_volumes, _check_times):
        check(space, space.file)
    return space


def _check_names(space: Space, file: str) -> None:
    if not _REPO_ID.fullmatch(space.repo_id):
        raise SpecError("repo_id", got=space.repo_id, want="owner/name", file=file)
    for table in ("variables", "secrets"):
        for key in getattr(space, table):
            if not _VARIABLE.fullmatch(key):
                raise SpecError(f"{table}.{key}", got=key, want="letters, digits and '_', no digit first", file=file)
    for key in sorted(space.variables.keys() & space.secrets.keys()):
        raise SpecError(f"secrets.{key}", got=key, want="a name that is not a variable too", file=file)


def _check_secrets(space: Space, file: str) -> None:
    for key, reference in space.secrets.items():
        if not is_reference(reference):
            hint = f'{key} = "env:{key}" takes the value from the environment.'
            want = "a reference, never the value"
            raise SpecError(f"secrets.{key}", got="[REDACTED]", want=want, hint=hint, file=file)


def _check_hardware(space: Space, file: str) -> None:
    flavors = space.flavors
    if space.hardware is not None and (not flavors or not all(flavors)):
        hint = "spaceops hardware ls shows them; without the key the hardware is left alone."
        raise SpecError("hardware", got=space.hardware, want="the name of a flavor, or several", hint=hint, file=file)
    for number, flavor in enumerate(flavors):
        if flavor in flavors[:number]:
            want = "each flavor once: the first that the Hub has free is taken"
            raise SpecError(f"hardware[{number}]", got=flavor, want=want, file=file)


def _check_patterns(space: Space, file: str) -> None:
    for field in ("exclude", "keep"):
        for number, pattern in enumerate(getattr(space, field)):
            if not is_pattern(pattern):
                hint = "data/, *.csv, !data/keep.csv"
                raise SpecError(f"{field}[{number}]", got=pattern, want="a pattern of .gitignore", hint=hint, file=file)


def _check_volumes(space: Space, file: str) -> None:
    mounts: dict[str, int] = {}
    for number, volume in enumerate(space.volumes):
        if not volume.source.startswith("hf://") or not volume.mount.startswith("/"):
            got = f"{volume.source} at {volume.mount}"
            raise SpecError(f"volumes[{number}]", got=got, want="source hf://… and mount /…", file=file)
        if not _SOURCE.fullmatch(volume.source):
            want = "hf://buckets/NS/NAME, hf://models/…, hf://datasets/… or hf://spaces/…"
            hint = "A folder in it stands under `path`, the revision of a repository under `revision`."
            raise SpecError(f"volumes[{number}].source", got=volume.source, want=want, hint=hint, file=file)
        if (other := mounts.setdefault(volume.mount.rstrip("/"), number)) != number:
            want = f"another folder than volumes[{other}] has"
            raise SpecError(f"volumes[{number}].mount", got=volume.mount, want=want, file=file)


def _check_times(space: Space, file: str) -> None:
    if not space.health.path.startswith("/"):
        raise SpecError("health.path", got=space.health.path, want="a path that starts with /", file=file)
    if space.sleep_seconds is not None and space.sleep_seconds != NEVER and space.sleep_seconds <= 0:
        raise SpecError("sleep_time", got=space.sleep_time, want="a duration such as 30m, or never", file=file)
    if space.health.seconds <= 0:
        raise SpecError("health.timeout", got=space.health.timeout, want="a duration such as 15m", file=file)
    _ = space.health.grace_seconds
