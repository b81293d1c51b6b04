"""Where the servers listen, against where the Hub sends its traffic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from spaceops.findings import Finding, Fix, Severity
from spaceops.rules import rule
from spaceops.rules.examples import SERVE
from spaceops.rules.frontmatter import addition, edit
from spaceops.startup import EVERYWHERE, Listener, Startup
from spaceops.startup.editing import with_option
from spaceops.startup.network import downloads, is_bot, listens_nowhere
from spaceops.startup.nginx import idle

if TYPE_CHECKING:
    from spaceops.context import Context

_SERVER = "uvicorn main:app --host 0.0.0.0"
_ADDRESSES = """\
from fastapi import FastAPI, Request

app = FastAPI()


@app.get("/")
def hello(request: Request) -> dict[str, str]:
    return {"home": str(request.url_for("hello"))}
"""
_MANY_WORKERS = 4
_LOADS = (
    "pipeline",
    "from_pretrained",
    "SentenceTransformer",
    "load_model",
    "CrossEncoder",
    "Llama",
    "WhisperModel",
    "InferenceSession",
)
_BUILDS_ADDRESSES = (
    "request.url_for(",
    "attach_huggingface_oauth",
    "authlib",
    "authorize_redirect",
    "request.base_url",
)


@rule(
    Severity.ERROR,
    bad={"Dockerfile": ('"--port", "7860"', '"--port", "8000"')},
    good={
        "Dockerfile": (SERVE, 'CMD ["bash", "start.sh"]'),
        "start.sh": "#!/bin/bash\nuvicorn main:app --port 8000 &\nexec ./proxy --listen 7860\n",
        "proxy": "#!/usr/bin/env python3\nimport proxying\n",
    },
)
def app_port_mismatch(ctx: Context) -> Iterator[Finding]:
    """The Hub sends every request to one port of the container: `app_port` in README.md, 7860 unless it says otherwise.

    A server that listens on another port is never reached: the Space stays "Starting" for 30 minutes and then fails
    with "Launch timed out". `EXPOSE` in the Dockerfile changes nothing.
    """
    startup, port = ctx.startup, ctx.app_port
    if startup is None or port is None or not _is_whole(startup):
        return
    servers = startup.listeners
    if not servers or any(one.port is None or one.port == port for one in servers):
        return
    server = next((one for one in servers if not one.is_local), servers[-1])
    said = "README.md says app_port:" if ctx.card and "app_port" in ctx.card.fields else "the Hub's default app_port is"
    setting = server.to_set_port.format(port=port)
    yield Finding(
        f"The server ({server.server}) listens on port {server.port}, but {said} {port}: the Hub sends all traffic "
        "there, and the Space would never leave Starting",
        hint=f"Write app_port: {server.port} in README.md; or let the server listen on {port}: {setting}",
        where=server.where,
        fix=_port_fix(ctx, server.port),
        severity=None if all(one.is_port_certain for one in servers) else Severity.WARNING,
    )


def _is_whole(startup: Startup) -> bool:
    """Whether every server that may answer is known, and none is missing in front of them."""
    return startup.is_complete and bool(startup.listeners) and idle(startup) is None


def _port_fix(ctx: Context, port: int | None) -> Fix | None:
    return edit(ctx, "app_port", str(port), safe=False) or addition(ctx, "app_port", str(port))


@rule(
    Severity.ERROR,
    bad={"Dockerfile": ('"--host", "0.0.0.0", ', "")},
    good={
        "Dockerfile": ('"--host", "0.0.0.0", ', '"--host", "::", '),
    },
)
def bind_loopback(ctx: Context) -> Iterator[Finding]:
    """A server that listens on 127.0.0.1 (`localhost`) answers only programs in its own container.

    The Hub asks from outside, gets no answer, and gives up after 30 minutes. Many servers do that unless told
    otherwise: they are meant for your own computer. `0.0.0.0` means "everybody who can reach this container".
    """
    startup, port = ctx.startup, ctx.app_port
    if startup is None or port is None or not _is_whole(startup):
        return
    servers = startup.listeners
    if any(one.port is None or one.host is None or (one.port == port and not one.is_local) for one in servers):
        return
    for server in servers:
        if server.is_local and (server.port == port or len(servers) == 1):
            yield _loopback(ctx, server)
            return


def _loopback(ctx: Context, server: Listener) -> Finding:
    certain = server.is_host_certain
    return Finding(
        f"The server ({server.server}) listens on {server.host}, where only programs in the same container reach it: "
        "the Hub's requests come from outside",
        hint=f"Let it listen on every address: {server.to_set_host.replace('PORT', str(server.port))}",
        where=server.where,
        fix=with_option(ctx.text, server, "--host", EVERYWHERE) if certain else None,
        severity=None if certain else Severity.WARNING,
    )


@rule(
    Severity.ERROR,
    bad={"Dockerfile": ('"7860"]', '"$PORT"]')},
    good={"Dockerfile": (SERVE, "ENV PORT=7860\nCMD uvicorn main:app --host 0.0.0.0 --port $PORT")},
)
def variable_not_expanded(ctx: Context) -> Iterator[Finding]:
    """Only a shell puts values in the place of `$PORT`, and `CMD ["program", "$PORT"]` uses no shell.

    The program gets the five letters `$PORT`, which are no number, and ends. `CMD program $PORT`, without brackets and
    quotes, uses a shell.
    """
    startup = ctx.startup
    starts = (startup.world.image.entrypoint, startup.world.image.cmd) if startup else ()
    for start in starts:
        words = () if start is None or start.is_shell else start.words
        for option, word in pairwise(words):
            if start and option in ("--port", "-p", "--server.port", "--server_port") and word.startswith("$"):
                yield Finding(
                    f"The program gets the text {word} as its port, not the variable's value: no shell reads this line",
                    hint=f"Write the number; or use a shell: CMD {' '.join(words)}",
                    where=f"Dockerfile:{start.line}",
                    severity=None
                    if startup and startup.processes and startup.processes[0].words[0] == words[0]
                    else Severity.WARNING,
                )


@rule(
    Severity.WARNING,
    bad={
        "Dockerfile": (SERVE, 'CMD ["bash", "start.sh"]'),
        "start.sh": f"#!/bin/bash\n{_SERVER} --port 7860 &\npython -m http.server 7860 &\nwait -n\n",
    },
    good={
        "Dockerfile": (SERVE, 'CMD ["bash", "start.sh"]'),
        "start.sh": f"#!/bin/bash\n{_SERVER} --port 7860 &\npython -m http.server 8000 &\nwait -n\n",
    },
)
def address_in_use(ctx: Context) -> Iterator[Finding]:
    """Two servers cannot listen on the same port: the second one ends with "Address already in use"."""
    seen = dict[int, Listener]()
    for server in ctx.startup.listeners if ctx.startup else ():
        if server.port is None or not (server.is_port_certain and server.process.is_certain):
            continue
        first = seen.setdefault(server.port, server)
        if first.process is not server.process and first.where != server.where:
            yield Finding(
                f"Both {server.server} and {first.server} listen on port {server.port}: the second one fails with "
                '"Address already in use"',
                hint=f"Give one of them another port, such as {server.port + 1}.",
                where=server.where,
            )
            return


@rule(
    Severity.WARNING,
    bad={
        "Dockerfile": (SERVE, 'CMD ["python", "main.py"]'),
        "requirements.txt": "discord.py==2.5.2\n",
        "main.py": "import discord\n\ndiscord.Client(intents=discord.Intents.default()).run('x')\n",
    },
    good={
        "Dockerfile": (SERVE, 'CMD ["python", "main.py"]'),
        "requirements.txt": "discord.py==2.5.2\n",
        "main.py": "import discord\nimport keep_alive\n\ndiscord.Client(intents=discord.Intents.default()).run('x')\n",
        "keep_alive.py": "from http.server import HTTPServer\n",
    },
)
def no_http_server(ctx: Context) -> Iterator[Finding]:
    """The Hub waits until something answers HTTP on `app_port`, and stops a Space where nothing does after 30 minutes.

    A bot or a worker that only asks others does not answer. Let a tiny web server run beside it.
    """
    startup = ctx.startup
    if startup is None or startup.listeners or len(startup.processes) != 1:
        return
    process = startup.processes[0]
    if is_bot(startup.world, process) and listens_nowhere(startup.world, process):
        yield Finding(
            f"The program {process.words[-1]} is a bot, and nothing in it answers HTTP: the Hub waits for an answer on "
            f"port {ctx.app_port or 7860}, and stops the Space after 30 minutes",
            hint=f"Start a small web server beside the bot: python -m http.server {ctx.app_port or 7860} &",
            where=process.where,
        )


@rule(
    Severity.WARNING,
    bad={
        "Dockerfile": (
            SERVE,
            'CMD ["streamlit", "run", "main.py", "--server.port", "7860", "--server.address", "0.0.0.0"]',
        ),
        "requirements.txt": "streamlit==1.48.0\n",
        "main.py": "import streamlit as st\n\nst.file_uploader('File')\n",
    },
    good={
        "Dockerfile": (SERVE, 'CMD ["streamlit", "run", "main.py", "--server.port", "7860"]'),
        "requirements.txt": "streamlit==1.48.0\n",
        "main.py": "import streamlit as st\n\nst.title('Hello')\n",
    },
)
def streamlit_xsrf(ctx: Context) -> Iterator[Finding]:
    """Streamlit's uploads need a cookie, and browsers refuse cookies of a Space that is shown inside huggingface.co.

    Uploads then fail with "AxiosError: Request failed with status code 403". Streamlit can do without the cookie.
    """
    startup = ctx.startup
    for process in startup.processes if startup else ():
        if startup is None or process.name != "streamlit" or "enableXsrfProtection" in " ".join(process.words):
            continue
        found = startup.world.text_at(process.absolute(process.words[2])) if len(process.words) > 2 else None
        config = startup.world.text_at(process.absolute(".streamlit/config.toml"))
        told = "STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION" in process.env or (config and "enableXsrf" in config[1])
        if found and not told and ("file_uploader(" in found[1] or "camera_input(" in found[1]):
            yield Finding(
                "Uploads to Streamlit fail with status 403 while the Space is shown inside huggingface.co: browsers "
                "refuse the cookie that protects them there",
                hint='Add "--server.enableXsrfProtection", "false" to the command that starts Streamlit.',
                where=process.where,
            )


@rule(
    Severity.INFO,
    bad={"main.py": _ADDRESSES},
    good={
        "main.py": _ADDRESSES,
        "Dockerfile": ('"--port", "7860"', '"--port", "7860", "--proxy-headers", "--forwarded-allow-ips", "*"'),
    },
)
def proxy_headers(ctx: Context) -> Iterator[Finding]:
    """The Hub takes HTTPS requests and hands them on to the container as plain HTTP.

    An app that builds addresses of its own (`url_for`, OAuth, redirects) then writes `http://`, which browsers refuse
    and OAuth providers do not know, unless its server believes the proxy's headers.
    """
    startup = ctx.startup
    for server in startup.listeners if startup else ():
        told = any("forwarded-allow-ips" in word for word in server.process.words)
        if startup is None or server.server != "uvicorn" or told or "FORWARDED_ALLOW_IPS" in server.process.env:
            continue
        path = _module_with_redirects(ctx)
        if path:
            yield Finding(
                f"The code in {path} builds addresses of its own, and behind the Hub's proxy they come out as http:// "
                "instead of https://",
                hint='Add "--proxy-headers", "--forwarded-allow-ips", "*" to the command that starts uvicorn.',
                where=server.process.where,
            )
            return


def _module_with_redirects(ctx: Context) -> str | None:
    """The first Python module of the running app that makes absolute addresses."""
    modules = ctx.python.modules if ctx.python else ()
    return next((path for path in modules if any(word in (ctx.text(path) or "") for word in _BUILDS_ADDRESSES)), None)


@rule(
    Severity.WARNING,
    bad={
        "Dockerfile": (SERVE, 'CMD ["bash", "start.sh"]'),
        "start.sh": "#!/bin/bash\nhf download acme/large --local-dir model\n"
        "exec uvicorn main:app --host 0.0.0.0 --port 7860\n",
    },
    good={
        "Dockerfile": (SERVE, 'CMD ["bash", "start.sh"]'),
        "start.sh": "#!/bin/bash\nhf download acme/large --local-dir model &\n"
        "exec uvicorn main:app --host 0.0.0.0 --port 7860\n",
    },
)
def launch_timeout(ctx: Context) -> Iterator[Finding]:
    """The Hub waits 30 minutes for the first answer, and every start of the container counts anew.

    What a start script downloads before the server runs is downloaded again at every start, and a slow day becomes
    "Launch timed out, workload was not healthy after 30 min". Download in the Dockerfile, or beside the server.
    """
    startup = ctx.startup
    if ctx.card and "startup_duration_timeout" in ctx.card.fields:
        return
    for script in startup.scripts if startup else ():
        found = downloads(script)
        if found is not None and startup and startup.listeners:
            yield Finding(
                f"At every start `{found.name}` downloads before the server answers: where that takes more than 30 "
                "minutes the Hub gives up",
                hint="Download in a RUN line of the Dockerfile; or end the line with & ; or write "
                "startup_duration_timeout: 1h in README.md.",
                where=f"{script.path}:{found.line}",
            )


@rule(
    Severity.WARNING,
    bad={
        "Dockerfile": ('"--port", "7860"', '"--port", "7860", "--workers", "8"'),
        "requirements.txt": "fastapi==0.116.1\nuvicorn==0.35.0\nonnxruntime==1.22.1\n",
        "main.py": (
            "app = FastAPI()\n",
            "from onnxruntime import InferenceSession\n\napp = FastAPI()\nmodel = InferenceSession('a.onnx')\n",
        ),
    },
    good={"Dockerfile": ('"--port", "7860"', '"--port", "7860", "--workers", "8"')},
)
def memory_limit(ctx: Context) -> Iterator[Finding]:
    """Each worker process of a server loads the model for itself, so memory is needed once per worker.

    cpu-basic has 16 GB; a Space that needs more is stopped with "Memory limit exceeded".
    """
    startup = ctx.startup
    for server in startup.listeners if startup else ():
        workers = _workers(server)
        path = _model_loader(ctx) if workers >= _MANY_WORKERS else None
        if path:
            yield Finding(
                f"The server ({server.server}) starts {workers} workers, and each loads the model of {path} into "
                "memory of its own",
                hint="Start one worker, and let it answer several requests at once: --workers 1",
                where=server.process.where,
            )


def _model_loader(ctx: Context) -> str | None:
    """The first module that loads a model while it is imported."""
    for module in ctx.python.modules.values() if ctx.python else ():
        for call in module.calls:
            if call.name.rpartition(".")[2] in _LOADS and ctx.python and ctx.python.is_run(module, call):
                return module.path
    return None


def _workers(server: Listener) -> int:
    words: Sequence[str] = server.process.words
    for before, word in zip(words, (*words[1:], ""), strict=True):
        if before in ("--workers", "-w") and word.isdecimal():
            return int(word[:4])
        if before.startswith("--workers=") and before[10:].isdecimal():
            return int(before[10:14])
    return 1
