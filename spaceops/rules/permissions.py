"""Rules about users: what a user other than root may not write, and where caches go that it cannot reach."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from spaceops.context import Context
from spaceops.findings import Finding, Fix, Severity
from spaceops.image import Image, Line
from spaceops.image.ownership import Owners, in_image, targets, walk
from spaceops.image.runs import Run
from spaceops.pythoncode import Code
from spaceops.pythonmodule import Call, Module
from spaceops.rules import rule
from spaceops.rules.examples import SERVE
from spaceops.rules.pythonfacts import DATABASES, database_of
from spaceops.shell import UNKNOWN

_USER = "RUN useradd -m -u 1000 user\nUSER user\n"
_HOME = "ENV HOME=/home/user PATH=/home/user/.local/bin:$PATH"
_ROOT_OWNED = f"""\
FROM python:3.13-slim
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
{_USER}{SERVE}
"""
_OWNED = _ROOT_OWNED.replace("COPY . .", "COPY . .\nRUN chmod 777 /app")
_APP = '''"""Says hello."""

{imports}
from fastapi import FastAPI

{code}
app = FastAPI()


@app.get("/")
def hello() -> dict[str, str]:
    return {{"hello": "world"}}
'''
_MAKES_A_FOLDER = _APP.format(imports="import os\n", code='os.makedirs("uploads", exist_ok=True)')
_OPENS_A_DATABASE = _APP.format(imports="import sqlite3\n", code='database = sqlite3.connect("hello.db")')
_A_DEMO = 'repo_id = "acme/hello"\n[ignore]\ndata-lost = "only a demo"\n'
# Users that packages of the system bring.
_OF_PACKAGES = frozenset(
    ("nginx", "postgres", "redis", "mysql", "rabbitmq", "mongodb", "mosquitto", "sshd", "messagebus", "systemd-network",
     "_apt", "irc", "tomcat", "elasticsearch", "caddy", "memcache")
)  # fmt: skip
_MODEL_LIBRARIES = ("transformers", "huggingface-hub", "sentence-transformers", "diffusers", "datasets", "timm")
_CACHES = ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME", "TRANSFORMERS_CACHE")
_DOWNLOADS = re.compile(
    r"from_pretrained\(|snapshot_download\(|hf_hub_download\(|SentenceTransformer\(|whisper\.load_model\(|pipeline\("
)
_MAKING = ("os.makedirs", "os.mkdir")
_OWN_PLACE = re.compile(r"cache_dir|local_dir|cache_folder|download_root")


def _owners(ctx: Context) -> Owners | None:
    """Who owns what in the image, where its app runs as another user than root; else None."""
    if ctx.image is None or ctx.image.is_root is not False:
        return None
    return in_image(ctx.image, ctx.runs)


def _home(image: Image, owners: Owners) -> str | None:
    """HOME of the running app: of ENV, or of the list of users; "/" for a number that is not in it. None: not known."""
    if "HOME" in image.env:
        return None if UNKNOWN in image.env["HOME"] else image.env["HOME"]
    name = image.user.partition(":")[0]
    account = owners.accounts.named(name)
    if account is not None:
        return account.home or None
    return "/" if name.isdecimal() and owners.accounts.is_whole else None


@rule(
    Severity.ERROR,
    bad={"Dockerfile": ("RUN useradd -m -u 1000 user\n", "")},
    good={"Dockerfile": ("USER user", "USER 1000")},
)
def user_missing(ctx: Context) -> Iterator[Finding]:
    """`USER name` takes a user that the image has; it makes none. With a name that nobody made the next step stops with
    "unable to find user". Make the user above it: `RUN useradd -m -u 1000 user`.
    """
    ours = {line.number for line in ctx.image.lines} if ctx.image else set()  # not those of the other stages
    for line, _run, owners in walk(ctx.image, ctx.runs) if ctx.image else ():
        if line.keyword != "USER" or not line.step.args:
            continue
        name = line.step.args[0].partition(":")[0]
        before = [run for run in ctx.runs if run.line.number < line.number and run.line.number in ours]
        is_read = all(run.known.is_read and run.is_read for run in before)
        if owners.accounts.has(name) is False and is_read and UNKNOWN not in name and name not in _OF_PACKAGES:
            if _may_bring_users(ctx, line):
                continue
            yield Finding(
                f"The image has no user {name}: nothing above the line makes it, and USER does not",
                hint=f"Put {_useradd(ctx.image, name)} above the line.",
                where=line.where(),
            )
            return


def _may_bring_users(ctx: Context, line: Line) -> bool:
    """Whether a copied file may be the list of users."""
    copied = ctx.image.copied if ctx.image else ()
    return any(
        one.line.number < line.number and (one.target in ("/", "/etc") or "passwd" in one.target) for one in copied
    )


def _useradd(image: Image | None, name: str) -> str:
    is_alpine = image is not None and image.base.distribution == "alpine"
    return f"RUN adduser -D -u 1000 {name}" if is_alpine else f"RUN useradd -m -u 1000 {name}"


@rule(
    Severity.ERROR,
    bad={"Dockerfile": ("ENV HOME", "RUN mkdir /data\nENV HOME")},
    good={"Dockerfile": ("ENV HOME", "RUN mkdir /home/user/data /tmp/data\nENV HOME")},
)
def run_permission(ctx: Context) -> Iterator[Finding]:
    """After `USER name`, RUN lines are carried out as that user, who may write into its home folder, into /tmp and into
    what belongs to it, and nowhere else. The build stops with "Permission denied". Do it above `USER`, as root, and
    give the user what it needs with `chown`.
    """
    seen = set[int]()
    for line, run, owners in walk(ctx.image, ctx.runs) if ctx.image else ():
        if run is None or run.is_root is not False or not run.is_certain or line.number in seen:
            continue
        if (denied := _denied(run, owners)) is not None:
            seen.add(line.number)
            what, path = denied
            yield Finding(
                f"The user {line.user} may not {what}{f': {path} belongs to {_owner(owners, path)}' if path else ''}",
                hint=f"Move the line above USER {line.user}"
                + (f", and give it the folder with RUN chown -R {line.user} {path}." if path.count("/") > 1 else "."),
                where=run.where,
            )


def _owner(owners: Owners, path: str) -> str:
    return owners.places[owners.nearest(path)].owner or "root"


def _denied(run: Run, owners: Owners) -> tuple[str, str] | None:
    """What the command may surely not do, and to which folder; None where it may, or where that is not known."""
    user = run.line.user
    for word in run.command.redirects if not run.command.nested else ():
        path = owners.path(word)
        folder = posixpath.dirname(path) if path else ""
        if path and not path.startswith("/dev/") and owners.may_write(folder, user) is False:
            return f"write {path}", owners.nearest(folder)
    if run.name in ("useradd", "adduser", "groupadd", "userdel", "usermod"):
        return f"run {run.name}: only root may change the list of users", ""
    if run.name in ("npm", "yarn", "pnpm"):
        return _denied_to_npm(run, owners)
    if run.name in ("mkdir", "touch"):
        return _denied_making(run, owners)
    return _denied_changing(run, owners) if run.name in ("chown", "chmod") else None


def _denied_making(run: Run, owners: Owners) -> tuple[str, str] | None:
    for path in filter(None, map(owners.path, targets(run.command))):
        around = posixpath.dirname(path)
        if path not in owners.places and owners.may_write(around, run.line.user) is False:
            return f"make {path}", owners.nearest(around)
    return None


def _denied_changing(run: Run, owners: Owners) -> tuple[str, str] | None:
    """Only its owner may change the mode of a folder, and only root its owner."""
    _, *words = targets(run.command) or [""]
    for path in filter(None, map(owners.path, words)):
        place = owners.places.get(path)
        if place is None or place.owner is None or owners.may_write(path, run.line.user) is not False:
            continue
        what = "mode" if run.name == "chmod" else "owner"
        return f"change the {what} of {path}", path
    return None


def _denied_to_npm(run: Run, owners: Owners) -> tuple[str, str] | None:
    words = {word for word in run.words[1:] if not word.startswith("-")}
    is_global = run.command.has("-g", "--global")
    if not words & {"install", "ci", "i", "add"} and run.words[1:]:
        return None
    if is_global:
        env = run.line.step.build_env
        is_plain = run.image.base.repository == "node" and not any(name.upper() == "NPM_CONFIG_PREFIX" for name in env)
        is_told = any("prefix" in one.instruction.args for one in run.image.lines) or run.command.has("--prefix")
        return ("install for all with npm: /usr/local belongs to root", "") if is_plain and not is_told else None
    folder = owners.folder
    if UNKNOWN in folder or run.command.has("--prefix", "-C", "--cwd") or f"{folder}/node_modules" in owners.places:
        return None
    return ("make node_modules", owners.nearest(folder)) if owners.may_write(folder, run.line.user) is False else None


@rule(
    Severity.WARNING,
    bad={
        "Dockerfile": f"FROM python:3.13-slim\nRUN pip install --no-cache-dir fastapi uvicorn\n{_USER}"
        f"WORKDIR /root/app\nCOPY . .\n{SERVE}\n"
    },
    good={
        "Dockerfile": "FROM python:3.13-slim\nRUN pip install --no-cache-dir fastapi uvicorn && chmod 755 /root\n"
        f"{_USER}WORKDIR /root/app\nCOPY . .\n{SERVE}\n"
    },
)
def workdir_unreachable(ctx: Context) -> Iterator[Finding]:
    """`/root` is root's home folder, and nobody else may enter it. Where WORKDIR lies there and the Space's user is
    another one, the app cannot find its own files, or does not start at all ("chdir: permission denied"). Use a folder
    such as /app.
    """
    image = ctx.image
    if image is None or image.is_root is not False or not f"{image.workdir}/".startswith("/root/"):
        return
    is_touched = any("/root" in run.words and run.name in ("chmod", "chown", "setfacl") for run in ctx.runs)
    is_read = all(run.is_read for run in ctx.runs)
    if _owners_known(image) and is_read and not is_touched:
        yield Finding(
            f"The app runs as {image.user} in {image.workdir}, and only root may enter /root",
            hint="Write WORKDIR /app for it, and COPY the files there.",
            where=_last(image, "WORKDIR"),
        )


def _owners_known(image: Image) -> bool:
    return image.base.repository in ("python", "node", "debian", "ubuntu", "alpine")


def _last(image: Image, keyword: str) -> str:
    """Where the last instruction of a kind stands."""
    lines = [line for line in image.lines if line.keyword == keyword]
    return lines[-1].where() if lines else "Dockerfile"


@dataclass(frozen=True)
class _Write:
    """A call that makes a folder or a file at a path that is written out."""

    module: Module
    call: Call
    path: str
    is_certain: bool  # it makes what the path says, wherever it is run


def _writes(code: Code) -> Iterator[_Write]:
    for module, call in code.calls(*_MAKING, "open"):
        if isinstance(path := call.args[0] if call.args else None, str) and (
            call.name != "open" or _is_for_writing(call)
        ):
            yield _Write(module, call, path, call.name != "open")
    for module in code.modules.values():
        paths = [call for call in module.called("pathlib.Path") if call.args and isinstance(call.args[0], str)]
        for call in module.called(".mkdir"):
            yield from (_Write(module, call, str(one.args[0]), False) for one in paths if _is_of(call, one))


def _starts_in_workdir(image: Image, code: Code) -> bool:
    """Whether the app surely runs in the image's working directory: no script and no option that changes it."""
    words = image.cmd.words if image.cmd is not None and not image.cmd.is_shell else ()
    is_plain = bool(words) and not re.search(r"(^|/)(ba|da|a)?sh$|\.sh$", words[0]) and "--chdir" not in " ".join(words)
    return is_plain and image.entrypoint is None and not any(code.calls("os.chdir"))


def _is_of(call: Call, path: Call) -> bool:
    """Whether a method is one of the path: `Path("x").mkdir()`, or of the name that the path is bound to."""
    return path.line == call.line if call.receiver == "" else path.targets == (call.receiver,)


def _is_for_writing(call: Call) -> bool:
    mode = call.argument(1, "mode")
    return isinstance(mode, str) and bool(re.search("[wax]", mode))


def _with_chown(ctx: Context, folder: str) -> Fix | None:
    """The Dockerfile with the folder given to the user; only proposed: another folder may be better."""
    users = [line for line in ctx.image.lines if line.keyword == "USER"] if ctx.image else []
    if len(users) != 1 or users[0].is_root is not True:
        return None
    lines = (ctx.text("Dockerfile") or "").splitlines(keepends=True)
    lines.insert(users[0].number - 1, f"RUN chown {users[0].step.args[0]} {folder}\n")
    return Fix.text("Dockerfile", "".join(lines), safe=False)


def _denied_folder(ctx: Context, owners: Owners, path: str, *, is_file: bool) -> str | None:
    """The folder that keeps the app from making something at a path; None where it may, or where that is not known."""
    image = ctx.image
    if image is None or UNKNOWN in image.workdir + path or not path or "://" in path or path.startswith("~"):
        return None
    path = image.absolute(path)
    folder, exists = posixpath.dirname(path), path in owners.places
    mounts = [volume.mount.rstrip("/") for volume in ctx.space.volumes]
    if any(f"{path}/".startswith(f"{mount}/") for mount in mounts) or (exists and not is_file):
        return None
    denied = owners.may_write(path if exists else folder, image.user) is False
    return owners.nearest(folder) if denied else None


@rule(
    Severity.WARNING,
    bad={"Dockerfile": _ROOT_OWNED, "main.py": _MAKES_A_FOLDER},
    good={"Dockerfile": _OWNED, "main.py": _MAKES_A_FOLDER},
)
def appdir_permission(ctx: Context) -> Iterator[Finding]:
    """The app runs as another user than root, and the folder that it writes to is root's: what WORKDIR makes above
    `USER`, and what COPY copies without `--chown`. The app fails with "Permission denied". Give the folder to the user
    with `RUN chown user /app` above `USER`.
    """
    owners, code = _owners(ctx), ctx.python
    if owners is None or code is None or ctx.image is None:
        return
    seen = set[str]()
    for write in _writes(code):
        folder = _denied_folder(ctx, owners, write.path, is_file=write.call.name == "open")
        if folder is None or folder in seen or folder == "/":
            continue
        seen.add(folder)
        is_certain = write.is_certain and code.is_run(write.module, write.call) and code.is_whole
        is_certain = is_certain and (write.path.startswith("/") or _starts_in_workdir(ctx.image, code))
        yield Finding(
            f"The app runs as {ctx.image.user} and makes {write.path!r} in {_owner(owners, folder)}'s {folder}",
            hint=f"Put RUN chown {ctx.image.user} {folder} above USER {ctx.image.user}.",
            where=f"{write.module.path}:{write.call.line}",
            fix=_with_chown(ctx, folder),
            severity=Severity.ERROR if is_certain else None,
        )


@rule(
    Severity.WARNING,
    bad={"Dockerfile": _ROOT_OWNED, "main.py": _OPENS_A_DATABASE, "space.toml": _A_DEMO},
    good={"Dockerfile": _OWNED, "main.py": _OPENS_A_DATABASE},
)
def sqlite_readonly(ctx: Context) -> Iterator[Finding]:
    """SQLite writes its file and, beside it, a journal: the user needs the right to write into the folder, not only to
    the file. Without it: "unable to open database file", or "attempt to write a readonly database".
    """
    owners, code = _owners(ctx), ctx.python
    if owners is None or code is None or ctx.image is None:
        return
    for module, call in code.calls(*DATABASES):
        path = database_of(call)
        folder = _denied_folder(ctx, owners, path, is_file=True) if path else None
        if folder is not None:
            yield Finding(
                f"The app runs as {ctx.image.user} and keeps {path!r} in {_owner(owners, folder)}'s {folder}",
                hint=f"Put RUN chown {ctx.image.user} {folder} above USER {ctx.image.user}.",
                where=f"{module.path}:{call.line}",
                fix=_with_chown(ctx, folder),
            )
            return


@rule(
    Severity.WARNING,
    bad={
        "Dockerfile": ("RUN useradd -m -u 1000 user\nUSER user\n" + _HOME + "\n", "USER 1000\n"),
        "requirements.txt": "fastapi==0.116.1\nuvicorn==0.35.0\nhuggingface-hub==0.34.4\n",
    },
    good={
        "Dockerfile": (
            "RUN useradd -m -u 1000 user\nUSER user\n" + _HOME + "\n",
            "USER 1000\nENV HF_HOME=/tmp/huggingface\n",
        ),
        "requirements.txt": "fastapi==0.116.1\nuvicorn==0.35.0\nhuggingface-hub==0.34.4\n",
    },
)
def cache_permission(ctx: Context) -> Iterator[Finding]:
    """Libraries keep what they download below HOME. A user that the image does not know, such as `USER 1000` without a
    `useradd`, has `/` for HOME and may not write there: "Permission denied: '/.cache'". Name a folder with HF_HOME, or
    make a user with a home folder.
    """
    owners = _owners(ctx)
    if owners is None or ctx.image is None or ctx.requirements is None:
        return
    library = next((name for name in _MODEL_LIBRARIES if ctx.requirements.has(name)), None)
    home = _home(ctx.image, owners)
    names = {*ctx.image.env, *ctx.space.environment, *(ctx.python.env_sets if ctx.python else ())}
    if library and home and names.isdisjoint(_CACHES) and owners.may_write(home, ctx.image.user) is False:
        yield Finding(
            f"{library} keeps its downloads below HOME, which is {home}, and {ctx.image.user} may not write there",
            hint="Write ENV HF_HOME=/tmp/huggingface below USER.",
            where=_last(ctx.image, "USER"),
        )


@rule(
    Severity.INFO,
    bad={
        "Dockerfile": ("RUN useradd -m -u 1000 user\nUSER user\n" + _HOME + "\n", "USER 1000\n"),
        "requirements.txt": "fastapi==0.116.1\nuvicorn==0.35.0\nmatplotlib==3.10.6\n",
    },
    good={"requirements.txt": "fastapi==0.116.1\nuvicorn==0.35.0\nmatplotlib==3.10.6\n"},
)
def matplotlib_cache(ctx: Context) -> Iterator[Finding]:
    """Matplotlib keeps its list of fonts below HOME. Where it may not write there, it makes the list anew at each start
    and says so in the log.
    """
    owners = _owners(ctx)
    if owners is None or ctx.image is None or ctx.requirements is None or not ctx.requirements.has("matplotlib"):
        return
    home, names = _home(ctx.image, owners), {*ctx.image.env, *ctx.space.environment}
    is_told = not names.isdisjoint({"MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"})
    if home and not is_told and owners.may_write(home, ctx.image.user) is False:
        yield Finding(
            f"Matplotlib cannot keep its list of fonts: {ctx.image.user} may not write into {home}, its HOME",
            hint="Write ENV MPLCONFIGDIR=/tmp/matplotlib below USER.",
            where=_last(ctx.image, "USER"),
        )


_DOWNLOAD = "RUN pip install huggingface-hub && hf download openai-community/gpt2\n"


@rule(
    Severity.WARNING,
    bad={"Dockerfile": ("RUN useradd", f"{_DOWNLOAD}RUN useradd")},
    good={"Dockerfile": ("RUN useradd", f"ENV HF_HOME=/opt/models\n{_DOWNLOAD}RUN useradd")},
)
def model_cached_as_root(ctx: Context) -> Iterator[Finding]:
    """What root downloads while the image is built lies in /root/.cache. The app runs as another user, looks into its
    own home folder, and downloads it again at each start. Name one folder for both with HF_HOME, and give it to the
    user.
    """
    if ctx.image is None or ctx.image.is_root is not False:
        return
    own = {line.number for line in ctx.image.lines}
    for run in ctx.runs:
        env = run.line.step.build_env
        is_elsewhere = env.get("HOME", "/root") != "/root" or not env.keys().isdisjoint(_CACHES)
        if run.line.is_root and _is_download(run) and not is_elsewhere and run.line.number in own:
            yield Finding(
                f"root downloads the model to /root/.cache; the app runs as {ctx.image.user}, and does not find it",
                hint="Move the line below USER, or put ENV HF_HOME=/opt/models above it and RUN chown -R "
                f"{ctx.image.user} /opt/models below.",
                where=run.where,
            )
            return


def _is_download(run: Run) -> bool:
    text = " ".join(run.words)
    if any(one.startswith((*_CACHES, "HOME=")) for one in run.command.assigned):
        return False
    if run.name in ("huggingface-cli", "hf"):
        return "download" in run.words and not run.command.has("--local-dir", "--cache-dir")
    return run.name.startswith("python") and bool(_DOWNLOADS.search(text)) and not _OWN_PLACE.search(text)


@rule(
    Severity.WARNING,
    bad={"Dockerfile": ("ENV HOME", "ENV TRANSFORMERS_CACHE=/tmp/models\nENV HOME")},
    good={"Dockerfile": ("ENV HOME", "ENV HF_HOME=/tmp/models\nENV HOME")},
)
def tcache_deprecated(ctx: Context) -> Iterator[Finding]:
    """Version 5 of transformers no longer reads TRANSFORMERS_CACHE: models then go to HF_HOME, or below HOME, and are
    downloaded again. HF_HOME is read by every version.
    """
    hint = "Write HF_HOME for TRANSFORMERS_CACHE."
    message = "TRANSFORMERS_CACHE is no longer read by transformers 5: the models go elsewhere"
    lines = [line for line in ctx.image.lines if line.keyword == "ENV"] if ctx.image else []
    names = {arg.partition("=")[0]: line for line in lines for arg in line.step.args}
    if "TRANSFORMERS_CACHE" in names and "HF_HOME" not in names:
        line = names["TRANSFORMERS_CACHE"]
        yield Finding(message, hint, line.where(), fix=_with_hf_home(ctx, line))
    if "TRANSFORMERS_CACHE" in ctx.space.environment and "HF_HOME" not in ctx.space.environment:
        yield Finding(message, hint, ctx.spec_where("TRANSFORMERS_CACHE"))


def _with_hf_home(ctx: Context, line: Line) -> Fix | None:
    """The Dockerfile with the name changed; only proposed: HF_HOME has the models in a folder below it."""
    lines = (ctx.text("Dockerfile") or "").splitlines(keepends=True)
    for number in range(line.number - 1, len(lines)):
        if "TRANSFORMERS_CACHE" in lines[number]:
            lines[number] = lines[number].replace("TRANSFORMERS_CACHE", "HF_HOME", 1)
            return Fix.text("Dockerfile", "".join(lines), safe=False)
    return None
