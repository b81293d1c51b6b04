"""Rules about what RUN lines do: programs that are not there, users, servers, and what a build cannot keep."""

from __future__ import annotations

import re
from collections.abc import Iterator

from spaceops.context import Context
from spaceops.findings import Finding, Severity
from spaceops.image.accounts import ADDING
from spaceops.image.bases import Base
from spaceops.image.runs import Run
from spaceops.pipcommands import PIP, PYTHON
from spaceops.rules import rule
from spaceops.rules.examples import NODE_SERVE, NODE_SERVER
from spaceops.shell import UNKNOWN

_INSTALLS = "RUN pip install --no-cache-dir -r requirements.txt"  # a line of the good Dockerfile
_NODE_USER = "FROM node:22-slim\nRUN useradd -m -u 1000 user\nUSER user\nWORKDIR /app\nCOPY . .\n"
_NODE = "FROM node:22-slim\nUSER node\nWORKDIR /app\nCOPY . .\n"
# Programs with the package that brings them, where it has another name.
_PACKAGES = {
    "gcc": "build-essential", "g++": "build-essential", "cc": "build-essential", "make": "build-essential",
    "ps": "procps", "ssh": "openssh-client", "xz": "xz-utils", "python": "python3", "pip": "python3-pip",
    "pip3": "python3-pip", "useradd": "shadow", "groupadd": "shadow", "usermod": "shadow", "npx": "npm",
}  # fmt: skip
_ON_ALPINE = {"build-essential": "build-base", "python3-pip": "py3-pip", "xz-utils": "xz"}
# Packages that bring none of the programs that are asked for here, neither themselves nor with what they need.
_HARMLESS_PACKAGES = frozenset(
    ("ca-certificates", "ffmpeg", "libgl1", "libglib2.0-0", "libgomp1", "libsm6", "libxext6", "libxrender1",
     "libpq-dev", "libsndfile1", "tzdata", "tesseract-ocr", "poppler-utils", "fonts-liberation", "locales", "curl",
     "wget", "git", "unzip", "jq", "nano", "vim", "procps", "libc6-compat", "openssl", "tini", "dumb-init")
)  # fmt: skip
_BRINGS = {"git": {"git-lfs"}, "gcc": {"g++", "clang"}, "cc": {"gcc", "g++", "clang"}, "npm": {"nodejs"}}
# Programs that are asked for here.
_CHECKED = frozenset(
    ("curl", "wget", "git", "gcc", "g++", "make", "unzip", "zip", "bash", "sudo", "pip", "pip3", "python", "npm", "npx",
     "node", "useradd", "groupadd", "usermod", "jq", "rsync", "ffmpeg", "cmake", "pnpm", "uv", "poetry")
)  # fmt: skip
_BROUGHT = {"pnpm": ("corepack",), "uv": (), "poetry": ()}  # by other package managers, or with what is copied
_SERVERS = frozenset({"uvicorn", "gunicorn", "hypercorn", "daphne", "waitress-serve"})
_SERVER_MODULES = _SERVERS | {"http.server", "flask", "streamlit"}
_NO_START = ("--version", "--help", "-h", "-v", "--check-config", "--print-config", "-D", "--daemon")
_LOST = frozenset({"export", "cd", ".", "source"})
_CUDA_IN_PYTHON = re.compile(
    r"torch\.cuda\.(?!is_available)|\.cuda\(\)|to\(['\"]cuda|assert\s+torch\.cuda\.is_available"
)


@rule(
    Severity.ERROR,
    bad={"Dockerfile": ("RUN useradd", "RUN git clone https://github.com/octocat/hello /opt/hello\nRUN useradd")},
    good={
        "Dockerfile": (
            "RUN useradd",
            "RUN apt-get update && apt-get install -y git\n"
            "RUN git clone https://github.com/octocat/hello /opt/hello\nRUN useradd",
        )
    },
)
def build_command_missing(ctx: Context) -> Iterator[Finding]:
    """A RUN line can only use programs that the image has. The `-slim` and `-alpine` images leave out git, curl,
    compilers and much else: the build stops with "not found" and exit code 127. Install the program first.
    """
    seen = set[str]()
    for run in ctx.runs:
        program = _program(run)
        if program in seen or not run.is_certain or not _is_missing(run, program):
            continue
        seen.add(program)
        base = run.image.base
        yield Finding(
            f"The line needs {program}, and {base.name} does not have it",
            hint=_how_to_get(program, base),
            where=run.where,
        )


def _program(run: Run) -> str:
    """The program that the command cannot do without."""
    if run.by_sudo:
        return "sudo"
    is_pip = bool(run.words) and (PIP.fullmatch(run.name) or "pip" in run.words[1:3])
    return "git" if is_pip and any("git+" in word for word in run.words) else run.name


def _is_missing(run: Run, program: str) -> bool:
    asked = run.known.packages
    brings = {program, _PACKAGES.get(program, program), *_BRINGS.get(program, ())}
    is_unsure = not asked <= _HARMLESS_PACKAGES or not run.known.is_charted or run.words[0].startswith("/")
    is_missing = run.image.base.has(program) is False and brings.isdisjoint(asked) and not is_unsure
    return program in _CHECKED and is_missing and not _is_named_before(run, program)


def _is_named_before(run: Run, program: str) -> bool:
    """Whether another command names the program, which it may install: `npm install -g pnpm`, `pip install uv`."""
    texts = [" ".join(one.words) for _, one in run.image.runs if one.name != program]
    texts += [line.instruction.args for line in run.image.lines if line.keyword in ("COPY", "ADD")]
    return program in _BROUGHT and any(word in text for text in texts for word in (program, *_BROUGHT[program]))


def _how_to_get(program: str, base: Base) -> str:
    package = _PACKAGES.get(program, program)
    if program == "sudo":
        return "Leave sudo out: the lines of a Dockerfile are root's until USER."
    if program in ("npm", "npx", "node", "python", "pip", "pip3"):
        image = "python:3.13-slim" if program in ("python", "pip", "pip3") else "node:24-slim"
        return f"Start FROM {image}, or install {package} above this line."
    if program in _BROUGHT:
        return f"Put RUN {'npm install -g' if program == 'pnpm' else 'pip install'} {program} above this line."
    if base.distribution == "alpine":
        if package == "shadow":
            return "Write adduser -D -u 1000 user: that is Alpine's."
        return f"Put RUN apk add --no-cache {_ON_ALPINE.get(package, package)} above this line."
    return f"Put RUN apt-get update && apt-get install -y {package} above this line."


@rule(
    Severity.ERROR,
    bad={"Dockerfile": f"{_NODE_USER}{NODE_SERVE}", "server.js": NODE_SERVER},
    good={"Dockerfile": f"{_NODE}{NODE_SERVE}", "server.js": NODE_SERVER},
)
def useradd_uid_taken(ctx: Context) -> Iterator[Finding]:
    """Each user of an image has a number of its own, and some images have a user with 1000 already: `node` in the node
    images, `ubuntu` in Ubuntu since 23.04. `useradd -u 1000` then stops with "UID 1000 is not unique". Take the user
    that is there.
    """
    for run in ctx.runs:
        before = run.known.accounts
        added = before.added(run.command) if run.name in ADDING else None
        if added is None or not run.is_certain or not run.known.is_read or added.is_doubled:
            continue
        owner = before.by_uid(added.uid) if added.uid is not None else None
        other = before.users.get(added.name) or owner
        if other is not None and not (added.is_service and other.name == added.name):
            what = f"a user {other.name}" if other.name == added.name else f"a user with the number {added.uid}"
            name = "" if other.name == added.name else f": {other.name}"
            yield Finding(
                f"{run.name} fails: {run.image.base.name} has {what} already{name}",
                hint=f"Take this line out and write USER {other.name}, or put RUN "
                f"{'deluser --remove-home' if run.image.base.distribution == 'alpine' else 'userdel -r'} {other.name} "
                "above it.",
                where=run.where,
            )


@rule(
    Severity.ERROR,
    bad={"Dockerfile": (_INSTALLS, f"RUN nvidia-smi\n{_INSTALLS}")},
    good={"Dockerfile": (_INSTALLS, f"RUN nvidia-smi || true\n{_INSTALLS}")},
)
def gpu_at_build(ctx: Context) -> Iterator[Finding]:
    """The image is built on a machine without a GPU, whatever hardware the Space has: `nvidia-smi` is not there, and
    `torch.cuda` finds no driver. Ask for the GPU when the app starts.
    """
    for run in ctx.runs:
        if run.name == "nvidia-smi" and run.is_certain:
            yield Finding(
                "nvidia-smi is not there while the image is built: the build has no GPU",
                hint="Take the line out, or call nvidia-smi in the start script.",
                where=run.where,
            )
        elif PYTHON.fullmatch(run.name) and run.is_certain and any(_CUDA_IN_PYTHON.search(one) for one in run.words):
            yield Finding(
                "The line uses the GPU, and the build has none",
                hint="Move it to the app: if torch.cuda.is_available(): …",
                where=run.where,
                severity=Severity.WARNING,
            )


@rule(
    Severity.ERROR,
    bad={"Dockerfile": (_INSTALLS, f"{_INSTALLS}\nRUN uvicorn main:app --host 0.0.0.0 --port 7860")},
    good={"Dockerfile": (_INSTALLS, f"{_INSTALLS}\nRUN uvicorn --version")},
)
def server_at_build(ctx: Context) -> Iterator[Finding]:
    """RUN is done while the image is built, and the build waits until the command ends. A server never ends. What is to
    run in the Space is named by CMD.
    """
    for run in ctx.runs:
        if run.is_certain and run.command.after != "&" and _is_server(run):
            text = " ".join(run.words)
            yield Finding(
                f"The build waits for {run.name} to end, and a server never does",
                hint=f"Write CMD for RUN, as the last line: CMD {text}"
                if UNKNOWN not in text
                else "Write CMD for RUN.",
                where=run.where,
            )


def _is_server(run: Run) -> bool:
    words = run.words
    if any(word in _NO_START for word in words) or len(words) < 2:
        return False
    if PYTHON.fullmatch(run.name) and words[1] == "-m" and len(words) > 2:
        return words[2] in _SERVER_MODULES and (words[2] not in ("flask", "streamlit") or "run" in words[3:])
    return (
        run.name in _SERVERS
        or (run.name in ("flask", "streamlit") and words[1] == "run")
        or (run.name == "ollama" and words[1] == "serve")
    )


@rule(
    Severity.WARNING,
    bad={"Dockerfile": (_INSTALLS, f"RUN export APP_MODE=space\n{_INSTALLS}")},
    good={"Dockerfile": (_INSTALLS, "RUN export PIP_NO_CACHE_DIR=1 && pip install -r requirements.txt")},
)
def run_without_effect(ctx: Context) -> Iterator[Finding]:
    """Each RUN line is a shell of its own, and only files outlive it. A variable that it exports, the folder that it
    changes to, the environment that it activates and the service that it starts are gone with the next line.
    """
    of_line: dict[int, list[Run]] = {}
    for run in ctx.runs:
        of_line.setdefault(run.line.number, []).append(run)
    for runs in of_line.values():
        last = runs[-1]
        if last.command.nested:
            continue
        if all(run.name in _LOST or not run.words for run in runs):
            yield Finding(*_lost(last), where=last.where, severity=_severity_of(last))
        elif last.name in ("service", "systemctl") and _starts_service(last):
            yield Finding(*_lost(last), where=last.where)


def _severity_of(run: Run) -> Severity | None:
    return Severity.INFO if run.name == "cd" else None


def _starts_service(run: Run) -> bool:
    return "start" in run.words[1:] or "restart" in run.words[1:]


def _lost(run: Run) -> tuple[str, str]:
    """The message and the hint for what a RUN line cannot keep."""
    word = run.words[1] if len(run.words) > 1 and UNKNOWN not in run.words[1] else ""
    if run.name == "cd":
        return (
            "cd has no effect on the lines below: each RUN is a shell of its own",
            f"Write WORKDIR {word or '/app'}",
        )
    if run.name == "export":
        return (
            "export has no effect on the lines below or on the app: each RUN is a shell of its own",
            f"Write ENV {word or 'NAME=value'}",
        )
    if run.name in (".", "source"):
        folder = word.rpartition("/bin/")[0] or "/opt/venv"
        return (
            "Activating an environment has no effect on the lines below: each RUN is a shell of its own",
            f"Write ENV PATH={folder}/bin:$PATH",
        )
    return (
        f"{run.name} starts a service that ends with this line: nothing that RUN starts is there when the Space runs",
        "Start it in the script that CMD names.",
    )


@rule(
    Severity.WARNING,
    bad={
        "Dockerfile": (
            "RUN useradd -m -u 1000 user",
            "RUN pip install playwright && playwright install --with-deps chromium\nRUN useradd -m -u 1000 user",
        ),
    },
    good={
        "Dockerfile": (
            "RUN useradd -m -u 1000 user",
            "ENV PLAYWRIGHT_BROWSERS_PATH=/opt/browsers\n"
            "RUN pip install playwright && playwright install --with-deps chromium\nRUN useradd -m -u 1000 user",
        ),
    },
)
def playwright_path(ctx: Context) -> Iterator[Finding]:
    """`playwright install` puts the browsers into the home folder of the user that runs it. What root installs there
    another user does not find: "Executable doesn't exist at /home/user/.cache/ms-playwright". Name a folder for all
    with PLAYWRIGHT_BROWSERS_PATH.
    """
    for run in _playwright(ctx):
        env = run.line.step.build_env
        is_set = "PLAYWRIGHT_BROWSERS_PATH" in env or any("BROWSERS_PATH" in one for one in run.command.assigned)
        is_moved = env.get("HOME", "/root") != "/root"
        if run.is_root and ctx.image and ctx.image.is_root is False and not (is_set or is_moved):
            yield Finding(
                f"root installs the browsers for itself; the app runs as {ctx.image.user}, which does not find them",
                hint="Put ENV PLAYWRIGHT_BROWSERS_PATH=/opt/browsers above this line.",
                where=run.where,
            )


@rule(
    Severity.WARNING,
    bad={"Dockerfile": (_INSTALLS, f"{_INSTALLS}\nRUN pip install playwright && playwright install chromium")},
    good={
        "Dockerfile": (
            "RUN useradd",
            "RUN pip install playwright\n"
            "RUN PLAYWRIGHT_BROWSERS_PATH=/opt/browsers playwright install --with-deps chromium\nRUN useradd",
        )
    },
)
def playwright_libraries(ctx: Context) -> Iterator[Finding]:
    """`playwright install` brings browsers, but not the system's libraries that they need, and a slim image has none of
    them: "Host system is missing dependencies". `--with-deps`, as root, installs them with apt.
    """
    runs = list(_playwright(ctx))
    has_libraries = any(run.command.has("--with-deps") or "install-deps" in run.words for run in runs)
    for run in runs:
        is_bare = run.image.base.is_slim or run.image.base.repository in ("debian", "ubuntu")
        if is_bare and not has_libraries and "libnss3" not in run.known.packages and run.known.is_charted:
            yield Finding(
                "The browsers that Playwright brings need libraries of the system that the image does not have",
                hint="Above USER, write RUN playwright install --with-deps chromium.",
                where=run.where,
            )


def _playwright(ctx: Context) -> Iterator[Run]:
    """The commands that install Playwright's browsers."""
    for run in ctx.runs:
        words = run.words[2:] if run.words[1:2] == ("-m",) else run.words[1:] if run.name == "npx" else run.words
        if words and words[0] == "playwright" and words[1:2] in (("install",), ("install-deps",)):
            yield run


@rule(
    Severity.WARNING,
    bad={"Dockerfile": (_INSTALLS, f"{_INSTALLS}\nRUN pip install --no-binary :all: numpy")},
    good={"Dockerfile": (_INSTALLS, f"{_INSTALLS}\nRUN pip install --only-binary :all: numpy")},
)
def build_oom_137(ctx: Context) -> Iterator[Finding]:
    """The machine that builds the image has little memory. A large package that is compiled there, instead of taken as
    a ready-made wheel, may end the build with exit code 137.
    """
    for run in ctx.runs:
        is_pip = PIP.fullmatch(run.name) or "pip" in run.words[1:3]
        if is_pip and "install" in run.words and (name := _compiled(run)):
            yield Finding(
                f"pip compiles {name} while the image is built, which may need more memory than there is",
                hint="Install a ready-made wheel, or one from the index that the project offers (--extra-index-url).",
                where=run.where,
            )


def _compiled(run: Run) -> str:
    """What pip is told to compile; "" for nothing that is large."""
    if (names := run.command.value_of("--no-binary")) is not None:
        return "every package" if names == ":all:" else names
    names_ = {re.split(r"[\[<>=!~;@ ]", word)[0].lower().replace("_", "-") for word in run.words}
    has_index = run.command.has("--extra-index-url", "--index-url", "-i", "--find-links", "-f", "--only-binary")
    is_wheel = any(".whl" in word for word in run.words)
    return "" if has_index or is_wheel else next(iter(sorted(names_ & {"flash-attn", "llama-cpp-python"})), "")


@rule(
    Severity.WARNING,
    bad={
        "Dockerfile": (
            "FROM python:3.13-slim\n",
            "FROM python:3.13-slim\nRUN pip install --no-cache-dir torch tensorflow[and-cuda]\n",
        ),
        "space.toml": 'repo_id = "acme/hello"\nhardware = "t4-small"\nsleep_time = "1h"\n'
        "[limits]\nmax_hourly_cost = 1.0\n",
    },
    good={
        "Dockerfile": (
            "FROM python:3.13-slim\n",
            "FROM python:3.13-slim\nRUN pip install --no-cache-dir torch --index-url https://download.pytorch.org/whl/cpu\n",
        )
    },
)
def build_no_space(ctx: Context) -> Iterator[Finding]:
    """The disk on which the image is built is limited. Two copies of CUDA, such as that of an `nvidia/cuda` base of the
    kind devel and that of PyTorch's wheels, or of PyTorch and TensorFlow, fill it with more than ten gigabytes.
    """
    for run in ctx.runs:
        text = " ".join(run.words)
        is_install = "install" in run.words and not run.command.has("--index-url", "--extra-index-url")
        has_torch = is_install and re.search(r"(^| )torch([=<>~! ]|$)", text)
        both = has_torch and "tensorflow[and-cuda]" in text
        twice = has_torch and run.image.base.repository == "nvidia/cuda" and "devel" in run.image.base.tag
        if both or twice:
            yield Finding(
                "The line brings a second copy of CUDA into the image, which may fill the disk of the build",
                hint="Start FROM python:3.13-slim: PyTorch's wheels bring what they need of CUDA.",
                where=run.where,
            )
