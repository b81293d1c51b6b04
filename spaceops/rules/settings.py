"""What space.toml sets, against what the app asks for, what the Hub does, and what it costs."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import TYPE_CHECKING

from spaceops.findings import Finding, Severity
from spaceops.pythoncode.routes import served
from spaceops.rules import all_rules, rule
from spaceops.rules.cardfields import FLAVORS, ZERO_GPU
from spaceops.rules.pythonfacts import database_of
from spaceops.secretlooks import is_secret_name
from spaceops.shell import UNKNOWN
from spaceops.spec import FREE_HARDWARE

if TYPE_CHECKING:
    from spaceops.context import Context
    from spaceops.pythonmodule import Call, EnvRead, Module

# What the Hub gives to every Docker Space, and what a container has anyway.
OF_THE_HUB = frozenset(
    (
        *("SPACE_ID", "SPACE_HOST", "SPACE_AUTHOR_NAME", "SPACE_REPO_NAME", "SPACE_TITLE", "SPACE_CREATOR_USER_ID"),
        *("CPU_CORES", "MEMORY", "ACCELERATOR"),
    )
)
OF_A_LOGIN = frozenset(("OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_SCOPES", "OPENID_PROVIDER_URL"))
OF_A_CONTAINER = frozenset(("PATH", "HOME", "HOSTNAME", "PWD", "TERM", "LANG", "SHLVL", "OLDPWD", "_"))
_KUBERNETES = "KUBERNETES_"
_LOADERS = frozenset(("PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONHOME"))

_GPU_BASES = ("nvidia/cuda", "nvcr.io/", "pytorch/pytorch", "tensorflow/tensorflow", "vllm/", "rocm/", "ollama/")
_GPU_PACKAGES = (
    *("torch", "tensorflow", "jax", "onnxruntime-gpu", "cupy-cuda12x", "cupy-cuda11x", "vllm", "llama-cpp-python"),
    *("ctranslate2", "faster-whisper", "paddlepaddle-gpu", "tensorrt", "numba", "pycuda", "xgboost", "lightgbm"),
)

_UPLOADS = ("upload_file", "upload_folder", "create_commit", "upload_large_folder")
_UPLOADING = (
    *(f"huggingface_hub.{name}" for name in _UPLOADS),
    *(f"huggingface_hub.HfApi.{name}" for name in _UPLOADS),
    *(f".{name}" for name in _UPLOADS),
    "huggingface_hub.CommitScheduler",
)
_STORAGE = tuple(
    f"{start}{name}"
    for start in (".", "huggingface_hub.")
    for name in ("request_space_storage", "delete_space_storage")
)
_MAKING = ("open", "os.makedirs", "os.mkdir", "shutil.copy", "shutil.copyfile", "shutil.copytree", "shutil.move")
DATA = "/data"
NOT_FOUND = 404
_OF_FASTAPI = ("/docs", "/redoc", "/openapi.json")
_WITH_HUB = {"requirements.txt": "fastapi==0.116.1\nuvicorn==0.35.0\nhuggingface_hub==0.30.0\n"}
_PYTHON_PROGRAMS = ("python", "python3", "uvicorn", "gunicorn", "hypercorn", "fastapi")
_FLEETING = ("/tmp/", "/var/tmp/", "/dev/", "/run/")  # noqa: S108, a place that is not written to here


def _app(imports: str, does: str) -> str:
    """The code of an app that does something when it is asked."""
    route = '@app.get("/")\ndef hello() -> str:'
    return f'{imports}\n\nfrom fastapi import FastAPI\n\napp = FastAPI()\n\n\n{route}\n    {does}\n    return "hello"\n'


def _on(hardware: str) -> dict[str, str]:
    """A space.toml with paid hardware."""
    lines = [
        'repo_id = "acme/hello"',
        f'hardware = "{hardware}"',
        'sleep_time = "1h"',
        "[limits]",
        "max_hourly_cost = 1",
    ]
    return {"space.toml": "\n".join(lines)}


_UPLOAD = {
    **_WITH_HUB,
    "main.py": _app(
        "from huggingface_hub import HfApi", 'HfApi().upload_file(b"", path_in_repo="x", repo_id="acme/log")'
    ),
}


@rule(
    Severity.ERROR,
    bad={"space.toml": 'repo_id = "acme/hello.git"\n'},
    good={"space.toml": 'repo_id = "acme/Hello_world-2.0"\n'},
)
def space_name_invalid(ctx: Context) -> Iterator[Finding]:
    """A Space is named `owner/name`: letters, digits, `-`, `_` and `.`, at most 96 characters.

    It neither begins nor ends with `-` or `.`, holds no `--` or `..`, and does not end with `.git`, which is how git
    calls a repository: the Hub refuses to create it.
    """
    if ctx.has_spec and ctx.space.repo_id.endswith(".git"):
        name = ctx.space.repo_id.removesuffix(".git")
        yield Finding(
            f"The Hub takes no Space named {ctx.space.repo_id}: a name cannot end with .git",
            hint=f'Write repo_id = "{name}".',
            where=ctx.spec_where("repo_id"),
        )


@rule(
    Severity.WARNING,
    bad={"main.py": _app("import os", 'os.environ["WEATHER_API_KEY"]')},
    good={"main.py": _app("import os", 'os.environ.get("WEATHER_REGION", "eu")')},
)
def missing_secret(ctx: Context) -> Iterator[Finding]:
    """The code asks for an environment variable that nobody sets: neither space.toml nor the Dockerfile.

    On your machine it may come from your shell or from a `.env` file; none of them goes along to the Hub. What is
    secret stands in space.toml under `[secrets]`, what everybody may read under `[variables]`.
    """
    if ctx.has_spec:
        for module, read in _unset(ctx):
            yield _of_read(ctx, module, read)
    elif names := list(dict.fromkeys(read.name for _, read in _unset(ctx) if read.is_required)):
        module, read = next((module, read) for module, read in _unset(ctx) if read.is_required)
        yield Finding(
            f"The code needs environment variables that the Dockerfile does not set: {', '.join(names[:5])}",
            hint="Set them in the Space's settings: as secrets what nobody may read, the others as variables.",
            where=f"{module.path}:{read.line}",
            severity=Severity.INFO,
        )


@rule(
    Severity.WARNING,
    bad=_UPLOAD,
    good={**_UPLOAD, "space.toml": 'repo_id = "acme/hello"\n\n[secrets]\nHF_TOKEN = "env:HF_TOKEN"\n'},
)
def hub_write_no_token(ctx: Context) -> Iterator[Finding]:
    """The app uploads to the Hub, and no token is among the Space's secrets.

    A running Space has no rights of its own: without a token that may write there, `upload_file` ends in 401. Make one
    with write access to that repository only, and give it as the secret `HF_TOKEN`, which `huggingface_hub` looks for.
    """
    if not ctx.has_spec or ctx.python is None or not ctx.python.imports("huggingface_hub"):
        return
    names = ctx.space.secrets.keys() | ctx.space.variables.keys() | _known_there(ctx)
    if any("HF" in name or "HUGGING" in name or "TOKEN" in name for name in names):
        return
    is_other = ctx.python.imports("boto3", "aioboto3", "google.cloud")
    for module, call in ctx.python.calls(*_UPLOADING):
        if not (is_other and call.name.startswith(".")):
            yield Finding(
                f"The call of {call.name.rpartition('.')[2]} writes to the Hub, and no secret holds a token for it",
                hint='Write under [secrets] in space.toml HF_TOKEN = "env:HF_TOKEN", and export there a token that may'
                " write to that repository: https://huggingface.co/settings/tokens",
                where=f"{module.path}:{call.line}",
            )
            return


@rule(
    Severity.WARNING,
    bad={"main.py": _app("import sqlite3", 'sqlite3.connect("visits.db")')},
    good={"main.py": _app("import sqlite3", 'sqlite3.connect(":memory:")')},
)
def data_lost(ctx: Context) -> Iterator[Finding]:
    """The app keeps data in a file, and no volume is mounted there.

    The disk of a Space is emptied with every restart, every new commit, and when it has slept. `/data` is a folder like
    any other, until a Storage Bucket is mounted there; `os.path.exists("/data")` does not tell whether one is.
    """
    kept = next(_kept(ctx), None)
    if kept is not None:
        place, path = kept
        know = "" if ctx.has_spec else ", unless a volume is mounted there"
        yield Finding(
            f"What the app writes to {path} is lost with the next restart{know}: the disk of a Space is not kept",
            hint=f"Mount a Storage Bucket and write there: in space.toml [[volumes]] with source ="
            f' "hf://buckets/OWNER/NAME" and mount = "{DATA}".',
            where=place,
            severity=Severity.WARNING if ctx.has_spec else Severity.INFO,
        )


@rule(
    Severity.WARNING,
    bad={"space.toml": 'repo_id = "acme/hello"\n\n[health]\npath = "/ready"\n'},
    good={"space.toml": 'repo_id = "acme/hello"\n\n[health]\npath = "/docs"\n'},
)
def health_path_missing(ctx: Context) -> Iterator[Finding]:
    """A deploy has succeeded when the app answers `path` of `[health]`; an app without that path never does.

    Without `[health]` the path is `/`.
    """
    path = ctx.space.health.path.partition("?")[0]
    routes = served(ctx.python) if ctx.python else None
    is_alone = ctx.startup is not None and len(ctx.startup.processes) == 1  # else another may answer in front
    if routes is None or not is_alone or path == "/" or ctx.space.health.status == NOT_FOUND:
        return
    if routes.answers(path) is False and not (routes.framework == "fastapi" and path in _OF_FASTAPI):
        yield Finding(
            f"The health check asks for {path}, and the app answers no GET of it: a deploy would never succeed",
            hint=f'Add a route for GET "{path}" to the app, or write under [health] in space.toml a path that it has.',
            where=ctx.spec_where("path"),
        )


@rule(
    Severity.WARNING,
    bad={
        **_WITH_HUB,
        "main.py": _app(
            "from huggingface_hub import request_space_storage", 'request_space_storage("acme/x", "small")'
        ),
    },
    good={**_WITH_HUB, "main.py": _app("from huggingface_hub import restart_space", 'restart_space("acme/x")')},
)
def storage_removed(ctx: Context) -> Iterator[Finding]:
    """The code asks for persistent storage, which Spaces do not have any more.

    The paid storage plans are gone, and `huggingface_hub` 2 has no such function. What is to be kept goes into a
    Storage Bucket that is mounted as a volume.
    """
    for module, call in ctx.python.calls(*_STORAGE) if ctx.python else ():
        yield Finding(
            f"The call of {call.name.rpartition('.')[2]} fails: the Hub has no persistent storage for Spaces any more",
            hint='Mount a Storage Bucket instead: [[volumes]] in space.toml, source = "hf://buckets/OWNER/NAME".',
            where=f"{module.path}:{call.line}",
        )


@rule(
    Severity.INFO,
    bad=_on("t4-small"),
    good=_on("cpu-upgrade"),
)
def hardware_unused(ctx: Context) -> Iterator[Finding]:
    """The Space pays for a GPU that nothing in it uses, or carries the software of one on hardware that has none.

    A GPU is used by packages such as torch; torch from the CPU index never uses it. A CUDA image makes a Space without
    a GPU some gigabytes larger, and slower to start.
    """
    flavors = [FLAVORS[name] for name in ctx.space.flavors if name in FLAVORS]
    if not flavors or len(flavors) < len(ctx.space.flavors) or ctx.image is None:
        return
    if all(flavor.has_gpu and flavor.is_paid for flavor in flavors):
        yield from _gpu_unused(ctx)
    elif not any(flavor.has_gpu for flavor in flavors) and ctx.image.base.repository == "nvidia/cuda":
        yield Finding(
            f"The image begins with nvidia/cuda, and {ctx.space.flavors[0]} has no GPU: it is too large for nothing",
            hint="Begin with FROM python:3.12-slim; torch and its like bring their own CUDA.",
            where=f"Dockerfile:{ctx.dockerfile.stages[-1].line if ctx.dockerfile else 1}",
        )


@rule(
    Severity.INFO,
    bad={"space.toml": 'repo_id = "acme/hello"\nhardware = "cpu-upgrade"\n\n[limits]\nmax_hourly_cost = 1.0\n'},
    good={"space.toml": 'repo_id = "acme/hello"\nhardware = "cpu-basic"\n'},
)
def never_sleeps(ctx: Context) -> Iterator[Finding]:
    """Paid hardware is paid for as long as the Space runs, whether or not anybody visits it.

    Without `sleep_time` it runs day and night. With `sleep_time = "1h"` it sleeps an hour after the last visit, costs
    nothing, and wakes with the next one.
    """
    paid = _paid(ctx)
    if paid and ctx.space.sleep_seconds is None:
        yield Finding(
            f"The hardware {paid[0]} is paid by the hour, and without sleep_time the Space runs day and night",
            hint='Write sleep_time = "1h" into space.toml; sleep_time = "never" says that this is wanted.',
            where=ctx.spec_where("hardware"),
        )


@rule(
    Severity.INFO,
    bad={"space.toml": 'repo_id = "acme/hello"\nhardware = "cpu-upgrade"\nsleep_time = "1h"\n'},
    good={"space.toml": 'repo_id = "acme/hello"\nhardware = "cpu-basic"\n'},
)
def no_cost_limit(ctx: Context) -> Iterator[Finding]:
    """Paid hardware, and no limit to what it may cost.

    With `max_hourly_cost` under `[limits]`, spaceops refuses to deploy to hardware that costs more: a slip of the pen
    in `hardware` may be forty dollars an hour. The Hub's prices are shown by `spaceops hardware ls`.
    """
    paid = _paid(ctx)
    if paid and ctx.space.limits.max_hourly_cost is None:
        yield Finding(
            f"The hardware {paid[0]} is paid by the hour, and no limit says how much it may be",
            hint="Write [limits] with max_hourly_cost = 1.0 (dollars) into space.toml.",
            where=ctx.spec_where("hardware"),
        )


@rule(
    Severity.INFO,
    bad={"space.toml": 'repo_id = "acme/hello"\nhardware = "cpu-basic"\nsleep_time = "1h"\n'},
    good={"space.toml": 'repo_id = "acme/hello"\nsleep_time = "1h"\n'},
)
def sleep_time_ignored(ctx: Context) -> Iterator[Finding]:
    """`sleep_time` is for paid hardware: on `cpu-basic` a Space sleeps after two days without a visit, in any case."""
    if ctx.space.flavors == (FREE_HARDWARE,) and ctx.space.sleep_seconds is not None:
        yield Finding(
            f"The sleep_time has no effect on {FREE_HARDWARE}: there a Space sleeps after two days without a visit",
            hint="Remove sleep_time, or choose paid hardware, such as cpu-upgrade.",
            where=ctx.spec_where("sleep_time"),
        )


@rule(
    Severity.INFO,
    bad={"space.toml": 'repo_id = "acme/hello"\n\n[variables]\nSPACE_ID = "acme/other"\n'},
    good={"space.toml": 'repo_id = "acme/hello"\n\n[variables]\nSPACE_COLOR = "blue"\n'},
)
def variable_of_the_hub(ctx: Context) -> Iterator[Finding]:
    """A variable or a secret has a name that the Hub or the container sets itself.

    `SPACE_ID`, `SPACE_HOST`, `CPU_CORES` and the like tell the app where it runs. `PATH` says where programs are looked
    for: a value from space.toml replaces that of the image, and its programs may not be found any more.
    """
    for name in (*ctx.space.variables, *ctx.space.secrets):
        if name in OF_THE_HUB:
            said, hint = "the Hub sets it itself, for every Space", f"Remove {name}, or give it another name."
        elif name in _LOADERS:
            said, hint = (
                "it replaces what the image says, and programs may not be found",
                f"Write ENV {name}=… into the Dockerfile.",
            )
        else:
            continue
        yield Finding(f"The name {name} is not for a setting of yours: {said}", hint=hint, where=ctx.spec_where(name))


@rule(
    Severity.INFO,
    bad={"space.toml": 'repo_id = "acme/hello"\n\n[ignore]\nsleep-time-ignored = "we know"\n'},
    good={
        "space.toml": 'repo_id = "acme/hello"\nhardware = "cpu-basic"\nsleep_time = "1h"\n\n'
        '[ignore]\nsleep-time-ignored = "we know"\n'
    },
)
def ignore_without_effect(ctx: Context) -> Iterator[Finding]:
    """`[ignore]` in space.toml names a finding that there is not: it may go, lest it hides one that comes later."""
    rules = all_rules()
    for code in ctx.space.ignore:
        one = rules.get(code)
        if one and one.body is not ignore_without_effect and one.bad and not any(one.findings(ctx)):
            yield Finding(
                f"[ignore] names {code}, and nothing is found under this code",
                hint=f"Remove the line {code} = … from space.toml.",
                where=ctx.spec_where(code),
            )


def _unset(ctx: Context) -> Iterator[tuple[Module, EnvRead]]:
    """What the code asks for and nobody sets: the first place for each name."""
    if ctx.python is None or ctx.image is None:
        return
    card = ctx.card.fields if ctx.card else {}
    there = {*ctx.space.variables, *ctx.space.secrets, *ctx.image.env, *ctx.python.env_sets, *_known_there(ctx)}
    there |= OF_THE_HUB | OF_A_CONTAINER | (OF_A_LOGIN if card.get("hf_oauth") else frozenset())
    asked = {read.name for _, read in ctx.python.env_reads if not read.is_required}
    for module, read in sorted(ctx.python.env_reads, key=lambda found: not found[1].is_required):
        if read.name in there or read.has_default or read.name.startswith(_KUBERNETES):
            continue
        is_guarded = read.name in asked and not ctx.python.is_run(module, read)
        if (read.is_required and not is_guarded) or is_secret_name(read.name):
            there.add(read.name)
            yield module, read


def _of_read(ctx: Context, module: Module, read: EnvRead) -> Finding:
    """The finding about one variable, an error where the Hub told that it is not there and it is needed at once."""
    name, is_certain = read.name, ctx.python is not None and ctx.python.is_run(module, read)
    ends = ": without it the app ends at its start" if is_certain else ""
    if not read.is_required:
        message = f"The code asks for {name}, and space.toml does not set it"
    else:
        message = f"The code needs the environment variable {name}, and space.toml does not set it{ends}"
    table, value = ("[secrets]", f'"env:{name}"') if is_secret_name(name) else ("[variables]", '"…"')
    is_known = ctx.remote is not None and ctx.remote.settings is not None  # else it may have been set by hand
    sure = Severity.ERROR if is_certain and is_known and _is_all_env(ctx) else Severity.WARNING
    severity = sure if read.is_required else Severity.INFO
    return Finding(
        message,
        hint=f"Write under {table} in space.toml {name} = {value}.",
        where=f"{module.path}:{read.line}",
        severity=severity,
    )


def _is_all_env(ctx: Context) -> bool:
    """Whether nothing else can set a variable before the code runs: no script, no image that is not known."""
    image, code = ctx.image, ctx.python
    if image is None or code is None or image.base.env is None or not code.is_whole:
        return False
    start = image.entrypoint or image.cmd
    return start is not None and not start.is_shell and start.words[0].rpartition("/")[2] in _PYTHON_PROGRAMS


def _known_there(ctx: Context) -> frozenset[str]:
    """The names of the settings that the Hub has already, where it was asked."""
    return ctx.remote.settings or frozenset() if ctx.remote else frozenset()


def _kept(ctx: Context) -> Iterator[tuple[str, str]]:
    """Where data is written to a file that is not kept, and to which."""
    mounts = [volume.mount.rstrip("/") for volume in ctx.space.volumes]
    mounts += [str(volume.get("mountPath", "")).rstrip("/") for volume in ctx.remote.volumes] if ctx.remote else []
    for place, path in (*_in_code(ctx), *_in_settings(ctx)):
        if not any(path == mount or path.startswith(f"{mount}/") for mount in mounts) and not path.startswith(
            _FLEETING
        ):
            yield place, path


def _in_code(ctx: Context) -> Iterator[tuple[str, str]]:
    for module in ctx.python.modules.values() if ctx.python else ():
        for call in module.calls:
            path = database_of(call) or _data_path(call)
            if path:
                yield f"{module.path}:{call.line}", path


def _data_path(call: Call) -> str | None:
    """What is opened for writing, or made, below /data; who only asks for it is prepared for the answer."""
    is_read = call.name == "open" and not set(str(call.argument(1, "mode") or "r")) & set("wax+")
    if call.name not in _MAKING or is_read:
        return None
    paths = (value for value in call.args if isinstance(value, str) and UNKNOWN not in value)
    return next((path for path in paths if path == DATA or path.startswith(f"{DATA}/")), None)


def _in_settings(ctx: Context) -> Iterator[tuple[str, str]]:
    """Folders of /data that a variable names."""
    for name, value in ctx.space.environment.items():
        if value == DATA or value.startswith(f"{DATA}/"):
            yield ctx.spec_where(name), posixpath.normpath(value)


def _gpu_unused(ctx: Context) -> Iterator[Finding]:
    found, image = ctx.requirements, ctx.image
    if found is None or image is None or image.base.repository.startswith(_GPU_BASES):
        return
    name, place = ctx.space.flavors[0], ctx.spec_where("hardware")
    indexes = [one for install in found.installs for one in install.indexes]
    indexes += [one for file in found.files for one in file.option("--index-url", "--extra-index-url", "-i")]
    torch = found.named("torch")
    if torch and (any("whl/cpu" in one for one in indexes) or "+cpu" in torch.specifier):
        yield Finding(
            f"The package torch is installed from its index for CPUs, so the GPU of {name} is never used",
            hint="Remove the index https://download.pytorch.org/whl/cpu: PyPI's torch brings CUDA.",
            where=torch.where,
            severity=Severity.WARNING,
        )
    elif found.is_certain and not found.has(*_GPU_PACKAGES):
        yield Finding(
            f"The hardware {name} has a GPU that is paid for, and no package that uses one is installed",
            hint='Write hardware = "cpu-upgrade" or "cpu-basic" into space.toml.',
            where=place,
        )


def _paid(ctx: Context) -> list[str]:
    """The hardware of space.toml that costs something."""
    return [name for name in ctx.space.flavors if name in FLAVORS and FLAVORS[name].is_paid and name != ZERO_GPU]
