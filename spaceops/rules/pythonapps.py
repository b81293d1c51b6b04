"""Rules about what the Python code does: the paths that it answers, models, files, and the world outside."""

from __future__ import annotations

import re
from collections.abc import Iterator

from spaceops.context import Context
from spaceops.findings import Finding, Severity
from spaceops.pythoncode import Code, Reach
from spaceops.pythoncode.routes import served
from spaceops.pythonmodule import Call, Function, Module
from spaceops.rules import rule
from spaceops.rules.node import dependencies
from spaceops.shell import UNKNOWN
from spaceops.startup.nginx import setup

_FASTAPI = "from fastapi import FastAPI"
_GOOD = "fastapi==0.116.1\nuvicorn==0.35.0\n"
_ROUTE = '@app.get("/")\ndef hello() -> dict[str, str]:\n    return {"hello": "world"}\n'
_MODEL = f'from transformers import pipeline\n{_FASTAPI}\n\nclassify = pipeline("text-classification", "acme/mood")'
_LATER = f'from transformers import pipeline\n{_FASTAPI}\n\n\ndef load() -> None:\n    pipeline("text-classification")'
_TORCH = f"--extra-index-url https://download.pytorch.org/whl/cpu\n{_GOOD}torch==2.9.0\n"
_ON_CPU = 'repo_id = "acme/hello"\nhardware = "cpu-basic"\n'

_LOADING = """
transformers.pipeline sentence_transformers.SentenceTransformer whisper.load_model spacy.load
huggingface_hub.snapshot_download torch.hub.load easyocr.Reader ultralytics.YOLO fasttext.load_model
"""
_PRELOADED = re.compile(
    r"from_pretrained|snapshot_download|pipeline\(|SentenceTransformer\(|hf download|huggingface-cli"
)
_TEXTS = frozenset({"text", "texts", "message", "prompt", "query", "question", "content", "body", "input", "sentence"})
_MAIL = ("smtplib.SMTP", "smtplib.SMTP_SSL", "imaplib.IMAP4", "imaplib.IMAP4_SSL", "poplib.POP3", "poplib.POP3_SSL")
_FILES = ("ftplib.FTP", "ftplib.FTP_TLS", "paramiko.SSHClient", "pysftp.Connection")
_TELEGRAM = ("telegram", "telebot", "aiogram", "pyrogram", "telethon")
_BLOCKING = (
    "time.sleep",
    "requests.get",
    "requests.post",
    "requests.request",
    "subprocess.run",
    "urllib.request.urlopen",
)
_REMOVING = ("os.unlink", "os.remove", ".unlink", "shutil.rmtree")
_MAIL_OF_NODE = ("nodemailer", "imap", "imapflow", "imap-simple")
_MOST_FILES = 200  # of a server in JavaScript, that are looked into
_PROXIES = ("nginx", "caddy", "haproxy", "traefik", "envoy", "apache2ctl", "httpd")
_HELMET = re.compile(r"\.use\(\s*helmet\(\s*\)\s*\)")
_FRAME = re.compile(
    r"x[-_]frame[-_]options.{0,20}(?:deny|sameorigin)|frame-ancestors\s+'(?:none|self)'\s*(?:;|\"|$)", re.IGNORECASE
)


@rule(
    Severity.WARNING,
    bad={"main.py": ('@app.get("/")', '@app.get("/hello")')},
    good={"main.py": ('@app.get("/")', '@app.api_route("/", methods=["GET", "HEAD"])')},
)
def root_404(ctx: Context) -> Iterator[Finding]:
    """The Space's page shows what the app answers at `/`. An app without that path shows *Not Found* to every visitor.

    Answer `/`, or set `base_path` in README.md to a path that is answered, such as `/docs`.
    """
    routes = served(ctx.python) if ctx.python else None
    base = ctx.card.fields.get("base_path") if ctx.card else None
    if routes is None or base or routes.answers("/") is not False or _is_behind_a_proxy(ctx):
        return
    yield Finding(
        'The app answers no GET of "/", which is what visitors of the Space see first',
        hint='Add a route @app.get("/"), or base_path: /docs to README.md.'
        if routes.framework == "fastapi"
        else 'Add a route for "/".',
        where=routes.where,
    )


@rule(
    Severity.WARNING,
    bad={"main.py": ("FastAPI()", 'FastAPI(root_path="/api")')},
    good={"main.py": ("FastAPI()", 'FastAPI(root_path="")')},
)
def root_path(ctx: Context) -> Iterator[Finding]:
    """A Space has an address of its own, and its app is at the root of it.

    With a `root_path` FastAPI believes that it is below another path: its pages look for their files where there are
    none.
    """
    if _is_behind_a_proxy(ctx):
        return
    code = ctx.python or Code()
    for module, call in code.calls("fastapi.FastAPI", "uvicorn.run"):
        path = call.keywords.get("root_path")
        if isinstance(path, str) and path.strip("/") and UNKNOWN not in path:
            yield _at_the_root(path, f"{module.path}:{call.line}")
    for process in ctx.startup.processes if ctx.startup else ():
        for word, value in zip(process.words, process.words[1:], strict=False):
            if word == "--root-path" and value.strip("/") and UNKNOWN not in value:
                yield _at_the_root(value, process.where)


def _is_behind_a_proxy(ctx: Context) -> bool:
    """Whether a server of the Space's own stands in front, which decides what the app's paths are.

    So it is where all that is known to listen does so on a port of its own, which the Hub does not ask.
    """
    processes, listeners = (ctx.startup.processes, ctx.startup.listeners) if ctx.startup else ((), ())
    asked = [one for one in listeners if one.port in (None, ctx.app_port) and not one.is_local]
    return any(process.name in _PROXIES for process in processes) or bool(listeners and not asked)


def _at_the_root(path: str, where: str) -> Finding:
    return Finding(
        f"The app believes it is below {path}, and a Space is always at the root", "Take root_path out.", where
    )


@rule(
    Severity.WARNING,
    bad={
        "main.py": (
            _ROUTE,
            f'{_ROUTE}\n\n@app.post("/analyze")\ndef analyze(text: str) -> int:\n    return len(text)\n',
        )
    },
    good={
        "main.py": (
            _ROUTE,
            f'{_ROUTE}\n\n@app.post("/analyze/{{text}}")\ndef analyze(text: str) -> int:\n    return len(text)\n',
        )
    },
)
def query_parameter_body(ctx: Context) -> Iterator[Finding]:
    """FastAPI reads a parameter of a simple type (`text: str`) from the address (`?text=…`), also of a POST.

    Callers who send JSON get *422 Field required*, and long texts end up in addresses and logs. A class of Pydantic's
    (`class Text(BaseModel): text: str`) is read from the body.
    """
    for module, call, function in _decorated(ctx, ("post", "put", "patch")):
        path = call.argument(0, "path")
        simple = [one for one in function.parameters if one.annotation == "str" and one.default is None]
        in_path = isinstance(path, str) and any(f"{{{one.name}" in path for one in simple)
        name = simple[0].name if simple else ""
        if len(function.parameters) == 1 and name in _TEXTS and not in_path:
            yield Finding(
                f"The {name} of {function.name}() comes from the address (?{name}=…), not from the body",
                hint=f"Write a class Body(BaseModel) with {name}: str, and def {function.name}(body: Body).",
                where=f"{module.path}:{function.line}",
            )


@rule(
    Severity.INFO,
    bad={"main.py": (_FASTAPI, _MODEL), "requirements.txt": _TORCH + "transformers==4.57.0\n"},
    good={"main.py": (_FASTAPI, _LATER), "requirements.txt": _TORCH + "transformers==4.57.0\n"},
)
def model_load_at_import(ctx: Context) -> Iterator[Finding]:
    """A model that is loaded while the module is imported keeps the port closed until it is there, at every start.

    The Hub waits 30 minutes for the port. Load the model in the background (a thread started in FastAPI's `lifespan`),
    and fetch it while the image is built, or with `preload_from_hub` in README.md.
    """
    code = ctx.python or Code()
    if ctx.card is not None and "preload_from_hub" in ctx.card.fields:
        return
    if ctx.image is not None and any(_PRELOADED.search(" ".join(command.words)) for _, command in ctx.image.runs):
        return
    for module, call in _all_calls(code):
        is_loading = call.name in _LOADING.split() or call.name.endswith(".from_pretrained")
        if is_loading and call.place.at_import and not call.place.conditional:
            yield Finding(
                "The model is fetched and loaded before the app opens its port, at every start",
                hint="Load it in a thread that FastAPI's lifespan starts, so that the port is open at once.",
                where=f"{module.path}:{call.line}",
            )
            return


@rule(
    Severity.WARNING,
    bad={
        "main.py": (_FASTAPI, f'import torch\n{_FASTAPI}\n\nweights = torch.zeros(3).to("cuda")'),
        "requirements.txt": _TORCH,
        "space.toml": _ON_CPU,
    },
    good={
        "main.py": (
            _FASTAPI,
            f'import torch\n{_FASTAPI}\n\nweights = torch.zeros(3).to("cuda" if torch.cuda.is_available() else "cpu")',
        ),
        "requirements.txt": _TORCH,
        "space.toml": _ON_CPU,
    },
)
def torch_no_nvidia_driver(ctx: Context) -> Iterator[Finding]:
    """CPU hardware has no graphics card. Code that moves a model to `cuda` all the same fails.

    The error is *Found no NVIDIA driver on your system*.
    """
    code = ctx.python or Code()
    if not ctx.space.flavors or not all(flavor.startswith("cpu") for flavor in ctx.space.flavors):
        return
    for module, call in _all_calls(code):
        asks = any(True for _ in module.called("torch.cuda.is_available"))
        if not asks and _wants_cuda(call) and code.imports("torch", "transformers", "diffusers"):
            yield Finding(
                f"The code needs a graphics card here, and space.toml asks for {ctx.space.flavors[0]}",
                hint='Write "cuda" if torch.cuda.is_available() else "cpu", or hardware = "t4-small" in space.toml.',
                where=f"{module.path}:{call.line}",
            )
            return


def _wants_cuda(call: Call) -> bool:
    if call.place.conditional:
        return False
    first = call.args[0] if call.args else None
    named = call.keywords.get("device", call.keywords.get("device_map"))
    to_cuda = call.name in (".to", "torch.device") and isinstance(first, str) and first.startswith("cuda")
    return to_cuda or (call.name == ".cuda" and not call.args) or (isinstance(named, str) and named.startswith("cuda"))


@rule(
    Severity.WARNING,
    bad={
        "main.py": (
            _FASTAPI,
            f'import smtplib\n{_FASTAPI}\n\n\ndef mail() -> None:\n    smtplib.SMTP("mail.example.com", 587)',
        )
    },
    good={
        "main.py": (
            _FASTAPI,
            f"import smtplib\n{_FASTAPI}\n\n\ndef code(error: smtplib.SMTPException) -> str:\n    return str(error)",
        )
    },
)
def outbound_port(ctx: Context) -> Iterator[Finding]:
    """A Space may open connections to ports 80, 443 and 8080. Mail (25, 465, 587, 993), FTP and SSH end in *Connection
    timed out*: use a mail service with an HTTPS interface.
    """
    for module, call in (ctx.python or Code()).calls(*_MAIL, *_FILES):
        what = "Mail servers cannot" if call.name in _MAIL else "FTP and SSH servers cannot"
        yield Finding(
            f"{what} be reached from a Space: only ports 80, 443 and 8080 are open to the outside",
            hint="Use a service that is reached with HTTPS, such as a mail provider's web API.",
            where=f"{module.path}:{call.line}",
        )
        return
    for name, where in dependencies(ctx):
        if name in _MAIL_OF_NODE:
            yield Finding(
                f"The package {name} talks to mail servers, which cannot be reached from a Space: only ports 80, 443 "
                "and 8080 are open to the outside",
                hint="Use a service that is reached with HTTPS, such as a mail provider's web API.",
                where=where,
            )
            return


@rule(
    Severity.INFO,
    bad={
        "main.py": (_FASTAPI, f"import telebot\n{_FASTAPI}"),
        "requirements.txt": _GOOD + "pyTelegramBotAPI==4.29.1\n",
    },
    good={"main.py": (_FASTAPI, f"import telegraph\n{_FASTAPI}"), "requirements.txt": _GOOD + "telegraph==2.2.0\n"},
)
def outbound_telegram(ctx: Context) -> Iterator[Finding]:
    """Spaces are reported not to reach api.telegram.org. A bot that asks it for messages gets none."""
    for module in (ctx.python or Code()).modules.values():
        for one in module.imports:
            if one.level == 0 and one.module.partition(".")[0] in _TELEGRAM:
                yield Finding(
                    "Telegram's servers are reported not to be reachable from Spaces",
                    hint="Try a request to https://api.telegram.org first; a webhook on another host is a way around.",
                    where=f"{module.path}:{one.line}",
                )
                return


@rule(
    Severity.INFO,
    bad={
        "main.py": (
            "app = FastAPI()",
            'app = FastAPI()\n\n\n@app.get("/login")\ndef login(response) -> None:\n    response.set_cookie("id", "1")',
        )
    },
    good={
        "main.py": (
            "app = FastAPI()",
            'app = FastAPI()\n\n\n@app.get("/login")\ndef login(response) -> None:\n'
            '    response.set_cookie("id", "1", samesite="none", secure=True)',
        )
    },
)
def third_party_cookie(ctx: Context) -> Iterator[Finding]:
    """On huggingface.co the app is shown inside the Hub's page. There a browser keeps its cookies only if they say
    `SameSite=None; Secure`, and logins work at the app's own address alone.
    """
    for module, call in _all_calls(ctx.python or Code()):
        is_session = call.name == ".add_middleware" and any("SessionMiddleware" in one for one in call.passes)
        if not is_session and call.name != ".set_cookie":
            continue
        same_site = call.keywords.get("same_site", call.keywords.get("samesite", ""))
        if isinstance(same_site, str) and same_site.lower() != "none":
            word = "same_site" if is_session else "samesite"
            secure = "https_only" if is_session else "secure"
            yield Finding(
                "Browsers drop this cookie where the Hub shows the app inside its own page",
                hint=f'Add {word}="none", {secure}=True.',
                where=f"{module.path}:{call.line}",
            )
            return


@rule(
    Severity.WARNING,
    bad={"main.py": (_FASTAPI, f'HEADERS = {{"X-Frame-Options": "DENY"}}\n{_FASTAPI}')},
    good={
        "main.py": (
            _FASTAPI,
            f'HEADERS = {{"Content-Security-Policy": "frame-ancestors https://huggingface.co"}}\n{_FASTAPI}',
        )
    },
)
def x_frame_options(ctx: Context) -> Iterator[Finding]:
    """The Hub shows the app in a frame of its page.

    `X-Frame-Options` or `frame-ancestors` that forbid it leave the page blank: *refused to connect*.
    """
    paths = set((ctx.python or Code()).modules)
    paths |= {path for path in ctx.source.files if path.endswith("/settings.py") and path.count("/") < 4}
    paths |= set(_files_of_nginx(ctx)) | set(_files_with_helmet(ctx))
    for path in sorted(paths):
        text = ctx.text(path) or ""
        if not re.search(r"frame|helmet", text, re.IGNORECASE):
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            hint = None if len(line) > 500 or line.lstrip().startswith(("#", "//")) else _about_frames(line, text)
            if hint is not None:
                said = "The app forbids to be shown in a frame, and that is how the Hub shows it"
                yield Finding(said, hint=hint, where=f"{path}:{number}")
                return


def _about_frames(line: str, text: str) -> str | None:
    """What to write in place of a line that forbids frames; None where it does not."""
    if _FRAME.search(line):
        return "Send Content-Security-Policy: frame-ancestors 'self' https://huggingface.co instead."
    if "clickjacking.XFrameOptionsMiddleware" in line and "X_FRAME_OPTIONS" not in text:
        return "Take the line out: Django forbids frames with it unless told otherwise."
    if _HELMET.search(line):
        return "Write helmet({ frameguard: false, contentSecurityPolicy: false })"
    return None


def _files_of_nginx(ctx: Context) -> Iterator[str]:
    """The configuration of every nginx that starts."""
    for process in ctx.startup.processes if ctx.startup else ():
        found = setup(process, ctx.startup.world) if ctx.startup and process.name == "nginx" else None
        yield from (file.path for file in found.files) if found else ()


def _files_with_helmet(ctx: Context) -> Iterator[str]:
    """The files of a server that may add the headers of helmet, a package of npm."""
    if any(name == "helmet" for name, _ in dependencies(ctx)):
        files = (path for path in ctx.in_context if path.endswith((".js", ".mjs", ".cjs", ".ts", ".mts")))
        yield from sorted(path for path in files if "node_modules/" not in path)[:_MOST_FILES]


@rule(
    Severity.WARNING,
    bad={"main.py": (_FASTAPI, f'import os\n\n{_FASTAPI}\n\nkeeps = os.path.exists("/data")')},
    good={"main.py": (_FASTAPI, f'import os\n\n{_FASTAPI}\n\nkeeps = os.path.ismount("/data")')},
)
def data_folder_check(ctx: Context) -> Iterator[Finding]:
    """`/data` keeps files only where a volume is mounted on it.

    A mere folder of that name, which the image may have, is there too, and loses everything at the next start. So
    `os.path.exists("/data")` does not tell whether files are kept; `os.path.ismount("/data")` does.
    """
    if any(volume.mount.rstrip("/") == "/data" for volume in ctx.space.volumes):
        return
    for module, call in (ctx.python or Code()).calls("os.path.exists", "os.path.isdir"):
        if call.args and call.args[0] in ("/data", "/data/"):
            yield Finding(
                "This check is also true for a mere folder /data, whose files are lost at the next start",
                hint=f'Write os.path.ismount("/data") for {call.name}("/data").',
                where=f"{module.path}:{call.line}",
            )
            return


@rule(
    Severity.INFO,
    bad={
        "main.py": (
            _FASTAPI,
            f"from tempfile import NamedTemporaryFile\n{_FASTAPI}\n\n\n"
            "def keep() -> str:\n    return NamedTemporaryFile(delete=False).name",
        )
    },
    good={
        "main.py": (_FASTAPI, f"import tempfile\n\n{_FASTAPI}\n\n\ndef keep() -> str:\n    return tempfile.mkdtemp()")
    },
)
def temporary_files_kept(ctx: Context) -> Iterator[Finding]:
    """A temporary file with `delete=False` stays until the next start.

    One for each request fills the disk of 50 GB in time, and the Space is stopped: *storage limit exceeded*.
    """
    for module, call in (ctx.python or Code()).calls("tempfile.NamedTemporaryFile", "tempfile.mkstemp"):
        kept = call.keywords.get("delete") is False or call.name.endswith("mkstemp")
        if kept and not any(True for _ in module.called(*_REMOVING)):
            yield Finding(
                "Nothing deletes this temporary file, so that each call leaves one on the disk",
                hint="Leave delete=False out, or call os.unlink(file.name) when you are done with it.",
                where=f"{module.path}:{call.line}",
            )
            return


@rule(
    Severity.INFO,
    bad={
        "main.py": (
            _FASTAPI,
            f"import time\n\n{_FASTAPI}\n\nwaiting = FastAPI()\n\n\n"
            '@waiting.get("/wait")\nasync def wait() -> None:\n    time.sleep(5)',
        )
    },
    good={"main.py": (_FASTAPI, f"import time\n\n{_FASTAPI}\n\n\ndef wait() -> None:\n    time.sleep(5)")},
)
def blocking_in_async(ctx: Context) -> Iterator[Finding]:
    """While an `async def` route waits without `await`, the whole app waits, and answers nobody, the Hub's own checks
    included. A route written as plain `def` runs in a thread of its own.
    """
    for module, _, function in _decorated(ctx, ("get", "post", "put", "patch", "delete")):
        for call in module.called(*_BLOCKING) if function.is_async else ():
            if call.place.function == function.name:
                yield Finding(
                    f"The call of {call.name} in async def {function.name}() makes the whole app wait",
                    hint=f"Write def {function.name}() without async, and FastAPI runs it in a thread.",
                    where=f"{module.path}:{call.line}",
                )
                return


def _all_calls(code: Code) -> Iterator[tuple[Module, Call]]:
    return (
        (module, call)
        for module in code.modules.values()
        for call in module.calls
        if code.reached.get(module.path, Reach.GUARDED) is not Reach.GUARDED
    )


def _decorated(ctx: Context, methods: tuple[str, ...]) -> Iterator[tuple[Module, Call, Function]]:
    """The functions that FastAPI calls for requests."""
    for module, call in _all_calls(ctx.python or Code()):
        function = module.functions.get(call.decorates)
        is_route = call.receiver and call.name.removeprefix(".") in methods
        if function is not None and is_route and any("fastapi" in dotted for dotted in module.aliases.values()):
            yield module, call, function
